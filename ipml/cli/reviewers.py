"""`ipml reviewers`: how far reviewers agree, and how often each errs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from rich.table import Table

    from ipml.review.quality.agreement import Agreement
    from ipml.review.quality.quality import Dispute, ReviewerQuality
    from ipml.review.quality.rates import Rate


def reviewers(
    brands: Annotated[bool, typer.Option("--brands", help="Error rates by brand as well.")] = False,
    disputed: Annotated[
        bool, typer.Option("--disputed", help="Only the decisions that an audit or the known truth contradicts.")
    ] = False,
    database: Database = None,
) -> None:
    """Show how far reviewers agree with each other, and how often each errs, with 95 % intervals.

    From golden items, blind repeats, audits and second persons; missed: a counterfeit called genuine; wronged: a
    genuine listing called counterfeit.

    Example: ipml reviewers --brands
    """
    from rich.console import Console

    from ipml.review.quality.quality import assess_reviewers, list_disputes

    engine, console = open_for_command(database), Console()
    if disputed:
        console.print(_dispute_table(list_disputes(engine)))
        return
    quality = assess_reviewers(engine)
    console.print(_table(quality.reviewers))
    if brands:
        console.print(_brand_table(quality.reviewers))
    if quality.alpha is None:
        typer.echo("No case was judged by two people yet; further looks at decided ones come by themselves.")
    else:
        typer.echo(f"All together agree beyond chance by {_coefficient(quality.alpha)} (Krippendorff's alpha).")


def _table(reviewers: tuple[ReviewerQuality, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("reviewer", "decided", "looks", "agrees", "kappa", "missed", "wronged", "golden", "same again")
    for one in reviewers:
        rates = [_percent(rate) for rate in (one.missed, one.wronged, one.golden, one.steadiness)]
        counts = (f"{one.decided:,}", f"{one.looked:,}")
        table.add_row(Text(one.name), *counts, _percent(one.agreement), _coefficient(one.kappa), *rates)
    return table


def _brand_table(reviewers: tuple[ReviewerQuality, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("reviewer", "brand", "missed", "wronged")
    for one in reviewers:
        for brand, (missed, wronged) in one.by_brand.items():
            table.add_row(Text(one.name), Text(brand), _percent(missed), _percent(wronged))
    return table


def _dispute_table(disputes: list[Dispute]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("case", "decided", "but", "by", "counterfeit with a chance of")
    for one in disputes:
        table.add_row(str(one.case_id), one.decided, one.said, Text(one.by), f"{one.chance * 100:.0f} %")
    return table


def _percent(rate: Rate | None) -> str:
    """Write a share with its interval.

    Examples
    --------
    >>> from ipml.review.quality.rates import count_rate
    >>> _percent(count_rate(8, 10))
    '80 % (49-94), n=10'
    """
    if rate is None:
        return ""
    return f"{rate.share * 100:.0f} % ({rate.low * 100:.0f}-{rate.high * 100:.0f}), n={rate.n:.0f}"


def _coefficient(found: Agreement | None) -> str:
    return "" if found is None else f"{found.value:.2f} ({found.low:.2f} to {found.high:.2f})"
