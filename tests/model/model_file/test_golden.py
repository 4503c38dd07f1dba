"""A model that scores the golden listings otherwise than its card says is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from ipml.errors import UntrustedModel
from ipml.listings.schema import check_listings, listings_to_frame
from ipml.model.model_file import load_model
from ipml.model.model_file.model_file import GOLDEN_LISTINGS, check_golden
from ipml.model.model_file.state import pack
from ipml.model.pipeline import CounterfeitClassifier


def test_a_state_that_scores_otherwise_is_refused(
    folder: Path, other_classifier: CounterfeitClassifier, reseal: Callable[..., None]
) -> None:
    """Or not at all, even with a fitting manifest; the golden listings keep the rules of the schema."""
    assert len(check_listings(listings_to_frame(GOLDEN_LISTINGS))) == len(GOLDEN_LISTINGS)
    reseal(folder, model=pack(other_classifier))
    with pytest.raises(UntrustedModel):
        load_model(folder)
    reseal(folder, model=pack([1, 2, 3]))
    with pytest.raises(UntrustedModel, match="decision_function"):
        load_model(folder)


@dataclass
class Answering:
    """A classifier that gives these log-odds, whatever it is asked."""

    log_odds: list[float]

    def decision_function(self, X: pd.DataFrame) -> NDArray[np.float64]:
        """Return them."""
        return np.array(self.log_odds)


N = len(GOLDEN_LISTINGS)


def test_rounding_is_no_difference() -> None:
    """Another order of summation may change the last bits of a log-odds."""
    check_golden(Answering([1.0 + 1e-12] * N), [1.0] * N, Path("model"))


def test_one_other_log_odds_is_enough() -> None:
    """A single listing that scores otherwise, or is given no number, is refused wherever it stands."""
    for place, wrong in product(range(N), (1.0 + 1e-8, float("nan"), float("inf"))):
        log_odds = [1.0] * N
        log_odds[place] = wrong
        with pytest.raises(UntrustedModel):
            check_golden(Answering(log_odds), [1.0] * N, Path("model"))


def test_every_listing_has_its_log_odds() -> None:
    """A card or a classifier that leaves listings out is refused, also where both do."""
    for n_given, n_expected in ((0, 0), (1, 1), (N, N - 1), (N - 1, N)):
        with pytest.raises(UntrustedModel, match="log-odds"):
            check_golden(Answering([1.0] * n_given), [1.0] * n_expected, Path("model"))
