"""What sellers complained of, and what became of it (Articles 20 and 24(1) of the Digital Services Act)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, case, cast, func, literal, select

from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.spans import ALL, between, measure_spans
from ipml.enforcement.takedown.measures import Span
from ipml.storage.tables import appeal_outcomes, appeals, measures, penalties

OUTCOMES = ("granted", "partly granted", "rejected", "restored", "withdrawn")
PENDING = "pending"
SUBJECTS = ("visibility", "monetary", "service", "account", "warning")
_OF_MEASURE = {"price-hold": "monetary"}
_OF_PENALTY = {
    "warn": "warning",
    "limit": "service",
    "hold payout": "monetary",
    "suspend": "account",
    "close": "account",
}


@dataclass(frozen=True, slots=True)
class Complaints:
    """Complaints that were filed in a period.

    Attributes
    ----------
    counts : mapping of (subject, outcome) to int
        By what they were about (`SUBJECTS`) and what became of them (`OUTCOMES`, or `PENDING`).
    spans : mapping of str to Span
        From filing to the decision, by subject, and of "all".
    counter_notices : int
        How many of them are counter-notices.
    """

    counts: Mapping[tuple[str, str], int]
    spans: Mapping[str, Span]
    counter_notices: int

    def count(self, subject: str | None = None, outcome: str | None = None) -> int:
        """Return how many there are; of one subject or outcome only, where given.

        Examples
        --------
        >>> some = Complaints({("account", "granted"): 2, ("account", "rejected"): 3}, {}, 0)
        >>> some.count(), some.count(outcome="granted"), some.count("visibility")
        (5, 2, 0)
        """
        return sum(
            n for (about, became), n in self.counts.items() if subject in (None, about) and outcome in (None, became)
        )


def count_complaints(connection: Connection, period: Period, as_of: datetime, kind: str | None = None) -> Complaints:
    """Return the complaints filed in a period, with what became of them until `as_of`; of one kind where given.

    Parameters
    ----------
    kind : str, optional
        "complaint" (Article 20 of the Digital Services Act) or "counter-notice" (as in the United States and in China).
    """
    about, outcome = _subject().label("about"), func.coalesce(appeal_outcomes.c.outcome, PENDING).label("outcome")
    source = _with_outcomes(as_of)
    held = [period.holds(appeals.c.filed_at, as_of), *([] if kind is None else [appeals.c.kind == kind])]
    counter = func.sum(case((appeals.c.kind == "counter-notice", 1), else_=0))
    query = select(about, outcome, func.count(), counter).select_from(source).where(*held).group_by(about, outcome)
    rows = connection.execute(query).all()
    spent = between(appeals.c.filed_at, appeal_outcomes.c.decided_at).label("span")
    spans: dict[str, Span] = {}
    groups: tuple[ColumnElement[str], ...] = (literal(ALL), _subject())
    for group in groups:
        spans |= measure_spans(connection, select(group.label("group"), spent).select_from(source).where(*held))
    return Complaints({(row[0], row[1]): row[2] for row in rows}, spans, int(sum(row[3] for row in rows)))


def _with_outcomes(as_of: datetime) -> Any:
    ended = and_(appeal_outcomes.c.appeal_id == appeals.c.appeal_id, appeal_outcomes.c.decided_at <= as_of)
    measure = measures.c.measure_id == _number("measure:")
    penalty = penalties.c.penalty_id == _number("penalty:")
    return appeals.outerjoin(appeal_outcomes, ended).outerjoin(measures, measure).outerjoin(penalties, penalty)


def _subject() -> ColumnElement[str]:
    """Return what a complaint is about; of a case as a whole: that its listing is no longer seen."""
    measured = [(measures.c.kind == kind, literal(name)) for kind, name in _OF_MEASURE.items()]
    penalised = [(penalties.c.kind == kind, literal(name)) for kind, name in _OF_PENALTY.items()]
    return case(*measured, *penalised, else_=literal("visibility"))


def _number(kind: str) -> ColumnElement[int]:
    """Return the number of what a complaint is about, if it is of that kind: so that a key finds it."""
    rest = func.substr(appeals.c.subject, len(kind) + 1)
    return case((appeals.c.subject.startswith(kind), cast(rest, BigInteger)))
