"""Second reviews come unseen among the others, as often as set, and change nothing but what is known of people."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise
from statistics import fmean

import pytest
from sqlalchemy import Connection, Engine, func, select
from support import reviewing
from support.databases import on_both
from support.reviewing import NOON, Make, list_second_verdicts
from support.transactions import act, ask

from ipml.errors import Conflict, KeyReused, NotFound, Overtaken, UnstorableValue
from ipml.records import Claim, Verdict
from ipml.review import claims
from ipml.review import decisions as verdicts
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import release, show_case, shown_history
from ipml.review.decisions import DecisionRequest, list_decisions
from ipml.review.quality import blind_reviews
from ipml.review.reversals import ReviewContext
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading
from ipml.storage.tables import audit, decisions, second_reviews, second_verdicts

SOON, LATER = NOON + timedelta(minutes=5), NOON + timedelta(minutes=30)
# At these shares a second review is wanted of every decision, and is due after one or two ordinary cases.
SETTINGS = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25, repeat_days=1)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(verdicts.decide, context=ReviewContext(SETTINGS))
judge = partial(reviewing.judge, settings=SETTINGS)


@pytest.fixture
def audited(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue in which ana decided case 1, at which another is to look, and ben two more."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(9)], now=NOON)
    judge(engine, 1, Verdict.COUNTERFEIT, now=NOON)
    for case_id in (2, 3):
        judge(engine, case_id, by="ben", now=NOON)
    return engine


@pytest.fixture
def second_review(audited: Engine) -> Claim:
    """Return ben's claim on a second review of case 1."""
    return act(audited, claim, "ben", now=SOON)


def test_a_look_comes_as_an_open_case_to_whom_it_is_given(audited: Engine, second_review: Claim):
    """Without its history but that ben took it; to everybody else the case is decided, and to ben after the verdict."""
    assert (second_review.case_id, second_review.reviewer) == (1, "ben")
    assert second_review.review_id is not None
    assert ask(audited, get_case, 1).state == "decided"
    mine, others = (ask(audited, show_case, name, 1, now=SOON) for name in ("ben", "cleo"))
    assert (mine.case.state, mine.hides_history, mine.claim) == ("open", True, second_review)
    assert (others.case.state, others.hides_history) == ("decided", False)
    events = [(event.action, event.actor) for event in ask(audited, shown_history, "ben", mine)]
    assert events == [("enqueued", "ipml"), ("claimed", "ben")]
    assert ask(audited, shown_history, "cleo", others) == ask(audited, history, 1)
    act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=SOON)
    assert ask(audited, show_case, "ben", 1, now=SOON).case.state == "decided"


@on_both
def test_a_verdict_in_a_look_changes_no_case(audited: Engine, second_review: Claim):
    """The second verdict, given under the token alone, is kept beside the case; what was drawn keeps its odds."""
    before = [ask(audited, read, 1) for read in (get_case, list_decisions, history)]
    shown = replace(second_review, review_id=None)
    decision = act(audited, decide, DecisionRequest(shown, Verdict.GENUINE, note="encrypted"), now=SOON)
    assert [ask(audited, read, 1) for read in (get_case, list_decisions, history)] == before
    assert (decision.decision_id, decision.reviewer, decision.verdict) == (0, "ben", Verdict.GENUINE)
    (second,) = ask(audited, list_second_verdicts, 1)
    assert (second.kind, second.reviewer, second.verdict, second.note) == ("audit", "ben", "genuine", "encrypted")
    query = select(second_reviews.c.sampling_probability).where(second_reviews.c.kind == "audit")
    assert set(ask(audited, Connection.scalars, query)) == {1.0}


