"""What is noted of referrals: receipts, outcomes, and of whom they told."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine
from support.planted_seller import NOON

from ipml.cooperation.policy import ReferralRules
from ipml.cooperation.referrals.handover import (
    add_referral,
    find_before,
    find_disclosures,
    find_open,
    find_outcomes,
    list_referrals,
    make_reference,
    note_outcome,
    read_known,
    sign_receipt,
)
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.retention import find_stored, run_retention
from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import pseudonym_of


@pytest.fixture
def hand_out(engine: Engine):
    """Return a function that notes a referral which names some sellers."""

    def make(*sellers: str, recipient: str = "customs", follows: int | None = None, brand: str | None = None) -> int:
        fields = {"network": 1, "members_digest": "d", "recipient": recipient, "brand": brand, "purpose": "p"}
        fields |= {"built_by": "lea", "built_at": NOON, "content_digest": "c", "follows": follows}
        fields |= {"n_members": 3, "n_confirmed": 4, "value_low": None, "value": None, "value_high": None}
        fields |= {
            "currency": None,
            "solvability": 0.5,
            "effort": 9.0,
            "signs": '{"recent":1.0}',
            "tells_sellers": True,
        }
        with writing(engine) as connection:
            named = {pseudonym_of(connection, one): (f"S-00{n}", True) for n, one in enumerate(sellers, 1)}
            return add_referral(connection, fields | {"reference": make_reference()}, named).referral_id

    return make


def test_a_receipt_is_signed_once(engine, hand_out):
    """The first stands; it is in the audit trail, by the digest of what was received."""
    number = hand_out("ann")
    with writing(engine) as connection:
        referral = sign_receipt(connection, number, "KHK Weber", by="lea", now=NOON)
    assert (referral.received_by, referral.received_at) == ("KHK Weber", NOON)
    with pytest.raises(Conflict, match="KHK Weber signed for it on 2026-03-02"), writing(engine) as connection:
        sign_receipt(connection, referral.referral_id, "somebody", by="lea")
    with pytest.raises(NotFound, match="ipml cooperate referral list"), writing(engine) as connection:
        sign_receipt(connection, 99, "somebody", by="lea")
    with reading(engine) as connection:
        assert audit.verify(connection).is_intact


def test_outcomes_teach_by_the_last_of_each_story(engine, hand_out, rules: ReferralRules):
    """Opened and then dropped is no case; a referral that another follows is part of the other's story."""
    first, second, third = hand_out("ann"), hand_out("ben"), hand_out("cid")
    fourth = hand_out("cid", "dan", follows=third)
    for referral, kind, said in (
        (first, "opened", {}),
        (first, "dropped", {"why": "too little"}),
        (second, "arrests", {"amount": 3}),
        (third, "opened", {}),
        (fourth, "seized", {"amount": 1_000.0, "currency": "USD"}),
    ):
        with writing(engine) as connection:
            note_outcome(connection, referral, kind, rules, by="lea", now=NOON, **said)
    with writing(engine) as connection:
        assert str(find_outcomes(connection, [fourth])[fourth][0]) == "seized 1,000 USD"
        assert [one.is_case for one in read_known(connection)] == [False, True, True]
        assert [one.kind for one in find_outcomes(connection, [first])[first]] == ["opened", "dropped"]
        assert find_open(connection, pseudonym_of(connection, "ann")) == []
        assert [one.referral_id for one in find_open(connection, pseudonym_of(connection, "ben"))] == [second]


OUTCOMES = [
    ("dropped", {"why": "Ann moved"}),
    ("arrests", {}),
    ("seized", {"amount": -1}),
    ("seized", {"amount": 9.0}),
    ("seized", {"amount": 9.0, "currency": "gold"}),
]


def test_an_outcome_holds_numbers_and_words_of_a_list_only(
    engine, hand_out, rules: ReferralRules, subtests: pytest.Subtests
):
    """What somebody types could name a person."""
    for kind, said in OUTCOMES:
        with subtests.test(said=said):
            referral = hand_out("ann")
            with pytest.raises(UnusableSetting), writing(engine) as connection:
                note_outcome(connection, referral, kind, rules, by="lea", **said)


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
    with reading(engine) as connection:
        assert ("disclosures", 1) in [
            (kept.name, kept.records) for kept in find_stored(connection, "ann", policy, now=NOON).classes
        ]
    run_retention(engine, policy, by="ipml", now=NOON + timedelta(days=policy.retention.disclosures + 1))
    with reading(engine) as connection:
        assert find_disclosures(connection, pseudonym) == []
