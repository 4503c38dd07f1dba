"""Columns: reads the columns of listings for extractors, and holds the base class of extractors.

Extractors take a frame, a mapping of columns or a `ListingColumns`. The pipeline passes one `ListingColumns` to all
of them, so a title is folded once, shared results are computed once, and a single listing needs no frame. Texts are
bytes for the engine; only code that shows them to people asks for Python strings.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, Self, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.compiled.folding import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_texts
from ipml.features.compiled.numbers import MICROSECONDS_A_DAY, NEVER, count_days
from ipml.features.compiled.phrases import PhraseFinder, skeleton_texts
from ipml.features.compiled.places import Numbers, Places
from ipml.features.compiled.texts import Texts
from ipml.features.names import Names
from ipml.features.spelling import Spelling
from ipml.kit.estimator import Estimator, check_fitted
from ipml.kit.moments import to_microseconds
from ipml.listings.frames import as_frame, number_rows
from ipml.listings.kinds import has_cells
from ipml.records import Listing

T = TypeVar("T")
SPELT = ("title", "description")
MAX_LETTERS = {"title": MAX_TITLE_LETTERS, "description": MAX_DESCRIPTION_LETTERS}
"""Number of letters read of a text column; for other columns the limit of titles."""
_FIELDS = tuple(field.name for field in fields(Listing))
_CELLS = attrgetter(*_FIELDS)


class PhraseSet:
    """The phrases that an extractor looks for; columns compare sets by identity, not by their thousands of words.

    Parameters
    ----------
    phrases : iterable of str
        As people write them; a star at the end of a phrase stands for any ending.
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        self.phrases = tuple(phrases)

    @cached_property
    def reading(self) -> Reading:
        """The reading that finds these phrases alone."""
        return Reading(sets=(self,))


class Reading:
    """Reading of words by a model: corrections of misspelt words, and the phrases that its extractors look for.

    Parameters
    ----------
    spelling : Spelling, optional
        Without it, words are read as written.
    sets : tuple of PhraseSet, default=()
        All are found in one pass over a text.
    """

    def __init__(self, spelling: Spelling | None = None, sets: tuple[PhraseSet, ...] = ()) -> None:
        self.spelling = spelling
        self.sets = sets

    @cached_property
    def finder(self) -> PhraseFinder:
        """The finder of the phrases of all sets."""
        return _make_finder(tuple(phrases.phrases for phrases in self.sets))


