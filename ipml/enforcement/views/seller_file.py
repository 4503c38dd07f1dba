"""Seller file: a seller's standing, strikes, penalties, measures and appeals, found through one of their cases."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from ipml.enforcement.appeals.appeal import PendingAppeal, make_appeal
from ipml.enforcement.penalties.ladder import find_obstacle, find_penalties
from ipml.enforcement.penalties.links import LinkedAccount, list_linked
from ipml.enforcement.penalties.penalties import list_told
from ipml.enforcement.penalties.standing import SellerStanding, Strike, find_standing, find_strikes
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.privacy.legal_holds import Hold, find_holds
from ipml.enforcement.restrictions import PenaltyKind
from ipml.enforcement.takedown.measures import Measure, find_measures
from ipml.enforcement.views.case_file import GivenPenalty, find_pending, read_penalties
from ipml.review.cases import find_case
from ipml.storage.pseudonyms import find_pseudonym, find_seller
from ipml.storage.tables import appeals, cases, erasures, measures

MOST = 50
"""Number of strikes, measures, penalties and appeals shown, the newest of each."""


@dataclass(frozen=True, slots=True)
class FiledPenalty:
    """A penalty with its reasons; `obstacle` says why the current user cannot confirm it, or is None."""

    given: GivenPenalty
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class RecommendedReview:
    """A link to another account. `is_other`: this seller is `linked_to`; `case_id`: a case of the other account."""

    link: LinkedAccount
    is_other: bool
    case_id: int | None


@dataclass(frozen=True, slots=True)
class SellerFile:
    """Enforcement record of a seller; the newest first, and at most `MOST` of each kind.

    `pseudonym`: None if no decision ever had an effect on the seller. `erased_at`: None unless the seller was erased.
    `rung`: penalty that the strikes lead to automatically now.
    """

    seller_id: str
    pseudonym: str | None
    erased_at: datetime | None
    standing: SellerStanding
    rung: PenaltyKind | None
    strikes: tuple[Strike, ...] = ()
    penalties: tuple[FiledPenalty, ...] = ()
    measures: tuple[Measure, ...] = ()
    appeals: tuple[PendingAppeal, ...] = ()
    links: tuple[RecommendedReview, ...] = ()
    holds: tuple[Hold, ...] = ()


def read_seller_file(
    connection: Connection,
    case_id: int,
    policy: EnforcementPolicy,
    by: str,
    *,
    hidden: Collection[int] = (),
    now: datetime | None = None,
) -> SellerFile:
    """Return the record of a case's seller as seen by `by`; raise NotFound for an unknown case.

    Actions on the `hidden` cases are left out, because `by` may not see their decisions.
    """
    at = now or datetime.now(UTC)
    seller_id = find_case(connection, case_id).seller_id
    pseudonym = find_pseudonym(connection, seller_id) or _find_erased(seller_id)
    if pseudonym is None:
        return SellerFile(seller_id, None, None, find_standing((), (), policy.penalties, at), None)
    strikes = [strike for strike in find_strikes(connection, pseudonym) if strike.case_id not in hidden]
    numbers = {strike.strike_id for strike in strikes}
    penalties = [penalty for penalty in find_penalties(connection, pseudonym=pseudonym) if penalty.strike_id in numbers]
    standing = find_standing(strikes, list_told(penalties), policy.penalties, at)
    of_seller = find_measures(connection, measures.c.pseudonym == pseudonym, at_most=MOST + len(hidden))
    return SellerFile(
        seller_id=seller_id,
        pseudonym=pseudonym,
        erased_at=connection.scalar(select(erasures.c.erased_at).where(erasures.c.pseudonym == pseudonym).limit(1)),
        standing=standing,
        rung=None if standing.due < 0 else policy.penalties.ladder[standing.due].kind,
        strikes=tuple(strikes[::-1][:MOST]),
        penalties=tuple(
            FiledPenalty(given, find_obstacle(connection, given.penalty, by, at))
            for given in read_penalties(connection, penalties[::-1][:MOST])
        ),
        measures=tuple([measure for measure in of_seller if measure.case_id not in hidden][:MOST]),
        appeals=tuple(_find_appeals(connection, pseudonym, hidden)),
        links=tuple(
            _recommend(connection, linked, pseudonym) for linked in list_linked(connection, pseudonym=pseudonym)
        ),
        holds=tuple(find_holds(connection, pseudonym, at)),
    )


def _find_erased(seller_id: str) -> str | None:
    """Return the pseudonym in a placeholder, all that the cases of an erased seller still contain."""
    return seller_id.removeprefix("erased:") if seller_id.startswith("erased:") else None


def _find_appeals(connection: Connection, pseudonym: str, hidden: Collection[int]) -> list[PendingAppeal]:
    query = select(appeals).where(appeals.c.pseudonym == pseudonym, appeals.c.case_id.not_in(hidden))
    rows = connection.execute(query.order_by(appeals.c.appeal_id.desc()).limit(MOST))
    return find_pending(connection, [make_appeal(row) for row in rows])


def _recommend(connection: Connection, link: LinkedAccount, pseudonym: str) -> RecommendedReview:
    """Return a link with a case of the other account: pages name sellers by their cases."""
    is_other = link.linked_to == pseudonym
    other = link.pseudonym if is_other else link.linked_to
    seller_id = find_seller(connection, other)
    newest = select(cases.c.case_id).where(cases.c.seller_id == seller_id).order_by(cases.c.case_id.desc()).limit(1)
    return RecommendedReview(link, is_other, None if seller_id is None else connection.scalar(newest))
