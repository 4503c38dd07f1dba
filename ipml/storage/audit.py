"""Who did what, when: rows that are only ever appended, each holding the hash of the one before.

An edited, deleted or moved row breaks the chain where it happened. Cutting off the end, or writing the whole
trail anew, does not: that shows only against an `Anchor` that was kept outside the database. Rows hold names
of users, ids, numbers and hashes, never the text of a listing: a seller can be forgotten and the chain holds.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Connection, insert, select, type_coerce

from ipml.errors import UnstorableValue, UnusableSetting
from ipml.storage import tables
from ipml.storage.database import Lock, serialise
from ipml.storage.tables import to_microseconds

Value = str | int | float | bool | None

_BEFORE_THE_FIRST = "0" * 64
_LONGEST_TEXT = 200  # code points: room for an id, a version or a hash, not for a listing
_MOST_PROBLEMS = 100


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
) -> AuditRow:
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
    ...     row = append(connection, "ana", "claimed", "case:12", {"token": 1})
    ...     report = verify(connection)
    >>> row.sequence, report.anchor.count, report.is_intact
    (1, 1, True)
    """
    return append_all(connection, actor, action, [(subject, payload)], at=at)[0]


def append_all(
    connection: Connection,
    actor: str,
    action: str,
    entries: Iterable[tuple[str, Mapping[str, Value]]],
    *,
    at: datetime | None = None,
) -> list[AuditRow]:
    """Append a row for each (subject, payload); otherwise like `append`.

    Call it after the other changes of the transaction, as all who append wait for each other until it ends.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    at = at or datetime.now(UTC)
    last = anchor(connection)
    rows: list[dict[str, Any]] = []
    for subject, payload in entries:
        row: dict[str, Any] = {
            "sequence": last.count + 1,
            "at": at,
            "actor": actor,
            "action": action,
            "subject": subject,
            "payload": _payload_text(payload),
            "previous": last.head,
        }
        row["hash"] = _hash(*(row | {"at": to_microseconds(at)}).values())
        rows.append(row)
        last = Anchor(row["sequence"], row["hash"])
    if rows:
        connection.execute(insert(tables.audit), rows)
    return [_audit_row(row) for row in rows]


def list_rows(connection: Connection, subject: str) -> list[AuditRow]:
    """Return what was done to a subject, in the order it was done."""
    query = select(tables.audit).where(tables.audit.c.subject == subject).order_by(tables.audit.c.sequence)
    return [_audit_row(row._asdict()) for row in connection.execute(query)]


def anchor(connection: Connection) -> Anchor:
    """Return how far the trail goes now."""
    query = select(tables.audit.c.sequence, tables.audit.c.hash).order_by(tables.audit.c.sequence.desc()).limit(1)
    last = connection.execute(query).first()
    return Anchor(last.sequence, last.hash) if last else Anchor(0, _BEFORE_THE_FIRST)


def verify(connection: Connection, anchor: Anchor | None = None) -> AuditReport:
    """Check the whole trail, row by row.

    Parameters
    ----------
    anchor : Anchor, optional
        One that was kept elsewhere; with it a trail that was cut off or written anew is found, too.
    """
    last = Anchor(0, _BEFORE_THE_FIRST)
    problems: list[str] = []
    for row in _stored_rows(connection):
        sequence, *_, previous, digest = row  # the order of the table
        if sequence != last.count + 1:
            problems.append(f"row {last.count + 1}: found row {sequence} in its place")
        elif previous != last.head:
            problems.append(f"row {sequence}: does not follow the row before it")
        if digest != _hash(*row[:-1]):
            problems.append(f"row {sequence}: was changed")
        last = Anchor(sequence, digest)
        if anchor and sequence == anchor.count and digest != anchor.head:
            problems.append(f"row {sequence}: is not the row of the anchor; the trail was written anew")
    if anchor and last.count < anchor.count:
        problems.append(f"row {last.count + 1}: is missing; the trail went on to row {anchor.count}")
    return AuditReport(last, tuple(problems[:_MOST_PROBLEMS]))


def _stored_rows(connection: Connection) -> Iterable[Sequence[Any]]:
    """Give the columns of every row as it is hashed, moments in microseconds, a thousand at a time."""
    stored = [type_coerce(column, BigInteger) if column is tables.audit.c.at else column for column in tables.audit.c]
    query = select(*stored).order_by(tables.audit.c.sequence)
    return connection.execute(query.execution_options(yield_per=1000))


def _hash(*stored: Any) -> str:
    """Return the SHA-256 of a row's columns, all but the hash itself, in the order of the table."""
    return hashlib.sha256(json.dumps(stored, separators=(",", ":")).encode("ascii")).hexdigest()


def _payload_text(payload: Mapping[str, Value]) -> str:
    for name, value in payload.items():
        if isinstance(value, str) and len(value) > _LONGEST_TEXT:
            found, expected = (
                f"a text of {len(value)} characters",
                f"an id or a hash of at most {_LONGEST_TEXT}",
            )
            raise UnstorableValue(f"audit payload, {name}", found, expected)
        if isinstance(value, float) and not math.isfinite(value):
            raise UnstorableValue(f"audit payload, {name}", str(value), "a finite number or none")
    return json.dumps(payload, separators=(",", ":"), sort_keys=True)


def _audit_row(stored: Mapping[str, Any]) -> AuditRow:
    return AuditRow(**{**stored, "payload": json.loads(stored["payload"])})
