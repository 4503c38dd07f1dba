"""Dashboard: figures of the queue and of brands, over the days of the address.

The queue's part shows backlog, flow, speed and precision; a brand's report shows what its owner would receive now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import pairwise
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query, Request, Response
from pydantic import BeforeValidator, Field
from sqlalchemy import Connection

from ipml.cooperation.reports.brand import FoundBrand, list_brands, make_brand_report, measure_brand
from ipml.cooperation.reports.document import ReportDocument, show, show_interval
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.enforcement.fairness import find_alarms
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.views.overview import Overview, measure_enforcement
from ipml.review.quality.blind_reviews import summarise_second_reviews
from ipml.review.queue_metrics import (
    AGE_BANDS,
    QueueBacklog,
    count_days,
    find_last_decision,
    measure_backlog,
    measure_hits,
    measure_paces,
)
from ipml.review.sampling.estimates import estimate
from ipml.storage.database import reading
from ipml.web.accounts.login import authorised, get_cooperation_policy, get_engine, get_policy
from ipml.web.accounts.permissions import Action
from ipml.web.cache import CachedAnswer, CachedByName
from ipml.web.console.drawing.charts import ShareBar, make_estimate_bars, make_hit_bars, make_second_review_bars
from ipml.web.console.drawing.dashboard_charts import History, decided_query, read_history
from ipml.web.responses import render

_EARLIEST, _LATEST = date(2000, 1, 1), date(2199, 12, 31)
_Bounded = Annotated[date, Field(ge=_EARLIEST, le=_LATEST)]
_Day = Annotated[_Bounded | None, BeforeValidator(lambda text: text or None)]  # an empty field of a form
FirstDay = Annotated[_Day, Query(alias="from")]
LastDay = Annotated[_Day, Query(alias="until")]


@dataclass(frozen=True, slots=True)
class DateRange:
    """Days in UTC, from the first to the last; `is_usual` marks the default of the page."""

    first: date
    last: date
    is_usual: bool = False

    @classmethod
    def of(cls, first: date | None, last: date | None, n_days: int, most: int = 3_660) -> DateRange:
        """Return the requested days, in either order; a missing end gives the usual number, up to today.

        At most `most` days are kept, the latest.

        >>> span = DateRange.of(None, date(2026, 5, 14), 14)
        >>> span.first.isoformat(), span.n_days, span.end.isoformat()
        ('2026-05-01', 14, '2026-05-15T00:00:00+00:00')
        """
        is_usual = first is None and last is None
        usual = timedelta(days=n_days - 1)
        last = last or (first + usual if first else datetime.now(UTC).date())
        first, last = sorted((first or last - usual, last))
        return cls(max(first, last - timedelta(days=most - 1)), last, is_usual)

    @property
    def n_days(self) -> int:
        """Number of days."""
        return (self.last - self.first).days + 1

    @property
    def start(self) -> datetime:
        """The first midnight."""
        return datetime.combine(self.first, time(), UTC)

    @property
    def end(self) -> datetime:
        """The last midnight."""
        return datetime.combine(self.last, time(), UTC) + timedelta(days=1)

    @property
    def query(self) -> dict[str, str]:
        """Its fields in an address; empty for the default."""
        return {} if self.is_usual else {"from": self.first.isoformat(), "until": self.last.isoformat()}


_AGES = [longest / timedelta(days=1) for _, longest in AGE_BANDS]
_AGE_QUERIES = [
    urlencode({"waiting": f"{low:.6g}", "waited": f"{high:.6g}"} if high else {"waiting": f"{low:.6g}"})
    for low, high in pairwise([0.0, *_AGES, None])
]
_USUAL_DAYS, _PACE_DAYS, _MOST_DAYS = 14, 7, 1_100


@dataclass(frozen=True)
class _QueueState:
    """State of queue and enforcement at a moment."""

    at: datetime
    backlog: QueueBacklog
    most_of_an_age: int
    decided_today: int
    decided_yesterday: int
    last_at: datetime | None
    hits: Sequence[ShareBar]
    enforcement: Overview
    second_reviews: Sequence[ShareBar]


def show_dashboard(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show the state of the queue, cached for some seconds as many may have the page open.

    Charts and paces cover the requested days. A lead sees the paces of all reviewers, others only their own.
    """
    histories: CachedByName[History] = request.app.state.histories
    stand: CachedAnswer[_QueueState] = request.app.state.stand
    state, now, policy = request.app.state, datetime.now(UTC), get_policy(request)
    span = DateRange.of(first, last, _USUAL_DAYS, _MOST_DAYS)
    pace_days, pace_end = (_PACE_DAYS, now) if span.is_usual else (span.n_days, span.end)
    with authorised(request) as (connection, user):
        is_lead, paces = user.role.may(Action.SEE_PACES), measure_paces(connection, pace_days, now=pace_end)
        context = {
            **vars(stand.get(lambda: _measure_queue(connection, policy, now))),
            "alarms": state.alarms.get(lambda: find_alarms(connection, policy)),
            "estimates": make_estimate_bars(state.estimates.get(lambda: estimate(connection))),
            "is_lead": is_lead,
            "paces": [pace for pace in paces if is_lead or pace.reviewer == user.name],
            "history": histories.get(
                (span.first, span.last), lambda: read_history(connection, span.first, span.last, policy)
            ),
            "me": user.name,
            "year": timedelta(days=YEAR_DAYS - 1),
            "presets": _list_presets(now.date()),
            "span": span,
            "pace_days": pace_days,
            "pace_query": decided_query(pace_end.date() - timedelta(days=pace_days), pace_end.date()),
            "age_queries": _AGE_QUERIES,
            "decided_query": decided_query,
        }
    return render(request, "dashboard.html", context)


