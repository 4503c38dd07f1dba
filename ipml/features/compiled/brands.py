"""Which brands titles name, as `ipml.features.goods.brands_in_titles` says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.places import Numbers, Places


def list_brands(places: Places, phrase_brands: NDArray[np.int64]) -> Numbers:
    """Return the brands each text names, in the order they are named, each once.

    Parameters
    ----------
    places : Places
        Where names and aliases of brands stand.
    phrase_brands : array of int64, shape (n_phrases,)
        The number of each phrase's brand.

    Examples
    --------
    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> from ipml.features.compiled.texts import Texts
    >>> (places,) = PhraseFinder((("Nike", "Air Jordan", "Jordan"),)).find(Texts.of(["jordan by nike, air jordan"]))
    >>> list_brands(places, np.array([0, 1, 1])).of_text(0)
    [1, 0]
    """
    return Numbers(*_list_brands(places.starts, places.number, places.start, places.end, phrase_brands))


@plain_njit
def _comes_before(start, end, one, other):
    """Say whether a place comes before another: by start, of those from one place the longest first."""
    return start[one] < start[other] or (start[one] == start[other] and end[one] > end[other])


@compiled
def _list_brands(starts, number, start, end, phrase_brands):
    lists, brands = np.zeros(starts.size, np.int64), np.empty(number.size, np.int64)
    order = np.arange(number.size)
    n = 0
    for row in range(starts.size - 1):
        first, last = starts[row], starts[row + 1]
        for i in range(first + 1, last):
            at = i
            while at > first and _comes_before(start, end, order[at], order[at - 1]):
                order[at - 1], order[at] = order[at], order[at - 1]
                at -= 1
        for i in range(first, last):
            brand = phrase_brands[number[order[i]]]
            is_new = True
            for at in range(lists[row], n):
                is_new &= brands[at] != brand
            if is_new:
                brands[n] = brand
                n += 1
        lists[row + 1] = n
    return lists, brands[:n].copy()
