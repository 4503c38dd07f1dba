"""By what listings are grouped to be looked at apart: brand, kind of seller, script, time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ipml.model.slices.writing_systems import writing_system

SELLER_SIZES = {0: "1 listing", 1: "2 to 9 listings", 9: "10 to 99 listings", 99: "100 listings or more"}
SELLER_AGES = {-1: "under 30 days", 29: "30 to 89 days", 89: "90 to 364 days", 364: "a year or more"}
_AS_GIVEN = ("brand", "category", "currency", "country")


def group_columns(listings: pd.DataFrame) -> pd.DataFrame:
    """Return the columns by which listings are grouped, where known: as given, and worked out.

    Examples
    --------
    >>> listings = pd.DataFrame({"seller_id": ["a", "b"], "title": ["Bag", "Сумка"], "seller_age_days": [9.0, None]})
    >>> group_columns(listings)
      seller size     seller age    script
    0   1 listing  under 30 days     Latin
    1   1 listing            NaN  Cyrillic
    """
    columns = {name: listings[name] for name in _AS_GIVEN if name in listings}
    columns["seller size"] = _in_bands(seller_sizes(listings), SELLER_SIZES)
    if "seller_age_days" in listings:
        columns["seller age"] = _in_bands(listings["seller_age_days"], SELLER_AGES)
    if "title" in listings:
        columns["script"] = scripts_of(listings)
    for name in ("observed", "listed"):
        if f"{name}_at" in listings:
            columns[f"quarter {name}"] = _quarters(listings[f"{name}_at"])
    return pd.DataFrame(columns, index=listings.index)


def seller_sizes(listings: pd.DataFrame) -> pd.Series[float]:
    """Return how many listings the seller of each listing has: as given in `seller_listings`, else as counted here.

    Examples
    --------
    >>> seller_sizes(pd.DataFrame({"seller_id": list("aab")})).tolist()
    [2.0, 2.0, 1.0]
    """
    counted = listings.groupby("seller_id")["seller_id"].transform("size").astype("float64")
    return listings["seller_listings"].fillna(counted) if "seller_listings" in listings else counted


def scripts_of(listings: pd.DataFrame) -> pd.Series[str]:
    """Return the script of each listing's title and description.

    Examples
    --------
    >>> scripts_of(pd.DataFrame({"title": ["Nike"], "description": ["Кроссовки мужские"]})).tolist()
    ['Cyrillic']
    """
    texts = listings["title"].fillna("")
    if "description" in listings:
        texts = texts.str.cat(listings["description"].fillna(""), sep=" ")
    return pd.Series([writing_system(text) for text in texts], index=listings.index, dtype="str")


def _quarters(moments: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    years, quarters = moments.dt.year, moments.dt.quarter
    named = [f"{year:.0f} Q{quarter:.0f}" for year, quarter in zip(years, quarters, strict=True)]
    return pd.Series(named, index=moments.index, dtype="str").where(moments.notna())


def _in_bands(numbers: pd.Series[float], bands: dict[int, str]) -> pd.Series[str]:
    """Return the name of the band of each number; a band begins above its key."""
    return pd.Series(pd.cut(numbers, [*bands, np.inf], labels=list(bands.values())), index=numbers.index, dtype="str")
