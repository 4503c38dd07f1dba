"""Hashed n-grams: counted for training, summed for scoring, spread over letters for reasons.

A text becomes the n-grams of its letters and its words, each hashed to one of 2^bits columns. Texts are handed to the
compiled kernel as the UTF-8 bytes of an Arrow string array, so no Python object is made per text.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from ipml.features.compiled.ngram_codes import count_texts as count_in_texts
from ipml.features.compiled.ngrams import count, spread, sum_rows
from ipml.features.compiled.texts import Texts


def count_ngrams(texts: Any, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1) -> csr_matrix:
    """Count the n-grams of each text, shape (n_texts, 2^bits).

    Parameters
    ----------
    texts : Texts or sequence of str
        Folded texts, as `fold_text` returns them.
    bits : int, default=18
        There are 2^bits columns.
    letters : (int, int), default=(3, 5)
        Shortest and longest n-gram of letters, taken between spaces; (0, 0) for none.
    words : int, default=1
        Longest n-gram of words; 0 for none.

    Examples
    --------
    >>> count_ngrams(["nike air", "nike"], letters=(0, 0), words=2).sum(axis=1).tolist()
    [[3.0], [1.0]]
    """
    texts = texts if isinstance(texts, Texts) else Texts.of(texts)
    indptr, indices, counts = count(texts.offsets, texts.data, bits, letters[0], letters[1], words)
    return csr_matrix((counts, indices, indptr), shape=(len(texts), 1 << bits))


def count_texts(
    texts: Texts, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NDArray[np.int64]:
    """Return in how many texts the n-grams of each column occur, shape (2^bits,).

    Examples
    --------
    >>> int(count_texts(Texts.of(["nike nike", "nike", "hat"]), letters=(0, 0)).max())
    2
    """
    return np.asarray(count_in_texts(texts.offsets, texts.data, bits, *letters, words), dtype=np.int64)


class NgramSums(NamedTuple):
    """What the n-grams of some texts weigh together.

    Attributes
    ----------
    weights : array of shape (n_texts,)
        The sum of each text's weights over the root of the number of known n-grams.
    n_all, n_known : array of int, shape (n_texts,)
        How many n-grams each text has, and how many of them are known.
    """

    weights: NDArray[np.float64]
    n_all: NDArray[np.int64]
    n_known: NDArray[np.int64]


def sum_ngrams(
    texts: Texts, marked: NDArray[np.float64], *, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NgramSums:
    """Add up what the n-grams of each text weigh.

    Parameters
    ----------
    texts : Texts
        Skeletons of folded texts.
    marked : array of shape (2^bits + 1,)
        The weight of each column, as `ipml.features.compiled.ngrams.mark_known` marks it.
    """
    _check_size(marked.size - 1)
    sums, n_all, n_known = sum_rows(texts.offsets, texts.data, marked, letters[0], letters[1], words)
    return NgramSums(sums / np.sqrt(np.maximum(n_known, 1)), n_all, n_known)


def spread_weights(
    text: str, marked: NDArray[np.float64], *, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NDArray[np.float64]:
    """Return the weight each letter of one text carries; together they sum to what `sum_ngrams` gives.

    Every n-gram's weight is shared equally among its letters.
    """
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    if data.size == 0:
        return np.zeros(0)
    _check_size(marked.size - 1)
    by_byte = spread(data, marked, letters[0], letters[1], words)
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    return np.asarray(np.add.reduceat(by_byte, starts))


def _check_size(n_columns: int) -> None:
    """Refuse other numbers of columns than powers of two; the kernel checks no bounds."""
    if n_columns < 1 or n_columns & (n_columns - 1):
        raise ValueError(f"Got {n_columns} weights; expected a power of two.")
