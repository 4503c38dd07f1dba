"""Tiers and lanes: what a record leads to, and what a notice gets by it."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import insert
from support.databases import on_both
from support.notice_desk import Desk

import ipml.cooperation
from ipml.cooperation.notifiers.misuse import suspend, warn
from ipml.cooperation.notifiers.record import NotifierCounts, NotifierRecord, Prior, Priors, make_record
from ipml.cooperation.notifiers.tiers import Lane, asks_record, choose_tier, lane_of
from ipml.cooperation.policy import NotifierRules, load_cooperation_policy
from ipml.errors import NotFound
from ipml.review.queue import claim
from ipml.review.ranking.plans import plan_shift
from ipml.storage.database import reading, writing
from ipml.storage.tables import notice_items

RULES = load_cooperation_policy().notifiers
KINDS = ("rights holder", "trusted flagger", "consumer", "authority")
PRIORS = Priors(Prior(((0.7, 2, 1.0),)), Prior(((0.05, 2, 1.0),)))


def record(upheld: int = 0, rejected: int = 0, overturned: int = 0) -> NotifierRecord:
    """Return the record that so many listings make."""
    counts = NotifierCounts(upheld, rejected, overturned)
    return make_record(datetime(2025, 3, 1, tzinfo=UTC), counts, PRIORS, RULES.confidence)


def rules(change: str, by: str) -> dict:
    """Return the bundled rules for notifiers with a line of the file changed."""
    text = (Path(ipml.cooperation.__file__).parent / "policy.toml").read_text(encoding="utf-8")
    assert change in text
    return tomllib.loads(text.replace(change, by))["notifiers"]


def test_a_rights_holder_is_in_the_tier_that_their_record_shows(subtests: pytest.Subtests):
    """A good tier and a bad one are earned, by the end of the interval that speaks against it."""
    for known, tier in [
        (record(), "standard"),
        (record(20, 0), "standard"),  # too few
        (record(27, 3), "standard"),  # nine of ten may be chance
        (record(90, 3), "proven"),
        (record(900, 60), "proven"),
        (record(900, 60, 200), "standard"),  # many of which were put back
        (record(1, 3), "standard"),
        (record(2, 20), "doubtful"),
        (record(500, 480), "standard"),
    ]:
        with subtests.test(known=known):
            assert choose_tier("rights holder", known, RULES).name == tier


@given(st.sampled_from(KINDS), st.tuples(*[st.integers(0, 500)] * 3))
def test_everybody_is_in_a_tier(kind: str, counts: tuple[int, int, int]):
    """Trusted flaggers in one of their own whatever their record: the status is the authority's to take."""
    tier = choose_tier(kind, record(*counts), RULES)
    assert (tier.name == "trusted") == (kind in ("trusted flagger", "authority"))
    assert all(tier.deadline_hours <= other.deadline_hours for other in RULES.tiers) or tier.name != "trusted"


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 50))
def test_one_who_is_right_more_often_never_waits_longer(upheld: int, rejected: int, more: int):
    """Of two who gave as many notices; where one gave more of them, their record may be known well enough at last."""
    better, worse = (record(upheld + more, rejected), record(upheld, rejected + more))
    hours = [choose_tier("rights holder", one, RULES).deadline_hours for one in (better, worse)]
    assert hours[0] <= hours[1]


def test_the_record_is_asked_for_only_where_it_matters(subtests: pytest.Subtests):
    """For whom it does not, the tier is the same without."""
    for kind in KINDS:
        with subtests.test(kind=kind):
            if not asks_record(kind, RULES):
                assert choose_tier(kind, None, RULES) == choose_tier(kind, record(1, 400), RULES)


def test_rules_that_cannot_be_followed_are_refused(subtests: pytest.Subtests):
    """With what is wrong."""
    for change, by, said in [
        ('name = "standard"', 'name = "proven"', "name of its own"),
        ('name = "standard"', 'name = "standard"\nleast_settled = 1', "must take everybody"),
        ("deadline_hours = 12\n", "deadline_hours = 25\n", "come first"),
        ('kinds = ["trusted flagger", "authority"]', 'kinds = ["authority"]', "a tier of their own"),
        ("deadline_hours = 12\n", "deadline_hours = 12\nraised_a_day = 10\n", "no cap"),
        ("confidence = 0.9", "confidence = 1.9", "less than 1"),
    ]:
        with subtests.test(said=said), pytest.raises(ValidationError, match=said):
            NotifierRules.model_validate(rules(change, by))


# The lane of a notice: its deadline, what it must bring, and how much a day
POLICY = load_cooperation_policy()


def lane(desk: Desk, name: str = "brand") -> Lane:
    """Return the lane of a notifier now."""
    number = desk.add_notifier(name)
    with reading(desk.engine) as connection:
        return lane_of(connection, number, POLICY, desk.now)


def test_a_newcomer_is_dealt_with_as_usual(desk: Desk):
    """Neither trusted nor doubted, and told what to bring; a trusted flagger comes first; nobody has no lane."""
    found = lane(desk)
    assert (found.tier, found.hours, found.is_suspended, found.needs_rights_document) == ("standard", 72, False, True)
    assert found.due_at(desk.now) == desk.now + timedelta(hours=72)
    desk.add_notifier("flagger", "trusted flagger")
    found = lane(desk, "flagger")
    assert (found.tier, found.left_today) == ("trusted", None)
    assert found.hours == min(tier.deadline_hours for tier in POLICY.notifiers.tiers)
    with reading(desk.engine) as connection, pytest.raises(NotFound, match="No notifier"):
        lane_of(connection, 9, POLICY)


@on_both
def test_so_many_cases_a_day_get_a_deadline(desk: Desk):
    """Each listing that was raised is one less, what nobody knows yet is none; the next day it begins anew."""
    assert lane(desk).left_today == 200
    notice_id = desk.give_notice([desk.add_case("L1"), None])
    assert lane(desk).left_today == 199
    rows = [
        {"notice_id": notice_id, "position": at, "case_id": 1, "state": "waiting", "noted_at": desk.now}
        | {"listing_digest": "", "location": ""}
        for at in range(3, 303)
    ]
    with writing(desk.engine) as connection:
        connection.execute(insert(notice_items), rows)
    assert lane(desk).left_today == 0
    desk.pass_time(days=1)
    assert lane(desk).left_today == 200


@on_both
def test_what_a_trusted_flagger_reports_is_reviewed_first(desk: Desk):
    """Before all that is worth more, in the queue and in a plan; what a consumer reports is not."""
    for number, score in enumerate((0.9, 0.9, 0.01, 0.02), start=1):
        desk.add_case(f"L{number}", score, f"s{number}", price=score * 500, currency="EUR")
    for number, name, kind in ((3, "buyer", "consumer"), (4, "flagger", "trusted flagger")):
        desk.add_notifier(name, kind)
        desk.give_notice([number], name)
    with writing(desk.engine) as connection:
        planned = plan_shift(connection, 60, now=desk.now)[0].case_id
        given = [claim(connection, name, now=desk.now).case_id for name in ("ana", "ben")]
    assert (planned, given) == (4, [4, 1])


def test_whoever_is_suspended_is_so_in_every_lane(desk: Desk):
    """Until the suspension ends."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        warn(connection, number, "lea", "plainly unfounded", now=desk.now)
        suspend(connection, number, "lea", "it went on", now=desk.pass_time(days=8))
    assert lane(desk).is_suspended
    desk.pass_time(days=31)
    assert not lane(desk).is_suspended
