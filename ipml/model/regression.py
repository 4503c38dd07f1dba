"""Linear models: coefficients, and the features of listings in the compact form in which the solver reads them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ipml.engine.library import KINDS, bind
from ipml.features.compiled.ngrams import encode, order_known
from ipml.features.compiled.texts import Texts

Floats = NDArray[np.float64]


@dataclass(eq=False)
class LinearLearner:
    """A linear model; `n_iter_` counts the passes of the fit through the listings."""

    coef_: Floats
    intercept_: Floats
    n_iter_: int

    def decision_function(self, values: Any) -> Floats:
        """Return the log-odds of a matrix of features, shape (n_listings,)."""
        return np.asarray(values @ self.coef_[0] + self.intercept_[0])


class StoredRows(NamedTuple):
    """Rows as the solver reads them: n-grams in two bytes each, other values as a CSR matrix.

    The n-gram columns of a row are written in order, each as its distance to the one before; the first one of a block
    to the block's first column. A repeated one is at distance 0. An n-gram has the value count * rarity * scale.

    Attributes
    ----------
    pointers, indices, values : arrays of int64, int32 and float64
        The CSR matrix.
    codes : array of uint16
        The distances.
    starts, lengths : arrays of int64 and int32, shape (n_rows, n_blocks)
        The place of each row's codes in each block of columns, and their number.
    firsts : array of int64, shape (n_blocks,)
        The first column of each block.
    scales : array of shape (n_rows, n_blocks)
    rarity : array of shape (n_columns,)
    """

    pointers: NDArray[np.int64]
    indices: NDArray[np.int32]
    values: Floats
    codes: NDArray[np.uint16]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int32]
    firsts: NDArray[np.int64]
    scales: Floats
    rarity: Floats


_multiply = bind("multiply_rows")
_measure = bind("measure_rows")
as_engine_takes = KINDS["stored_rows"].from_param


def multiply(stored: StoredRows, rows: NDArray[np.int64], coefficients: Floats) -> Floats:
    """Return the product of each row with the coefficients."""
    products = np.empty(rows.size)
    _multiply(as_engine_takes(stored), rows, np.ascontiguousarray(coefficients, np.float64), products)
    return products


def measure(stored: StoredRows, rows: NDArray[np.int64], parts: Floats, n_columns: int) -> tuple[Floats, Floats]:
    """Return the square of each row's length, and the sum of the rows, each times its part."""
    squares, sums = np.empty(rows.size), np.empty(n_columns)
    _measure(as_engine_takes(stored), rows, np.ascontiguousarray(parts, np.float64), squares, sums)
    return squares, sums


