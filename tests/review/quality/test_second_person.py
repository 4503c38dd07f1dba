"""Verdicts that need a second person: who does not see the first, and is not the same."""

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask

from ipml.errors import Forbidden, Refused
from ipml.records import Listing, Verdict
from ipml.review import claims, decisions, group_decisions
from ipml.review.claims import show_case
from ipml.review.exports import export_labels
from ipml.review.quality.second_person import (
    find_awaiting,
    find_own_verdict,
    list_second_verdicts,
    needs_second,
    withdraw_second_verdict,
)
from ipml.review.queue import enqueue, get_case, history, list_decisions, undo
from ipml.settings import SecondPersonRule, Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import writing

SOON = NOON + timedelta(minutes=5)
DEAR = SecondPersonRule(least_price=500, currency="EUR")
PRICE = st.none() | st.floats(0, 1e6)
SETTINGS = Settings(second_person=(DEAR,), audit_share=0, repeat_share=0, control_share=0)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(decisions.decide, settings=SETTINGS)
preview_bulk = partial(group_decisions.preview_bulk, settings=SETTINGS)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of a dear case and a cheap one, where calling a dear one counterfeit takes two."""
    dear, cheap = make_scored("L1", 0.9, price=900.0, currency="EUR"), make_scored("L2", price=9.0, currency="EUR")
    enqueue(engine, [dear, cheap], now=NOON)
    return engine


def _say(engine: Engine, name: str, verdict: Verdict = Verdict.COUNTERFEIT, case_id: int = 1, key: str | None = None):
    taken = act(engine, claim, name, case_id, now=SOON)
    ground = "known_goods" if verdict is Verdict.COUNTERFEIT else ""
    return act(engine, decide, taken, verdict, ground=ground, key=key, now=SOON)


@pytest.mark.parametrize("currency", [None, "euro"])
def test_a_least_price_needs_a_currency(currency: str | None):
    """Prices of different currencies are not compared as numbers."""
    with pytest.raises(ValidationError, match="currency"):
        SecondPersonRule(least_price=500, currency=currency)


def test_the_first_verdict_decides_nothing(queue: Engine):
    """The case is open, nobody holds it, and no label comes of it."""
    decision = _say(queue, "ana")
    case = ask(queue, get_case, 1, now=SOON)
    assert (decision.decision_id, case.state, case.reviewer) == (0, "open", None)
    assert ask(queue, list_decisions, 1) == ask(queue, export_labels) == []


def test_two_who_agree_decide(queue: Engine):
    """The decision is the second person's; the first one's verdict stays beside it."""
    _say(queue, "ana")
    decision = _say(queue, "ben")
    assert ask(queue, list_decisions, 1) == [decision]
    assert ask(queue, get_case, 1).state == "decided"
    assert [
        (second_verdict.kind, second_verdict.reviewer) for second_verdict in ask(queue, list_second_verdicts, 1)
    ] == [("first", "ana")]


def test_two_who_disagree_pass_the_case_on(queue: Engine):
    """It is escalated in nobody's name; neither of the two decides it, a third does."""
    _say(queue, "ana")
    _say(queue, "ben", Verdict.GENUINE)
    (passed_on,) = ask(queue, list_decisions, 1)
    assert (passed_on.verdict, passed_on.reviewer, ask(queue, get_case, 1).state) == (
        "escalate",
        "ipml",
        "escalated",
    )
    for name in ("ana", "ben"):
        with pytest.raises(Forbidden, match="needs two persons"), writing(queue) as connection:
            claim(connection, name, 1, now=SOON)
    assert _say(queue, "lea").decision_id > 0
    assert ask(queue, get_case, 1).state == "decided"


def test_the_same_person_cannot_be_both(queue: Engine):
    """Not by number, not by asking for the next case, and not with a claim from another window."""
    taken = act(queue, claim, "ana", 1, now=NOON)
    _say(queue, "ana")
    with pytest.raises(Forbidden, match="needs two persons"), writing(queue) as connection:
        claim(connection, "ana", 1, now=SOON)
    assert act(queue, claim, "ana", now=SOON).case_id == 2
    with pytest.raises(Exception, match="Claim it again"), writing(queue) as connection:
        decide(connection, taken, Verdict.COUNTERFEIT, ground="known_goods", now=SOON)
    assert ask(queue, list_decisions, 1) == []


def test_who_comes_next_gets_the_waiting_case_first(queue: Engine, make_scored: Make):
    """Even where another is more suspicious."""
    enqueue(queue, [make_scored("L3", 0.99)], now=NOON)
    _say(queue, "ana")
    assert act(queue, claim, "ben", now=SOON).case_id == 1
    assert act(queue, claim, "cleo", now=SOON).case_id == 3


def test_the_second_person_cannot_see_the_first_verdict(queue: Engine):
    """The history says nothing of it, and is hidden besides, as it alone would tell."""
    _say(queue, "ana")
    assert ask(queue, show_case, "ben", 1).hides_history
    assert not ask(queue, show_case, "ana", 1).hides_history
    said = [value for audit_event in ask(queue, history, 1) for value in audit_event.payload.values()]
    assert not {"counterfeit", "known_goods"} & {value for value in said if isinstance(value, str)}


@pytest.mark.parametrize(
    ("case_id", "verdict"), [(1, Verdict.GENUINE), (1, Verdict.CANNOT_TELL), (2, Verdict.COUNTERFEIT)]
)
def test_what_meets_no_rule_needs_one_person(queue: Engine, case_id: int, verdict: Verdict):
    """Another verdict, or a cheap listing, is decided at once."""
    assert _say(queue, "ana", verdict, case_id).decision_id > 0


