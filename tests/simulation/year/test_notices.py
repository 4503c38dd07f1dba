"""Notices on their way in."""

from datetime import UTC, datetime, timedelta

from ipml.records import Listing, ScoredListing
from ipml.review.queue import count_cases
from ipml.simulation.year.people import Post, write_notice
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading

MONDAY = datetime(2025, 7, 7, tzinfo=UTC)
BAGS = {row: ScoredListing(Listing(f"A{row}", "s1", "Bag"), 0.1, None, (), (), None, "m1") for row in range(3)}


def test_a_notice_is_given_once_and_not_before_its_time(engine):
    """Its listings come into the queue with it, whatever the model made of them."""
    given = []
    post = Post(engine, lambda _, notice, ids, now: given.append((notice.name, list(ids), now)))
    late = DrawnNotice("buyer", "buyer-1", None, MONDAY + timedelta(days=3), (2,))
    post.add([late, DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0, 1))], BAGS)
    post.deliver(MONDAY - timedelta(hours=1))
    assert not given
    post.deliver(MONDAY)
    post.deliver(MONDAY + timedelta(days=1))
    assert given == [("holder-01", ["A0", "A1"], MONDAY)]
    with reading(engine) as connection:
        assert count_cases(connection)["open"] == 2
    post.deliver(late.at)
    assert post.given == 2


def test_each_kind_of_notifier_writes_what_it_has_to():
    """A rights holder names the right, a buyer the order."""
    holder = write_notice(DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0,)), ["A0"], MONDAY)
    buyer = write_notice(DrawnNotice("buyer", "buyer-1", None, MONDAY, (0,)), ["A0"], MONDAY)
    assert (holder["brand"], "Acme" in holder["rights"]) == ("Acme", True)
    assert (buyer["kind"], buyer["order"], "brand" in buyer) == ("complaint", {"order_id": "A0"}, False)
