"""A peer as it is timed: frames to probabilities, in chunks of the size that suits it best."""

from __future__ import annotations

import copyreg
import tempfile
import time
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.benchmark.inputs import RAW, TEXTS, add_raw_numbers
from ipml.listings.fields import FIELDS
from ipml.listings.kinds import Kind

Floats = NDArray[np.float64]
NUMBERS = [
    field.name
    for field in FIELDS
    if field.kind in (Kind.NUMBER, Kind.COUNT, Kind.SHARE) and field.name not in ("label_weight", "label_probability")
]
MOMENTS = ["listed_at", "observed_at"]
AGE = "age_days"
CHUNK_SIZES = (2_000, 10_000, 50_000)
TRIED_ROWS = 50_000


class PeerScoring:
    """A peer that has learnt.

    Parameters
    ----------
    path : Path
        File written by joblib.
    """

    def __init__(self, path: Path) -> None:
        self.model = joblib.load(path)
        self.columns = columns_read(self.model)
        _let_catboost_use_one_thread(self.model)

    def best_chunk_rows(self, path: Path) -> int:
        """Return the number of listings at a time with which the beginning of a file is done soonest."""
        listings = next(pq.ParquetFile(path).iter_batches(TRIED_ROWS, columns=self.columns)).to_pandas()
        self._score(listings.head(CHUNK_SIZES[0]))
        taken = {}
        for size in [*(size for size in CHUNK_SIZES if size < len(listings)), CHUNK_SIZES[-1]]:
            begin = time.perf_counter()
            for _ in self._score_frame(listings, size):
                pass
            taken[size] = time.perf_counter() - begin
        return min(taken, key=lambda size: taken[size])

    def score_chunks(self, path: Path, chunk_rows: int) -> Iterator[Floats]:
        """Yield the probabilities of the listings of a Parquet file, of which only what peers look at is read."""
        yield from self._score_frame(pd.read_parquet(path, columns=self.columns), chunk_rows)

    def prepare(self, listings: pd.DataFrame) -> list[pd.DataFrame]:
        """Return each listing as a frame of one row; making it is not timed."""
        frame = as_peers_read(listings[self.columns])
        return [frame.iloc[[row]] for row in range(len(frame))]

    def score_one(self, frame: Any) -> float:
        """Return the probability of one listing."""
        return float(self.model.predict_proba(frame)[0, 1])

    def _score_frame(self, listings: pd.DataFrame, chunk_rows: int) -> Iterator[Floats]:
        for begin in range(0, len(listings), chunk_rows):
            yield self._score(listings.iloc[begin : begin + chunk_rows])

    def _score(self, listings: pd.DataFrame) -> Floats:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other makers' models
            return np.asarray(self.model.predict_proba(as_peers_read(listings))[:, 1])


def as_peers_read(listings: pd.DataFrame) -> pd.DataFrame:
    """Return listings with their numbers, and their age in days, under the names by which peers find numbers.

    Examples
    --------
    >>> as_peers_read(pd.DataFrame({"title": ["Bag"], "price": [9.5]}))
      title  price  raw__price
    0   Bag    9.5         9.5
    """
    numbers = listings[[name for name in NUMBERS if name in listings]].astype(float)
    if all(name in listings for name in MOMENTS):
        numbers[AGE] = (listings["observed_at"] - listings["listed_at"]).dt.total_seconds() / (24 * 3600)
    return add_raw_numbers(listings, numbers)


def columns_read(model: Any) -> list[str]:
    """Return the columns a peer looks at, so that no others need to be read from a file."""
    inputs = getattr(model, "inputs_", None)
    if inputs is None:
        return list(TEXTS)  # a list of words
    numbers = [name.removeprefix(RAW) for name in inputs.numbers]
    dates = MOMENTS if AGE in numbers else []
    return [*inputs.texts, *inputs.categories, *(name for name in numbers if name != AGE), *dates]


def save_peer(model: Any, path: Path) -> None:
    """Write a peer that has learnt, whole or not at all."""
    _let_vowpal_be_written()
    unfinished = path.with_name(f"{path.name}.part")
    joblib.dump(model, unfinished)
    unfinished.rename(path)


def _let_catboost_use_one_thread(model: Any) -> None:
    """Give CatBoost one thread; without a limit in each call it takes one a core."""
    if type(model.model_).__module__.startswith("catboost"):
        model.model_.predict_proba = partial(model.model_.predict_proba, thread_count=1)


def _let_vowpal_be_written() -> None:
    """Let Vowpal Wabbit, which writes itself into a file of its own, be part of another file."""
    try:
        from vowpalwabbit import Workspace
    except ImportError:
        return
    copyreg.pickle(Workspace, lambda workspace: (_read_workspace, (_write_workspace(workspace),)))


def _write_workspace(workspace: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vowpal"
        workspace.save(str(file))
        return file.read_bytes()


def _read_workspace(content: bytes) -> Any:
    from vowpalwabbit import Workspace

    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        return Workspace(f"-i {file.name} --quiet")
