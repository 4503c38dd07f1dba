"""What was done about it: to listings and to sellers, how fast, and what sellers said against it."""

from __future__ import annotations

from collections.abc import Mapping

from ipml.cooperation.reports.chapters.finding import draw_outcomes
from ipml.cooperation.reports.charts import draw_line
from ipml.cooperation.reports.complaints import OUTCOMES, PENDING, SUBJECTS, Complaints
from ipml.cooperation.reports.decided import Sellers
from ipml.cooperation.reports.figures import Figures
from ipml.cooperation.reports.linked import Linked
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.spans import ALL
from ipml.cooperation.reports.tables import Chart, Columns, Quantity, Row, Section, Table, Unit, hours
from ipml.cooperation.reports.takedowns import SOURCES, STAGES, Takedowns, total
from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.takedown.measures import Span
from ipml.review.quality.rates import count_rate

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


def takedown_quantities(takedowns: Takedowns) -> tuple[Quantity, ...]:
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


def stage_table(takedowns: Takedowns) -> Table:
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


def write_complaints(complaints: Complaints) -> Section:
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
