"""What slices, and the comparisons of false alarms and of brands, promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnmeasurableScores
from ipml.model.evaluation import slices
from ipml.model.evaluation.fairness import NEW, SMALL, Fairness, reliability_by_brand, seller_fairness
from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.ranking import Resampling

N = 600


@pytest.fixture
def sellers() -> pd.Series:
    """Six hundred listings of a hundred sellers."""
    return pd.Series([f"s{i % 100}" for i in range(N)])


@pytest.fixture
def y() -> np.ndarray:
    """A fifth of the sellers offer counterfeits."""
    return np.arange(N) % 5 == 0


@pytest.fixture
def score(y) -> np.ndarray:
    """Scores of a middling model."""
    return np.clip(np.random.default_rng(0).normal(0.3 + 0.25 * y, 0.15), 0, 1)


def measure(y, score, sellers, **columns) -> list[slices.Slice]:
    """Measure with few resamples."""
    return list(slices.measure_slices(y, [score], pd.DataFrame(columns), sellers, resampling=Resampling(60)))


def test_a_slice_as_counterfeit_as_the_whole_is_comparable_as_it_is(y, score, sellers):
    """Comparable and plain precision agree at the whole's share; without half the genuine only the plain one rises."""
    brand = np.where(np.arange(N) % 10 < 5, "A", "B")
    for part in measure(y, score, sellers, brand=brand):
        assert part.counts.prevalence == y.mean()
        plain, comparable = (part.figures[name].value for name in slices.SLICE_MEASURES[:2])
        assert comparable == pytest.approx(plain)
        assert plain == pytest.approx(average_precision(y[brand == part.value], score[brand == part.value]))
    kept = y.copy()
    kept[[row for row in np.argsort(score) if not y[row]][::2]] = True
    brand = pd.Series(np.where(kept, "A", "B"))
    (thinned,) = [part for part in measure(y, score, sellers, brand=brand) if part.value == "A"]
    whole = average_precision(y, score)
    assert thinned.figures["average_precision"].value > whole + 0.05
    assert thinned.figures["comparable_average_precision"].value == pytest.approx(whole, abs=0.02)


def test_a_slice_the_model_cannot_rank_is_marked(y, score, sellers):
    """Scores at random on half the sellers mark their slice alone; an interval over nine sellers is too narrow."""
    is_blind = sellers.str.removeprefix("s").astype(int).to_numpy() >= 50
    score = np.where(is_blind, np.random.default_rng(1).random(N), 0.2 + 0.6 * y)
    marked = {
        part.value: part.is_below for part in measure(y, score, sellers, kind=np.where(is_blind, "blind", "seen"))
    }
    assert marked == {"blind": True, "seen": False}
    sellers = pd.Series([f"s{i % 9}" if i < 300 else f"t{i}" for i in range(N)])
    score = np.where(np.arange(N) < 300, 0.3 - 0.2 * y, 0.2 + 0.6 * y)
    first, *_ = measure(y, score, sellers, half=np.where(np.arange(N) < 300, "first", "second"))
    assert (first.value, first.counts.sellers, first.is_below) == ("first", 9, False)


def test_small_or_clean_slices_are_left_out_and_the_order_does_not_matter(y, score, sellers):
    """Below fifty listings, without a counterfeit, or of all; at break-even as many are flagged as counterfeit."""
    brand = pd.Series(np.where(np.arange(N) % 7 < 3, "A", "B"))
    order = np.random.default_rng(2).permutation(N)
    shuffled = [part.reset_index(drop=True) for part in (sellers[order], brand[order])]
    before = measure(y, score, sellers, brand=brand)
    after = measure(y[order], score[order], shuffled[0], brand=shuffled[1])
    assert [(part.value, part.counts) for part in before] == [(part.value, part.counts) for part in after]
    for one, other in zip(before, after, strict=True):
        for name in slices.SLICE_MEASURES:
            assert one.figures[name].high == pytest.approx(other.figures[name].high)
    brand = pd.Series(np.where(np.arange(N) < 40, "small", "large"))
    clean = pd.Series(np.where(y, "mixed", "clean")).where(np.arange(N) % 3 > 0)
    assert [part.value for part in measure(y, score, sellers, brand=brand)] == ["large"]
    assert "clean" not in [part.value for part in measure(y, score, sellers, brand=clean)]
    assert measure(y, score, sellers, brand=["all"] * N) == []
    assert (score >= slices.break_even(y, score)).sum() == y.sum()


