"""Scored listings become cases, each once."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from support.reviewing import NOON, Make, ask, judge

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing, Verdict
from ipml.review.queue import Enqueued, count_cases, enqueue, get_case, history, list_cases
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading


def test_a_scored_listing_comes_out_as_it_went_in(engine: Engine, make_scored: Make):
    """The case holds the whole record, open and unclaimed."""
    scored = make_scored(title="‮Gucсi‬ bag 😀", price=12.1, currency="EUR")
    enqueue(engine, [scored], now=NOON)
    (case,) = ask(engine, list_cases)
    assert (case.scored, case.state, case.enqueued_at, case.reviewer) == (scored, "open", NOON, None)


def test_replaying_a_file_changes_nothing(engine: Engine, make_scored: Make):
    """Over several batches, in another order, again and again: exact counts, and no new row in the audit."""
    scored = [make_scored(f"L{number}", score=number / 1200) for number in range(1200)]
    assert enqueue(engine, scored) == Enqueued(added=1200)
    before = _audit_count(engine)
    assert enqueue(engine, reversed(scored)) == Enqueued(unchanged=1200)
    assert enqueue(engine, iter(scored)) == Enqueued(unchanged=1200)
    assert ask(engine, count_cases) == {"open": 1200, "decided": 0, "escalated": 0, "superseded": 0}
    assert _audit_count(engine) == before


def test_a_listing_twice_in_one_file_is_one_case(engine: Engine, make_scored: Make):
    """The counts add up to the rows of the file."""
    assert enqueue(engine, [make_scored(), make_scored()]) == Enqueued(added=1, unchanged=1)


def test_a_listing_observed_twice_in_one_file_is_one_case(engine: Engine, make_scored: Make):
    """What was observed last counts, whatever the order in the file."""
    later = make_scored(observed_at=NOON, title="Wallet, new")
    assert enqueue(engine, [later, make_scored()]) == Enqueued(added=1, unchanged=1)
    assert ask(engine, get_case, 1).scored == later


def test_another_model_gives_an_open_case_its_score(engine: Engine, make_scored: Make):
    """The case takes the new score and place, and the history keeps the old score."""
    enqueue(engine, [make_scored("L1", 0.2), make_scored("L2", 0.5)])
    assert enqueue(engine, [make_scored("L1", 0.9, "m2")]) == Enqueued(rescored=1)
    with reading(engine) as connection:
        assert [case.scored.listing.listing_id for case in list_cases(connection)] == ["L1", "L2"]
        event = history(connection, 1)[-1]
    assert event.action == "rescored"
    assert (event.payload["score_before"], event.payload["model_version_before"]) == (0.2, "m1")
    assert (event.payload["score"], event.payload["model_version"]) == (0.9, "m2")


@pytest.mark.parametrize(("verdict", "score"), [(Verdict.GENUINE, 0.35), (Verdict.ESCALATE, 0.9)])
def test_a_case_that_people_judged_keeps_its_score(engine: Engine, make_scored: Make, verdict: Verdict, score: float):
    """What people saw when they decided is never written over."""
    enqueue(engine, [make_scored("L1", 0.2)])
    judge(engine, None, verdict)
    assert enqueue(engine, [make_scored("L1", score, "m2")]) == Enqueued(unchanged=1)
    assert ask(engine, get_case, 1).scored == make_scored("L1", 0.2)


def test_a_listing_that_the_model_could_not_judge_comes_last(engine: Engine, make_scored: Make):
    """Abstained listings need a person, after all that have a score, be it 0."""
    enqueue(engine, [make_scored("L1", None), make_scored("L2", 0.0), make_scored("L3", 1.0)])
    assert [case.scored.score for case in ask(engine, list_cases)] == [1.0, 0.0, None]


@pytest.mark.parametrize("score", [-0.01, 1.01, float("nan")])
def test_a_score_that_is_no_probability_is_refused(engine: Engine, make_scored: Make, score: float):
    """The listing is named, and its batch is not kept in part."""
    with pytest.raises(UnstorableValue, match="score of listing L2"):
        enqueue(engine, [make_scored("L1"), make_scored("L2", score)])
    assert ask(engine, count_cases)["open"] == 0


@pytest.mark.parametrize("bound", ["score_low", "score_high"])
def test_a_bound_that_is_no_probability_is_refused(engine: Engine, make_scored: Make, bound: str):
    """Neither end of a score's interval lies outside 0-1."""
    with pytest.raises(UnstorableValue, match="score of listing L1"):
        enqueue(engine, [replace(make_scored("L1"), **{bound: 1.2})])


def test_a_case_keeps_the_interval_of_its_score(engine: Engine, make_scored: Make):
    """The bounds are kept as they came; an open case from before there were any gains them when sent again."""
    bounded = replace(make_scored("L1", 0.8), score_low=0.7, score_high=0.9)
    enqueue(engine, [make_scored("L1", 0.8)])
    assert ask(engine, get_case, 1).scored.score_low is None
    assert enqueue(engine, [bounded]) == Enqueued(rescored=1)
    assert ask(engine, get_case, 1).scored == bounded


def test_a_source_is_read_as_it_is_stored(engine: Engine, make_scored: Make):
    """Of an endless source no more than a batch is held at a time."""
    read = 0

    def source() -> Iterator[ScoredListing]:
        nonlocal read
        for number in range(1500):
            read += 1
            if number % 500 == 499:
                assert ask(engine, count_cases)["open"] == number - 499
            yield make_scored(f"L{number}")

    enqueue(engine, source())
    assert read == 1500


def test_every_listing_is_in_the_audit_trail_without_its_text(engine: Engine, make_scored: Make):
    """Each case has its row, and no row holds what the seller wrote."""
    enqueue(engine, [make_scored(f"L{number}", title="Wallet of Venus") for number in range(3)])
    with reading(engine) as connection:
        rows = [history(connection, case_id) for case_id in (1, 2, 3)]
    assert [[row.action for row in row_list] for row_list in rows] == [["enqueued"]] * 3
    assert "Venus" not in str(rows)


def _audit_count(engine: Engine) -> int:
    report = ask(engine, verify)
    assert report.is_intact
    return report.anchor.count
