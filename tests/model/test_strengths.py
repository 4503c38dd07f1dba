"""Strengths of text: each gets the penalty that serves sellers left out best, and all take part."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from ipml.features.compiled.texts import Texts
from ipml.model.learner import TEXT_WEIGHTS, Search, Strength, StrengthTrial, share_out
from ipml.model.regression import Design, Ngrams

N = 300
BITS = 10


@pytest.fixture(scope="module")
def search() -> Search:
    """Listings of which words and a number say something, in three folds."""
    rng = np.random.default_rng(0)
    words = np.array(["wool", "leather", "steel", "replica", "mirror", "cotton"])
    said = rng.integers(0, len(words), (N, 3))
    number = rng.normal(size=N)
    y = ((said == 3).any(axis=1) + number + rng.normal(size=N) > 1).astype(np.int8)
    texts = Texts.of([" ".join(words[row]) for row in said])
    ngrams = Ngrams(1, texts, np.ones(2**BITS), (3, 4), 1)
    values = np.zeros((N, 1 + 2**BITS))
    values[:, 0] = number
    folds = [(np.flatnonzero(np.arange(N) % 3 != fold), np.flatnonzero(np.arange(N) % 3 == fold)) for fold in range(3)]
    is_text = np.arange(1 + 2**BITS) > 0
    design = Design.of(csr_matrix(values), [ngrams])
    sellers = (np.arange(N) // 2).astype(str)
    return Search(design, y, np.ones(N), sellers, is_text, np.zeros(1 + 2**BITS, dtype=np.bool_), folds)


def test_each_strength_of_text_has_the_penalty_that_serves_it_best(search):
    """No other one of those tried has a smaller loss."""
    grid = (0.01, 0.1, 1.0, 10.0)
    chosen = search.choose(grid)
    assert tuple(trial.strength.text for trial in chosen) == TEXT_WEIGHTS
    for trial in chosen:
        alone = [search._choose_penalty(trial.strength.text, (C,)) for C in grid]
        assert trial.loss == pytest.approx(min(one.loss for one in alone), rel=2e-3)


def test_where_there_is_no_text_there_is_one_strength(search):
    """All would be the same."""
    without = replace(search, is_text=np.zeros_like(search.is_text))
    assert [trial.strength.text for trial in without.choose((0.1, 1.0))] == [1.0]


def test_a_choice_is_repeated_with_what_it_gave(search):
    """Fits that begin where they ended end there again."""
    chosen = search.choose((0.1, 1.0))
    for trial, again in zip(chosen, search.repeat(chosen), strict=True):
        assert again.strength == trial.strength
        np.testing.assert_allclose(again.unseen, trial.unseen, atol=0.05)


def test_weak_penalties_are_not_tried_where_they_do_worse_and_worse(search, monkeypatch):
    """The search ends after two in a row that do worse than the best; the choice is that of a full search."""
    tried = []

    def judge(strength, fits):
        tried.append(strength.C)
        return StrengthTrial(strength, (1.0, 0.0), np.zeros(N), np.array([abs(np.log(strength.C / 0.1))]), [])

    monkeypatch.setattr(search, "_judge", judge)
    assert search._choose_penalty(1.0, (10.0, 0.1, 3.0, 1.0, 0.01)).strength.C == 0.1
    assert tried == [0.01, 0.1, 1.0, 3.0]


def trial(losses: np.ndarray) -> StrengthTrial:
    """Return a trial with these losses."""
    return StrengthTrial(Strength(1.0, 1.0), (1.0, 0.0), np.zeros(len(losses)), losses, [])


def test_the_more_sellers_agree_the_less_a_worse_trial_counts():
    """The same difference a seller takes little from it with few of them, and leaves it out with many."""
    rng = np.random.default_rng(0)
    counted = {}
    for n in (10, 1_000):
        better = rng.uniform(size=n)
        counted[n] = len(share_out([trial(better), trial(better + rng.normal(0.1, 0.5, n))])[0])
    assert counted == {10: 2, 1_000: 1}


def test_shares_sum_to_one_and_equal_trials_count_alike():
    """Also where no seller tells any two from each other."""
    _, shares = share_out([trial(np.array([1.0, 2.0]))] * 3)
    np.testing.assert_allclose(shares, 1 / 3)
