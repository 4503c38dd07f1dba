"""Same picture: decisions on other listings with a case's pictures, and matching reference pictures.

Nothing is copied, so a reversed verdict or an erased seller takes its evidence away. A picture's precision is counted
on listings decided after its first counterfeit verdict, which would otherwise confirm itself. A picture that many
sellers show and that is not mostly of counterfeits ("no image") is no evidence and joins no cases.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, select

from ipml.records import Listing, Verdict
from ipml.review.cases import PENDING
from ipml.review.pictures.reference import ReferencePicture, list_references
from ipml.review.pictures.stored import NO_GROUP, split_addresses
from ipml.review.quality.rates import Rate, count_rate
from ipml.review.reversals import by_people, is_last_verdict
from ipml.storage.database import in_batches
from ipml.storage.tables import cases, decisions, pictures

MATCHES = ("picture_counterfeit_matches", "picture_genuine_matches")
"""Fields of a listing computed from its pictures."""

_COMMON_SELLERS = 20
_MOST_READ = 500  # listings of a picture; with more it is common
_MOST_OPEN = 5


@dataclass(frozen=True, slots=True)
class DecidedListing:
    """A listing with a picture, and people's decision on it."""

    case_id: int
    seller_id: str
    decision_id: int
    decided_at: datetime
    is_counterfeit: bool


@dataclass(frozen=True, slots=True)
class SamePicture:
    """A picture of a case, with the evidence on it.

    `positions` are its places in the case, from 0. `n_listings` and `n_sellers` count others that show it; if
    `is_common`, they are lower bounds and the picture is no evidence. `decided` is in the order of decisions;
    `open_cases` are some of those waiting; `references` are matching reference pictures.
    """

    group_id: int
    positions: tuple[int, ...]
    n_listings: int
    n_sellers: int
    decided: tuple[DecidedListing, ...]
    open_cases: tuple[int, ...]
    references: tuple[ReferencePicture, ...]
    is_common: bool

    @property
    def first_counterfeit(self) -> DecidedListing | None:
        """The listing whose verdict first made this a counterfeit's picture."""
        return next((one for one in self.decided if one.is_counterfeit), None)

    @property
    def first_genuine(self) -> DecidedListing | None:
        """The first listing with it that was found genuine."""
        return next((one for one in self.decided if not one.is_counterfeit), None)

    @property
    def precision(self) -> Rate | None:
        """Share of counterfeits among listings decided after the first; None without any."""
        first = self.first_counterfeit
        return None if first is None else _count(one for one in self.decided if one.decision_id > first.decision_id)

    @property
    def reference_precision(self) -> Rate | None:
        """Share of counterfeits among all decided listings; None without any."""
        return _count(self.decided)


def _count(decided: Iterable[DecidedListing]) -> Rate | None:
    found = [one.is_counterfeit for one in decided]
    return count_rate(sum(found), len(found))


def find_same_pictures(
    connection: Connection, case_id: int, *, hidden: Collection[int] = (), known_by: datetime | None = None
) -> list[SamePicture]:
    """Return the pictures of a case that others show too or that reference pictures match, in order of the listing.

    `hidden` cases are kept from the viewer. With `known_by`, only decisions by that moment count.
    """
    query = select(pictures.c.group_id, pictures.c.position).where(
        pictures.c.case_id == case_id, pictures.c.group_id > NO_GROUP
    )
    groups: dict[int, list[int]] = {}
    for group_id, position in connection.execute(query.order_by(pictures.c.position)):
        groups.setdefault(group_id, []).append(position)
    if not groups:
        return []
    case = connection.execute(select(cases.c.listing_id, cases.c.seller_id).where(cases.c.case_id == case_id)).one()
    found = _find_groups(connection, groups, case.listing_id, case.seller_id, hidden=hidden, known_by=known_by)
    return [one for one in found if one.n_listings or one.references]


def find_informative(connection: Connection, case_ids: Collection[int]) -> set[int]:
    """Return the cases whose first picture was examined and is neither flat nor common."""
    query = select(pictures.c.case_id, pictures.c.group_id).where(
        pictures.c.position == 0, pictures.c.group_id > NO_GROUP, pictures.c.state == "stored"
    )
    groups = {
        case_id: group_id
        for some in in_batches(sorted(case_ids))
        for case_id, group_id in connection.execute(query.where(pictures.c.case_id.in_(some)))
    }
    described = (_describe(one, (), _read_others(connection, one, "", None), ()) for one in {*groups.values()})
    common = {one.group_id for one in described if one.is_common}
    return {case_id for case_id, group_id in groups.items() if group_id not in common}


