"""Notifiers: what somebody is and was, and misuse of notices, for which they are warned and suspended."""

import json
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update
from support.databases import on_both
from support.given_notices import WORDS, say
from support.notice_desk import NOON, Desk
from support.planted_seller import find_clear, find_markers
from support.transactions import act, ask, read_scalars

from ipml.cooperation.actions import find_sources
from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notices.status import find_notices, find_receipt
from ipml.cooperation.notifiers import notifier
from ipml.cooperation.notifiers.misuse import (
    StepOrder,
    find_misuse,
    find_suspension,
    lift,
    list_steps,
    propose,
    suspend,
    warn,
)
from ipml.cooperation.notifiers.notifier import AppointmentOrder
from ipml.cooperation.notifiers.tiers import erase_notifier, lane_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.reports.figures import count_notices
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.records import Verdict
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import encrypt, get_notifier
from ipml.storage.tables import (
    decisions,
    notice_items,
    notices,
    notifier_appointments,
    notifier_steps,
    notifiers,
    outbox,
    rights_documents,
)

POLICY = load_cooperation_policy()
RULES = POLICY.notifiers
GROUND = "Coordinator of Ireland, no. 12"
YEAR = Period.of_year(2025)


CHANGES = ["trusted flagger", "authority", "consumer", "revoke", "wait"]
CHANGED = st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from([None, 5])), min_size=2, max_size=7)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGED)
def test_what_somebody_was_at_any_moment_stays_known(desk: Desk, steps):
    """The last appointment tells, until it ends or is revoked; then they are what they were taken for at first."""
    number = desk.add_notifier(f"n{desk.now:%Y%m%d%H%M}")
    known, appointed = [], None
    for step, days in steps:
        now = desk.pass_time(days=2)
        with writing(desk.engine) as connection:
            if step == "revoke":
                if appointed and (appointed[1] is None or appointed[1] > now):
                    notifier.revoke(connection, number, "lea", GROUND, now)
                    appointed = None
                else:
                    with pytest.raises(Conflict, match="no appointment"):
                        notifier.revoke(connection, number, "lea", GROUND, now)
            elif step != "wait":
                until = None if days is None else now + timedelta(days=days)
                notifier.appoint(connection, number, AppointmentOrder(step, "lea", GROUND, now, until))
                appointed = (step, until)
        is_in_force = appointed is not None and (appointed[1] is None or appointed[1] > now)
        known.append((now, appointed[0] if is_in_force else "rights holder"))
    assert [(at, ask(desk.engine, get_notifier, number, at=at or desk.now).kind) for at, _ in known] == known


def test_the_next_notice_comes_in_the_lane_of_the_kind(desk: Desk):
    """At once, and its source is told so; one that came before, and one after the end, are as they would be."""
    number, kind = desk.add_notifier(), "trusted flagger"
    cases = [desk.add_case(f"L{n}") for n in range(3)]
    desk.give_notice([cases[0]])
    with writing(desk.engine) as connection:
        before = lane_of(connection, number, POLICY, desk.now)
        now = desk.pass_time()
        notifier.appoint(connection, number, AppointmentOrder(kind, "lea", GROUND, now, now + timedelta(days=1)))
        lane = lane_of(connection, number, POLICY, now)
    desk.give_notice([cases[1]])
    desk.pass_time(days=2)
    desk.give_notice([cases[2]])
    with reading(desk.engine) as connection:
        tiers = connection.scalars(select(notices.c.tier).order_by(notices.c.notice_id)).all()
        sources = [find_sources(connection, [case])[case].source for case in cases]
        counted = count_notices(ReportScope(connection, YEAR, desk.now))
    assert tiers == [before.tier, lane.tier, before.tier]
    assert lane.hours <= before.hours
    assert sources == ["notice", "trusted flagger", "notice"]
    assert (counted.received(kind), counted.received("rights holder")) == (1, 2)


