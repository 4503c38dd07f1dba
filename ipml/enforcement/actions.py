"""Actions: applies the consequences of decisions, changes by a lead, and expiry of measures and penalties.

Consequences are written in the decision's own transaction: all or none. All callers (single, bulk, spread, automatic,
appeal) pass an `Enforcement` as `actions`. Leads may not act on sellers for whom they sell. A change sent twice is
made once. The platform and the seller are notified when a measure or penalty ends on its date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, select

from ipml.enforcement.appeals.resolution import why_lifted
from ipml.enforcement.context import DecidedCase, EnforcementContext, find_firsts, open_context, read_decided
from ipml.enforcement.evidence.pieces import store_evidence
from ipml.enforcement.ledger import store_stakes
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.ladder import escalate
from ipml.enforcement.penalties.penalties import Penalty, get_penalty
from ipml.enforcement.penalties.strikes import add_strikes, take_back
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import ReportSource
from ipml.enforcement.statements.facts import Background
from ipml.enforcement.statements.letter import RestrictionEnd
from ipml.enforcement.statements.statements import issue, issue_all, tell_lifted, tell_taken_back
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.changes import MeasureOrder, impose
from ipml.enforcement.takedown.measures import Measure, find_measures, get_measure, read_whys
from ipml.errors import Conflict
from ipml.records import Reversal, Verdict
from ipml.review.arrivals.snapshot import check_text, decode_listing
from ipml.review.cases import find_case
from ipml.review.quality.second_person import refuse_own
from ipml.review.reversals import CaseDecision
from ipml.storage.audit_trail.audit import AuditBatch
from ipml.storage.database import reading
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import strikes

Sources = Callable[[Connection, Sequence[int]], Mapping[int, ReportSource]]
"""Returns the reporters of cases by number; a case without an entry was found by the platform."""


def _nobody(_connection: Connection, _case_ids: Sequence[int]) -> Mapping[int, ReportSource]:
    return {}


class Enforcement:
    """Consequences of decisions under a policy; see `ipml.review.reversals.DecisionActions`."""

    def __init__(self, policy: EnforcementPolicy, sources: Sources = _nobody) -> None:
        self.policy, self.sources = policy, sources

    def apply_decisions(self, batch: AuditBatch, made: Sequence[CaseDecision], origin: str) -> None:
        """Store the evidence; for counterfeit listings also impose measures, issue statements and count strikes.

        The result for several decisions equals applying them one after the other.
        """
        closing = [(case, decision) for case, decision in made if decision.verdict is not Verdict.ESCALATE]
        if not closing:
            return
        counterfeit = [case.case_id for case, decision in closing if decision.verdict is Verdict.COUNTERFEIT]
        connection = batch.connection
        decided, keys = read_decided(connection, closing, origin, self.sources(connection, counterfeit))
        with open_context(batch, self.policy, keys, closing[0][1].decided_at) as context:
            store_evidence(context, decided)
            if against := [entry for entry in decided if entry.decision.verdict is Verdict.COUNTERFEIT]:
                _enforce(context, against)

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift the measures, take back the strike and penalties based on it, and notify the seller.

        The seller is notified of the reversal even if the measures had ended before.
        """
        taken_back = (reversal.reviewer, reversal.why, reversal.reversed_at)
        why, at = why_lifted(reversal.why), reversal.reversed_at
        ended = [change.restriction for change in changes.lift(connection, reversal.decision_id, *taken_back)]
        for last in [] if ended else find_measures(connection, decision_id=reversal.decision_id, at_most=1):
            end = RestrictionEnd(why, at, last.lifted_at or at)
            tell_taken_back(connection, changes.restriction_of(connection, last), end, self.policy)
        taken = take_back(connection, reversal.decision_id, *taken_back)
        ended += ladder.restrictions_of(connection, taken.ended)
        for restriction in ended:
            tell_lifted(connection, restriction, why, at, self.policy)
        for restriction in ladder.restrictions_of(connection, taken.imposed):
            issue(connection, restriction, self.policy)


