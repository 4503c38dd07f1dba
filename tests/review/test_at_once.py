"""Many at once, processes that die, a server that crashes, and the clock: one holder, one decision, nothing lost."""

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select
from support.databases import on_both
from support.postgres import LASTING, Server, own_server
from support.reviewing import NOON, Make, judge
from support.transactions import act, ask, check_sound

from ipml.enforcement.policy import find_first_use, load_enforcement_policy, store_policy
from ipml.errors import IpmlError, KeyReused, Overtaken
from ipml.records import Verdict
from ipml.review.arrivals.intake import Enqueued, enqueue
from ipml.review.cases import count_cases, history
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide, list_decisions
from ipml.review.exports import export_labels
from ipml.review.worklists.search import browse_cases
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import migrate, open_database, reading
from ipml.storage.tables import audit, decisions

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
    report = ask(engine, verify)
    assert (report.anchor.count, report.problems) == (600, ())


@on_both
def test_versions_of_one_listing_sent_at_once_leave_one_case(engine: Engine, make_scored: Make):
    """The latest one waits, in whatever order they came."""
    versions = [make_scored(title=f"Hat {number}", observed_at=NOON + number * HOUR) for number in range(8)]
    at_once(lambda number: enqueue(engine, [versions[number]], now=NOON))
    counts = ask(engine, count_cases)
    assert (counts["open"], counts["decided"], counts["escalated"]) == (1, 0, 0)
    assert [case.scored.listing.title for case in ask(engine, browse_cases)] == ["Hat 7"]
    assert ask(engine, verify).problems == ()


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
    answers = at_once(lambda _: act(engine, decide, DecisionRequest(first, Verdict.GENUINE, key="k")))
    assert answers == ask(engine, list_decisions, first.case_id) * 8
    answers = at_once(lambda number: act(engine, decide, DecisionRequest(second, Verdict.GENUINE, key=f"k{number}")))
    assert Counter(answer is Overtaken for answer in answers) == {True: 7, False: 1}
    assert len(ask(engine, list_decisions, second.case_id)) == 1


@on_both
def test_one_key_or_policy_used_by_eight_at_once_is_stored_once(engine: Engine, make_scored: Make):
    """On eight cases a key decides one, and the others are told that it is taken; a new policy serves all."""
    enqueue(engine, [make_scored(f"L{number}", seller_id=f"s{number}", title=f"Hat {number}") for number in range(8)])
    taken = [act(engine, claim, f"r{number}") for number in range(8)]
    answers = at_once(lambda number: act(engine, decide, DecisionRequest(taken[number], Verdict.GENUINE, key="k")))
    assert Counter(answer is KeyReused for answer in answers) == {True: 7, False: 1}
    policy = load_enforcement_policy()
    assert at_once(lambda _: act(engine, store_policy, policy, NOON)) == [policy.digest] * 8
    assert ask(engine, find_first_use, policy.digest) == NOON


def test_a_clock_set_back_gives_no_case_away(engine: Engine, make_scored: Make):
    """During a lease nobody else gets the case; a clock a day ahead ends the lease once and for all."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")], now=NOON)
    taken, first = (act(engine, claim, "ana", number, now=NOON) for number in (1, 2))
    assert [act(engine, claim, "ben", *case_id, now=NOON - HOUR) for case_id in ((), (1,))] == [None, None]
    decision = act(engine, decide, DecisionRequest(taken, Verdict.ESCALATE), now=NOON - HOUR)
    assert decision.decided_at == NOON - HOUR
    second = act(engine, claim, "ben", now=NOON + 24 * HOUR)
    assert act(engine, claim, "ana", now=NOON) is None
    with pytest.raises(Overtaken, match="the claim on it"):
        act(engine, decide, DecisionRequest(first, Verdict.GENUINE), now=NOON)
    assert act(engine, decide, DecisionRequest(second, Verdict.GENUINE), now=NOON).reviewer == "ben"


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
    assert ask(engine, browse_cases) == []
    assert ask(engine, verify).is_intact


KILLS = int(os.environ.get("IPML_TEST_KILLS", "5"))


@pytest.mark.slow
@on_both
def test_a_reviewer_killed_at_any_moment_loses_no_acknowledged_decision(engine: Engine, make_scored: Make):
    """After each kill what was acknowledged is there, nothing is there in part, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(60 * KILLS)])
    acknowledged: list[int] = []
    for attempt in range(KILLS):
        reviewer = _start(engine, f"r{attempt}")
        assert reviewer.stdout is not None
        acknowledged += [int(line) for line in islice(reviewer.stdout, 5 + 3 * (attempt % 8))]
        reviewer.kill()
        acknowledged += [int(line) for line in reviewer.communicate()[0].splitlines() if line]
        kept = _check_trail(engine)
        assert ask(engine, count_cases)["decided"] == kept
        # At most the decision that was being made at each kill is kept without having been acknowledged.
        assert len(acknowledged) <= kept <= len(acknowledged) + attempt + 1
    assert set(acknowledged) <= set(ask(engine, Connection.scalars, select(decisions.c.case_id)))


@pytest.fixture
def lasting_server() -> Iterator[Server]:
    """Give a server that waits for its disk."""
    with own_server(LASTING) as server:
        if server is None:
            pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        yield server


@pytest.mark.slow
def test_no_acknowledged_decision_is_lost_in_a_crash(lasting_server: Server, make_scored: Make):
    """Twice, with reviewers at work: every decision they were told of is there, and nothing in part."""
    engine = open_database(lasting_server.url("postgres"))
    migrate(engine)
    enqueue(engine, [make_scored(f"L{number}") for number in range(400)])
    acknowledged: list[int] = []
    for crash in range(2):
        crew = [_start(engine, f"r{crash}{number}", subprocess.DEVNULL) for number in range(3)]
        for reviewer in crew:
            assert reviewer.stdout is not None
            acknowledged += [int(line) for line in islice(reviewer.stdout, 5)]
        lasting_server.stop("immediate")
        for reviewer in crew:
            acknowledged += [int(line) for line in reviewer.communicate()[0].splitlines()]
        lasting_server.start(LASTING)
        # The same engine finds the server again, though its connections are gone.
        with reading(engine) as connection:
            check_sound(connection)
            kept = list(connection.scalars(select(decisions.c.case_id)))
        assert len(kept) == len(set(kept))
        assert set(acknowledged) <= set(kept)
        assert len(kept) <= len(acknowledged) + 3 * (crash + 1)  # each may have been about to be told of one
    assert act(engine, claim, "ana") is not None
    engine.dispose()


def _start(engine: Engine, name: str, errors: int | None = None) -> subprocess.Popen[str]:
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, str(Path(__file__).with_name("reviewer.py")), url, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)


def _check_trail(engine: Engine) -> int:
    """Return the number of decisions, of which the trail must hold each."""
    with reading(engine) as connection:
        assert verify(connection).is_intact
        count = connection.scalar(select(func.count()).select_from(decisions))
        noted = connection.scalar(select(func.count()).where(audit.c.action == "decided"))
    assert noted == count
    return int(count or 0)