@lru_cache(maxsize=8)
def _make_finder(sets: tuple[tuple[str, ...], ...]) -> PhraseFinder:
    """Return the finder of some sets; cached, since models mostly look for the same phrases."""
    return PhraseFinder(sets)


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

    Examples
    --------
    >>> listings = ListingColumns({"title": ["N\u0456ke", None], "price": [10.0, None]})
    >>> len(listings), listings.folded("title").strings(), listings.numbers("price")
    (2, ['nike', ''], array([10., nan]))
    """

    def __init__(self, columns: pd.DataFrame | Mapping[str, Sequence[Any]], reading: Reading | None = None) -> None:
        self._columns = columns
        self._reading = reading or _AS_THEY_STAND
        self._known: dict[Hashable, Any] = {}
        self._whole: ListingColumns | None = None
        self._rows = np.zeros(0, dtype=np.intp)
        self.record: Listing | None = None
        self._length = len(columns) if isinstance(columns, pd.DataFrame) else len(next(iter(columns.values()), ()))

    @classmethod
    def of(cls, listings: Any) -> ListingColumns:
        """Return the columns of a frame (see `as_frame`), a mapping, or a `ListingColumns`.

        Raises
        ------
        TypeError
            The argument has no column names.
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
        one = cls({name: (cell,) for name, cell in cells if cell is not None}, reading)
        one.record, one._length = listing, 1
        return one

    @classmethod
    def of_records(cls, listings: Sequence[Listing], reading: Reading | None = None) -> ListingColumns:
        """Return the columns of checked listings; for some hundreds this is much faster than making a frame.

        Examples
        --------
        >>> bags = [Listing("1", "s", "Bag", price=10.0, currency="EUR"), Listing("2", "s", "Bag")]
        >>> columns = ListingColumns.of_records(bags)
        >>> columns.numbers("price"), "brand" in columns
        (array([10., nan]), False)
        """
        columns = zip(_FIELDS, zip(*map(_CELLS, listings), strict=True), strict=False)
        some = cls({name: cells for name, cells in columns if any(cell is not None for cell in cells)}, reading)
        some._length = len(listings)
        return some

    def __len__(self) -> int:
        return self._length

    def __contains__(self, name: str) -> bool:
        """Return whether some listing has a value in a column."""
        return self.memoise(("says something", name), lambda: self._says_something(name))

    def take(self, rows: NDArray[np.intp], folded: Mapping[str, Texts] | None = None) -> ListingColumns:
        """Return some rows, in the given order, optionally with other texts in some columns.

        Results already computed for these listings are reused.

        Parameters
        ----------
        rows : array of int
        folded : mapping of str to Texts, optional
            Other texts of some columns, such as passages: already folded and read. They also replace the texts as
            written.

        Examples
        --------
        >>> listings = ListingColumns({"title": ["A r0lex watch", "Hat"], "price": [10.0, 20.0]})
        >>> passages = listings.take(np.array([0, 0]), {"title": Texts.of(["a r0lex", "r0lex watch"])})
        >>> passages.skeletons("title").strings(), passages.numbers("price")
        (['a roiex', 'roiex watch'], array([10., 10.]))
        """
        folded = folded or {}
        taken = ListingColumns({name: cast(Any, texts) for name, texts in folded.items()}, self._reading)
        taken._whole, taken._rows, taken._length = self, rows, len(rows)
        taken._known |= {(kind, name): texts for name, texts in folded.items() for kind in ("raw", "folded")}
        return taken

    def cut(self, rows: NDArray[np.intp]) -> ListingColumns:
        """Return some rows as separate listings: results are computed for these rows alone.

        Texts already read are not read again.

        Parameters
        ----------
        rows : array of int

        Examples
        --------
        >>> listings = ListingColumns({"title": ["Watch", "Hat"], "price": [10.0, 20.0]}).cut(np.array([1]))
        >>> listings.texts("title"), listings.numbers("price")
        (['Hat'], array([20.]))
        """
        if isinstance(self._columns, pd.DataFrame) and self._whole is None:
            said = [name for name in self._columns if str(name) in self]
            cut = ListingColumns(self._columns[said].iloc[rows], self._reading)
            cut._known |= {key: read.take(rows) for key, read in self._known.items() if isinstance(read, Texts)}
            return cut
        places = rows.tolist()
        cells = {name: self.cells(name) for name in self._list_names()}
        cut = ListingColumns({name: [of[row] for row in places] for name, of in cells.items()}, self._reading)
        cut._length = len(rows)
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
        left = ListingColumns(cells, self._reading)
        left._length = len(self)
        return left

    def _list_names(self) -> list[str]:
        """Return the names of all columns, including those of the listings that these rows come from."""
        own = list(map(str, self._columns))
        return own if self._whole is None else [*dict.fromkeys([*own, *self._whole._list_names()])]

    @property
    def reading(self) -> Reading:
        """The reading of the words of title and description."""
        return self._reading

    def read_as(self, reading: Reading) -> ListingColumns:
        """Return the same listings with their words read this way; folded texts are reused."""
        if reading is self._reading:
            return self
        if self._whole is not None:
            texts: dict[str, Texts] = {str(name): self._known["folded", name] for name in self._columns}
            return self._whole.read_as(reading).take(self._rows, texts)
        read = ListingColumns(self._columns, reading)
        read._length = self._length
        if self._reading.spelling is None:
            folded = [key for name in SPELT if (key := ("folded", name)) in self._known]
            read._known |= {key: reading.spelling.read_texts(self._known[key]) for key in folded if reading.spelling}
        return read

    def as_read(self) -> ListingColumns:
        """Return the same listings with their read texts, but without any other computed result.

        Examples
        --------
        >>> listings = ListingColumns({"title": ["Watch"]})
        >>> listings.as_read().skeletons("title") is listings.skeletons("title")
        False
        """
        read = ListingColumns(self._columns, self._reading)
        read._whole, read._rows, read._length, read.record = self._whole, self._rows, self._length, self.record
        read._known |= {key: self._known[key] for name in SPELT if (key := ("folded", name)) in self._known}
        return read

    def raw(self, name: str) -> Texts:
        """Return a text column as written; missing texts are empty."""
        return self.memoise_rows(("raw", name), [name], lambda listings: listings._read_texts(name))

    def folded(self, name: str) -> Texts:
        """Return the folded view of a text column, misspelt words read; missing texts are empty."""
        return self.memoise_rows(("folded", name), [name], lambda listings: listings._fold(name))

    def skeletons(self, name: str) -> Texts:
        """Return the skeletons of the folded view of a text column; missing texts are empty."""
        return self.memoise_rows(("skeletons", name), [name], lambda listings: skeleton_texts(listings.folded(name)))

    def set_readings(self, name: str, folded: Texts, find: Callable[[PhraseSet], Places | None]) -> None:
        """Store read texts of a column, and a function that returns the places of phrases found in them."""
        self._known["folded", name] = folded
        self._known["found", name] = find

    def places(self, name: str, phrases: PhraseSet) -> Places:
        """Return the places of phrases in the folded view of a text column, in bytes."""
        return self.memoise_rows(("places", name, phrases), [name], lambda listings: listings._find(name, phrases))

    def texts(self, name: str) -> list[str]:
        """Return a text column as written, as strings; missing texts are empty."""
        return self.memoise(("text", name), lambda: self._read_strings(name))

    def names(self, name: str) -> Names:
        """Return a text column as written, each distinct text once; missing texts are ""."""
        return self.memoise_rows(("names", name), [name], lambda listings: listings._read_names(name))

    def folded_names(self, name: str) -> Names:
        """Return the folded view of a text column, each distinct text folded once."""
        return self.memoise_rows(("folded names", name), [name], lambda listings: listings._fold_names(name))

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return a number column, shape (n_listings,); NaN where missing, and for a price of 0.

        Exports write 0 for a price on request, an auction, or an unknown price.
        """
        return self.memoise_rows(("number", name), [name], lambda listings: listings._read_numbers(name))

    def number(self, name: str, row: int) -> float:
        """Return a number of one listing; NaN where it is missing.

        Examples
        --------
        >>> ListingColumns({"price": [10, None]}).number("price", 0), ListingColumns({"title": [""]}).number("price", 0)
        (10.0, nan)
        """
        if name not in self:
            return float("nan")
        if name not in self._columns and self._whole is not None:
            return self._whole.number(name, int(self._rows[row]))
        cell = self.cells(name)[row]
        return float("nan") if cell is None or cell is pd.NA or (name == "price" and cell == 0) else float(cell)

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return a time column in microseconds UTC, shape (n_listings,); `NEVER` where missing."""
        return self.memoise_rows(("moment", name), [name], lambda listings: listings._read_moments(name))

    def days_between(self, first: str, second: str) -> NDArray[np.float64]:
        """Return the days from one time column to another, shape (n_listings,); NaN where either is missing."""
        if self.record is not None:
            return np.array([days_from(getattr(self.record, first), getattr(self.record, second))])
        if first not in self or second not in self:
            return np.full(len(self), np.nan)
        begins, ends = self.moments(first), self.moments(second)
        return np.asarray(count_days(begins, ends))

    def cells(self, name: str) -> Any:
        """Return the original cells of a column, by position; None for each listing where the column is absent."""
        if name in self._columns:
            column = self._column(name)
            return column.array if isinstance(column, pd.Series) else column
        if self._whole is None:
            return [None] * len(self)
        cells = self._whole.cells(name)
        return [cells[row] for row in self._rows.tolist()]

    def row_numbers(self) -> NDArray[np.int64]:
        """Return the number of each listing in its source, from 1, as messages name it."""
        if self._whole is not None:
            return self._whole.row_numbers()[self._rows]
        return number_rows(self._columns) if isinstance(self._columns, pd.DataFrame) else np.arange(1, len(self) + 1)

    def letters(self, name: str) -> NDArray[np.int64]:
        """Return the number of letters in the folded view of a text column, shape (n_listings,)."""
        if name not in self:
            return np.zeros(len(self), dtype=np.int64)
        return self.memoise_rows(("letters", name), [name], lambda listings: listings.folded(name).lengths())

    def is_given(self, name: str) -> NDArray[np.bool_]:
        """Return whether a text column has a text, shape (n_listings,)."""
        if name not in self:
            return np.zeros(len(self), dtype=bool)
        return self.memoise_rows(("given", name), [name], lambda listings: np.diff(listings.raw(name).offsets) > 0)

    def memoise(self, key: Hashable, work_out: Callable[[], T]) -> T:
        """Return the cached result of this key; compute it first where there is none."""
        if key not in self._known:
            self._known[key] = work_out()
        return cast(T, self._known[key])

    def memoise_rows(self, key: Hashable, columns: Iterable[str], work_out: Callable[[ListingColumns], T]) -> T:
        """Return the cached result of this key; compute it first where there is none.

        The result follows row by row from the named columns alone. Rows taken from other listings reuse the result of
        those, unless one of the columns has other texts.

        Parameters
        ----------
        key : hashable
        columns : iterable of str
        work_out : function of ListingColumns
            Returns an array, a sparse matrix, or an object with `take`, such as Texts.
        """
        if key in self._known:
            return cast(T, self._known[key])
        if self._whole is None or not set(columns).isdisjoint(self._columns):
            found = work_out(self)
        else:
            found = cast(T, _take_rows(self._whole.memoise_rows(key, columns, work_out), self._rows))
        self._known[key] = found
        return found

    def for_distinct_rows(self, columns: Iterable[str], read: Callable[[ListingColumns], Any]) -> Any:
        """Return what `read` computes row by row from some columns; once for a listing with several passages.

        Parameters
        ----------
        columns : iterable of str
        read : function of ListingColumns
            Returns an array or a sparse matrix with one row per listing.
        """
        if self._whole is None or not set(columns).isdisjoint(self._columns):
            return read(self)
        whole, rows = self._whole, self._rows
        if len(whole) <= len(rows):
            return read(whole)[rows]

        def take() -> tuple[ListingColumns, NDArray[np.intp]]:
            each, which = np.unique(rows, return_inverse=True)
            return whole.take(each), which

        taken, which = self.memoise("distinct rows", take)
        return read(taken)[which]

    def _says_something(self, name: str) -> bool:
        if name not in self._columns:
            return self._whole is not None and name in self._whole
        column = self._column(name)
        return has_cells(column) if isinstance(column, pd.Series) else True

    def _column(self, name: str) -> Any:
        """Return an original column; cached, since taking one out of a frame is slow."""
        if ("column", name) not in self._known:
            self._known["column", name] = self._columns[name]
        return self._known["column", name]

    def _read_texts(self, name: str) -> Texts:
        return Texts.of(self._column(name)) if name in self else Texts.of_none(len(self))

    def _read_strings(self, name: str) -> list[str]:
        cells = self._columns.get(name)
        if isinstance(cells, list | tuple):
            return [cell if isinstance(cell, str) else "" for cell in cells]
        return self.raw(name).strings()

    def _fold(self, name: str) -> Texts:
        if name not in self._columns:
            return self.raw(name)
        folded = fold_texts(self.raw(name), MAX_LETTERS.get(name, MAX_TITLE_LETTERS))
        spelling = self._reading.spelling
        return spelling.read_texts(folded) if spelling and name in SPELT else folded

    def _find(self, name: str, phrases: PhraseSet) -> Places:
        """Find the phrases, and at the same time those of the other sets of the reading."""
        find = self._known.get(("found", name))
        if find is not None and (places := find(phrases)) is not None:
            return cast(Places, places)
        reading = self._reading if phrases in self._reading.sets else phrases.reading
        for known, places in zip(reading.sets, reading.finder.find(self.folded(name)), strict=True):
            self._known["places", name, known] = places
        return cast(Places, self._known["places", name, phrases])

    def _read_names(self, name: str) -> Names:
        return Names.of(self._column(name)) if name in self else Names.of_none(len(self))

    def _fold_names(self, name: str) -> Names:
        names = self.names(name)
        most = MAX_LETTERS.get(name, MAX_TITLE_LETTERS)
        if len(names.names) == 1:
            return Names(names.codes, [fold_name(names.names[0], most)])
        return Names(names.codes, fold_texts(Texts.of(names.names), most).strings())

    def _read_numbers(self, name: str) -> NDArray[np.float64]:
        if name not in self._columns or name not in self:
            return self.memoise("no numbers", lambda: np.full(len(self), np.nan))
        numbers = self._read_cells(name)
        return np.where(numbers == 0, np.nan, numbers) if name == "price" else numbers

    def _read_cells(self, name: str) -> NDArray[np.float64]:
        column = self._column(name)
        if isinstance(column, pd.Series):
            if column.dtype == np.float64:
                return column.to_numpy(copy=True)
            return column.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.array([np.nan if value is None else value for value in column], dtype=np.float64)

    def _read_moments(self, name: str) -> NDArray[np.int64]:
        if name not in self._columns:
            return np.full(len(self), NEVER)
        column = self._column(name)
        if isinstance(column, pd.Series) and isinstance(column.dtype, pd.DatetimeTZDtype) and column.dtype.unit == "us":
            return column.to_numpy(dtype="datetime64[us]").astype(np.int64)
        if isinstance(column, tuple) and all(cell is None or type(cell) is datetime for cell in column):
            return np.array([NEVER if cell is None else to_microseconds(cell) for cell in column], dtype=np.int64)
        moments = pd.DatetimeIndex(pd.to_datetime(pd.Series(column), utc=True)).as_unit("us")
        return np.array(moments.asi8)  # NaT is the least number


