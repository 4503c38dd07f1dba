"""What resampling sellers promises."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from ipml.model.evaluation import ranking as resampling
from ipml.model.evaluation.metrics import resample_all


@pytest.fixture
def market() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three hundred listings of forty sellers, ten of whom offer counterfeits only."""
    random = np.random.default_rng(5)
    sellers = random.integers(40, size=300)
    y = (sellers < 10).astype(float)
    return y, np.clip(random.normal(0.3 + 0.3 * y, 0.2), 0, 1), sellers


def test_a_resample_counts_the_listings_of_a_seller_as_often_as_it_was_drawn(market):
    """The values of the bootstrap are the measures under whole weights that are equal within a seller."""
    y, score, sellers = market
    draws = resample_all(y, score, sellers, measures=["average_precision"], n_resamples=4, seed=3)
    generator = np.random.default_rng(3)
    for value in draws["average_precision"][1:]:
        drawn = np.bincount(generator.integers(40, size=40), minlength=40)
        assert value == pytest.approx(average_precision_score(y, score, sample_weight=drawn[sellers]))


def test_intervals_do_not_depend_on_how_many_resamples_fit_in_the_cache(market, monkeypatch):
    """Counting one resample at a time gives the same draws as counting all at once."""
    y, score, sellers = market
    together = resample_all(y, score, sellers, n_resamples=20)
    monkeypatch.setattr(resampling, "_CELLS_AT_A_TIME", 1)
    for name, values in resample_all(y, score, sellers, n_resamples=20).items():
        np.testing.assert_allclose(values, together[name])


def test_counterfeits_worth_the_same_are_counted(market):
    """Where each counterfeit is worth 1, the rankings are those without worth."""
    y, score, sellers = market
    plain = resampling.resample_rankings(y, score, sellers, n_resamples=5)
    worthy = resampling.resample_rankings(y, score, sellers, worth=np.ones(300), n_resamples=5)
    for (numbers, ranking), (same_numbers, same) in zip(plain, worthy, strict=True):
        np.testing.assert_array_equal(numbers, same_numbers)
        np.testing.assert_array_equal(ranking.positives, same.positives)


def test_sums_are_over_the_same_resamples_as_rankings(market):
    """The number of listings and of counterfeits of each resample is that of its ranking."""
    y, score, sellers = market
    sums = resampling.resample_sums(np.column_stack([np.ones(300), y]), sellers, n_resamples=8, seed=3)
    for numbers, ranking in resampling.resample_rankings(y, score, sellers, n_resamples=8, seed=3):
        np.testing.assert_allclose(sums[numbers, 0], ranking.listings[:, -1])
        np.testing.assert_allclose(sums[numbers, 1], ranking.positives[:, -1])
