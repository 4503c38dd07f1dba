"""What came by, what was found, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ipml.cooperation.reports.charts import draw_bars, draw_columns, draw_intervals
from ipml.cooperation.reports.decided import VERDICTS, WAYS, Decided
from ipml.cooperation.reports.figures import Figures
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.precision import Precision
from ipml.cooperation.reports.tables import Chart, Columns, Quantity, Row, Section, Table, suppress
from ipml.records import Verdict

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


def found_by_month(period: Period, decided: Decided, queued: Mapping[str, int]) -> Table:
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


def _decision_row(decided: Decided, way: str | None) -> tuple[str | int, ...]:
    counts = [decided.count(way, verdict) for verdict in VERDICTS]
    return WAY_NAMES[way or "all"], *counts, sum(counts), decided.count(way, stands=False)
