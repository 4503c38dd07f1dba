"""Kappa and alpha: the figures of the papers they come from, and what must hold of any."""

import random
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from ipml.review.quality.rates import cohen_kappa, fleiss_kappa, krippendorff_alpha

WORDS = st.sampled_from(["counterfeit", "genuine", "cannot tell"])
PAIRS = st.lists(st.tuples(WORDS, WORDS), min_size=2, max_size=40)
# Krippendorff, "Computing Krippendorff's alpha-reliability" (2011): four observers, twelve units, some missing.
OBSERVERS = ("12332141 2   ", "12332241 25 3", " 3332342 251 ", "12332441 251 ")
# The table of ten subjects and fourteen raters by which Fleiss' kappa is commonly shown.
FOURTEEN = (
    *((0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1)),
    *((7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7)),
)


def test_the_published_figures_come_out():
    """Alpha of two observers 0.095 and of four 0.743, and kappa of fourteen 0.210."""
    two = list(zip("0100000010", "1110010000", strict=True))
    four = ["".join(unit).replace(" ", "") for unit in zip(*OBSERVERS, strict=True)]
    fourteen = ["".join(word * times for word, times in zip("abcde", row, strict=True)) for row in FOURTEEN]
    assert krippendorff_alpha(two).value == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(four).value == pytest.approx(0.743, abs=5e-4)
    assert fleiss_kappa(fourteen).value == pytest.approx(0.210, abs=5e-4)


@given(PAIRS)
def test_cohens_kappa_is_that_of_scikit_learn(pairs: list[tuple[str, str]]):
    """Wherever it is defined; that is, unless both only ever said one word."""
    found = cohen_kappa(pairs)
    if len({word for pair in pairs for word in pair}) == 1:
        assert found is None
    else:
        assert found.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))


@pytest.mark.parametrize("measure", [cohen_kappa, fleiss_kappa, krippendorff_alpha])
@given(pairs=PAIRS)
def test_the_interval_holds_the_value_and_is_never_empty(measure, pairs: list[tuple[str, str]]):
    """Even of those who never disagreed, as little was seen of them."""
    found = measure(pairs)
    if found is not None:
        assert -1 <= found.low <= found.value <= found.high <= 1
        assert found.low < found.high
        assert found.n == len(pairs)


def test_full_agreement_is_1_and_chance_is_about_0():
    """Words said at random agree as chance would have it; of nothing, or of what only one judged, nothing is said."""
    assert cohen_kappa([("a", "a"), ("b", "b")]).value == 1
    everything = list(product("ab", "ab"))
    assert cohen_kappa(everything).value == fleiss_kappa(everything).value == 0
    assert cohen_kappa([]) is fleiss_kappa(["a"]) is krippendorff_alpha(["a", "b"]) is None


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of 200 samples of 100 pairs, at least 180 intervals hold the kappa of what they were drawn from."""
    population = [("a", "a")] * 50 + [("a", "b")] * 10 + [("b", "a")] * 5 + [("b", "b")] * 35
    truth = cohen_kappa(population).value
    rng = random.Random(1)
    found = [cohen_kappa(rng.choices(population, k=100)) for _ in range(200)]
    assert sum(one.low <= truth <= one.high for one in found) >= 180
