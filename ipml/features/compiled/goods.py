"""Which kinds of goods titles name and what follows, as `ipml.features.goods.GoodsFeatures` says.

`goods.c` of the engine does so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.features.compiled.places import NumberArrays, Numbers, PlaceArrays, Places

_N_SUMMARY = 6


class GoodsArrays(Table):
    """What `describe_goods` looks up: `goods_table` of `goods.h`."""

    _fields_: ClassVar = [
        ("phrase_kinds", KINDS["int64s"]),
        ("often_copied", KINDS["doubles"]),
        ("of_brand", KINDS["uint8s"]),
    ]


_describe = bind("describe_goods", PlaceArrays, NumberArrays, GoodsArrays, "doubles_out")


@dataclass(frozen=True, slots=True, eq=False)
class GoodsTable:
    """What is known of kinds of goods.

    Attributes
    ----------
    table : GoodsArrays
        As the engine looks it up.
    n_kinds : int
    """

    table: GoodsArrays
    n_kinds: int

    @classmethod
    def of(
        cls, phrase_kinds: Sequence[int], often_copied: Sequence[float], brand_kinds: Sequence[Sequence[int]]
    ) -> Self:
        """Return the table of what `GoodsFeatures` keeps as lists.

        Parameters
        ----------
        phrase_kinds : sequence of int
            The number of each phrase's kind.
        often_copied : sequence of float
            How often each kind is copied, in 0-1.
        brand_kinds : sequence of sequence of int
            Which kinds each brand makes.
        """
        of_brand = np.zeros((len(brand_kinds), len(often_copied)), dtype=np.uint8)
        for brand, kinds in enumerate(brand_kinds):
            of_brand[brand, list(kinds)] = True
        table = GoodsArrays.of(
            phrase_kinds=np.array(phrase_kinds, dtype=np.int64),
            often_copied=np.array(often_copied, dtype=np.float64),
            of_brand=of_brand,
        )
        return cls(table, len(often_copied))


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
    >>> (watches,) = PhraseFinder((("watch",),)).find(Texts.of(["watch", "hat"]))
    >>> no_brands = Numbers(np.zeros(3, dtype=np.int64), np.zeros(0, dtype=np.int64))
    >>> describe_goods(watches, no_brands, GoodsTable.of([0], [1.0], []))
    array([[1., 1., 0., 0., 0., 0., 0.],
           [0., 0., 0., 1., 0., 0., 0.]])
    """
    values = np.zeros((len(places), goods.n_kinds + _N_SUMMARY))
    _describe(places, brands, goods.table, values)
    return values
