"""What slices promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.model.evaluation.metrics import average_precision
from ipml.model.evaluation.slices import (
    NONE,
    SLICE_MEASURES,
    Slice,
    break_even,
    group_columns,
    measure_slices,
    seller_sizes,
    writing_system,
)

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


def measure(y, score, sellers, **columns) -> list[Slice]:
    """Measure with few resamples."""
    return list(measure_slices(y, [score], pd.DataFrame(columns), sellers, n_resamples=60))


def test_a_slice_as_counterfeit_as_the_whole_is_comparable_as_it_is(y, score, sellers):
    """Comparable and plain precision agree at the whole's share; without half the genuine only the plain one rises."""
    brand = np.where(np.arange(N) % 10 < 5, "A", "B")
    for part in measure(y, score, sellers, brand=brand):
        assert part.counts.prevalence == y.mean()
        plain, comparable = (part.figures[name].value for name in SLICE_MEASURES[:2])
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
        for name in SLICE_MEASURES:
            assert one.figures[name].high == pytest.approx(other.figures[name].high)
    brand = pd.Series(np.where(np.arange(N) < 40, "small", "large"))
    clean = pd.Series(np.where(y, "mixed", "clean")).where(np.arange(N) % 3 > 0)
    assert [part.value for part in measure(y, score, sellers, brand=brand)] == ["large"]
    assert "clean" not in [part.value for part in measure(y, score, sellers, brand=clean)]
    assert measure(y, score, sellers, brand=["all"] * N) == []
    assert (score >= break_even(y, score)).sum() == y.sum()


def test_groups_are_what_is_known():
    """Absent columns make none, missing moments have no quarter; ages at borders fall in the band that names them."""
    listings = pd.DataFrame({"seller_id": list("ab"), "listed_at": pd.to_datetime(["2026-05-01", None], utc=True)})
    groups = group_columns(listings)
    assert list(groups) == ["seller size", "quarter listed"]
    assert groups["quarter listed"].tolist()[0] == "2026 Q2"
    assert groups["quarter listed"].isna().tolist() == [False, True]
    listings = pd.DataFrame({"seller_id": list("aab"), "seller_listings": [50.0, np.nan, np.nan]})
    assert seller_sizes(listings).tolist() == [50, 2, 1]
    listings = pd.DataFrame({"seller_id": list("abcdef"), "seller_age_days": [0.0, 29, 30, 89, 90, 364]})
    bands = ["under 30 days"] * 2 + ["30 to 89 days"] * 2 + ["90 to 364 days"] * 2
    assert group_columns(listings)["seller age"].tolist() == bands
    assert group_columns(listings.assign(seller_age_days=365.0))["seller age"].unique() == ["a year or more"]


def test_the_script_is_that_of_most_letters():
    """Brand names in Latin letters do not outweigh the rest; styled letters are what they stand for."""
    scripts = {
        "Nike Air Max 90": "Latin",
        "Сумка Gucci женская": "Cyrillic",
        "名牌手提包": "Chinese characters",
        "財布 ルイ": "Japanese",
        "핸드백": "Korean",
        "𝐍𝐢𝐤𝐞 𝐬𝐡𝐨𝐞𝐬": "Latin",
        "⚡ 100 % ⚡": NONE,
    }
    assert {text: writing_system(text) for text in scripts} == scripts


@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=400))
def test_any_text_has_an_answer(text):
    """Broken and unassigned letters included; without letters there is none."""
    assert writing_system(text)
