"""What sellers can do against restrictions, who decides it, and what becomes of decision, measure and label."""

import json
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import get_args

import pytest
from sqlalchemy import Connection, func, insert, select, update
from support.actions import APPEAL_RULES, ENFORCEMENT, ENFORCING, POLICY
from support.databases import on_both
from support.transactions import act, ask, check_sound, execute, read_rows

from ipml.enforcement.actions import ActingLead, change_measure, end_due
from ipml.enforcement.appeals.appeal import Appeal, AppealState, count_overdue, list_appeals, may_decide
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal, withdraw_appeal
from ipml.enforcement.appeals.letters import AppealLetter, compose
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import (
    AppealDecision,
    claim_appeal,
    decide_appeal,
    extend_term,
    holder_acted,
    holder_withdrew,
)
from ipml.enforcement.evidence.package import subjects_of_cases
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import Language
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.views.case_file import read_listing_file
from ipml.errors import Conflict, Forbidden, IllegalStep, NotFound, UnstorableValue
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.marketplace import Submission, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.claims import claim
from ipml.review.corrections import NearDuplicates
from ipml.review.decisions import DecisionRequest
from ipml.review.exports import export_labels
from ipml.review.group_decisions import decide_and_spread, preview_spread
from ipml.settings import SecondPersonRule, Settings
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt
from ipml.storage.tables import audit as audit_table
from ipml.storage.tables import cases, deadlines, decisions, outbox, seller_keys, user_sellers

DAY, NOON = timedelta(days=1), datetime(2025, 3, 3, 12, tzinfo=UTC)


def file_one(market, about="measure:1", text="It is genuine, see the invoice.", **options):
    """File an appeal of seller s1."""
    request = AppealRequest(about, "s1", text, **options)
    return act(market.engine, file_appeal, request, market.context.rules, now=market.now)


def decide_one(market, appeal, by="ben", outcome="granted", why="The invoice is good.", **options):
    """Decide an appeal."""
    decision = AppealDecision(outcome, by, why, **options)
    return act(market.engine, decide_appeal, appeal.appeal_id, decision, market.context, now=market.now)


def read_decisions(market):
    """Return verdict, origin and reviewer of all decisions."""
    query = select(decisions.c.verdict, decisions.c.origin, decisions.c.reviewer).order_by(decisions.c.decision_id)
    return [tuple(row) for row in read_rows(market.engine, query)]


@on_both
def test_a_granted_appeal_puts_everything_right(market):
    """Decision, measure, case and label change, the trail names the case, and nothing is left to appeal or to undo."""
    market.take_down()
    appeal = decide_one(market, file_one(market))
    (measure,) = market.measures()
    assert (appeal.state, measure.lifted_by) == ("granted", "ben")
    assert read_decisions(market) == [("counterfeit", "review", "ana"), ("genuine", "appeal", "ben")]
    with reading(market.engine) as connection:
        assert [(label.is_counterfeit, label.weight) for label in export_labels(connection)] == [(False, 1.0)]
        check_sound(connection)
        subjects = connection.scalars(select(audit_table.c.subject))
        told = {subject for subject in subjects if subject.startswith(("appeal:", "deadline:"))}
        assert {subject.partition(":")[0] for subject in told} == {"appeal", "deadline"}
        assert told <= set(subjects_of_cases(connection, [1]))
    with pytest.raises(NotFound, match="No restriction"):
        file_one(market)
    with pytest.raises(Conflict, match="appeal"):
        market.undo(2, "ben")


def test_the_label_stays_where_an_appeal_is_rejected_or_granted_in_part(market):
    """Rejected, the seller reads why and where else they can turn; in part, a milder measure takes the place."""
    market.take_down()
    decide_one(market, file_one(market), outcome="rejected", why="No invoice was shown.")
    letter = market.letter("appeal-1-rejected")
    assert market.measures()[0].lifted_at is None
    assert market.labels() == [True]
    assert "No invoice was shown." in letter
    assert "out-of-court" in letter
    market.take_down("L2", title="Silk scarf")
    decide_one(market, file_one(market, "measure:2"), outcome="partly granted", measure=MeasureKind.LABEL)
    _, old, new = market.measures()
    assert old.lifted_at is not None
    assert (new.kind, new.lifted_at) == ("label", None)
    assert market.labels() == [True, True]


