"""Misuse: what is proposed to a lead, who acts on it, and that no seller feels it."""

import json
from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, update
from support.databases import on_both
from support.notice_desk import NOON, Desk
from support.transactions import act, ask

from ipml.cooperation.notifiers.misuse import find_misuse, find_suspension, lift, list_steps, propose, suspend, warn
from ipml.cooperation.policy import load_cooperation_policy
from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.records import Verdict
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, notice_items, notifier_steps

RULES = load_cooperation_policy().notifiers


def settle(desk: Desk, by: str, rejected: int, upheld: int = 0, *, score: float = 0.01, sellers: int = 9) -> list[int]:
    """Let a notifier have given notice, as rows, of so many listings, which people decided; return the items."""
    first = desk.add_case(f"{by}-{desk.now:%d%H%M}", score)
    received_at = desk.pass_time()
    notice_id = desk.give_notice([first] * (rejected + upheld), by, received_at=received_at)
    desk.pass_time(hours=1)
    with writing(desk.engine) as connection:
        decided = {"case_id": first, "listing_id": "L", "ground": "", "note": "", "reviewer": "ana", "token": 1}
        verdicts = [Verdict.GENUINE] * rejected + [Verdict.COUNTERFEIT] * upheld
        rows = [decided | {"verdict": verdict, "decided_at": desk.now} for verdict in verdicts]
        numbers = connection.scalars(insert(decisions).returning(decisions.c.decision_id), rows).all()
        items = desk.items(notice_id)
        for at, (item, number, verdict) in enumerate(zip(items, sorted(numbers), verdicts, strict=True)):
            state = "rejected" if verdict is Verdict.GENUINE else "upheld"
            fields = {"state": state, "decision_id": number, "settled_at": desk.now, "pseudonym": f"p{at % sellers}"}
            one = update(notice_items).where(notice_items.c.item_id == item.item_id)
            connection.execute(one.values(fields))
    return [item.item_id for item in items]


def overturn(desk: Desk, items: list[int], notice_id: int) -> None:
    """Let listings that a notice brought down be put back on appeal."""
    with writing(desk.engine) as connection:
        harmed = notice_items.c.item_id.in_(items)
        connection.execute(update(notice_items).where(harmed).values(overturned_at=desk.now))
        appealed = decisions.c.decision_id.in_([item.decision_id for item in desk.items(notice_id)])
        connection.execute(update(decisions).where(appealed).values(origin="appeal"))


def proposal(desk: Desk, by: str = "brand"):
    """Return what is proposed about a notifier now."""
    number = desk.add_notifier(by)
    return ask(desk.engine, propose, number, RULES, desk.now)


@on_both
def test_many_manifestly_unfounded_notices_are_proposed_for_a_warning(desk: Desk):
    """With the number, the share and its interval; others are not."""
    items = settle(desk, "brand", rejected=25, upheld=2)
    settle(desk, "agency", rejected=2, upheld=25)
    (found,) = ask(desk.engine, find_misuse, RULES, desk.now)
    assert (found.notifier.address, found.kind) == ("brand@example.com", "warn")
    assert found.assessment.items == tuple(items[:25])
    assert found.sentences[0].startswith("25 listings in 1 notices were manifestly unfounded since")


def test_what_is_no_misuse_is_not_proposed(desk: Desk):
    """Too few, a small share, or where the model had seen something, too: one may be mistaken, if not always."""
    for by, rejected, upheld, score in (("few", 15, 0, 0.01), ("share", 25, 40, 0.01), ("model", 25, 0, 0.5)):
        settle(desk, by, rejected, upheld, score=score)
        assert proposal(desk, by) is None, by


def test_harm_makes_fewer_enough(desk: Desk):
    """Where listings were taken down on such notices and had to be put back."""
    settle(desk, "brand", rejected=18)
    assert proposal(desk) is None
    overturn(desk, settle(desk, "brand", rejected=3, score=0.9), 2)
    said = "3 listings were taken down on their notices and reinstated when sellers objected."
    assert said in proposal(desk).sentences


def test_that_they_are_aimed_at_one_seller_is_said(desk: Desk):
    """It tells of intent; and of a trusted flagger, that the authority is to be told."""
    desk.add_notifier("flagger", "trusted flagger")
    settle(desk, "flagger", rejected=25, sellers=1)
    found = proposal(desk, "flagger")
    assert found.sentences[-2:] == (
        "100% of them are aimed at one seller.",
        "They are a trusted flagger: tell the authority that gave the status as well (Article 22(6)).",
    )


def test_who_was_warned_is_judged_by_what_came_after(desk: Desk):
    """Heeding the warning, they are not suspended; going on, it is proposed; suspended, nothing is."""
    number = desk.add_notifier()
    settle(desk, "brand", rejected=25)
    act(desk.engine, warn, number, "lea", "plainly unfounded", now=desk.pass_time())
    desk.pass_time(days=8)
    assert proposal(desk) is None
    settle(desk, "brand", rejected=25)
    assert proposal(desk).kind == "suspend"
    act(desk.engine, suspend, number, "lea", "it went on", now=desk.pass_time())
    assert proposal(desk) is None


