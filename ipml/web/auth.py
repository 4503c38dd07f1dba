"""Who is asking: sessions, tries to log in, and the one check that every request passes."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic

from fastapi import Request, Response
from sqlalchemy import Engine, delete, insert, select

from ipml.errors import LoginNeeded, RoleTooLow
from ipml.storage.database import reading, writing
from ipml.storage.tables import sessions, users
from ipml.web.users import Role, User, as_user


def authorise(request: Request) -> None:
    """Let a request pass if its route is in the table of routes and the person's role suffices.

    Raises
    ------
    LoginNeeded, RoleTooLow
    """
    least_roles: Mapping[tuple[str, str], Role | None] = request.app.state.least_roles
    rule = (request.method, request.scope["route"].path)
    user = request.state.user = find_user(get_engine(request), read_cookie(request))
    if rule in least_roles and least_roles[rule] is None:
        return
    if user is None:
        raise LoginNeeded
    least = least_roles.get(rule)
    if least is None or not user.role.includes(least):
        raise RoleTooLow(user.role, least)


def get_engine(request: Request) -> Engine:
    """Return the review database."""
    engine: Engine = request.app.state.engine
    return engine


def get_user(request: Request) -> User:
    """Return who is asking; `authorise` has made sure that they are logged in."""
    user: User = request.state.user
    return user


def open_session(engine: Engine, user: User, hours: float, now: datetime | None = None) -> str:
    """Log a user in and return the new session's token; only its hash is stored.

    Sessions that have ended are swept out on the way.
    """
    now = now or datetime.now(UTC)
    token = secrets.token_urlsafe(32)
    row = {
        "token_hash": _hash(token),
        "user_id": user.user_id,
        "created_at": now,
        "expires_at": now + timedelta(hours=hours),
    }
    with writing(engine) as connection:
        connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
        connection.execute(insert(sessions).values(row))
    return token


def find_user(engine: Engine, token: str | None, now: datetime | None = None) -> User | None:
    """Return the active user of a live session, or None."""
    if not token:
        return None
    query = (
        select(users)
        .join(sessions, sessions.c.user_id == users.c.user_id)
        .where(sessions.c.token_hash == _hash(token))
        .where(sessions.c.expires_at > (now or datetime.now(UTC)))
        .where(users.c.is_active)
    )
    with reading(engine) as connection:
        row = connection.execute(query).one_or_none()
    return as_user(row) if row else None


def close_session(engine: Engine, token: str | None) -> None:
    """End a session; its token is worth nothing from now on."""
    if token:
        with writing(engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))


def read_cookie(request: Request) -> str | None:
    """Return the session token that a request carries."""
    return request.cookies.get(_cookie_name(request))


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Hand a session token to the browser, out of reach of scripts and of other sites."""
    is_https = request.url.scheme == "https"
    response.set_cookie(_cookie_name(request), token, path="/", httponly=True, samesite="lax", secure=is_https)


def forget_cookie(request: Request, response: Response) -> None:
    """Have the browser drop its session token."""
    is_https = request.url.scheme == "https"
    response.delete_cookie(_cookie_name(request), path="/", httponly=True, samesite="lax", secure=is_https)


class LoginTries:
    """Count the tries to log in, and tell when there were too many.

    Parameters
    ----------
    most : int, default=10
        Tries allowed for one name from one address.
    seconds : float, default=900
        How long a try counts.
    clock : callable, default=time.monotonic
        Returns seconds.

    Examples
    --------
    >>> tries = LoginTries(most=2)
    >>> [tries.count("ann", "127.0.0.1") for _ in range(3)]
    [True, True, False]
    """

    _most_kept = 10_000

    def __init__(self, most: int = 10, seconds: float = 900.0, clock: Callable[[], float] = monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._tries: OrderedDict[tuple[str, str], list[float]] = OrderedDict()
        self._lock = Lock()

    def count(self, name: str, address: str) -> bool:
        """Count one more try; False where it is one too many."""
        with self._lock:
            since = self._clock() - self._seconds
            recent = [at for at in self._tries.pop((name, address), []) if at > since]
            is_allowed = len(recent) < self._most
            self._tries[name, address] = [*recent, self._clock()] if is_allowed else recent
            if len(self._tries) > self._most_kept:
                self._tries.popitem(last=False)
            return is_allowed

    def forget(self, name: str, address: str) -> None:
        """Start anew after a login that succeeded."""
        with self._lock:
            self._tries.pop((name, address), None)


def _cookie_name(request: Request) -> str:
    # Browsers take a name with this prefix only over https, from this host, for every path.
    return "__Host-ipml" if request.url.scheme == "https" else "ipml"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
