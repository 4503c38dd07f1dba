"""Listings of a request are checked by the rules of the schema, and all that is wrong is named."""

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import InvalidListings
from ipml.listings.fields import COLUMNS
from ipml.listings.schema import check_records, validate_listings, validate_record

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
DEEP: Any = []
for _ in range(5_000):
    DEEP = [DEEP]


def find_problems(listings: list[dict[str, Any]]) -> list[tuple[int, str, str, str]]:
    """Return what is wrong, as plain values."""
    try:
        check_records(listings)
    except InvalidListings as error:
        return [(one.row, one.column, one.value, one.expected) for one in error.problems]
    return []


@given(st.lists(st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), VALUES, max_size=5), max_size=4))
def test_each_is_checked_as_it_would_be_alone(listings: list[dict[str, Any]]) -> None:
    """The problems of many are those of each, with its row."""
    expected = [(row, *problem[1:]) for row, one in enumerate(listings, 1) for problem in find_problems([one])]
    assert find_problems(listings) == expected


@given(st.dictionaries(st.sampled_from(COLUMNS), VALUES, max_size=5))
def test_the_rules_are_those_of_the_schema(changes: dict[str, Any]) -> None:
    """A listing of known fields is taken or refused, field by field, as `validate_record` does."""
    listing = {**BAG, **changes}
    problems = find_problems([listing])
    if not problems:
        assert check_records([listing]) == [validate_record(listing)]
        return
    with pytest.raises(InvalidListings) as refused:
        validate_record(listing)
    assert problems == [(one.row, one.column, one.value, one.expected) for one in refused.value.problems]


def test_repeats_are_refused_as_in_a_file() -> None:
    """A second listing of the same id and moment is a problem, and names the first."""
    moment = "2026-03-01T09:30:00Z"
    listings = [BAG, {**BAG, "observed_at": moment}, {**BAG, "title": "Hat"}, {**BAG, "observed_at": moment}]
    in_file = validate_listings(pd.DataFrame(listings)).problems
    assert find_problems(listings) == [(one.row, one.column, one.value, one.expected) for one in in_file]
    assert [problem[0] for problem in find_problems(listings)] == [3, 4]


def test_what_only_hostile_callers_send_is_named_but_not_shown() -> None:
    """Lists and objects however deep, half a surrogate pair in a field's name, and thousands of made-up fields."""
    assert [problem[:3] for problem in find_problems([{**BAG, "title": DEEP, "brand": {}, "price": -1}])] == [
        (1, "title", "a list"),
        (1, "brand", "an object"),
        (1, "price", "-1"),
        (1, "currency", ""),
    ]
    found = find_problems([{**BAG, "x\ud800": DEEP}, dict.fromkeys(map(str, range(5_000)), 1)])
    assert found == [
        (1, "x\\ud800", "a list", "one of the fields of a listing"),
        (2, "", "5,000 fields", "only the fields of a listing"),
    ]
