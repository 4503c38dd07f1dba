"""What is noted of referrals, and what their outcomes teach."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.planted_seller import NOON
from support.transactions import act, ask

from experiments.cooperation.referral_ranking import measure
from ipml.cooperation.policy import SIGNS, ReferralRules, load_cooperation_policy
from ipml.cooperation.referrals.handover import (
    Known,
    OutcomeReport,
    add_referral,
    find_before,
    find_disclosures,
    find_open,
    find_outcomes,
    learn_solvability,
    list_referrals,
    make_reference,
    note_outcome,
    read_known,
    sign_receipt,
)
from ipml.cooperation.referrals.ranking import Ranked, sort_by_expected_value
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.retention import find_stored, run_retention
from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.money import Money
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of


@pytest.fixture
def hand_out(engine: Engine):
    """Return a function that notes a referral which names some sellers."""

    def make(*sellers: str, recipient: str = "customs", follows: int | None = None, brand: str | None = None) -> int:
        fields = {"network": 1, "members_digest": "d", "recipient": recipient, "brand": brand, "purpose": "p"}
        fields |= {"built_by": "lea", "built_at": NOON, "content_digest": "c", "follows": follows}
        fields |= dict.fromkeys(("value_low", "value", "value_high", "currency"))
        fields |= {"n_members": 3, "n_confirmed": 4, "solvability": 0.5, "effort": 9.0, "signs": '{"recent":1.0}'}
        with writing(engine) as connection:
            named = {pseudonym_of(connection, one): (f"S-00{n}", True) for n, one in enumerate(sellers, 1)}
            fields |= {"tells_sellers": True, "reference": make_reference()}
            return add_referral(connection, fields, named).referral_id

    return make


def test_a_receipt_is_signed_once(engine, hand_out):
    """The first stands; it is in the audit trail, by the digest of what was received."""
    number = hand_out("ann")
    referral = act(engine, sign_receipt, number, "KHK Weber", by="lea", now=NOON)
    assert (referral.received_by, referral.received_at) == ("KHK Weber", NOON)
    with pytest.raises(Conflict, match="KHK Weber signed for it on 2026-03-02"), writing(engine) as connection:
        sign_receipt(connection, referral.referral_id, "somebody", by="lea")
    with pytest.raises(NotFound, match="page Referrals"), writing(engine) as connection:
        sign_receipt(connection, 99, "somebody", by="lea")
    assert ask(engine, audit.verify).is_intact


def test_outcomes_teach_by_the_last_of_each_story(engine, hand_out, rules: ReferralRules):
    """Opened and then dropped is no case; a referral that another follows is of one story with it, known by either."""
    first, second, third = hand_out("ann"), hand_out("ben"), hand_out("cid")
    fourth = hand_out("cid", "dan", follows=third)
    hand_out("eve", follows=second)  # of which nothing is known yet
    for referral, kind, said in (
        *((first, "opened", {}), (first, "dropped", {"why": "too little"}), (second, "arrests", {"amount": 3})),
        *((third, "opened", {}), (fourth, "seized", {"amount": 1_000.0, "currency": "USD"})),
    ):
        act(engine, note_outcome, referral, OutcomeReport(kind, **said), rules, by="lea", now=NOON)
    with writing(engine) as connection:
        assert str(find_outcomes(connection, [fourth])[fourth][0]) == "seized 1,000 USD"
        assert [one.is_case for one in read_known(connection)] == [False, True, True]
        assert [one.kind for one in find_outcomes(connection, [first])[first]] == ["opened", "dropped"]
        assert find_open(connection, pseudonym_of(connection, "ann")) == []
        assert [one.referral_id for one in find_open(connection, pseudonym_of(connection, "ben"))] == [second]


OUTCOMES = [
    *(("dropped", {"why": "Ann moved"}), ("arrests", {}), ("seized", {"amount": -1}), ("seized", {"amount": 9.0})),
    ("seized", {"amount": 9.0, "currency": "gold"}),
]


def test_an_outcome_holds_numbers_and_words_of_a_list_only(engine, hand_out, rules, subtests):
    """What somebody types could name a person."""
    for kind, said in OUTCOMES:
        with subtests.test(said=said):
            referral = hand_out("ann")
            with pytest.raises(UnusableSetting), writing(engine) as connection:
                note_outcome(connection, referral, OutcomeReport(kind, **said), rules, by="lea", now=NOON)


def test_a_network_is_known_again_by_its_members(engine, hand_out):
    """By most of them, whatever its number; never across recipients or brands."""
    first = hand_out("ann", "ben", "cid")
    hand_out("ann", "ben", "cid", recipient="police-criminal")
    hand_out("ann", "ben", "cid", brand="Nordvik")
    with writing(engine) as connection:
        ann, ben, dan = (pseudonym_of(connection, name) for name in ("ann", "ben", "dan"))
    with reading(engine) as connection:
        found = find_before(connection, "customs", None, [ann, ben, dan])
        assert found is not None
        assert (found[0].referral_id, found[1][ann]) == (first, "S-001")
        assert find_before(connection, "customs", None, [ann, dan]) is None
        assert len(list_referrals(connection)) == 3


def test_a_seller_can_be_told_to_whom_they_were_named_until_it_expires(engine, hand_out):
    """It is among what is kept of them, and goes when the policy says."""
    hand_out("ann")
    policy = load_enforcement_policy()
    with writing(engine) as connection:
        pseudonym = pseudonym_of(connection, "ann")
        (told,) = find_disclosures(connection, pseudonym)
    assert (told.recipient, told.name, told.tells_sellers) == ("customs", "S-001", True)
    assert ("disclosures", 1) in [
        (kept.name, kept.records) for kept in ask(engine, find_stored, "ann", policy, now=NOON).classes
    ]
    run_retention(engine, policy, now=NOON + timedelta(days=policy.retention.disclosures + 1))
    assert ask(engine, find_disclosures, pseudonym) == []


# What becomes of referrals teaches how likely the next become cases, slowly and in the right direction
RULES = load_cooperation_policy().referrals.solvability
signs = st.fixed_dictionaries({name: st.floats(0, 1) for name in SIGNS})
outcomes = st.lists(st.builds(Known, signs, st.booleans()), max_size=12)


def test_before_any_outcome_the_policy_judges():
    """The weights are those of the policy."""
    weights = learn_solvability(RULES, []).weights
    assert weights.tolist() == [RULES.intercept, *(RULES.weights[name] for name in SIGNS)]


@given(outcomes, signs)
def test_a_case_raises_what_is_like_it_and_a_dropped_one_lowers_it(known, one):
    """Never the other way round, whatever was learnt before; and a certainty it never becomes."""
    before = learn_solvability(RULES, known).judge(one)
    better = learn_solvability(RULES, [*known, Known(one, True)]).judge(one)
    worse = learn_solvability(RULES, [*known, Known(one, False)]).judge(one)
    assert 0 < worse < before < better < 1


@given(outcomes)
def test_the_weights_are_at_the_maximum(known):
    """Where the gradient of log-likelihood and prior is nothing; in whatever order the outcomes came."""
    model = learn_solvability(RULES, known)
    rows = np.array([[1.0, *(one.signs[name] for name in SIGNS)] for one in known]).reshape(len(known), 1 + len(SIGNS))
    p = 1 / (1 + np.exp(-rows @ model.weights))
    prior = np.array([RULES.intercept, *(RULES.weights[name] for name in SIGNS)])
    gradient = rows.T @ (np.array([one.is_case for one in known]) - p) - (model.weights - prior) / RULES.spread**2
    assert np.abs(gradient).max() < 1e-6
    assert np.allclose(learn_solvability(RULES, known[::-1]).weights, model.weights)


@given(outcomes, signs)
def test_the_parts_add_up_and_the_interval_holds_the_middle(known, one):
    """What each sign adds sums to the log-odds."""
    model = learn_solvability(RULES, known)
    low, high = model.bound(one)
    assert low < model.judge(one) < high
    assert np.isclose(sum(model.explain(one).values()), np.log(model.judge(one) / (1 - model.judge(one))))


def test_more_outcomes_are_surer():
    """The interval gets narrower."""
    one = dict.fromkeys(SIGNS, 0.5)
    widths = [
        np.subtract(*learn_solvability(RULES, [Known(one, n % 2 == 0) for n in range(k)]).bound(one)[::-1])
        for k in (0, 8, 64)
    ]
    assert widths[0] > widths[1] > widths[2]


@given(st.floats(1, 1e6), st.floats(0.01, 0.99), st.floats(1, 1e3), st.floats(1.01, 10))
def test_worth_follows_its_parts(value, solvability, effort, factor):
    """More value or a likelier case comes first, more work later."""
    base = Ranked(1, 3, 3, Money(value, "EUR"), solvability, effort, {})
    better = Ranked(2, 3, 3, Money(value * factor, "EUR"), solvability, effort, {})
    costly = Ranked(3, 3, 3, Money(value, "EUR"), solvability, effort * factor, {})
    assert [one.number for one in sort_by_expected_value([costly, base, better])] == [2, 1, 3]


@pytest.mark.slow
def test_the_ranking_gets_better_by_outcomes():
    """In simulated worlds where the policy is wrong, more of the first five become cases after 40 outcomes."""
    table = measure(30, off=1.5)
    precision = table["precision of first 5"]
    assert (
        precision["value an hour alone"]
        < precision["0 outcomes"]
        < precision["40 outcomes"]
        < precision["weights known"]
    )
    assert table["Brier"]["40 outcomes"] < table["Brier"]["0 outcomes"] / 2