def add_picture_matches(
    connection: Connection, listings: Iterable[Listing], now: datetime, *, is_current: bool = False
) -> list[Listing]:
    """Return listings with the numbers of decided listings that share their pictures, in fields that are empty.

    They count other counterfeit and genuine listings known when each listing was observed, or now if that is unknown or
    `is_current`. Reference pictures count; common pictures do not.
    """
    some = list(listings)
    asked = {
        one.listing_id: one for one in some if one.image_urls and any(getattr(one, name) is None for name in MATCHES)
    }
    groups: dict[str, dict[int, list[int]]] = {}
    query = select(cases.c.listing_id, pictures.c.group_id, pictures.c.address)
    query = query.join_from(cases, pictures, pictures.c.case_id == cases.c.case_id).where(
        pictures.c.group_id > NO_GROUP
    )
    for part in in_batches(sorted(asked)):
        for listing_id, group_id, address in connection.execute(query.where(cases.c.listing_id.in_(part))):
            if address in split_addresses(asked[listing_id]):
                groups.setdefault(listing_id, {})[group_id] = []
    filled = {}
    for listing_id, of_listing in groups.items():
        one = asked[listing_id]
        moment = (not is_current and one.observed_at) or now
        found = _find_groups(connection, of_listing, listing_id, one.seller_id, known_by=moment)
        counts = count_matches(found, moment)
        missing: dict[str, Any] = {name: counts[name] for name in MATCHES if getattr(one, name) is None}
        filled[listing_id] = replace(one, **missing)
    return [filled.get(one.listing_id, one) for one in some]


def count_matches(found: Iterable[SamePicture], moment: datetime) -> dict[str, float]:
    """Return the numbers of other listings, each once, and of reference pictures."""
    telling = [one for one in found if not one.is_common]
    decided = {listing.case_id: listing.is_counterfeit for one in telling for listing in one.decided}
    known = {
        reference.reference_id: reference.kind is Verdict.COUNTERFEIT
        for one in telling
        for reference in one.references
        if reference.added_at <= moment
    }
    said = [*decided.values(), *known.values()]
    return dict(zip(MATCHES, (float(sum(said)), float(len(said) - sum(said))), strict=True))


def _find_groups(
    connection: Connection,
    groups: Mapping[int, Sequence[int]],
    listing_id: str,
    seller_id: str,
    *,
    hidden: Collection[int] = (),
    known_by: datetime | None = None,
) -> list[SamePicture]:
    """Return the evidence on picture groups, excluding the listing's own."""
    references = list_references(connection, list(groups))
    found = []
    for group_id, positions in groups.items():
        others = _read_others(connection, group_id, listing_id, known_by)
        known = tuple(one for one in references if one.group_id == group_id)
        shown = [row for row in others if row.case_id not in hidden]
        found.append(_describe(group_id, positions, shown, known, seller_id))
    return found


def _read_others(connection: Connection, group_id: int, listing_id: str, known_by: datetime | None) -> Sequence[Any]:
    """Return the other listings with a picture, each case once, with the verdict in force."""
    asked = {"group": group_id, "listing": listing_id}
    return connection.execute(_OTHERS if known_by is None else _select_others(known_by), asked).all()


def _select_others(known_by: datetime | None) -> Select[Any]:
    has_it = select(pictures.c.case_id).where(pictures.c.group_id == bindparam("group"))
    verdict = and_(decisions.c.case_id == cases.c.case_id, by_people(), is_last_verdict(known_by))
    columns: list[ColumnElement[Any]] = [cases.c.case_id, cases.c.listing_id, cases.c.seller_id, cases.c.state]
    columns += [decisions.c.decision_id, decisions.c.decided_at, decisions.c.verdict]
    query = select(*columns).outerjoin_from(cases, decisions, verdict)
    query = query.where(
        cases.c.case_id.in_(has_it), cases.c.listing_id != bindparam("listing"), cases.c.state != "superseded"
    )
    return query.order_by(cases.c.case_id).limit(_MOST_READ)


_OTHERS = _select_others(None)  # built once, since building it takes longer than running it


def _describe(
    group_id: int,
    positions: Sequence[int],
    others: Sequence[Any],
    references: tuple[ReferencePicture, ...],
    seller_id: str = "",
) -> SamePicture:
    judged = {
        row.listing_id: DecidedListing(
            row.case_id, row.seller_id, row.decision_id, row.decided_at, row.verdict == Verdict.COUNTERFEIT
        )
        for row in others
        if row.verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE)
    }
    decided = sorted(judged.values(), key=lambda one: one.decision_id)
    n_sellers = len({row.seller_id for row in others} - {seller_id})
    is_mostly_counterfeit = 2 * sum(one.is_counterfeit for one in decided) > len(decided)
    is_common = len(others) == _MOST_READ or (n_sellers >= _COMMON_SELLERS and not is_mostly_counterfeit)
    return SamePicture(
        group_id,
        tuple(positions),
        len({row.listing_id for row in others}),
        n_sellers,
        tuple(decided),
        tuple(row.case_id for row in others if row.state in PENDING)[:_MOST_OPEN],
        references,
        is_common,
    )


def measure_reference(connection: Connection, reference: ReferencePicture) -> SamePicture | None:
    """Return the evidence on a reference picture among listings; None until the worker has examined it."""
    if not reference.group_id:
        return None
    return _describe(reference.group_id, (), _read_others(connection, reference.group_id, "", None), (reference,))


def measure_group(
    connection: Connection, group_id: int, listing_id: str, seller_id: str, known_by: datetime | None = None
) -> SamePicture:
    """Return the evidence on a picture group, excluding one listing's own."""
    return _find_groups(connection, {group_id: ()}, listing_id, seller_id, known_by=known_by)[0]
