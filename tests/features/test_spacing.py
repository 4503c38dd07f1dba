"""Letters written apart, words written together, letters held down."""

from hypothesis import given
from hypothesis import strategies as st
from specification.folding import close_up, shorten

WORD = st.text("abcdefghiknopqrtuvwyz", min_size=3, max_size=9)


@given(WORD)
def test_a_word_with_a_sign_at_every_second_place_is_joined(word):
    """Whichever the sign."""
    assert {sign: close_up(sign.join(word), None)[0] for sign in "._-*~·|/+'"} == dict.fromkeys("._-*~·|/+'", word)


@given(st.lists(WORD, min_size=2, max_size=5), st.sampled_from([("   ", " "), ("  ", " "), (" ", ".")]))
def test_wider_gaps_part_words(words, gaps):
    """Of two kinds of gaps the narrow ones are within words."""
    wide, narrow = gaps
    assert close_up(wide.join(map(narrow.join, words)), None)[0] == " ".join(words)


def test_lists_and_numbers_stay():
    """Sizes, numbers, and too few letters to be a word are not joined."""
    texts = ["S/M/L", "S, M, L, XL", "S M L", "1.2.3", "4 5 6", "24-70 f/2.8", "A - Z", "A & B & C", "U.S", "x 2"]
    texts.append("iPhone 5 s")
    assert [close_up(text, None)[0] for text in texts] == texts


def test_signs_and_short_words_are_joined_with_the_rest():
    """What is too short to tell is joined where most words of the text are written apart."""
    joined = {
        "[.A.A.A.+.]": "[AAA+]",
        "1.:.1": "1:1",
        "r.e.p.l.i.c.a a.t 4.2": "replica a.t 4.2",
        "r.e.p.l.i.c.a w.a.t.c.h s.a.l.e a.t 4.2": "replica watch sale at 42",
        "r e p l i c a   1 : 1": "replica 1:1",
        "big r e p now": "big rep now",
    }
    assert {written: close_up(written, None)[0] for written in joined} == joined


def test_letters_held_down_are_shortened():
    """To two; not a word of nothing else, nor numbers, nor signs."""
    short = {"reeeeplica": "reeplica", "aaa": "aaa", "aaa+": "aaa+", "1000": "1000", "!!!": "!!!"}
    assert {written: shorten(written, None)[0] for written in short} == short
