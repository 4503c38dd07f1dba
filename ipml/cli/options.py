"""Options: options and arguments shared by commands, each with one name, type and meaning.

Input files are arguments, output files go to `--out`. Days and moments without a zone are in UTC. The conventions are
in `docs/reference_maker/interface_pages.py`; `tests/cli/test_conventions.py` enforces them.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from ipml.errors import UnusableSetting
from ipml.kit.moments import read_typed_moment


def make_group(about: str, example: str) -> typer.Typer:
    """Return a group of commands with a description and an example."""
    return typer.Typer(no_args_is_help=True, help=f"{about}\n\nExample: ipml {example}")


def out_option(what: str, metavar: str = "FILE") -> Any:
    """Return the option `--out` of a command, described by what it writes."""
    return typer.Option("--out", "-o", metavar=metavar, help=what)


def _read_moment_option(text: str) -> datetime:
    """Return the moment of an option: a day means its first moment, and UTC applies without a zone."""
    try:
        return read_typed_moment(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def moment_option(what: str) -> Any:
    """Return an option that takes a moment, or a day for its first moment."""
    return typer.Option(metavar="DATE", parser=_read_moment_option, help=f"{what}; UTC where no zone is given.")


DAY = ["%Y-%m-%d"]
_SUFFIXES = "CSV, JSON lines or Parquet, by suffix."
_FOR_PROGRAMS = "CSV holds texts as they are: it is for programs."

# Inputs

Listings = Annotated[Path, typer.Argument(metavar="LISTINGS", help=_SUFFIXES)]
Columns = Annotated[
    str | None,
    typer.Option(help="How the file's columns map to ipml's: a TOML file, or a bundled map such as ozon-ecup."),
]
ExperimentFile = Annotated[Path, typer.Argument(metavar="EXPERIMENT", help="Experiment file (TOML).")]
Labelled = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Compare on these labelled listings, not on those that both were tested on when they were trained.",
    ),
]
Networks = Annotated[
    Path | None,
    typer.Option(help="Folder that `ipml cooperate network find` wrote; by default IPML_NETWORKS, or networks here."),
]
NetworkSales = Annotated[
    Path | None,
    typer.Option("--sales", help="Parquet: seller_id, units, value, currency of each listing, empty where not known."),
]
EnforcementPolicyFile = Annotated[
    Path | None,
    typer.Option("--policy", help="Policy file; by default IPML_POLICY_ENFORCEMENT, or the one that comes with ipml."),
]
Package = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A folder, or a .zip.", exists=True)]
PublicKey = Annotated[
    str | None, typer.Option("--key", metavar="HEX", help="Public key that the anchor must be signed with.")
]
Anchors = Annotated[
    list[str] | None,
    typer.Option(
        "--anchor", metavar="FILE|COUNT:HASH", help="The anchor as printed when it was made, or a file of anchors."
    ),
]
TrailAnchor = Annotated[
    str | None,
    typer.Option(
        "--anchor",
        metavar="COUNT:HASH",
        help="Earlier printed anchor of the audit trail; reveals truncation and rewriting.",
    ),
]

# Outputs

OutTable = Annotated[Path, out_option(f"{_SUFFIXES} {_FOR_PROGRAMS}")]
Force = Annotated[bool, typer.Option("--force", help="Write over what is there.")]
Rejects = Annotated[Path | None, typer.Option(help="Keep bad rows apart in this CSV file.")]
AsZip = Annotated[bool, typer.Option("--zip", help="As one file.")]
NewList = Annotated[
    bool,
    typer.Option(
        "--new-list",
        help="Begin an empty list of erased sellers where IPML_ERASED is not there: nobody erased before is in it.",
    ),
]

OutModels = Annotated[
    Path, out_option("Folder of models; the model is saved in it, in place of an earlier one of its name.", "FOLDER")
]

# Models and databases

Model = Annotated[
    str | None, typer.Option(help="Model folder or registry URI; by default IPML_MODEL, or the champion of ipml.")
]
ModelName = Annotated[str, typer.Option(help="Name in the registry.")]
Tracking = Annotated[
    str | None, typer.Option(help="MLflow's tracking and registry URI; by default IPML_TRACKING, or mlflow.db here.")
]
Database = Annotated[
    str | None, typer.Option(help="Review database, as a SQLAlchemy URL; by default IPML_DATABASE, or ipml.db here.")
]
Jobs = Annotated[str, typer.Option(metavar="N", help="How many processes work; `all`, or 0: one a core.")]

# Users, periods and subjects

UserName = Annotated[str, typer.Argument(metavar="NAME", help="Login name of the user.")]
By = Annotated[
    str | None,
    typer.Option(help="The user (`ipml admin user`) who does it; by default the one with your name on this machine."),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Year = Annotated[int | None, typer.Option(metavar="YEAR", help="A calendar year, in UTC.")]
FirstDay = Annotated[
    datetime | None, typer.Option("--since", metavar="DATE", formats=DAY, help="First day, in place of --year.")
]
LastDay = Annotated[datetime | None, typer.Option("--until", metavar="DATE", formats=DAY, help="Last day.")]
AsOf = Annotated[datetime | None, moment_option("As things stood then, by default now")]
KnownBy = Annotated[datetime | None, moment_option("Only what was known by then")]
Seller = Annotated[str, typer.Argument(metavar="SELLER", help="Id of the seller.")]
DecidedCase = Annotated[int, typer.Argument(metavar="CASE", help="Number of a decided case.")]


def count_jobs(jobs: str) -> int:
    """Return the number of processes for `--jobs`. Raises UnusableSetting if it is neither a number nor "all"."""
    if jobs in ("0", "all"):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (jobs.isascii() and jobs.isdecimal() and int(jobs) <= 1_000):
        raise UnusableSetting("--jobs", repr(jobs), "a number up to 1,000, or all")
    return int(jobs)


def take_records(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take options that belong together as one record: each dataclass parameter becomes its fields.

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Page:
    ...     size: int = 50
    >>> @take_records
    ... def show(name: str, *, page: Page) -> None:
    ...     print(name, page.size)
    >>> str(inspect.signature(show))
    '(*, name: str, size: int = 50) -> None'
    >>> show(name="sellers", size=10)
    sellers 10
    """
    hints = get_type_hints(command, include_extras=True)
    records = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    options: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        source: Any = records.get(name)
        given = inspect.signature(source).parameters.values() if source else [parameter]
        types = get_type_hints(source, include_extras=True) if source else hints
        options += [one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[one.name]) for one in given]

    def run(**values: Any) -> None:
        for name, record in records.items():
            made: Any = record
            given = values.keys() & inspect.signature(made).parameters
            values[name] = made(**{field: values.pop(field) for field in given})
        command(**values)

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {one.name: one.annotation for one in options}
    run.__signature__ = inspect.Signature(options, return_annotation=None)  # type: ignore[attr-defined]
    return run
