"""Users: people who may log in, with their passwords, roles and identities at a provider.

Every change of a person's rights ends their sessions; they log in again under a new token. A provider's person is
identified by issuer and subject, never by name or mail address.
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
from ipml.review.worklists.inbox import count_unread
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import digest_identity
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import identities, sessions, users
from ipml.web.accounts.permissions import LEAST_ROLES, Action, Role, parse_role

LEAST_PASSWORD_LENGTH = 12
MOST_PASSWORD_LENGTH = 256
NO_PASSWORD = ""  # in place of a hash; matches no password

# Argon2 takes 64 MB a run: a burst of logins must not exhaust the memory.
_hashing = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """Cost of one guess of a password (argon2id); the defaults are RFC 9106's second recommended option."""

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


DEFAULT_COST = PasswordCost()


def _hash_password(password: str, cost: PasswordCost = DEFAULT_COST) -> str:
    """Return the argon2 hash of a new password; raises Refused for a length outside the limits."""
    if not LEAST_PASSWORD_LENGTH <= len(password) <= MOST_PASSWORD_LENGTH:
        raise Refused(
            "password",
            f"{len(password)} characters",
            f"{LEAST_PASSWORD_LENGTH} to {MOST_PASSWORD_LENGTH}",
            "Choose another.",
        )
    return _hasher(cost).hash(password)


def is_right(password: str, known_hash: str, cost: PasswordCost = DEFAULT_COST) -> bool:
    """Report whether a password matches a hash; without a hash (no password) it takes as long and is False.

    >>> cheap = PasswordCost(1, 8, 1)
    >>> is_right("", NO_PASSWORD, cheap), is_right("correct horse", _hash_password("correct horse", cheap), cheap)
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
"""Actor while there is no admin: the command line manages users."""

_NOBODYS = ("ipml", "platform", "policy", "model", "seller", "restore")  # actors that are not people


def _is_user_name(name: str) -> bool:
    """Report whether a name is allowed for login: ASCII only, so that no two names look alike."""
    return _NAME.fullmatch(name) is not None and name.lower() not in _NOBODYS


@dataclass(frozen=True, slots=True)
class User:
    """A person who may log in, with the number of unread messages in their inbox."""

    user_id: int
    name: str
    role: Role
    is_active: bool
    created_at: datetime
    unread: int = 0


def add_user(
    connection: Connection,
    name: str,
    password: str | None,
    role: Role = Role.REVIEWER,
    cost: PasswordCost = DEFAULT_COST,
    actor: str = OPERATOR,
) -> User:
    """Add a user; raises Refused and Conflict.

    Names have 1 to 64 ASCII letters, digits and ``. _ @ -``, so that no two look alike. Passwords have at least 12
    characters and are stored as argon2 hashes only; None is for users who log in by a provider or a proxy.
    """
    password_hash = NO_PASSWORD if password is None else _hash_password(password, cost)
    try:
        serialise(connection, Lock.ADD_USER)
        return insert_user(connection, name, password_hash, role, actor, datetime.now(UTC))
    except IntegrityError as error:
        raise Conflict(
            f"user {name}", "exists already", "Choose another name, or see `ipml admin user list`."
        ) from error


def insert_user(connection: Connection, name: str, password_hash: str, role: Role, actor: str, now: datetime) -> User:
    """Add a user in the caller's transaction; raises Refused, and IntegrityError if the name is taken."""
    if not _is_user_name(name):
        raise Refused("user name", repr(name), "1 to 64 ASCII letters, digits and . _ @ -, a letter or digit first")
    row = {"name": name, "password_hash": password_hash, "role": role.value, "is_active": True, "created_at": now}
    user_id = connection.execute(insert(users).values(row).returning(users.c.user_id)).scalar_one()
    audit.append(connection, actor, "user added", f"user:{user_id}", {"role": role.value}, at=now)
    return User(user_id, name, role, True, now)


@dataclass(frozen=True, slots=True)
class UserAccess:
    """A user's ways to log in and unexpired sessions; `seen_at` is when one was last used."""

    user: User
    has_password: bool
    has_identity: bool
    n_sessions: int
    seen_at: datetime | None


