"""The checks of frames and of records keep the same rules, and nothing is repaired."""

from __future__ import annotations

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
    frame_to_listings,
    listings_to_frame,
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
    st.sampled_from(["\ud800", "a\0", "x" * 2_001, "EUR", "EUR\n", "eur", "DE", "4006381333931", "٠" * 8, ""]),
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
    """What the record check accepts comes back from a frame unchanged."""
    if not faults_of_record(record):
        listing = validate_record(record)
        assert list(frame_to_listings(listings_to_frame([listing]))) == [listing]
        assert list(frame_to_listings(check_listings(make_row(record)))) == [listing]


@given(st.lists(records, max_size=8))
@settings(max_examples=20)
def test_a_row_is_judged_by_itself(rows: list[dict[str, object]]) -> None:
    """Beside repeated keys, what is wrong with a row does not depend on the rows around it."""
    numbered = [row | {"listing_id": str(at)} for at, row in enumerate(rows)]
    frame = pd.DataFrame(numbered, columns=list(COLUMNS), dtype=object)
    found = {(problem.row, problem.column) for problem in validate_listings(frame).problems}
    assert found == {(at, name) for at, row in enumerate(numbered, 1) for name in faults_of_record(row)}


def test_every_row_is_either_good_or_has_a_problem() -> None:
    """No row is lost: the good rows and the bad rows together are the rows that came."""
    frame = pd.DataFrame({"listing_id": ["1", "", "3"], "seller_id": "s", "title": ["a", "b", None]})
    validation = validate_listings(frame)
    assert len(validation.listings) + len(validation.bad_rows) == 3


def test_good_rows_have_the_canonical_form() -> None:
    """Good rows have every column of the table, in its order and dtypes, whatever the order that came."""
    frame = pd.DataFrame({"title": ["a"], "seller_id": ["s"], "listing_id": ["1"]})
    listings = validate_listings(frame).listings
    assert listings.dtypes.astype(str).to_dict() == {field.name: DTYPES[field.kind] for field in FIELDS}


def test_canonical_form_is_stable() -> None:
    """Checking what was checked changes nothing."""
    record = GOOD | {
        "price": "9.5",
        "currency": "EUR",
        "observed_at": "2026-03-01T09:30:00Z",
        "is_counterfeit": "1",
    }
    once = check_listings(make_row(record))
    pd.testing.assert_frame_equal(check_listings(once), once)


def test_all_bad_cells_are_reported_together() -> None:
    """One check names every bad cell of every row."""
    frame = pd.DataFrame(
        {
            "listing_id": ["1", "2"],
            "seller_id": ["", "s"],
            "title": ["a", "b"],
            "price": ["x", "-1"],
            "currency": "EUR",
        }
    )
    found = [(problem.row, problem.column) for problem in validate_listings(frame).problems]
    assert found == [(1, "seller_id"), (1, "price"), (2, "price")]


def test_row_numbers_of_a_reader_are_kept() -> None:
    """An index named "row" numbers the rows; without it they count from 1."""
    frame = pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"], "title": [None]}, index=pd.Index([41], name="row"))
    assert validate_listings(frame).problems[0].row == 41
    assert validate_listings(frame.rename_axis(None)).problems[0].row == 1


def test_of_repeated_keys_the_first_stands() -> None:
    """A later row with the same listing and moment is a problem that names the earlier one."""
    frame = pd.DataFrame({"listing_id": ["1", "2", "1"], "seller_id": "s", "title": ["a", "b", "c"]})
    validation = validate_listings(frame)
    assert validation.listings["title"].tolist() == ["a", "b"]
    assert str(validation.problems[0]) == (
        "row 3, listing_id: found '1', expected an id once per moment; row 1 has it already"
    )


def test_a_listing_may_be_seen_at_several_moments() -> None:
    """The same listing at another moment is another row."""
    frame = pd.DataFrame(
        {"listing_id": "1", "seller_id": "s", "title": "a", "observed_at": [NOW, NOW + timedelta(days=1)]}
    )
    assert validate_listings(frame).problems == ()


def test_money_keeps_its_currency() -> None:
    """A price without a currency is a problem of the currency."""
    assert faults_of_record(GOOD | {"price": 9.5}) == {"currency"}


def test_a_long_value_is_shown_short() -> None:
    """A problem shows at most 80 characters of a value, however long it is."""
    with pytest.raises(InvalidListings) as caught:
        validate_record(GOOD | {"title": "x" * 10_000_000})
    assert len(caught.value.problems[0].value) == 80


def test_a_required_column_that_is_absent_is_named() -> None:
    """A frame without titles raises, and says so."""
    with pytest.raises(MissingColumns, match="no column title"):
        validate_listings(pd.DataFrame({"listing_id": ["1"], "seller_id": ["s"]}))


def test_a_misspelt_column_is_not_ignored() -> None:
    """A column the schema does not know raises, and the nearest name is offered."""
    with pytest.raises(Refused, match=r"Price \(perhaps price\)"):
        validate_listings(pd.DataFrame({**{name: [value] for name, value in GOOD.items()}, "Price": [1.0]}))


def test_an_unknown_field_of_a_record_is_a_problem() -> None:
    """A record with a field the schema does not know is refused, with the field's name."""
    assert faults_of_record(GOOD | {"colour": "red"}) == {"colour"}


def test_the_frame_that_came_is_unchanged() -> None:
    """Checking does not change its input."""
    frame = pd.DataFrame({"listing_id": ["1", "1"], "seller_id": "s", "title": ["a", "\0"], "price": ["1", "x"]})
    before = frame.copy()
    validate_listings(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_check_listings_raises_with_all_problems() -> None:
    """`check_listings` gives back good listings only; otherwise it raises with every problem."""
    with pytest.raises(InvalidListings, match="shop: 2 bad rows") as caught:
        check_listings(pd.DataFrame({"listing_id": ["", ""], "seller_id": "s", "title": "a"}), "shop")
    assert len(caught.value.problems) == 2
