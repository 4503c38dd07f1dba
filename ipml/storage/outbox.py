"""Outbox: stores messages in the transaction that causes them, for delivery at least once under a key.

A receiver recognises a repeated message by its key. Messages on one subject go to a channel in order, one at a time.
Failed ones are retried at growing intervals and in the end become dead letters, which people retry or drop; none is
lost. A dead letter does not block later ones, so each message states the present measures, not a change. Senders lease
messages; a sender presents holder and attempt number, so one whose lease has passed to another cannot settle.
"""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select, update

from ipml.errors import Conflict, NotFound, Overtaken, SellerErased
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.message_kinds import MESSAGE_KINDS, UndocumentedMessage, find_fault, get_version
from ipml.storage.pseudonyms import Keyring, encrypt, read_keys
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import outbox

_SYSTEM = "ipml"
_write_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message; `holder` and `attempts` identify its lease, and `body` is None if the seller was erased."""

    message_id: int
    key: str
    channel: str
    kind: str
    version: int
    subject: str
    pseudonym: str | None
    body: str | None
    put_at: datetime
    state: str
    attempts: int
    next_try_at: datetime
    holder: str | None
    last_error: str | None
    settled_at: datetime | None
    dropped_by: str | None
    why_dropped: str | None


def make_key(name: str) -> str:
    """Return a unique key for a name such as "measure-12-imposed", with random letters at the end.

    Numbers may repeat after a backup was restored; a repeated key would make receivers drop a new message.
    """
    return f"{name}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message not stored yet.

    - `key`: see `make_key`.
    - `channel`: "platform", "seller", "transparency" or "holder".
    - `kind`: one of `ipml.storage.message_kinds.MESSAGE_KINDS`.
    - `subject`: such as "measure:12"; messages on one subject are delivered in order.
    - `body`: JSON in the shape documented in `ipml.storage.message_kinds`.
    - `pseudonym`: seller whose key encrypts the stored body; None if it contains no seller data.
    - `not_before`: earliest time of delivery; None: at once.
    """

    key: str
    channel: str
    kind: str
    subject: str
    body: Mapping[str, Any]
    pseudonym: str | None
    now: datetime
    not_before: datetime | None = None

    def __post_init__(self) -> None:
        if self.kind not in MESSAGE_KINDS:
            raise ValueError(
                f"found a message of kind {self.kind!r}; expected one of {', '.join(sorted(MESSAGE_KINDS))}"
            )


def put_all(trail: audit.Trail, drafts: Sequence[Draft], keys: Keyring | None = None) -> None:
    """Store messages in the caller's transaction, in order; `keys` saves reading the sellers' keys again.

    Raises SellerErased if a message is about an erased seller.
    """
    if not drafts:
        return
    connection = audit.connection_of(trail)
    keys = keys or read_keys(connection, {draft.pseudonym for draft in drafts if draft.pseudonym is not None})
    numbers = append_rows(connection, outbox, [_make_row(draft, keys) for draft in drafts])
    audit_events = [
        audit.AuditEvent(draft.now, _SYSTEM, "put", subject_of(number), {"key": draft.key})
        for number, draft in zip(numbers, drafts, strict=True)
    ]
    audit.append_events(trail, audit_events)


def subject_of(message_id: int) -> str:
    """Return the audit subject of a message."""
    return f"message:{message_id}"


def _make_row(draft: Draft, keys: Keyring) -> dict[str, Any]:
    text = _write_json(draft.body)
    if fault := find_fault(draft.kind, draft.channel, text):
        warnings.warn(f"message {draft.key}, {draft.kind}: {fault}", UndocumentedMessage, stacklevel=3)
    return {
        "key": draft.key,
        "channel": draft.channel,
        "kind": draft.kind,
        "version": get_version(draft.kind, draft.channel),
        "subject": draft.subject,
        "pseudonym": draft.pseudonym,
        "body": text if draft.pseudonym is None else keys.encrypt(draft.pseudonym, text),
        "put_at": draft.now,
        "next_try_at": draft.not_before or draft.now,
        "state": "waiting",
        "attempts": 0,
    }


