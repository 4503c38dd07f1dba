"""Phrases are found in many texts at once as they are in one."""

from functools import cache

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from specification.phrases import find_phrases
from support.finding import in_letters

from ipml.features.compiled.phrases import PhraseFinder
from ipml.features.compiled.texts import Texts
from ipml.features.goods import brand_table
from ipml.features.lexicon import load_lexicon
from ipml.features.normalisation import fold_text

LETTERS = "aabbilo01s5 -_'.,+\n"
OTHERS = "жéß\u0301件高\u2e7f\u2e80٣\ud800\U0001f600𝟘"
PIECES = st.sampled_from(
    ["abcde", "replica", "rolex", "gucci", "aaa", "1:1", "件件", "高仿", "рол", "hh", "aab", "__", "a"]
)
TEXTS = st.text(LETTERS + OTHERS, max_size=30) | st.lists(
    PIECES | st.text(LETTERS, max_size=3) | st.text(OTHERS, max_size=2), max_size=8
).map("".join)
PHRASES = (PIECES | st.text(LETTERS + OTHERS, max_size=6) | st.lists(PIECES, max_size=3).map(" ".join)).flatmap(
    lambda phrase: st.sampled_from([phrase, f"{phrase}*"])
)
SETS = st.lists(st.lists(PHRASES, max_size=6).map(tuple), max_size=3).map(tuple)


def assert_found_as_in_one(texts: list[str], sets: tuple[tuple[str, ...], ...], finder: PhraseFinder) -> None:
    """Compare with what `find_phrases` finds in each text, set by set."""
    for phrases, places in zip(sets, finder.find(Texts.of(texts)), strict=True):
        assert len(places) == len(texts)
        for row, text in enumerate(texts):
            assert in_letters(text, places.of_text(row)) == find_phrases(text, phrases)


@example(["aaab aaa", "", "xrolexyyyyyyyyyyy", "rolexyyyyyyyyyyyy z"], (("aaa", "aaa*"), ("rolex", "rolex", "r0lex*")))
@given(st.lists(TEXTS, max_size=4), SETS)
def test_phrases_are_found_as_in_one_text(texts, sets):
    """Whatever the texts and the phrases, their order and number included."""
    assert_found_as_in_one(texts, sets, PhraseFinder(sets))


@cache
def real_sets() -> tuple[tuple[str, ...], ...]:
    """Return the phrases of the bundled lexicon and of the bundled brands."""
    return load_lexicon().phrases("any"), tuple(brand_table()["phrases"])


@cache
def real_finder() -> PhraseFinder:
    """Return what finds them."""
    return PhraseFinder(real_sets())


@given(st.data())
def test_words_of_the_trade_are_found_however_they_are_written(data):
    """Plain, doubled, parted, run together, and with letters for others."""
    phrases = st.sampled_from([phrase.removesuffix("*") for group in real_sets() for phrase in group])
    others = (lambda word: word[:2] + word[1:], lambda word: word.replace("o", "0"), lambda word: f"{word}s")
    ways = st.sampled_from([str, str.upper, "-".join, *others])
    words = data.draw(st.lists(st.tuples(phrases, ways), max_size=5))
    gap = data.draw(st.sampled_from(["", " ", ", ", "-"]))
    text = fold_text(gap.join(way(word) for word, way in words))
    assert_found_as_in_one([text], real_sets(), real_finder())


@given(st.lists(TEXTS, min_size=1, max_size=4), st.data())
def test_places_of_some_texts_are_those_found_in_them(texts, data):
    """Whether texts are taken first or places."""
    rows = np.array(data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=6)), dtype=np.intp)
    finder = PhraseFinder((("abcde", "a*", "高仿"),))
    (before,), (after,) = finder.find(Texts.of(texts).take(rows)), finder.find(Texts.of(texts))
    taken = after.take(rows)
    assert [before.of_text(row) for row in range(len(rows))] == [taken.of_text(row) for row in range(len(rows))]


def test_long_and_many_texts_are_found_in_blocks():
    """A text longer than is read at once, and more texts than that, lose nothing."""
    texts = ["r0lex bag " * 9_000, "", *(["a rolex"] * 9_000)]
    (places,) = PhraseFinder((("rolex",),)).find(Texts.of(texts))
    assert np.diff(places.starts).tolist() == [9_000, 0, *([1] * 9_000)]
