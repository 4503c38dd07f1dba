"""Transparency report of a year: a page for the public, and the figures as files, also in the EU's layout.

The layout is Annex I of Implementing Regulation (EU) 2024/2835, as providers publish it. Its categories, columns and
indicators are copied word for word into `eu_categories.csv`, `eu_columns.csv` and `eu_indicators.csv`; only cells with
the name of a figure in braces are ours. The result is eleven CSV files (RFC 4180, UTF-8) named like the sheets. ipml
knows counterfeits only ("trademark infringements", category 7f). Other categories, orders of authorities and disputes
are "n/a" with a note, never a zero that nobody counted: providers add them from other sources. Median times are in
hours. Articles 15 (all intermediary services), 24 (online platforms) and 42 (very large ones) apply. Reports are due
within two months of the period's end, and stay public for five years.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports import chapters
from ipml.cooperation.reports.document import ReportDocument, Value, plain, to_csv, write_files, write_report
from ipml.cooperation.reports.figures import Figures, measure_figures
from ipml.cooperation.reports.measures import NOTICES, PENDING, SOURCES, SUBJECTS
from ipml.cooperation.reports.period import ALL, Period, ReportScope, median_hours

_NA = "n/a"
_COUNTERFEIT = (  # the codes of the categories that counterfeits are in
    "TOTAL",
    "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
    "KEYWORD_TRADEMARK_INFRINGEMENT",
)
_EVERYBODY, _HOSTING = "All", "Only for providers of hosting services, including online platforms"
_ONLY_COUNTERFEITS = "Counterfeits only, as recorded by ipml; other categories must be added from other sources."
_NO_RECORD = "ipml keeps no record of this; it must be added from other sources."
_ILLEGAL = "Category of illegal content"
_INCOMPATIBLE = "Category of incompatibility with the provider's terms and conditions"
_CATEGORY_COLUMNS = (
    "Category label",
    "Category description",
    "Category of illegal content / incompatible with the terms and conditions",
    "Contextual information",
)
_OWN = tuple(source for source in SOURCES if source not in NOTICES)
_PERIOD, _SECTION, _SCOPE, _CONTEXT = "Reporting period", "Section", "Scope", "Contextual Information"
_INDICATOR_COLUMNS = ("Applicability", "Service", _PERIOD, _SECTION, "Indicator", _SCOPE, "Value", _CONTEXT)
_WITHOUT = {  # the columns that a sheet of indicators does not have
    "1_report_identification": (_PERIOD, _SECTION, _SCOPE, _CONTEXT),
    "7_appeals_and_recidivism": (),
    "8_automated_means": (),
    "9_human_resources": (),
    "10_AMAR": (_CONTEXT,),
    "11_qualitative": (_SECTION, _SCOPE, _CONTEXT),
}


@dataclass(frozen=True, slots=True)
class _CategorySheet:
    """A sheet of the template with a row for each category: its columns, the numbers of its categories, and notes."""

    columns: str
    applicability: str
    numbers: Sequence[int]
    named: str = _ILLEGAL
    note: str = _ONLY_COUNTERFEITS
    scopes: tuple[str, ...] = ()


_CATEGORY_SHEETS = {
    "3_member_states_orders": _CategorySheet(
        "3_member_states_orders", _EVERYBODY, (*range(15), 16), note=_NO_RECORD, scopes=("TOTAL",)
    ),
    "4_notices": _CategorySheet("4_notices", _HOSTING, (*range(15), 17)),
    "5_own_initiative_illegal": _CategorySheet("5_own_initiative_illegal", _EVERYBODY, range(15)),
    "6_own_initiative_TC": _CategorySheet("5_own_initiative_illegal", _EVERYBODY, range(16), _INCOMPATIBLE, _NO_RECORD),
}


def write_template(figures: Figures, rules: ReportRules) -> dict[str, str]:
    """Return the eleven files of the template, by name: "1_report_identification.csv" to "11_qualitative.csv"."""
    values = _name_values(figures, rules)
    unknown = dict.fromkeys(values, _NA)
    head = (rules.service, str(figures.period))
    categories = [(*category.values(), "") for category in _read_sheets("eu_categories.csv")]
    sheets = {"2_categories_names": to_csv(_CATEGORY_COLUMNS, categories)}
    for name, sheet in _CATEGORY_SHEETS.items():
        sheets[name] = _write_categories(sheet, head, values if sheet.named == _ILLEGAL else unknown)
    sheets |= {name: _write_indicators(name, head, values) for name in _WITHOUT}
    return {f"{name}.csv": sheets[name] for name in sorted(sheets, key=lambda name: int(name.split("_")[0]))}


def _write_categories(sheet: _CategorySheet, head: tuple[str, str], values: Mapping[str, str]) -> str:
    """Return a table with a row for each category; only the total and counterfeits have figures."""
    columns = [column for column in _read_sheets("eu_columns.csv") if column["Sheet"] == sheet.columns]
    rows = []
    for category in _read_sheets("eu_categories.csv"):
        # The number is that of the label without the letter of the sub-category; the total is 0.
        number = int(re.sub(r"\D", "", category["label"]) or 0)
        if number in sheet.numbers:
            is_known = category["code"] in _COUNTERFEIT
            cells = (column["Value"].format_map(values) if is_known else _NA for column in columns)
            notes = [sheet.note * (number == 0)] * len(columns)
            rows.append((sheet.applicability, *head, category["code"], "", *sheet.scopes, *cells, *notes))
    scope = [_SCOPE] * len(sheet.scopes)
    names = ("Applicability", "Service", _PERIOD, sheet.named, 'Description of the sub-category "Other"', *scope)
    return to_csv((*names, *(column["Column"] for column in columns), *(column["Context"] for column in columns)), rows)


def _write_indicators(sheet: str, head: tuple[str, str], values: Mapping[str, str]) -> str:
    columns = [name for name in _INDICATOR_COLUMNS if name not in _WITHOUT[sheet]]
    rows = []
    for template in _read_sheets("eu_indicators.csv"):
        if template["Sheet"] == sheet:
            row = template | {"Service": head[0], _PERIOD: head[1]}
            row |= {name: template[name].format_map(values) for name in ("Value", _CONTEXT)}
            rows.append([row[name] for name in columns])
    return to_csv(columns, rows)


def _read_sheets(name: str) -> list[dict[str, str]]:
    text = files("ipml.cooperation.reports").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def _name_values(figures: Figures, rules: ReportRules) -> dict[str, str]:
    """Return the figures by their names in the template; "n/a" if unknown."""
    notices, previous = figures.legal_notices, rules.previous_report
    values: dict[str, Value] = {
        "no record": _NO_RECORD,
        "provider": rules.provider or None,
        "published on": figures.as_of.date().isoformat(),
        "previous report": None if previous is None else previous.isoformat(),
        "first day": figures.period.first.isoformat(),
        "last day": figures.period.last.isoformat(),
        "accounts suspended": sum(figures.penalties.get(kind, 0) for kind in ("suspend", "close")),
        "notifiers suspended": figures.notices.taken("suspend"),
        "reviewers": figures.people.n,
    }
    for whose, notifier in (("", None), (" of trusted flaggers", "trusted flagger")):
        values |= {
            f"notices{whose}": notices.received(notifier),
            f"listings{whose}": notices.listings(notifier),
            f"median time{whose}": median_hours(notices.spans.get(notifier or ALL)),
            f"upheld{whose}": notices.listings(notifier, "upheld"),
        }
    values |= _count_own(figures)
    for subject in (None, *SUBJECTS):
        values |= _count_complaints(figures, subject)
    scopes: dict[str, Sequence[str | None]] = {
        "all": (None,),
        "own": _OWN,
        "notices": NOTICES,
        "trusted flaggers": ("trusted flagger",),
    }
    for scope, sources in scopes.items():
        for name, alone in (("alone", True), ("by people", False)):
            values[f"{scope} {name}"] = sum(
                figures.measures.count(source=source, automatic=alone) for source in sources
            )
    values |= _describe_precision(figures)
    return {name: _NA if value is None else str(plain(value)) for name, value in values.items()}


def _count_own(figures: Figures) -> dict[str, Value]:
    """Return measures without a notice; statements of reasons, too, say that a model found these listings."""

    def count(kind: str | None = None) -> int:
        return sum(figures.measures.count(kind, source) for source in _OWN)

    held, limited, suspended, closed = (
        figures.penalties.get(kind, 0) for kind in ("hold payout", "limit", "suspend", "close")
    )
    return {
        "own measures": count(),
        "own measures and penalties": count() + held + limited + suspended + closed,
        "removed": count("remove"),
        "disabled": count("pause") + count("remove-in"),
        "demoted": count("demote"),
        "labelled": count("label"),
        "payments suspended": count("price-hold") + held,
        "limited": limited,
        "suspended": suspended,
        "closed": closed,
    }


def _count_complaints(figures: Figures, subject: str | None) -> dict[str, Value]:
    complaints, whose = figures.internal_complaints, f"complaints {subject or ALL}"
    return {
        f"{whose} filed": complaints.count(subject),
        f"{whose} rejected": complaints.count(subject, "rejected"),
        f"{whose} partly granted": complaints.count(subject, "partly granted"),
        f"{whose} reversed": sum(
            complaints.count(subject, outcome) for outcome in ("granted", "measure lifted", "restored")
        ),
        f"{whose} omitted": complaints.count(subject, PENDING) + complaints.count(subject, "withdrawn"),
        f"{whose} median time": median_hours(complaints.spans.get(subject or ALL)),
    }


def _describe_precision(figures: Figures) -> dict[str, Value]:
    policy = next(part for part in figures.precision if part.way == "policy")
    if policy.rate is None:
        unknown = "No drawn cases were reviewed in the period."
        return {"precision": None, "interval of precision": "", "precision in words": unknown}
    interval = f"95 % interval {100 * policy.rate.low:.1f} to {100 * policy.rate.high:.1f} %"
    drawn = f"from {policy.drawn:,} cases drawn from those it would act on and judged by people."
    return {
        "precision": policy.rate.share * 100,
        "interval of precision": f"{interval}: drawn cases, judged by people.",
        "precision in words": f"Precision {100 * policy.rate.share:.1f} % ({interval}), {drawn}",
    }


EU_FOLDER = "eu_template"
_HEADLINE = ("counterfeit", "precision", "listed_to_measure", "before_first_sale", "sellers", "in_favour")

CLOSING = (
    (
        "Counterfeit",
        "A listing of goods that bear a trade mark without the consent of who owns it, as decided by people or policy.",
    ),
    (
        "Precision",
        "Share of the listings found counterfeit that are counterfeit, judged by people in second reviews.",
    ),
    (
        "95 % interval",
        "Contains the true value nineteen times of twenty, given the number of reviews (Wilson 1927).",
    ),
    ("Median", "Half took no longer. Nine in ten: nine of ten took no longer."),
    (
        "Before the first sale",
        "Nothing had been sold from the listing when it was decided on, as far as the platform knows.",
    ),
    ("Strike", "The weight of a listing found counterfeit against its seller, until it expires."),
    ("Not known", "The platform has no record of it. It does not mean zero."),
    (
        "Left out",
        "Names of persons; brands and categories that few sellers wrote; what happened after the date given above.",
    ),
)


def _make_transparency_report(figures: Figures, rules: ReportRules) -> ReportDocument:
    """Return the report from the figures of a period."""
    sections = (
        chapters.write_finding(figures, rules.least_sellers),
        chapters.write_precision(figures.precision, figures),
        chapters.write_takedowns(figures),
        chapters.write_sellers(figures),
        chapters.write_complaints(figures.complaints),
        chapters.write_notices(figures.notices),
        chapters.write_machines(figures),
    )
    is_empty = not (figures.seen or figures.queued or figures.decided.counts or figures.notices.notices)
    facts = (
        ("Service", rules.service or "not named"),
        ("Provider", rules.provider or "not named"),
        *chapters.describe_period(figures.period, figures.as_of, is_empty=is_empty),
    )
    subtitle = f"{rules.service + ', ' if rules.service else ''}{_name(figures.period)}"
    return ReportDocument("Counterfeits: transparency report", subtitle, facts, _HEADLINE, sections, CLOSING)


def write_transparency_report(scope: ReportScope, folder: Path, rules: ReportRules) -> ReportDocument:
    """Write the transparency report of a period; the same database and `as_of` give the same bytes.

    The folder gets `report.html`, `figures.csv`, a CSV file for each table, `figures.json`, and `eu_template` with the
    files of Implementing Regulation (EU) 2024/2835. Raises UnwritableFile.
    """
    figures = measure_figures(scope)
    report = _make_transparency_report(figures, rules)
    write_report(report, folder)
    write_files(folder / EU_FOLDER, write_template(figures, rules))
    return report


def _name(period: Period) -> str:
    is_year = (period.start.month, period.start.day) == (1, 1) and period == Period.of_year(period.start.year)
    return str(period.start.year) if is_year else f"{period.first} to {period.last}"
