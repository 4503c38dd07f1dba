"""How the queue stands, on one page: what waits, what came and went, how fast, and how right the order was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import Request, Response
from sqlalchemy import Engine

from ipml.enforcement.ledger.fairness import find_alarms
from ipml.enforcement.overview import measure_enforcement
from ipml.enforcement.policy import EnforcementPolicy
from ipml.review.backlog import measure_backlog
from ipml.review.exploration.estimates import estimate
from ipml.review.hits import measure_hits
from ipml.review.quality.look_summary import summarise_looks
from ipml.review.throughput import count_days, measure_paces, time_reviews
from ipml.web.auth import get_engine, get_policy, get_user
from ipml.web.charts import make_day_chart, make_estimate_bars, make_hit_bars, make_look_bars
from ipml.web.date_range import DateRange, FirstDay, LastDay
from ipml.web.permissions import Action
from ipml.web.render import render
from ipml.web.users import User

_USUAL_DAYS, _PACE_DAYS, _MOST_DAYS = 14, 7, 92


def show_dashboard(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show how the queue stands, as it was a few seconds ago at most: many may have the page open.

    What came and went day by day, and who decided how much, is that of the days asked for.
    """
    engine, user, state = get_engine(request), get_user(request), request.app.state
    now = datetime.now(UTC)
    context = {
        **state.stand.get(lambda: _measure(engine, get_policy(request), now)),
        "alarms": state.alarms.get(lambda: find_alarms(engine, get_policy(request))),
        "estimates": make_estimate_bars(state.estimates.get(lambda: estimate(engine))),
        **_paces(engine, user, now, _PACE_DAYS),
        "span": (span := DateRange.of(first, last, _USUAL_DAYS, _MOST_DAYS)),
        "pace_days": _PACE_DAYS,
    }
    if not span.is_usual:
        days = count_days(engine, span.n_days, now=span.end - timedelta(microseconds=1))
        context |= {"days": days, "day_chart": make_day_chart(days), "pace_days": span.n_days}
        context |= _paces(engine, user, span.end, span.n_days)
    return render(request, "dashboard.html", context)


def _measure(engine: Engine, policy: EnforcementPolicy, now: datetime) -> dict[str, Any]:
    days = count_days(engine, _USUAL_DAYS, now=now)
    backlog = measure_backlog(engine, now=now)
    return {
        "at": now,
        "backlog": backlog,
        "most_of_an_age": max(number for _, number in backlog.ages) or 1,
        "days": days,
        "decided_today": days[-1].decided,
        "day_chart": make_day_chart(days),
        "hits": make_hit_bars(measure_hits(engine)),
        "times": time_reviews(engine),
        "enforcement": measure_enforcement(engine, policy, now=now),
        "looks": make_look_bars(summarise_looks(engine)),
    }


def _paces(engine: Engine, user: User, now: datetime, n_days: int) -> dict[str, Any]:
    """Return the paces of all reviewers for a lead, for others their own: nobody is measured by colleagues."""
    is_lead, paces = user.role.may(Action.SEE_PACES), measure_paces(engine, n_days, now=now)
    return {"is_lead": is_lead, "paces": [pace for pace in paces if is_lead or pace.reviewer == user.name]}
