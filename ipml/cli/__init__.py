"""The `ipml` commands: a module for each subject, joined here.

A command's module imports what it needs inside the function, so that `ipml --help` answers at once.
"""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, NoReturn

import typer

from ipml.cli import (
    admin,
    appeal,
    evidence,
    listing_files,
    network,
    notice,
    notifier,
    outbox,
    penalty,
    queue,
    reports,
    reviews,
    seller,
    takedown,
)
from ipml.cli.admin import backup, restore
from ipml.cli.demo import demo, simulate
from ipml.cli.doctor import doctor
from ipml.cli.experiments import label_errors, report, reproduce, sweep, train
from ipml.cli.labels import labels, leakage_audit, select
from ipml.cli.listing_files import validate
from ipml.cli.models import compare, drift, promote, robustness, rollback, shadow
from ipml.cli.queue import enqueue
from ipml.cli.reviews import estimate, reviewers
from ipml.cli.score import portfolios, score, warm_up
from ipml.cli.serve import serve
from ipml.cli.takedown import ledger
from ipml.cli.terminal import OPENED
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
app.add_typer(listing_files.columns_app, name="columns")
app.add_typer(admin.user_app, name="user")
app.add_typer(queue.app, name="queue")
app.add_typer(reviews.golden_app, name="golden")
app.add_typer(evidence.evidence_app, name="evidence")
app.add_typer(evidence.audit_app, name="audit")
app.add_typer(outbox.statement_app, name="statement")
app.add_typer(appeal.app, name="appeal")
app.add_typer(takedown.automatic_app, name="automatic")
app.add_typer(seller.seller_app, name="seller")
app.add_typer(seller.retention_app, name="retention")
app.add_typer(takedown.takedown_app, name="takedown")
app.add_typer(outbox.webhook_app, name="webhook")
app.add_typer(penalty.app, name="penalty")
app.add_typer(network.network_app, name="network")
app.add_typer(network.clue_app, name="clue")
app.add_typer(notice.notice_app, name="notice")
app.add_typer(notifier.app, name="notifier")
app.add_typer(notice.complaint_app, name="complaint")
app.add_typer(reports.brand_app, name="brand")
app.add_typer(reports.transparency_app, name="transparency")
app.add_typer(reports.trader_app, name="trader")


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
