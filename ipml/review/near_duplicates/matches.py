"""Matches: an incoming listing joins a waiting case, or resembles a removed listing.

Confirmed counterfeits are indexed by brand, and also under any brand, since sellers omit or misstate it. A case like
one of them, by any seller, stores its number in `relisting_of`; a person decides it like any other case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import PENDING, StoredCase, find_case, find_cases
from ipml.review.near_duplicates.clusters import (
    LARGEST_SCORE_STEP,
    Appearance,
    BandCases,
    choose_candidates,
    compare_appearances,
    compare_offers,
    count_waiting,
    find_in_bands,
    find_room,
    has_like_price,
    make_appearance,
    make_bands,
    move_forward,
    remove_from_bands,
    seller_bands,
    sign_shingles,
    store_in_bands,
)
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions

_ROWS_OF_ANY_BRAND = 5  # 12 bands: 89 of 100 pairs of likeness 0.7 share one, 32 of likeness 0.5


@dataclass(frozen=True, slots=True)
class Removed:
    """A case decided counterfeit that resembles another one.

    `likeness` is the share of letter runs common to both titles, 0-1; 1 for the same picture.
    """

    case_id: int
    seller_id: str
    decided_at: datetime
    likeness: float


def removal_bands(appearance: Appearance, signature: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bands of removed listings, for any seller: first those of the brand, then those of any brand.

    The latter require more similar titles, so that they do not fill up.
    """
    of_brand = make_bands(f"removed {appearance.brand}", signature, appearance.image_hash)
    return (*of_brand, *make_bands("removed", signature, appearance.image_hash, _ROWS_OF_ANY_BRAND))


def find_removed(
    connection: Connection, wanted: Mapping[int, tuple[str, Appearance, tuple[int, ...]]]
) -> dict[int, list[Removed]]:
    """Return the removed cases that each case resembles, the most similar first.

    `wanted` maps each case to seller id, appearance and `removal_bands`.
    """
    kept = find_in_bands(connection, (band for *_, numbers in wanted.values() for band in numbers))
    candidates = {case_id: choose_candidates(kept, numbers) for case_id, (*_, numbers) in wanted.items()}
    removed_at = _find_removals(connection, {number for numbers in candidates.values() for number in numbers})
    appearances = {
        case_id: (row.seller_id, make_appearance(decode(row.snapshot)))
        for case_id, row in find_cases(connection, removed_at).items()
    }
    found: dict[int, list[Removed]] = {}
    for case_id, numbers in candidates.items():
        own_seller, own, _ = wanted[case_id]
        alike = [
            Removed(number, seller_id, removed_at[number], likeness)
            for number in numbers
            if number in appearances and number != case_id
            for seller_id, other in [appearances[number]]
            if (likeness := compare_appearances(own, other)) is not None
        ]
        found[case_id] = sorted(
            alike,
            key=lambda removed: (-removed.likeness, removed.seller_id != own_seller, removed.case_id),
        )
    return found


def _find_removals(connection: Connection, case_ids: set[int]) -> dict[int, datetime]:
    query = select(decisions.c.case_id, decisions.c.decided_at).where(
        decisions.c.case_id.in_(case_ids), decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict()
    )
    return {row.case_id: row.decided_at for row in connection.execute(query)} if case_ids else {}


def explain_relisting(connection: Connection, case_id: int) -> str | None:
    """Return a sentence on the removed case that a case resembles; None if there is none or it was overturned."""
    row = find_case(connection, case_id)
    if row.relisting_of is None:
        return None
    query = select(cases.c.seller_id).where(cases.c.case_id == row.relisting_of)
    decided_at = _find_removals(connection, {row.relisting_of}).get(row.relisting_of)
    if decided_at is None:
        return None
    seller = "the same seller" if connection.scalar(query) == row.seller_id else "another seller"
    day = f"{decided_at.day} {decided_at:%B %Y}"
    return f"Looks like the listing of case {row.relisting_of}, of {seller}, which was decided counterfeit on {day}."


@dataclass(frozen=True, slots=True)
class IncomingListing:
    """An incoming listing with the features it is compared by.

    `place` sorts a batch whatever its order in the file: the most suspicious first, then by key. `bands` find copies of
    the same seller, and are empty without a price; `removal_bands` find removed listings of any seller.
    """

    listing: Listing
    score: float | None
    place: tuple[float, str]
    appearance: Appearance
    bands: tuple[int, ...]
    removal_bands: tuple[int, ...]


def make_arrival(scored: ScoredListing, listing_key: str) -> IncomingListing:
    """Return a scored listing with the features it is compared by and its case key."""
    appearance = make_appearance(scored)
    signature = sign_shingles(appearance.shingles)
    return IncomingListing(
        scored.listing,
        scored.score,
        (-_suspicion(scored.score), listing_key),
        appearance,
        seller_bands(scored.listing, appearance, signature),
        removal_bands(appearance, signature),
    )


@dataclass(frozen=True, slots=True)
class _Leader:
    listing: Listing
    score: float | None
    appearance: Appearance
    is_matched: bool


