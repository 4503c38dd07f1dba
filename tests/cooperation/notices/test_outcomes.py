"""What becomes of the listings in a notice, what is told of it, and counter-notices against it."""

import json
import os
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from support.actions import APPEAL_RULES, COOPERATING, COOPERATING_APPEALS
from support.databases import on_both
from support.mortal_reviewer import review_until_killed
from support.notice_desk import NOON, Desk
from support.transactions import act, ask

from ipml.cooperation.brands.listings import find_listings
from ipml.cooperation.notices.counter_notices import (
    answer_counter_notice,
    pass_on_counter_notices,
    subject_of_counter_notice,
)
from ipml.cooperation.notices.outcomes import settle_erased
from ipml.cooperation.notifiers.record import record_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.referrals.ranking import count_confirmed
from ipml.cooperation.reports.brand import list_brands
from ipml.cooperation.reports.figures import count_notices
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.verdicts import count_by, count_decided, count_sellers, measure_precision
from ipml.enforcement.appeals.appeal import find_appeal
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.automation.sample import count, read_drawn
from ipml.enforcement.deadlines.deadlines import find_deadlines
from ipml.enforcement.penalties.ladder import restriction_of as penalty_restriction
from ipml.enforcement.penalties.penalties import get_penalty
from ipml.enforcement.policy import load_enforcement_policy, store_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.restrictions import ReportSource
from ipml.enforcement.takedown.changes import restriction_of
from ipml.enforcement.takedown.measures import get_measure
from ipml.errors import Conflict, UnusableSetting
from ipml.records import Decision, Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.group_decisions import measure_spread
from ipml.review.quality.precision import WeightedReviews
from ipml.review.queue_history import count_judged
from ipml.review.queue_metrics import measure_hits
from ipml.review.sampling.estimates import read_stretches
from ipml.review.undo import UndoRequest, undo
from ipml.storage import tables
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import automatic_draws, cases, notice_items, notices, seller_keys, spread_audits
from ipml.storage.tables import outbox as messages

RULES = load_cooperation_policy().notifiers


@on_both
def test_there_is_one_message_when_the_last_listing_is_settled(desk: Desk):
    """Not one for each; it says of each what was decided, how, and what can be done about it."""
    first, second = desk.add_case("L1"), desk.add_case("L2")
    notice_id = desk.give_notice([first, second])

    def settled_at():
        with reading(desk.engine) as connection:
            return connection.scalar(select(notices.c.settled_at).where(notices.c.notice_id == notice_id))

    desk.decide(first, Verdict.COUNTERFEIT)
    assert (desk.told(f"notice:{notice_id}"), settled_at()) == ([], None)
    assert desk.decide(second, Verdict.GENUINE).decided_at == settled_at()
    ((_, text),) = desk.told(f"notice:{notice_id}")
    body = json.loads(text)
    assert body["to"] == "brand@example.com"
    assert [(one["position"], one["outcome"]) for one in body["listings"]] == [(1, "upheld"), (2, "rejected")]
    assert {one["how"] for one in body["listings"]} == {"decided by a person"}
    assert "complain" in body["redress"]
    assert ask(desk.engine, verify).is_intact


def test_a_notice_of_an_erased_seller_ends_without_a_word_of_them(desk: Desk):
    """Of the other listings its notifier is told; where there is none, nothing."""
    theirs, other = desk.add_case("L1", seller_id="ann"), desk.add_case("L2", seller_id="ben")
    both, alone = desk.give_notice([theirs, other]), desk.give_notice([theirs], "agency")
    erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.pass_time())
    assert act(desk.engine, settle_erased, range(1, 10), desk.pass_time(), RULES) == 2
    desk.decide(other, Verdict.GENUINE)
    assert desk.states(both) == ["undecided", "rejected"]
    ((_, text),) = desk.told(f"notice:{both}")
    assert [one["position"] for one in json.loads(text)["listings"]] == [2]
    assert (desk.states(alone), desk.told(f"notice:{alone}")) == (["undecided"], [])


