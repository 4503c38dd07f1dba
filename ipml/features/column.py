"""Column: one column of some listings, read as texts, folded texts, names, numbers or times.

Texts are bytes for the engine; only code that shows them to people asks for Python strings. A column with few distinct
texts, such as brands, is read as `Names`: codes and a list of the texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.compiled.folding import MAX_DESCRIPTION_LETTERS, MAX_TITLE_LETTERS, fold_texts
from ipml.features.compiled.numbers import NEVER
from ipml.features.compiled.phrases import PhraseFinder, skeleton_texts
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts
from ipml.features.spelling import Spelling
from ipml.kit.moments import to_microseconds
from ipml.listings.kinds import has_cells

Codes = NDArray[np.int64]
_MOST_PAIRS = 1_000_000  # up to here a table of all pairs is faster than sorting
SPELT = ("title", "description")
MAX_LETTERS = {"title": MAX_TITLE_LETTERS, "description": MAX_DESCRIPTION_LETTERS}
"""Number of letters read of a text column; for other columns the limit of titles."""


@dataclass(frozen=True, slots=True, eq=False)
class Names:
    """A text for each listing; each distinct text is stored and looked up once.

    Attributes
    ----------
    codes : array of int, shape (n_listings,)
        Position of each listing's text in `names`.
    names : list of str
        "" for a missing text.

    Examples
    --------
    >>> currencies = Names.of(["EUR", None, "USD", "EUR"])
    >>> currencies.look_up({"EUR": 1.1, "USD": 1.0}.get).tolist()
    [1.1, nan, 1.0, 1.1]
    >>> currencies.strings()
    ['EUR', '', 'USD', 'EUR']
    """

    codes: Codes
    names: list[str]

    @classmethod
    def of(cls, texts: Any) -> Self:
        """Return the names of a column of texts; missing texts are ""."""
        if len(texts) == 1 and not isinstance(texts, pd.Series):
            return cls(np.zeros(1, dtype=np.int64), [_text_or_none(texts[0])])
        dtype = getattr(texts, "dtype", None)
        if isinstance(dtype, pd.StringDtype) and dtype.storage == "pyarrow":
            return cls._of_arrow(texts.array.__arrow_array__())
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(_text_or_none(text), len(numbers)) for text in texts]
        return cls(np.array(codes, dtype=np.int64), list(numbers))

    @classmethod
    def of_none(cls, n_listings: int) -> Self:
        """Return "" for each listing."""
        return cls(np.zeros(n_listings, dtype=np.int64), [""])

    @classmethod
    def _of_arrow(cls, column: Any) -> Self:
        encoded = column.combine_chunks() if hasattr(column, "combine_chunks") else column
        encoded = encoded.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        codes = encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
        return cls(codes, [*names, ""])

    def __len__(self) -> int:
        return len(self.codes)

    def strings(self) -> list[str]:
        """Return the text of each listing."""
        names = self.names
        return [names[code] for code in self.codes.tolist()]

    def take(self, rows: NDArray[np.intp]) -> Names:
        """Return the names of some listings, in the given order."""
        return Names(self.codes[rows], self.names)

    def compact(self) -> Names:
        """Return the same without texts that no listing has."""
        used = np.zeros(len(self.names), dtype=bool)
        used[self.codes] = True
        kept = np.flatnonzero(used)
        return Names((np.cumsum(used) - 1)[self.codes], [self.names[code] for code in kept.tolist()])

    def rename(self, read: Callable[[str], str]) -> Names:
        """Return the names mapped by a function, called once for each distinct text."""
        return Names(self.codes, list(map(read, self.names)))

    def look_up(self, find: Callable[[str], float | None]) -> NDArray[np.float64]:
        """Return `find(name)` for each listing, called once for each distinct text; NaN where it returns None."""
        found = [find(name) for name in self.names]
        return np.array([np.nan if number is None else number for number in found], dtype=np.float64)[self.codes]


def pair_up(first: Names, second: Names, find: Callable[[str, str], float | None]) -> NDArray[np.float64]:
    """Return `find` of two names for each listing, called once for each distinct pair; NaN where it returns None.

    >>> usual = {("Nike", "USD"): 90.0}
    >>> pair_up(Names.of(["Nike", "Nike"]), Names.of(["USD", "EUR"]), lambda *pair: usual.get(pair)).tolist()
    [90.0, nan]
    """
    if len(first) == 1:
        found = find(first.names[first.codes[0]], second.names[second.codes[0]])
        return np.array([np.nan if found is None else found], dtype=np.float64)
    pairs, codes = find_pairs(first, second)
    numbers = [find(*pair) for pair in pairs]
    return np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)[codes]


def find_pairs(first: Names, second: Names) -> tuple[list[tuple[str, str]], Codes]:
    """Return the distinct pairs of two names, and the position of each listing's pair among them.

    >>> pairs, codes = find_pairs(Names.of(["Nike", "Nike", ""]), Names.of(["USD", "EUR", "EUR"]))
    >>> pairs, codes.tolist()
    ([('Nike', 'USD'), ('Nike', 'EUR'), ('', 'EUR')], [0, 1, 2])
    """
    width = len(second.names)
    codes = first.codes * width + second.codes
    if len(first.names) * width > _MOST_PAIRS:
        asked, codes = np.unique(codes, return_inverse=True)
    else:
        is_asked = np.zeros(len(first.names) * width, dtype=bool)
        is_asked[codes] = True
        asked = np.flatnonzero(is_asked)
        codes = (np.cumsum(is_asked) - 1)[codes]
    return [(first.names[pair // width], second.names[pair % width]) for pair in asked.tolist()], codes


def _text_or_none(text: Any) -> str:
    return text if isinstance(text, str) else ""


class PhraseSet:
    """The phrases that an extractor looks for; columns compare sets by identity, not by their thousands of words.

    Parameters
    ----------
    phrases : iterable of str
        As people write them; a star at the end of a phrase matches any ending.
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


