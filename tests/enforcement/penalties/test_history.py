"""Strikes as seller history."""

import pandas as pd
from sqlalchemy import delete

from ipml.enforcement.penalties.strikes import list_events
from ipml.listings.seller_events import history_as_of
from ipml.storage.database import reading, writing
from ipml.storage.tables import seller_keys

from .conftest import START, Market


def test_events_are_history_as_scoring_reads_it(market: Market):
    """Known from the decision on, copies once, and nothing of what was taken back."""
    market.strike(listing_id="A")
    market.strike(listing_id="A", day=1)
    market.undo(market.strike(day=2), day=3)
    market.strike(day=30)
    with reading(market.engine) as connection:
        events = pd.DataFrame([{name: getattr(one, name) for name in one.__slots__} for one in list_events(connection)])
    moments = [START + pd.Timedelta(days=day) for day in (-1, 5, 40)]
    listings = pd.DataFrame({"seller_id": "ann", "observed_at": moments})
    assert history_as_of(events, listings)["seller_strikes"].fillna(0).tolist() == [0, 1, 2]


def test_what_was_not_known_yet_or_is_erased_gives_no_event(market: Market):
    """As training for a test at that moment must see it; of who was erased nobody could be named."""
    market.undo(market.strike(), day=3)
    with reading(market.engine) as connection:
        counts = [len(list(list_events(connection, known_by=START + pd.Timedelta(days=day)))) for day in (-1, 1, 4)]
    assert counts == [0, 1, 0]
    market.strike()
    with writing(market.engine) as connection:
        connection.execute(delete(seller_keys))
        assert list(list_events(connection)) == []
