"""Many at once, and the clock: exact counts, one holder, one decision, and numbers rather than moments for order."""

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask, judge

from ipml.errors import IpmlError, Overtaken
from ipml.records import Verdict
from ipml.review.exports import export_labels
from ipml.review.queue import Enqueued, claim, count_cases, decide, enqueue, history, list_cases, list_decisions
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing

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


def _write(engine: Engine, change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Change something in a transaction of its own."""
    return act(engine, change, *arguments, **options)


@pytest.mark.slow
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


def test_versions_of_one_listing_sent_at_once_leave_one_case(engine: Engine, make_scored: Make):
    """The latest one waits, in whatever order they came."""
    versions = [make_scored(title=f"Hat {number}", observed_at=NOON + number * HOUR) for number in range(8)]
    at_once(lambda number: enqueue(engine, [versions[number]], now=NOON))
    counts = ask(engine, count_cases)
    assert (counts["open"], counts["decided"], counts["escalated"]) == (1, 0, 0)
    (case,) = ask(engine, list_cases)
    assert case.scored.listing.title == "Hat 7"
    assert ask(engine, audit.verify).problems == ()


def test_one_case_asked_for_by_eight_is_given_to_one(engine: Engine, make_scored: Make):
    """Seven go away empty-handed."""
    enqueue(engine, [make_scored()])
    given = at_once(lambda number: _write(engine, claim, f"r{number}", 1))
    assert Counter(taken is None for taken in given) == {True: 7, False: 1}


def test_eight_who_ask_for_the_next_case_get_eight(engine: Engine, make_scored: Make):
    """Nobody waits for the case that another is about to get."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(8)])
    given = at_once(lambda number: _write(engine, claim, f"r{number}"))
    assert sorted(taken.case_id for taken in given) == list(range(1, 9))


def test_one_request_sent_eight_times_at_once_decides_once(engine: Engine, make_scored: Make):
    """All of them are answered with the same decision."""
    enqueue(engine, [make_scored()])
    taken = _write(engine, claim, "ana")
    answers = at_once(lambda _: _write(engine, decide, taken, Verdict.GENUINE, key="k"))
    assert answers == ask(engine, list_decisions, 1) * 8


def test_eight_requests_under_one_claim_decide_once(engine: Engine, make_scored: Make):
    """One is the decision, the others are told so."""
    enqueue(engine, [make_scored()])
    taken = _write(engine, claim, "ana")
    answers = at_once(lambda number: _write(engine, decide, taken, Verdict.GENUINE, key=f"k{number}"))
    assert Counter(answer is Overtaken for answer in answers) == {True: 7, False: 1}
    assert len(ask(engine, list_decisions, 1)) == 1


def test_a_clock_set_back_gives_no_case_away(engine: Engine, make_scored: Make):
    """During a lease nobody else gets the case, whichever way the clock goes; after it the old token is void."""
    enqueue(engine, [make_scored()], now=NOON)
    with writing(engine) as connection:
        taken = claim(connection, "ana", now=NOON)
        assert claim(connection, "ben", now=NOON - HOUR) is None
        assert claim(connection, "ben", 1, now=NOON - HOUR) is None
        assert decide(connection, taken, Verdict.ESCALATE, now=NOON - HOUR).decided_at == NOON - HOUR


def test_a_clock_a_day_ahead_ends_the_lease_once_and_for_all(engine: Engine, make_scored: Make):
    """Who took the case meanwhile keeps it when the clock is right again; the first cannot decide over them."""
    enqueue(engine, [make_scored()], now=NOON)
    first = act(engine, claim, "ana", now=NOON)
    second = act(engine, claim, "ben", now=NOON + 24 * HOUR)
    assert act(engine, claim, "ana", now=NOON) is None
    with pytest.raises(Overtaken, match="the claim on it"), writing(engine) as connection:
        decide(connection, first, Verdict.GENUINE, now=NOON)
    assert act(engine, decide, second, Verdict.GENUINE, now=NOON).reviewer == "ben"


def test_order_is_that_of_what_was_done_not_of_the_clock(engine: Engine, make_scored: Make):
    """With a clock that goes back the history, the decisions and the latest verdict are in the order they came."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")], now=NOON)
    for case_id, verdict, now in ((1, Verdict.ESCALATE, NOON), (1, Verdict.GENUINE, NOON - HOUR)):
        judge(engine, case_id, verdict, by="lea", now=now)
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", 2, now=NOON - 9 * HOUR), Verdict.CANNOT_TELL, now=NOON - 9 * HOUR)
        assert [row.action for row in history(connection, 1)] == [
            "enqueued",
            "claimed",
            "escalated",
            "claimed",
            "decided",
        ]
        assert [decision.verdict for decision in list_decisions(connection, 1)] == [Verdict.ESCALATE, Verdict.GENUINE]
        assert [label.labelled_at for label in export_labels(connection)] == [NOON - HOUR]
        assert list_cases(connection) == []
    assert ask(engine, audit.verify).is_intact
