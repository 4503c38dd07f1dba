"""Sellers share out what is to be sold."""

import numpy as np

from ipml.simulation.attackers import craft_of
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
