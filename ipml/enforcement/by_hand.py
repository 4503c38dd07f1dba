"""What a lead changes by hand: a measure lifted or replaced, a penalty confirmed or lifted; the seller is told.

Nobody does so where they sell as the seller. Sent twice, a change is made once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select

from ipml.enforcement.ledger.stakes import keep_stakes
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.penalties import Penalty, get_penalty
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.statements import issue, tell_lifted
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.measures import Measure, get_measure, read_whys
from ipml.errors import UnusableMeasure
from ipml.review.cases import find_case
from ipml.review.quality.conflicts import refuse_own
from ipml.review.texts import check_text
from ipml.storage.database import reading, writing
from ipml.storage.tables import strikes

LONGEST_WHY = 2000


@dataclass(frozen=True, slots=True)
class Order:
    """A measure that a lead orders.

    Attributes
    ----------
    why : str
        For the record, at most 2,000 characters.
    territories : tuple of str
        Countries, for `MeasureKind.REMOVE_IN`.
    until : datetime or None
        When it ends by itself.
    """

    kind: MeasureKind
    why: str
    territories: tuple[str, ...] = ()
    until: datetime | None = None


_WHY = "review"  # as letters know it


def lift_measure(
    engine: Engine, measure_id: int, by: str, why: str, policy: EnforcementPolicy, *, now: datetime | None = None
) -> Measure:
    """Lift a measure, and tell the seller; the decision stands, and its strike.

    Parameters
    ----------
    why : str
        For the record, at most 2,000 characters; the seller is told that the decision was looked at again.

    Raises
    ------
    MeasureNotFound, MeasureNotStanding, OwnListing
    UnusableMeasure
        No reason is given.
    """
    _check_why(why, "lifted")
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        measure = get_measure(connection, measure_id)
        refuse_own(connection, find_case(connection, measure.case_id), by)
        if _is_sent_again(connection, measure, by, why) and measure.replaced_by is None:
            return measure
        lifted = changes.lift_one(connection, measure_id, by, why, now)
        tell_lifted(connection, changes.restriction_of(connection, lifted), _WHY, now, policy)
        return lifted


def impose_measure(
    engine: Engine,
    case_id: int,
    order: Order,
    by: str,
    policy: EnforcementPolicy,
    *,
    now: datetime | None = None,
) -> Measure:
    """Impose a measure beside those there are on a listing that was decided counterfeit, and state to the seller why.

    Raises
    ------
    NothingToEnforce, UnusableMeasure, OwnListing, SellerErased
    """
    _check_why(order.why, "imposed")
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        refuse_own(connection, find_case(connection, case_id), by)
        measure = changes.impose_by_hand(
            connection,
            case_id,
            order.kind,
            by,
            order.why,
            now,
            policy,
            territories=order.territories,
            until=order.until,
        )
        _state(connection, measure, policy)
        return measure


def change_measure(
    engine: Engine,
    measure_id: int,
    order: Order,
    by: str,
    policy: EnforcementPolicy,
    *,
    now: datetime | None = None,
) -> Measure:
    """Put another measure in the place of one, with a statement of its own; otherwise like `lift_measure`.

    Raises
    ------
    SellerErased
        There is nobody left to whom it could be stated.
    """
    _check_why(order.why, "changed")
    now, ordered = now or datetime.now(UTC), (order.kind, order.territories)
    with writing(engine) as connection:
        old = get_measure(connection, measure_id)
        refuse_own(connection, find_case(connection, old.case_id), by)
        if old.replaced_by is not None and _is_sent_again(connection, old, by, order.why):
            new = get_measure(connection, old.replaced_by)
            if (new.kind, new.territories) == ordered:
                return new
        if old.stands and (old.kind, old.territories) == ordered:
            raise UnusableMeasure(f"{order.kind} in the place of the same", "another kind of measure")
        new = changes.replace(
            connection, measure_id, order.kind, by, order.why, now, territories=order.territories, until=order.until
        )
        _state(connection, new, policy)
        old = get_measure(connection, measure_id)
        tell_lifted(connection, changes.restriction_of(connection, old), "replaced", now, policy)
        return new


def confirm_penalty(
    engine: Engine, penalty_id: int, by: str, why: str, policy: EnforcementPolicy, *, now: datetime | None = None
) -> Penalty:
    """Impose a penalty that was proposed, and state to the seller why.

    Raises
    ------
    PenaltyNotFound, CannotChangePenalty, OwnListing, SellerErased
    """
    penalty = _look_at(engine, penalty_id, by)
    if penalty.imposed_by == by:
        return penalty
    return ladder.confirm(
        engine,
        penalty_id,
        by,
        why=why,
        now=now,
        tell=lambda connection, kept: issue(connection, ladder.restriction_of(connection, kept), policy),
    )


def lift_penalty(
    engine: Engine, penalty_id: int, by: str, why: str, policy: EnforcementPolicy, *, now: datetime | None = None
) -> Penalty:
    """End a penalty before its time, and tell the seller; or dismiss one that was proposed, of which nobody was told.

    Raises
    ------
    PenaltyNotFound, CannotChangePenalty, OwnListing
    """
    at = now or datetime.now(UTC)
    penalty = _look_at(engine, penalty_id, by)
    if penalty.ended_by == by and penalty.ended_as in ("lifted", "dismissed"):
        return penalty

    def tell(connection: Connection, ended: Penalty) -> object:
        return tell_lifted(connection, ladder.restriction_of(connection, ended), _WHY, at, policy)

    return ladder.lift(engine, penalty_id, by, why, now=at, tell=tell)


def _look_at(engine: Engine, penalty_id: int, by: str) -> Penalty:
    """Return a penalty, unless who asks sells as the seller."""
    with reading(engine) as connection:
        penalty = get_penalty(connection, penalty_id)
        number = connection.scalars(select(strikes.c.case_id).where(strikes.c.strike_id == penalty.strike_id)).one()
        refuse_own(connection, find_case(connection, number), by)
        return penalty


def _state(connection: Connection, measure: Measure, policy: EnforcementPolicy) -> None:
    """Tell the seller of a new measure, and keep what it puts at stake."""
    case = find_case(connection, measure.case_id)
    keep_stakes(connection, measure.measure_id, case, measure.imposed_at, policy)
    issue(connection, changes.restriction_of(connection, measure), policy)


def _check_why(why: str, what: str) -> None:
    check_text("why", why, LONGEST_WHY)
    if not why.strip():
        raise UnusableMeasure(f"a measure to be {what} without a reason", "a reason, for the record")


def _is_sent_again(connection: Connection, measure: Measure, by: str, why: str) -> bool:
    return measure.lifted_by == by and read_whys(connection, measure)["why_lifted"] == why
