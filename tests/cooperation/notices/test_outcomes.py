"""What becomes of the listings in a notice, and what its notifier is told."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from support.consequences import COOPERATION
from support.databases import on_both
from support.notice_desk import Desk

from ipml.cooperation.notices.outcomes import settle_erased
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Verdict
from ipml.review.group_decisions import decide_and_spread, decide_bulk, preview_bulk
from ipml.review.queue import claim, get_case, undo
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices
from ipml.storage.tables import outbox as messages

RULES = load_cooperation_policy().notifiers


def deliver(desk: Desk) -> None:
    """Let all messages arrive."""
    with writing(desk.engine) as connection:
        waiting = update(messages).where(messages.c.state == "waiting")
        connection.execute(waiting.values(state="delivered", settled_at=desk.now))


def test_a_decision_settles_what_waits_for_its_case(desk: Desk):
    """With the decision that settled it, and when; whoever gave notice of the same is answered as well."""
    states = {Verdict.COUNTERFEIT: "upheld", Verdict.GENUINE: "rejected", Verdict.CANNOT_TELL: "undecided"}
    for verdict, state in states.items():
        case_id = desk.add_case(state)
        given = [desk.give_notice([case_id], by) for by in ("brand", "agency")]
        made = desk.decide(case_id, verdict)
        for notice_id in given:
            (item,) = desk.items(notice_id)
            assert (item.state, item.decision_id, item.settled_at) == (state, made.decision_id, made.decided_at)
            ((kind, body),) = desk.told(f"notice:{notice_id}")
            assert (kind, json.loads(body)["listings"][0]["outcome"]) == ("notice_outcome", state)


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
    with reading(desk.engine) as connection:
        assert verify(connection).is_intact


def test_a_notice_stays_open_while_anything_is_undecided(desk: Desk):
    """A listing that nobody knows yet, of which the notifier is to be answered, or one passed on to a lead."""
    notice_id = desk.give_notice([desk.add_case("L1"), None])
    desk.decide(1, Verdict.ESCALATE)
    assert (desk.states(notice_id), desk.told(f"notice:{notice_id}")) == (["waiting", "unknown"], [])
    desk.decide(1, Verdict.GENUINE, "lea")
    assert (desk.states(notice_id), desk.told(f"notice:{notice_id}")) == (["rejected", "unknown"], [])


def test_decisions_made_together_settle_their_notices_together(desk: Desk):
    """Also where they are made in bulk: one message for each notice."""
    numbers = [desk.add_case(f"L{n}") for n in range(6)]
    given = [desk.give_notice(numbers[:3]), desk.give_notice(numbers[2:], "agency")]
    how, now = (numbers, "ana", Verdict.COUNTERFEIT), desk.pass_time()
    with writing(desk.engine) as connection:
        token = preview_bulk(connection, *how, now=now).digest
        said = {"ground": "declared_replica", "token": token, "consequences": COOPERATION}
        decide_bulk(connection, *how, now=now, **said)
    for notice_id in given:
        assert set(desk.states(notice_id)) == {"upheld"}
        assert len(desk.told(f"notice:{notice_id}")) == 1


def test_a_decision_that_spreads_settles_the_notice_of_the_near_duplicate(desk: Desk):
    """With one message for each notice; where chance leaves the copy out for a check, the decision on it does."""
    first, copy = (desk.add_case(name, seller_id="ann", title="Bag, as new") for name in ("L1", "L2"))
    given = [desk.give_notice([number], by) for number, by in ((first, "brand"), (copy, "agency"))]
    with writing(desk.engine) as connection:
        taken = claim(connection, "ana", first, now=desk.pass_time())
    with writing(desk.engine) as connection:
        said = {"ground": "declared_replica", "now": desk.now, "consequences": COOPERATION}
        decide_and_spread(connection, taken, Verdict.COUNTERFEIT, [copy], **said)
        is_left_out = get_case(connection, copy).state == "open"
    if is_left_out:
        desk.decide(copy, Verdict.COUNTERFEIT)
    assert [desk.states(number) for number in given] == [["upheld"], ["upheld"]]
    assert [[kind for kind, _ in desk.told(f"notice:{number}")] for number in given] == [["notice_outcome"]] * 2


def test_what_was_told_is_corrected_when_the_decision_is_taken_back(desk: Desk):
    """The notifier hears that it is open again, and then how it ended; the item says since when it was overturned."""
    notice_id = desk.give_notice([desk.add_case("L1")])
    decision = desk.decide(1, Verdict.COUNTERFEIT)
    deliver(desk)
    with writing(desk.engine) as connection:
        undone = undo(connection, decision.decision_id, "ana", now=desk.pass_time(), consequences=COOPERATION)
    (item,) = desk.items(notice_id)
    assert (item.state, item.decision_id, item.overturned_at) == ("waiting", None, undone.reversed_at)
    deliver(desk)
    desk.decide(1, Verdict.GENUINE)
    told = [(kind, json.loads(body)) for kind, body in desk.told(f"notice:{notice_id}")]
    outcomes = [(kind, body["is_settled"], body["listings"][0]["outcome"]) for kind, body in told]
    assert outcomes == [
        ("notice_outcome", True, "upheld"),
        ("notice_correction", False, "waiting"),
        ("notice_correction", True, "rejected"),
    ]


def test_what_nobody_tried_to_deliver_yet_is_dropped_in_favour_of_the_next(desk: Desk):
    """A slip that is taken back at once confuses nobody: the notifier gets one answer, the last."""
    notice_id = desk.give_notice([desk.add_case("L1")])
    decision = desk.decide(1, Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        undo(connection, decision.decision_id, "ana", now=desk.pass_time(), consequences=COOPERATION)
    assert desk.told(f"notice:{notice_id}") == []
    desk.decide(1, Verdict.GENUINE)
    ((kind, body),) = desk.told(f"notice:{notice_id}")
    assert (kind, json.loads(body)["listings"][0]["outcome"]) == ("notice_outcome", "rejected")


@pytest.mark.slow
def test_upheld_anew_it_is_overturned_no_more(desk: Desk):
    """Who was right in the end has nothing against them."""
    notice_id = desk.give_notice([desk.add_case("L1")])
    decision = desk.decide(1, Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        undo(connection, decision.decision_id, "ana", now=desk.pass_time(), consequences=COOPERATION)
    desk.decide(1, Verdict.COUNTERFEIT)
    (item,) = desk.items(notice_id)
    assert (item.state, item.overturned_at) == ("upheld", None)


def test_a_notice_of_an_erased_seller_ends_without_a_word_of_them(desk: Desk):
    """Of the other listings its notifier is told; where there is none, nothing."""
    theirs, other = desk.add_case("L1", seller_id="ann"), desk.add_case("L2", seller_id="ben")
    both, alone = desk.give_notice([theirs, other]), desk.give_notice([theirs], "agency")
    erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.pass_time())
    with writing(desk.engine) as connection:
        assert settle_erased(connection, desk.pass_time(), RULES) == 2
    desk.decide(other, Verdict.GENUINE)
    assert desk.states(both) == ["undecided", "rejected"]
    ((_, text),) = desk.told(f"notice:{both}")
    assert [one["position"] for one in json.loads(text)["listings"]] == [2]
    assert (desk.states(alone), desk.told(f"notice:{alone}")) == (["undecided"], [])


@pytest.mark.slow
def test_taken_back_after_the_seller_was_erased_it_ends_undecided(desk: Desk):
    """Nobody can look at the listing again."""
    notice_id = desk.give_notice([desk.add_case("L1", seller_id="ann")])
    decision = desk.decide(1, Verdict.GENUINE)
    deliver(desk)
    erase_sellers(desk.engine, ["ann"], why="request 7", by="lea", now=desk.pass_time())
    with writing(desk.engine) as connection:
        undo(
            connection,
            decision.decision_id,
            "lea",
            may_undo_others=True,
            now=desk.pass_time() + timedelta(days=1),
            consequences=COOPERATION,
        )
    assert desk.states(notice_id) == ["undecided"]
    assert len(desk.told(f"notice:{notice_id}")) == 1
