"""Counterfeiters disguise names so that readers still know them, and imitate better the harder it is."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalisation import fold_text
from ipml.listings.brands import load_brands
from ipml.simulation.attackers import Craft, choose_replica_phrases, craft_of, disguise_name, price_fakes

NAMES = [brand.name for brand in load_brands()]
DIFFICULTIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@given(name=st.sampled_from(NAMES), way=st.floats(0, 1, exclude_max=True))
def test_a_disguised_name_is_never_written_as_it_is(name: str, way: float):
    """Whatever the way, a search for the name as written finds nothing."""
    assert name not in disguise_name(name, way)


@given(name=st.sampled_from(NAMES), way=st.floats(0, 0.449))
def test_look_alikes_and_invisible_letters_fold_back_to_the_name(name: str, way: float):
    """What a reader sees is the brand's name."""
    assert fold_text(disguise_name(name, way)) == fold_text(name)


def test_an_alias_is_one_of_the_brands_own():
    """The last way takes an alias where there is one."""
    assert disguise_name("Nike", 0.95, ("Swoosh",)) == "Swoosh"


@pytest.mark.parametrize("name", ["copied", "price_ratio", "aged_accounts", "active_days", "age_days", "numbered"])
def test_imitation_gets_better_with_difficulty(name: str):
    """Each of these moves towards the genuine at every step."""
    values = [getattr(craft_of(difficulty), name) for difficulty in DIFFICULTIES]
    assert values == sorted(values)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", ["worded", "disguised", "luxury_discount"])
def test_giveaways_get_rarer_with_difficulty(name: str):
    """Each of these shrinks at every step."""
    values = [getattr(craft_of(difficulty), name) for difficulty in DIFFICULTIES]
    assert values == sorted(values, reverse=True)


def test_at_difficulty_0_the_words_have_their_dark_net_shares():
    """Of the titles 25 % contain AAA, 20 % grade, 19 % replica, 14 % 1:1, under 1 % copy."""
    phrases = choose_replica_phrases(100_000, craft_of(0.0), np.random.default_rng(0))
    for word, share in {"AAA": 0.25, "grade": 0.20, "replica": 0.19, "1:1": 0.14, "copy": 0.005}.items():
        assert np.mean([word in phrase for phrase in phrases]) == pytest.approx(share, abs=0.005)


def test_at_difficulty_1_no_fake_has_a_replica_word():
    """The best imitators write none."""
    assert set(choose_replica_phrases(10_000, craft_of(1.0), np.random.default_rng(0))) == {""}


def test_fakes_of_dear_brands_cost_a_smaller_part():
    """The dearer the genuine article, the lower the median ratio."""
    rng = np.random.default_rng(0)
    medians = [np.median(price_fakes(np.full(2_000, worth), craft_of(0.3), rng)) for worth in (50, 500, 5_000)]
    assert medians[0] > medians[1] > medians[2]


def test_every_share_of_a_craft_lies_between_0_and_1_at_any_difficulty():
    """Shares are shares; only days and the spread may exceed them."""
    for difficulty in DIFFICULTIES:
        craft = craft_of(difficulty)
        assert min(astuple(craft)) >= 0
        assert max(craft.copied, craft.worded, craft.disguised, craft.aged_accounts, craft.numbered) <= 1
        assert isinstance(craft, Craft)
