"""`ipml demo --year`: the historical year at a scale, on the real programme."""

from __future__ import annotations

from pathlib import Path

import typer

HEAD = """\
A simulated year at {scale:g} of the historical programme of 2012. The listings, the people and the passing of time are
made up; the model, the queue, the decisions and all that follows from them are ipml's. The figures show what load the
programme bears and what it does wrong, not how good it is on your listings.
"""


def show_year(out: Path, scale: float, seed: int, difficulty: float, days: int) -> None:
    """Live through a year, and print its figures beside the historical ones."""
    from rich.console import Console

    from ipml.simulation.year.plan import Plan
    from ipml.simulation.year.run import DATABASE, run_year
    from ipml.simulation.year.table import write_stations, write_table

    plan = Plan(scale, seed, difficulty, days)
    console = Console(stderr=True)
    with console.status("Starting") as status:
        account = run_year(plan, out, lambda step: status.update(step.capitalize()))
    typer.echo(HEAD.format(scale=scale))
    learnt = account.learnt
    typer.echo(
        f"People look at what scores {learnt.threshold:.2f} or more: on sellers that the model had not seen, "
        f"{learnt.precision:.0%} of that was counterfeit, and {learnt.recall:.0%} of the counterfeits were in it.\n"
    )
    typer.echo(write_table(account.figures))
    typer.echo(f"\n{write_stations(account.lived.stations, account.lived)}")
    typer.echo(f"\nLook at what was done, in the database sqlite:///{out / DATABASE}")
