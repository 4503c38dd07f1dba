"""Scored listings become cases, each once."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import NOON, Make, ask, judge

from ipml.errors import UnstorableValue
from ipml.records import ScoredListing, Verdict
from ipml.review.queue import Enqueued, count_cases, enqueue, get_case, history, list_cases
from ipml.storage.audit_trail.audit import verify


@on_both
def test_a_scored_listing_comes_out_as_it_went_in(engine: Engine, make_scored: Make):
    """The case holds the whole record, open and unclaimed, and the audit trail a row without the seller's words."""
    scored = make_scored(title="‮Gucсi‬ bag 😀", price=12.1, currency="EUR")
    enqueue(engine, [scored], now=NOON)
    (case,) = ask(engine, list_cases)
    assert (case.scored, case.state, case.enqueued_at, case.reviewer) == (scored, "open", NOON, None)
    rows = ask(engine, history, 1)
    assert [row.action for row in rows] == ["enqueued"]
    assert "bag" not in str(rows)


@on_both
def test_replaying_a_file_changes_nothing(engine: Engine, make_scored: Make):
    """In another order, too; a file is read batch by batch, of which each is stored before the next is read."""
    scored = [make_scored(f"L{number}", score=number / 502) for number in range(502)]

    def source() -> Iterator[ScoredListing]:
        for number, one in enumerate(scored):
            if number in (499, 500):
                assert ask(engine, count_cases)["open"] == (0 if number == 499 else 500)
            yield one

    assert enqueue(engine, source()) == Enqueued(added=502)
    before = ask(engine, verify)
    assert enqueue(engine, reversed(scored)) == Enqueued(unchanged=502)
    assert ask(engine, count_cases) == {"open": 502, "decided": 0, "escalated": 0, "superseded": 0}
    assert before.is_intact
    assert ask(engine, verify).anchor == before.anchor


def test_a_listing_observed_twice_in_one_file_is_one_case(engine: Engine, make_scored: Make):
    """What was observed last counts, whatever the order in the file; the counts add up to its rows."""
    later = make_scored(observed_at=NOON, title="Wallet, new")
    assert enqueue(engine, [later, make_scored(), later]) == Enqueued(added=1, unchanged=2)
    assert ask(engine, get_case, 1).scored == later


def test_another_model_gives_an_open_case_its_score(engine: Engine, make_scored: Make):
    """The case takes the new score and place, and the history keeps the old score."""
    enqueue(engine, [make_scored("L1", 0.2), make_scored("L2", 0.5)])
    assert enqueue(engine, [make_scored("L1", 0.9, "m2")]) == Enqueued(rescored=1)
    assert [case.scored.listing.listing_id for case in ask(engine, list_cases)] == ["L1", "L2"]
    event = ask(engine, history, 1)[-1]
    assert event.action == "rescored"
    assert (event.payload["score_before"], event.payload["model_version_before"]) == (0.2, "m1")
    assert (event.payload["score"], event.payload["model_version"]) == (0.9, "m2")


def test_a_case_that_people_judged_keeps_its_score(engine: Engine, make_scored: Make):
    """What people saw when they decided is never written over."""
    for number, (verdict, score) in enumerate(((Verdict.GENUINE, 0.35), (Verdict.ESCALATE, 0.9)), start=1):
        scored = make_scored(f"L{number}", 0.2)
        enqueue(engine, [scored])
        judge(engine, number, verdict)
        assert enqueue(engine, [make_scored(f"L{number}", score, "m2")]) == Enqueued(unchanged=1)
        assert ask(engine, get_case, number).scored == scored


def test_a_listing_that_the_model_could_not_judge_comes_last(engine: Engine, make_scored: Make):
    """Abstained listings need a person, after all that have a score, be it 0."""
    enqueue(engine, [make_scored("L1", None), make_scored("L2", 0.0), make_scored("L3", 1.0)])
    assert [case.scored.score for case in ask(engine, list_cases)] == [1.0, 0.0, None]


def test_a_score_that_is_no_probability_is_refused(engine: Engine, make_scored: Make):
    """Nor may a bound of its interval be none; the listing is named, and its batch is not kept in part."""
    wrong = [make_scored("L2", score) for score in (-0.01, 1.01, float("nan"))]
    wrong += [replace(make_scored("L2"), **{bound: 1.2}) for bound in ("score_low", "score_high")]
    for one in wrong:
        with pytest.raises(UnstorableValue, match="score of listing L2"):
            enqueue(engine, [make_scored("L1"), one])
    assert ask(engine, count_cases)["open"] == 0


def test_a_case_keeps_the_interval_of_its_score(engine: Engine, make_scored: Make):
    """The bounds are kept as they came; an open case from before there were any gains them when sent again."""
    bounded = replace(make_scored("L1", 0.8), score_low=0.7, score_high=0.9)
    enqueue(engine, [make_scored("L1", 0.8)])
    assert ask(engine, get_case, 1).scored.score_low is None
    assert enqueue(engine, [bounded]) == Enqueued(rescored=1)
    assert ask(engine, get_case, 1).scored == bounded
