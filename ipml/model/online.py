"""Online scoring: a classifier prepared for one listing at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ipml.features.column import Names
from ipml.features.columns import ListingColumns
from ipml.features.goods import BrandFinder
from ipml.model.calibration.calibration import calibrate_rows
from ipml.model.compiled_stage import StageScores
from ipml.model.pipeline import CounterfeitClassifier
from ipml.records import Listing

_MOST_REMEMBERED = 4_096


class CalibratedScore(NamedTuple):
    """A model's score of one listing; `alone` is the probability without the seller's portfolio."""

    log_odds: float
    score: float
    low: float
    high: float
    alone: float


class OnlineClassifier:
    """A classifier prepared for one listing at a time; scores equal those of frames to the bit. Threads may share it.

    >>> import pandas as pd
    >>> listings = pd.DataFrame({"seller_id": list("abcdefgh"), "title": ["Wool hat", "AAA replica watch"] * 4})
    >>> classifier = CounterfeitClassifier(n_folds=2).fit(listings, [0, 1] * 4)
    >>> online = OnlineClassifier(classifier)
    >>> scored = online.calibrate_with_bounds(Listing("1", "i", "AAA replica watch"), share=0.0)
    >>> scored.score == float(classifier.predict_proba({"seller_id": ["i"], "title": ["AAA replica watch"]})[0, 1])
    True
    """

    def __init__(self, classifier: CounterfeitClassifier) -> None:
        self._weigh = classifier.first_stage.score_one(classifier.reading)
        self._second, self._calibration = classifier.second_stage_, classifier.calibration_
        self._table = self._calibration.table()
        self._alone = classifier.listing_calibration_
        names = BrandFinder.of(classifier.brand_table).names
        self._brand_codes = self._calibration.brand_numbers(Names(np.arange(len(names)), names)).tolist()
        self._category_code = lru_cache(_MOST_REMEMBERED)(self._find_category)
        self._field_code = lru_cache(_MOST_REMEMBERED)(self._find_field)

    def calibrate_with_bounds(
        self, listing: Listing, share: float, scores: StageScores | None = None
    ) -> CalibratedScore | None:
        """Return the score of a listing; None where the title is unfamiliar, so that the model may abstain.

        `share` is the suspicious share of the seller's earlier listings, `scores` those of the first stage, if known.
        """
        if scores is None:
            alone, brand, found = self._weigh(listing)
        else:
            alone, brand, found = scores.log_odds.item(), scores.brands.item(), scores.found.item()
        if found:
            return None
        log_odds = float(self._second.log_odds(alone, share))
        code = self._brand_codes[brand] if brand >= 0 else self._field_code(listing.brand)
        codes = np.array([self._category_code(listing.category), code])
        score, low, high = calibrate_rows(np.array([log_odds]), codes[:1], codes[1:], self._table).ravel().tolist()
        return CalibratedScore(log_odds, score, low, high, self._alone.probability(np.array([alone])).item())

    def _find_category(self, category: str | None) -> int:
        return int(self._calibration.category_numbers(Names.of([category]))[0])

    def _find_field(self, brand: str | None) -> int:
        folded = ListingColumns({"brand": [brand]}).folded_names("brand")
        return int(self._calibration.brand_numbers(folded)[0])
