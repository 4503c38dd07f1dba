"""Why a case stands where it does."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update
from support.places import tell_place
from support.reviewing import Make, ask, judge

from ipml.review.cases import find_case
from ipml.review.queue import enqueue, list_cases
from ipml.review.ranking import queue_order
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import QueueOrder, explain_value, rerank
from ipml.storage.database import writing
from ipml.storage.tables import cases

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)


def test_the_place_said_is_the_place_in_the_list(engine: Engine, make_scored: Make):
    """The k-th case of the list is said to be the k-th, by the order in force."""
    for number, (score, price) in enumerate([(0.5, 10.0), (0.5, 10.0), (None, 900.0), (0.9, None), (0.1, 4000.0)]):
        offer = {"price": price, "currency": "EUR" if price else None}
        enqueue(engine, [make_scored(f"L{number}", score, title="abcde"[number] * 9, **offer)], now=NOON)
    for order, by in (("score", "score"), ("value", "value per minute"), ("fifo", "time of arrival")):
        rerank(engine, QueueOrder(order), load_policy(), now=NOON, actor="ana")
        said = [ask(engine, tell_place, case.case_id, NOON)[0] for case in ask(engine, list_cases)]
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


def test_a_deadline_is_said(engine: Engine, make_scored: Make):
    """How long there is, or how long it has been over; a decided case is neither first nor due."""
    due = {180: "due in 3 h", 15: "due in 15 min", -45: "overdue by 45 min"}
    for number, minutes in enumerate(due, start=1):
        enqueue(engine, [make_scored(f"L{number}")], now=NOON, due_at=NOON + timedelta(minutes=minutes))
        assert ask(engine, tell_place, number, NOON)[1] == due[minutes]
    judge(engine, 1, now=NOON)
    assert not any(" of " in line[:12] or "due" in line for line in ask(engine, tell_place, 1, NOON))


def test_a_case_that_was_never_ranked_by_value_has_a_place_only(engine: Engine, make_scored: Make):
    """Until the queue is ranked anew there is nothing to say of its worth."""
    enqueue(engine, [make_scored()], now=NOON)
    with writing(engine) as connection:
        connection.execute(update(cases).values(value=None, expected_value=None, minutes=None))
    assert ask(engine, tell_place, 1, NOON) == ("1st of 1 by score",)
    assert explain_value(ask(engine, find_case, 1)) == ()


def test_only_certainty_would_be_100_percent(engine: Engine, make_scored: Make):
    """As at the head of the page, where the same score is rounded down."""
    for number, score in enumerate((0.9949, 0.9951, 0.99951, 0.9999999), start=1):
        enqueue(engine, [make_scored(f"A{number}", score, price=100.0, currency="EUR", seller_id=f"s{number}")])
        said = next(line for line in explain_value(ask(engine, find_case, number)) if "likely" in line)
        assert said.startswith("99."), said
