"""Measures: what a decision does to a listing, told once, and undone when the decision falls."""

import json
import os
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import delete
from support.databases import invented_messages, on_both
from support.transactions import act, ask, check_sound, execute

from experiments.enforcement import delivery_kills
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder, impose_by_hand, lift_one, replace
from ipml.enforcement.takedown.delivery import ReceivedAnswer, note_answer
from ipml.enforcement.takedown.measures import (
    MeasureRules,
    count_overdue,
    find_measures,
    find_overdue,
    get_measure,
    measure_times,
    read_whys,
)
from ipml.errors import Conflict, NotFound
from ipml.records import Listing, Verdict
from ipml.review.cases import history
from ipml.storage.audit_trail.audit import list_rows
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, measures

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


def holds(message):
    """Return kind and countries of all that a message says holds."""
    return [(one["kind"], one["territories"]) for one in json.loads(message.body)["in_force"]]


@on_both
def test_a_counterfeit_listing_is_taken_down_and_the_platform_told_once(engine, judge, told):
    """The measure is kept with its policy, and one message names the listing and what holds."""
    decision = judge("L1", listed_at=NOON - timedelta(hours=5), listing_sales=3.0)
    with reading(engine) as connection:
        (measure,) = find_measures(connection)
        why = read_whys(connection, measure)["why"]
    (message,) = told(kind="measure")
    assert (measure.kind, measure.state, measure.decision_id) == (MeasureKind.REMOVE, "asked", decision.decision_id)
    assert (measure.listed_at, measure.sales_before) == (NOON - timedelta(hours=5), 3)
    assert why == "remove, the standard measure"
    assert json.loads(message.body)["listing_id"] == "L1"
    assert holds(message) == [("remove", [])]
    assert message.key.startswith("measure-1-imposed-")


def test_a_decision_taken_back_puts_the_listing_back(engine, judge, told, take_back):
    """The platform is told, no buyer is alarmed, and the trail notes both with ids and hashes only."""
    decision = judge("L1")
    take_back(decision, why="wrong brand")
    back = told(kind="reinstatement")[0]
    assert holds(back) == []
    assert [message.state for message in told(kind="buyers")] == ["dead"]  # withdrawn before it went out
    with reading(engine) as connection:
        measure = get_measure(connection, 1)
        assert (measure.state, measure.lifted_by) == ("lifted", "ana")
        assert read_whys(connection, measure)["why_lifted"] == "wrong brand"
    rows = ask(engine, list_rows, "measure:1")
    assert [(row.actor, row.action) for row in rows] == [("ana", "imposed"), ("ana", "lifted")]
    assert rows[0].payload["policy"] == load_enforcement_policy().digest
    assert [row.action for row in ask(engine, history, 1)] == ["enqueued", "claimed", "decided", "reversed"]


def test_the_rights_holder_learns_start_and_end_and_nothing_of_the_seller(engine, judge, told, take_back):
    """Brand, listing and measure go out; what the database keeps holds neither the seller's id nor the listing's."""
    take_back(judge("listing-4711", brand="Acme", seller_id="harbour-outlet"))
    assert [message.kind for message in told("holder")] == ["measure", "reinstatement"]
    assert not any("harbour-outlet" in message.body for message in told("holder"))
    with reading(engine) as connection:
        for table in ("measures", "outbox", "measure_messages"):
            kept = repr(connection.exec_driver_sql(f"SELECT * FROM {table}").all())
            assert "harbour-outlet" not in kept
            assert "listing-4711" not in kept


def test_what_cannot_be_is_refused(engine, judge, take_back):
    """No such measure, one that is lifted, a case that is genuine, countries that do not fit: one line each."""
    decision, policy = judge("L1"), load_enforcement_policy()
    judge("L2", verdict=Verdict.GENUINE)
    take_back(decision)
    with writing(engine) as connection:
        with pytest.raises(NotFound, match="No measure"):
            lift_one(connection, 9, "lea", "", NOON)
        with pytest.raises(NotFound, match="No measure"):
            lift_one(connection, 2**70, "lea", "", NOON)
        with pytest.raises(Conflict, match="expected one that stands"):
            replace(connection, 1, MeasureOrder(MeasureKind.LABEL, ""), "lea", NOON)
        with pytest.raises(Conflict, match="no standing decision"):
            impose_by_hand(connection, 2, MeasureOrder(MeasureKind.LABEL, ""), "lea", NOON, policy)
        with pytest.raises(Conflict, match="measure: found"):
            impose_by_hand(connection, 2, MeasureOrder(MeasureKind.LABEL, "", territories=("DE",)), "lea", NOON, policy)
        with pytest.raises(Conflict, match="measure: found"):
            impose_by_hand(
                connection, 2, MeasureOrder(MeasureKind.REMOVE_IN, "", territories=("de",)), "lea", NOON, policy
            )
        with pytest.raises(Conflict, match="measure: found"):
            impose_by_hand(connection, 2, MeasureOrder(MeasureKind.LABEL, "", until=NOON), "lea", NOON, policy)


def done(engine, message, minutes):
    """Let the platform say that it is done."""
    act(engine, note_answer, ReceivedAnswer(message.key, "done"), "platform", NOON + timedelta(minutes=minutes))


