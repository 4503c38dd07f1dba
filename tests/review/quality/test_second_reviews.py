"""Second reviews of decided cases come unseen among the others, and change nothing but what is known of people."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from support.reviewing import NOON, Make, act, ask

from ipml.errors import KeyReused, Overtaken
from ipml.records import Claim, Verdict
from ipml.review import claims
from ipml.review import decisions as verdicts
from ipml.review.claims import show_case, shown_history
from ipml.review.quality.blind_reviews import add_control_case
from ipml.review.quality.second_person import list_second_verdicts
from ipml.review.queue import enqueue, get_case, history, list_decisions, release
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, second_verdicts

SOON, LATER = NOON + timedelta(minutes=5), NOON + timedelta(minutes=30)
# At these shares a second review is wanted of every decision, and is due after one or two ordinary cases.
SETTINGS = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25, repeat_days=1)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(verdicts.decide, settings=SETTINGS)


@pytest.fixture
def audited(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue in which ana decided case 1, at which another is to look, and ben two more."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(9)], now=NOON)
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", 1, now=NOON), Verdict.COUNTERFEIT, ground="known_goods", now=NOON)
    for case_id in (2, 3):
        with writing(engine) as connection:
            decide(connection, claim(connection, "ben", case_id, now=NOON), Verdict.GENUINE, now=NOON)
    return engine


@pytest.fixture
def second_review(audited: Engine) -> Claim:
    """Return ben's claim on a second review of case 1."""
    return act(audited, claim, "ben", now=SOON)


def test_a_look_comes_as_a_claim_of_the_next_case(audited: Engine, second_review: Claim):
    """Who asks for the next case gets a decided one, with a number of the second review that the page does not need."""
    assert (second_review.case_id, second_review.reviewer) == (1, "ben")
    assert second_review.review_id is not None
    assert ask(audited, get_case, 1).state == "decided"


def test_a_verdict_in_a_look_changes_no_case(audited: Engine, second_review: Claim):
    """Decisions, state and history of the case are what they were; the second verdict is kept beside them."""
    with writing(audited) as connection:
        before = (get_case(connection, 1), list_decisions(connection, 1), history(connection, 1))
        decision = decide(connection, second_review, Verdict.GENUINE, note="encrypted", now=SOON)
        assert (get_case(connection, 1), list_decisions(connection, 1), history(connection, 1)) == before
    assert (decision.decision_id, decision.reviewer, decision.verdict) == (0, "ben", Verdict.GENUINE)
    (second_verdict,) = ask(audited, list_second_verdicts, 1)
    assert (second_verdict.kind, second_verdict.reviewer, second_verdict.verdict, second_verdict.note) == (
        "audit",
        "ben",
        "genuine",
        "encrypted",
    )


def test_the_token_alone_is_enough_to_decide(audited: Engine, second_review: Claim):
    """The page sends what it sends for any case."""
    act(audited, decide, Claim(1, "ben", second_review.token, second_review.expires_at), Verdict.GENUINE, now=SOON)
    assert len(ask(audited, list_second_verdicts, 1)) == 1


def test_a_look_is_shown_as_an_open_case_to_whom_it_was_given(audited: Engine, second_review: Claim):
    """To everybody else the case is decided, with its history."""
    shown = ask(audited, show_case, "ben", 1, now=SOON)
    assert (shown.case.state, shown.hides_history, shown.claim) == ("open", True, second_review)
    assert ask(audited, show_case, "cleo", 1, now=SOON).case.state == "decided"
    assert not ask(audited, show_case, "cleo", 1, now=SOON).hides_history


def test_the_history_shown_with_a_look_is_that_of_a_new_case(audited: Engine, second_review: Claim):
    """It came, and ben took it; what ana did is for others to see."""
    with reading(audited) as connection:
        assert [
            (audit_event.action, audit_event.actor)
            for audit_event in shown_history(connection, "ben", show_case(connection, "ben", 1))
        ] == [("enqueued", "ipml"), ("claimed", "ben")]
        assert shown_history(connection, "cleo", show_case(connection, "cleo", 1)) == history(connection, 1)


def test_after_the_verdict_the_case_is_shown_as_it_is(audited: Engine, second_review: Claim):
    """Nothing need be hidden any more."""
    act(audited, decide, second_review, Verdict.GENUINE, now=SOON)
    assert ask(audited, show_case, "ben", 1, now=SOON).case.state == "decided"


def test_a_look_can_be_opened_again_by_number_by_its_reviewer_only(audited: Engine, second_review: Claim):
    """A reload gives the same claim; a new one after the lease ran out, when the old one is void."""
    assert act(audited, claim, "ben", 1, now=NOON).token == second_review.token
    again = act(audited, claim, "ben", 1, now=LATER)
    assert again.review_id == second_review.review_id
    assert again.token > second_review.token
    with pytest.raises(Overtaken, match="no longer the one"), writing(audited) as connection:
        decide(connection, second_review, Verdict.GENUINE, now=LATER)
    with pytest.raises(Overtaken, match="has been decided"), writing(audited) as connection:
        claim(connection, "cleo", 1, now=LATER)


def test_a_look_is_held_by_one(audited: Engine, second_review: Claim):
    """Another reviewer gets it only once the lease ran out."""
    for case_id in (4, 5):
        with writing(audited) as connection:
            decide(connection, claim(connection, "cleo", case_id, now=NOON), Verdict.GENUINE, now=NOON)
    assert act(audited, claim, "cleo", now=SOON).review_id != second_review.review_id
    assert act(audited, claim, "cleo", now=LATER).review_id == second_review.review_id
    with pytest.raises(Overtaken, match="has been decided"), writing(audited) as connection:
        decide(connection, second_review, Verdict.GENUINE, now=LATER)


