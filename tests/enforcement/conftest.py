"""What the tests of enforcement share: scored listings, and that they run on both databases."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from databases import BOTH_IN_THE_END

from ipml.records import Listing, Reason, ScoredListing


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that needs a database on every kind of database, PostgreSQL in the end."""
    if "database_url" in metafunc.fixturenames and not getattr(metafunc.module, "IS_ARITHMETIC", False):
        metafunc.parametrize("database_url", BOTH_IN_THE_END, indirect=True)


@pytest.fixture
def make_scored() -> Callable[..., ScoredListing]:
    """Return a function that makes a scored listing of an id, a score and any fields of the listing."""

    def make(listing_id: str = "L1", score: float | None = 0.9, **fields: Any) -> ScoredListing:
        observed = {"seller_id": "s1", "title": "Leather wallet", "observed_at": datetime(2024, 5, 1, tzinfo=UTC)}
        reasons = (Reason("price__below_quarter", "Price is low", 1.5),)
        return ScoredListing(Listing(listing_id, **(observed | fields)), score, None, reasons, (), None, "m1")

    return make