def days_from(first: datetime | None, second: datetime | None) -> float:
    """Return the days from one time to another, as `ListingColumns.days_between` does; NaN where either is missing.

    Examples
    --------
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


_AS_THEY_STAND = Reading()


@lru_cache(maxsize=4_096)
def fold_name(name: str, max_letters: int = MAX_TITLE_LETTERS) -> str:
    """Return a brand or a category folded; cached, since there are few distinct ones.

    Examples
    --------
    >>> fold_name("Sch\u00fche")
    'schuhe'
    """
    return fold_texts(Texts.of_one(name), max_letters).strings()[0]


def _take_rows(values: Any, rows: NDArray[np.intp]) -> Any:
    return values.take(rows) if isinstance(values, (Texts, Names, Places, Numbers)) else values[rows]


class Extractor(Estimator):
    """Base class of extractors: turns columns of listings into numbers by functions of the engine.

    A subclass sets its learned attributes in `learn`; `prepare` derives from them the lookup tables that `values`
    needs. The tables are made once, on first use, and are not part of a model file.

    Attributes
    ----------
    reads : sequence of str
        The only columns that its values depend on.
    """

    reads: Sequence[str] = ()

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn from a frame, a mapping of columns or ListingColumns."""
        self.learn(ListingColumns.of(X))
        self.__dict__.pop("_prepared", None)
        return self

    def transform(self, X: Any) -> Any:
        """Return the values of a frame, a mapping of columns or ListingColumns, shape (n_listings, n_features)."""
        check_fitted(self)
        return self.values(ListingColumns.of(X))

    def fit_transform(self, X: Any, y: Any = None) -> Any:
        """Fit, then return what `transform` returns."""
        return self.fit(X, y).transform(X)

    def learn(self, listings: ListingColumns) -> None:
        """Set the learned attributes."""
        raise NotImplementedError

    def extend(self, other: Self) -> None:
        """Add what another extractor of this kind has learnt; what both have learnt stays as it is here."""
        self.borrow(other)
        self.__dict__.pop("_prepared", None)

    def borrow(self, other: Self) -> None:
        """Add the learned attributes of another extractor, where this one has learnt nothing."""

    def values(self, listings: ListingColumns) -> Any:
        """Return an array or a sparse matrix with one row per listing."""
        raise NotImplementedError

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the features."""
        raise NotImplementedError

    def prepare(self) -> Any:
        """Return lookup tables derived from the learned attributes."""
        return ()

    @property
    def prepared(self) -> Any:
        """The cached result of `prepare`; threads that make it at the same time make the same."""
        prepared = self.__dict__.get("_prepared")
        if prepared is None:
            prepared = self.__dict__["_prepared"] = self.prepare()
        return prepared

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags  # the caller has loaded scikit-learn

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        tags.input_tags.two_d_array, tags.input_tags.string, tags.input_tags.allow_nan = False, True, True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_prepared"}
