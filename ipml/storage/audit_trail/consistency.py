"""Consistency: checks that tables agree with each other and the audit trail, and that server settings are safe."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, case, func, or_, select, text, type_coerce

from ipml.kit.moments import write_moment
from ipml.storage.pseudonyms import derive_pseudonym
from ipml.storage.row_numbers import find_lagging
from ipml.storage.tables import (
    audit,
    cases,
    decisions,
    evidence,
    identities,
    measures,
    metadata,
    notifiers,
    reversals,
    second_verdicts,
    seller_keys,
    sessions,
    users,
)

_AT_ONCE = 1000
_PENDING = ("open", "escalated")
_LONGEST_SESSION = timedelta(days=30)
_NEARLY, _MOST_FORWARD = 1e-9, 20
_OLDEST_SERVER = 14


def find_disagreements(connection: Connection) -> Iterator[str]:
    """Yield a line for each contradiction between tables; none in a sound database."""
    yield from _decisions_without_record(connection)
    yield from _measures_without_record(connection)
    yield from _measures_without_decision(connection)
    yield from _evidence_without_record(connection)
    yield from _rows_that_refer_to_none(connection)
    yield from _listings_of_another_case(connection)
    yield from _logins_without_record(connection)
    yield from _keys_of_others(connection)
    yield from _cases_put_aside(connection)
    yield from _cases_out_of_order(connection)
    for table in find_lagging(connection):
        yield f"{table}: its counter is behind its rows, so that new rows are refused; restore a backup, or use setval"


def find_risky_settings(connection: Connection) -> Iterator[str]:
    """Yield a line for each setting of a PostgreSQL server with which a crash may lose or damage stored data."""
    if connection.dialect.name != "postgresql":
        return
    for name in ("fsync", "full_page_writes"):
        if connection.scalar(text(f"SHOW {name}")) != "on":
            yield f"{name} is off: a crash can break the database; set it on"
    # The server's default; ipml's own sessions wait for the disk in any case.
    query = text("SELECT reset_val FROM pg_settings WHERE name = 'synchronous_commit'")
    if connection.scalar(query) == "off":
        yield "synchronous_commit is off: other programs' commits can get lost in a crash; ipml's own wait for the disk"
    version = int(connection.scalar(text("SHOW server_version_num")) or 0) // 10_000
    if version < _OLDEST_SERVER:
        yield f"release {version} gets no mending any more; expected {_OLDEST_SERVER} or newer"


def server_version(connection: Connection) -> str:
    """Return name and release of the database."""
    if connection.dialect.name == "postgresql":
        return f"PostgreSQL {connection.scalar(text('SHOW server_version'))}"
    return f"SQLite {connection.scalar(text('SELECT sqlite_version()'))}"


def _decisions_without_record(connection: Connection) -> Iterator[str]:
    """Compare the decisions with those in the audit trail: the same numbers, each once."""
    noted: set[int] = set()
    query = select(audit.c.sequence, audit.c.payload).where(audit.c.action.in_(("decided", "escalated")))
    for sequence, payload in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
        number = json.loads(payload).get("decision")
        if number is None:
            yield f"audit row {sequence}: does not name its decision"
        elif number in noted:
            yield f"audit row {sequence}: records decision {number} for the second time"
        else:
            noted.add(number)
    there = connection.execute(select(decisions.c.decision_id).execution_options(yield_per=_AT_ONCE)).scalars()
    for number in there:
        if number not in noted:
            yield f"decision {number}: the audit trail has no record of it"
        noted.discard(number)
    for number in sorted(noted):
        yield f"decision {number}: is gone, though the audit trail records it"


def _measures_without_record(connection: Connection) -> Iterator[str]:
    """Compare the measures with those in the audit trail: the same numbers, each once."""
    recorded = select(audit.c.subject).where(audit.c.action == "imposed", audit.c.subject.like("measure:%"))
    noted: set[int] = set()
    for subject in connection.execute(recorded.execution_options(yield_per=_AT_ONCE)).scalars():
        number = int(subject.removeprefix("measure:"))
        if number in noted:
            yield f"{subject}: the audit trail records it for the second time"
        noted.add(number)
    there = connection.execute(select(measures.c.measure_id).execution_options(yield_per=_AT_ONCE)).scalars()
    for number in there:
        if number not in noted:
            yield f"measure:{number}: the audit trail lacks it"
        noted.discard(number)
    for number in sorted(noted):
        yield f"measure:{number}: is gone, though the audit trail records it"


def _measures_without_decision(connection: Connection) -> Iterator[str]:
    """Yield measures in force whose decision was reversed."""
    query = select(measures.c.measure_id).join(reversals, reversals.c.decision_id == measures.c.decision_id)
    for number in connection.scalars(query.where(measures.c.lifted_at.is_(None)).order_by(measures.c.measure_id)):
        yield f"measure {number}: is in force, but its decision was reversed; lift it on the page of its case"


def _evidence_without_record(connection: Connection) -> Iterator[str]:
    """Compare the digests of evidence with those in the audit trail; evidence may expire, but not change."""
    recorded = (
        select(audit.c.subject, audit.c.payload).where(audit.c.action == "evidence kept").order_by(audit.c.sequence)
    )
    there = select(evidence.c.evidence_id, evidence.c.digest).order_by(evidence.c.evidence_id)
    for part in connection.execute(there.execution_options(yield_per=_AT_ONCE)).partitions():
        subjects = [f"evidence:{number}" for number, _ in part]
        rows = connection.execute(recorded.where(audit.c.subject.in_(subjects)))
        noted = {subject: json.loads(payload).get("digest") for subject, payload in rows}
        for (number, digest), subject in zip(part, subjects, strict=True):
            if noted.get(subject) != digest:
                yield f"evidence {number}: is not what the audit trail says was kept"


def _listings_of_another_case(connection: Connection) -> Iterator[str]:
    """Yield verdicts with another listing than their case, which the audit trail covers."""
    in_force = select(measures.c.case_id).where(measures.c.lifted_at.is_(None))
    # Decisions on an erased listing keep its id while their measure is in force on another seller's listing.
    is_kept = cases.c.erased_at.is_not(None) & cases.c.case_id.in_(in_force)
    for table in (decisions, second_verdicts):
        (key,) = table.primary_key
        query = select(key).join(cases, cases.c.case_id == table.c.case_id)
        query = query.where(~is_kept) if table is decisions else query
        for number in connection.scalars(query.where(table.c.listing_id != cases.c.listing_id).order_by(key)):
            yield f"{table.name} {number}: listing_id is not that of its case"


def digest_session(token_hash: str) -> str:
    """Return the digest of a session in the trail; the token cannot be found from it."""
    return hashlib.sha256(f"session {token_hash}".encode()).hexdigest()


def digest_identity(issuer: str, subject: str) -> str:
    """Return the digest of a person at an identity provider in the trail."""
    return hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "replace")).hexdigest()


def _logins_without_record(connection: Connection) -> Iterator[str]:
    """Compare sessions and identities with the logins and links in the trail."""
    recorded = select(audit.c.at, audit.c.action, audit.c.subject, audit.c.payload).order_by(audit.c.sequence)
    recorded = recorded.where(audit.c.action.in_(("logged in", "user linked")))
    first_login = datetime.max.replace(tzinfo=UTC) - _LONGEST_SESSION
    noted: set[tuple[str, str | None]] = set()
    for at, action, subject, payload in connection.execute(recorded.execution_options(yield_per=_AT_ONCE)):
        details = json.loads(payload)
        noted.add((subject, details.get("session") or details.get("identity")))
        first_login = min(first_login, at) if action == "logged in" else first_login
    open_ones = select(sessions, users.c.name).join(users).order_by(sessions.c.created_at)
    for row in connection.execute(open_ones):
        is_older = (
            row.created_at < first_login and row.expires_at < first_login + _LONGEST_SESSION
        )  # of an older release
        if not is_older and (f"user:{row.user_id}", digest_session(row.token_hash)) not in noted:
            remedy = f"end the sessions of {row.name} on the page Users"
            yield f"sessions: {row.name} has one without a login in the audit trail; {remedy}"
    for row in connection.execute(select(identities).order_by(identities.c.user_id, identities.c.subject)):
        if (f"user:{row.user_id}", digest_identity(row.issuer, row.subject)) not in noted:
            yield f"identities: user {row.user_id} is linked to a person whom the audit trail does not name"


def _keys_of_others(connection: Connection) -> Iterator[str]:
    """Yield keys that do not produce the pseudonym of their seller or notifier."""
    for table, name in ((seller_keys, seller_keys.c.seller_id), (notifiers, notifiers.c.address)):
        query = select(name, table.c.pseudonym, table.c.key).where(table.c.key.is_not(None), name.is_not(None))
        for whose, pseudonym, key in connection.execute(query.execution_options(yield_per=_AT_ONCE)):
            if not hmac.compare_digest(derive_pseudonym(whose, key), pseudonym):
                yield f"{table.name}: the key of {pseudonym} did not make that pseudonym; restore a backup"


def _cases_put_aside(connection: Connection) -> Iterator[str]:
    """Compare assignment and snooze of each waiting case with the last one in the trail."""
    aside = (cases.c.assigned_to.is_not(None)) | (cases.c.snoozed_until.is_not(None))
    query = select(cases.c.case_id, cases.c.assigned_to, cases.c.snoozed_until)
    rows = connection.execute(query.where(aside, cases.c.state.in_(_PENDING)).order_by(cases.c.case_id)).all()
    noted: dict[tuple[str, bool], str] = {}
    recorded = select(audit.c.subject, audit.c.action, audit.c.payload).where(
        audit.c.action.in_(("assigned", "snoozed"))
    )
    for subject, action, payload in connection.execute(recorded.order_by(audit.c.sequence)) if rows else ():
        content = json.loads(payload)
        noted[subject, action == "snoozed"] = str(content.get("until") if action == "snoozed" else content.get("to"))
    for row in rows:
        subject = f"case:{row.case_id}"
        if row.assigned_to is not None and noted.get((subject, False)) != row.assigned_to:
            yield f"case {row.case_id}: is assigned to {row.assigned_to}, which the audit trail does not say"
        until = row.snoozed_until
        if until is not None and noted.get((subject, True)) != write_moment(until):
            yield f"case {row.case_id}: is snoozed until {write_moment(until)}, which the audit trail does not say"


def _cases_out_of_order(connection: Connection) -> Iterator[str]:
    """Yield waiting cases whose place does not follow from score, match, arrival and value, which counts as correct."""
    recorded = select(audit.c.action, audit.c.payload).where(audit.c.action.in_(("ranking chosen", "reranked")))
    last = connection.execute(recorded.order_by(audit.c.sequence.desc()).limit(2)).all()
    if last and last[0].action == "ranking chosen":
        return  # the queue is being ranked anew
    order = json.loads(last[-1].payload).get("order", "score") if last else "score"
    is_by_match = cases.c.match_precision > func.coalesce(cases.c.score, -1.0)
    expected = case((is_by_match, cases.c.match_precision), else_=cases.c.score)
    score = func.coalesce(-expected, 1.0)
    value = -cases.c.value / cases.c.minutes
    arrival = type_coerce(cases.c.enqueued_at, BigInteger) * 1.0
    places: dict[str, ColumnElement[Any]] = {"score": score, "value": value, "fifo": arrival}
    place = places[order]
    is_out = or_(
        func.abs(cases.c.score_rank - score) > _NEARLY,
        func.abs(cases.c.value_rank - value) > _NEARLY * func.abs(value),
        cases.c.rank > place + _NEARLY * func.abs(place),
        cases.c.rank < case((place < 0, place * (_MOST_FORWARD + _NEARLY)), else_=place - _NEARLY * place),
    )
    query = select(cases.c.case_id).where(cases.c.state.in_(_PENDING), is_out).order_by(cases.c.case_id)
    for number in connection.scalars(query):
        finding = "its place in the queue is not that of its score, match, value or arrival"
        yield f"case {number}: {finding}; `ipml queue rerank` sets all places"


def _rows_that_refer_to_none(connection: Connection) -> Iterator[str]:
    for table in metadata.tables.values():
        for key in table.foreign_keys:
            other = key.column.table.alias()
            target = other.c[key.column.name]
            lost = select(func.count()).select_from(table.outerjoin(other, key.parent == target))
            count = connection.scalar(lost.where(key.parent.is_not(None), target.is_(None)))
            if count:
                yield f"{table.name}: {count:,} rows whose {key.parent.name} refers to none"
