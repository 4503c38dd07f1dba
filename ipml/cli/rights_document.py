"""`ipml notifier document`: whether what a notifier filed shows the rights it is to show."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command

app = typer.Typer(
    no_args_is_help=True,
    help="""Say whether a document shows the rights it is to show.

    Example: ipml notifier document accept 3
    """,
)

Number = Annotated[
    int, typer.Argument(metavar="DOCUMENT", help="Number, as `ipml notifier show` lists it.", show_default=False)
]


@app.command()
def accept(document: Number, by: By = None, database: Database = None) -> None:
    """Say that a document shows the rights: later notices for the brand need none.

    Example: ipml notifier document accept 3
    """
    _check(document, by, database, is_accepted=True)


@app.command()
def reject(document: Number, by: By = None, database: Database = None) -> None:
    """Say that a document does not show the rights.

    Example: ipml notifier document reject 3
    """
    _check(document, by, database, is_accepted=False)


def _check(number: int, by: str | None, database: str | None, *, is_accepted: bool) -> None:
    from ipml.cooperation.notifiers.documents import check_document
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    checked = check_document(engine, number, acting(engine, Action.JUDGE_NOTIFIERS, by), is_accepted=is_accepted)
    said = f"Document {number} of notifier {checked.notifier_id} is {'accepted' if is_accepted else 'rejected'}."
    typer.echo(said)