def _list_presets(today: date) -> list[tuple[str, str]]:
    named = (("28 days", 28), ("13 weeks", 91), ("12 months", 365))
    return [(name, f"/dashboard?from={today - timedelta(days=n_days - 1)}&until={today}") for name, n_days in named]


def _measure_queue(connection: Connection, policy: EnforcementPolicy, now: datetime) -> _QueueState:
    backlog = measure_backlog(connection, now=now)
    yesterday, today = count_days(connection, 2, now=now)
    return _QueueState(
        at=now,
        backlog=backlog,
        most_of_an_age=max(number for _, number in backlog.ages) or 1,
        decided_today=today.decided,
        decided_yesterday=yesterday.decided,
        last_at=find_last_decision(connection),
        hits=make_hit_bars(measure_hits(connection)),
        enforcement=measure_enforcement(connection, policy, now=now),
        second_reviews=make_second_review_bars(summarise_second_reviews(connection)),
    )


MOST_BRANDS = 200
_RECENT_DAYS, YEAR_DAYS = 90, 365


def show_brands(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show the brands with decisions in some days, most counterfeits first."""
    brands: CachedAnswer[list[FoundBrand]] = request.app.state.brands
    span = DateRange.of(first, last, _RECENT_DAYS)

    with authorised(request) as (connection, _):
        find = partial(list_brands, connection, span.start, MOST_BRANDS, span.end)
        listed = brands.get(find) if span.is_usual else find()
    most = max((one.counterfeit for one in listed), default=0)
    return render(request, "brands.html", {"listed": listed, "span": span, "most": most, "longest": MOST_BRANDS})


def show_brand(
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=200)],
    first: FirstDay = None,
    last: LastDay = None,
) -> Response:
    """Show the report on a brand in some days."""
    span = DateRange.of(first, last, YEAR_DAYS)
    with authorised(request):
        pass  # a report may take long, and waiting for it should hold no connection
    return render(request, "brand.html", report_brand(request, name, span))


def report_brand(request: Request, name: str, span: DateRange) -> dict[str, Any]:
    """Return the report on a brand in some days, cached for some minutes."""
    reports: CachedByName[tuple[ReportDocument, datetime]] = request.app.state.brand_reports
    report, at = reports.get(f"{span.first} {span.last} {name}", lambda: _measure_brand(request, name, span))
    shown = {"name": name, "report": report, "at": at, "span": span}
    return shown | {"show": show, "show_interval": show_interval}


def _measure_brand(request: Request, name: str, span: DateRange) -> tuple[ReportDocument, datetime]:
    now, rules = datetime.now(UTC), get_cooperation_policy(request).reports
    period, networks = Period.between(span.first, span.last), request.app.state.settings.networks
    with reading(get_engine(request)) as connection:
        figures = measure_brand(ReportScope(connection, period, now, name, networks), rules)
    return make_brand_report(figures, rules), now
