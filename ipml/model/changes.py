"""Texts of listings without some pieces, as the first stage weighs them again: what a listing loses without a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Record
from ipml.features.columns import ListingColumns

Numbers = NDArray[np.int64]
Spans = Sequence[tuple[int, int]]
"""Places of one text as written, in order: where each begins and ends, in code points, the end excluded."""
TEXTS = ("title", "description")


@dataclass(frozen=True, slots=True, eq=False)
class TextChanges:
    """Which pieces are taken away from the texts of which listings, a row for each change.

    Attributes
    ----------
    rows : array of int, shape (n_changes,)
        The listing of each, in ascending order.
    starts : array of int, shape (2 * n_changes + 1,)
        The pieces of the title are those from `starts[2 * i]` on, those of the description from `starts[2 * i + 1]`.
    pieces : array of int, shape (2 * n_pieces,)
        Where each begins and ends.

    Examples
    --------
    >>> numbers = [0, 0, 1], [0, 1, 1, 2, 2, 2, 4], [0, 4, 4, 9, 0, 2, 1, 3]
    >>> changes = TextChanges(*map(np.array, numbers))
    >>> listings = ListingColumns({"title": ["AAA grade", "Bag"], "description": [None, "oh no"]})
    >>> changed = changes.apply(listings)
    >>> changed.texts("title"), changed.texts("description")
    (['grade', 'AAA ', 'Bag'], ['', '', 'no'])
    """

    rows: Numbers
    starts: Numbers
    pieces: Numbers

    def __len__(self) -> int:
        return len(self.rows)

    def apply(self, listings: ListingColumns) -> ListingColumns:
        """Return the listings as the changes leave them."""
        written = {
            name: [
                without(texts[row], self._spans(2 * change + number)) for change, row in enumerate(self.rows.tolist())
            ]
            for number, name in enumerate(TEXTS)
            for texts in [listings.texts(name)]
        }
        return listings.rewrite(self.rows, written)

    def _spans(self, at: int) -> list[tuple[int, int]]:
        pieces = self.pieces[2 * self.starts[at] : 2 * self.starts[at + 1]].reshape(-1, 2).tolist()
        return [(start, end) for start, end in pieces]


class ChangeArrays(Record):
    """`TextChanges` as the engine takes them."""

    _fields_: ClassVar[Any] = [(name, KINDS["int64s"]) for name in ("rows", "starts", "pieces")]


def without(text: str, places: Spans) -> str:
    """Return a text without some places, which come in order and may overlap.

    Examples
    --------
    >>> without("AAA grade bag", [(0, 4), (4, 8), (4, 10)])
    'bag'
    """
    kept, at = [], 0
    for start, end in places:
        kept.append(text[at:start])
        at = max(at, end)
    return "".join([*kept, text[at:]])
