"""Decisions become labels, and are taken back."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make, judge, say_again
from support.transactions import act, ask

from ipml.errors import Conflict, Overtaken, UnstorableValue
from ipml.records import Decision, Label, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_case, get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, Origin, decide, record_all
from ipml.review.exports import export_labels, label_listing
from ipml.review.reversals import is_last_verdict
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions, reversals

SOON = NOON + timedelta(minutes=10)
LATE = SOON + timedelta(microseconds=1)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of one case."""
    enqueue(engine, [make_scored()], now=NOON)
    return engine


def _decide(engine: Engine, reviewer: str = "ana", verdict: Verdict = Verdict.GENUINE) -> Decision:
    return judge(engine, 1, verdict, by=reviewer, now=NOON)


def test_the_earlier_verdict_of_a_listing_counts_again(engine: Engine, make_scored: Make):
    """Of two verdicts on a listing the later was undone; the label is the one before."""
    enqueue(engine, [make_scored(score=0.1, observed_at=NOON)])
    judge(engine, 1)
    enqueue(engine, [make_scored(score=0.9, observed_at=SOON)])
    act(engine, undo, judge(engine, 2, Verdict.COUNTERFEIT).decision_id, UndoRequest("ana"))
    assert [label.is_counterfeit for label in ask(engine, export_labels)] == [False]


def test_reviewers_undo_their_own_decisions_for_some_minutes(queue: Engine):
    """The last moment counts; others, and those who come late, need a lead, who may at any time."""
    number = _decide(queue).decision_id
    causes = (("ben", NOON, "ana made it"), ("ana", LATE, "the 10 minutes for it are over"))
    for reviewer, now, why in causes:
        with pytest.raises(Conflict, match=f"{why}; ask a lead"):
            act(queue, undo, number, UndoRequest(reviewer), now=now)
    assert ask(queue, get_case, 1).state == "decided"
    act(queue, undo, number, UndoRequest("cleo", may_undo_others=True), now=LATE)
    assert ask(queue, get_case, 1).state == "open"
    for now in (NOON - timedelta(hours=1), SOON):  # a clock that was put back takes nothing away
        assert act(queue, undo, _decide(queue).decision_id, UndoRequest("ana"), now=now).reversed_at == now


def test_a_decision_that_is_not_there_cannot_be_undone(queue: Engine):
    """A number of no decision is a mistake, as is a reason that not every database holds."""
    for number in (0, -1, 7, 2**63):
        with pytest.raises(Conflict, match="no decision of that number"):
            act(queue, undo, number, UndoRequest("ana"))
    number = _decide(queue).decision_id
    for why in ("\0", "\ud800", "x" * 2001):
        with pytest.raises(UnstorableValue, match="why"):
            act(queue, undo, number, UndoRequest("ana", why=why), now=NOON)
    assert _count_reversals(queue) == 0


def test_the_claim_of_an_undone_decision_is_void(queue: Engine):
    """The case is free for all; a request that comes again by its key gives the decision as it was, void as it is."""
    held = act(queue, claim, "ana", 1, now=NOON)
    decision = act(queue, decide, DecisionRequest(held, Verdict.GENUINE, key="k"), now=NOON)
    with pytest.raises(Overtaken, match="has been decided"):
        act(queue, decide, DecisionRequest(held, Verdict.GENUINE), now=NOON)
    act(queue, undo, decision.decision_id, UndoRequest("ana"), now=NOON)
    with pytest.raises(Overtaken, match="the claim on it"):
        act(queue, decide, DecisionRequest(held, Verdict.GENUINE), now=NOON)
    assert act(queue, decide, DecisionRequest(held, Verdict.GENUINE, key="k"), now=NOON) == decision
    assert ask(queue, get_case, 1).state == "open"
    assert act(queue, claim, "ben", now=NOON).case_id == 1


def _count_reversals(engine: Engine) -> int:
    assert ask(engine, Connection.scalar, select(func.count()).select_from(decisions)) == 1
    return int(ask(engine, Connection.scalar, select(func.count()).select_from(reversals)) or 0)


STEPS = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([*Verdict, "reopen", "undo"])), min_size=4, max_size=16)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_each_case_has_one_last_verdict_at_any_moment(engine: Engine, make_scored: Make, steps):
    """It is the last given by then and not taken back by then; one row, however often a case came back."""
    with reading(engine) as connection:  # examples share a database
        first = connection.scalar(select(func.count()).select_from(cases)) or 0
    ids = [f"L{first + number}" for number in (1, 2, 3)]
    enqueue(engine, [make_scored(name) for name in ids], joins_alike=False, now=NOON)
    said: dict[int, list[tuple[datetime, int, Verdict, datetime | None]]] = {first + number: [] for number in (1, 2, 3)}
    now = NOON
    for number, step in steps:
        now += timedelta(minutes=1)
        case_id, made = first + number, said[first + number]
        standing = [entry for entry in made if entry[3] is None]
        if step == "undo":
            if standing:
                act(engine, undo, standing[-1][1], UndoRequest("lea", may_undo_others=True), now=now)
                made[made.index(standing[-1])] = (*standing[-1][:3], now)
            continue
        if step == "reopen":
            row = act(engine, find_case, case_id)
            if row.state == "decided":
                again = Decision(0, case_id, row.listing_id, Verdict.ESCALATE, "", "", "ipml", now)
                (again,) = act(engine, record_all, [(row, again)], Origin("notice"))
                made.append((now, again.decision_id, again.verdict, None))
            continue
        state = ask(engine, get_case, case_id).state
        if state == "decided" or (state == "escalated" and step is Verdict.ESCALATE):
            continue
        ground = "test_purchase" if step is Verdict.COUNTERFEIT else ""
        decision = judge(engine, case_id, step, by="lea", now=now, ground=ground)
        made.append((now, decision.decision_id, step, None))
    for moment in (None, *(NOON + timedelta(minutes=minute) for minute in range(len(steps) + 2))):
        by = moment or now
        expected = {
            known[-1]
            for made in said.values()
            if (known := [at[1] for at in made if at[2] != "escalate" and at[0] <= by and not (at[3] and at[3] <= by)])
        }
        query = select(decisions.c.decision_id).where(is_last_verdict(moment), decisions.c.case_id > first)
        found = ask(engine, Connection.scalars, query)
        assert sorted(found) == sorted(expected)