# Who pointed to a listing, as the statement of reasons says
def payloads(desk: Desk) -> list[tuple[str, str]]:
    """Return source and detection as the transparency database gets them, in order."""
    query = select(messages.c.body).where(messages.c.channel == "transparency").order_by(messages.c.message_id)
    with reading(desk.engine) as connection:
        bodies = [json.loads(body) for body in connection.scalars(query)]
    return [(body["source_type"], body["automated_detection"]) for body in bodies]


def source_of(desk: Desk, measure_id: int = 1) -> ReportSource:
    """Return who a measure says pointed to its listing, as a statement reads it."""
    with reading(desk.engine) as connection:
        found = restriction_of(connection, get_measure(connection, measure_id))
    return ReportSource(found.source, found.is_detected)


def test_without_a_notice_the_platform_found_it_itself(desk: Desk):
    """With its model."""
    desk.decide(desk.add_case("L1"), Verdict.COUNTERFEIT)
    assert (source_of(desk), payloads(desk)) == (ReportSource(), [("SOURCE_VOLUNTARY", "Yes")])


def test_a_penalty_says_who_pointed_to_the_listing_of_its_last_strike(desk: Desk):
    """As the restriction of the account follows from that; that a model had found it is true as well."""
    desk.give_notice([desk.add_case("L1")])
    desk.decide(1, Verdict.COUNTERFEIT)
    with reading(desk.engine) as connection:
        found = penalty_restriction(connection, get_penalty(connection, 1))
    assert ReportSource(found.source, found.is_detected) == source_of(desk) == ReportSource("notice", True)
    assert payloads(desk) == [("SOURCE_ARTICLE_16", "Yes")]


def test_a_listing_that_came_with_its_notice_was_not_detected(desk: Desk):
    """The notice was there first."""
    early = desk.now
    desk.give_notice([desk.add_case("L1")], received_at=early)
    desk.decide(1, Verdict.COUNTERFEIT)
    assert (source_of(desk), payloads(desk)) == (ReportSource("notice", False), [("SOURCE_ARTICLE_16", "No")])


def test_of_several_notices_a_trusted_flagger_is_named(desk: Desk):
    """A complaint of a consumer counts least, and what came from a suspended notifier not at all."""
    desk.add_notifier("flagger", "trusted flagger")
    one, two = desk.add_case("L1"), desk.add_case("L2")
    desk.give_notice([one], "buyer", kind="complaint")
    desk.give_notice([one], "flagger")
    desk.give_notice([one, two], "brand", is_suspended=True)
    desk.give_notice([two], "buyer", kind="complaint")
    for case_id in (one, two):
        desk.decide(case_id, Verdict.COUNTERFEIT)
    assert [source_of(desk, number).source for number in (1, 2)] == ["trusted flagger", "other notification"]
    assert [source for source, _ in payloads(desk)] == ["SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION"]


# A case that a notice brings back is one case, with one verdict: the last
YEAR = Period.of_year(NOON.year)
N = 8
BACK = (1, 2, 3, 4, 5)


def counts(desk: Desk) -> dict[str, object]:
    """Return how many cases each reader of verdicts counts, whatever they were found to be."""
    with reading(desk.engine) as connection:
        decided = count_decided(ReportScope(connection, YEAR, desk.now))
        stretches = read_stretches(connection)
        drawn = read_drawn(connection, ["Acme"], "m1", NOON)["Acme"]
        precision = {part.way: part for part in measure_precision(ReportScope(connection, YEAR, desk.now), decided)}
        return {
            "reviewed": [sum(getattr(one, name) for one in stretches) for name in ("seen", "done", "fair")],
            "drawn": sorted(one.case_id for one in drawn),
            "counted": count(drawn, 0.5, NOON).n,
            "decided": decided.count(stands=True),
            "brands": [brand.decided for brand in list_brands(connection, NOON, 5)],
            "judged": sum(hits.judged for hits in measure_hits(connection)),
            "spread": (measure_spread(connection).n_drawn, measure_spread(connection).n_reviewed),
            "looked at": (precision["spread"].drawn, precision["policy"].drawn),
        }


