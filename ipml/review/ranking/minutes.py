"""How long reviews really take: from the claim to the decision under it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.review.cases import subject_of
from ipml.review.snapshot import decode_listing
from ipml.storage.database import reading
from ipml.storage.tables import audit, cases, decisions

_BATCH_SIZE = 500
_NEWEST = 20_000
_FEWEST = 20  # decisions that make a proposal


@dataclass(frozen=True, slots=True)
class Measured:
    """The median minutes of the reviews of one kind.

    Attributes
    ----------
    kind : str
        "all", "verdict" or "category".
    name : str
        Which verdict or category; empty for all.
    """

    kind: str
    name: str
    decisions: int
    minutes: float


def measure_minutes(engine: Engine, *, newest: int = _NEWEST) -> list[Measured]:
    """Return the median minutes from claim to decision: of all, then by verdict and by category, the commonest first.

    Parameters
    ----------
    newest : int, default=20,000
        How many decisions to look at, from the last one back.
    """
    seen: dict[tuple[str, str], list[float]] = defaultdict(list)
    query = (
        select(decisions.c.case_id, decisions.c.token, decisions.c.verdict, decisions.c.decided_at, cases.c.snapshot)
        .join(cases, cases.c.case_id == decisions.c.case_id)
        .where(decisions.c.origin == "review")  # any other bears the token of whoever claimed the case before
        .order_by(decisions.c.decision_id.desc())
        .limit(newest)
    )
    with reading(engine) as connection:
        for verdict, category, minutes in _time(connection, connection.execute(query)):
            seen["all", ""].append(minutes)
            seen["verdict", verdict].append(minutes)
            if category:
                seen["category", category].append(minutes)
    rows = [Measured(kind, name, len(minutes), median(minutes)) for (kind, name), minutes in seen.items()]
    kinds = ("all", "verdict", "category")
    return sorted(rows, key=lambda row: (kinds.index(row.kind), -row.decisions, row.name))


def propose_minutes(measured: Iterable[Measured]) -> str:
    """Return what the measured minutes would be in a policy file: of what was decided at least 20 times.

    Examples
    --------
    >>> print(propose_minutes([Measured("all", "", 90, 1.25), Measured("category", "toys", 30, 2.0)]))
    usual_minutes = 1.3
    <BLANKLINE>
    [minutes]
    "toys" = 2.0
    """
    known = [row for row in measured if row.decisions >= _FEWEST]
    usual = [f"usual_minutes = {_rounded(row)}\n" for row in known if row.kind == "all"]
    named = [f"{json.dumps(row.name)} = {_rounded(row)}" for row in known if row.kind == "category"]
    return "\n".join([*usual, *(["[minutes]", *named] if named else [])])


def _time(connection: Connection, decided: Iterable[Row[Any]]) -> Iterator[tuple[str, str | None, float]]:
    """Give verdict, category and minutes of each decision whose claim is in the audit trail."""
    remaining = iter(decided)
    while batch := list(islice(remaining, _BATCH_SIZE)):
        claimed = _claims(connection, {subject_of(row.case_id) for row in batch})
        for row in batch:
            claimed_at = claimed.get((subject_of(row.case_id), row.token))
            if claimed_at is not None and row.decided_at >= claimed_at:
                minutes = (row.decided_at - claimed_at).total_seconds() / 60
                yield row.verdict, decode_listing(row.snapshot).category, minutes


def _claims(connection: Connection, subjects: Iterable[str]) -> dict[tuple[str, int], datetime]:
    query = select(audit.c.subject, audit.c.payload, audit.c.at)
    query = query.where(audit.c.subject.in_(subjects), audit.c.action == "claimed")
    return {(row.subject, json.loads(row.payload)["token"]): row.at for row in connection.execute(query)}


def _rounded(row: Measured) -> float:
    """Return minutes to a tenth, and never none at all."""
    return max(round(row.minutes + 1e-9, 1), 0.1)
