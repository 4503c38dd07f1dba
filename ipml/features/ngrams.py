"""Hashed n-grams: counted for training, summed for scoring, spread over letters for reasons.

A text becomes the n-grams of its letters and its words, each hashed to one of 2^bits columns. Texts are handed to the
compiled kernel as the UTF-8 bytes of an Arrow string array, so no Python object is made per text.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

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


def sum_weights(
    texts: Any,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    *,
    letters: tuple[int, int] = (3, 5),
    words: int = 1,
) -> NDArray[np.float64]:
    """Return the sum of each text's n-gram weights over the root of the number of known ones, shape (n_texts,).

    Parameters
    ----------
    texts : Texts or sequence of str
        Folded texts.
    weights : array of shape (2^bits,)
        The weight of each column; that of an unknown one must be 0.
    known : array of bool, shape (2^bits,)
        Which columns training knew.
    """
    texts = texts if isinstance(texts, Texts) else Texts.of(texts)
    bits = _count_bits(weights, known)
    return np.asarray(sum_rows(texts.offsets, texts.data, weights, known, bits, letters[0], letters[1], words))


def spread_weights(
    text: str,
    weights: NDArray[np.float64],
    known: NDArray[np.bool_],
    *,
    letters: tuple[int, int] = (3, 5),
    words: int = 1,
) -> NDArray[np.float64]:
    """Return the weight each letter of one text carries; together they sum to `sum_weights` of the text.

    Every n-gram's weight is shared equally among its letters.
    """
    data = np.frombuffer(text.encode(), dtype=np.uint8)
    if data.size == 0:
        return np.zeros(0)
    bits = _count_bits(weights, known)
    by_byte = spread(data, weights, known, bits, letters[0], letters[1], words)
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    return np.asarray(np.add.reduceat(by_byte, starts))


def _count_bits(weights: NDArray[np.float64], known: NDArray[np.bool_]) -> int:
    """Return the bits of the column numbers; the kernel checks no bounds, so the sizes are checked here."""
    bits = int(weights.size).bit_length() - 1
    if weights.size != 1 << max(bits, 0) or known.size != weights.size:
        raise ValueError(f"Got {weights.size} weights and {known.size} known flags; expected as many, a power of two.")
    return bits