def verdicts(desk: Desk) -> dict[str, object]:
    """Return how many of them were found counterfeit."""
    with reading(desk.engine) as connection:
        stretches = read_stretches(connection)
        drawn = read_drawn(connection, ["Acme"], "m1", NOON)["Acme"]
        scope = ReportScope(connection, YEAR, desk.now)
        decided = count_decided(scope)
        return {
            "reviewed": sum(one.counterfeit for one in stretches),
            "fair": sum(one.fair_counterfeit for one in stretches),
            "drawn": count(drawn, 0.5, NOON).n - count(drawn, 0.5, NOON).errors,
            "decided": decided.count(verdict=Verdict.COUNTERFEIT, stands=True),
            "by brand": sum(n for _, n, _ in count_by(scope, cases.c.brand)),
            "sellers": count_sellers(scope).n,
            "brands": sum(brand.counterfeit for brand in list_brands(connection, NOON, 5)),
            "judged": sum(hits.counterfeit for hits in measure_hits(connection)),
            "spread": measure_spread(connection).n_agreeing,
            "confirmed": sum(n for key, n in count_confirmed(connection).items() if key.startswith("s")),
        }


def draw_all(desk: Desk) -> Decision:
    """Let a policy draw cases for people, decide the last, and leave all others out of its spread."""
    titles = {"brand": "Acme", "title": "Bag"}
    file = [desk.make_scored(f"L{n}", 0.9, seller_id=f"s{n}", **titles) for n in range(1, N + 1)]
    enqueue_batch(desk.engine, lambda: file, IntakeSelection(top=N, explore=0), now=desk.pass_time())
    with writing(desk.engine) as connection:
        drawn = {"brand": "Acme", "model_version": "m1", "score": 0.9, "sampling_probability": 0.5}
        drawn["drawn_at"] = desk.pass_time()
        connection.execute(insert(automatic_draws), [{"case_id": n, **drawn} for n in range(1, N + 1)])
    first = desk.decide(N, Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        left_out = {"decision_id": first.decision_id, "verdict": "counterfeit"}
        connection.execute(insert(spread_audits), [{"case_id": n, **left_out} for n in range(1, N)])
    return first


WRONG = {1: "appeal", 2: "appeal", 3: "deadline", 4: "second review", 5: "second review"}


def look_again(desk: Desk, decision: Decision) -> None:
    """Let another person judge a decision that was drawn, and let it be found wrong in one of the ways."""
    how, at = WRONG.get(decision.case_id), desk.pass_time()
    its = {"case_id": decision.case_id, "kind": "audit"}
    drawn = {"decision_id": decision.decision_id, "wanted_at": at, "sampling_probability": 0.1 if how else 0.01}
    said = {"case_id": decision.case_id, "listing_id": decision.listing_id, "ground": "", "note": "", "token": 1}
    said |= {"reviewer": "ben", "decided_at": at}
    with writing(desk.engine) as connection:
        wanted = insert(tables.second_reviews).values(its | drawn).returning(tables.second_reviews.c.review_id)
        number = connection.scalar(wanted)
        verdict = Verdict.GENUINE if how == "second review" else Verdict.COUNTERFEIT
        connection.execute(
            insert(tables.second_verdicts).values(its | said | {"verdict": verdict, "review_id": number})
        )
        if how in ("appeal", "deadline"):
            back = {"decision_id": decision.decision_id, "reviewer": "lea", "reversed_at": at, "why": ""}
            connection.execute(insert(tables.reversals).values(back))
            verdict = Verdict.GENUINE if how == "appeal" else Verdict.CANNOT_TELL
            connection.execute(insert(tables.decisions).values(**said, verdict=verdict, origin=how))


def test_what_was_found_wrong_since_is_wrong_for_every_reader(desk: Desk):
    """On appeal, as a term ran out, or by another person: guarantee, reports and dashboard count it, as not right."""
    given = {"event": "given", "cause": "data", "actor": "x", "why": "", "at": NOON}
    with writing(desk.engine) as connection:
        given["policy_digest"] = store_policy(connection, load_enforcement_policy(), NOON)
        connection.execute(insert(tables.promises).values(**given, brand="Acme", threshold=0.5, model_version="m1"))
    first = draw_all(desk)
    for number in range(1, N):
        look_again(desk, desk.decide(number, Verdict.COUNTERFEIT))
    n, right = N - 1, N - 1 - len(WRONG)
    with reading(desk.engine) as connection:
        scope = ReportScope(connection, YEAR, desk.now)
        people, spread, policy, _ = measure_precision(scope, count_decided(scope))
        found, drawn = measure_spread(connection), read_drawn(connection, ["Acme"], "m1", NOON)["Acme"]
        judged = [measure_hits(connection), count_judged(connection, NOON, NOON + timedelta(days=1))]
    assert [(one.drawn, one.confirmed) for one in (people, spread, policy)] == [*[(n, right)] * 2, (N, right + 1)]
    assert (found.n_reviewed, found.n_agreeing, count(drawn, 0.5, NOON).errors) == (n, right, len(WRONG))
    sums = [sum((one.looks for one in some), WeightedReviews()) for some in judged]
    assert [(looks.n, looks.confirmed) for looks in sums] == [(N, right + 1)] * 2
    weight = 10 * len(WRONG) + 100 * right  # a rarer draw speaks for more
    assert people.rate.share == pytest.approx(100 * right / weight)
    assert people.rate.n == pytest.approx(weight**2 / (10**2 * len(WRONG) + 100**2 * right))
    act(desk.engine, undo, first.decision_id, UndoRequest("lea", may_undo_others=True), now=desk.pass_time())
    with reading(desk.engine) as connection:
        scope = ReportScope(connection, YEAR, desk.now)
        assert measure_spread(connection).n_drawn == measure_precision(scope, count_decided(scope))[1].drawn == 0


def test_deciding_again_changes_verdicts_and_no_count_of_cases(desk: Desk):
    """Found genuine, brought back, found counterfeit: every reader counts the case once, and by its last verdict."""
    draw_all(desk)
    for number in range(1, N):
        desk.decide(number, Verdict.GENUINE)
    before = counts(desk)
    assert before["decided"] == N
    assert set(verdicts(desk).values()) <= {0, 1}
    desk.give_notice(BACK)
    assert desk.states(1) == ["waiting"] * len(BACK)
    assert counts(desk) == before
    for number in BACK:
        desk.decide(number, Verdict.COUNTERFEIT, "lea")
    assert counts(desk) == before
    found = verdicts(desk)
    assert found.pop("spread") == len(BACK)
    assert set(found.values()) == {1 + len(BACK)}
    desk.pass_time(days=1)
    with reading(desk.engine) as connection:
        early = count_decided(ReportScope(connection, YEAR, desk.now - timedelta(days=300)))
    assert early.count() == 0


def test_what_comes_of_a_decision_later_makes_it_neither_slower_nor_a_second_listing(desk: Desk):
    """The time to decision ends with the first; in the portal an edited listing waits once, beside what was found."""
    given = desk.give_notice([desk.add_case("L1", brand="Acme", observed_at=NOON)])
    made = desk.decide(1, Verdict.COUNTERFEIT)
    for day in (1, 2):
        edited = desk.make_scored("L1", 0.9, title=f"Bag {day}", brand="Acme", observed_at=NOON + timedelta(days=day))
        enqueue(desk.engine, [edited], now=desk.pass_time(days=1))
    states = [one.state for one in ask(desk.engine, find_listings, ["Acme"])]
    assert states == ["Waits for a person", "Found counterfeit"]
    request, later = UndoRequest("lea", may_undo_others=True), desk.pass_time(days=20)
    act(desk.engine, undo, made.decision_id, request, now=later, context=COOPERATING)
    desk.decide(3, Verdict.GENUINE)
    assert desk.states(given) == ["rejected"]
    with reading(desk.engine) as connection:
        spent = count_notices(ReportScope(connection, YEAR, desk.now)).spans["all"].median
        assert [one.case_id for one in find_listings(connection, ["Acme"])] == [3]
    assert spent < timedelta(hours=1)


# Killed between any two steps of a decision and of what notifiers are told: all of it is there, or none
KILLS = int(os.environ.get("IPML_TEST_KILLS", "4"))
STEPS = 130  # of two decisions, one of which is undone and made anew


@pytest.mark.slow
def test_an_outcome_is_told_once_or_not_at_all(desk: Desk):
    """Whatever statement the process dies before: a notice is settled with its last decision, and has one message."""
    for number in range(2 * KILLS):
        desk.give_notice([desk.add_case(f"L{number}", seller_id=f"s{number}", country="DE")])
    told = [_die(desk, 1 + attempt * STEPS // KILLS) for attempt in range(KILLS)]
    assert len(set(told)) > 1  # some died before an outcome was kept, some after it


def _die(desk: Desk, steps: int) -> int:
    """Run a reviewer who dies before so many statements; return how many notices are settled."""
    review_until_killed(desk.engine, steps)
    query = select(cases.c.state.label("case"), notice_items.c.state, notice_items.c.notice_id, notices.c.settled_at)
    query = query.join(notice_items, notice_items.c.case_id == cases.c.case_id)
    query = query.join(notices, notices.c.notice_id == notice_items.c.notice_id)
    outcomes = select(messages.c.subject).where(messages.c.kind == "notice_outcome", messages.c.state == "waiting")
    with reading(desk.engine) as connection:
        answered = Counter(connection.scalars(outcomes))
        rows = connection.execute(query).all()
    for row in rows:
        is_decided = row.case == "decided"
        assert is_decided == (row.state != "waiting") == (row.settled_at is not None)
        assert answered[f"notice:{row.notice_id}"] == is_decided
    return sum(answered.values())


def answer(desk: Desk, reference: str, by: str = "lea", **said: object) -> list[Any]:
    """Let the notifier of a notice answer the counter-notice, and return the appeals it moved."""
    with writing(desk.engine) as connection:
        now = desk.pass_time()
        return answer_counter_notice(connection, reference, by=by, now=now, context=COOPERATING_APPEALS, **said)


def counter(desk: Desk, *by: str, profile: str = "china") -> list[str]:
    """Let a listing be taken down on notices and its seller send a counter-notice; return the references."""
    case_id = desk.add_case("L1", seller_id="ann", brand="Acme")
    given = [desk.give_notice([case_id], name) for name in by]
    desk.decide(case_id, Verdict.COUNTERFEIT)
    text = "I bought it from the brand."
    request = AppealRequest("case:1", "ann", text, "counter-notice", profile)
    act(desk.engine, file_appeal, request, APPEAL_RULES, now=desk.pass_time())
    with reading(desk.engine) as connection:
        query = select(notices.c.reference).where(notices.c.notice_id.in_(given)).order_by(notices.c.notice_id)
        return list(connection.scalars(query))


def deliver(desk: Desk, *subjects: str) -> datetime:
    """Let the messages on some subjects arrive now."""
    with writing(desk.engine) as connection:
        wanted = messages.c.subject.in_(subjects), messages.c.state == "waiting"
        connection.execute(update(messages).where(*wanted).values(state="delivered", settled_at=desk.pass_time()))
    return desk.now


def test_each_notifier_is_told_once_what_the_rights_holder_is_told(desk: Desk):
    """No more than the rules let pass, and by which of their notices."""
    references = counter(desk, "brand", "agency")
    assert [pass_on_counter_notices(desk.engine, now=desk.pass_time()) for _ in range(3)] == [2, 0, 0]
    ((_, text),) = desk.told("counter-notice:1")
    for number, name in enumerate(("brand", "agency"), 1):
        ((kind, body),) = desk.told(subject_of_counter_notice(1, number))
        told = json.loads(body)
        expected = ("counter_notice", f"{name}@example.com", [references[number - 1]])
        assert (kind, told.pop("to"), told.pop("notices")) == expected
        assert told == json.loads(text)


def test_the_term_begins_when_all_were_reached(desk: Desk):
    """Not while whoever gave notice does not know yet."""
    counter(desk, "brand", profile="china")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())

    def begun() -> datetime | None:
        run_appeal_deadlines(desk.engine, COOPERATING_APPEALS, now=desk.pass_time())
        return ask(desk.engine, find_deadlines, "appeal:1")["holder"].since

    first = deliver(desk, "counter-notice:1")
    assert begun() is None
    last = deliver(desk, subject_of_counter_notice(1, 1))
    assert begun() == last > first


def test_a_notifier_who_gives_up_has_the_listing_put_back(desk: Desk):
    """Also who sued, which keeps the measure until then; it counts in their record as overturned, and is said once."""
    (reference,) = counter(desk, "brand")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())
    (appeal,) = answer(desk, reference, acted="LG Hamburg 312 O 5/26")
    assert (appeal.state, desk.states(1)) == ("holder acted", ["upheld"])
    (appeal,) = answer(desk, reference, has_withdrawn=True)
    assert (appeal.state, desk.states(1)) == ("restored", ["undecided"])
    with reading(desk.engine) as connection:
        counts = record_of(connection, 1, load_cooperation_policy().notifiers, desk.now).counts
        assert find_appeal(connection, appeal.appeal_id).state == "restored"
    assert (counts.overturned, counts.settled) == (1, 0)
    with pytest.raises(Conflict, match="counter-notice"):
        answer(desk, reference, has_withdrawn=True)


@pytest.mark.slow
def test_one_of_several_does_not_give_up_for_the_others(desk: Desk):
    """Each may act for themselves."""
    references = counter(desk, "brand", "agency")
    with pytest.raises(Conflict, match="other notifiers"):
        answer(desk, references[0], has_withdrawn=True)
    assert answer(desk, references[1], acted="AB 1")[0].state == "holder acted"
    for said in ({}, {"acted": "AB 1", "has_withdrawn": True}):
        with pytest.raises(UnusableSetting):
            answer(desk, references[0], **said)
    with pytest.raises(Conflict, match="counter-notice"):
        answer(desk, "nobody's", acted="AB 1")


@pytest.mark.slow
def test_what_was_passed_on_goes_with_the_seller(desk: Desk):
    """It tells of them, so it is encrypted with their key, and none of it can be read once they are forgotten."""
    (reference,) = counter(desk, "brand")
    pass_on_counter_notices(desk.engine, now=desk.pass_time())
    answer(desk, reference, has_withdrawn=True)
    with pytest.raises(Conflict, match="wait to be delivered"):
        erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.now)
    with writing(desk.engine) as connection:
        waiting = messages.c.state == "waiting"
        connection.execute(update(messages).where(waiting).values(state="delivered", settled_at=desk.now))
    erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.pass_time())
    with reading(desk.engine) as connection:
        passed_on = messages.c.subject.like("counter-notice:1%")
        keys = connection.scalars(select(messages.c.pseudonym).where(passed_on)).all()
        assert len(keys) == 2
        assert connection.scalars(select(seller_keys.c.seller_id).where(seller_keys.c.pseudonym.in_(keys))).all() == []
