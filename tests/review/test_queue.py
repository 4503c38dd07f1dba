"""Claiming, releasing and deciding, by the settings of the process, and looking into the queue."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, update
from support.actions import COOPERATION
from support.databases import copy_memory, on_both
from support.given_notices import POLICY, offer, say
from support.reviewing import NOON, Make, judge
from support.transactions import act, ask

import ipml
from ipml.cooperation.notices.intake import receive
from ipml.errors import KeyReused, NotFound, Overtaken, Refused, UnstorableValue
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases, get_case, history
from ipml.review.claims import claim, find_out_of_reach, release, resume
from ipml.review.decisions import GROUNDS, DecisionRequest, decide, list_decisions
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.assignment import count_assigned
from ipml.review.worklists.search import Filter, browse_cases
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions

LATER = NOON + timedelta(minutes=30)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of three cases, the second the most suspicious."""
    enqueue(engine, [make_scored("L1", 0.5), make_scored("L2", 0.9), make_scored("L3", 0.1)], now=NOON)
    return engine


@on_both
def test_no_case_is_held_by_two(queue: Engine):
    """What one holds for as long as they asked, another does not get, asked for or not; then the next does."""
    lease = Settings(lease_minutes=7.5)
    held = act(queue, claim, "ana", settings=lease, now=NOON)
    end = NOON + timedelta(minutes=7.5)
    assert held.expires_at == end
    last = end - timedelta(microseconds=1)
    assert act(queue, claim, "bo", held.case_id, now=last) is None
    assert [ask(queue, get_case, held.case_id, now=now).reviewer for now in (last, end)] == ["ana", None]
    assert act(queue, claim, "bo", now=NOON).case_id != held.case_id
    taken = act(queue, claim, "cleo", now=end)
    assert taken.case_id == held.case_id
    assert taken.token > held.token


def test_claiming_again_prolongs_the_claim(queue: Engine):
    """A reviewer with two windows decides in either; nothing is decided twice."""
    first, second = (act(queue, claim, "ana", 1, now=now) for now in (NOON, NOON + MINUTE))
    assert second == replace(first, expires_at=first.expires_at + MINUTE)
    assert act(queue, decide, DecisionRequest(first, Verdict.GENUINE), now=NOON + MINUTE).reviewer == "ana"
    with pytest.raises(Overtaken, match="has been decided"):
        act(queue, decide, DecisionRequest(second, Verdict.COUNTERFEIT, "known_goods"), now=NOON + MINUTE)


def test_who_holds_a_case_comes_back_to_it(queue: Engine):
    """Of several it is the one opened last; one whose lease ran out, or that was decided, is held no longer."""
    with writing(queue) as connection:
        assert resume(connection, "ana", now=NOON) is None
        for case_id in (1, 2):
            claim(connection, "ana", case_id, now=NOON)
        again = resume(connection, "ana", now=NOON + MINUTE)
        assert again == claim(connection, "ana", 2, now=NOON + MINUTE)
        decide(connection, DecisionRequest(again, Verdict.GENUINE), now=NOON + MINUTE)
        assert resume(connection, "ana", now=NOON + MINUTE).case_id == 1
        assert resume(connection, "bo", now=NOON + MINUTE) is None
        assert resume(connection, "ana", now=NOON + 60 * MINUTE) is None


def test_the_best_case_is_given_first(queue: Engine):
    """Of what is left it is told how many others hold, and when the first of these comes free; then there is none."""
    held = [act(queue, claim, "bo", now=NOON + n * MINUTE) for n in range(2)]
    found = act(queue, find_out_of_reach, "ana", now=NOON + MINUTE)
    assert (found.held, found.free_at, found.waiting) == (2, held[0].expires_at, 0)
    assert found.open == found.kept + 2
    assert [one.case_id for one in held] == [2, 1]  # the best first
    taken = [act(queue, claim, "ana", now=NOON + MINUTE) for _ in range(2)]
    assert [one and one.case_id for one in taken] == [3, None]


def test_a_released_case_is_free_at_once(queue: Engine):
    """The next reviewer gets it without waiting for the lease; a lost claim cannot release it from them."""
    with writing(queue) as connection:
        release(connection, claim(connection, "ana", 2, now=NOON), now=NOON)
        lost = claim(connection, "bo", now=NOON)
        assert lost.case_id == 2
        claim(connection, "cleo", 2, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, release, lost)
    assert ask(queue, get_case, 2, now=LATER).reviewer == "cleo"


