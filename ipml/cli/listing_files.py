"""Files of listings: their column maps, all that is wrong with one (`ipml data validate`), reading one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from ipml.cli.options import Columns, Force, Rejects, out_option
from ipml.cli.terminal import ShowRows, check_outputs, show_rows, show_table, write_text
from ipml.errors import InvalidListings, UnusableSetting, UnwritableFile

if TYPE_CHECKING:
    import pandas as pd

    from ipml.listings.maps.column_maps import ColumnMap
    from ipml.listings.schema import Validation
    from ipml.listings.writers import RejectsFile
    from ipml.records import Problem


def load_map(columns: str | None) -> ColumnMap | None:
    """Return the column map that `--columns` names, or None where it is not given.

    >>> load_map("mercadolibre").columns["currency"].value
    'BRL'
    """
    from ipml.listings.maps.column_maps import load_columns

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
    from ipml.listings.readers import read_listings

    (validation,) = read_listings(path, load_map(columns))
    if validation.problems:
        raise InvalidListings(validation.problems, str(path))
    return validation.listings.reset_index(drop=True)


def guess(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet, by suffix.")],
    out: Annotated[Path | None, out_option("TOML file; by default the map is shown.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone of times that do not say theirs, such as Europe/Berlin.")
    ] = None,
    force: Force = False,
) -> None:
    """Write a first column map of a file, for you to read and correct: separator, encoding, and which column is which.

    Only the first 1,000 rows are looked at. Each line says on what evidence it rests; what the file does not tell stays
    as a comment.

    Example: ipml data guess-columns shop.csv --out shop.toml --zone Europe/Berlin
    """
    from ipml.listings.maps.column_guess import guess_columns

    try:
        zone = zone and ZoneInfo(zone).key
    except (KeyError, ValueError, OSError):
        raise UnusableSetting("--zone", repr(zone), "a time zone such as Europe/Berlin") from None
    check_outputs(out, read=[source], force=force)
    if out and out.suffix != ".toml":
        raise UnwritableFile(out, f"the suffix {out.suffix!r}", ".toml")
    write_text([guess_columns(source, zone)], out)
    if out:
        typer.echo(
            f"{out} is a first column map. Read it, correct it, then: ipml data validate {source} --columns {out}"
        )


SHOWN = 20
CHUNK_ROWS = 50_000


def validate(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON lines or Parquet, by suffix.")],
    columns: Columns = None,
    rejects: Rejects = None,
    out: Annotated[
        Path | None,
        out_option(
            "The good rows, with canonical columns. CSV holds texts as they are: it is for programs; no vectors."
        ),
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file; by default that of the column map, or utf-8.")
    ] = None,
    force: Force = False,
) -> None:
    """Check a file of listings against the schema, and name every bad cell.

    Exit code 0 says that every row is good, 1 that some are bad, 2 that the file cannot be read at all.

    Example: ipml data validate listings.csv.gz --columns ozon-ecup --out listings.parquet --rejects rejects.csv
    """
    from ipml.listings.readers import read_listings
    from ipml.listings.writers import RejectsFile, write_listings

    check_outputs(out, rejects, read=[source], force=force)
    tally, column_map = _Tally(), load_map(columns)
    with RejectsFile(rejects) if rejects else nullcontext() as kept_apart, show_rows("rows") as show:
        validations = read_listings(source, column_map, chunk_rows=CHUNK_ROWS, encoding=encoding)
        frames = tally.count(validations, kept_apart, show)
        if out:
            write_listings(frames, out)
        else:
            deque(frames, maxlen=0)
    tally.show()
    if rejects and tally.bad:
        typer.echo(f"Bad rows are in {rejects}.")
    if out and ".csv" in out.suffixes and tally.vectors:
        typer.echo(f"{out} is without the vectors that {tally.vectors:,} rows had: CSV holds none, Parquet does.")
    raise typer.Exit(1 if tally.bad else 0)


class _Tally:
    """Counts so far."""

    def __init__(self) -> None:
        self.good = self.bad = self.problems = self.vectors = self.free = 0
        self.first: list[Problem] = []

    def count(
        self, validations: Iterable[Validation], kept_apart: RejectsFile | None, show: ShowRows
    ) -> Iterator[pd.DataFrame]:
        """Count each chunk, write its bad rows, and pass its good ones on."""
        from ipml.listings.fields import VECTORS

        for validation in validations:
            self.good += len(validation.listings)
            self.bad += len(validation.bad_rows)
            self.problems += len(validation.problems)
            self.vectors += int(validation.listings[list(VECTORS)].notna().any(axis=1).sum())
            self.free += int((validation.listings["price"] == 0).sum())
            self.first += validation.problems[: SHOWN - len(self.first)]
            if kept_apart:
                kept_apart.write(validation)
            show(self.good + self.bad)
            yield validation.listings

    def show(self) -> None:
        """Print the counts, and the first problems as a table."""
        typer.echo(f"{self.good:,} good rows, {self.bad:,} bad rows with {self.problems:,} problems.")
        if self.free:
            typer.echo(f"A price of 0 in {self.free:,} rows is read as an unknown price.")
        if not self.first:
            return
        more = self.problems - len(self.first)
        rows = [(f"{one.row:,}", one.column, repr(one.value), one.expected) for one in self.first]
        show_table(("row", "column", "found", "expected"), rows, caption=f"and {more:,} more" if more else None)
