"""The steps of folding, as specified: other alphabets, signs for letters, letters apart, together and held down."""

from hypothesis import given
from hypothesis import strategies as st
from specification.alphabets import read_words
from specification.folding import close_up, read_signs, shorten
from support.finding import skeleton

from ipml.features.compiled.folding import fold_text
from ipml.model.robustness.evasions import LEET_SIGNS, translate


def read(text: str) -> str:
    """Return a text with its words read."""
    return read_words(text, None)[0]


def test_words_of_other_alphabets_are_read_by_sound_or_shape_or_stay():
    """By sound if any in a row looks like none in ASCII; mixed ones, and those among them, by shape; others stay."""
    words = {"реплика": "replika", "сору": "сору", "сору часов": "soru chasov", "СУМКА кожаная": "SUMKA kozhanaya"}
    words |= {"τσάντα": "tsanta", "δέρμα Nike": "derma Nike", "чехол-книжка 5": "chekhol-knizhka 5"}
    assert {text: read(text).lower() for text in words} == {text: word.lower() for text, word in words.items()}
    words = {"ωatch": "watch", "gυςςι": "gυccι", "boנ": "boj", "bαg νεω sαlε": "bαg νεw sαlε"}
    assert {text: read(text) for text in words} == words
    texts = ["תיק עור", "हिन्दी किताब", "กระเป๋า", "ნაჭრის", "Նոր կաշվե", "አዲስ ቦርሳ", "حقيبة", "名牌手提包", "がんばれ"]
    assert list(map(read, texts)) == texts


def test_ornaments_are_read_where_they_can_be_nothing_else():
    """One letter that is no ornament makes the script a script, one turned letter a letter, a number a price."""
    words = {
        "ꋪꏂꉣ꒒ꀤ": "ꋪꏂꉣ꒒ꀤ",
        "ꋪꏂꉣ꒒꒐": "repli",
        "ዪቿየረ": "repl",
        "卂丂 乃卂": "as ba",
        "山口さん": "山口さん",
    }
    words |= {"ʇɔɐɟɯoɔ": "tcafmoc", "ɔdɔ": "ɔdɔ", "₣₳₭E ₴₴": "fakE ss", "50€ 100 ₽": "50€ 100 ₽"}
    assert {text: read(text) for text in words} == words


def read_apart(text: str) -> str:
    """Return a text with its signs read."""
    return read_signs(text, None)[0]


def test_signs_in_words_are_letters_and_others_stay():
    """Also at an end of a word; in a text of signs even alone; bars, pluses, prices and brackets are what they are."""
    words = {"r@lex": "ralex", "$uper": "super", "gu((!": "gu((!", "adida$": "adidas", "@rmani": "armani"}
    words["r@+ed rep|!(@ @@@+"] = "rated replica aaa+"
    assert {written: read_apart(written) for written in words} == words
    titles = ["classic replica watches", "best quality belts for sale", "total clearance of bags"]
    assert [skeleton(fold_text(translate(title, LEET_SIGNS))) for title in titles] == list(map(skeleton, titles))
    texts = [
        *("black|white", "a1921 (cdma+gsm)", "2 cds+dvd", "set($90)", "50+ pieces", "$30 each", "sale! new!"),
        *("grade (aaa+) watch", "a+ quality", "win $ now", "wow!!!", "shirt + hat", "10 @ 5", "men's (new)"),
    ]
    assert list(map(read_apart, texts)) == texts


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


def test_short_words_are_joined_with_the_rest_and_lists_stay():
    """What is too short to tell is joined where most words are apart; sizes and numbers are not."""
    joined = {
        "[.A.A.A.+.]": "[AAA+]",
        "1.:.1": "1:1",
        "r.e.p.l.i.c.a a.t 4.2": "replica a.t 4.2",
        "r.e.p.l.i.c.a w.a.t.c.h s.a.l.e a.t 4.2": "replica watch sale at 42",
        "r e p l i c a   1 : 1": "replica 1:1",
        "big r e p now": "big rep now",
    }
    assert {written: close_up(written, None)[0] for written in joined} == joined
    texts = ["S/M/L", "S, M, L, XL", "S M L", "1.2.3", "4 5 6", "24-70 f/2.8", "A - Z", "A & B & C", "U.S", "x 2"]
    texts.append("iPhone 5 s")
    assert [close_up(text, None)[0] for text in texts] == texts


def test_letters_held_down_are_shortened():
    """To two; not a word of nothing else, nor numbers, nor signs."""
    short = {"reeeeplica": "reeplica", "aaa": "aaa", "aaa+": "aaa+", "1000": "1000", "!!!": "!!!"}
    assert {written: shorten(written, None)[0] for written in short} == short
