"""Golden items: decided cases whose truth is known otherwise, by a test purchase or the rights holder.

Each reviewer meets each of them once, unknowingly, and is told afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from ipml.errors import GoldenExists, GoldenNotFound, NotDecided, UnstorableValue
from ipml.records import Verdict
from ipml.review.cases import find_case, note_deed
from ipml.storage.appending import append_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import goldens, looks, opinions

_TRUTHS = (Verdict.COUNTERFEIT, Verdict.GENUINE)
_LONGEST_SOURCE = 200


@dataclass(frozen=True, slots=True)
class Golden:
    """A case whose truth is known, and how."""

    case_id: int
    truth: Verdict
    source: str
    added_by: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a reviewer is told after a verdict on a golden item."""

    case_id: int
    verdict: Verdict
    truth: Verdict
    source: str

    @property
    def is_right(self) -> bool:
        """Whether the verdict is the truth; "cannot tell" is not wrong, nor is it right."""
        return self.verdict == self.truth


def add_golden(
    engine: Engine, case_id: int, truth: Verdict, source: str, added_by: str, *, now: datetime | None = None
) -> Golden:
    """Say what a decided case truly is.

    Parameters
    ----------
    truth : Verdict
        Counterfeit or genuine.
    source : str
        How that is known, up to 200 characters; reviewers read it after their verdict.
    added_by : str
        Who says so; they never get the item themselves.

    Raises
    ------
    CaseNotFound, NotDecided, GoldenExists, UnstorableValue
    """
    if truth not in _TRUTHS:
        raise UnstorableValue("truth", repr(truth.value), "counterfeit or genuine")
    if not 0 < len(source) <= _LONGEST_SOURCE or not source.isprintable():
        raise UnstorableValue("source", f"{len(source)} characters", f"1 to {_LONGEST_SOURCE} that can be printed")
    golden = Golden(case_id, truth, source, added_by, now or datetime.now(UTC))
    with writing(engine) as connection:
        case = find_case(connection, case_id, lock=True)
        if case.state != "decided":
            raise NotDecided(case_id, case.state)
        if found := _find_golden(connection, case_id):
            raise GoldenExists(case_id, found.truth)
        row = {name: getattr(golden, name) for name in Golden.__slots__}
        (number,) = append_rows(connection, goldens, [row])
        note_deed(connection, added_by, "golden", case_id, golden.added_at, truth=truth.value, golden=number)
    return golden


def remove_golden(engine: Engine, case_id: int, removed_by: str, *, now: datetime | None = None) -> None:
    """Take a case off the list, as when its truth was in doubt after all; what reviewers said of it stays.

    Raises
    ------
    CaseNotFound, GoldenNotFound
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        find_case(connection, case_id, lock=True)
        found = _find_golden(connection, case_id)
        if found is None:
            raise GoldenNotFound(case_id)
        connection.execute(update(goldens).where(goldens.c.golden_id == found.golden_id).values(removed_at=now))
        waiting = (looks.c.case_id == case_id, looks.c.kind == "golden", looks.c.ended_at.is_(None))
        connection.execute(update(looks).where(*waiting).values(ended_at=now))
        note_deed(connection, removed_by, "golden no longer", case_id, now, golden=found.golden_id)


def list_goldens(engine: Engine) -> list[Golden]:
    """Return the items whose truth is known, by case."""
    query = select(goldens).where(goldens.c.removed_at.is_(None)).order_by(goldens.c.case_id)
    with reading(engine) as connection:
        return [_golden(row) for row in connection.execute(query)]


def golden_feedback(engine: Engine, reviewer: str, case_id: int) -> Feedback | None:
    """Return what a reviewer should be told of their look at a case; None where it was no golden item."""
    query = (
        select(opinions.c.verdict, goldens.c.truth, goldens.c.source)
        .join(goldens, goldens.c.case_id == opinions.c.case_id)
        .where(goldens.c.removed_at.is_(None), opinions.c.kind == "golden", opinions.c.withdrawn_at.is_(None))
        .where(opinions.c.reviewer == reviewer, opinions.c.case_id == case_id)
    )
    with reading(engine) as connection:
        row = connection.execute(query).first()
    return None if row is None else Feedback(case_id, Verdict(row.verdict), Verdict(row.truth), row.source)


def _find_golden(connection: Connection, case_id: int) -> Row[Any] | None:
    query = select(goldens).where(goldens.c.case_id == case_id, goldens.c.removed_at.is_(None))
    return connection.execute(query).first()


def _golden(row: Row[Any]) -> Golden:
    return Golden(**{name: getattr(row, name) for name in Golden.__slots__} | {"truth": Verdict(row.truth)})
