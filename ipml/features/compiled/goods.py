"""Which kinds of goods titles name and what follows, as `ipml.features.goods.GoodsFeatures` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import compiled
from ipml.features.compiled.places import Numbers, Places

_N_SUMMARY = 6
_MOST_COUNTED = 3


@dataclass(frozen=True, slots=True, eq=False)
class GoodsTable:
    """What is known of kinds of goods, as arrays.

    Attributes
    ----------
    phrase_kinds : array of int64, shape (n_phrases,)
        The number of each phrase's kind.
    often_copied : array of float64, shape (n_kinds,)
        How often each kind is copied, in 0-1.
    of_brand : array of bool, shape (n_brands, n_kinds)
        Which kinds each brand makes.
    """

    phrase_kinds: NDArray[np.int64]
    often_copied: NDArray[np.float64]
    of_brand: NDArray[np.bool_]

    @classmethod
    def of(
        cls, phrase_kinds: Sequence[int], often_copied: Sequence[float], brand_kinds: Sequence[Sequence[int]]
    ) -> Self:
        """Return the table of what `GoodsFeatures` keeps as lists."""
        of_brand = np.zeros((len(brand_kinds), len(often_copied)), dtype=bool)
        for brand, kinds in enumerate(brand_kinds):
            of_brand[brand, list(kinds)] = True
        return cls(np.array(phrase_kinds, dtype=np.int64), np.array(often_copied, dtype=np.float64), of_brand)


def describe_goods(places: Places, brands: Numbers, goods: GoodsTable) -> NDArray[np.float64]:
    """Return 1 for each kind a title names, and what follows from them, shape (n_titles, n_kinds + 6).

    Parameters
    ----------
    places : Places
        Where names of goods stand in the titles.
    brands : Numbers
        The brands the titles name.
    goods : GoodsTable

    Examples
    --------
    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> from ipml.features.compiled.texts import Texts
    >>> watches, brands = PhraseFinder((("watch",), ())).find(Texts.of(["watch", "hat"]))
    >>> describe_goods(watches, Numbers(np.zeros(3, dtype=np.int64), brands.number), GoodsTable.of([0], [1.0], []))
    array([[1., 1., 0., 0., 0., 0., 0.],
           [0., 0., 0., 1., 0., 0., 0.]])
    """
    return np.asarray(
        _describe(
            places.starts,
            places.number,
            brands.starts,
            brands.number,
            goods.phrase_kinds,
            goods.often_copied,
            goods.of_brand,
        )
    )


@compiled
def _describe(starts, number, brand_starts, brands, phrase_kinds, often_copied, of_brand):
    n_kinds = often_copied.size
    values = np.zeros((starts.size - 1, n_kinds + _N_SUMMARY))
    for row in range(starts.size - 1):
        n_named = n_of_brands = n_both = 0
        most_often = 0.0
        for i in range(starts[row], starts[row + 1]):
            kind = phrase_kinds[number[i]]
            if values[row, kind] == 0.0:
                values[row, kind] = 1.0
                most_often = often_copied[kind] if n_named == 0 else max(most_often, often_copied[kind])
                n_named += 1
        n_brands = brand_starts[row + 1] - brand_starts[row]
        for kind in range(n_kinds if n_brands else 0):
            is_of_brand = False
            for i in range(brand_starts[row], brand_starts[row + 1]):
                is_of_brand |= of_brand[brands[i], kind]
            n_of_brands += is_of_brand
            n_both += is_of_brand and values[row, kind] > 0.0
        values[row, n_kinds] = most_often
        values[row, n_kinds + 1] = min(max(n_named - 1, 0), _MOST_COUNTED)
        values[row, n_kinds + 2] = n_named == 0
        values[row, n_kinds + 3] = n_both > 0
        values[row, n_kinds + 4] = n_named > 0 and n_of_brands > 0 and n_both == 0
        values[row, n_kinds + 5] = n_brands > 0 and n_named == 0
    return values
