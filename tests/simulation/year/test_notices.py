"""Notices on their way in."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from ipml.cooperation.policy import load_cooperation_policy
from ipml.records import Listing, ScoredListing
from ipml.review.queue import count_cases
from ipml.simulation.year.people import Post, write_notice
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading
from ipml.storage.tables import notices

MONDAY = datetime(2025, 7, 7, tzinfo=UTC)
BAGS = {row: ScoredListing(Listing(f"A{row}", "s1", "Bag"), 0.1, None, (), (), None, "m1") for row in range(3)}


def test_a_notice_is_given_once_and_not_before_its_time(engine):
    """Its listings come into the queue with it, whatever the model made of them."""
    post = Post(engine, load_cooperation_policy())
    late = DrawnNotice("buyer", "buyer-1", None, MONDAY + timedelta(days=3), (2,))
    post.add([late, DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0, 1))], BAGS)
    given = []
    for moment in (MONDAY - timedelta(hours=1), MONDAY, MONDAY + timedelta(days=1), late.at):
        post.deliver(moment)
        with reading(engine) as connection:
            received = connection.scalars(select(notices.c.received_at).order_by(notices.c.notice_id)).all()
            given.append((list(received), count_cases(connection)["open"]))
    assert given == [([], 0), ([MONDAY], 2), ([MONDAY], 2), ([MONDAY, late.at], 3)]


def test_each_kind_of_notifier_writes_what_it_has_to():
    """A rights holder names the right, a buyer the order."""
    holder = write_notice(DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0,)), ["A0"], MONDAY)
    buyer = write_notice(DrawnNotice("buyer", "buyer-1", None, MONDAY, (0,)), ["A0"], MONDAY)
    assert (holder["brand"], "Acme" in holder["rights"]) == ("Acme", True)
    assert (buyer["kind"], buyer["order"], "brand" in buyer) == ("complaint", {"order_id": "A0"}, False)
