"""Columns: reads the columns of listings for extractors.

Extractors take a frame, a mapping of columns or a `ListingColumns`. The pipeline passes one `ListingColumns` to all
of them, so a title is folded once, shared results are computed once, and a single listing needs no frame.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.column import AS_WRITTEN, SPELT, Column, EngineReadings, Names, PhraseSet, Reading
from ipml.features.compiled.numbers import MICROSECONDS_A_DAY, count_days
from ipml.features.compiled.places import Numbers, Places
from ipml.features.compiled.texts import Texts
from ipml.kit.moments import to_microseconds
from ipml.listings.frames import as_frame, number_rows
from ipml.records import Listing

T = TypeVar("T")
_FIELDS = tuple(of.name for of in fields(Listing))
_CELLS = attrgetter(*_FIELDS)


class ListingColumns:
    """The columns of some listings.

    Parameters
    ----------
    columns : DataFrame or mapping of str to sequence
        Canonical listing columns; absent ones read as missing.
    reading : Reading, optional
        How the words of title and description are read; by default as written.

    Attributes
    ----------
    record : Listing or None
        The listing, where the columns were made from a single one.
    readings : EngineReadings or None
        See `with_readings`.

    Examples
    --------
    >>> listings = ListingColumns({"title": ["N\u0456ke", None], "price": [10.0, None]})
    >>> len(listings), listings.folded("title").strings(), listings.numbers("price")
    (2, ['nike', ''], array([10., nan]))
    """

    def __init__(self, columns: pd.DataFrame | Mapping[str, Sequence[Any]], reading: Reading | None = None) -> None:
        self.reading = reading or AS_WRITTEN
        self.record: Listing | None = None
        self.readings: EngineReadings | None = None
        self._cells = columns
        self._columns: dict[str, Column] = {}
        self._derived: dict[Hashable, Any] = {}
        self._whole: ListingColumns | None = None
        self._rows = np.zeros(0, dtype=np.intp)
        self._passages: Mapping[str, Texts] = {}
        self._length = len(columns) if isinstance(columns, pd.DataFrame) else len(next(iter(columns.values()), ()))

    @classmethod
    def of(cls, listings: Any) -> ListingColumns:
        """Return the columns of a frame (see `as_frame`), a mapping, or a `ListingColumns`.

        Raises `TypeError`: the argument has no column names.
        """
        if isinstance(listings, ListingColumns):
            return listings
        listings = as_frame(listings)
        if not isinstance(listings, pd.DataFrame | Mapping):
            raise TypeError(_say_how_to_name(listings))
        return cls(listings)

    @classmethod
    def of_one(cls, listing: Listing, reading: Reading | None = None) -> ListingColumns:
        """Return the columns of a single listing."""
        cells = zip(_FIELDS, _CELLS(listing), strict=True)
        columns = cls({name: (cell,) for name, cell in cells if cell is not None}, reading)
        columns.record, columns._length = listing, 1
        return columns

    @classmethod
    def of_records(cls, listings: Sequence[Listing], reading: Reading | None = None) -> ListingColumns:
        """Return the columns of checked listings; for some hundreds this is much faster than making a frame.

        >>> bags = [Listing("1", "s", "Bag", price=10.0, currency="EUR"), Listing("2", "s", "Bag")]
        >>> columns = ListingColumns.of_records(bags)
        >>> columns.numbers("price"), "brand" in columns
        (array([10., nan]), False)
        """
        cells = zip(_FIELDS, zip(*map(_CELLS, listings), strict=True), strict=False)
        columns = cls({name: of for name, of in cells if any(cell is not None for cell in of)}, reading)
        columns._length = len(listings)
        return columns

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: str) -> bool:
        """Return whether some listing has a value in a column."""
        return self._column(name).is_filled

    def take(self, rows: NDArray[np.intp], passages: Mapping[str, Texts] | None = None) -> ListingColumns:
        """Return some rows, in the given order, optionally with other texts in some columns.

        Results already computed for these listings are reused.

        Parameters
        ----------
        rows : array of int
        passages : mapping of str to Texts, optional
            Other texts of some columns: already folded and read. They also replace the texts as written.

        Examples
        --------
        >>> listings = ListingColumns({"title": ["A r0lex watch", "Hat"], "price": [10.0, 20.0]})
        >>> passages = listings.take(np.array([0, 0]), {"title": Texts.of(["a r0lex", "r0lex watch"])})
        >>> passages.skeletons("title").strings(), passages.numbers("price")
        (['a roiex', 'roiex watch'], array([10., 10.]))
        """
        taken = ListingColumns({}, self.reading)
        taken._whole, taken._rows, taken._length, taken._passages = self, rows, len(rows), passages or {}
        return taken

    def cut(self, rows: NDArray[np.intp]) -> ListingColumns:
        """Return some rows as separate listings: results are computed for these rows alone.

        Texts already read are not read again.

        >>> listings = ListingColumns({"title": ["Watch", "Hat"], "price": [10.0, 20.0]}).cut(np.array([1]))
        >>> listings.texts("title"), listings.numbers("price")
        (['Hat'], array([20.]))
        """
        if isinstance(self._cells, pd.DataFrame):
            filled = [name for name in self._cells if str(name) in self]
            cut = ListingColumns(self._cells[filled].iloc[rows], self.reading)
        else:
            places, cells = rows.tolist(), {name: self.cells(name) for name in self._list_names()}
            cut = ListingColumns({name: [of[row] for row in places] for name, of in cells.items()}, self.reading)
            cut._length = len(rows)
        for name in SPELT:
            self._column(name).copy_texts(cut._column(name), rows)
        return cut

    def without(self, missing: Mapping[str, NDArray[np.bool_]]) -> ListingColumns:
        """Return separate listings, each with some columns removed.

        Parameters
        ----------
        missing : mapping of str to array of bool, shape (n_listings,)
            For each column, the listings that lose it.

        Examples
        --------
        >>> listings = ListingColumns({"title": ["Watch", "Hat"], "brand": ["Rolex", "Nike"]})
        >>> listings.without({"brand": np.array([True, False])}).texts("brand")
        ['', 'Nike']
        """
        cells = {name: list(self.cells(name)) for name in self._list_names()}
        for name in cells.keys() & missing.keys():
            for row in np.flatnonzero(missing[name]).tolist():
                cells[name][row] = None
        left = ListingColumns(cells, self.reading)
        left._length = len(self)
        return left

    def _list_names(self) -> list[str]:
        """Return the names of all columns, including those of the listings that these rows come from."""
        names = [*self._passages, *map(str, self._cells)]
        return names if self._whole is None else [*dict.fromkeys([*names, *self._whole._list_names()])]

    def read_as(self, reading: Reading) -> ListingColumns:
        """Return the same listings with their words read this way; folded texts are reused."""
        if reading is self.reading:
            return self
        if self._whole is not None:
            return self._whole.read_as(reading).take(self._rows, self._passages)
        read = ListingColumns(self._cells, reading)
        read._length = self._length
        if self.reading.spelling is None and reading.spelling is not None:
            for name in SPELT:
                if (folded := vars(self._column(name)).get("folded")) is not None:
                    read._column(name).folded = reading.spelling.read_texts(folded)
        return read

    def as_read(self) -> ListingColumns:
        """Return the same listings with their read texts, but without any other computed result.

        >>> listings = ListingColumns({"title": ["Watch"]})
        >>> listings.as_read().skeletons("title") is listings.skeletons("title")
        False
        """
        read = self._copy()
        read._columns, read._derived = {}, {}
        for name in SPELT:
            if (folded := vars(self._column(name)).get("folded")) is not None:
                read._column(name).folded = folded
        return read

    def with_readings(self, readings: EngineReadings) -> ListingColumns:
        """Return the same listings with texts and brands as the engine read them, which then are not read again.

        The results are those that the columns would compute themselves; computed results are shared.
        """
        if readings is self.readings:
            return self
        read = self._copy()
        read.readings, read._columns = readings, self._columns.copy()
        for name, text in readings.texts.items():
            read._columns[name] = self._column(name).with_text(text)
        return read

    def _copy(self) -> ListingColumns:
        listings = ListingColumns.__new__(ListingColumns)  # copy.copy takes ten times as long
        listings.__dict__ |= self.__dict__
        return listings

    def raw(self, name: str) -> Texts:
        """Return a text column as written; missing texts are empty."""
        return self._column(name).raw

    def folded(self, name: str) -> Texts:
        """Return the folded view of a text column, misspelt words read; missing texts are empty."""
        return self._column(name).folded

    def skeletons(self, name: str) -> Texts:
        """Return the skeletons of the folded view of a text column; missing texts are empty."""
        return self._column(name).skeletons

    def places(self, name: str, phrases: PhraseSet) -> Places:
        """Return the places of phrases in the folded view of a text column, in bytes."""
        return self._column(name).places(phrases)

    def texts(self, name: str) -> list[str]:
        """Return a text column as written, as strings; missing texts are empty."""
        return self._column(name).strings

    def names(self, name: str) -> Names:
        """Return a text column as written, each distinct text once; missing texts are ""."""
        return self._column(name).names

    def folded_names(self, name: str) -> Names:
        """Return the folded view of a text column, each distinct text folded once."""
        return self._column(name).folded_names

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number column, shape (n_listings,); NaN where missing, and for a price of 0.

        Exports write 0 for a price on request, an auction, or an unknown price.
        """
        return self._column(name).numbers

    def number(self, name: str, row: int) -> float:
        """Return a number of one listing; NaN where it is missing.

        >>> ListingColumns({"price": [10, None]}).number("price", 0), ListingColumns({"title": [""]}).number("price", 0)
        (10.0, nan)
        """
        return self._column(name).number(row)

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return a time column in microseconds UTC, shape (n_listings,); `NEVER` where missing."""
        return self._column(name).moments

    def days_between(self, first: str, second: str) -> NDArray[np.float64]:
        """Return the days from one time column to another, shape (n_listings,); NaN where either is missing."""
        if self.record is not None:
            return np.array([days_from(getattr(self.record, first), getattr(self.record, second))])
        if first not in self or second not in self:
            return np.full(len(self), np.nan)
        return np.asarray(count_days(self.moments(first), self.moments(second)))

    def cells(self, name: str) -> Any:
        """Return the original cells of a column, by position; None for each listing where the column is absent."""
        return self._column(name).cells

    def row_numbers(self) -> NDArray[np.int64]:
        """Return the number of each listing in its source, from 1, as messages name it."""
        if self._whole is not None:
            return self._whole.row_numbers()[self._rows]
        return number_rows(self._cells) if isinstance(self._cells, pd.DataFrame) else np.arange(1, len(self) + 1)

    def letters(self, name: str) -> NDArray[np.int64]:
        """Return the number of letters in the folded view of a text column, shape (n_listings,)."""
        return self._column(name).letters

    def is_given(self, name: str) -> NDArray[np.bool_]:
        """Return whether a text column has a text, shape (n_listings,)."""
        return np.diff(self.raw(name).offsets) > 0

    def memoise(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the cached result of a fitted part of a model, the key; compute it on first use."""
        if key not in self._derived:
            self._derived[key] = compute()
        return cast(T, self._derived[key])

    def memoise_rows(self, key: Hashable, columns: Iterable[str], compute: Callable[[ListingColumns], T]) -> T:
        """Return the cached result of a fitted part of a model, which follows row by row from the named columns alone.

        Rows taken from other listings reuse the result of those, unless one of the columns has other texts.

        Parameters
        ----------
        compute : function of ListingColumns
            Returns an array, a sparse matrix, or an object with `take`, such as Texts.
        """
        if key in self._derived:
            return cast(T, self._derived[key])
        if self._whole is None or not self._passages.keys().isdisjoint(columns):
            result = compute(self)
        else:
            result = cast(T, _take_rows(self._whole.memoise_rows(key, columns, compute), self._rows))
        self._derived[key] = result
        return result

    def for_distinct_rows(self, columns: Iterable[str], read: Callable[[ListingColumns], Any]) -> Any:
        """Return what `read` computes row by row from some columns; once for a listing with several passages."""
        if self._whole is None or not self._passages.keys().isdisjoint(columns):
            return read(self)
        if len(self._whole) <= len(self._rows):
            return read(self._whole)[self._rows]
        listings, places = self._distinct_rows
        return read(listings)[places]

    @cached_property
    def _distinct_rows(self) -> tuple[ListingColumns, NDArray[np.intp]]:
        """The listings that these rows come from, each once, and the place of each row's listing among them."""
        assert self._whole is not None
        rows, places = np.unique(self._rows, return_inverse=True)
        return self._whole.take(rows), places

    def _column(self, name: str) -> Column:
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = self._open(name)
        return column

    def _open(self, name: str) -> Column:
        if name in self._passages:
            return Column.of_passages(name, self._passages[name], self.reading)
        if self._whole is not None:
            return self._whole._column(name).take(self._rows, self.reading)
        return Column(name, self._cells.get(name), self._length, self.reading)


