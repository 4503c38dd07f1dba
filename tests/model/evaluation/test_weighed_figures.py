"""Figures of reviewed listings, weighed by the probability with which people saw them, are those of all listings."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL, evaluate_repeats
from ipml.model.evaluation.label_weights import count_by_probability, find_label_probability, weigh_by_probability
from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.slices import measure_slices
from ipml.model.promotion.comparison import compare_tests
from ipml.model.report import ReportFacts, ReportHead, model_report
from ipml.model.report.report import render_report
from ipml.model.robustness.robustness import robustness_of
from ipml.model.training import Experiment
from ipml.model.training.sweep import compare_trials

N = 8_000


def make_population(seed: int = 0, n: int = N) -> kept.Tested:
    """Return all listings that came by, of two brands, with calibrated scores and what each asks."""
    random = np.random.default_rng(seed)
    brand = random.choice(["Acme", "Bolt"], n)
    score = random.beta(0.5, np.where(brand == "Acme", 4.0, 9.0))
    listings = pd.DataFrame({"listing_id": [f"l{row}" for row in range(n)], "brand": brand, "country": "DE"})
    listings = listings.assign(seller_id=[f"s{seller}" for seller in random.integers(n // 4, size=n)])
    listings = listings.assign(observed_at=pd.Timestamp("2026-01-01", tz="UTC"), title="Bag")
    listings = listings.assign(value=random.lognormal(3, 0.5, n), value_currency="EUR")
    return kept.Tested(listings, random.random(n) < score, {MODEL: [score], "prevalence": [np.full(n, 0.1)]})


def review(population: kept.Tested, odds: np.ndarray, seed: int = 0) -> kept.Tested:
    """Return what people saw, each listing with its odds."""
    seen = np.random.default_rng(seed).random(len(odds)) < odds
    listings = population.listings.assign(label_probability=odds)[seen].reset_index(drop=True)
    scores = {name: [score[seen] for score in repeats] for name, repeats in population.scores.items()}
    return kept.Tested(listings, population.y[seen], scores)


def suspicious_first(population: kept.Tested) -> np.ndarray:
    """Return the odds of a queue: what is suspicious is always seen, the rest one time in ten."""
    return np.where(population.scores[MODEL][0] > 0.3, 1.0, 0.1)


def report(tested: kept.Tested) -> ReportFacts:
    """Measure and report, with few resamples."""
    odds = find_label_probability(tested.listings)
    y, scores, listings = tested.y, tested.scores[MODEL], tested.listings
    evaluation = evaluate_repeats(y, scores, listings, label_probability=odds, n_resamples=20)
    options = {"n_resamples": 20, "sellers": listings["seller_id"], "weight": tested.weight, "precision": 0.5}
    attacked = robustness_of(y, scores[0], {"leet digits": scores[0] ** 2}, **options)
    return model_report(tested, evaluation, ReportHead("m/1", "d", "s"), champion=scores, robustness=attacked)


def test_equal_odds_change_nothing():
    """Where all were as likely to be seen, slices, curves, fairness, brands and attacks are as if not weighed."""
    plain = make_population(n=1_500)
    weighed = replace(plain, listings=plain.listings.assign(label_probability=0.25))
    one, other = report(plain), report(weighed)
    for name in ("slices", "fairness", "robustness"):
        assert_alike(getattr(one, name), getattr(other, name))
    for name in ("curve", "bins", "histogram", "brands"):
        assert_alike(getattr(one, name), getattr(other, name))
    compared = [compare_tests(tested, tested, n_resamples=20) for tested in (plain, weighed)]
    assert_alike(*(result.measures[:4] for result in compared))
    plan = Experiment(name="bags", data={"listings": "bags.csv"}, evaluation={"n_resamples": 20})
    assert_alike(*(compare_trials(plan, [({"C": 1}, tested)]).rows for tested in (plain, weighed)))


def assert_alike(one: object, other: object) -> None:
    """Compare records, arrays and numbers through and through, but for the last digits."""
    if isinstance(one, float | np.ndarray):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
    elif isinstance(one, tuple | list):
        assert len(one) == len(other)
        for parts in zip(one, other, strict=True):
            assert_alike(*parts)
    elif isinstance(one, dict):
        assert_alike(list(one.values()), list(other.values()))
    elif hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            assert_alike(getattr(one, name), getattr(other, name))
    else:
        assert one == other


def test_weighed_slices_are_those_of_all_that_came_by():
    """Drawn at known odds, prevalence and average precision of a slice hold the truth in nine intervals of ten.

    Unweighed, the share of counterfeits among what was reviewed is far above that of what came by.
    """
    held, naive = [], []
    for seed in range(10):
        population = make_population(seed, 4_000)
        reviewed = review(population, suspicious_first(population), seed + 1)
        arguments = reviewed.y, reviewed.scores[MODEL], reviewed.listings[["brand"]], reviewed.listings["seller_id"]
        for part in measure_slices(*arguments, weight=reviewed.weight, n_resamples=100):
            of_brand = (population.listings["brand"] == part.value).to_numpy()
            y, score = population.y[of_brand], population.scores[MODEL][0][of_brand]
            truths = {"prevalence": y.mean(), "average_precision": average_precision(y, score)}
            held += [part.figures[name].low <= truth <= part.figures[name].high for name, truth in truths.items()]
            naive.append(part.counts.prevalence / y.mean())
    assert len(held) == 40
    assert np.mean(held) >= 0.85
    assert np.mean(naive) > 1.5


def test_curves_values_and_the_headline_speak_of_all_that_came_by():
    """The report has prevalence, calibration and value at k of all listings, and says so in its first line."""
    population = make_population()
    reviewed = review(population, suspicious_first(population))
    facts, truth = report(reviewed), report(population)
    observed = np.average(facts.bins.observed, weights=facts.bins.listings)
    assert observed == pytest.approx(population.y.mean(), rel=0.2)
    assert facts.curve.precision[-1] == pytest.approx(truth.curve.precision[-1], rel=0.3)
    whole = {first.k: first.value for first in truth.found}
    for first in facts.found[3:]:
        assert first.value.value == pytest.approx(whole[first.k].value, rel=0.15)
    assert "among all that the labels stand for" in facts.headline[0]
    page = render_report(facts)
    assert "Every figure, curve and interval on this page is weighed so" in page
    assert "among all that the labels stand for" not in truth.headline[0]


def test_models_are_compared_as_the_labels_weigh():
    """The gate's difference is that of the weighed figures, and the comparison says that it is weighed."""
    population = make_population()
    reviewed = review(population, suspicious_first(population))
    worse = replace(reviewed, scores={MODEL: [np.round(reviewed.scores[MODEL][0], 1)]})
    compared = compare_tests(worse, reviewed, n_resamples=20)
    weight = weigh_by_probability(reviewed.listings["label_probability"])
    figures = [average_precision(reviewed.y, tested.scores[MODEL][0], weight) for tested in (worse, reviewed)]
    row = compared["average_precision"]
    assert [row.a.value, row.b.value] == pytest.approx(figures)
    assert any("weighed by the odds of being reviewed" in remark for remark in compared.remarks)
    assert count_by_probability(reviewed.listings["label_probability"]).sum() < len(reviewed.y)