def test_who_no_longer_holds_a_case_cannot_decide(queue: Engine):
    """Neither after the lease, though nobody took it, nor over the next with a slow clock, nor under another name."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    before = _count(queue)
    with pytest.raises(Overtaken, match="ran out at 12:15 UTC"):
        act(queue, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON + 15 * MINUTE)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide, DecisionRequest(replace(taken, reviewer="bo"), Verdict.GENUINE), now=NOON)
    assert _count(queue) == before
    act(queue, claim, "bo", 1, now=LATER)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON)


def test_a_ground_must_fit_the_verdict(queue: Engine):
    """Counterfeit needs a ground of the table, and nothing else has one; a note is one that every database holds."""
    taken = act(queue, claim, "ana", 1)
    wrong = ((Verdict.COUNTERFEIT, ""), (Verdict.COUNTERFEIT, "a feeling"), (Verdict.GENUINE, "test_purchase"))
    for verdict, ground in wrong:
        with pytest.raises(Refused, match="expected"):
            act(queue, decide, DecisionRequest(taken, verdict, ground))
    assert ask(queue, list_decisions, 1) == []
    for ground in GROUNDS:
        made = act(queue, decide, DecisionRequest(act(queue, claim, "ana", 1), Verdict.COUNTERFEIT, ground))
        assert made.ground == ground
        act(queue, undo, made.decision_id, UndoRequest("ana"))
    taken = act(queue, claim, "ana", 1)
    for note in ("x" * 2001, "a\0b", "\ud800"):
        with pytest.raises(UnstorableValue, match="note"):
            act(queue, decide, DecisionRequest(taken, Verdict.GENUINE, note=note))
    assert len(act(queue, decide, DecisionRequest(taken, Verdict.GENUINE, note="x" * 2000)).note) == 2000


def test_a_key_is_for_one_request(queue: Engine):
    """Sent again, later too, it returns the same decision; another content or case is refused; an empty one is none."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    first, again = (
        act(queue, decide, DecisionRequest(taken, Verdict.GENUINE, key="k"), now=now) for now in (NOON, LATER)
    )
    assert (first, _count(queue)) == (again, (1, 5))
    other = act(queue, claim, "ana", 2)
    for claimed, verdict, note in (
        (taken, Verdict.CANNOT_TELL, ""),
        (taken, Verdict.GENUINE, "no"),
        (other, Verdict.GENUINE, ""),
    ):
        with pytest.raises(KeyReused, match="'k'"):
            act(queue, decide, DecisionRequest(claimed, verdict, note=note, key="k"))
    for claimed in (other, act(queue, claim, "ana", 3)):
        assert act(queue, decide, DecisionRequest(claimed, Verdict.GENUINE, key="")).case_id == claimed.case_id


def _count(engine: Engine) -> tuple[int, int]:
    """Return the number of decisions and of audit rows, whose chain is whole."""
    with reading(engine) as connection:
        report = verify(connection)
        assert report.is_intact
        return connection.scalar(select(func.count()).select_from(decisions)), report.anchor.count


GIVEN = {
    **dict.fromkeys(("claim", "claim_ahead", "preview_bulk"), "settings"),
    **dict.fromkeys(("decide", "decide_and_spread", "decide_bulk", "take_back", "undo", "undo_group"), "context"),
    "find_undoable": "undo_minutes",
    **dict.fromkeys(("enqueue", "enqueue_batch"), "joins_alike"),
}


