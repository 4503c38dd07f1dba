"""The one spelling of a JSON value."""

import json
import math
from datetime import UTC, datetime
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.enforcement.evidence import verify
from ipml.kit.canonical_json import canonical_json, digest

TEXTS = st.text(st.characters(exclude_categories=()))  # half surrogate pairs, too
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(TEXTS, parts, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_it_is_json_in_ascii_and_says_the_same(value):
    """Whatever the value is."""
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(TEXTS, VALUES, max_size=5))
def test_order_does_not_matter(content):
    """Two objects that say the same are spelt the same, and as the checker of evidence packages spells them."""
    assert canonical_json(dict(reversed(content.items()))) == canonical_json(content)
    assert canonical_json(content).encode() == verify._canonical(content)


def test_moments_have_a_form_and_other_things_none():
    """A moment is its text in UTC; JSON has no word for a number that is none, nor for a set."""
    assert canonical_json([datetime(2024, 5, 1, tzinfo=UTC)]) == '["2024-05-01T00:00:00+00:00"]'
    with pytest.raises(TypeError, match="has no form in JSON"):
        canonical_json({1, 2})
    for number in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON compliant"):
            canonical_json({"a": number})


@given(st.text())
def test_the_digest_of_a_text_is_that_of_its_bytes(text: str):
    """In UTF-8."""
    assert digest(text) == digest(text.encode()) == sha256(text.encode()).hexdigest()
