"""A listing that was removed and comes again, by the same seller or another: recognised, and said so.

Whatever is decided to be counterfeit is kept under the bands of its brand, and under others for those who name no
brand, or another one: sellers leave it out, or lie. A listing that comes in and looks like
one of them has the number of that case in `relisting_of`; a person decides on it as on any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.records import Verdict
from ipml.review.cases import find_case, find_cases
from ipml.review.clusters.bands import choose_candidates, find_kept, keep_where_room
from ipml.review.clusters.likeness import Look, compare_looks, make_look
from ipml.review.clusters.signatures import make_bands, sign
from ipml.review.reversals import is_last_verdict
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

_ROWS_OF_ANY_BRAND = 5  # 12 bands: at a likeness of 0.7 89 in 100 share one, at 0.5 32


@dataclass(frozen=True, slots=True)
class Removed:
    """A case that was decided counterfeit, and how alike another is to it.

    Attributes
    ----------
    likeness : float
        Share of the letter runs of the titles that are common to both, 0-1; 1 for the same picture.
    """

    case_id: int
    seller_id: str
    decided_at: datetime
    likeness: float


def removal_bands(look: Look, signature: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bands under which removed listings are kept and found, whoever the seller.

    First come those of the brand, then those of any brand: in these titles that are only half alike share none, so
    that they do not fill up.
    """
    of_brand = make_bands(f"removed {look.brand}", signature, look.image_hash)
    return (*of_brand, *make_bands("removed", signature, look.image_hash, _ROWS_OF_ANY_BRAND))


def remember_removals(connection: Connection, rows: Sequence[Row[Any]]) -> None:
    """Keep the listings of cases that were decided counterfeit, so that they are recognised when they come again."""
    numbers: dict[int, tuple[int, ...]] = {}
    for row in rows:
        look = make_look(decode(row.snapshot))
        numbers[row.case_id] = removal_bands(look, sign(look.shingles))
    keep_where_room(connection, numbers)


def find_removed(
    connection: Connection, wanted: Mapping[int, tuple[str, Look, tuple[int, ...]]]
) -> dict[int, list[Removed]]:
    """Return for cases the removed ones that they look like, the most alike first.

    Parameters
    ----------
    wanted : mapping of int to (seller id, Look, bands)
        By case, with their `removal_bands`.
    """
    kept = find_kept(connection, (band for *_, numbers in wanted.values() for band in numbers))
    candidates = {case_id: choose_candidates(kept, numbers) for case_id, (*_, numbers) in wanted.items()}
    removed_at = _find_removals(connection, {number for numbers in candidates.values() for number in numbers})
    looks = {
        case_id: (row.seller_id, make_look(decode(row.snapshot)))
        for case_id, row in find_cases(connection, removed_at).items()
    }
    found: dict[int, list[Removed]] = {}
    for case_id, numbers in candidates.items():
        own_seller, own, _ = wanted[case_id]
        alike = [
            Removed(number, seller_id, removed_at[number], likeness)
            for number in numbers
            if number in looks and number != case_id
            for seller_id, other in [looks[number]]
            if (likeness := compare_looks(own, other)) is not None
        ]
        found[case_id] = sorted(
            alike,
            key=lambda removed: (-removed.likeness, removed.seller_id != own_seller, removed.case_id),
        )
    return found


def _find_removals(connection: Connection, case_ids: set[int]) -> dict[int, datetime]:
    """Return when cases were decided counterfeit, as far as that stands."""
    query = select(decisions.c.case_id, decisions.c.decided_at).where(
        decisions.c.case_id.in_(case_ids), decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict()
    )
    return {row.case_id: row.decided_at for row in connection.execute(query)} if case_ids else {}


def explain_relisting(engine: Engine, case_id: int) -> str | None:
    """Return in a sentence that a case looks like a removed one; None where it does not, or that was taken back.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> def enqueue_bag(number, seller):
    ...     listing = Listing(f"L{number}", seller, f"Leather bag, brown, model {number}", brand="Acme")
    ...     return enqueue(engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "2024-05")])
    >>> _ = enqueue_bag(1, "s1")
    >>> _ = decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    >>> _ = enqueue_bag(2, "s2")
    >>> explain_relisting(engine, 2)
    'Looks like the listing of case 1, of another seller, which was decided counterfeit on ...'
    """
    with reading(engine) as connection:
        row = find_case(connection, case_id)
        query = select(cases.c.seller_id).where(cases.c.case_id == row.relisting_of)
        decided_at = _find_removals(connection, {row.relisting_of}).get(row.relisting_of)
        if decided_at is None:
            return None
        seller = "the same seller" if connection.scalar(query) == row.seller_id else "another seller"
    day = f"{decided_at.day} {decided_at:%B %Y}"
    return f"Looks like the listing of case {row.relisting_of}, of {seller}, which was decided counterfeit on {day}."