def take(
    connection: Connection,
    holder: str,
    now: datetime,
    lease: timedelta,
    *,
    channels: Collection[str] = (),
    at_most: int = 1,
) -> list[Message]:
    """Lease due messages without a waiting predecessor on their subject; `holder` must be unique to the sender."""
    query = select(outbox.c.message_id).where(*_is_due(now), ~_is_preceded())
    if channels:
        query = query.where(outbox.c.channel.in_(channels))
    query = query.order_by(outbox.c.next_try_at, outbox.c.message_id).limit(at_most)
    numbers = connection.scalars(query.with_for_update(skip_locked=True, of=outbox)).all()
    # Checked again under the lock: a person may have retried an earlier message meanwhile.
    still = select(outbox.c.message_id).where(outbox.c.message_id.in_(numbers), ~_is_preceded())
    leased = {"holder": holder, "lease_expires_at": now + lease, "attempts": outbox.c.attempts + 1}
    taken = list(connection.scalars(still).all())
    connection.execute(update(outbox).where(outbox.c.message_id.in_(taken)).values(leased))
    rows = connection.execute(select(outbox).where(outbox.c.message_id.in_(taken)).order_by(outbox.c.message_id))
    return make_messages(connection, rows.all())


def settle_delivered(connection: Connection, message: Message, now: datetime) -> bool:
    """Record a delivery; return False if the lease has passed to another sender or the message is settled."""
    return bool(settle_all_delivered(connection, [message], now))


def settle_all_delivered(connection: Connection, messages: Sequence[Message], now: datetime) -> list[Message]:
    """Record several deliveries, and return the messages still leased by the sender."""
    fields = {"state": "delivered", "settled_at": now, "last_error": None, "holder": None, "lease_expires_at": None}
    settled = set[int]()
    for held_as in {(message.holder, message.attempts) for message in messages}:
        numbers = [message.message_id for message in messages if (message.holder, message.attempts) == held_as]
        mine = update(outbox).where(outbox.c.message_id.in_(numbers), outbox.c.state == "waiting", *_is_held(*held_as))
        settled |= set(connection.scalars(mine.values(fields).returning(outbox.c.message_id)))
    return [message for message in messages if message.message_id in settled]


def settle_failed(connection: Connection, message: Message, now: datetime, why: str, next_try: datetime | None) -> bool:
    """Record a failed attempt and the time of the next (None: never); return False as `settle_delivered` does."""
    error = encrypt_if_told(connection, message.pseudonym, why)
    if next_try is None:
        return _settle(connection, message, state="dead", settled_at=now, last_error=error)
    return _settle(connection, message, next_try_at=next_try, last_error=error)


def settle_unreadable(connection: Connection, message: Message, now: datetime) -> bool:
    """Drop a message to an erased seller, which can no longer be decrypted."""
    is_mine = _settle(connection, message, state="dead", settled_at=now, dropped_by=_SYSTEM, dropped_at=now)
    if is_mine:
        audit.append(connection, _SYSTEM, "dropped", subject_of(message.message_id), {"key": message.key}, at=now)
    return is_mine


def give_back(connection: Connection, message: Message) -> bool:
    """Release the lease of a message that may have been sent; return False as `settle_delivered` does."""
    return _settle(connection, message)


def hurry(connection: Connection, now: datetime) -> int:
    """Make every failed message due at once, for a receiver that is available again; return how many."""
    late = outbox.c.state == "waiting", outbox.c.next_try_at > now, outbox.c.last_error.is_not(None)
    return connection.execute(update(outbox).where(*late).values(next_try_at=now)).rowcount


def withdraw(trail: audit.Trail, keys: Collection[str], *, by: str, now: datetime) -> set[str]:
    """Drop the messages without a delivery attempt; return the keys of the others."""
    if not keys:
        return set()
    is_untouched = outbox.c.state == "waiting", outbox.c.attempts == 0, outbox.c.last_error.is_(None)
    fields = {"state": "dead", "settled_at": now, "dropped_by": by, "dropped_at": now}
    change = update(outbox).where(outbox.c.key.in_(keys), *is_untouched).values(fields)
    rows = audit.connection_of(trail).execute(change.returning(outbox.c.message_id, outbox.c.key))
    dropped: dict[int, str] = dict(rows.all())
    entries: list[tuple[str, dict[str, audit.Value]]] = [(subject_of(number), {}) for number in sorted(dropped)]
    audit.append_all(trail, by, "withdrawn", entries, at=now)
    return set(keys) - set(dropped.values())


def find_message(connection: Connection, key: str) -> Message | None:
    """Return the message of a key, or None."""
    row = connection.execute(select(outbox).where(outbox.c.key == key)).first()
    return None if row is None else make_message(connection, row)


