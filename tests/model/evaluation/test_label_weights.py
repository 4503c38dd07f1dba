"""Labels count as what they stand for and as far as they are final; weighed, reviewed listings speak for all."""

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.evaluation import evaluation as kept
from ipml.model.evaluation.evaluation import MODEL, evaluate_test
from ipml.model.evaluation.label_weights import (
    Maturity,
    count_by_probability,
    effective_number,
    weigh_by_probability,
)
from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.ranking import Resampling
from ipml.model.evaluation.slices import measure_slices
from ipml.model.promotion.comparison import compare_tests
from ipml.model.report import ReportFacts, ReportHead, ReportParts, model_report
from ipml.model.report.report import render_report
from ipml.model.robustness.robustness import robustness_of
from ipml.model.training import Experiment
from ipml.model.training.sweep import compare_trials

N, YEAR, WINDOW = 6_000, 365.0, 60.0
NOW = pd.Timestamp("2026-07-01", tz="UTC")
SHAPES = {
    "lognormal": lambda random, n: np.exp(0.9 * random.standard_normal(n)),
    "exponential": lambda random, n: random.exponential(1 / np.log(2), n),
    "gamma": lambda random, n: random.gamma(3.0, 1 / 2.674, n),
}


def make_market(
    seed: int = 0,
    *,
    n: int = N,
    median: float = 30.0,
    genuine_median: float = 0.0,
    shape: str = "lognormal",
    prevalence: float = 0.1,
    growth: float = 0.0,
    until_found: bool = False,
) -> tuple[pd.DataFrame, float]:
    """Return the labels of a year that have come, and the true share of counterfeits in the last 60 days.

    `growth` is how many times e more listings come at the end than at the start. With `until_found` every listing not
    found counterfeit is labelled genuine, without a moment.
    """
    random = np.random.default_rng(seed)
    place = random.random(n)
    day = YEAR * (np.log1p(place * np.expm1(growth)) / growth if growth else place)
    is_fake = random.random(n) < prevalence
    lag = np.where(is_fake, median, genuine_median) * SHAPES[shape](random, n)
    has_come = day + lag <= YEAR
    listed_at = NOW - pd.to_timedelta(YEAR - day, unit="D")
    market = pd.DataFrame(
        {
            "seller_id": random.integers(n // 3, size=n).astype(str),
            "listed_at": listed_at,
            "observed_at": listed_at,
            "labelled_at": listed_at + pd.to_timedelta(lag, unit="D"),
            "is_counterfeit": pd.array(is_fake, dtype="boolean"),
        }
    )
    truth = float(is_fake[day > YEAR - WINDOW].mean())
    if not until_found:
        return market[has_come].reset_index(drop=True), truth
    is_found = has_come & is_fake
    found = market.assign(is_counterfeit=pd.array(is_found, dtype="boolean"))
    return found.assign(labelled_at=market["labelled_at"].where(is_found)), truth


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.floats(5.0, 40.0),
    st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    st.sampled_from(sorted(SHAPES)),
    st.floats(0.04, 0.3),
    st.floats(0.0, 3.0),
    st.booleans(),
)
def test_the_newest_prevalence_is_as_it_will_be(seed, median, slowness, shape, prevalence, growth, until_found):
    """Whatever the lags of both kinds, the prevalence and the growth: within chance, and never biased by a tenth."""
    genuine_median = 0.0 if until_found else slowness * median
    shapes = {"median": median, "genuine_median": genuine_median, "shape": shape, "prevalence": prevalence}
    labelled, truth = make_market(seed, growth=growth, until_found=until_found, **shapes)
    estimate = Maturity.of(labelled).prevalence(labelled["seller_id"], WINDOW, n_resamples=30)
    spread = (estimate.high - estimate.low) / 4
    assert abs(estimate.value - truth) <= 4 * spread
    assert spread < 0.4 * truth


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Of 20 markets it does in at least 17."""
    held = 0
    for seed in range(20):
        labelled, truth = make_market(seed, n=3_000)
        estimate = Maturity.of(labelled).prevalence(labelled["seller_id"], WINDOW, n_resamples=60)
        held += estimate.low <= truth <= estimate.high
    assert held >= 17


def test_it_says_how_far_back_labels_are_final_unless_they_come_at_once():
    """And when half are found; of no counterfeit so far it foretells nothing; without a lag labels count in full."""
    labelled, _ = make_market(n=2_000, median=0.0)
    for moments in (labelled["labelled_at"], pd.NaT, NOW):
        assert Maturity.of(labelled.assign(labelled_at=moments)) is None
    assert Maturity.of(labelled.drop(columns="labelled_at")) is None
    assert Maturity.of(labelled.assign(is_counterfeit=False)) is None
    labelled, _ = make_market(n=2_000)
    said = Maturity.of(labelled).describe(labelled["seller_id"])
    assert "half of the counterfeits are found within 2" in said or "found within 3" in said
    assert "are not final, and count by how many of their age have come" in said
    assert Maturity.of(labelled).final_days > 90
    is_young_fake = labelled["is_counterfeit"] & (labelled["listed_at"] > NOW - pd.Timedelta(days=250))
    left = labelled[~is_young_fake.astype(bool)].reset_index(drop=True)
    assert Maturity.of(left).describe(left["seller_id"]).endswith("none of them is counterfeit so far")


def test_with_many_labels_it_is_within_a_tenth_in_any_order():
    """What is labelled so far is less than six tenths; another order of listings has the same weights and estimate."""
    for until_found in (False, True):
        labelled, _ = make_market(n=3_000, genuine_median=5.0, until_found=until_found)
        shuffled = labelled.sample(frac=1.0, random_state=1)
        first, second = Maturity.of(labelled), Maturity.of(shuffled)
        np.testing.assert_allclose(second.weight, first.weight[shuffled.index], rtol=1e-9)
        one = first.prevalence(labelled["seller_id"], WINDOW, n_resamples=20)
        other = second.prevalence(shuffled["seller_id"], WINDOW, n_resamples=20)
        assert (other.value, other.low, other.high) == pytest.approx((one.value, one.low, one.high))
    for growth, until_found in product((0.0, 2.0), (False, True)):
        labelled, truth = make_market(n=60_000, growth=growth, until_found=until_found)
        maturity = Maturity.of(labelled)
        assert (
            float(labelled["is_counterfeit"][labelled["listed_at"] > NOW - pd.Timedelta(days=WINDOW)].mean())
            < 0.6 * truth
        )
        assert maturity.prevalence(labelled["seller_id"], WINDOW, n_resamples=2).value == pytest.approx(truth, rel=0.1)
        assert maturity.is_provisional == until_found


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 90), st.none() | st.integers(0, 90)), min_size=1, max_size=30))
def test_any_label_counts_between_nothing_and_in_full(rows):
    """Few labels, ties and missing moments included; old counterfeits always count, and both kinds do."""
    is_fake, age, lag = ([row[place] for row in rows] for place in range(3))
    listed_at = NOW - pd.to_timedelta(age, unit="D")
    came = [
        pd.NaT if days is None else start + pd.Timedelta(days=days) for start, days in zip(listed_at, lag, strict=True)
    ]
    labelled = pd.DataFrame({"listed_at": listed_at, "labelled_at": pd.to_datetime(came, utc=True)})
    maturity = Maturity.of(labelled.assign(is_counterfeit=is_fake))
    if maturity is not None:
        assert ((maturity.weight >= 0) & (maturity.weight <= 1 + 1e-12)).all()
        assert maturity.weight[is_fake].any()
        assert maturity.weight[~np.array(is_fake)].any()


def test_neither_copies_made_at_the_end_nor_the_moment_of_an_export_count():
    """From `observed_at`, or `listed_at` where labels are older; genuine labels of one moment stand until found."""
    labelled, _ = make_market(n=3_000)
    by_listed = Maturity.of(labelled)
    months_before = labelled["listed_at"] - pd.to_timedelta(np.arange(len(labelled)) % 500, unit="D")
    nowhere = pd.Series(pd.NaT, index=labelled.index, dtype=labelled["listed_at"].dtype)
    for changes in ({"observed_at": NOW}, {"observed_at": nowhere}, {"listed_at": months_before}):
        np.testing.assert_allclose(Maturity.of(labelled.assign(**changes)).weight, by_listed.weight, rtol=1e-3)
    labelled, _ = make_market(n=3_000, until_found=True)
    stamped = labelled.assign(labelled_at=labelled["labelled_at"].fillna(NOW))
    np.testing.assert_allclose(Maturity.of(stamped).weight, Maturity.of(labelled).weight, rtol=1e-3)


ODDS = st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=50).map(np.array)


@given(ODDS)
def test_rarer_draws_count_for_more_and_none_decides_alone(odds):
    """No less than likelier ones, none for more than the root of all allows; together never as more than they are."""
    weight = weigh_by_probability(odds)
    assert (np.diff(weight[np.argsort(odds)]) <= 1e-9).all()
    assert (weight <= (1 / odds) * (1 + 1e-12)).all()
    assert weight.max() <= (1 / odds).mean() * np.sqrt(len(odds)) * (1 + 1e-12)
    counts = count_by_probability(odds)
    assert counts.sum() == pytest.approx(effective_number(weigh_by_probability(odds)))
    assert counts.sum() <= len(odds) * (1 + 1e-12)


def test_moderate_odds_are_taken_as_they_are_and_impossible_ones_named():
    """On average over all draws, weights are without bias; what is never shown cannot have been reviewed."""
    odds = np.array([1.0] * 600 + [0.05] * 370)
    np.testing.assert_allclose(weigh_by_probability(odds), 1 / odds)
    for impossible in (0.0, -0.5, 1.5):
        with pytest.raises(UnusableSetting, match=f"label_probability.*{impossible:g} of 1 labels"):
            weigh_by_probability([1.0, impossible])


N_LISTINGS = 8_000


def make_population(seed: int = 0, n: int = N_LISTINGS) -> kept.TestedListings:
    """Return all listings that came by, of two brands, with calibrated scores and what each asks."""
    random = np.random.default_rng(seed)
    brand = random.choice(["Acme", "Bolt"], n)
    score = random.beta(0.5, np.where(brand == "Acme", 4.0, 9.0))
    listings = pd.DataFrame({"listing_id": [f"l{row}" for row in range(n)], "brand": brand, "country": "DE"})
    listings = listings.assign(seller_id=[f"s{seller}" for seller in random.integers(n // 4, size=n)])
    listings = listings.assign(observed_at=pd.Timestamp("2026-01-01", tz="UTC"), title="Bag")
    listings = listings.assign(value=random.lognormal(3, 0.5, n), value_currency="EUR")
    return kept.TestedListings(listings, random.random(n) < score, {MODEL: [score], "prevalence": [np.full(n, 0.1)]})


def review(population: kept.TestedListings, odds: np.ndarray, seed: int = 0) -> kept.TestedListings:
    """Return what people saw, each listing with its odds."""
    seen = np.random.default_rng(seed).random(len(odds)) < odds
    listings = population.listings.assign(label_probability=odds)[seen].reset_index(drop=True)
    scores = {name: [score[seen] for score in repeats] for name, repeats in population.scores.items()}
    return kept.TestedListings(listings, population.y[seen], scores)


def suspicious_first(population: kept.TestedListings) -> np.ndarray:
    """Return the odds of a queue: what is suspicious is always seen, the rest one time in ten."""
    return np.where(population.scores[MODEL][0] > 0.3, 1.0, 0.1)


def report(tested: kept.TestedListings) -> ReportFacts:
    """Measure and report, with few resamples."""
    y, scores, listings = tested.y, tested.scores[MODEL], tested.listings
    evaluation = evaluate_test(tested, n_resamples=20)
    resampling = Resampling(20, weight=tested.weight)
    hidden = {"leet digits": scores[0] ** 2}
    attacked = robustness_of(y, scores[0], hidden, listings["seller_id"], precision=0.5, resampling=resampling)
    return model_report(tested, evaluation, ReportHead("m/1", "d", "s"), ReportParts(scores, attacked))


def test_equal_odds_change_nothing():
    """Where all were as likely to be seen, slices, curves, fairness, brands and attacks are as if not weighed."""
    plain = make_population(n=1_500)
    weighed = replace(plain, listings=plain.listings.assign(label_probability=0.25))
    one, other = report(plain), report(weighed)
    for name in ("slices", "fairness", "robustness"):
        assert_alike(getattr(one, name), getattr(other, name))
    for name in ("curve", "bins", "histogram", "brands"):
        assert_alike(getattr(one, name), getattr(other, name))
    compared = [compare_tests(tested, tested, resampling=Resampling(20)) for tested in (plain, weighed)]
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
    """At known odds, prevalence and precision hold the truth in nine intervals of ten; unweighed it is far off."""
    held, naive = [], []
    for seed in range(10):
        population = make_population(seed, 4_000)
        reviewed = review(population, suspicious_first(population), seed + 1)
        arguments = reviewed.y, reviewed.scores[MODEL], reviewed.listings[["brand"]], reviewed.listings["seller_id"]
        for part in measure_slices(*arguments, resampling=Resampling(100, weight=reviewed.weight)):
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
    compared = compare_tests(worse, reviewed, resampling=Resampling(20))
    weight = weigh_by_probability(reviewed.listings["label_probability"])
    figures = [average_precision(reviewed.y, tested.scores[MODEL][0], weight) for tested in (worse, reviewed)]
    row = compared["average_precision"]
    assert [row.a.value, row.b.value] == pytest.approx(figures)
    assert any("weighed by the odds of being reviewed" in remark for remark in compared.remarks)
    assert count_by_probability(reviewed.listings["label_probability"]).sum() < len(reviewed.y)
