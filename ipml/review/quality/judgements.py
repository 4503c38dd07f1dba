"""Everything people said of cases, decisions and opinions alike: what quality and consensus are reckoned from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, literal, select, union_all

from ipml.records import Verdict
from ipml.review.reversals import stands
from ipml.storage.tables import cases, decisions, opinions

_SYSTEM = "ipml"  # passes cases on where two persons disagree; it judges nothing


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a reviewer said of a case.

    Attributes
    ----------
    kind : str
        "decision", or the kind of the opinion.
    """

    case_id: int
    brand: str | None
    reviewer: str
    verdict: Verdict
    kind: str
    decided_at: datetime


def list_judgements(connection: Connection, *, known_by: datetime | None = None) -> list[Judgement]:
    """Return what was said of cases, case by case; not what was taken back, only spread, or decided on appeal.

    Parameters
    ----------
    known_by : datetime, optional
        Only what was said by then.
    """
    said = union_all(_standing_decisions(), _standing_opinions()).subquery()
    query = select(said, cases.c.brand).join(cases, cases.c.case_id == said.c.case_id)
    if known_by is not None:
        query = query.where(said.c.decided_at <= known_by)
    query = query.order_by(said.c.case_id, said.c.decided_at, said.c.token)
    rows = connection.execute(query.execution_options(yield_per=1000))
    return [
        Judgement(row.case_id, row.brand, row.reviewer, Verdict(row.verdict), row.kind, row.decided_at) for row in rows
    ]


def _standing_decisions() -> Select[Any]:
    columns = (decisions.c.case_id, decisions.c.reviewer, decisions.c.verdict, decisions.c.decided_at)
    return select(*columns, literal("decision").label("kind"), decisions.c.token).where(
        decisions.c.reviewer != _SYSTEM, decisions.c.origin.in_(("review", "bulk")), stands()
    )


def _standing_opinions() -> Select[Any]:
    columns = (opinions.c.case_id, opinions.c.reviewer, opinions.c.verdict, opinions.c.decided_at)
    return select(*columns, opinions.c.kind, opinions.c.token).where(opinions.c.withdrawn_at.is_(None))
