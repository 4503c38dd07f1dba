"""What has moved since a model was made."""

import json
from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import sem

from ipml.errors import NotFound, Refused, UnreadableFile
from ipml.model.drift import DriftReference, DriftReport, measure_drift, path_beside, read_reference, reference_of
from ipml.model.drift.drift import stability_index, to_html
from ipml.model.drift.reference import Mean


def make_listings(n: int = 3_000, seed: int = 0, per_seller: int = 2, **changes: object) -> pd.DataFrame:
    """Return listings of many small sellers, whose brand, price and title say nothing of each other."""
    rng = np.random.default_rng(seed)
    listings = pd.DataFrame(
        {
            "seller_id": [f"seller-{number // per_seller}" for number in range(n)],
            "title": rng.choice(["Wool hat", "Leather bag", "Silk scarf"], n),
            "description": "As good as new",
            "brand": rng.choice(["Acme", "Nike", "Zara"], n, p=[0.5, 0.3, 0.2]),
            "currency": "EUR",
            "price": rng.lognormal(3, 1, n),
            "seller_age_days": rng.exponential(200, n).round(),
        }
    )
    return listings.assign(**changes)


def make_scores(n: int = 3_000, rate: float = 0.1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and calibrated scores that tell them apart rather well."""
    rng = np.random.default_rng(seed)
    score = rng.beta(0.4, 0.4 * (1 - rate) / rate, n)
    return (rng.random(n) < score).astype(float), score


def make_ratios(n: int = 3_000, seed: int = 0, spread: float = 0.7) -> np.ndarray:
    """Return prices over reference prices; of every tenth listing one is unknown."""
    ratios = np.random.default_rng(seed).lognormal(0, spread, n)
    ratios[::10] = np.nan
    return ratios


def alarms(report: DriftReport) -> dict[str, str]:
    """Return the subjects that are worth watching or alarm."""
    return {check.subject: check.alarm for check in report.checks if check.alarm != "none"}


@pytest.fixture(scope="module")
def reference() -> DriftReference:
    """Return the reference of plain listings, with scores and labels."""
    y, score = make_scores()
    return reference_of(make_listings(), score, y, make_ratios())


def test_nothing_alarms_that_nobody_need_act_on(market, reference):
    """Listings against themselves, in any order of rows; two more in a hundred; a third of them of one seller."""
    score = np.linspace(0, 1, len(market.listings))
    own = reference_of(market.listings, score, market.truth["is_counterfeit"])
    report = measure_drift(own, market.listings, score, market.truth["is_counterfeit"])
    assert alarms(report) == {}
    assert all(check.effect <= 0 for check in report.checks if check.measure == "PSI")
    assert all(check.effect == pytest.approx(1) for check in report.checks if check.measure == "ratio")
    listings, (y, score) = make_listings(seed=1), make_scores(seed=1)
    order = np.random.default_rng(0).permutation(len(listings))
    shuffled = measure_drift(reference, listings.iloc[order], score[order], y[order])
    for one, other in zip(measure_drift(reference, listings, score, y).checks, shuffled.checks, strict=True):
        assert (one.subject, one.alarm, one.sentence) == (other.subject, other.alarm, other.sentence)
        assert one.effect == pytest.approx(other.effect)
    then = make_listings(60_000, per_seller=1, brand=["Acme"] * 30_000 + ["Nike"] * 30_000)
    now = then.assign(brand=["Acme"] * 31_200 + ["Nike"] * 28_800)
    (check,) = [check for check in measure_drift(reference_of(then, None), now).checks if check.subject == "brand"]
    assert check.p_value < 1e-6
    assert check.alarm == "none"
    now = make_listings(1_500, seed=1)
    giant = make_listings(750, seed=2, seller_id="giant", brand="Nike", seller_age_days=1.0)
    assert alarms(measure_drift(reference, pd.concat([now, giant], ignore_index=True))) == {}


def draw_sellers(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Return listings of sellers of very different size, each with a brand, prices and labels of its own."""
    rng = np.random.default_rng(seed)
    seller = np.repeat(np.arange(n), np.ceil(rng.lognormal(1.5, 0.9, n)).astype(int))
    of_seller = rng.random((3, n))[:, seller]
    y = ((of_seller[0] < 0.1) & (rng.random(len(seller)) < 0.9)).astype(float)
    score = np.clip(0.09 + 0.4 * y + 0.08 * of_seller[1] + rng.normal(0, 0.05, len(y)), 0, 1)
    listings = make_listings(len(y), seed, seller_id=seller.astype(str), seller_age_days=1_000 * of_seller[2])
    listings["brand"] = np.array(["Acme", "Nike", "Zara", "Seiko", None])[(5 * of_seller[1]).astype(int)]
    return listings, score, y, np.exp(rng.normal(of_seller[2], 0.5))


@pytest.mark.slow
def test_chance_alone_seldom_alarms_however_few_the_sellers(subtests):
    """Three in forty files at most, where two are expected; chances are even, and four sellers allow no comparison."""
    then = reference_of(*draw_sellers(1_000, 0))
    for n in (20, 60, 200):
        with subtests.test(sellers=n):
            reports = [measure_drift(then, *draw_sellers(n, 1_000 * n + seed)) for seed in range(40)]
            assert sum(report.alarm == "alarm" for report in reports) <= 3
            chances = np.array([check.p_value for report in reports for check in report.checks])
            assert 0.3 < np.median(chances) < 0.8
            assert 0.01 < np.mean(chances < 0.1) < 0.16
    report = measure_drift(then, *draw_sellers(4, 5))
    assert (report.checks, report.alarm, report.verdict) == ((), "none", "too few sellers to compare")


def test_a_large_move_alarms_and_says_what_moved(subtests, reference):
    """The sentence names the bin or the word that moved most."""
    for subject, changes, said in [
        ("brand", {"brand": "Zara"}, "Zara went from 2"),
        ("brand", {"brand": None}, "missing went from 0 % to 100 %"),
        ("price in EUR", {"currency": "USD"}, "missing went from 0 % to 100 %"),
        ("currency", {"currency": "USD"}, "EUR went from 100 % to 0 %"),
        ("new currency", {"currency": "USD"}, "new values: USD, together 100.0 %"),
        ("seller_age_days", {"seller_age_days": 3.0}, "up to 2"),
        ("title_script", {"title": "Шапка"}, "LATIN went from 100 % to 0 %"),
        ("new title_script", {"title": "Шапка"}, "CYRILLIC"),
        ("title_letters", {"title": "Hat " * 20}, "above 11"),
        ("description_letters", {"description": None}, "missing went from 0 % to 100 %"),
    ]:
        with subtests.test(subject=subject, changes=changes, said=said):
            report = measure_drift(reference, make_listings(seed=1, **changes))
            assert alarms(report)[subject] == "alarm"
            assert said in next(check.sentence for check in report.checks if check.subject == subject)


@given(factor=st.floats(0.001, 0.5) | st.floats(2.0, 1_000.0), spread=st.floats(0.1, 1.5), seed=st.integers(0, 99))
@settings(max_examples=5)
def test_other_prices_for_the_same_goods_alarm(factor, spread, seed):
    """Half as much or twice, and anything beyond, however widely the prices of one brand spread."""
    listings = make_listings(1_000)[["seller_id"]]
    before, after = make_ratios(1_000, seed, spread), factor * make_ratios(1_000, seed + 100, spread)
    then = reference_of(listings, None, None, before)
    found = alarms(measure_drift(then, listings, None, None, after))
    assert found["price level"] == "alarm"
    assert alarms(measure_drift(then, listings, None, None, after / factor)).get("price level") is None


@pytest.mark.parametrize("has_reference", [True, False])
def test_a_fall_of_prices_in_one_currency_alarms(has_reference):
    """The others do not; without references prices count, though the mean over all currencies moves too little."""
    currency = np.where(np.arange(3_000) // 2 % 8 == 0, "RUB", np.where(np.arange(3_000) // 2 % 8 == 1, "CNY", "EUR"))
    fall = np.where(currency == "EUR", 1.0, 0.3)
    then, now = make_listings(currency=currency), make_listings(seed=1, currency=currency)
    ratios = (make_ratios(), make_ratios(seed=1) * fall) if has_reference else (None, None)
    reference = DriftReference.from_json(reference_of(then, None, None, ratios[0]).to_json())
    found = alarms(measure_drift(reference, now.assign(price=now["price"] * fall), None, None, ratios[1]))
    assert {name for name, alarm in found.items() if alarm == "alarm"} == {"price level in RUB", "price level in CNY"}


def test_scores_and_labels_that_moved_alarm(reference):
    """Twice as many fakes, scores that promise half, the same dealt anew, and abstaining; better ones do not."""
    listings, (y, score) = make_listings(seed=1), make_scores(seed=1)
    more_y, more = make_scores(rate=0.2, seed=1)
    found = alarms(measure_drift(reference, listings, more, more_y))
    assert found["mean score"] == found["label rate"] == "alarm"
    assert "calibration" not in found
    assert alarms(measure_drift(reference, listings, score / 2, y))["calibration"] == "alarm"
    dealt = np.random.default_rng(0).permutation(score)
    assert alarms(measure_drift(reference, listings, dealt, y)) == {"separation": "alarm"}
    assert "separation" not in alarms(measure_drift(reference, listings, 0.02 + 0.8 * y, y))
    missing = np.where(np.arange(len(score)) % 3, score, np.nan)
    assert alarms(measure_drift(reference, listings, missing, y))["score"] == "alarm"


def test_labels_that_speak_for_some_only_are_pointed_out(reference):
    """Those of what people chose or of all there are; prices and scores that there were not are not compared."""
    listings, (y, score) = make_listings(seed=1), make_scores(seed=1)
    chosen = np.where(score < 0.2, np.nan, y)
    warnings = measure_drift(reference, listings, score, chosen).warnings
    (warning,) = [words for words in warnings if "Labels exist" in words]
    assert "speak for what people looked at" in warning
    y[:1_000] = np.nan
    report = measure_drift(reference, listings, score, y)
    assert report.warnings[0].startswith("The reference holds labelled listings only")
    listings = make_listings(seed=1)
    earlier = reference_of(make_listings(), None)
    for then, ratios in ((earlier, make_ratios()), (reference, None), (reference, np.zeros(3_000))):
        subjects = {check.subject for check in measure_drift(then, listings, None, None, ratios).checks}
        assert "price level" not in subjects
        assert "brand" in subjects
        assert subjects.isdisjoint({"score", "mean score", "label rate", "calibration", "separation"})


def test_a_reference_is_small_and_keeps_no_listing(market, reference, tmp_path):
    """No seller, title or id; another file is refused and a missing one named, in one line."""
    listings = market.listings
    ratios = make_ratios(len(listings))
    reference = reference_of(listings, np.full(len(listings), 0.1), listings["is_counterfeit"], ratios)
    text = reference.to_json()
    assert len(text) < 20_000
    assert not any(name in text for name in market.listings["seller_id"].unique())
    assert not any(title in text for title in market.listings["title"].head(200))
    assert DriftReference.from_json(text) == reference
    path = path_beside(tmp_path / "shoes")
    assert path.parent == tmp_path
    with pytest.raises(NotFound, match="ipml model drift MODEL LISTINGS --remember"):
        read_reference(path)
    path.write_text(reference.to_json())
    assert read_reference(path) == reference
    for text in ("", "{}", "[]", '{"format": 2}', "\x00", '{"n_listings": 1e999}'):
        path.write_text(text)
        with pytest.raises(UnreadableFile, match="expected a drift reference as ipml writes it"):
            read_reference(path)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=8), st.data())
