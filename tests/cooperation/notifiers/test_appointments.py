"""Appointments: who is a trusted flagger or an authority, at any moment, and what follows from it."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.databases import on_both
from support.notice_desk import Desk

from ipml.cooperation.consequences import find_sources
from ipml.cooperation.notifiers.notifier import appoint, find_appointment, list_appointments, revoke
from ipml.cooperation.notifiers.tiers import erase_notifier, lane_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.reports.figures import count_notices
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.errors import Conflict, UnstorableValue
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import get_notifier
from ipml.storage.tables import notices, notifier_appointments

POLICY = load_cooperation_policy()
GROUND = "Coordinator of Ireland, no. 12"
YEAR = Period.of_year(2025)


def kind_of(desk: Desk, number: int, at=None) -> str:
    """Return what a notifier is at a moment."""
    with reading(desk.engine) as connection:
        return get_notifier(connection, number, at=at or desk.now).kind


CHANGES = ["trusted flagger", "authority", "consumer", "revoke", "wait"]
STEPS = st.lists(st.tuples(st.sampled_from(CHANGES), st.sampled_from([None, 5])), min_size=2, max_size=7)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_what_somebody_was_at_any_moment_stays_known(desk: Desk, steps):
    """The last appointment tells, until it ends or is revoked; then they are what they were taken for at first."""
    number = desk.add_notifier(f"n{desk.now:%Y%m%d%H%M}")
    known, appointed = [], None
    for step, days in steps:
        now = desk.pass_time(days=2)
        with writing(desk.engine) as connection:
            if step == "revoke":
                if appointed and (appointed[1] is None or appointed[1] > now):
                    revoke(connection, number, "lea", GROUND, now)
                    appointed = None
                else:
                    with pytest.raises(Conflict, match="no appointment"):
                        revoke(connection, number, "lea", GROUND, now)
            elif step != "wait":
                until = None if days is None else now + timedelta(days=days)
                appoint(connection, number, step, "lea", GROUND, now, until=until)
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
        appoint(connection, number, kind, "lea", GROUND, now, until=now + timedelta(days=1))
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
        appoint(connection, number, "authority", "lea", GROUND, desk.now)
        appoint(connection, number, "trusted flagger", "max", GROUND, desk.pass_time())
        revoke(connection, number, "lea", "A mistake.", desk.pass_time())
    with reading(desk.engine) as connection:
        made = list_appointments(connection, number)
        stored = connection.scalars(select(notifier_appointments.c.ground)).all()
        rows = audit.list_rows(connection, f"notifier:{number}")
        assert find_appointment(connection, number, desk.now) is None
        assert audit.verify(connection).is_intact
    assert [(one.kind, one.made_by, one.ground) for one in made] == [
        ("authority", "lea", GROUND),
        ("trusted flagger", "max", GROUND),
        (None, "lea", "A mistake."),
    ]
    assert not any("Ireland" in text for text in (*stored, *(str(row.payload) for row in rows)))
    erase_notifier(desk.engine, number, "olga", now=desk.pass_time())
    with reading(desk.engine) as connection:
        assert [one.ground for one in list_appointments(connection, number)] == [None] * 3


def test_an_appointment_that_says_too_little_is_refused(desk: Desk, subtests: pytest.Subtests):
    """It needs a kind that there is, a ground, and an end that is yet to come."""
    for changes in [{"kind": "friend"}, {"ground": " "}, {"ground": "x" * 2_001}, {"days": 0}]:
        with subtests.test(changes=changes):
            said = {"kind": "authority", "ground": GROUND, "days": 1} | changes
            until = desk.now + timedelta(days=said["days"])
            number = desk.add_notifier()
            with writing(desk.engine) as connection, pytest.raises(UnstorableValue):
                appoint(connection, number, said["kind"], "lea", said["ground"], desk.now, until=until)