STEPS = st.lists(st.sampled_from(["send", "warn", "suspend", "lift", "wait"]), min_size=3, max_size=9)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_nothing_is_held_against_a_notifier_twice(desk: Desk, steps):
    """Right after any step, and as long as nothing is sent after it, nothing is proposed; new misuse is."""
    desk.now += timedelta(days=400)  # examples share a database: what was before is out of every window
    by = f"brand{desk.now:%Y%m%d%H%M}"
    number, is_new = desk.add_notifier(by), False
    for step in steps:
        desk.pass_time(days=8)
        suspension = ask(desk.engine, find_suspension, number, desk.now)
        if step == "send":
            settle(desk, by, rejected=25)
            is_new = is_new or suspension is None
        elif step != "wait":
            take = {"warn": warn, "suspend": partial(suspend, days=20), "lift": lift}[step]
            with suppress(Conflict):
                act(desk.engine, take, number, "lea", "why", now=desk.now)
                is_new = False
        desk.pass_time(days=8)
        assert (proposal(desk, by) is not None) == is_new


def test_a_suspension_that_was_lifted_does_not_make_the_next_longer(desk: Desk):
    """As it was a mistake; one that ran to its end by itself does, as the policy says, also after one was lifted."""
    number, days = desk.add_notifier(), []
    for is_mistake in (True, False, True, False, False, False):
        with writing(desk.engine) as connection:
            warn(connection, number, "lea", "why", now=desk.pass_time())
            step = suspend(connection, number, "lea", "why", now=desk.pass_time(days=8))
        days.append((step.until - step.taken_at).days)
        if is_mistake:
            act(desk.engine, lift, number, "lea", "why", now=desk.pass_time(days=1))
        else:
            desk.now = step.until
            assert ask(desk.engine, find_suspension, number, desk.now) is None
    assert days == [30, 30, 90, 90, 180, 180]


def test_harm_before_the_last_step_does_not_count_again(desk: Desk):
    """Few unfounded ones are enough only where notices sent since the last step did harm."""
    number = desk.add_notifier()
    overturn(desk, settle(desk, "brand", rejected=3), 1)
    settle(desk, "brand", rejected=18)
    assert proposal(desk).kind == "warn"
    act(desk.engine, warn, number, "lea", "why", now=desk.pass_time())
    desk.pass_time(days=8)
    settle(desk, "brand", rejected=18)
    assert proposal(desk) is None


def test_steps_are_told_with_reasons_and_noted(desk: Desk):
    """Encrypted with the notifier's key; in the trail stands only who did it, and a digest."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        warn(connection, number, "lea", "These are plainly not of your brand.", now=desk.now)
        suspend(connection, number, "lea", "You went on.", days=14, now=desk.pass_time(days=8))
        lift(connection, number, "max", "We were mistaken.", now=desk.pass_time())
    told = [(kind, json.loads(body)) for kind, body in desk.told(f"notifier:{number}")]
    assert [kind for kind, _ in told] == ["notifier_warning", "notifier_suspension", "notifier_lift"]
    assert [body["why"] for _, body in told][1:] == ["You went on.", "We were mistaken."]
    assert told[1][1]["until"] == (NOON + timedelta(days=22)).isoformat()
    with reading(desk.engine) as connection:
        rows = audit.list_rows(connection, f"notifier:{number}")
        steps = list_steps(connection, number)
        kept = [row.why for row in connection.execute(notifier_steps.select())]
    expected = [("lea", "notifier warned"), ("lea", "notifier suspended"), ("max", "notifier lifted")]
    assert [(row.actor, row.action) for row in rows] == expected
    assert [step.why for step in steps] == [body["why"] for _, body in told]
    assert not any("plainly" in text for text in (*kept, *(str(row.payload) for row in rows)))


def test_nobody_is_suspended_without_a_warning_and_time_to_heed_it(desk: Desk):
    """Nor twice at once; and what is not there cannot be lifted."""
    number = desk.add_notifier()

    def take(step, whom: int = number, why: str = "why", **span: float) -> None:
        act(desk.engine, step, whom, "lea", why, now=desk.pass_time(**span))

    with pytest.raises(Conflict, match="no warning in force"):
        take(suspend)
    with pytest.raises(Conflict, match="neither a suspension nor a warning"):
        take(lift)
    take(warn)
    with pytest.raises(Conflict, match="too little time"):
        take(suspend, days=1)
    take(suspend, days=8)
    with pytest.raises(Conflict, match="is suspended until"):
        take(suspend)
    with pytest.raises(UnstorableValue):
        take(warn, why=" ")
    with pytest.raises(NotFound, match="No notifier"):
        take(warn, 99)
