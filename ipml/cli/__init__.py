"""Commands: the `ipml` command line, one module per subject.

Command modules import what they need inside functions, so that `ipml --help` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, NoReturn

import typer

from ipml.cli.admin import backup, restore, upgrade, user_app
from ipml.cli.demo import demo, simulate
from ipml.cli.desk import evidence, outbox, queue, reports, reviews, seller
from ipml.cli.desk.cooperate import network, notice, notifier
from ipml.cli.desk.enforce import appeal, penalty, takedown
from ipml.cli.doctor import doctor
from ipml.cli.listing_files import guess, validate
from ipml.cli.model.experiments import label_errors, record, register_external, report, reproduce, sweep, train
from ipml.cli.model.labels import labels, leakage_audit, select, seller_events
from ipml.cli.model.models import compare, drift, promote, robustness, rollback, shadow
from ipml.cli.model.questions import app as analyse_app
from ipml.cli.options import make_group
from ipml.cli.removed import find_removed
from ipml.cli.score import portfolios, score
from ipml.cli.serve import serve
from ipml.cli.terminal import OPENED
from ipml.cli.worker.commands import worker
from ipml.errors import IpmlError

_OFTEN, _MODELS, _CASES, _OTHERS = (
    "Every day",
    "Listings and models",
    "Cases and actions",
    "Others, and running ipml",
)

MISSING = {
    "pyarrow": "batch",
    **dict.fromkeys(("duckdb", "jinja2", "mlflow", "spellchecker", "wordfreq"), "train"),
    **dict.fromkeys(
        (
            "alembic",
            "cryptography",
            "fastapi",
            "httpx",
            "networkx",
            "PIL",
            "standardwebhooks",
        ),
        "console",
    ),
    **dict.fromkeys(
        ("multipart", "phonenumbers", "prometheus_client", "pwdlib", "sqlalchemy", "starlette", "stdnum", "uvicorn"),
        "console",
    ),
    **dict.fromkeys(("rfc3161_client", "warcio"), "evidence"),
    "optuna": "sweep",
    **{"authlib": "oidc", "joserfc": "oidc", "psycopg": "postgres", "pyspark": "spark"},
}
"""The extra that installs each module that a scoring service does not need."""

app = typer.Typer(
    name="ipml",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # which fits paragraphs to the width of the terminal
)


def _add_commands(group: typer.Typer, *commands: Callable[..., object], panel: str | None = None) -> None:
    """Add commands under the names of their functions."""
    for command in commands:
        group.command(rich_help_panel=panel)(command)


def _add_group(name: str, panel: str, about: str, example: str) -> typer.Typer:
    """Add a group of commands to a panel of `ipml --help`."""
    group = make_group(about, f"{name} {example}")
    app.add_typer(group, name=name, rich_help_panel=panel)
    return group


def docs() -> None:
    """Open the documentation in a browser, and print its address.

    Example: ipml docs
    """
    import webbrowser
    from importlib.metadata import metadata

    links = dict(link.split(", ", 1) for link in metadata("ipml").get_all("Project-URL") or ())
    typer.echo(links["Documentation"])
    webbrowser.open(links["Documentation"])


_add_commands(app, demo, serve, worker, score, queue.enqueue, doctor, docs, panel=_OFTEN)

_data = _add_group("data", _MODELS, "Files of listings, labels and events: check, map, make.", "validate shop.csv")
_data.command("guess-columns")(guess)
_add_commands(_data, validate, labels, seller_events, portfolios, simulate)

_model = _add_group("model", _MODELS, "Train, judge, compare and promote models.", "train experiments/shoes.toml")
_add_commands(_model, train, register_external, record, sweep, report, reproduce)
_add_commands(_model, compare, promote, rollback, shadow, drift, robustness)
_add_commands(_model, label_errors, leakage_audit, select)
_model.add_typer(analyse_app, name="analyse")

app.add_typer(queue.app, name="queue", rich_help_panel=_CASES)
_add_commands(queue.app, reviews.estimate, reviews.reviewers, reviews.control, reviews.pictures)

_enforce = _add_group(
    "enforce", _CASES, "Measures, statements of reasons, penalties, appeals, acting without review.", "measure list"
)
_enforce.add_typer(takedown.measure_app, name="measure")
_enforce.add_typer(outbox.statement_app, name="statement")
_enforce.add_typer(penalty.app, name="penalty")
_enforce.add_typer(appeal.app, name="appeal")
_enforce.add_typer(takedown.automatic_app, name="automatic")
_add_commands(_enforce, takedown.ledger)

_outbox = _add_group("outbox", _CASES, "Deliver messages to platform, sellers and rights holders.", "deliver --follow")
_add_commands(_outbox, outbox.deliver, outbox.retry, outbox.secret)
_outbox.command("test")(outbox.try_receiver)

app.add_typer(evidence.evidence_app, name="evidence", rich_help_panel=_CASES)
app.add_typer(evidence.audit_app, name="audit", rich_help_panel=_CASES)
app.add_typer(seller.seller_app, name="seller", rich_help_panel=_CASES)

_cooperate = _add_group(
    "cooperate", _OTHERS, "Notices and who gives them, networks of sellers, referrals.", "network show"
)
_cooperate.add_typer(notice.notice_app, name="notice")
_cooperate.add_typer(notifier.app, name="notifier")
_cooperate.add_typer(network.network_app, name="network")
_cooperate.add_typer(network.referral_app, name="referral")

_report = _add_group("report", _OTHERS, "Reports for brands and the public, and on traders.", "brand Acme --year 2026")
_report.command("brand")(reports.report_brand)
_report.command("transparency")(reports.report_transparency)
_report.command("traders")(reports.report_traders)

_admin = _add_group("admin", _OTHERS, "Users, backup, restore and upgrade.", "backup --out ipml-2026-05-01.zip")
_admin.add_typer(user_app, name="user")
_add_commands(_admin, backup, restore, upgrade)


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


@cache
def make_commands() -> Any:
    """Return the commands that `app` describes, cached: building them takes longer than running most of them."""
    return typer.main.get_command(app)


def main() -> NoReturn:
    """Run one command; errors of users or the machine print one line and exit with code 2."""
    if answer := find_removed(sys.argv[1:]):
        _complain(answer)
    try:
        make_commands()()
    except IpmlError as error:
        _complain(str(error))
    except OSError as error:  # such as permissions or disk space: a traceback would not help
        _complain(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except MemoryError as error:
        _complain(f"not enough memory: {error}")
    except ModuleNotFoundError as error:
        module = str(error.name).partition(".")[0]
        if module not in MISSING:
            raise
        # Training needs more than pyarrow, which it imports first.
        extra = "train" if module == "pyarrow" and sys.argv[1] in ("demo", "model") else MISSING[module]
        _complain(f"this command needs {module}, which is not installed: pip install 'ipml[{extra}]', or [all]")
    sys.exit(0)


def _complain(message: str) -> NoReturn:
    """Print one line, in which foreign text can neither break the line nor control the terminal, and exit with 2."""
    line = " ".join(message.split())
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
    typer.echo(f"ipml: {shown}", err=True)
    sys.exit(2)
