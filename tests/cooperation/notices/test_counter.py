"""Counter-notices against what a notice brought down: passed on to whoever gave it, and answered by them."""

import json
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update
from support.consequences import COOPERATION
from support.notice_desk import Desk
from support.transactions import act, ask

from ipml.cooperation.notices.counter_notices import (
    answer_counter_notice,
    pass_on_counter_notices,
    subject_of_counter_notice,
)
from ipml.cooperation.notifiers.record import record_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.appeals.appeal import find_appeal
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.deadlines.deadlines import find_deadlines
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.errors import Conflict, UnusableSetting
from ipml.records import Verdict
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices, seller_keys
from ipml.storage.tables import outbox as messages


def answer(desk: Desk, reference: str, by: str = "lea", **said: object) -> list[Any]:
    """Let the notifier of a notice answer the counter-notice, and return the appeals it moved."""
    with writing(desk.engine) as connection:
        now = desk.pass_time()
        return answer_counter_notice(connection, reference, by=by, now=now, consequences=COOPERATION, **said)


def counter(desk: Desk, *by: str, profile: str = "china") -> list[str]:
    """Let a listing be taken down on notices and its seller send a counter-notice; return the references."""
    case_id = desk.add_case("L1", seller_id="ann", brand="Acme")
    given = [desk.give_notice([case_id], name) for name in by]
    desk.decide(case_id, Verdict.COUNTERFEIT)
    text = "I bought it from the brand."
    act(desk.engine, file_appeal, "case:1", "ann", text, kind="counter-notice", profile=profile, now=desk.pass_time())
    with reading(desk.engine) as connection:
        query = select(notices.c.reference).where(notices.c.notice_id.in_(given)).order_by(notices.c.notice_id)
        return list(connection.scalars(query))


def deliver(desk: Desk, *subjects: str) -> datetime:
    """Let the messages on some subjects arrive now."""
    with writing(desk.engine) as connection:
        wanted = messages.c.subject.in_(subjects), messages.c.state == "waiting"
        connection.execute(update(messages).where(*wanted).values(state="delivered", settled_at=desk.pass_time()))
    return desk.now


def test_each_notifier_is_told_once_what_the_rights_holder_is_told(desk: Desk):
    """No more than the rules let pass, and by which of their notices."""
    references = counter(desk, "brand", "agency")
    assert [pass_on_counter_notices(desk.engine, now=desk.pass_time()) for _ in range(3)] == [2, 0, 0]
    ((_, text),) = desk.told("counter-notice:1")
    for number, name in enumerate(("brand", "agency"), 1):
        ((kind, body),) = desk.told(subject_of_counter_notice(1, number))
        told = json.loads(body)
        expected = ("counter_notice", f"{name}@example.com", [references[number - 1]])
        assert (kind, told.pop("to"), told.pop("notices")) == expected
        assert told == json.loads(text)


def test_the_term_begins_when_all_were_reached(desk: Desk):
    """Not while whoever gave notice does not know yet."""
    counter(desk, "brand", profile="china")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())

    def begun() -> datetime | None:
        run_appeal_deadlines(desk.engine, now=desk.pass_time(), consequences=COOPERATION)
        return ask(desk.engine, find_deadlines, "appeal:1")["holder"].since

    first = deliver(desk, "counter-notice:1")
    assert begun() is None
    last = deliver(desk, subject_of_counter_notice(1, 1))
    assert begun() == last > first


def test_a_notifier_who_gives_up_has_the_listing_put_back(desk: Desk):
    """Also who sued, which keeps the measure until then; it counts in their record as overturned, and is said once."""
    (reference,) = counter(desk, "brand")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())
    (appeal,) = answer(desk, reference, acted="LG Hamburg 312 O 5/26")
    assert (appeal.state, desk.states(1)) == ("holder acted", ["upheld"])
    (appeal,) = answer(desk, reference, has_withdrawn=True)
    assert (appeal.state, desk.states(1)) == ("restored", ["undecided"])
    with reading(desk.engine) as connection:
        counts = record_of(connection, 1, load_cooperation_policy().notifiers, desk.now).counts
        assert find_appeal(connection, appeal.appeal_id).state == "restored"
    assert (counts.overturned, counts.settled) == (1, 0)
    with pytest.raises(Conflict, match="counter-notice"):
        answer(desk, reference, has_withdrawn=True)


@pytest.mark.slow
def test_one_of_several_does_not_give_up_for_the_others(desk: Desk):
    """Each may act for themselves."""
    references = counter(desk, "brand", "agency")
    with pytest.raises(Conflict, match="other notifiers"):
        answer(desk, references[0], has_withdrawn=True)
    assert answer(desk, references[1], acted="AB 1")[0].state == "holder acted"
    for said in ({}, {"acted": "AB 1", "has_withdrawn": True}):
        with pytest.raises(UnusableSetting):
            answer(desk, references[0], **said)
    with pytest.raises(Conflict, match="counter-notice"):
        answer(desk, "nobody's", acted="AB 1")


@pytest.mark.slow
def test_what_was_passed_on_goes_with_the_seller(desk: Desk):
    """It tells of them, so it is encrypted with their key, and none of it can be read once they are forgotten."""
    (reference,) = counter(desk, "brand")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())
    answer(desk, reference, has_withdrawn=True)
    with pytest.raises(Conflict, match="wait to be delivered"):
        erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.now)
    with writing(desk.engine) as connection:
        waiting = messages.c.state == "waiting"
        connection.execute(update(messages).where(waiting).values(state="delivered", settled_at=desk.now))
    erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.pass_time())
    with reading(desk.engine) as connection:
        passed_on = messages.c.subject.like("counter-notice:1%")
        keys = connection.scalars(select(messages.c.pseudonym).where(passed_on)).all()
        assert len(keys) == 2
        assert connection.scalars(select(seller_keys.c.seller_id).where(seller_keys.c.pseudonym.in_(keys))).all() == []
