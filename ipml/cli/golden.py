"""`ipml golden`: cases whose truth is known, which reviewers meet unknowingly."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command

app = typer.Typer(
    no_args_is_help=True,
    help="""Keep the cases whose truth is known; reviewers meet them unknowingly.

    Example: ipml golden list
    """,
)

Case = Annotated[int, typer.Argument(metavar="CASE", help="Number of a decided case.", show_default=False)]


@app.command()
def add(
    case: Case,
    truth: Annotated[str, typer.Option(help="counterfeit or genuine.", show_default=False)],
    source: Annotated[str, typer.Option(help="How that is known; told after the verdict.", show_default=False)],
    by: By = None,
    database: Database = None,
) -> None:
    """Say what a decided case truly is; whoever says so never gets it.

    Example: ipml golden add 12 --truth counterfeit --source "test purchase of 3 May"
    """
    from ipml.errors import UnusableSetting
    from ipml.records import Verdict
    from ipml.review.quality.goldens import add_golden
    from ipml.web.permissions import Action

    if truth not in (Verdict.COUNTERFEIT, Verdict.GENUINE):
        raise UnusableSetting("truth", repr(truth), "counterfeit or genuine")
    engine = open_for_command(database)
    golden = add_golden(engine, case, Verdict(truth), source, acting(engine, Action.KEEP_CONTROL_CASES, by))
    typer.echo(f"Case {case} is known to be {golden.truth}; each reviewer will meet it once.")


@app.command("list")
def list_(database: Database = None) -> None:
    """List the cases whose truth is known.

    Example: ipml golden list
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.review.quality.goldens import list_goldens

    table = Table("case", "truth", "known by", "added by", "since")
    for golden in list_goldens(open_for_command(database)):
        since = f"{golden.added_at:%Y-%m-%d}"
        table.add_row(str(golden.case_id), golden.truth, Text(golden.source), Text(golden.added_by), since)
    Console().print(table)


@app.command()
def remove(case: Case, by: By = None, database: Database = None) -> None:
    """Take a case off the list; what reviewers said of it stays.

    Example: ipml golden remove 12
    """
    from ipml.review.quality.goldens import remove_golden
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    remove_golden(engine, case, acting(engine, Action.KEEP_CONTROL_CASES, by))
    typer.echo(f"Case {case} is no longer on the list.")