def take_down_alike(market):
    """Take near-duplicates down by one decision, and return their cases, that which was looked at first."""
    titles = [f"Leather bag, brown, no. {number}" for number in range(5)]
    bags = [market.make_scored(f"B{n}", title=title, price=50.0, currency="EUR") for n, title in enumerate(titles)]
    enqueue(market.engine, bags)
    context = ENFORCING
    with writing(market.engine) as connection:
        taken = claim(connection, "ana", now=market.now)
        alike = [case.case_id for case in preview_spread(connection, taken.case_id).cases]
        request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
        spread = decide_and_spread(connection, request, alike, now=market.now, context=context).decisions
    return [taken.case_id, *(decision.case_id for decision in spread)]


@pytest.mark.parametrize("choice", NearDuplicates)
@pytest.mark.parametrize("place", [0, 1])
def test_a_correction_is_about_one_listing_and_a_person_says_what_becomes_of_those_alike(market, place, choice):
    """Measure, strike and label fall of it; those alike wait behind one of them, fall as well or stand."""
    numbers = take_down_alike(market)
    about, others = numbers[place], {*numbers} - {numbers[place]}
    appeal = file_one(market, about=about)
    assert len(others) > 2
    assert {*market.appeal().alike} == others
    decide_one(market, appeal, **({} if choice is NearDuplicates.QUEUE else {"near_duplicates": choice}))
    fell = {about} if choice is NearDuplicates.STAND else {*numbers}
    found = {row.case_id: row for row in read_rows(market.engine, select(cases)) if row.case_id in numbers}
    with reading(market.engine) as connection:
        strikes = list_strikes(connection, "s1")
        labels = {label.listing.listing_id: label.is_counterfeit for label in export_labels(connection)}
        check_sound(connection)
    assert {measure.case_id for measure in market.measures() if measure.lifted_at} == fell
    assert {strike.case_id for strike in strikes if strike.taken_back_at} == fell
    queued = others if choice is NearDuplicates.QUEUE else set()
    said = {found[number].listing_id: number not in fell for number in numbers if number not in queued}
    assert labels == said
    assert {number for number, row in found.items() if row.state == "open"} == queued
    shown = {found[number].exemplar or number for number in queued}
    assert len(shown) == bool(queued)
    assert shown <= queued


def test_neither_an_earlier_decider_nor_a_machine_decides(market):
    """Who decided before, whoever sells as the seller, and whatever is no person is refused, and nothing changes."""
    market.take_down()
    with writing(market.engine) as connection:
        row = {"user_name": "eve", "seller_id": "s1", "since": market.now}
        connection.execute(insert(user_sellers).values(row))
    appeal = file_one(market)
    for by in ("ana", " ANA ", "ipml", "policy:1f3a9c02", "model", "ipml deadlines", "", "eve"):
        for outcome in ("granted", "rejected"):
            with pytest.raises(Forbidden, match="to decide"):
                decide_one(market, appeal, by=by, outcome=outcome)
    assert market.appeal().appeal.state == "open"
    assert market.measures()[0].lifted_at is None


def test_everybody_who_had_a_part_in_it_is_told_apart(market):
    """Both of two persons, and whoever decided an earlier appeal, have decided before."""
    enqueue(market.engine, [market.make_scored()])
    for reviewer in ("ana", "bea"):
        market.find_counterfeit(reviewer, settings=Settings(second_person=(SecondPersonRule(verdict="counterfeit"),)))
    decide_one(market, file_one(market), by="ben", outcome="partly granted", measure=MeasureKind.DEMOTE)
    second = file_one(market, about="measure:2")
    may = {name: ask(market.engine, may_decide, second, name) is None for name in ("ana", "bea", "ben", "cyd")}
    assert may == {"ana": False, "bea": False, "ben": False, "cyd": True}