@dataclass(frozen=True, slots=True, eq=False)
class Ngrams:
    """Texts with the values of their n-grams: `weight * count * rarity / sqrt(number of known n-grams)`.

    Attributes
    ----------
    first : int
        The first of their columns.
    texts : Texts
        Skeletons of folded texts, one for each listing.
    rarity : array of shape (2^bits,)
        `TextFeatures.idf_`; 0 for unknown n-grams.
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

    Most of hundreds of thousands of columns are empty. The others are stored side by side, so that a listing's features
    come from little memory.

    Attributes
    ----------
    rows : array of int64, shape (n_listings,)
        Which of the stored rows these are.
    columns : array of int64, shape (n_stored,)
        The feature of each stored column: known n-grams, the most frequent of a text first, then others.
    n_columns : int
        Number of features.

    Examples
    --------
    >>> design = Design.of(scipy.sparse.csr_matrix([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> design[np.array([2, 1])] @ np.array([1.0, 10.0])
    array([ 3., 20.])
    """

    stored: StoredRows
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    n_columns: int

    @classmethod
    def of(cls, values: scipy.sparse.csr_matrix, ngrams: Sequence[Ngrams] = ()) -> Design:
        """Return features as a design; n-grams, of columns that are empty in `values`, take two bytes each.

        Raises `ValueError`: a value is not finite, or the numbers of texts and listings differ.
        """
        _check_values(values, ngrams)
        blocks = [block for block in ngrams if block.rarity.any()]
        known = [order_known(block.rarity) for block in blocks]
        is_other = np.ones(values.shape[1], dtype=np.bool_)
        for block in ngrams:
            is_other[block.first : block.first + block.rarity.size] = False
        of_blocks = (block.first + columns for block, columns in zip(blocks, known, strict=True))
        columns = np.concatenate([*of_blocks, np.flatnonzero(is_other)])
        places = np.zeros(values.shape[1], dtype=np.int32)
        places[columns] = np.arange(columns.size)
        stored = StoredRows(
            pointers=values.indptr.astype(np.int64, copy=False),
            indices=places[values.indices],
            values=values.data.astype(np.float64, copy=False),
            **_encode_blocks(blocks, known, values.shape[0]),
            firsts=np.cumsum([0, *map(len, known)], dtype=np.int64)[: len(blocks)],
            rarity=_join_rarity(blocks, values.shape[1])[columns],
        )
        return cls(stored, np.arange(values.shape[0]), columns, values.shape[1])

    @classmethod
    def join(cls, parts: Iterable[Design]) -> Design:
        """Return the features of the listings of each part, one part after another.

        Each part stores only its own rows and has the same n-grams. Parts are read one by one to save memory.

        >>> parts = (Design.of(scipy.sparse.csr_matrix([[number, 1.0]])) for number in (2.0, 3.0))
        >>> Design.join(parts) @ np.array([1.0, 10.0])
        array([12., 13.])
        """
        grown: dict[str, _Grown] = {}
        for part in parts:
            of = part.stored._asdict()
            for name, begun in (("starts", "codes"), ("pointers", "values")) if grown else ():
                of[name] = of[name] + grown[begun].n
            of["pointers"] = of["pointers"][1:] if grown else of["pointers"]
            for name in _OF_ROWS:
                grown.setdefault(name, _Grown(of[name].dtype)).add(of[name])
        joined = {name: array.take() for name, array in grown.items()}
        n_rows = len(joined["pointers"]) - 1
        for name in ("starts", "lengths", "scales"):
            joined[name] = joined[name].reshape(n_rows, len(part.stored.firsts))
        return replace(part, stored=part.stored._replace(**joined), rows=np.arange(n_rows))

    @property
    def shape(self) -> tuple[int, int]:
        """Number of listings and of features."""
        return len(self.rows), self.n_columns

    def scale(self, factors: Floats) -> Design:
        """Return each feature times its factor; all n-grams of a text have the factor of their first column."""
        stored, factors = self.stored, factors[self.columns]
        scales, values = stored.scales * factors[stored.firsts], stored.values
        factors[: stored.rarity.size][stored.rarity > 0] = 1.0  # n-grams have theirs
        if (factors != 1.0).any():
            values = values * factors[stored.indices]
        return replace(self, stored=stored._replace(scales=scales, values=values))

    def append(self, column: Floats) -> Design:
        """Return the features with one more column; all rows must be stored in order."""
        stored = self.stored
        shape = len(self.rows), len(self.columns)
        values = scipy.sparse.csr_matrix((stored.values, stored.indices, stored.pointers), shape=shape)
        wider = scipy.sparse.csr_matrix(scipy.sparse.hstack([values, scipy.sparse.csr_matrix(column[:, np.newaxis])]))
        _check_values(wider, ())
        stored = stored._replace(
            pointers=wider.indptr.astype(np.int64), indices=wider.indices.astype(np.int32), values=wider.data
        )
        columns = np.append(self.columns, self.n_columns)
        return replace(self, stored=stored, columns=columns, n_columns=self.n_columns + 1)

    def __getitem__(self, rows: NDArray[Any]) -> Design:
        return replace(self, rows=self.rows[rows])

    def __matmul__(self, coefficients: Floats) -> Floats:
        return multiply(self.stored, self.rows, coefficients[self.columns])


def _check_values(values: scipy.sparse.csr_matrix, ngrams: Sequence[Ngrams]) -> None:
    if n_wrong := int(np.count_nonzero(~np.isfinite(values.data))):
        raise ValueError(f"{n_wrong} of {values.nnz} values are not finite. Every feature needs a finite number.")
    for block in ngrams:
        if len(block.texts) != values.shape[0]:
            raise ValueError(f"Got {len(block.texts)} texts for {values.shape[0]} listings; expected one for each.")


def _encode_blocks(blocks: Sequence[Ngrams], known: Sequence[NDArray[np.int64]], n_rows: int) -> dict[str, Any]:
    """Return codes, starts, lengths and scales of the n-grams, as `StoredRows` has them."""
    codes, used = [np.empty(0, dtype=np.uint16)], 0
    starts, lengths = (np.empty((n_rows, len(blocks)), dtype=kind) for kind in (np.int64, np.int32))
    scales = np.empty((n_rows, len(blocks)))
    for number, block in enumerate(blocks):
        bits = block.rarity.size.bit_length() - 1
        part, ends, n_known = encode(block.texts, known[number], bits, *block.letters, block.words)
        starts[:, number], lengths[:, number] = used + ends[:-1], np.diff(ends)
        scales[:, number] = block.weight / np.sqrt(np.maximum(n_known, 1))
        codes.append(part)
        used += part.size
    return {"codes": np.concatenate(codes), "starts": starts, "lengths": lengths, "scales": scales}


_OF_ROWS = ("pointers", "indices", "values", "codes", "starts", "lengths", "scales")


class _Grown:
    """An array that grows at its end, without a second copy where memory has room; `n` values are written."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self._array, self.n = np.empty(0, dtype=kind), 0

    def add(self, part: NDArray[Any]) -> None:
        """Append an array, row after row."""
        if self.n + part.size > self._array.size:
            self._array.resize((self.n + part.size) * 5 // 4, refcheck=False)
        self._array[self.n : self.n + part.size] = part.ravel()
        self.n += part.size

    def take(self) -> NDArray[Any]:
        """Return the array."""
        self._array.resize(self.n, refcheck=False)
        return self._array


def _join_rarity(blocks: Sequence[Ngrams], n_columns: int) -> Floats:
    """Return the rarity of each column, 0 for columns without n-grams."""
    rarity = np.zeros(n_columns)
    for block in blocks:
        rarity[block.first : block.first + block.rarity.size] = block.rarity
    return rarity
