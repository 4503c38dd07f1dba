"""The solver: it finds the least objective, and rows kept compactly are the rows."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.sparse import csr_matrix, hstack

from ipml.errors import Refused
from ipml.features.compiled.ngrams import count_texts
from ipml.features.compiled.texts import Texts
from ipml.features.text import count_ngrams
from ipml.model.regression import Ascent, Design, Ngrams

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


def climb(values, y, weight, only_raises, C, tolerance=1e-11) -> Ascent:
    """Return an ascent that has reached the top."""
    ascent = Ascent(Design.of(values), y, weight, only_raises, C)
    ascent.climb(tolerance)
    return ascent


@given(st.integers(0, 10_000), st.floats(0.01, 30.0), st.lists(st.booleans(), min_size=COLUMNS, max_size=COLUMNS))
def test_the_objective_is_least(seed, C, only_raises):
    """Coefficients and intercept are those of a general method, whichever of them may not be negative."""
    problem = (*make_problem(seed), np.array(only_raises), C)
    ascent = climb(*problem)
    np.testing.assert_allclose([*ascent.coefficients, ascent.intercept], find_best(*problem), atol=1e-4, rtol=1e-4)
    assert (ascent.coefficients[np.array(only_raises)] >= 0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_a_fit_goes_on_from_another(seed):
    """A fit begun under another penalty, or where one of fewer listings ended, ends at the same place."""
    values, y, weight = make_problem(seed)
    free = np.zeros(COLUMNS, dtype=np.bool_)
    best = climb(values, y, weight, free, 3.0)
    loosened = climb(values, y, weight, free, 0.1)
    loosened.loosen(3.0)
    loosened.climb(1e-11)
    part = climb(values, y, np.where(np.arange(ROWS) < ROWS // 2, weight, 0.0), free, 3.0)
    resumed = Ascent(Design.of(values), y, weight, free, 3.0, part.standing)
    resumed.climb(1e-11)
    for other in (loosened, resumed):
        np.testing.assert_allclose(other.coefficients, best.coefficients, atol=1e-4)


def test_the_same_fit_is_the_same_to_the_bit():
    """The order of visits is drawn from the seed; a million is fitted, no weight below 0 and nothing infinite."""
    problem = (*make_problem(1), np.zeros(COLUMNS, dtype=np.bool_), 1.0)
    np.testing.assert_array_equal(climb(*problem).coefficients, climb(*problem).coefficients)
    values, y, weight = make_problem(2)
    free = np.zeros(COLUMNS, dtype=np.bool_)
    ascent = climb(values * 1e6, y, weight, free, 1.0, tolerance=1e-6)
    assert np.isfinite([*ascent.coefficients, ascent.intercept]).all()
    with pytest.raises(Refused, match="Choose a smaller C"):
        climb(values, y, weight, free, 1.0, tolerance=-1.0)
    values, y, weights = make_problem(3)
    for weight in (-1.0, np.nan, np.inf):
        weights[5] = weight
        with pytest.raises(ValueError, match="weight"):
            Ascent(Design.of(values), y, weights, np.zeros(COLUMNS, dtype=np.bool_), 1.0)
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
    ascent = climb(*problem, tolerance=1e-6)
    share = np.average(y, weights=problem[2])
    null = -problem[4] * problem[2].sum() * (share * np.log(share) + (1 - share) * np.log(1 - share))
    best = objective(find_best(*problem), *problem)
    assert objective(np.append(ascent.coefficients, ascent.intercept), *problem) <= best + 1e-6 * null + 1e-9 * best


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
        fits = [climb(values, y, weight, np.zeros(513, dtype=np.bool_), 1.0) for values in (whole, compact)]
        np.testing.assert_allclose(fits[0].coefficients, fits[1].coefficients, atol=1e-5)
        assert not fits[1].coefficients[np.append(rarity == 0, False)].any()
