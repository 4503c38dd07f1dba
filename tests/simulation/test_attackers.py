"""Counterfeiters disguise names so that readers still know them, and imitate better the harder it is."""

from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalisation import fold_text
from ipml.listings.brands import load_brands
from ipml.simulation.attackers import choose_replica_phrases, craft_of, disguise_name, price_fakes

NAMES = [brand.name for brand in load_brands()]


@given(name=st.sampled_from(NAMES), way=st.floats(0, 1, exclude_max=True))
def test_a_disguised_name_is_never_written_as_it_is(name: str, way: float):
    """A search for the name as written finds nothing; up to a way, a reader sees the name, and the last is an alias."""
    disguised = disguise_name(name, way)
    assert name not in disguised
    if way < 0.449:
        assert fold_text(disguised) == fold_text(name)
    assert disguise_name("Nike", 0.95, ("Swoosh",)) == "Swoosh"


def test_imitation_gets_better_with_difficulty():
    """What fakes copy moves towards the genuine at every step, giveaways shrink; shares stay shares."""
    crafts = [asdict(craft_of(difficulty)) for difficulty in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for name in ("copied", "price_ratio", "aged_accounts", "active_days", "age_days", "numbered"):
        values = [craft[name] for craft in crafts]
        assert values == sorted(set(values)), name
        assert len(values) == 5
    for name in ("worded", "disguised", "luxury_discount"):
        values = [craft[name] for craft in crafts]
        assert values == sorted(values, reverse=True), name
    assert min(value for craft in crafts for value in craft.values()) >= 0
    shares = ("copied", "worded", "disguised", "aged_accounts", "numbered")
    assert max(craft[name] for craft in crafts for name in shares) <= 1


def test_at_difficulty_0_the_words_have_their_dark_net_shares():
    """Of the titles 25 % contain AAA, 20 % grade, 19 % replica, 14 % 1:1, under 1 % copy; at 1 there are none."""
    phrases = choose_replica_phrases(100_000, craft_of(0.0), np.random.default_rng(0))
    for word, share in {"AAA": 0.25, "grade": 0.20, "replica": 0.19, "1:1": 0.14, "copy": 0.005}.items():
        assert np.mean([word in phrase for phrase in phrases]) == pytest.approx(share, abs=0.005)
    assert set(choose_replica_phrases(10_000, craft_of(1.0), np.random.default_rng(0))) == {""}


def test_fakes_of_dear_brands_cost_a_smaller_part():
    """The dearer the genuine article, the lower the median ratio."""
    rng = np.random.default_rng(0)
    medians = [np.median(price_fakes(np.full(2_000, worth), craft_of(0.3), rng)) for worth in (50, 500, 5_000)]
    assert medians[0] > medians[1] > medians[2]
