"""`ipml webhook`: what the platform and ipml need to trust each other's messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ipml.cli.plain_text import printable

app = typer.Typer(
    no_args_is_help=True,
    help="""Prepare the messages that `ipml takedown deliver` sends.

    Example: ipml webhook secret --out webhook.secret
    """,
)


@app.callback()
def _group() -> None:
    """Keep `secret` a command of the group while it is the only one."""


@app.command()
def secret(
    out: Annotated[
        Path | None, typer.Option(help="File to write it into; printed without.", dir_okay=False, show_default=False)
    ] = None,
) -> None:
    """Make a secret that signs messages (Standard Webhooks); the receiver gets the same one.

    A file that is there is never overwritten. Name it in IPML_WEBHOOK_SECRET; while a secret changes, it holds both, in
    two lines, the new one first.

    Example: ipml webhook secret --out webhook.secret
    """
    from ipml.enforcement.takedown.envelope import make_secret

    made = make_secret(out)
    typer.echo(made if out is None else f"A secret in {printable(str(out))}; name it in IPML_WEBHOOK_SECRET.")
