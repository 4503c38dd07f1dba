"""Many at once, and the clock: exact counts, one holder, one decision, and numbers rather than moments for order."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import IpmlError, Overtaken
from ipml.records import Verdict
from ipml.review.exports import export_labels
from ipml.review.queue import Enqueued, claim, count_cases, decide, enqueue, history, list_cases, list_decisions
from ipml.storage.audit_trail import audit

HOUR = timedelta(hours=1)


def at_once(what: Callable[[int], object], n_threads: int = 8) -> list[object]:
    """Return what eight threads got, an error of ipml as its kind."""

    def attempt(number: int) -> object:
        try:
            return what(number)
        except IpmlError as error:
            return type(error)

    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(attempt, range(n_threads)))


@pytest.mark.slow
@on_both
def test_one_file_sent_by_eight_at_once_is_enqueued_once(engine: Engine, make_scored: Make):
    """Each in an order of its own: the counts are exact, and a second time nothing changes."""
    scored = [make_scored(f"L{number}", score=number / 600) for number in range(600)]

    def send(seed: int) -> Enqueued:
        return enqueue(engine, random.Random(seed).sample(scored, len(scored)), now=NOON)

    assert sum(at_once(send), Enqueued()) == Enqueued(added=600, unchanged=7 * 600)
    assert sum(at_once(send), Enqueued()) == Enqueued(unchanged=8 * 600)
    assert ask(engine, count_cases) == {"open": 600, "decided": 0, "escalated": 0, "superseded": 0}
    report = ask(engine, audit.verify)
    assert (report.anchor.count, report.problems) == (600, ())


@on_both
def test_versions_of_one_listing_sent_at_once_leave_one_case(engine: Engine, make_scored: Make):
    """The latest one waits, in whatever order they came."""
    versions = [make_scored(title=f"Hat {number}", observed_at=NOON + number * HOUR) for number in range(8)]
    at_once(lambda number: enqueue(engine, [versions[number]], now=NOON))
    counts = ask(engine, count_cases)
    assert (counts["open"], counts["decided"], counts["escalated"]) == (1, 0, 0)
    assert [case.scored.listing.title for case in ask(engine, list_cases)] == ["Hat 7"]
    assert ask(engine, audit.verify).problems == ()


@on_both
def test_one_case_asked_for_by_eight_is_given_to_one(engine: Engine, make_scored: Make):
    """Seven go away empty-handed; but who asks for the next case need not wait for what another is about to get."""
    enqueue(engine, [make_scored()])
    given = at_once(lambda number: act(engine, claim, f"r{number}", 1))
    assert Counter(taken is None for taken in given) == {True: 7, False: 1}
    enqueue(engine, [make_scored(f"N{number}") for number in range(8)])
    given = at_once(lambda number: act(engine, claim, f"n{number}"))
    assert sorted(taken.case_id for taken in given) == list(range(2, 10))


@on_both
def test_one_request_sent_eight_times_at_once_decides_once(engine: Engine, make_scored: Make):
    """All are answered with the same decision; of eight requests under one claim, one decides, others are told so."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")])
    first, second = (act(engine, claim, "ana") for _ in range(2))
    answers = at_once(lambda _: act(engine, decide, first, Verdict.GENUINE, key="k"))
    assert answers == ask(engine, list_decisions, first.case_id) * 8
    answers = at_once(lambda number: act(engine, decide, second, Verdict.GENUINE, key=f"k{number}"))
    assert Counter(answer is Overtaken for answer in answers) == {True: 7, False: 1}
    assert len(ask(engine, list_decisions, second.case_id)) == 1


def test_a_clock_set_back_gives_no_case_away(engine: Engine, make_scored: Make):
    """During a lease nobody else gets the case; a clock a day ahead ends the lease once and for all."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")], now=NOON)
    taken, first = (act(engine, claim, "ana", number, now=NOON) for number in (1, 2))
    assert [act(engine, claim, "ben", *case_id, now=NOON - HOUR) for case_id in ((), (1,))] == [None, None]
    decision = act(engine, decide, taken, Verdict.ESCALATE, now=NOON - HOUR)
    assert decision.decided_at == NOON - HOUR
    second = act(engine, claim, "ben", now=NOON + 24 * HOUR)
    assert act(engine, claim, "ana", now=NOON) is None
    with pytest.raises(Overtaken, match="the claim on it"):
        act(engine, decide, first, Verdict.GENUINE, now=NOON)
    assert act(engine, decide, second, Verdict.GENUINE, now=NOON).reviewer == "ben"


def test_order_is_that_of_what_was_done_not_of_the_clock(engine: Engine, make_scored: Make):
    """With a clock that goes back the history, the decisions and the latest verdict are in the order they came."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")], now=NOON)
    judge(engine, 1, Verdict.ESCALATE, by="lea", now=NOON)
    judge(engine, 1, Verdict.GENUINE, by="lea", now=NOON - HOUR)
    judge(engine, 2, Verdict.CANNOT_TELL, now=NOON - 9 * HOUR)
    actions = [row.action for row in ask(engine, history, 1)]
    assert actions == ["enqueued", "claimed", "escalated", "claimed", "decided"]
    assert [decision.verdict for decision in ask(engine, list_decisions, 1)] == [Verdict.ESCALATE, Verdict.GENUINE]
    assert [label.labelled_at for label in ask(engine, export_labels)] == [NOON - HOUR]
    assert ask(engine, list_cases) == []
    assert ask(engine, audit.verify).is_intact