@dataclass(frozen=True, slots=True, eq=False)
class ReadText:
    """A text column as the engine read it: the folded texts, and a function that finds the places of phrases in them.

    The function returns None for phrases that the engine did not look for.
    """

    folded: Texts
    find: Callable[[PhraseSet], Places | None]


@dataclass(frozen=True, slots=True, eq=False)
class EngineReadings:
    """Results of the engine about some listings, for `ListingColumns.with_readings`.

    Attributes
    ----------
    finder : object
        The `BrandFinder` that numbers the brands.
    brands : array of int, shape (n_listings,)
        As `claimed_brands` returns them.
    texts : mapping of str to ReadText
        By column.
    """

    finder: object
    brands: NDArray[np.int64]
    texts: Mapping[str, ReadText] = field(default_factory=dict)


class Column:
    """One column of some listings; each reading is computed on first use from the cells alone.

    `cells` is None for an absent column.
    """

    def __init__(self, name: str, cells: Any, length: int, reading: Reading) -> None:
        self.name, self._given, self._length, self._reading = name, cells, length, reading
        self._places: dict[PhraseSet, Places] = {}
        self._engine_places: Callable[[PhraseSet], Places | None] | None = None

    @classmethod
    def of_passages(cls, name: str, texts: Texts, reading: Reading) -> Column:
        """Return a column of texts that are already folded and read."""
        column = cls(name, texts, len(texts), reading)
        column.raw = column.folded = texts
        return column

    def take(self, rows: NDArray[np.intp], reading: Reading) -> Column:
        """Return some rows, in the given order, with the readings of this column."""
        return _TakenColumn(self, rows, reading)

    def with_text(self, text: ReadText) -> Column:
        """Return the same column with texts that the engine read."""
        column = Column(self.name, self._given, self._length, self._reading)
        column.__dict__ |= self.__dict__ | {"folded": text.folded, "_places": {}, "_engine_places": text.find}
        return column

    def copy_texts(self, to: Column, rows: NDArray[np.intp]) -> None:
        """Give another column the texts already read of some rows."""
        for reading in ("raw", "folded", "skeletons"):
            if (texts := self.__dict__.get(reading)) is not None:
                to.__dict__[reading] = texts.take(rows)

    @cached_property
    def cells(self) -> Any:
        """The original cells by position; None for each listing where the column is absent."""
        if self._given is None:
            return [None] * self._length
        if isinstance(self._given, Texts):
            return self._given.strings()
        return self._given.array if isinstance(self._given, pd.Series) else self._given

    @cached_property
    def is_filled(self) -> bool:
        """Whether some listing has a value."""
        return has_cells(self._given) if isinstance(self._given, pd.Series) else self._given is not None

    @cached_property
    def raw(self) -> Texts:
        """The texts as written; missing ones are empty."""
        return Texts.of(self._given) if self.is_filled else Texts.of_none(self._length)

    @cached_property
    def folded(self) -> Texts:
        """The folded texts, misspelt words read."""
        if self._given is None:
            return self.raw
        folded = fold_texts(self.raw, MAX_LETTERS.get(self.name, MAX_TITLE_LETTERS))
        spelling = self._reading.spelling
        return spelling.read_texts(folded) if spelling and self.name in SPELT else folded

    @cached_property
    def skeletons(self) -> Texts:
        """The skeletons of the folded texts."""
        return skeleton_texts(self.folded)

    @cached_property
    def letters(self) -> NDArray[np.int64]:
        """The number of letters of each folded text."""
        return self.folded.lengths() if self.is_filled else np.zeros(self._length, dtype=np.int64)

    @cached_property
    def strings(self) -> list[str]:
        """The texts as written, as strings."""
        if isinstance(self._given, list | tuple):
            return [cell if isinstance(cell, str) else "" for cell in self._given]
        return self.raw.strings()

    @cached_property
    def names(self) -> Names:
        """The texts as written, each distinct one once."""
        return (
            Names.of(self.cells if isinstance(self._given, Texts) else self._given)
            if self.is_filled
            else Names.of_none(self._length)
        )

    @cached_property
    def folded_names(self) -> Names:
        """The folded texts, each distinct one folded once."""
        names, most = self.names, MAX_LETTERS.get(self.name, MAX_TITLE_LETTERS)
        if len(names.names) == 1:
            return Names(names.codes, [fold_name(names.names[0], most)])
        return Names(names.codes, fold_texts(Texts.of(names.names), most).strings())

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        """The numbers; NaN where missing, and for a price of 0."""
        if not self.is_filled:
            return np.full(self._length, np.nan)
        numbers = _read_numbers(self._given)
        return np.where(numbers == 0, np.nan, numbers) if self.name == "price" else numbers

    def number(self, row: int) -> float:
        """Return the number of one listing; NaN where it is missing."""
        cell = self.cells[row] if self.is_filled else None
        return float("nan") if cell is None or cell is pd.NA or (self.name == "price" and cell == 0) else float(cell)

    @cached_property
    def moments(self) -> NDArray[np.int64]:
        """The times in microseconds UTC; `NEVER` where missing."""
        return np.full(self._length, NEVER) if self._given is None else _read_moments(self._given)

    def places(self, phrases: PhraseSet) -> Places:
        """Return the places of phrases, found together with those of the other sets of the reading."""
        if phrases not in self._places:
            places = self._find(phrases)
            if places is None:
                reading = self._reading if phrases in self._reading.sets else phrases.reading
                self._places |= dict(zip(reading.sets, reading.finder.find(self.folded), strict=True))
            else:
                self._places[phrases] = places
        return self._places[phrases]

    def _find(self, phrases: PhraseSet) -> Places | None:
        """Return places that were found elsewhere, if any."""
        return None if self._engine_places is None else self._engine_places(phrases)


