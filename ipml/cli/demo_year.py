"""`ipml demo --year`: the historical year at a scale, on the real programme."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ipml.simulation.year.run import Account

HEAD = """\
A simulated year at {scale:g} of the historical programme of 2012. The listings, the people and the passing of time are
made up; the model, the queue, the decisions and all that follows from them are ipml's. The figures show what load the
programme bears and what it does wrong, not how good it is on your listings.

People look at what scores {threshold:.2f} or more: of that, {precision:.0%} was counterfeit on sellers whom the model
had not seen, and it held {recall:.0%} of their counterfeits.
"""


def show_year(out: Path, scale: float, seed: int, difficulty: float, days: int) -> None:
    """Live through a year that ended yesterday, and print its figures beside the historical ones."""
    from rich.console import Console

    from ipml.simulation.year.plan import Plan
    from ipml.simulation.year.run import DATABASE, run_year

    plan = Plan(scale, seed, difficulty, days).ending_before(datetime.now(UTC).date())
    console = Console(stderr=True)
    with console.status("Starting") as status:

        def say(step: str) -> None:
            line = step[:1].upper() + step[1:]
            if console.is_terminal:
                status.update(line)
            else:
                typer.echo(line, err=True)

        account = run_year(plan, out, say)
    typer.echo(describe_year(account))
    typer.echo(f"Look at what was done, in the database sqlite:///{out / DATABASE}")


def describe_year(account: Account) -> str:
    """Return the account of a year as it is printed."""
    from ipml.simulation.year.table import write_stations, write_table

    learnt = account.learnt
    head = HEAD.format(
        scale=account.plan.scale, threshold=learnt.threshold, precision=learnt.precision, recall=learnt.recall
    )
    lived = account.lived
    return f"{head}\n{write_table(account.figures)}\n\n{write_stations(lived.stations, lived)}\n"
