"""What must reach others: put down in the transaction that causes it, delivered at least once, under a key.

Whoever receives a message twice knows it by its key. Messages on one subject go to one channel in the order in which
they were put, at most one at a time. One that cannot be delivered is tried again, later and later, and in the end
lies there as dead: listed for people, who have it tried again, or drop it; none is ever lost. A dead one holds up
nothing: else a listing could not be put back because the message that took it down never arrived. So each message
says how things stand, not what to change.

Senders lease what they take. A sender that was away for too long, and whose message another has taken since, cannot
settle it: it shows who took it and for the how-manieth time, and that is no longer so.
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
    """What is to be delivered; `holder` and `attempts` are the lease under which it was taken.

    Attributes
    ----------
    body : str or None
        JSON; None where the seller was erased since, so that nobody can read it any more.
    """

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
    """Return a key for what is called "measure-12-imposed", with letters drawn at random at its end.

    Numbers may come again after an older backup was restored. Keys never do: else a receiver would take a new message
    for one it knows, and drop it.

    Examples
    --------
    >>> make_key("measure-12-imposed") == make_key("measure-12-imposed")
    False
    """
    return f"{name}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is yet to be put down.

    Attributes
    ----------
    key : str
        By which the receiver knows the message, for ever; see `make_key`.
    channel : str
        To whom: "platform", "seller", "transparency" or "holder".
    kind : str
        What it is: one of `ipml.storage.message_kinds.MESSAGE_KINDS`.
    subject : str
        What it is about: "measure:12". Messages of one subject are delivered in order.
    body : mapping
        What goes over the wire, as JSON, in the shape that `ipml.storage.message_kinds` documents.
    pseudonym : str or None
        The seller with whose key the body is encrypted while it waits; None where it tells of no seller.
    not_before : datetime or None
        When it may go out; None: at once.
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


def put(
    connection: Connection,
    *,
    key: str,
    channel: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    pseudonym: str | None,
    now: datetime,
    not_before: datetime | None = None,
) -> None:
    """Put a message down in the caller's transaction; the parameters are the attributes of `Draft`."""
    put_all(connection, [Draft(key, channel, kind, subject, body, pseudonym, now, not_before)])


def put_all(connection: Connection, drafts: Sequence[Draft], keys: Keyring | None = None) -> None:
    """Put messages down in the caller's transaction, in their order.

    Parameters
    ----------
    keys : Keyring, optional
        Of the sellers whom they tell of, where the caller has read them.

    Raises
    ------
    SellerErased
        One of them tells of a seller who was erased.
    """
    if not drafts:
        return
    keys = keys or read_keys(connection, {draft.pseudonym for draft in drafts if draft.pseudonym is not None})
    numbers = append_rows(connection, outbox, [_make_row(draft, keys) for draft in drafts])
    audit_events = [
        audit.AuditEvent(draft.now, _SYSTEM, "put", subject_of(number), {"key": draft.key})
        for number, draft in zip(numbers, drafts, strict=True)
    ]
    audit.append_events(connection, audit_events)


def subject_of(message_id: int) -> str:
    """Return what the audit trail calls a message."""
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
    """Lease messages that are due and before which none of their subject waits; others cannot take them meanwhile.

    Parameters
    ----------
    holder : str
        The sender, by a name that no other sender has.
    channels : collection of str, default=all
    at_most : int, default=1
    """
    query = select(outbox.c.message_id).where(*_is_due(now), ~_is_preceded())
    if channels:
        query = query.where(outbox.c.channel.in_(channels))
    query = query.order_by(outbox.c.next_try_at, outbox.c.message_id).limit(at_most)
    numbers = connection.scalars(query.with_for_update(skip_locked=True, of=outbox)).all()
    # Looked at once more now that they are locked: a person may have brought an earlier one back to life meanwhile.
    still = select(outbox.c.message_id).where(outbox.c.message_id.in_(numbers), ~_is_preceded())
    leased = {"holder": holder, "lease_expires_at": now + lease, "attempts": outbox.c.attempts + 1}
    taken = list(connection.scalars(still).all())
    connection.execute(update(outbox).where(outbox.c.message_id.in_(taken)).values(leased))
    rows = connection.execute(select(outbox).where(outbox.c.message_id.in_(taken)).order_by(outbox.c.message_id))
    return make_messages(connection, rows.all())