def test_groups_are_what_is_known():
    """Absent columns make none, missing moments have no quarter; ages at borders fall in the band that names them."""
    listings = pd.DataFrame({"seller_id": list("ab"), "listed_at": pd.to_datetime(["2026-05-01", None], utc=True)})
    groups = slices.group_columns(listings)
    assert list(groups) == ["seller size", "quarter listed"]
    assert groups["quarter listed"].tolist()[0] == "2026 Q2"
    assert groups["quarter listed"].isna().tolist() == [False, True]
    listings = pd.DataFrame({"seller_id": list("aab"), "seller_listings": [50.0, np.nan, np.nan]})
    assert slices.seller_sizes(listings).tolist() == [50, 2, 1]
    listings = pd.DataFrame({"seller_id": list("abcdef"), "seller_age_days": [0.0, 29, 30, 89, 90, 364]})
    bands = ["under 30 days"] * 2 + ["30 to 89 days"] * 2 + ["90 to 364 days"] * 2
    assert slices.group_columns(listings)["seller age"].tolist() == bands
    assert slices.group_columns(listings.assign(seller_age_days=365.0))["seller age"].unique() == ["a year or more"]


def test_the_script_is_that_of_most_letters():
    """Brand names in Latin letters do not outweigh the rest; styled letters are what they stand for."""
    scripts = {"Nike Air Max 90": "Latin", "Сумка Gucci женская": "Cyrillic", "名牌手提包": "Chinese characters"}
    scripts |= {"財布 ルイ": "Japanese", "핸드백": "Korean", "𝐍𝐢𝐤𝐞 𝐬𝐡𝐨𝐞𝐬": "Latin", "⚡ 100 % ⚡": slices.NONE}
    assert {text: slices.writing_system(text) for text in scripts} == scripts


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=400))
def test_any_text_has_an_answer(text):
    """Broken and unassigned letters included; without letters there is none."""
    assert slices.writing_system(text)


SMALL_SELLERS, LARGE_SELLERS, LARGE = 60, 20, 15


@pytest.fixture
def listings() -> pd.DataFrame:
    """Sixty sellers of three listings, new; twenty of fifteen, old."""
    small = [f"small{i}" for i in range(SMALL_SELLERS) for _ in range(3)]
    large = [f"large{i}" for i in range(LARGE_SELLERS) for _ in range(LARGE)]
    ages = [10.0] * len(small) + [1000.0] * len(large)
    return pd.DataFrame({"seller_id": small + large, "title": "Bag", "seller_age_days": ages})


@pytest.fixture
def labels(listings) -> np.ndarray:
    """One counterfeit in ten."""
    return np.arange(len(listings)) % 10 == 0


def fairness_of(labels, score, listings) -> Fairness:
    """Compare at one half, with few resamples."""
    return seller_fairness(labels, score, listings, 0.5, resampling=Resampling(100))


def test_equal_treatment_and_no_false_alarm_are_fair(labels, listings):
    """Scores at random flag small and large sellers alike; where nobody is flagged, every ratio is a number."""
    fairness = fairness_of(labels, np.random.default_rng(0).random(len(labels)), listings)
    for row in fairness.rows:
        assert row.ratio.low < 1 < row.ratio.high
        assert not row.is_unfair
    fairness = fairness_of(labels, np.full(len(labels), 0.1), listings)
    assert fairness.rows
    for row in fairness.rows:
        assert row.false_positive_rate.value == 0
        assert np.isfinite([row.ratio.value, row.ratio.low, row.ratio.high]).all()
        assert not row.is_unfair


