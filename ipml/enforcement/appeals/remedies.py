"""What an appeal does to measures, penalties and strikes, besides what follows from putting its decision right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from ipml.enforcement.restrictions import MeasureKind
from ipml.storage.tables import measures


@dataclass(frozen=True, slots=True)
class Penalised:
    """A penalty that stands, and the decision that brought its last strike."""

    pseudonym: str
    case_id: int
    decision_id: int


def soften(connection: Connection, measure_id: int, kind: MeasureKind, by: str, why: str, at: datetime) -> int:
    """Put a milder measure in the place of one, and return its number."""
    query = select(measures).where(measures.c.measure_id == measure_id)
    old = connection.execute(query.with_for_update()).one()
    lifted = {"lifted_by": by, "lifted_at": at, "why_lifted": why}
    connection.execute(update(measures).where(measures.c.measure_id == measure_id).values(lifted))
    kept = ("decision_id", "case_id", "pseudonym", "territories", "policy_digest", "listed_at", "sales_before")
    fields = {name: getattr(old, name) for name in kept} | {"kind": kind, "imposed_by": by, "imposed_at": at}
    number: int = connection.scalars(insert(measures).values(fields).returning(measures.c.measure_id)).one()
    return number


def find_penalty(connection: Connection, penalty_id: int) -> Penalised | None:  # noqa: ARG001
    """Return a penalty that stands."""
    return None


def lift_penalty(connection: Connection, penalty_id: int, by: str, why: str, at: datetime) -> None:
    """Lift a penalty; the strikes stay."""


def take_strike_back(connection: Connection, decision_id: int, by: str, why: str, at: datetime) -> None:
    """Take the strike of a decision back, though the decision stands."""
