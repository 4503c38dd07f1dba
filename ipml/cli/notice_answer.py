"""`ipml notice answer`: what a notifier says to a counter-notice against their notice."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command


def answer(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="Of the notice.", show_default=False)],
    acted: Annotated[
        str | None,
        typer.Option(help="They sued or complained: where, and its number. The measure stays.", show_default=False),
    ] = None,
    withdrawn: Annotated[
        bool, typer.Option("--withdrawn", help="They give up: the listing is put back at once.")
    ] = False,
    by: By = None,
    database: Database = None,
) -> None:
    """Record what a notifier did about the counter-notices against their notice.

    Example: ipml notice answer 7f3a91c2 --acted "LG Hamburg 312 O 5/26"
    """
    from ipml.cooperation.consequences import cooperating
    from ipml.cooperation.notices.counter import answer as take_answer
    from ipml.web.permissions import Action

    engine = cooperating(open_for_command(database))
    name = acting(engine, Action.DECIDE_APPEALS, by)
    for appeal in take_answer(engine, reference, by=name, acted=acted, has_withdrawn=withdrawn):
        typer.echo(f"Appeal {appeal.appeal_id} is {appeal.state}.")
