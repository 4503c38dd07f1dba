"""Who did what, when: rows that are only ever appended, each holding the hash of the one before.

An edited, deleted or moved row breaks the chain where it happened. Cutting off the end, or writing the whole trail
anew, does not: that shows only against an `Anchor` that was kept outside the database (see
`ipml.storage.audit_trail.anchors`). Rows hold names of users, ids, numbers and hashes, never the text of a listing: a
seller can be forgotten and the chain holds.
"""

from __future__ import annotations

import hashlib
import json
import math
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
_END, _GATHERED = "ipml: end of the audit trail", "ipml: audit_events"  # in what SQLAlchemy keeps for a connection
# Made once, as making a query takes longer than asking it.
_LAST = select(tables.audit.c.sequence, tables.audit.c.hash).order_by(tables.audit.c.sequence.desc()).limit(1)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that was done: `actor` did `action` to `subject`; `payload` says more in ids and numbers."""

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
        """The payload as whoever did it gave it, without the digests of other rows."""
        return {name: value for name, value in self.payload.items() if not name.startswith(PREFIX)}


class AuditEvent(NamedTuple):
    """What a row is to say: `actor` does `action` to `subject` at a moment; `payload` says more in ids and numbers.

    `speaks_of` are the audited rows that it changes besides those that subject and payload name
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
    """How far the trail went at some moment; write it down where nobody who can write the database can.

    Examples
    --------
    >>> Anchor.parse(str(Anchor(0, "0" * 64))) == Anchor(0, "0" * 64)
    True
    """

    count: int
    head: str

    def __str__(self) -> str:
        return f"{self.count}:{self.head}"

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """Read an anchor as it was printed: number of rows, colon, hash of the last."""
        count, _, head = text.strip().partition(":")
        if not count.isdecimal() or len(head) != len(_BEFORE_THE_FIRST):
            raise UnusableSetting("anchor", repr(text[:80]), "COUNT:HASH as `ipml doctor` printed it")
        return cls(int(count), head)


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found.

    Attributes
    ----------
    anchor : Anchor
        Where the trail ends now.
    problems : tuple of str
        One sentence for each place where the trail is broken, at most 100; empty if it is whole.
    """

    anchor: Anchor
    problems: tuple[str, ...]

    @property
    def is_intact(self) -> bool:
        """Whether nothing was found broken."""
        return not self.problems


def append(
    connection: Connection,
    actor: str,
    action: str,
    subject: str,
    payload: Mapping[str, Value],
    *,
    at: datetime | None = None,
) -> None:
    """Append one row in the caller's transaction: what is done and the record of it stand or fall together.

    Parameters
    ----------
    actor : str
        Name of the user who did it, or "ipml".
    action : str
        A word: "claimed".
    subject : str
        Kind and number: "case:12".
    payload : mapping of str to str, int, float, bool or None
        Ids, numbers and hashes; texts of at most 200 characters.
    at : datetime, default=now
        Moment at which it was done.

    Raises
    ------
    UnstorableValue
        The payload holds a long text, or a number that is not finite.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     append(connection, "ana", "claimed", "case:12", {"token": 1})
    ...     report = verify(connection)
    >>> report.anchor.count, report.is_intact
    (1, True)
    """
    append_all(connection, actor, action, [(subject, payload)], at=at)


def append_all(
    connection: Connection,
    actor: str,
    action: str,
    entries: Iterable[tuple[str, Mapping[str, Value]]],
    *,
    at: datetime | None = None,
) -> None:
    """Append a row for each (subject, payload); otherwise like `append`."""
    at = at or datetime.now(UTC)
    append_events(connection, [AuditEvent(at, actor, action, *entry) for entry in entries])


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """Append at the end of a block, in one statement, what is appended within it: many small stages cost less so.

    Nobody else can append from the start of the block on. What is appended within cannot be read within, and holds
    digests of rows as they are at the end.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     with together(connection):
    ...         append(connection, "ana", "claimed", "case:12", {"token": 1})
    ...         append(connection, "ana", "released", "case:12", {"token": 1})
    ...     [row.action for row in list_rows(connection, "case:12")]
    ['claimed', 'released']
    """
    if _GATHERED in connection.info:
        yield  # part of a larger block
        return
    _keep_end(connection, _lock_end(connection))
    audit_events = connection.info[_GATHERED] = list[AuditEvent]()
    try:
        yield
    finally:
        del connection.info[_GATHERED]
    _append(connection, audit_events)


def append_events(connection: Connection, audit_events: Iterable[AuditEvent]) -> None:
    """Append a row for each audit event, in order; otherwise like `append`.

    Call it after the other changes of the transaction, as all who append wait for each other until it ends, and each
    row holds digests of the rows that it speaks of as they are now.
    """
    audit_events = list(audit_events)
    for audit_event in audit_events:
        _check_payload(audit_event.payload)
    if _GATHERED in connection.info:
        connection.info[_GATHERED] += audit_events
    else:
        _append(connection, audit_events)


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
    """Return how far the trail goes, once nobody else can append to it; a transaction asks for it once."""
    transaction, end = connection.info.get(_END, (None, None))
    if transaction is not None and transaction() is connection.get_transaction():
        return cast("Anchor", end)
    serialise(connection, Lock.APPEND_TO_AUDIT)
    return anchor(connection)


def _keep_end(connection: Connection, end: Anchor) -> None:
    """Remember how far the trail goes, until the transaction ends."""
    transaction = connection.get_transaction()
    assert transaction is not None
    connection.info[_END] = weakref.ref(transaction), end


def change_rows(
    connection: Connection, change: Update | Delete, actor: str, action: str, *, at: datetime | None = None
) -> int:
    """Change or delete rows, append for each audited one that this was done, and return how many there are.

    Parameters
    ----------
    change : Update or Delete
        Of a table that has a number.
    """
    table: Table = change.entity_description["table"]
    (key,) = table.primary_key
    numbers = sorted(connection.scalars(change.returning(key)))
    if table.name in AUDITED:
        noun = AUDITED[table.name].noun
        append_all(connection, actor, action, [(f"{noun}:{number}", {}) for number in numbers], at=at)
    return len(numbers)


def list_rows(connection: Connection, *subjects: str) -> list[AuditRow]:
    """Return what was done to one subject or to several, in the order it was done."""
    query = select(tables.audit).where(tables.audit.c.subject.in_(subjects)).order_by(tables.audit.c.sequence)
    return [_audit_row(row._asdict()) for row in connection.execute(query)]


def list_between(connection: Connection, first: int, last: int) -> list[AuditRow]:
    """Return the rows from one number to another: what links a row to an anchor, as only whole rows can be hashed."""
    query = select(tables.audit).where(tables.audit.c.sequence.between(first, last)).order_by(tables.audit.c.sequence)
    return [_audit_row(row._asdict()) for row in connection.execute(query)]


def anchor(connection: Connection) -> Anchor:
    """Return how far the trail goes now."""
    last = connection.execute(_LAST).first()
    return Anchor(last.sequence, last.hash) if last else Anchor(0, _BEFORE_THE_FIRST)


def verify(
    connection: Connection, *anchors: Anchor, show: Callable[[int, int | None], object] | None = None
) -> AuditReport:
    """Check the whole trail, row by row.

    Parameters
    ----------
    *anchors : Anchor
        What was kept elsewhere; with it a trail that was cut off or written anew is found, too. The more there are,
        the closer is it known which rows were.
    show : callable, optional
        Told now and then how many rows have been checked, and of how many.
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
    """Look only whether the trail still holds the rows of some anchors: at once, however long the trail is.

    Returns
    -------
    tuple of str
        A sentence for each place where it does not; what `verify` would say of these anchors.
    """
    found = {0: _BEFORE_THE_FIRST}
    count = anchor(connection).count
    numbers = sorted({kept.count for kept in anchors if kept.count <= count})
    for start in range(0, len(numbers), _MOST_NUMBERS):
        query = select(tables.audit.c.sequence, tables.audit.c.hash)
        query = query.where(tables.audit.c.sequence.in_(numbers[start : start + _MOST_NUMBERS]))
        found |= {row.sequence: row.hash for row in connection.execute(query)}
    return tuple(_compare(found, count, anchors))


