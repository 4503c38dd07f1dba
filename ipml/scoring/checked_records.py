"""Listings that came as mappings, such as those of one request: all of them checked, all that is wrong named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from ipml.errors import InvalidListings
from ipml.listings.frames import show
from ipml.listings.schema import COLUMNS, make_repeat, validate_record
from ipml.records import Listing, Problem

_MOST_FIELDS = 2 * len(COLUMNS)
_ORDER = {name: at for at, name in enumerate(COLUMNS)}
_PLAIN = "a plain value: text, a number, true, false or null"


def check_records(listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
    """Return listings as records, in their order.

    Parameters
    ----------
    listings : sequence of mapping
        As `ipml.listings.schema.validate_record` takes them; of hostile callers, too.

    Raises
    ------
    InvalidListings
        Some break the rules of the schema, or have the listing_id and observed_at of an earlier one: all are named,
        with rows counted from 1.

    Examples
    --------
    >>> check_records([{"listing_id": "1", "seller_id": "s", "title": "Bag"}])[0].title
    'Bag'
    >>> check_records([{"listing_id": "1", "seller_id": "s", "title": ["Bag"]}])
    Traceback (most recent call last):
    ipml.errors.InvalidListings: listings: 1 bad row: row 1, title: found 'a list', expected a plain value: ...
    """
    records: list[Listing] = []
    problems: list[Problem] = []
    seen: dict[tuple[str, datetime | None], int] = {}
    for row, listing in enumerate(listings, start=1):
        try:
            record = _check(listing)
        except InvalidListings as error:
            problems += [replace(problem, row=row) for problem in error.problems]
            continue
        first = seen.setdefault((record.listing_id, record.observed_at), row)
        if first != row:
            problems.append(make_repeat(row, record.listing_id, first))
        records.append(record)
    if problems:
        raise InvalidListings(problems)
    return records


def _check(listing: Mapping[str, Any]) -> Listing:
    """Check one listing; what no field could hold is set apart, for it may be deeper than Python can show."""
    if len(listing) > _MOST_FIELDS:
        raise InvalidListings([Problem(1, "", f"{len(listing):,} fields", "only the fields of a listing")])
    problems = dict(_find_impossible(listing))
    if not problems:
        return validate_record(listing)
    try:
        validate_record({name: None if name in problems else listing[name] for name in COLUMNS if name in listing})
    except InvalidListings as error:
        problems = {problem.column: problem for problem in error.problems} | problems
    raise InvalidListings(sorted(problems.values(), key=lambda problem: _ORDER.get(problem.column, len(_ORDER))))


def _find_impossible(listing: Mapping[str, Any]) -> Iterator[tuple[str, Problem]]:
    for name, value in listing.items():
        is_nested = isinstance(value, list | dict)
        found = ("a list" if isinstance(value, list) else "an object") if is_nested else show(value)
        if name not in _ORDER:
            yield name, Problem(1, show(name), found, "one of the fields of a listing")
        elif is_nested:
            yield name, Problem(1, name, found, _PLAIN)
