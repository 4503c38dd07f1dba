"""Inputs of peers: texts of a listing, its categories and the raw numbers of its file.

Peers get no canonical columns but what a data scientist would take from the file: each number as it stands there,
under a name that begins with `raw__`. A column that says nothing in training is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import pandas as pd

RAW = "raw__"
TEXTS = ("title", "description")
CATEGORIES = ("brand", "category")


@dataclass(frozen=True, slots=True)
class Inputs:
    """The columns a peer has learnt from.

    Examples
    --------
    >>> frame = pd.DataFrame({"title": ["Wool hat"], "description": [None], "raw__price": [10.0]})
    >>> Inputs.of(frame)
    Inputs(texts=('title',), categories=(), numbers=('raw__price',))
    """

    texts: tuple[str, ...]
    categories: tuple[str, ...]
    numbers: tuple[str, ...]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Self:
        """Choose the columns that say something in the training listings."""
        said = [str(name) for name in frame.columns if frame[name].notna().any()]
        return cls(
            texts=tuple(name for name in TEXTS if name in said),
            categories=tuple(name for name in CATEGORIES if name in said),
            numbers=tuple(name for name in said if name.startswith(RAW)),
        )

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return these columns: texts without gaps, numbers as floats, NaN where missing."""
        texts = {name: frame[name].astype(object).fillna("").astype(str) for name in (*self.texts, *self.categories)}
        numbers = {name: frame[name].astype(float) for name in self.numbers}
        return pd.DataFrame({**texts, **numbers}, index=frame.index)


def add_raw_numbers(listings: pd.DataFrame, raw: pd.DataFrame) -> pd.DataFrame:
    """Return the listings with the number columns of their file beside them.

    Parameters
    ----------
    listings : DataFrame
        Canonical listing columns.
    raw : DataFrame
        Numbers, one row for each listing in the same order.
    """
    return listings.join(raw.add_prefix(RAW).set_axis(listings.index))
