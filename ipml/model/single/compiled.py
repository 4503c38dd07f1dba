"""One listing from its texts to its probability in a single compiled call.

To hand arrays to compiled functions and to take arrays back costs a single listing more than the functions take. Here
those that score a batch follow one another without a way back to Python: the same functions on the same numbers, so
that the same bits come out. Numba looks at this file only: when one of the functions called here is changed, remove
the cache of this file, or touch it.
"""

from typing import Any

import numpy as np

from ipml.features.compiled.brand_claims import _describe_claims, _may_be_disguised
from ipml.features.compiled.brands import _list_brands
from ipml.features.compiled.copying import copy
from ipml.features.compiled.disguises import _count as _count_disguised
from ipml.features.compiled.folding import _fold
from ipml.features.compiled.goods import _describe as _describe_goods
from ipml.features.compiled.machine_code import compiled, inner
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
from ipml.features.compiled.texts import _count_letters, _have_plain_letters
from ipml.features.compiled.trade_words import _count_all
from ipml.features.compiled.walking import find_places
from ipml.model.calibration.calibration import judge_rows

# What is known of a listing besides its texts, by place in an array of numbers; NaN where unknown.
PRICE, REFERENCE_OF_FIELD, USUAL_OF_CATEGORY, WEIGHT_OF_CATEGORY = range(4)
AGE_DAYS, LISTING_SALES, LISTING_RETURNS, LISTING_RATING, LISTING_REVIEWS = range(4, 9)
SELLER_SALES, SELLER_RETURNS, SELLER_COMPLAINTS, SELLER_RATING, SELLER_STRIKES, SHARE = range(9, 15)
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
def _find_offers(raw: Any, texts: Any, places: Any, kinds: Any, columns: Any, shape: Any) -> Any:
    """Return how offers are made, and whether a plain function has to look at one of the texts."""
    most, has_lots, n_values = shape
    n = texts[0].size - 1
    found, is_left_out = np.zeros((n, n_values)), np.zeros(n, np.bool_)
    starts, number, _, _ = _set(places, _OFFERS)
    _set_groups(starts, number, columns, found)
    _read_folded(texts[0], texts[1], kinds, has_lots, found, is_left_out)
    _read_raw(raw[0], raw[1], most, found, is_left_out)
    return found, is_left_out.any()


@inner
def _describe_prices(claimed: Any, facts: Any, references: Any, tables: Any) -> Any:
    """Return what the price says beside the reference of each claimed brand, and what the category costs."""
    n = claimed.size
    to_reference, to_category = np.empty(n), np.empty(n)
    for row in range(n):
        brand = claimed[row]
        reference = references[brand] if brand >= 0 else facts[REFERENCE_OF_FIELD]
        to_reference[row] = facts[PRICE] / reference
        to_category[row] = facts[PRICE] / facts[USUAL_OF_CATEGORY]
    return describe_prices(to_reference, to_category, *tables)


