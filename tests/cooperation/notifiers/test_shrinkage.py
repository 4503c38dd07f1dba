"""Laws of shares with intervals: what few and what many trials say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from ipml.cooperation.notifiers.record import Prior, learn_prior, shrink

PRIORS = st.builds(lambda mean, weight: Prior(((mean, weight, 1.0),)), st.floats(0.02, 0.98), st.floats(0.5, 50))


@st.composite
def trials(draw, most: int = 2000) -> tuple[int, int]:
    """Draw hits and trials."""
    total = draw(st.integers(1, most))
    return draw(st.integers(0, total)), total


@given(trials(), PRIORS)
def test_the_mean_lies_between_what_was_seen_and_what_was_presumed(record, prior):
    """And nearer to what was seen, the more that was."""
    hits, total = record
    rate, longer = shrink(hits, total, prior), shrink(10 * hits, 10 * total, prior)
    low, high = sorted((hits / total, prior.mean))
    assert low - 1e-9 <= rate.mean <= high + 1e-9
    assert abs(longer.mean - hits / total) <= abs(rate.mean - hits / total) + 1e-9


@given(trials(), PRIORS)
def test_the_interval_is_the_middle_of_the_posterior(record, prior):
    """As scipy's beta distribution has it."""
    hits, total = record
    mean, weight, _ = prior.points[0]
    a, b = mean * weight + hits, (1 - mean) * weight + total - hits
    rate = shrink(hits, total, prior, 0.9)
    assert (rate.low, rate.high) == pytest.approx(beta.interval(0.9, a, b), abs=1e-6)


MIXTURES = st.builds(learn_prior, st.lists(trials(50), max_size=9), st.just(0.7), st.just(2.0))


@settings(max_examples=10)
@given(trials(200), MIXTURES)
def test_a_mixture_says_no_more_than_the_priors_it_is_of(record, prior):
    """Its mean and ends lie between theirs; and what is sure to be below the ends is as likely as what is above."""
    rate = shrink(*record, prior)
    each = [shrink(*record, Prior(((mean, weight, 1.0),))) for mean, weight, _ in prior.points]
    for name in ("low", "mean", "high"):
        found = [getattr(one, name) for one in each]
        assert min(found) - 1e-8 <= getattr(rate, name) <= max(found) + 1e-8
    assert sum(odds for *_, odds in prior.points) == pytest.approx(1)
    assert prior.complement.mean == pytest.approx(1 - prior.mean)


def test_of_nobody_as_much_is_known_as_is_presumed():
    """And those without trials teach nothing."""
    assert learn_prior([], 0.7, 2).mean == pytest.approx(0.7, abs=0.01)
    assert learn_prior([(0, 0)] * 20, 0.7, 2) == learn_prior([], 0.7, 2)


def test_the_prior_is_learnt_from_all():
    """With many notifiers it comes near the truth, in its mean and in how alike they are."""
    mean, weight = 0.3, 5
    drawn = np.random.default_rng(7)
    totals = drawn.integers(5, 60, size=400)
    hits = drawn.binomial(totals, drawn.beta(mean * weight, (1 - mean) * weight, size=400))
    found = learn_prior(zip(hits.tolist(), totals.tolist(), strict=True), 0.7, 2)
    assert found.mean == pytest.approx(mean, abs=0.03)
    assert sum(one * odds for _, one, odds in found.points) == pytest.approx(weight, rel=0.35)


def test_records_that_are_all_alike_do_not_outweigh_everybody():
    """The prior weighs at most what the policy says, and a hundred perfect records leave doubt about the next."""
    prior = learn_prior([(20, 20)] * 100, 0.7, 2, most_weight=50)
    assert max(weight for _, weight, _ in prior.points) <= 50 + 1e-9
    assert prior.mean < 1
    assert shrink(0, 200, prior).high < 0.3


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Over notifiers whose shares are drawn anew, with the prior learnt from the same few records."""
    count = 4
    drawn = np.random.default_rng(count)
    held = total = 0
    for _ in range(800 // count):
        trials = drawn.integers(0, 80, size=count)
        shares = drawn.beta(7, 3, size=count)
        records = list(zip(drawn.binomial(trials, shares).tolist(), trials.tolist(), strict=True))
        prior = learn_prior(records, 0.7, 2)
        rates = [shrink(*record, prior) for record in records]
        held += sum(rate.low <= share <= rate.high for rate, share in zip(rates, shares, strict=True))
        total += count
    assert held / total == pytest.approx(0.9, abs=0.03)  # 800 draws: nearly three deviations