def test_the_stability_index_is_the_same_both_ways(counts, data):
    """What went from a to b went from b to a, to the same degree."""
    others = data.draw(st.lists(st.integers(0, 50), min_size=len(counts), max_size=len(counts)))
    n, m = max(1, sum(counts)), max(1, sum(others))
    before, after = np.array(counts) / n, np.array(others) / m
    assert stability_index(before, after, n, m) == pytest.approx(stability_index(after, before, m, n))


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=9), st.integers(1, 3))
def test_the_error_of_a_mean_counts_sellers(values, times):
    """It is that of observations, one of each seller; the same again adds nothing, and one seller alone has none."""
    values, sellers = np.repeat(values, times), np.repeat(np.arange(len(values)), times)
    mean = Mean.of(values, sellers)
    assert (mean.value, mean.error) == pytest.approx((values.mean(), sem(values[::times])), abs=1e-9)
    assert Mean.of(values, sellers * 0).error == pytest.approx(0, abs=1e-9)


def test_the_report_holds_every_check_and_refuses_what_cannot_be_compared(reference):
    """As JSON and as a page without markup of sellers; lengths that differ, no probabilities, and no listings."""
    report = measure_drift(reference, make_listings(seed=1, brand="<script>alert(1)</script>"))
    told = json.loads(report.to_json())
    assert told["alarm"] == report.alarm == "alarm"
    assert len(told["checks"]) == len(report.checks)
    page = to_html(report)
    assert page.count("<tr class=") == len(report.checks)
    assert "<script" not in page
    for score, labels in (([0.5], None), ([1.5] * 10, None), (None, [2] * 10), ([0.5] * 10, [1] * 9)):
        with pytest.raises(Refused):
            measure_drift(reference, make_listings(10), score, labels)
    with pytest.raises(Refused, match="found no listings"):
        measure_drift(reference, make_listings(10).head(0))


