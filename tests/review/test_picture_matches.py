"""What people found of listings with the same picture comes into the score of others, as known at the moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.picture_host import draw_goods, write_picture
from support.reviewing import act, ask
from support.scoring import as_model

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.pictures.copies import make_copies
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.same_picture import add_picture_matches
from ipml.review.pictures.stored import store_files
from ipml.review.queue import claim, decide, get_case
from ipml.storage.database import reading, writing
from ipml.storage.tables import pictures

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ADDRESS = "https://a.example/1.jpg"


def score(listings, explain):
    """Score by what is known of pictures."""
    del explain
    return [
        ScoredListing(one, 0.9 if one.picture_counterfeit_matches else 0.6, 0.0, (), (), None, "m1") for one in listings
    ]


def submit(engine: Engine, listing_id: str, now: datetime = NOON, **said: object) -> int:
    """Submit a listing with a picture, and return its case."""
    listing = Listing(listing_id, f"s{listing_id}", f"Thing {listing_id}", image_urls=ADDRESS, observed_at=now, **said)
    case_id = take_in(engine, [Submission((listing,))], as_model(score), now)[listing_id].case_id
    assert case_id is not None
    return case_id


@pytest.fixture
def fetch(engine: Engine, tmp_path: Path):
    """Return what fetches the pictures of a case: all the same."""

    def fetch_one(case_id: int, now: datetime) -> None:
        content = write_picture(draw_goods(1))
        digest = store_files(tmp_path, content, make_copies(content))
        with writing(engine) as connection:
            change = pictures.update().where(pictures.c.case_id == case_id)
            connection.execute(change.values(state="stored", digest=digest, fetched_at=now))
        group_pictures(engine, tmp_path, HashIndex(), clock=lambda: now)

    return fetch_one


def test_a_listing_is_scored_again_once_its_picture_is_known(engine: Engine, fetch):
    """Where it tells something, once, with what was known by then: never with its own verdict."""
    first = submit(engine, "L1")
    fetch(first, NOON)
    later = NOON + timedelta(hours=1)
    assert rescore_changed(engine, as_model(score), later) == 0
    claimed = act(engine, claim, "ana", first, now=later)
    act(engine, decide, claimed, Verdict.COUNTERFEIT, ground="declared_replica", now=later)
    second = submit(engine, "L2", later)
    fetch(second, later)
    assert rescore_changed(engine, as_model(score), later) == 1
    assert rescore_changed(engine, as_model(score), later) == 0
    with reading(engine) as connection:
        listing = get_case(connection, second).scored.listing
        assert (listing.picture_counterfeit_matches, listing.picture_genuine_matches) == (1.0, 0.0)
        assert get_case(connection, second).scored.score == 0.9
        own, early = add_picture_matches(
            connection,
            [
                Listing("L1", "sL1", "Thing L1", image_urls=ADDRESS),
                Listing("L2", "sL2", "Thing L2", image_urls=ADDRESS, observed_at=NOON),
            ],
            later,
        )
    assert (own.picture_counterfeit_matches, early.picture_counterfeit_matches) == (0.0, 0.0)


def test_what_is_not_known_stays_open(engine: Engine, fetch):
    """A listing without a picture, one whose picture is another by now, and what the listing says itself."""
    fetch(submit(engine, "L1"), NOON)
    some = [
        Listing("L0", "s", "Thing"),
        Listing("L1", "s", "Thing", image_urls="https://a.example/2.jpg"),
        Listing("L1", "s", "Thing", image_urls=ADDRESS, picture_counterfeit_matches=7.0),
    ]
    none, another, own = ask(engine, add_picture_matches, some[:2], NOON) + ask(
        engine, add_picture_matches, some[2:], NOON
    )
    assert none.picture_genuine_matches is another.picture_genuine_matches is None
    assert (own.picture_counterfeit_matches, own.picture_genuine_matches) == (7.0, 0.0)