def test_false_alarms_on_small_sellers_show_and_flagged_counterfeits_do_not(labels, listings):
    """Three times as many make a ratio of three, clearly above 1; whether counterfeits are flagged changes nothing."""
    is_small = listings["seller_id"].str.startswith("small").to_numpy()
    score = np.where(np.random.default_rng(0).random(len(labels)) < np.where(is_small, 0.6, 0.2), 0.9, 0.1)
    fairness = fairness_of(labels, score, listings)
    row = next(row for row in fairness.rows if row.value == SMALL)
    assert row.is_unfair
    assert row.ratio.value == pytest.approx(row.false_positive_rate.value / row.other_rate, rel=0.05)
    assert fairness.false_positive_ratio_small == row.ratio
    score = np.random.default_rng(1).random(len(labels))
    assert fairness_of(labels, score, listings) == fairness_of(labels, np.where(labels, 1 - score, score), listings)


def test_scripts_and_countries_are_compared_with_all_others(labels, listings):
    """Two of each have a row each; no ages, a country of nine sellers, and few listings have none."""
    sellers = pd.factorize(listings["seller_id"])[0]
    listings = listings.assign(
        country=np.where(sellers % 2 == 0, "DE", "CN"), title=np.where(sellers % 2 == 0, "Bag", "手提包")
    )
    rows = fairness_of(labels, np.random.default_rng(3).random(len(labels)), listings).rows
    values = {(row.column, row.value) for row in rows if row.column in ("script", "country")}
    assert values == {("script", "Latin"), ("script", "Chinese characters"), ("country", "DE"), ("country", "CN")}
    score = np.random.default_rng(2).random(len(labels))
    assert fairness_of(labels, score, listings).false_positive_ratio_new is not None
    without = fairness_of(labels, score, listings.drop(columns="seller_age_days"))
    assert NEW not in {row.value for row in without.rows}
    assert without.false_positive_ratio_new is None
    country = np.where(listings["seller_id"].isin([f"small{i}" for i in range(9)]), "MT", "DE")
    rows = fairness_of(labels, np.random.default_rng(4).random(len(labels)), listings.assign(country=country)).rows
    assert not [row for row in rows if row.column == "country"]
    few = pd.DataFrame({"seller_id": list("abcd")})
    assert seller_fairness([1, 0, 0, 0], [0.9, 0.1, 0.2, 0.3], few, 0.5).rows == ()
    with pytest.raises(UnmeasurableScores, match="a score per listing"):
        seller_fairness(labels[:-1], np.zeros(len(labels) - 1), listings, 0.5)


@pytest.fixture
def branded() -> pd.DataFrame:
    """Two hundred listings of fifty sellers in two brands of a hundred, and a rare third."""
    brands = np.where(np.arange(220) >= 200, "Rare", np.where(np.arange(220) % 2 == 0, "Even", "Odd"))
    return pd.DataFrame({"seller_id": [f"s{i % 50}" for i in range(220)], "brand": brands})


def test_a_brand_is_off_where_scores_and_labels_differ_by_more_than_chance(branded):
    """Predicted is the sum of scores, observed that of labels; rare brands are left out; none of three is chance."""
    labels, score = np.arange(220) % 11 == 0, np.random.default_rng(0).random(220)
    parts = reliability_by_brand(labels, score, branded, resampling=Resampling(20))
    assert {part.brand for part in parts} == {"Even", "Odd"}
    for part in parts:
        rows = (branded["brand"] == part.brand).to_numpy()
        assert part.predicted == pytest.approx(score[rows].sum())
        assert part.observed == labels[rows].sum()
        assert part.surplus.value == pytest.approx((part.observed - part.predicted) / rows.sum())
    labels = np.arange(220) % 20 < 2
    score = np.where(branded["brand"] == "Even", 0.9, 0.1)
    parts = reliability_by_brand(labels, score, branded)
    assert {part.brand: part.is_off for part in parts} == {"Even": True, "Odd": False}
    labels = (branded["brand"] == "Even").to_numpy() & (np.arange(220) % 4 == 0)
    odd = next(part for part in reliability_by_brand(labels, np.full(220, 0.03), branded) if part.brand == "Odd")
    assert (odd.observed, odd.is_off) == (0, False)
    assert odd.surplus.high < 0
