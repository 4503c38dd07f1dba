"""Sessions: how a login begins, how long it holds, how it ends.

Kept in the database, so that all servers of a service know them and a user who is shut out is out everywhere at
once. Only hashes of tokens are stored: who reads the database cannot take a session over.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, select, update

from ipml.errors import IpmlError, UnknownUser
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import sessions, users
from ipml.web.users import User, as_user

_BETWEEN_NOTES = timedelta(minutes=1)  # a page that is only looked at should not have to write
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Session:
    """One login, without its token."""

    created_at: datetime
    seen_at: datetime
    expires_at: datetime


def open_session(engine: Engine, user: User, hours: float, now: datetime | None = None) -> str:
    """Log a user in and return the new session's token, which nobody chose.

    Sessions that have ended are swept out on the way.
    """
    now = now or datetime.now(UTC)
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": _hash(token),
        "user_id": user.user_id,
        "created_at": now,
        "expires_at": now + timedelta(hours=hours),
        "seen_at": now,
    }
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
        connection.execute(insert(sessions).values(row))
    return token


def find_user(
    engine: Engine, token: str | None, idle_minutes: float = 60.0, now: datetime | None = None
) -> User | None:
    """Return the active user of a live session, or None; the session counts as used.

    Parameters
    ----------
    token : str or None
        As the browser shows it.
    idle_minutes : float, default=60
        A session that was not used for so long has ended.
    """
    if not token:
        return None
    now, idle = now or datetime.now(UTC), timedelta(minutes=idle_minutes)
    query = (
        select(users, sessions.c.seen_at)
        .join(sessions, sessions.c.user_id == users.c.user_id)
        .where(sessions.c.token_hash == _hash(token))
        .where(sessions.c.expires_at > now, sessions.c.seen_at > now - idle)
        .where(users.c.is_active)
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    if row is None:
        return None
    if now - row.seen_at >= min(_BETWEEN_NOTES, idle / 10):
        _note_use(engine, token, now)
    return as_user(row)


def close_session(engine: Engine, token: str | None) -> None:
    """End a session; its token is worth nothing from now on."""
    if token:
        with writing(engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def list_sessions(engine: Engine, name: str, now: datetime | None = None) -> list[Session]:
    """Return the sessions of a user that have not expired, the latest first.

    Raises
    ------
    UnknownUser
    """
    with reading(engine) as connection:
        user_id = _find_id(connection, name)
        query = select(sessions).where(
            sessions.c.user_id == user_id, sessions.c.expires_at > (now or datetime.now(UTC))
        )
        rows = connection.execute(query.order_by(sessions.c.created_at.desc())).all()
    return [Session(row.created_at, row.seen_at, row.expires_at) for row in rows]


def log_out_everywhere(engine: Engine, name: str, actor: str = "command line") -> int:
    """End all sessions of a user, as after a laptop was lost; return how many there were.

    Raises
    ------
    UnknownUser
    """
    with writing(engine) as connection:
        user_id = _find_id(connection, name)
        ended = connection.execute(delete(sessions).where(sessions.c.user_id == user_id)).rowcount
        audit.append(connection, actor, "sessions ended", f"user:{user_id}", {"sessions": ended})
    return ended


def _find_id(connection: Connection, name: str) -> int:
    user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name))
    if user_id is None:
        raise UnknownUser(name)
    return int(user_id)


def _note_use(engine: Engine, token: str, now: datetime) -> None:
    try:
        with writing(engine) as connection:
            connection.execute(update(sessions).where(sessions.c.token_hash == _hash(token)).values(seen_at=now))
    except IpmlError as error:  # a database that can only be read still shows its pages
        _log.warning("use of a session not noted: %s", error)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
