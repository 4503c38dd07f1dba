"""A classifier has one spelling as a file: neither memory nor the clock leaves a trace in it."""

from __future__ import annotations

import io
import zipfile
from copy import deepcopy

import numpy as np
import pytest
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline

from ipml.model.model_file.folder import make_canonical, pack

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.binary(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
)


def spell(value: object) -> bytes:
    """Return the canonical file of a value."""
    return make_canonical(skops.io.dumps(value), zipfile.ZIP_STORED)


@settings(max_examples=50)
@given(VALUES)
def test_a_copy_is_spelt_alike_and_read_back(value: object) -> None:
    """Objects at other places in memory give the same bytes, and nothing is lost."""
    spelt = spell(value)
    assert spell(deepcopy(value)) == spelt
    assert skops.io.loads(spelt) == value


@settings(max_examples=20)
@given(st.lists(st.floats(allow_nan=False), max_size=9))
def test_what_is_another_is_spelt_otherwise(numbers: list[float]) -> None:
    """Numbers that differ in one place give other bytes."""
    assert spell(np.array(numbers)) != spell(np.array([*numbers, 1.0]))
    assert spell(np.array([*numbers, 2.0])) != spell(np.array([*numbers, 1.0]))


def test_an_object_that_comes_twice_stays_one() -> None:
    """What two places share is stored once and shared after loading."""
    shared = np.arange(5.0)
    first, second = skops.io.loads(spell([shared, shared]))
    assert first is second
    equal, apart = skops.io.loads(spell([shared, shared.copy()]))
    assert equal is not apart


def test_the_moment_of_writing_is_not_kept() -> None:
    """All entries carry the first moment that a zip knows."""
    with zipfile.ZipFile(io.BytesIO(spell({"a": np.arange(3)}))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize("name", ["title_classifier", "other_classifier"])
def test_a_classifier_packs_to_the_same_bytes(name: str, request: pytest.FixtureRequest) -> None:
    """A copy of a fitted pipeline is the same model, by the same version."""
    classifier: Pipeline = request.getfixturevalue(name)
    assert pack(classifier) == pack(deepcopy(classifier))
