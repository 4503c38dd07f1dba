"""`ipml clue receipt` and `outcome`: who signed for a clue, and what became of it."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.options import By, Database, acting, open_for_command

Number = Annotated[int, typer.Argument(metavar="CLUE", help="Number of a clue.", show_default=False)]


def receipt(
    clue: Number,
    signed_by: Annotated[str, typer.Option(help="Who of the recipient signed for it.", show_default=False)],
    by: By = None,
    database: Database = None,
) -> None:
    """Note who signed for a clue.

    Example: ipml clue receipt 3 --signed-by "KHK Weber, file 12 Js 4/26"
    """
    from ipml.cooperation.clues.log import sign_receipt
    from ipml.web.permissions import Action

    engine = open_for_command(database)
    signed = sign_receipt(engine, clue, signed_by, by=acting(engine, Action.HAND_ON_NETWORKS, by))
    typer.echo(f"Clue {clue} ({signed.reference}), content {signed.content_digest}: received.")


def outcome(
    clue: Number,
    opened: Annotated[bool, typer.Option("--opened", help="An investigation was opened.")] = False,
    arrests: Annotated[int | None, typer.Option(min=1, help="How many were arrested.", show_default=False)] = None,
    seized: Annotated[
        float | None, typer.Option(help="Value of what was seized, in --currency.", show_default=False)
    ] = None,
    currency: Annotated[
        str | None,
        typer.Option(help="Of what was seized, such as USD; else that of the clue.", show_default=False),
    ] = None,
    dropped: Annotated[
        str | None, typer.Option(metavar="WHY", help="It was dropped: a word of the policy's list.", show_default=False)
    ] = None,
    by: By = None,
    database: Database = None,
) -> None:
    """Note what became of a clue; `ipml clue rank` learns from it.

    Example: ipml clue outcome 3 --arrests 4
    """
    from ipml.cooperation.clues.outcomes import note_outcome
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.errors import UnusableSetting
    from ipml.web.permissions import Action

    amounts: dict[str, float | None] = {"opened": None, "arrests": arrests, "seized": seized, "dropped": None}
    told = {
        "opened": opened,
        "arrests": arrests is not None,
        "seized": seized is not None,
        "dropped": dropped is not None,
    }
    kinds = [kind for kind, is_told in told.items() if is_told]
    if len(kinds) != 1:
        raise UnusableSetting("outcome", ", ".join(kinds) or "none", "one of --opened, --arrests, --seized, --dropped")
    engine = open_for_command(database)
    said = {
        "by": acting(engine, Action.HAND_ON_NETWORKS, by),
        "amount": amounts[kinds[0]],
        "currency": currency,
        "why": dropped,
    }
    note_outcome(engine, clue, kinds[0], load_cooperation_policy().clues, **said)  # type: ignore[arg-type]
    typer.echo(f"Clue {clue}: {kinds[0]}.")
