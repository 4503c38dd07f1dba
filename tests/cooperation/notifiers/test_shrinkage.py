"""Laws of shares with intervals: what few and what many trials say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, betabinom

from ipml.cooperation.notifiers.shrinkage import Prior, Rate, fit_prior, shrink

IS_ARITHMETIC = True
PRIORS = st.builds(Prior, st.floats(0.02, 0.98), st.floats(0.5, 50))


@st.composite
def trials(draw, most: int = 2000) -> tuple[int, int]:
    """Draw hits and trials."""
    total = draw(st.integers(1, most))
    return draw(st.integers(0, total)), total


def ends(rate: Rate) -> tuple[float, float, float]:
    """Return lower end, mean and upper end."""
    return rate.low, rate.mean, rate.high


def test_nine_of_ten_is_not_nine_hundred_of_a_thousand():
    """The more was seen, the nearer is the lower end to the share itself."""
    few, many = (shrink(*record, Prior(0.7, 2)) for record in ((9, 10), (900, 1000)))
    assert few.low < 0.7 < 0.88 < many.low
    assert few.mean < many.mean < 0.9


@given(trials(), PRIORS)
def test_one_more_hit_never_lowers_anything(record, prior):
    """Nor does one more miss raise anything."""
    hits, total = record
    rate = shrink(hits, total, prior)
    more, less = shrink(hits + 1, total + 1, prior), shrink(hits, total + 1, prior)
    for worse, same, better in zip(ends(less), ends(rate), ends(more), strict=True):
        assert worse <= same + 1e-9 <= better + 2e-9


@given(trials(), PRIORS)
def test_the_mean_lies_between_what_was_seen_and_what_was_presumed(record, prior):
    """And nearer to what was seen, the more that was."""
    hits, total = record
    rate, longer = shrink(hits, total, prior), shrink(10 * hits, 10 * total, prior)
    low, high = sorted((hits / total, prior.mean))
    assert low - 1e-9 <= rate.mean <= high + 1e-9
    assert abs(longer.mean - hits / total) <= abs(rate.mean - hits / total) + 1e-9


@given(st.integers(1, 19), st.integers(1, 40), st.integers(1, 60), PRIORS)
def test_the_interval_narrows_as_the_same_share_is_seen_more_often(twentieths, little, more, prior):
    """Where nothing surprises: the share seen is the one presumed."""
    presumed = Prior(twentieths / 20, prior.weight)
    few, many = (shrink(twentieths * n, 20 * n, presumed) for n in (little, little + more))
    assert many.high - many.low < few.high - few.low


@given(trials(), PRIORS)
def test_the_interval_is_the_middle_of_the_posterior(record, prior):
    """As scipy's beta distribution has it."""
    hits, total = record
    a, b = prior.mean * prior.weight + hits, (1 - prior.mean) * prior.weight + total - hits
    rate = shrink(hits, total, prior, 0.9)
    assert (rate.low, rate.high) == pytest.approx(beta.interval(0.9, a, b), abs=1e-6)


@given(st.lists(trials(50), max_size=9))
def test_too_few_notifiers_teach_nothing(records):
    """The presumption of the policy holds, and those without trials do not count as notifiers."""
    assert fit_prior([*records, *[(0, 0)] * 20], Prior(0.7, 2)) == Prior(0.7, 2)


@pytest.mark.parametrize("truth", [Prior(0.9, 20), Prior(0.3, 5)])
def test_the_prior_is_learnt_from_all(truth: Prior):
    """With enough notifiers it comes near the truth, and is likelier than the truth by the records there are."""
    drawn = np.random.default_rng(7)
    totals = drawn.integers(5, 60, size=400)
    shares = drawn.beta(truth.mean * truth.weight, (1 - truth.mean) * truth.weight, size=400)
    records = [(int(drawn.binomial(n, share)), int(n)) for n, share in zip(totals, shares, strict=True)]
    found = fit_prior(records, Prior(0.7, 2))

    def likelihood(prior: Prior) -> float:
        a, b = prior.mean * prior.weight, (1 - prior.mean) * prior.weight
        return float(betabinom.logpmf(*np.array(records).T, a, b).sum())

    assert found.mean == pytest.approx(truth.mean, abs=0.03)
    assert likelihood(found) > likelihood(truth) - 0.5


def test_records_that_are_all_alike_do_not_make_a_prior_that_outweighs_everybody():
    """It weighs at most what the policy says, and a hundred perfect records leave doubt about the next."""
    prior = fit_prior([(20, 20)] * 100, Prior(0.7, 2), most_weight=50)
    assert prior.weight <= 50
    assert prior.mean < 1
    assert shrink(0, 200, prior).high < 0.3


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Over notifiers whose shares are drawn anew, with the prior learnt from the same records."""
    drawn = np.random.default_rng(1)
    held = total = 0
    for _ in range(25):
        n = drawn.integers(0, 80, size=60)
        shares = drawn.beta(7, 3, size=60)
        hits = drawn.binomial(n, shares)
        prior = fit_prior(list(zip(hits.tolist(), n.tolist(), strict=True)), Prior(0.7, 2))
        rates = [shrink(int(k), int(count), prior) for k, count in zip(hits, n, strict=True)]
        held += sum(rate.low <= share <= rate.high for rate, share in zip(rates, shares, strict=True))
        total += len(rates)
    assert held / total == pytest.approx(0.9, abs=0.025)  # 1,500 draws: two and a half deviations or more
