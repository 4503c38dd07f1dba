"""`ipml statement`: what sellers are told, and what the transparency database gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, open_for_command
from ipml.cli.plain_text import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

app = typer.Typer(
    no_args_is_help=True,
    help="""Show, check and send the statements of reasons.

    Example: ipml statement show 12
    """,
)
_MOST_LINES = 50


@app.command()
def show(
    subject: Annotated[str, typer.Argument(metavar="CASE|SUBJECT", help="Such as 12, or measure:7.")],
    lang: Annotated[
        str | None, typer.Option(help="Write the letter in another language: de, en, es, fr, zh.", show_default=False)
    ] = None,
    database: Database = None,
) -> None:
    """Show letter and payload of a restriction, or of all restrictions of a case.

    Example: ipml statement show 12 --lang de
    """
    import json

    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.statements.statements import get_statement, read_letter
    from ipml.errors import SellerErased
    from ipml.storage.database import reading

    rules = load_enforcement_policy().statements
    with reading(open_for_command(database)) as connection:
        for name in _subjects(connection, subject):
            kept = get_statement(connection, name)
            try:
                letter = read_letter(connection, name, rules, lang)
                typer.echo(f"{letter.subject}\n\n{_printable(letter.text)}")
            except SellerErased:
                typer.echo(f"{kept.statement.puid}: the seller was erased, and the letter with them.\n")
            if kept.payload is None:
                typer.echo(f"Not for the transparency database: {kept.why_not_stated}.")
            else:
                typer.echo(json.dumps(kept.payload, indent=2))


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help='JSON lines: a statement each, or a batch {"statements": […]}.')
    ],
) -> None:
    """Check statements, ipml's or any others, by the rules of the transparency database; exit code 1 if one is bad.

    Example: ipml statement check statements.jsonl
    """
    from ipml.enforcement.statements.files import check_file

    n_statements, faults = check_file(file)
    for line in faults[:_MOST_LINES]:
        typer.echo(printable(line))
    if len(faults) > _MOST_LINES:
        typer.echo(f"… and {len(faults) - _MOST_LINES:,} more")
    typer.echo(f"{n_statements:,} statements, {len(faults):,} faults.")
    raise typer.Exit(1 if faults else 0)


@app.command()
def send(
    to: Annotated[
        str | None, typer.Option(help="Address; by default IPML_TRANSPARENCY_URL.", show_default=False)
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many wait.")] = False,
    database: Database = None,
) -> None:
    """Send the statements that wait to the transparency database, a hundred in a request.

    One that is refused holds up no other; what was sent before is known by its puid and counts as taken.
    IPML_TRANSPARENCY_TOKEN names the file with the token. Exit code 1 if something was refused or could not be sent.

    Example: ipml statement send --dry-run
    """
    from datetime import UTC, datetime

    from ipml.enforcement.statements.batches import count_waiting, send_waiting
    from ipml.enforcement.statements.sending import open_client, post_to, read_token
    from ipml.errors import UnusableSetting
    from ipml.settings import get_settings

    engine = open_for_command(database)
    if dry_run:
        typer.echo(f"{count_waiting(engine):,} statements wait.")
        return
    address = to or get_settings().transparency_url
    if address is None:
        raise UnusableSetting("transparency_url", "none", "an address: set IPML_TRANSPARENCY_URL, or use --to")
    with open_client() as client:
        post = post_to(address, read_token(get_settings().transparency_token), client)
        sent = send_waiting(engine, post, now=datetime.now(UTC))
    typer.echo(f"{sent.delivered:,} taken, {sent.dead:,} refused, {sent.waiting:,} left for later.")
    if sent.words:
        typer.echo(printable(sent.words))
    raise typer.Exit(1 if sent.dead or sent.waiting else 0)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines, a statement each; must not be there yet.")],
    database: Database = None,
) -> None:
    """Write all statements as the transparency database takes them into a file; nothing is marked as sent.

    Example: ipml statement export statements.jsonl
    """
    from ipml.enforcement.statements.files import export_file

    n_statements = export_file(open_for_command(database), file)
    typer.echo(f"{n_statements:,} statements written to {file}.")


def _subjects(connection: Connection, subject: str) -> list[str]:
    from ipml.enforcement.statements.statements import list_statements
    from ipml.errors import StatementNotFound

    if not subject.isdecimal():
        return [subject]
    found = [statement.subject for statement in list_statements(connection, int(subject))]
    if not found:
        raise StatementNotFound(f"case {subject}")
    return found


def _printable(text: str) -> str:
    plain = text.replace("\u2068", "").replace("\u2069", "")  # marks around what the seller wrote
    return "\n".join(printable(line) for line in plain.splitlines())
