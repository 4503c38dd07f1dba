"""What the owner of a brand is told: what was found, how fast it went, how many stand behind it, and their notices.

A rights holder may know how much is sold under their mark and by how many; not by whom. Counts of sellers and networks
below `least_sellers` of the policy are told as "fewer than 5", and what so few sellers asked for goods not at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, or_, select

from ipml.cooperation.reports.chapters import acting, answering, finding
from ipml.cooperation.reports.charts import draw_columns
from ipml.cooperation.reports.decided import WAYS, Decided, Sellers, count_decided, count_queued, count_sellers
from ipml.cooperation.reports.linked import Linked, count_linked
from ipml.cooperation.reports.noticed import Noticed, count_notices
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.precision import Precision, measure_precision
from ipml.cooperation.reports.prices import Prices, measure_prices
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.tables import Chart, Columns, Quantity, Report, Row, Section, Table
from ipml.cooperation.reports.takedowns import Takedowns, measure_takedowns, time_by_month
from ipml.cooperation.reports.transparency import CLOSING
from ipml.cooperation.reports.writing import write_report
from ipml.enforcement.takedown.measures import Span
from ipml.errors import BrandUnknown
from ipml.records import Verdict
from ipml.storage.database import reading
from ipml.storage.tables import cases, notices

_HEADLINE = ("counterfeit", "precision", "queued_to_measure", "before_first_sale", "sellers", "notice_upheld")


@dataclass(frozen=True, slots=True)
class BrandFigures:
    """What happened to a brand in a period; `by_holder` are the notices of its rights holder."""

    brand: str
    period: Period
    as_of: datetime
    queued: dict[str, int]
    decided: Decided
    precision: tuple[Precision, ...]
    takedowns: Takedowns
    by_month: dict[str, Span]
    sellers: Sellers
    notices: Noticed
    by_holder: Noticed
    prices: tuple[Prices, ...]
    networks: Linked | None


def measure_brand(
    engine: Engine,
    brand: str,
    period: Period,
    rules: ReportRules,
    *,
    as_of: datetime | None = None,
    networks: Path | None = None,
) -> BrandFigures:
    """Return the figures of a brand.

    Raises
    ------
    BrandUnknown
        No case and no notice has that brand, written like that.
    """
    moment = as_of or datetime.now(UTC)
    with reading(engine) as connection:
        _check_known(connection, brand)
        decided = count_decided(connection, period, moment, brand)
        return BrandFigures(
            brand=brand,
            period=period,
            as_of=moment,
            queued=count_queued(connection, period, moment, brand),
            decided=decided,
            precision=measure_precision(connection, period, moment, decided, brand),
            takedowns=measure_takedowns(connection, period, moment, brand),
            by_month=time_by_month(connection, period, moment, brand),
            sellers=count_sellers(connection, period, moment, brand),
            notices=count_notices(connection, period, moment, brand),
            by_holder=count_notices(connection, period, moment, brand, "rights holder"),
            prices=measure_prices(connection, period, moment, brand, rules.least_sellers),
            networks=count_linked(connection, period, moment, networks, brand),
        )


def make_brand_report(figures: BrandFigures, rules: ReportRules) -> Report:
    """Return the report from the figures of a brand."""
    sections = (
        _write_found(figures),
        finding.write_precision(figures.precision),
        _write_times(figures),
        _write_sellers(figures, rules.least_sellers),
        _write_prices(figures.prices, rules.least_sellers),
        _write_notices(figures),
    )
    by_key: dict[str, Quantity] = {one.key: one for section in sections for one in section.quantities}
    facts = (
        ("Brand", figures.brand),
        ("Marketplace", rules.service or "not named"),
        ("Period", f"{figures.period.first:%d %B %Y} to {figures.period.last:%d %B %Y}, UTC"),
        ("As things stood on", f"{figures.as_of.astimezone(UTC):%d %B %Y, %H:%M} UTC"),
    )
    headline = tuple(by_key[key] for key in _HEADLINE)
    return Report(f"Counterfeits of {figures.brand}", "Report to the rights holder", facts, headline, sections, CLOSING)


def write_brand_report(
    engine: Engine,
    brand: str,
    period: Period,
    folder: Path,
    rules: ReportRules,
    *,
    now: datetime | None = None,
    networks: Path | None = None,
) -> Report:
    """Write the report on a brand into a folder: a page, CSV files, and all of it as JSON.

    Parameters
    ----------
    brand : str
        As it is written in listings.
    now : datetime, default=the clock
        What happened later does not count.
    networks : Path, optional
        Folder that `ipml network find` wrote.

    Raises
    ------
    BrandUnknown, UnwritableFile
        There is no such brand; there is a file where the folder should be.
    """
    figures = measure_brand(engine, brand, period, rules, as_of=now, networks=networks)
    report = make_brand_report(figures, rules)
    write_report(report, folder)
    return report


def _check_known(connection: Connection, brand: str) -> None:
    of_case, of_notice = (select(table.c.brand).where(table.c.brand == brand).limit(1) for table in (cases, notices))
    if connection.scalar(of_case) is None and connection.scalar(of_notice) is None:
        alike = select(cases.c.brand).where(or_(cases.c.brand.ilike(f"{brand[:3]}%"), cases.c.brand.ilike(brand)))
        raise BrandUnknown(brand, connection.scalars(alike.distinct().order_by(cases.c.brand).limit(5)))


def _write_found(figures: BrandFigures) -> Section:
    months = finding.found_by_month(figures.period, figures.decided, figures.queued)
    decided, fake = figures.decided, Verdict.COUNTERFEIT
    legend = tuple((f"s{place}", finding.WAY_NAMES[way]) for place, way in enumerate(WAYS))
    drawn = draw_columns(months, (2, 3, 4, 5), f"Listings of {figures.brand} found counterfeit by month")
    return Section(
        "found",
        "What was found",
        "Listings that name the brand, were suspected by the model or by somebody's notice, and were decided on. "
        "Some of them turn out to be genuine: resale, parts and authorised dealers.",
        (
            Quantity(
                "queued", "Listings looked at", sum(figures.queued.values()), "count", "That came into the queue."
            ),
            Quantity(
                "counterfeit",
                "Found counterfeit",
                decided.count(verdict=fake, stands=True),
                "count",
                "By the last decision on each case.",
            ),
            Quantity("genuine", "Found genuine", decided.count(verdict=Verdict.GENUINE, stands=True), "count"),
            Quantity("taken_back", "Decisions that no longer stand", decided.count(stands=False), "count"),
        ),
        (months,),
        (Chart("Listings found counterfeit, by month and by how they were decided", drawn, legend),),
    )


def _write_times(figures: BrandFigures) -> Section:
    return Section(
        "takedowns",
        "How fast listings went",
        "From the moment at which a listing appeared, came into the queue, or was first given notice of, to the "
        "measure.",
        acting.takedown_quantities(figures.takedowns),
        (acting.stage_table(figures.takedowns), acting.month_table(figures.period, figures.by_month)),
        acting.time_charts(figures.period, figures.by_month),
    )


def _write_sellers(figures: BrandFigures, least: int) -> Section:
    linked, rows = figures.networks, list[Row]()
    for sellers, listings in linked.active if linked else ():
        if sellers >= least:
            rows.append((f"network {len(rows) + 1}", sellers, listings))
    if rest := [each for each in (linked.active if linked else ()) if each[0] < least]:
        rows.append((f"smaller ones, each of fewer than {least} sellers", None, sum(each[1] for each in rest)))
    columns: Columns = (("network", ""), ("sellers of the brand", "count"), ("listings found counterfeit", "count"))
    note = "Numbered by size for this report only. Details go to authorities, not to rights holders."
    table = Table("networks", "Networks that sold the brand", columns, tuple(rows), note)
    return Section(
        "sellers",
        "Who stands behind it",
        f"Sellers are counted and not named; counts from 1 to {least - 1} are not told.",
        (*acting.seller_quantities(figures.sellers, least), *acting.network_quantities(linked, least)),
        (table,) if linked else (),
    )


def _write_prices(prices: Iterable[Prices], least: int) -> Section:
    rows = tuple((one.currency, one.n, one.p10, one.p25, one.median, one.p75, one.p90) for one in prices)
    names = ("a tenth below", "a quarter below", "median", "a quarter above", "a tenth above")
    money: Columns = tuple((name, "money") for name in names)
    columns: Columns = (("currency", ""), ("listings", "count"), *money)
    note = f"Currencies that fewer than {least} sellers used are left out."
    return Section(
        "prices",
        "What was asked for it",
        "Asking prices of the listings found counterfeit. Where they lie far below the usual price, buyers may know;"
        " where they are close to it, buyers are deceived.",
        (),
        (Table("prices", "Prices by currency", columns, rows, note),),
    )


def _write_notices(figures: BrandFigures) -> Section:
    return Section(
        "notices",
        "Notices, and what came of them",
        "The figures are those of the notices of rights holders for this brand; the table tells of all notices for it.",
        answering.notice_quantities(figures.by_holder),
        (answering.notice_table(figures.notices),),
    )
