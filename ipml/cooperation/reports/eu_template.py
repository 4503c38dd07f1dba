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
    CATEGORIES,
    COMPLAINTS,
    EVERYBODY,
    HEAD,
    HOSTING,
    IP,
    LONG,
    MEASURE_COLUMNS,
    NA,
    NO_RECORD,
    NOTICE_COLUMNS,
    ONLY_COUNTERFEITS,
    ORDER_COLUMNS,
    OTHER,
    OWN_COLUMNS,
    PENALTY_COLUMNS,
    PLATFORMS,
    REFUSED,
    TRADEMARK,
    VERY_LARGE,
)
from ipml.cooperation.reports.figures import Figures
from ipml.cooperation.reports.noticed import Noticed
from ipml.cooperation.reports.rules import ReportRules
from ipml.cooperation.reports.spans import ALL
from ipml.cooperation.reports.tables import Value, hours, plain
from ipml.cooperation.reports.takedowns import total
from ipml.cooperation.reports.writing import to_csv
from ipml.enforcement.takedown.timing import Span

Line = tuple[str, str, str, str, Value, str]


def write_template(figures: Figures, rules: ReportRules) -> dict[str, str]:
    """Return the eleven files of the template, by name.

    Examples
    --------
    >>> from ipml.cooperation.reports.figures import measure_figures
    >>> from ipml.cooperation.reports.period import Period
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> files = write_template(measure_figures(engine, Period.of_year(2026)), ReportRules(service="Bazaar"))
    >>> len(files), list(files)[3]
    (11, '4_notices.csv')
    """
    head = (rules.service, str(figures.period))
    return {
        "1_report_identification.csv": _identify(figures, rules),
        "2_categories_names.csv": to_csv(
            (
                "Category label",
                "Category description",
                "Category of illegal content / incompatible with the terms and conditions",
            ),
            (
                ("Category 7", "Intellectual property infringements", IP),
                ("Category 7f", "Trademark infringements", TRADEMARK),
            ),
        ),
        "3_member_states_orders.csv": _by_category(
            head, EVERYBODY, (*ORDER_COLUMNS,), {}, "STATEMENT_CATEGORY_NOT_SPECIFIED_ORDER", note=NO_RECORD
        ),
        "4_notices.csv": _by_category(
            head, HOSTING, NOTICE_COLUMNS, _notices(figures.notices), "STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE"
        ),
        "5_own_initiative_illegal.csv": _by_category(head, EVERYBODY, OWN_COLUMNS, _own_initiative(figures)),
        "6_own_initiative_TC.csv": _by_category(
            head, EVERYBODY, OWN_COLUMNS, {}, "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", note=NO_RECORD
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


def _by_category(
    head: tuple[str, str],
    applies: str,
    columns: Sequence[str],
    values: dict[str, Value],
    last: str | None = None,
    note: str = ONLY_COUNTERFEITS,
) -> str:
    """Return a table with a row for each category; what is counted stands in the total and the rows of counterfeits."""
    rows = []
    for category in ("TOTAL", *CATEGORIES, *([last] if last else ())):
        known = values if category in ("TOTAL", IP, TRADEMARK) else {}
        row = [known.get(column) for column in columns]
        notes = [note if category == "TOTAL" else ""] * len(columns)
        rows.append((applies, *head, category, "", *(NA if value is None else value for value in row), *notes))
    contexts = [f"Contextual information on {column}" for column in columns]
    return to_csv((*HEAD, "Category of illegal content", OTHER, *columns, *contexts), rows)


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
    own = [one for one in figures.measures if one.source == "own"]
    counts: dict[str, Value] = {
        name: sum(one.n for one in own if one.kind in kinds) + figures.penalties.get(PENALTY_COLUMNS.get(name, ""), 0)
        for name, kinds in MEASURE_COLUMNS.items()
    }
    counts |= {name: figures.penalties.get(kind, 0) for name, kind in PENALTY_COLUMNS.items() if name not in counts}
    restricted = sum(figures.penalties.get(kind, 0) for kind in PENALTY_COLUMNS.values())
    measured = total(own) + restricted
    return counts | {OWN_COLUMNS[0]: measured, OWN_COLUMNS[1]: total(own, automatic=True)}


def _appeals(figures: Figures) -> list[Line]:
    section = "Internal complaints mechanism"
    rows: list[Line] = []
    for name, subject in COMPLAINTS:
        rows += [
            (PLATFORMS, section, name, scope, value, note)
            for scope, value, note in _complaint_rows(figures.complaints, subject)
        ]
    for by in ("in accordance with Article 16", "by a Trusted Flagger in accordance with Article 16"):
        rows.append((PLATFORMS, section, REFUSED + by, "Total number", None, NO_RECORD))
    disputes = "Number of disputes submitted to out-of-court dispute settlement bodies"
    rows.append((PLATFORMS, "Out-of-court dispute settlement bodies", disputes, "Total number", None, NO_RECORD))
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
        rows.append((PLATFORMS, repeated, suspensions + what, "Total number", value, note))
    return rows


def _complaint_rows(complaints: Complaints, subject: str | None) -> list[tuple[str, Value, str]]:
    reversed_ = complaints.count(subject, "granted") + complaints.count(subject, "restored")
    open_ = complaints.count(subject, "pending") + complaints.count(subject, "withdrawn")
    return [
        ("Total number", complaints.count(subject), ""),
        ("Decisions upheld", complaints.count(subject, "rejected"), ""),
        ("Decisions partially reversed", complaints.count(subject, "partly granted"), ""),
        ("Decisions reversed", reversed_, ""),
        ("Decision omitted", open_, "Withdrawn, or not decided yet."),
        ("Median time", _median(complaints.spans.get(subject or ALL)), "In hours."),
    ]


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
        ("Own-initiative", ["own"]),
        ("NAM Total", ["notice", "trusted flagger"]),
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