def test_complaints_are_open_six_months_from_notification(market):
    """Not from the decision: before they are told no term runs, however long that takes."""
    market.take_down()

    market.pass_time(market.now + 400 * DAY)
    market.deliver()
    market.tick()
    market.pass_time(datetime(2026, 10, 8, 21, 59, tzinfo=UTC) - timedelta(minutes=1500))
    assert file_one(market).state == "open"


def test_after_its_expiry_was_recorded_a_complaint_is_refused(market):
    """What counts is the record: late by the clock but before the record it comes in time, afterwards it does not."""
    market.take_down()
    market.take_down("L2", title="Silk scarf")
    market.deliver()
    market.tick()
    over = datetime(2025, 9, 3, 22, 0, tzinfo=UTC)  # the end of 3 September in Brussels
    market.now = over + timedelta(hours=2)
    market.tick()
    assert file_one(market, "measure:1").state == "open"
    market.now += timedelta(minutes=1500)
    market.tick()
    with pytest.raises(Conflict, match="A court is open"):
        file_one(market, "measure:2")


def test_only_what_restricts_this_seller_can_be_appealed(market):
    """Another's measure looks like one that is not there, and so does another's appeal to withdraw."""
    market.take_down()
    market.take_down("L2", seller_id="s2", title="Silk scarf")
    for about in ("measure:2", "measure:99", "case:99", "penalty:2", "penalty:99", "x", "measure:", "measure:²", 0, 2):
        with pytest.raises(NotFound, match="No restriction"):
            file_one(market, about=about)
    appeal = file_one(market)
    for number in (0, -1, 99, 2**63):
        with pytest.raises(NotFound, match="No appeal"):
            market.appeal(number)
    with pytest.raises(NotFound, match="No appeal"):
        act(market.engine, withdraw_appeal, appeal.appeal_id, "s2", APPEAL_RULES, now=market.now)


def test_texts_that_cannot_be_kept_are_refused_and_hostile_ones_passed_on_inert(market):
    """The desk gets what the seller wrote; the rights holder gets it without what commands a screen."""
    market.take_down(country="CN")
    for text in ("", "  \n", "a\0b", "\ud800", "x" * 20_001):
        with pytest.raises(UnstorableValue):
            file_one(market, text=text)
    hostile = "<script>alert(1)</script>\x1b[2J\u202egenuine\r\nBcc: all@example.com =HYPERLINK()"
    appeal = file_one(market, text=hostile, kind="counter-notice")
    told = market.letter(f"appeal-{appeal.appeal_id}-passed-on", "holder")
    assert market.appeal(appeal.appeal_id).text == hostile
    assert "\\u001b" not in told
    assert "\\u202e" not in told
    assert "\\r" not in told


def test_a_rights_holder_learns_no_more_than_the_rules_say(market):
    """The seller's words go on under the Chinese rules, not under those of a platform; the seller's id never does."""
    market.take_down(seller_id="s1", title="Leather bag, best")
    filed = file_one(market, text="My words.", kind="counter-notice", profile="platform")
    told = market.letter(f"appeal-{filed.appeal_id}-passed-on", "holder")
    assert "Leather bag" in told
    assert "My words." not in told
    assert '"s1"' not in told