MONDAY = datetime(2024, 5, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


@on_both
def test_a_verdict_of_truth_is_a_label(engine: Engine, make_scored: Make):
    """The label is of the listing as scored, known since the decision, with full weight; doubt is no label."""
    scored = [make_scored(f"L{number}") for number in range(1, 6)]
    enqueue(engine, scored, joins_alike=False)
    for number, verdict in enumerate(Verdict, start=1):
        judge(engine, number, verdict, now=MONDAY)
    truths = {Verdict.COUNTERFEIT: True, Verdict.GENUINE: False}
    assert ask(engine, export_labels) == [
        Label(scored[number].listing, truths[verdict], MONDAY, 1.0)
        for number, verdict in enumerate(Verdict)
        if verdict in truths
    ]


def test_the_latest_verdict_of_a_listing_counts(engine: Engine, make_scored: Make):
    """A listing judged anew as it was has one label; doubt does not undo it; a lead's verdict ends an escalation."""
    verdicts = [Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.COUNTERFEIT]
    for number, verdict in enumerate(verdicts, start=1):
        enqueue(engine, [make_scored("L1", 0.3 * number, observed_at=MONDAY + timedelta(days=number))])
        judge(engine, number, verdict, now=TUESDAY)
    (label,) = ask(engine, export_labels)
    assert (label.is_counterfeit, label.labelled_at) == (True, TUESDAY)
    enqueue(engine, [make_scored("L2", seller_id="s2")])
    judge(engine, 4, Verdict.ESCALATE, now=MONDAY)
    judge(engine, 4, Verdict.COUNTERFEIT, now=TUESDAY)
    assert [label.labelled_at for label in ask(engine, export_labels)] == [TUESDAY, TUESDAY]


def test_what_became_known_later_is_not_known_before(engine: Engine, make_scored: Make):
    """known_by gives the labels as they were at that moment."""
    enqueue(engine, [make_scored("L1")])
    judge(engine, 1, Verdict.GENUINE, now=MONDAY)
    enqueue(engine, [make_scored("L1", observed_at=TUESDAY, title="Wallet AAA"), make_scored("L2")])
    judge(engine, 2, Verdict.COUNTERFEIT, now=TUESDAY)
    judge(engine, 3, Verdict.COUNTERFEIT, now=TUESDAY)
    assert [label.is_counterfeit for label in ask(engine, export_labels, known_by=MONDAY)] == [False]
    assert [label.is_counterfeit for label in ask(engine, export_labels, known_by=TUESDAY)] == [False, True, True]
    assert list(ask(engine, export_labels, known_by=MONDAY - timedelta(seconds=1))) == []


def test_a_labelled_listing_differs_in_its_label_only(make_scored: Make):
    """Truth, moment, weight and odds are those of the label; all else is the listing as judged."""
    listing = make_scored(price=12.5, currency="EUR").listing
    labelled = label_listing(Label(listing, False, TUESDAY, 0.5, 0.01))
    assert (labelled.is_counterfeit, labelled.labelled_at) == (False, TUESDAY)
    assert (labelled.label_weight, labelled.label_probability) == (0.5, 0.01)
    blank = dict.fromkeys(("is_counterfeit", "labelled_at", "label_weight", "label_probability"))
    assert replace(labelled, **blank) == listing


def test_the_weight_of_a_label_is_how_sure_it_is(engine: Engine, make_scored: Make):
    """What another said too weighs more than what another denied, and that less than what nobody else saw."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(1, 16)])
    for case_id in range(1, 16):
        judge(engine, case_id, Verdict.COUNTERFEIT, now=MONDAY)
    say_again(engine, "ben", dict.fromkeys(range(1, 11), Verdict.COUNTERFEIT) | {11: Verdict.GENUINE}, MONDAY)
    weight = {label.listing.listing_id: label.weight for label in ask(engine, export_labels)}
    assert 1 > weight["L1"] > weight["L15"] > weight["L11"] > 0
    say_again(engine, "ben", {12: Verdict.GENUINE}, TUESDAY)  # what came later gives no weight before
    as_known = [ask(engine, export_labels, known_by=moment)[11].weight for moment in (MONDAY, None)]
    assert as_known[0] == weight["L12"] > as_known[1]
