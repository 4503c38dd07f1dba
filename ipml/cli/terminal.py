"""What commands take and show in the same words: options, moments, what sellers wrote, how far the work is.

Days and moments are in UTC where no zone is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer

from ipml.errors import UnusableSetting
from ipml.kit.moments import read_typed_moment

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ipml.web.accounts.permissions import Action


Database = Annotated[
    str | None,
    typer.Option(
        help="Review database, as a SQLAlchemy URL; by default IPML_DATABASE, or ipml.db here.", show_default=False
    ),
]
NewList = Annotated[
    bool,
    typer.Option(
        "--new-list",
        help="Begin an empty list of erased sellers where IPML_ERASED is not there: nobody erased before is in it.",
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="Model folder or registry URI; by default IPML_MODEL, or the champion of ipml.", show_default=False
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="How the file's columns map to ipml's: a TOML file, or a bundled map such as ozon-ecup.",
        show_default=False,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        help="The user (`ipml admin user`) who does it; by default the one with your name on this machine.",
        show_default=False,
    ),
]
Networks = Annotated[
    Path | None,
    typer.Option(
        help="Folder that `ipml cooperate network find` wrote; by default IPML_NETWORKS, or networks here.",
        show_default=False,
    ),
]
Rejects = Annotated[Path | None, typer.Option(help="Keep bad rows apart in this CSV file.", show_default=False)]


OPENED = ExitStack()
"""What the command that runs has opened; `ipml.cli` closes it when the command ends."""


def open_for_command(url: str | None = None, *, create: bool = False) -> Engine:
    """Open the review database for as long as the command runs; its connections are closed when the command ends.

    Parameters
    ----------
    url : str, default=the setting `database`
        SQLAlchemy URL.
    create : bool, default=False
        Whether a SQLite file that is not there is made.

    Raises
    ------
    UnusableDatabase
        The URL names nothing that can be opened as a database.
    """
    from ipml.storage.database import open_database

    engine = open_database(url, create=create)
    OPENED.callback(engine.dispose)
    return engine


@contextmanager
def reading_from(url: str | None) -> Iterator[Connection]:
    """Open the review database, and see it as it is at one moment; see `open_for_command`."""
    from ipml.storage.database import reading

    with reading(open_for_command(url)) as connection:
        yield connection


@contextmanager
def writing_to(url: str | None) -> Iterator[Connection]:
    """Open the review database for one change, which is stored when the block ends; see `open_for_command`."""
    from ipml.storage.database import writing

    with writing(open_for_command(url)) as connection:
        yield connection


def acting(connection: Connection, action: Action, by: str | None) -> str:
    """Return the name of the user who acts: the one that was given, else the one named as who runs the command.

    Raises
    ------
    Forbidden
        No active user of the database has that name, or their role is too low (`ipml.web.accounts.permissions`).
    """
    from getpass import getuser

    from ipml.web.accounts.users import find_permitted

    if not by:
        try:
            by = getuser()
        except (KeyError, OSError):  # such as in a container whose user has no name
            by = ""
    return find_permitted(connection, by, action).name


def choose_networks(folder: Path | None) -> Path:
    """Return the folder of networks that was given, else that of the settings, else `networks`."""
    from ipml.settings import get_settings

    return folder or get_settings().networks or Path("networks")


def check_distinct(*files: Path | None) -> None:
    """Refuse to write over the file that is read, or two results into one file.

    Raises
    ------
    UnusableSetting
        Two of the files are the same; None stands for one that was not given.
    """
    given = [file.resolve() for file in files if file is not None]
    for at, file in enumerate(given):
        if file in given[:at]:
            raise UnusableSetting("files", f"{file.name} twice", "a file of its own for each of them")


ModelName = Annotated[str, typer.Option(help="Name in the registry.")]
Tracking = Annotated[
    str | None,
    typer.Option(help="MLflow's tracking and registry URI; by default IPML_TRACKING, or mlflow.db here."),
]
Labelled = Annotated[
    Path | None,
    typer.Option(
        help="Compare on these labelled listings, not on those that both were tested on when they were trained.",
        show_default=False,
    ),
]


def make_uri(model: str, name: str) -> str:
    """Return a model as one names it to `find_model`: a bare number is a version of the registered model `name`.

    Examples
    --------
    >>> make_uri("3", "ipml"), make_uri("models:/shoes@champion", "ipml")
    ('models:/ipml/3', 'models:/shoes@champion')
    """
    return f"models:/{name}/{model}" if model.isdecimal() and len(model) < 10 else model


DAY = ["%Y-%m-%d"]


def read_moment_option(text: str) -> datetime:
    """Return the moment that an option gives: a day is its first moment, and UTC is meant where no zone is named.

    Examples
    --------
    >>> read_moment_option("2026-05-01").isoformat()
    '2026-05-01T00:00:00+00:00'
    """
    try:
        return read_typed_moment(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}.") from None


def show_day(moment: datetime | None) -> str:
    """Return the day of a moment; nothing for none.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> show_day(datetime(2026, 5, 1, 9, 30, tzinfo=UTC)), show_day(None)
    ('2026-05-01', '')
    """
    return f"{moment:%Y-%m-%d}" if moment else ""


def show_minute(moment: datetime | None) -> str:
    """Return a moment to the minute, with its zone; nothing for none.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> show_minute(datetime(2026, 5, 1, 9, 30, tzinfo=UTC)), show_minute(None)
    ('2026-05-01 09:30 UTC', '')
    """
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def printable(text: str) -> str:
    """Return hostile text without what a terminal would obey.

    Examples
    --------
    >>> printable("wool\\x1b[2J hat")
    'wool\ufffd[2J hat'
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


class ShowRows(Protocol):
    """What tells the display how many rows have been done, and of how many where that is known."""

    def __call__(self, rows: int, total: int | None = None, step: str = "") -> None:
        """Show the line anew."""


@contextmanager
def show_rows(things: str = "listings") -> Iterator[ShowRows]:
    """Show a line on the terminal, if there is one; give the function that is told how many rows have been done."""
    import sys

    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        pace: dict[str, ProgressPace] = {}

        def show(rows: int, total: int | None = None, step: str = "") -> None:
            line = pace.setdefault(step, ProgressPace(step, things)).describe(rows, total, progress.get_time())
            progress.update(task, description=line)

        yield show


class ProgressPace:
    """How fast rows are done, counted from the first time it is told: what was done before then took no time.

    Examples
    --------
    >>> pace = ProgressPace("scored")
    >>> pace.describe(1_000, 9_000, seconds=0.0)
    '1,000 of 9,000 listings scored'
    >>> pace.describe(3_000, 9_000, seconds=2.0)
    '3,000 of 9,000 listings scored, 1,000 a second, 0:00:06 left'
    """

    def __init__(self, step: str, things: str = "listings") -> None:
        self._step, self._things = step, things
        self._first: tuple[int, float] | None = None

    def describe(self, rows: int, total: int | None, seconds: float) -> str:
        """Return the line for so many rows of a total, at a time."""
        from datetime import timedelta

        self._first = self._first or (rows, seconds)
        done, took = rows - self._first[0], seconds - self._first[1]
        of = f" of {total:,}" if total is not None and total >= rows else ""
        line = " ".join(filter(None, [f"{rows:,}{of} {self._things}", self._step]))
        if done <= 0 or took <= 0:
            return line
        line += f", {done / took:,.0f} a second"
        return f"{line}, {timedelta(seconds=round((total - rows) * took / done))} left" if of and total else line
