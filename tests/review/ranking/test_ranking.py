"""The order of the queue: chosen, kept, applied to what comes in, and explained."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, select, update
from support.databases import on_both
from support.reviewing import Make, judge, tell_place
from support.transactions import act, ask

from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_case, history
from ipml.review.claims import claim, release
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.ranking import queue_order
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import (
    QueueOrder,
    current_ranking,
    explain_value,
    rank_again,
    rerank,
    start_ranking,
)
from ipml.review.worklists.search import browse_cases
from ipml.storage.audit_trail.audit import list_rows, verify
from ipml.storage.database import writing
from ipml.storage.tables import cases, rankings

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)
POLICY = load_policy()
# By score 1, 2, 3; by value 3, 2, 1; by arrival 2, 1, 3.
OFFERS = ((2, 0.5, 400.0), (1, 0.9, 10.0), (3, 0.3, 4000.0))
SOLD = {"currency": "EUR", "seller_sales": 50.0, "seller_age_days": 50.0}


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose three cases each order sorts in another way."""
    for place, (number, score, price) in enumerate(OFFERS):
        enqueue(engine, [make_scored(f"L{number}", score, price=price, **SOLD)], now=NOON + timedelta(minutes=place))
    return engine


def names(engine: Engine) -> list[str]:
    """Return the listings of the queue in its order."""
    return [case.scored.listing.listing_id for case in ask(engine, browse_cases)]


@on_both
def test_each_order_sorts_the_queue_and_gives_the_next_case(queue: Engine):
    """Score order is in force until another is chosen; each can be listed whichever is in force."""
    assert ask(queue, current_ranking).ranking_id is None
    assert names(queue) == ["L1", "L2", "L3"]
    for order, expected in (("score", "L1 L2 L3"), ("value", "L3 L2 L1"), ("fifo", "L2 L1 L3")):
        assert listed(queue, QueueOrder(order)) == expected.split()
        assert rerank(queue, QueueOrder(order), POLICY, now=NOON, actor="ana") == 3
        assert names(queue) == listed(queue, QueueOrder(order)) == expected.split()
        assert ask(queue, current_ranking).order == order
        claimed = [act(queue, claim, "ana", now=NOON) for _ in range(3)]
        assert [ask(queue, find_case, taken.case_id).listing_id for taken in claimed] == expected.split()
        if order == "value":
            rows = [ask(queue, find_case, taken.case_id) for taken in claimed]
            assert [-row.value / row.minutes for row in rows] == [row.rank for row in rows]
        for taken in claimed:
            act(queue, release, taken, now=NOON)


def test_what_comes_in_takes_its_place_in_the_order_in_force(queue: Engine, make_scored: Make):
    """A new, a rescored and a changed listing are ranked at once, as they would be by ranking everything anew."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    enqueue(queue, [make_scored("L4", 0.15, price=2000.0, **SOLD)], now=NOON)
    assert names(queue) == ["L3", "L4", "L2", "L1"]
    enqueue(queue, [make_scored("L2", 1.0, "m2", price=400.0, **SOLD)], now=NOON)
    enqueue(queue, [make_scored("L1", 1.0, price=3000.0, **SOLD)], now=NOON)
    at_once = names(queue)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="ana")
    assert at_once == names(queue) == ["L1", "L3", "L2", "L4"]
    assert [ask(queue, history, number)[-1].payload["ranking"] for number in (4, 1, 5)] == [1, 1, 1]


def test_the_choice_is_in_the_audit_with_the_policy(queue: Engine):
    """Who put which order under which policy in force, and how many cases followed."""
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    chosen, done = ask(queue, list_rows, "ranking:1")
    said = {"order": "value", "policy": POLICY.digest}
    assert (chosen.action, chosen.actor, chosen.said) == ("ranking chosen", "lea", said)
    assert (done.action, done.said) == ("reranked", {"cases": 3})
    assert ask(queue, verify).is_intact
    assert ask(queue, Connection.scalar, select(rankings.c.policy_digest)) == POLICY.digest
    assert ask(queue, current_ranking).policy == POLICY


def test_a_claim_outlives_a_new_order(queue: Engine):
    """Who holds a case decides it; decided it keeps its place, until it comes back."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    rerank(queue, QueueOrder.VALUE, POLICY, now=NOON, actor="lea")
    assert act(queue, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON).reviewer == "ana"
    before = ask(queue, find_case, 1)
    assert rerank(queue, QueueOrder.FIFO, POLICY, now=NOON, actor="lea") == 2
    assert ask(queue, find_case, 1).rank == before.rank < 0
    act(queue, rank_again, [before])
    assert ask(queue, find_case, 1).rank > 0


def test_ranking_goes_on_over_many_batches(engine: Engine, make_scored: Make):
    """More than a thousand cases are ranked, each once, with word of how far it is."""
    made = (make_scored(f"L{number}", number / 1001, seller_id=f"s{number}") for number in range(1001))
    enqueue(engine, made, joins_alike=False, now=NOON)
    seen: list[int] = []
    assert rerank(engine, QueueOrder.FIFO, POLICY, now=NOON, actor="ana", progress=seen.append) == 1001
    assert seen == [1000, 1001]
    assert names(engine)[:3] == ["L0", "L1", "L2"]


