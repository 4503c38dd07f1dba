"""People who may log in, and what each may do."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Engine, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ipml.errors import UnknownRole, UnknownUser, UnusablePassword, UnusableUserName, UserExists
from ipml.storage import audit
from ipml.storage.database import reading, writing
from ipml.storage.tables import sessions, users

LEAST_PASSWORD_LENGTH = 12
MOST_PASSWORD_LENGTH = 256
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

# Argon2 takes 64 MB a time: a burst of logins must not take the memory of the machine.
_hashing = BoundedSemaphore(2)


class Role(StrEnum):
    """What a person may do; each role includes those before it."""

    VIEWER = "viewer"
    REVIEWER = "reviewer"
    LEAD = "lead"
    ADMIN = "admin"

    def includes(self, least: Role) -> bool:
        """Tell whether this role may do what `least` may.

        Examples
        --------
        >>> Role.LEAD.includes(Role.REVIEWER), Role.VIEWER.includes(Role.REVIEWER)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(least)


def parse_role(word: str) -> Role:
    """Return the role a word names; UnknownRole where it names none.

    Examples
    --------
    >>> parse_role("lead")
    <Role.LEAD: 'lead'>
    """
    if word not in list(Role):
        raise UnknownRole(word, tuple(Role))
    return Role(word)


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in."""

    user_id: int
    name: str
    role: Role
    is_active: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one guess of a password costs (argon2id). The defaults are RFC 9106's second recommended option.

    Attributes
    ----------
    passes : int, default=3
    memory_kib : int, default=65536
    lanes : int, default=4
    """

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


DEFAULT_COST = PasswordCost()


def add_user(
    engine: Engine,
    name: str,
    password: str,
    role: Role = Role.REVIEWER,
    cost: PasswordCost = DEFAULT_COST,
    now: datetime | None = None,
) -> User:
    """Let a person log in.

    Parameters
    ----------
    name : str
        1 to 64 letters, digits and ``. _ @ -``, ASCII only, so that no two names look alike.
    password : str
        At least 12 characters; stored as an argon2 hash only.

    Raises
    ------
    UnusableUserName, UnusablePassword, UserExists
    """
    if not _NAME.fullmatch(name):
        raise UnusableUserName(name)
    if not LEAST_PASSWORD_LENGTH <= len(password) <= MOST_PASSWORD_LENGTH:
        raise UnusablePassword(len(password), LEAST_PASSWORD_LENGTH, MOST_PASSWORD_LENGTH)
    created_at = now or datetime.now(UTC)
    row = {
        "name": name,
        "password_hash": _hasher(cost).hash(password),
        "role": role.value,
        "is_active": True,
        "created_at": created_at,
    }
    try:
        with writing(engine) as connection:
            user_id = connection.execute(insert(users).values(row).returning(users.c.user_id)).scalar_one()
            audit.append(connection, "command line", "user added", f"user:{user_id}", {"role": role.value})
    except IntegrityError as error:
        raise UserExists(name) from error
    return User(user_id, name, role, True, created_at)


def list_users(engine: Engine) -> list[User]:
    """Return everyone who may or might log in, by name."""
    with reading(engine) as connection:
        return [as_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def disable_user(engine: Engine, name: str) -> None:
    """Shut a person out at once: no new login, and open sessions end.

    Raises
    ------
    UnknownUser
    """
    with writing(engine) as connection:
        user_id = connection.execute(
            update(users).where(users.c.name == name).values(is_active=False).returning(users.c.user_id)
        ).scalar()
        if user_id is None:
            raise UnknownUser(name)
        connection.execute(delete(sessions).where(sessions.c.user_id == user_id))
        audit.append(connection, "command line", "user disabled", f"user:{user_id}", {})


def check_password(engine: Engine, name: str, password: str, cost: PasswordCost = DEFAULT_COST) -> User | None:
    """Return the active user with this name and password, or None.

    An unknown name takes as long as a wrong password, so that names cannot be found out by the clock.
    """
    row = _find_row(engine, name)
    known_hash = row.password_hash if row else _hash_of_nobody(cost)
    with _hashing:
        is_right = _hasher(cost).verify(password[: MOST_PASSWORD_LENGTH + 1], known_hash)
    return as_user(row) if row and row.is_active and is_right else None


def as_user(row: Row[Any]) -> User:
    """Read a row of the table of users, leaving the hash behind."""
    return User(row.user_id, row.name, Role(row.role), row.is_active, row.created_at)


def _find_row(engine: Engine, name: str) -> Row[Any] | None:
    if not _NAME.fullmatch(name):
        return None
    with reading(engine) as connection:
        return connection.execute(select(users).where(users.c.name == name)).one_or_none()


@lru_cache(maxsize=4)
def _hasher(cost: PasswordCost) -> PasswordHash:
    return PasswordHash([Argon2Hasher(cost.passes, cost.memory_kib, cost.lanes)])


@lru_cache(maxsize=4)
def _hash_of_nobody(cost: PasswordCost) -> str:
    return _hasher(cost).hash("nobody has this password")
