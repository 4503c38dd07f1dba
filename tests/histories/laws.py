"""Laws that hold after any history and any order of steps."""

import json

from sqlalchemy import func, select
from support.transactions import check_sound

from ipml.enforcement.statements.letter import _DECISIONS as IN_PUBLIC
from ipml.enforcement.takedown.measures import find_measures
from ipml.enforcement.views.case_file import read_listing_file
from ipml.enforcement.views.overview import find_gaps
from ipml.records import Verdict
from ipml.storage.database import reading
from ipml.storage.outbox import make_messages
from ipml.storage.tables import (
    cases,
    decisions,
    notice_items,
    notices,
    outbox,
    penalties,
    reversals,
    statements,
)


def read_told(connection, channel):
    """Return what was put down for somebody, in order."""
    is_told = outbox.c.channel == channel, outbox.c.dropped_at.is_(None)
    query = select(outbox).where(*is_told).order_by(outbox.c.message_id)
    return make_messages(connection, connection.execute(query).all())


def told_to_platform(connection):
    """Return what the platform must think is in force, which knows listings by their ids."""
    in_force, threads = {}, {}
    for message in read_told(connection, "platform"):
        body = json.loads(message.body)
        if message.kind in ("measure", "reinstatement"):
            assert (message.kind == "measure") == bool(body["in_force"])
            in_force[body["listing_id"]] = [one["measure"] for one in body["in_force"]]
            assert threads.setdefault(body["listing_id"], message.subject) == message.subject  # one order
        elif message.kind.startswith("penalty"):
            in_force[message.subject] = [] if "lifted" in message.kind else [message.subject]
    return {subject for subjects in in_force.values() for subject in subjects}


def told_to_seller(connection):
    """Return what the seller must think is in force."""
    told = [(message.kind, message.subject) for message in read_told(connection, "seller")]
    stated, lifted = ({subject for kind, subject in told if kind == word} for word in ("statement", "lifted"))
    assert lifted <= stated
    return stated - lifted


def told_to_buyers(connection):
    """Return the last message to buyers, sent or pending, on each seller's goods under a listing."""
    bodies = [json.loads(one.body) for one in read_told(connection, "platform") if one.kind == "buyers"]
    return {(body["listing_id"], body["seller_id"]): body["finding"] for body in bodies}


def check_findings(connection):
    """Assert that buyers and sellers got a message on each finding that fell, and on no other."""
    query = select(decisions, cases.c.seller_id, reversals.c.reversed_at).join(
        cases, cases.c.case_id == decisions.c.case_id
    )
    query = query.outerjoin(reversals).where(decisions.c.verdict == Verdict.COUNTERFEIT)
    rows = connection.execute(query).all()
    standing = {(row.listing_id, row.seller_id) for row in rows if row.reversed_at is None}
    imposed = find_measures(connection)
    telling = {one.decision_id for one in imposed if one.kind == "remove" and one.sales_before != 0}
    of_removed = {
        (row.listing_id, row.seller_id) for row in rows if row.reversed_at is None and row.decision_id in telling
    }
    for place, finding in told_to_buyers(connection).items():
        assert (place in standing) if finding == "counterfeit" else (place not in of_removed)
    letters = select(outbox.c.subject, outbox.c.put_at).where(outbox.c.kind == "lifted", outbox.c.channel == "seller")
    told = {tuple(row) for row in connection.execute(letters)}
    for row in rows:
        subjects = [one.subject for one in find_measures(connection, decision_id=row.decision_id)]
        fallen = row.reversed_at is not None
        assert not fallen or any((subject, row.reversed_at) in told for subject in subjects)


def told_to_public(connection):
    """Return the statements sent to the transparency database, by subject."""
    subjects = {row.puid: row.subject for row in connection.execute(select(statements))}
    found = {}
    for message in read_told(connection, "transparency"):
        payload = json.loads(message.body)
        (said,) = (value for name, value in payload.items() if name in {field for field, _ in IN_PUBLIC.values()})
        found[subjects[payload["puid"]]] = said[0] if isinstance(said, list) else said
    return found


def check_one_truth(engine):
    """Assert that all messages name what is in force, and nothing else."""
    with reading(engine) as connection:
        standing = {one.subject: one.kind for one in find_measures(connection) if one.stands}
        ended = {one.subject for one in find_measures(connection)} - set(standing)
        imposed = penalties.c.imposed_at.is_not(None), penalties.c.ended_at.is_(None)
        held = {f"penalty:{row.penalty_id}": row.kind for row in connection.execute(select(penalties).where(*imposed))}
        in_force = set(standing) | set(held)
        check_findings(connection)
        assert told_to_platform(connection) == in_force
        files = [
            read_listing_file(connection, key) for key in connection.scalars(select(decisions.c.listing_id).distinct())
        ]
        assert {one.subject for file in files for one in file.measures} == set(standing)
        assert told_to_seller(connection) == in_force
        public = told_to_public(connection)
        ended |= {f"penalty:{number}" for number in connection.scalars(select(penalties.c.penalty_id))} - set(held)
        assert set(public) - ended == in_force - {subject for subject, kind in held.items() if kind == "warn"}
        assert all(public[subject] == IN_PUBLIC[kind][1] for subject, kind in standing.items())


def check_queue(engine):
    """Assert that whatever waits waits for somebody: near-duplicates, notices, and each listing once."""
    with reading(engine) as connection:
        rows = {row.case_id: row for row in connection.execute(select(cases))}
        pending = [row for row in rows.values() if row.state in ("open", "escalated")]
        assert len({row.listing_id for row in pending}) == len(pending)
        for shown in (rows[row.exemplar] for row in pending if row.state == "open" and row.exemplar):
            assert (shown.state, shown.exemplar) == ("open", None) or shown.state == "escalated"
        last = select(func.max(decisions.c.decision_id)).outerjoin(reversals).where(reversals.c.reversal_id.is_(None))
        standing = connection.scalars(last.group_by(decisions.c.case_id)).all()
        verdicts = {
            row.case_id: row.verdict for row in connection.execute(select(decisions)) if row.decision_id in standing
        }
        states = {"escalate": "escalated", None: "open"}
        for row in rows.values():
            if row.erased_at is None and row.state != "superseded":
                assert row.state == states.get(verdicts.get(row.case_id), "decided"), row
        open_notices = set()
        for item in connection.execute(select(notice_items)):
            case = rows.get(item.case_id)
            assert item.state != "waiting" or case.erased_at or case.state in ("open", "escalated"), item
            open_notices |= {item.notice_id} if item.state in ("waiting", "unknown") else set()
        settled = {row.notice_id: row.settled_at for row in connection.execute(select(notices))}
        assert open_notices == {number for number, at in settled.items() if at is None}


def check_trail(engine):
    """Assert that each decision has what follows from it, and that nothing is amiss in the trail."""
    with reading(engine) as connection:
        assert list(find_gaps(connection)) == []
        check_sound(connection)
