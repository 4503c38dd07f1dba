"""Changes of cases, queues and lists in batches, and undoing them."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, select
from support.databases import on_both
from support.reviewing import Make, judge
from support.staff import CHEAP, PASSWORD
from support.transactions import act, ask

from ipml.errors import Conflict, Forbidden, NotFound
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_cases, history
from ipml.review.claims import claim
from ipml.review.quality.blind_reviews import list_control_cases
from ipml.review.quality.second_person import add_own_seller
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, list_entries
from ipml.review.worklists.assignment import assign, snooze
from ipml.review.worklists.changes import (
    Change,
    ChangeOrder,
    change_assignment,
    change_queue,
    change_snooze,
    drop_queue,
    find_last_changes,
    list_seller,
    make_control_cases,
    move_queue,
    undo_change,
    unlist_seller,
)
from ipml.review.worklists.review_queues import QueueRule, count_rule_cases, list_queues
from ipml.review.worklists.suggestions import count_names, count_seller_cases
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.tables import cases
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

NOW = datetime.now(UTC)
BY_LEA = ChangeOrder("lea", NOW)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of five open cases of two brands, with reviewers and a lead."""
    scored = [make_scored(f"L{n}", 0.9 - n / 10, seller_id=f"s{n}", brand=("Acme", "Zenit")[n % 2]) for n in range(5)]
    enqueue(engine, scored, now=NOW - timedelta(days=1))
    for name, role in (("ana", Role.REVIEWER), ("bo", Role.REVIEWER), ("lea", Role.LEAD)):
        act(engine, add_user, name, PASSWORD, role, CHEAP)
    return engine


def read(engine: Engine, column: str) -> list[object]:
    """Return a column of the cases, by number."""
    with engine.connect() as connection:
        return list(connection.scalars(select(cases.c[column]).order_by(cases.c.case_id)))


def undo(engine: Engine, change: Change | None, user: str = "lea", now: datetime = LATER) -> Change:
    """Undo a change within its ten minutes."""
    assert change is not None
    undone: Change = act(engine, undo_change, change.change_id, user, undo_minutes=10, now=now)
    return undone


@on_both
def test_a_batch_is_assigned_and_undone_as_one(staffed: Engine) -> None:
    """Undoing gives each case back to the person it had; the trail has every step, and agrees with the tables."""
    act(staffed, assign, 2, "ana", by="lea")
    change = act(staffed, change_assignment, [1, 2, 3], "bo", BY_LEA)
    assert read(staffed, "assigned_to") == ["bo", "bo", "bo", None, None]
    assert ask(staffed, find_last_changes, "lea", undo_minutes=10).last == change
    undone = undo(staffed, change)
    assert read(staffed, "assigned_to") == [None, "ana", None, None, None]
    assert (undone.refused, undone.case_ids) == ([], [1, 2, 3])
    assert [row.action for row in ask(staffed, history, 2)][-3:] == ["assigned"] * 3
    assert [row.actor for row in ask(staffed, audit.list_rows, f"change:{undone.change_id}")] == ["lea"]
    assert list(ask(staffed, find_disagreements)) == []


def test_conflicts_are_named_and_do_not_hold_up_the_rest(staffed: Engine) -> None:
    """Decided meanwhile, opened by another, of one's own, unknown: each with the reason."""
    judge(staffed, 1, Verdict.GENUINE, "ana")
    act(staffed, claim, "ana", 2)
    act(staffed, add_own_seller, "bo", "s2")
    change = act(staffed, change_assignment, [1, 2, 3, 4, 99], "bo", BY_LEA)
    assert change.case_ids == [4]
    assert dict(map(tuple, change.refused)) == {
        1: "it is decided",
        2: "ana holds it",
        3: "it is about a listing of bo's own",
        99: "there is no such case",
    }
    with pytest.raises(Conflict, match=r"none of them changed\. case 1: it is decided; case 2: ana holds it"):
        act(staffed, change_snooze, [1, 2], NOW + timedelta(hours=1), BY_LEA)
    with pytest.raises(Forbidden):
        act(staffed, change_assignment, [3], "bo", BY_LEA)
    assert act(staffed, change_assignment, [4], "bo", BY_LEA) is None


def test_a_batch_takes_as_many_statements_as_one_case(staffed: Engine) -> None:
    """However many cases it has."""

    def count_statements(numbers: list[int], hours: int) -> int:
        seen: list[str] = []
        note = lambda *args: seen.append(args[2])  # noqa: E731
        event.listen(staffed, "before_cursor_execute", note)
        act(staffed, change_assignment, numbers, "bo", BY_LEA)
        act(staffed, change_snooze, numbers, NOW + timedelta(hours=hours), BY_LEA)
        event.remove(staffed, "before_cursor_execute", note)
        return len(seen)

    assert count_statements([1], 1) == count_statements([2, 3, 4, 5], 2)


