"""Letters written apart, words written together, letters held down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specification.folding import close_up, shorten

WORD = st.text("abcdefghiknopqrtuvwyz", min_size=3, max_size=9)
PIECES = st.text("ab1sM .-_/:+&\x1f", max_size=40)


@pytest.mark.parametrize("sign", "._-*~·|/+'")
@given(word=WORD)
def test_a_word_with_a_sign_at_every_second_place_is_joined(sign, word):
    """Whichever the sign."""
    assert close_up(sign.join(word), None)[0] == word


@given(st.lists(WORD, min_size=2, max_size=5), st.sampled_from([("   ", " "), ("  ", " "), (" ", ".")]))
def test_wider_gaps_part_words(words, gaps):
    """Of two kinds of gaps the narrow ones are within words."""
    wide, narrow = gaps
    assert close_up(wide.join(map(narrow.join, words)), None)[0] == " ".join(words)


@pytest.mark.parametrize(
    "text",
    [
        "S/M/L",
        "S, M, L, XL",
        "S M L",
        "1.2.3",
        "4 5 6",
        "24-70 f/2.8",
        "A - Z",
        "A & B & C",
        "U.S",
        "x 2",
        "iPhone 5 s",
    ],
)
def test_lists_and_numbers_stay(text):
    """Sizes, numbers, and too few letters to be a word are not joined."""
    assert close_up(text, None)[0] == text


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("[.A.A.A.+.]", "[AAA+]"),
        ("1.:.1", "1:1"),
        ("r.e.p.l.i.c.a a.t 4.2", "replica a.t 4.2"),
        ("r.e.p.l.i.c.a w.a.t.c.h s.a.l.e a.t 4.2", "replica watch sale at 42"),
        ("r e p l i c a   1 : 1", "replica 1:1"),
        ("big r e p now", "big rep now"),
    ],
)
def test_signs_and_short_words_are_joined_with_the_rest(written, plain):
    """What is too short to tell is joined where most words of the text are written apart."""
    assert close_up(written, None)[0] == plain


@pytest.mark.parametrize(
    ("written", "short"),
    [("reeeeplica", "reeplica"), ("aaa", "aaa"), ("aaa+", "aaa+"), ("1000", "1000"), ("!!!", "!!!")],
)
def test_letters_held_down_are_shortened(written, short):
    """To two; not a word of nothing else, nor numbers, nor signs."""
    assert shorten(written, None)[0] == short


@pytest.mark.parametrize("step", [close_up, shorten])
@given(text=PIECES)
def test_places_rise_and_letters_are_those_written(step, text):
    """Nothing is invented but spaces, and nothing changes its place."""
    written, origins = step(text, list(range(len(text))))
    assert origins == sorted(origins)
    assert all(letter in (" ", text[origin]) for letter, origin in zip(written, origins, strict=True))
    assert step(text, None) == (written, None)


@given(text=PIECES)
def test_a_second_time_changes_nothing(text):
    """What is shortened stays so."""
    once = shorten(text, None)
    assert shorten(*once) == once
