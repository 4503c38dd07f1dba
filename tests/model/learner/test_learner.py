"""The linear learner: what it may not learn, whom it is scored on, and its solver."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from ipml.errors import Refused
from ipml.features.compiled.ngrams import count_texts
from ipml.features.compiled.texts import Texts
from ipml.features.text import count_ngrams
from ipml.model.learner import problem as problems
from ipml.model.learner.ensemble import Ensemble, WarmStarts, choose_ensemble
from ipml.model.learner.problem import TrainingProblem, draw_sellers
from ipml.model.learner.search import TEXT_FACTORS, Search, Strength, StrengthTrial, average_weights
from ipml.model.learner.solver import DualSolver
from ipml.model.regression import Design, LinearLearner, Ngrams

N = 400
FREE = np.zeros(6, dtype=np.bool_)


@pytest.fixture(scope="module")
def problem() -> TrainingProblem:
    """Values, labels, weights and sellers at random."""
    rng = np.random.default_rng(0)
    values = csr_matrix(rng.normal(size=(N, 6)) * (rng.random((N, 6)) < 0.5))
    y = (values @ np.array([2.0, -2.0, 1.0, 0.0, 0.0, -1.0]) + rng.normal(size=N) > 0.5).astype(np.int8)
    return TrainingProblem(
        Design.of(values), y, rng.uniform(0.5, 1.5, N), rng.integers(0, 60, N).astype(str), FREE, FREE
    )


def values_of(design: Design, columns: np.ndarray | None = None) -> csr_matrix:
    """Return a design as a matrix."""
    stored = design.stored
    values = csr_matrix((stored.values, stored.indices, stored.pointers), shape=design.shape)
    return values if columns is None else csr_matrix(values[:, columns])


def member(C: float, slope: float = 1.0, intercept: float = 0.0) -> StrengthTrial:
    """Return a learner of the mean under a penalty, with a line of its own."""
    return StrengthTrial(Strength(1.0, C), (slope, intercept), np.empty(0), np.zeros(1), [])


def fit_mean(members: list[StrengthTrial], shares: np.ndarray, problem: TrainingProblem) -> LinearLearner:
    """Fit learners nearly to the end, and return their mean."""
    nothing = np.empty(0)
    return Ensemble(members, shares, nothing, nothing, WarmStarts(nothing, [])).fit_mean(problem, 1e-7)[0]


def fit(problem, C=1.0):
    """Fit one learner, nearly to the end."""
    return fit_mean([member(C)], np.ones(1), problem)


def choose(problem, **changes):
    """Choose penalties with the usual settings."""
    return choose_ensemble(problem, **{"C": None, "n_folds": 3} | changes)


def test_without_bounds_it_is_the_logistic_regression_of_scikit_learn(problem):
    """The same coefficients, intercept and predictions; several count each after its own line and with its share."""
    design = problem.design
    values, ours = values_of(design), fit(problem)
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1_000).fit(values, problem.y, sample_weight=problem.weight)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=5e-3)
    probabilities = expit(ours.decision_function(values)), theirs.predict_proba(values)[:, 1]
    np.testing.assert_allclose(*probabilities, atol=5e-3)
    weak, strong = (fit(problem, C).decision_function(design) for C in (0.1, 10.0))
    members, shares = [member(0.1, 2.0, 1.0), member(10.0, 0.5, -1.0)], np.array([0.75, 0.25])
    mean = fit_mean(members, shares, problem)
    np.testing.assert_allclose(
        mean.decision_function(design), 0.75 * (2 * weak + 1) + 0.25 * (0.5 * strong - 1), atol=5e-3
    )


def test_what_may_only_raise_never_lowers(problem):
    """Its coefficient is 0, as if left out; so is what never occurs; one kind of label and no penalty are refused."""
    design, only_raises = problem.design, np.array([True, True, False, False, False, True])
    found = fit(replace(problem, only_raises=only_raises)).coef_[0]
    assert found[0] > 0
    assert found[1] == found[5] == 0
    kept = np.array([0, 2, 3, 4])
    fewer = replace(problem, design=Design.of(values_of(design, kept)), only_raises=only_raises[kept], is_text=FREE[:4])
    np.testing.assert_allclose(found[kept], fit(fewer).coef_[0], atol=5e-3)
    stored, nothing = design.stored, np.zeros(50, dtype=np.bool_)
    wide = csr_matrix((stored.values, stored.indices, stored.pointers), shape=(N, 50))
    assert not fit(replace(problem, design=Design.of(wide), only_raises=nothing, is_text=nothing)).coef_[0, 6:].any()
    with pytest.raises(ValueError, match="the same"):
        fit(replace(problem, weight=problem.weight * (problem.y == 1)))
    for C in (0.0, -1.0):
        with pytest.raises(ValueError, match="expected a number above 0"):
            choose(problem, C=C)


@pytest.fixture
def drawn(problem, monkeypatch) -> np.ndarray:
    """The listings of some of the sellers, about a quarter."""
    monkeypatch.setattr(problems, "MOST_LISTINGS", 100)
    monkeypatch.setattr(problems, "FEWEST_COUNTERFEITS", 10)
    return draw_sellers(problem.y, problem.weight, problem.groups, seed=0)


def test_of_many_listings_those_of_some_sellers_are_scored(problem, drawn):
    """All of a seller or none, the same each time, by a learner that saw all others; of few listings, every one."""
    sellers, chosen = problem.groups, choose(problem, drawn=drawn)
    is_scored = ~np.isnan(chosen.unseen)
    assert 90 <= is_scored.sum() <= 100
    assert not set(sellers[is_scored]) & set(sellers[~is_scored])
    np.testing.assert_array_equal(choose(problem, drawn=drawn).unseen, chosen.unseen)
    rest, scored = np.flatnonzero(~is_scored), np.flatnonzero(is_scored)
    others = fit_mean(chosen.members, chosen.shares, problem.take(rest))
    np.testing.assert_allclose(chosen.unseen[scored], others.decision_function(problem.design[scored]), atol=0.02)
    few = choose(problem)
    assert not np.isnan(few.unseen).any()
    assert few.fits.of_all is None


@pytest.mark.parametrize("are_all", [False, True])
def test_a_choice_begun_where_another_ended_is_the_same(problem, drawn, are_all):
    """Where to start saves time and changes nothing else."""
    cold, first = choose(problem, drawn=None if are_all else drawn).fit_all(problem)
    warm, again = choose(problem, before=first).fit_all(problem)
    assert [one.strength for one in again.members] == [one.strength for one in first.members]
    np.testing.assert_allclose(again.unseen, first.unseen, atol=0.15)
    np.testing.assert_allclose(warm.coef_, cold.coef_, atol=0.05)
    assert warm.n_iter_ <= cold.n_iter_


def test_a_choice_that_follows_a_draft_is_the_one_without_it(problem, drawn):
    """A draft of the listings drawn leaves no trace but where to begin."""
    few = problem.take(drawn)
    _, draft = choose(few).fit_all(few, is_draft=True)
    final, alone = choose(problem, before=draft.among(drawn)), choose(problem, drawn=drawn)
    assert [one.strength for one in final.members] == [one.strength for one in alone.members]
    np.testing.assert_allclose(final.unseen, alone.unseen, atol=0.15)
    np.testing.assert_allclose(final.by_few, alone.by_few, atol=0.15)


def test_more_sellers_are_drawn_where_counterfeits_are_rare(monkeypatch):
    """Up to five times as many listings, until there are enough counterfeits."""
    monkeypatch.setattr(problems, "MOST_LISTINGS", 100)
    monkeypatch.setattr(problems, "FEWEST_COUNTERFEITS", 10)
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
    return Search(TrainingProblem(design, y, np.ones(STRENGTHS_N), sellers, is_text, np.zeros_like(is_text)), folds)


def test_each_strength_of_text_has_the_penalty_that_serves_it_best(search, monkeypatch):
    """No other has a smaller loss, repeated or not; the search ends after two in a row worse than the best."""
    grid = (0.01, 0.1, 1.0, 10.0)
    chosen = search.choose(grid)
    assert tuple(trial.strength.text for trial in chosen) == TEXT_FACTORS
    for trial in chosen:
        alone = [search._choose_penalty(trial.strength.text, (C,)) for C in grid]
        assert trial.loss == pytest.approx(min(one.loss for one in alone), rel=2e-3)
    chosen = search.choose((0.1, 1.0))
    for trial, again in zip(chosen, search.repeat(chosen), strict=True):
        assert again.strength == trial.strength
        np.testing.assert_allclose(again.unseen, trial.unseen, atol=0.05)
    without = replace(search, problem=replace(search.problem, is_text=search.problem.only_raises))
    assert [trial.strength.text for trial in without.choose((0.1, 1.0))] == [1.0]
    tried = []

    def evaluate(strength, fits):
        tried.append(strength.C)
        return StrengthTrial(strength, (1.0, 0.0), np.zeros(STRENGTHS_N), np.array([abs(np.log(strength.C / 0.1))]), [])

    monkeypatch.setattr(search, "_evaluate", evaluate)
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
        counted[n] = len(average_weights([trial(better), trial(better + rng.normal(0.1, 0.5, n))])[0])
    assert counted == {10: 2, 1_000: 1}
    _, shares = average_weights([trial(np.array([1.0, 2.0]))] * 3)
    np.testing.assert_allclose(shares, 1 / 3)


LETTERS = st.text(alphabet="abc é0-я", max_size=30)
ROWS, COLUMNS = 60, 8


def make_problem(seed: int) -> tuple[csr_matrix, np.ndarray, np.ndarray]:
    """Return values, labels and weights at random; both labels occur."""
    rng = np.random.default_rng(seed)
    values = csr_matrix(rng.normal(size=(ROWS, COLUMNS)) * (rng.random((ROWS, COLUMNS)) < 0.4))
    y = (values @ rng.normal(size=COLUMNS) + rng.normal(size=ROWS) > 0.5).astype(np.int8)
    y[:2] = 0, 1
    return values, y, rng.uniform(0.2, 2.0, ROWS)


def objective(point, values, y, weight, only_raises, C) -> float:
    """Return what a fit is to make least."""
    z = values @ point[:-1] + point[-1]
    return float(C * weight @ (np.logaddexp(0, z) - y * z) + 0.5 * point[:-1] @ point[:-1])


def find_best(values: csr_matrix, y: np.ndarray, weight: np.ndarray, only_raises: np.ndarray, C: float) -> np.ndarray:
    """Return the best coefficients and the intercept by a general method."""
    columns = np.column_stack([values.toarray(), np.ones(len(y))])

    def objective(point):
        z = columns @ point
        penalised = np.append(point[:-1], 0.0)
        error = C * weight * (1 / (1 + np.exp(-z)) - y)
        value = C * weight @ (np.logaddexp(0, z) - y * z) + 0.5 * penalised @ penalised
        return value, columns.T @ error + penalised

    bounds = [(0.0 if flag else None, None) for flag in only_raises] + [(None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 5_000}
    return minimize(objective, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x


def make_solver(values, y, weight, only_raises, C, start=None) -> DualSolver:
    """Return a solver that has not begun."""
    design = values if isinstance(values, Design) else Design.of(values)
    return DualSolver(TrainingProblem(design, y, weight, np.arange(len(y)), ~only_raises, only_raises), C, start)


def solve(*problem, tolerance=1e-11) -> DualSolver:
    """Return a solver that has converged."""
    solver = make_solver(*problem)
    solver.fit(tolerance)
    return solver


@given(st.integers(0, 10_000), st.floats(0.01, 30.0), st.lists(st.booleans(), min_size=COLUMNS, max_size=COLUMNS))
def test_the_objective_is_least(seed, C, only_raises):
    """Coefficients and intercept are those of a general method, whichever of them may not be negative."""
    problem = (*make_problem(seed), np.array(only_raises), C)
    solver = solve(*problem)
    np.testing.assert_allclose([*solver.coefficients, solver.intercept], find_best(*problem), atol=1e-4, rtol=1e-4)
    assert (solver.coefficients[np.array(only_raises)] >= 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_a_fit_goes_on_from_another(seed):
    """A fit begun under another penalty, or where one of fewer listings ended, ends at the same place."""
    values, y, weight = make_problem(seed)
    free = np.zeros(COLUMNS, dtype=np.bool_)
    best = solve(values, y, weight, free, 3.0)
    loosened = solve(values, y, weight, free, 0.1)
    loosened.set_penalty(3.0)
    loosened.fit(1e-11)
    part = solve(values, y, np.where(np.arange(ROWS) < ROWS // 2, weight, 0.0), free, 3.0)
    resumed = make_solver(values, y, weight, free, 3.0, part.state)
    resumed.fit(1e-11)
    for other in (loosened, resumed):
        np.testing.assert_allclose(other.coefficients, best.coefficients, atol=1e-4)


def test_the_same_fit_is_the_same_to_the_bit():
    """The order of visits is drawn from the seed; a million is fitted, no weight below 0 and nothing infinite."""
    problem = (*make_problem(1), np.zeros(COLUMNS, dtype=np.bool_), 1.0)
    np.testing.assert_array_equal(solve(*problem).coefficients, solve(*problem).coefficients)
    values, y, weight = make_problem(2)
    free = np.zeros(COLUMNS, dtype=np.bool_)
    solver = solve(values * 1e6, y, weight, free, 1.0, tolerance=1e-6)
    assert np.isfinite([*solver.coefficients, solver.intercept]).all()
    with pytest.raises(Refused, match="Choose a smaller C"):
        solve(values, y, weight, free, 1.0, tolerance=-1.0)
    values, y, weights = make_problem(3)
    for weight in (-1.0, np.nan, np.inf):
        weights[5] = weight
        with pytest.raises(ValueError, match="weight"):
            make_solver(values, y, weights, np.zeros(COLUMNS, dtype=np.bool_), 1.0)
    with pytest.raises(ValueError, match="1 of 1 values"):
        Design.of(csr_matrix([[np.nan]]))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.floats(0, 1.3), st.floats(-3, 2), st.sampled_from([30, 100, 300, 1_000]))
def test_a_fit_begun_cold_is_within_its_tolerance(seed, scale, C, n_rows):
    """Whatever the penalty, the size of values and the number of rows, the objective is that of a general method."""
    rng = np.random.default_rng(seed)
    values = 10**scale * rng.normal(size=(n_rows, COLUMNS)) * (rng.random((n_rows, COLUMNS)) < 0.4)
    y = (values @ rng.normal(size=COLUMNS) + 10**scale * rng.normal(size=n_rows) > 0.0).astype(np.int8)
    y[:2] = 0, 1
    only_raises = rng.random(COLUMNS) < 0.4
    problem = csr_matrix(values), y, rng.uniform(0.2, 2.0, n_rows), only_raises, 10**C
    solver = solve(*problem, tolerance=1e-6)
    share = np.average(y, weights=problem[2])
    null = -problem[4] * problem[2].sum() * (share * np.log(share) + (1 - share) * np.log(1 - share))
    best = objective(find_best(*problem), *problem)
    assert objective(np.append(solver.coefficients, solver.intercept), *problem) <= best + 1e-6 * null + 1e-9 * best


@settings(max_examples=12)
@given(st.lists(st.tuples(LETTERS, LETTERS), min_size=1, max_size=8), st.sampled_from([4, 9, 17]), st.booleans())
def test_ngrams_kept_compactly_have_their_values(pairs, bits, knows_all):
    """The product with any coefficients is that of the matrix of n-gram values, as text features give them."""
    rng = np.random.default_rng(0)
    n, width = len(pairs), 1 << bits
    rarity = rng.uniform(0.5, 2.0, width) * (knows_all | (rng.random(width) < 0.5))
    blocks, matrices = [], []
    for number, texts in enumerate(zip(*pairs, strict=True)):
        sizes = {"letters": (2, 4) if number == 0 else (0, 0), "words": 2}
        counts = count_ngrams(texts, bits=bits, **sizes)
        n_known = counts @ (rarity > 0).astype(float)
        matrices.append(0.3 * counts.multiply(rarity).multiply(1 / np.sqrt(np.maximum(n_known, 1))[:, None]))
        blocks.append(Ngrams(number * width, Texts.of(texts), rarity, weight=0.3, **sizes))
    others = csr_matrix(rng.normal(size=(n, 3)))
    values = csr_matrix(hstack([csr_matrix((n, 2 * width)), others]))
    design = Design.of(values, blocks)
    coefficients = rng.normal(size=2 * width + 3)
    expected = csr_matrix(hstack([*matrices, others])) @ coefficients
    np.testing.assert_allclose(design @ coefficients, expected, atol=1e-9)
    rows = rng.permutation(n)[: n // 2 + 1]
    np.testing.assert_array_equal(design[rows] @ coefficients, (design @ coefficients)[rows])
    halves = (
        Design.of(values[part], [replace(block, texts=block.texts.take(part)) for block in blocks])
        for part in np.split(np.arange(n), [n // 2])
    )
    np.testing.assert_array_equal(Design.join(halves) @ coefficients, design @ coefficients)


@given(st.lists(LETTERS, max_size=8))
def test_texts_are_counted_once_for_each_ngram(texts):
    """It is the number of rows of the count matrix that have something in a column."""
    read = Texts.of(texts)
    expected = np.bincount(count_ngrams(texts, bits=8, letters=(2, 5), words=1).indices, minlength=256)
    np.testing.assert_array_equal(count_texts(read, 8, 2, 5, 1), expected)


def test_a_fit_on_ngrams_is_that_on_their_matrix():
    """It makes no difference how the rows are kept, and what no listing has weighs nothing."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcd "), 12)) for _ in range(40)]
    y, weight, number = np.arange(40) % 2, np.ones(40), csr_matrix(rng.normal(size=(40, 1)))
    for known in (1.0, 0.6, 0.0):
        rarity = (rng.random(512) < known).astype(float)
        counts = count_ngrams(texts, bits=9, letters=(2, 3), words=1).multiply(rarity).tocsr()
        matrix = csr_matrix(counts.multiply(1 / np.sqrt(np.maximum(counts.sum(axis=1), 1))))
        ngrams = [Ngrams(0, Texts.of(texts), rarity, (2, 3), 1)]
        compact = Design.of(csr_matrix(hstack([csr_matrix((40, 512)), number])), ngrams)
        whole = csr_matrix(hstack([matrix, number]))
        fits = [solve(values, y, weight, np.zeros(513, dtype=np.bool_), 1.0) for values in (whole, compact)]
        np.testing.assert_allclose(fits[0].coefficients, fits[1].coefficients, atol=1e-5)
        assert not fits[1].coefficients[np.append(rarity == 0, False)].any()
