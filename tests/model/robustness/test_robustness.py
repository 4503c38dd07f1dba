"""What attacks cost is measured at the operator's threshold, on scores alone, with intervals over sellers."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.errors import UnmeasurableScores, UnusableSetting
from ipml.model.evaluation.metrics import average_precision, precision_at
from ipml.model.robustness import attack_listings, find_attacks, score_attacks
from ipml.model.robustness.robustness import (
    ATTACKS,
    REFERENCE,
    Robustness,
    alarms_table,
    false_alarms_by_script,
    genuine_listings,
    measure_robustness,
    robustness_of,
    score_by_seller,
    threshold_at_precision,
)
from ipml.model.robustness.scenarios import Scenario, game_listings

Y = np.array([1, 0, 1, 0, 1, 0, 1, 0])
CLEAN = np.array([0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4])
SELLERS = list("abcdefgh")
FEW = find_attacks(["homoglyph, all Cyrillic", "leet digits", "padding, end", "genuine price", "washed history"])


class WordList:
    """A classifier that knows one word, and only as it is written here."""

    def predict_proba(self, X):
        """Return 0.9 for titles with the word, 0.1 for others."""
        scores = np.where(X["title"].str.contains("replica"), 0.9, 0.1)
        return np.column_stack([1 - scores, scores])


@pytest.fixture
def shop():
    """Return listings of four sellers, half of them counterfeit."""
    return pd.DataFrame({"seller_id": list("aabbccdd"), "title": ["replica bag", "tea cup"] * 4})


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.lists(st.floats(0, 1), min_size=8, max_size=8))
def test_a_higher_score_after_the_attack_never_costs_more(before, gain):
    """Raising the scores of the counterfeits can only find more of them."""
    clean = np.where(Y == 1, np.maximum(before, 0.5), np.array(before) / 2)
    raised = np.where(Y == 1, clean + np.array(gain), clean)
    low, high = robustness_of(Y, clean, {"a": clean, "b": raised}, sellers=SELLERS, precision=0.5, n_resamples=10).costs
    assert high.recall_lost.value <= low.recall_lost.value
    assert high.average_precision_kept.value >= low.average_precision_kept.value


@given(st.lists(st.floats(0, 1), min_size=8, max_size=8), st.floats(0.1, 1.0))
def test_the_threshold_is_as_precise_as_asked(score, precision):
    """At least that share of the listings from it on is counterfeit, or there is no such threshold."""
    try:
        threshold = threshold_at_precision(Y, score, precision)
    except UnmeasurableScores:
        return
    assert precision_at(Y, score, k=int((np.array(score) >= threshold).sum())) >= precision


def test_costs_are_those_of_the_measures_and_so_are_means_and_the_worst():
    """Nothing where no score changes; of all attacks and of those unnoticed; in JSON and in a table the worst first."""
    scores = {"leet digits": CLEAN - 0.25 * Y, "soft hyphen": CLEAN - 0.15 * Y, "full-width": CLEAN}
    robustness = robustness_of(Y, CLEAN, scores, sellers=SELLERS, precision=0.9)
    assert robustness.worst.name == "leet digits"
    assert robustness.mean_recall_lost == pytest.approx((0.75 + 0.5 + 0.0) / 3)
    assert [cost.name for cost in robustness.lossless.costs] == ["soft hyphen", "full-width"]
    assert robustness.lossless.mean_recall_lost == pytest.approx(0.25)
    assert "lossless, 2 attacks: 0.250 of recall lost on average, 0.500 by the worst, soft hyphen" in (
        robustness.summary()
    )
    lines = [line.split("  ")[0] for line in robustness.table().splitlines()]
    assert lines == ["attack", "leet digits", "soft hyphen", "full-width"]
    assert Robustness.from_json(robustness.to_json()) == robustness
    same, other = robustness_of(Y, CLEAN, {"own trick": CLEAN, "a": CLEAN - 0.35 * Y}, sellers=SELLERS).costs
    assert (same.recall_lost.value, same.recall_lost.low, same.recall_lost.high) == (0.0, 0.0, 0.0)
    assert same.average_precision_kept.low == same.average_precision_kept.high == 1.0
    assert same.kind == "own"
    kept = average_precision(Y, CLEAN - 0.35 * Y) / average_precision(Y, CLEAN)
    assert other.average_precision_kept.value == kept
    robustness = robustness_of(Y, CLEAN, {"leet digits": CLEAN - 0.25 * Y}, sellers=SELLERS, precision=0.9)
    assert robustness.threshold == 0.6
    assert robustness.recall.value == 1.0
    assert robustness.worst.recall.value == 0.25
    assert robustness.worst.recall_lost.value == 0.75


def test_attacks_are_announced_and_cost_a_word_list_what_is_written_otherwise(shop):
    """All by look-alikes, nothing by padding or gaming; added listings have no score; halves pool to the whole."""
    robustness = measure_robustness(WordList(), shop, [1, 0] * 4, families=FEW, n_resamples=20)
    lost = {cost.name: cost.recall_lost.value for cost in robustness.costs}
    assert lost == {
        "homoglyph, all Cyrillic": 1.0,
        "leet digits": 1.0,
        "padding, end": 0.0,
        "genuine price": 0.0,
        "washed history": 0.0,
    }
    said: list[str] = []
    scored = dict(score_attacks(WordList(), shop, [1, 0] * 4, families=FEW, say=said.append))
    assert said == list(scored) == [attack.name for attack in FEW]
    assert all(scores.shape == (8,) for scores in scored.values())
    y = np.array([1, 0] * 4)
    whole = dict(score_attacks(WordList(), shop, y, families=FEW))
    halves = [dict(score_attacks(WordList(), part, y[:4], families=FEW)) for part in (shop[:4], shop[4:])]
    for name, scores in whole.items():
        assert scores.tolist() == [score for half in halves for score in half[name]]


def test_sellers_who_attack_nothing_keep_their_scores(market, classifier):
    """Scoring only the attackers' listings again gives what scoring all of them does."""
    listings = market.listings.tail(400)
    y = listings["is_counterfeit"].fillna(False).to_numpy(dtype=bool)
    attacks = find_attacks(["leet digits", "washed history", "fresh account"])
    scored = dict(score_attacks(classifier, listings, y, families=attacks))
    for attack in attacks:
        if isinstance(attack, Scenario):
            attacked = game_listings(listings, attack, y, ~y).listings
        else:
            attacked = attack_listings(listings, attack, y)
        everything = score_by_seller(classifier, attacked)[: len(listings)]
        np.testing.assert_allclose(scored[attack.name], everything, rtol=0, atol=1e-12)


