"""One listing from its title to its probability in a single compiled call.

To hand arrays to compiled functions and to take arrays back costs a single listing more than the functions take. Here
those that score a batch follow one another without a way back to Python: the same functions on the same numbers, so
that the same bits come out. Numba looks at this file only: when one of the functions called here is changed, remove
the cache of this file, or touch it.
"""

from typing import Any

import numpy as np
from numba import njit

from ipml.features.compiled.brand_claims import _describe_claims, _may_be_disguised
from ipml.features.compiled.brands import _list_brands
from ipml.features.compiled.disguises import _count as _count_disguised
from ipml.features.compiled.folding import _fold
from ipml.features.compiled.goods import _describe as _describe_goods
from ipml.features.compiled.inner import inner
from ipml.features.compiled.ngrams import sum_rows
from ipml.features.compiled.numbers import (
    add_rows,
    are_unfamiliar,
    describe_listings,
    describe_prices,
    describe_sellers,
)
from ipml.features.compiled.offers import _read_folded, _read_raw, _set_groups
from ipml.features.compiled.passages import _cut
from ipml.features.compiled.skeletons import _reduce_texts
from ipml.features.compiled.spelling import _read_texts
from ipml.features.compiled.texts import _have_plain_letters
from ipml.features.compiled.trade_words import _count_all
from ipml.features.compiled.walking import find_places
from ipml.model.calibration.judging import judge_rows

# What is known of a listing besides its title, by place in an array of numbers; NaN where unknown.
PRICE, IS_BASE, REFERENCE_OF_FIELD, USUAL_OF_FIELD, USUAL_OF_CATEGORY, WEIGHT_OF_CATEGORY = range(6)
AGE_DAYS, LISTING_SALES, LISTING_RETURNS, LISTING_RATING, LISTING_REVIEWS = range(6, 11)
SELLER_SALES, SELLER_RETURNS, SELLER_COMPLAINTS, SELLER_RATING, SELLER_STRIKES, SHARE = range(11, 17)
# The same of whole numbers. A brand field that folding leaves empty is given, but says nothing.
HAS_CODE, HAS_FIELD, FIELD_SAYS, BRAND_OF_FIELD, CODE_OF_FIELD, CODE_OF_CATEGORY = range(6)

_WORDS, _BRANDS, _GOODS, _OFFERS = range(4)


@inner
def _read_only(array: Any, other: Any) -> Any:
    """Return the first array, of the type of the second, for which functions are compiled already."""
    return array if array.size >= 0 else other


@inner
def _set(places: Any, number: Any) -> Any:
    """Return where the phrases of one set stand: where they begin by text, their numbers, starts and ends."""
    starts, firsts, numbers, begins, ends = places
    first, last = firsts[number], firsts[number + 1]
    return starts[number], numbers[first:last], begins[first:last], ends[first:last]


@inner
def _row(facts: Any, at: Any) -> Any:
    return facts[at : at + 1]


@inner
def _add_words(texts: Any, places: Any, kinds: Any, words: Any, weights: Any, total: Any) -> None:
    phrases, numbers = words
    counts = _count_all(texts[0], texts[1], kinds, _set(places, _WORDS), phrases, numbers)
    values = np.zeros((counts.shape[0], weights.size))
    values[:, : counts.shape[1]] = counts
    add_rows(values, weights, total)


@inner
def _claim_brands(brands: Any, codes: Any) -> Any:
    """Return the number of the brand of each text, that of the brand field where it says one; -1 for none."""
    starts, number = brands
    claimed = np.full(starts.size - 1, -1)
    for row in range(claimed.size):
        if codes[FIELD_SAYS]:
            claimed[row] = codes[BRAND_OF_FIELD]
        elif starts[row + 1] > starts[row]:
            claimed[row] = number[starts[row]]
    return claimed


@inner
def _find_standing(claimed: Any, has_authorised: Any, of_seller: Any) -> Any:
    """Return 1 where the brand authorised the seller, -1 where it authorised others, 0 where nothing is known."""
    standing = np.zeros(claimed.size, np.int8)
    for row in range(claimed.size):
        if claimed[row] >= 0 and has_authorised[claimed[row]]:
            standing[row] = -1
            for number in of_seller:
                if number == claimed[row]:
                    standing[row] = 1
    return standing


