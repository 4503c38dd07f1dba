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
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.statements import issue, tell_lifted
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.measures import find_measures, get_measure, is_against
from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.cases import LARGEST_NUMBER, find_case
from ipml.review.reversals import stands
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import cases, decisions, measures, strikes

_WHY, _WHY_ONE = "appeal", "restriction"  # keys of letters: the decision was reversed, or one restriction was lifted


@dataclass(frozen=True, slots=True)
class Penalised:
    """A penalty in force, with the decision behind its last strike."""

    pseudonym: str
    case_id: int
    decision_id: int


def soften(connection: Connection, measure_id: int, kind: MeasureKind, by: str, why: str, at: datetime) -> int:
    """Replace a measure by a milder one with the same end, notify the seller, and return the new measure's number."""
    policy, old = load_enforcement_policy(), get_measure(connection, measure_id)
    milder = changes.replace(connection, measure_id, changes.MeasureOrder(kind, why, until=old.until), by, at)
    tell_lifted(connection, changes.restriction_of(connection, old), "replaced", at, policy)
    case = find_case(connection, milder.case_id)
    store_stakes(connection, [(milder, case, decode_listing(case.snapshot))], policy)
    issue(connection, changes.restriction_of(connection, milder), policy)
    return milder.measure_id


def lift_measure(connection: Connection, measure_id: int, by: str, why: str, at: datetime) -> None:
    """Lift one measure and notify the seller; decision, other measures and strike stay."""
    lifted = changes.lift_one(connection, measure_id, by, why, at)
    tell_lifted(connection, lifted.restriction, _WHY_ONE, at, load_enforcement_policy())


def find_penalty(connection: Connection, penalty_id: int) -> Penalised | None:
    """Return a penalty in force, or None."""
    try:
        penalty = get_penalty(connection, penalty_id)
    except NotFound:
        return None
    if penalty.imposed_at is None or penalty.ended_at is not None:
        return None
    query = select(strikes.c.case_id, strikes.c.decision_id).where(strikes.c.strike_id == penalty.strike_id)
    return Penalised(penalty.pseudonym, *connection.execute(query).one())


def lift_penalty(connection: Connection, penalty_id: int, by: str, why: str, at: datetime) -> None:
    """Lift a penalty if it has not ended, and notify the seller; the strikes stay."""
    if not get_penalty(connection, penalty_id).is_in_force(at):
        return
    lifted = lift(connection, penalty_id, by, why, now=at)
    tell_lifted(connection, restriction_of(connection, lifted), _WHY_ONE, at, load_enforcement_policy())


def take_strike_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> None:
    """Take back the strike of a decision that stays in force; notify the seller of each changed penalty."""
    policy = load_enforcement_policy()
    taken = take_back(connection, decision_id, by, why, at)
    for penalty in taken.ended:
        tell_lifted(connection, restriction_of(connection, penalty), _WHY, at, policy)
    for penalty in taken.imposed:
        issue(connection, restriction_of(connection, penalty), policy)


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
    found = find(connection, number, seller_id) if find and 0 < number <= LARGEST_NUMBER else None
    if found is None:
        remedy = "Expected a restriction of this seller: the `subject` of the letter, or a measure in force."
        raise NotFound("restriction", subject, remedy)
    return found


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
    found = find_penalty(connection, number)
    if found is None or found.pseudonym != find_pseudonym(connection, seller_id):
        return None
    return Restricted(f"penalty:{number}", found.case_id, found.decision_id)


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
