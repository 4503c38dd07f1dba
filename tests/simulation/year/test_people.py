"""The programme and the people of a simulated year, and those who write to them, at work on a real queue."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.actions import COOPERATING
from support.transactions import ask, read_rows, read_scalars

from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.group_decisions import BulkRequest, decide_bulk, preview_bulk
from ipml.review.queue_metrics import time_reviews
from ipml.review.ranking.queue_order import find_current_parts
from ipml.review.reversals import ReviewContext
from ipml.review.worklists.search import browse_cases
from ipml.simulation.year.people import (
    Appeals,
    ComplaintRates,
    NoticeSource,
    SimulatedStaff,
    Staff,
    Truth,
    look_after_notices,
    write_notice,
)
from ipml.simulation.year.programme import Programme, choose_threshold
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeal_outcomes, decisions, notices, notifier_steps

START = datetime(2026, 5, 1, tzinfo=UTC)
RULES = {"is_on": True, "brands": ["Acme"], "promise": 0.6, "thresholds": [0.9], "least_reviews": 5, "vouching": 0}


def live(engine: Engine, n_days: int, staff: Staff, policy: EnforcementPolicy) -> tuple[int, Truth]:
    """Let eight suspicious listings come in a day, one in ten of them genuine; return how many people decided."""
    rng, decided = np.random.default_rng(3), 0
    people = SimulatedStaff(engine, policy, staff=staff, actions=Enforcement(policy))
    programme = Programme(people, ComplaintRates(wronged=1.0, delay_days=1.0))
    for day in range(n_days):
        names = [f"listing-{8 * day + number:07d}" for number in range(8)]
        people.truth.add(rng.random(8) > 0.1)
        listings = [Listing(name, f"s{name}", "Bag", brand="Acme", price=9.0) for name in names]
        arrived = [ScoredListing(one, 0.95, None, (), (), None, "m1") for one in listings]
        decided += programme.run_day(START + timedelta(days=day), arrived, rng)
    return decided, people.truth


@pytest.mark.slow
def test_every_listing_is_accounted_for(engine: Engine):
    """What came in was reviewed, acted on, or is still open; who was wronged and complained was heard."""
    policy = EnforcementPolicy.model_validate(load_enforcement_policy().model_dump() | {"automatic": RULES})
    decided, truth = live(engine, 15, Staff(most_reviewers=1, reviews_a_day=6), policy)
    with reading(engine) as connection:
        counted = count_cases(connection)
        rows = connection.execute(select(decisions.c.listing_id, decisions.c.origin)).all()
        outcomes = connection.scalars(select(appeal_outcomes.c.outcome)).all()
        assert verify(connection).is_intact
    automatic = [row.listing_id for row in rows if row.origin == "policy"]
    assert automatic
    assert "granted" in outcomes
    assert sum(counted.values()) == len(truth) == 8 * 15
    assert counted["decided"] == len(automatic) + decided


def test_who_errs_in_nothing_wrongs_nobody(engine: Engine):
    """Without errors of people and without a policy, nothing genuine is taken down, and no more than people can do."""
    staff = Staff(most_reviewers=1, reviews_a_day=7, missed=0.0, wronged=0.0)
    decided, truth = live(engine, 2, staff, load_enforcement_policy())
    rows = read_rows(engine, select(decisions.c.listing_id, decisions.c.verdict, decisions.c.origin))
    assert decided == len(rows) == 14
    assert all((row.verdict == Verdict.COUNTERFEIT) == truth.is_fake(row.listing_id) for row in rows)
    assert "policy" not in {row.origin for row in rows}


SCORED = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10_000)), min_size=2, max_size=40, unique_by=lambda one: one[1]
)


@given(SCORED, st.floats(0.1, 1.0))
def test_no_lower_threshold_is_precise_enough(scored, precision):
    """What lies above the threshold is as precise as asked, and with any lower one it would not be."""
    y, scores = (np.array(part) for part in zip(*scored, strict=True))
    scores = scores / 10_000
    threshold, recall = choose_threshold(y, scores, precision)
    is_enough = [y[scores >= one].mean() >= precision for one in np.sort(scores)]
    if any(is_enough):
        assert threshold == np.sort(scores)[is_enough.index(True)]
        assert recall == y[scores >= threshold].sum() / max(y.sum(), 1)


NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)
MONDAY = datetime(2025, 7, 7, 9, tzinfo=UTC)
POLICY = load_cooperation_policy()
BAGS = {row: ScoredListing(Listing(f"A{row}", "s1", "Bag"), 0.1, None, (), (), None, "m1") for row in range(3)}


def test_a_case_takes_its_time(engine: Engine, make_scored: Callable[..., ScoredListing]) -> None:
    """From opening a case to its verdict passes what the staff takes for it."""
    enqueue(engine, [make_scored("listing-0000000")], now=NOON)
    with writing(engine) as connection:
        decide(connection, DecisionRequest(claim(connection, "ana", now=NOON), Verdict.ESCALATE), now=NOON)
    people = SimulatedStaff(engine, load_enforcement_policy(), staff=Staff(time_a_case=timedelta(minutes=4)))
    people.truth.add(np.array([True]))
    assert people.decide_escalated(NOON + timedelta(hours=1), np.random.default_rng(0)) == 1
    assert 240.0 in [review.half for review in ask(engine, time_reviews)]


@pytest.mark.parametrize(("decider", "hears"), [("ana", "lea"), ("lea", "leo")])
def test_another_lead_hears_what_the_lead_decided(engine: Engine, make_scored, decider: str, hears: str):
    """The lead hears what reviewers decided; of what the lead decided themselves, another hears."""
    rng, actions = np.random.default_rng(0), Enforcement(load_enforcement_policy())
    enqueue(engine, [make_scored("listing-0000000", 0.9)], now=NOON)
    with writing(engine) as connection:
        request = DecisionRequest(claim(connection, decider, now=NOON), Verdict.COUNTERFEIT, "declared_replica")
        decide(connection, request, now=NOON, context=ReviewContext(actions=actions))
    people = SimulatedStaff(engine, load_enforcement_policy(), actions=actions)
    people.truth.add(np.array([False]))
    appeals = Appeals(people, ComplaintRates(wronged=1.0))
    appeals.think_of_complaining(rng)
    appeals.hear(NOON + timedelta(days=60), rng)
    assert read_scalars(engine, select(appeal_outcomes.c.decided_by)) == [hears]


def test_a_notice_is_given_once_and_not_before_its_time(engine):
    """Its listings come into the queue with it, whatever the model made of them."""
    post = NoticeSource(engine, POLICY)
    late = DrawnNotice("buyer", "buyer-1", None, MONDAY + timedelta(days=3), (2,))
    post.add([late, DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0, 1))], BAGS)
    given = []
    for moment in (MONDAY - timedelta(hours=1), MONDAY, MONDAY + timedelta(days=1), late.at):
        post.deliver(moment)
        with reading(engine) as connection:
            received = connection.scalars(select(notices.c.received_at).order_by(notices.c.notice_id)).all()
            given.append((list(received), count_cases(connection)["open"]))
    assert given == [([], 0), ([MONDAY], 2), ([MONDAY], 2), ([MONDAY, late.at], 3)]


def test_each_kind_of_notifier_writes_what_it_has_to():
    """A rights holder names the right, a buyer the order."""
    holder = write_notice(DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0,)), ["A0"], MONDAY)
    buyer = write_notice(DrawnNotice("buyer", "buyer-1", None, MONDAY, (0,)), ["A0"], MONDAY)
    assert (holder["brand"], "Acme" in holder["rights"]) == ("Acme", True)
    assert (buyer["kind"], buyer["order"], "brand" in buyer) == ("complaint", {"order_id": "A0"}, False)


def send_in_vain(engine, first: int, now: datetime) -> None:
    """Let the rival note forty good listings, and people find all of them genuine."""
    ids = [f"A{first + number}" for number in range(40)]
    bags = [ScoredListing(Listing(name, f"s{name}", "Bag"), 0.01, -4.6, (), (), None, "m1") for name in ids]
    post = NoticeSource(engine, POLICY)
    post.add([DrawnNotice("bad faith", "rival", None, now, tuple(range(40)))], dict(enumerate(bags)))
    post.deliver(now)
    later = now + timedelta(hours=2)
    with writing(engine) as connection:
        numbers = [
            case.case_id for case in browse_cases(connection, limit=200, parts=find_current_parts(connection, later))
        ]
        token = preview_bulk(connection, BulkRequest(numbers, "ana", Verdict.GENUINE), now=later).digest
        decide_bulk(
            connection, BulkRequest(numbers, "ana", Verdict.GENUINE), token=token, now=later, context=COOPERATING
        )


def test_who_misuses_notices_is_warned_and_then_suspended(engine):
    """Not before the lead looked, and suspended only where it went on after the warning."""
    send_in_vain(engine, 0, MONDAY)
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(hours=9)) == 1
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=8)) == 0
    send_in_vain(engine, 100, MONDAY + timedelta(days=8))
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=9)) == 1
    with reading(engine) as connection:
        steps = select(notifier_steps.c.kind).order_by(notifier_steps.c.step_id)
        assert list(connection.scalars(steps)) == ["warn", "suspend"]
