"""Who gives notice: found, appointed, believed by documents, and forgotten."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select
from support.databases import on_both
from support.given_notices import WORDS, say
from support.notice_desk import NOON, Desk
from support.planted_seller import find_clear, find_markers
from support.transactions import act, ask, read_scalars

from ipml.cooperation.consequences import find_sources
from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notices.status import find_notices, find_receipt
from ipml.cooperation.notifiers import notifier
from ipml.cooperation.notifiers.misuse import lift, list_steps, suspend, warn
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
from ipml.storage.tables import notices, notifier_appointments, notifiers, outbox, rights_documents

POLICY = load_cooperation_policy()
GROUND = "Coordinator of Ireland, no. 12"
YEAR = Period.of_year(2025)


def kind_of(desk: Desk, number: int, at=None) -> str:
    """Return what a notifier is at a moment."""
    return ask(desk.engine, get_notifier, number, at=at or desk.now).kind


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
                notifier.appoint(connection, number, step, "lea", GROUND, now, until=until)
                appointed = (step, until)
        is_in_force = appointed is not None and (appointed[1] is None or appointed[1] > now)
        known.append((now, appointed[0] if is_in_force else "rights holder"))
    assert [(at, kind_of(desk, number, at)) for at, _ in known] == known


def test_the_next_notice_comes_in_the_lane_of_the_kind(desk: Desk):
    """At once, and its source is told so; one that came before, and one after the end, are as they would be."""
    number, kind = desk.add_notifier(), "trusted flagger"
    cases = [desk.add_case(f"L{n}") for n in range(3)]
    desk.give_notice([cases[0]])
    with writing(desk.engine) as connection:
        before = lane_of(connection, number, POLICY, desk.now)
        now = desk.pass_time()
        notifier.appoint(connection, number, kind, "lea", GROUND, now, until=now + timedelta(days=1))
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
        notifier.appoint(connection, number, "authority", "lea", GROUND, desk.now)
        notifier.appoint(connection, number, "trusted flagger", "max", GROUND, desk.pass_time())
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
        with (
            subtests.test(kind=kind, ground=ground[:9]),
            pytest.raises(UnstorableValue),
            writing(desk.engine) as connection,
        ):
            notifier.appoint(connection, number, kind, "lea", ground, desk.now, until=desk.now + timedelta(days=days))


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
        warn(connection, 1, "lea", "plainly unfounded", now=filed.pass_time())
        suspend(connection, 1, "lea", "it went on", now=filed.pass_time(days=8))
    with pytest.raises(Conflict, match="is suspended until"):
        erase_notifier(filed.engine, 1, "lea", now=filed.pass_time())
    act(filed.engine, lift, 1, "lea", "enough", now=filed.pass_time())
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
    receipt = act(desk.engine, receive, say("L1", "L2", **said), now=desk.pass_time())
    desk.decide(case_id, Verdict.COUNTERFEIT)
    act(desk.engine, warn, 1, "lea", "zqwhy", now=desk.pass_time())
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
    match_notices(desk.engine, now=desk.pass_time())
    assert run_notice_deadlines(desk.engine, now=desk.pass_time(days=90)).not_found == 1
    assert desk.told("notice:1") == []
    if desk.engine.dialect.name == "sqlite":
        assert list(find_markers(tmp_path.glob("ipml.db*"), markers)) == []
