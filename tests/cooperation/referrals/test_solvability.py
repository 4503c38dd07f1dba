"""What becomes of referrals teaches how likely the next become cases, slowly and in the right direction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cooperation.referral_ranking import measure
from ipml.cooperation.policy import SIGNS, load_cooperation_policy
from ipml.cooperation.referrals.handover import Known, learn_solvability
from ipml.cooperation.referrals.ranking import Ranked, sort_by_expected_value
from ipml.money import Money

RULES = load_cooperation_policy().referrals.solvability
signs = st.fixed_dictionaries({name: st.floats(0, 1) for name in SIGNS})
outcomes = st.lists(st.builds(Known, signs, st.booleans()), max_size=12)


def test_before_any_outcome_the_policy_judges():
    """The weights are those of the policy."""
    weights = learn_solvability(RULES, []).weights
    assert weights.tolist() == [RULES.intercept, *(RULES.weights[name] for name in SIGNS)]


@given(outcomes, signs)
def test_a_case_raises_what_is_like_it_and_a_dropped_one_lowers_it(known, one):
    """Never the other way round, whatever was learnt before; and a certainty it never becomes."""
    before = learn_solvability(RULES, known).judge(one)
    better = learn_solvability(RULES, [*known, Known(one, True)]).judge(one)
    worse = learn_solvability(RULES, [*known, Known(one, False)]).judge(one)
    assert 0 < worse < before < better < 1


@given(outcomes)
def test_the_weights_are_at_the_maximum(known):
    """Where the gradient of log-likelihood and prior is nothing; in whatever order the outcomes came."""
    model = learn_solvability(RULES, known)
    rows = np.array([[1.0, *(one.signs[name] for name in SIGNS)] for one in known]).reshape(len(known), 1 + len(SIGNS))
    p = 1 / (1 + np.exp(-rows @ model.weights))
    prior = np.array([RULES.intercept, *(RULES.weights[name] for name in SIGNS)])
    gradient = rows.T @ (np.array([one.is_case for one in known]) - p) - (model.weights - prior) / RULES.spread**2
    assert np.abs(gradient).max() < 1e-6
    assert np.allclose(learn_solvability(RULES, known[::-1]).weights, model.weights)


@given(outcomes, signs)
def test_the_parts_add_up_and_the_interval_holds_the_middle(known, one):
    """What each sign adds sums to the log-odds."""
    model = learn_solvability(RULES, known)
    low, high = model.bound(one)
    assert low < model.judge(one) < high
    assert np.isclose(sum(model.explain(one).values()), np.log(model.judge(one) / (1 - model.judge(one))))


def test_more_outcomes_are_surer():
    """The interval gets narrower."""
    one = dict.fromkeys(SIGNS, 0.5)
    widths = [
        np.subtract(*learn_solvability(RULES, [Known(one, n % 2 == 0) for n in range(k)]).bound(one)[::-1])
        for k in (0, 8, 64)
    ]
    assert widths[0] > widths[1] > widths[2]


@given(st.floats(1, 1e6), st.floats(0.01, 0.99), st.floats(1, 1e3), st.floats(1.01, 10))
def test_worth_follows_its_parts(value, solvability, effort, factor):
    """More value or a likelier case comes first, more work later."""
    base = Ranked(1, 3, 3, Money(value, "EUR"), solvability, effort, {})
    better = Ranked(2, 3, 3, Money(value * factor, "EUR"), solvability, effort, {})
    costly = Ranked(3, 3, 3, Money(value, "EUR"), solvability, effort * factor, {})
    assert [one.number for one in sort_by_expected_value([costly, base, better])] == [2, 1, 3]


@pytest.mark.slow
def test_the_ranking_gets_better_by_outcomes():
    """In simulated worlds where the policy is wrong, more of the first five become cases after 40 outcomes."""
    table = measure(30, off=1.5)
    precision = table["precision of first 5"]
    assert (
        precision["value an hour alone"]
        < precision["0 outcomes"]
        < precision["40 outcomes"]
        < precision["weights known"]
    )
    assert table["Brier"]["40 outcomes"] < table["Brier"]["0 outcomes"] / 2
