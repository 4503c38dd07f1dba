"""Texts as bytes: what goes in comes out, whatever it was."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.compiled.texts import Texts, concat, hash_text, hash_texts

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
    """Nothing is read from beside the texts."""
    for row in (-1, 2):
        with pytest.raises(IndexError, match="expected rows from 0 to 1"):
            Texts.of(["a", "b"]).take(np.array([row]))


def test_a_slice_of_an_arrow_array_reads_its_own_texts():
    """Buffers of a sliced or chunked array begin where the slice begins."""
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