def _enforce(context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
    firsts = find_firsts(context.connection, [entry.decision for entry in decided])
    imposed = list(zip(impose(context, decided, firsts), decided, strict=True))
    stakes = [(measure, entry.case, entry.listing) for measure, entry in imposed]
    store_stakes(context.connection, stakes, context.policy)
    strikes = add_strikes(context, decided, firsts)
    penalties = escalate(context, strikes)
    struck = {strike.strike_id: entry for strike, entry in zip(strikes, decided, strict=True)}
    stated = [measure.restrict(entry.listing, entry.decision.ground) for measure, entry in imposed]
    stated += ladder.restrictions_of(context.connection, penalties, struck)
    backgrounds = {entry.decision.decision_id: Background.of(entry.origin, entry.scored) for entry in decided}
    issue_all(context, stated, backgrounds)


LONGEST_WHY = 2000


_LIFTED = "lifted"  # key of the letter's text


@dataclass(frozen=True, slots=True)
class ActingLead:
    """A lead who changes measures or penalties, the policy in force, and the time."""

    name: str
    policy: EnforcementPolicy
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


def lift_measure(connection: Connection, measure_id: int, why: str, lead: ActingLead) -> Measure:
    """Lift a measure and notify the seller; the decision and the strike stay, and buyers are not notified.

    `why` is for the record only, at most 2,000 characters. Raises NotFound, OwnListing, or Conflict if the measure is
    no longer in force or no reason is given.
    """
    _check_why(why, "lifted")
    measure = get_measure(connection, measure_id)
    refuse_own(connection, find_case(connection, measure.case_id), lead.name)
    if _is_sent_again(connection, measure, lead.name, why) and measure.replaced_by is None:
        return measure
    lifted = changes.lift_one(connection, measure_id, lead.name, why, lead.now)
    tell_lifted(connection, lifted.restriction, _LIFTED, lead.now, lead.policy)
    return lifted.measure


def impose_measure(connection: Connection, case_id: int, order: MeasureOrder, lead: ActingLead) -> Measure:
    """Impose a further measure on a listing decided counterfeit, and send the seller a statement of reasons.

    Raises Conflict, OwnListing or SellerErased.
    """
    _check_why(order.why, "imposed")
    refuse_own(connection, find_case(connection, case_id), lead.name)
    measure = changes.impose_by_hand(connection, case_id, order, lead.name, lead.now, lead.policy)
    _state(connection, measure, lead.policy)
    return measure


def change_measure(connection: Connection, measure_id: int, order: MeasureOrder, lead: ActingLead) -> Measure:
    """Replace a measure by another, with its own statement of reasons; otherwise like `lift_measure`.

    Raises SellerErased if the seller to notify was erased.
    """
    _check_why(order.why, "changed")
    ordered, old = (order.kind, order.territories), get_measure(connection, measure_id)
    refuse_own(connection, find_case(connection, old.case_id), lead.name)
    if old.replaced_by is not None and _is_sent_again(connection, old, lead.name, order.why):
        new = get_measure(connection, old.replaced_by)
        if (new.kind, new.territories) == ordered:
            return new
    if old.stands and (old.kind, old.territories) == ordered:
        raise Conflict("measure", f"found {order.kind} in the place of the same; expected another kind of measure")
    new = changes.replace(connection, measure_id, order, lead.name, lead.now)
    _state(connection, new, lead.policy)
    old = get_measure(connection, measure_id)
    tell_lifted(connection, changes.restriction_of(connection, old), "replaced", lead.now, lead.policy)
    return new


def confirm_penalty(connection: Connection, penalty_id: int, why: str, lead: ActingLead) -> Penalty:
    """Impose a proposed penalty, and send the seller a statement of reasons.

    Raises NotFound, Conflict, OwnListing or SellerErased.
    """
    penalty = _look_at(connection, penalty_id, lead.name)
    if penalty.imposed_by == lead.name:
        return penalty
    confirmed = ladder.confirm(connection, penalty_id, lead.name, why=why, now=lead.now)
    issue(connection, ladder.restriction_of(connection, confirmed), lead.policy)
    return confirmed


def lift_penalty(connection: Connection, penalty_id: int, why: str, lead: ActingLead) -> Penalty:
    """End a penalty early and notify the seller; or dismiss a proposed penalty, without notification.

    Raises NotFound, Conflict or OwnListing.
    """
    penalty = _look_at(connection, penalty_id, lead.name)
    if penalty.ended_by == lead.name and penalty.ended_as in ("lifted", "dismissed"):
        return penalty
    ended = ladder.lift(connection, penalty_id, lead.name, why, now=lead.now)
    if ended.imposed_at is not None:
        tell_lifted(connection, ladder.restriction_of(connection, ended), _LIFTED, lead.now, lead.policy)
    return ended


def _look_at(connection: Connection, penalty_id: int, by: str) -> Penalty:
    """Return a penalty; raise OwnListing if `by` sells as the seller."""
    penalty = get_penalty(connection, penalty_id)
    number = connection.scalars(select(strikes.c.case_id).where(strikes.c.strike_id == penalty.strike_id)).one()
    refuse_own(connection, find_case(connection, number), by)
    return penalty


def _state(connection: Connection, measure: Measure, policy: EnforcementPolicy) -> None:
    """Notify the seller of a new measure, and store the value at stake."""
    case = find_case(connection, measure.case_id)
    store_stakes(connection, [(measure, case, decode_listing(case.snapshot))], policy)
    issue(connection, changes.restriction_of(connection, measure), policy)


def _check_why(why: str, what: str) -> None:
    check_text("why", why, LONGEST_WHY)
    if not why.strip():
        raise Conflict("measure", f"found a measure to be {what} without a reason; expected a reason, for the record")


def _is_sent_again(connection: Connection, measure: Measure, by: str, why: str) -> bool:
    return measure.lifted_by == by and read_whys(connection, measure)["why_lifted"] == why


_ENDED = "ended"  # key of the letter's text


@dataclass(frozen=True, slots=True)
class Ended:
    """Number of measures and penalties that ended."""

    measures: int
    penalties: int


def end_due(
    engine: Engine,
    policy: EnforcementPolicy,
    *,
    now: datetime | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Ended:
    """End the measures and penalties whose end date has passed, in short transactions."""
    at = now or datetime.now(UTC)

    def tell(connection: Connection, penalty: Penalty) -> object:
        return tell_lifted(connection, ladder.restriction_of(connection, penalty), _ENDED, at, policy)

    def end_measures(connection: Connection, numbers: Sequence[int]) -> int:
        ended = changes.end_due(connection, numbers, at)
        for change in ended:
            tell_lifted(connection, change.restriction, _ENDED, at, policy)
        return len(ended)

    with reading(engine) as connection:
        due = changes.find_due(connection, at)
    measures = sum(change_in_turns(engine, due, end_measures, is_stopped=is_stopped))
    return Ended(measures, ladder.end_due(engine, at, tell=tell, is_stopped=is_stopped))