def test_undoing_leaves_what_was_changed_since(staffed: Engine) -> None:
    """It is named; a second time nothing is undone, nor after the minutes, nor what somebody else did."""
    change = act(staffed, change_snooze, [1, 2, 3], NOW + timedelta(days=1), BY_LEA)
    act(staffed, snooze, 1, NOW + timedelta(days=2), by="ana")
    for user, now, error in (("ana", LATER, NotFound), ("lea", NOW + timedelta(minutes=11), Conflict)):
        with pytest.raises(error):
            undo(staffed, change, user, now)
    undone = undo(staffed, change)
    assert list(map(tuple, undone.refused)) == [(1, "it was snoozed or woken since")]
    assert [moment is None for moment in read(staffed, "snoozed_until")] == [False, True, True, True, True]
    with pytest.raises(Conflict, match="undone already"):
        undo(staffed, change)
    last = ask(staffed, find_last_changes, "lea", undo_minutes=10)
    assert (last.last, last.undone) == (None, undone)


def test_control_cases_have_the_truth_of_their_verdicts(staffed: Engine) -> None:
    """Cases that were decided neither way, or not at all, are named; all are gone after undoing."""
    judge(staffed, 1, Verdict.GENUINE, "ana")
    judge(staffed, 2, Verdict.COUNTERFEIT, "ana")
    judge(staffed, 3, Verdict.CANNOT_TELL, "ana")
    change = act(staffed, make_control_cases, [1, 2, 3, 4], None, "test purchase", BY_LEA)
    controls = ask(staffed, list_control_cases)
    assert [(one.case_id, one.truth) for one in controls] == [(1, Verdict.GENUINE), (2, Verdict.COUNTERFEIT)]
    assert [number for number, _ in change.refused] == [3, 4]
    undo(staffed, change)
    assert ask(staffed, list_control_cases) == []
    assert list(ask(staffed, find_disagreements)) == []


@on_both
def test_queues_are_moved_changed_removed_and_all_of_it_undone(staffed: Engine) -> None:
    """A case is in the first queue that fits, in the order that leads give."""
    first = act(staffed, change_queue, QueueRule("Acme", ("acme",), people=("bo",)), None, BY_LEA)
    second = act(staffed, change_queue, QueueRule("All Latin", scripts=("latin",)), None, BY_LEA)
    routed = read(staffed, "queue_id")
    moved = act(staffed, move_queue, 2, is_up=True, order=BY_LEA)
    assert set(read(staffed, "queue_id")) == {2}
    assert act(staffed, move_queue, 2, is_up=True, order=BY_LEA) is None
    undo(staffed, moved)
    assert read(staffed, "queue_id") == routed
    before = ask(staffed, list_queues)
    changed = act(staffed, change_queue, QueueRule("Zenit", ("zenit",)), 1, ChangeOrder("lea", LATER))
    with pytest.raises(Conflict, match="was changed since"):
        undo(staffed, first)
    undo(staffed, changed)
    removed = act(staffed, drop_queue, 1, BY_LEA)
    undo(staffed, removed)
    assert [(one.queue_id, one.rule, one.place) for one in ask(staffed, list_queues)] == [
        (one.queue_id, one.rule, one.place) for one in before
    ]
    undo(staffed, second)
    assert [one.rule.name for one in ask(staffed, list_queues)] == ["Acme"]
    assert list(ask(staffed, find_disagreements)) == []


def test_list_entries_are_undone(staffed: Engine) -> None:
    """An added one goes, the one that it replaced and a removed one come back."""
    denied = ListedSeller(ListKind.DENIED, "s1", "sold fakes", "a letter", "Acme")
    again = ListedSeller(ListKind.DENIED, "s1", "sold them again", "a judgment", "Acme")
    _, added = act(staffed, list_seller, denied, BY_LEA)
    entry, replaced = act(staffed, list_seller, again, ChangeOrder("lea", LATER))
    assert act(staffed, list_seller, again, ChangeOrder("lea", LATER))[1] is None

    def reasons() -> list[str]:
        return [one.why for one in ask(staffed, list_entries, LATER)]

    assert reasons() == ["sold them again"]
    with pytest.raises(Conflict, match="removed it since"):
        undo(staffed, added)
    undo(staffed, replaced)
    assert reasons() == ["sold fakes"]
    (entry,) = ask(staffed, list_entries, LATER)
    _, removed = act(staffed, unlist_seller, entry.entry_id, "a mistake", BY_LEA)
    assert reasons() == []
    undo(staffed, removed)
    assert reasons() == ["sold fakes"]


def test_counts_say_what_fits_and_what_nothing_has(staffed: Engine) -> None:
    """Of the cases as listed; a brand of decided cases is known."""
    judge(staffed, 2, Verdict.GENUINE, "ana")
    judge(staffed, 4, Verdict.GENUINE, "ana")
    fit = ask(staffed, count_rule_cases, QueueRule("x", ("ACME", "Zenit", "Guci"), ("hats",)))
    assert (fit.fitting, fit.open, fit.unknown) == (0, 3, ("Guci", "hats"))
    assert ask(staffed, count_rule_cases, QueueRule("x", ("ACME",))).fitting == 3
    assert ask(staffed, count_rule_cases, QueueRule("x")).fitting == 0
    assert ask(staffed, count_names, "brand") == {"Acme": 3}
    seller = ask(staffed, count_seller_cases, "s0", "acme")
    assert (seller.fitting, seller.unknown) == (1, ())
    assert ask(staffed, count_seller_cases, "nobody", None).unknown == ("nobody",)
    assert ask(staffed, find_cases, [1]).keys() == {1}
