"""A trie of many words as one array, in which the engine takes a step with one look.

It is a double array (Aoe 1989): the place of a node is the base of its parent plus the byte that leads to it, and a
cell holds where its parent stands, its own base, and whether a word ends there. `tries.c` of the engine makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, bind
from ipml.features.compiled.texts import Texts

WORD = 1 << 31
"""Stands in a cell at which a word ends."""
BASE = WORD - 1
"""The part of a cell that holds its base."""
PARENT = 32
"""So many bits right of the parent stand the rest."""

_build = bind("build_trie", "texts", "buffer", "buffer", returns="int64_t")


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
        """Return the trie of words that are in order, each once.

        Raises
        ------
        ValueError
            They are not.
        """
        cells, numbers = Buffer(), Buffer()
        most_passed = _build(_pack(words), cells, numbers)
        if most_passed < 0:
            raise ValueError("found words out of order, or one twice; expected them in order, each once")
        return cls(cells.take(np.int64), numbers.take(np.int32), _mark_beginnings(words), most_passed)

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