def test_a_second_person_may_escalate(queue: Engine):
    """It goes to a lead, who is then the second of the two."""
    _say(queue, "ana")
    _say(queue, "ben", Verdict.ESCALATE)
    assert _say(queue, "lea").verdict == Verdict.COUNTERFEIT
    assert [decision.reviewer for decision in ask(queue, list_decisions, 1)] == ["ben", "lea"]


@pytest.mark.parametrize("verdict", [Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL])
@pytest.mark.parametrize("is_first_given", [True, False])
def test_a_lead_ends_what_another_passed_on(queue: Engine, verdict: Verdict, is_first_given: bool):
    """Whatever they say, and whether or not they agree with a first verdict; nobody is asked to look again."""
    if is_first_given:
        _say(queue, "ana")
    _say(queue, "ben", Verdict.ESCALATE)
    assert _say(queue, "lea", verdict).decision_id > 0
    assert ask(queue, get_case, 1).state == "decided"
    assert ask(queue, list_decisions, 1)[-1].verdict == verdict
    assert act(queue, find_awaiting, "cleo", SOON) is None


def test_a_lead_who_passes_a_case_on_is_not_the_other_person(queue: Engine):
    """Four eyes stay four: what they themselves escalated waits for somebody else to say the same."""
    _say(queue, "lea", Verdict.ESCALATE)
    assert _say(queue, "lea").decision_id == 0
    assert ask(queue, get_case, 1).state == "escalated"
    with pytest.raises(Forbidden, match="needs two persons"), writing(queue) as connection:
        claim(connection, "lea", 1, now=SOON)
    assert _say(queue, "max").decision_id > 0


def test_a_verdict_sent_again_counts_once(queue: Engine):
    """The first and the second of two have keys like any other, also where they disagree."""
    taken = act(queue, claim, "ana", 1, now=SOON)
    for _ in range(2):
        act(queue, decide, taken, Verdict.COUNTERFEIT, ground="known_goods", key="a", now=SOON)
    taken = act(queue, claim, "ben", 1, now=SOON)
    for _ in range(2):
        act(queue, decide, taken, Verdict.GENUINE, key="b", now=SOON)
    assert len(ask(queue, list_second_verdicts, 1)) == 2
    assert ask(queue, verify).is_intact


def test_a_first_verdict_can_be_taken_back_until_the_second(queue: Engine):
    """Then the case is as if nobody had judged it; who took it back may judge it again."""
    _say(queue, "ana")
    act(queue, withdraw_second_verdict, "ana", 1, now=SOON)
    assert ask(queue, find_own_verdict, "ana", 1) is None
    _say(queue, "ana")
    _say(queue, "ben")
    with pytest.raises(Refused, match="second person"), writing(queue) as connection:
        withdraw_second_verdict(connection, "ana", 1, now=SOON)


def test_an_old_verdict_cannot_be_taken_back(queue: Engine):
    """Nor can one that was never given."""
    _say(queue, "ana")
    with pytest.raises(Refused, match="one of 2024-05-02"), writing(queue) as connection:
        withdraw_second_verdict(connection, "ana", 1, now=SOON + timedelta(minutes=11))
    with pytest.raises(Refused, match="no second verdict"), writing(queue) as connection:
        withdraw_second_verdict(connection, "ben", 1, now=SOON)


def test_many_at_once_are_never_a_second_person(queue: Engine):
    """What needs two, or waits for the second, is left out of a group and says why."""
    (refused,) = ask(queue, preview_bulk, [1, 2], "ana", Verdict.COUNTERFEIT, now=SOON).refused
    assert refused == (1, "it needs two persons, who look at it by itself")
    _say(queue, "ana")
    assert ask(queue, preview_bulk, [1, 2], "ana", Verdict.GENUINE, now=SOON).refused == ((1, "another must judge it"),)
    assert ask(queue, preview_bulk, [1, 2], "ben", Verdict.GENUINE, now=SOON).refused == (refused,)


def test_a_decision_of_two_that_is_taken_back_waits_for_a_second_person_again(queue: Engine):
    """The first verdict stands, and who gave it is still not the other."""
    _say(queue, "ana")
    made = _say(queue, "ben")
    act(queue, undo, made.decision_id, "ben", now=SOON)
    with pytest.raises(Forbidden, match="needs two persons"), writing(queue) as connection:
        claim(connection, "ana", 1, now=SOON)
    assert _say(queue, "ben").decision_id > 0


@given(PRICE, PRICE, st.sampled_from(["EUR", "USD", None]))
def test_what_is_not_known_counts_as_met(price: float | None, sales: float | None, currency: str | None):
    """A listing escapes a rule only by a figure that is known, comparable and below it."""
    rule = SecondPersonRule(least_price=500, currency="EUR", least_seller_sales=10)
    listing = Listing("L", "s", "Bag", price=price, currency=currency, seller_sales=sales)
    is_cheap = price is not None and price < 500 and currency == "EUR"
    is_small = sales is not None and sales < 10
    assert needs_second(listing, Verdict.COUNTERFEIT, [rule]) == (not is_cheap and not is_small)


@pytest.mark.parametrize(("category", "needed"), [("Watches", True), (None, True), ("Toys", False)])
def test_a_rule_may_name_categories(category: str | None, needed: bool):
    """Only those need a second person, and what has none."""
    rule = SecondPersonRule(categories=("Watches", "Bags"))
    assert needs_second(Listing("L", "s", "x", category=category), Verdict.COUNTERFEIT, [rule]) == needed