@inner
def _claim(raw: Any, brands: Any, claimed: Any, codes: Any, of_seller: Any, tables: Any, pages: Any) -> Any:
    """Return what the titles claim of brands, and whether a plain function has to look at one of them."""
    spellings, has_authorised, most = tables
    starts, number = brands
    n = claimed.size
    is_disguised = _may_be_disguised(raw[0], raw[1], starts, number, spellings[0], spellings[1], spellings[2])
    n_disguised = _count_disguised(raw[0], raw[1], pages[0], pages[1], most)
    has_field = np.full(n, codes[HAS_FIELD] > 0)
    standing = _find_standing(claimed, has_authorised, of_seller)
    values = _describe_claims(starts, number, is_disguised, n_disguised, has_field, claimed, standing)
    return values, is_disguised.any() or n_disguised.min() < 0


@inner
def _describe_offers(raw: Any, texts: Any, places: Any, kinds: Any, columns: Any, n_values: Any, numbers: Any) -> Any:
    """Return how offers are made, and whether a plain function has to look at one of the texts."""
    most, has_lots, n_of_title = numbers
    found = np.zeros((texts[0].size - 1, n_of_title))
    is_left_out = np.zeros(texts[0].size - 1, np.bool_)
    starts, number, _, _ = _set(places, _OFFERS)
    _set_groups(starts, number, columns, found)
    _read_folded(texts[0], texts[1], kinds, has_lots, found, is_left_out)
    _read_raw(raw[0], raw[1], most, found, is_left_out)
    values = np.zeros((found.shape[0], n_values))
    values[:, :n_of_title] = found
    return values, is_left_out.any()


@inner
def _describe_prices(claimed: Any, facts: Any, references: Any, usual: Any, tables: Any) -> Any:
    """Return what the price says beside what goods of each claimed brand, and of the category, cost."""
    n = claimed.size
    to_reference, to_brand, to_category = np.empty(n), np.empty(n), np.empty(n)
    for row in range(n):
        brand = claimed[row]
        reference = references[brand] if brand >= 0 else facts[REFERENCE_OF_FIELD]
        of_brand = usual[brand] if brand >= 0 else facts[USUAL_OF_FIELD]
        to_reference[row] = facts[PRICE] * facts[IS_BASE] / reference
        to_brand[row] = facts[PRICE] / of_brand
        to_category[row] = facts[PRICE] / facts[USUAL_OF_CATEGORY]
    return describe_prices(to_reference, to_brand, to_category, *tables)


@inner
def _add_same(values: Any, weights: Any, total: Any) -> None:
    """Add to all totals what a row of values weighs."""
    for row in range(total.size):
        add_rows(values, weights, total[row : row + 1])


@inner
def _describe_listing(facts: Any, codes: Any, tables: Any) -> Any:
    return describe_listings(
        _row(facts, AGE_DAYS),
        _row(facts, LISTING_SALES),
        _row(facts, LISTING_RETURNS),
        _row(facts, LISTING_RATING),
        _row(facts, LISTING_REVIEWS),
        np.zeros(1, np.int64),
        np.full(1, codes[HAS_CODE] > 0),
        *tables,
    )


@inner
def _describe_seller(facts: Any, tables: Any) -> Any:
    return describe_sellers(
        _row(facts, SELLER_SALES),
        _row(facts, SELLER_RETURNS),
        _row(facts, SELLER_COMPLAINTS),
        _row(facts, SELLER_RATING),
        _row(facts, SELLER_STRIKES),
        *tables,
    )


