"""People who may log in, and what each may do.

Whatever changes what a person may do ends their sessions: the next one begins with a login, under a new token.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ipml.errors import MayNotAct, UnknownUser, UnusableUserName, UserExists
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import sessions, users
from ipml.web.passwords import DEFAULT_COST, NO_PASSWORD, PasswordCost, hash_password, is_right
from ipml.web.permissions import LEAST_ROLES, Action, Role

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
OPERATOR = "command line"
"""Who manages users while there is no admin: whoever has the command line."""

_NOBODYS = ("ipml", "platform", "policy", "model", "seller", "restore")  # who is named where no person acted


def is_user_name(name: str) -> bool:
    """Tell whether somebody could log in under a name: ASCII only, so that no two names look alike.

    Examples
    --------
    >>> is_user_name("ana@shop.example"), is_user_name("two words")
    (True, False)
    """
    return _NAME.fullmatch(name) is not None and name.lower() not in _NOBODYS


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in."""

    user_id: int
    name: str
    role: Role
    is_active: bool
    created_at: datetime


def add_user(
    engine: Engine,
    name: str,
    password: str | None,
    role: Role = Role.REVIEWER,
    cost: PasswordCost = DEFAULT_COST,
    now: datetime | None = None,
    actor: str = OPERATOR,
) -> User:
    """Let a person log in.

    Parameters
    ----------
    name : str
        1 to 64 letters, digits and ``. _ @ -``, ASCII only, so that no two names look alike.
    password : str or None
        At least 12 characters; stored as an argon2 hash only. None for who logs in through a provider or a proxy.

    Raises
    ------
    UnusableUserName, UnusablePassword, UserExists
    """
    password_hash = NO_PASSWORD if password is None else hash_password(password, cost)
    try:
        with writing(engine) as connection:
            serialise(connection, Lock.ADD_USER)
            return insert_user(connection, name, password_hash, role, actor, now or datetime.now(UTC))
    except IntegrityError as error:
        raise UserExists(name) from error


def insert_user(connection: Connection, name: str, password_hash: str, role: Role, actor: str, now: datetime) -> User:
    """Add a user within the caller's transaction; IntegrityError where the name is taken.

    Raises
    ------
    UnusableUserName
    """
    if not is_user_name(name):
        raise UnusableUserName(name)
    row = {"name": name, "password_hash": password_hash, "role": role.value, "is_active": True, "created_at": now}
    user_id = connection.execute(insert(users).values(row).returning(users.c.user_id)).scalar_one()
    audit.append(connection, actor, "user added", f"user:{user_id}", {"role": role.value}, at=now)
    return User(user_id, name, role, True, now)


def list_users(engine: Engine) -> list[User]:
    """Return everyone who may or might log in, by name."""
    with reading(engine) as connection:
        return [as_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def disable_user(engine: Engine, name: str, actor: str = OPERATOR) -> None:
    """Shut a person out at once: no new login, and open sessions end.

    Raises
    ------
    UnknownUser
    """
    _change_by_name(engine, name, "user disabled", actor=actor, is_active=False)


def enable_user(engine: Engine, name: str, actor: str = OPERATOR) -> None:
    """Let a person in again who was shut out.

    Raises
    ------
    UnknownUser
    """
    _change_by_name(engine, name, "user enabled", actor=actor, is_active=True)


def set_role(engine: Engine, name: str, role: Role, actor: str = OPERATOR) -> None:
    """Give a person another role, from their next login on; open sessions end.

    Raises
    ------
    UnknownUser
    """
    _change_by_name(engine, name, "role changed", {"role": role.value}, actor, role=role.value)


def set_password(
    engine: Engine, name: str, password: str, cost: PasswordCost = DEFAULT_COST, actor: str = OPERATOR
) -> None:
    """Give a person another password; open sessions end.

    Raises
    ------
    UnknownUser, UnusablePassword
    """
    _change_by_name(engine, name, "password changed", actor=actor, password_hash=hash_password(password, cost))


def change_user(
    connection: Connection,
    user_id: int,
    actor: str,
    action: str,
    payload: dict[str, audit.Value],
    **columns: object,
) -> None:
    """Change a user within the caller's transaction, end their sessions, and note it in the audit trail."""
    if columns:
        connection.execute(update(users).where(users.c.user_id == user_id).values(**columns))
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
    audit.append(connection, actor, action, f"user:{user_id}", payload)


def check_password(engine: Engine, name: str, password: str, cost: PasswordCost = DEFAULT_COST) -> User | None:
    """Return the active user with this name and password, or None.

    An unknown name, and a user without a password, take as long as a wrong password, so that names cannot be found
    out by the clock.
    """
    row = _find_row(engine, name)
    fits = is_right(password, row.password_hash if row else NO_PASSWORD, cost)
    return as_user(row) if row and row.is_active and fits else None


def find_active_user(engine: Engine, name: str) -> User | None:
    """Return the active user of a name, or None."""
    row = _find_row(engine, name)
    return as_user(row) if row and row.is_active else None


def find_permitted(engine: Engine, name: str, action: Action) -> User:
    """Return the active user of a name who may do something.

    Raises
    ------
    MayNotAct
        There is no such user, or their role is too low.
    """
    user = find_active_user(engine, name)
    if user is None or not user.role.may(action):
        raise MayNotAct(name, user.role if user else None, action, LEAST_ROLES[action])
    return user


def has_admin(engine: Engine) -> bool:
    """Tell whether an active user may manage users; while none does, whoever has the command line may."""
    with reading(engine) as connection:
        roles = connection.scalars(select(users.c.role).where(users.c.is_active).distinct())
        return any(Role(role).may(Action.MANAGE_USERS) for role in roles)


def has_password(engine: Engine, user_id: int) -> bool:
    """Tell whether a user can log in by a password."""
    with reading(engine) as connection:
        kept = connection.scalar(select(users.c.password_hash).where(users.c.user_id == user_id))
    return kept not in (None, NO_PASSWORD)


def as_user(row: Row[Any]) -> User:
    """Read a row of the table of users, leaving the hash behind."""
    return User(row.user_id, row.name, Role(row.role), row.is_active, row.created_at)


def _change_by_name(
    engine: Engine,
    name: str,
    action: str,
    payload: dict[str, audit.Value] | None = None,
    actor: str = OPERATOR,
    **columns: object,
) -> None:
    with writing(engine) as connection:
        user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name))
        if user_id is None:
            raise UnknownUser(name)
        change_user(connection, user_id, actor, action, payload or {}, **columns)


def _find_row(engine: Engine, name: str) -> Row[Any] | None:
    if not is_user_name(name):
        return None
    with reading(engine) as connection:
        return connection.execute(select(users).where(users.c.name == name)).one_or_none()
