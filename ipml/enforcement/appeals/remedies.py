"""What an appeal does to measures, penalties and strikes, besides what follows from putting its decision right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ipml.enforcement.ledger.stakes import keep_stakes
from ipml.enforcement.penalties.ladder import lift_within, restriction_of
from ipml.enforcement.penalties.penalties import get_penalty
from ipml.enforcement.penalties.strikes import take_back
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.statements import issue, tell_lifted
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.measures import get_measure
from ipml.errors import PenaltyNotFound
from ipml.review.cases import find_case
from ipml.storage.tables import strikes

_WHY = "appeal"  # as letters know it


@dataclass(frozen=True, slots=True)
class Penalised:
    """A penalty that stands, and the decision that brought its last strike."""

    pseudonym: str
    case_id: int
    decision_id: int


def soften(connection: Connection, measure_id: int, kind: MeasureKind, by: str, why: str, at: datetime) -> int:
    """Put a milder measure in the place of one, tell the seller of both, and return its number."""
    policy, old = load_enforcement_policy(), get_measure(connection, measure_id)
    milder = changes.replace(connection, measure_id, kind, by, why, at)
    tell_lifted(connection, changes.restriction_of(connection, old), "replaced", at, policy)
    keep_stakes(connection, milder.measure_id, find_case(connection, milder.case_id), at, policy)
    issue(connection, changes.restriction_of(connection, milder), policy)
    return milder.measure_id


def find_penalty(connection: Connection, penalty_id: int) -> Penalised | None:
    """Return a penalty that was imposed and has not ended."""
    try:
        penalty = get_penalty(connection, penalty_id)
    except PenaltyNotFound:
        return None
    if penalty.imposed_at is None or penalty.ended_at is not None:
        return None
    query = select(strikes.c.case_id, strikes.c.decision_id).where(strikes.c.strike_id == penalty.strike_id)
    return Penalised(penalty.pseudonym, *connection.execute(query).one())


def lift_penalty(connection: Connection, penalty_id: int, by: str, why: str, at: datetime) -> None:
    """Lift a penalty, unless it has ended meanwhile, and tell the seller; the strikes stay."""
    if not get_penalty(connection, penalty_id).is_in_force(at):
        return
    policy = load_enforcement_policy()
    lifted = lift_within(connection, penalty_id, by, why, at)
    tell_lifted(connection, restriction_of(connection, lifted), _WHY, at, policy)


def take_strike_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> None:
    """Take the strike of a decision back, though the decision stands; tell the seller of each penalty."""
    policy = load_enforcement_policy()
    taken = take_back(connection, decision_id, by, why, at)
    for penalty in taken.ended:
        tell_lifted(connection, restriction_of(connection, penalty), _WHY, at, policy)
    for penalty in taken.imposed:
        issue(connection, restriction_of(connection, penalty), policy)
