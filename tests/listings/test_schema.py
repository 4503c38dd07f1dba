"""The checks of frames and of records keep the same rules, and nothing is repaired."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings, MissingColumns, Refused
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.kinds import DTYPES, Kind
from ipml.listings.schema import (
    check_listings,
    check_record,
    frame_to_listings,
    listings_to_frame,
    read_plain_record,
    validate_listings,
    validate_record,
)
from ipml.records import Listing

GOOD: dict[str, object] = {"listing_id": "1", "seller_id": "s", "title": "Leather bag"}
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

numbers = st.one_of(
    st.floats(allow_nan=False),
    st.integers(-(10**14), 10**14),
    st.sampled_from([10**400, 2**63, True, Decimal("1.5"), "12.5", "12,50", "inf", "1e400", " 1", "1_0", "１", ".5"]),
)
texts = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ["\ud800", "a\0", b"b", "é", "x" * 2_001, "EUR", "EUR\n", "eur", "DE", "4006381333931", "٠" * 8, ""]
    ),
    st.just(7),
)
moments = st.one_of(
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))])),
    st.datetimes(),
    st.sampled_from(
        [
            "2026-03-01T09:30:00Z",
            "2026-03-01 09:30+0530",
            "2026-02-30T00:00:00Z",
            "2026-03-01",
            "2026-03-01T24:00:00Z",
            "2199-12-31T23:30:00-01:00",
            "1969-12-31T23:59:59.999999Z",
            "2026-03-01T09:30:00.123456789Z",
            "0001-01-01T00:00:00Z",
        ]
    ),
)
vectors = st.one_of(
    st.lists(st.floats(), max_size=3),
    st.lists(st.floats(-10, 10), min_size=1, max_size=3),
    st.lists(st.one_of(st.integers(), st.booleans(), st.text(max_size=2)), max_size=3),
    numbers,
)
flags = st.sampled_from([True, False, 1, 0, 2, 1.0, "true", "FALSE", "1", "1.0", "yes", ""])
values: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: texts,
    Kind.NUMBER: numbers,
    Kind.COUNT: numbers,
    Kind.SHARE: st.one_of(st.floats(0, 1), numbers),
    Kind.MOMENT: moments,
    Kind.FLAG: flags,
    Kind.VECTOR: vectors,
}
# A few odd fields at a time, so that a good share of the records is accepted.
records = (
    st.lists(st.sampled_from(FIELDS), max_size=4, unique=True)
    .flatmap(
        lambda fields: st.fixed_dictionaries({field.name: st.one_of(st.none(), values[field.kind]) for field in fields})
    )
    .map(lambda odd: GOOD | odd)
)


def faults_of_record(record: dict[str, object]) -> set[str]:
    """Return the names of the fields at fault in a record."""
    try:
        validate_record(record)
    except InvalidListings as error:
        return {problem.column for problem in error.problems}
    return set()


def make_row(record: dict[str, object]) -> pd.DataFrame:
    """Return a record as a frame of one row."""
    return pd.DataFrame({name: pd.Series([value], dtype=object) for name, value in record.items()})


def test_table_and_record_have_the_same_fields() -> None:
    """The table has the fields of `Listing`, in their order."""
    assert tuple(field.name for field in dataclasses.fields(Listing)) == COLUMNS


@given(records)
def test_frame_and_record_find_the_same_columns_at_fault(record: dict[str, object]) -> None:
    """A record is accepted if and only if its one-row frame is; the same columns are at fault."""
    frame = make_row(record)
    expected = faults_of_record(record)
    assert {problem.column for problem in validate_listings(frame).problems} == expected
    try:
        inferred = frame.infer_objects()
    except UnicodeEncodeError:  # a frame of text cannot hold half a surrogate pair
        return
    assert {problem.column for problem in validate_listings(inferred).problems} == expected


@given(records)
def test_accepted_record_comes_back_from_a_frame(record: dict[str, object]) -> None:
    """What the record check accepts comes back from a frame unchanged; checking what was checked changes nothing."""
    if not faults_of_record(record):
        listing = validate_record(record)
        assert list(frame_to_listings(listings_to_frame([listing]))) == [listing]
        checked = check_listings(make_row(record))
        assert list(frame_to_listings(checked)) == [listing]
        pd.testing.assert_frame_equal(check_listings(checked), checked)


@given(st.lists(records, max_size=8))
@settings(max_examples=20)
def test_a_row_is_judged_by_itself(rows: list[dict[str, object]]) -> None:
    """Beside repeated keys, what is wrong with a row does not depend on the rows around it."""
    numbered = [row | {"listing_id": str(at)} for at, row in enumerate(rows)]
    frame = pd.DataFrame(numbered, columns=list(COLUMNS), dtype=object)
    found = {(problem.row, problem.column) for problem in validate_listings(frame).problems}
    assert found == {(at, name) for at, row in enumerate(numbered, 1) for name in faults_of_record(row)}


def test_good_rows_have_the_canonical_form() -> None:
    """Good rows have every column of the table, in its order and dtypes, whatever the order that came."""
    frame = pd.DataFrame({"title": ["a"], "seller_id": ["s"], "listing_id": ["1"]})
    listings = validate_listings(frame).listings
    assert listings.dtypes.astype(str).to_dict() == {field.name: DTYPES[field.kind] for field in FIELDS}


def test_no_field_is_dropped_and_money_keeps_its_currency() -> None:
    """A field the schema does not know is a problem of its own, a price without a currency one of the currency."""
    assert faults_of_record(GOOD | {"colour": "red"}) == {"colour"}
    assert faults_of_record(GOOD | {"price": 9.5}) == {"currency"}


def test_absent_and_misspelt_columns_are_named() -> None:
    """A frame without titles raises, and so does a column the schema does not know, with the nearest name."""
    with pytest.raises(MissingColumns, match="no column title"):
        validate_listings(pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"]}))
    with pytest.raises(Refused, match=r"Price \(perhaps price\)"):
        validate_listings(make_row(GOOD | {"Price": 1.0}))


def test_the_frame_that_came_is_unchanged() -> None:
    """Checking does not change its input."""
    frame = pd.DataFrame({"listing_id": ["1", "1"], "seller_id": "s", "title": ["a", "\0"], "price": ["1", "x"]})
    before = frame.copy()
    validate_listings(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_check_listings_raises_with_all_problems() -> None:
    """With every problem, by the row numbers of a reader or from 1; of a value at most 80 characters are shown."""
    frame = pd.DataFrame({"listing_id": ["", "1"], "seller_id": "s", "title": ["a", "x" * 10_000_000]})
    with pytest.raises(InvalidListings, match="shop: 2 bad rows") as caught:
        check_listings(frame, "shop")
    assert [(one.row, len(one.value)) for one in caught.value.problems] == [(1, 0), (2, 80)]
    numbered = frame.set_axis(pd.Index([41, 42], name="row"))
    assert [problem.row for problem in validate_listings(numbered).problems] == [41, 42]


def outcome(read: Any, record: dict[str, object]) -> Any:
    """Return the record that comes of it, with the types of its fields, or everything wrong."""
    try:
        listing = read(record)
    except InvalidListings as error:
        return error.problems
    return repr(listing), [type(getattr(listing, name)) for name in COLUMNS]


@given(records, st.sampled_from([{}, {"colour": "red"}]))
@settings(max_examples=150)
def test_a_record_is_taken_or_refused_as_by_the_full_check(record: dict[str, object], more: dict[str, object]) -> None:
    """With the same values of the same types, or the same problems."""
    assert outcome(validate_record, record | more) == outcome(check_record, record | more)


def test_an_ordinary_record_is_taken_at_once() -> None:
    """So that services need not wait for the full check."""
    record = GOOD | {"title": "Tasche für Damen", "price": 9, "currency": "EUR"}
    assert read_plain_record(record) == Listing("1", "s", "Tasche für Damen", price=9.0, currency="EUR")
