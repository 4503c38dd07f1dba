"""`ipml automatic`: acting without review, as far as the policy's promise is shown to hold."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command

app = typer.Typer(
    no_args_is_help=True,
    help="""Act on listings without review, as far as a promise of precision is shown to hold.

    Example: ipml automatic status
    """,
)
Brand = Annotated[
    str | None, typer.Argument(metavar="[BRAND]", help="One brand; without it all of them.", show_default=False)
]
Why = Annotated[str, typer.Option(help="Why; it goes on record.", show_default=False)]


@app.command()
def run(database: Database = None) -> None:
    """Act on what the policy (IPML_ENFORCEMENT) allows now, and draw the cases by which it is watched.

    Example: ipml automatic run
    """
    from rich.console import Console

    from ipml.cooperation.consequences import cooperating
    from ipml.enforcement.automatic.acting import act
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy()
    if not policy.automatic.is_on:
        typer.echo("The policy acts on nothing without review: is_on is false in its section [automatic].")
        return
    engine = cooperating(open_for_command(database), policy)
    with Console(stderr=True).status("Looking at cases") as status:
        acted = act(engine, policy, progress=lambda seen: status.update(f"Looking at cases: {seen:,}"))
    typer.echo(f"{acted.decided:,} listings acted on, {acted.drawn:,} drawn for people.")
    for why, number in sorted(acted.left.items(), key=lambda one: -one[1]):
        typer.echo(f"{number:,} left: {why}.")


@app.command()
def status(database: Database = None) -> None:
    """Show for each brand what was drawn and found, what is promised, and whether it is in force or why not.

    Example: ipml automatic status
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.cli.plain_text import printable
    from ipml.enforcement.automatic.promises import read_standings
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy()
    standings = read_standings(open_for_command(database), policy)
    on = "on" if policy.automatic.is_on else "off: nothing is done"
    typer.echo(f"Policy {policy.digest[:12]}, automatic action {on}.")
    table = Table("brand", "from score", "reviewed", "errors", "waiting", "precision at least", "promised", "in force")
    for one in standings:
        counts = (f"{one.count.n:,}", f"{one.count.errors:,}", f"{one.count.waiting:,}")
        shown = (f"{one.threshold:g}", *counts, f"{one.bound:.4f}", f"{one.promised:g}")
        table.add_row(Text(printable(one.brand)[:40]), *shown, "yes" if one.is_in_force else "no")
    Console().print(table)
    for one in standings:
        against = ", ".join(map(str, one.count.against[-10:]))
        cases = f" Cases that speak against it, for a lead to look at: {against}." if against else ""
        if cases or not one.is_in_force:
            typer.echo(f"{printable(one.brand)[:40]}: {one.why}{cases}")


@app.command()
def withdraw(brand: Brand = None, why: Why = "", by: By = None, database: Database = None) -> None:
    """Stop acting on a brand without review, at once, until a person allows it again.

    Example: ipml automatic withdraw Acme --why "Parallel imports since Monday"
    """
    from ipml.enforcement.automatic.promises import withdraw as withdraw_promise
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    name = acting(engine, Action.CHANGE_AUTOMATION, by)
    withdraw_promise(engine, load_enforcement_policy(), brand, name, why)
    typer.echo(f"Nothing more is done without review to {brand or 'any brand'}.")


@app.command()
def allow(brand: Brand = None, why: Why = "", by: By = None, database: Database = None) -> None:
    """Take back a person's withdrawal; newly drawn cases must show the promise before anything is done.

    Example: ipml automatic allow Acme
    """
    from ipml.enforcement.automatic.promises import allow as allow_again
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    name = acting(engine, Action.CHANGE_AUTOMATION, by)
    allow_again(engine, load_enforcement_policy(), brand, name, why)
    typer.echo(f"{brand or 'All brands'}: allowed again once newly drawn cases show the promise.")
