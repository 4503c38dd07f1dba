"""The chapters of a report: each turns figures into sentences, tables and charts.

First what came by, what was found, and how sure that is; then what was done about it, to listings and to sellers, how
fast, and what sellers said against it; then what others told the platform, what it told them, and what machines and
people had to do with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipml.cooperation.reports.document import (
    Chart,
    Columns,
    Quantity,
    Row,
    Section,
    Table,
    Unit,
    draw_bars,
    draw_columns,
    draw_intervals,
    draw_line,
    hours,
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
    total,
)
from ipml.cooperation.reports.period import ALL, Period
from ipml.cooperation.reports.verdicts import VERDICTS, WAYS, PeriodDecisions, Precision, Sellers
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.takedown.measures import Span
from ipml.records import Verdict
from ipml.review.quality.rates import count_rate

_FAKE = Verdict.COUNTERFEIT
WAY_NAMES = {
    "people": "by people",
    "spread": "repeated for near-duplicates",
    "policy": "by policy, without a person",
    "appeal": "corrected on appeal or by a lead",
    "all": "all together",
}
_LEGEND = tuple((f"s{place}", WAY_NAMES[way]) for place, way in enumerate(WAYS))


def write_finding(figures: Figures, least: int, most_named: int = 20) -> Section:
    """Return the chapter on what came by and what was found.

    Parameters
    ----------
    least : int
        Brands and categories of fewer sellers are not named: a name that one seller wrote may be theirs.
    """
    decided = figures.decided
    months = found_by_month(figures.period, decided, figures.queued)
    verdicts = Table(
        "decisions",
        "Decisions by how they came about",
        (
            ("came about", ""),
            *((verdict.value, "count") for verdict in VERDICTS),
            ("all", "count"),
            ("no longer stand", "count"),
        ),
        tuple(_decision_row(decided, way) for way in (*WAYS, None)),
        "A decision counts where it was made, even if it was taken back or the case was decided anew since; those are "
        "in the last column.",
    )
    named = (
        _name_groups("brands", "brand", figures.brands, least, most_named),
        _name_groups("categories", "category", figures.categories, least, most_named),
    )
    return Section(
        "found",
        "What came by and what was found",
        "A model scores listings; those it suspects, those somebody gave notice of and some drawn at random come "
        "into a queue, and people decide. Where the same seller has near-duplicates, a decision is repeated for "
        "them, and some of these are left out and looked at by a person. A written policy may act alone where it has"
        " proved its precision.",
        (
            Quantity("listings_seen", "Listings scored", figures.seen, "count", _SEEN),
            Quantity(
                "queued", "Listings queued for review", sum(figures.queued.values()), "count", "As observed once."
            ),
            Quantity("decided", "Decisions", decided.count(), "count", "Counterfeit, genuine, or cannot tell."),
            Quantity("counterfeit", "Found counterfeit", decided.count(verdict=_FAKE, stands=True), "count", _STANDS),
            *(
                Quantity(
                    f"counterfeit_{way}", f"of these {WAY_NAMES[way]}", decided.count(way, _FAKE, stands=True), "count"
                )
                for way in WAYS
            ),
            Quantity(
                "taken_back",
                "Decisions that no longer stand",
                decided.count(stands=False),
                "count",
                "Of those made in the period: taken back, or the case was decided anew.",
            ),
        ),
        (months, verdicts, *named),
        (
            Chart(
                "Listings found counterfeit, by month and by how they were decided",
                draw_columns(months, (2, 3, 4, 5), "Listings found counterfeit by month"),
                _LEGEND,
            ),
        ),
        "Digital Services Act, Article 15(1)(c): content moderation at the provider's own initiative",
    )


_SEEN = "Of the files that were enqueued; not known where cases came in without their file."
_STANDS = "By the last decision on each case that was not taken back until the date of this report."


def _name_groups(key: str, one: str, groups: Sequence[Row], least: int, most: int) -> Table:
    """Return the brands or categories with most listings, without those of few sellers."""
    named, left_out = suppress(groups, 2, least)
    columns: Columns = ((one, ""), ("listings", "count"), ("sellers", "count"))
    title = f"Listings found counterfeit by {one}, the {most} with most"
    why = "what they are called may tell who the seller is"
    return Table(
        key, title, columns, named[:most], f"Not named: those of fewer than {least} sellers ({left_out:,}), as {why}."
    )


def found_by_month(period: Period, decided: PeriodDecisions, queued: Mapping[str, int]) -> Table:
    """Return what came and what was found, month by month, as a table whose columns 2 to 5 are the ways."""
    rows: list[Row] = []
    for month in period.months():
        by_way = [decided.count(way, _FAKE, month, stands=True) for way in WAYS]
        rows.append((month, queued.get(month, 0), *by_way, sum(by_way)))
    columns: Columns = (
        ("month", ""),
        ("queued", "count"),
        *((way, "count") for way in WAYS),
        ("found counterfeit", "count"),
    )
    return Table("months", "Month by month", columns, tuple(rows), "Months in UTC, by the moment of the decision.")


def write_precision(parts: Sequence[Precision], figures: Figures | None = None) -> Section:
    """Return the chapter on how sure it is that what was found counterfeit is counterfeit."""
    rows = tuple(
        (
            WAY_NAMES[part.way],
            part.decided,
            part.taken_back,
            part.drawn,
            part.confirmed,
            *((part.rate.share, part.rate.low, part.rate.high) if part.rate else (None, None, None)),
        )
        for part in parts
    )
    columns: Columns = (
        ("decided", ""),
        ("found counterfeit", "count"),
        ("taken back", "count"),
        ("looked at again", "count"),
        ("confirmed", "count"),
        ("precision", "share"),
        ("from", "share"),
        ("to", "share"),
    )
    table = Table("precision", "Precision by how it was decided", columns, rows, _WEIGHED)
    whole = parts[-1]
    stood = 1 - whole.taken_back / whole.decided if whole.decided else None
    estimates = figures.estimates if figures else ()
    return Section(
        "precision-of-decisions",
        "How often it was right",
        "That nobody objected does not make a decision right. So some are drawn with known odds and judged again by "
        "a person who does not know the first verdict. The precision is the share that they, too, found counterfeit;"
        " the interval holds the true share nineteen times of twenty.",
        (
            rate_quantity("precision", "Precision of what was found counterfeit", whole),
            Quantity(
                "stood",
                "Not taken back",
                stood,
                "share",
                "Of all found counterfeit: what one would think without looking again.",
            ),
            *(
                Quantity(
                    one.name.replace(" ", "_"),
                    one.name.capitalize(),
                    one.value,
                    "share",
                    _OF_ALL,
                    one.low,
                    one.high,
                    one.reviews,
                )
                for one in estimates
            ),
        ),
        (table,),
        (Chart("Precision with its 95 % interval", draw_intervals(table, 5, 6, 7, "Precision by how it was decided")),)
        if any(part.rate for part in parts)
        else (),
        "Digital Services Act, Article 15(1)(e): indicators of accuracy and the possible rate of error",
    )


_WEIGHED = "Each look counts by one over the odds with which it was drawn; cannot tell is not confirmed."
_OF_ALL = "Of all listings scored, from those reviewed and the odds with which each was shown."


def rate_quantity(key: str, name: str, part: Precision) -> Quantity:
    """Return a precision as a figure; not known where nobody looked a second time."""
    if part.rate is None:
        return Quantity(key, name, None, "share", "Nobody has looked at any of these a second time.")
    means = f"Of {part.drawn:,} looked at a second time {part.confirmed:,} were confirmed."
    return Quantity(key, name, part.rate.share, "share", means, part.rate.low, part.rate.high, part.drawn)


def draw_outcomes(table: Table, label: str) -> Chart:
    """Return a chart of a table of two columns: names and counts."""
    return Chart(table.title, draw_bars(table, 1, label))


def _decision_row(decided: PeriodDecisions, way: str | None) -> tuple[str | int, ...]:
    counts = [decided.count(way, verdict) for verdict in VERDICTS]
    return WAY_NAMES[way or "all"], *counts, sum(counts), decided.count(way, stands=False)


_SUBJECT_NAMES = {
    "visibility": "removal or visibility of a listing",
    "monetary": "payments held back",
    "service": "part of the service withheld",
    "account": "account suspended or closed",
    "warning": "warning to the seller",
}


def write_takedowns(figures: Figures) -> Section:
    """Return the chapter on measures against listings and how long they took."""
    counted = {(one.kind, one.source): 0 for one in figures.measures}
    for one in figures.measures:
        counted[one.kind, one.source] += one.n
    rows = []
    for kind in MeasureKind:
        by_source = [counted.get((kind.value, source), 0) for source in SOURCES]
        rows.append((kind.value, *by_source, sum(by_source)))
    rows.append(("all", *(total(figures.measures, source=source) for source in SOURCES), total(figures.measures)))
    kinds = Table(
        "measures",
        "Measures by kind and by what brought the listing up",
        (("measure", ""), *((source, "count") for source in SOURCES), ("all", "count")),
        tuple(rows),
        "As the statements of reasons say. Own: no notice of the listing waited when it was decided on; other: "
        "consumers complained.",
    )
    return Section(
        "takedowns",
        "How fast listings went",
        "Counted from the moment at which a listing appeared, at which it came into the queue, or at which the first"
        " notice of it came, to the measure; and on to the moment at which the platform said that it is done.",
        (
            Quantity("measures", "Measures against listings", total(figures.measures), "count", "Of every kind."),
            *takedown_quantities(figures.takedowns),
        ),
        (stage_table(figures.takedowns), month_table(figures.period, figures.by_month), kinds),
        time_charts(figures.period, figures.by_month),
        "Digital Services Act, Articles 15(1)(b) and (c), 17",
    )


def takedown_quantities(takedowns: TakedownTimes) -> tuple[Quantity, ...]:
    """Return the median times, and the share that came before the first sale."""
    spans = takedowns.spans
    unsold = count_rate(takedowns.unsold, takedowns.sales_known)
    known = f"Of {takedowns.sales_known:,} listings of which the sales are known."
    before = Quantity("before_first_sale", "Taken down before the first sale", None, "share", known)
    if unsold is not None:
        interval = (unsold.low, unsold.high, takedowns.sales_known)
        before = Quantity("before_first_sale", before.name, unsold.share, "share", known, *interval)
    listed, queued = (spans.get(stage) for stage in ("listed to measure", "queued to measure"))
    return (
        Quantity("listed_to_measure", "From listing to measure, median", _median(listed), "hours"),
        Quantity("queued_to_measure", "From queue to measure, median", _median(queued), "hours"),
        before,
    )


def stage_table(takedowns: TakedownTimes) -> Table:
    """Return how long each stage took."""
    rows: list[Row] = []
    for stage in STAGES:
        span = takedowns.spans.get(stage)
        rows.append((stage, span.known if span else 0, _median(span), _p90(span)))
    columns: Columns = (("stage", ""), ("known of", "count"), ("median", "hours"), ("nine in ten within", "hours"))
    return Table("stages", "How long it took", columns, tuple(rows), "Of the first measure of each decision.")


def month_table(period: Period, by_month: Mapping[str, Span]) -> Table:
    """Return how long it took from the queue to the measure, month by month."""
    rows = [
        (month, span.known if span else 0, _median(span), _p90(span))
        for month, span in ((month, by_month.get(month)) for month in period.months())
    ]
    columns: Columns = (("month", ""), ("measures", "count"), ("median", "hours"), ("nine in ten within", "hours"))
    return Table("times", "From queue to measure, month by month", columns, tuple(rows))


def time_charts(period: Period, by_month: Mapping[str, Span]) -> tuple[Chart, ...]:
    """Return the chart of `month_table`, if anything is known."""
    if not by_month:
        return ()
    table = month_table(period, by_month)
    legend = (("s0", "median"), ("s1", "nine in ten within"))
    return (Chart("From queue to measure, by month", draw_line(table, 2, 3, "Hours from queue to measure"), legend),)


def write_sellers(figures: Figures) -> Section:
    """Return the chapter on sellers: how many, strikes, penalties, networks."""
    given, back = figures.strikes
    rows = tuple((kind.value, figures.penalties.get(kind.value, 0)) for kind in PenaltyKind)
    table = Table(
        "penalties", "Penalties that came into force", (("penalty", ""), ("sellers' accounts", "count")), rows
    )
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
        (draw_outcomes(table, "Penalties by kind"),),
        "Digital Services Act, Article 23(1)",
    )


def seller_quantities(sellers: Sellers, least: int = 0) -> tuple[Quantity, ...]:
    """Return how many sellers there are; a count below `least` is not told."""
    named = (
        ("sellers", "Sellers of listings found counterfeit", sellers.n, "Accounts."),
        (
            "repeated_sellers",
            "of these with several such listings",
            sellers.repeated,
            "Two listings or more in the period.",
        ),
        (
            "sellers_back",
            "Sellers who listed again after a measure",
            sellers.came_back,
            "Such a listing appeared after an earlier measure.",
        ),
    )
    return tuple(Quantity(key, name, *tell_count(n, least, means)) for key, name, n, means in named)


def tell_count(n: int, least: int, means: str) -> tuple[int | str | None, Unit, str]:
    """Return a count with unit and meaning; where it is small, only that it is.

    Examples
    --------
    >>> tell_count(12, 5, "Accounts."), tell_count(3, 5, "Accounts."), tell_count(0, 5, "")
    ((12, 'count', 'Accounts.'), ('fewer than 5', 'text', 'Accounts.'), (0, 'count', ''))
    """
    return (f"fewer than {least}", "text", means) if 0 < n < least else (n, "count", means)


def network_quantities(linked: Linked | None, least: int = 0) -> tuple[Quantity, ...]:
    """Return what is known of the networks behind sellers."""
    if linked is None:
        return (Quantity("networks", "Networks behind them", None, "count", "No networks were given to this report."),)
    means = "Accounts that share payout, device, address and the like, as far as chance does not explain it."
    small = sum(sellers for sellers, _ in linked.active if sellers < least)
    told = tell_count(linked.sellers, least, "Of those above.")
    if 0 < small < least <= linked.sellers:  # they would follow from the whole and the larger networks
        told = (None, "count", f"Not told: fewer than {least} of them are in the smaller networks.")
    return (
        Quantity("networks", "Networks behind them", *tell_count(len(linked.active), least, means)),
        Quantity("network_sellers", "Sellers in these networks", *told),
        Quantity("network_listings", "Listings of these networks found counterfeit", linked.listings, "count"),
    )


def write_complaints(complaints: FiledComplaints) -> Section:
    """Return the chapter on what sellers said against decisions."""
    rows = []
    for subject in SUBJECTS:
        counts = [complaints.count(subject, outcome) for outcome in (*OUTCOMES, PENDING)]
        rows.append((_SUBJECT_NAMES[subject], *counts, sum(counts), _median(complaints.spans.get(subject))))
    counts = [complaints.count(outcome=outcome) for outcome in (*OUTCOMES, PENDING)]
    rows.append(("all", *counts, sum(counts), _median(complaints.spans.get(ALL))))
    columns: Columns = (
        ("against", ""),
        *((one, "count") for one in (*OUTCOMES, PENDING, "all")),
        ("median time", "hours"),
    )
    table = Table("complaints", "Complaints by what they were against and what became of them", columns, tuple(rows))
    outcomes = Table(
        "outcomes",
        "What became of complaints",
        (("outcome", ""), ("complaints", "count")),
        tuple((outcome, complaints.count(outcome=outcome)) for outcome in (*OUTCOMES, PENDING)),
    )
    span = complaints.spans.get(ALL)
    ended = [complaints.count(outcome=outcome) for outcome in ("granted", "partly granted", "restored", "rejected")]
    favoured = count_rate(sum(ended[:3]), sum(ended))
    return Section(
        "complaints",
        "Complaints and counter-notices",
        "Sellers may complain, free of charge; somebody who had no part in the matter decides. Those filed in the "
        "period count, with what has become of them until the date of this report.",
        (
            Quantity("complaints", "Complaints filed", complaints.count(), "count"),
            Quantity("counter_notices", "of these counter-notices", complaints.counter_notices, "count"),
            Quantity(
                "in_favour",
                "Decided in the seller's favour, wholly or in part",
                favoured.share if favoured else None,
                "share",
                f"Of {sum(ended):,} that were decided.",
                favoured.low if favoured else None,
                favoured.high if favoured else None,
                sum(ended),
            ),
            Quantity("complaint_time", "From complaint to decision, median", _median(span), "hours"),
            Quantity("disputes", "Out-of-court disputes", None, "count", "ipml keeps no record of them."),
        ),
        (table, outcomes),
        (draw_outcomes(outcomes, "Complaints by outcome"),) if complaints.count() else (),
        "Digital Services Act, Articles 15(1)(d), 20, 24(1)(a)",
    )


def _median(span: Span | None) -> float | None:
    return hours(span.median) if span else None


def _p90(span: Span | None) -> float | None:
    return hours(span.p90) if span else None


_SETTLED = ("upheld", "rejected", "undecided", "not found")


def write_notices(notices: Noticed) -> Section:
    """Return the chapter on notices and on who gave them without reason."""
    table, steps = notice_table(notices), _step_table(notices)
    return Section(
        "notices",
        "Notices of others",
        "Rights holders, trusted flaggers, consumers and authorities tell the platform of listings. Each listing of "
        "a notice is decided on for itself; the notice is settled when the last of them is. Who often gives notice "
        "without reason is warned, and then suspended for a time.",
        (
            *notice_quantities(notices),
            Quantity(
                "trusted_notices",
                "of these by trusted flaggers",
                notices.received("trusted flagger"),
                "count",
                "Article 22.",
            ),
            Quantity("warned", "Notifiers warned", notices.taken("warn"), "count", "Article 23(2) and (3)."),
            Quantity("suspended", "Notifiers suspended", notices.taken("suspend"), "count", "Article 23(2)."),
        ),
        (table, steps),
        (draw_outcomes(_state_table(notices), "Listings of notices by what came of them"),)
        if notices.listings()
        else (),
        "Digital Services Act, Articles 15(1)(b), 16, 22, 23",
    )


def notice_quantities(notices: Noticed) -> tuple[Quantity, ...]:
    """Return how many notices came, how many listings they named, and what became of these."""
    settled = sum(notices.listings(state=state) for state in _SETTLED)
    upheld = count_rate(notices.listings(state="upheld"), settled)
    span = notices.spans.get(ALL)
    return (
        Quantity("notices", "Notices", notices.received(), "count"),
        Quantity("notice_listings", "Listings in them", notices.listings(), "count"),
        Quantity(
            "notice_upheld",
            "Listings found counterfeit on notice",
            upheld.share if upheld else None,
            "share",
            f"Of {settled:,} that were decided on.",
            upheld.low if upheld else None,
            upheld.high if upheld else None,
            settled,
        ),
        Quantity("notice_overturned", "of these taken back since", notices.overturned, "count"),
        Quantity("notice_time", "From notice to decision, median", hours(span.median) if span else None, "hours"),
    )


def notice_table(notices: Noticed) -> Table:
    """Return notices and their listings by who gave notice."""
    rows: list[Row] = []
    for notifier in (*NOTIFIERS, None):
        span = notices.spans.get(notifier or ALL)
        counts = [notices.listings(notifier, state) for state in STATES]
        rows.append(
            (notifier or "all", notices.received(notifier), *counts, sum(counts), hours(span.median) if span else None)
        )
    states: Columns = tuple((f"listings {state}", "count") for state in STATES)
    columns: Columns = (
        ("notifier", ""),
        ("notices", "count"),
        *states,
        ("listings", "count"),
        ("median time", "hours"),
    )
    return Table("notifiers", "Notices by who gave them", columns, tuple(rows))


def write_machines(figures: Figures) -> Section:
    """Return the chapter on automated means."""
    rows = []
    for source in (*SOURCES, None):
        counts = [total(figures.measures, source=source, automatic=automatic) for automatic in (True, False)]
        rows.append((source or "all", *counts, sum(counts), counts[0] / sum(counts) if sum(counts) else None))
    columns: Columns = (
        ("source", ""),
        ("without a person", "count"),
        ("by a person", "count"),
        ("all", "count"),
        ("share without", "share"),
    )
    table = Table("automation", "Measures with and without a person", columns, tuple(rows))
    share = rows[-1][-1]
    by_way = {part.way: part for part in figures.precision}
    return Section(
        "automation-and-people",
        "What machines did, and people",
        "A model orders the queue and gives its reasons; it decides nothing. Without a person acts only a written "
        "policy, brand by brand, as long as cases drawn from those it would act on prove the precision it promises; "
        "it is withdrawn at once when they speak against it. Whatever it does can be appealed, and a person decides.",
        (
            Quantity(
                "automatic_share", "Measures without a person", share, "share", "Of all measures against listings."
            ),
            rate_quantity("policy_precision", "Precision of the policy", by_way["policy"]),
            rate_quantity("spread_precision", "Precision of what was repeated for near-duplicates", by_way["spread"]),
            Quantity(
                "reviewers", "People who reviewed", figures.people.n, "count", "At least one verdict in the period."
            ),
            Quantity(
                "review_hours",
                "Hours in which they did",
                figures.people.hours,
                "count",
                "An hour counts where a verdict fell in it.",
            ),
            Quantity(
                "statements", "Statements of reasons", figures.statements.issued, "count", "To sellers, Article 17."
            ),
            Quantity(
                "statements_stated",
                "of these for the transparency database",
                figures.statements.stated,
                "count",
                "Article 24(5).",
            ),
            Quantity("statements_delivered", "of these delivered there", figures.statements.delivered, "count"),
            Quantity(
                "orders", "Orders of authorities", None, "count", "Articles 9 and 10: ipml keeps no record of them."
            ),
            Quantity("referrals", "Referrals handed to authorities", *_tell_referrals(figures)),
        ),
        (table,),
        (),
        "Digital Services Act, Articles 15(1)(a) and (e), 17, 24(5), 42(2)",
    )


def _step_table(notices: Noticed) -> Table:
    rows: tuple[Row, ...] = tuple((who, *(notices.steps.get((who, step), 0) for step in STEPS)) for who in NOTIFIERS)
    names = {"warn": "warned", "suspend": "suspended", "lift": "lifted again"}
    return Table(
        "steps", "Steps against notifiers", (("notifier", ""), *((names[step], "count") for step in STEPS)), rows
    )


def _state_table(notices: Noticed) -> Table:
    rows = tuple((state, notices.listings(state=state)) for state in STATES)
    return Table("states", "What came of the listings in notices", (("state", ""), ("listings", "count")), rows)


def _tell_referrals(figures: Figures) -> tuple[int, Unit, str]:
    return figures.referrals.made, "count", f"{figures.referrals.received:,} of them were signed for."
