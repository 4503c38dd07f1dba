"""Texts as bytes, their disguises, skeletons, words and passages: of many at once what is specified of each."""

import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from specification.disguises import count_disguises
from specification.phrases import read_skeleton, skeleton

from ipml.features.compiled.folding import UNITS, count_disguised_words, fold_text
from ipml.features.compiled.phrases import skeleton_texts, trace_skeletons
from ipml.features.compiled.texts import (
    ALNUM,
    DECIMAL,
    MARK,
    SPACE,
    Texts,
    concat,
    cut_passages,
    hash_text,
    hash_texts,
    letter_kinds,
)
from ipml.kit.look_alikes import is_spelt_mark

STRINGS = st.lists(st.text(max_size=12), max_size=6)


@given(STRINGS)
def test_texts_come_back_as_they_went_in(strings):
    """Any letters do, halves of surrogate pairs among them."""
    texts = Texts.of(strings)
    assert texts.strings() == strings
    assert [texts.text(row) for row in range(len(texts))] == strings
    assert texts.lengths().tolist() == list(map(len, strings))


@given(STRINGS, st.data())
def test_rows_are_taken_and_replaced(strings, data):
    """Taking and replacing do to texts what they do to a list."""
    texts = Texts.of(strings)
    rows = data.draw(st.lists(st.integers(0, max(len(strings) - 1, 0)), max_size=8 if strings else 0))
    assert texts.take(np.array(rows, dtype=np.intp)).strings() == [strings[row] for row in rows]
    chosen = sorted(set(rows))
    expected = ["new" if row in chosen else text for row, text in enumerate(strings)]
    new = Texts.of(["new"] * len(chosen))
    assert texts.put(np.array(chosen, dtype=np.int64), new.offsets[1:], new.data).strings() == expected
    assert concat([texts, texts]).strings() == strings * 2


def test_a_row_that_is_not_there_is_not_taken():
    """Nothing is read from beside the texts; buffers of a sliced or chunked array begin where it begins."""
    for row in (-1, 2):
        with pytest.raises(IndexError, match="expected rows from 0 to 1"):
            Texts.of(["a", "b"]).take(np.array([row]))
    texts = pd.Series(["first", "second", None, "third"], dtype=pd.StringDtype("pyarrow"))
    assert Texts.of(texts[1:]).strings() == ["second", "", "third"]
    assert Texts.of(pd.concat([texts[:1], texts[3:]])).offsets.tolist() == [0, 5, 10]
    assert Texts.of(pd.Series(["a", None], dtype="str")).strings() == ["a", ""]


def test_the_engine_hashes_as_the_standard_library():
    """Over the ends of a block of 128 bytes, too; and for good, since models and portfolios hold the hashes."""
    texts = ["ä" * (length // 2) + "x" * (length % 2) for length in range(400)]
    assert hash_texts(Texts.of(texts)).tolist() == [hash_text(text.encode()) for text in texts]
    hashes = [11957940740637538957, 13020603013274838756, 3838172580909642705, 1533152188014638354]
    assert hash_texts(Texts.of(["ann", "", "Кеды", "x" * 300])).tolist() == hashes


TEXTS = st.lists(
    st.text("aab il1jo0e3__-' .\n", max_size=20)
    | st.text("aжжéß\u0301件٣\ud800\U0001f600𝟘 _", max_size=12)
    | st.text(max_size=20)
    | st.text(max_size=20).map(fold_text),
    max_size=4,
)


@example(["aaa", "aaab", "_aa", "a_aa_", "ll", "件件", "件件a", "\u0301\u0301", "--", "éé 11"])
@given(TEXTS)
def test_skeletons_are_those_of_each_text(texts):
    """Whatever the letters, words of one letter only included; and so are the letters that they come from."""
    many = Texts.of(texts)
    assert skeleton_texts(many).strings() == [skeleton(text) for text in texts]
    skeletons, origins = trace_skeletons(many)
    begins = [(data & 0xC0) != 0x80 for data in (skeletons.data, many.data)]
    letters = (np.cumsum(begins[1]) - 1)[origins[begins[0]]].tolist()
    starts = np.cumsum([0, *map(len, texts)]).tolist()
    assert skeletons.strings() == skeleton_texts(many).strings()
    assert letters == [start + at for start, text in zip(starts, texts, strict=False) for _, at in read_skeleton(text)]


def test_letters_are_of_the_kinds_python_says():
    """Each code point is a letter or digit, a decimal digit, a space or a spelt mark exactly where Python says so."""
    kinds = letter_kinds().tolist()
    for code in range(sys.maxunicode + 1):
        letter, kind = chr(code), kinds[code] if code < len(kinds) else 0
        said = ALNUM * letter.isalnum() + DECIMAL * letter.isdecimal() + SPACE * letter.isspace()
        said += MARK * is_spelt_mark(letter)
        assert kind == said, hex(code)


LETTERS = (
    "aZx9\u0445\u043c -\u0456\u0435\u03b1\u200b\u00ad\u200d\u200c\uff2e\uff01\u9ad8\u30ab"
    "\U0001d40d\u00e9\u00d7\u00a0\U0001f1e9\U0001f1ea\u0627\ud800\u2764\ufe0f\u1c81_"
)
PIECES = [*LETTERS, *UNITS, *map(str.upper, UNITS), "\u0434\u044e\u0439\u043c\u043e\u0432", "10", "Nike"]


WORDS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(st.lists(WORDS | st.text(max_size=12), max_size=4))
def test_words_are_counted_as_specified(texts):
    """With every kind of letter, those that need a look around them, and units of sizes."""
    assert count_disguised_words(Texts.of(texts)).tolist() == list(map(count_disguises, texts))


def test_letters_beyond_the_longest_title_are_not_read():
    """A disguise that nobody reads counts for nothing."""
    texts = ["a" * 1_999 + "\u0456", "a" * 2_000 + "\u0456"]
    assert count_disguised_words(Texts.of(texts)).tolist() == [1, 0]


PASSAGES_TEXTS = st.lists(st.lists(st.sampled_from(["a", "bc", "д", ""]), max_size=14).map(" ".join), max_size=5)


@given(PASSAGES_TEXTS, st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_passages_are_windows_of_words_in_their_order(texts, n_words, step, more):
    """Each begins so many words after the one before, and the last ends with the text; short texts have none."""
    longest = n_words + more
    expected = []
    for row, text in enumerate(texts):
        words = text.split(" ")
        if len(words) > longest:
            starts = [*range(0, len(words) - n_words, step), len(words) - n_words]
            expected += [(row, " ".join(words[start : start + n_words])) for start in starts]
    passages, owners = cut_passages(Texts.of(texts), longest, n_words, step)
    assert list(zip(owners.tolist(), passages.strings(), strict=True)) == expected


def test_texts_of_arrow_that_end_within_a_letter_are_refused():
    """The engine would read on behind them."""
    broken = pa.Array.from_buffers(pa.large_string(), 1, [None, pa.array([0, 2]).buffers()[1], pa.py_buffer(b"a\xf0")])
    with pytest.raises(ValueError, match="UTF8"):
        Texts.of(pd.Series(pd.arrays.ArrowStringArray(broken)))
