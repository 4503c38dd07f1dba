"""What is done in the year about those who misuse notices."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from support.consequences import COOPERATION

from ipml.cooperation.policy import load_cooperation_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import decide_bulk, list_cases, preview_bulk
from ipml.simulation.year.people import Post, look_after_notices
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading, writing
from ipml.storage.tables import notifier_steps

MONDAY = datetime(2025, 7, 7, 9, tzinfo=UTC)
POLICY = load_cooperation_policy()


def send_in_vain(engine, first: int, now: datetime) -> None:
    """Let the rival note forty good listings, and people find all of them genuine."""
    ids = [f"A{first + number}" for number in range(40)]
    bags = [ScoredListing(Listing(name, f"s{name}", "Bag"), 0.01, -4.6, (), (), None, "m1") for name in ids]
    post = Post(engine, POLICY)
    post.add([DrawnNotice("bad faith", "rival", None, now, tuple(range(40)))], dict(enumerate(bags)))
    post.deliver(now)
    later = now + timedelta(hours=2)
    with writing(engine) as connection:
        numbers = [case.case_id for case in list_cases(connection, limit=200, now=later)]
        token = preview_bulk(connection, numbers, "ana", Verdict.GENUINE, now=later).digest
        decide_bulk(connection, numbers, "ana", Verdict.GENUINE, token=token, now=later, consequences=COOPERATION)


def test_who_misuses_notices_is_warned_and_then_suspended(engine):
    """Not before the lead looked, and suspended only where it went on after the warning."""
    send_in_vain(engine, 0, MONDAY)
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(hours=9)) == 1
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=8)) == 0
    send_in_vain(engine, 100, MONDAY + timedelta(days=8))
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=9)) == 1
    with reading(engine) as connection:
        steps = select(notifier_steps.c.kind).order_by(notifier_steps.c.step_id)
        assert list(connection.scalars(steps)) == ["warn", "suspend"]
