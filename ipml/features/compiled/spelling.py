"""Misspelt words of many texts at once, read as `ipml.features.spelling.Spelling` says.

Most texts are looked at once: their words are known or ordinary. Only one that has signs or gaps which do make a known
word is written anew, first with the signs read, then with the gaps closed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, Table, bind
from ipml.features.compiled.known_words import WordLetters, word_letters
from ipml.features.compiled.texts import Texts
from ipml.features.compiled.words import Words, WordSet


class SpellingTables(Table):
    """Words, and what is known of letters and bytes, as the engine takes them."""

    _fields_: ClassVar = [("known", WordSet), ("ordinary", WordSet), ("letters", WordLetters)]


_read_texts = bind("read_texts", "texts", SpellingTables, "buffer", "buffer", "buffer")
_know_a_word = bind("know_a_word", "texts", SpellingTables, "uint8s_out")


def read_texts(folded: Texts, known: Words, ordinary: Words) -> Texts:
    """Return folded texts, their misspelt words read as the known ones they stand for.

    Parameters
    ----------
    folded : Texts
        As `fold_text` returns them.
    known : Known
        The words that others may stand for, among others.
    ordinary : Words
        Words that stand for themselves, known or not.
    """
    rows, ends, written = Buffer(), Buffer(), Buffer()
    _read_texts(folded, make_tables(known, ordinary), rows, ends, written)
    if not (rows.n or rows.failed):
        return folded
    return folded.put(rows.take(np.int64), ends.take(np.int64), written.take(np.uint8))


def know_a_word(read: Texts, known: Words) -> NDArray[np.bool_]:
    """Say of each text, folded and read, whether it holds a longer word that is known; shape (n_texts,)."""
    knows = np.empty(len(read), np.uint8)
    _know_a_word(read, make_tables(known, known), knows)
    return knows.view(np.bool_)


@lru_cache(maxsize=4)
def make_tables(known: Words, ordinary: Words) -> SpellingTables:
    """Return what texts are read with: known words, and ordinary ones."""
    return SpellingTables.of(known=known.prepared, ordinary=ordinary.prepared, letters=word_letters())
