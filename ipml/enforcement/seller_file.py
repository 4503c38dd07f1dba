"""A seller's record of enforcement, reached by one of their cases: standing, strikes, penalties, measures, appeals."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from ipml.enforcement.appeals.appeal import PendingAppeal, make_appeal
from ipml.enforcement.case_file import GivenPenalty, find_pending, read_penalties
from ipml.enforcement.penalties.ladder import find_obstacle, find_penalties
from ipml.enforcement.penalties.links import LinkedAccount, list_linked
from ipml.enforcement.penalties.penalties import list_told
from ipml.enforcement.penalties.standing import SellerStanding, Strike, find_standing, find_strikes
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.privacy.legal_holds import Hold, find_holds
from ipml.enforcement.restrictions import PenaltyKind
from ipml.enforcement.takedown.measures import Measure, find_measures
from ipml.review.cases import find_case
from ipml.storage.pseudonyms import find_pseudonym, find_seller
from ipml.storage.tables import appeals, cases, erasures

MOST = 50
"""How many strikes, measures, penalties and appeals are shown, the newest of each."""


@dataclass(frozen=True, slots=True)
class FiledPenalty:
    """A penalty with its reasons, and why whoever asks cannot confirm it; None where they can."""

    given: GivenPenalty
    obstacle: str | None


@dataclass(frozen=True, slots=True)
class RecommendedReview:
    """A link to another account, whether that is the one to look at, and a case of it; None where there is none."""

    link: LinkedAccount
    is_other: bool
    case_id: int | None


@dataclass(frozen=True, slots=True)
class SellerFile:
    """What enforcement knows of a seller; the newest first, and at most `MOST` of each.

    Attributes
    ----------
    pseudonym : str or None
        None where nothing ever followed for them.
    erased_at : datetime or None
        When the seller was erased.
    rung : PenaltyKind or None
        What their strikes lead to by themselves now.
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
    """Return the record of the seller of a case.

    Parameters
    ----------
    by : str
        Who asks.
    hidden : collection of int
        Cases whose decisions are kept from them: what followed from these is left out.

    Raises
    ------
    NotFound

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.queue import enqueue
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> with reading(engine) as connection:
    ...     found = read_seller_file(connection, 1, load_enforcement_policy(), "lea")
    >>> found.seller_id, found.standing.weight, found.rung
    ('s1', 0.0, None)
    """
    at = now or datetime.now(UTC)
    seller_id = find_case(connection, case_id).seller_id
    pseudonym = find_pseudonym(connection, seller_id) or _find_erased(seller_id)
    if pseudonym is None:
        return SellerFile(seller_id, None, None, find_standing((), (), policy.penalties, at), None)
    strikes = [one for one in find_strikes(connection, pseudonym) if one.case_id not in hidden]
    known = {one.strike_id for one in strikes}
    penalties = [one for one in find_penalties(connection, pseudonym=pseudonym) if one.strike_id in known]
    standing = find_standing(strikes, list_told(penalties), policy.penalties, at)
    measures = find_measures(connection, pseudonym=pseudonym, at_most=MOST + len(hidden))
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
        measures=tuple([one for one in measures if one.case_id not in hidden][:MOST]),
        appeals=tuple(_find_appeals(connection, pseudonym, hidden)),
        links=tuple(_recommend(connection, one, pseudonym) for one in list_linked(connection, pseudonym=pseudonym)),
        holds=tuple(find_holds(connection, pseudonym, at)),
    )


def _find_erased(seller_id: str) -> str | None:
    """Return the pseudonym of a seller who was erased, which is all that their cases still say."""
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
