"""`ipml ledger`: what wrongful takedowns cost honest sellers, beside the value caught."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, open_for_command

if TYPE_CHECKING:
    from rich.table import Table

    from ipml.enforcement.ledger.costs import Entry


def ledger(
    csv: Annotated[Path | None, typer.Option(help="Write it into this file as well.", show_default=False)] = None,
    policy: Annotated[
        Path | None,
        typer.Option(
            help="Policy file; by default IPML_ENFORCEMENT, or the one that comes with ipml.", show_default=False
        ),
    ] = None,
    database: Database = None,
) -> None:
    """Show what errors cost honest sellers beside the value caught, by size and age of the seller.

    Days offline x usual sales x price. Slips, taken back within minutes, count apart. Says so when small or new sellers
    are wronged more often than the others; exit code 1 then.

    Example: ipml ledger --csv ledger.csv
    """
    from rich.console import Console

    from ipml.enforcement.ledger.costs import read_ledger
    from ipml.enforcement.ledger.fairness import find_alarms
    from ipml.enforcement.policy import load_enforcement_policy

    engine, rules = open_for_command(database), load_enforcement_policy(policy)
    lines = read_ledger(engine, rules)
    Console().print(_table(lines))
    if csv is not None:
        _write(lines, csv)
        typer.echo(f"{len(lines):,} lines into {csv}.")
    alarms = find_alarms(engine, rules)
    for found in alarms:
        typer.echo(f"{'too few to say' if found.state == 'too few' else found.state}: {found.words}")
    if any(found.state == "alarm" for found in alarms):
        raise typer.Exit(1)


def _table(lines: list[Entry]) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table("sellers", "", "right", "caught", "wrong", "days offline", "cost", "slips", "their cost")
    for line in lines:
        name = line.band if line.by == "all" else f"{line.by} {line.band}"
        money = [f"{amount:,.0f}" for amount in (line.caught, line.cost, line.slip_cost)]
        counts = (f"{line.right:,}", money[0], f"{line.wrong:,}", f"{line.days:,.1f}", money[1])
        table.add_row(Text(name), line.currency, *counts, f"{line.slips:,}", money[2])
    return table


def _write(lines: list[Entry], target: Path) -> None:
    import csv

    from ipml.enforcement.ledger.costs import Entry, ledger_rows
    from ipml.spreadsheet import defuse_within

    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, Entry.__slots__)
        writer.writeheader()
        for row in ledger_rows(lines):
            writer.writerow(
                {name: defuse_within(cell) if isinstance(cell, str) else cell for name, cell in row.items()}
            )
