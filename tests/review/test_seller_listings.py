"""What a seller offers: cases, and listings that never became one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, insert, update
from support.reviewing import Make, ask, judge

from ipml.records import ScoredListing, Verdict
from ipml.review.arrivals.snapshot import encode
from ipml.review.queue import enqueue
from ipml.review.sellers.seller_listings import list_seller_listings
from ipml.storage.database import reading, writing
from ipml.storage.tables import listings

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def submit(engine: Engine, *some: ScoredListing) -> None:
    """Store listings as the marketplace submitted them."""
    fields = {"sent": "", "seen_at": NOON, "received_at": NOON, "model_version": "m", "own_history": "", "content": ""}
    rows = [
        {
            **fields,
            "listing_id": one.listing.listing_id,
            "seller_id": one.listing.seller_id,
            "score": one.score,
            "snapshot": encode(replace(one, reasons=(), highlights=())),
            "history_as_of": NOON,
            "last_event": 0,
            "sample_id": 0,
        }
        for one in some
    ]
    with writing(engine) as connection:
        connection.execute(insert(listings), rows)


@pytest.fixture
def filled(engine: Engine, make_scored: Make) -> Engine:
    """Return a database where one seller has three cases, one of them decided, and two listings that are none."""
    some = [make_scored(f"L{number}", 0.9 - number / 10, seller_id="s1") for number in range(5)]
    enqueue(engine, some[:3])
    submit(engine, *some[1:], make_scored("other", 0.99, seller_id="s2"))
    judge(engine, 1, Verdict.COUNTERFEIT)
    return engine


def test_each_listing_is_there_once_with_its_state(filled: Engine) -> None:
    """Cases with verdict or state, then what never became one; nothing of another seller."""
    page = ask(filled, list_seller_listings, "s1")
    found = [(one.listing.listing_id, one.case_id, one.state, one.verdict) for one in page.listings]
    decided = ("L0", 1, "decided", Verdict.COUNTERFEIT)
    assert found == [
        decided,
        ("L1", 2, "open", None),
        ("L2", 3, "open", None),
        *((f"L{n}", *[None] * 3) for n in (3, 4)),
    ]
    assert not page.is_more


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_pages_put_together_are_all_of_it(filled: Engine, size: int) -> None:
    """Whatever their size, nothing is missing and nothing comes twice."""
    found, first, is_more = list[str](), 0, True
    with reading(filled) as connection:
        while is_more:
            page = list_seller_listings(connection, "s1", first=first, limit=size)
            found += [one.listing.listing_id for one in page.listings]
            first, is_more = first + size, page.is_more
        assert list_seller_listings(connection, "s1", first=first + 9).listings == ()
    assert found == [f"L{number}" for number in range(5)]


def test_of_a_listing_that_changed_the_newest_version_is_shown(engine: Engine, make_scored: Make) -> None:
    """Its older case is not a listing of its own."""
    before = make_scored("L1", title="Bag", seller_id="s1", observed_at=NOON)
    enqueue(engine, [before])
    enqueue(engine, [make_scored("L1", title="Bag AAA", seller_id="s1", observed_at=NOON + timedelta(days=1))])
    assert [one.listing.title for one in ask(engine, list_seller_listings, "s1").listings] == ["Bag AAA"]


def test_what_is_withdrawn_says_since_when(filled: Engine) -> None:
    """Unless it was seen later."""
    with writing(filled) as connection:
        for listing_id, days in (("L1", 1), ("L3", 1), ("L4", -1)):
            gone = update(listings).where(listings.c.listing_id == listing_id)
            connection.execute(gone.values(withdrawn_at=NOON + timedelta(days=days)))
    page = ask(filled, list_seller_listings, "s1")
    assert [one.listing.listing_id for one in page.listings if one.withdrawn_at] == ["L1", "L3"]


def test_what_is_kept_from_a_reviewer_looks_open(filled: Engine) -> None:
    """A verdict that they are to give again is not told."""
    (shown,) = ask(filled, list_seller_listings, "s1", limit=1, hidden={1}).listings
    assert (shown.state, shown.verdict) == ("open", None)


def test_a_page_takes_four_queries_at_most(filled: Engine) -> None:
    """However many listings there are."""
    asked: list[str] = []
    with reading(filled) as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2]))
        for first in (0, 2, 4, 50):
            asked.clear()
            list_seller_listings(connection, "s1", first=first, limit=2, without={"L9"})
            assert len(asked) <= 4
