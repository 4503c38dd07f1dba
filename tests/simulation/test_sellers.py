"""Sellers and their networks, the goods they sell, and how counterfeiters imitate and disguise."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.features.normalisation import fold_text
from ipml.listings.brands import load_brands
from ipml.simulation.attackers import choose_replica_phrases, craft_of, disguise_name, price_fakes
from ipml.simulation.networks import simulate_networks
from ipml.simulation.offers import GOODS, goods_of, models_of
from ipml.simulation.sellers import KIND_CODES, recruit_sellers


def test_listings_and_fakes_are_shared_out_to_the_last():
    """Portfolios sum to the listings, fakes to 7 % of them; only counterfeiters and mixed sellers have any."""
    for n_listings, seed in ((500, 0), (5_000, 1), (60_000, 2)):
        sellers = recruit_sellers(n_listings, craft_of(0.5), 0.5, np.random.default_rng(seed))
        assert sellers["n_listings"].sum() == n_listings
        assert sellers["n_fakes"].sum() == round(0.07 * n_listings)
        assert (sellers["n_fakes"] <= sellers["n_listings"]).all()
        kinds = set(sellers["kind"][sellers["n_fakes"] > 0])
        assert kinds <= {KIND_CODES["counterfeiter"], KIND_CODES["mixed"]}


def test_networks_have_at_least_three_counterfeiters_of_one_style():
    """A network is three or more sellers, all counterfeiters, who write alike and begin within days."""
    sellers = recruit_sellers(50_000, craft_of(0.5), 0.5, np.random.default_rng(0))
    networks = sellers[sellers["network"] >= 0].groupby("network")
    assert (networks.size() >= 3).all()
    assert (networks["style"].nunique() == 1).all()
    assert (networks["kind"].unique().str[0] == KIND_CODES["counterfeiter"]).all()
    assert (networks["active_day"].max() - networks["active_day"].min() <= 12).all()


def test_everyone_joins_before_he_sells_and_sells_before_he_leaves():
    """Days follow one another, and everybody sells for some of the year."""
    sellers = recruit_sellers(20_000, craft_of(0.5), 0.5, np.random.default_rng(0))
    assert (sellers["joined_day"] <= sellers["active_day"]).all()
    assert (sellers["active_day"] < sellers["left_day"]).all()
    assert (sellers["left_day"] > -365).all()
    assert (sellers["left_day"] <= 0).all()


def test_every_category_of_the_brand_file_has_goods_of_its_own():
    """No brand falls back on the general goods."""
    assert {GOODS[goods_of(brand.category)].name for brand in load_brands()} == {
        brand.category for brand in load_brands()
    }


def test_article_numbers_are_valid_and_name_no_real_article():
    """Each GTIN has its check digit and lies in the range 200-299, for use inside companies, and is of one brand."""
    gtins = [model.gtin for brand in load_brands() for model in models_of(brand.name)]
    assert len(set(gtins)) == len(gtins)
    for gtin in gtins:
        digits = [int(digit) for digit in gtin]
        assert (len(digits), digits[0]) == (13, 2)
        assert sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10 == 0


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


@pytest.fixture(scope="module")
def networked():
    """Three thousand sellers, five networks."""
    return simulate_networks(4, n_sellers=3_000, n_networks=5)


def test_the_same_seed_gives_the_same_sellers(networked):
    """Attributes, truth and listings, to the cell."""
    again = simulate_networks(4, n_sellers=3_000, n_networks=5)
    for name in ("attributes", "truth", "listings"):
        pd.testing.assert_frame_equal(getattr(networked, name), getattr(again, name))


def test_each_network_has_one_source_and_a_distributor(networked):
    """Roles are told of members only."""
    roles = networked.truth.groupby("network")["role"].value_counts().unstack(fill_value=0)
    assert (roles.loc[1:, "source"] == 1).all()
    assert (roles.loc[1:, "distributor"] >= 1).all()
    assert set(networked.truth.loc[networked.truth["network"] == 0, "role"]) == {""}


def test_strangers_share_too(networked):
    """Some values are had by many who are in no network, and firms are honest: in no network either."""
    honest = networked.truth.loc[networked.truth["network"] == 0, "seller_id"]
    rows = networked.attributes[networked.attributes["seller_id"].isin(honest)]
    assert rows.groupby(["kind", "value"])["seller_id"].nunique().max() > 100
    assert (networked.truth.loc[networked.truth["firm"] > 0, "network"] == 0).all()


def test_the_more_is_missing_the_less_is_seen_of_networks():
    """What members have is left out by the share asked for; sellers outside lose nothing."""
    full, half = (simulate_networks(4, n_sellers=3_000, n_networks=5, missing=share) for share in (0.0, 0.5))
    payouts = [
        one.attributes[one.attributes["kind"] == "payout"].merge(one.truth, on="seller_id") for one in (full, half)
    ]
    planted = [int((frame["network"] > 0).sum()) for frame in payouts]
    assert planted[1] < 0.7 * planted[0]
