"""Judgement: scores of some listings, and why the model abstains from one or warns of its score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ipml.features.columns import ListingColumns
from ipml.features.portfolio import EarlierOfEach
from ipml.records import EarlierListings, Highlight, PriceRange, Reason

Floats = NDArray[np.float64]

NO_LETTERS = "the title has no letters"
UNKNOWN_WORDS = "the title is in words the model does not know"
TOO_UNCERTAIN = "too few sellers like this one have been judged"
CAUSES = (None, NO_LETTERS, UNKNOWN_WORDS, TOO_UNCERTAIN)
UNREAD = "The title is in {} script, which this model was not trained on: the score rests on all else that is known"
UNMET = "The title is in {} script, in words this model was not trained on: the score rests on all else that is known"
HARDLY_READ = "Most of the title is in {} script, which this model was not trained on: the score rests on the rest"


class Unread(NamedTuple):
    """Listings, by row, with titles mostly in scripts that are rare in training, or in words of a script other than
    Latin that are all new.

    Attributes
    ----------
    says_nothing : list of int
        Rows of titles without a known word; only the brands and goods that they name count.
    """

    warnings: Mapping[int, str]
    says_nothing: Sequence[int]


NONE_UNREAD = Unread({}, ())


@dataclass(frozen=True)
class CalibratedScores:
    """Scores of some listings, a row each; NaN where the model abstains."""

    columns: ListingColumns
    known: EarlierOfEach
    log_odds: Floats
    score: Floats
    low: Floats
    high: Floats
    alone: Floats
    causes: NDArray[np.int8]
    unread: Unread

    def leave_out(self) -> None:
        """Remove the numbers of listings from which the model abstains."""
        for numbers in (self.log_odds, self.score, self.low, self.high):
            numbers[self.causes > 0] = np.nan

    def warned(self) -> pd.api.extensions.ExtensionArray:
        """Return the warning about each score; missing if there is none."""
        texts: list[str | None] = [None, *dict.fromkeys(self.unread.warnings.values())]
        codes = np.zeros(len(self.columns), dtype=np.intp)
        for row, text in self.unread.warnings.items():
            codes[row] = texts.index(text)
        return pd.array(texts, dtype="str").take(codes)

    def abstained(self) -> pd.api.extensions.ExtensionArray:
        """Return why the model abstains from each listing; missing if it does not."""
        return pd.array(CAUSES, dtype="str").take(self.causes.astype(np.intp))

    def earlier(self) -> list[EarlierListings]:
        """Return the earlier listings of each seller."""
        return [self.known.of(row) for row in range(len(self.columns))]


class Explained(NamedTuple):
    """Reasons for one score, and the usual price of goods of its brand."""

    reasons: tuple[Reason, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    price_range: PriceRange | None = None
    description_highlights: tuple[Highlight, ...] = ()
    read_as: str | None = None
    base_rate: float | None = None
