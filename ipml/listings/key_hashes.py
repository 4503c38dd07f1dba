"""Hashes of the keys of listings, many at once, that nobody can make collide.

This is the multilinear hash of Lemire and Kaser ("Strongly universal string hashing is fast", 2014), twice: a sum of
words of 32 bits, each times a random number of 64 bits, of which the upper half is kept. Two keys that differ agree in
one such half once in 2^32, in both once in 2^64. The random numbers are drawn anew for every hasher, so that sellers
cannot choose ids for which it happens.
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

from ipml.listings.text_bytes import get_texts, split_texts

Hashes = npt.NDArray[np.uint64]
_Places = npt.NDArray[np.int64]
_Rows = slice | npt.NDArray[np.intp]
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


def _read_words(starts: _Places, lengths: _Places, eight_from: Hashes) -> Iterator[tuple[_Rows, Hashes]]:
    """Yield the ids in words of eight bytes, each word for all rows or those that have one.

    No id holds a NUL, so that ids filled up with them to whole words still differ.
    """
    for done in range(0, int(lengths.max(initial=0)), 8):
        left = lengths - done
        shortest = left.min()
        rows = _EVERY_ROW if shortest > 0 else np.flatnonzero(left > 0)
        words = eight_from[starts[rows] + done]
        yield rows, words if shortest >= 8 else words & _MASKS[np.minimum(left[rows], 8)]