@on_both
@pytest.mark.parametrize("how", ["appeal", "time", "erasure of the other"])
def test_a_measure_outlives_the_erasure_of_who_sold_the_listing_before(market, how):
    """Whoever sells it now can appeal, and the platform is told of the end; the id goes with it."""
    market.take_down("L1")
    now, later = market.now + DAY, market.now + 30 * DAY
    act(
        market.engine,
        change_measure,
        1,
        MeasureOrder(MeasureKind.PAUSE, "shorter", until=later),
        ActingLead("lea", POLICY, now),
    )
    enqueue(market.engine, [market.make_scored("L1", seller_id="s2", title="Shoe", observed_at=now)])
    erased = {"why": "request", "by": "lea", "now": later}
    market.deliver("seller", "platform", "holder")
    erase_sellers(market.engine, ["s1"], **erased)
    assert [one.kind for one in ask(market.engine, read_listing_file, "L1").measures] == [MeasureKind.PAUSE]
    if how == "appeal":
        appeal = act(market.engine, file_appeal, AppealRequest("measure:2", "s2", "Mine."), APPEAL_RULES, now=now)
        assert "(L1)" in json.loads(market.letter("appeal-1-receipt"))["text"]
        decide_one(market, appeal, outcome="granted")
    elif how == "time":
        end_due(market.engine, POLICY, now=later)
    else:
        erase_sellers(market.engine, ["s2"], **erased)
    assert not ask(market.engine, read_listing_file, "L1").measures
    with reading(market.engine) as connection:
        of_listing = outbox.c.kind == "reinstatement", outbox.c.channel == "platform", outbox.c.state == "waiting"
        waiting = connection.execute(select(outbox).where(*of_listing))
        told = [json.loads(decrypt(connection, row.pseudonym, row.body)) for row in waiting]
        assert len(told) == (how != "erasure of the other")
        assert all((one["listing_id"], one["seller_id"], one["in_force"]) == ("L1", "s2", []) for one in told)
        check_sound(connection)
    assert read_rows(market.engine, select(decisions.c.listing_id).distinct()) == [("erased:1",)]


@on_both
def test_a_seller_is_written_to_in_the_language_that_a_listing_of_theirs_named_last(market):
    """All letters on a listing that names none are in it, be they of measures, penalties or appeals."""
    for at, language in ((NOON, "fr"), (NOON - DAY, "es"), (NOON + DAY, None)):
        listing = Listing(f"in {language}", "s1", "Shoe", seller_language=language, observed_at=at)
        scored = ScoredListing(listing, 0.01, 0.0, (), (), None, "m1")
        take_in(market.engine, [Submission((listing,))], IntakeModel("m1", lambda *_, one=scored: [one]), NOON + DAY)
    market.take_down("L1", country="DE")
    decide_one(market, file_one(market, "penalty:1"), outcome="rejected")
    with reading(market.engine) as connection:
        rows = connection.execute(select(outbox).where(outbox.c.channel == "seller")).all()
        languages = {row.subject: json.loads(decrypt(connection, row.pseudonym, row.body))["language"] for row in rows}
    assert languages == dict.fromkeys(("measure:1", "penalty:1", "appeal:1"), "fr")


@on_both
def test_where_the_rights_holder_does_not_act_the_listing_comes_back(market):
    """Fifteen days after the statement reached them the measure ends by itself; nobody is said to have judged it."""
    market.take_down(country="CN")
    appeal = file_one(market, kind="counter-notice")
    market.now += 2 * DAY
    market.deliver("holder")
    market.tick()
    (deadline,) = market.appeal().deadlines
    assert deadline.due_at == datetime(2025, 3, 20, 16, 0, tzinfo=UTC)
    market.pass_time(deadline.due_at - timedelta(minutes=1501))
    assert market.measures()[0].lifted_at is None
    market.pass_time(deadline.due_at)
    assert market.measures()[0].lifted_by == "ipml deadlines"
    assert market.appeal(appeal.appeal_id).appeal.state == "restored"
    assert read_decisions(market)[-1] == ("cannot tell", "deadline", "ipml deadlines")
    assert market.labels() == []
    assert market.letter("appeal-1-restored")


