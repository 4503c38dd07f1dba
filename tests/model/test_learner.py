"""The linear learner: what it may not learn, and how its penalty is chosen where there is a lot to learn from."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from ipml.model import learner
from ipml.model.learner import choose_penalty, draw_sellers, fit_learner

N = 400
GRID = (0.1, 1.0)


@pytest.fixture(scope="module")
def problem() -> tuple[csr_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """Values, labels, weights and sellers at random."""
    rng = np.random.default_rng(0)
    values = csr_matrix(rng.normal(size=(N, 6)) * (rng.random((N, 6)) < 0.5))
    y = (values @ np.array([2.0, -2.0, 1.0, 0.0, 0.0, -1.0]) + rng.normal(size=N) > 0.5).astype(np.int8)
    return values, y, rng.uniform(0.5, 1.5, N), rng.integers(0, 60, N).astype(str)


def choose(problem, **changes):
    """Choose a penalty with the usual settings."""
    options = {"grid": GRID, "only_raises": np.zeros(6, dtype=np.bool_), "n_folds": 3, "seed": 0}
    return choose_penalty(*problem, **options | changes)


def test_without_bounds_it_is_the_logistic_regression_of_scikit_learn(problem):
    """The same coefficients, intercept and predictions."""
    values, y, weight, _ = problem
    ours = fit_learner(values, y, weight, 1.0, np.zeros(6, dtype=np.bool_))
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1_000).fit(values, y, sample_weight=weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-3)
    np.testing.assert_allclose(ours.predict_proba(values), theirs.predict_proba(values), atol=5e-3)


def test_what_may_only_raise_never_lowers(problem):
    """A column that would lower the log-odds has coefficient 0, as if it had been left out."""
    values, y, weight, _ = problem
    only_raises = np.array([True, True, False, False, False, True])
    found = fit_learner(values, y, weight, 1.0, only_raises).coef_[0]
    assert found[0] > 0
    assert found[1] == found[5] == 0
    kept = np.array([0, 2, 3, 4])
    without = fit_learner(values[:, kept], y, weight, 1.0, only_raises[kept]).coef_[0]
    np.testing.assert_allclose(found[kept], without, atol=5e-3)


def test_a_column_that_never_occurs_has_coefficient_0(problem):
    """Nothing is known of it."""
    values, y, weight, _ = problem
    wide = csr_matrix((values.data, values.indices, values.indptr), shape=(N, 50))
    assert not fit_learner(wide, y, weight, 1.0, np.zeros(50, dtype=np.bool_)).coef_[0, 6:].any()


def test_one_kind_of_label_is_refused(problem):
    """Also where the other kind is there, but not trusted at all."""
    values, y, weight, _ = problem
    with pytest.raises(ValueError, match="the same"):
        fit_learner(values, y, weight * (y == 1), 1.0, np.zeros(6, dtype=np.bool_))


def test_every_listing_of_few_is_scored(problem):
    """Its seller is left out once."""
    chosen = choose(problem)
    assert not np.isnan(chosen.unseen).any()
    assert chosen.fits.of_all is None
    assert chosen.C in GRID


def test_of_many_listings_those_of_some_sellers_are_scored(problem, monkeypatch):
    """All listings of a seller or none, no more than asked for, the same ones each time."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 10)
    sellers, chosen = problem[3], choose(problem)
    is_scored = ~np.isnan(chosen.unseen)
    assert 90 <= is_scored.sum() <= 100
    assert not set(sellers[is_scored]) & set(sellers[~is_scored])
    np.testing.assert_array_equal(choose(problem).unseen, chosen.unseen)


def test_they_are_scored_by_a_learner_that_saw_all_others(problem, monkeypatch):
    """Not by one of the small ones that the penalty was chosen with."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 10)
    values, y, weight, _ = problem
    chosen = choose(problem)
    is_scored = ~np.isnan(chosen.unseen)
    free = np.zeros(6, dtype=np.bool_)
    others = fit_learner(values[~is_scored], y[~is_scored], weight[~is_scored], chosen.C, free)
    np.testing.assert_allclose(chosen.unseen[is_scored], others.decision_function(values[is_scored]), atol=0.02)


def test_a_fit_begun_elsewhere_ends_at_the_same_place(problem, monkeypatch):
    """Where to start saves time and changes nothing else."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    values, y, weight, _ = problem
    chosen, free = choose(problem), np.zeros(6, dtype=np.bool_)
    cold, warm = (fit_learner(values, y, weight, chosen.C, free, start) for start in (None, chosen.fits.of_all))
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=5e-3)
    assert warm.n_iter_[0] <= cold.n_iter_[0]


@pytest.mark.parametrize("most", [100, 20_000])
def test_a_choice_begun_where_another_ended_is_the_same(problem, monkeypatch, most):
    """Each of its fits ends at once, near where it began."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", most)
    first = choose(problem, grid=(1.0,))
    again = choose(problem, grid=(1.0,), before=first.fits)
    np.testing.assert_allclose(again.unseen, first.unseen, atol=0.02)
    for start, end in zip(first.fits.of_folds, again.fits.of_folds, strict=True):
        np.testing.assert_allclose(end.shares, start.shares, atol=5e-3)


def test_more_sellers_are_drawn_where_counterfeits_are_rare(monkeypatch):
    """Up to five times as many listings, until there are enough counterfeits."""
    monkeypatch.setattr(learner, "MOST_LISTINGS", 100)
    monkeypatch.setattr(learner, "FEWEST_COUNTERFEITS", 10)
    sellers, weight = np.repeat(np.arange(500), 2), np.ones(1_000)
    common, rare = (np.arange(1_000) % every == 0 for every in (5, 40))
    assert len(draw_sellers(common.astype(np.int8), weight, sellers, 0)) == 100
    assert 300 <= len(draw_sellers(rare.astype(np.int8), weight, sellers, 0)) <= 500


def test_weak_penalties_are_not_tried_where_they_do_worse_and_worse(problem, monkeypatch):
    """The search ends after two in a row that do worse than the best; the choice is that of a full search."""
    tried = []
    score = learner._score_unseen
    monkeypatch.setattr(learner, "_score_unseen", lambda fits, C, n: tried.append(C) or score(fits, C, n))
    monkeypatch.setattr(learner, "_calibrated_loss", lambda *_: abs(np.log(tried[-1] / 0.1)))
    assert choose(problem, grid=(10.0, 0.1, 3.0, 1.0, 0.01)).C == 0.1
    assert tried == [0.01, 0.1, 1.0, 3.0]
