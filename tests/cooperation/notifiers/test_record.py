"""The record of a notifier, and the tier that it shows."""

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.stats import beta
from sqlalchemy import insert, update
from support.actions import APPEAL_RULES, COOPERATING, COOPERATING_APPEALS
from support.databases import on_both
from support.notice_desk import Desk
from support.transactions import act, ask, execute

import ipml.cooperation
from ipml.cooperation.notifiers.misuse import StepOrder, suspend, warn
from ipml.cooperation.notifiers.record import (
    NotifierCounts,
    NotifierRecord,
    Prior,
    Priors,
    count_settled,
    find_priors,
    learn_prior,
    make_record,
    record_of,
    shrink,
)
from ipml.cooperation.notifiers.tiers import Lane, asks_record, choose_tier, lane_of
from ipml.cooperation.policy import NotifierRules, load_cooperation_policy
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.review.claims import claim
from ipml.review.ranking.plans import plan_shift
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, notice_items

RULES = load_cooperation_policy().notifiers


def counts_of(desk: Desk, by: str = "brand") -> NotifierCounts:
    """Return what counts for a notifier now."""
    number = desk.add_notifier(by)
    return ask(desk.engine, record_of, number, RULES, desk.now).counts


def give_and_decide(desk: Desk, listing_id: str, verdict: Verdict, **fields) -> int:
    """Let notice be given of a new listing, and a person decide on it; return the number of the decision."""
    case_id = desk.add_case(listing_id)
    desk.give_notice([case_id], **fields)
    return desk.decide(case_id, verdict).decision_id


@on_both
def test_what_people_decide_after_the_notice_counts(desk: Desk):
    """Upheld and rejected; what nobody can tell is for neither side."""
    for at, verdict in enumerate((Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)):
        give_and_decide(desk, f"L{at}", verdict)
    counts = counts_of(desk)
    assert counts == NotifierCounts(upheld=2, rejected=1, overturned=0, undecided=1)
    assert counts.settled == 3
    assert counts_of(desk, "another") == NotifierCounts()


def test_what_no_person_found_because_of_the_notice_counts_nothing(desk: Desk):
    """What was decided before, else a record could be made of what others found; by a policy; and when suspended."""
    decision = desk.decide(desk.add_case("L1"), Verdict.COUNTERFEIT)
    desk.give_notice([1], state="upheld")
    with writing(desk.engine) as connection:
        fields = {"decision_id": decision.decision_id, "settled_at": desk.now}
        connection.execute(update(notice_items).values(fields))
    assert counts_of(desk) == NotifierCounts()
    number = give_and_decide(desk, "L2", Verdict.COUNTERFEIT)
    execute(desk.engine, update(decisions).where(decisions.c.decision_id == number).values(origin="policy"))
    assert counts_of(desk) == NotifierCounts()
    give_and_decide(desk, "L3", Verdict.COUNTERFEIT, is_suspended=True)
    assert counts_of(desk) == NotifierCounts()


def test_near_duplicates_that_one_look_decided_count_once(desk: Desk):
    """Hundreds of copies are one judgement; each decided by itself is one of its own."""
    first = give_and_decide(desk, "L0", Verdict.GENUINE)
    others = [give_and_decide(desk, f"L{n}", Verdict.GENUINE) for n in range(1, 4)]
    with writing(desk.engine) as connection:
        copies = update(decisions).where(decisions.c.decision_id.in_(others[:2]))
        connection.execute(copies.values(spread_from=first, origin="spread"))
    assert counts_of(desk) == NotifierCounts(rejected=2)


def test_only_the_window_counts(desk: Desk):
    """What is older than the months of the policy is over."""
    give_and_decide(desk, "L1", Verdict.GENUINE)
    assert counts_of(desk).rejected == 1
    desk.pass_time(days=31 * RULES.months)
    assert counts_of(desk) == NotifierCounts()


