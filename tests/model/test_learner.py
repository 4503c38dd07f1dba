"""The linear learner: what it may not learn, and whom it is scored on where there is a lot to learn from."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ipml.features.compiled.texts import Texts
from ipml.model import learner
from ipml.model.learner import (
    TEXT_WEIGHTS,
    Blend,
    Search,
    Strength,
    StrengthTrial,
    choose_members,
    draw_sellers,
    fit_all,
    share_out,
)
from ipml.model.regression import Design, Ngrams

N = 400
FREE = np.zeros(6, dtype=np.bool_)


@pytest.fixture(scope="module")
def problem() -> tuple[Design, np.ndarray, np.ndarray, np.ndarray]:
    """Values, labels, weights and sellers at random."""
    rng = np.random.default_rng(0)
    values = csr_matrix(rng.normal(size=(N, 6)) * (rng.random((N, 6)) < 0.5))
    y = (values @ np.array([2.0, -2.0, 1.0, 0.0, 0.0, -1.0]) + rng.normal(size=N) > 0.5).astype(np.int8)
    return Design.of(values), y, rng.uniform(0.5, 1.5, N), rng.integers(0, 60, N).astype(str)


def values_of(design: Design, columns: np.ndarray | None = None) -> csr_matrix:
    """Return a design as a matrix."""
    stored = design.stored
    values = csr_matrix((stored.values, stored.indices, stored.pointers), shape=design.shape)
    return values if columns is None else csr_matrix(values[:, columns])


def member(C: float, slope: float = 1.0, intercept: float = 0.0) -> StrengthTrial:
    """Return a learner of the mean under a penalty, with a line of its own."""
    return StrengthTrial(Strength(1.0, C), (slope, intercept), np.empty(0), np.zeros(1), [])


def fit(design, y, weight, C=1.0, only_raises=FREE, is_text=FREE):
    """Fit one learner, nearly to the end."""
    return Blend([member(C)], np.ones(1), is_text, only_raises).fit(design, y, weight, 1e-7)


def choose(problem, **changes):
    """Choose penalties with the usual settings."""
    options = {"is_text": FREE, "only_raises": FREE, "C": None, "n_folds": 3, "seed": 0}
    return choose_members(*problem, **options | changes)


def test_without_bounds_it_is_the_logistic_regression_of_scikit_learn(problem):
    """The same coefficients, intercept and predictions; several count each after its own line and with its share."""
    design, y, weight, _ = problem
    values, ours = values_of(design), fit(design, y, weight).learner()
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1_000).fit(values, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-3)
    probabilities = expit(ours.decision_function(values)), theirs.predict_proba(values)[:, 1]
    np.testing.assert_allclose(*probabilities, atol=5e-3)
    weak, strong = (fit(design, y, weight, C).score(design) for C in (0.1, 10.0))
    members, shares = [member(0.1, 2.0, 1.0), member(10.0, 0.5, -1.0)], np.array([0.75, 0.25])
    blend = Blend(members, shares, FREE, FREE).fit(design, y, weight, 1e-7)
    np.testing.assert_allclose(blend.score(design), 0.75 * (2 * weak + 1) + 0.25 * (0.5 * strong - 1), atol=5e-3)


def test_what_may_only_raise_never_lowers(problem):
    """Its coefficient is 0, as if left out; so is what never occurs; one kind of label and no penalty are refused."""
    design, y, weight, _ = problem
    only_raises = np.array([True, True, False, False, False, True])
    found = fit(design, y, weight, only_raises=only_raises).coefficients
    assert found[0] > 0
    assert found[1] == found[5] == 0
    kept = np.array([0, 2, 3, 4])
    without = fit(Design.of(values_of(design, kept)), y, weight, 1.0, only_raises[kept], FREE[kept]).coefficients
    np.testing.assert_allclose(found[kept], without, atol=5e-3)
    stored, nothing = design.stored, np.zeros(50, dtype=np.bool_)
    wide = csr_matrix((stored.values, stored.indices, stored.pointers), shape=(N, 50))
    assert not fit(Design.of(wide), y, weight, 1.0, nothing, nothing).coefficients[6:].any()
    with pytest.raises(ValueError, match="the same"):
        fit(design, y, weight * (y == 1))
    for C in (0.0, -1.0):
        with pytest.raises(ValueError, match="expected a number above 0"):
            choose(problem, C=C)


@pytest.fixture
def drawn(problem, monkeypatch) -> np.ndarray:
    """The listings of some of the sellers, about a quarter."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 10)
    _, y, weight, sellers = problem
    return draw_sellers(y, weight, sellers, seed=0)


def test_of_many_listings_those_of_some_sellers_are_scored(problem, drawn):
    """All of a seller or none, the same each time, by a learner that saw all others; of few listings, every one."""
    design, y, weight, sellers = problem
    chosen = choose(problem, drawn=drawn)
    is_scored = ~np.isnan(chosen.unseen)
    assert 90 <= is_scored.sum() <= 100
    assert not set(sellers[is_scored]) & set(sellers[~is_scored])
    np.testing.assert_array_equal(choose(problem, drawn=drawn).unseen, chosen.unseen)
    rest, scored = np.flatnonzero(~is_scored), np.flatnonzero(is_scored)
    others = Blend(chosen.members, chosen.shares, FREE, FREE).fit(design[rest], y[rest], weight[rest], 1e-7)
    np.testing.assert_allclose(chosen.unseen[scored], others.score(design[scored]), atol=0.02)
    few = choose(problem)
    assert not np.isnan(few.unseen).any()
    assert few.fits.of_all is None


