"""The text of a listing as hashed n-grams, weighted by how rare they are.

A text becomes the n-grams of its letters and its words, each hashed to one of 2^bits columns: counted for training,
summed for scoring, spread over letters for reasons. Texts are handed to the engine as the UTF-8 bytes of an
Arrow string array, so no Python object is made per text.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.features.columns import Extractor, ListingColumns
from ipml.features.compiled.ngrams import count, mark_known, spread, sum_rows
from ipml.features.compiled.ngrams import count_texts as count_in_texts
from ipml.features.compiled.phrases import trace_skeletons
from ipml.features.compiled.texts import Texts


def count_ngrams(
    texts: Any, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1
) -> scipy.sparse.csr_matrix:
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
    pointers, columns, counts = count(texts, bits, *letters, words)
    return scipy.sparse.csr_matrix((counts, columns, pointers), shape=(len(texts), 1 << bits))


def count_texts(
    texts: Texts, *, bits: int = 18, letters: tuple[int, int] = (3, 5), words: int = 1
) -> NDArray[np.int64]:
    """Return in how many texts the n-grams of each column occur, shape (2^bits,).

    Examples
    --------
    >>> int(count_texts(Texts.of(["nike nike", "nike", "hat"]), letters=(0, 0)).max())
    2
    """
    return count_in_texts(texts, bits, *letters, words)


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
    sums, n_all, n_known = sum_rows(texts, marked, *letters, words)
    return NgramSums(sums / np.sqrt(np.maximum(n_known, 1)), n_all, n_known)


def _check_size(n_columns: int) -> None:
    """Refuse other numbers of columns than powers of two; the kernel checks no bounds."""
    if n_columns < 1 or n_columns & (n_columns - 1):
        raise ValueError(f"Got {n_columns} weights; expected a power of two.")


class TextFeatures(Extractor):
    """Turn a text column into the n-grams of the skeleton of its folded view.

    An n-gram that occurs `c` times in a text with `n` n-grams known from training has the value
    `c * idf / sqrt(n)`, with scikit-learn's smooth idf, log((1 + N) / (1 + df)) + 1. Dividing by a root instead of
    the norm keeps a score a plain sum over occurrences, so that each letter's part of it can be shown.

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
        N-grams in fewer listings of the training set are not known: they get the value zero.

    Attributes
    ----------
    idf_ : array of shape (2^bits,)
        The weight of each n-gram's rarity; 0 for the unknown.

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
        """Learn which n-grams there are and how rare each is.

        Raises
        ------
        ValueError
            The shortest n-gram of letters is longer than the longest.
        """
        shortest, longest = self.letters
        if shortest > longest:
            raise ValueError(f"Got letters={self.letters}; expected the shortest and then the longest n-gram.")
        self.idf_ = self._weigh_rarity(*self._count(listings))

    def prefer(self, listings: ListingColumns) -> None:
        """Know the n-grams that these listings have as if learnt from them alone; how the others are known stays.

        Examples
        --------
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
        """Return in how many of the listings each n-gram stands, and how many listings there are."""
        bones = listings.bones(self.column)
        return count_texts(bones, bits=self.bits, letters=self.letters, words=self.words), len(listings)

    def _weigh_rarity(self, n_listings: NDArray[np.int64], n_all: int) -> NDArray[np.float64]:
        """Return `idf_`."""
        idf = np.log((1.0 + n_all) / (1.0 + n_listings)) + 1.0
        return np.where(n_listings >= self.min_listings, idf, 0.0)

    def borrow(self, other: Self) -> None:
        """Know the n-grams that the other knows."""
        self.idf_ = np.where(self.idf_ > 0, self.idf_, other.idf_)

    def values(self, listings: ListingColumns) -> scipy.sparse.csr_matrix:
        """Return the values, shape (n_listings, 2^bits)."""
        return self.weigh(listings.bones(self.column))

    def weigh(self, bones: Texts) -> scipy.sparse.csr_matrix:
        """Return the values of the n-grams of skeletons, shape (n_texts, 2^bits)."""
        counts = count_ngrams(bones, bits=self.bits, letters=self.letters, words=self.words)
        idf = self.idf_[counts.indices]
        is_known = idf > 0
        indptr = np.concatenate([[0], np.cumsum(is_known)])[counts.indptr]
        data, indices = counts.data[is_known], counts.indices[is_known]
        n_known = np.diff(np.concatenate([[0.0], np.cumsum(data)])[indptr])
        data *= idf[is_known] / np.sqrt(np.repeat(n_known, np.diff(indptr)))
        return scipy.sparse.csr_matrix((data, indices, indptr), shape=counts.shape)

    def mark(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return coefficients of these features as `sum` takes them: what each n-gram weighs, and whether it is known.

        Parameters
        ----------
        coefficients : array of shape (2^bits,)
        """
        return mark_known(coefficients * self.idf_, self.idf_ > 0)

    def sum(self, listings: ListingColumns, marked: NDArray[np.float64]) -> NgramSums:
        """Return what `transform` gives times the coefficients, without spelling the values out.

        Parameters
        ----------
        listings : ListingColumns
        marked : array of shape (2^bits + 1,)
            As `mark` returns it.
        """
        return sum_ngrams(listings.bones(self.column), marked, letters=self.letters, words=self.words)

    def prepare(self) -> float:
        """Return the share of columns that are in use: of an unknown text as many n-grams seem known, on average."""
        return float((self.idf_ > 0).mean())

    def spread(self, folded: Texts, marked: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Return the part of the log-odds that each letter of some folded texts carries; together what `sum` gives.

        Every n-gram's weight is shared equally among its letters.

        Parameters
        ----------
        folded : Texts
        marked : array of shape (2^bits + 1,)
            As `mark` returns it.
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
