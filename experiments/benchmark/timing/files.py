"""The Parquet files that are timed, made once each and kept in a folder that is never committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from experiments.benchmark.protocols import EXPERIMENTS, read_mapped
from experiments.benchmark.timing import inputs
from experiments.benchmark.timing.plan import digest_files
from ipml.listings.writers import write_listings
from ipml.model.training import load_experiment
from ipml.model.training.experiment import read_training_listings


def goods(out: Path) -> Path:
    """Return the labelled goods of a dark-net market: what the models that score have learnt from."""
    return _make(out, "goods", lambda: read_training_listings(load_experiment(EXPERIMENTS / "darknet_goods.toml")))


def real(out: Path) -> Path:
    """Return the listings of a marketplace as they are."""
    return _make(out, "real", lambda: read_mapped("ebay_2019.toml", "ebay_2019.csv.gz"))


def unique(out: Path, rows: int) -> Path:
    """Return so many listings of which no two have the same title."""
    name = f"unique.{rows}.{_version()}"
    return _make(out, name, lambda: inputs.multiply(_read_real(out), rows, are_titles_unique=True))


def grown(out: Path, rows: int) -> Path:
    """Return so many listings, with ids of their own."""
    return _make(out, f"grown.{rows}.{_version()}", lambda: inputs.multiply(_read_real(out), rows))


def labelled(out: Path, rows: int) -> Path:
    """Return so many listings of different titles with labels by a rule."""
    return _make(out, f"labelled.{rows}.{_version()}", lambda: inputs.draw_labels(pd.read_parquet(unique(out, rows))))


def odd_letters(out: Path, rows: int, letter: str) -> Path:
    """Return listings with ASCII titles, into each of which one letter of a kind is put."""
    name = f"letters-{list(inputs.ODD_LETTERS).index(letter)}.{rows}.{_version()}"
    return _make(out, name, lambda: inputs.put_odd_letters(_read_real(out).head(rows), letter))


def count_rows(path: Path) -> int:
    """Return how many listings a file has."""
    return int(pq.ParquetFile(path).metadata.num_rows)


def _make(out: Path, name: str, listings: Callable[[], pd.DataFrame | Iterable[pd.DataFrame]]) -> Path:
    path = _path(out, name)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_listings(listings(), path)
    return path


def _path(out: Path, name: str) -> Path:
    return out / "listings" / f"{name}.parquet"


def _read_real(out: Path) -> pd.DataFrame:
    return pd.read_parquet(real(out))


def _version() -> str:
    return digest_files("inputs.py")
