"""Terminal: how commands open the database, protect files, and show tables, moments and progress."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

import typer

from ipml.cli.options import By, Database
from ipml.errors import UnusableSetting, UnwritableFile

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from ipml.web.accounts.permissions import Action


_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 10.0  # between attempts to reach the database

OPENED = ExitStack()
"""Resources of the running command; `ipml.cli` closes them when it ends."""


def open_for_command(url: str | None = None, *, create: bool = False) -> Engine:
    """Open the review database until the command ends; `create` allows a new SQLite file.

    `url` defaults to the setting `database`.

    Raises UnusableDatabase if the URL names nothing that can be opened as a database.
    """
    from ipml.settings import get_settings
    from ipml.storage.database import open_database

    engine = open_database(url or get_settings().database, create=create)
    OPENED.callback(engine.dispose)
    return engine


def open_up_to_date(url: str | None = None, *, while_in_use: bool = False) -> Engine:
    """Open the review database as `open_for_command` does, with its tables created, or upgraded after a backup.

    `while_in_use` upgrades even if processes run that cannot use the new tables.

    Raises
    ------
    UnusableDatabase, UnwritableFile, Failed
        See `ipml.storage.upgrade.upgrade`.
    """
    from ipml.settings import get_settings
    from ipml.storage.upgrade import upgrade

    engine, settings = open_for_command(url, create=True), get_settings()
    upgrade(engine, settings.backups, most_backups=settings.backups_kept, say=_say_aside, while_in_use=while_in_use)
    return engine


def open_for_cases(url: str | None = None) -> Engine:
    """Open the review database as `open_up_to_date` does, for cases to be ranked in it.

    If nobody has chosen a ranking yet, the policy of the setting `policy_review` is put in force.
    """
    from ipml.review.ranking.policy import load_policy
    from ipml.review.ranking.queue_order import start_ranking
    from ipml.settings import get_settings

    engine = open_up_to_date(url)
    start_ranking(engine, load_policy(get_settings().policy_review), datetime.now(UTC))
    return engine


def _say_aside(words: str) -> None:
    typer.echo(printable(words), err=True)


def open_patiently(url: str | None, stop: Event) -> Engine | None:
    """Open the review database as `open_for_cases` does, as soon as it answers; None if stopped before.

    Raises UnusableDatabase if waiting cannot help: for example an invalid URL, a wrong password, or tables of another
    release.
    """
    from ipml.errors import DatabaseBusy, UnreachableDatabase

    pause, reason = _FIRST_PAUSE_SECONDS, ""
    while not stop.is_set():
        try:
            engine = open_for_cases(url)
        except (UnreachableDatabase, DatabaseBusy) as error:
            if str(error) != reason:
                reason = str(error)
                say_when(f"Waiting for the database: {reason}")
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        else:
            if reason:
                say_when("The database answers.")
            return engine
    return None


def say_when(words: str) -> None:
    """Print a line of a service, with the moment."""
    typer.echo(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {printable(words)}")


@contextmanager
def reading_from(url: str | None) -> Iterator[Connection]:
    """Open the review database as of one moment; see `open_for_command`."""
    from ipml.storage.database import reading

    with reading(open_for_command(url)) as connection:
        yield connection


@contextmanager
def writing_to(url: str | None) -> Iterator[Connection]:
    """Open the review database for one change, stored when the block ends; see `open_for_command`."""
    from ipml.storage.database import writing

    with writing(open_for_command(url)) as connection:
        yield connection


@dataclass(frozen=True, slots=True)
class ActingUser:
    """The options of a command that a user with a role gives."""

    by: By = None
    database: Database = None

    @contextmanager
    def acting(self, action: Action) -> Iterator[tuple[Connection, str]]:
        """Open the review database for one change, and give the user's name; see `acting`."""
        with writing_to(self.database) as connection:
            yield connection, acting(connection, action, self.by)

    def open(self, action: Action, *, is_upgrading: bool = False) -> tuple[Engine, str]:
        """Open the review database, upgraded if asked, and return it with the user's name; see `acting`."""
        from ipml.storage.database import reading

        engine = open_up_to_date(self.database) if is_upgrading else open_for_command(self.database)
        with reading(engine) as connection:
            return engine, acting(connection, action, self.by)


