"""People who may log in: their passwords, roles, and identities at a provider.

Whatever changes what a person may do ends their sessions: the next one begins with a login, under a new token. A
person of a provider is found by issuer and subject, never by a name or an address of mail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import Connection, Engine, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ipml.errors import Conflict, Forbidden, NotFound, Refused, UnusableSetting
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import digest_identity
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import identities, sessions, users
from ipml.web.accounts.permissions import LEAST_ROLES, Action, Role, parse_role

LEAST_PASSWORD_LENGTH = 12
MOST_PASSWORD_LENGTH = 256
NO_PASSWORD = ""  # stands where the hash would; no password has it

# Argon2 takes 64 MB a time: a burst of logins must not take the memory of the machine.
_hashing = BoundedSemaphore(2)


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


def hash_password(password: str, cost: PasswordCost = DEFAULT_COST) -> str:
    """Return the argon2 hash of a new password.

    Raises
    ------
    Refused
    """
    if not LEAST_PASSWORD_LENGTH <= len(password) <= MOST_PASSWORD_LENGTH:
        raise Refused(
            "password",
            f"{len(password)} characters",
            f"{LEAST_PASSWORD_LENGTH} to {MOST_PASSWORD_LENGTH}",
            "Choose another.",
        )
    return _hasher(cost).hash(password)


def is_right(password: str, known_hash: str, cost: PasswordCost = DEFAULT_COST) -> bool:
    """Tell whether a password is the one of a hash.

    Without a hash nothing is right, and finding that out takes as long.

    Examples
    --------
    >>> cheap = PasswordCost(1, 8, 1)
    >>> is_right("", NO_PASSWORD, cheap), is_right("correct horse", hash_password("correct horse", cheap), cheap)
    (False, True)
    """
    with _hashing:
        fits = _hasher(cost).verify(password[: MOST_PASSWORD_LENGTH + 1], known_hash or _hash_of_nobody(cost))
    return fits and known_hash != NO_PASSWORD


@lru_cache(maxsize=4)
def _hasher(cost: PasswordCost) -> PasswordHash:
    return PasswordHash([Argon2Hasher(cost.passes, cost.memory_kib, cost.lanes)])


@lru_cache(maxsize=4)
def _hash_of_nobody(cost: PasswordCost) -> str:
    return _hasher(cost).hash("nobody has this password")


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
    connection: Connection,
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
    Refused, Conflict
    """
    password_hash = NO_PASSWORD if password is None else hash_password(password, cost)
    try:
        serialise(connection, Lock.ADD_USER)
        return insert_user(connection, name, password_hash, role, actor, now or datetime.now(UTC))
    except IntegrityError as error:
        raise Conflict(
            f"user {name}", "exists already", "Choose another name, or see `ipml admin user list`."
        ) from error


def insert_user(connection: Connection, name: str, password_hash: str, role: Role, actor: str, now: datetime) -> User:
    """Add a user within the caller's transaction; IntegrityError where the name is taken.

    Raises
    ------
    Refused
    """
    if not is_user_name(name):
        raise Refused("user name", repr(name), "1 to 64 ASCII letters, digits and . _ @ -, a letter or digit first")
    row = {"name": name, "password_hash": password_hash, "role": role.value, "is_active": True, "created_at": now}
    user_id = connection.execute(insert(users).values(row).returning(users.c.user_id)).scalar_one()
    audit.append(connection, actor, "user added", f"user:{user_id}", {"role": role.value}, at=now)
    return User(user_id, name, role, True, now)


@dataclass(frozen=True, slots=True)
class UserAccess:
    """How a user comes in.

    Attributes
    ----------
    has_password, has_identity : bool
        Whether they can log in by a password, and by a provider.
    n_sessions : int
        That have not expired.
    seen_at : datetime or None
        When one of these was last used.
    """

    user: User
    has_password: bool
    has_identity: bool
    n_sessions: int
    seen_at: datetime | None