def test_a_rights_holder_who_acts_in_time_keeps_the_measure(market):
    """The term stops; later a person decides by what came of the suit, or the holder gives up."""
    market.take_down(country="US")
    appeal = file_one(market, kind="counter-notice")
    act(market.engine, holder_acted, appeal.appeal_id, "SDNY 25-cv-1", "lea", now=market.now)
    market.pass_time(market.now + 60 * DAY)
    assert market.appeal().reference == "SDNY 25-cv-1"
    assert market.measures()[0].lifted_at is None
    withdrawn = act(market.engine, holder_withdrew, 1, "lea", market.context, now=market.now)
    assert withdrawn.state == "restored"
    assert market.measures()[0].lifted_at is not None


def test_a_rights_holder_who_acts_too_late_must_give_notice_anew(market):
    """After the expiry was recorded the step is refused, before it was it counts, whatever the clock says."""
    market.take_down(country="US")
    market.take_down("L2", country="US", title="Silk scarf")
    for number in (1, 2):
        file_one(market, about=f"measure:{number}", kind="counter-notice")
    due_at = market.appeal().deadlines[0].due_at
    market.now = due_at + timedelta(hours=1)
    market.tick()
    assert act(market.engine, holder_acted, 1, "docket 1", "lea", now=market.now).state == "holder acted"
    market.pass_time(market.now)
    with pytest.raises(IllegalStep), writing(market.engine) as connection:
        holder_acted(connection, 2, "docket 2", "lea", now=market.now)


def test_the_longer_term_is_given_once(market):
    """Twenty working days under the Chinese rules, reckoned from the same event; not twice."""
    market.take_down(country="CN")
    file_one(market, kind="counter-notice")
    market.deliver("holder")
    market.tick()
    deadline = act(market.engine, extend_term, 1, "lea", APPEAL_RULES, now=market.now)
    assert deadline.due_at == datetime(2025, 3, 31, 16, 0, tzinfo=UTC)
    with pytest.raises(IllegalStep), writing(market.engine) as connection:
        extend_term(connection, 1, "lea", APPEAL_RULES, now=market.now)


def test_who_misses_the_platforms_four_days_may_still_complain(market):
    """The short way closes; the complaint stays open for six months."""
    rules = APPEAL_RULES.model_copy(update={"profile": "platform"})
    market.context = AppealContext(POLICY.model_copy(update={"appeals": rules}), ENFORCEMENT)
    market.take_down()
    market.deliver()
    market.tick()
    market.pass_time(market.now + 6 * DAY)
    with pytest.raises(Conflict, match="A complaint is still open"):
        file_one(market, kind="counter-notice")
    assert file_one(market).state == "open"


def test_an_outcome_must_make_sense_and_an_appeal_in_hand_is_left_alone(market):
    """Known, with reasons, a milder measure in part only; another decides only when the hour is over."""
    market.take_down()
    appeal = file_one(market)
    part, milder = "partly granted", MeasureKind.LABEL
    wrong = ("maybe", "x", None), ("granted", " ", None), (part, "x", None), ("rejected", "x", milder)
    for outcome, why, measure in (*wrong, (part, "x", MeasureKind.REMOVE)):
        with pytest.raises(Conflict, match="found outcome"):
            decide_one(market, appeal, outcome=outcome, why=why, measure=measure)
    act(market.engine, claim_appeal, appeal.appeal_id, "ben", APPEAL_RULES, now=market.now)
    with pytest.raises(Conflict, match="in the hands of"):
        decide_one(market, appeal, by="cyd")
    market.now += timedelta(hours=2)
    assert decide_one(market, appeal, by="cyd").state == "granted"
    with pytest.raises(IllegalStep):
        decide_one(market, appeal, by="dan")


