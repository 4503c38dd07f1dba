"""Remedies: finds the restriction an appeal contests, and softens or lifts it or takes back a strike.

The contested restriction is a measure, a penalty, or a decision without either.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ipml.enforcement.ledger import store_stakes
from ipml.enforcement.penalties.ladder import lift, restriction_of
from ipml.enforcement.penalties.penalties import get_penalty
from ipml.enforcement.penalties.strikes import take_back
from ipml.enforcement.policy import AppealRules, EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.statements import issue, tell_lifted
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.measures import find_measures, get_measure, is_against
from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import LARGEST_NUMBER, find_case
from ipml.review.reversals import DecisionActions, stands
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases, decisions, measures, penalties, strikes

PENALISED = (
    select(penalties.c.penalty_id, strikes.c.case_id, strikes.c.decision_id)
    .join(strikes, strikes.c.strike_id == penalties.c.strike_id)
    .where(penalties.c.imposed_at.is_not(None), penalties.c.ended_at.is_(None))
)
"""Penalties in force, with the decision behind the last strike of each."""
_WHY, _WHY_ONE = "appeal", "restriction"  # keys of letters: the decision was reversed, or one restriction was lifted


@dataclass(frozen=True, slots=True)
class AppealContext:
    """The policy under which appeals are decided, and the actions of the decisions; without `actions` there are none.

    `actions` undoes and applies the consequences of the old and the new decision on a listing.
    """

    policy: EnforcementPolicy
    actions: DecisionActions | None = None

    @property
    def rules(self) -> AppealRules:
        """Rules of appeals."""
        return self.policy.appeals


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change of a restriction because of an appeal; `why` goes into the record and must not identify the seller."""

    by: str
    why: str
    at: datetime
    context: AppealContext

    @property
    def change(self) -> tuple[str, str, datetime]:
        """The person, the reason and the time."""
        return self.by, self.why, self.at


def soften(connection: Connection, measure_id: int, kind: MeasureKind, remedy: Remedy) -> None:
    """Replace a measure by a milder one with the same end, and notify the seller."""
    policy, old = remedy.context.policy, get_measure(connection, measure_id)
    order = changes.MeasureOrder(kind, remedy.why, until=old.until)
    milder = changes.replace(connection, measure_id, order, remedy.by, remedy.at)
    tell_lifted(connection, changes.restriction_of(connection, old), "replaced", remedy.at, policy)
    case = find_case(connection, milder.case_id)
    store_stakes(connection, [(milder, case, decode_listing(case.snapshot))], policy)
    issue(connection, changes.restriction_of(connection, milder), policy)


def lift_measure(connection: Connection, measure_id: int, remedy: Remedy) -> None:
    """Lift one measure and notify the seller; decision, other measures and strike stay."""
    lifted = changes.lift_one(connection, measure_id, *remedy.change)
    tell_lifted(connection, lifted.restriction, _WHY_ONE, remedy.at, remedy.context.policy)


def lift_penalty(connection: Connection, penalty_id: int, remedy: Remedy) -> None:
    """Lift a penalty if it has not ended, and notify the seller; the strikes stay."""
    if get_penalty(connection, penalty_id).is_in_force(remedy.at):
        lifted = lift(connection, penalty_id, remedy.by, remedy.why, now=remedy.at)
        tell_lifted(connection, restriction_of(connection, lifted), _WHY_ONE, remedy.at, remedy.context.policy)


def take_strike_back(connection: Connection, decision_id: int, remedy: Remedy) -> None:
    """Take back the strike of a decision that stays in force; notify the seller of each changed penalty."""
    taken = take_back(connection, decision_id, *remedy.change)
    for penalty in taken.ended:
        tell_lifted(connection, restriction_of(connection, penalty), _WHY, remedy.at, remedy.context.policy)
    for penalty in taken.imposed:
        issue(connection, restriction_of(connection, penalty), remedy.context.policy)


@dataclass(frozen=True, slots=True)
class Restricted:
    """A restriction in force, with its decision."""

    subject: str
    case_id: int
    decision_id: int


def find_restricted(connection: Connection, about: str | int, seller_id: str) -> Restricted:
    """Return the restriction a seller contests: "measure:12", "penalty:3", "case:7" or the number of a case.

    Raises NotFound if it does not exist, is lifted, or belongs to another seller; the error does not say which.
    """
    subject = f"case:{about}" if isinstance(about, int) else about
    kind, number = parse_subject(subject)
    find = {"measure": _find_measure, "penalty": _find_penalty, "case": _find_case}.get(kind)
    restricted = find(connection, number, seller_id) if find and 0 < number <= LARGEST_NUMBER else None
    if restricted is None:
        remedy = "Expected a restriction of this seller: the `subject` of the letter, or a measure in force."
        raise NotFound("restriction", subject, remedy)
    return restricted


def parse_subject(subject: str) -> tuple[str, int]:
    """Return the kind and the number of a subject, or 0 for an invalid number."""
    kind, _, number = subject.partition(":")
    is_number = number.isascii() and number.isdecimal() and len(number) < 20
    return kind, int(number) if is_number else 0


def _find_measure(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    for measure in find_measures(connection, measures.c.measure_id == number, measures.c.lifted_at.is_(None)):
        if is_against(connection, measure, seller_id):
            return Restricted(measure.subject, measure.case_id, measure.decision_id)
    return None


def _find_penalty(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    pseudonym = find_pseudonym(connection, seller_id)
    query = PENALISED.where(penalties.c.penalty_id == number, penalties.c.pseudonym == pseudonym)
    row = connection.execute(query).first()
    return None if row is None else Restricted(f"penalty:{number}", row.case_id, row.decision_id)


def _find_case(connection: Connection, number: int, seller_id: str) -> Restricted | None:
    decision_id = _find_decision(connection, number, seller_id)
    if decision_id is None:
        return None
    query = select(measures.c.measure_id).where(measures.c.decision_id == decision_id, measures.c.lifted_at.is_(None))
    measure_id = connection.scalar(query.order_by(measures.c.measure_id.desc()).limit(1))
    subject = f"case:{number}" if measure_id is None else f"measure:{measure_id}"
    return Restricted(subject, number, decision_id)


def _find_decision(connection: Connection, case_id: int, seller_id: str) -> int | None:
    """Return the number of the decision in force on a case of this seller if it says counterfeit."""
    query = (
        select(decisions)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.case_id == case_id, cases.c.seller_id == seller_id, stands())
        .order_by(decisions.c.decision_id.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return row.decision_id if row is not None and row.verdict == Verdict.COUNTERFEIT else None
