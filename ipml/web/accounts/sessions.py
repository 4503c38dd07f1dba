"""Sessions: logins and login attempts in the database.

All servers share them, so a disabled user is out everywhere at once, and a restart loses nothing. Only hashes of tokens
are stored: reading the database gives no session. Attempts count for a name from an address, and for an address over
all names; no count covers all addresses, or anyone could lock a reviewer out by guessing.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from math import ceil
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, update

from ipml.errors import IpmlError
from ipml.review.worklists.inbox import count_unread
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import digest_session
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import sessions, tries, users
from ipml.web.accounts.users import User, as_user, find_user_id


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """Limits of failed logins: for one name from one address, and from one address (an office shares one).

    `minutes` is how long an attempt counts.
    """

    for_name: int = 10
    for_address: int = 100
    minutes: float = 15.0


DEFAULT_LIMITS = LoginLimits()


def count_try(
    connection: Connection, name: str, address: str, limits: LoginLimits = DEFAULT_LIMITS, now: datetime | None = None
) -> int:
    """Count a login attempt; return 0 if it may proceed, else the seconds until the next one may."""
    now, span = now or datetime.now(UTC), timedelta(minutes=limits.minutes)
    row = {"name_hash": _hash(name), "address": network_of(address), "at": now}
    query = select(tries.c.at, tries.c.name_hash).where(tries.c.address == row["address"], tries.c.at > now - span)
    serialise(connection, Lock.COUNT_TRIES)
    recent = connection.execute(query.order_by(tries.c.at)).all()
    same_name = [found.at for found in recent if found.name_hash == row["name_hash"]]
    free = max(
        free_at(same_name, limits.for_name, span, now),
        free_at([found.at for found in recent], limits.for_address, span, now),
    )
    if free > now:
        return ceil((free - now).total_seconds())
    connection.execute(delete(tries).where(tries.c.at <= now - span))
    connection.execute(insert(tries).values(row))
    return 0


def forget_tries(connection: Connection, name: str, address: str) -> None:
    """Reset the attempts for this name from this address, after a login."""
    of_name = (tries.c.name_hash == _hash(name), tries.c.address == network_of(address))
    connection.execute(delete(tries).where(*of_name))


def network_of(address: str) -> str:
    """Return the unit that counts as one address: for IPv6 the 64-bit network of one subscriber.

    >>> network_of("192.0.2.7"), network_of("2001:db8::1:2"), network_of("::ffff:192.0.2.7"), network_of("unknown")
    ('192.0.2.7', '2001:db8::/64', '192.0.2.7', 'unknown')
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if not isinstance(found, IPv6Address):
        return str(found)
    return str(found.ipv4_mapped or ip_network((int(found), 64), strict=False))


def free_at(moments: Sequence[datetime], most: int, span: timedelta, now: datetime) -> datetime:
    """Return when fewer than `most` of the moments, which are in order, will lie within the span."""
    return now if len(moments) < most else moments[-most] + span


_BETWEEN_NOTES = timedelta(minutes=1)  # so that reading a page seldom writes
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One login, without its token."""

    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def open_session(connection: Connection, user: User, hours: float, now: datetime | None = None) -> str:
    """Log a user in and return the random token; the audit trail gets its digest. Expired sessions are deleted."""
    now = now or datetime.now(UTC)
    token = secrets.token_urlsafe(32)
    row: dict[str, Any] = {
        "token_hash": _hash(token),
        "user_id": user.user_id,
        "created_at": now,
        "expires_at": now + timedelta(hours=hours),
        "seen_at": now,
    }
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    connection.execute(insert(sessions).values(row))
    payload: dict[str, audit.Value] = {"session": digest_session(row["token_hash"])}
    audit.append(connection, user.name, "logged in", f"user:{user.user_id}", payload, at=now)
    return token


# Built once: every request runs it, and building it takes longer.
_LIVE = (
    select(users, sessions.c.seen_at, count_unread(users.c.name).label("unread"))
    .join(sessions, sessions.c.user_id == users.c.user_id)
    .where(sessions.c.token_hash == bindparam("token"), users.c.is_active)
    .where(sessions.c.expires_at > bindparam("now"), sessions.c.seen_at > bindparam("since"))
)


def find_user(
    connection: Connection, token: str | None, idle_minutes: float = 60.0, now: datetime | None = None
) -> tuple[User | None, bool]:
    """Return the active user of a live session, or None; and whether `note_use` is due.

    A session unused for `idle_minutes` has ended.
    """
    if not token:
        return None, False
    now, idle = now or datetime.now(UTC), timedelta(minutes=idle_minutes)
    row = connection.execute(_LIVE, {"token": _hash(token), "now": now, "since": now - idle}).one_or_none()
    if row is None:
        return None, False
    return as_user(row), now - row.seen_at >= min(_BETWEEN_NOTES, idle / 10)


def note_use(engine: Engine, token: str, now: datetime | None = None) -> None:
    """Record that a session was used."""
    seen = update(sessions).where(sessions.c.token_hash == _hash(token)).values(seen_at=now or datetime.now(UTC))
    try:
        with writing(engine) as connection:
            connection.execute(seen)
    except IpmlError as error:  # a read-only database still serves pages
        _log.warning("use of a session not noted: %s", error)


def close_session(connection: Connection, token: str | None) -> None:
    """End a session."""
    if token:
        connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def list_sessions(connection: Connection, name: str, now: datetime | None = None) -> list[Session]:
    """Return a user's unexpired sessions, latest first; raises NotFound."""
    user_id = find_user_id(connection, name)
    query = select(sessions).where(sessions.c.user_id == user_id, sessions.c.expires_at > (now or datetime.now(UTC)))
    rows = connection.execute(query.order_by(sessions.c.created_at.desc())).all()
    return [Session(row.created_at, row.seen_at, row.expires_at) for row in rows]


def log_out_everywhere(connection: Connection, name: str, actor: str = "command line") -> int:
    """End all sessions of a user, as after the loss of a laptop; return their number. Raises NotFound."""
    user_id = find_user_id(connection, name)
    ended = connection.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount
    audit.append(connection, actor, "sessions ended", f"user:{user_id}", {"sessions": ended})
    return ended


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