def test_a_look_can_be_opened_again_by_number_by_its_reviewer_only(audited: Engine, second_review: Claim):
    """A reload gives the same claim; a new one after the lease ran out, when the old one is void."""
    assert act(audited, claim, "ben", 1, now=NOON).token == second_review.token
    with pytest.raises(Overtaken, match="ran out"):
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=LATER)
    again = act(audited, claim, "ben", 1, now=LATER)
    assert again.review_id == second_review.review_id
    assert again.token > second_review.token
    with pytest.raises(Overtaken, match="no longer the one"):
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=LATER)
    with pytest.raises(Overtaken, match="has been decided"):
        act(audited, claim, "cleo", 1, now=LATER)
    assert ask(audited, list_second_verdicts, 1) == []


def test_a_look_is_held_by_one(audited: Engine, second_review: Claim):
    """Another reviewer gets it only once the lease ran out."""
    for case_id in (4, 5):
        judge(audited, case_id, by="cleo", now=NOON)
    assert act(audited, claim, "cleo", now=SOON).review_id != second_review.review_id
    assert act(audited, claim, "cleo", now=LATER).review_id == second_review.review_id
    with pytest.raises(Overtaken, match="has been decided"):
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=LATER)


def test_of_two_looks_at_a_case_the_last_one_taken_counts(audited: Engine, second_review: Claim):
    """An audit whose lease ran out does not stand in the way of a control case, and needs no answer after it."""
    act(audited, blind_reviews.add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "lea", now=SOON)
    taken = act(audited, claim, "ben", now=LATER)
    assert (taken.case_id, taken.review_id != second_review.review_id) == (1, True)
    judge(audited, 1, by="ben", now=LATER)
    assert [second_verdict.kind for second_verdict in ask(audited, list_second_verdicts, 1)] == ["control"]
    assert act(audited, claim, "ben", now=LATER).case_id != 1


def test_a_look_given_back_is_free_and_still_shown_as_open(audited: Engine, second_review: Claim):
    """Who goes back to a case they skipped must not learn that it was decided."""
    act(audited, release, second_review, now=SOON)
    assert ask(audited, show_case, "ben", 1, now=SOON).case.state == "open"
    with pytest.raises(Overtaken, match="given back"):
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=SOON)
    assert act(audited, claim, "ben", now=SOON).review_id == second_review.review_id


def test_a_look_is_answered_once(audited: Engine, second_review: Claim):
    """Sent again with its key the answer is the same; without it, or with another content or case, it is refused."""
    first, again = (
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE, key="k"), now=now) for now in (SOON, LATER)
    )
    assert first == again
    with pytest.raises(Overtaken, match="has been decided"):
        act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=SOON)
    with pytest.raises(KeyReused):
        act(
            audited,
            decide,
            DecisionRequest(second_review, Verdict.COUNTERFEIT, "known_goods", key="k"),
            now=SOON,
        )
    with pytest.raises(KeyReused):
        judge(audited, 7, by="ben", key="k", now=SOON)
    with reading(audited) as connection:
        assert verify(connection).is_intact
        assert connection.scalar(select(func.count()).select_from(decisions)) == 3
        assert connection.scalar(select(func.count()).select_from(second_verdicts)) == 1


def test_nobody_audits_what_they_decided(audited: Engine):
    """An audit is another's; with nobody else there is none."""
    for case_id in (4, 5):
        judge(audited, case_id, now=NOON)
    seen = [act(audited, claim, "ana", now=SOON) for _ in range(6)]
    assert {taken.case_id for taken in seen if taken and taken.review_id} <= {2, 3}


def test_a_repeat_is_the_same_reviewers_and_later(audited: Engine, second_review: Claim):
    """Not before the set number of days, and then unseen like any other."""
    act(audited, decide, DecisionRequest(second_review, Verdict.GENUINE), now=SOON)
    for case_id in (4, 5, 6):
        judge(audited, case_id, by="ben", now=SOON)
    taken = act(audited, claim, "ben", now=NOON + timedelta(days=1))
    act(audited, decide, DecisionRequest(taken, Verdict.GENUINE), now=NOON + timedelta(days=1))
    assert taken.case_id in (2, 3)
    assert [one.kind for one in ask(audited, list_second_verdicts, taken.case_id)] == ["repeat"]


