"""Hashes that came before, each with the row it came in: a table in which a hash stands at its own place or soon after.

The first bits of a hash are its place. A chunk of hashes in their order goes through the table once, from one end to
the other, and memory is read as it lies, however many hashes there are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from ipml.listings.key_hashes import Hashes

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
