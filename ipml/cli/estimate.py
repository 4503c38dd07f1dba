"""`ipml estimate`: what the reviewed listings say of all that came by."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.moments import MOMENT, in_utc
from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from ipml.review.clusters.spread_audit import SpreadPrecision
    from ipml.review.exploration.estimates import Estimates, Figure


def estimate(
    since: Annotated[
        datetime | None,
        typer.Option(
            metavar="DATE",
            formats=MOMENT,
            help="Only files enqueued since then; UTC where no zone is given.",
            show_default=False,
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Say how many of all listings are counterfeit, and how much of that the queue finds.

    From the reviewed listings and the odds with which each was shown: prevalence, recall of the queue, and precision
    among the most suspicious of each file, with 95 % intervals. Beside them stands what one would think from the
    reviewed listings alone.

    Example: ipml estimate --since 2026-05-01
    """
    from rich.console import Console
    from rich.table import Table

    from ipml.review.clusters.spread_audit import measure_spread
    from ipml.review.exploration.estimates import estimate as estimate_figures

    engine = open_for_command(database)
    estimates = estimate_figures(engine, since=in_utc(since))
    if not estimates.listings + estimates.uncovered:
        typer.echo("No file was enqueued yet, of which to estimate anything: `ipml enqueue FILE --top N` does it.")
        return
    table = Table("figure", "estimate", "95 % interval", "among the reviewed", "reviews")
    for figure in estimates.figures:
        table.add_row(*describe(figure))
    Console().print(table)
    for line in (*explain(estimates), *describe_spread(measure_spread(engine))):
        typer.echo(line)


def describe(figure: Figure) -> tuple[str, str, str, str, str]:
    """Return a figure as the cells of a row.

    Examples
    --------
    >>> from ipml.review.exploration.estimates import Figure
    >>> describe(Figure("prevalence", 0.0795, 0.064, 0.1, 0.84, 2920))
    ('prevalence', '8.0 %', '6.4 to 10.0 %', '84.0 %', '2,920')
    >>> describe(Figure("prevalence", None, None, None, None, 0))[1]
    'too few reviews'
    """
    if figure.value is None or figure.low is None or figure.high is None:
        shown = ("too few reviews", "")
    else:
        shown = (f"{100 * figure.value:.1f} %", f"{100 * figure.low:.1f} to {100 * figure.high:.1f} %")
    naive = "" if figure.naive is None else f"{100 * figure.naive:.1f} %"
    return (figure.name, *shown, naive, f"{figure.reviews:,}")


def describe_spread(spread: SpreadPrecision) -> list[str]:
    """Return in a sentence how far the decisions that spread to near-duplicates can be relied on.

    Examples
    --------
    >>> from ipml.review.clusters.spread_audit import SpreadPrecision
    >>> describe_spread(SpreadPrecision(380, 20, 16, 16, 1.0, 0.806, 1.0))
    ['380 decisions spread to near-duplicates. Of 16 drawn and looked at people found the same in 16: 81 to 100 %.']
    """
    if not spread.n_spread:
        return []
    said = f"{spread.n_spread:,} decisions spread to near-duplicates."
    if spread.low is None or spread.high is None:
        return [f"{said} None of the {spread.n_drawn:,} drawn was looked at yet."]
    return [
        f"{said} Of {spread.n_reviewed:,} drawn and looked at people found the same in {spread.n_agreeing:,}: "
        f"{100 * spread.low:.0f} to {100 * spread.high:.0f} %."
    ]


def explain(estimates: Estimates) -> list[str]:
    """Return in sentences what the figures are about, and what is missing."""
    from ipml.review.exploration.weighting import LEAST_DRAWS

    files = "file" if estimates.files == 1 else "files"
    lines = [
        f"About {estimates.listings:,} listings of {estimates.files:,} {files}; {estimates.drawn:,} were drawn beside "
        f"the most suspicious, {estimates.drawn_reviewed:,} of them are reviewed in their turn."
    ]
    if estimates.waiting:
        lines.append(
            f"{estimates.waiting:,} cases shown for their score, or drawn and escalated, wait for a verdict; "
            "the intervals allow for anything among them."
        )
    if estimates.uncovered:
        lines.append(
            f"{estimates.uncovered:,} listings are left out, as no listing drawn from their files is reviewed."
        )
    if any(figure.value is None for figure in estimates.figures):
        lines.append(
            f"Nothing is said of listings that are not all shown before {LEAST_DRAWS} drawn from them are reviewed."
        )
    return lines