@on_both
def test_an_appointment_is_a_row_that_says_by_whom_and_on_what_ground(desk: Desk):
    """Appended, never edited; encrypted, and in the trail as a digest."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        notifier.appoint(connection, number, AppointmentOrder("authority", "lea", GROUND, desk.now))
        notifier.appoint(connection, number, AppointmentOrder("trusted flagger", "max", GROUND, desk.pass_time()))
        notifier.revoke(connection, number, "lea", "A mistake.", desk.pass_time())
    with reading(desk.engine) as connection:
        made = notifier.list_appointments(connection, number)
        stored = connection.scalars(select(notifier_appointments.c.ground)).all()
        rows = audit.list_rows(connection, f"notifier:{number}")
        assert notifier.find_appointment(connection, number, desk.now) is None
        assert audit.verify(connection).is_intact
    expected = [("authority", "lea", GROUND), ("trusted flagger", "max", GROUND), (None, "lea", "A mistake.")]
    assert [(one.kind, one.made_by, one.ground) for one in made] == expected
    assert not any("Ireland" in text for text in (*stored, *(str(row.payload) for row in rows)))
    erase_notifier(desk.engine, number, "olga", now=desk.pass_time())
    assert [one.ground for one in ask(desk.engine, notifier.list_appointments, number)] == [None] * 3


def test_an_appointment_that_says_too_little_is_refused(desk: Desk, subtests: pytest.Subtests):
    """It needs a kind that there is, a ground, and an end that is yet to come."""
    number = desk.add_notifier()
    examples = (("friend", "x", 1), ("authority", " ", 1), ("authority", "x" * 2_001, 1), ("authority", "x", 0))
    for kind, ground, days in examples:
        order = AppointmentOrder(kind, "lea", ground, desk.now, desk.now + timedelta(days=days))
        with (
            subtests.test(kind=kind, ground=ground[:9]),
            pytest.raises(UnstorableValue),
            writing(desk.engine) as connection,
        ):
            notifier.appoint(connection, number, order)


# Documents of rights, and forgetting a notifier
@pytest.fixture
def filed(desk: Desk) -> Desk:
    """Return a desk with a notifier who filed a document."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        whose = connection.scalars(select(notifiers.c.pseudonym)).one()
        fields = {"notifier_id": number, "brand": "Acme", "reference": encrypt(connection, whose, "EUTM 018123456")}
        connection.execute(insert(rights_documents).values(**fields, filed_at=NOON))
    return desk


def test_a_person_says_whether_a_document_shows_the_rights(filed: Desk):
    """And the notifier is told; it can be looked at again."""
    for is_accepted, by in ((False, "lea"), (True, "max")):
        checked = act(filed.engine, notifier.check_document, 1, by, is_accepted=is_accepted, now=filed.pass_time())
        assert (checked.is_accepted, checked.checked_by, checked.reference) == (is_accepted, by, "EUTM 018123456")
    assert [kind for kind, _ in filed.told("notifier:1")] == ["rights_document"] * 2
    assert ask(filed.engine, notifier.list_documents, 1) == [checked]
    with pytest.raises(NotFound, match="No document"), writing(filed.engine) as connection:
        notifier.check_document(connection, 2, "lea", is_accepted=True)


def test_a_notifier_is_found_by_number_address_and_pseudonym(filed: Desk):
    """In whatever letters the address is written."""
    with reading(filed.engine) as connection:
        (known,) = notifier.list_notifiers(connection)
        for name in ("1", "BRAND@example.com", known.pseudonym):
            assert notifier.find_notifier(connection, name) == known
        for name in ("2", "x@example.com", "nobody", "9" * 30):
            with pytest.raises(NotFound, match="No notifier"):
                notifier.find_notifier(connection, name)
        assert notifier.list_notifiers(connection, "consumer") == []


def test_an_erased_notifier_leaves_nothing_that_can_be_read(filed: Desk):
    """No address, no reasons, and nothing that waits for them; what their notices led to stays."""
    filed.give_notice([filed.add_case("L1")], "brand", encrypted="x")
    filed.decide(1, Verdict.COUNTERFEIT)
    with writing(filed.engine) as connection:
        notifier.check_document(connection, 1, "lea", is_accepted=True, now=filed.pass_time())
        warn(connection, 1, StepOrder("lea", "plainly unfounded", RULES, filed.pass_time()))
        suspend(connection, 1, StepOrder("lea", "it went on", RULES, filed.pass_time(days=8)))
    with pytest.raises(Conflict, match="is suspended until"):
        erase_notifier(filed.engine, 1, "lea", now=filed.pass_time())
    act(filed.engine, lift, 1, StepOrder("lea", "enough", RULES, filed.pass_time()))
    for _ in range(2):  # called again it finishes
        erase_notifier(filed.engine, 1, "lea", now=filed.pass_time())
    with reading(filed.engine) as connection:
        (known,) = notifier.list_notifiers(connection)
        assert (known.address, known.kind) == (None, "rights holder")
        assert {step.why for step in list_steps(connection, 1)} == {None}
        assert notifier.list_documents(connection, 1)[0].reference is None
        assert verify(connection).is_intact
    assert filed.told("notifier:1") == filed.told("notice:1") == []
    assert filed.states(1) == ["upheld"]


