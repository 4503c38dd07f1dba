"""`ipml trader`: what traders must have told, and who sells so much that more is asked."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.moments import DAY

if TYPE_CHECKING:
    from collections import Counter
    from datetime import date

    from ipml.cooperation.reports.traders.checking import State, Step
    from ipml.cooperation.reports.traders.rules import TraderRules

app = typer.Typer(
    no_args_is_help=True,
    help="""Check what traders must have told the marketplace.

    Example: ipml trader check traders.csv
    """,
)


@app.command()
def check(
    traders: Annotated[
        Path,
        typer.Argument(
            metavar="TRADERS", help="CSV or Parquet: seller_id and what each trader told.", show_default=False
        ),
    ],
    sales: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet: seller_id, sold_at, value, currency of each sale.", show_default=False),
    ] = None,
    rates: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: currency, usd, and since if they change.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option(help="What each trader lacks (CSV).")] = Path("traders-lack.csv"),
    high_volume: Annotated[Path, typer.Option(help="High-volume sellers (CSV), with --sales.")] = Path(
        "high-volume.csv"
    ),
    on: Annotated[
        datetime | None, typer.Option(metavar="DATE", formats=DAY, help="On this day; by default today.")
    ] = None,
) -> None:
    """Say what each trader lacks of what the law asks for, and who is a high-volume seller.

    Article 30 of the EU's Digital Services Act: which fields are missing or malformed, whom to ask, and whose
    suspension to propose. With --sales also the INFORM Consumers Act of the United States: who has had 200 sales and
    5,000 dollars in twelve continuous months, since when, and by when their details must be collected. Both files name
    sellers: only you can read them. Nobody is suspended by this.

    Example: ipml trader check traders.csv --sales sales.parquet --rates rates.csv
    """
    from datetime import UTC

    from ipml.cli.options import check_distinct
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.cooperation.reports.traders.checking import check_traders, count_states
    from ipml.cooperation.reports.traders.files import read_traders, write_findings

    check_distinct(traders, out, *((sales, high_volume) if sales else ()), rates)
    rules, day = load_cooperation_policy().traders, (on or datetime.now(UTC)).date()
    findings = check_traders(read_traders(traders, rules), rules, day)
    _show_lacking(*count_states(write_findings(findings, rules, out)), rules)
    typer.echo(f"What each trader lacks: {out}")
    if sales:
        _find_high_volume(sales, rates, rules, day, high_volume)


def _show_lacking(states: Counter[tuple[str, State]], steps: Counter[Step], rules: TraderRules) -> None:
    from rich.console import Console
    from rich.table import Table

    from ipml.cooperation.reports.traders.checking import LETTERS, State, Step

    table = Table("field", "Article 30(1)", *(state.value for state in State))
    for name in rules.fields:
        letter = f"({LETTERS[name]})" if name in LETTERS else ""
        table.add_row(name, letter, *(f"{states[name, state]:,}" for state in State))
    Console().print(table)
    total, complete = sum(steps.values()), steps[Step.NOTHING]
    typer.echo(f"{total:,} traders, {complete:,} of them complete.")
    for step, what in _STEPS.items():
        if steps[Step(step)]:
            typer.echo(f"{steps[Step(step)]:,} {what}")


_STEPS = {
    "ask": "to be asked for what is missing",
    "wait": "asked, or given time by law, and not due yet",
    "suspend until given": "due: their suspension until they have told it is proposed (Article 30(2) and (3))",
}


def _find_high_volume(sales: Path, rates: Path | None, rules: TraderRules, day: date, out: Path) -> None:
    from ipml.cooperation.reports.traders.files import write_high_volume
    from ipml.cooperation.reports.traders.high_volume import find_high_volume
    from ipml.cooperation.reports.traders.sales import read_sales

    found = find_high_volume(read_sales(sales, rates), rules.inform, day)
    write_high_volume(found, out)
    late, disclosed = sum(one.collect_by < day for one in found), sum(one.is_disclosed for one in found)
    typer.echo(
        f"{len(found):,} high-volume sellers (15 U.S.C. 45f): for {late:,} the {rules.inform.collect_days} days to "
        f"collect their details are over; {disclosed:,} must be disclosed to buyers. Written to {out}"
    )