@pytest.mark.parametrize("are_all", [False, True])
def test_a_choice_begun_where_another_ended_is_the_same(problem, drawn, are_all):
    """Where to start saves time and changes nothing else."""
    design, y, weight, _ = problem
    cold, first = fit_all(choose(problem, drawn=None if are_all else drawn), design, y, weight, FREE, FREE)
    warm, again = fit_all(choose(problem, before=first), design, y, weight, FREE, FREE)
    assert [one.strength for one in again.members] == [one.strength for one in first.members]
    np.testing.assert_allclose(again.unseen, first.unseen, atol=0.15)
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=0.05)
    assert warm.n_iter_ <= cold.n_iter_


def test_a_choice_that_follows_a_draft_is_the_one_without_it(problem, drawn):
    """A draft of the listings drawn leaves no trace but where to begin."""
    design, y, weight, sellers = problem
    few = design[drawn], y[drawn], weight[drawn]
    _, draft = fit_all(choose((*few, sellers[drawn])), *few, FREE, FREE, is_draft=True)
    final, alone = choose(problem, before=draft.among(drawn)), choose(problem, drawn=drawn)
    assert [one.strength for one in final.members] == [one.strength for one in alone.members]
    np.testing.assert_allclose(final.unseen, alone.unseen, atol=0.15)
    np.testing.assert_allclose(final.by_few, alone.by_few, atol=0.15)


def test_more_sellers_are_drawn_where_counterfeits_are_rare(monkeypatch):
    """Up to five times as many listings, until there are enough counterfeits."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 10)
    sellers, weight = np.repeat(np.arange(500), 2), np.ones(1_000)
    common, rare = (np.arange(1_000) % every == 0 for every in (5, 40))
    assert len(draw_sellers(common.astype(np.int8), weight, sellers, 0)) == 100
    assert 300 <= len(draw_sellers(rare.astype(np.int8), weight, sellers, 0)) <= 500


STRENGTHS_N = 300
BITS = 10


@pytest.fixture(scope="module")
def search() -> Search:
    """Listings of which words and a number say something, in three folds."""
    rng = np.random.default_rng(0)
    words = np.array(["wool", "leather", "steel", "replica", "mirror", "cotton"])
    said = rng.integers(0, len(words), (STRENGTHS_N, 3))
    number = rng.normal(size=STRENGTHS_N)
    y = ((said == 3).any(axis=1) + number + rng.normal(size=STRENGTHS_N) > 1).astype(np.int8)
    texts = Texts.of([" ".join(words[row]) for row in said])
    ngrams = Ngrams(1, texts, np.ones(2**BITS), (3, 4), 1)
    values = np.zeros((STRENGTHS_N, 1 + 2**BITS))
    values[:, 0] = number
    folds = [
        (np.flatnonzero(np.arange(STRENGTHS_N) % 3 != fold), np.flatnonzero(np.arange(STRENGTHS_N) % 3 == fold))
        for fold in range(3)
    ]
    is_text = np.arange(1 + 2**BITS) > 0
    design = Design.of(csr_matrix(values), [ngrams])
    sellers = (np.arange(STRENGTHS_N) // 2).astype(str)
    return Search(design, y, np.ones(STRENGTHS_N), sellers, is_text, np.zeros(1 + 2**BITS, dtype=np.bool_), folds)


def test_each_strength_of_text_has_the_penalty_that_serves_it_best(search, monkeypatch):
    """No other has a smaller loss, repeated or not; the search ends after two in a row worse than the best."""
    grid = (0.01, 0.1, 1.0, 10.0)
    chosen = search.choose(grid)
    assert tuple(trial.strength.text for trial in chosen) == TEXT_WEIGHTS
    for trial in chosen:
        alone = [search._choose_penalty(trial.strength.text, (C,)) for C in grid]
        assert trial.loss == pytest.approx(min(one.loss for one in alone), rel=2e-3)
    chosen = search.choose((0.1, 1.0))
    for trial, again in zip(chosen, search.repeat(chosen), strict=True):
        assert again.strength == trial.strength
        np.testing.assert_allclose(again.unseen, trial.unseen, atol=0.05)
    without = replace(search, is_text=np.zeros_like(search.is_text))
    assert [trial.strength.text for trial in without.choose((0.1, 1.0))] == [1.0]
    tried = []

    def judge(strength, fits):
        tried.append(strength.C)
        return StrengthTrial(strength, (1.0, 0.0), np.zeros(STRENGTHS_N), np.array([abs(np.log(strength.C / 0.1))]), [])

    monkeypatch.setattr(search, "_judge", judge)
    assert search._choose_penalty(1.0, (10.0, 0.1, 3.0, 1.0, 0.01)).strength.C == 0.1
    assert tried == [0.01, 0.1, 1.0, 3.0]


def trial(losses: np.ndarray) -> StrengthTrial:
    """Return a trial with these losses."""
    return StrengthTrial(Strength(1.0, 1.0), (1.0, 0.0), np.zeros(len(losses)), losses, [])


def test_the_more_sellers_agree_the_less_a_worse_trial_counts():
    """The same difference a seller takes little with few and all with many; equal trials count alike."""
    rng = np.random.default_rng(0)
    counted = {}
    for n in (10, 1_000):
        better = rng.uniform(size=n)
        counted[n] = len(share_out([trial(better), trial(better + rng.normal(0.1, 0.5, n))])[0])
    assert counted == {10: 2, 1_000: 1}
    _, shares = share_out([trial(np.array([1.0, 2.0]))] * 3)
    np.testing.assert_allclose(shares, 1 / 3)
