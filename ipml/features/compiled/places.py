"""Places: holds the places of phrases in many texts, and lists of numbers by text."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Place = tuple[int, int, int]
"""Number of a phrase, its start and its end in a text."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places of phrases in texts: text `i` has the places from `starts[i]` to `starts[i + 1]`, ordered by start.

    Attributes
    ----------
    starts : array of int64, shape (n_texts + 1,)
    number : array of int32, shape (n_places,)
        The number of the phrase.
    start, end : array of int32, shape (n_places,)
        First byte in the text, and the byte after the last.

    Examples
    --------
    >>> places = Places(*(np.array(values) for values in ([0, 1, 1, 3], [7, 8, 9], [0, 2, 5], [3, 4, 9])))
    >>> len(places), places.of_text(2), places.take(np.array([2, 1])).of_text(0)
    (3, [(8, 2, 4), (9, 5, 9)], [(8, 2, 4), (9, 5, 9)])
    >>> places.of_each()
    [[(7, 0, 3)], [], [(8, 2, 4), (9, 5, 9)]]
    """

    starts: NDArray[np.int64]
    number: NDArray[np.int32]
    start: NDArray[np.int32]
    end: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of_text(self, row: int) -> list[Place]:
        """Return number, start and end of each place in one text."""
        within = slice(int(self.starts[row]), int(self.starts[row + 1]))
        columns = (self.number[within].tolist(), self.start[within].tolist(), self.end[within].tolist())
        return list(zip(*columns, strict=True))

    def of_each(self) -> list[list[Place]]:
        """Return number, start and end of each place, text by text."""
        places = list(zip(self.number.tolist(), self.start.tolist(), self.end.tolist(), strict=True))
        return [places[first:last] for first, last in pairwise(self.starts.tolist())]

    def take(self, rows: NDArray[np.intp]) -> Places:
        """Return the places in some of the texts, in the given order."""
        starts, which = _take_lists(self.starts, np.asarray(rows, dtype=np.int64))
        return Places(starts, self.number[which], self.start[which], self.end[which])


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Lists of numbers by text: text `i` has the numbers from `starts[i]` to `starts[i + 1]`.

    Attributes
    ----------
    starts : array of int64, shape (n_texts + 1,)
    number : array of int64

    Examples
    --------
    >>> numbers = Numbers(np.array([0, 1, 1, 3]), np.array([7, 8, 9]))
    >>> len(numbers), numbers.of_text(2), numbers.take(np.array([2, 1])).of_text(0)
    (3, [8, 9], [8, 9])
    """

    starts: NDArray[np.int64]
    number: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def of_text(self, row: int) -> list[int]:
        """Return the numbers of one text."""
        return list(self.number[int(self.starts[row]) : int(self.starts[row + 1])].tolist())

    def first(self) -> NDArray[np.int64]:
        """Return the first number of each text, -1 where there is none."""
        found = np.full(len(self), -1)
        has_any = self.starts[1:] > self.starts[:-1]
        found[has_any] = self.number[self.starts[:-1][has_any]]
        return found

    def take(self, rows: NDArray[np.intp]) -> Numbers:
        """Return the numbers of some of the texts, in the given order."""
        starts, which = _take_lists(self.starts, np.asarray(rows, dtype=np.int64))
        return Numbers(starts, self.number[which])


def _take_lists(starts: NDArray[np.int64], rows: NDArray[np.int64]) -> Any:
    """Return the starts of the selected lists, and the positions of their items.

    Raises `IndexError`: there is no such list.

    >>> [taken.tolist() for taken in _take_lists(np.array([0, 1, 1, 3]), np.array([2, 1, 0]))]
    [[0, 2, 2, 3], [1, 2, 0]]
    """
    if rows.size and (rows.min() < 0 or rows.max() >= len(starts) - 1):
        raise IndexError(f"found lists {rows}; expected numbers from 0 to {len(starts) - 2}")
    begins, lengths = starts[rows], starts[rows + 1] - starts[rows]
    taken = np.concatenate([[0], np.cumsum(lengths)])
    return taken, np.repeat(begins - taken[:-1], lengths) + np.arange(taken[-1])
