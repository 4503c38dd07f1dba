"""Report figures: measures on listings and sellers, takedown times, strikes, statements, and complaints.

Complaints and their outcomes are those of Articles 20 and 24(1) of the Digital Services Act. Takedown times cover the
first measure of each decision, as on the page and in `ipml enforce measure times`.
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
"""Sources that are notices under Article 16 of the Digital Services Act; consumers' complaints are not."""

STAGES = ("listed to measure", "queued to measure", "measure to done", "listed to done", "notice to measure")


@dataclass(frozen=True, slots=True)
class ImposedMeasures:
    """Measures by kind, source of the case (`SOURCES`), and whether a policy imposed them without a person."""

    counts: Mapping[tuple[str, str, bool], int]

    def count(self, kind: str | None = None, source: str | None = None, automatic: bool | None = None) -> int:
        """Return the number of measures, optionally of one kind, source or way."""
        return add_up(self.counts, kind, source, automatic)


@dataclass(frozen=True, slots=True)
class TakedownTimes:
    """Takedown times, by a name of `STAGES`, and listings taken down before the first sale.

    Stages without data are left out; `unsold` of `sales_known` listings had sold nothing.
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
    """Return the measures imposed."""
    groups = measures.c.kind, measures.c.source, measures.c.is_automatic
    query = select(*groups, func.count()).where(scope.holds(measures.c.imposed_at)).group_by(*groups)
    return ImposedMeasures({(kind, source, alone): n for kind, source, alone, n in scope.connection.execute(query)})


def measure_takedowns(scope: ReportScope) -> TakedownTimes:
    """Return the time from listing, queue and notice to the measure, and until it was carried out."""
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
        measured = measure_spans(scope.connection, query)
        if ALL in measured:
            spans[stage] = measured[ALL]
    unsold = func.count().filter(measures.c.sales_before == 0)
    counts = _first_measures(scope, func.count(), unsold, func.count(measures.c.sales_before))
    n, *sold = scope.connection.execute(counts).one()
    return TakedownTimes(n, spans, *sold)


def time_by_month(scope: ReportScope) -> dict[str, Span]:
    """Return the time from queue to measure, by month of the measure."""
    month = scope.month_of(measures.c.imposed_at)
    spent = between(cases.c.enqueued_at, measures.c.imposed_at)
    query = _first_measures(scope, month.label("group"), spent.label("span"))
    return measure_spans(scope.connection, query)


def count_penalties(scope: ReportScope) -> dict[str, int]:
    """Return the penalties that came into force, by kind."""
    query = select(penalties.c.kind, func.count()).where(scope.holds(penalties.c.imposed_at))
    return {row[0]: row[1] for row in scope.connection.execute(query.group_by(penalties.c.kind))}


def count_strikes(scope: ReportScope) -> tuple[int, int]:
    """Return the number of strikes given, and of those taken back."""
    back = and_(strikes_taken_back.c.strike_id == strikes.c.strike_id, strikes_taken_back.c.at <= scope.as_of)
    query = select(func.count(), func.count(strikes_taken_back.c.strike_id)).select_from(
        strikes.outerjoin(strikes_taken_back, back)
    )
    given, taken = scope.connection.execute(query.where(scope.holds(strikes.c.struck_at))).one()
    return given, taken


def count_statements(scope: ReportScope) -> StatementCounts:
    """Return the numbers of statements of reasons."""
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
    """Return the first notice of each case, without consumers' complaints; join it once, as it is slow per measure."""
    query = select(notice_items.c.case_id, func.min(notices.c.received_at).label("first"))
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    query = query.where(notice_items.c.case_id.is_not(None), notices.c.kind == "counterfeit")
    return query.group_by(notice_items.c.case_id).subquery("told")


def _first_measures(scope: ReportScope, *columns: Any) -> Select[Any]:
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
    """Complaints filed in a period, by subject (`SUBJECTS`) and outcome (`OUTCOMES` or `PENDING`).

    `spans` is the time from filing to decision, by subject and for "all".
    """

    counts: Mapping[tuple[str, str], int]
    spans: Mapping[str, Span]
    counter_notices: int

    def count(self, subject: str | None = None, outcome: str | None = None) -> int:
        """Return the number of complaints, optionally of one subject or outcome."""
        return add_up(self.counts, subject, outcome)


def count_complaints(scope: ReportScope, kind: str | None = None) -> FiledComplaints:
    """Return the complaints filed in a period, with their outcomes until `as_of`.

    `kind` is "complaint" (Article 20 of the Digital Services Act) or "counter-notice" (as in the United States and
    China).
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
    """Return the subject of a complaint; a case as a whole counts as visibility of its listing."""
    measured = [(measures.c.kind == kind, literal(name)) for kind, name in _OF_MEASURE.items()]
    penalised = [(penalties.c.kind == kind, literal(name)) for kind, name in _OF_PENALTY.items()]
    return case(*measured, *penalised, else_=literal("visibility"))


def _number(kind: str) -> ColumnElement[int]:
    """Return the number of the measure or penalty complained of, in a form that uses its key."""
    rest = func.substr(appeals.c.subject, len(kind) + 1)
    return case((appeals.c.subject.startswith(kind), cast(rest, BigInteger)))
