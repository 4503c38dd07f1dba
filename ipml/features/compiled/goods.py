"""Goods in the engine: finds brands and kinds of goods in titles, and the claims of listings.

`ipml.features.goods` documents the values; `goods.c` of the engine computes them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.features.compiled.characters import PAGES, fold_sigma
from ipml.features.compiled.folding import MAX_TITLE_LETTERS
from ipml.features.compiled.folding import TABLES as FOLDING
from ipml.features.compiled.places import Numbers, Places
from ipml.features.compiled.texts import Texts

_N_CLAIMS, _N_SUMMARY = 8, 6

_list_brands = bind("list_brands")
_find_disguised = bind("find_disguised")
_describe_claims = bind("describe_claims")


def list_brands(places: Places, phrase_brands: NDArray[np.int64]) -> Numbers:
    """Return the brands in each text, in order of occurrence, each once.

    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> from ipml.features.compiled.texts import Texts
    >>> (places,) = PhraseFinder((("Nike", "Air Jordan", "Jordan"),)).find(Texts.of(["jordan by nike, air jordan"]))
    >>> list_brands(places, np.array([0, 1, 1])).of_text(0)
    [1, 0]
    """
    starts, brands = np.empty(len(places) + 1, dtype=np.int64), np.empty(len(places.number), dtype=np.int64)
    _list_brands(places, phrase_brands, starts, brands)
    return Numbers(starts, brands[: starts[-1]].copy())


class Spellings:
    """The undisguised spellings of each brand, in lower case.

    Parameters
    ----------
    of_brand : sequence of sequence of str
        The spellings of each brand.

    Attributes
    ----------
    table : Struct
        The spellings as the engine looks them up.
    """

    def __init__(self, of_brand: Sequence[Sequence[str]]) -> None:
        starts = np.cumsum([0, *map(len, of_brand)], dtype=np.int64)
        spelt = Texts.of([fold_sigma(spelling) for spellings in of_brand for spelling in spellings])
        self.table = make_struct("brand_spellings", starts=starts, spelt=spelt)


def find_disguised(titles: Texts, folded: Texts, brands: Numbers, spellings: Spellings) -> NDArray[np.bool_]:
    """Return whether brands in titles are readable only after folding, shape (n_titles,).

    That is the case where no spelling occurs, in any letter case, in a title that is not plain ASCII without markup,
    but one occurs after folding, in another script than one that folding leaves unchanged. A misspelt brand is not
    disguised.

    Parameters
    ----------
    titles : Texts
        As the sellers wrote them.
    folded : Texts
        The same, folded and with misspelt words corrected.
    brands : Numbers
        The brands found in them.

    Examples
    --------
    >>> brands, spellings = Numbers(np.arange(5), np.zeros(4, dtype=np.int64)), Spellings([["air max"]])
    >>> titles = Texts.of(["\u00e9 AIR  Max", "A\u0456r Max", "\u0130 Air Max", "\u00c2ir Mox"])
    >>> read = Texts.of(["e air max", "air max", "i air max", "air max"])
    >>> find_disguised(titles, read, brands, spellings).tolist()
    [False, True, False, False]
    """
    found = np.empty(len(titles), dtype=np.uint8)
    while True:
        known = PAGES.characters
        _find_disguised(titles, folded, brands, spellings.table, MAX_TITLE_LETTERS, known, FOLDING, found)
        if not PAGES.fill(known):
            return found.view(np.bool_)


def describe_claims(
    brands: Numbers,
    is_disguised: NDArray[np.bool_],
    n_disguised_words: NDArray[np.int64],
    has_field: NDArray[np.bool_],
    claimed: NDArray[np.int64],
    standing: NDArray[np.int8],
) -> NDArray[np.float64]:
    """Return the values of `BrandFeatures`, shape (n_listings, 8).

    Parameters
    ----------
    brands : Numbers
        The brands in titles.
    is_disguised : array of bool, shape (n_listings,)
        Whether a brand in the title is readable only after folding.
    n_disguised_words : array of int, shape (n_listings,)
    has_field : array of bool, shape (n_listings,)
        Whether the brand field is filled in.
    claimed : array of int, shape (n_listings,)
        The number of the listing's brand, -1 where it is unknown.
    standing : array of int, shape (n_listings,)
        1 where the brand authorised the seller, -1 where it authorised others only, 0 where unknown.
    """
    values = np.empty((len(has_field), _N_CLAIMS))
    facts = (is_disguised.view(np.uint8), n_disguised_words, has_field.view(np.uint8), claimed, standing)
    _describe_claims(brands, *facts, values)
    return values


_describe_goods = bind("describe_goods")


def make_goods_table(
    phrase_kinds: Sequence[int], often_copied: Sequence[float], brand_kinds: Sequence[Sequence[int]]
) -> Struct:
    """Return the engine's table from the lists of `GoodsFeatures`.

    Parameters
    ----------
    phrase_kinds : sequence of int
        The number of each phrase's kind.
    often_copied : sequence of float
        How often each kind is copied, in 0-1.
    brand_kinds : sequence of sequence of int
        The kinds that each brand makes.
    """
    of_brand = np.zeros((len(brand_kinds), len(often_copied)), dtype=np.uint8)
    for brand, kinds in enumerate(brand_kinds):
        of_brand[brand, list(kinds)] = True
    return make_struct(
        "goods_table",
        phrase_kinds=np.array(phrase_kinds, dtype=np.int64),
        often_copied=np.array(often_copied, dtype=np.float64),
        of_brand=of_brand,
    )


def describe_goods(places: Places, brands: Numbers, goods: Struct) -> NDArray[np.float64]:
    """Return the values of `GoodsFeatures`, shape (n_titles, n_kinds + 6).

    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> from ipml.features.compiled.texts import Texts
    >>> (watches,) = PhraseFinder((("watch",),)).find(Texts.of(["watch", "hat"]))
    >>> no_brands = Numbers(np.zeros(3, dtype=np.int64), np.zeros(0, dtype=np.int64))
    >>> describe_goods(watches, no_brands, make_goods_table([0], [1.0], []))
    array([[1., 1., 0., 0., 0., 0., 0.],
           [0., 0., 0., 1., 0., 0., 0.]])
    """
    values = np.zeros((len(places), goods.often_copied.n + _N_SUMMARY))
    _describe_goods(places, brands, goods, values)
    return values
