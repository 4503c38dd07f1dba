"""Complaints become seller history: once for each consumer and listing, known when they came."""

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
from sqlalchemy import Engine, update
from support.given_notices import NOON, WORDS, complain, offer, say

from ipml.cooperation.notices.status import list_complaints
from ipml.listings.seller_events import history_as_of
from ipml.review.queue import enqueue
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices


def test_a_consumer_and_a_listing_give_one_event(engine: Engine, give: Callable):
    """However often they complain; a rights holder's notice is none, nor is that of somebody suspended."""
    enqueue(engine, [offer("L1"), offer("L2")], joins_alike=False, now=NOON)
    for number in range(3):
        give(complain("L1", "ann", explanation=f"{WORDS} {number}"), now=NOON + timedelta(hours=number))
    give(complain("L2", "ann"))
    give(complain("L1", "ben"))
    give(complain("L9", "cid"))
    give(say("L1"))
    with reading(engine) as connection:
        assert [(event.seller_id, event.kind, event.known_at) for event in list_complaints(connection)] == [
            ("s1", "complained", NOON)
        ] * 3
        assert list(list_complaints(connection, known_by=NOON - timedelta(seconds=1))) == []
    with writing(engine) as connection:
        connection.execute(update(notices).where(notices.c.notifier_id == 1).values(is_suspended=True))
    with reading(engine) as connection:
        events = pd.DataFrame(
            [(event.seller_id, event.kind, event.occurred_at, event.known_at) for event in list_complaints(connection)],
            columns=["seller_id", "kind", "occurred_at", "known_at"],
        )
    listings = pd.DataFrame({"seller_id": ["s1"] * 2, "observed_at": pd.to_datetime([NOON, NOON - timedelta(days=1)])})
    history = history_as_of(events, listings)["seller_complaints"]
    assert (history[0], pd.isna(history[1])) == (1.0, True)
