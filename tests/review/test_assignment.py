"""Whose a case is, and when it comes back."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, act, ask
from support.staff import CHEAP, PASSWORD

from ipml.errors import Conflict, Forbidden, NotFound, Overtaken
from ipml.records import Verdict
from ipml.review import queue
from ipml.review.quality.second_person import add_own_seller
from ipml.review.worklists.assignment import assign, list_assignees, snooze
from ipml.review.worklists.search import Filter, browse
from ipml.storage.database import writing
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
    with writing(engine) as connection:
        claim = queue.claim(connection, reviewer, now=now)
        if claim is not None:
            queue.release(connection, claim, now=now)
        return None if claim is None else claim.case_id


def listed(engine: Engine, wanted: Filter = OPEN, now: datetime = NOON) -> list[int]:
    """Return the numbers of the cases in a list."""
    return [case.case_id for case in ask(engine, browse, wanted, now=now)]


def test_an_assigned_case_comes_to_its_person_first_and_to_nobody_else(staffed: Engine):
    """It is listed as theirs; once it is nobody's it comes in its turn; each change is in the audit trail."""
    act(staffed, assign, 1, "bo", by="lea", now=NOON)
    act(staffed, assign, 4, "ana", by="lea", now=NOON)
    act(staffed, assign, 4, "ana", by="lea", now=NOON)  # which changes nothing
    assert (take(staffed, "ana"), take(staffed, "bo")) == (4, 1)
    assert listed(staffed, Filter(assigned_to="ana")) == [4]
    assert listed(staffed) == [1, 2, 3, 4, 5]
    act(staffed, assign, 1, None, by="ana", now=NOON)
    act(staffed, assign, 4, None, by="ana", now=NOON)
    said = [(row.actor, row.action) for row in act(staffed, queue.history, 4) if "assigned" in row.action]
    assert said == [("lea", "assigned"), ("ana", "assigned to nobody")]
    assert take(staffed, "ana") == 1


def test_what_is_assigned_to_who_cannot_decide_it_is_everybodys(staffed: Engine):
    """Somebody who left, or sells as the seller, keeps no case from the others."""
    act(staffed, assign, 1, "bo", by="lea", now=NOON)
    act(staffed, assign, 2, "bo", by="lea", now=NOON)
    act(staffed, add_own_seller, "bo", "s0", now=NOON)
    assert take(staffed, "ana") == 1
    assert take(staffed, "bo") == 2
    with writing(staffed) as connection:
        disable_user(connection, "bo")
        assert list_assignees(connection) == ["ana"]
        claim = queue.claim(connection, "ana", 1, now=NOON)
        assert claim
        queue.decide(connection, claim, Verdict.GENUINE, now=NOON)
    assert take(staffed, "ana") == 2


def test_nobody_is_assigned_what_they_must_not_judge(staffed: Engine):
    """Nor is a viewer, somebody unknown, or anybody a case that is decided."""
    with writing(staffed) as connection:
        add_own_seller(connection, "bo", "s0", now=NOON)
        with pytest.raises(Forbidden):
            assign(connection, 1, "bo", by="lea", now=NOON)
        for name in ("vic", "nobody", ""):
            with pytest.raises(NotFound):
                assign(connection, 1, name, by="lea", now=NOON)
        claim = queue.claim(connection, "ana", 2, now=NOON)
        assert claim
        queue.decide(connection, claim, Verdict.GENUINE, now=NOON)
        with pytest.raises(Conflict):
            assign(connection, 2, "bo", by="lea", now=NOON)
        with pytest.raises(Conflict):
            snooze(connection, 2, NOON + timedelta(hours=1), by="ana", now=NOON)


def test_a_snoozed_case_comes_back_by_itself(staffed: Engine):
    """Until then it is in no list but that of snoozed cases, and is given to nobody; the claim on it ends."""
    act(staffed, queue.claim, "ana", 1, now=NOON)
    act(staffed, snooze, 1, NOON + timedelta(hours=4), by="ana", now=NOON)
    assert act(staffed, queue.get_case, 1, now=NOON).reviewer is None
    assert listed(staffed) == [2, 3, 4, 5]
    assert listed(staffed, Filter(snoozed=True)) == [1]
    assert listed(staffed, Filter(search="L0")) == listed(staffed, Filter(seller_id="s0")) == [1]
    assert take(staffed, "ana") == 2
    later = NOON + timedelta(hours=4)
    assert take(staffed, "ana", later) == 1
    assert listed(staffed, now=later) == [1, 2, 3, 4, 5]
    assert listed(staffed, Filter(snoozed=True), later) == []


def test_a_snoozed_case_can_be_put_back(staffed: Engine):
    """At once, with rows in the audit trail."""
    with writing(staffed) as connection:
        snooze(connection, 1, NOON + timedelta(days=30), by="ana", now=NOON)
        snooze(connection, 1, None, by="bo", now=NOON)
        snooze(connection, 1, None, by="bo", now=NOON)
        assert [row.action for row in queue.history(connection, 1)] == ["enqueued", "snoozed", "woken"]
    assert take(staffed, "ana") == 1


@pytest.mark.parametrize("away", [timedelta(0), timedelta(hours=-1), timedelta(days=30, seconds=1)])
def test_no_case_is_snoozed_for_ever_or_for_no_time(away: timedelta, staffed: Engine):
    """A moment that is past, or more than 30 days away, is refused."""
    with writing(staffed) as connection, pytest.raises(Conflict):
        snooze(connection, 1, NOON + away, by="ana", now=NOON)


def test_nobody_snoozes_what_another_holds(staffed: Engine):
    """Whoever has opened it decides."""
    with writing(staffed) as connection:
        queue.claim(connection, "bo", 1, now=NOON)
        with pytest.raises(Overtaken):
            snooze(connection, 1, NOON + timedelta(hours=1), by="ana", now=NOON)


def test_deadlines_win(staffed: Engine, make_scored: Make):
    """None is snoozed beyond its deadline; one that comes later wakes the case, which goes to whoever is there."""
    due = make_scored("D1", 0.1, seller_id="d")
    queue.enqueue(staffed, [due], now=NOON, due_at=NOON + timedelta(hours=8))
    with writing(staffed) as connection:
        with pytest.raises(Conflict):
            snooze(connection, 6, NOON + timedelta(hours=9), by="ana", now=NOON)
        snooze(connection, 6, NOON + timedelta(hours=7), by="ana", now=NOON)
        assign(connection, 6, "bo", by="lea", now=NOON)
    assert 6 not in listed(staffed)
    queue.enqueue(staffed, [due], now=NOON, due_at=NOON + timedelta(hours=6))
    assert 6 in listed(staffed)
    assert take(staffed, "ana", NOON + timedelta(hours=6)) == 6
