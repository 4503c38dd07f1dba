"""A whole file of listings, of which every row must be good: for commands that judge the listings as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


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
    from ipml.listings.marketplaces import load_columns
    from ipml.listings.readers import read_listings

    (validation,) = read_listings(path, load_columns(columns) if columns else None)
    if validation.problems:
        raise InvalidListings(validation.problems, str(path))
    return validation.listings.reset_index(drop=True)
