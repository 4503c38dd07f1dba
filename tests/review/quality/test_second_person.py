"""Who may judge: never one's own listing, and where a verdict needs two persons, the second is another."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, insert
from support.reviewing import NOON, Make, judge
from support.transactions import act, ask

from ipml.errors import Forbidden, NotFound, Overtaken, OwnListing, Refused
from ipml.records import Decision, Listing, Verdict
from ipml.review import claims, decisions, group_decisions
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import show_case
from ipml.review.decisions import DecisionRequest, list_decisions
from ipml.review.exports import export_labels
from ipml.review.group_decisions import BulkRequest
from ipml.review.quality import second_person
from ipml.review.reversals import ReviewContext
from ipml.settings import SecondPersonRule, Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.tables import users

SOON = NOON + timedelta(minutes=5)
DEAR = SecondPersonRule(least_price=500, currency="EUR")
PRICE = st.none() | st.floats(0, 1e6)
SETTINGS = Settings(second_person=(DEAR,), audit_share=0, repeat_share=0, control_share=0)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(decisions.decide, context=ReviewContext(SETTINGS))
preview_bulk = partial(group_decisions.preview_bulk, settings=SETTINGS)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of a dear case and a cheap one, where calling a dear one counterfeit takes two."""
    dear, cheap = make_scored("L1", 0.9, price=900.0, currency="EUR"), make_scored("L2", price=9.0, currency="EUR")
    enqueue(engine, [dear, cheap], now=NOON)
    return engine


def _say(engine: Engine, by: str, verdict: Verdict = Verdict.COUNTERFEIT, case_id: int = 1) -> Decision:
    return judge(engine, case_id, verdict, by=by, now=SOON, settings=SETTINGS)


