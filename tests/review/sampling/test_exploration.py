"""Which listings are drawn, and with what probability."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.review.sampling.exploration import DEPTHS, SamplingRule, is_drawn, make_sampling_hash, stratify, to_uniform

SCORES = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=200).map(
    lambda scores: np.sort(np.array(scores, dtype=float))[np.argsort(np.sort(np.array(scores)) * -1, kind="stable")]
)
RULES = st.builds(SamplingRule, st.floats(0.001, 0.9), st.floats(0.05, 1), st.integers(1, 30), st.integers(1, 12))


@given(SCORES, st.integers(0, 200), RULES)
def test_strata_cover_every_place_once(scores: np.ndarray, sure: int, rule: SamplingRule):
    """None is empty, every listing can be drawn, what is shown for its score is sure, and draws are as many as set."""
    sure = min(sure, len(scores))
    strata = stratify(scores, sure, rule)
    places = [place for stratum in strata for place in range(stratum.first, stratum.last + 1)]
    assert places == list(range(1, len(scores) + 1))
    assert all(stratum.listings > 0 for stratum in strata)
    assert all(0 < stratum.sampling_probability <= 1 for stratum in strata) or not sure
    assert all(stratum.sampling_probability == 1 for stratum in strata if stratum.is_sure)
    assert sum(stratum.listings for stratum in strata if stratum.is_sure) == sure
    rest = [stratum for stratum in strata if not stratum.is_sure]
    expected = sum(stratum.sampling_probability * stratum.listings for stratum in rest)
    if all(stratum.sampling_probability < 1 for stratum in rest) and rest:
        assert expected == pytest.approx(rule.expected_draws(sure))
    assert expected <= rule.expected_draws(sure) * (1 + 1e-9)


def test_odds_are_higher_where_a_review_tells_more():
    """A listing that may be either is drawn more often than one that is nearly sure to be genuine."""
    strata = stratify(np.geomspace(0.5, 0.0005, 20_000), 1_000, SamplingRule(0.3))
    sampling_probability = [stratum.sampling_probability for stratum in strata if not stratum.is_sure]
    assert sampling_probability == sorted(sampling_probability, reverse=True)
    assert sampling_probability[0] > 2 * sampling_probability[-1]


def test_a_stratum_ends_where_precision_is_asked_for():
    """Precision among the first 100, 1,000 and 5,000 needs no listing of a stratum to be split."""
    ends = {stratum.last for stratum in stratify(np.linspace(1, 0, 6_000), 50, SamplingRule(0.05))}
    assert ends >= {50, *DEPTHS, 6_000}


def test_what_the_model_could_not_judge_is_a_stratum_of_its_own():
    """No stratum holds both listings with a score and listings without."""
    scores = np.append(np.linspace(1, 0, 90), [np.nan] * 10)
    last = stratify(scores, 20, SamplingRule(0.2))[-1]
    assert (last.first, last.highest_score, last.lowest_score) == (91, None, None)
    assert last.sampling_probability > 0


def test_a_share_that_leaves_no_time_is_refused():
    """All the time for drawn listings would need endlessly many of them."""
    for share in (-0.1, 1.0, 1.5, float("nan")):
        with pytest.raises(UnusableSetting, match="share of exploration"):
            SamplingRule(share)


def test_another_seed_or_model_draws_others():
    """A listing's draw follows from seed, model and listing, and from nothing else."""
    keys = [f"A{number}" for number in range(500)]
    draws = [
        [make_sampling_hash(seed)(model, key) for key in keys]
        for seed, model in (("00", "m1"), ("00", "m1"), ("01", "m1"), ("00", "m2"))
    ]
    assert draws[0] == draws[1]
    assert len({hashed for draw in draws[1:] for hashed in draw}) == 1_500


@given(st.lists(st.integers(0, 2**64 - 1), max_size=20))
def test_odds_of_one_draw_all(hashes: list[int]):
    """The highest ticket, too, is below 1."""
    assert is_drawn(hashes, np.ones(len(hashes))).all()
    assert (to_uniform(hashes) >= 0).all()


def test_draws_are_even():
    """Of many listings the share drawn is that of the odds (within four standard errors)."""
    n, draw = 20_000, make_sampling_hash("ab" * 32)
    hashes = [draw("m1", f"2024-05-01 {number}") for number in range(n)]
    for odds in (0.01, 0.3):
        assert abs(is_drawn(hashes, np.full(n, odds)).mean() - odds) < 4 * np.sqrt(odds * (1 - odds) / n)
