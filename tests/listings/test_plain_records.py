"""What is taken at once is what the full check takes."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import InvalidListings
from ipml.listings.fields import COLUMNS, FIELDS
from ipml.listings.kinds import Kind
from ipml.listings.schema import check_record, read_plain_record, validate_record
from ipml.records import Listing

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**14), 10**14),
    st.floats(),
    st.text(max_size=5),
    st.datetimes(),
    st.sampled_from(
        [10**400, 1e12, -0.0, "x" * 2_001, "\ud800", "a\0", "é", "EUR", "EUR\n", "12345678", "1.5", b"b", []]
    ),
    st.sampled_from(["2026-03-01T09:30:00Z", "2026-03-01 09:30+0530", "2026-03-01", "2199-12-31T23:30:00-01:00", "1"]),
)
PLAIN: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.TEXT: st.one_of(st.text(min_size=1, max_size=8), st.sampled_from(["EUR", "DE", "4006381333931"])),
    Kind.NUMBER: st.one_of(st.floats(0, 1e12), st.integers(0, 10**12)),
    Kind.COUNT: st.one_of(st.floats(0, 1e12), st.integers(0, 10**12)),
    Kind.SHARE: st.one_of(st.floats(0, 1), st.integers(0, 1)),
    Kind.MOMENT: st.sampled_from(["2026-03-01T09:30:00Z", "2026-03-01 09:30+0530"]),
    Kind.FLAG: st.booleans(),
    Kind.VECTOR: st.lists(st.floats(), max_size=3),
}
RECORDS = st.fixed_dictionaries(
    {},
    optional={field.name: st.one_of(st.none(), PLAIN[field.kind], ODD) for field in FIELDS} | {"colour": ODD},
)
FEW_ODD = st.lists(st.sampled_from(FIELDS), max_size=4, unique=True).flatmap(
    lambda fields: st.fixed_dictionaries({field.name: st.one_of(PLAIN[field.kind], ODD) for field in fields})
)


def outcome(read: Any, record: dict[str, object]) -> Any:
    """Return the record that comes of it, with the types of its fields, or everything wrong."""
    try:
        listing = read(record)
    except InvalidListings as error:
        return error.problems
    return repr(listing), [type(getattr(listing, name)) for name in COLUMNS]


@settings(max_examples=150)
@given(st.one_of(RECORDS, FEW_ODD.map(lambda odd: {"listing_id": "1", "seller_id": "s", "title": "Bag"} | odd)))
def test_a_record_is_taken_or_refused_as_by_the_full_check(record):
    """With the same values of the same types, or the same problems."""
    assert outcome(validate_record, record) == outcome(check_record, record)


def test_an_ordinary_record_is_taken_at_once():
    """So that services need not wait for the full check."""
    record = {"listing_id": "1", "seller_id": "s", "title": "Tasche für Damen", "price": 9, "currency": "EUR"}
    assert read_plain_record(record) == Listing("1", "s", "Tasche für Damen", price=9.0, currency="EUR")