def _compare(found: Mapping[int, str], count: int, anchors: Iterable[Anchor]) -> list[str]:
    """Say where a trail of so many rows differs from what was kept of it: first rewritten, then missing rows."""
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
    """Give the columns of every row as it is hashed, moments in microseconds, some thousands at a time."""
    stored = [type_coerce(column, BigInteger) if column is tables.audit.c.at else column for column in tables.audit.c]
    query = select(*stored).order_by(tables.audit.c.sequence)
    return connection.execute(query.execution_options(yield_per=_AT_ONCE))


def _hash(sequence: int, at: int, actor: str, action: str, subject: str, payload: str, previous: str) -> str:
    """Return the SHA-256 of a row's columns, all but the hash itself, as a list in JSON without spaces, in ASCII.

    Examples
    --------
    >>> row = (1, 0, "an\u00e4", "claimed", "case:12", "{}", "0" * 64)
    >>> _hash(*row) == hashlib.sha256(json.dumps(row, separators=(",", ":")).encode("ascii")).hexdigest()
    True
    """
    quote = encode_basestring_ascii
    texts = f"{_quote_again(actor)},{_quote_again(action)},{quote(subject)},{quote(payload)},{quote(previous)}"
    return hashlib.sha256(f"[{sequence},{at},{texts}]".encode("ascii")).hexdigest()


# The same few people do the same few things.
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
