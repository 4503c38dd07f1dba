"""Listings that come again: of rows with the same listing_id and observed_at the first stands.

Keys are hashed many at once, in a way that nobody can make collide: by the multilinear hash of Lemire and Kaser
("Strongly universal string hashing is fast", 2014), twice: a sum of words of 32 bits, each times a random number of 64
bits, of which the upper half is kept. Two keys that differ agree in one such half once in 2^32, in both once in 2^64.
The random numbers are drawn anew for every hasher, so that sellers cannot choose ids for which it happens.

Hashes that came before are in a table, each with the row it came in, at its own place or soon after. The first bits of
a hash are its place. A chunk of hashes in their order goes through the table once, from one end to the other, and
memory is read as it lies, however many hashes there are.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from numba import njit

from ipml.listings.frames import number_rows, show
from ipml.listings.kinds import get_texts, split_texts
from ipml.records import Problem

Hashes = npt.NDArray[np.uint64]
_Places = npt.NDArray[np.int64]
_Selection = slice | npt.NDArray[np.intp]
_HALF = np.uint64(32)
_LOW = np.uint64(2**32 - 1)
# The first so many of eight bytes.
_MASKS = np.array([2 ** (8 * n_bytes) - 1 for n_bytes in range(9)], dtype=np.uint64)
_EVERY_ROW = slice(None)
# What is worked on at a time stays in the cache.
_BLOCK_ROWS = 8192


class KeyHasher:
    """Hashes of listing_id and observed_at; equal keys have equal hashes, for as long as the hasher lives.

    Examples
    --------
    >>> from ipml.listings.schema import listings_to_frame
    >>> from ipml.records import Listing
    >>> frame = listings_to_frame([Listing("1", "s", "Bag"), Listing("2", "s", "Bag"), Listing("1", "t", "Belt")])
    >>> hashes = KeyHasher().hash_keys(frame)
    >>> bool(hashes[0] == hashes[2]), bool(hashes[0] == hashes[1])
    (True, False)
    """

    def __init__(self) -> None:
        self._random = np.random.default_rng(secrets.randbits(128))
        self._start = self._random.integers(2**64, size=2, dtype=np.uint64)
        self._factors = np.zeros((0, 2, 2), dtype=np.uint64)

    def hash_keys(self, listings: pd.DataFrame) -> Hashes:
        """Return the hash of each row of a canonical frame, shape (n_rows,)."""
        moments = listings["observed_at"].to_numpy(dtype="datetime64[us]").view(np.uint64)
        starts, lengths, eight_from = _find_ids(listings["listing_id"])
        hashes = np.empty(len(listings), dtype=np.uint64)
        for begin in range(0, len(listings), _BLOCK_ROWS):
            block = slice(begin, begin + _BLOCK_ROWS)
            hashes[block] = self._hash_block(moments[block], starts[block], lengths[block], eight_from)
        return hashes

    def _hash_block(self, moments: Hashes, starts: _Places, lengths: _Places, eight_from: Hashes) -> Hashes:
        sums = [np.full(len(moments), start) for start in self._start]
        words = _read_words(starts, lengths, eight_from)
        for at, (rows, word) in enumerate(chain([(_EVERY_ROW, moments)], words)):
            low, high = word & _LOW, word >> _HALF
            for total, (low_factor, high_factor) in zip(sums, self._get_factors(at), strict=True):
                total[rows] += low * low_factor + high * high_factor
        return (sums[0] & ~_LOW) | (sums[1] >> _HALF)

    def _get_factors(self, at: int) -> Hashes:
        """Return the factors of a word, of shape (2, 2): for each sum that of its lower half and of its upper one."""
        if at >= len(self._factors):
            more = self._random.integers(2**64, size=(at + 8, 2, 2), dtype=np.uint64)
            self._factors = np.concatenate([self._factors, more])
        factors: Hashes = self._factors[at]
        return factors


def sort_hashes(hashes: Hashes) -> npt.NDArray[np.intp]:
    """Return the order that sorts them, of equal ones the earlier first; several times as quick as `np.argsort`.

    Examples
    --------
    >>> sort_hashes(np.array([7, 2**63, 2], dtype=np.uint64)).tolist()
    [2, 0, 1]
    """
    # NumPy sorts small numbers in one go over them. By the first 16 bits, hashes are nearly in order.
    order = np.argsort((hashes >> np.uint64(48)).astype(np.uint16), kind="stable")
    return order[np.argsort(hashes[order], kind="stable")]


def _find_ids(ids: pd.Series[Any]) -> tuple[_Places, _Places, Hashes]:
    """Return where each id begins, how many bytes it has, and from each byte on the next eight as one number."""
    texts = get_texts(ids)
    if texts is None:
        texts = pa.chunked_array([pa.array(ids.tolist(), pa.large_string())])
    offsets, letters = split_texts(texts.combine_chunks())
    padded = np.concatenate([letters, np.zeros(8, dtype=np.uint8)])
    eight_from = np.ndarray(shape=(len(letters) + 1,), dtype="<u8", buffer=padded, strides=(1,))
    return offsets[:-1] - offsets[0], np.diff(offsets), eight_from


def _read_words(starts: _Places, lengths: _Places, eight_from: Hashes) -> Iterator[tuple[_Selection, Hashes]]:
    """Yield the ids in words of eight bytes, each word for all rows or those that have one.

    No id holds a NUL, so that ids filled up with them to whole words still differ.
    """
    for done in range(0, int(lengths.max(initial=0)), 8):
        left = lengths - done
        shortest = left.min()
        rows = _EVERY_ROW if shortest > 0 else np.flatnonzero(left > 0)
        words = eight_from[starts[rows] + done]
        yield rows, words if shortest >= 8 else words & _MASKS[np.minimum(left[rows], 8)]


Rows = npt.NDArray[np.int64]
_FIRST_BITS = 16
_FULLEST = 0.7
"""Of the places; beyond, other hashes are in the way too often."""


class KeyTable:
    """Hashes and their rows, in 16 bytes for each place; of these a third to seven tenths are taken.

    Examples
    --------
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
        """Return the row of each hash, or 0 where it did not come before.

        Parameters
        ----------
        hashes : array of uint64, shape (n,)
            In any order; ascending is several times as quick.
        """
        found: Rows = _find(self._hashes, self._rows, self._n_bits, hashes)
        return found

    def remember(self, hashes: Hashes, rows: Rows) -> None:
        """Add hashes and their rows; a hash that is there already keeps its row.

        Parameters
        ----------
        hashes : array of uint64, shape (n,)
            In any order; ascending is several times as quick.
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


@njit(cache=True, nogil=True)
def _find_place(known: Hashes, known_rows: Rows, n_bits: int, a_hash: np.uint64) -> np.int64:
    """Return where a hash stands, or the free place where it would."""
    place = np.int64(a_hash >> np.uint64(64 - n_bits))
    while known_rows[place] and known[place] != a_hash:
        place = (place + 1) & ((1 << n_bits) - 1)
    return place


@njit(cache=True, nogil=True)
def _find(known: Hashes, known_rows: Rows, n_bits: int, hashes: Hashes) -> Rows:
    found = np.empty(len(hashes), dtype=np.int64)
    for at in range(len(hashes)):
        found[at] = known_rows[_find_place(known, known_rows, n_bits, hashes[at])]
    return found


@njit(cache=True, nogil=True)
def _remember(known: Hashes, known_rows: Rows, n_bits: int, hashes: Hashes, rows: Rows) -> int:
    """Add those hashes that have a row and are not there, and return how many these were."""
    n_new = 0
    for at in range(len(hashes)):
        if rows[at]:
            place = _find_place(known, known_rows, n_bits, hashes[at])
            if not known_rows[place]:
                known[place], known_rows[place] = hashes[at], rows[at]
                n_new += 1
    return n_new


_KEY = ["listing_id", "observed_at"]
_Rows = npt.NDArray[np.int64]


def make_repeat(row: int, listing_id: str, first_row: int) -> Problem:
    """Return the problem of a row whose listing_id and observed_at are those of an earlier row."""
    return Problem(int(row), "listing_id", show(listing_id), f"an id once per moment; row {first_row} has it already")


def find_repeats(listings: pd.DataFrame) -> list[Problem]:
    """Name each row of a canonical frame whose key an earlier one has, and that one.

    Parameters
    ----------
    listings : DataFrame
        Canonical; an index named "row" numbers the rows, else they count from 1.
    """
    return _make_repeats(listings, _find_first_rows(listings))


class SeenKeys:
    """The listings and moments of the rows so far, as hashes with their rows: 24 to 48 bytes each.

    With hashes of 64 bits and a billion rows, one new listing in 18,000 million is mistaken for an old one.

    Examples
    --------
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
        self._hasher = KeyHasher()
        self._seen = KeyTable()

    def find_repeats(self, listings: pd.DataFrame) -> list[Problem]:
        """Name the rows of a canonical frame whose listing and moment an earlier row has; remember the others."""
        hashes = self._hasher.hash_keys(listings)
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


def _find_first_rows(listings: pd.DataFrame) -> _Rows:
    """Return for each row the first one with its key, by the keys themselves."""
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


def _make_repeats(listings: pd.DataFrame, first: _Rows) -> list[Problem]:
    rows = number_rows(listings)
    is_repeat = rows != first
    if not is_repeat.any():
        return []
    ids = listings["listing_id"].to_numpy()
    return list(map(make_repeat, rows[is_repeat], ids[is_repeat], first[is_repeat]))
