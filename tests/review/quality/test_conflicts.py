"""Nobody reviews their own listing."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine, insert
from support.reviewing import Make, act, ask

from ipml.errors import NotFound, OwnListing, Refused
from ipml.records import Verdict
from ipml.review.quality.second_person import add_own_seller, list_own_sellers, remove_own_seller
from ipml.review.queue import claim, decide, enqueue, list_decisions
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import writing
from ipml.storage.tables import users


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of a case of s1, the most suspicious, and one of s2; ana is a user."""
    row = {"password_hash": "x", "role": "reviewer", "is_active": True, "created_at": datetime(2024, 5, 1, tzinfo=UTC)}
    with writing(engine) as connection:
        connection.execute(insert(users), {**row, "name": "ana"})
    enqueue(engine, [make_scored("L1", 0.9, seller_id="s1"), make_scored("L2", 0.2, seller_id="s2")])
    return engine


def test_the_next_case_is_never_ones_own(queue: Engine):
    """It is passed over, and left to others; nor can it be claimed by number."""
    act(queue, add_own_seller, "ana", "s1")
    assert [taken and taken.case_id for taken in (act(queue, claim, "ana") for _ in range(2))] == [2, None]
    with pytest.raises(OwnListing, match="ana's own"):
        act(queue, claim, "ana", 1)
    assert act(queue, claim, "ben").case_id == 1


def test_a_claim_from_before_decides_nothing(queue: Engine):
    """What counts is what is known when the verdict comes."""
    taken = act(queue, claim, "ana", 1)
    act(queue, add_own_seller, "ana", "s1")
    with pytest.raises(OwnListing):
        act(queue, decide, taken, Verdict.GENUINE)
    assert ask(queue, list_decisions, 1) == []


def test_who_no_longer_sells_may_judge(queue: Engine):
    """Noting and forgetting leave rows in the trail, and the chain whole; mistakes are named."""
    for _ in range(2):
        act(queue, add_own_seller, "ana", "s1")
    assert ask(queue, list_own_sellers, "ana") == ["s1"]
    act(queue, remove_own_seller, "ana", "s1")
    assert act(queue, claim, "ana").case_id == 1
    assert ask(queue, verify).is_intact
    with pytest.raises(NotFound, match="No user"):
        act(queue, add_own_seller, "nobody", "s1")
    with pytest.raises(Refused, match="no note of selling"):
        act(queue, remove_own_seller, "ana", "s9")