def days_from(first: datetime | None, second: datetime | None) -> float:
    """Return the days from one time to another, as `ListingColumns.days_between` does; NaN where either is missing.

    >>> from datetime import UTC, datetime
    >>> days_from(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC))
    1.5
    """
    if first is None or second is None:
        return float("nan")
    return float(to_microseconds(second) - to_microseconds(first)) / MICROSECONDS_A_DAY


def _say_how_to_name(listings: Any) -> str:
    """Return the message that states the expected type of listings, and how to convert the given one."""
    kind = type(listings)
    found = f"Listings are a {kind.__name__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__name__}'}"
    if hasattr(listings, "to_pandas"):
        made = "to_pandas()"
    elif isinstance(listings, list | tuple) and listings and isinstance(listings[0], Mapping):
        made = "pandas.DataFrame(listings)"
    elif isinstance(listings, list | tuple) and listings and isinstance(listings[0], Listing):
        made = "ipml.listings.schema.listings_to_frame(listings)"
    else:
        made = "pandas.DataFrame(listings, columns=[…])"
    return f"{found}; expected a DataFrame with named columns such as seller_id, title and price. Make one: {made}."


def _take_rows(values: Any, rows: NDArray[np.intp]) -> Any:
    return values.take(rows) if isinstance(values, (Texts, Names, Places, Numbers)) else values[rows]
