"""First stage: log-odds of listings, extractor by extractor."""

import re

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.goods import claimed_brands
from ipml.features.text import NgramSums
from ipml.model.compiled_stage import HAS_NO_PLAIN_LETTERS, IS_UNFAMILIAR, PASSAGE_WORDS
from ipml.model.stages import FirstStage, split_long_texts

Floats = NDArray[np.float64]


def score(stage: FirstStage, listings: ListingColumns) -> tuple[Floats, NDArray[np.int64], NDArray[np.uint8]]:
    """Return log-odds, of long texts those with the worst passage; brands, -1 for none; and what else is found."""
    log_odds = stage.sum(listings)
    for column in PASSAGE_WORDS:
        if split := split_long_texts(listings, column):
            passages, owners = split
            np.maximum.at(log_odds, owners, stage.sum(passages))
    title = stage.text_part("title")
    found = np.zeros(len(listings), dtype=np.uint8)
    found[are_unfamiliar(title.sum(listings), title.extractor.prepared)] |= IS_UNFAMILIAR
    is_bare = [re.search("[a-z0-9]", text) is None for text in listings.folded("title").strings()]
    found[np.array(is_bare)] |= HAS_NO_PLAIN_LETTERS
    return log_odds, claimed_brands(listings, stage.parts["brand"].extractor.table_), found


def are_unfamiliar(sums: NgramSums, used: float) -> NDArray[np.bool_]:
    """Say which titles have no more known n-grams than chance, with three standard deviations, and nine in ten."""
    n_all = np.maximum(sums.n_all, 1)
    by_chance = used + 3 * np.sqrt(used * (1 - used) / n_all)
    return sums.n_known / n_all <= np.minimum(by_chance, 0.9)


def explain(stage: FirstStage, listings: ListingColumns) -> Floats:
    """Return what each feature adds; of long texts that of the worst passage."""
    parts, highest = contributions(stage, listings), stage.sum(listings)
    for column in PASSAGE_WORDS:
        if split := split_long_texts(listings, column):
            passages, owners = split
            sums = stage.sum(passages)
            worst = np.lexsort((-sums, owners))[np.flatnonzero(np.diff(owners, prepend=-1))]
            worst = worst[sums[worst] > highest[owners[worst]]]
            highest[owners[worst]] = sums[worst]
            if len(worst):
                parts[owners[worst]] = contributions(stage, passages.take(worst))
    return parts


def contributions(stage: FirstStage, listings: ListingColumns) -> Floats:
    """Return what each feature adds to listings read whole."""
    return np.concatenate([part.contributions(listings) for part in stage.parts.values()], axis=1)
