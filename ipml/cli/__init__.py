"""The `ipml` commands: one short file per group, joined here.

A command's module imports what it needs inside the function, so that `ipml --help` answers at once.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ipml.cli import (
    appeal,
    audit,
    automatic,
    brand,
    clue,
    columns,
    complaint,
    evidence,
    golden,
    network,
    notice,
    notifier,
    penalty,
    queue,
    retention,
    seller,
    statement,
    takedown,
    trader,
    transparency,
    user,
    webhook,
)
from ipml.cli.backup import backup
from ipml.cli.compare import compare
from ipml.cli.demo import demo
from ipml.cli.doctor import doctor
from ipml.cli.drift import drift
from ipml.cli.enqueue import enqueue
from ipml.cli.estimate import estimate
from ipml.cli.label_errors import label_errors
from ipml.cli.labels import labels
from ipml.cli.leakage_audit import leakage_audit
from ipml.cli.ledger import ledger
from ipml.cli.options import OPENED
from ipml.cli.portfolios import portfolios
from ipml.cli.promote import promote
from ipml.cli.report import report
from ipml.cli.reproduce import reproduce
from ipml.cli.restore import restore
from ipml.cli.reviewers import reviewers
from ipml.cli.robustness import robustness
from ipml.cli.rollback import rollback
from ipml.cli.score import score
from ipml.cli.select import select
from ipml.cli.serve import serve
from ipml.cli.shadow import shadow
from ipml.cli.simulate import simulate
from ipml.cli.sweep import sweep
from ipml.cli.train import train
from ipml.cli.validate import validate
from ipml.cli.warm_up import warm_up
from ipml.errors import IpmlError

app = typer.Typer(
    name="ipml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fits paragraphs to the width of the terminal
)

for command in (
    demo,
    simulate,
    validate,
    train,
    score,
    portfolios,
    enqueue,
    serve,
    labels,
    doctor,
    warm_up,
    robustness,
    drift,
    label_errors,
    leakage_audit,
    select,
    compare,
    shadow,
    promote,
    rollback,
    report,
    reproduce,
    sweep,
    backup,
    restore,
    estimate,
    reviewers,
    ledger,
):
    app.command()(command)
app.add_typer(columns.app, name="columns")
app.add_typer(user.app, name="user")
app.add_typer(queue.app, name="queue")
app.add_typer(golden.app, name="golden")
app.add_typer(evidence.app, name="evidence")
app.add_typer(audit.app, name="audit")
app.add_typer(statement.app, name="statement")
app.add_typer(appeal.app, name="appeal")
app.add_typer(automatic.app, name="automatic")
app.add_typer(seller.app, name="seller")
app.add_typer(retention.app, name="retention")
app.add_typer(takedown.app, name="takedown")
app.add_typer(webhook.app, name="webhook")
app.add_typer(penalty.app, name="penalty")
app.add_typer(network.app, name="network")
app.add_typer(clue.app, name="clue")
app.add_typer(notice.app, name="notice")
app.add_typer(notifier.app, name="notifier")
app.add_typer(complaint.app, name="complaint")
app.add_typer(brand.app, name="brand")
app.add_typer(transparency.app, name="transparency")
app.add_typer(trader.app, name="trader")


def _show_version(is_asked: bool) -> None:
    if is_asked:
        from importlib.metadata import version

        typer.echo(f"ipml {version('ipml')}")
        raise typer.Exit


@app.callback()
def ipml(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Find counterfeit listings, let people confirm them, and learn from what they decide."""
    context.call_on_close(OPENED.close)


def main() -> NoReturn:
    """Run one command; a mistake of a person, or a lack of the machine, is answered with one line and exit code 2."""
    # pandera loads PySpark where it is installed, and PySpark warns of pandas 3, which ipml does not hand it.
    warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas", FutureWarning)
    try:
        app()
    except IpmlError as error:
        _complain(str(error))
    except OSError as error:  # no permission, no space: nothing that a traceback would help with
        _complain(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except MemoryError as error:
        _complain(f"not enough memory: {error}")
    sys.exit(0)


def _complain(message: str) -> NoReturn:
    """Print one line, in which what others wrote can neither break it nor command the terminal, and exit with 2."""
    line = " ".join(message.split())
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    typer.echo(f"ipml: {shown}", err=True)
    sys.exit(2)
