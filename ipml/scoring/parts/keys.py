"""Which listings come again at the same moment, in a part or in another one: known by a hash of 64 bits each.

The hash is keyed by a secret of the run, so that nobody can choose ids that take another listing away. With a billion
rows, one new listing in 18,000 million is mistaken for an old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.listings.frames import number_rows

BUCKET_KEYS = 1_000_000
"""How many keys are compared at once: the hashes are gone through in as many ranges as that takes."""

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]


def hash_keys(listings: pd.DataFrame, secret: str) -> Hashes:
    """Return a hash of the listing and the moment of each row, shape (n_rows,).

    Parameters
    ----------
    listings : DataFrame
        Checked.
    secret : str
        16 letters.
    """
    keys = listings[["listing_id", "observed_at"]]
    return np.asarray(pd.util.hash_pandas_object(keys, index=False, hash_key=secret), dtype=np.uint64)


def find_repeats(hashes: Hashes, rows: Rows) -> tuple[Rows, Rows]:
    """Return the rows whose hash one before has, and the first row that has it; both in the order of the rows.

    Examples
    --------
    >>> find_repeats(np.array([7, 8, 7], dtype=np.uint64), np.array([1, 2, 3]))
    (array([3]), array([1]))
    """
    ordered = np.sort(hashes)
    if not (ordered[1:] == ordered[:-1]).any():
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    order = np.argsort(hashes, kind="stable")
    is_new = np.append(True, hashes[order][1:] != hashes[order][:-1])
    named = rows[order]
    first = named[is_new][np.cumsum(is_new) - 1]
    again, first = named[~is_new], first[~is_new]
    in_order = np.argsort(again)
    return again[in_order], first[in_order]


def write_keys(hashes: Hashes, rows: Rows, path: Path) -> None:
    """Write the keys of a part, each once, in the order of their hashes."""
    order = np.argsort(hashes)
    with path.open("wb") as stream:
        np.save(stream, np.stack([hashes[order], rows[order].astype(np.uint64)]), allow_pickle=False)


def read_rows(path: Path) -> Rows:
    """Return the rows of the keys of a part, ascending."""
    return np.sort(np.load(path, allow_pickle=False)[1].astype(np.int64))


def rows_of(listings: pd.DataFrame) -> Rows:
    """Return the numbers of the rows in their file, shape (n_rows,)."""
    return number_rows(listings)


def find_repeats_across(paths: Sequence[Path], n_keys: int) -> tuple[Rows, Rows]:
    """Return the rows whose key one of an earlier part has, and the first row that has it, in the order of the rows.

    Parameters
    ----------
    paths : sequence of Path
        What `write_keys` wrote, in the order of the parts.
    n_keys : int
        How many keys there are in all.
    """
    if not paths:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    found = [find_repeats(hashes, rows) for hashes, rows in _cut_by_hash(paths, n_keys)]
    again, first = (np.concatenate(each) for each in zip(*found, strict=True))
    order = np.argsort(again)
    return again[order], first[order]


def _cut_by_hash(paths: Sequence[Path], n_keys: int) -> Iterator[tuple[Hashes, Rows]]:
    """Yield all keys, range by range of their hashes; of equal ones that of the earlier part first."""
    n_ranges = max(1, -(-n_keys // BUCKET_KEYS))
    places = [0] * len(paths)
    for number in range(1, n_ranges + 1):
        # As Python's whole number, for 2 ** 64 itself is none of 64 bits.
        stop = (number << 64) // n_ranges - 1
        taken = []
        for at, path in enumerate(paths):
            keys = np.load(path, mmap_mode="r", allow_pickle=False)
            end = int(np.searchsorted(keys[0], np.uint64(stop), side="right"))
            taken.append(keys[:, places[at] : end])
            places[at] = end
        every = np.concatenate(taken, axis=1)
        yield every[0], every[1].view(np.int64)
