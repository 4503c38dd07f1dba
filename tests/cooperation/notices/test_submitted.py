"""Notices of listings that the marketplace submitted, and that did not wait for people until then."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import insert, select
from support.databases import on_both
from support.given_notices import say
from support.notice_desk import NOON, Desk
from support.scoring import as_model

from ipml.cooperation.notices.intake import match_notices, receive, score_unknown
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.marketplace import Submission, take_in
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, seeds

pytestmark = on_both


@pytest.fixture
def submit(desk: Desk, make_scored: Callable[..., ScoredListing]) -> Callable[[str], object]:
    """Return what submits a listing whose score is too low for the queue."""

    def score(listings: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        return [make_scored(one.listing_id, 0.001, title=one.title) for one in listings]

    with writing(desk.engine) as connection:  # else chance could draw the listing for the queue
        connection.execute(insert(seeds).values(seed="0" * 64, drawn_at=NOON))
    return lambda listing_id: take_in(
        desk.engine, [Submission((Listing(listing_id, "s1", "Bag", observed_at=NOON),))], as_model(score), NOON
    )


def waiting(desk: Desk) -> list[str]:
    """Return the listings that wait for people."""
    with reading(desk.engine) as connection:
        return list(connection.scalars(select(cases.c.listing_id).where(cases.c.state == "open")))


def test_a_notice_has_people_look_at_it(desk: Desk, submit: Callable[[str], object]) -> None:
    """However low its score is: whoever gives notice is answered."""
    submit("L1")
    assert waiting(desk) == []
    with writing(desk.engine) as connection:
        receipt = receive(connection, say("L1"), now=desk.pass_time())
    assert ([one.state for one in receipt.listings], waiting(desk)) == (["waiting"], ["L1"])


def test_it_is_shown_with_its_reasons(desk: Desk, submit: Callable[[str], object]) -> None:
    """Scored anew with the seller's history, as it is kept without them."""
    submit("L1")
    asked: list[str] = []

    def score(listings: Sequence[Listing]) -> list[ScoredListing]:
        asked.extend(one.listing_id for one in listings)
        return [desk.make_scored(one.listing_id) for one in listings]

    with reading(desk.engine) as connection:
        assert set(score_unknown(connection, say("L1", "L2"), score)) == {"L1"}
    assert asked == ["L1"]


def test_a_notice_that_came_first_is_joined_once_the_listing_is_submitted(
    desk: Desk, submit: Callable[[str], object]
) -> None:
    """By the job of the worker, and once."""
    with writing(desk.engine) as connection:
        receipt = receive(connection, say("L1"), now=desk.pass_time())
    assert [one.state for one in receipt.listings] == ["unknown"]
    submit("L1")
    later = NOON + timedelta(hours=1)
    assert [match_notices(desk.engine, now=later).found for _ in range(2)] == [1, 0]
    assert (desk.states(1), waiting(desk)) == (["waiting"], ["L1"])
