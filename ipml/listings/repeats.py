"""Listings that come again: of rows with the same listing_id and observed_at the first stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.frames import number_rows, show
from ipml.listings.key_hashes import KeyHasher, sort_hashes
from ipml.listings.key_table import KeyTable
from ipml.records import Problem

_KEY = ["listing_id", "observed_at"]
_Rows = npt.NDArray[np.int64]


def make_repeat(row: int, listing_id: str, first_row: int) -> Problem:
    """Return the problem of a row whose listing_id and observed_at are those of an earlier row."""
    return Problem(int(row), "listing_id", show(listing_id), f"an id once per moment; row {first_row} has it already")


def find_repeats(listings: pd.DataFrame) -> list[Problem]:
    """Name each row of a canonical frame whose key an earlier one has, and that one.

    Parameters
    ----------
    listings : DataFrame
        Canonical; an index named "row" numbers the rows, else they count from 1.
    """
    return _make_repeats(listings, _find_first_rows(listings))


class SeenKeys:
    """The listings and moments of the rows so far, as hashes with their rows: 24 to 48 bytes each.

    With hashes of 64 bits and a billion rows, one new listing in 18,000 million is mistaken for an old one.

    Examples
    --------
    >>> from ipml.listings.schema import listings_to_frame
    >>> from ipml.records import Listing
    >>> listings = listings_to_frame([Listing("1", "s", "Bag"), Listing("1", "s", "Belt")])
    >>> listings = listings.set_axis([1, 2]).rename_axis("row")
    >>> seen = SeenKeys()
    >>> seen.find_repeats(listings.loc[[1]])
    []
    >>> str(seen.find_repeats(listings.loc[[2]])[0])
    "row 2, listing_id: found '1', expected an id once per moment; row 1 has it already"
    """

    def __init__(self) -> None:
        self._hasher = KeyHasher()
        self._seen = KeyTable()

    def find_repeats(self, listings: pd.DataFrame) -> list[Problem]:
        """Name the rows of a canonical frame whose listing and moment an earlier row has; remember the others."""
        hashes = self._hasher.hash_keys(listings)
        order = sort_hashes(hashes)
        hashes, rows = hashes[order], number_rows(listings)[order]
        earlier = self._seen.find(hashes)
        if not earlier.any() and (hashes[1:] != hashes[:-1]).all():
            self._seen.remember(hashes, rows)
            return []
        # Within a chunk the keys themselves are compared, not their hashes.
        first = np.where(earlier > 0, earlier, _find_first_rows(listings)[order])
        is_new = first == rows
        self._seen.remember(hashes[is_new], rows[is_new])
        return _make_repeats(listings, first[np.argsort(order)])


def _find_first_rows(listings: pd.DataFrame) -> _Rows:
    """Return for each row the first one with its key, by the keys themselves."""
    first = number_rows(listings)
    if len(first) < 2:
        return first
    is_shared = listings.duplicated(_KEY, keep=False).to_numpy()
    if not is_shared.any():
        return first
    keys = listings.loc[is_shared, _KEY].assign(row=first[is_shared])
    first = first.copy()
    first[is_shared] = keys.groupby(_KEY, dropna=False)["row"].transform("first")
    return first


def _make_repeats(listings: pd.DataFrame, first: _Rows) -> list[Problem]:
    rows = number_rows(listings)
    is_repeat = rows != first
    if not is_repeat.any():
        return []
    ids = listings["listing_id"].to_numpy()
    return list(map(make_repeat, rows[is_repeat], ids[is_repeat], first[is_repeat]))