def test_of_two_looks_at_a_case_the_last_one_taken_counts(audited: Engine, second_review: Claim):
    """An audit whose lease ran out does not stand in the way of a control case, and needs no answer after it."""
    act(audited, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "lea", now=SOON)
    taken = act(audited, claim, "ben", now=LATER)
    assert (taken.case_id, taken.review_id != second_review.review_id) == (1, True)
    with writing(audited) as connection:
        decide(connection, claim(connection, "ben", 1, now=LATER), Verdict.GENUINE, now=LATER)
        assert [second_verdict.kind for second_verdict in list_second_verdicts(connection, 1)] == ["control"]
        assert claim(connection, "ben", now=LATER).case_id != 1


def test_a_lease_that_ran_out_cannot_answer(audited: Engine, second_review: Claim):
    """As with any case."""
    with pytest.raises(Overtaken, match="ran out"), writing(audited) as connection:
        decide(connection, second_review, Verdict.GENUINE, now=LATER)
    assert ask(audited, list_second_verdicts, 1) == []


def test_a_look_given_back_is_free_and_still_shown_as_open(audited: Engine, second_review: Claim):
    """Who goes back to a case they skipped must not learn that it was decided."""
    act(audited, release, second_review, now=SOON)
    assert ask(audited, show_case, "ben", 1, now=SOON).case.state == "open"
    with pytest.raises(Overtaken, match="given back"), writing(audited) as connection:
        decide(connection, second_review, Verdict.GENUINE, now=SOON)
    assert act(audited, claim, "ben", now=SOON).review_id == second_review.review_id


@pytest.mark.parametrize("key", ["k", None], ids=["with a key", "without"])
def test_a_look_is_answered_once(audited: Engine, second_review: Claim, key: str | None):
    """Sent again with its key the answer is the same; without one it is refused."""
    first = act(audited, decide, second_review, Verdict.GENUINE, key=key, now=SOON)
    if key is None:
        with pytest.raises(Overtaken, match="has been decided"), writing(audited) as connection:
            decide(connection, second_review, Verdict.GENUINE, now=SOON)
    else:
        assert act(audited, decide, second_review, Verdict.GENUINE, key=key, now=LATER) == first
        with pytest.raises(KeyReused), writing(audited) as connection:
            decide(connection, second_review, Verdict.COUNTERFEIT, ground="known_goods", key=key, now=SOON)
    assert _count(audited) == (3, 1)


def test_the_key_of_a_look_is_none_for_another_case(audited: Engine, second_review: Claim):
    """Keys of second verdicts and of decisions are one set."""
    act(audited, decide, second_review, Verdict.GENUINE, key="k", now=SOON)
    with pytest.raises(KeyReused), writing(audited) as connection:
        decide(connection, claim(connection, "ben", 7, now=SOON), Verdict.GENUINE, key="k", now=SOON)


def test_nobody_audits_what_they_decided(audited: Engine):
    """An audit is another's; with nobody else there is none."""
    with writing(audited) as connection:
        decide(connection, claim(connection, "ana", 4, now=NOON), Verdict.GENUINE, now=NOON)
        decide(connection, claim(connection, "ana", 5, now=NOON), Verdict.GENUINE, now=NOON)
        seen = [claim(connection, "ana", now=SOON) for _ in range(6)]
    looked = {taken.case_id for taken in seen if taken and taken.review_id}
    assert looked <= {2, 3}


def test_a_repeat_is_the_same_reviewers_and_later(audited: Engine, second_review: Claim):
    """Not before the set number of days, and then unseen like any other."""
    act(audited, decide, second_review, Verdict.GENUINE, now=SOON)
    tomorrow = NOON + timedelta(days=1)
    for case_id in (4, 5, 6):
        with writing(audited) as connection:
            decide(connection, claim(connection, "ben", case_id, now=SOON), Verdict.GENUINE, now=SOON)
    taken = act(audited, claim, "ben", now=tomorrow)
    act(audited, decide, taken, Verdict.GENUINE, now=tomorrow)
    assert taken.case_id in (2, 3)
    assert [second_verdict.kind for second_verdict in ask(audited, list_second_verdicts, taken.case_id)] == ["repeat"]


def test_a_look_with_odds_says_them(audited: Engine):
    """What was drawn keeps the probability it was drawn with."""
    from ipml.storage.tables import second_reviews

    with reading(audited) as connection:
        sampling_probability = set(
            connection.scalars(select(second_reviews.c.sampling_probability).where(second_reviews.c.kind == "audit"))
        )
    assert sampling_probability == {1.0}


def test_shares_of_nothing_give_no_looks(engine: Engine, make_scored: Any):
    """Looks can be turned off."""
    off = Settings(audit_share=0, repeat_share=0, control_share=0, repeat_days=0)
    enqueue(engine, [make_scored(f"L{number}") for number in range(4)])
    for name in ("ana", "ben", "ana", "ben"):
        with writing(engine) as connection:
            decide(connection, claim(connection, name, settings=off), Verdict.GENUINE, settings=off)
    assert act(engine, claim, "ana", settings=off) is act(engine, claim, "ben", settings=off) is None


def _count(engine: Engine) -> tuple[int, int]:
    with reading(engine) as connection:
        assert verify(connection).is_intact
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (decisions, second_verdicts)]
    return counts[0], counts[1]
