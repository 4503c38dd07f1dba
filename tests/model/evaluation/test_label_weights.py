"""Labels count as what they stand for and as far as they are final; the newest prevalence is that of the end."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipml.errors import UnusableSetting
from ipml.model.evaluation.label_weights import Maturity, count_by_probability, effective_number, weigh_by_probability

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


def labelled_share(labelled: pd.DataFrame) -> float:
    """Return the share of counterfeits among the labels of the last 60 days, as they are."""
    return float(labelled["is_counterfeit"][labelled["listed_at"] > NOW - pd.Timedelta(days=WINDOW)].mean())


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
        assert labelled_share(labelled) < 0.6 * truth
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
