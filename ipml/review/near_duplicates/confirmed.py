"""Confirmed counterfeits: indexed in the table `bands` by title, picture and seller, to recognise relistings.

`ipml.review.near_duplicates.title_bands` numbers the titles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from sqlalchemy import Connection, Engine, and_, bindparam, select

from ipml.records import Listing, Verdict
from ipml.review.arrivals.snapshot import decode, decode_listing
from ipml.review.cases import StoredCase, find_cases
from ipml.review.near_duplicates.clusters import (
    MOST_IN_BAND,
    BandCases,
    find_in_bands,
    make_appearance,
    remove_from_bands,
    sign_shingles,
    store_where_room,
)
from ipml.review.near_duplicates.matches import removal_bands
from ipml.review.near_duplicates.title_bands import make_title_bands, number_picture
from ipml.review.pictures.stored import split_addresses
from ipml.review.reversals import is_last_verdict
from ipml.storage.database import in_batches, writing
from ipml.storage.tables import cases, decisions

_AT_ONCE = 500


def find_like_confirmed(connection: Connection, listings: Sequence[Listing]) -> list[list[int]]:
    """Return candidate cases of confirmed counterfeits for each listing, the most similar first."""
    sought = [number_listing(one, is_kept=False) for one in listings]
    kept = find_in_bands(connection, (number for of_one in sought for number in of_one))
    return [_choose(kept, of_one) for of_one in sought] if kept else [[] for _ in sought]


def number_listing(listing: Listing, *, is_kept: bool) -> tuple[int, ...]:
    """Return the numbers under which a listing is stored (`is_kept`) or searched."""
    numbers = make_title_bands(listing.title, listing.seller_id, is_kept=is_kept)
    return (*numbers, *(number_picture(name) for name in (listing.image_hash, first_address(listing)) if name))


def first_address(listing: Listing) -> str | None:
    """Return the URL of a listing's first picture, or None."""
    return next(iter(split_addresses(listing)), None)


def _choose(kept: BandCases, numbers: Sequence[int]) -> list[int]:
    counts = Counter(case_id for number in numbers if number in kept for case_id in kept[number])
    return sorted(counts, key=lambda case_id: (-counts[case_id], case_id))[:MOST_IN_BAND]


_STANDS = and_(decisions.c.case_id == cases.c.case_id, decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict())
# Built once, since building a query takes longer than running it.
_ALL_STANDING = select(cases.c.case_id).join_from(cases, decisions, _STANDS).where(cases.c.erased_at.is_(None))
_STANDING = _ALL_STANDING.where(cases.c.case_id.in_(bindparam("case_ids", expanding=True)))
_SNAPSHOTS = _STANDING.add_columns(cases.c.snapshot)


def read_confirmed(connection: Connection, case_ids: Collection[int]) -> dict[int, Listing]:
    """Return the listings of the cases whose counterfeit verdict is in force."""
    return {
        row.case_id: decode_listing(row.snapshot)
        for some in in_batches(sorted(case_ids))
        for row in connection.execute(_SNAPSHOTS, {"case_ids": some})
    }


def find_standing(connection: Connection, case_ids: Collection[int]) -> set[int]:
    """Return the cases whose counterfeit verdict is in force; others no longer match."""
    return {
        case_id
        for some in in_batches(sorted(case_ids))
        for case_id in connection.scalars(_STANDING, {"case_ids": some})
    }


def remember_confirmed(connection: Connection, rows: Sequence[StoredCase], spread: Sequence[StoredCase] = ()) -> None:
    """Index confirmed counterfeits to recognise relistings.

    `rows` are counterfeit cases; `spread` are near-duplicates to which the verdict spread.
    """
    scored = {row.case_id: decode(row.snapshot) for row in (*rows, *spread)}
    numbers = {case_id: number_listing(one.listing, is_kept=True) for case_id, one in scored.items()}
    matched_by = {number for of_one in numbers.values() for number in of_one}
    for row in rows:
        appearance = make_appearance(scored[row.case_id])
        numbers[row.case_id] += removal_bands(appearance, sign_shingles(appearance.shingles))
    store_where_room(connection, numbers, lambda full: _make_room(connection, matched_by.intersection(full)))


def remember_all(engine: Engine, progress: Callable[[int], object] = lambda _: None) -> int:
    """Index all listings whose counterfeit verdict is in force, for decisions made before decisions did this.

    It runs in transactions of 500 and can be repeated; it returns their number.
    """
    after, count = 0, 0
    while True:
        with writing(engine) as connection:
            query = _ALL_STANDING.where(cases.c.case_id > after).order_by(cases.c.case_id).limit(_AT_ONCE)
            numbers = list(connection.scalars(query))
            if not numbers:
                return count
            remember_confirmed(connection, (), list(find_cases(connection, numbers).values()))
        after, count = numbers[-1], count + len(numbers)
        progress(count)


def _make_room(connection: Connection, full: Collection[int]) -> list[int]:
    """Remove overturned cases from full bands; return each band once per freed place."""
    kept = find_in_bands(connection, full)
    held = {case_id for some in kept.values() for case_id in some}
    overturned = held - find_standing(connection, held)
    freed = [band for band, some in kept.items() for case_id in some if case_id in overturned]
    remove_from_bands(connection, kept, overturned)
    return freed
