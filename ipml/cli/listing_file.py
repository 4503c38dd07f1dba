"""What commands share that read a file of listings: its column map, its bad rows, or all of it as good listings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import pandas as pd

    from ipml.listings.marketplaces import ColumnMap


def load_map(columns: str | None) -> ColumnMap | None:
    """Return the column map that `--columns` names, or None where it is not given.

    Examples
    --------
    >>> load_map("mercadolibre").columns["currency"].value
    'BRL'
    """
    from ipml.listings.marketplaces import load_columns

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
