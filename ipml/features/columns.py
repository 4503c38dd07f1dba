"""The columns of some listings, as extractors read them; what several of them need is worked out once.

Extractors take a frame, a mapping of columns or a `ListingColumns`. The pipeline makes one `ListingColumns` and hands
it to all of them, so that a title is folded once however many extractors read it; a single listing needs no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.normalise import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_text
from ipml.features.passages import Passages
from ipml.features.phrases import Place, find_in_texts
from ipml.features.skeleton import Skeletons
from ipml.features.spelling import Spelling
from ipml.records import Listing

T = TypeVar("T")
SPELT = ("title", "description")
MAX_LETTERS = {"title": MAX_TITLE_LETTERS, "description": MAX_DESCRIPTION_LETTERS}
"""How many letters of a text column are read; of the others as many as of a title."""
_LETTERS_AT_ONCE = 1_000_000  # of which skeletons are worked out together: more would take memory and save no time


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
        self._whole: ListingColumns | None = None
        self._rows = np.zeros(0, dtype=np.intp)
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
        return name in self._columns or (self._whole is not None and name in self._whole)

    def take(self, rows: NDArray[np.intp], texts: Mapping[str, Sequence[str]]) -> ListingColumns:
        """Return some rows, in the order given, with other texts in some columns.

        What was worked out for these listings is not worked out again. If all new texts of a column are passages of
        the folded views of the old ones, whole words of them, they are taken as they stand: they are not folded twice.

        Examples
        --------
        >>> listings = ListingColumns({"title": ["A r0lex watch", "Hat"], "price": [10.0, 20.0]})
        >>> passages = listings.take(np.array([0, 0]), {"title": ["a r0lex", "r0lex watch"]})
        >>> passages.skeletons("title"), passages.numbers("price")
        (['a roiex', 'roiex watch'], array([10., 10.]))
        """
        taken = ListingColumns(texts, self._spelling)
        taken._whole, taken._rows, taken._length = self, rows, len(rows)
        return taken

    def spelt(self, spelling: Spelling) -> ListingColumns:
        """Return the same listings, their misspelt words read in this way; what was folded is not folded again."""
        if spelling is self._spelling:
            return self
        if self._whole is not None:
            return self._whole.spelt(spelling).take(self._rows, cast(Mapping[str, Sequence[str]], self._columns))
        spelt = ListingColumns(self._columns, spelling)
        if self._spelling is None:
            folded = [key for name in SPELT if (key := ("folded", name)) in self._known]
            spelt._known |= {key: _map_once(spelling.read_text, self._known[key]) for key in folded}
        return spelt

    def texts(self, name: str) -> list[str]:
        """Return a text column as written; missing texts are empty."""
        return self.once_a_row(("text", name), [name], lambda listings: listings._read_texts(name))

    def folded(self, name: str) -> list[str]:
        """Return the folded view of a text column; missing texts are empty."""
        return self.once_a_row(("folded", name), [name], lambda listings: listings._fold(name))

    def skeletons(self, name: str) -> list[str]:
        """Return the skeleton of the folded view of a text column; missing texts are empty."""
        return self.once_a_row(("skeleton", name), [name], lambda listings: listings._reduce(name))

    def places(self, name: str, phrases: tuple[str, ...]) -> list[Sequence[Place]]:
        """Return which phrases stand where in the folded view of a text column, by start, as `find_phrases` does."""
        return self.once_a_row(("places", name, phrases), [name], lambda listings: listings._find(name, phrases))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number column, shape (n_listings,); missing numbers are NaN."""
        return self.once_a_row(("number", name), [name], lambda listings: listings._read_numbers(name))

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return a column of moments in nanoseconds UTC, shape (n_listings,); the least number where missing."""
        return self.once_a_row(("moment", name), [name], lambda listings: listings._read_moments(name))

    def days_between(self, first: str, second: str) -> NDArray[np.float64]:
        """Return the days from one moment column to another, shape (n_listings,); NaN where either is missing."""
        names = (first, second)
        return self.once_a_row(("days", *names), names, lambda listings: listings._read_days(*names))

    def once(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return what was worked out under this key before, or work it out now."""
        if key not in self._known:
            self._known[key] = work_out()
        return cast(T, self._known[key])

    def once_a_row(self, key: Hashable, columns: Iterable[str], work_out: Callable[[ListingColumns], T]) -> T:
        """Return what follows, row by row, from some columns alone; it is worked out once.

        Listings that were taken from others take over what is known of those, unless some of the columns have other
        texts.

        Parameters
        ----------
        key : hashable
        columns : iterable of str
        work_out : function of ListingColumns
            Gives a list, an array or a sparse matrix with a row for each listing.
        """

        def take_or_work_out() -> T:
            if self._whole is None or any(name in self._columns for name in columns):
                return work_out(self)
            return cast(T, _take_rows(self._whole.once_a_row(key, columns, work_out), self._rows))

        return self.once(key, take_or_work_out)

    def each_once(self, columns: Iterable[str], read: Callable[[ListingColumns], Any]) -> Any:
        """Return what is read, row by row, from some columns alone; for passages their listing is read once.

        Parameters
        ----------
        columns : iterable of str
        read : function of ListingColumns
            Gives an array or a sparse matrix with a row for each listing.
        """
        if self._whole is None or any(name in self._columns for name in columns):
            return read(self)
        rows, which = np.unique(self._rows, return_inverse=True)
        return read(self._whole.take(rows, {}))[which]

    def _fold(self, name: str) -> list[str]:
        if passages := self._passages(name):
            return list(passages.texts)
        fold = self._spelling.fold_text if self._spelling and name in SPELT else fold_text
        most = MAX_LETTERS.get(name, MAX_TITLE_LETTERS)
        return _map_once(lambda text: fold(text, most), self.texts(name))

    def _reduce(self, name: str) -> list[str]:
        if self._whole is not None and (passages := self._passages(name)):
            return passages.cut_words(self._whole.skeletons(name))
        return [bones for block in self._blocks(name) for bones in block.each()]

    def _find(self, name: str, phrases: tuple[str, ...]) -> list[Sequence[Place]]:
        if self._whole is not None and (passages := self._passages(name)):
            return passages.cut_places(self._whole.places(name, phrases))
        return [places for block in self._blocks(name) for places in find_in_texts(block, phrases)]

    def _passages(self, name: str) -> Passages | None:
        """Return where the texts of a column lie in those they were taken from; None where they are no passages."""
        whole, rows = self._whole, self._rows.tolist()
        if whole is None or name not in self._columns:
            return None
        return self.once(("passages", name), lambda: Passages.locate(whole.folded(name), rows, self.texts(name)))

    def _blocks(self, name: str) -> list[Skeletons]:
        """Return the skeletons of the folded view of a text column, some texts at a time."""
        return self.once(("blocks", name), lambda: [Skeletons(block) for block in _cut_in_blocks(self.folded(name))])

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


def _map_once(read: Callable[[str], str], texts: Sequence[str]) -> list[str]:
    """Return what is read of each text, of equal ones read once."""
    known = {text: read(text) for text in dict.fromkeys(texts)}
    return [known[text] for text in texts]


def _take_rows(values: Any, rows: NDArray[np.intp]) -> Any:
    return [values[row] for row in rows.tolist()] if isinstance(values, list) else values[rows]


def _cut_in_blocks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the texts in their order, so many at a time as have about a million letters."""
    ends = np.cumsum([len(text) for text in texts])
    block = ends // _LETTERS_AT_ONCE
    yield from (texts[start:end] for start, end in pairwise([0, *(np.flatnonzero(np.diff(block)) + 1), len(texts)]))
