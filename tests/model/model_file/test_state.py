"""A classifier has one spelling as a file, and comes back from it as it was."""

import io
import zipfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from ipml.model.model_file.state import pack, unpack
from ipml.model.pipeline import CounterfeitClassifier

FOLDER = Path("model")
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
    ),
)
ARRAYS = st_numpy.arrays(
    st.sampled_from(["f8", "i4", "u1", "?", "<U3", "u8"]),
    st_numpy.array_shapes(max_dims=3, min_side=0),
    fill=st.nothing(),
)


@given(VALUES)
def test_a_copy_is_spelt_alike_and_read_back(value: object) -> None:
    """Objects at other places in memory give the same bytes, and nothing is lost, not even a type."""
    packed = pack(value)
    assert pack(deepcopy(value)) == packed
    assert repr(unpack(packed, FOLDER)) == repr(value)


@given(ARRAYS, st.booleans())
def test_an_array_is_read_back_to_the_bit(array: np.ndarray, is_by_columns: bool) -> None:
    """Type, shape and every byte of an array come back, however it lies in memory, and it can be written to."""
    array = np.asfortranarray(array) if is_by_columns else array
    found = unpack(pack({"array": array}), FOLDER)["array"]
    assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert found.flags.writeable


@settings(max_examples=20)
@given(st.lists(st.floats(allow_nan=False), max_size=9))
def test_what_is_another_is_spelt_otherwise(numbers: list[float]) -> None:
    """Numbers that differ in one place give other bytes."""
    assert pack(np.array(numbers)) != pack(np.array([*numbers, 1.0]))
    assert pack(np.array([*numbers, 2.0])) != pack(np.array([*numbers, 1.0]))


def test_a_number_of_numpy_stays_one() -> None:
    """A scalar comes back as that, and of its own type."""
    found = unpack(pack([np.float32(0.1), np.int8(3)]), FOLDER)
    assert [(type(number), number) for number in found] == [(np.float32, np.float32(0.1)), (np.int8, 3)]


def test_nothing_else_is_written() -> None:
    """What could not be read without running something is refused, by its type; nor is the moment of writing kept."""
    for value in (b"bytes", {1}, {1: 2}, np.array([None]), object(), len, int):
        with pytest.raises(TypeError, match=type(value).__name__):
            pack([value])
    with zipfile.ZipFile(io.BytesIO(pack({"a": np.arange(3)}))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_classifier_packs_to_the_same_bytes(title_classifier: CounterfeitClassifier) -> None:
    """A copy of a fitted classifier is the same model, by the same version."""
    packed = pack(title_classifier)
    assert packed == pack(deepcopy(title_classifier)) == pack(unpack(packed, FOLDER))