def list_access(connection: Connection, now: datetime | None = None) -> list[UserAccess]:
    """Return all users by name, with their ways to log in."""
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
    """Return all users by name."""
    return [as_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def get_user(connection: Connection, user_id: int) -> User:
    """Return a user, active or not, by number; raises NotFound."""
    row = connection.execute(select(users).where(users.c.user_id == user_id)).one_or_none()
    if row is None:
        raise NotFound("user", user_id, "See `ipml admin user list`.")
    return as_user(row)


def disable_user(connection: Connection, name: str, actor: str = OPERATOR) -> None:
    """Disable a user at once and end their sessions; raises NotFound, and Conflict for the last admin."""
    _check_not_last_admin(connection, name)
    _change_by_name(connection, name, "user disabled", actor=actor, is_active=False)


def enable_user(connection: Connection, name: str, actor: str = OPERATOR) -> None:
    """Enable a user again; raises NotFound."""
    _change_by_name(connection, name, "user enabled", actor=actor, is_active=True)


def set_role(connection: Connection, name: str, role: Role, actor: str = OPERATOR) -> None:
    """Change a user's role and end their sessions; raises NotFound, and Conflict for the last admin."""
    if not role.may(Action.MANAGE_USERS):
        _check_not_last_admin(connection, name)
    _change_by_name(connection, name, "role changed", {"role": role.value}, actor, role=role.value)


def set_password(
    connection: Connection, name: str, password: str, cost: PasswordCost = DEFAULT_COST, actor: str = OPERATOR
) -> None:
    """Change a user's password and end their sessions; raises NotFound and Refused."""
    _change_by_name(connection, name, "password changed", actor=actor, password_hash=_hash_password(password, cost))


def _change_user(
    connection: Connection,
    user_id: int,
    actor: str,
    action: str,
    payload: dict[str, audit.Value],
    **columns: object,
) -> None:
    """Change a user in the caller's transaction, end their sessions, and record it in the audit trail."""
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

    Unknown names and users without a password take as long as a wrong password, so the time reveals no names. If a
    provider assigns roles (`are_roles_elsewhere`), its users cannot log in by password: it may have excluded them.
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
    """Return the active user of a name who may perform an action; raises Forbidden."""
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
    """Report whether an active user may manage users; until then the command line may."""
    roles = connection.scalars(select(users.c.role).where(users.c.is_active).distinct())
    return any(Role(role).may(Action.MANAGE_USERS) for role in roles)


def _check_not_last_admin(connection: Connection, name: str) -> None:
    """Raise Conflict if a person is the last admin; the lock makes two admins who remove each other take turns."""
    serialise(connection, Lock.ADD_USER)
    admins = [one.name for one in list_users(connection) if one.is_active and one.role.may(Action.MANAGE_USERS)]
    if admins == [name]:
        raise Conflict(f"user {name}", "is the last admin", "Make somebody else an admin first.")


def has_password(connection: Connection, user_id: int) -> bool:
    """Report whether a user can log in by password."""
    kept = connection.scalar(select(users.c.password_hash).where(users.c.user_id == user_id))
    return kept not in (None, NO_PASSWORD)


def _has_identity(connection: Connection, user_id: int) -> bool:
    return connection.scalar(select(identities.c.user_id).where(identities.c.user_id == user_id).limit(1)) is not None


def as_user(row: Row[Any]) -> User:
    """Return a row of the table of users, without the hash; with the unread messages where the query counts them."""
    return User(row.user_id, row.name, Role(row.role), row.is_active, row.created_at, getattr(row, "unread", 0))


def _change_by_name(
    connection: Connection,
    name: str,
    action: str,
    payload: dict[str, audit.Value] | None = None,
    actor: str = OPERATOR,
    **columns: object,
) -> None:
    _change_user(connection, find_user_id(connection, name), actor, action, payload or {}, **columns)


def find_user_id(connection: Connection, name: str) -> int:
    """Return the number of a user, active or not; raises NotFound."""
    user_id: int | None = connection.scalar(select(users.c.user_id).where(users.c.name == name))
    if user_id is None:
        raise NotFound("user", name, "See `ipml admin user list`.")
    return user_id


def _find_row(connection: Connection, name: str) -> Row[Any] | None:
    if not _is_user_name(name):
        return None
    unread = count_unread(users.c.name).label("unread")
    return connection.execute(select(users, unread).where(users.c.name == name)).one_or_none()


_ACTOR = "ipml"
_LONGEST_BASE = 50  # longest name before the suffix that makes it unique

GroupRoles = Mapping[str, Role]


def parse_group_roles(text: str) -> GroupRoles:
    """Parse the mapping from groups of the provider to roles; the last "=" of a part counts.

    Raises UnusableSetting and Refused.

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


def _find_role(claims: Mapping[str, Any], claim: str, roles: GroupRoles) -> Role | None:
    """Return the highest role that a person's groups give them, or None.

    >>> roles = parse_group_roles("trust=reviewer; leads=lead")
    >>> _find_role({"groups": ["trust", "leads"]}, "groups", roles), _find_role({"groups": "staff"}, "groups", roles)
    (<Role.LEAD: 'lead'>, None)
    """
    claimed = claims.get(claim)
    groups = claimed if isinstance(claimed, list) else [claimed]
    given = {roles[group] for group in groups if isinstance(group, str) and group in roles}
    return next((role for role in reversed(Role) if role in given), None)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person at a login provider."""

    issuer: str
    subject: str

    @property
    def digest(self) -> str:
        """Its digest in the audit trail."""
        return digest_identity(self.issuer, self.subject)


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Rules for the claims of a provider.

    With `roles` the provider sets the role at every login, and a person without one is refused. Without, only linked
    users are admitted, and keep their roles.
    """

    roles: GroupRoles
    role_claim: str = "groups"
    name_claim: str = "preferred_username"


def admit(
    engine: Engine, issuer: str, claims: Mapping[str, Any], rules: ClaimRules, now: datetime | None = None
) -> User:
    """Return the user whom a provider's checked claims name; a new person with a role is added. Raises Forbidden."""
    user, role, now = None, _find_role(claims, rules.role_claim, rules.roles), now or datetime.now(UTC)
    identity = Identity(issuer, claims["sub"])
    query = select(users).join(identities, identities.c.user_id == users.c.user_id)
    with writing(engine) as connection:
        serialise(connection, Lock.ADD_USER)  # two logins at once may be of one person, or of one name
        linked = query.where(identities.c.issuer == issuer, identities.c.subject == identity.subject)
        if row := connection.execute(linked).one_or_none():
            user = _update(connection, as_user(row), role, rules.roles)
        elif role is not None:
            name = _choose_name(connection, claims.get(rules.name_claim), identity)
            user = insert_user(connection, name, NO_PASSWORD, role, _ACTOR, now)
            _insert(connection, identity, user.user_id, now)
    if user is None:
        raise Forbidden("login", f"you are logged in at {issuer}, but no user here has that name", "Ask an admin.")
    return user


def link_user(
    connection: Connection, name: str, identity: Identity, now: datetime | None = None, actor: str = OPERATOR
) -> None:
    """Link a user to a person of a provider; raises NotFound and Conflict."""
    try:
        _insert(connection, identity, find_user_id(connection, name), now or datetime.now(UTC), actor)
    except IntegrityError as error:
        raise Conflict(
            f"subject {identity.subject!r}", "belongs to another user already", "See `ipml admin user list`."
        ) from error


def _update(connection: Connection, user: User, role: Role | None, roles: GroupRoles) -> User | None:
    """Give a user the provider's current role; None if they may not log in."""
    if not user.is_active:
        return None
    if not roles or role == user.role:
        return user
    if role is None:
        # Even a viewer could read cases, so open sessions end and no new one begins.
        _change_user(connection, user.user_id, _ACTOR, "lost role at the provider", {})
        return None
    _change_user(connection, user.user_id, _ACTOR, "role changed", {"role": role.value}, role=role.value)
    return User(user.user_id, user.name, role, True, user.created_at)


def _insert(connection: Connection, identity: Identity, user_id: int, now: datetime, actor: str = _ACTOR) -> None:
    row = {"issuer": identity.issuer, "subject": identity.subject, "user_id": user_id, "created_at": now}
    connection.execute(insert(identities).values(row))
    audit.append(connection, actor, "user linked", f"user:{user_id}", {"identity": identity.digest}, at=now)


def _choose_name(connection: Connection, wished: object, identity: Identity) -> str:
    """Return the provider's name, or one derived from it if it could be mistaken for another user's."""
    usable = wished[:_LONGEST_BASE] if isinstance(wished, str) and _is_user_name(wished[:_LONGEST_BASE]) else "user"
    taken = connection.scalar(select(users.c.user_id).where(func.lower(users.c.name) == usable.lower()))
    return usable if usable == wished and taken is None else f"{usable}-{identity.digest[:8]}"
