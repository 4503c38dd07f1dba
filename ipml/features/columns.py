"""The columns of some listings, as extractors read them; what several of them need is worked out once.

Extractors take a frame, a mapping of columns or a `ListingColumns`. The pipeline makes one `ListingColumns` and hands
it to all of them, so that a title is folded once however many extractors read it; a single listing needs no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import fields
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.normalise import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_text
from ipml.features.skeleton import skeleton
from ipml.features.spelling import Spelling
from ipml.records import Listing

T = TypeVar("T")
SPELT = ("title", "description")
MAX_LETTERS = {"title": MAX_TITLE_LETTERS, "description": MAX_DESCRIPTION_LETTERS}
"""How many letters of a text column are read; of the others as many as of a title."""


class ListingColumns:
    """The columns of some listings.

    Parameters
    ----------
    columns : DataFrame or mapping of str to sequence
        Canonical listing columns; those that are absent read as missing.
    spelling : Spelling, optional
        How misspelt words of title and description are read; as they stand where none is given.

    Examples
    --------
    >>> listings = ListingColumns({"title": ["N\u0456ke", None], "price": [10.0, None]})
    >>> len(listings), listings.folded("title"), listings.numbers("price")
    (2, ['nike', ''], array([10., nan]))
    """

    def __init__(self, columns: pd.DataFrame | Mapping[str, Sequence[Any]], spelling: Spelling | None = None) -> None:
        self._columns = columns
        self._spelling = spelling
        self._known: dict[Hashable, Any] = {}
        self._length = len(columns) if isinstance(columns, pd.DataFrame) else len(next(iter(columns.values()), ()))

    @classmethod
    def of(cls, listings: Any) -> ListingColumns:
        """Return the columns of a frame, of a mapping, or of a `ListingColumns`, which is returned as it is."""
        return listings if isinstance(listings, ListingColumns) else cls(listings)

    @classmethod
    def of_one(cls, listing: Listing) -> ListingColumns:
        """Return the columns of a single listing."""
        return cls({field.name: [getattr(listing, field.name)] for field in fields(Listing)})

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def take(self, rows: NDArray[np.intp], texts: Mapping[str, Sequence[str]]) -> ListingColumns:
        """Return some rows, in the order given, with other texts in some columns."""
        names = [str(name) for name in self._columns]
        taken = {name: self._take(name, rows) for name in names if name not in texts}
        return ListingColumns({**taken, **texts}, self._spelling)

    def spelt(self, spelling: Spelling) -> ListingColumns:
        """Return the same listings, their misspelt words read in this way."""
        return self if spelling is self._spelling else ListingColumns(self._columns, spelling)

    def texts(self, name: str) -> list[str]:
        """Return a text column as written; missing texts are empty."""
        return self.once(("text", name), lambda: self._read_texts(name))

    def folded(self, name: str) -> list[str]:
        """Return the folded view of a text column; missing texts are empty."""
        fold = self._spelling.fold_text if self._spelling and name in SPELT else fold_text
        most = MAX_LETTERS.get(name, MAX_TITLE_LETTERS)
        return self.once(("folded", name), lambda: [fold(text, most) for text in self.texts(name)])

    def skeletons(self, name: str) -> list[str]:
        """Return the skeleton of the folded view of a text column; missing texts are empty."""
        return self.once(("skeleton", name), lambda: [skeleton(text) for text in self.folded(name)])

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number column, shape (n_listings,); missing numbers are NaN."""
        return self.once(("number", name), lambda: self._read_numbers(name))

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return a column of moments in nanoseconds UTC, shape (n_listings,); the least number where missing."""
        return self.once(("moment", name), lambda: self._read_moments(name))

    def days_between(self, first: str, second: str) -> NDArray[np.float64]:
        """Return the days from one moment column to another, shape (n_listings,); NaN where either is missing."""
        return self.once(("days", first, second), lambda: self._read_days(first, second))

    def once(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return what was worked out under this key before, or work it out now."""
        if key not in self._known:
            self._known[key] = work_out()
        return cast(T, self._known[key])

    def _take(self, name: str, rows: NDArray[np.intp]) -> Any:
        column = self._columns[name]
        return column.iloc[rows] if isinstance(column, pd.Series) else [column[row] for row in rows]

    def _read_texts(self, name: str) -> list[str]:
        if name not in self._columns:
            return [""] * len(self)
        column = self._columns[name]
        if isinstance(column, pd.Series):
            column = column.astype("str").fillna("").tolist() if column.dtype != object else column.tolist()
        return [text if isinstance(text, str) else "" for text in column]

    def _read_numbers(self, name: str) -> NDArray[np.float64]:
        if name not in self._columns:
            return np.full(len(self), np.nan)
        column = self._columns[name]
        if isinstance(column, pd.Series):
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.array([np.nan if value is None else value for value in column], dtype=np.float64)

    def _read_moments(self, name: str) -> NDArray[np.int64]:
        if name not in self._columns:
            return np.full(len(self), np.iinfo(np.int64).min)
        moments = pd.to_datetime(pd.Series(self._columns[name]), utc=True).dt.as_unit("ns")
        return np.asarray(moments.to_numpy(dtype="datetime64[ns]").astype(np.int64))  # NaT is the least number

    def _read_days(self, first: str, second: str) -> NDArray[np.float64]:
        if first not in self._columns or second not in self._columns:
            return np.full(len(self), np.nan)
        moments = [pd.to_datetime(pd.Series(self._columns[name]), utc=True) for name in (first, second)]
        days = (moments[1].array - moments[0].array) / pd.Timedelta(days=1)
        return np.asarray(days, dtype=np.float64)
