"""Text: turns a text column into hashed n-grams, weighted by rarity.

A text becomes the n-grams of its letters and words, each hashed to one of 2^bits columns: counted for training,
summed for scoring, spread over letters for reasons. The engine reads texts as the UTF-8 bytes of an Arrow string
array, so no Python object is made per text.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.compiled.ngrams import count, mark_known, spread, sum_rows
from ipml.features.compiled.ngrams import count_texts as count_in_texts
from ipml.features.compiled.phrases import trace_skeletons
from ipml.features.compiled.texts import Texts
from ipml.features.extractor import Extractor


def count_ngrams(
    texts: Any, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1
) -> scipy.sparse.csr_matrix:
    """Count the n-grams of each text, shape (n_texts, 2^bits).

    Parameters
    ----------
    texts : Texts or sequence of str
        Folded texts, as from `fold_text`.
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
    pointers, columns, counts = count(texts, bits, *letters, words)
    return scipy.sparse.csr_matrix((counts, columns, pointers), shape=(len(texts), 1 << bits))


def count_texts(
    texts: Texts, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NDArray[np.int64]:
    """Return the number of texts with an n-gram of each column, shape (2^bits,).

    >>> int(count_texts(Texts.of(["nike nike", "nike", "hat"]), letters=(0, 0)).max())
    2
    """
    return count_in_texts(texts, bits, *letters, words)


class NgramSums(NamedTuple):
    """Sums of the n-gram weights of texts.

    Attributes
    ----------
    weights : array of shape (n_texts,)
        Sum of each text's weights, divided by the root of the number of known n-grams.
    n_all, n_known : array of int, shape (n_texts,)
        Number of n-grams of each text, and of those known.
    """

    weights: NDArray[np.float64]
    n_all: NDArray[np.int64]
    n_known: NDArray[np.int64]


def sum_ngrams(
    texts: Texts, marked: NDArray[np.float64], *, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NgramSums:
    """Sum the weights of each text's n-grams.

    Parameters
    ----------
    texts : Texts
        Skeletons of folded texts.
    marked : array of shape (2^bits + 1,)
        Weight of each column, from `ipml.features.compiled.ngrams.mark_known`.
    """
    _check_size(marked.size - 1)
    sums, n_all, n_known = sum_rows(texts, marked, *letters, words)
    return NgramSums(sums / np.sqrt(np.maximum(n_known, 1)), n_all, n_known)


def _check_size(n_columns: int) -> None:
    """Refuse numbers of columns that are no power of two; the kernel checks no bounds."""
    if n_columns < 1 or n_columns & (n_columns - 1):
        raise ValueError(f"Got {n_columns} weights; expected a power of two.")


class TextFeatures(Extractor):
    """Turn a text column into the n-grams of the skeleton of its folded view.

    An n-gram that occurs `c` times in a text with `n` n-grams known from training has the value `c * idf / sqrt(n)`,
    with scikit-learn's smooth idf, log((1 + N) / (1 + df)) + 1. Dividing by a root instead of the norm makes the
    score a plain sum over occurrences, so the part of each letter can be shown.

    Parameters
    ----------
    column : str, default="title"
        The column to read.
    bits : int, default=18
        There are 2^bits features.
    letters : tuple of (int, int), default=(2, 5)
        Shortest and longest n-gram of letters within a word; (0, 0) for none.
    words : int, default=1
        Longest n-gram of words; 0 for none.
    min_listings : int, default=2
        N-grams in fewer training listings are unknown; their value is 0.

    Attributes
    ----------
    idf_ : array of shape (2^bits,)
        Inverse document frequency of each n-gram; 0 where unknown.

    Examples
    --------
    >>> titles = {"title": ["nike air", "nike max", "wool hat"]}
    >>> features = TextFeatures(letters=(0, 0), min_listings=1).fit(titles)
    >>> features.transform({"title": ["nike nike"]}).data.round(2)
    array([1.82])
    """

    def __init__(
        self,
        column: str = "title",
        bits: int = 18,
        letters: tuple[int, int] = (2, 5),
        words: int = 1,
        min_listings: int = 2,
    ) -> None:
        self.column = column
        self.bits = bits
        self.letters = letters
        self.words = words
        self.min_listings = min_listings

    def learn(self, listings: ListingColumns) -> None:
        """Learn the n-grams and their rarity.

        Raises `ValueError`: the shortest n-gram of letters is longer than the longest.
        """
        shortest, longest = self.letters
        if shortest > longest:
            raise ValueError(f"Got letters={self.letters}; expected the shortest and then the longest n-gram.")
        self.idf_ = self._weigh_rarity(*self._count(listings))

    def prefer(self, listings: ListingColumns) -> None:
        """Weight the n-grams of these listings as if learnt from them alone; the weights of others stay.

        >>> titles = [{"title": ["nike air", "nike max"]}, {"title": ["max", "hat", "hat"]}]
        >>> alone = TextFeatures(letters=(0, 0)).fit(titles[0])
        >>> both = TextFeatures(letters=(0, 0)).fit({"title": titles[0]["title"] + titles[1]["title"]})
        >>> both.prefer(ListingColumns(titles[0]))
        >>> bool((both.transform(titles[0]) != alone.transform(titles[0])).nnz), both.transform({"title": ["hat"]}).nnz
        (False, 1)
        """
        n_listings, n_all = self._count(listings)
        self.idf_ = np.where(n_listings > 0, self._weigh_rarity(n_listings, n_all), self.idf_)
        self.__dict__.pop("_prepared", None)

    def _count(self, listings: ListingColumns) -> tuple[NDArray[np.int64], int]:
        """Return the number of listings with each n-gram, and the number of all listings."""
        skeletons = listings.skeletons(self.column)
        return count_texts(skeletons, bits=self.bits, letters=self.letters, words=self.words), len(listings)

    def _weigh_rarity(self, n_listings: NDArray[np.int64], n_all: int) -> NDArray[np.float64]:
        """Return the values of `idf_`."""
        idf = np.log((1.0 + n_all) / (1.0 + n_listings)) + 1.0
        return np.where(n_listings >= self.min_listings, idf, 0.0)

    def borrow(self, other: Self) -> None:
        """Add the n-grams that only the other knows."""
        self.idf_ = np.where(self.idf_ > 0, self.idf_, other.idf_)

    def values(self, listings: ListingColumns) -> scipy.sparse.csr_matrix:
        """Return the values, shape (n_listings, 2^bits)."""
        return self.weigh(listings.skeletons(self.column))

    def weigh(self, skeletons: Texts) -> scipy.sparse.csr_matrix:
        """Return the values of the n-grams of skeletons, shape (n_texts, 2^bits)."""
        counts = count_ngrams(skeletons, bits=self.bits, letters=self.letters, words=self.words)
        idf = self.idf_[counts.indices]
        is_known = idf > 0
        indptr = np.concatenate([[0], np.cumsum(is_known)])[counts.indptr]
        data, indices = counts.data[is_known], counts.indices[is_known]
        n_known = np.diff(np.concatenate([[0.0], np.cumsum(data)])[indptr])
        data *= idf[is_known] / np.sqrt(np.repeat(n_known, np.diff(indptr)))
        return scipy.sparse.csr_matrix((data, indices, indptr), shape=counts.shape)

    def mark(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the coefficients as `sum` takes them: the weight of each n-gram, and whether it is known."""
        return mark_known(coefficients * self.idf_, self.idf_ > 0)

    def sum(self, listings: ListingColumns, marked: NDArray[np.float64]) -> NgramSums:
        """Return the product of `transform` and the coefficients, without the matrix."""
        return sum_ngrams(listings.skeletons(self.column), marked, letters=self.letters, words=self.words)

    def prepare(self) -> float:
        """Return the share of columns in use: the average share of an unknown text's n-grams that seem known."""
        return float((self.idf_ > 0).mean())

    def spread(self, folded: Texts, marked: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return the part of the log-odds of each letter of folded texts; the parts add up to `sum`.

        The weight of an n-gram is shared equally among its letters.
        """
        _check_size(marked.size - 1)
        skeletons, origins = trace_skeletons(folded)
        by_byte = np.zeros(len(folded.data))
        for start, end in pairwise(skeletons.offsets.tolist()):
            if start < end:
                by_byte[origins[start:end]] = spread(skeletons.data[start:end], marked, *self.letters, self.words)
        starts = np.flatnonzero((folded.data & 0xC0) != 0x80)
        by_letter = np.add.reduceat(by_byte, starts) if len(starts) else by_byte
        ends = np.cumsum(folded.lengths()).tolist()
        return [by_letter[start:end] for start, end in pairwise([0, *ends])]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return one name per hashed column."""
        return np.array([f"ngram_{number}" for number in range(1 << self.bits)], dtype=object)
