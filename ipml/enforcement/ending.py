"""Measures and penalties that end by themselves when their time is over; platform and seller are told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.penalties import Penalty
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.statements.statements import tell_lifted
from ipml.enforcement.takedown import changes
from ipml.storage.database import writing

_WHY = "ended"  # as letters know it


@dataclass(frozen=True, slots=True)
class Ended:
    """How many measures and penalties ended."""

    measures: int
    penalties: int


def end_due(engine: Engine, policy: EnforcementPolicy, *, now: datetime | None = None) -> Ended:
    """End whatever is over by a moment, in portions that are each kept as a whole.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> end_due(engine, load_enforcement_policy())
    Ended(measures=0, penalties=0)
    """
    at = now or datetime.now(UTC)

    def tell(connection: Connection, penalty: Penalty) -> object:
        return tell_lifted(connection, ladder.restriction_of(connection, penalty), _WHY, at, policy)

    return Ended(_end_measures(engine, policy, at), ladder.end_due(engine, at, tell=tell))


def _end_measures(engine: Engine, policy: EnforcementPolicy, at: datetime) -> int:
    ended = 0
    while True:
        with writing(engine) as connection:
            due = changes.end_some_due(connection, at)
            for measure in due:
                tell_lifted(connection, changes.restriction_of(connection, measure), _WHY, at, policy)
        if not due:
            return ended
        ended += len(due)