def find_keys(connection: Connection, subject: str, *kinds: str) -> list[str]:
    """Return the keys of the messages on a subject in order, of some kinds or all, without dropped ones."""
    return find_all_keys(connection, [subject], *kinds)[subject]


def find_all_keys(connection: Connection, subjects: Collection[str], *kinds: str) -> dict[str, list[str]]:
    """Return the keys for several subjects, like `find_keys`."""
    keys: dict[str, list[str]] = {subject: [] for subject in subjects}
    if keys:
        query = select(outbox.c.subject, outbox.c.key).where(outbox.c.subject.in_(keys), outbox.c.dropped_at.is_(None))
        if kinds:
            query = query.where(outbox.c.kind.in_(kinds))
        for row in connection.execute(query.order_by(outbox.c.message_id)):
            keys[row.subject].append(row.key)
    return keys


def has_subject(connection: Connection, channel: str, subject: str) -> bool:
    """Return whether a channel ever got a message on a subject."""
    query = select(outbox.c.message_id).where(outbox.c.subject == subject, outbox.c.channel == channel).limit(1)
    return connection.scalar(query) is not None


@dataclass(frozen=True, slots=True)
class ChannelBacklog:
    """Backlog of a channel; `oldest` is the creation time of the oldest due message, or None."""

    channel: str
    waiting: int
    dead: int
    oldest: datetime | None


def count_backlog(connection: Connection, now: datetime) -> list[ChannelBacklog]:
    """Return the numbers of waiting and of dead, not dropped messages for each channel with any."""
    is_waiting, is_dead = outbox.c.state == "waiting", and_(outbox.c.state == "dead", outbox.c.dropped_at.is_(None))
    query = select(
        outbox.c.channel,
        func.count().filter(is_waiting).label("waiting"),
        func.count().filter(is_dead).label("dead"),
        func.min(outbox.c.put_at).filter(is_waiting, outbox.c.next_try_at <= now).label("oldest"),
    )
    query = query.where(outbox.c.state.in_(("waiting", "dead"))).group_by(outbox.c.channel).order_by(outbox.c.channel)
    return [ChannelBacklog(*row) for row in connection.execute(query)]


def next_due(connection: Connection, channels: Collection[str] = ()) -> datetime | None:
    """Return when the next unleased message is due; None without waiting messages."""
    query = select(func.min(outbox.c.next_try_at)).where(outbox.c.state == "waiting", ~_is_preceded())
    moment: datetime | None = connection.scalar(query.where(outbox.c.channel.in_(channels)) if channels else query)
    return moment


def make_message(connection: Connection, row: Row[Any]) -> Message:
    """Convert a row of the outbox to a record, decrypted."""
    return make_messages(connection, [row])[0]


def make_messages(connection: Connection, rows: Sequence[Row[Any]]) -> list[Message]:
    """Convert several rows, like `make_message`."""
    keys = read_keys(connection, {row.pseudonym for row in rows if row.pseudonym is not None})
    return [_make_message(row, keys) for row in rows]


def _make_message(row: Row[Any], keys: Keyring) -> Message:
    fields = {name: getattr(row, name) for name in Message.__slots__}
    if row.pseudonym is not None:
        fields |= {name: _decrypt(keys, row.pseudonym, fields[name]) for name in ("body", "last_error", "why_dropped")}
    return Message(**fields)


def _is_due(now: datetime) -> Sequence[ColumnElement[bool]]:
    is_free = or_(outbox.c.lease_expires_at.is_(None), outbox.c.lease_expires_at <= now)
    return outbox.c.state == "waiting", outbox.c.next_try_at <= now, is_free


def _is_preceded() -> ColumnElement[bool]:
    """Return the condition that an earlier message on the subject waits for the channel."""
    earlier = outbox.alias("earlier")
    same = earlier.c.channel == outbox.c.channel, earlier.c.subject == outbox.c.subject
    is_earlier = earlier.c.message_id < outbox.c.message_id, earlier.c.state == "waiting"
    return select(earlier.c.message_id).where(*same, *is_earlier).exists()


def _settle(connection: Connection, message: Message, **fields: Any) -> bool:
    lease = _is_held(message.holder, message.attempts)
    mine = update(outbox).where(outbox.c.message_id == message.message_id, outbox.c.state == "waiting", *lease)
    return connection.execute(mine.values(holder=None, lease_expires_at=None, **fields)).rowcount == 1


