"""The figures in the layout of the EU's template for transparency reports (Implementing Regulation (EU) 2024/2835).

Eleven files, named and numbered like the sheets of the template: CSV of RFC 4180 in UTF-8. They tell what ipml knows:
counterfeits, which the template calls trademark infringements (category 7f). Other categories of illegal content,
orders of authorities, disputes and the like are "n/a" here, and a note says so: a provider fills them in from
other sources, and never finds a zero that nobody has counted. Median times are in hours.

Who provides what: Articles 15 (all intermediary services), 24 (online platforms), 42 (very large ones). A report is
published within two months of the end of its period, and stays public for five years.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ipml.cooperation.reports.complaints import Complaints
from ipml.cooperation.reports.eu_descriptions import describe
from ipml.cooperation.reports.eu_layout import (
    CATEGORY_COLUMNS,
    COMPLAINT_SCOPES,
    COMPLAINTS,
    CONTEXT,
    CONTEXT_OF_OWN,
    DISPUTE_SECTION,
    DISPUTES,
    EVERYBODY,
    HEAD,
    HOSTING,
    ILLEGAL,
    INCOMPATIBLE,
    IP,
    LONG,
    MEASURE_COLUMNS,
    NA,
    NEWLY_IMPOSED,
    NO_RECORD,
    NOTICE_COLUMNS,
    OMITTED,
    ONLY_COUNTERFEITS,
    ORDER_COLUMNS,
    OTHER,
    OWN_COLUMNS,
    PENALTY_COLUMNS,
    PLATFORMS,
    REFUSED,
    TOTAL,
    TRADEMARK,
    VERY_LARGE,
    Category,
    load_categories,
)
from ipml.cooperation.reports.figures import Figures
from ipml.cooperation.reports.noticed import Noticed
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.spans import ALL
from ipml.cooperation.reports.tables import Value, hours, plain
from ipml.cooperation.reports.takedowns import NOTICES, SOURCES, total
from ipml.cooperation.reports.writing import to_csv
from ipml.enforcement.takedown.measures import Span

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
            [(who, *head, name, text) for who, name, text in describe(figures)],
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


def _complaint_rows(complaints: Complaints, subject: str | None) -> list[tuple[str, Value, str]]:
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
