"""Sessions: how many tries a login has, how it begins, how long it holds, how it ends.

Sessions are stored in the database, so that all servers of a service know them and a user who is shut out is out
everywhere at once. Only hashes of tokens are stored: who reads the database cannot take a session over.

Tries to log in are counted there, too: all servers count together, and a restart forgets nothing. A try counts where
it came from: for the name from that address, and for the address over all names. Nothing is counted over all addresses
of the world, or anybody could lock a reviewer out by guessing for them.
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
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import digest_session
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import sessions, tries, users
from ipml.web.accounts.users import User, as_user, find_user_id


@dataclass(frozen=True, slots=True)
class LoginLimits:
    """How many tries that led to no login are too many.

    Attributes
    ----------
    for_name : int, default=10
        For one name from one address.
    for_address : int, default=100
        From one address, whatever the names: an office shares one.
    minutes : float, default=15
        How long a try counts.
    """

    for_name: int = 10
    for_address: int = 100
    minutes: float = 15.0


DEFAULT_LIMITS = LoginLimits()


def count_try(
    connection: Connection, name: str, address: str, limits: LoginLimits = DEFAULT_LIMITS, now: datetime | None = None
) -> int:
    """Count one more try to log in.

    Returns
    -------
    int
        0 where it may go on; otherwise after how many seconds the next one may. One too many is not counted.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> now = datetime(2026, 5, 1, tzinfo=UTC)
    >>> with writing(engine) as connection:
    ...     [count_try(connection, "ana", "192.0.2.7", LoginLimits(for_name=2), now) for _ in range(3)]
    [0, 0, 900]
    """
    now, span = now or datetime.now(UTC), timedelta(minutes=limits.minutes)
    row = {"name_hash": _hash(name), "address": network_of(address), "at": now}
    query = select(tries.c.at, tries.c.name_hash).where(tries.c.address == row["address"], tries.c.at > now - span)
    serialise(connection, Lock.COUNT_TRIES)
    recent = connection.execute(query.order_by(tries.c.at)).all()
    same_name = [found.at for found in recent if found.name_hash == row["name_hash"]]
    free_at = max(
        _free_at(same_name, limits.for_name, span, now),
        _free_at([found.at for found in recent], limits.for_address, span, now),
    )
    if free_at > now:
        return ceil((free_at - now).total_seconds())
    connection.execute(delete(tries).where(tries.c.at <= now - span))
    connection.execute(insert(tries).values(row))
    return 0


def forget_tries(connection: Connection, name: str, address: str) -> None:
    """Start anew after a login: the tries for this name from this address count no more."""
    of_name = (tries.c.name_hash == _hash(name), tries.c.address == network_of(address))
    connection.execute(delete(tries).where(*of_name))


def network_of(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits that one subscriber is given.

    Examples
    --------
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


def _free_at(moments: Sequence[datetime], most: int, span: timedelta, now: datetime) -> datetime:
    return now if len(moments) < most else moments[-most] + span


_BETWEEN_NOTES = timedelta(minutes=1)  # a page that is only looked at should not have to write
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One login, without its token."""

    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def open_session(connection: Connection, user: User, hours: float, now: datetime | None = None) -> str:
    """Log a user in and return the new session's token, which nobody chose; the audit trail holds a digest of it.

    Sessions that have ended are swept out on the way.
    """
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


# Made once, as making a query takes longer than asking it, and every request asks.
_LIVE = (
    select(users, sessions.c.seen_at)
    .join(sessions, sessions.c.user_id == users.c.user_id)
    .where(sessions.c.token_hash == bindparam("token"), users.c.is_active)
    .where(sessions.c.expires_at > bindparam("now"), sessions.c.seen_at > bindparam("since"))
)


def find_user(
    connection: Connection, token: str | None, idle_minutes: float = 60.0, now: datetime | None = None
) -> tuple[User | None, bool]:
    """Return the active user of a live session, or None; and whether it is time for `note_use`.

    Parameters
    ----------
    token : str or None
        As the browser shows it.
    idle_minutes : float, default=60
        A session that was not used for so long has ended.
    """
    if not token:
        return None, False
    now, idle = now or datetime.now(UTC), timedelta(minutes=idle_minutes)
    row = connection.execute(_LIVE, {"token": _hash(token), "now": now, "since": now - idle}).one_or_none()
    if row is None:
        return None, False
    return as_user(row), now - row.seen_at >= min(_BETWEEN_NOTES, idle / 10)


def note_use(engine: Engine, token: str, now: datetime | None = None) -> None:
    """Count a session as used, so that it does not end yet."""
    seen = update(sessions).where(sessions.c.token_hash == _hash(token)).values(seen_at=now or datetime.now(UTC))
    try:
        with writing(engine) as connection:
            connection.execute(seen)
    except IpmlError as error:  # a database that can only be read still shows its pages
        _log.warning("use of a session not noted: %s", error)


def close_session(connection: Connection, token: str | None) -> None:
    """End a session; its token is worth nothing from now on."""
    if token:
        connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def list_sessions(connection: Connection, name: str, now: datetime | None = None) -> list[Session]:
    """Return the sessions of a user that have not expired, the latest first.

    Raises
    ------
    NotFound
    """
    user_id = find_user_id(connection, name)
    query = select(sessions).where(sessions.c.user_id == user_id, sessions.c.expires_at > (now or datetime.now(UTC)))
    rows = connection.execute(query.order_by(sessions.c.created_at.desc())).all()
    return [Session(row.created_at, row.seen_at, row.expires_at) for row in rows]


def log_out_everywhere(connection: Connection, name: str, actor: str = "command line") -> int:
    """End all sessions of a user, as after a laptop was lost; return how many there were.

    Raises
    ------
    NotFound
    """
    user_id = find_user_id(connection, name)
    ended = connection.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount
    audit.append(connection, actor, "sessions ended", f"user:{user_id}", {"sessions": ended})
    return ended


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
