"""Frame: gives own extractors and external models the listings as a DataFrame with fixed column types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.listings.extra import PREFIX, is_extra_name, parse_extra
from ipml.listings.fields import FIELDS
from ipml.listings.kinds import Kind

KINDS = {field.name: field.kind for field in FIELDS}


def is_own_column(name: str) -> bool:
    """Return whether a column is one of the marketplace's own, such as "extra.tier"."""
    return name.startswith(PREFIX) and is_extra_name(name.removeprefix(PREFIX))


def make_frame(listings: ListingColumns, columns: Sequence[str], fills_texts: bool = True) -> pd.DataFrame:
    """Return canonical columns of listings; their types do not depend on missing values.

    Parameters
    ----------
    listings : ListingColumns
    columns : sequence of str
        Canonical column names.
    fills_texts : bool, default=True
        Whether a missing text becomes "". If False it stays missing; a missing title becomes "" either way.

    Examples
    --------
    >>> frame = make_frame(ListingColumns({"title": ["Bag", None]}), ["title", "price", "listed_at"])
    >>> frame["title"].tolist(), frame["price"].tolist(), str(frame["listed_at"].dtype)
    (['Bag', ''], [nan, nan], 'datetime64[us, UTC]')
    """
    read: dict[str, Any] = {}
    for name in columns:
        read[name] = cells = _READERS[KINDS[name]](listings, name)
        if not fills_texts and name != "title" and KINDS[name] in (Kind.TEXT, Kind.EXTRA):
            read[name] = pd.Series(cells).where(cells != "")
    return pd.DataFrame(read, index=pd.RangeIndex(len(listings)), copy=False)


def find_own_texts(extra: Iterable[Any]) -> list[str]:
    """Return the own columns that hold a text in some listing.

    Examples
    --------
    >>> find_own_texts(['{"returns":0.25,"tier":"gold"}', ""])
    ['extra.tier']
    """
    cells = (pair for text in extra if isinstance(text, str) for pair in parse_extra(text).items())
    return sorted({f"{PREFIX}{name}" for name, cell in cells if isinstance(cell, str)})


def read_own_column(extra: Iterable[Any], name: str, is_text: bool) -> NDArray[Any]:
    """Return an own column as texts or as numbers; a cell of the other type is missing.

    Examples
    --------
    >>> read_own_column(['{"tier":"gold"}', ""], "extra.tier", is_text=True).tolist()
    ['gold', nan]
    """
    key, kind = name.removeprefix(PREFIX), str if is_text else float
    cells = [parse_extra(text).get(key) if isinstance(text, str) else None for text in extra]
    return np.array([cell if isinstance(cell, kind) else np.nan for cell in cells], object if is_text else np.float64)


def _read_text(listings: ListingColumns, name: str) -> pd.api.extensions.ExtensionArray:
    texts = listings.texts(name)
    try:
        return pd.array(texts, dtype="str")
    except UnicodeEncodeError:  # lone surrogates, which Arrow cannot hold
        return pd.array([text.encode("utf-8", "replace").decode() for text in texts], dtype="str")


def _read_moment(listings: ListingColumns, name: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(listings.moments(name).view("datetime64[us]")).tz_localize("UTC")


_READERS: dict[Kind, Callable[[ListingColumns, str], Any]] = {
    Kind.TEXT: _read_text,
    Kind.EXTRA: _read_text,
    Kind.MOMENT: _read_moment,
    Kind.VECTOR: lambda listings, name: pd.Series(list(listings.cells(name)), dtype=object),
    **{kind: (lambda listings, name: listings.numbers(name).copy()) for kind in (Kind.NUMBER, Kind.COUNT, Kind.SHARE)},
}
