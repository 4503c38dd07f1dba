"""`ipml rollback`: put the model that was in use before back into use."""

from __future__ import annotations

from typing import Annotated

import typer

from ipml.cli.registry_options import Name, Tracking


def rollback(
    to: Annotated[
        int | None,
        typer.Option(help="A version that was champion once; by default the one before.", min=1, show_default=False),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for those who read the history.", show_default=False)] = "",
    name: Name = "ipml",
    tracking: Tracking = None,
) -> None:
    """Go back to the champion before, and again to the one before that.

    Nothing is measured: this is for when a new model does harm. Only a model that still loads is put back.

    Example: ipml rollback --reason "flags every second-hand watch"
    """
    from rich.console import Console

    from ipml.model.promotion import roll_back

    with Console(stderr=True).status("Going back"):
        moved = roll_back(name, to=to, reason=reason, tracking_uri=tracking)
    typer.echo(f"models:/{name}/{moved.version} is champion again, in place of version {moved.replaced}")
