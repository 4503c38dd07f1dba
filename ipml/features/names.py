"""Names: columns with few distinct texts, such as brands, as codes and a list of the texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Codes = NDArray[np.int64]
_MOST_PAIRS = 1_000_000  # up to here a table of all pairs is faster than sorting


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
        """Return the names of a column of texts; missing texts are "".

        Parameters
        ----------
        texts : sequence of str or None, or pandas Series
        """
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

    Examples
    --------
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

    Examples
    --------
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