@inner
def _weigh(raw: Any, texts: Any, facts: Any, codes: Any, of_seller: Any, usual: Any, pages: Any, model: Any) -> Any:
    """Return the log-odds of some titles of one listing, its own or passages, and what else was seen.

    Parameters
    ----------
    raw, texts : tuple of offsets and bytes
        As written, and folded and read.

    Returns
    -------
    tuple
        Log-odds; n-grams; known n-grams; numbers of claimed brands; whether a plain function has to look.
    """
    kinds, bones, trie, ngrams, words, brand, goods, offer, price, listing, seller, weights, intercept = model
    marked, letters_min, letters_max, n_words = ngrams
    starts, reduced = _reduce_texts(texts[0], texts[1], bones, kinds)
    starts, reduced = _read_only(starts, texts[0]), _read_only(reduced, texts[1])
    sums, n_all, n_known = sum_rows(starts, reduced, marked, letters_min, letters_max, n_words)
    total = np.full(sums.size, intercept)
    total += sums / np.sqrt(np.maximum(n_known, 1))
    total += facts[WEIGHT_OF_CATEGORY]
    places = find_places(texts[0], texts[1], *trie)
    of_words, of_brand, of_goods, of_offer, of_price, of_listing, of_seller_features = weights
    _add_words(texts, places, kinds, words, of_words, total)
    named = _set(places, _BRANDS)
    brands = _list_brands(named[0], named[1], named[2], named[3], brand[0])
    claimed = _claim_brands(brands, codes)
    values, is_left = _claim(raw, brands, claimed, codes, of_seller, brand[1], pages)
    add_rows(values, of_brand, total)
    named = _set(places, _GOODS)
    add_rows(_describe_goods(named[0], named[1], brands[0], brands[1], *goods), of_goods, total)
    values, is_left_out = _describe_offers(raw, texts, places, kinds, offer[0], of_offer.size, offer[1])
    add_rows(values, of_offer, total)
    add_rows(_describe_prices(claimed, facts, price[0], usual, price[1]), of_price, total)
    _add_same(_describe_listing(facts, codes, listing), of_listing, total)
    _add_same(_describe_seller(facts, seller), of_seller_features, total)
    return total, n_all, n_known, claimed, is_left or is_left_out


@njit(cache=True, nogil=True, error_model="numpy")
def judge(
    offsets: Any,
    data: Any,
    facts: Any,
    codes: Any,
    of_seller: Any,
    usual: Any,
    most: Any,
    pages: Any,
    entries: Any,
    letters: Any,
    disguise_pages: Any,
    disguise_kinds: Any,
    spelling: Any,
    passages: Any,
    model: Any,
    stage: Any,
    calibration: Any,
) -> Any:
    """Return log-odds, score and both bounds of one listing; NaN where a plain function, or a person, has to look.

    Parameters
    ----------
    offsets, data : arrays
        The title as written.
    facts : array of float
        What else is known of the listing, by place.
    codes : array of int
        The same, in whole numbers.
    of_seller : array of int
        The numbers of the brands that authorised the seller.
    usual : array of shape (n_brands,)
        What goods of each brand usually cost, in the unit of the price.
    most : int
        How many letters of the title are read.
    pages, entries, letters, disguise_pages, disguise_kinds : arrays
        What is known of the characters met so far.
    spelling, passages, model, stage, calibration : tuple
        What the model knows, as `ipml.model.single.tables` puts it together.
    """
    judged = np.full(4, np.nan)
    disguises = disguise_pages, disguise_kinds
    ends, folded, is_left = _fold(offsets, data, most, np.zeros(pages.size, np.bool_), pages, entries, letters)
    if is_left[0]:
        return judged
    ends, folded = _read_only(ends, offsets), _read_only(folded, data)
    rows, read_ends, read = _read_texts(ends, folded, *spelling)
    if rows.size:
        both = np.zeros(2, np.int64)
        both[1] = read_ends[0]
        ends, folded = _read_only(both, offsets), _read_only(read, data)
    raw, texts = (offsets, data), (ends, folded)
    total, n_all, n_known, claimed, is_left_out = _weigh(raw, texts, facts, codes, of_seller, usual, disguises, model)
    slope, weight_of_share, intercept, used = stage
    if is_left_out or not _have_plain_letters(ends, folded)[0] or are_unfamiliar(n_all, n_known, used)[0]:
        return judged
    alone = total[0]
    cut_ends, cut, owners = _cut(ends, folded, *passages)
    if owners.size:
        texts = _read_only(cut_ends, offsets), _read_only(cut, data)
        total, _, _, _, is_left_out = _weigh(texts, texts, facts, codes, of_seller, usual, disguises, model)
        if is_left_out:
            return judged
        alone = max(alone, total.max())
    joined = np.full(1, slope * alone + weight_of_share * facts[SHARE] + intercept)
    line, category_effects, brand_effects, quantile, covariances, brand_codes = calibration
    brand = np.full(1, brand_codes[claimed[0]] if claimed[0] >= 0 else codes[CODE_OF_FIELD])
    bounds = judge_rows(
        joined, codes[CODE_OF_CATEGORY:], brand, line, category_effects, brand_effects, quantile, covariances
    )
    judged[0], judged[1:] = joined[0], bounds[:, 0]
    return judged
