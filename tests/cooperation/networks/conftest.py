"""A small marketplace with planted networks, made once."""

import pytest

from ipml.cooperation.networks.detection import find_networks
from ipml.simulation.networks import simulate_networks


@pytest.fixture(scope="package")
def sellers():
    """Two thousand sellers with four networks among them."""
    return simulate_networks(11, n_sellers=2_000, n_networks=4)


@pytest.fixture(scope="package")
def networks(sellers):
    """What is found of them."""
    return find_networks(sellers.attributes)