def _is_held(holder: str | None, attempts: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return outbox.c.holder == holder, outbox.c.attempts == attempts


def encrypt_if_told(connection: Connection, pseudonym: str | None, text: str) -> str | None:
    """Return a text, encrypted if it is about a seller; None if that seller was erased."""
    try:
        return text if pseudonym is None else encrypt(connection, pseudonym, text)
    except SellerErased:
        return None


def _decrypt(keys: Keyring, pseudonym: str, text: str | None) -> str | None:
    return None if not text or pseudonym not in keys else keys.decrypt(pseudonym, text)


def list_dead(connection: Connection, *, with_dropped: bool = False, at_most: int | None = None) -> list[Message]:
    """Return the dead letters, oldest first, without dropped ones by default."""
    query = select(outbox).where(outbox.c.state == "dead").order_by(outbox.c.message_id).limit(at_most)
    if not with_dropped:
        query = query.where(outbox.c.dropped_at.is_(None))
    return make_messages(connection, connection.execute(query).all())


WAITING, DELIVERED, DEAD, DROPPED = MESSAGE_STATES = ("waiting", "delivered", "dead", "dropped")
"""States of a message; a dead one that was dropped counts as dropped."""


def browse_messages(
    connection: Connection, state: str, *, channel: str | None = None, after: int | None = None, at_most: int
) -> list[Message]:
    """Return messages in one of `MESSAGE_STATES` by due time, delivered ones latest first.

    `after` is the last message of the page before.
    """
    is_dropped = outbox.c.dropped_at.is_not(None)
    is_in = [outbox.c.state == state] if state in (WAITING, DELIVERED) else [outbox.c.state == DEAD]
    is_in += {DEAD: [~is_dropped], DROPPED: [is_dropped]}.get(state, [])
    if channel is not None:
        is_in.append(outbox.c.channel == channel)
    is_backwards, due, number = state == DELIVERED, outbox.c.next_try_at, outbox.c.message_id
    there = connection.execute(select(due, number).where(number == after)).first() if after is not None else None
    if there:
        passed = or_(due < there[0], number < there[1]) if is_backwards else or_(due > there[0], number > there[1])
        is_in += [due <= there[0] if is_backwards else due >= there[0], passed]
    order = (due.desc(), number.desc()) if is_backwards else (due, number)
    query = select(outbox).where(*is_in).order_by(*order).limit(at_most)
    return make_messages(connection, connection.execute(query).all())


def retry_dead(connection: Connection, key: str, by: str, now: datetime, *, out_of_order: bool = False) -> None:
    """Make a dead message due again at once.

    With `out_of_order`, even if a later message on its subject, perhaps a contrary one, may have been sent. Raises
    NotFound, Conflict or Overtaken.
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    # Locked, so that none of them is taken before this one is due again.
    later = select(outbox).where(outbox.c.channel == message.channel, outbox.c.subject == message.subject)
    later = later.where(outbox.c.message_id > message.message_id).order_by(outbox.c.message_id).with_for_update()
    # An attempt whose answer was lost may have arrived, too.
    gone = [row.key for row in connection.execute(later) if row.attempts > 0 or row.last_error is not None]
    if gone and not out_of_order:
        raise Overtaken(
            f"message {key}",
            f"{gone[-1]} on the same subject was sent after it",
            "Drop it, or insist with --out-of-order.",
        )
    fields = {"state": "waiting", "attempts": 0, "next_try_at": now, "settled_at": None}
    fields |= {"holder": None, "lease_expires_at": None, "dropped_by": None, "dropped_at": None, "why_dropped": None}
    connection.execute(update(outbox).where(outbox.c.message_id == message.message_id).values(fields))
    audit.append(connection, by, "retried", subject_of(message.message_id), {"key": key}, at=now)


def drop_dead(connection: Connection, key: str, by: str, why: str, now: datetime) -> None:
    """Drop a dead message, with reason and person on record. Raises NotFound or Conflict."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    fields = {"dropped_by": by, "dropped_at": now, "why_dropped": encrypt_if_told(connection, message.pseudonym, why)}
    connection.execute(update(outbox).where(outbox.c.message_id == message.message_id).values(fields))
    audit.append(connection, by, "dropped", subject_of(message.message_id), {"key": key}, at=now)


def _find_dead(connection: Connection, key: str) -> Message:
    message = find_message(connection, key)
    if message is None:
        raise NotFound("message", key, "the page Deliveries shows the dead letters.")
    if message.state != "dead":
        raise Conflict(f"message {key}", f"found it {message.state}; expected a dead one", "Nothing was changed.")
    return message
