"""Repeats: finds listings that come again; of rows with the same listing_id and observed_at the first counts.

Keys are compared by a 64-bit hash (SipHash) under a secret, so nobody without the secret can choose ids that collide.
Ids stored between runs have another hash, without a secret: `ipml.features.compiled.texts.hash_texts`.

A table holds earlier hashes, each with its row. The first bits of a hash give its place; it is stored there or soon
after. A sorted chunk of hashes passes through the table once, so memory is read in sequence, however many hashes
there are.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.engine.library import bind
from ipml.listings.frames import number_rows, show
from ipml.listings.kinds import get_texts, split_texts
from ipml.records import Problem

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]
_hash_keys = bind("hash_keys")


class _Ids(NamedTuple):
    """The ids of some listings, as the engine takes texts."""

    offsets: Rows
    data: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, listings: pd.DataFrame) -> _Ids:
        import pyarrow as pa

        texts = get_texts(listings["listing_id"])
        if texts is None:
            texts = pa.chunked_array([pa.array(listings["listing_id"].tolist(), pa.large_string())])
        offsets, data = split_texts(texts.chunk(0) if texts.num_chunks == 1 else texts.combine_chunks())
        return cls(offsets - offsets[0], data)


def hash_keys(listings: pd.DataFrame, secret: str) -> Hashes:
    """Return a hash of listing_id and observed_at of each row of a canonical frame, shape (n_rows,).

    `secret` has 16 ASCII characters; another secret changes all hashes.

    >>> from ipml.listings.schema import listings_to_frame
    >>> from ipml.records import Listing
    >>> frame = listings_to_frame([Listing("1", "s", "Bag"), Listing("2", "s", "Bag"), Listing("1", "t", "Belt")])
    >>> hashes = hash_keys(frame, "0123456789abcdef")
    >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
    (True, False)
    """
    moments = listings["observed_at"].to_numpy(dtype="datetime64[us]").view(np.int64)
    hashes = np.empty(len(listings), dtype=np.uint64)
    _hash_keys(_Ids.of(listings), moments, np.frombuffer(secret.encode(), dtype="<u8").astype(np.uint64), hashes)
    return hashes


def sort_hashes(hashes: Hashes) -> npt.NDArray[np.intp]:
    """Return the stable sorting order of hashes, several times faster than `np.argsort`.

    >>> sort_hashes(np.array([7, 2**63, 2], dtype=np.uint64)).tolist()
    [2, 0, 1]
    """
    # NumPy sorts 16-bit integers in linear time; by their first 16 bits, hashes are nearly in order.
    order = np.argsort((hashes >> np.uint64(48)).astype(np.uint16), kind="stable")
    return order[np.argsort(hashes[order], kind="stable")]


_find = bind("find_keys")
_remember = bind("remember_keys")
_FIRST_BITS = 16
_FULLEST = 0.7
"""Largest share of places taken; beyond it, collisions are too frequent."""


class KeyTable:
    """Hashes and their rows, in 16 bytes per place; a third to seven tenths of the places are taken.

    >>> table = KeyTable()
    >>> table.remember(np.array([3, 7], dtype=np.uint64), np.array([2, 1]))
    >>> table.find(np.array([5, 7], dtype=np.uint64))
    array([0, 1])
    """

    def __init__(self) -> None:
        self._n_bits = _FIRST_BITS
        self._hashes, self._rows = _make_places(self._n_bits)
        self._n_taken = 0

    def find(self, hashes: Hashes) -> Rows:
        """Return the row of each hash, or 0 where it is new.

        Parameters
        ----------
        hashes : array of uint64, shape (n,)
            In any order; ascending is several times faster.
        """
        found = np.empty(len(hashes), dtype=np.int64)
        _find(self._hashes, self._rows, self._n_bits, hashes, found)
        return found

    def remember(self, hashes: Hashes, rows: Rows) -> None:
        """Add hashes and their rows; a hash already stored keeps its row.

        Parameters
        ----------
        hashes : array of uint64, shape (n,)
            In any order; ascending is several times faster.
        rows : array of int64, shape (n,)
            From 1.
        """
        while self._n_taken + len(hashes) > _FULLEST * len(self._rows):
            hashes_so_far, rows_so_far = self._hashes, self._rows
            self._n_bits += 1
            self._hashes, self._rows = _make_places(self._n_bits)
            _remember(self._hashes, self._rows, self._n_bits, hashes_so_far, rows_so_far)
        self._n_taken += _remember(self._hashes, self._rows, self._n_bits, hashes, rows)


def _make_places(n_bits: int) -> tuple[Hashes, Rows]:
    return np.zeros(1 << n_bits, dtype=np.uint64), np.zeros(1 << n_bits, dtype=np.int64)


_KEY = ["listing_id", "observed_at"]


def make_repeat(row: int, listing_id: str, first_row: int) -> Problem:
    """Return the problem of a row that repeats listing_id and observed_at of an earlier row."""
    return Problem(int(row), "listing_id", show(listing_id), f"an id once per moment; row {first_row} has it already")


def find_repeats(listings: pd.DataFrame) -> list[Problem]:
    """Return each row of a canonical frame that repeats the key of an earlier row, with that row.

    Parameters
    ----------
    listings : DataFrame
        Canonical; an index named "row" numbers the rows, else they count from 1.
    """
    return _make_repeats(listings, _find_first_rows(listings))


class SeenKeys:
    """Keys of the rows so far, as hashes with their rows: 24 to 48 bytes each.

    With 64-bit hashes and a billion rows, one new listing in 18,000 million is mistaken for an earlier one.

    >>> from ipml.listings.schema import listings_to_frame
    >>> from ipml.records import Listing
    >>> listings = listings_to_frame([Listing("1", "s", "Bag"), Listing("1", "s", "Belt")])
    >>> listings = listings.set_axis([1, 2]).rename_axis("row")
    >>> seen = SeenKeys()
    >>> seen.find_repeats(listings.loc[[1]])
    []
    >>> str(seen.find_repeats(listings.loc[[2]])[0])
    "row 2, listing_id: found '1', expected an id once per moment; row 1 has it already"
    """

    def __init__(self) -> None:
        self._secret = secrets.token_hex(8)
        self._seen = KeyTable()

    def find_repeats(self, listings: pd.DataFrame) -> list[Problem]:
        """Return the rows of a canonical frame that repeat an earlier row; remember the others."""
        hashes = hash_keys(listings, self._secret)
        order = sort_hashes(hashes)
        hashes, rows = hashes[order], number_rows(listings)[order]
        earlier = self._seen.find(hashes)
        if not earlier.any() and (hashes[1:] != hashes[:-1]).all():
            self._seen.remember(hashes, rows)
            return []
        # Within a chunk the keys themselves are compared, not their hashes.
        first = np.where(earlier > 0, earlier, _find_first_rows(listings)[order])
        is_new = first == rows
        self._seen.remember(hashes[is_new], rows[is_new])
        return _make_repeats(listings, first[np.argsort(order)])


def _find_first_rows(listings: pd.DataFrame) -> Rows:
    """Return for each row the first one with its key, comparing the keys themselves."""
    first = number_rows(listings)
    if len(first) < 2:
        return first
    is_shared = listings.duplicated(_KEY, keep=False).to_numpy()
    if not is_shared.any():
        return first
    keys = listings.loc[is_shared, _KEY].assign(row=first[is_shared])
    first = first.copy()
    first[is_shared] = keys.groupby(_KEY, dropna=False)["row"].transform("first")
    return first


def _make_repeats(listings: pd.DataFrame, first: Rows) -> list[Problem]:
    rows = number_rows(listings)
    is_repeat = rows != first
    if not is_repeat.any():
        return []
    ids = listings["listing_id"].to_numpy()
    return list(map(make_repeat, rows[is_repeat], ids[is_repeat], first[is_repeat]))