@inner
def _describe_listing(facts: Any, codes: Any, letters: Any, tables: Any) -> Any:
    return describe_listings(
        _row(facts, AGE_DAYS),
        _row(facts, LISTING_SALES),
        _row(facts, LISTING_RETURNS),
        _row(facts, LISTING_RATING),
        _row(facts, LISTING_REVIEWS),
        letters,
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
def _read_text(raw: Any, texts: Any, column: Any, shared: Any) -> Any:
    """Return what is read in any text column.

    Parameters
    ----------
    raw, texts : tuple of offsets and bytes
        As written, and folded and read.
    column, shared : tuple
        What the model knows of the column, and of words in any column.

    Returns
    -------
    tuple
        Places of phrases; n-grams and known n-grams; whether a plain function has to look; and for the sum what
        n-grams weigh, words of the trade, and how offers are made.
    """
    ngrams, shape = column
    kinds, bones, trie, words, columns = shared
    marked, letters_min, letters_max, n_words = ngrams
    starts, reduced = _reduce_texts(texts[0], texts[1], *bones, kinds)
    starts, reduced = _read_only(starts, texts[0]), _read_only(reduced, texts[1])
    sums, n_all, n_known = sum_rows(starts, reduced, marked, letters_min, letters_max, n_words)
    places = find_places(texts[0], texts[1], *trie)
    phrases, numbers = words
    counts = _count_all(texts[0], texts[1], kinds, _set(places, _WORDS), phrases, numbers)
    offers, is_left = _find_offers(raw, texts, places, kinds, columns, shape)
    return places, n_all, n_known, is_left, (sums / np.sqrt(np.maximum(n_known, 1)), counts, offers)


@inner
def _read_titles(raw: Any, texts: Any, listing: Any, disguises: Any, model: Any) -> Any:
    """Return what is read in the title of a listing or its passages, and what follows for brand, goods and price.

    Returns
    -------
    tuple
        As of `_read_text`, and numbers of claimed brands; n-grams and known n-grams; whether a plain function has to
        look.
    """
    facts, codes, of_seller, references = listing
    title, _, shared, brand, goods, price, _, _, _, _ = model
    places, n_all, n_known, is_left, read = _read_text(raw, texts, title, shared)
    named = _set(places, _BRANDS)
    brands = _list_brands(named[0], named[1], named[2], named[3], brand[0])
    claimed = _claim_brands(brands, codes)
    claims, is_left_too = _claim(raw, brands, claimed, codes, of_seller, brand[1], disguises)
    named = _set(places, _GOODS)
    of_goods = _describe_goods(named[0], named[1], brands[0], brands[1], *goods)
    prices = _describe_prices(claimed, facts, references, price)
    return (read, claims, of_goods, prices), claimed, n_all, n_known, is_left or is_left_too


@inner
def _read_descriptions(raw: Any, texts: Any, model: Any) -> Any:
    """Return what is read in the description of a listing or its passages, and whether a plain function has to look."""
    _, _, _, is_left, read = _read_text(raw, texts, model[1], model[2])
    return (read, _count_letters(texts[0], texts[1])), is_left


@inner
def _add_both(title: Any, description: Any, weights: Any, total: Any) -> None:
    """Add what values of the title and then those of the description weigh."""
    values = np.empty((1, weights.size))
    copy(title, 0, title.size, values[0], 0)
    copy(description, 0, description.size, values[0], title.size)
    add_rows(values, weights, total)


@inner
def _sum(titles: Any, i: Any, descriptions: Any, j: Any, listing: Any, model: Any) -> Any:
    """Return the log-odds of one of some titles with one of some descriptions."""
    (of_title, counts, offers), claims, of_goods, prices = titles
    (of_description, other_counts, other_offers), letters = descriptions
    facts, codes, _, _ = listing
    _, _, _, _, _, _, age, seller, weights, intercept = model
    total = np.full(1, intercept)
    total[0] += of_title[i]
    total[0] += of_description[j]
    total[0] += facts[WEIGHT_OF_CATEGORY]
    _add_both(counts[i], other_counts[j], weights[0], total)
    add_rows(claims[i : i + 1], weights[1], total)
    add_rows(of_goods[i : i + 1], weights[2], total)
    _add_both(offers[i], other_offers[j], weights[3], total)
    add_rows(prices[i : i + 1], weights[4], total)
    add_rows(_describe_listing(facts, codes, letters[j : j + 1], age), weights[5], total)
    add_rows(_describe_seller(facts, seller), weights[6], total)
    return total[0]


@inner
def _fold_one(raw: Any, most: Any, characters: Any, spelling: Any) -> Any:
    """Return a text folded and read, and whether it is left to the plain function."""
    pages, entries, letters = characters
    ends, folded, is_left = _fold(raw[0], raw[1], most, np.zeros(pages.size, np.bool_), pages, entries, letters)
    ends, folded = _read_only(ends, raw[0]), _read_only(folded, raw[1])
    if is_left[0]:
        return (ends, folded), True
    rows, read_ends, read = _read_texts(ends, folded, *spelling)
    if rows.size:
        both = np.zeros(2, np.int64)
        both[1] = read_ends[0]
        ends, folded = _read_only(both, raw[0]), _read_only(read, raw[1])
    return (ends, folded), False


@inner
def _cut_passages(texts: Any, passages: Any) -> Any:
    """Return the passages of a text that is long; none of one that is not."""
    ends, data, _ = _cut(texts[0], texts[1], *passages)
    return _read_only(ends, texts[0]), _read_only(data, texts[1])


@inner
def _weigh(
    raw_title: Any,
    title: Any,
    raw_description: Any,
    description: Any,
    listing: Any,
    disguises: Any,
    passages: Any,
    used: Any,
    model: Any,
) -> Any:
    """Return the log-odds of a listing by itself, of long texts the worst passage, and the number of its brand.

    The log-odds are NaN where a plain function has to look, or the model may abstain.
    """
    titles, claimed, n_all, n_known, is_left = _read_titles(raw_title, title, listing, disguises, model)
    descriptions, is_left_too = _read_descriptions(raw_description, description, model)
    whole = title[0][0]  # 0; a number that is written here would be compiled apart
    worst = _sum(titles, whole, descriptions, whole, listing, model)
    is_left |= are_unfamiliar(n_all, n_known, used)[0] or not _have_plain_letters(title[0], title[1])[0]
    cut = _cut_passages(title, passages[0])
    if cut[0].size > 1:
        parts, _, _, _, is_part_left = _read_titles(cut, cut, listing, disguises, model)
        is_left |= is_part_left
        for i in range(cut[0].size - 1):
            worst = max(worst, _sum(parts, i, descriptions, whole, listing, model))
    cut = _cut_passages(description, passages[1])
    if cut[0].size > 1:
        others, is_part_left = _read_descriptions(cut, cut, model)
        is_left_too |= is_part_left
        for j in range(cut[0].size - 1):
            worst = max(worst, _sum(titles, whole, others, j, listing, model))
    return np.nan if is_left or is_left_too else worst, claimed[0]


@compiled(error_model="numpy")
def judge(
    title: Any, description: Any, listing: Any, characters: Any, disguises: Any, reading: Any, model: Any, stages: Any
) -> Any:
    """Return log-odds, score and both bounds of one listing; NaN where a plain function, or a person, has to look.

    Parameters
    ----------
    title, description : tuple of offsets and bytes
        As written; a description that is missing is empty.
    listing : tuple of arrays
        What else is known of the listing, by place, in numbers and in whole numbers; the numbers of the brands that
        authorised the seller; the reference price of each brand in the category, in the unit of the price.
    characters, disguises : tuple of arrays
        What is known of the characters met so far.
    reading, model, stages : tuple
        What the model knows, as `ipml.model.single.tables` puts it together.
    """
    judged = np.full(4, np.nan)
    most, spelling, passages = reading
    stage, used, calibration = stages
    read_title, is_left = _fold_one(title, most[0], characters, spelling)
    read_description, is_left_too = _fold_one(description, most[1], characters, spelling)
    if is_left or is_left_too:
        return judged
    alone, claimed = _weigh(title, read_title, description, read_description, listing, disguises, passages, used, model)
    if np.isnan(alone):
        return judged
    facts, codes, _, _ = listing
    slope, weight_of_share, intercept = stage
    joined = np.full(1, slope * alone + weight_of_share * facts[SHARE] + intercept)
    brand = np.full(1, calibration[0][claimed] if claimed >= 0 else codes[CODE_OF_FIELD])
    bounds = judge_rows(joined, codes[CODE_OF_CATEGORY:], brand, *calibration[1])
    judged[0] = joined[0]
    copy(bounds[:, 0], 0, len(bounds), judged, 1)
    return judged