def acting(connection: Connection, action: Action, by: str | None) -> str:
    """Return the name of the acting user: the given one, else the login name on this machine.

    Raises Forbidden if no active user of the database has that name, or their role is too low
    (`ipml.web.accounts.permissions`).
    """
    from ipml.web.accounts.users import find_permitted

    if not by:
        try:
            by = getuser()
        except (KeyError, OSError):  # such as in a container whose user has no name
            by = ""
    return find_permitted(connection, by, action).name


def choose_networks(folder: Path | None) -> Path:
    """Return the given folder of networks, else that of the settings, else `networks`."""
    from ipml.settings import get_settings

    return folder or get_settings().networks or Path("networks")


def check_outputs(*files: Path | None, read: Sequence[Path | None] = (), force: bool) -> None:
    """Refuse to overwrite an input, another output or, unless `force`, an existing file; None means not requested.

    Raises UnusableSetting if two of the files are the same; UnwritableFile if a file of that name exists.
    """
    given: list[Path] = []
    for file in filter(None, (*read, *files)):
        if file.resolve() in given:
            raise UnusableSetting("files", f"{file.name} twice", "a file of its own for each of them")
        given.append(file.resolve())
    for file in filter(None, files):
        if not force and file.exists():
            raise UnwritableFile(file, "something of that name", "a new name, or --force")


def write_text(parts: Iterable[str], out: Path | None) -> int:
    """Write a text into a file, or to standard output without one; return the number of its parts.

    Raises UnwritableFile if the file cannot be created.
    """
    n_parts = 0
    try:
        with nullcontext(sys.stdout) if out is None else out.open("w", encoding="utf-8", newline="") as file:
            for part in parts:
                file.write(part)
                n_parts += 1
    except OSError as error:
        if out is None:
            raise
        raise UnwritableFile(out, error.strerror or str(error), "a file in a folder that is there") from error
    return n_parts


def make_uri(model: str, name: str) -> str:
    """Return a model as `find_model` takes it: a bare number is a version of the registered model `name`.

    >>> make_uri("3", "ipml"), make_uri("models:/shoes@champion", "ipml")
    ('models:/ipml/3', 'models:/shoes@champion')
    """
    return f"models:/{name}/{model}" if model.isdecimal() and len(model) < 10 else model


def show_day(moment: datetime | None) -> str:
    """Return the day of a moment; "" for None."""
    return f"{moment:%Y-%m-%d}" if moment else ""


def show_minute(moment: datetime | None) -> str:
    """Return a moment to the minute with its zone, such as "2026-05-01 09:30 UTC"; "" for None."""
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment else ""


def printable(text: str) -> str:
    """Return hostile text without terminal control characters.

    >>> printable("wool\\x1b[2J hat")
    'wool\ufffd[2J hat'
    """
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def show_table(
    head: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None, caption: str | None = None
) -> None:
    """Print a table; sellers' text in it is neither markup nor control characters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, title=title, caption=caption)
    for row in rows:
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    Console().print(table)


@contextmanager
def show_steps(first: str) -> Iterator[Callable[[str], None]]:
    """Show the present step on a terminal; give the function that sets the next one."""
    from rich.console import Console

    with Console(stderr=True).status(first) as status:
        yield lambda step: status.update(step.capitalize())


@contextmanager
def until_told_to_stop() -> Iterator[Event]:
    """Give an event that SIGTERM and Ctrl-C set; a second signal ends work in progress at once."""
    stop = Event()

    def tell(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class ShowRows(Protocol):
    """Updates the display of rows done, and of their total if known."""

    def __call__(self, rows: int, total: int | None = None, step: str = "") -> None:
        """Update the line."""


@contextmanager
def show_rows(things: str = "listings") -> Iterator[ShowRows]:
    """Show progress on a terminal; give the function that reports the number of rows done."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*shown, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None)
        pace: dict[str, _ProgressPace] = {}

        def show(rows: int, total: int | None = None, step: str = "") -> None:
            line = pace.setdefault(step, _ProgressPace(step, things)).describe(rows, total, progress.get_time())
            progress.update(task, description=line)

        yield show


class _ProgressPace:
    """Rows per second since the first report; rows done before it do not count.

    >>> pace = _ProgressPace("scored")
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
        self._first = self._first or (rows, seconds)
        done, took = rows - self._first[0], seconds - self._first[1]
        of = f" of {total:,}" if total is not None and total >= rows else ""
        line = " ".join(filter(None, [f"{rows:,}{of} {self._things}", self._step]))
        if done <= 0 or took <= 0:
            return line
        line += f", {done / took:,.0f} a second"
        return f"{line}, {timedelta(seconds=round((total - rows) * took / done))} left" if of and total else line
