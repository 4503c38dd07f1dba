"""N-grams: counts n-grams of folded texts, sums their weights, and spreads the weights over letters.

`hash_all` in `ipml/engine/features/ngrams.c` defines the n-grams of a text and their columns. The functions take
`letters_min`, `letters_max` and `words`, as `ipml.features.text` explains them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, bind
from ipml.features.compiled.texts import Texts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_count = bind("count_ngrams")
_count_texts = bind("count_texts")
_encode = bind("encode_ngrams")
_mark_known = bind("mark_known")
_sum = bind("sum_ngrams")
_spread = bind("spread")
_find_distinct = bind("find_distinct")


class CountedNgrams(NamedTuple):
    """N-grams of texts as a CSR matrix: text `i` has the entries from `pointers[i]` to `pointers[i + 1]`.

    Attributes
    ----------
    pointers : array of int64, shape (n_texts + 1,)
    columns : array of int32
        In ascending order in each row.
    counts : array of float64
    """

    pointers: Integers
    columns: NDArray[np.int32]
    counts: Floats


def count(texts: Texts, bits: int, letters_min: int, letters_max: int, words: int) -> CountedNgrams:
    """Count the n-grams of each text; there are 2^bits columns."""
    pointers, columns, counts = np.empty(len(texts) + 1, dtype=np.int64), Buffer(), Buffer()
    _count(texts, bits, letters_min, letters_max, words, pointers, columns, counts)
    return CountedNgrams(pointers, columns.take(np.int32), counts.take(np.float64))


def count_texts(texts: Texts, bits: int, letters_min: int, letters_max: int, words: int) -> Integers:
    """Return the number of texts with each n-gram, shape (2^bits,)."""
    n_texts = np.empty(1 << bits, dtype=np.int64)
    _count_texts(texts, bits, letters_min, letters_max, words, n_texts)
    return n_texts


class EncodedNgrams(NamedTuple):
    """Known n-grams of texts in two bytes each, for a learner that reads many texts many times.

    Known columns are numbered from 0, the most frequent first, so that data of common n-grams lie close together in
    memory. The numbers of a text are sorted; each is written as its distance from the one before, the first as its
    distance from 0. A repeated n-gram has the distance 0. In a longer distance, each code 65,535 advances by that
    much without an n-gram.

    Attributes
    ----------
    codes : array of uint16
    starts : array of int64, shape (n_texts + 1,)
        Start of each text's codes.
    n_known : array of int64, shape (n_texts,)
        Number of known n-grams of each text.
    """

    codes: NDArray[np.uint16]
    starts: Integers
    n_known: Integers


_UNKNOWN = np.uint32(0xFFFFFFFF)


def order_known(rarity: Floats) -> Integers:
    """Return the columns with a rarity above 0 in the order of their numbers: the least rare first.

    >>> order_known(np.array([2.0, 0.0, 3.0, 1.0])).tolist()
    [3, 0, 2]
    """
    known = np.flatnonzero(rarity > 0)
    return known[np.argsort(rarity[known], kind="stable")]


def encode(texts: Texts, known: Integers, bits: int, letters_min: int, letters_max: int, words: int) -> EncodedNgrams:
    """Encode the n-grams of known columns (from `order_known`), of 2^bits columns in all."""
    numbers = np.full(1 << bits, _UNKNOWN)
    numbers[known] = np.arange(known.size)
    codes, starts, n_known = Buffer(), np.empty(len(texts) + 1, dtype=np.int64), np.empty(len(texts), dtype=np.int64)
    _encode(texts, numbers, bits, letters_min, letters_max, words, codes, starts, n_known)
    return EncodedNgrams(codes.take(np.uint16), starts, n_known)


def mark_known(weights: Floats, known: NDArray[np.bool_]) -> Floats:
    """Return the weights and a trailing 0; the last bit of each weight marks whether its n-gram is known.

    One memory access, the bottleneck of summing, then gives both. A weight changes by less than a relative 1e-15.

    >>> mark_known(np.array([2.0, -1.0]), np.array([False, True])).round(9).tolist()
    [2.0, -1.0, 0.0]
    """
    marked = np.empty(weights.size + 1)
    _mark_known(weights, known.view(np.uint8), marked)
    return marked


def sum_rows(
    texts: Texts, marked: Floats, letters_min: int, letters_max: int, words: int
) -> tuple[Floats, Integers, Integers]:
    """Return for each text the sum of its n-gram weights, the number of n-grams, and the number of known ones."""
    n = len(texts)
    sums, n_all, n_known = np.empty(n), np.empty(n, dtype=np.int64), np.empty(n, dtype=np.int64)
    _sum(texts, marked, letters_min, letters_max, words, sums, n_all, n_known)
    return sums, n_all, n_known


def spread(data: NDArray[np.uint8], marked: Floats, letters_min: int, letters_max: int, words: int) -> Floats:
    """Return the weight of each byte of one text; an n-gram shares its weight among its bytes."""
    carried = np.empty(data.size)
    _spread(data, marked, letters_min, letters_max, words, carried)
    return carried


def find_distinct(texts: Texts) -> tuple[Integers, Integers]:
    """Return the position of each text among the distinct ones, and one row for each of those.

    A distinct text may occur several times, if there are more than a table of 65,536 holds.

    >>> [found.tolist() for found in find_distinct(Texts.of(["b", "a", "b"]))]
    [[0, 1, 0], [0, 1]]
    """
    numbers, rows = np.empty(len(texts), dtype=np.int64), np.empty(len(texts), dtype=np.int64)
    n_found = _find_distinct(texts, numbers, rows)
    return numbers, rows[:n_found]
