"""A seller's history by the database is the one that models are trained on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from support.reviewing import act, ask

from ipml.listings.seller_events import EVENT_KINDS, HISTORY_COLUMNS, history_as_of
from ipml.records import Listing
from ipml.review.sellers.seller_history import HISTORY, KINDS, SellerEvent, add_histories, find_histories, store_events
from ipml.storage.database import writing
from ipml.storage.tables import seller_events

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MOMENTS = st.integers(0, 10).map(lambda hours: NOON + timedelta(hours=hours))


@st.composite
def some_events(draw: st.DrawFn) -> list[SellerEvent]:
    """Draw events of two sellers, some of which are known later than they happened."""
    kinds = draw(st.lists(st.sampled_from(KINDS), max_size=12))
    return [
        SellerEvent(
            f"e{number}",
            draw(st.sampled_from(["ann", "ben"])),
            kind,
            draw(MOMENTS),
            draw(MOMENTS),
            draw(st.floats(0, 1, width=32) if kind == "rated" else st.none() | st.integers(0, 9).map(float)),
        )
        for number, kind in enumerate(kinds)
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=some_events(), moment=MOMENTS)
def test_it_is_the_history_of_the_model_half(engine: Engine, events: list[SellerEvent], moment: datetime):
    """Whatever happened, and whenever it was known; kinds of events and fields of history are the same words."""
    assert (KINDS, HISTORY) == (EVENT_KINDS, HISTORY_COLUMNS)
    with writing(engine) as connection:
        connection.execute(delete(seller_events))
        store_events(connection, events[::-1], NOON)
        found = find_histories(connection, [("ann", moment), ("ben", moment)])
    if not events:
        assert found == {}
        return
    rows = [(one.seller_id, one.kind, one.occurred_at, one.known_at, one.amount) for one in events]
    frame = pd.DataFrame(rows, columns=["seller_id", "kind", "occurred_at", "known_at", "amount"])
    frame["amount"] = frame["amount"].astype("float64")
    asked = pd.DataFrame({"seller_id": ["ann", "ben"], "observed_at": [moment, moment]})
    expected = history_as_of(frame, asked, threads=1)
    for place, seller in enumerate(("ann", "ben")):
        submitted = found.get((seller, moment), {})
        for name in HISTORY:
            wanted = expected.loc[place, name]
            assert submitted.get(name) == (None if pd.isna(wanted) else pytest.approx(wanted, rel=1e-12)), name


def test_what_a_listing_says_itself_stays(engine: Engine):
    """Only what it leaves open is filled in, as it was known when the listing was observed."""
    sold = SellerEvent("e1", "ann", "sold", NOON, NOON + timedelta(hours=1), 4.0)
    act(engine, store_events, [sold], NOON)
    submitted = [
        Listing("1", "ann", "Bag", observed_at=NOON),
        Listing("2", "ann", "Bag", observed_at=NOON + timedelta(hours=1)),
        Listing("3", "ann", "Bag", observed_at=NOON + timedelta(hours=1), seller_sales=9.0),
        Listing("4", "ann", "Bag"),
        Listing("5", "ben", "Bag"),
    ]
    filled = ask(engine, add_histories, submitted, NOON + timedelta(hours=2))
    assert [one.seller_sales for one in filled] == [None, 4.0, 9.0, 4.0, None]
    assert filled[2].seller_returns == 0.0


def test_more_questions_than_one_query_takes_are_answered(engine: Engine):
    """Each with its own moment."""
    some = [SellerEvent(f"e{n}", f"s{n}", "sold", NOON, NOON, float(n)) for n in range(700)]
    act(engine, store_events, some, NOON)
    found = ask(engine, find_histories, [(one.seller_id, NOON) for one in some])
    assert [found[one.seller_id, NOON]["seller_sales"] for one in some] == [float(n) for n in range(700)]
