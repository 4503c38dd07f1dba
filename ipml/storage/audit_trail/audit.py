"""Audit trail: appends rows of who did what and when, each with the hash of the row before.

An edited, deleted or moved row breaks the chain. A cut end or a rewritten trail is detected only with an `Anchor` kept
outside the database (see `ipml.storage.audit_trail.anchors`). Rows hold user names, ids, numbers and hashes, never
texts of listings, so that sellers can be erased without breaking the chain.
"""

from __future__ import annotations

import hashlib
import json
import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple, cast

from sqlalchemy import BigInteger, Connection, Delete, Table, Update, select, type_coerce

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import to_microseconds
from ipml.storage import tables
from ipml.storage.audit_trail.audited_tables import AUDITED
from ipml.storage.audit_trail.row_digests import PREFIX, RowName, find_spoken_of, read_digests, write_digests
from ipml.storage.database import Lock, serialise
from ipml.storage.row_numbers import insert_rows

Value = str | int | float | bool | None

_BEFORE_THE_FIRST = "0" * 64
_LONGEST_TEXT = 200  # code points: room for an id, a version or a hash, not for a listing
_MOST_PROBLEMS = 100
_AT_ONCE = 10_000
_MOST_NUMBERS = 500  # in one query
_END = "ipml: end of the audit trail"  # key of `Connection.info`
# Built once: building the query takes longer than running it.
_LAST = select(tables.audit.c.sequence, tables.audit.c.hash).order_by(tables.audit.c.sequence.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A stored audit event; `payload` adds ids and numbers."""

    sequence: int
    at: datetime
    actor: str
    action: str
    subject: str
    payload: Mapping[str, Value]
    previous: str
    hash: str

    @property
    def said(self) -> dict[str, Value]:
        """Payload without digests of other rows."""
        return {name: value for name, value in self.payload.items() if not name.startswith(PREFIX)}


class AuditEvent(NamedTuple):
    """An event to append: `actor` does `action` to `subject`; `payload` adds ids and numbers.

    `speaks_of` names audited rows that it changes besides those in subject and payload
    (`ipml.storage.audit_trail.row_digests.name_rows`).
    """

    at: datetime
    actor: str
    action: str
    subject: str
    payload: Mapping[str, Value]
    speaks_of: Sequence[RowName] = ()


@dataclass(frozen=True, slots=True)
class Anchor:
    """End of the trail at some time; keep it where an administrator of the database cannot change it."""

    count: int
    head: str

    def __str__(self) -> str:
        return f"{self.count}:{self.head}"

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Parse a printed anchor: number of rows, colon, hash of the last."""
        count, _, head = text.strip().partition(":")
        if not count.isdecimal() or len(head) != len(_BEFORE_THE_FIRST):
            raise UnusableSetting("anchor", repr(text[:80]), "COUNT:HASH as `ipml doctor` printed it")
        return cls(int(count), head)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """Result of `verify`: the present end of the trail, and a sentence for each break, at most 100."""

    anchor: Anchor
    problems: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Whether no break was found."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class AuditBatch:
    """Audit events of a block, written in one statement at its end; see `collect`."""

    connection: Connection
    events: list[AuditEvent] = field(default_factory=list)


Trail = Connection | AuditBatch
"""Where to append: through a connection at once, through a batch at its end."""


def connection_of(trail: Trail) -> Connection:
    """Return the connection of a trail."""
    return trail.connection if isinstance(trail, AuditBatch) else trail


@contextmanager
def collect(connection: Connection) -> Iterator[AuditBatch]:
    """Yield a batch whose events are appended in one statement at the end of the block.

    Others cannot append from the start of the block on. The rows cannot be read within it, and hold digests of rows as
    of its end. An exception discards them.
    """
    _keep_end(connection, _lock_end(connection))
    batch = AuditBatch(connection)
    yield batch
    _append(connection, batch.events)


def append(
    trail: Trail,
    actor: str,
    action: str,
    subject: str,
    payload: Mapping[str, Value],
    *,
    at: datetime | None = None,
) -> None:
    """Append a row in the transaction of the recorded change: now, or at the end of a batch.

    `actor` is a user or "ipml"; `action` is a word such as "claimed"; `subject` is kind and number such as "case:12".
    Texts in the payload are ids and hashes of at most 200 characters. Raises UnstorableValue for a longer text or a
    number that is not finite.
    """
    append_all(trail, actor, action, [(subject, payload)], at=at)


def append_all(
    trail: Trail,
    actor: str,
    action: str,
    entries: Iterable[tuple[str, Mapping[str, Value]]],
    *,
    at: datetime | None = None,
) -> None:
    """Append a row for each (subject, payload); otherwise like `append`."""
    at = at or datetime.now(UTC)
    append_events(trail, [AuditEvent(at, actor, action, *entry) for entry in entries])


def append_events(trail: Trail, audit_events: Iterable[AuditEvent]) -> None:
    """Append a row for each audit event in order; otherwise like `append`.

    With a connection, call it after the other changes of the transaction: others wait for it until the commit, and each
    row holds digests of the rows it names as they are now.
    """
    audit_events = list(audit_events)
    for audit_event in audit_events:
        _check_payload(audit_event.payload)
    if isinstance(trail, AuditBatch):
        trail.events.extend(audit_events)
    else:
        _append(trail, audit_events)


def _append(connection: Connection, audit_events: Sequence[AuditEvent]) -> None:
    if not audit_events:
        return
    spoken_of = [[*find_spoken_of(one.action, one.subject, one.payload), *one.speaks_of] for one in audit_events]
    last = _lock_end(connection)
    digests = read_digests(connection, [name for names in spoken_of for name in names])
    rows: list[dict[str, object]] = []
    for (at, actor, action, subject, said, _), names in zip(audit_events, spoken_of, strict=True):
        number, text = last.count + 1, canonical_json({**said, **dict(write_digests(names, digests, action))})
        hashed = _hash(number, to_microseconds(at), actor, action, subject, text, last.head)
        row = (number, at, actor, action, subject, text, last.head, hashed)
        rows.append(dict(zip(AuditRow.__slots__, row, strict=True)))
        last = Anchor(number, hashed)
    insert_rows(connection, tables.audit, rows)
    _keep_end(connection, last)


def _lock_end(connection: Connection) -> Anchor:
    """Return the end of the trail, locked against other writers; a transaction reads it once."""
    transaction, end = connection.info.get(_END, (None, None))
    if transaction is not None and transaction() is connection.get_transaction():
        return cast("Anchor", end)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    return anchor(connection)


def _keep_end(connection: Connection, end: Anchor) -> None:
    """Remember the end of the trail until the transaction ends."""
    transaction = connection.get_transaction()
    assert transaction is not None
    connection.info[_END] = weakref.ref(transaction), end


def change_rows(trail: Trail, change: Update | Delete, actor: str, action: str, *, at: datetime | None = None) -> int:
    """Update or delete rows of a numbered table, append an audit row for each if they are audited; return how many."""
    table: Table = change.entity_description["table"]
    (key,) = table.primary_key
    numbers = sorted(connection_of(trail).scalars(change.returning(key)))
    if table.name in AUDITED:
        noun = AUDITED[table.name].noun
        append_all(trail, actor, action, [(f"{noun}:{number}", {}) for number in numbers], at=at)
    return len(numbers)


def list_rows(connection: Connection, *subjects: str) -> list[AuditRow]:
    """Return the audit rows of subjects, in order."""
    query = select(tables.audit).where(tables.audit.c.subject.in_(subjects)).order_by(tables.audit.c.sequence)
    return [_audit_row(row._asdict()) for row in connection.execute(query)]


def list_between(connection: Connection, first: int, last: int) -> list[AuditRow]:
    """Return a range of audit rows, which links a row to an anchor: hashes need whole rows."""
    query = select(tables.audit).where(tables.audit.c.sequence.between(first, last)).order_by(tables.audit.c.sequence)
    return [_audit_row(row._asdict()) for row in connection.execute(query)]


def anchor(connection: Connection) -> Anchor:
    """Return the present end of the trail."""
    last = connection.execute(_LAST).first()
    return Anchor(last.sequence, last.hash) if last else Anchor(0, _BEFORE_THE_FIRST)


def verify(
    connection: Connection, *anchors: Anchor, show: Callable[[int, int | None], object] | None = None
) -> AuditReport:
    """Check the whole trail, row by row.

    Anchors kept elsewhere also detect a cut or rewritten trail; more anchors narrow down the place. `show` is called
    now and then with the number of rows checked and the total.
    """
    count, head, total = 0, _BEFORE_THE_FIRST, anchor(connection).count
    wanted = {kept.count for kept in anchors}
    found = {0: head}
    problems: list[str] = []
    for row in _stored_rows(connection):
        sequence, *_, previous, digest = row  # the order of the table
        if sequence != count + 1:
            problems.append(f"row {count + 1}: found row {sequence} in its place")
        elif previous != head:
            problems.append(f"row {sequence}: does not follow the row before it")
        if digest != _hash(*row[:-1]):
            problems.append(f"row {sequence}: was changed")
        count, head = sequence, digest
        if count in wanted:
            found[count] = head
        if show and count % _AT_ONCE == 0:
            show(count, total)
    problems = [*problems[:_MOST_PROBLEMS], *_compare(found, count, anchors)]
    return AuditReport(Anchor(count, head), tuple(problems))


def compare(connection: Connection, *anchors: Anchor) -> tuple[str, ...]:
    """Return a sentence for each anchor whose row the trail does not hold, without reading the whole trail."""
    found = {0: _BEFORE_THE_FIRST}
    count = anchor(connection).count
    numbers = sorted({kept.count for kept in anchors if kept.count <= count})
    for start in range(0, len(numbers), _MOST_NUMBERS):
        query = select(tables.audit.c.sequence, tables.audit.c.hash)
        query = query.where(tables.audit.c.sequence.in_(numbers[start : start + _MOST_NUMBERS]))
        found |= {row.sequence: row.hash for row in connection.execute(query)}
    return tuple(_compare(found, count, anchors))


def _compare(found: Mapping[int, str], count: int, anchors: Iterable[Anchor]) -> list[str]:
    """Return how a trail differs from its anchors: rewritten rows, then missing rows."""
    kept = sorted(set(anchors), key=lambda anchor: anchor.count)
    wrong = [anchor for anchor in kept if anchor.count <= count and found.get(anchor.count) != anchor.head]
    problems: list[str] = []
    if wrong:
        number = wrong[0].count
        first = max([anchor.count for anchor in kept if anchor.count < number], default=0) + 1
        where = "" if first == number else f", somewhere from row {first} on"
        others = f"; so it is with {len(wrong) - 1:,} later anchors" if len(wrong) > 1 else ""
        problems.append(f"row {number}: is not the row of the anchor; the trail was written anew{where}{others}")
    if kept and kept[-1].count > count:
        problems.append(f"row {count + 1}: is missing; the trail went on to row {kept[-1].count}")
    return problems


def _stored_rows(connection: Connection) -> Iterable[Sequence[Any]]:
    """Yield the columns of every row as hashed, with times in microseconds."""
    stored = [type_coerce(column, BigInteger) if column is tables.audit.c.at else column for column in tables.audit.c]
    query = select(*stored).order_by(tables.audit.c.sequence)
    return connection.execute(query.execution_options(yield_per=_AT_ONCE))


def _hash(sequence: int, at: int, actor: str, action: str, subject: str, payload: str, previous: str) -> str:
    """Return the SHA-256 of a row's columns except the hash, as a compact JSON list in ASCII.

    >>> row = (1, 0, "an\u00e4", "claimed", "case:12", "{}", "0" * 64)
    >>> _hash(*row) == hashlib.sha256(json.dumps(row, separators=(",", ":")).encode("ascii")).hexdigest()
    True
    """
    quote = encode_basestring_ascii
    texts = f"{_quote_again(actor)},{_quote_again(action)},{quote(subject)},{quote(payload)},{quote(previous)}"
    return hashlib.sha256(f"[{sequence},{at},{texts}]".encode("ascii")).hexdigest()


# Actors and actions repeat.
_quote_again = lru_cache(maxsize=1024)(encode_basestring_ascii)


def _check_payload(payload: Mapping[str, Value]) -> None:
    for name, value in payload.items():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            found, expected = (
                f"a text of {len(value)} characters",
                f"an id or a hash of at most {_LONGEST_TEXT}",
            )
            raise UnstorableValue(f"audit payload, {name}", found, expected)
        if isinstance(value, float) and not math.isfinite(value):
            raise UnstorableValue(f"audit payload, {name}", str(value), "a finite number or none")


def _audit_row(stored: Mapping[str, Any]) -> AuditRow:
    return AuditRow(**{**stored, "payload": json.loads(stored["payload"])})
