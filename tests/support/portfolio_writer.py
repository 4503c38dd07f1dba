"""Writers of portfolios that are processes of their own."""

from collections.abc import Sequence
from datetime import UTC, datetime

from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios
from ipml.storage.database import open_database, writing

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add_one_by_one(url: str, weighed: Sequence[WeighedListing]) -> int:
    """Add listings to the portfolios of a database, each in a transaction; return how many were new."""
    engine, count = open_database(url), 0
    for one in weighed:
        with writing(engine) as connection:
            count += add_to_portfolios(connection, "m1", [one], NOON)
    engine.dispose()
    return count
