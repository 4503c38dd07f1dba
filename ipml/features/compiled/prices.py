"""Prices in the engine: looks up the usual prices of brands and categories."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, make_struct
from ipml.features.column import Names, find_pairs

Floats = NDArray[np.float64]


class PriceList:
    """Usual prices of goods of known brands, as defined by `PriceFeatures.usual_of`.

    Parameters
    ----------
    usual : iterable of tuple
        Brand, category (None for any), unit and price, as from `PriceFeatures.list_usual`.
    brands : sequence of str
        The known brands, in the order of their numbers.

    Attributes
    ----------
    table : Struct
        The prices as the engine looks them up: a row of brands for each category and unit.

    Examples
    --------
    >>> prices = PriceList([("Nike", "shoes", "USD", 90.0), ("Acme", None, "USD", 5.0)], ["Acme", "Nike"])
    >>> prices.row_of("shoes", "USD"), prices.row_of("hats", "USD"), prices.row_of_unit("USD")
    (0, 1, 0)
    """

    def __init__(self, usual: Iterable[tuple[str, str | None, str, float]], brands: Sequence[str]) -> None:
        numbers = {name: number for number, name in enumerate(brands)}
        own: dict[tuple[str, str], dict[int, float]] = {}
        of_units: dict[str, Floats] = {}
        for brand, category, unit, price in usual:
            if brand in numbers and category is not None:
                own.setdefault((category, unit), {})[numbers[brand]] = price
            elif brand in numbers:
                of_units.setdefault(unit, np.full(len(numbers), np.nan))[numbers[brand]] = price
        self._rows = {pair: row for row, pair in enumerate(own)}
        self._unit_rows = {unit: row for row, unit in enumerate(of_units)}
        priced = [one for prices in own.values() for one in sorted(prices.items())]
        self.table: Struct = make_struct(
            "usual_prices",
            starts=np.cumsum([0, *map(len, own.values()), 0]),
            brands=np.array([brand for brand, _ in priced], dtype=np.int64),
            prices=np.array([price for _, price in priced], dtype=np.float64),
            of_units=np.concatenate([*of_units.values(), np.full(len(numbers), np.nan)]),
        )

    def row_of(self, category: str, unit: str) -> int:
        """Return the row of prices of a category and a unit; the row after the last where none are known."""
        return self._rows.get((category, unit), len(self._rows))

    def row_of_unit(self, unit: str) -> int:
        """Return the row of prices in a unit."""
        return self._unit_rows.get(unit, len(self._unit_rows))

    def find_rows(self, categories: Names, units: Names) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return both rows for each listing."""
        pairs, codes = find_pairs(categories, units)
        rows = np.array([self.row_of(*pair) for pair in pairs], dtype=np.int64)
        unit_rows = np.array([self.row_of_unit(unit) for unit in units.names], dtype=np.int64)
        return rows[codes], unit_rows[units.codes]
