"""The `ipml` commands: one short file per group, joined here.

A command's module imports what it needs inside the function, so that `ipml --help` answers at once.
"""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from ipml.cli import user
from ipml.cli.demo import demo
from ipml.cli.doctor import doctor
from ipml.cli.enqueue import enqueue
from ipml.cli.labels import labels
from ipml.cli.score import score
from ipml.cli.serve import serve
from ipml.cli.simulate import simulate
from ipml.cli.train import train
from ipml.cli.validate import validate
from ipml.errors import IpmlError

app = typer.Typer(
    name="ipml",
    help="Find counterfeit listings, let people confirm them, and learn from what they decide.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

for command in (demo, simulate, validate, train, score, enqueue, serve, labels, doctor):
    app.command()(command)
app.add_typer(user.app, name="user")


def main() -> NoReturn:
    """Run one command; a person's mistake is answered with one line and exit code 2."""
    try:
        app()
    except IpmlError as error:
        typer.echo(f"ipml: {error}", err=True)
        sys.exit(2)
    sys.exit(0)
