"""What a listing claims of brands, as `ipml.features.goods.BrandFeatures` says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.places import Numbers
from ipml.features.compiled.texts import Texts

_MOST_COUNTED = 3


class Spellings:
    """The ways each brand is spelt plainly, in lower case.

    Parameters
    ----------
    of_brand : sequence of sequence of str
        The spellings of each brand.
    """

    def __init__(self, of_brand: Sequence[Sequence[str]]) -> None:
        self.starts = np.cumsum([0, *map(len, of_brand)])
        self.texts = Texts.of([spelling for spellings in of_brand for spelling in spellings])


def may_be_disguised(titles: Texts, brands: Numbers, spellings: Spellings) -> NDArray[np.bool_]:
    """Say which titles may name brands that can be read only after folding, shape (n_titles,).

    The others surely do not: they name none, hold nothing that folding would undo, or spell one as it is.

    Examples
    --------
    >>> brands, spellings = Numbers(np.array([0, 1, 2]), np.array([0, 0])), Spellings([["air max"]])
    >>> may_be_disguised(Texts.of(["\u00e9 AIR  Max", "A\u0456r Max"]), brands, spellings).tolist()
    [False, True]
    """
    tables = spellings.starts, spellings.texts.offsets, spellings.texts.data
    return np.asarray(_may_be_disguised(titles.offsets, titles.data, brands.starts, brands.number, *tables))


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
        The brands that titles name.
    is_disguised : array of bool, shape (n_listings,)
        Whether a brand in the title can be read only after folding.
    n_disguised_words : array of int, shape (n_listings,)
    has_field : array of bool, shape (n_listings,)
        Whether the brand field says anything.
    claimed : array of int, shape (n_listings,)
        The number of the listing's brand, -1 where it is none of those known.
    standing : array of int, shape (n_listings,)
        1 where the brand authorised the seller, -1 where it authorised others, 0 where nothing is known.
    """
    facts = (is_disguised, n_disguised_words, has_field, claimed, standing)
    return np.asarray(_describe_claims(brands.starts, brands.number, *facts))


@plain_njit
def _lower(byte):
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@plain_njit
def _is_space(byte):
    return byte == 0x20 or 9 <= byte <= 13 or 28 <= byte <= 31


@plain_njit
def _stands_at(data, at, end, spelling, first, last):
    """Say whether a spelling stands at a place of a text, whatever the case; a space stands for several."""
    for i in range(first, last):
        if at >= end:
            return False
        if spelling[i] == 0x20 and _is_space(data[at]):
            while at < end and _is_space(data[at]):
                at += 1
        elif _lower(data[at]) == spelling[i]:
            at += 1
        else:
            return False
    return True


@plain_njit
def _holds(data, start, end, offsets, spelling, first, last):
    """Say whether a text holds one of some spellings."""
    for one in range(first, last):
        for at in range(start, end):
            if _stands_at(data, at, end, spelling, offsets[one], offsets[one + 1]):
                return True
    return False


@plain_njit
def _may_be_folded(data, start, end):
    """Say whether a text is not plain ASCII without markup."""
    may_be = False
    for at in range(start, end):
        may_be |= data[at] >= 0x80 or data[at] == 0x3C or data[at] == 0x26
    return may_be


@compiled
def _may_be_disguised(offsets, data, starts, number, of_brand, spelling_offsets, spelling):
    may_be = np.zeros(offsets.size - 1, np.bool_)
    for row in range(offsets.size - 1):
        start, end = offsets[row], offsets[row + 1]
        may_be[row] = starts[row + 1] > starts[row] and _may_be_folded(data, start, end)
        for at in range(starts[row], starts[row + 1] if may_be[row] else starts[row]):
            first, last = of_brand[number[at]], of_brand[number[at] + 1]
            if _holds(data, start, end, spelling_offsets, spelling, first, last):
                may_be[row] = False
                break
    return may_be


@compiled
def _describe_claims(starts, number, is_disguised, n_disguised_words, has_field, claimed, standing):
    values = np.zeros((has_field.size, 8))
    for row in range(has_field.size):
        n_named = starts[row + 1] - starts[row]
        is_named = False
        for at in range(starts[row], starts[row + 1]):
            is_named |= number[at] == claimed[row]
        value = values[row]
        value[0] = n_named > 0
        value[1] = min(max(n_named - 1, 0), _MOST_COUNTED)
        value[2] = is_disguised[row]
        value[3] = min(n_disguised_words[row], _MOST_COUNTED)
        value[4] = n_named > 0 and has_field[row] and not is_named
        value[5] = not has_field[row]
        value[6] = standing[row] > 0
        value[7] = standing[row] < 0
    return values
