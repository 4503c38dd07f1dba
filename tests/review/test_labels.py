"""Decisions become labels."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from ipml.records import Label, ScoredListing, Verdict
from ipml.review.labels import export_labels, label_listing
from ipml.review.queue import claim, decide, enqueue

Make = Callable[..., ScoredListing]
MONDAY = datetime(2024, 5, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
GROUND = {Verdict.COUNTERFEIT: "test_purchase"}


def _decide(engine: Engine, case_id: int, verdict: Verdict, now: datetime = MONDAY) -> None:
    decide(engine, claim(engine, "ana", case_id, now=now), verdict, ground=GROUND.get(verdict, ""), now=now)


@pytest.mark.parametrize(("verdict", "truth"), [(Verdict.COUNTERFEIT, True), (Verdict.GENUINE, False)])
def test_a_verdict_of_truth_is_a_label(engine: Engine, make_scored: Make, verdict: Verdict, truth: bool):
    """The label is of the listing as scored, known since the decision, with full weight."""
    scored = make_scored()
    enqueue(engine, [scored])
    _decide(engine, 1, verdict)
    assert list(export_labels(engine)) == [Label(scored.listing, truth, MONDAY, 1.0)]


@pytest.mark.parametrize("verdict", [Verdict.CANNOT_TELL, Verdict.ESCALATE])
def test_other_verdicts_and_open_cases_are_no_labels(engine: Engine, make_scored: Make, verdict: Verdict):
    """Nobody has said what the listing is."""
    enqueue(engine, [make_scored("L1"), make_scored("L2")])
    _decide(engine, 1, verdict)
    assert list(export_labels(engine)) == []


def test_the_latest_verdict_of_a_listing_counts(engine: Engine, make_scored: Make):
    """A listing judged in two observations has one label; later doubt does not undo it."""
    enqueue(engine, [make_scored("L1", observed_at=MONDAY + timedelta(days=day)) for day in range(3)])
    _decide(engine, 1, Verdict.GENUINE)
    _decide(engine, 2, Verdict.COUNTERFEIT, TUESDAY)
    _decide(engine, 3, Verdict.CANNOT_TELL, TUESDAY)
    (label,) = export_labels(engine)
    assert (label.is_counterfeit, label.labelled_at) == (True, TUESDAY)


def test_what_became_known_later_is_not_known_before(engine: Engine, make_scored: Make):
    """known_by gives the labels as they were at that moment."""
    enqueue(engine, [make_scored("L1"), make_scored("L1", observed_at=TUESDAY), make_scored("L2")])
    _decide(engine, 1, Verdict.GENUINE, MONDAY)
    _decide(engine, 2, Verdict.COUNTERFEIT, TUESDAY)
    _decide(engine, 3, Verdict.COUNTERFEIT, TUESDAY)
    assert [label.is_counterfeit for label in export_labels(engine, known_by=MONDAY)] == [False]
    assert [label.is_counterfeit for label in export_labels(engine, known_by=TUESDAY)] == [True, True]
    assert list(export_labels(engine, known_by=MONDAY - timedelta(seconds=1))) == []


def test_an_escalated_case_gives_the_leads_verdict(engine: Engine, make_scored: Make):
    """The label comes with the decision that ends the case."""
    enqueue(engine, [make_scored()])
    _decide(engine, 1, Verdict.ESCALATE)
    _decide(engine, 1, Verdict.COUNTERFEIT, TUESDAY)
    assert [label.labelled_at for label in export_labels(engine)] == [TUESDAY]


def test_a_labelled_listing_differs_in_its_label_only(make_scored: Make):
    """Truth, moment, weight and odds are those of the label; all else is the listing as judged."""
    listing = make_scored(price=12.5, currency="EUR").listing
    labelled = label_listing(Label(listing, False, TUESDAY, 0.5, 0.01))
    assert (labelled.is_counterfeit, labelled.labelled_at) == (False, TUESDAY)
    assert (labelled.label_weight, labelled.label_odds) == (0.5, 0.01)
    assert replace(labelled, is_counterfeit=None, labelled_at=None, label_weight=None, label_odds=None) == listing
