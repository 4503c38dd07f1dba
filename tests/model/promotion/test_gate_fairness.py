"""The gate refuses a model that is clearly unfair to a kind of seller, and none that only looks so by chance."""

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from ipml.model.evaluation.fairness import seller_fairness
from ipml.model.evaluation.metrics import Estimate
from ipml.model.promotion import load_rules
from ipml.model.promotion.gate import GateFacts, GateRow, GateRules, judge

RULES = load_rules()
LIMIT = RULES.false_positive_ratio_small.at_most
RATIOS = ("false_positive_ratio_small", "false_positive_ratio_new")
numbers = st.floats(0, 10)
ratios = st.lists(numbers, min_size=3, max_size=3).map(sorted).map(lambda v: Estimate(v[1], v[0], v[2]))


def judge_ratio(
    ratio: Estimate | float | None, champion: Estimate | float | None, name: str = RATIOS[0], rules: GateRules = RULES
) -> GateRow:
    """Return the row of a ratio of false alarms."""
    report = judge(GateFacts(**{name: ratio}), GateFacts(**{name: champion}), rules)
    (row,) = [row for row in report.rows if row.rule.startswith("false alarms") and name.split("_")[-1] in row.rule]
    return row


def measure_ratio(n_sellers: int, small_rate: float, large_rate: float, seed: int) -> Estimate:
    """Measure a model that flags genuine listings at these rates, over so many sellers of each kind."""
    small = [f"small{i}" for i in range(n_sellers) for _ in range(4)]
    large = [f"large{i}" for i in range(n_sellers) for _ in range(12)]
    is_small = np.arange(len(small) + len(large)) < len(small)
    is_flagged = np.random.default_rng(seed).random(len(is_small)) < np.where(is_small, small_rate, large_rate)
    y = np.zeros(len(is_small))
    y[0] = 1
    listings = pd.DataFrame({"seller_id": small + large})
    ratio = seller_fairness(y, is_flagged * 0.9, listings, 0.5, n_resamples=200).false_positive_ratio_small
    assert ratio is not None
    return ratio


def test_a_really_unfair_model_is_refused() -> None:
    """Five times as many false alarms on small sellers, over many of them, leave nothing to chance."""
    ratio = measure_ratio(150, small_rate=0.25, large_rate=0.05, seed=0)
    row = judge_ratio(ratio, None)
    assert row.is_refused
    assert row.reason == "small sellers are suspected too readily"


def test_chance_in_a_small_sample_refuses_no_fair_model() -> None:
    """Of forty fair models tested on twelve sellers of each kind, several look unfair and none is refused."""
    fair = [measure_ratio(12, small_rate=0.06, large_rate=0.06, seed=seed) for seed in range(40)]
    looks_unfair = [ratio for ratio in fair if ratio.value > LIMIT]
    assert len(looks_unfair) >= 3
    assert not any(judge_ratio(ratio, None).is_refused for ratio in fair)
    assert {judge_ratio(ratio, None).reason for ratio in looks_unfair} == {
        "may be chance: the interval reaches the limit"
    }


@given(ratio=ratios, champion=st.none() | numbers | ratios)
def test_only_what_is_clear_refuses(ratio: Estimate, champion: Estimate | float | None) -> None:
    """A ratio is refused if and only if its whole interval is above the limit, or above both 1 and the champion's."""
    is_less_fair = isinstance(champion, Estimate) and ratio.low > max(champion.high, 1)
    for name in RATIOS:
        row = judge_ratio(ratio, champion, name)
        assert row.is_refused == (ratio.low > LIMIT or is_less_fair)
        assert row.reason or ratio.value <= LIMIT


def test_clearly_less_fair_than_the_champion_is_refused_within_the_limit() -> None:
    """Unless own rules leave the champion out; a ratio not clearly above 1, or a bare number, is not compared."""
    row = judge_ratio(Estimate(1.8, 1.5, 2.2), Estimate(0.9, 0.7, 1.2))
    assert (row.is_refused, row.reason) == (True, "clearly worse than that of the model in use")
    rules = RULES.false_positive_ratio_small.model_copy(update={"must_not_worsen": False})
    own = RULES.model_copy(update={"false_positive_ratio_small": rules})
    for low, passes in ((1.5, True), (2.5, False)):
        assert judge_ratio(Estimate(3.0, low, 5.0), Estimate(0.9, 0.7, 1.2), rules=own).passed is passes
    assert judge_ratio(Estimate(1.0, 0.9, 1.1), Estimate(0.4, 0.3, 0.5)).passed
    assert judge_ratio(Estimate(1.8, 1.5, 2.2), 0.9).passed


def test_the_table_shows_ratio_and_interval() -> None:
    """Value and interval of candidate and champion, the end that the limit is for, and why it passed."""
    row = judge_ratio(Estimate(2.6, 0.8, 5.0), Estimate(1.4, 0.9, 2.0))
    assert (row.measured, row.champion) == ("2.600 (0.800 to 5.000)", "1.400 (0.900 to 2.000)")
    assert row.required == "lower end at most 2"
    assert (row.passed, row.reason) == (True, "may be chance: the interval reaches the limit")
