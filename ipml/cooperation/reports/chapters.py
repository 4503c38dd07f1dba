"""Chapters of a report: figures as sentences, tables and charts.

They cover findings and their precision, measures on listings and sellers, complaints, notices, and automation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from ipml.cooperation.reports.document import (
    Columns,
    Quantity,
    Row,
    Section,
    Table,
    Unit,
    chart_bars,
    chart_columns,
    chart_intervals,
    chart_times,
    count_columns,
    rate_quantity,
    suppress,
)
from ipml.cooperation.reports.figures import NOTIFIERS, STATES, STEPS, Figures, Linked, Noticed
from ipml.cooperation.reports.measures import (
    OUTCOMES,
    PENDING,
    SOURCES,
    STAGES,
    SUBJECTS,
    FiledComplaints,
    TakedownTimes,
)
from ipml.cooperation.reports.period import ALL, Period, median_hours, p90_hours
from ipml.cooperation.reports.verdicts import VERDICTS, WAYS, PeriodDecisions, Precision, Sellers
from ipml.enforcement.appeals.appeal import FAVOURABLE
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.takedown.measures import Span
from ipml.kit.charts import Chart
from ipml.records import Verdict
from ipml.review.quality.rates import count_rate
from ipml.review.sampling.estimates import EstimatedFigure

_FAKE = Verdict.COUNTERFEIT
_WAY_NAMES = {
    "people": "by people",
    "spread": "repeated for near-duplicates",
    "policy": "by policy, without a person",
    "appeal": "corrected on appeal or by a lead",
    "all": "all together",
}
_SUBJECT_NAMES = {
    "visibility": "removal or visibility of a listing",
    "monetary": "payments held back",
    "service": "part of the service withheld",
    "account": "account suspended or closed",
    "warning": "warning to the seller",
}
_STEP_NAMES = {"warn": "warned", "suspend": "suspended", "lift": "lifted again"}
_SETTLED = ("upheld", "rejected", "undecided", "not found")


def describe_period(period: Period, as_of: datetime, *, is_empty: bool) -> Iterator[tuple[str, str]]:
    """Yield the facts on the period, and a note if no data is stored for it: its zeros then mean nothing."""
    yield "Period", f"{period.first:%d %B %Y} to {period.last:%d %B %Y}, UTC"
    yield "As things stood on", f"{as_of.astimezone(UTC):%d %B %Y, %H:%M} UTC"
    if is_empty:
        yield "Data", "None: nothing that came in, was decided or was reported in this period is stored here."


def write_finding(figures: Figures, least: int, most_named: int = 20) -> Section:
    """Return the chapter on listings seen and findings.

    Brands and categories of fewer than `least` sellers are not named: the name may be a seller's own.
    """
    decided = figures.decided
    months = found_by_month(figures.period, decided, figures.queued)
    rows: list[Row] = []
    for way in (*WAYS, None):
        counts = [decided.count(way, verdict) for verdict in VERDICTS]
        rows.append((_WAY_NAMES[way or "all"], *counts, sum(counts), decided.count(way, stands=False)))
    verdicts = Table(
        "decisions",
        "Decisions by how they were made",
        count_columns("came about", *(verdict.value for verdict in VERDICTS), "all", "no longer stand"),
        tuple(rows),
        "A decision counts where it was made, even if it was taken back or the case was decided anew since; those are "
        "in the last column.",
    )
    return Section(
        "found",
        "Listings seen and findings",
        "A model scores listings; those it suspects, those somebody gave notice of and some drawn at random come "
        "into a queue, and people decide. Where the same seller has near-duplicates, a decision is repeated for "
        "them, and some of these are left out and looked at by a person. A written policy may act alone where it has"
        " proved its precision.",
        (
            Quantity("listings_seen", "Listings scored", figures.seen, "count", _SEEN),
            Quantity("queued", "Listings queued for review", sum(figures.queued.values()), "count", _QUEUED),
            Quantity("decided", "Decisions", decided.count(), "count", "Counterfeit, genuine, or cannot tell."),
            Quantity("counterfeit", "Found counterfeit", decided.count(verdict=_FAKE, stands=True), "count", _STANDS),
            *(
                Quantity(f"counterfeit_{way}", f"of these {_WAY_NAMES[way]}", n, "count")
                for way, n in ((way, decided.count(way, _FAKE, stands=True)) for way in WAYS)
            ),
            Quantity("taken_back", "Decisions reversed or replaced", decided.count(stands=False), "count", _GONE),
        ),
        (
            months,
            verdicts,
            _name_groups("brands", "brand", figures.brands, least, most_named),
            _name_groups("categories", "category", figures.categories, least, most_named),
        ),
        (month_chart(months, "Listings found counterfeit by month"),),
        "Digital Services Act, Article 15(1)(c): content moderation at the provider's own initiative",
    )


_SEEN = "In the files that were enqueued; not known if cases came without their file."
_QUEUED = "As observed once."
_STANDS = "By the last decision on each case that was not taken back until the date of this report."
_GONE = "Decisions made in the period and since reversed, or replaced by another on the case."


def _name_groups(key: str, one: str, groups: Sequence[Row], least: int, most: int) -> Table:
    named, left_out = suppress(groups, 2, least)
    title = f"Listings found counterfeit by {one}, the {most} with most"
    why = "their names may reveal the seller"
    note = f"Not named: those of fewer than {least} sellers ({left_out:,}), as {why}."
    return Table(key, title, count_columns(one, "listings", "sellers"), named[:most], note)


def found_by_month(period: Period, decided: PeriodDecisions, queued: Mapping[str, int]) -> Table:
    """Return cases queued and findings by month, as a table whose columns 2 to 5 are the ways."""
    rows: list[Row] = []
    for month in period.months():
        by_way = [decided.count(way, _FAKE, month, stands=True) for way in WAYS]
        rows.append((month, queued.get(month, 0), *by_way, sum(by_way)))
    columns = count_columns("month", "queued", *WAYS, "found counterfeit")
    return Table("months", "Month by month", columns, tuple(rows), "Months in UTC, by the moment of the decision.")


def month_chart(months: Table, label: str) -> Chart:
    """Return the chart of `found_by_month`."""
    title = "Listings found counterfeit, by month and by how they were decided"
    return chart_columns(months, (2, 3, 4, 5), [_WAY_NAMES[way] for way in WAYS], title, label)


def write_precision(parts: Sequence[Precision], figures: Figures | None = None) -> Section:
    """Return the chapter on the precision of counterfeit verdicts."""
    rows: list[Row] = []
    for part in parts:
        interval = (part.rate.share, part.rate.low, part.rate.high) if part.rate else (None, None, None)
        counts = (part.decided, part.taken_back, part.drawn, part.confirmed)
        rows.append((_WAY_NAMES[part.way], *counts, *interval))
    columns: Columns = (
        *count_columns("decided", "found counterfeit", "taken back", "looked at again", "confirmed"),
        ("precision", "share"),
        ("from", "share"),
        ("to", "share"),
    )
    table = Table("precision", "Precision by how it was decided", columns, tuple(rows), _WEIGHED)
    whole = parts[-1]
    stood = 1 - whole.taken_back / whole.decided if whole.decided else None
    chart = chart_intervals(table, (5, 6, 7), "Precision with its 95 % interval", "Precision by how it was decided")
    return Section(
        "precision-of-decisions",
        "Precision of decisions",
        "A decision without objection may still be wrong. So some decisions are drawn with known probability and "
        "judged again by a person who does not know the first verdict. The precision is the share that they, too, "
        "found counterfeit; the interval holds the true share nineteen times of twenty.",
        (
            _precision_quantity("precision", "Precision of what was found counterfeit", whole),
            Quantity("stood", "Not taken back", stood, "share", _STOOD),
            *(_estimate_quantity(estimate) for estimate in (figures.estimates if figures else ())),
        ),
        (table,),
        (chart,) if any(part.rate for part in parts) else (),
        "Digital Services Act, Article 15(1)(e): indicators of accuracy and the possible rate of error",
    )


_WEIGHED = (
    "Each second review counts by one over the probability with which it was drawn; cannot tell is not confirmed."
)
_STOOD = "Share of all found counterfeit: the naive figure, without second reviews."
_OF_ALL = "Estimate for all listings scored, from those reviewed and the probability with which each was shown."


def _estimate_quantity(estimate: EstimatedFigure) -> Quantity:
    key, name = estimate.name.replace(" ", "_"), estimate.name.capitalize()
    return Quantity(key, name, estimate.value, "share", _OF_ALL, estimate.low, estimate.high, estimate.reviews)


def _precision_quantity(key: str, name: str, part: Precision) -> Quantity:
    means = "None of these had a second review."
    if part.rate:
        means = f"Of {part.drawn:,} looked at a second time {part.confirmed:,} were confirmed."
    return rate_quantity(key, name, part.rate, means, part.drawn if part.rate else None)


def write_takedowns(figures: Figures) -> Section:
    """Return the chapter on measures against listings and takedown times."""
    rows: list[Row] = []
    for kind in (*(kind.value for kind in MeasureKind), None):
        by_source = [figures.measures.count(kind, source) for source in SOURCES]
        rows.append((kind or "all", *by_source, figures.measures.count(kind)))
    kinds = Table(
        "measures",
        "Measures by kind and source",
        count_columns("measure", *SOURCES, "all"),
        tuple(rows),
        "As the statements of reasons say. Own: no notice of the listing waited when it was decided on; other: "
        "consumers complained.",
    )
    return Section(
        "takedowns",
        "Takedown times",
        "Counted from the moment at which a listing appeared, at which it came into the queue, or at which the first"
        " notice of it came, to the measure; and on to the moment at which the platform said that it is done.",
        (
            Quantity("measures", "Measures against listings", figures.measures.count(), "count", "All kinds."),
            *takedown_quantities(figures.takedowns),
        ),
        (stage_table(figures.takedowns), month_table(figures.period, figures.by_month), kinds),
        time_charts(figures.period, figures.by_month),
        "Digital Services Act, Articles 15(1)(b) and (c), 17",
    )


def takedown_quantities(takedowns: TakedownTimes) -> tuple[Quantity, ...]:
    """Return the median times, and the share taken down before the first sale."""
    listed, queued = (median_hours(takedowns.spans.get(stage)) for stage in ("listed to measure", "queued to measure"))
    unsold, n_known = count_rate(takedowns.unsold, takedowns.sales_known), takedowns.sales_known
    means = f"Of {n_known:,} listings of which the sales are known."
    return (
        Quantity("listed_to_measure", "From listing to measure, median", listed, "hours"),
        Quantity("queued_to_measure", "From queue to measure, median", queued, "hours"),
        rate_quantity("before_first_sale", "Taken down before the first sale", unsold, means, n_known or None),
    )


def stage_table(takedowns: TakedownTimes) -> Table:
    """Return the time of each stage."""
    rows = tuple((stage, *_describe_span(takedowns.spans.get(stage))) for stage in STAGES)
    columns: Columns = (*count_columns("stage", "known of"), ("median", "hours"), ("nine in ten within", "hours"))
    return Table("stages", "Time of each stage", columns, rows, "For the first measure of each decision.")


def month_table(period: Period, by_month: Mapping[str, Span]) -> Table:
    """Return the time from queue to measure, by month."""
    rows = tuple((month, *_describe_span(by_month.get(month))) for month in period.months())
    columns: Columns = (*count_columns("month", "measures"), ("median", "hours"), ("nine in ten within", "hours"))
    return Table("times", "From queue to measure, month by month", columns, rows)


def _describe_span(span: Span | None) -> Row:
    return span.known if span else 0, median_hours(span), p90_hours(span)


def time_charts(period: Period, by_month: Mapping[str, Span]) -> tuple[Chart, ...]:
    """Return the chart of `month_table`, if there is data."""
    if not by_month:
        return ()
    table, title = month_table(period, by_month), "From queue to measure, by month"
    return (chart_times(table, 2, 3, title, "Hours from queue to measure"),)


def write_sellers(figures: Figures) -> Section:
    """Return the chapter on sellers: numbers, strikes, penalties, networks."""
    given, back = figures.strikes
    rows = tuple((kind.value, figures.penalties.get(kind.value, 0)) for kind in PenaltyKind)
    columns = count_columns("penalty", "sellers' accounts")
    table = Table("penalties", "Penalties that came into force", columns, rows)
    return Section(
        "sellers",
        "Sellers",
        "A listing found counterfeit gives its seller a strike that expires; the weight of the strikes together "
        "leads up a ladder of penalties in proportion to what an account sells. No seller is named in this report.",
        (
            *seller_quantities(figures.sellers),
            Quantity("strikes", "Strikes", given, "count"),
            Quantity("strikes_taken_back", "of these taken back", back, "count"),
            Quantity("penalties", "Penalties", sum(figures.penalties.values()), "count", "Warnings among them."),
            *network_quantities(figures.networks),
        ),
        (table,),
        (chart_bars(table, 1, table.title, "Penalties by kind"),),
        "Digital Services Act, Article 23(1)",
    )


def seller_quantities(sellers: Sellers, least: int = 0) -> tuple[Quantity, ...]:
    """Return the numbers of sellers; counts below `least` are not shown."""
    back = "Such a listing appeared after an earlier measure."
    named = (
        ("sellers", "Sellers of listings found counterfeit", sellers.n, "Accounts."),
        ("repeated_sellers", "of these with several such listings", sellers.repeated, _REPEATED),
        ("sellers_back", "Sellers who listed again after a measure", sellers.came_back, back),
    )
    return tuple(Quantity(key, name, *describe_count(n, least, means)) for key, name, n, means in named)


_REPEATED = "Two listings or more in the period."


def describe_count(n: int, least: int, means: str) -> tuple[int | str | None, Unit, str]:
    """Return a count with unit and meaning; a small count only as "fewer than".

    >>> describe_count(12, 5, "Accounts."), describe_count(3, 5, "Accounts."), describe_count(0, 5, "")
    ((12, 'count', 'Accounts.'), ('fewer than 5', 'text', 'Accounts.'), (0, 'count', ''))
    """
    return (f"fewer than {least}", "text", means) if 0 < n < least else (n, "count", means)


def network_quantities(linked: Linked | None, least: int = 0) -> tuple[Quantity, ...]:
    """Return the numbers of networks behind sellers."""
    if linked is None:
        return (Quantity("networks", "Networks behind them", None, "count", "No networks were given to this report."),)
    means = "Accounts that share payout, device, address and the like, as far as chance does not explain it."
    small = sum(sellers for sellers, _ in linked.active if sellers < least)
    count = describe_count(linked.sellers, least, "Among those above.")
    if 0 < small < least <= linked.sellers:  # they could be calculated from the total and the larger networks
        count = (None, "count", f"Not shown: fewer than {least} of them are in the smaller networks.")
    return (
        Quantity("networks", "Networks behind them", *describe_count(len(linked.active), least, means)),
        Quantity("network_sellers", "Sellers in these networks", *count),
        Quantity("network_listings", "Listings of these networks found counterfeit", linked.listings, "count"),
    )


def write_complaints(complaints: FiledComplaints) -> Section:
    """Return the chapter on complaints."""
    became = (*OUTCOMES, PENDING)
    rows: list[Row] = []
    for subject in (*SUBJECTS, None):
        counts = [complaints.count(subject, outcome) for outcome in became]
        name = _SUBJECT_NAMES[subject] if subject else "all"
        rows.append((name, *counts, sum(counts), median_hours(complaints.spans.get(subject or ALL))))
    table = Table(
        "complaints",
        "Complaints by subject and outcome",
        (*count_columns("against", *became, "all"), ("median time", "hours")),
        tuple(rows),
    )
    by_outcome = tuple((outcome, complaints.count(outcome=outcome)) for outcome in became)
    outcomes = Table("outcomes", "Outcomes of complaints", count_columns("outcome", "complaints"), by_outcome)
    favoured = sum(complaints.count(outcome=outcome) for outcome in (*FAVOURABLE, "restored"))
    ended = favoured + complaints.count(outcome="rejected")
    return Section(
        "complaints",
        "Complaints and counter-notices",
        "Sellers may complain, free of charge; somebody who had no part in the matter decides. Those filed in the "
        "period count, with their outcomes until the date of this report.",
        (
            Quantity("complaints", "Complaints filed", complaints.count(), "count"),
            Quantity("counter_notices", "of these counter-notices", complaints.counter_notices, "count"),
            rate_quantity(
                "in_favour",
                "Decided in the seller's favour, wholly or in part",
                count_rate(favoured, ended),
                f"Of {ended:,} that were decided.",
                ended,
            ),
            Quantity("complaint_time", "From complaint to decision, median", rows[-1][-1], "hours"),
            Quantity("disputes", "Out-of-court disputes", None, "count", "ipml keeps no record of them."),
        ),
        (table, outcomes),
        (chart_bars(outcomes, 1, outcomes.title, "Complaints by outcome"),) if complaints.count() else (),
        "Digital Services Act, Articles 15(1)(d), 20, 24(1)(a)",
    )


def write_notices(notices: Noticed) -> Section:
    """Return the chapter on notices, and on misuse of notices."""
    by_step: list[Row] = [(who, *(notices.steps.get((who, step), 0) for step in STEPS)) for who in NOTIFIERS]
    columns = count_columns("notifier", *(_STEP_NAMES[step] for step in STEPS))
    steps = Table("steps", "Steps against notifiers", columns, tuple(by_step))
    by_state = tuple((state, notices.listings(state=state)) for state in STATES)
    states = Table("states", "Outcomes of the listings in notices", count_columns("state", "listings"), by_state)
    chart = chart_bars(states, 1, states.title, "Listings of notices by outcome")
    trusted = notices.received("trusted flagger")
    return Section(
        "notices",
        "Notices of others",
        "Rights holders, trusted flaggers, consumers and authorities report listings to the platform. Each listing of "
        "a notice is decided on for itself; the notice is settled when the last of them is. Notifiers who often "
        "report without reason are warned, and then suspended for a time.",
        (
            *notice_quantities(notices),
            Quantity("trusted_notices", "of these by trusted flaggers", trusted, "count", "Article 22."),
            Quantity("warned", "Notifiers warned", notices.taken("warn"), "count", "Article 23(2) and (3)."),
            Quantity("suspended", "Notifiers suspended", notices.taken("suspend"), "count", "Article 23(2)."),
        ),
        (notice_table(notices), steps),
        (chart,) if notices.listings() else (),
        "Digital Services Act, Articles 15(1)(b), 16, 22, 23",
    )


def notice_quantities(notices: Noticed) -> tuple[Quantity, ...]:
    """Return the numbers of notices and listings, and their outcomes."""
    settled = sum(notices.listings(state=state) for state in _SETTLED)
    upheld, means = count_rate(notices.listings(state="upheld"), settled), f"Of {settled:,} that were decided on."
    time = median_hours(notices.spans.get(ALL))
    return (
        Quantity("notices", "Notices", notices.received(), "count"),
        Quantity("notice_listings", "Listings in them", notices.listings(), "count"),
        rate_quantity("notice_upheld", "Listings found counterfeit on notice", upheld, means, settled),
        Quantity("notice_overturned", "of these taken back since", notices.overturned, "count"),
        Quantity("notice_time", "From notice to decision, median", time, "hours"),
    )


def notice_table(notices: Noticed) -> Table:
    """Return notices and their listings by kind of notifier."""
    rows: list[Row] = []
    for notifier in (*NOTIFIERS, None):
        counts = [notices.listings(notifier, state) for state in STATES]
        time = median_hours(notices.spans.get(notifier or ALL))
        rows.append((notifier or "all", notices.received(notifier), *counts, sum(counts), time))
    columns: Columns = (
        *count_columns("notifier", "notices", *(f"listings {state}" for state in STATES), "listings"),
        ("median time", "hours"),
    )
    return Table("notifiers", "Notices by kind of notifier", columns, tuple(rows))


def write_machines(figures: Figures) -> Section:
    """Return the chapter on automated means."""
    rows: list[Row] = []
    for source in (*SOURCES, None):
        alone, by_people = (figures.measures.count(source=source, automatic=is_alone) for is_alone in (True, False))
        every = alone + by_people
        rows.append((source or "all", alone, by_people, every, alone / every if every else None))
    columns: Columns = (
        *count_columns("source", "without a person", "by a person", "all"),
        ("share without", "share"),
    )
    share = rows[-1][-1]
    policy, spread = (next(part for part in figures.precision if part.way == way) for way in ("policy", "spread"))
    people, statements, handed_on = figures.people, figures.statements, figures.referrals
    signed = f"{handed_on.received:,} of them were signed for."
    return Section(
        "automation-and-people",
        "Automation and people",
        "A model orders the queue and gives its reasons; it decides nothing. Only a written policy acts without a "
        "person, brand by brand, as long as cases drawn from those it would act on prove the precision it promises; "
        "it is withdrawn at once when they do not. Each of its measures can be appealed, and a person decides.",
        (
            Quantity("automatic_share", "Measures without a person", share, "share", _OF_MEASURES),
            _precision_quantity("policy_precision", "Precision of the policy", policy),
            _precision_quantity("spread_precision", "Precision of what was repeated for near-duplicates", spread),
            Quantity("reviewers", "People who reviewed", people.n, "count", "At least one verdict in the period."),
            Quantity("review_hours", "Hours in which they did", people.hours, "count", _HOURS),
            Quantity("statements", "Statements of reasons", statements.issued, "count", "To sellers, Article 17."),
            Quantity("statements_stated", _STATED, statements.stated, "count", "Article 24(5)."),
            Quantity("statements_delivered", "of these delivered there", statements.delivered, "count"),
            Quantity("orders", "Orders of authorities", None, "count", _ORDERS),
            Quantity("referrals", "Referrals handed to authorities", handed_on.made, "count", signed),
        ),
        (Table("automation", "Measures with and without a person", columns, tuple(rows)),),
        (),
        "Digital Services Act, Articles 15(1)(a) and (e), 17, 24(5), 42(2)",
    )


_OF_MEASURES = "Share of all measures against listings."
_HOURS = "An hour counts where a verdict fell in it."
_STATED = "of these for the transparency database"
_ORDERS = "Articles 9 and 10: ipml keeps no record of them."
