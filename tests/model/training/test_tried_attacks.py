"""A training tries the attacks that its experiment names, and says how much of the finds they leave."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ipml.errors import UnusableSetting
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.robustness.robustness import ATTACKS
from ipml.model.training import Experiment
from ipml.model.training.result import SOME, choose_attacks, measure_attacks, recall_kept

Y = np.array([True, False] * 10)


def plan(attacks: Any) -> Experiment:
    """Return an experiment that tries these attacks."""
    return Experiment(name="e", data={"listings": "a.csv"}, evaluation={"attacks": attacks, "n_resamples": 10})


def make_tested(clean: np.ndarray, **attacked: np.ndarray) -> kept.Tested:
    """Return a test with these scores before and after attacks."""
    listings = pd.DataFrame({"seller_id": [f"s{row}" for row in range(len(Y))]})
    return kept.Tested(listings, Y, {MODEL: [clean]}, attacked)


def test_words_stand_for_sets_of_attacks():
    """None, some of each kind, or all there are; an unknown attack is named in one line beside those there are."""
    for attacks, expected in (("none", set()), ([], set()), ("some", set(SOME)), ("all", {*ATTACKS})):
        assert {attack.name for attack in choose_attacks(plan(attacks))} == expected
    assert {ATTACKS[name].kind for name in SOME} == {attack.kind for attack in ATTACKS.values()}
    with pytest.raises(UnusableSetting, match=r"found 'leet digit'; expected an attack .* such as leet digits"):
        choose_attacks(plan(["leet digit"]))


def test_what_was_not_tried_is_not_measured():
    """Without attacks, and where no score is precise enough to count finds, there is no figure and no error."""
    assert measure_attacks(plan("none"), make_tested(Y * 0.9)) is None
    assert measure_attacks(plan("some"), make_tested(~Y * 0.9, blank=~Y * 0.9)) is None
    assert recall_kept(None) is None


def test_an_attack_that_hides_half_keeps_half():
    """The worst attack and the mean of all are told apart."""
    half = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    kept = recall_kept(measure_attacks(plan("some"), make_tested(Y * 0.9, half=half, nothing=Y * 0.9)))
    assert (kept.worst, kept.mean) == pytest.approx((0.5, 0.75))


def test_an_attack_that_gives_itself_away_makes_up_for_no_other():
    """More finds than before count as all that there were."""
    few = np.where(np.arange(len(Y)) < 10, Y * 0.9, 0.0)
    kept = recall_kept(measure_attacks(plan("some"), make_tested(few, blank=few * 0, all=Y * 0.9)))
    assert (kept.worst, kept.mean) == (0.0, 0.5)
