"""ipml as it is timed: files through the reader that checks them and the scorer, records through the scorer alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.errors import InvalidListings
from ipml.listings.readers import read_listings
from ipml.scoring.scorer import load_model

CHUNK_ROWS = 50_000
"""As `ipml score` reads."""

Floats = NDArray[np.float64]
Record = dict[str, Any]


class IpmlScoring:
    """A loaded model with all its features.

    Parameters
    ----------
    folder : Path
        Of the model; it is checked as it is loaded.
    """

    def __init__(self, folder: Path) -> None:
        self.scorer = load_model(folder)

    def best_chunk_rows(self, _path: Path) -> int:
        """Return how many listings to read at a time."""
        return CHUNK_ROWS

    def score_chunks(self, path: Path, chunk_rows: int) -> Iterator[Floats]:
        """Yield the probabilities of the listings of a Parquet file; every listing is checked before."""
        for validation in read_listings(path, chunk_rows=chunk_rows):
            if validation.problems:
                raise InvalidListings(validation.problems, str(path))
            yield self.scorer.score_frame(validation.listings)["score"].to_numpy()

    def prepare(self, listings: pd.DataFrame) -> list[Record]:
        """Return the listings as dictionaries, as they come out of JSON."""
        return to_records(listings)

    def score_one(self, record: Any, *, explain: bool = False) -> float | None:
        """Return the probability of one listing, which is checked before."""
        return self.scorer.score(record, explain=explain).score


def to_records(listings: pd.DataFrame) -> list[Record]:
    """Return listings as a service gets them: texts and numbers, moments as text, nothing where nothing is known.

    Examples
    --------
    >>> seen = pd.Timestamp("2019-10-01T12:00Z")
    >>> to_records(pd.DataFrame({"title": ["Bag"], "brand": [None], "price": [9.5], "observed_at": [seen]}))
    [{'title': 'Bag', 'price': 9.5, 'observed_at': '2019-10-01T12:00:00.000000Z'}]
    """
    rows = json.loads(listings.to_json(orient="records", date_format="iso", date_unit="us"))
    return [{name: cell for name, cell in row.items() if cell is not None} for row in rows]