def list_access(connection: Connection, now: datetime | None = None) -> list[UserAccess]:
    """Return everyone who may or might log in, by name, and how.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     _ = add_user(connection, "ana", None, Role.LEAD)
    ...     [(one.user.name, one.has_password, one.n_sessions) for one in list_access(connection)]
    [('ana', False, 0)]
    """
    live = (sessions.c.user_id == users.c.user_id) & (sessions.c.expires_at > (now or datetime.now(UTC)))
    query = (
        select(
            users,
            select(identities.c.user_id).where(identities.c.user_id == users.c.user_id).exists().label("has_identity"),
            select(func.count()).select_from(sessions).where(live).scalar_subquery().label("n_sessions"),
            select(func.max(sessions.c.seen_at)).where(live).scalar_subquery().label("seen_at"),
        )
        .select_from(users)
        .order_by(users.c.name)
    )
    return [
        UserAccess(as_user(row), row.password_hash != NO_PASSWORD, bool(row.has_identity), row.n_sessions, row.seen_at)
        for row in connection.execute(query)
    ]


def list_users(connection: Connection) -> list[User]:
    """Return everyone who may or might log in, by name."""
    return [as_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def get_user(connection: Connection, user_id: int) -> User:
    """Return a user, active or not, by number; NotFound."""
    row = connection.execute(select(users).where(users.c.user_id == user_id)).one_or_none()
    if row is None:
        raise NotFound("user", user_id, "See `ipml admin user list`.")
    return as_user(row)


def disable_user(connection: Connection, name: str, actor: str = OPERATOR) -> None:
    """Shut a person out at once: no new login, and open sessions end.

    Raises
    ------
    NotFound
    Conflict
        They are the last admin.
    """
    _check_not_last_admin(connection, name)
    _change_by_name(connection, name, "user disabled", actor=actor, is_active=False)


def enable_user(connection: Connection, name: str, actor: str = OPERATOR) -> None:
    """Let a person in again who was shut out.

    Raises
    ------
    NotFound
    """
    _change_by_name(connection, name, "user enabled", actor=actor, is_active=True)


def set_role(connection: Connection, name: str, role: Role, actor: str = OPERATOR) -> None:
    """Give a person another role, from their next login on; open sessions end.

    Raises
    ------
    NotFound
    Conflict
        They are the last admin, and would be none.
    """
    if not role.may(Action.MANAGE_USERS):
        _check_not_last_admin(connection, name)
    _change_by_name(connection, name, "role changed", {"role": role.value}, actor, role=role.value)


def set_password(
    connection: Connection, name: str, password: str, cost: PasswordCost = DEFAULT_COST, actor: str = OPERATOR
) -> None:
    """Give a person another password; open sessions end.

    Raises
    ------
    NotFound, Refused
    """
    _change_by_name(connection, name, "password changed", actor=actor, password_hash=hash_password(password, cost))


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


def check_password(
    connection: Connection,
    name: str,
    password: str,
    cost: PasswordCost = DEFAULT_COST,
    *,
    are_roles_elsewhere: bool = False,
) -> User | None:
    """Return the active user with this name and password, or None.

    An unknown name, and a user without a password, take as long as a wrong password, so that names cannot be found
    out by the clock.

    Parameters
    ----------
    are_roles_elsewhere : bool, default=False
        Whether a provider says who has which role: then no password is right for those whom it knows, as it may have
        shut them out.
    """
    row = _find_row(connection, name)
    fits = is_right(password, row.password_hash if row else NO_PASSWORD, cost)
    user = as_user(row) if row and row.is_active and fits else None
    return None if user and are_roles_elsewhere and _has_identity(connection, user.user_id) else user


def find_active_user(connection: Connection, name: str) -> User | None:
    """Return the active user of a name, or None."""
    row = _find_row(connection, name)
    return as_user(row) if row and row.is_active else None


def find_permitted(connection: Connection, name: str, action: Action) -> User:
    """Return the active user of a name who may do something.

    Raises
    ------
    Forbidden
        There is no such user, or their role is too low.
    """
    user = find_active_user(connection, name)
    if user is None or not user.role.may(action):
        found = f"{_an(user.role)} {user.role}" if user else "no active user of this database"
        least = LEAST_ROLES[action]
        remedy = f"Name one with --by, or add one with `ipml admin user add NAME --role {least}`."
        raise Forbidden(f"user {name[:64]!r}", f"is {found}; to {action} takes {_an(least)} {least}", remedy)
    return user


def _an(role: str) -> str:
    return "an" if role == "admin" else "a"


def has_admin(connection: Connection) -> bool:
    """Tell whether an active user may manage users; while none does, whoever has the command line may."""
    roles = connection.scalars(select(users.c.role).where(users.c.is_active).distinct())
    return any(Role(role).may(Action.MANAGE_USERS) for role in roles)


def _check_not_last_admin(connection: Connection, name: str) -> None:
    """Raise Conflict where a person is the only one who may manage users; two who try it on each other take turns."""
    serialise(connection, Lock.ADD_USER)
    admins = [one.name for one in list_users(connection) if one.is_active and one.role.may(Action.MANAGE_USERS)]
    if admins == [name]:
        raise Conflict(f"user {name}", "is the last admin", "Make somebody else an admin first.")


def has_password(connection: Connection, user_id: int) -> bool:
    """Tell whether a user can log in by a password."""
    kept = connection.scalar(select(users.c.password_hash).where(users.c.user_id == user_id))
    return kept not in (None, NO_PASSWORD)


def _has_identity(connection: Connection, user_id: int) -> bool:
    return connection.scalar(select(identities.c.user_id).where(identities.c.user_id == user_id).limit(1)) is not None


def as_user(row: Row[Any]) -> User:
    """Read a row of the table of users, leaving the hash behind."""
    return User(row.user_id, row.name, Role(row.role), row.is_active, row.created_at)


def _change_by_name(
    connection: Connection,
    name: str,
    action: str,
    payload: dict[str, audit.Value] | None = None,
    actor: str = OPERATOR,
    **columns: object,
) -> None:
    change_user(connection, find_user_id(connection, name), actor, action, payload or {}, **columns)


def find_user_id(connection: Connection, name: str) -> int:
    """Return the number of a user, active or not; NotFound."""
    user_id: int | None = connection.scalar(select(users.c.user_id).where(users.c.name == name))
    if user_id is None:
        raise NotFound("user", name, "See `ipml admin user list`.")
    return user_id


def _find_row(connection: Connection, name: str) -> Row[Any] | None:
    if not is_user_name(name):
        return None
    return connection.execute(select(users).where(users.c.name == name)).one_or_none()


_ACTOR = "ipml"
_LONGEST_BASE = 50  # of a name, before what tells two of the same name apart

GroupRoles = Mapping[str, Role]


def parse_group_roles(text: str) -> GroupRoles:
    """Read which group of the provider is which role here; the last "=" of each part counts.

    Raises
    ------
    UnusableSetting, Refused

    Examples
    --------
    >>> parse_group_roles("trust=reviewer; cn=leads,ou=trust=lead")
    {'trust': <Role.REVIEWER: 'reviewer'>, 'cn=leads,ou=trust': <Role.LEAD: 'lead'>}
    """
    found = {}
    for part in filter(None, map(str.strip, text.split(";"))):
        group, equals, role = part.rpartition("=")
        if not equals or not group.strip():
            raise UnusableSetting("IPML_OIDC_ROLES", repr(part), "GROUP=ROLE; GROUP=ROLE")
        found[group.strip()] = parse_role(role.strip())
    return found


def find_role(claims: Mapping[str, Any], claim: str, roles: GroupRoles) -> Role | None:
    """Return the highest role that the groups of a person give them, or None.

    Examples
    --------
    >>> roles = parse_group_roles("trust=reviewer; leads=lead")
    >>> find_role({"groups": ["trust", "leads"]}, "groups", roles), find_role({"groups": "staff"}, "groups", roles)
    (<Role.LEAD: 'lead'>, None)
    """
    said = claims.get(claim)
    groups = said if isinstance(said, list) else [said]
    given = {roles[group] for group in groups if isinstance(group, str) and group in roles}
    return next((role for role in reversed(Role) if role in given), None)


def admit(
    engine: Engine,
    issuer: str,
    claims: Mapping[str, Any],
    *,
    roles: GroupRoles,
    role_claim: str = "groups",
    name_claim: str = "preferred_username",
    now: datetime | None = None,
) -> User:
    """Return the user whom a provider's checked claims name; who is new and has a role is added.

    Parameters
    ----------
    roles : mapping from str to Role
        Empty where roles are given here: then only linked users come in, and keep theirs. Otherwise the provider's word
        on the role counts at every login, and who has none left is shut out; so `check_password` takes no password of
        those whom the provider knows.

    Raises
    ------
    Forbidden
    """
    user, role, now = None, find_role(claims, role_claim, roles), now or datetime.now(UTC)
    subject, query = claims["sub"], select(users).join(identities, identities.c.user_id == users.c.user_id)
    with writing(engine) as connection:
        serialise(connection, Lock.ADD_USER)  # the same person may log in twice at once, or two of one name
        known = query.where(identities.c.issuer == issuer, identities.c.subject == subject)
        if row := connection.execute(known).one_or_none():
            user = _update(connection, as_user(row), role, roles)
        elif role is not None:
            name = _choose_name(connection, claims.get(name_claim), issuer, subject)
            user = insert_user(connection, name, NO_PASSWORD, role, _ACTOR, now)
            _insert(connection, issuer, subject, user.user_id, now)
    if user is None:
        raise Forbidden(
            "login", f"you are logged in at {issuer}, but nobody may log in here under that name", "Ask an admin."
        )
    return user


def link_user(
    connection: Connection, name: str, issuer: str, subject: str, now: datetime | None = None, actor: str = OPERATOR
) -> None:
    """Let a user log in as a person of a provider.

    Raises
    ------
    NotFound, Conflict
    """
    try:
        _insert(connection, issuer, subject, find_user_id(connection, name), now or datetime.now(UTC), actor)
    except IntegrityError as error:
        raise Conflict(
            f"subject {subject!r}", "belongs to another user already", "See `ipml admin user list`."
        ) from error


def _update(connection: Connection, user: User, role: Role | None, roles: GroupRoles) -> User | None:
    """Give a user the role that the provider says now; None where they may not come in."""
    if not user.is_active:
        return None
    if not roles or role == user.role:
        return user
    if role is None:
        # A viewer could still look: the sessions that are open end, and none begins.
        change_user(connection, user.user_id, _ACTOR, "lost role at the provider", {})
        return None
    change_user(connection, user.user_id, _ACTOR, "role changed", {"role": role.value}, role=role.value)
    return User(user.user_id, user.name, role, True, user.created_at)


def _insert(
    connection: Connection, issuer: str, subject: str, user_id: int, now: datetime, actor: str = _ACTOR
) -> None:
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": now}
    connection.execute(insert(identities).values(row))
    known_as = {"identity": digest_identity(issuer, subject)}
    audit.append(connection, actor, "user linked", f"user:{user_id}", known_as, at=now)


def _choose_name(connection: Connection, wished: object, issuer: str, subject: str) -> str:
    """Return the name that the provider gives, or one made of it where it could be mistaken for somebody's here."""
    usable = wished[:_LONGEST_BASE] if isinstance(wished, str) and is_user_name(wished[:_LONGEST_BASE]) else "user"
    taken = connection.scalar(select(users.c.user_id).where(func.lower(users.c.name) == usable.lower()))
    return usable if usable == wished and taken is None else f"{usable}-{digest_identity(issuer, subject)[:8]}"
