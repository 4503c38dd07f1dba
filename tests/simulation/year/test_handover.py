"""Networks of a simulated year, told from honest firms by what was taken down."""

from pathlib import Path

import pandas as pd
import pytest

from ipml.money import Money, Rates
from ipml.simulation.networks import NetworkedSellers, simulate_networks
from ipml.simulation.year.handover import find_gangs

RATES = Rates("EUR", {})


@pytest.fixture(scope="module")
def planted() -> NetworkedSellers:
    """Return sellers with three networks among them."""
    return simulate_networks(5, n_sellers=1_500, n_networks=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, planted) -> Path:
    """Return a folder with what is seen of them, as the year writes it."""
    folder = tmp_path_factory.mktemp("year")
    planted.attributes.to_parquet(folder / "attributes.parquet", index=False)
    planted.listings.to_parquet(folder / "sales.parquet", index=False)
    truth = pd.DataFrame({"seller_id": planted.truth["seller_id"], "network": planted.truth["network"] - 1})
    truth.to_parquet(folder / "networks-truth.parquet", index=False)
    return folder


def test_networks_with_counterfeiters_are_found(folder, planted):
    """Where all members of the planted networks had listings taken down, these are found, and no honest firm is."""
    struck = dict.fromkeys(planted.truth.loc[planted.truth["network"] > 0, "seller_id"], 3)
    _, gangs = find_gangs(folder, struck, RATES)
    assert gangs.planted == 3
    assert 1 <= gangs.found <= 4
    assert gangs.precision > 0.9
    assert gangs.value_low <= gangs.value <= gangs.value_high


def test_without_takedowns_there_is_no_case_for_the_police(folder):
    """However much sellers share: firms share as much."""
    _, gangs = find_gangs(folder, {}, RATES)
    assert (gangs.found, gangs.members, gangs.value, gangs.f1) == (0, 0, Money(0.0, "EUR"), 0.0)
