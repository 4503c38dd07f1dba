"""BLAKE2b of many short texts at once (RFC 7693), the first eight bytes of it: what sellers are kept under.

Python's own function takes longer for a seller than all else that is done for a listing. Many texts are hashed
in step, which the processor does as one; texts beyond one block of the function are left to Python's.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ipml.features.compiled.inner import plain_njit
from ipml.features.compiled.texts import Texts

DIGEST_BYTES = 8
_BLOCK_BYTES = 128
_LANES = 64
_FEWEST = 16  # for fewer texts Python's own function is quicker
_START = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    dtype=np.uint64,
)
_ORDER = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    dtype=np.int64,
)
_COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
_MIXED = np.array([*_COLUMNS, *_DIAGONALS], dtype=np.int64)
_N_ROUNDS = 12


def hash_texts(texts: Texts) -> NDArray[np.uint64]:
    """Return the BLAKE2b of each text with a digest of eight bytes, read as a little-endian number; shape (n_texts,).

    Examples
    --------
    >>> digest = hashlib.blake2b(b"ann", digest_size=8).digest()
    >>> int(hash_texts(Texts.of(["ann"]))[0]) == int.from_bytes(digest, "little")
    True
    """
    lengths = np.diff(texts.offsets)
    if len(lengths) < _FEWEST:
        return np.array([_hash_plainly(texts, row) for row in range(len(lengths))], dtype=np.uint64)
    hashes: NDArray[np.uint64] = _hash(texts.offsets, texts.data)
    for row in np.flatnonzero(lengths > _BLOCK_BYTES).tolist():
        hashes[row] = _hash_plainly(texts, row)
    return hashes


def hash_text(data: bytes) -> int:
    """Return what `hash_texts` does of one text, of which these are the bytes."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest(), "little")


def _hash_plainly(texts: Texts, row: int) -> int:
    return hash_text(texts.data[texts.offsets[row] : texts.offsets[row + 1]].tobytes())


@njit(cache=True, nogil=True)
def _hash(offsets, data):
    n_texts = offsets.size - 1
    hashes = np.empty(n_texts, np.uint64)
    block, state = np.empty((16, _LANES), np.uint64), np.empty((16, _LANES), np.uint64)
    for first in range(0, n_texts, _LANES):
        last = min(first + _LANES, n_texts)
        for i in range(16):
            for lane in range(_LANES):
                block[i, lane], state[i, lane] = 0, _START[i & 7]
        for lane in range(_LANES):
            state[0, lane] ^= np.uint64(0x01010000 | DIGEST_BYTES)
            state[14, lane] = ~state[14, lane]  # the last block
        for row in range(first, last):
            n_bytes = min(offsets[row + 1] - offsets[row], _BLOCK_BYTES)
            for at in range(n_bytes):
                block[at >> 3, row - first] |= np.uint64(data[offsets[row] + at]) << np.uint64(8 * (at & 7))
            state[12, row - first] ^= np.uint64(n_bytes)
        for number in range(_N_ROUNDS):
            order = _ORDER[number % 10]
            for i in range(8):
                _mix(state, _MIXED[i], block[order[2 * i]], block[order[2 * i + 1]])
        for row in range(first, last):
            lane = row - first
            hashes[row] = _START[0] ^ np.uint64(0x01010000 | DIGEST_BYTES) ^ state[0, lane] ^ state[8, lane]
    return hashes


@plain_njit
def _turn(value, n_bits):
    """Turn the bits of a number to the right."""
    return value >> np.uint64(n_bits) | value << np.uint64(64 - n_bits)


@plain_njit
def _mix(state, mixed, first, second):
    """Mix two words of the block into four of the state, in every lane."""
    a, b, c, d = state[mixed[0]], state[mixed[1]], state[mixed[2]], state[mixed[3]]
    for lane in range(_LANES):
        w, x, y, z = a[lane], b[lane], c[lane], d[lane]
        w += x + first[lane]
        z = _turn(z ^ w, 32)
        y += z
        x = _turn(x ^ y, 24)
        w += x + second[lane]
        z = _turn(z ^ w, 16)
        y += z
        x = _turn(x ^ y, 63)
        a[lane], b[lane], c[lane], d[lane] = w, x, y, z
