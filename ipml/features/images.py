"""Vectors of pictures and texts, as encoders of the user's own make them, reduced to few numbers.

ipml runs no encoder: its user puts the vectors into the columns `image_vector` and `text_vector`. Only directions
count, as those of encoders such as CLIP are compared. What is kept of them are the principal components of the vectors
learnt from, so that turning the space in which they stand changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ipml.errors import InvalidListings
from ipml.features.columns import Extractor, ListingColumns
from ipml.features.compiled.numbers import project_vectors
from ipml.listings.fields import TEXT_VECTOR, VECTOR
from ipml.listings.kinds import is_missing, read_vector
from ipml.records import Problem

_AT_ONCE = 4_096  # vectors that stand in one array, so that a large table of them is not copied as a whole
_MOST_LEARNT, _MOST_NUMBERS = 20_000, 10_000_000  # vectors, and numbers in them: 80 MB, from which directions are clear
_SEED = 0
_LEAST_SPREAD = 1e-6  # of vectors of length 1 in single precision, and of the largest spread: less is rounding

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """What a vector of length 1 becomes: (vector - mean) @ directions."""

    mean: Floats
    directions: Floats


class ImageVectors(Extractor):
    """Place each listing's image vector among those of training, by the directions in which these differ most.

    A classifier has it where the listings that it learns from have such vectors; see
    `ipml.model.pipeline.make_features`. Vectors count by their direction. The component along which they differ most
    has a standard deviation of 1, as large as numbers of other extractors are; the others keep their proportion to it.
    No vector, or one of zeros, is 0 in all: it stands in the middle, and says nothing.

    Parameters
    ----------
    n_components : int, default=32
        How many numbers are kept at most; never more than the vectors learnt from can tell.

    Attributes
    ----------
    mean_ : array of shape (n_numbers,)
        The middle of the vectors, each of length 1; empty where none was learnt, and all vectors are ignored then.
    components_ : array of shape (n_components, n_numbers)
        The directions, each divided by the largest standard deviation.

    Examples
    --------
    >>> columns = {"image_vector": [[3.0, 4.0], [4.0, 3.0], [6.0, 8.0], None]}
    >>> abs(ImageVectors().fit_transform(columns).round(2)).tolist()
    [[0.58], [1.15], [0.58], [0.0]]
    """

    column: ClassVar[str] = VECTOR
    """Where the vectors are."""

    def __init__(self, n_components: int = 32) -> None:
        self.n_components = n_components

    def learn(self, listings: ListingColumns) -> None:
        """Learn the middle of the vectors, and in which directions they differ most."""
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
            from sklearn.decomposition import PCA  # takes a while, and only training needs it

            most = min(self.n_components, len(vectors) - 1, length)
            found = PCA(most, random_state=_SEED).fit(vectors)
            spread = np.sqrt(found.explained_variance_)
            is_kept = spread > _LEAST_SPREAD * spread[0]
            self.mean_, self.components_ = found.mean_, found.components_[is_kept] / spread[0]

    def borrow(self, other: Self) -> None:
        """See vectors as a donor does, whose coefficients were learnt so: its encoder has to be the same."""
        self.mean_, self.components_ = other.mean_, other.components_

    def prepare(self) -> Projection:
        """Return the directions as the engine reads them."""
        mean, directions = np.array(self.mean_, np.float64), np.array(self.components_, np.float64).T.copy()
        if mean.ndim != 1 or directions.ndim != 2 or len(directions) != len(mean):
            raise ValueError(f"found a middle of shape {mean.shape} and directions of {directions.shape}")
        return Projection(mean, directions)

    def values(self, listings: ListingColumns) -> Floats:
        """Return the components, shape (n_listings, n_components); 0 where there is no vector.

        Raises
        ------
        InvalidListings
            A vector has another length than those learnt from.
        """
        return listings.once_a_row(self.prepared, [self.column], self._project)

    def find_problems(self, listings: ListingColumns) -> list[Problem]:
        """Return a problem for each listing whose vector has another length than those learnt from."""
        length = len(self.mean_)
        rows = _find_rows(listings, self.column) if length else np.zeros(0, np.intp)
        return _find_lengths(listings, rows, self.column, length, "as the model learnt")

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names."""
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
    """Place each listing's text vector among those of training, as `ImageVectors` does vectors of pictures.

    Examples
    --------
    >>> abs(TextVectors().fit_transform({"text_vector": [[3.0, 4.0], [4.0, 3.0], None]}).round(2)).tolist()
    [[0.71], [0.71], [0.0]]
    """

    column = TEXT_VECTOR


VECTOR_EXTRACTORS: dict[str, type[ImageVectors]] = {"image": ImageVectors, "text_vector": TextVectors}
"""The extractors that a classifier has where listings have their vectors, by name."""


def has_vectors(listings: ListingColumns, column: str = VECTOR) -> bool:
    """Say whether some listing has a vector."""
    return len(_find_rows(listings, column)) > 0


def _find_rows(listings: ListingColumns, column: str) -> NDArray[np.intp]:
    """Return which listings have a vector."""
    if column not in listings:
        return np.zeros(0, dtype=np.intp)
    return np.array([row for row, cell in enumerate(listings.cells(column)) if not is_missing(cell)], dtype=np.intp)


def _draw(rows: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """Return so many rows at most, drawn at random."""
    return rows if len(rows) <= most else np.sort(np.random.default_rng(_SEED).choice(rows, most, replace=False))


def _gather(
    listings: ListingColumns, rows: NDArray[np.intp], column: str
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Yield some rows at a time with their vectors, which have one length."""
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
