"""Vectors: reduces vectors of pictures and texts, made by the user's own encoders, to a few numbers.

ipml runs no encoder: the user fills the columns `image_vector` and `text_vector`. Only directions count, as is usual
for encoders such as CLIP. The features are principal components of the training vectors, so rotating the space
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ipml.errors import InvalidListings
from ipml.features.columns import ListingColumns
from ipml.features.compiled.numbers import project_vectors
from ipml.features.extractor import Extractor
from ipml.listings.fields import TEXT_VECTOR, VECTOR
from ipml.listings.kinds import is_missing, read_vector
from ipml.records import Problem

_AT_ONCE = 4_096  # vectors per block, so that a large table is not copied as a whole
_MOST_LEARNT, _MOST_NUMBERS = 20_000, 10_000_000  # vectors, and numbers in them (80 MB): enough for stable directions
_SEED = 0
_LEAST_SPREAD = 1e-6  # absolute, and relative to the largest spread: less is rounding in single precision

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Projection of a vector of length 1: (vector - mean) @ directions."""

    mean: Floats
    directions: Floats


class ImageVectors(Extractor):
    """Project each listing's image vector on the principal components of the training vectors.

    A classifier has this extractor where its training listings have such vectors; see
    `ipml.model.pipeline.make_features`. Vectors count by their direction. The first component has a standard
    deviation of 1, as large as numbers of other extractors; the others are scaled by the same factor. A missing or
    zero vector is 0 in all components, the mean.

    Parameters
    ----------
    n_components : int, default=32
        Largest number of components; fewer where the training vectors have fewer.

    Attributes
    ----------
    mean_ : array of shape (n_numbers,)
        Mean of the training vectors, each of length 1. Empty where there was none; all vectors are ignored then.
    components_ : array of shape (n_components, n_numbers)
        The directions, each divided by the largest standard deviation.

    Examples
    --------
    >>> columns = {"image_vector": [[3.0, 4.0], [4.0, 3.0], [6.0, 8.0], None]}
    >>> abs(ImageVectors().fit_transform(columns).round(2)).tolist()
    [[0.58], [1.15], [0.58], [0.0]]
    """

    column: ClassVar[str] = VECTOR
    """Column of the vectors."""

    def __init__(self, n_components: int = 32) -> None:
        self.n_components = n_components

    def learn(self, listings: ListingColumns) -> None:
        """Learn mean and principal components of the vectors."""
        rows = _find_rows(listings, self.column)
        self.mean_, self.components_ = np.zeros(0), np.zeros((1, 0))
        if not len(rows):
            return
        cells = listings.cells(self.column)
        length = int(np.bincount([np.size(cells[row]) for row in rows.tolist()]).argmax())
        _check_lengths(listings, rows, self.column, length, "as most others have")
        rows = _draw(rows, min(_MOST_LEARNT, max(_MOST_NUMBERS // length, 2)))
        vectors = np.concatenate([some for _, some in _gather(listings, rows, self.column)]).astype(np.float64)
        sizes = np.linalg.norm(vectors, axis=1)
        vectors = vectors[sizes > 0] / sizes[sizes > 0, None]
        self.mean_, self.components_ = np.zeros(length), np.zeros((1, length))
        if len(vectors) > 1 and np.ptp(vectors, axis=0).max() > _LEAST_SPREAD:
            from sklearn.decomposition import PCA  # slow to import, and only training needs it

            most = min(self.n_components, len(vectors) - 1, length)
            found = PCA(most, random_state=_SEED).fit(vectors)
            spread = np.sqrt(found.explained_variance_)
            is_kept = spread > _LEAST_SPREAD * spread[0]
            self.mean_, self.components_ = found.mean_, found.components_[is_kept] / spread[0]

    def borrow(self, other: Self) -> None:
        """Project vectors as the source model does, whose coefficients need that; the encoder must be the same."""
        self.mean_, self.components_ = other.mean_, other.components_

    def prepare(self) -> Projection:
        """Return the directions as the engine reads them."""
        mean, directions = np.array(self.mean_, np.float64), np.array(self.components_, np.float64).T.copy()
        if mean.ndim != 1 or directions.ndim != 2 or len(directions) != len(mean):
            raise ValueError(f"found a middle of shape {mean.shape} and directions of {directions.shape}")
        return Projection(mean, directions)

    def values(self, listings: ListingColumns) -> Floats:
        """Return the components, shape (n_listings, n_components); 0 where there is no vector.

        Raises `InvalidListings`: a vector differs in length from the training vectors.
        """
        return listings.memoise_rows(self.prepared, [self.column], self._project)

    def find_problems(self, listings: ListingColumns) -> list[Problem]:
        """Return a problem for each listing whose vector differs in length from the training vectors."""
        length = len(self.mean_)
        rows = _find_rows(listings, self.column) if length else np.zeros(0, np.intp)
        return _find_lengths(listings, rows, self.column, length, "as the model learnt")

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        return np.array([f"component_{number}" for number in range(1, len(self.components_) + 1)], dtype=object)

    def _project(self, listings: ListingColumns) -> Floats:
        mean, directions = self.prepared.mean, self.prepared.directions
        values = np.zeros((len(listings), directions.shape[1]))
        rows = _find_rows(listings, self.column) if len(mean) else np.zeros(0, np.intp)
        if len(rows):
            _check_lengths(listings, rows, self.column, len(mean), "as the model learnt")
        for some, vectors in _gather(listings, rows, self.column):
            values[some] = project_vectors(vectors, mean, directions)
        return values


class TextVectors(ImageVectors):
    """Project each listing's text vector, as `ImageVectors` projects image vectors.

    >>> abs(TextVectors().fit_transform({"text_vector": [[3.0, 4.0], [4.0, 3.0], None]}).round(2)).tolist()
    [[0.71], [0.71], [0.0]]
    """

    column = TEXT_VECTOR


VECTOR_EXTRACTORS: dict[str, type[ImageVectors]] = {"image": ImageVectors, "text_vector": TextVectors}
"""Extractors that a classifier has where listings have their vectors, by name."""


def has_vectors(listings: ListingColumns, column: str = VECTOR) -> bool:
    """Return whether some listing has a vector."""
    return len(_find_rows(listings, column)) > 0


def _find_rows(listings: ListingColumns, column: str) -> NDArray[np.intp]:
    """Return which listings have a vector."""
    if column not in listings:
        return np.zeros(0, dtype=np.intp)
    return np.array([row for row, cell in enumerate(listings.cells(column)) if not is_missing(cell)], dtype=np.intp)


def _draw(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return a random sample of rows, of limited size."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def _gather(
    listings: ListingColumns, rows: NDArray[np.intp], column: str
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield blocks of rows with their vectors, which have one length."""
    cells = listings.cells(column)
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        yield some, np.stack([read_vector(cells[row]) for row in some.tolist()])


def _check_lengths(listings: ListingColumns, rows: NDArray[np.intp], column: str, length: int, why: str) -> None:
    if problems := _find_lengths(listings, rows, column, length, why):
        raise InvalidListings(problems)


def _find_lengths(
    listings: ListingColumns, rows: NDArray[np.intp], column: str, length: int, why: str
) -> list[Problem]:
    cells, numbers, problems = listings.cells(column), listings.row_numbers(), []
    for row in rows.tolist():
        try:
            n_found = len(read_vector(cells[row]))
        except ValueError:
            found = "no list of finite numbers"
        else:
            if n_found == length:
                continue
            found = f"a list of {n_found:,} numbers"
        problems.append(Problem(int(numbers[row]), column, found, f"a list of {length:,} finite numbers, {why}"))
    return problems