def settle_delivered(connection: Connection, message: Message, now: datetime) -> bool:
    """Note that a message was accepted; False where its lease is another's now, or it is settled already."""
    return bool(settle_all_delivered(connection, [message], now))


def settle_all_delivered(connection: Connection, messages: Sequence[Message], now: datetime) -> list[Message]:
    """Do what `settle_delivered` does for several messages, and return those of which it is True."""
    fields = {"state": "delivered", "settled_at": now, "last_error": None, "holder": None, "lease_expires_at": None}
    settled = set[int]()
    for held_as in {(message.holder, message.attempts) for message in messages}:
        numbers = [message.message_id for message in messages if (message.holder, message.attempts) == held_as]
        mine = update(outbox).where(outbox.c.message_id.in_(numbers), outbox.c.state == "waiting", *_is_held(*held_as))
        settled |= set(connection.scalars(mine.values(fields).returning(outbox.c.message_id)))
    return [message for message in messages if message.message_id in settled]


def settle_failed(connection: Connection, message: Message, now: datetime, why: str, next_try: datetime | None) -> bool:
    """Note why a message did not arrive, and when to try again, or None for never; False as with `settle_delivered`."""
    error = encrypt_if_told(connection, message.pseudonym, why)
    if next_try is None:
        return _settle(connection, message, state="dead", settled_at=now, last_error=error)
    return _settle(connection, message, next_try_at=next_try, last_error=error)


def settle_unreadable(connection: Connection, message: Message, now: datetime) -> bool:
    """Drop a message whose seller was erased: nobody can read it any more, and nobody is left whom it concerns."""
    is_mine = _settle(connection, message, state="dead", settled_at=now, dropped_by=_SYSTEM, dropped_at=now)
    if is_mine:
        audit.append(connection, _SYSTEM, "dropped", subject_of(message.message_id), {"key": message.key}, at=now)
    return is_mine


def give_back(connection: Connection, message: Message) -> bool:
    """Let others take a message at once, which may have gone out or not. False as with `settle_delivered`."""
    return _settle(connection, message)


def hurry(connection: Connection, now: datetime) -> int:
    """Let every message that failed before be tried again at once, and return how many; for when a receiver is back."""
    late = outbox.c.state == "waiting", outbox.c.next_try_at > now, outbox.c.last_error.is_not(None)
    return connection.execute(update(outbox).where(*late).values(next_try_at=now)).rowcount


def withdraw(connection: Connection, keys: Collection[str], *, by: str, now: datetime) -> set[str]:
    """Drop those of some messages that nobody has tried to deliver yet; return the keys of the others."""
    if not keys:
        return set()
    is_untouched = outbox.c.state == "waiting", outbox.c.attempts == 0, outbox.c.last_error.is_(None)
    fields = {"state": "dead", "settled_at": now, "dropped_by": by, "dropped_at": now}
    change = update(outbox).where(outbox.c.key.in_(keys), *is_untouched).values(fields)
    dropped: dict[int, str] = dict(connection.execute(change.returning(outbox.c.message_id, outbox.c.key)).all())
    entries: list[tuple[str, dict[str, audit.Value]]] = [(subject_of(number), {}) for number in sorted(dropped)]
    audit.append_all(connection, by, "withdrawn", entries, at=now)
    return set(keys) - set(dropped.values())


def find_message(connection: Connection, key: str) -> Message | None:
    """Return the message of a key, if there is one."""
    row = connection.execute(select(outbox).where(outbox.c.key == key)).first()
    return None if row is None else make_message(connection, row)


def find_keys(connection: Connection, subject: str, *kinds: str) -> list[str]:
    """Return the keys of the messages on a subject, in order, of some kinds or all, without those dropped."""
    return find_all_keys(connection, [subject], *kinds)[subject]


def find_all_keys(connection: Connection, subjects: Collection[str], *kinds: str) -> dict[str, list[str]]:
    """Return what `find_keys` does, for each of some subjects."""
    found: dict[str, list[str]] = {subject: [] for subject in subjects}
    if found:
        query = select(outbox.c.subject, outbox.c.key).where(outbox.c.subject.in_(found), outbox.c.dropped_at.is_(None))
        if kinds:
            query = query.where(outbox.c.kind.in_(kinds))
        for row in connection.execute(query.order_by(outbox.c.message_id)):
            found[row.subject].append(row.key)
    return found


