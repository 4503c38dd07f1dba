"""Administration: users (`ipml admin user`), backup, restore and upgrade of the review database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.desk.seller import tell_erased
from ipml.cli.options import Database, NewList, TrailAnchor, UserName, make_group, out_option, take_records
from ipml.cli.terminal import (
    ActingUser,
    acting,
    open_for_command,
    open_up_to_date,
    reading_from,
    show_day,
    show_table,
    writing_to,
)
from ipml.errors import UnusableSetting
from ipml.web.accounts.permissions import Action, parse_role

if TYPE_CHECKING:
    from sqlalchemy import Connection


user_app = make_group(
    "Manage the users of the reviewer's page and of commands, and their roles.\n\n"
    "This takes an admin; as long as there is none, anybody with this command line can do it.",
    "admin user list",
)


PasswordFromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of the input.")
]


@user_app.command()
@take_records
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits and . _ @ -")],
    role: Annotated[str, typer.Option(help="one of brand, viewer, reviewer, lead and admin.")] = "reviewer",
    password_stdin: PasswordFromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="They log in by a provider or a proxy, and by no password.")
    ] = False,
    *,
    user: ActingUser,
) -> None:
    """Let a person log in; the password is asked for, and only its argon2 hash is stored.

    Example: ipml admin user add ana --role reviewer
    """
    from ipml.storage.database import reading, writing
    from ipml.web.accounts.users import add_user

    least = parse_role(role)
    engine = open_up_to_date(user.database)
    with reading(engine) as connection:
        actor = _name_admin(connection, user.by)
    secret = None if no_password else _ask_password(password_stdin)
    with writing(engine) as connection:
        added = add_user(connection, name, secret, least, actor=actor)
    typer.echo(f"{added.name} may log in as {added.role}.")


@user_app.command("list")
def list_(database: Database = None) -> None:
    """List users, their roles, sellers and brands.

    Example: ipml admin user list
    """
    from ipml.review.quality.second_person import list_own_sellers
    from ipml.web.accounts.brand_accounts import list_bindings
    from ipml.web.accounts.users import list_users

    rows = []
    with reading_from(database) as connection:
        for user in list_users(connection):
            is_active, sellers = "yes" if user.is_active else "no", ", ".join(list_own_sellers(connection, user.name))
            brands = ", ".join(f"{one.brand} ({one.address})" for one in list_bindings(connection, user.user_id))
            rows.append((user.name, user.role, is_active, show_day(user.created_at), sellers, brands))
    show_table(("name", "role", "may log in", "since", "sells as", "acts for"), rows)


@user_app.command()
@take_records
def password(name: UserName, password_stdin: PasswordFromStdin = False, *, user: ActingUser) -> None:
    """Set a user's password; they are logged out everywhere.

    Example: ipml admin user password ana
    """
    from ipml.web.accounts.users import set_password

    with reading_from(user.database) as connection:
        actor = _name_admin(connection, user.by)
    new = _ask_password(password_stdin)
    with writing_to(user.database) as connection:
        set_password(connection, name, new, actor=actor)
    typer.echo(f"{name} has another password, and is logged out everywhere.")


@user_app.command()
@take_records
def link(
    name: UserName,
    subject: Annotated[
        str,
        typer.Argument(metavar="SUBJECT", help="Provider's id of the user: the claim `sub`, not an e-mail address."),
    ],
    issuer: Annotated[str | None, typer.Option(help="The provider; by default IPML_OIDC_ISSUER.")] = None,
    *,
    user: ActingUser,
) -> None:
    """Let a user log in with an OpenID Connect provider.

    Example: ipml admin user link ana 248289761001
    """
    from ipml.settings import get_settings
    from ipml.web.accounts.users import Identity, link_user

    issuer = issuer or get_settings().oidc_issuer
    if issuer is None:
        raise UnusableSetting("--issuer", "none", "the provider, here or in IPML_OIDC_ISSUER")
    with _managing(user) as (connection, actor):
        link_user(connection, name, Identity(issuer, subject), actor=actor)
    typer.echo(f"{name} can log in by {issuer}.")


@user_app.command()
@take_records
def sells(
    name: UserName,
    seller: Annotated[str, typer.Argument(metavar="SELLER", help="Under which seller's id.")],
    no_longer: Annotated[bool, typer.Option("--no-longer", help="They do not any more.")] = False,
    *,
    user: ActingUser,
) -> None:
    """Record the seller under which a user sells; the user never gets that seller's cases.

    Example: ipml admin user sells ana harbour-outlet
    """
    from ipml.review.quality.second_person import add_own_seller, remove_own_seller

    change, what = (remove_own_seller, "may judge") if no_longer else (add_own_seller, "will not judge")
    with _managing(user) as (connection, actor):
        change(connection, name, seller, by=actor)
    typer.echo(f"{name} {what} listings of {seller}{' again' if no_longer else ''}.")


@contextmanager
def _managing(user: ActingUser) -> Iterator[tuple[Connection, str]]:
    """Open a transaction, and give the name of the user who makes the change."""
    with writing_to(user.database) as connection:
        yield connection, _name_admin(connection, user.by)


def _name_admin(connection: Connection, by: str | None) -> str:
    """Return who manages users: an admin, or the operator of the command line while there is no admin."""
    from ipml.web.accounts.users import OPERATOR, has_admin

    return acting(connection, Action.MANAGE_USERS, by) if by or has_admin(connection) else OPERATOR


def _ask_password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed


def backup(
    out: Annotated[Path, out_option("A new .zip. It is never written over.")], database: Database = None
) -> None:
    """Write the whole review database, as of one moment, into one file, while people go on working.

    Keep the file private: it holds listings, decisions and password hashes, but no sessions. A SQLite backup can be
    restored to PostgreSQL, and vice versa.

    Example: ipml admin backup --out ipml-2026-05-01.zip
    """
    from ipml.storage.backup import back_up

    manifest = back_up(open_for_command(database), out)
    typer.echo(
        f"{manifest.rows:,} rows of {len(manifest.tables)} tables into {out}; keep this anchor: {manifest.anchor}"
    )


def upgrade(
    database: Database = None,
    while_in_use: Annotated[
        bool, typer.Option("--while-in-use", help="Do it even if processes still run that cannot work with it then.")
    ] = False,
) -> None:
    """Back up an older review database and upgrade it; then start the new release's processes.

    `ipml serve` and `ipml worker` do the same when they start. The backup goes into the folder IPML_BACKUPS, else
    beside the SQLite file, else into this folder. If interrupted, the database is unchanged or fully upgraded. Tables
    that the previous release cannot use are not created while one of its processes runs.

    Example: ipml admin upgrade
    """
    from ipml.storage.database import get_revision, reading

    with reading(open_up_to_date(database, while_in_use=while_in_use)) as connection:
        typer.echo(f"The database is at revision {get_revision(connection)}.")


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="Output of `ipml admin backup`.", exists=True)],
    database: Database = None,
    anchor: TrailAnchor = None,
    new_list: NewList = False,
) -> None:
    """Fill an empty review database from a backup: all of it, verified, or nothing.

    Backups of older releases are upgraded. Everybody must log in again. Sellers erased since the backup (file
    IPML_ERASED) are erased again before anything is stored; if that file is missing or damaged, nothing is restored.

    Example: ipml admin restore ipml-2026-05-01.zip --database postgresql+psycopg://ipml@db/ipml
    """
    from ipml.enforcement.privacy.erased_list import begin_list, read_erased
    from ipml.enforcement.privacy.erasure import Erased, Erasure, erase_again_within, sweep_erased
    from ipml.settings import get_settings
    from ipml.storage.audit_trail.audit import Anchor
    from ipml.storage.backup import restore as restore_into

    kept = Anchor.parse(anchor) if anchor else None
    erased_in, erased = get_settings().erased, None
    if erased_in is not None:
        if new_list:
            begin_list(erased_in)
        erased = read_erased(erased_in)
    engine, again = open_for_command(database, create=True), list[Erasure]()

    def erase_again(connection: Connection) -> None:
        if erased is not None:
            again.extend(erase_again_within(connection, erased, by="restore", now=datetime.now(UTC)))

    manifest = restore_into(engine, file, kept, finish=erase_again)
    typer.echo(f"{manifest.rows:,} rows of {len(manifest.tables)} tables restored, as they were at {manifest.made_at}.")
    if erased is not None:
        tell_erased(Erased(tuple(again), sweep_erased(engine)))