def test_parts_never_divide_a_seller(monkeypatch):
    """Each call sees all listings of its sellers, and few of others; every listing is scored once, in its place."""
    seen = []

    class Recorder:
        def predict_proba(self, X):
            seen.append(set(X["seller_id"]))
            return np.column_stack([X["price"], X["price"]])

    monkeypatch.setattr("ipml.model.robustness.robustness.ROWS_AT_A_TIME", 4)
    listings = pd.DataFrame({"seller_id": list("abcabcabcd"), "price": np.arange(10.0)})
    assert score_by_seller(Recorder(), listings).tolist() == listings["price"].tolist()
    assert len(seen) > 1
    assert sum(map(len, seen)) == 4


def test_attacks_are_found_by_name_and_by_kind():
    """No name stands for all; one unknown is refused with near names, a precision too high with the best."""
    assert {attack.name for attack in find_attacks(["gaming", "dotted"])} >= {"dotted", "no price", "fresh account"}
    assert find_attacks(()) == tuple(ATTACKS.values())
    with pytest.raises(UnusableSetting, match="leet digits"):
        find_attacks(["leet digit"])
    with pytest.raises(UnmeasurableScores, match=r"a precision of 0\.50 at most; expected 0\.8 or more"):
        threshold_at_precision(Y, -CLEAN)


def test_harmless_listings_differ_in_language_only(classifier):
    """As many at the same prices in letters of each script; raising the threshold never adds an alarm."""
    by_language = genuine_listings()
    assert len(by_language) == 15
    english = by_language[REFERENCE]
    assert english["title"].str.isascii().all()
    for language, listings in by_language.items():
        assert listings["price"].tolist() == english["price"].tolist()
        assert listings["title"].is_unique
        assert language == REFERENCE or not listings["title"].str.isascii().any()
    low, high = (false_alarms_by_script(classifier, threshold) for threshold in (0.1, 0.5))
    assert all(later.share <= sooner.share for sooner, later in zip(low, high, strict=True))
    assert low[0].language == REFERENCE
    assert low[0].surplus == 0.0
    assert len(alarms_table(low).splitlines()) == 16
