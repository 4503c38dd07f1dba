"""What the tests of the queue share: a fresh database, as in tests/storage, and scored listings."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text

from ipml.records import Highlight, Listing, Reason, ScoredListing
from ipml.storage.database import migrate, open_database

POSTGRES = os.environ.get("IPML_TEST_POSTGRES")


@pytest.fixture(params=["sqlite", "postgresql"] if POSTGRES else ["sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Return a database whose tables are up to date and empty."""
    if request.param == "postgresql":
        wipe(POSTGRES)
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db" if request.param == "sqlite" else POSTGRES)
    migrate(engine)
    yield engine
    engine.dispose()


def wipe(url: str) -> None:
    """Drop everything in a database on PostgreSQL."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()


@pytest.fixture
def make_scored() -> Callable[..., ScoredListing]:
    """Return a function that makes a scored listing of an id, a score and any fields of the listing."""

    def make(
        listing_id: str = "L1", score: float | None = 0.5, model_version: str = "m1", **fields: Any
    ) -> ScoredListing:
        observed = {
            "seller_id": "s1",
            "title": "Leather wallet",
            "observed_at": datetime(2024, 5, 1, tzinfo=UTC),
        }
        reasons = (Reason("price__below_quarter", "Price is low", 1.5),)
        listing = Listing(listing_id, **(observed | fields))
        return ScoredListing(listing, score, None, reasons, (Highlight(0, 7, 0.5),), None, model_version)

    return make