@on_both
def test_times_go_from_listing_to_measure_to_done(engine, judge, told):
    """Medians and ninetieth percentiles by brand; what is not known is left out of its stage only."""
    judge("L1", brand="Acme", listed_at=NOON - timedelta(hours=2), listing_sales=0.0)
    judge("L2", brand="Acme", listed_at=NOON - timedelta(hours=8), listing_sales=3.0)
    judge("L3", brand=None)
    for message, minutes in zip(told(kind="measure"), (10, 30), strict=False):
        done(engine, message, minutes)
    acme, unknown = ask(engine, measure_times, "brand")
    assert (acme.group, acme.measures, acme.before_first_sale, acme.sales_known) == ("Acme", 2, 0.5, 2)
    assert acme.spans["listed to measure"].median == timedelta(hours=5)
    assert acme.spans["listed to measure"].p90 == timedelta(hours=8)
    assert acme.spans["measure to done"].median == timedelta(minutes=20)
    assert (unknown.group, unknown.before_first_sale, set(unknown.spans)) == ("unknown", None, {"queued to measure"})


def test_what_took_the_place_of_a_measure_is_no_new_catch(engine, judge):
    """The first measure of a decision counts, in the month of its imposing."""
    judge("L1")
    act(engine, replace, 1, MeasureOrder(MeasureKind.LABEL, "milder"), "lea", NOON + timedelta(days=40))
    with reading(engine) as connection:
        assert [(times.group, times.measures) for times in measure_times(connection, "month")] == [("2024-05", 1)]
        assert measure_times(connection, since=NOON + timedelta(seconds=1)) == []
        assert measure_times(connection, until=NOON) == []


@pytest.mark.parametrize("is_lifted", [False, True])
def test_a_measure_without_a_word_of_the_platform_becomes_overdue(engine, judge, told, is_lifted, take_back):
    """Whether it was to be taken down or put back; once the platform has said done it is not."""
    decision = judge("L1")
    if is_lifted:
        take_back(decision)
    late = NOON + timedelta(hours=24)
    with reading(engine) as connection:
        assert count_overdue(connection, late - timedelta(seconds=1), 24) == 0
        assert [measure.measure_id for measure in find_overdue(connection, late, 24)] == [1]
    done(engine, told()[-1] if is_lifted else told(kind="measure")[0], 60)
    assert ask(engine, count_overdue, late, 24) == 0


def test_a_listing_that_another_decision_keeps_down_is_not_overdue(engine, judge, told, take_back):
    """Once the platform has done what it was told last: that only the other measure is left."""
    decision = judge("L1")
    judge("L1", title="Leather purse")
    take_back(decision)
    done(engine, told(kind="measure")[-1], 1)
    assert ask(engine, count_overdue, NOON + timedelta(days=9), 24) == 0


def test_the_rule_with_most_conditions_says():
    """Ground and brand before ground, `by_ground` before the usual; what is not known meets no condition."""
    by_ground = {"kind": "label", "grounds": ["price_and_seller"]}
    rules = MeasureRules(usual="remove", rules=[by_ground, by_ground | {"kind": "demote", "brands": ["ACME"]}])
    listing = Listing("1", "s", "Bag", brand="Acme")
    assert rules.choose(listing, 0.9, "price_and_seller").kind == "demote"
    assert rules.choose(Listing("1", "s", "Bag"), 0.9, "price_and_seller").kind == "label"
    assert rules.choose(listing, 0.9, "test_purchase").kind == "remove"
    rules = MeasureRules(usual="remove", by_ground={"disguised_brand": "pause"})
    assert rules.choose(listing, 0.9, "disguised_brand").why == "pause, as the ground is disguised_brand"
    rules = load_enforcement_policy().measures
    known = {"seller_age_days": 900.0, "seller_sales": 500.0, "seller_strikes": 0.0}
    assert rules.choose(Listing("1", "s", "Bag", **known), 0.7, "price_and_seller").kind == "pause"
    for name in known:
        listing = Listing("1", "s", "Bag", **{**known, name: None})
        assert rules.choose(listing, 0.7, "price_and_seller").kind == "remove"
    assert rules.choose(Listing("1", "s", "Bag", **known), None, "price_and_seller").kind == "remove"


def test_a_policy_that_cannot_be_followed_is_refused():
    """A rule without a condition, countries where none belong, a ground that nobody knows."""
    wrong_rules = [{"kind": "label"}, {"kind": "remove-in", "least_score": 0.5}]
    wrong_rules += [
        {"kind": "label", "territories": ["DE"], "least_score": 0.5},
        {"kind": "label", "grounds": ["hearsay"]},
    ]
    wrong = [{"usual": "remove", "rules": [rule]} for rule in wrong_rules]
    unknown = {"usual": "remove", "by_ground": {"hearsay": "label"}}
    for rules in (*wrong, {"usual": "remove-in"}, {"usual": "burn"}, unknown):
        with pytest.raises(ValidationError):
            MeasureRules.model_validate(rules)


def test_doctor_sees_measures_that_disagree_with_trail_and_decisions(engine, judge, take_back):
    """A measure whose note is gone, and one that outlived its decision, are named."""
    decision = judge("L1")
    judge("L2")
    take_back(decision)
    ask(engine, check_sound)
    execute(
        engine,
        measures.update().where(measures.c.measure_id == 1).values(lifted_at=None),
        delete(audit).where(audit.c.action == "imposed", audit.c.subject == "measure:2"),
    )
    found = list(ask(engine, find_disagreements))
    assert found == [
        "measure:2: the audit trail lacks it",
        "measure 1: is in force, but its decision was reversed; lift it on the page of its case",
    ]


KILLS = int(os.environ.get("IPML_TEST_KILLS", "5"))


@on_both
@pytest.mark.slow
@invented_messages
def test_kills_lose_nothing_and_double_nothing(engine, tmp_path):
    """What arrived is what was put down, whoever was killed while it went."""
    found = delivery_kills.measure(engine, tmp_path, KILLS, seed=KILLS)
    assert found["kills"] == KILLS
    assert (found["arrived"], found["twice"], found["missing"], found["out_of_order"]) == (found["put"], 0, 0, 0)
    assert found["states"] == {"delivered": found["put"]}
    assert found["trail_is_intact"]
