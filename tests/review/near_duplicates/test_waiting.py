"""Whatever is done to a queue of near-duplicates, by one or by many at once, nobody waits in vain."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Event

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import Make
from support.transactions import act, ask

from ipml.errors import Conflict, Overtaken
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.group_decisions import decide_and_spread, preview_spread
from ipml.review.undo import undo
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions, reversals


@pytest.mark.slow
@on_both
def test_copies_that_come_while_their_exemplar_is_decided_are_reviewed(engine: Engine, make_scored: Make):
    """One lists and scores anew, three decide with what they saw and take some back; then the queue is empty."""
    is_over = Event()
    offers = [{"title": f"{name}, brown", "price": 50.0, "currency": "EUR"} for name in ("Wallet", "Steel watch")]
    with ThreadPoolExecutor(4) as threads:
        reviewers = [threads.submit(_review, engine, f"r{number}", is_over) for number in range(3)]
        try:
            for number in range(20):
                batch = [make_scored(f"L{number}-{place}", place / 10, **offers[place % 2]) for place in range(6)]
                enqueue(engine, batch)
                enqueue(engine, [make_scored(f"L{number}-{place}", 0.7, **offers[place % 2]) for place in range(6)])
        finally:
            is_over.set()
        made, undone = (sum(counts) for counts in zip(*(reviewer.result() for reviewer in reviewers), strict=True))
    counts = ask(engine, count_cases)
    assert (counts["open"], counts["escalated"]) == (0, 0)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == made
        assert connection.scalar(select(func.count()).select_from(reversals)) == undone
        assert connection.scalar(select(func.count(cases.c.listing_id.distinct()))) == 120
        assert verify(connection).is_intact
    assert made - undone == counts["decided"]  # some come back for their higher score, after they were found genuine


def _review(engine: Engine, reviewer: str, is_over: Event) -> tuple[int, int]:
    """Decide until all is listed and nothing is left; return how many decisions were made, and how many undone."""
    made = undone = 0
    for turn in count():
        finishes = is_over.is_set()
        held = act(engine, claim, reviewer)
        if held is None:
            if finishes and ask(engine, count_cases)["open"] == 0:
                return made, undone
            continue
        wanted = [case.case_id for case in ask(engine, preview_spread, held.case_id, reviewer).cases]
        try:
            spread = act(engine, decide_and_spread, held, Verdict.GENUINE, wanted)
        except Overtaken:
            continue  # a spread from its own exemplar came first
        if not spread.decision.decision_id:
            continue  # it was a second review, which decides nothing
        made += 1 + len(spread.decisions)
        if turn % 7 == 3 and not finishes:
            try:
                act(engine, undo, spread.decision.decision_id, reviewer)
                undone += 1 + len(spread.decisions)
            except Conflict:
                continue
    raise AssertionError