def test_an_undecided_complaint_is_shown_as_overdue(market):
    """Fourteen days under the EU rules; it is never decided by its expiry."""
    market.take_down()
    market.take_down("L2", country="CN", title="Silk scarf")
    file_one(market, about="measure:2", kind="counter-notice")
    with reading(market.engine) as connection:
        assert count_overdue(connection, APPEAL_RULES, market.now + 2 * DAY) == 0
        assert count_overdue(connection, APPEAL_RULES, market.now + 4 * DAY) == 1
    file_one(market)
    market.pass_time(market.now + 20 * DAY)
    with reading(market.engine) as connection:
        (row,) = [row for row in list_appeals(connection) if row.appeal.subject == "measure:1"]
        assert row.due_at <= market.now
        assert row.appeal.state == "open"
        assert count_overdue(connection, APPEAL_RULES, market.now) == 2


def test_what_an_erased_seller_said_is_gone_and_their_appeal_still_decided(market):
    """Nothing crashes: the text is unreadable, no letter is written, the decision is put right."""
    market.take_down()
    appeal = file_one(market)
    execute(market.engine, seller_keys.delete())
    assert market.appeal().text is None
    assert decide_one(market, appeal).state == "granted"
    assert market.appeal(appeal.appeal_id).outcome.why is None


def test_a_failing_expiry_leaves_no_trace_and_is_tried_again(market, monkeypatch):
    """What follows from an expiry and its record stand or fall together."""
    from ipml.enforcement.appeals import resolution

    market.take_down(country="US")
    file_one(market, kind="counter-notice")
    due_at = market.appeal().deadlines[0].due_at

    def fail(*_args):
        raise RuntimeError("struck by lightning")

    with monkeypatch.context() as patch:
        patch.setattr(resolution, "write_seller", fail)
        market.tick(due_at)
        assert market.tick(due_at + timedelta(minutes=1500)).failed
    assert market.measures()[0].lifted_at is None
    assert market.tick(due_at + timedelta(minutes=1501)).expired == 1
    assert market.measures()[0].lifted_at is not None


def test_terms_begin_for_all_who_were_told_however_long_ago(market, monkeypatch):
    """Told in another order than written to, over many months without a tick, and killed in between."""
    from ipml.enforcement.appeals import resolution

    monkeypatch.setattr(resolution, "_AT_ONCE", 2)
    for number in range(5):
        market.take_down(f"L{number}", title=f"{'abcde'[number] * 6} bag")
    for number in (3, 1, 5, 2, 4):
        market.now += 90 * DAY
        query = update(outbox).where(outbox.c.subject == f"measure:{number}")
        execute(market.engine, query.values(state="delivered", settled_at=market.now))
    resolution._open_windows(market.engine, APPEAL_RULES, market.now)
    market.tick()
    assert ask(market.engine, Connection.scalar, select(func.count()).select_from(deadlines)) == 5


REASONED = ("granted", "measure_lifted", "partly_granted", "rejected")
WHAT = ("receipt", "receipt_holder", *REASONED, "restored", "withdrawn")
APPEAL = Appeal(
    *(31, "measure:12", 7, 5, "0f" * 16, "counter-notice", "china"), AppealState.OPEN, datetime(2025, 3, 3, tzinfo=UTC)
)


def test_every_letter_is_there_in_every_language():
    """With every fact and no place left unfilled; what others wrote carries no escapes and cannot turn the text."""
    for language, what in product(get_args(Language), WHAT):
        subject, text = compose(
            APPEAL, AppealLetter(what, Listing("L77", "s1", "Bag"), NOON, "Reasons $here."), language
        )
        assert "31" in subject, (language, what)
        assert "31" in text, (language, what)
        assert "measure:12 (L77)" in text, (language, what)
        assert ("Reasons $here." in text) == (what in REASONED), (language, what)
        assert "$" not in subject + text.replace("Reasons $here.", ""), (language, what)
    hostile = "L\x1b[2J\r\u202e\u2066$number\x00" + "x" * 500
    text = "".join(compose(APPEAL, AppealLetter("rejected", Listing(hostile, "s1", "Bag"), NOON, hostile), "en"))
    assert not set("\x1b\r\u202e\u2066\x00") & set(text)
    assert len(text) < 2000
