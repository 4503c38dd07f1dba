"""A set of words in one open-addressed table, looked up by their letters as numbers.

A word is of the letters a to z and the signs * and #, which hide letters; others cannot be in the set. Each letter is a
digit of five bits, and a word the number with these digits; `word_table.h` of the engine says how they are laid out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Buffer, Table, bind

STAR = 27
SIGN = 32
"""This bit of a code says that it is of a sign, not of a letter."""

CODE = 31
"""These bits of a code say which letter it is."""

LINE = 10
"""Stands after each word."""


def _number_letters() -> NDArray[np.uint8]:
    codes = np.zeros(256, dtype=np.uint8)
    codes[ord("a") : ord("z") + 1] = np.arange(1, 27)
    codes[[ord("*"), ord("#")]] = STAR | SIGN, (STAR + 1) | SIGN
    return codes


CODES = _number_letters()
"""The code of each byte that may be in a word, with `SIGN` where it is one; 0 of others."""


class WordSet(Table):
    """Words as the engine takes them."""

    _fields_: ClassVar = [("table", KINDS["uint64s"]), ("lines", KINDS["uint8s"])]


_split_lines = bind("split_lines", "uint8s", "uint8s", "int64s_out", "int64s_out", returns="int64_t")
_make_words = bind("make_words", "uint8s", "uint8s", "buffer")
_has_word = bind("has_word", WordSet, "uint8s", "uint8s", returns="bool")


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """Some words as the engine reads them.

    A word is named by the place in `lines` at which it starts.

    Attributes
    ----------
    table : array of uint64
        First, where its parts begin: slots of two numbers, a key and the word that has it; filters; other numbers.
    lines : array of bytes
        The words, one a line.
    prepared : WordSet
        Both as the engine takes them.

    Examples
    --------
    >>> words = Words.of(b"belt\\nbelt's\\n\\nre*lica")
    >>> ["belt" in words, "belt's" in words, "replica" in words]
    [True, False, False]
    """

    table: NDArray[np.uint64]
    lines: NDArray[np.uint8]
    prepared: WordSet = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "prepared", WordSet.of(table=self.table, lines=self.lines))

    @classmethod
    def of(cls, lines: bytes) -> Words:
        """Return the words of a text, one a line; lines that hold anything else are left out."""
        data = np.frombuffer(lines + b"\n", dtype=np.uint8)
        table = Buffer()
        _make_words(data, CODES, table)
        return cls(table.take(np.uint64), data)

    def __contains__(self, word: str) -> bool:
        return has_letters(word) and bool(_has_word(self.prepared, CODES, to_array(word)))


def to_array(word: str) -> NDArray[np.uint8]:
    """Return a word as the engine reads it."""
    return np.frombuffer(word.encode(), dtype=np.uint8)


def has_letters(word: str) -> bool:
    """Say whether a word has letters, and none that cannot be in a set of words."""
    return bool(word) and word.isascii() and bool(CODES[to_array(word)].all())


def split_lines(lines: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where the words of a text, one a line, start and end."""
    n_lines = int(np.count_nonzero(lines == LINE))
    starts, ends = np.empty(n_lines, np.int64), np.empty(n_lines, np.int64)
    n = _split_lines(lines, CODES, starts, ends)
    return starts[:n], ends[:n]
