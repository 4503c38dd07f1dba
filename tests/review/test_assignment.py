"""Whose a case is, and when it comes back."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import Make, act, ask, judge
from support.staff import CHEAP, PASSWORD

from ipml.errors import Conflict, Forbidden, NotFound, Overtaken
from ipml.review import queue
from ipml.review.quality.second_person import add_own_seller
from ipml.review.worklists.assignment import assign, list_assignees, snooze
from ipml.review.worklists.search import Filter, browse
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, disable_user

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
OPEN = Filter()


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of five cases, the first the most suspicious, with two reviewers and a viewer."""
    queue.enqueue(engine, [make_scored(f"L{n}", 0.9 - n / 10, seller_id=f"s{n}") for n in range(5)], now=NOON)
    act(engine, add_user, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    act(engine, add_user, "bo", PASSWORD, Role.REVIEWER, CHEAP)
    act(engine, add_user, "vic", PASSWORD, Role.VIEWER, CHEAP)
    return engine


def take(engine: Engine, reviewer: str, now: datetime = NOON) -> int | None:
    """Return the case that a reviewer would be given, and give it back."""
    claim = act(engine, queue.claim, reviewer, now=now)
    if claim is not None:
        act(engine, queue.release, claim, now=now)
    return None if claim is None else claim.case_id


def listed(engine: Engine, wanted: Filter = OPEN, now: datetime = NOON) -> list[int]:
    """Return the numbers of the cases in a list."""
    return [case.case_id for case in ask(engine, browse, wanted, now=now)]


def test_an_assigned_case_comes_to_its_person_first_and_to_nobody_else(staffed: Engine):
    """It is listed as theirs; once it is nobody's it comes in its turn; each change is in the audit trail."""
    for number, name in ((1, "bo"), (4, "ana"), (4, "ana")):  # the last changes nothing
        act(staffed, assign, number, name, by="lea", now=NOON)
    assert (take(staffed, "ana"), take(staffed, "bo")) == (4, 1)
    assert listed(staffed, Filter(assigned_to="ana")) == [4]
    assert listed(staffed) == [1, 2, 3, 4, 5]
    for number in (1, 4):
        act(staffed, assign, number, None, by="ana", now=NOON)
    said = [(row.actor, row.action) for row in ask(staffed, queue.history, 4) if "assigned" in row.action]
    assert said == [("lea", "assigned"), ("ana", "assigned to nobody")]
    assert take(staffed, "ana") == 1


def test_what_is_assigned_to_who_cannot_decide_it_is_everybodys(staffed: Engine):
    """Somebody who left, or sells as the seller, keeps no case from the others."""
    for number in (1, 2):
        act(staffed, assign, number, "bo", by="lea", now=NOON)
    act(staffed, add_own_seller, "bo", "s0", now=NOON)
    assert (take(staffed, "ana"), take(staffed, "bo")) == (1, 2)
    act(staffed, disable_user, "bo")
    assert ask(staffed, list_assignees) == ["ana"]
    judge(staffed, 1, now=NOON)
    assert take(staffed, "ana") == 2


def test_nobody_is_assigned_what_they_must_not_judge(staffed: Engine):
    """Nor is a viewer, somebody unknown, or anybody a case that is decided, which is not snoozed either."""
    act(staffed, add_own_seller, "bo", "s0", now=NOON)
    judge(staffed, 2, now=NOON)
    wrong = [(1, "bo", Forbidden), (2, "bo", Conflict), *((1, name, NotFound) for name in ("vic", "nobody", ""))]
    for number, name, error in wrong:
        with pytest.raises(error):
            act(staffed, assign, number, name, by="lea", now=NOON)
    with pytest.raises(Conflict):
        act(staffed, snooze, 2, NOON + timedelta(hours=1), by="ana", now=NOON)


@on_both
def test_a_snoozed_case_comes_back_by_itself(staffed: Engine):
    """Until then it is in no list but that of snoozed cases, and is given to nobody; the claim on it ends."""
    later = NOON + timedelta(hours=4)
    act(staffed, queue.claim, "ana", 1, now=NOON)
    act(staffed, snooze, 1, later, by="ana", now=NOON)
    assert ask(staffed, queue.get_case, 1, now=NOON).reviewer is None
    assert listed(staffed) == [2, 3, 4, 5]
    assert listed(staffed, Filter(snoozed=True)) == [1]
    assert listed(staffed, Filter(search="L0")) == listed(staffed, Filter(seller_id="s0")) == [1]
    assert (take(staffed, "ana"), take(staffed, "ana", later)) == (2, 1)
    assert listed(staffed, now=later) == [1, 2, 3, 4, 5]
    assert listed(staffed, Filter(snoozed=True), later) == []


def test_a_snoozed_case_can_be_put_back(staffed: Engine):
    """At once, with rows in the audit trail; none is snoozed for no time, for more than 30 days, or from its holder."""
    for until, by in ((NOON + timedelta(days=30), "ana"), (None, "bo"), (None, "bo")):
        act(staffed, snooze, 1, until, by=by, now=NOON)
    assert [row.action for row in ask(staffed, queue.history, 1)] == ["enqueued", "snoozed", "woken"]
    assert take(staffed, "ana") == 1
    for away in (timedelta(0), timedelta(hours=-1), timedelta(days=30, seconds=1)):
        with pytest.raises(Conflict):
            act(staffed, snooze, 1, NOON + away, by="ana", now=NOON)
    act(staffed, queue.claim, "bo", 1, now=NOON)
    with pytest.raises(Overtaken):
        act(staffed, snooze, 1, NOON + timedelta(hours=1), by="ana", now=NOON)


def test_deadlines_win(staffed: Engine, make_scored: Make):
    """None is snoozed beyond its deadline; one that comes later wakes the case, which goes to whoever is there."""
    due, at = make_scored("D1", 0.1, seller_id="d"), lambda hours: NOON + timedelta(hours=hours)
    queue.enqueue(staffed, [due], now=NOON, due_at=at(8))
    with pytest.raises(Conflict):
        act(staffed, snooze, 6, at(9), by="ana", now=NOON)
    act(staffed, snooze, 6, at(7), by="ana", now=NOON)
    act(staffed, assign, 6, "bo", by="lea", now=NOON)
    assert 6 not in listed(staffed)
    queue.enqueue(staffed, [due], now=NOON, due_at=at(6))
    assert 6 in listed(staffed)
    assert take(staffed, "ana", at(6)) == 6
