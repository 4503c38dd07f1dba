"""The lane of a notice: its deadline, what it must bring, and how much a day."""

from datetime import timedelta

import pytest
from sqlalchemy import insert
from support.databases import on_both
from support.notice_desk import Desk

from ipml.cooperation.notifiers.misuse import suspend, warn
from ipml.cooperation.notifiers.tiers import Lane, lane_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.errors import NotFound
from ipml.storage.database import reading, writing
from ipml.storage.tables import notice_items

POLICY = load_cooperation_policy()


def lane(desk: Desk, name: str = "brand") -> Lane:
    """Return the lane of a notifier now."""
    number = desk.add_notifier(name)
    with reading(desk.engine) as connection:
        return lane_of(connection, number, POLICY, desk.now)


def test_a_newcomer_is_dealt_with_as_usual(desk: Desk):
    """Neither trusted nor doubted, and told what to bring."""
    found = lane(desk)
    assert (found.tier, found.hours, found.is_suspended, found.needs_rights_document) == ("standard", 72, False, True)
    assert found.due_at(desk.now) == desk.now + timedelta(hours=72)


def test_a_trusted_flagger_comes_first_without_a_cap(desk: Desk):
    """Whatever else there is to do."""
    desk.add_notifier("flagger", "trusted flagger")
    found = lane(desk, "flagger")
    assert (found.tier, found.left_today) == ("trusted", None)
    assert found.hours == min(tier.deadline_hours for tier in POLICY.notifiers.tiers)


@on_both
def test_so_many_cases_a_day_get_a_deadline(desk: Desk):
    """Each listing that was raised is one less, what nobody knows yet is none; the next day it begins anew."""
    assert lane(desk).left_today == 200
    notice_id = desk.give_notice([desk.add_case("L1"), None])
    assert lane(desk).left_today == 199
    rows = [
        {"notice_id": notice_id, "position": at, "case_id": 1, "state": "waiting", "noted_at": desk.now}
        | {"listing_digest": "", "location": ""}
        for at in range(3, 303)
    ]
    with writing(desk.engine) as connection:
        connection.execute(insert(notice_items), rows)
    assert lane(desk).left_today == 0
    desk.pass_time(days=1)
    assert lane(desk).left_today == 200


def test_whoever_is_suspended_is_so_in_every_lane(desk: Desk):
    """Until the suspension ends."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        warn(connection, number, "lea", "plainly unfounded", now=desk.now)
        suspend(connection, number, "lea", "it went on", now=desk.pass_time(days=8))
    assert lane(desk).is_suspended
    desk.pass_time(days=31)
    assert not lane(desk).is_suspended


def test_nobody_has_no_lane(desk: Desk):
    """A number that is no notifier's is refused."""
    with reading(desk.engine) as connection, pytest.raises(NotFound, match="No notifier"):
        lane_of(connection, 9, POLICY)