def test_nothing_that_an_erased_notifier_wrote_can_be_found(desk: Desk, tmp_path: Path):
    """No column and no file holds a word of it, and what was encrypted is gone but for where unknown listings were."""
    case_id = desk.add_case("L1")
    said = {"explanation": f"{WORDS} Zqmeier says so.", "name": "Zqann", "email": "zqann@acme.test"}
    said |= {"rights": "Zqright"}
    receipt = act(desk.engine, receive, say("L1", "L2", **said), POLICY, now=desk.pass_time())
    desk.decide(case_id, Verdict.COUNTERFEIT)
    act(desk.engine, warn, 1, StepOrder("lea", "zqwhy", RULES, desk.pass_time()))
    (key,) = read_scalars(desk.engine, select(notifiers.c.key))
    erase_notifier(desk.engine, 1, "lea", now=desk.pass_time())
    markers = ("zqmeier", "zqann", "zqright", "zqwhy", key)
    assert list(find_clear(desk.engine, markers)) == []
    with reading(desk.engine) as connection:
        row = connection.execute(select(notices)).one()
        assert (row.encrypted, row.explanation, row.key) == ("", "", None)
        assert set(connection.scalars(select(outbox.c.body).where(outbox.c.channel == "holder"))) == {""}
        (behind,) = find_notices(connection, case_id)
        assert (behind.explanation, behind.state) == (None, "upheld")
        assert [one.location is None for one in find_receipt(connection, receipt.reference).listings] == [False, True]
    match_notices(desk.engine, POLICY, now=desk.pass_time())
    assert run_notice_deadlines(desk.engine, POLICY, now=desk.pass_time(days=90)).not_found == 1
    assert desk.told("notice:1") == []
    if desk.engine.dialect.name == "sqlite":
        assert list(find_markers(tmp_path.glob("ipml.db*"), markers)) == []


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
        "They are a trusted flagger: inform the authority that gave the status as well (Article 22(6)).",
    )


def test_who_was_warned_is_judged_by_what_came_after(desk: Desk):
    """Heeding the warning, they are not suspended; going on, it is proposed; suspended, nothing is."""
    number = desk.add_notifier()
    settle(desk, "brand", rejected=25)
    act(desk.engine, warn, number, StepOrder("lea", "plainly unfounded", RULES, desk.pass_time()))
    desk.pass_time(days=8)
    assert proposal(desk) is None
    settle(desk, "brand", rejected=25)
    assert proposal(desk).kind == "suspend"
    act(desk.engine, suspend, number, StepOrder("lea", "it went on", RULES, desk.pass_time()))
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
                act(desk.engine, take, number, StepOrder("lea", "why", RULES, desk.now))
                is_new = False
        desk.pass_time(days=8)
        assert (proposal(desk, by) is not None) == is_new


def test_a_suspension_that_was_lifted_does_not_make_the_next_longer(desk: Desk):
    """As it was a mistake; one that ran to its end by itself does, as the policy says, also after one was lifted."""
    number, days = desk.add_notifier(), []
    for is_mistake in (True, False, True, False, False, False):
        with writing(desk.engine) as connection:
            warn(connection, number, StepOrder("lea", "why", RULES, desk.pass_time()))
            step = suspend(connection, number, StepOrder("lea", "why", RULES, desk.pass_time(days=8)))
        days.append((step.until - step.taken_at).days)
        if is_mistake:
            act(desk.engine, lift, number, StepOrder("lea", "why", RULES, desk.pass_time(days=1)))
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
    act(desk.engine, warn, number, StepOrder("lea", "why", RULES, desk.pass_time()))
    desk.pass_time(days=8)
    settle(desk, "brand", rejected=18)
    assert proposal(desk) is None


def test_steps_are_told_with_reasons_and_noted(desk: Desk):
    """Encrypted with the notifier's key; in the trail stands only who did it, and a digest."""
    number = desk.add_notifier()
    with writing(desk.engine) as connection:
        warn(connection, number, StepOrder("lea", "These are plainly not of your brand.", RULES, desk.now))
        suspend(connection, number, StepOrder("lea", "You went on.", RULES, desk.pass_time(days=8)), days=14)
        lift(connection, number, StepOrder("max", "We were mistaken.", RULES, desk.pass_time()))
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
        act(desk.engine, step, whom, StepOrder("lea", why, RULES, desk.pass_time(**span)))

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
