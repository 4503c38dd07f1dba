"""Judgement: what a model says of some listings, and why it abstains from one or warns of its score."""

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
    """The listings whose titles are mostly in scripts that training hardly met, or all in words of another script than
    Latin that it never met, by row.

    Attributes
    ----------
    warnings : dict of int to str
    says_nothing : list of int
        Those whose titles have no word that is known: what is left of their titles are the brands and goods they name.
    """

    warnings: Mapping[int, str]
    says_nothing: Sequence[int]


NONE_UNREAD = Unread({}, ())


@dataclass(frozen=True)
class CalibratedScores:
    """What a model says of some listings, a row each; NaN where it abstains."""

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
        """Take away the numbers of listings that the model abstains from."""
        for numbers in (self.log_odds, self.score, self.low, self.high):
            numbers[self.causes > 0] = np.nan

    def warned(self) -> pd.api.extensions.ExtensionArray:
        """Return what the score of each listing cannot rest on, missing where there is no such thing."""
        texts: list[str | None] = [None, *dict.fromkeys(self.unread.warnings.values())]
        codes = np.zeros(len(self.columns), dtype=np.intp)
        for row, text in self.unread.warnings.items():
            codes[row] = texts.index(text)
        return pd.array(texts, dtype="str").take(codes)

    def abstained(self) -> pd.api.extensions.ExtensionArray:
        """Return why the model abstains from each listing, missing where it does not."""
        return pd.array(CAUSES, dtype="str").take(self.causes.astype(np.intp))

    def earlier(self) -> list[EarlierListings]:
        """Return what is known of the earlier listings of each seller."""
        return [self.known.of(row) for row in range(len(self.columns))]


class Explained(NamedTuple):
    """Why a listing scores as it does, and what goods of its brand usually cost."""

    reasons: tuple[Reason, ...] = ()
    highlights: tuple[Highlight, ...] = ()
    price_range: PriceRange | None = None
    description_highlights: tuple[Highlight, ...] = ()
    read_as: str | None = None
    base_rate: float | None = None