class Joining:
    """Assignment of a batch's arrivals to exemplars: found before they are inserted, written after.

    In between, the cases concerned are locked, so that none is decided meanwhile.
    """

    def __init__(self, connection: Connection, arrivals: Iterable[IncomingListing]) -> None:
        self.connection = connection
        self.arrivals = sorted(arrivals, key=lambda arrival: arrival.place)
        self.kept: BandCases = find_in_bands(connection, (band for arrival in self.arrivals for band in arrival.bands))

    @property
    def candidates(self) -> set[int]:
        """Cases that some arrival may join; lock them."""
        return {number for arrival in self.arrivals for number in choose_candidates(self.kept, arrival.bands)}

    def write(
        self, locked: Mapping[int, StoredCase], case_ids: Mapping[str, int], matched: Mapping[int, int]
    ) -> dict[int, int]:
        """Store the exemplars of the arrivals, and return them.

        `locked` holds the locked candidates. `case_ids` maps listing keys to the arrivals' cases. `matched` maps cases
        that match a confirmed counterfeit (`.relistings`) to its case; they wait only for exemplars that match one too.
        """
        shown = {case_id: row for case_id, row in locked.items() if row.state in PENDING and row.exemplar is None}
        leaders = {case_id: _lead(row) for case_id, row in shown.items()}
        remove_from_bands(self.connection, self.kept, self.candidates - leaders.keys())
        numbers = [case_ids[arrival.place[1]] for arrival in self.arrivals]
        exemplars = self._find_exemplars(leaders, numbers, matched)
        sought = {
            number: (arrival.listing.seller_id, arrival.appearance, arrival.removal_bands)
            for number, arrival in zip(numbers, self.arrivals, strict=True)
        }
        looked_up = {number: one for number, one in sought.items() if number not in matched}
        found = find_removed(self.connection, looked_up)
        removed = {number: alike[0].case_id for number, alike in found.items() if alike} | dict(matched)
        rows = [
            {"joined": number, "new_exemplar": exemplars.get(number), "removed": removed.get(number)}
            for number in numbers
            if number in exemplars or number in removed
        ]
        if rows:
            query = update(cases).where(cases.c.case_id == bindparam("joined"))
            query = query.values(exemplar=bindparam("new_exemplar"), relisting_of=bindparam("removed"))
            self.connection.execute(query, rows)
        self._mark({exemplar: removed[number] for number, exemplar in exemplars.items() if number in removed})
        gained = Counter(exemplars.values())
        waiting = count_waiting(self.connection, gained)
        move_forward(self.connection, {number: waiting[number] - more for number, more in gained.items()})
        return exemplars

    def _mark(self, removed: Mapping[int, int]) -> None:
        """Mark exemplars for which a relisted case waits, since only exemplars are listed."""
        if removed:
            query = update(cases).where(cases.c.case_id == bindparam("exemplar_id"), cases.c.relisting_of.is_(None))
            rows = [{"exemplar_id": exemplar, "removed": number} for exemplar, number in sorted(removed.items())]
            self.connection.execute(query.values(relisting_of=bindparam("removed")), rows)

    def _find_exemplars(
        self, leaders: dict[int, _Leader], numbers: Sequence[int], matched: Collection[int]
    ) -> dict[int, int]:
        """Return the exemplars of arrivals (the n-th is -n) that join one, and store the bands of the others."""
        joined: dict[int, int] = {}
        rooms: list[tuple[int, list[int]]] = []
        for place, (arrival, number) in enumerate(zip(self.arrivals, numbers, strict=True), start=1):
            alike = {
                handle: likeness
                for handle in choose_candidates(self.kept, arrival.bands)
                if handle in leaders
                and (leaders[handle].is_matched or number not in matched)
                and (likeness := _compare(arrival, leaders[handle])) is not None
            }
            if alike:
                best = max(alike, key=lambda handle: (alike[handle], handle > 0, -abs(handle)))
                joined[number] = best if best > 0 else numbers[-best - 1]
            else:
                leaders[-place] = _Leader(arrival.listing, arrival.score, arrival.appearance, number in matched)
                rooms.append((number, find_room(self.kept, -place, arrival.bands)))
        store_in_bands(self.connection, rooms)
        return joined


def _lead(row: StoredCase) -> _Leader:
    scored = decode(row.snapshot)
    return _Leader(scored.listing, row.score, make_appearance(scored), row.match_kind is not None)


def _compare(arrival: IncomingListing, leader: _Leader) -> float | None:
    """Return the likeness of an arrival to an exemplar that it may join, or None."""
    if arrival.listing.seller_id != leader.listing.seller_id or not has_like_price(arrival.listing, leader.listing):
        return None
    if _suspicion(arrival.score) > _suspicion(leader.score) + LARGEST_SCORE_STEP:
        return None
    return compare_offers(arrival.appearance, leader.appearance)


def _suspicion(score: float | None) -> float:
    return -1.0 if score is None else score
