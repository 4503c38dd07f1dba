"""The features of listings as the learner reads them: row by row, many times, in little memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack

from ipml.features.compiled.ngram_codes import encode
from ipml.features.compiled.texts import Texts
from ipml.model.solver import StoredRows, multiply

Floats = NDArray[np.float64]
_TEXTS_AT_ONCE = 20_000  # what is written on the way stays small


@dataclass(frozen=True, slots=True, eq=False)
class Ngrams:
    """Texts and what their n-grams are worth: an n-gram that occurs `c` times in a text with `n` known ones has the
    value `weight * c * rarity / sqrt(n)`, as `TextFeatures` gives it.

    Attributes
    ----------
    first : int
        The number of the first of their columns.
    texts : Texts
        Skeletons of folded texts, one for each listing.
    rarity : array of shape (2^bits,)
        `TextFeatures.idf_`; 0 for the unknown.
    letters : tuple of (int, int)
    words : int
    weight : float, default=1.0
    """

    first: int
    texts: Texts
    rarity: Floats
    letters: tuple[int, int]
    words: int
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """The features of some listings; rows that are taken out are not copied.

    Examples
    --------
    >>> design = Design.of(csr_matrix([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> design[np.array([2, 1])] @ np.array([1.0, 10.0])
    array([ 3., 20.])
    """

    stored: StoredRows
    rows: NDArray[np.int64]
    n_columns: int

    @classmethod
    def of(cls, values: csr_matrix | Design, ngrams: Sequence[Ngrams] = ()) -> Design:
        """Return features as a design; one that is a design already is returned as it is.

        Parameters
        ----------
        values : csr_matrix of shape (n_listings, n_features)
        ngrams : sequence of Ngrams
            What stands in columns in which `values` has nothing. Kept in two bytes each.

        Raises
        ------
        ValueError
            A value is not a finite number, or there is not one text for each listing.
        """
        if isinstance(values, Design):
            return values
        _check_values(values, ngrams)
        blocks = [block for block in ngrams if block.texts.data.size]
        codes, starts, scales = _encode_blocks(blocks, values.shape[0])
        stored = StoredRows(
            pointers=values.indptr.astype(np.int64, copy=False),
            indices=values.indices.astype(np.int32, copy=False),
            values=values.data.astype(np.float64, copy=False),
            codes=codes,
            starts=starts,
            firsts=np.array([block.first for block in blocks], dtype=np.int64),
            scales=scales,
            rarity=_join_rarity(blocks),
        )
        return cls(stored, np.arange(values.shape[0]), values.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """How many listings and how many features there are."""
        return len(self.rows), self.n_columns

    def scale(self, factors: Floats) -> Design:
        """Return each feature times its factor; all n-grams of a text have that of their first column."""
        scales = self.stored.scales * factors[self.stored.firsts][:, np.newaxis]
        values = self.stored.values * factors[self.stored.indices]
        return replace(self, stored=self.stored._replace(scales=scales, values=values))

    def append(self, column: Floats) -> Design:
        """Return the features, of which all rows are stored in order, with one more after them.

        Examples
        --------
        >>> Design.of(csr_matrix([[1.0], [0.0]])).append(np.array([2.0, 3.0])) @ np.array([1.0, 10.0])
        array([21., 30.])
        """
        stored = self.stored
        values = csr_matrix((stored.values, stored.indices, stored.pointers), shape=self.shape)
        wider = csr_matrix(hstack([values, csr_matrix(column[:, np.newaxis])]))
        numbers = Design.of(wider).stored
        stored = stored._replace(pointers=numbers.pointers, indices=numbers.indices, values=numbers.values)
        return replace(self, stored=stored, n_columns=self.n_columns + 1)

    def __getitem__(self, rows: NDArray[Any]) -> Design:
        return replace(self, rows=self.rows[rows])

    def __matmul__(self, coefficients: Floats) -> Floats:
        return np.asarray(multiply(self.stored, self.rows, coefficients))


def _check_values(values: csr_matrix, ngrams: Sequence[Ngrams]) -> None:
    if n_wrong := int(np.count_nonzero(~np.isfinite(values.data))):
        raise ValueError(f"{n_wrong} of {values.nnz} values are not finite. Every feature needs a finite number.")
    for block in ngrams:
        if len(block.texts) != values.shape[0]:
            raise ValueError(f"Got {len(block.texts)} texts for {values.shape[0]} listings; expected one for each.")


def _encode_blocks(blocks: Sequence[Ngrams], n_rows: int) -> tuple[NDArray[np.uint16], NDArray[np.int64], Floats]:
    """Return the codes of the n-grams, block after block, where each row's begin, and the rows' scales."""
    codes = np.empty(0, dtype=np.uint16)
    starts = np.zeros((len(blocks), n_rows + 1), dtype=np.int64)
    scales = np.zeros((len(blocks), n_rows))
    used = 0
    for number, block in enumerate(blocks):
        starts[number, 0] = used
        bits = block.rarity.size.bit_length() - 1
        for first in range(0, n_rows, _TEXTS_AT_ONCE):
            texts = block.texts.take(np.arange(first, min(first + _TEXTS_AT_ONCE, n_rows)))
            part, ends, n_known = encode(texts.offsets, texts.data, block.rarity, bits, *block.letters, block.words)
            if used + part.size > codes.size:
                codes.resize((used + part.size) * 5 // 4, refcheck=False)  # without a second copy where there is room
            codes[used : used + part.size] = part
            rows = slice(first, first + len(texts))
            starts[number, first + 1 : first + 1 + len(texts)] = used + ends[1:]
            scales[number, rows] = block.weight / np.sqrt(np.maximum(n_known, 1))
            used += part.size
    codes.resize(used, refcheck=False)
    return codes, starts, scales


def _join_rarity(blocks: Sequence[Ngrams]) -> Floats:
    """Return the rarity of each column, 0 where it is no n-gram's."""
    rarity = np.zeros(max((block.first + block.rarity.size for block in blocks), default=0))
    for block in blocks:
        rarity[block.first : block.first + block.rarity.size] = block.rarity
    return rarity
