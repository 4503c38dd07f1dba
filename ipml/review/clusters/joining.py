"""Which cases of a batch that comes in join a case that is there, or one another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, update

from ipml.records import Listing
from ipml.review.cases import PENDING, count_waiting
from ipml.review.clusters.bands import Kept, choose_candidates, find_kept, find_room, forget, keep
from ipml.review.clusters.clusters import LARGEST_SCORE_STEP, move_forward, seller_bands
from ipml.review.clusters.likeness import Look, compare_offers, has_like_price, make_look
from ipml.review.clusters.relistings import find_removed, removal_bands
from ipml.review.clusters.signatures import sign
from ipml.review.snapshot import decode
from ipml.storage.tables import cases


@dataclass(frozen=True, slots=True)
class Arrival:
    """A listing that comes in, with all that it is compared by.

    Attributes
    ----------
    place : tuple of (float, str)
        Less the greater the score, and the key: it sorts the arrivals of a batch, the most suspicious first, whatever
        their order in the file.
    bands : tuple of int
        Under which it is found by copies of its seller; none where it has no price.
    removal_bands : tuple of int
        Under which it finds removed listings of any seller.
    """

    listing: Listing
    score: float | None
    place: tuple[float, str]
    look: Look
    bands: tuple[int, ...]
    removal_bands: tuple[int, ...]


def make_arrival(columns: Mapping[str, Any]) -> Arrival:
    """Make the arrival of the columns of a case."""
    scored = decode(columns["snapshot"])
    look = make_look(scored)
    signature = sign(look.shingles)
    return Arrival(
        scored.listing,
        columns["score"],
        (-_suspicion(columns["score"]), columns["listing_key"]),
        look,
        seller_bands(scored.listing, look, signature),
        removal_bands(look, signature),
    )


@dataclass(frozen=True, slots=True)
class _Leader:
    """An exemplar as the arrivals are compared with it."""

    listing: Listing
    score: float | None
    look: Look


class Joining:
    """Which arrivals of a batch join which case: found before they are in the table, written down after.

    In between the cases concerned are locked, so that none of them is decided meanwhile.
    """

    def __init__(self, connection: Connection, arrivals: Iterable[Arrival]) -> None:
        self.connection = connection
        self.arrivals = sorted(arrivals, key=lambda arrival: arrival.place)
        self.kept: Kept = find_kept(connection, (band for arrival in self.arrivals for band in arrival.bands))

    @property
    def candidates(self) -> set[int]:
        """Return the numbers of the cases that some arrival may join; lock them."""
        return {number for arrival in self.arrivals for number in choose_candidates(self.kept, arrival.bands)}

    def write(self, locked: Mapping[int, Row[Any]], case_ids: Mapping[str, int]) -> dict[int, int]:
        """Give the arrivals their exemplars, and return them.

        Parameters
        ----------
        locked : mapping of int to Row
            The candidates, locked.
        case_ids : mapping of str to int
            Numbers of the cases that the arrivals became, by listing key.
        """
        leaders = {case_id: _lead(row) for case_id, row in locked.items() if _is_shown(row)}
        forget(self.connection, self.kept, self.candidates - leaders.keys())
        numbers = [case_ids[arrival.place[1]] for arrival in self.arrivals]
        exemplars = self._find_exemplars(leaders, numbers)
        sought = {
            number: (arrival.listing.seller_id, arrival.look, arrival.removal_bands)
            for number, arrival in zip(numbers, self.arrivals, strict=True)
        }
        removed = {number: alike[0].case_id for number, alike in find_removed(self.connection, sought).items() if alike}
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
        """Say of exemplars that a removed listing came again among those who wait for them: only they are shown."""
        if removed:
            query = update(cases).where(cases.c.case_id == bindparam("exemplar_id"), cases.c.relisting_of.is_(None))
            rows = [{"exemplar_id": exemplar, "removed": number} for exemplar, number in sorted(removed.items())]
            self.connection.execute(query.values(relisting_of=bindparam("removed")), rows)

    def _find_exemplars(self, leaders: dict[int, _Leader], numbers: Sequence[int]) -> dict[int, int]:
        """Return the exemplars of those who join one, and keep the bands of the others.

        Among themselves the n-th arrival goes by -n, so that nothing depends on the numbers the cases were given.
        """
        joined: dict[int, int] = {}
        rooms: list[tuple[int, list[int]]] = []
        for place, (arrival, number) in enumerate(zip(self.arrivals, numbers, strict=True), start=1):
            alike = {
                handle: likeness
                for handle in choose_candidates(self.kept, arrival.bands)
                if handle in leaders and (likeness := _compare(arrival, leaders[handle])) is not None
            }
            if alike:
                best = max(alike, key=lambda handle: (alike[handle], handle > 0, -abs(handle)))
                joined[number] = best if best > 0 else numbers[-best - 1]
            else:
                leaders[-place] = _Leader(arrival.listing, arrival.score, arrival.look)
                rooms.append((number, find_room(self.kept, -place, arrival.bands)))
        keep(self.connection, rooms)
        return joined


def _is_shown(row: Row[Any]) -> bool:
    return bool(row.state in PENDING and row.exemplar is None)


def _lead(row: Row[Any]) -> _Leader:
    scored = decode(row.snapshot)
    return _Leader(scored.listing, row.score, make_look(scored))


def _compare(arrival: Arrival, leader: _Leader) -> float | None:
    """Return how alike an arrival is to an exemplar that it may join, or None."""
    if arrival.listing.seller_id != leader.listing.seller_id or not has_like_price(arrival.listing, leader.listing):
        return None
    if _suspicion(arrival.score) > _suspicion(leader.score) + LARGEST_SCORE_STEP:
        return None
    return compare_offers(arrival.look, leader.look)


def _suspicion(score: float | None) -> float:
    return -1.0 if score is None else score