def find_calls() -> Iterator[tuple[str, str, bool]]:
    """Give the calls of the queue in entry points: where, what is called, and whether it is given the settings."""
    for folder in ("web", "cli"):
        for path in (Path(ipml.__file__).parent / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                    given = {keyword.arg for keyword in node.keywords}  # None stands for `**`
                    if name in GIVEN:
                        yield path.name, name, bool({GIVEN[name], None} & given)


def test_entry_points_pass_their_settings():
    """The defaults of these functions are for examples and tests."""
    calls = list(find_calls())
    assert {"claim", "decide_and_spread", "undo_group", "enqueue_batch"} <= {name for _, name, _ in calls}
    assert [(module, name) for module, name, is_given in calls if not is_given] == []


@pytest.fixture
def full(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of 20 cases of two sellers and two brands, five scores each four times."""
    places = [{"seller_id": f"s{number % 2}", "brand": "AB"[number // 10]} for number in range(20)]
    enqueue(engine, [make_scored(f"L{number}", number % 5 / 5, **place) for number, place in enumerate(places)])
    return engine


@on_both
def test_the_most_suspicious_come_first(full: Engine):
    """Scores fall, and among equals the case that came first is first; pages go on after any case."""
    whole = ask(full, browse_cases)
    order = [(-case.scored.score, case.case_id) for case in whole]
    assert order == sorted(order)
    assert len(order) == 20
    judge(full, whole[1].case_id)  # the last of a page, meanwhile
    assert ask(full, browse_cases, limit=1, after=whole[1].case_id) == [whole[2]]


def test_filters_keep_what_matches(full: Engine):
    """State, brand and seller narrow the list, alone and together; a seller's cases are there in any state."""
    with reading(full) as connection:
        assert {case.scored.listing.brand for case in browse_cases(connection, Filter(brand="A"))} == {"A"}
        assert len(browse_cases(connection, Filter(brand="A", seller_id="s1"))) == 5
        assert browse_cases(connection, Filter(state="decided")) == []
        assert browse_cases(connection, Filter(brand="' OR 1=1 --")) == []
    best = judge(full).case_id
    found = ask(full, browse_cases, Filter(state=None, seller_id=ask(full, get_case, best).scored.listing.seller_id))
    assert (len(found), {case.case_id for case in found if case.state == "decided"}) == (10, {best})
    judge(full, None, Verdict.ESCALATE)
    assert ask(full, count_cases) == {"open": 18, "decided": 1, "escalated": 1, "superseded": 0}


def test_the_history_tells_what_was_done_by_whom(full: Engine):
    """Every step is there, in order, with who did it."""
    act(full, release, act(full, claim, "ana", 1))
    judge(full, 1, Verdict.ESCALATE, by="bo")
    judge(full, 1, Verdict.COUNTERFEIT, by="lea", note="seen it")
    steps = [("ipml", "enqueued"), ("ana", "claimed"), ("ana", "released"), ("bo", "claimed")]
    steps += [("bo", "escalated"), ("lea", "claimed"), ("lea", "decided")]
    assert [(row.actor, row.action) for row in ask(full, history, 1)] == steps
    verdicts = [(one.reviewer, one.verdict, one.note) for one in ask(full, list_decisions, 1)]
    assert verdicts == [("bo", Verdict.ESCALATE, ""), ("lea", Verdict.COUNTERFEIT, "seen it")]


def test_a_case_that_is_not_there_is_named(full: Engine):
    """No case 999, nor one that no database knows, whichever way one looks; nor is a decided case claimed."""
    for number in (999, 2**63):
        for find in (get_case, history, lambda connection, after: browse_cases(connection, after=after)):
            with pytest.raises(NotFound, match="No case 999" if number == 999 else "No case"):
                ask(full, find, number)
    with pytest.raises(NotFound, match="No case"):  # a mistake, not an empty queue
        act(full, claim, "ana", 999)
    judge(full, 1)
    with pytest.raises(Overtaken, match="has been decided"):
        act(full, claim, "bo", 1)


def count_steps(n: int) -> dict[str, int]:
    """Return how many steps SQLite takes to list, count, claim and decide where n cases came, with notices."""
    engine, steps, taken = copy_memory(), Counter[str](), list[Any]()
    context = ReviewContext(actions=COOPERATION)
    enqueue(engine, [offer(f"L{number}", f"s{number}", brand="Acme") for number in range(n)], now=NOON)
    for number in range(0, n, 20):
        act(engine, receive, say(*(f"L{number + k}" for k in range(19))), policy=POLICY, now=NOON)
    with writing(engine) as connection:
        connection.execute(update(cases).where(cases.c.case_id > 9).values(due_at=None))  # what is due is added up
        file: Any = connection.connection.driver_connection
        for name, do in (
            ("list", lambda: browse_cases(connection, limit=5)),
            ("assigned", lambda: count_assigned(connection)),
            ("claim", lambda: taken.append(claim(connection, "ana", now=NOON))),
            (
                "decide",
                lambda: decide(
                    connection,
                    DecisionRequest(taken[-1], Verdict.COUNTERFEIT, "declared_replica"),
                    now=NOON,
                    context=context,
                ),
            ),
        ):
            file.set_progress_handler(partial(steps.update, [name]), 20)
            do()
            file.set_progress_handler(None, 0)
    return dict(steps)


def test_a_review_takes_as_many_steps_however_many_cases_wait() -> None:
    """A database that counts its steps takes no more for six times the cases, be it for a claim or a decision."""
    few, many = count_steps(40), count_steps(240)
    assert {name: many[name] <= 1.2 * few[name] for name in few} == dict.fromkeys(few, True), (few, many)
