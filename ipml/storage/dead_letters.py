"""Messages that were given up: listed for people, who have them tried again, or drop them; none is ever lost."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update

from ipml.errors import MessageNotDead, MessageNotFound, MessageOvertaken
from ipml.storage import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.outbox import Message, find_message, make_messages, seal_if_told, subject_of
from ipml.storage.tables import outbox


def list_dead(connection: Connection, *, with_dropped: bool = False, at_most: int | None = None) -> list[Message]:
    """Return the messages that were given up, the oldest first; those that were dropped only if asked for."""
    query = select(outbox).where(outbox.c.state == "dead").order_by(outbox.c.message_id).limit(at_most)
    if not with_dropped:
        query = query.where(outbox.c.dropped_at.is_(None))
    return make_messages(connection, connection.execute(query).all())


def retry(connection: Connection, key: str, by: str, now: datetime, *, out_of_order: bool = False) -> None:
    """Have a dead message tried again from the beginning, at once.

    Parameters
    ----------
    out_of_order : bool, default=False
        Whether even where a later one of its subject may have gone out since, which may say the contrary.

    Raises
    ------
    MessageNotFound, MessageNotDead, MessageOvertaken
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    # Locked, so that none of them is taken before this one is there again.
    later = select(outbox).where(outbox.c.channel == message.channel, outbox.c.subject == message.subject)
    later = later.where(outbox.c.message_id > message.message_id).order_by(outbox.c.message_id).with_for_update()
    # An attempt whose answer got lost may have arrived as well.
    gone = [row.key for row in connection.execute(later) if row.attempts > 0 or row.last_error is not None]
    if gone and not out_of_order:
        raise MessageOvertaken(key, gone[-1])
    fields = {"state": "waiting", "attempts": 0, "next_try_at": now, "settled_at": None}
    fields |= {"holder": None, "lease_expires_at": None, "dropped_by": None, "dropped_at": None, "why_dropped": None}
    connection.execute(update(outbox).where(outbox.c.message_id == message.message_id).values(fields))
    audit.append(connection, by, "retried", subject_of(message.message_id), {"key": key}, at=now)


def drop(connection: Connection, key: str, by: str, why: str, now: datetime) -> None:
    """Say of a dead message that it need not be delivered any more; it stays, and who said so.

    Raises
    ------
    MessageNotFound, MessageNotDead
    """
    serialise(connection, Lock.APPEND_TO_AUDIT)
    message = _find_dead(connection, key)
    fields = {"dropped_by": by, "dropped_at": now, "why_dropped": seal_if_told(connection, message.pseudonym, why)}
    connection.execute(update(outbox).where(outbox.c.message_id == message.message_id).values(fields))
    audit.append(connection, by, "dropped", subject_of(message.message_id), {"key": key}, at=now)


def _find_dead(connection: Connection, key: str) -> Message:
    message = find_message(connection, key)
    if message is None:
        raise MessageNotFound(key)
    if message.state != "dead":
        raise MessageNotDead(key, message.state)
    return message
