"""Brands: which are counterfeited most, and of each what its owner is told, as it stands now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from markupsafe import Markup

from ipml.cooperation.reports.brand import make_brand_report, measure_brand
from ipml.cooperation.reports.found_brands import FoundBrand, list_brands
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.tables import Report, show, show_interval
from ipml.web.auth import get_engine
from ipml.web.date_range import DateRange, FirstDay, LastDay
from ipml.web.kept import Kept, KeptByName
from ipml.web.render import render

MOST = 200
_RECENT_DAYS, _YEAR_DAYS = 90, 365


def show_brands(request: Request, first: FirstDay = None, last: LastDay = None) -> Response:
    """Show the brands on which was decided in some days, those with the most counterfeits first."""
    brands: Kept[list[FoundBrand]] = request.app.state.brands
    span = DateRange.of(first, last, _RECENT_DAYS)

    def find() -> list[FoundBrand]:
        return list_brands(get_engine(request), span.start, MOST, span.end)

    listed = brands.get(find) if span.is_usual else find()
    most = max((one.counterfeit for one in listed), default=0)
    return render(request, "brands.html", {"listed": listed, "span": span, "most": most, "longest": MOST})


def show_brand(
    request: Request,
    name: Annotated[str, Query(min_length=1, max_length=200)],
    first: FirstDay = None,
    last: LastDay = None,
) -> Response:
    """Show what was found of a brand in some days, how fast it went, who stands behind it, and notices."""
    reports: KeptByName[tuple[Report, datetime]] = request.app.state.brand_reports
    span = DateRange.of(first, last, _YEAR_DAYS)
    report, at = reports.get(f"{span.first} {span.last} {name}", lambda: _measure(request, name, span))
    context: dict[str, Any] = {"name": name, "report": report, "at": at, "show": show, "show_interval": show_interval}
    return render(request, "brand.html", context | {"draw": _draw, "span": span})


def _measure(request: Request, name: str, span: DateRange) -> tuple[Report, datetime]:
    now, rules = datetime.now(UTC), _rules(request)
    period = Period.between(span.first, span.last)
    networks = request.app.state.settings.networks
    figures = measure_brand(get_engine(request), name, period, rules, as_of=now, networks=networks)
    return make_brand_report(figures, rules), now


def _draw(svg: str) -> Markup:
    """Return a chart of a report, in which everything from outside was escaped as it was drawn."""
    return Markup(svg)  # noqa: S704


def _rules(request: Request) -> ReportRules:
    rules: ReportRules = request.app.state.cooperation.reports
    return rules