COLUMNS = {
    QueueOrder.SCORE: cases.c.score_rank,
    QueueOrder.VALUE: cases.c.value_rank,
    QueueOrder.FIFO: cases.c.enqueued_at,
}


def listed(engine: Engine, order: QueueOrder) -> list[str]:
    """Return the listings of the open cases as an order sorts them."""
    query = select(cases.c.listing_id).where(cases.c.state == "open").order_by(COLUMNS[order], cases.c.case_id)
    return ask(engine, Connection.scalars, query)


def test_a_policy_of_ones_own_is_in_force_until_a_ranking_is_chosen(engine: Engine):
    """It ranks by score and is stored once; the bundled policy needs no row, and a ranking that was chosen stays."""
    own, other = (POLICY.model_copy(update={"usual_minutes": minutes}) for minutes in (7.0, 8.0))
    for policy in (POLICY, own, other):
        start_ranking(engine, policy, NOON)
    ranking = ask(engine, current_ranking)
    assert (ranking.ranking_id, ranking.order, ranking.policy, ranking.at) == (1, QueueOrder.SCORE, own, NOON)


def test_the_place_said_is_the_place_in_the_list(engine: Engine, make_scored: Make):
    """The k-th case of the list is said to be the k-th, by the order in force."""
    for number, (score, price) in enumerate([(0.5, 10.0), (0.5, 10.0), (None, 900.0), (0.9, None), (0.1, 4000.0)]):
        offer = {"price": price, "currency": "EUR" if price else None}
        enqueue(engine, [make_scored(f"L{number}", score, title="abcde"[number] * 9, **offer)], now=NOON)
    for order, by in (("score", "score"), ("value", "value per minute"), ("fifo", "time of arrival")):
        rerank(engine, QueueOrder(order), load_policy(), now=NOON, actor="ana")
        said = [ask(engine, tell_place, case.case_id, NOON)[0] for case in ask(engine, browse_cases)]
        assert said == [f"{place} of 5 by {by}" for place in ("1st", "2nd", "3rd", "4th", "5th")]


def test_a_place_far_down_is_not_counted(engine: Engine, make_scored: Make, monkeypatch: pytest.MonkeyPatch):
    """Counting ends where nobody would look any more, so that it never takes long."""
    monkeypatch.setattr(queue_order, "_LAST_PLACE", 3)
    monkeypatch.setattr(queue_order, "_MOST_COUNTED", 4)
    enqueue(engine, [make_scored(f"L{number}", 1 - number / 10) for number in range(1, 6)], now=NOON)
    for last, said in ((3, "3rd of 4 or more"), (4, "after the first 3 of 4 or more")):
        assert ask(engine, tell_place, last, NOON)[0] == f"{said} by score"


def test_what_was_assumed_is_said(engine: Engine, make_scored: Make):
    """A listing that tells nothing takes the usual, and the sentences say so; weights are said where they matter."""
    enqueue(engine, [make_scored("L1", None), make_scored("L2", category="toys"), make_scored("L3")], now=NOON)
    said = {ask(engine, find_case, n).listing_id: explain_value(ask(engine, find_case, n)) for n in (1, 2, 3)}
    for words in ("could not judge it", "price is not known", "sales are not known"):
        assert words in " ".join(said["L1"])
    assert "× 3 for severity of the category" in said["L2"][1]
    assert "severity" not in said["L3"][1]
    with writing(engine) as connection:  # as before it was first ranked by value
        connection.execute(update(cases).values(value=None, expected_value=None, minutes=None))
    assert len(ask(engine, tell_place, 1, NOON)) == 1
    assert explain_value(ask(engine, find_case, 1)) == ()


def test_a_deadline_is_said(engine: Engine, make_scored: Make):
    """How long there is, or how long it has been over; a decided case is neither first nor due."""
    due = {180: "due in 3 h", 15: "due in 15 min", -45: "overdue by 45 min"}
    for number, minutes in enumerate(due, start=1):
        enqueue(engine, [make_scored(f"L{number}")], now=NOON, due_at=NOON + timedelta(minutes=minutes))
        assert ask(engine, tell_place, number, NOON)[1] == due[minutes]
    judge(engine, 1, now=NOON)
    assert not any(" of " in line[:12] or "due" in line for line in ask(engine, tell_place, 1, NOON))


def test_only_certainty_would_be_100_percent(engine: Engine, make_scored: Make):
    """As at the head of the page, where the same score is rounded down."""
    for number, score in enumerate((0.9949, 0.9951, 0.99951, 0.9999999), start=1):
        enqueue(engine, [make_scored(f"A{number}", score, price=100.0, currency="EUR", seller_id=f"s{number}")])
        said = next(line for line in explain_value(ask(engine, find_case, number)) if "likely" in line)
        assert said.startswith("99."), said
