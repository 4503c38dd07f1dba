"""`ipml notice`: what rights holders and consumers tell of listings."""

from __future__ import annotations

import typer

from ipml.cli.notice_answer import answer

app = typer.Typer(
    no_args_is_help=True,
    help="""Deal with notices.

    Example: ipml notice answer 7f3a91c2 --withdrawn
    """,
)
app.command()(answer)
