"""Simulated sellers with known networks."""

import pandas as pd
import pytest

from ipml.simulation.networks import simulate_networks


@pytest.fixture(scope="module")
def sellers():
    """Three thousand sellers, five networks."""
    return simulate_networks(4, n_sellers=3_000, n_networks=5)


def test_the_same_seed_gives_the_same_sellers(sellers):
    """Attributes, truth and listings, to the cell."""
    again = simulate_networks(4, n_sellers=3_000, n_networks=5)
    for name in ("attributes", "truth", "listings"):
        pd.testing.assert_frame_equal(getattr(sellers, name), getattr(again, name))


def test_each_network_has_one_source_and_a_distributor(sellers):
    """Roles are told of members only."""
    roles = sellers.truth.groupby("network")["role"].value_counts().unstack(fill_value=0)
    assert (roles.loc[1:, "source"] == 1).all()
    assert (roles.loc[1:, "distributor"] >= 1).all()
    assert set(sellers.truth.loc[sellers.truth["network"] == 0, "role"]) == {""}


def test_strangers_share_too(sellers):
    """Some values are had by many who are in no network, and firms are honest: in no network either."""
    honest = sellers.truth.loc[sellers.truth["network"] == 0, "seller_id"]
    rows = sellers.attributes[sellers.attributes["seller_id"].isin(honest)]
    assert rows.groupby(["kind", "value"])["seller_id"].nunique().max() > 100
    assert (sellers.truth.loc[sellers.truth["firm"] > 0, "network"] == 0).all()


def test_the_more_is_missing_the_less_is_seen_of_networks():
    """What members have is left out by the share asked for; sellers outside lose nothing."""
    full, half = (simulate_networks(4, n_sellers=3_000, n_networks=5, missing=share) for share in (0.0, 0.5))
    payouts = [
        one.attributes[one.attributes["kind"] == "payout"].merge(one.truth, on="seller_id") for one in (full, half)
    ]
    planted = [int((frame["network"] > 0).sum()) for frame in payouts]
    assert planted[1] < 0.7 * planted[0]
