"""Whether small or new sellers are wronged more often than the others."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from support.transactions import read_with

from ipml.enforcement.ledger import ErrorCounts, compare, find_alarms
from ipml.enforcement.penalties.rules import LedgerRules
from ipml.records import Decision
from ipml.storage.database import writing
from ipml.storage.tables import second_reviews, second_verdicts

from .conftest import START, Market

RULES = LedgerRules()
FEW = LedgerRules(least_judged=2, least_wrong=1)


def _look_again(market: Market, decision: Decision, verdict: str) -> None:
    """Let another person judge a decision's case in an audit."""
    at = START + timedelta(days=2)
    content = {"case_id": decision.case_id, "kind": "audit"}
    wanted = {"decision_id": decision.decision_id, "wanted_at": at, "ended_at": at, "sampling_probability": 0.1}
    said = {"listing_id": decision.listing_id, "verdict": verdict, "ground": "", "note": "", "reviewer": "ben"}
    with writing(market.engine) as connection:
        new = insert(second_reviews).values(content | wanted).returning(second_reviews.c.review_id)
        said |= {"review_id": connection.scalars(new).one(), "decided_at": at, "token": 1}
        connection.execute(insert(second_verdicts).values(content | said))


def test_overturned_decisions_are_counted_by_band(market: Market):
    """Those taken back late, without slips and without those found counterfeit again."""
    for wrong in (True, True, True, False):
        decision = market.take_down(seller_listings=3.0)
        if wrong:
            market.undo(decision, day=5)
    market.undo(market.take_down(), day=0.001)
    market.take_down()
    market.take_down(seller_listings=None)
    small, new = read_with(market.engine, find_alarms, market.policy)
    assert (small.source, small.of_group, small.of_rest) == ("overturned", ErrorCounts(4, 3), ErrorCounts(2, 0))
    assert small.state == "too few"
    assert (new.of_group, new.state) == (ErrorCounts(0, 0), "too few")


def test_what_was_looked_at_again_goes_before_what_was_overturned(market: Market):
    """It is drawn at random: sellers who know how to appeal are not seen more often."""
    rules = market.policy.penalties.model_copy(update={"ledger": FEW})
    policy = market.policy.model_copy(update={"penalties": rules})
    for listings, verdict in ((3.0, "genuine"), (3.0, "genuine"), (4_000.0, "counterfeit"), (4_000.0, "counterfeit")):
        _look_again(market, market.take_down(seller_listings=listings), verdict)
    market.undo(market.take_down(), day=9)
    small, _ = read_with(market.engine, find_alarms, policy)
    assert (small.source, small.of_group, small.of_rest) == ("reviewed again", ErrorCounts(2, 2), ErrorCounts(2, 0))
    assert small.state in ("alarm", "watch")


def test_an_alarm_is_above_the_bound_and_not_by_chance():
    """A quarter more often, of enough decisions, and the interval above 1."""
    of_many = {(400, 40): "alarm", (400, 10): "ok", (400, 13): "watch", (29, 20): "too few", (30, 0): "too few"}
    states = {((400, 2), (4000, 100)): "ok", ((100, 4), (4000, 10)): "watch", ((100, 1), (4000, 20)): "too few"}
    states |= {((0, 0), (10, 1)): "too few"} | {(one, (4000, 100)): state for one, state in of_many.items()}
    assert {
        (one, rest): compare("small sellers", "overturned", ErrorCounts(*one), ErrorCounts(*rest), RULES).state
        for one, rest in states
    } == states


@given(judged=st.integers(1, 500), wrong=st.integers(0, 500), rest=st.integers(1, 5000), rest_wrong=st.integers(0, 500))
def test_all_is_well_only_where_enough_speaks_for_it(judged: int, wrong: int, rest: int, rest_wrong: int):
    """The ratio is within the bound, and were it at the bound there would be errors enough for an alarm."""
    of_group, of_rest = ErrorCounts(judged, min(wrong, judged)), ErrorCounts(rest, min(rest_wrong, rest))
    found = compare("small sellers", "overturned", of_group, of_rest, RULES)
    assert None in (found.low, found.ratio, found.high) or found.low <= found.ratio <= found.high
    if found.state == "ok":
        assert found.ratio <= RULES.alarm_ratio
        assert of_rest.wrong / rest * RULES.alarm_ratio * judged >= RULES.least_wrong


@settings(max_examples=20)
@given(judged=st.integers(1, 500), wrong=st.integers(0, 500), more=st.integers(0, 500), rest=st.integers(1, 5000))
def test_more_errors_never_end_an_alarm(judged: int, wrong: int, more: int, rest: int):
    """Of as many decisions."""
    wrong, of_rest = min(wrong, judged), ErrorCounts(rest, rest // 10)
    ranks = ["too few", "ok", "watch", "alarm"]
    states = [
        compare("new sellers", "overturned", ErrorCounts(judged, min(judged, wrong + extra)), of_rest, RULES).state
        for extra in (0, more)
    ]
    assert ranks.index(states[0]) <= ranks.index(states[1])
