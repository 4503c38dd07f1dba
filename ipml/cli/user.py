"""`ipml user`: who may log in to the reviewer's page."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from ipml.cli.options import Database

app = typer.Typer(no_args_is_help=True, help="Say who may log in to the reviewer's page, and as what.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="Letters, digits and . _ @ -")],
    role: Annotated[str, typer.Option(help="viewer, reviewer, lead or admin.")] = "reviewer",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the first line of the input.")
    ] = False,
    database: Database = None,
) -> None:
    """Let a person log in; the password is asked for, and only its argon2 hash is kept.

    Example: ipml user add ana --role reviewer
    """
    from ipml.storage.database import migrate, open_database
    from ipml.web.users import add_user, parse_role

    least = parse_role(role)
    engine = open_database(database)
    migrate(engine)
    password = (
        sys.stdin.readline().rstrip("\r\n")
        if password_stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    user = add_user(engine, name, password, least)
    typer.echo(f"{user.name} may log in as {user.role}.")


@app.command("list")
def list_(database: Database = None) -> None:
    """List who may log in.

    Example: ipml user list
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ipml.review.conflicts import list_sellers
    from ipml.storage.database import open_database
    from ipml.web.users import list_users

    engine = open_database(database, create=False)
    table = Table("name", "role", "may log in", "since", "sells as")
    for user in list_users(engine):
        is_active, sellers = "yes" if user.is_active else "no", ", ".join(list_sellers(engine, user.name))
        table.add_row(user.name, user.role, is_active, f"{user.created_at:%Y-%m-%d}", Text(sellers))
    Console().print(table)


@app.command()
def disable(name: Annotated[str, typer.Argument(help="Whom to shut out.")], database: Database = None) -> None:
    """Shut a person out at once; what they decided stays.

    Example: ipml user disable ana
    """
    from ipml.storage.database import open_database
    from ipml.web.users import disable_user

    disable_user(open_database(database, create=False), name)
    typer.echo(f"{name} can no longer log in.")


@app.command()
def sells(
    name: Annotated[str, typer.Argument(help="Who sells.")],
    seller: Annotated[str, typer.Argument(help="Under which seller's id.")],
    no_longer: Annotated[bool, typer.Option("--no-longer", help="They do not any more.")] = False,
    database: Database = None,
) -> None:
    """Note under which seller a person sells; they never get a case of that seller to judge.

    Example: ipml user sells ana harbour-outlet
    """
    from ipml.review.conflicts import add_seller, remove_seller
    from ipml.storage.database import open_database

    engine = open_database(database, create=False)
    if no_longer:
        remove_seller(engine, name, seller)
        typer.echo(f"{name} may judge listings of {seller} again.")
    else:
        add_seller(engine, name, seller)
        typer.echo(f"{name} will not judge listings of {seller}.")
