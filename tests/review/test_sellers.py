"""What a seller offers, and the history by which models are trained."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, event, insert, update
from support.databases import on_both
from support.reviewing import Make, judge
from support.transactions import act, ask

from ipml.listings.seller_events import EVENT_KINDS, HISTORY_COLUMNS, history_as_of
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.snapshot import encode
from ipml.review.sellers.seller_history import HISTORY, KINDS, SellerEvent, add_histories, find_histories, store_events
from ipml.review.sellers.seller_listings import list_seller_listings
from ipml.storage.database import reading, writing
from ipml.storage.tables import listings, seller_events

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def submit(engine: Engine, *some: ScoredListing) -> None:
    """Store listings as the marketplace submitted them."""
    fields = {"sent": "", "seen_at": NOON, "received_at": NOON, "model_version": "m", "own_history": "", "content": ""}
    fields |= {"history_as_of": NOON, "last_event": 0, "sample_id": 0}
    for one in some:
        key = {"listing_id": one.listing.listing_id, "seller_id": one.listing.seller_id, "score": one.score}
        bare = encode(replace(one, reasons=(), highlights=()))
        act(engine, Connection.execute, insert(listings).values(**fields, **key, snapshot=bare))


@pytest.fixture
def filled(engine: Engine, make_scored: Make) -> Engine:
    """Return a database where one seller has three cases, one of them decided, and two listings that are none."""
    some = [make_scored(f"L{number}", 0.9 - number / 10, seller_id="s1") for number in range(5)]
    enqueue(engine, some[:3])
    submit(engine, *some[1:], make_scored("other", 0.99, seller_id="s2"))
    judge(engine, 1, Verdict.COUNTERFEIT)
    return engine


@on_both
def test_each_listing_is_there_once_with_its_state(filled: Engine) -> None:
    """Cases with verdict or state, then what never became one; nothing of another seller; pages are all of it."""
    page = ask(filled, list_seller_listings, "s1")
    whole = [(one.listing.listing_id, one.case_id, one.state, one.verdict) for one in page.listings]
    cases = [("L0", 1, "decided", Verdict.COUNTERFEIT), ("L1", 2, "open", None), ("L2", 3, "open", None)]
    assert whole == [*cases, ("L3", None, None, None), ("L4", None, None, None)]
    assert not page.is_more
    for size in (1, 2, 3, 4):
        found, first, is_more = list[str](), 0, True
        while is_more:
            page = ask(filled, list_seller_listings, "s1", first=first, limit=size)
            found += [one.listing.listing_id for one in page.listings]
            first, is_more = first + size, page.is_more
        assert found == [row[0] for row in whole], size
    assert ask(filled, list_seller_listings, "s1", first=14).listings == ()
    # A verdict that a reviewer is to give again is not told.
    (shown,) = ask(filled, list_seller_listings, "s1", limit=1, hidden={1}).listings
    assert (shown.state, shown.verdict) == ("open", None)


def test_of_a_listing_that_changed_the_newest_version_is_shown(engine: Engine, make_scored: Make) -> None:
    """Its older case is not a listing of its own."""
    for days, title in enumerate(("Bag", "Bag AAA")):
        enqueue(engine, [make_scored("L1", title=title, observed_at=NOON + timedelta(days=days))])
    assert [one.listing.title for one in ask(engine, list_seller_listings, "s1").listings] == ["Bag AAA"]


def test_what_is_withdrawn_says_since_when(filled: Engine) -> None:
    """Unless it was seen later."""
    with writing(filled) as connection:
        for listing_id, days in (("L1", 1), ("L3", 1), ("L4", -1)):
            gone = update(listings).where(listings.c.listing_id == listing_id)
            connection.execute(gone.values(withdrawn_at=NOON + timedelta(days=days)))
    page = ask(filled, list_seller_listings, "s1")
    assert [one.listing.listing_id for one in page.listings if one.withdrawn_at] == ["L1", "L3"]


def test_a_page_takes_four_queries_at_most(filled: Engine) -> None:
    """However many listings there are."""
    asked: list[str] = []
    with reading(filled) as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2]))
        for first in (0, 2, 4, 50):
            asked.clear()
            list_seller_listings(connection, "s1", first=first, limit=2, without={"L9"})
            assert len(asked) <= 4


MOMENTS = st.integers(0, 10).map(lambda hours: NOON + timedelta(hours=hours))


@st.composite
def some_events(draw: st.DrawFn) -> list[SellerEvent]:
    """Draw events of two sellers, known later than they happened or, by clocks that differ, earlier."""
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
