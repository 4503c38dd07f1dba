"""How an offer is made is read in many texts at once as it is in one."""

import math
import sys

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from specification.offers import find_contacts, find_lots
from specification.phrases import find_phrases

from ipml.features.compiled.phrases import PhraseFinder
from ipml.features.compiled.texts import Texts
from ipml.features.normalisation import fold_text
from ipml.features.offers import describe_offers, group_columns, load_offer_words

GROUPS, PHRASES = (tuple(column) for column in zip(*load_offer_words(), strict=True))
FINDER = PhraseFinder((PHRASES,))
COLUMNS = group_columns(GROUPS)

LOTS = ["x", "x ", "10", "7", "100000", "0", "007", " ", "", "pcs", "pc", "шт", *"件个aé_.-", "12345", "件x"]
SIZES = ["x", " x ", " x", "x ", " ", "90", "4", "2018", "cm", " gb", "m", "'", "''", '"', *"aé件_", "pcs", "in"]
RANGES = [*"- ~x", *["36", "45", "40", "34", "33", "49", "do", "bis", "us", "uk", "eu", "7", "12", ".5"], " - ", " to "]
LETTERS = [*"smlx/- é_1~", *["xs", "xxl", "xxxl", "2xl", "7xl"]]
PHONES = [*"+87()- $,.a件", "900", "(900)", "000", "86", "0000", "+86 138 0000 0000"]
LINKS = [*"s.-é件_ x", *["http", "https", "://", "www", "com", "shop", "me", "ru", "top", "abc"], "a" * 39]
ADDRESSES = [*"@@aB._-9 é%+\u0130\u212a", "ab", "abc", "com", "b" * 62, "@shop"]
NAMES = [*"aé件 (-_", *[" x10", " x7", " x250", " i5", " x", " pcs", " pc", " 件", "  ", " cm", " 3"]]
KINDS_OF_PIECES = [LOTS, SIZES, NAMES, RANGES, LETTERS, PHONES, LINKS, ADDRESSES]
TEXTS = (
    st.sampled_from(KINDS_OF_PIECES).flatmap(lambda pieces: st.lists(st.sampled_from(pieces), max_size=9)).map("".join)
)
ANY = TEXTS | st.text(max_size=20) | st.lists(st.sampled_from(PHRASES), max_size=3).map(" ".join)


def look(raw: str, folded: str, most: int) -> tuple[float, ...]:
    """Return what is said of one text."""
    groups = {GROUPS[number] for number, _, _ in find_phrases(folded, PHRASES)}
    return (*find_contacts(raw[:most].lower(), folded, groups), *find_lots(folded, groups))


def assert_read_as_one(raws: list[str], folded: list[str], most: int = 2_000) -> None:
    """Compare with what is said of each, with lots and without."""
    texts = Texts.of(folded)
    (places,) = FINDER.find(texts)
    for has_lots, n_columns in ((True, 10), (False, 6)):
        values = describe_offers(Texts.of(raws), texts, places, COLUMNS, most, has_lots=has_lots)
        assert values.tolist() == [list(look(*one, most))[:n_columns] for one in zip(raws, folded, strict=True)]


@example(["x10 pcs 20", "10 x 20", "x 10x 30", "a x10 b", "é x250 x 3", "a x10 pcs", "0 pcs", "us7.5-us 12"])
@example(["a.b@c.de", "\u0663 pcs", "www", "8 (900) 000-00-00"])
@given(st.lists(ANY, max_size=6))
def test_offers_are_read_as_in_one_text(texts):
    """Whatever the text, folded or not: contacts, numbers of pieces and ranges of sizes."""
    assert_read_as_one(texts, texts)
    assert_read_as_one(texts, [fold_text(text) for text in texts])


@given(TEXTS, st.integers(0, 12))
def test_no_more_letters_are_read_than_asked_for(text, most):
    """Letters beyond are as if they were not there; they are letters, not bytes."""
    assert_read_as_one([f"é{text}"], [fold_text(text, most)], most)


def test_no_other_letter_turns_into_ascii():
    """Addresses may have two letters that are ASCII once they are small; there are no others."""
    codes = [code for code in range(128, sys.maxunicode + 1) if any(part.isascii() for part in chr(code).lower())]
    assert codes == [0x130, 0x212A]


def test_logarithms_are_those_of_python():
    """To the last bit, for every number of pieces there may be."""
    texts = Texts.of([f"{number} pcs" for number in range(1, 100_000)])
    none = FINDER.find(Texts.of([""] * len(texts)))[0]
    values = describe_offers(texts, texts, none, COLUMNS, 2_000, has_lots=True)
    np.testing.assert_array_equal(values[:, 7], list(map(math.log10, range(1, 100_000))))
