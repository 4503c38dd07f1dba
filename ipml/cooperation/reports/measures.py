"""What was done to listings and sellers (measures by kind and cause, how long they took, strikes, statements).

And what sellers complained of, and what became of it (Articles 20 and 24(1) of the Digital Services Act). How long a
takedown took is told of the first measure of each decision, as on the page and by `ipml enforce measure times`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, and_, case, cast, func, literal, select

from ipml.cooperation.reports.period import ALL, ReportScope, add_up, between, measure_spans
from ipml.enforcement.takedown.measures import Span
from ipml.storage.tables import (
    appeal_outcomes,
    appeals,
    cases,
    measures,
    notice_items,
    notices,
    outbox,
    penalties,
    statements,
    strikes,
    strikes_taken_back,
)

SOURCES = ("own", "notice", "trusted flagger", "other notification")
NOTICES = ("notice", "trusted flagger")
"""Sources that are notices in the sense of Article 16 of the Digital Services Act; complaints of consumers are none."""

STAGES = ("listed to measure", "queued to measure", "measure to done", "listed to done", "notice to measure")


@dataclass(frozen=True, slots=True)
class ImposedMeasures:
    """Measures by kind, by what brought the listing up (`SOURCES`), and by whether a policy imposed them alone."""

    counts: Mapping[tuple[str, str, bool], int]

    def count(self, kind: str | None = None, source: str | None = None, automatic: bool | None = None) -> int:
        """Return how many there are; of one kind or source, or by policy or by people only, where given."""
        return add_up(self.counts, kind, source, automatic)


@dataclass(frozen=True, slots=True)
class TakedownTimes:
    """How long takedowns took, and how many came before the first sale.

    Attributes
    ----------
    spans : mapping of str to Span
        By a name of `STAGES`; what is known of none is left out.
    unsold, sales_known : int
        Listings that had sold nothing, of those of which that is known.
    """

    n: int
    spans: Mapping[str, Span]
    unsold: int
    sales_known: int


@dataclass(frozen=True, slots=True)
class StatementCounts:
    """Statements of reasons: issued, meant for the transparency database, and delivered there."""

    issued: int
    stated: int
    delivered: int


def count_measures(scope: ReportScope) -> ImposedMeasures:
    """Return the measures that were imposed."""
    groups = measures.c.kind, measures.c.source, measures.c.is_automatic
    query = select(*groups, func.count()).where(scope.holds(measures.c.imposed_at)).group_by(*groups)
    return ImposedMeasures({(kind, source, alone): n for kind, source, alone, n in scope.connection.execute(query)})


def measure_takedowns(scope: ReportScope) -> TakedownTimes:
    """Return how long it took from a listing, the queue and a notice to the measure, and until it was done."""
    told, done = _told(), case((measures.c.done_at <= scope.as_of, measures.c.done_at))
    ends: dict[str, tuple[Any, Any]] = {
        "listed to measure": (measures.c.listed_at, measures.c.imposed_at),
        "queued to measure": (cases.c.enqueued_at, measures.c.imposed_at),
        "measure to done": (measures.c.imposed_at, done),
        "listed to done": (measures.c.listed_at, done),
        "notice to measure": (told.c.first, measures.c.imposed_at),
    }
    spans: dict[str, Span] = {}
    for stage, (start, end) in ends.items():
        query = _first_measures(scope, literal(ALL).label("group"), between(start, end).label("span"))
        if stage == "notice to measure":
            query = query.join(told, told.c.case_id == measures.c.case_id).where(start <= end)
        found = measure_spans(scope.connection, query)
        if ALL in found:
            spans[stage] = found[ALL]
    unsold = func.count().filter(measures.c.sales_before == 0)
    counts = _first_measures(scope, func.count(), unsold, func.count(measures.c.sales_before))
    n, *sold = scope.connection.execute(counts).one()
    return TakedownTimes(n, spans, *sold)


def time_by_month(scope: ReportScope) -> dict[str, Span]:
    """Return how long it took from the queue to the measure, by the month of the measure."""
    month = scope.month_of(measures.c.imposed_at)
    spent = between(cases.c.enqueued_at, measures.c.imposed_at)
    query = _first_measures(scope, month.label("group"), spent.label("span"))
    return measure_spans(scope.connection, query)


def count_penalties(scope: ReportScope) -> dict[str, int]:
    """Return how many penalties came into force, by kind."""
    query = select(penalties.c.kind, func.count()).where(scope.holds(penalties.c.imposed_at))
    return {row[0]: row[1] for row in scope.connection.execute(query.group_by(penalties.c.kind))}


def count_strikes(scope: ReportScope) -> tuple[int, int]:
    """Return how many strikes were given, and how many of them were taken back."""
    back = and_(strikes_taken_back.c.strike_id == strikes.c.strike_id, strikes_taken_back.c.at <= scope.as_of)
    query = select(func.count(), func.count(strikes_taken_back.c.strike_id)).select_from(
        strikes.outerjoin(strikes_taken_back, back)
    )
    given, taken = scope.connection.execute(query.where(scope.holds(strikes.c.struck_at))).one()
    return given, taken


def count_statements(scope: ReportScope) -> StatementCounts:
    """Return how many statements of reasons there are."""
    there = and_(
        outbox.c.key == statements.c.puid,
        outbox.c.channel == "transparency",
        outbox.c.state == "delivered",
        outbox.c.settled_at <= scope.as_of,
    )
    query = (
        select(func.count(), func.count(statements.c.payload), func.count(outbox.c.message_id))
        .select_from(statements.outerjoin(outbox, there))
        .where(scope.holds(statements.c.issued_at))
    )
    return StatementCounts(*scope.connection.execute(query).one())


def _told() -> Any:
    """Return when the first notice of each case came; complaints of consumers are none.

    Worked out once and joined: asked for each measure, it would take as long as there are measures.
    """
    query = select(notice_items.c.case_id, func.min(notices.c.received_at).label("first"))
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.where(notice_items.c.case_id.is_not(None), notices.c.kind == "counterfeit")
    return query.group_by(notice_items.c.case_id).subquery("told")


def _first_measures(scope: ReportScope, *columns: Any) -> Select[Any]:
    """Return the query for the first measure of each decision, with its case."""
    firsts = select(func.min(measures.c.measure_id)).group_by(measures.c.decision_id)
    query = select(*columns).select_from(measures.join(cases, cases.c.case_id == measures.c.case_id))
    query = query.where(scope.holds(measures.c.imposed_at), measures.c.measure_id.in_(firsts))
    return query.where(scope.is_of_brand())


OUTCOMES = ("granted", "measure lifted", "partly granted", "rejected", "restored", "withdrawn")
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
class FiledComplaints:
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
        """Return how many there are; of one subject or outcome only, where given."""
        return add_up(self.counts, subject, outcome)


def count_complaints(scope: ReportScope, kind: str | None = None) -> FiledComplaints:
    """Return the complaints filed in a period, with what became of them until `as_of`; of one kind where given.

    Parameters
    ----------
    kind : str, optional
        "complaint" (Article 20 of the Digital Services Act) or "counter-notice" (as in the United States and in China).
    """
    about, outcome = _subject().label("about"), func.coalesce(appeal_outcomes.c.outcome, PENDING).label("outcome")
    source = _with_outcomes(scope.as_of)
    held = [scope.holds(appeals.c.filed_at), *([] if kind is None else [appeals.c.kind == kind])]
    counter = func.count().filter(appeals.c.kind == "counter-notice")
    query = select(about, outcome, func.count(), counter).select_from(source).where(*held).group_by(about, outcome)
    rows = scope.connection.execute(query).all()
    spent = between(appeals.c.filed_at, appeal_outcomes.c.decided_at).label("span")
    spans: dict[str, Span] = {}
    groups: tuple[ColumnElement[str], ...] = (literal(ALL), _subject())
    for group in groups:
        spans |= measure_spans(scope.connection, select(group.label("group"), spent).select_from(source).where(*held))
    return FiledComplaints({(row[0], row[1]): row[2] for row in rows}, spans, sum(row[3] for row in rows))


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
