"""`ipml retention`: no record is kept longer than the policy says."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import Database, open_for_command

app = typer.Typer(
    no_args_is_help=True,
    help="""Keep no record longer than the policy says.

    Example: ipml retention run --dry-run
    """,
)


@app.callback()
def retention() -> None:
    """Keep no record longer than the policy says."""


@app.command()
def run(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what is due.")] = False,
    database: Database = None,
) -> None:
    """Delete, or empty of what tells of people, whatever was kept as long as the policy says.

    The section `[retention]` of the policy (IPML_ENFORCEMENT) says for how many days. What is under a legal hold stays.
    Run it every night; killed, the next run goes on.

    Example: ipml retention run --dry-run
    """
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.privacy.retention import run_retention

    expired = run_retention(open_for_command(database), load_enforcement_policy(), dry_run=dry_run)
    for name, count in expired.counts.items():
        typer.echo(f"{count:>8,}  {name.replace('_', ' ')}")
    typer.echo(f"{expired.total:>8,}  {'due' if dry_run else 'expired'}")
