"""The columns of listings that are watched for drift, and how the values of one are counted."""

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import ConfigDict, FiniteFloat
from pydantic.dataclasses import dataclass

from ipml.listings.fields import FIELDS
from ipml.listings.kinds import Kind

Floats = NDArray[np.float64]
QUANTILES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
SCORE_QUANTILES = (*QUANTILES, 0.95, 0.98)  # the top is what reviewers read
MOST_WORDS = 200  # of brands or categories; the others are one bin together
PRICE_RATIO = "price_to_reference"
WORD_COLUMNS = ("brand", "category", "currency", "condition", "country", "title_script")
NUMBER_COLUMNS = tuple(
    field.name
    for field in FIELDS
    if field.kind in (Kind.COUNT, Kind.SHARE, Kind.NUMBER) and field.name not in ("price", "label_weight", "label_odds")
)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ColumnReference:
    """How the values of one column were spread.

    Attributes
    ----------
    kind : str
        "number" or "word".
    bins : tuple of float or of str
        The edges between the bins of numbers, an edge belonging to the bin below; or the frequent words.
    shares : tuple of float
        Of the listings, per bin. Words have one bin more, for all others; the last bin is that of missing values.
    """

    kind: Literal["number", "word"]
    bins: tuple[FiniteFloat, ...] | tuple[str, ...]
    shares: tuple[FiniteFloat, ...]

    def __post_init__(self) -> None:
        """Refuse what cannot be counted into."""
        n_bins = len(self.bins) + 2
        is_word = all(isinstance(one, str) for one in self.bins)
        if len(self.shares) != n_bins or (self.bins and is_word != (self.kind == "word")):
            raise ValueError(f"expected {n_bins} shares, and bins of the kind {self.kind}")

    def shares_of(self, values: pd.Series[Any]) -> Floats:
        """Return the share of each bin among other values of this column, shape (n_bins,)."""
        missing = values.isna().to_numpy()
        places: NDArray[Any]
        if self.kind == "number":
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            places = np.searchsorted(np.array(self.bins, dtype=float), numbers)
            n_bins = len(self.bins) + 1
        else:
            known = {str(word): place for place, word in enumerate(self.bins)}
            places = values.map(known).fillna(len(known)).to_numpy(dtype=np.intp)
            n_bins = len(known) + 1
        counts = np.bincount(np.where(missing, n_bins, places), minlength=n_bins + 1)
        return np.asarray(counts / max(1, len(values)), dtype=float)


def spread_of(values: pd.Series[Any], kind: Literal["number", "word"], is_score: bool) -> ColumnReference:
    """Choose the bins of a column, and count."""
    known = values.dropna()
    bins: tuple[Any, ...]
    if kind == "word":
        bins = tuple(map(str, known.value_counts().index[:MOST_WORDS]))
    elif len(known):
        edges = np.quantile(known.to_numpy(dtype=float), SCORE_QUANTILES if is_score else QUANTILES)
        bins = tuple(np.unique(edges).tolist())
    else:
        bins = ()
    empty = ColumnReference(kind, bins, (0.0,) * (len(bins) + 2))
    return replace(empty, shares=tuple(empty.shares_of(values).tolist()))


def watched_columns(
    listings: pd.DataFrame, price_currency: str | None, score: Floats | None, price_ratio: Floats | None = None
) -> dict[str, pd.Series[Any]]:
    """Return the columns that are compared: those of the schema, and a few worked out from title, price and the model.

    Examples
    --------
    >>> columns = watched_columns(pd.DataFrame({"title": ["Сумка", "Bag"]}), None, None)
    >>> columns["title_script"].tolist(), columns["title_letters"].tolist()
    (['CYRILLIC', 'LATIN'], [5, 3])
    """
    nothing = pd.Series(np.nan, index=listings.index)
    titles: pd.Series[Any] = listings.get("title", nothing)
    is_priced = listings["currency"] == price_currency if "currency" in listings else nothing.isna()
    columns = {name: listings.get(name, nothing) for name in (*NUMBER_COLUMNS, *WORD_COLUMNS)}
    columns["price"] = listings["price"].where(is_priced.fillna(False)) if "price" in listings else nothing
    columns["title_letters"] = titles.map(len, na_action="ignore")
    columns["title_script"] = titles.map(script_of, na_action="ignore")
    for name, values in (("score", score), (PRICE_RATIO, price_ratio)):
        if values is not None:
            columns[name] = pd.Series(values, index=listings.index)
    return columns


def script_of(text: str) -> str:
    """Return the script most letters of a text are written in, as Unicode calls it; "none" where it has no letter.

    Examples
    --------
    >>> script_of("Кроссовки Nike"), script_of("1:1")
    ('CYRILLIC', 'none')
    """
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else "none"
    scripts = Counter(_script_of_letter(letter) for letter in text if letter.isalpha())
    return scripts.most_common(1)[0][0] if scripts else "none"


@lru_cache(maxsize=16_384)
def _script_of_letter(letter: str) -> str:
    return unicodedata.name(letter, "UNNAMED").split(" ")[0].split("-")[0]
