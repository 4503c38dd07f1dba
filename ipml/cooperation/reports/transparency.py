"""The transparency report of a year: a page for everybody, and the same as files, in the EU's layout too.

That layout is the EU's template for transparency reports (Annex I of Implementing Regulation (EU) 2024/2835, as
providers publish it): its columns, categories (`eu_categories.csv`) and indicators stand here word for word, and
nothing of them is ours to change. Eleven files, named and numbered like the sheets of the template: CSV of RFC 4180
in UTF-8. They tell what ipml knows: counterfeits, which the template calls trademark infringements (category 7f).
Other categories of illegal content, orders of authorities, disputes and the like are "n/a" here, and a note says so:
a provider fills them in from other sources, and never finds a zero that nobody has counted. Median times are in
hours.

Who provides what: Articles 15 (all intermediary services), 24 (online platforms), 42 (very large ones). A report is
published within two months of the end of its period, and stays public for five years.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from sqlalchemy import Connection

from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.chapters import (
    write_complaints,
    write_finding,
    write_machines,
    write_notices,
    write_precision,
    write_sellers,
    write_takedowns,
)
from ipml.cooperation.reports.document import (
    Quantity,
    ReportDocument,
    Value,
    hours,
    plain,
    to_csv,
    write_files,
    write_report,
)
from ipml.cooperation.reports.figures import Figures, Noticed, measure_figures
from ipml.cooperation.reports.measures import NOTICES, SOURCES, FiledComplaints, total
from ipml.cooperation.reports.period import ALL, Period
from ipml.enforcement.takedown.measures import Span

NA = "n/a"
IP, TRADEMARK = "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS", "KEYWORD_TRADEMARK_INFRINGEMENT"
EVERYBODY, HOSTING = "All", "Only for providers of hosting services, including online platforms"
PLATFORMS, VERY_LARGE = "Only for providers of online platforms", "Only for VLOPs"
ONLY_COUNTERFEITS = "Counterfeits only, as recorded by ipml; other categories must be added from other sources."
NO_RECORD = "ipml keeps no record of this; it must be added from other sources."
HEAD = ("Applicability", "Service", "Reporting period")
CATEGORY_COLUMNS = (
    "Category label",
    "Category description",
    "Category of illegal content / incompatible with the terms and conditions",
    "Contextual information",
)
ILLEGAL = "Category of illegal content"
INCOMPATIBLE = "Category of incompatibility with the provider's terms and conditions"
CONTEXT, CONTEXT_OF_OWN = "Contextual information on", "Contextual Information on"
TOTAL, OMITTED = "Total number", "Decision omitted"
COMPLAINT_SCOPES = (TOTAL, "Decisions upheld", "Decisions partially reversed", "Decisions reversed", "Median time")
NEWLY_IMPOSED = "Number of restrictions newly imposed as a result of an internal complaint"
DISPUTE_SECTION = "Out-of-court dispute settlement bodies"
DISPUTES = "Number of disputes submitted to out-of-court dispute settlement bodies"
OTHER = 'Description of the sub-category "Other"'
LONG = (*HEAD, "Section", "Indicator", "Scope", "Value", "Contextual Information")

ORDER_COLUMNS = (
    "Number of orders to act against illegal content received",
    "Number of specific items of information included in the total number of orders to act against illegal content",
    "Median time to inform the authority of the receipt of the order to act against illegal content",
    "Median time to give effect to the order to act against illegal content",
    "Number of orders to provide information",
    "Median time to inform the authority of the receipt of the order to provide information",
    "Median time to give effect to the order to provide information",
)
OF_TRUSTED = " (Trusted Flagger notices)"
NOTICE_COLUMNS = (
    "Number of notices received",
    "Number of notices received from Trusted flaggers",
    "Number of specific items of information included in the total number of notices",
    "Number of specific items of information included in the total number of notices by Trusted Flaggers" + OF_TRUSTED,
    "Median time to take action",
    "Median time to take action" + OF_TRUSTED,
    "Number of actions taken on the basis of the law",
    "Number of actions taken on the basis of the law" + OF_TRUSTED,
    "Number of actions taken on the basis of the terms and conditions of the service",
    "Number of actions taken on the basis of the terms and conditions of the service" + OF_TRUSTED,
)
OWN_COLUMNS = (
    "Number of measures taken at the provider's own initiative",
    "Number of measures taken after detection with solely automated means",
    "Visibility restriction Removal",
    "Visibility restriction Disable",
    "Visibility restriction Demoted",
    "Visibility restriction Age restricted",
    "Visibility restriction Interaction restricted",
    "Visibility restriction Labelled",
    "Visibility restriction Other",
    "Monetary restriction Suspension",
    "Monetary restriction Termination",
    "Monetary restriction Other",
    "Provision of the service Suspension",
    "Provision of the service Termination",
    "Account restriction Suspension",
    "Account restriction Termination",
)
# Which column of the template counts which measure or penalty of ours, as in statements of reasons.
MEASURE_COLUMNS = {
    "Visibility restriction Removal": ("remove",),
    "Visibility restriction Disable": ("pause", "remove-in"),
    "Visibility restriction Demoted": ("demote",),
    "Visibility restriction Labelled": ("label",),
    "Monetary restriction Suspension": ("price-hold",),
}
PENALTY_COLUMNS = {
    "Monetary restriction Suspension": "hold payout",
    "Provision of the service Suspension": "limit",
    "Account restriction Suspension": "suspend",
    "Account restriction Termination": "close",
}
COMPLAINTS = (
    ("Number of complaints submitted to the internal-complaints mechanism", None),
    (
        "Complaint regarding a decision to remove or disable access to or restrict visibility of information",
        "visibility",
    ),
    ("Complaint regarding a decision to suspend or terminate the provision of the service", "service"),
    ("Complaint regarding a decision to suspend or terminate an account", "account"),
    ("Complaint regarding a decision to restrict the ability to monetise information", "monetary"),
)
REFUSED = "Complaint regarding a decision not to take action on a notice submitted "


@dataclass(frozen=True, slots=True)
class Category:
    """A category of illegal content: "Category 7f", what it is, and its code."""

    label: str
    description: str
    code: str

    @property
    def number(self) -> int:
        """The number of the category, without the letter of the sub-category; 0 of the total."""
        return int(re.sub(r"\D", "", self.label) or 0)


def load_categories() -> tuple[Category, ...]:
    """Return the categories in the order of the template.

    Examples
    --------
    >>> [category.code for category in load_categories() if category.label == "Category 7f"]
    ['KEYWORD_TRADEMARK_INFRINGEMENT']
    """
    text = files("ipml.cooperation.reports").joinpath("eu_categories.csv").read_text(encoding="utf-8")
    return tuple(Category(**row) for row in csv.DictReader(io.StringIO(text)))


_DESCRIPTIONS = (
    ("Summary of the content moderation engaged in at the providers’ own initiative", EVERYBODY),
    (
        "Meaningful and comprehensible information regarding content moderation engaged in at the "
        "providers' own initiative",
        EVERYBODY,
    ),
    ("Qualitative description of the automated means", EVERYBODY),
    ("Qualitative description of indicators of accuracy and possible rate of error of automated means", EVERYBODY),
    ("Specification of the precise purposes to apply automated means", EVERYBODY),
    ("Safeguards applied to the use of automated means", EVERYBODY),
    ("High-level description of the content moderation governance structure", VERY_LARGE),
    ("Qualifications of the human resources dedicated to content moderation", VERY_LARGE),
    ("Training given to human resources dedicated to content moderation", VERY_LARGE),
    ("Support given to human resources dedicated to content moderation", VERY_LARGE),
    ("Methodology used to compute the number of human resources dedicated to content moderation", VERY_LARGE),
)


def describe_moderation(figures: Figures) -> list[tuple[str, str, str]]:
    """Return who must answer, what is asked, and the answer; "n/a" where ipml does not know it."""
    known = (
        "Listings of counterfeits are looked for at the provider's own initiative and on notice.",
        "A model scores each listing by its text, price and history; people decide on those it suspects, on those "
        "somebody gave notice of, and on some drawn at random; their decisions are repeated for near-duplicates of "
        "the same seller.",
        "A linear classifier whose reasons are shown with each score. It orders what people review. Without a person"
        " acts only a written policy, for named brands, above a score at which it has proved its precision.",
        _tell_precision(figures),
        "To find counterfeits among listings; to repeat a decision for near-duplicates; to act without a person "
        "where a promised precision is proved.",
        "Cases are drawn before the policy acts and judged by people; the permission lapses when they speak against "
        "it, when what it did is given back, or when the model changes. Every restriction comes with a statement of "
        "reasons and can be appealed; appeals are decided by people.",
    )
    answers = (*known, *([NA] * (len(_DESCRIPTIONS) - len(known))))
    return [(who, name, text) for (name, who), text in zip(_DESCRIPTIONS, answers, strict=True)]


def _tell_precision(figures: Figures) -> str:
    policy = next(part for part in figures.precision if part.way == "policy")
    if policy.rate is None:
        return "Nobody has looked at drawn cases in the period."
    share, low, high = (100 * number for number in (policy.rate.share, policy.rate.low, policy.rate.high))
    shown = f"Precision {share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"
    return f"{shown}, from {policy.drawn:,} cases drawn from those it would act on and judged by people."


Line = tuple[str, str, str, str, Value, str]


def write_template(figures: Figures, rules: ReportRules) -> dict[str, str]:
    """Return the eleven files of the template, by name: "1_report_identification.csv" to "11_qualitative.csv"."""
    head = (rules.service, str(figures.period))
    return {
        "1_report_identification.csv": _identify(figures, rules),
        "2_categories_names.csv": to_csv(
            CATEGORY_COLUMNS, [(one.label, one.description, one.code, "") for one in load_categories()]
        ),
        "3_member_states_orders.csv": _orders(head),
        "4_notices.csv": _by_category(
            (HOSTING, *head), NOTICE_COLUMNS, _notices(figures.legal_notices), (*range(15), 17), CONTEXT
        ),
        "5_own_initiative_illegal.csv": _by_category(
            (EVERYBODY, *head), OWN_COLUMNS, _own_initiative(figures), range(15), CONTEXT_OF_OWN
        ),
        "6_own_initiative_TC.csv": _by_category(
            (EVERYBODY, *head), OWN_COLUMNS, {}, range(16), CONTEXT_OF_OWN, INCOMPATIBLE, NO_RECORD
        ),
        "7_appeals_and_recidivism.csv": _long(head, _appeals(figures)),
        "8_automated_means.csv": _long(head, _automated_means(figures)),
        "9_human_resources.csv": _long(head, _human_resources(figures)),
        "10_AMAR.csv": to_csv(
            LONG[:-1],
            [("Only for VLOPs and VLOSEs", *head, "AMAR", _RECIPIENTS, "TOTAL", NA)],
        ),
        "11_qualitative.csv": to_csv(
            (*HEAD, "Indicator", "Value"),
            [(who, *head, name, text) for who, name, text in describe_moderation(figures)],
        ),
    }


_RECIPIENTS = "Number of average monthly active recipients during the reporting period"


def _identify(figures: Figures, rules: ReportRules) -> str:
    rows = (
        ("Name of the service provider", rules.provider or NA),
        ("Date of the publication of the report", figures.as_of.date().isoformat()),
        ("Date of the publication of the latest previous report", str(rules.previous_report or NA)),
        ("Starting date of reporting period", figures.period.first.isoformat()),
        ("Ending date of reporting period", figures.period.last.isoformat()),
    )
    return to_csv(
        ("Applicability", "Service", "Indicator", "Value"), [(EVERYBODY, rules.service, *row) for row in rows]
    )


def _orders(head: tuple[str, str]) -> str:
    """Return the table of orders: of each category not known, in all Member States together."""
    contexts = [
        f"{CONTEXT} {name[0].lower() + name[1:] if place < 2 else name}" for place, name in enumerate(ORDER_COLUMNS)
    ]
    rows = []
    for one in _chosen((*range(15), 16)):
        notes = [NO_RECORD if one.number == 0 else ""] * len(ORDER_COLUMNS)
        rows.append((EVERYBODY, *head, one.code, "", "TOTAL", *([NA] * len(ORDER_COLUMNS)), *notes))
    return to_csv((*HEAD, ILLEGAL, OTHER, "Scope", *ORDER_COLUMNS, *contexts), rows)


def _by_category(
    head: tuple[str, str, str],
    columns: Sequence[str],
    values: dict[str, Value],
    numbers: Iterable[int],
    context: str,
    named: str = ILLEGAL,
    note: str = ONLY_COUNTERFEITS,
) -> str:
    """Return a table with a row for each category; what is counted stands in the total and the rows of counterfeits."""
    rows = []
    for one in _chosen(numbers):
        known = values if one.code in ("TOTAL", IP, TRADEMARK) else {}
        told = (NA if (value := known.get(column)) is None else value for column in columns)
        rows.append((*head, one.code, "", *told, *([note if one.number == 0 else ""] * len(columns))))
    return to_csv((*HEAD, named, OTHER, *columns, *(f"{context} {column}" for column in columns)), rows)


def _chosen(numbers: Iterable[int]) -> list[Category]:
    wanted = set(numbers)
    return [one for one in load_categories() if one.number in wanted]


def _long(head: tuple[str, str], rows: Iterable[Line]) -> str:
    written = [
        (who, *head, section, name, scope, NA if value is None else value, note)
        for who, section, name, scope, value, note in rows
    ]
    return to_csv(LONG, written)


def _notices(notices: Noticed) -> dict[str, Value]:
    trusted = "trusted flagger"
    values: tuple[Value, ...] = (
        notices.received(),
        notices.received(trusted),
        notices.listings(),
        notices.listings(trusted),
        _median(notices.spans.get(ALL)),
        _median(notices.spans.get(trusted)),
        notices.listings(state="upheld"),
        notices.listings(trusted, "upheld"),
    )
    return dict(zip(NOTICE_COLUMNS, values, strict=False))


def _own_initiative(figures: Figures) -> dict[str, Value]:
    """Return what was done without a notice; a model found the listings, as the statements of reasons say, too."""
    own = [one for one in figures.measures if one.source not in NOTICES]
    counts: dict[str, Value] = {
        name: sum(one.n for one in own if one.kind in kinds) + figures.penalties.get(PENALTY_COLUMNS.get(name, ""), 0)
        for name, kinds in MEASURE_COLUMNS.items()
    }
    counts |= {name: figures.penalties.get(kind, 0) for name, kind in PENALTY_COLUMNS.items() if name not in counts}
    restricted = sum(figures.penalties.get(kind, 0) for kind in PENALTY_COLUMNS.values())
    measured = total(own) + restricted
    return counts | {OWN_COLUMNS[0]: measured, OWN_COLUMNS[1]: total(own)}


def _appeals(figures: Figures) -> list[Line]:
    section = "Internal complaints mechanism"
    rows: list[Line] = []
    for name, subject in COMPLAINTS:
        told = _complaint_rows(figures.internal_complaints, subject)
        rows += [
            (EVERYBODY if subject is None and scope == TOTAL else PLATFORMS, section, name, scope, value, note)
            for scope, value, note in told
        ]
        if subject is None:
            rows.append((PLATFORMS, section, NEWLY_IMPOSED, TOTAL, None, NO_RECORD))
    for by in ("in accordance with Article 16", "by a Trusted Flagger in accordance with Article 16"):
        rows += [(PLATFORMS, section, REFUSED + by, scope, None, NO_RECORD) for scope in COMPLAINT_SCOPES]
    disputes = (*COMPLAINT_SCOPES, OMITTED, "Percentage of outcomes implemented")
    rows += [(PLATFORMS, DISPUTE_SECTION, DISPUTES, scope, None, NO_RECORD) for scope in disputes]
    repeated, suspensions = (
        "Suspensions imposed on repeated offenders",
        "Number of suspensions enacted for the provision of manifestly ",
    )
    closed = figures.penalties.get("suspend", 0) + figures.penalties.get("close", 0)
    for what, value, note in (
        ("illegal content", closed, "Accounts suspended or closed for counterfeits."),
        ("unfounded notices", figures.notices.taken("suspend"), ""),
        ("unfounded complaints", None, NO_RECORD),
    ):
        rows.append((PLATFORMS, repeated, suspensions + what, TOTAL, value, note))
    return rows


def _complaint_rows(complaints: FiledComplaints, subject: str | None) -> list[tuple[str, Value, str]]:
    reversed_ = complaints.count(subject, "granted") + complaints.count(subject, "restored")
    values: tuple[tuple[Value, str], ...] = (
        (complaints.count(subject), ""),
        (complaints.count(subject, "rejected"), ""),
        (complaints.count(subject, "partly granted"), ""),
        (reversed_, ""),
        (_median(complaints.spans.get(subject or ALL)), "In hours."),
    )
    rows = [(scope, value, note) for scope, (value, note) in zip(COMPLAINT_SCOPES, values, strict=True)]
    if subject is not None:
        return rows
    open_ = complaints.count(subject, "pending") + complaints.count(subject, "withdrawn")
    return [*rows, (OMITTED, open_, "Withdrawn, or not decided yet.")]


def _automated_means(figures: Figures) -> list[Line]:
    section = "Use of automated means for content moderation"
    rows: list[Line] = []
    policy = next(part for part in figures.precision if part.way == "policy").rate
    note = (
        ""
        if policy is None
        else f"95 % interval {100 * policy.low:.1f} to {100 * policy.high:.1f} %: drawn cases, judged by people."
    )
    scopes: tuple[tuple[str, list[str | None]], ...] = (
        ("Total number", [None]),
        ("Own-initiative", [source for source in SOURCES if source not in NOTICES]),
        ("NAM Total", [*NOTICES]),
        ("NAM Trusted Flagger", ["trusted flagger"]),
    )
    for scope, sources in scopes:
        alone, by_people = (
            sum(total(figures.measures, source=source, automatic=automatic) for source in sources)
            for automatic in (True, False)
        )
        who = PLATFORMS if scope.endswith("Flagger") else HOSTING if scope.startswith("NAM") else EVERYBODY
        is_notice = scope.startswith("NAM")
        solely = (
            "Number of notices solely processed by automated means"
            if is_notice
            else "Number of measures solely taken by automated means"
        )
        not_ = (
            "Number of notices not processed by automated means"
            if is_notice
            else "Number of measures not taken by automated means"
        )
        counted = "Listings of notices." if is_notice else ""
        accuracy = "Accuracy of the automated means - "
        own = policy.share * 100 if policy is not None and not is_notice else None
        rows += [
            (who, section, solely, scope, alone, counted),
            (who, section, not_, scope, by_people, counted),
            (who, section, f"{accuracy}Accuracy", scope, None, ""),
            (who, section, f"{accuracy}Precision", scope, own, note if own is not None else ""),
            (who, section, f"{accuracy}Recall", scope, None, ""),
        ]
    return rows


def _human_resources(figures: Figures) -> list[Line]:
    section = "Human resources dedicated to content moderation"
    named = (
        (
            "Number of internal moderators employed by the provider",
            figures.people.n,
            "People who gave a verdict on counterfeits.",
        ),
        ("Number of external moderators contracted by the provider", None, NO_RECORD),
        ("Number of total moderators with sufficient linguistic expertise", None, NO_RECORD),
    )
    return [(VERY_LARGE, section, name, "Total number", value, note) for name, value, note in named]


def _median(span: Span | None) -> Value:
    return plain(hours(span.median)) if span else None


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


def make_transparency_report(figures: Figures, rules: ReportRules) -> ReportDocument:
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
    return ReportDocument("Counterfeits: transparency report", subtitle, facts, headline, sections, CLOSING)


def write_transparency_report(
    connection: Connection,
    period: Period,
    folder: Path,
    rules: ReportRules,
    *,
    now: datetime | None = None,
    networks: Path | None = None,
) -> ReportDocument:
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
    figures = measure_figures(connection, period, as_of=now, networks=networks)
    report = make_transparency_report(figures, rules)
    write_report(report, folder)
    write_files(folder / EU_FOLDER, write_template(figures, rules))
    return report


def _name(period: Period) -> str:
    is_year = (period.start.month, period.start.day) == (1, 1) and period == Period.of_year(period.start.year)
    return str(period.start.year) if is_year else f"{period.first} to {period.last}"
