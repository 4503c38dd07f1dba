"""Decisions become labels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert
from support.databases import on_both
from support.reviewing import Make, ask, judge

from ipml.records import Label, Verdict
from ipml.review.exports import export_labels, label_listing
from ipml.review.queue import enqueue
from ipml.storage.database import writing
from ipml.storage.tables import second_verdicts

MONDAY = datetime(2024, 5, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def _decide(engine: Engine, case_id: int, verdict: Verdict, now: datetime = MONDAY) -> None:
    judge(engine, case_id, verdict, now=now)


@on_both
def test_a_verdict_of_truth_is_a_label(engine: Engine, make_scored: Make):
    """The label is of the listing as scored, known since the decision, with full weight; doubt is no label."""
    scored = [make_scored(f"L{number}") for number in range(1, 6)]
    enqueue(engine, scored, joins_alike=False)
    for number, verdict in enumerate(Verdict, start=1):
        _decide(engine, number, verdict)
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
        _decide(engine, number, verdict, TUESDAY)
    (label,) = ask(engine, export_labels)
    assert (label.is_counterfeit, label.labelled_at) == (True, TUESDAY)
    enqueue(engine, [make_scored("L2", seller_id="s2")])
    _decide(engine, 4, Verdict.ESCALATE)
    _decide(engine, 4, Verdict.COUNTERFEIT, TUESDAY)
    assert [label.labelled_at for label in ask(engine, export_labels)] == [TUESDAY, TUESDAY]


def test_what_became_known_later_is_not_known_before(engine: Engine, make_scored: Make):
    """known_by gives the labels as they were at that moment."""
    enqueue(engine, [make_scored("L1")])
    _decide(engine, 1, Verdict.GENUINE, MONDAY)
    enqueue(engine, [make_scored("L1", observed_at=TUESDAY, title="Wallet AAA"), make_scored("L2")])
    _decide(engine, 2, Verdict.COUNTERFEIT, TUESDAY)
    _decide(engine, 3, Verdict.COUNTERFEIT, TUESDAY)
    assert [label.is_counterfeit for label in ask(engine, export_labels, known_by=MONDAY)] == [False]
    assert [label.is_counterfeit for label in ask(engine, export_labels, known_by=TUESDAY)] == [False, True, True]
    assert list(ask(engine, export_labels, known_by=MONDAY - timedelta(seconds=1))) == []


def test_a_labelled_listing_differs_in_its_label_only(make_scored: Make):
    """Truth, moment, weight and odds are those of the label; all else is the listing as judged."""
    listing = make_scored(price=12.5, currency="EUR").listing
    labelled = label_listing(Label(listing, False, TUESDAY, 0.5, 0.01))
    assert (labelled.is_counterfeit, labelled.labelled_at) == (False, TUESDAY)
    assert (labelled.label_weight, labelled.label_probability) == (0.5, 0.01)
    assert (
        replace(labelled, is_counterfeit=None, labelled_at=None, label_weight=None, label_probability=None) == listing
    )


def test_the_weight_of_a_label_is_how_sure_it_is(engine: Engine, make_scored: Make):
    """What another said too weighs more than what another denied, and that less than what nobody else saw."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(1, 16)])
    for case_id in range(1, 16):
        _decide(engine, case_id, Verdict.COUNTERFEIT)
    _look(engine, dict.fromkeys(range(1, 11), Verdict.COUNTERFEIT) | {11: Verdict.GENUINE})
    weight = {label.listing.listing_id: label.weight for label in ask(engine, export_labels)}
    assert 1 > weight["L1"] > weight["L15"] > weight["L11"] > 0


def test_a_look_that_came_later_gives_no_weight_before(engine: Engine, make_scored: Make):
    """Labels as known at a moment weigh what they weighed then."""
    enqueue(engine, [make_scored("L1")])
    _decide(engine, 1, Verdict.COUNTERFEIT)
    _look(engine, {1: Verdict.GENUINE}, TUESDAY)
    assert [label.weight for label in ask(engine, export_labels, known_by=MONDAY)] == [1.0]
    assert [label.weight < 1 for label in ask(engine, export_labels)] == [True]


def _look(engine: Engine, verdicts: dict[int, Verdict], now: datetime = MONDAY) -> None:
    """Keep ben's second verdicts of cases."""
    row = {"kind": "audit", "ground": "", "note": "", "reviewer": "ben", "decided_at": now, "token": 9}
    said = [
        {**row, "case_id": case_id, "listing_id": f"L{case_id}", "verdict": verdict.value}
        for case_id, verdict in verdicts.items()
    ]
    with writing(engine) as connection:
        connection.execute(insert(second_verdicts), said)