@on_both
def test_six_at_once_share_cases_and_looks(engine: Engine, make_scored: Make):
    """Each case is decided once, each look answered at most once and not by its decider, and the trail has all."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(40)], now=NOON)
    some = Settings(audit_share=0.25, audit_hours=0, repeat_share=0, control_share=0.25)

    def work(name: str) -> list[tuple[int, int | None]]:
        done = []
        for number in range(16):
            now = NOON + timedelta(seconds=number)
            if taken := act(engine, claims.claim, name, settings=some, now=now):
                act(
                    engine,
                    verdicts.decide,
                    DecisionRequest(taken, Verdict.GENUINE),
                    now=now,
                    context=ReviewContext(some),
                )
                done.append((taken.case_id, taken.review_id))
        return done

    with ThreadPoolExecutor(6) as pool:
        done = [one for mine in pool.map(work, [f"r{number}" for number in range(6)]) for one in mine]
    decided = Counter(case_id for case_id, review_id in done if review_id is None)
    looked = Counter(review_id for _, review_id in done if review_id is not None)
    assert set(decided.values()) == set(looked.values()) == {1}
    with reading(engine) as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (decisions, second_verdicts)]
        words = ("decided", "reviewed again")
        noted = [connection.scalar(select(func.count()).where(audit.c.action == word)) for word in words]
        of_look = second_reviews.c.review_id == second_verdicts.c.review_id
        own = select(second_verdicts.c.verdict_id).join(second_reviews, of_look)
        assert connection.execute(own.where(second_reviews.c.not_by == second_verdicts.c.reviewer)).first() is None
        assert verify(connection).is_intact
    assert counts == noted == [len(decided), len(looked)]


ONLY_CONTROL = Settings(audit_share=0, repeat_share=0, control_share=0.25)


@pytest.fixture
def queue(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue whose first case was decided by lea; control cases are all the second reviews there are."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    judge(engine, 1, by="lea", now=NOON, settings=ONLY_CONTROL)
    return engine


def _work(engine: Engine, name: str, n_cases: int = 5) -> list[int]:
    """Decide some cases, and return those that were second reviews."""
    decisions = [
        judge(engine, None, Verdict.COUNTERFEIT, name, NOON + timedelta(minutes=number), settings=ONLY_CONTROL)
        for number in range(n_cases)
    ]
    return [decision.case_id for decision in decisions if not decision.decision_id]


def test_each_reviewer_meets_an_item_once(queue: Engine):
    """Ana and ben among their first cases, and are told afterwards; who decided it or knows it never does."""
    act(queue, blind_reviews.add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    assert ask(queue, blind_reviews.control_feedback, "ana", 1) is None
    assert _work(queue, "ana") == _work(queue, "ben") == [1]
    assert _work(queue, "lea", 1) == _work(queue, "max", 1) == []
    told = ask(queue, blind_reviews.control_feedback, "ana", 1)
    assert told == blind_reviews.Feedback(1, Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, "test purchase")
    assert told.is_right
    assert ask(queue, blind_reviews.control_feedback, "lea", 1) is None


def test_an_item_taken_off_the_list_is_given_to_nobody(queue: Engine):
    """Its truth was in doubt."""
    act(queue, blind_reviews.add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max", now=NOON)
    act(queue, blind_reviews.remove_control_case, 1, "max", now=NOON)
    assert ask(queue, blind_reviews.list_control_cases) == []
    assert _work(queue, "ana") == []
    act(queue, blind_reviews.add_control_case, 1, Verdict.GENUINE, "invoice", "max", now=NOON)
    assert [control.truth for control in ask(queue, blind_reviews.list_control_cases)] == ["genuine"]


def test_mistakes_are_named(queue: Engine):
    """An open case, a case twice, one that is none, a truth that is none, and a source that nobody could read."""
    with pytest.raises(Conflict, match="it is open, not decided"):
        act(queue, blind_reviews.add_control_case, 2, Verdict.GENUINE, "invoice", "max")
    act(queue, blind_reviews.add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "max")
    with pytest.raises(Conflict, match="known to be counterfeit"):
        act(queue, blind_reviews.add_control_case, 1, Verdict.GENUINE, "invoice", "max")
    with pytest.raises(NotFound, match="No known truth"):
        act(queue, blind_reviews.remove_control_case, 2, "max")
    wrong = [(Verdict.GENUINE, source, "source") for source in ("", "x" * 201, "a\0b")]
    for truth, source, named in ((Verdict.CANNOT_TELL, "invoice", "truth"), *wrong):
        with pytest.raises(UnstorableValue, match=named):
            act(queue, blind_reviews.add_control_case, 1, truth, source, "max")


def test_the_summary_counts_what_was_looked_at_and_what_waits(engine: Engine, make_scored: Make):
    """Ben meets one item of known truth and errs, and says of ana's case what she said; the others wait."""
    # At these shares every decision is looked at again.
    every = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25)
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    for case_id in (1, 2):
        judge(engine, case_id, now=NOON, settings=every)
    act(engine, blind_reviews.add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "lea", now=NOON)
    for number in range(6):
        judge(engine, by="ben", now=NOON + timedelta(minutes=number), settings=every)
    summary = ask(engine, blind_reviews.summarise_second_reviews)
    assert (summary.control.share, summary.control.n) == (0, 1)
    assert (summary.audits.share, summary.audits.n) == (1, 1)
    assert summary.repeats is None
    assert summary.waiting["repeat"] == 6


