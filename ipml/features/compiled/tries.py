"""A trie of many words as one array, in which compiled functions take a step with one look.

It is a double array (Aoe 1989): the place of a node is the base of its parent plus the byte that leads to it, and a
cell holds where its parent stands, its own base, and whether a word ends there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.copying import copy
from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.texts import Texts

WORD = 1 << 31
"""Stands in a cell at which a word ends."""
BASE = WORD - 1
"""The part of a cell that holds its base."""
PARENT = 32
"""So many bits right of the parent stand the rest."""
_FREE = -1
_NO_PARENT = WORD - 1


@dataclass(frozen=True, slots=True, eq=False)
class Trie:
    """Some words, none of them empty.

    Attributes
    ----------
    cells : array of int64
        The first is the root. From a cell at `place` a byte leads to `cells[(cells[place] & BASE) + byte]` if the
        parent of that one, `cell >> PARENT`, is `place`; `cell & WORD` says whether a word ends there.
    words : array of int32, shape (n_cells,)
        The number of the word that ends at each cell, -1 where none does.
    beginnings : array of bytes, shape (131072,)
        A bit for each four bytes, of which the last five bits count, that may be or follow the beginning of a word.
    most_passed : int
        The most words that end on one way from the root.

    Examples
    --------
    >>> trie = Trie.of([b"ab", b"abc", b"b"])
    >>> trie.find(b"abc"), trie.find(b"a"), trie.find(b"bc")
    (1, -1, -1)
    """

    cells: NDArray[np.int64]
    words: NDArray[np.int32]
    beginnings: NDArray[np.uint8]
    most_passed: int

    @classmethod
    def of(cls, words: list[bytes]) -> Self:
        """Return the trie of words that are in order, each once."""
        texts = _pack(words)
        cells, numbers, most_passed = _build(texts.offsets, texts.data)
        return cls(cells, numbers, _mark_beginnings(words), most_passed)

    def find(self, word: bytes) -> int:
        """Return the number of a word, -1 where it is none of them."""
        place = 0
        for byte in word:
            following = (int(self.cells[place]) & BASE) + byte
            if int(self.cells[following]) >> PARENT != place:
                return -1
            place = following
        return int(self.words[place])


def _pack(words: list[bytes]) -> Texts:
    offsets: Any = np.zeros(len(words) + 1, dtype=np.int64)
    np.cumsum([len(word) for word in words], out=offsets[1:])
    return Texts(offsets, np.frombuffer(bytearray(b"".join(words)), dtype=np.uint8))


def _mark_beginnings(words: list[bytes]) -> NDArray[np.uint8]:
    is_beginning = np.zeros((32, 32, 32, 32), dtype=bool)
    for beginning in {word[:4] for word in words}:
        is_beginning[tuple(byte & 31 for byte in beginning)] = True
    return np.packbits(is_beginning, bitorder="little")


@inner
def _lengthen(values, size, filler):
    longer = np.full(size, filler, values.dtype)
    copy(values, 0, values.size, longer, 0)
    return longer


@plain_njit
def _branch(offsets, data, first, last, depth, letters, begins):
    """Write the letters that follow in words of one beginning, and the first word of each; return their number."""
    n = 0
    for word in range(first, last):
        letter = np.int64(data[offsets[word] + depth])
        if n == 0 or letters[n - 1] != letter:
            letters[n], begins[n] = letter, word
            n += 1
    begins[n] = last
    return n


@plain_njit
def _find_base(cells, free, letters, n):
    """Return the first base, with a cell not before this one, at which all letters have free cells."""
    place = free
    while True:
        while place < cells.size and cells[place] != _FREE:
            place += 1
        base = place - letters[0]
        fits = True
        for i in range(1, n):
            other = base + letters[i]
            fits = fits and (other >= cells.size or cells[other] == _FREE)
        if fits:
            return base
        place += 1


@plain_njit
def _put(queue, node, place, first, last, depth, passed):
    queue[node, 0], queue[node, 1], queue[node, 2], queue[node, 3] = place, first, last, depth
    queue[node, 4] = passed


@plain_njit
def _node(queue, node):
    return queue[node, 0], queue[node, 1], queue[node, 2], queue[node, 3], queue[node, 4]


@compiled
def _build(offsets, data):
    most = data.size + 1  # nodes
    cells = np.full(2 * most + 512, _FREE, np.int64)
    words = np.full(cells.size, -1, np.int32)
    # of each node its place, first word, last word (excluded), depth, and how many words end on the way to it
    queue = np.empty((most, 5), np.int64)
    letters, begins = np.empty(256, np.int64), np.empty(257, np.int64)
    cells[0] = np.int64(_NO_PARENT) << PARENT
    _put(queue, 0, 0, 0, offsets.size - 1, 0, 0)
    n_nodes, free, used, most_passed = 1, 256, 1, 0
    node = 0
    while node < n_nodes:
        place, first, last, depth, passed = _node(queue, node)
        node += 1
        if first < last and offsets[first] + depth == offsets[first + 1]:
            words[place] = first
            cells[place] |= WORD
            first += 1
            passed += 1
            most_passed = max(most_passed, passed)
        if first == last:
            continue
        n = _branch(offsets, data, first, last, depth, letters, begins)
        base = _find_base(cells, free, letters, n)
        used = max(used, base + 256)
        if used > cells.size:
            cells, words = _lengthen(cells, 2 * used, _FREE), _lengthen(words, 2 * used, -1)
        cells[place] |= base
        for i in range(n):
            cells[base + letters[i]] = place << PARENT
            _put(queue, n_nodes, base + letters[i], begins[i], begins[i + 1], depth + 1, passed)
            n_nodes += 1
        while cells[free] != _FREE and free < cells.size - 1:
            free += 1
    return cells[: max(used, 256)].copy(), words[: max(used, 256)].copy(), most_passed