@pytest.mark.slow
def test_a_year_of_a_marketplace(classifier):
    """Harder fakes, and twice as many, alarm within two months; twelve months without a change never, or almost."""
    from ipml.simulation.marketplace import simulate_marketplace

    simulate = cache(partial(simulate_marketplace, 20_000))

    def look(seed: int, difficulty: float = 0.5, is_kept=None, factor: float = 1.0) -> DriftReport | DriftReference:
        market = simulate(seed, difficulty)
        kept = np.ones(len(market.listings), dtype=bool) if is_kept is None else is_kept(market)
        listings = market.listings[kept].assign(price=lambda frame: factor * frame["price"])
        ratios = classifier.price_ratios(listings)
        score = classifier.predict_proba(listings)[:, 1]
        if reference is None:
            return reference_of(listings, score, listings["is_counterfeit"], ratios)
        return measure_drift(reference, listings, score, listings["is_counterfeit"], ratios)

    def without_half_of_the_honest(market) -> np.ndarray:
        sellers, is_fake = market.listings["seller_id"], market.truth["is_counterfeit"].to_numpy()
        drawn = np.random.default_rng(0).random(len(sellers)) < 0.55
        leaves = dict(zip(sellers, drawn, strict=True))
        return np.array([not leaves[seller] for seller in sellers]) | sellers.isin(sellers[is_fake]).to_numpy()

    reference = None
    reference = look(501)
    assert sum(look(510 + month).alarm == "alarm" for month in range(12)) <= 1
    for factor in (0.2, 0.5, 2.0):
        assert alarms(look(510, factor=factor))["price level"] == "alarm"
    assert "alarm" in {look(530, 0.6).alarm, look(531, 0.7).alarm}
    assert "alarm" in {look(seed, is_kept=without_half_of_the_honest).alarm for seed in (540, 541)}
