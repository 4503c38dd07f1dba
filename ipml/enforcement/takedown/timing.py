"""How long it takes from a listing to its measure and to the platform's word, and what is overdue.

The first measure of each decision counts; what took its place later, or came by hand beside it, is no new catch.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, union

from ipml.enforcement.takedown.finding import Measure, make_measure
from ipml.storage.tables import cases, measure_messages, measures, outbox

Grouping = Literal["all", "brand", "category", "month"]
GROUPINGS: tuple[Grouping, ...] = ("all", "brand", "category", "month")
STAGES = ("listed to measure", "queued to measure", "measure to done", "listed to done")


@dataclass(frozen=True, slots=True)
class Span:
    """How long something took: of how many it is known, the median, and what nine in ten stay within."""

    known: int
    median: timedelta
    p90: timedelta

    @classmethod
    def of(cls, spans: Sequence[timedelta]) -> Span:
        """Sum up spans, at least one.

        Examples
        --------
        >>> Span.of([timedelta(hours=hours) for hours in range(1, 11)]).p90
        datetime.timedelta(seconds=32400)
        """
        ordered = sorted(spans)
        median = timedelta(seconds=statistics.median(span.total_seconds() for span in ordered))
        return cls(len(ordered), median, ordered[math.ceil(0.9 * len(ordered)) - 1])


@dataclass(frozen=True, slots=True)
class Times:
    """How long measures took, of a brand, a category, a month, or all.

    Attributes
    ----------
    spans : dict of str to Span
        By a name of `STAGES`; stages that are known of none are left out.
    before_first_sale : float or None
        Share of the listings that had sold nothing when they were decided on, of those of which that is known.
    sales_known : int
        Of how many it is.
    """

    group: str
    measures: int
    spans: dict[str, Span]
    before_first_sale: float | None
    sales_known: int


def measure_times(
    connection: Connection,
    by: Grouping = "all",
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[Times]:
    """Return how long measures took, by groups in order of their names; the months are those of the measures.

    Parameters
    ----------
    since, until : datetime, optional
        Of measures imposed from then on, and before then.
    """
    groups: dict[str, _Tally] = defaultdict(_Tally)
    for row in connection.execute(_select_first(since, until).execution_options(yield_per=1000)):
        groups[_group_of(row, by)].add(row)
    return [tally.sum_up(group) for group, tally in sorted(groups.items())]


def find_overdue(
    connection: Connection, now: datetime, hours: float, *, before: int | None = None, at_most: int | None = None
) -> list[Measure]:
    """Return the measures of which the platform was told so many hours ago, and has not said what became of it."""
    query = select(measures).where(_is_overdue(now, hours)).order_by(measures.c.measure_id.desc()).limit(at_most)
    if before is not None:
        query = query.where(measures.c.measure_id < before)
    return [make_measure(row) for row in connection.execute(query)]


def count_overdue(connection: Connection, now: datetime, hours: float) -> int:
    """Return how many measures are overdue."""
    return connection.scalar(select(func.count()).select_from(measures).where(_is_overdue(now, hours))) or 0


def _is_overdue(now: datetime, hours: float) -> ColumnElement[bool]:
    """Return the condition that a measure is overdue; each half of it has few rows, and an index that finds them."""
    asked = and_(measures.c.done_at.is_(None), measures.c.lifted_at.is_(None))
    lifted = and_(measures.c.lifted_at.is_not(None), measures.c.undone_at.is_(None))
    told_by = outbox.c.put_at <= now - timedelta(hours=hours), outbox.c.dropped_at.is_(None)
    halves = [
        select(measures.c.measure_id)
        .join(measure_messages, measure_messages.c.measure_id == measures.c.measure_id)
        .join(outbox, outbox.c.key == measure_messages.c.key)
        .where(waits, measures.c.refused_at.is_(None), measure_messages.c.effect == effect, *told_by)
        for waits, effect in ((asked, "imposed"), (lifted, "lifted"))
    ]
    return measures.c.measure_id.in_(union(*halves))


def _select_first(since: datetime | None, until: datetime | None) -> Select[Any]:
    earlier = measures.alias("earlier")
    is_later = select(earlier.c.measure_id).where(
        earlier.c.decision_id == measures.c.decision_id, earlier.c.measure_id < measures.c.measure_id
    )
    columns = measures.c.imposed_at, measures.c.done_at, measures.c.listed_at, measures.c.sales_before
    query = select(*columns, cases.c.enqueued_at, cases.c.brand, cases.c.category)
    query = query.join(cases, cases.c.case_id == measures.c.case_id).where(~is_later.exists())
    if since is not None:
        query = query.where(measures.c.imposed_at >= since)
    return query if until is None else query.where(measures.c.imposed_at < until)


def _group_of(row: Row[Any], by: Grouping) -> str:
    if by == "month":
        return f"{row.imposed_at:%Y-%m}"
    return "all" if by == "all" else (getattr(row, by) or "unknown")


@dataclass(slots=True)
class _Tally:
    """What is counted of a group while its measures are read."""

    measures: int = 0
    unsold: int = 0
    sales_known: int = 0
    spans: dict[str, list[timedelta]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def add(self, row: Row[Any]) -> None:
        self.measures += 1
        if row.sales_before is not None:
            self.sales_known += 1
            self.unsold += row.sales_before == 0
        ends = (
            (row.listed_at, row.imposed_at),
            (row.enqueued_at, row.imposed_at),
            (row.imposed_at, row.done_at),
            (row.listed_at, row.done_at),
        )
        for stage, (start, end) in zip(STAGES, ends, strict=True):
            if start is not None and end is not None:
                self.spans[stage].append(end - start)

    def sum_up(self, group: str) -> Times:
        share = self.unsold / self.sales_known if self.sales_known else None
        spans = {stage: Span.of(found) for stage, found in self.spans.items() if found}
        return Times(group, self.measures, spans, share, self.sales_known)