def test_a_seller_whose_appeal_is_granted_overturns_the_notice(desk: Desk):
    """It is rejected then, and was put back; a lead's slip that is taken back is not held against the notifier."""
    give_and_decide(desk, "L1", Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        request = AppealRequest("case:1", "s1", "I bought it from the brand.")
        appeal = file_appeal(connection, request, APPEAL_RULES, now=desk.pass_time())
        decision = AppealDecision("granted", "eva", "The invoice is good.")
        decide_appeal(connection, appeal.appeal_id, decision, COOPERATING_APPEALS, now=desk.pass_time())
    assert counts_of(desk) == NotifierCounts(rejected=1, overturned=1)
    slip = give_and_decide(desk, "L2", Verdict.COUNTERFEIT)
    act(desk.engine, undo, slip, UndoRequest("ana"), now=desk.pass_time(), context=COOPERATING)
    desk.decide(2, Verdict.GENUINE)
    assert counts_of(desk) == NotifierCounts(rejected=2, overturned=1)


def test_what_is_presumed_is_the_same_all_day(desk: Desk):
    """Others who are settled meanwhile change nobody's tier before the next day."""
    before = ask(desk.engine, find_priors, RULES, desk.now)
    for at in range(6):
        give_and_decide(desk, f"L{at}", Verdict.GENUINE, by=f"notifier-{at % 3}")
    with reading(desk.engine) as connection:
        assert find_priors(connection, RULES, desk.now) == before
        later = find_priors(connection, RULES, desk.now + timedelta(days=1))
        assert count_settled(connection, desk.now - timedelta(days=1), desk.now).keys() == {1, 2, 3}
    assert later.success.mean < before.success.mean


# Laws of shares with intervals: what few and what many trials say
PRIORS = st.builds(lambda mean, weight: Prior(((mean, weight, 1.0),)), st.floats(0.02, 0.98), st.floats(0.5, 50))


@st.composite
def trials(draw, most: int = 2000) -> tuple[int, int]:
    """Draw hits and trials."""
    total = draw(st.integers(1, most))
    return draw(st.integers(0, total)), total


@given(trials(), PRIORS)
def test_the_mean_lies_between_what_was_seen_and_what_was_presumed(record, prior):
    """And nearer to what was seen, the more that was."""
    hits, total = record
    rate, longer = shrink(hits, total, prior), shrink(10 * hits, 10 * total, prior)
    low, high = sorted((hits / total, prior.mean))
    assert low - 1e-9 <= rate.mean <= high + 1e-9
    assert abs(longer.mean - hits / total) <= abs(rate.mean - hits / total) + 1e-9


@given(trials(), PRIORS)
def test_the_interval_is_the_middle_of_the_posterior(record, prior):
    """As scipy's beta distribution has it."""
    hits, total = record
    mean, weight, _ = prior.points[0]
    a, b = mean * weight + hits, (1 - mean) * weight + total - hits
    rate = shrink(hits, total, prior, 0.9)
    assert (rate.low, rate.high) == pytest.approx(beta.interval(0.9, a, b), abs=1e-6)


MIXTURES = st.builds(learn_prior, st.lists(trials(50), max_size=9), st.just(0.7), st.just(2.0))


@settings(max_examples=10)
@given(trials(200), MIXTURES)
def test_a_mixture_says_no_more_than_the_priors_it_is_of(record, prior):
    """Its mean and ends lie between theirs; and what is sure to be below the ends is as likely as what is above."""
    rate = shrink(*record, prior)
    each = [shrink(*record, Prior(((mean, weight, 1.0),))) for mean, weight, _ in prior.points]
    for name in ("low", "mean", "high"):
        found = [getattr(one, name) for one in each]
        assert min(found) - 1e-8 <= getattr(rate, name) <= max(found) + 1e-8
    assert sum(odds for *_, odds in prior.points) == pytest.approx(1)
    assert prior.complement.mean == pytest.approx(1 - prior.mean)


def test_of_nobody_as_much_is_known_as_is_presumed():
    """And those without trials teach nothing."""
    assert learn_prior([], 0.7, 2).mean == pytest.approx(0.7, abs=0.01)
    assert learn_prior([(0, 0)] * 20, 0.7, 2) == learn_prior([], 0.7, 2)


def test_the_prior_is_learnt_from_all():
    """With many notifiers it comes near the truth, in its mean and in how alike they are."""
    mean, weight = 0.3, 5
    drawn = np.random.default_rng(7)
    totals = drawn.integers(5, 60, size=400)
    hits = drawn.binomial(totals, drawn.beta(mean * weight, (1 - mean) * weight, size=400))
    found = learn_prior(zip(hits.tolist(), totals.tolist(), strict=True), 0.7, 2)
    assert found.mean == pytest.approx(mean, abs=0.03)
    assert sum(one * odds for _, one, odds in found.points) == pytest.approx(weight, rel=0.35)


def test_records_that_are_all_alike_do_not_outweigh_everybody():
    """The prior weighs at most what the policy says, and a hundred perfect records leave doubt about the next."""
    prior = learn_prior([(20, 20)] * 100, 0.7, 2, most_weight=50)
    assert max(weight for _, weight, _ in prior.points) <= 50 + 1e-9
    assert prior.mean < 1
    assert shrink(0, 200, prior).high < 0.3


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Over notifiers whose shares are drawn anew, with the prior learnt from the same few records."""
    count = 4
    drawn = np.random.default_rng(count)
    held = total = 0
    for _ in range(800 // count):
        trials = drawn.integers(0, 80, size=count)
        shares = drawn.beta(7, 3, size=count)
        records = list(zip(drawn.binomial(trials, shares).tolist(), trials.tolist(), strict=True))
        prior = learn_prior(records, 0.7, 2)
        rates = [shrink(*record, prior) for record in records]
        held += sum(rate.low <= share <= rate.high for rate, share in zip(rates, shares, strict=True))
        total += count
    assert held / total == pytest.approx(0.9, abs=0.03)  # 800 draws: nearly three deviations


KINDS = ("rights holder", "trusted flagger", "consumer", "authority")
SHARES = Priors(Prior(((0.7, 2, 1.0),)), Prior(((0.05, 2, 1.0),)))


def record(upheld: int = 0, rejected: int = 0, overturned: int = 0) -> NotifierRecord:
    """Return the record that so many listings make."""
    counts = NotifierCounts(upheld, rejected, overturned)
    return make_record(datetime(2025, 3, 1, tzinfo=UTC), counts, SHARES, RULES.confidence)


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
        warn(connection, number, StepOrder("lea", "plainly unfounded", RULES, desk.now))
        suspend(connection, number, StepOrder("lea", "it went on", RULES, desk.pass_time(days=8)))
    assert lane(desk).is_suspended
    desk.pass_time(days=31)
    assert not lane(desk).is_suspended