def has_subject(connection: Connection, channel: str, subject: str) -> bool:
    """Say whether a channel was ever told anything on a subject."""
    query = select(outbox.c.message_id).where(outbox.c.subject == subject, outbox.c.channel == channel).limit(1)
    return connection.scalar(query) is not None


@dataclass(frozen=True, slots=True)
class ChannelBacklog:
    """How far the messages to one channel have come.

    Attributes
    ----------
    oldest : datetime or None
        When the oldest one that waits and is due was put down.
    """

    channel: str
    waiting: int
    dead: int
    oldest: datetime | None


def count_backlog(connection: Connection, now: datetime) -> list[ChannelBacklog]:
    """Return, for each channel with any, how many messages wait and how many are dead and not dropped."""
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
    """Return when the next message that nobody has in hand will be due; None where none waits."""
    query = select(func.min(outbox.c.next_try_at)).where(outbox.c.state == "waiting", ~_is_preceded())
    moment: datetime | None = connection.scalar(query.where(outbox.c.channel.in_(channels)) if channels else query)
    return moment


def make_message(connection: Connection, row: Row[Any]) -> Message:
    """Make the record of a row of the outbox, opened where it was encrypted."""
    return make_messages(connection, [row])[0]


def make_messages(connection: Connection, rows: Sequence[Row[Any]]) -> list[Message]:
    """Do what `make_message` does for several rows."""
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
    """Return the conditions that a message is leased as it was when a sender took it."""
    return outbox.c.holder == holder, outbox.c.attempts == attempts


def encrypt_if_told(connection: Connection, pseudonym: str | None, text: str) -> str | None:
    """Return a text encrypted where a message tells of a seller; None where that seller was erased."""
    try:
        return text if pseudonym is None else encrypt(connection, pseudonym, text)
    except SellerErased:
        return None


def _decrypt(keys: Keyring, pseudonym: str, text: str | None) -> str | None:
    return None if not text or pseudonym not in keys else keys.decrypt(pseudonym, text)


def list_dead(connection: Connection, *, with_dropped: bool = False, at_most: int | None = None) -> list[Message]:
    """Return the messages that were given up, the oldest first; those that were dropped only if asked for."""
    query = select(outbox).where(outbox.c.state == "dead").order_by(outbox.c.message_id).limit(at_most)
    if not with_dropped:
        query = query.where(outbox.c.dropped_at.is_(None))
    return make_messages(connection, connection.execute(query).all())


WAITING, DELIVERED, DEAD, DROPPED = MESSAGE_STATES = ("waiting", "delivered", "dead", "dropped")
"""How a message can stand; a dead one that was dropped stands as dropped."""


def browse_messages(
    connection: Connection, state: str, *, channel: str | None = None, after: int | None = None, at_most: int
) -> list[Message]:
    """Return messages that stand in a state: what is due first, of those delivered what was due last.

    Parameters
    ----------
    state : str
        One of `MESSAGE_STATES`.
    channel : str, default=all
    after : int, default=from the first
        Number of the message after which to go on.
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
    """Have a dead message tried again from the beginning, at once.

    Parameters
    ----------
    out_of_order : bool, default=False
        Whether even where a later one of its subject may have gone out since, which may say the contrary.

    Raises
    ------
    NotFound, Conflict, Overtaken
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    # Locked, so that none of them is taken before this one is there again.
    later = select(outbox).where(outbox.c.channel == message.channel, outbox.c.subject == message.subject)
    later = later.where(outbox.c.message_id > message.message_id).order_by(outbox.c.message_id).with_for_update()
    # An attempt whose answer got lost may have arrived as well.
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
    """Say of a dead message that it need not be delivered any more; it stays, and who said so.

    Raises
    ------
    NotFound, Conflict
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    fields = {"dropped_by": by, "dropped_at": now, "why_dropped": encrypt_if_told(connection, message.pseudonym, why)}
    connection.execute(update(outbox).where(outbox.c.message_id == message.message_id).values(fields))
    audit.append(connection, by, "dropped", subject_of(message.message_id), {"key": key}, at=now)


def _find_dead(connection: Connection, key: str) -> Message:
    message = find_message(connection, key)
    if message is None:
        raise NotFound("message", key, "`ipml outbox dead` shows the dead letters.")
    if message.state != "dead":
        raise Conflict(f"message {key}", f"found it {message.state}; expected a dead one", "Nothing was changed.")
    return message