class _TakenColumn(Column):
    """Some rows of a column, with the readings of the whole column."""

    def __init__(self, source: Column, rows: NDArray[np.intp], reading: Reading) -> None:
        super().__init__(source.name, None, len(rows), reading)
        self._source, self._rows = source, rows

    @cached_property
    def cells(self) -> Any:
        cells = self._source.cells
        return [cells[row] for row in self._rows.tolist()]

    @cached_property
    def is_filled(self) -> bool:
        return self._source.is_filled

    @cached_property
    def raw(self) -> Texts:
        return self._source.raw.take(self._rows)

    @cached_property
    def folded(self) -> Texts:
        return self._source.folded.take(self._rows)

    @cached_property
    def skeletons(self) -> Texts:
        return self._source.skeletons.take(self._rows)

    @cached_property
    def letters(self) -> NDArray[np.int64]:
        return self._source.letters[self._rows]

    @cached_property
    def names(self) -> Names:
        return self._source.names.take(self._rows)

    @cached_property
    def folded_names(self) -> Names:
        return self._source.folded_names.take(self._rows)

    @cached_property
    def numbers(self) -> NDArray[np.float64]:
        return self._source.numbers[self._rows]

    def number(self, row: int) -> float:
        return self._source.number(int(self._rows[row]))

    @cached_property
    def moments(self) -> NDArray[np.int64]:
        return self._source.moments[self._rows]

    def _find(self, phrases: PhraseSet) -> Places:
        return self._source.places(phrases).take(self._rows)


def _read_numbers(column: Any) -> NDArray[np.float64]:
    if not isinstance(column, pd.Series):
        return np.array([np.nan if value is None else value for value in column], dtype=np.float64)
    if column.dtype == np.float64:
        return column.to_numpy(copy=True)
    return column.to_numpy(dtype=np.float64, na_value=np.nan)


def _read_moments(column: Any) -> NDArray[np.int64]:
    if isinstance(column, pd.Series) and isinstance(column.dtype, pd.DatetimeTZDtype) and column.dtype.unit == "us":
        return column.to_numpy(dtype="datetime64[us]").astype(np.int64)
    if isinstance(column, tuple) and all(cell is None or type(cell) is datetime for cell in column):
        return np.array([NEVER if cell is None else to_microseconds(cell) for cell in column], dtype=np.int64)
    moments = pd.DatetimeIndex(pd.to_datetime(pd.Series(column), utc=True)).as_unit("us")
    return np.array(moments.asi8)  # NaT is the least number


@lru_cache(maxsize=4_096)
def fold_name(name: str, max_letters: int = MAX_TITLE_LETTERS) -> str:
    """Return a brand or a category folded; cached, since there are few distinct ones.

    >>> fold_name("Sch\u00fche")
    'schuhe'
    """
    return fold_texts(Texts.of_one(name), max_letters).strings()[0]


AS_WRITTEN = Reading()
