"""The transparency report of a year: a page for everybody, and the same as files, in the EU's layout too."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine

from ipml.cooperation.reports.chapters.acting import write_complaints, write_sellers, write_takedowns
from ipml.cooperation.reports.chapters.answering import write_machines, write_notices
from ipml.cooperation.reports.chapters.finding import write_finding, write_precision
from ipml.cooperation.reports.eu_template import write_template
from ipml.cooperation.reports.figures import Figures, measure_figures
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.tables import Quantity, Report
from ipml.cooperation.reports.writing import write_files, write_report

EU_FOLDER = "eu_template"
_HEADLINE = ("counterfeit", "precision", "listed_to_measure", "before_first_sale", "sellers", "in_favour")

CLOSING = (
    (
        "Counterfeit",
        "A listing of goods that bear a trade mark without the consent of who owns it, as decided by people or policy.",
    ),
    (
        "Precision",
        "Of the listings found counterfeit, the share that is counterfeit, judged by people who look a second time.",
    ),
    (
        "95 % interval",
        "Where the true value lies nineteen times of twenty, given how much was looked at (Wilson 1927).",
    ),
    ("Median", "Half took no longer. Nine in ten: nine of ten took no longer."),
    (
        "Before the first sale",
        "Nothing had been sold from the listing when it was decided on, as far as the platform knows.",
    ),
    ("Strike", "What a listing found counterfeit counts against its seller, until it expires."),
    ("Not known", "The platform's records do not tell. It does not mean zero."),
    (
        "What is not in it",
        "Names of persons; brands and categories that few sellers wrote; what happened after the date given above.",
    ),
)


def make_transparency_report(figures: Figures, rules: ReportRules) -> Report:
    """Return the report from the figures of a period."""
    sections = (
        write_finding(figures, rules.least_sellers),
        write_precision(figures.precision, figures),
        write_takedowns(figures),
        write_sellers(figures),
        write_complaints(figures.complaints),
        write_notices(figures.notices),
        write_machines(figures),
    )
    by_key: dict[str, Quantity] = {one.key: one for section in sections for one in section.quantities}
    facts = (
        ("Service", rules.service or "not named"),
        ("Provider", rules.provider or "not named"),
        ("Period", f"{figures.period.first:%d %B %Y} to {figures.period.last:%d %B %Y}, UTC"),
        ("As things stood on", f"{figures.as_of.astimezone(UTC):%d %B %Y, %H:%M} UTC"),
    )
    headline = tuple(by_key[key] for key in _HEADLINE)
    subtitle = f"{rules.service + ', ' if rules.service else ''}{_name(figures.period)}"
    return Report("Counterfeits: transparency report", subtitle, facts, headline, sections, CLOSING)


def write_transparency_report(
    engine: Engine,
    period: Period,
    folder: Path,
    rules: ReportRules,
    *,
    now: datetime | None = None,
    networks: Path | None = None,
) -> Report:
    """Write the transparency report of a period into a folder; the same database gives the same bytes for one `now`.

    Parameters
    ----------
    folder : Path
        It gets `report.html`, `figures.csv` and a file for each table, `figures.json`, and in `eu_template` the
        files of the template of Implementing Regulation (EU) 2024/2835.
    now : datetime, default=the clock
        What happened later does not count.

    Raises
    ------
    UnwritableFile
        There is a file where the folder should be.
    """
    figures = measure_figures(engine, period, as_of=now, networks=networks)
    report = make_transparency_report(figures, rules)
    write_report(report, folder)
    write_files(folder / EU_FOLDER, write_template(figures, rules))
    return report


def _name(period: Period) -> str:
    is_year = (period.start.month, period.start.day) == (1, 1) and period == Period.of_year(period.start.year)
    return str(period.start.year) if is_year else f"{period.first} to {period.last}"
