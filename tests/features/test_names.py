"""Names of listings: each different text once."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ipml.features import names
from ipml.features.names import Names, pair_up

TEXTS = st.lists(st.none() | st.sampled_from(["", "a", "b", "д"]), max_size=8)


@given(TEXTS)
def test_names_are_the_texts_however_they_are_held(texts):
    """In a list or a column of a frame; what is missing is an empty text."""
    expected = [text or "" for text in texts]
    assert Names.of(texts).strings() == expected
    assert Names.of(pd.Series(texts, dtype="str")).strings() == expected
    assert Names.of(pd.Series(texts, dtype=object)).strings() == expected


@given(TEXTS)
def test_names_that_no_listing_has_can_be_left_out(texts):
    """The listings keep theirs, in any selection."""
    taken = Names.of(texts).take(np.arange(len(texts))[::2]).compact()
    assert taken.strings() == [text or "" for text in texts[::2]]
    assert len(set(taken.names)) == len(taken.names) == len(set(taken.strings()))


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz")), max_size=9), st.booleans())
def test_pairs_are_looked_up_once_each(pairs, is_large):
    """Whether there is room for a table of all pairs or not."""
    first, second = Names.of([one for one, _ in pairs]), Names.of([other for _, other in pairs])
    asked = []
    before, names._MOST_PAIRS = names._MOST_PAIRS, 0 if is_large else names._MOST_PAIRS
    try:
        numbers = pair_up(first, second, lambda *pair: asked.append(pair) or (None if "a" in pair else ord(pair[1])))
    finally:
        names._MOST_PAIRS = before
    expected = [np.nan if one == "a" else float(ord(other)) for one, other in pairs]
    np.testing.assert_array_equal(numbers, expected)
    assert sorted(asked) == sorted(set(pairs))
