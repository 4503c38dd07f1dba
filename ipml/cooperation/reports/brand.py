"""Brand report for a rights holder: findings, takedown times, numbers of sellers and networks, and their notices.

A rights holder may know how much is sold under their mark and by how many, not by whom. Counts of sellers and networks
below `least_sellers` of the policy are shown as "fewer than 5"; prices of so few sellers are left out.
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, or_, select, true

from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports import chapters
from ipml.cooperation.reports.document import (
    Columns,
    Quantity,
    ReportDocument,
    Row,
    Section,
    Table,
    count_columns,
    write_report,
)
from ipml.cooperation.reports.figures import Linked, Noticed, count_linked, count_notices
from ipml.cooperation.reports.measures import TakedownTimes, measure_takedowns, time_by_month
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.transparency import CLOSING
from ipml.cooperation.reports.verdicts import (
    PeriodDecisions,
    Precision,
    Sellers,
    count_decided,
    count_queued,
    count_sellers,
    measure_precision,
    select_found,
)
from ipml.enforcement.takedown.measures import Span
from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, notices


@dataclass(frozen=True, slots=True)
class FoundBrand:
    """A brand with the numbers of listings decided on, of counterfeits and of their sellers."""

    name: str
    decided: int
    counterfeit: int
    sellers: int
    last_at: datetime


def list_brands(
    connection: Connection, since: datetime, at_most: int, until: datetime | None = None
) -> list[FoundBrand]:
    """Return the brands with decisions between two moments, most counterfeits first."""
    is_fake = decisions.c.verdict == Verdict.COUNTERFEIT
    counterfeit = func.count().filter(is_fake).label("counterfeit")
    sellers = func.count(cases.c.seller_id.distinct()).filter(is_fake)
    query = (
        select(cases.c.brand, func.count(), counterfeit, sellers, func.max(decisions.c.decided_at))
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .where(decisions.c.decided_at >= since, is_last_verdict())
        .where(true() if until is None else decisions.c.decided_at < until)
        .where(cases.c.brand.is_not(None), cases.c.brand != "")
        .group_by(cases.c.brand)
        .order_by(counterfeit.desc(), cases.c.brand)
        .limit(at_most)
    )
    return [FoundBrand(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Prices:
    """Outer deciles, quartiles and median of asking prices of n listings in one currency."""

    currency: str
    n: int
    p10: float
    p25: float
    median: float
    p75: float
    p90: float


def _measure_prices(scope: ReportScope, least_sellers: int) -> tuple[Prices, ...]:
    """Return the prices of counterfeits by currency, without currencies of few sellers and without extremes."""
    listings = select_found(scope, cases.c.seller_id, cases.c.snapshot)
    asked: dict[str, list[float]] = defaultdict(list)
    sellers: dict[str, set[str]] = defaultdict(set)
    for seller, snapshot in scope.connection.execute(listings.execution_options(yield_per=1000)):
        listing = json.loads(snapshot).get("listing", {})
        price, currency = listing.get("price"), listing.get("currency")
        if price is not None and currency:
            asked[currency].append(float(price))
            sellers[currency].add(seller)
    prices = []
    for name in sorted(name for name in asked if len(sellers[name]) >= least_sellers):
        twentieths = statistics.quantiles(asked[name], n=20, method="inclusive")
        prices.append(Prices(name, len(asked[name]), *(twentieths[place] for place in (1, 4, 9, 14, 17))))
    return tuple(prices)


_HEADLINE = ("counterfeit", "precision", "queued_to_measure", "before_first_sale", "sellers", "notice_upheld")


@dataclass(frozen=True, slots=True)
class BrandFigures:
    """Figures of a brand in a period; `by_holder` are the notices of its rights holder."""

    brand: str
    period: Period
    as_of: datetime
    queued: dict[str, int]
    decided: PeriodDecisions
    precision: tuple[Precision, ...]
    takedowns: TakedownTimes
    by_month: dict[str, Span]
    sellers: Sellers
    notices: Noticed
    by_holder: Noticed
    prices: tuple[Prices, ...]
    networks: Linked | None


def measure_brand(scope: ReportScope, rules: ReportRules) -> BrandFigures:
    """Return the figures of the brand of a scope; raises NotFound if no case or notice has exactly that name."""
    brand = scope.brand or ""
    _check_known(scope.connection, brand)
    decided = count_decided(scope)
    return BrandFigures(
        brand=brand,
        period=scope.period,
        as_of=scope.as_of,
        queued=count_queued(scope),
        decided=decided,
        precision=measure_precision(scope, decided),
        takedowns=measure_takedowns(scope),
        by_month=time_by_month(scope),
        sellers=count_sellers(scope),
        notices=count_notices(scope),
        by_holder=count_notices(scope, "rights holder"),
        prices=_measure_prices(scope, rules.least_sellers),
        networks=count_linked(scope),
    )


def make_brand_report(figures: BrandFigures, rules: ReportRules) -> ReportDocument:
    """Return the report from the figures of a brand."""
    sections = (
        _write_found(figures),
        chapters.write_precision(figures.precision),
        _write_times(figures),
        _write_sellers(figures, rules.least_sellers),
        _write_prices(figures.prices, rules.least_sellers),
        _write_notices(figures),
    )
    is_empty = not (figures.queued or figures.decided.counts or figures.notices.notices)
    facts = (
        ("Brand", figures.brand),
        ("Marketplace", rules.service or "not named"),
        *chapters.describe_period(figures.period, figures.as_of, is_empty=is_empty),
    )
    title, subtitle = f"Counterfeits of {figures.brand}", "Report to the rights holder"
    return ReportDocument(title, subtitle, facts, _HEADLINE, sections, CLOSING)


def write_brand_report(scope: ReportScope, folder: Path, rules: ReportRules) -> ReportDocument:
    """Write the report on the brand of a scope into a folder: a page, CSV files and JSON.

    The brand is spelt as in listings. Raises NotFound and UnwritableFile.
    """
    report = make_brand_report(measure_brand(scope, rules), rules)
    write_report(report, folder)
    return report


def _check_known(connection: Connection, brand: str) -> None:
    of_case, of_notice = (select(table.c.brand).where(table.c.brand == brand).limit(1) for table in (cases, notices))
    if connection.scalar(of_case) is None and connection.scalar(of_notice) is None:
        alike = select(cases.c.brand).where(or_(cases.c.brand.ilike(f"{brand[:3]}%"), cases.c.brand.ilike(brand)))
        names = connection.scalars(alike.distinct().order_by(cases.c.brand).limit(5))
        suggestions = ", ".join(repr(name[:40]) for name in names) or "none that begins like it"
        raise NotFound("case and no notice of brand", brand, f"There is {suggestions}. Write it as listings have it.")


def _write_found(figures: BrandFigures) -> Section:
    months = chapters.found_by_month(figures.period, figures.decided, figures.queued)
    counterfeit, genuine = (
        figures.decided.count(verdict=verdict, stands=True) for verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE)
    )
    queued, gone = sum(figures.queued.values()), figures.decided.count(stands=False)
    return Section(
        "found",
        "Findings",
        "Listings that name the brand, were suspected by the model or by somebody's notice, and were decided on. "
        "Some of them turn out to be genuine: resale, parts and authorised dealers.",
        (
            Quantity("queued", "Listings reviewed", queued, "count", "That came into the queue."),
            Quantity("counterfeit", "Found counterfeit", counterfeit, "count", "By the last decision on each case."),
            Quantity("genuine", "Found genuine", genuine, "count"),
            Quantity("taken_back", "Decisions reversed or replaced", gone, "count"),
        ),
        (months,),
        (chapters.month_chart(months, f"Listings of {figures.brand} found counterfeit by month"),),
    )


def _write_times(figures: BrandFigures) -> Section:
    return Section(
        "takedowns",
        "Takedown times",
        "From the moment at which a listing appeared, came into the queue, or was first given notice of, to the "
        "measure.",
        chapters.takedown_quantities(figures.takedowns),
        (chapters.stage_table(figures.takedowns), chapters.month_table(figures.period, figures.by_month)),
        chapters.time_charts(figures.period, figures.by_month),
    )


def _write_sellers(figures: BrandFigures, least: int) -> Section:
    linked, rows = figures.networks, list[Row]()
    active = linked.active if linked else ()
    for sellers, listings in active:
        if sellers >= least:
            rows.append((f"network {len(rows) + 1}", sellers, listings))
    if rest := [listings for sellers, listings in active if sellers < least]:
        rows.append((f"smaller ones, each of fewer than {least} sellers", None, sum(rest)))
    columns = count_columns("network", "sellers of the brand", "listings found counterfeit")
    note = "Numbered by size for this report only. Details go to authorities, not to rights holders."
    table = Table("networks", "Networks that sold the brand", columns, tuple(rows), note)
    return Section(
        "sellers",
        "Sellers behind it",
        f"Sellers are counted and not named; counts from 1 to {least - 1} are not shown.",
        (*chapters.seller_quantities(figures.sellers, least), *chapters.network_quantities(linked, least)),
        (table,) if linked else (),
    )


def _write_prices(prices: Iterable[Prices], least: int) -> Section:
    rows = tuple(
        (price.currency, price.n, price.p10, price.p25, price.median, price.p75, price.p90) for price in prices
    )
    names = ("a tenth below", "a quarter below", "median", "a quarter above", "a tenth above")
    columns: Columns = (*count_columns("currency", "listings"), *((name, "money") for name in names))
    note = f"Currencies that fewer than {least} sellers used are left out."
    return Section(
        "prices",
        "Asking prices",
        "Asking prices of the listings found counterfeit. Where they lie far below the usual price, buyers may know;"
        " where they are close to it, buyers are deceived.",
        (),
        (Table("prices", "Prices by currency", columns, rows, note),),
    )


def _write_notices(figures: BrandFigures) -> Section:
    return Section(
        "notices",
        "Notices and their outcomes",
        "The figures are those of the notices of rights holders for this brand; the table covers all notices for it.",
        chapters.notice_quantities(figures.by_holder),
        (chapters.notice_table(figures.notices),),
    )
