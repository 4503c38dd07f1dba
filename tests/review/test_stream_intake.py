"""Listings of a stream wait for people where score, value, lists and chance say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select
from support.reviewing import act, ask
from support.scoring import as_model

from ipml.records import Listing, PriceRange, ScoredListing
from ipml.review.arrivals.marketplace import KnownListing, Submission, take_in
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.search import Filter, browse
from ipml.storage.database import reading
from ipml.storage.tables import cases

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def score(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Suspect copies only; the brand of what names none is read with the reasons."""
    made = [ScoredListing(one, 0.9 if "copy" in one.title else 0.01, 0.0, (), (), None, "m1") for one in submitted]
    usual = PriceRange("Acme", "EUR", 5.0, 10.0, 20.0)
    return [replace(one, price_range=usual) if explain else one for one in made]


def put(engine: Engine, kind: ListKind, seller: str, brand: str | None = None, until: datetime | None = None) -> None:
    """Put a seller on a list."""
    listed = ListedSeller(kind, seller, "a reason", "a letter", brand, (), until)
    act(engine, add_entry, listed, by="lea", now=NOON)


def submit(engine: Engine, seller: str, title: str = "Cup", brand: str | None = None, **at: datetime) -> KnownListing:
    """Submit a listing and return how it stands."""
    moment = at.get("now", NOON)
    one = Listing(f"{seller} {title}", seller, title, brand=brand, observed_at=moment)
    return take_in(engine, [Submission((one,))], as_model(score), moment)[one.listing_id]


def test_what_denied_and_watched_sellers_offer_waits_for_people(engine: Engine):
    """Whatever its score, and not as drawn for others; what comes when the entry has ended does not."""
    later = NOON + timedelta(days=1)
    put(engine, ListKind.DENIED, "ann", until=later)
    put(engine, ListKind.WATCHED, "cem", until=later)
    assert [submit(engine, seller).state for seller in ("ann", "cem", "ben")] == ["open", "open", None]
    with reading(engine) as connection:
        assert set(connection.execute(select(cases.c.lane, cases.c.sampling_probability))) == {("ranked", None)}
    assert [submit(engine, seller, "Hat", now=later).state for seller in ("ann", "cem")] == [None, None]


def test_the_score_does_not_change(engine: Engine):
    """A list is shown beside it."""
    before = submit(engine, "ann")
    put(engine, ListKind.DENIED, "ann")
    after = submit(engine, "ann", now=NOON + timedelta(hours=1))
    assert after.scored.score == before.scored.score
    assert ([str(one) for one in before.lists], [str(one) for one in after.lists]) == ([], ["denied"])


def test_a_brand_that_is_read_in_the_text_counts(engine: Engine):
    """Though listings are scored without reasons at first."""
    put(engine, ListKind.WATCHED, "ann", "Acme")
    put(engine, ListKind.AUTHORISED, "ben", "ACME")
    put(engine, ListKind.WATCHED, "cat", "Umbra")
    known = [submit(engine, seller) for seller in ("ann", "ben", "cat")]
    assert [one.state for one in known] == ["open", None, None]
    assert [list(map(str, one.lists)) for one in known] == [["watched for Acme"], ["authorised for ACME"], []]


def test_what_authorised_sellers_offer_comes_last(engine: Engine):
    """It waits for people where its score asks for it, as that of anybody."""
    put(engine, ListKind.AUTHORISED, "ann", "Acme")
    for seller in ("ann", "ben"):
        assert submit(engine, seller, "Bag, copy", "Acme").state == "open"
    order = [one.scored.listing.seller_id for one in ask(engine, browse, Filter(), limit=9, now=NOON)]
    assert order == ["ben", "ann"]
