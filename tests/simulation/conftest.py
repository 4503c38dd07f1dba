"""One marketplace at the default difficulty, made once for all tests that only look at it."""

import pytest

from ipml.simulation.marketplace import Marketplace, simulate_marketplace


@pytest.fixture(scope="session")
def marketplace() -> Marketplace:
    """Return 20,000 listings at the default difficulty."""
    return simulate_marketplace(20_000, seed=0)
