"""Files of listings: their column maps, all that is wrong with one (`ipml data validate`), reading one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.terminal import Columns, Rejects, check_distinct

if TYPE_CHECKING:
    import pandas as pd

    from ipml.listings.column_maps import ColumnMap
    from ipml.listings.schema import Validation
    from ipml.listings.writers import RejectsFile
    from ipml.records import Problem


def load_map(columns: str | None) -> ColumnMap | None:
    """Return the column map that `--columns` names, or None where it is not given.

    Examples
    --------
    >>> load_map("mercadolibre").columns["currency"].value
    'BRL'
    """
    from ipml.listings.column_maps import load_columns

    return load_columns(columns) if columns else None


def tell_rejected(n_rows: int, rejects: Path | None) -> None:
    """Say how many rows were bad and where they are; exit with 1 if there are any."""
    if n_rows:
        typer.echo(f"{n_rows:,} bad rows kept in {rejects}")
        raise typer.Exit(1)


def read_good_listings(path: Path, columns: str | None) -> pd.DataFrame:
    """Return the listings of a file with the canonical columns, numbered from 0.

    Parameters
    ----------
    path : Path
        CSV, JSON lines or Parquet.
    columns : str or None
        A column map: a TOML file or the name of a bundled one.

    Raises
    ------
    InvalidListings
        Some rows are bad; all are named.
    """
    from ipml.errors import InvalidListings
    from ipml.listings.readers import read_listings

    (validation,) = read_listings(path, load_map(columns))
    if validation.problems:
        raise InvalidListings(validation.problems, str(path))
    return validation.listings.reset_index(drop=True)


def guess(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    target: Annotated[
        Path | None,
        typer.Argument(metavar="MAP", help="TOML file to write; it is shown where none is named.", show_default=False),
    ] = None,
    zone: Annotated[
        str | None,
        typer.Option(help="Zone of times that do not say theirs, such as Europe/Berlin.", show_default=False),
    ] = None,
) -> None:
    """Write a first column map of a file, for you to read and correct: separator, encoding, and which column is which.

    Only the first 1,000 rows are looked at. Each line says on what evidence it rests; what the file does not tell stays
    as a comment. A file that is there is not written over.

    Example: ipml data guess-columns shop.csv shop.toml --zone Europe/Berlin
    """
    from zoneinfo import ZoneInfo

    from ipml.errors import UnusableSetting, UnwritableFile
    from ipml.listings.column_guess import guess_columns

    try:
        zone = zone and ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise UnusableSetting("--zone", repr(zone), "a time zone such as Europe/Berlin") from None
    text = guess_columns(source, zone)
    if target is None:
        typer.echo(text, nl=False)
        return
    if target.suffix != ".toml":
        raise UnwritableFile(target, f"the suffix {target.suffix!r}", ".toml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UnwritableFile(target, "a file of that name", "a name that is not taken yet") from None
    except OSError as error:
        raise UnwritableFile(target, error.strerror or str(error), "a folder to write in") from error
    typer.echo(
        f"{target} is a first column map. Read it, correct it, then: ipml data validate {source} --columns {target}"
    )


SHOWN = 20
CHUNK_ROWS = 50_000


def validate(
    source: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet, by suffix.", show_default=False)
    ],
    columns: Columns = None,
    rejects: Rejects = None,
    good: Annotated[
        Path | None,
        typer.Option(
            help="Write the good rows here, with canonical columns. CSV holds texts as they are: it is for programs.",
            show_default=False,
        ),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option(help="Encoding of a text file; by default that of the column map, or utf-8.", show_default=False),
    ] = None,
) -> None:
    """Check a file of listings against the schema, and name every bad cell.

    Exit code 0 says that every row is good, 1 that some are bad, 2 that the file cannot be read at all.

    Example: ipml data validate listings.csv.gz --columns ozon-ecup --rejects rejects.csv --good listings.parquet
    """
    from ipml.listings.readers import read_listings
    from ipml.listings.writers import RejectsFile, write_listings

    check_distinct(source, rejects, good)
    column_map = load_map(columns)
    tally = _Tally()
    with RejectsFile(rejects) if rejects else nullcontext() as kept_apart, tally:
        frames = tally.count(read_listings(source, column_map, chunk_rows=CHUNK_ROWS, encoding=encoding), kept_apart)
        if good:
            write_listings(frames, good)
        else:
            deque(frames, maxlen=0)
    tally.show()
    if rejects and tally.bad:
        typer.echo(f"Bad rows are in {rejects}.")
    raise typer.Exit(1 if tally.bad else 0)


class _Tally:
    """What has been seen so far, with a progress display while it grows."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        console = Console(stderr=True)
        self.good = self.bad = self.problems = 0
        self.first: list[Problem] = []
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.completed:,} rows"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("checking", total=None)

    def __enter__(self) -> None:
        self._progress.start()

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def count(self, validations: Iterable[Validation], kept_apart: RejectsFile | None) -> Iterator[pd.DataFrame]:
        """Count each chunk, write its bad rows, and pass its good ones on."""
        for validation in validations:
            self.good += len(validation.listings)
            self.bad += len(validation.bad_rows)
            self.problems += len(validation.problems)
            self.first += validation.problems[: SHOWN - len(self.first)]
            if kept_apart:
                kept_apart.write(validation)
            self._progress.update(self._task, completed=self.good + self.bad)
            yield validation.listings

    def show(self) -> None:
        """Print the counts, and the first problems as a table."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        typer.echo(f"{self.good:,} good rows, {self.bad:,} bad rows with {self.problems:,} problems.")
        if not self.first:
            return
        more = self.problems - len(self.first)
        table = Table("row", "column", "found", "expected", caption=f"and {more:,} more" if more else None)
        for problem in self.first:
            # As written in Python, and as Text: what a seller wrote is neither markup nor a command to the terminal.
            table.add_row(f"{problem.row:,}", Text(problem.column), Text(repr(problem.value)), Text(problem.expected))
        Console().print(table)