def test_the_first_verdict_decides_nothing(queue: Engine):
    """The case is open, nobody holds it, and no label comes of it; who comes next cannot see it."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    decision = _say(queue, "ana")
    case = ask(queue, get_case, 1, now=SOON)
    assert (decision.decision_id, case.state, case.reviewer) == (0, "open", None)
    assert ask(queue, list_decisions, 1) == ask(queue, export_labels) == []
    assert [ask(queue, show_case, name, 1).hides_history for name in ("ben", "ana")] == [True, False]
    said = [value for event in ask(queue, history, 1) for value in event.payload.values()]
    assert not {"counterfeit", "known_goods", "test_purchase"} & {value for value in said if isinstance(value, str)}
    # The same person cannot be both: not by number, not by the next case, not with a claim from another window.
    with pytest.raises(Forbidden, match="needs two persons"):
        act(queue, claim, "ana", 1, now=SOON)
    assert act(queue, claim, "ana", now=SOON).case_id == 2
    with pytest.raises(Overtaken, match="Claim it again"):
        act(queue, decide, DecisionRequest(taken, Verdict.COUNTERFEIT, "known_goods"), now=SOON)
    assert ask(queue, list_decisions, 1) == []


def test_who_comes_next_gets_the_waiting_case_first(queue: Engine, make_scored: Make):
    """Even where another is more suspicious."""
    enqueue(queue, [make_scored("L3", 0.99)], now=NOON)
    _say(queue, "ana")
    assert act(queue, claim, "ben", now=SOON).case_id == 1
    assert act(queue, claim, "cleo", now=SOON).case_id == 3


def test_what_meets_no_rule_needs_one_person(queue: Engine, make_scored: Make):
    """Another verdict, or a cheap listing, is decided at once."""
    enqueue(queue, [make_scored("L3", 0.9, seller_id="s3", price=900.0, currency="EUR")], now=NOON)
    for case_id, verdict in ((1, Verdict.GENUINE), (3, Verdict.CANNOT_TELL), (2, Verdict.COUNTERFEIT)):
        assert _say(queue, "ana", verdict, case_id).decision_id > 0


def test_a_first_verdict_can_be_taken_back_until_the_second(queue: Engine):
    """Then the case is as if nobody had judged it; neither one never given nor an old one can be taken back."""
    _say(queue, "ana")
    act(queue, second_person.withdraw_second_verdict, "ana", 1, now=SOON)
    assert ask(queue, second_person.find_own_verdict, "ana", 1) is None
    _say(queue, "ana")
    with pytest.raises(Refused, match="one of 2024-05-02"):
        act(queue, second_person.withdraw_second_verdict, "ana", 1, now=SOON + timedelta(minutes=11))
    with pytest.raises(Refused, match="no second verdict"):
        act(queue, second_person.withdraw_second_verdict, "ben", 1, now=SOON)
    _say(queue, "ben")
    with pytest.raises(Refused, match="second person"):
        act(queue, second_person.withdraw_second_verdict, "ana", 1, now=SOON)


def test_many_at_once_are_never_a_second_person(queue: Engine):
    """What needs two, or waits for the second, is left out of a group and says why."""
    (refused,) = ask(queue, preview_bulk, BulkRequest([1, 2], "ana", Verdict.COUNTERFEIT), now=SOON).refused
    assert refused == (1, "it needs two persons, who review it alone")
    _say(queue, "ana")
    assert ask(queue, preview_bulk, BulkRequest([1, 2], "ana", Verdict.GENUINE), now=SOON).refused == (
        (1, "another must judge it"),
    )
    assert ask(queue, preview_bulk, BulkRequest([1, 2], "ben", Verdict.GENUINE), now=SOON).refused == (refused,)


@given(PRICE, PRICE, st.sampled_from(["EUR", "USD", None]))
def test_what_is_not_known_counts_as_met(price: float | None, sales: float | None, currency: str | None):
    """A listing escapes a rule only by a figure that is known, comparable and below it."""
    rule = SecondPersonRule(least_price=500, currency="EUR", least_seller_sales=10)
    listing = Listing("L", "s", "Bag", price=price, currency=currency, seller_sales=sales)
    is_cheap = price is not None and price < 500 and currency == "EUR"
    is_small = sales is not None and sales < 10
    assert second_person.needs_second(listing, Verdict.COUNTERFEIT, [rule]) == (not is_cheap and not is_small)


def test_a_rule_may_name_categories():
    """Only those need a second person, and what has none."""
    rule = SecondPersonRule(categories=("Watches", "Bags"))
    for category, needed in (("Watches", True), (None, True), ("Toys", False)):
        assert (
            second_person.needs_second(Listing("L", "s", "x", category=category), Verdict.COUNTERFEIT, [rule]) == needed
        )
    for currency in (None, "euro"):  # prices of different currencies are not compared as numbers
        with pytest.raises(ValidationError, match="currency"):
            SecondPersonRule(least_price=500, currency=currency)


@pytest.fixture
def of_two(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of a case of s1, the most suspicious, and one of s2; ana is a user."""
    row = {"password_hash": "x", "role": "reviewer", "is_active": True, "created_at": datetime(2024, 5, 1, tzinfo=UTC)}
    act(engine, Connection.execute, insert(users), {**row, "name": "ana"})
    enqueue(engine, [make_scored("L1", 0.9, seller_id="s1"), make_scored("L2", 0.2, seller_id="s2")])
    return engine


def test_the_next_case_is_never_ones_own(of_two: Engine):
    """It is passed over, and left to others; nor can it be claimed by number."""
    taken = act(of_two, claim, "ana", 1, now=NOON)
    act(of_two, second_person.add_own_seller, "ana", "s1")
    with pytest.raises(OwnListing):  # a claim from before decides nothing
        act(of_two, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON)
    assert ask(of_two, list_decisions, 1) == []
    assert [taken and taken.case_id for taken in (act(of_two, claim, "ana") for _ in range(2))] == [2, None]
    with pytest.raises(OwnListing, match="ana's own"):
        act(of_two, claim, "ana", 1)
    assert act(of_two, claim, "ben").case_id == 1


def test_who_no_longer_sells_may_judge(of_two: Engine):
    """Noting and forgetting leave rows in the trail, and the chain whole; mistakes are named."""
    for _ in range(2):
        act(of_two, second_person.add_own_seller, "ana", "s1")
    assert ask(of_two, second_person.list_own_sellers, "ana") == ["s1"]
    act(of_two, second_person.remove_own_seller, "ana", "s1")
    assert act(of_two, claim, "ana").case_id == 1
    assert ask(of_two, verify).is_intact
    with pytest.raises(NotFound, match="No user"):
        act(of_two, second_person.add_own_seller, "nobody", "s1")
    with pytest.raises(Refused, match="no note of selling"):
        act(of_two, second_person.remove_own_seller, "ana", "s9")