ONLY_AUDITS = Settings(audit_share=0.1, audit_hours=0, repeat_share=0, control_share=0)


def test_draws_fall_below_odds_as_often_as_the_odds_say():
    """Of 20,000 facts a share equal to the odds is drawn, within four standard errors, and the same for the same."""
    n = 20_000
    draws = [blind_reviews.draw_uniform("audit", number) for number in range(n)]
    for odds in (0.02, 0.3):
        assert abs(fmean(draw < odds for draw in draws) - odds) < 4 * (odds * (1 - odds) / n) ** 0.5
    assert 0 <= min(draws) <= max(draws) < 1
    assert draws[:9] == [blind_reviews.draw_uniform("audit", number) for number in range(9)]


def test_gaps_have_the_mean_that_the_share_asks_for():
    """Neither too many looks nor too few in the long run, and never two in a row for long."""
    for share in (0.02, 0.05, 0.2):
        gaps = [blind_reviews.find_gap("audit", "ana", number, share) for number in range(4_000)]
        assert fmean(gaps) == pytest.approx(1 / share, rel=0.03)
        assert 0.5 / share - 1 <= min(gaps) <= max(gaps) <= 1.5 / share + 1
    shares = blind_reviews.find_second_review_shares(Settings(control_share=0, repeat_share=0, audit_share=0.1))
    assert shares["audit"] == pytest.approx(1 / 9)  # of all reviews: one for nine ordinary cases


def test_the_share_of_looks_is_the_one_set(engine: Engine, make_scored: Make):
    """Over 60 reviews of two people a tenth are audits, give or take three; no two of a person follow each other."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(60)], now=NOON)
    looks: dict[str, list[bool]] = {"ana": [], "ben": []}
    for number in range(60):
        name, now = ("ana", "ben")[number % 2], NOON + timedelta(seconds=number)
        looks[name].append(not judge(engine, by=name, now=now, settings=ONLY_AUDITS).decision_id)
    assert 3 <= sum(map(sum, looks.values())) <= 9
    assert not any(one and other for row in looks.values() for one, other in pairwise(row))
    off = Settings(audit_share=0, repeat_share=0, control_share=0, repeat_days=0)
    assert [act(engine, claims.claim, name, settings=off).review_id for name in looks] == [None, None]
