"""Who a person of a provider is here: found by issuer and subject, never by a name or an address of mail."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select
from sqlalchemy.exc import IntegrityError

from ipml.errors import SubjectTaken, UnknownToUs, UnknownUser, UnusableSetting
from ipml.storage import audit
from ipml.storage.database import Lock, serialise, writing
from ipml.storage.tables import identities, users
from ipml.web.passwords import NO_PASSWORD
from ipml.web.permissions import Role, parse_role
from ipml.web.users import OPERATOR, User, as_user, change_user, insert_user, is_user_name

_ACTOR = "ipml"
_LONGEST_BASE = 50  # of a name, before what tells two of the same name apart

GroupRoles = Mapping[str, Role]


def parse_group_roles(text: str) -> GroupRoles:
    """Read which group of the provider is which role here; the last "=" of each part counts.

    Raises
    ------
    UnusableSetting, UnknownRole

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
        on the role counts at every login, and who has none left is shut out.

    Raises
    ------
    UnknownToUs
    """
    now = now or datetime.now(UTC)
    role = find_role(claims, role_claim, roles)
    user = _find_or_add(engine, issuer, claims, role, roles, name_claim, now)
    if user is None:
        raise UnknownToUs(issuer)
    return user


def link_user(
    engine: Engine, name: str, issuer: str, subject: str, now: datetime | None = None, actor: str = OPERATOR
) -> None:
    """Let a user log in as a person of a provider.

    Raises
    ------
    UnknownUser, SubjectTaken
    """
    now = now or datetime.now(UTC)
    try:
        with writing(engine) as connection:
            user_id = connection.scalar(select(users.c.user_id).where(users.c.name == name))
            if user_id is None:
                raise UnknownUser(name)
            _insert(connection, issuer, subject, user_id, now, actor)
    except IntegrityError as error:
        raise SubjectTaken(subject) from error


def _find_or_add(
    engine: Engine,
    issuer: str,
    claims: Mapping[str, Any],
    role: Role | None,
    roles: GroupRoles,
    name_claim: str,
    now: datetime,
) -> User | None:
    subject = claims["sub"]
    with writing(engine) as connection:
        serialise(connection, Lock.ADD_USER)  # the same person may log in twice at once, or two of one name
        row = _find(connection, issuer, subject)
        if row is not None:
            return _update(connection, as_user(row), role, roles)
        if role is None:
            return None
        name = _choose_name(connection, claims.get(name_claim), issuer, subject)
        user = insert_user(connection, name, NO_PASSWORD, role, _ACTOR, now)
        _insert(connection, issuer, subject, user.user_id, now)
        return user


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


def _find(connection: Connection, issuer: str, subject: str) -> Row[Any] | None:
    query = select(users).join(identities, identities.c.user_id == users.c.user_id)
    return connection.execute(query.where(identities.c.issuer == issuer, identities.c.subject == subject)).one_or_none()


def _insert(
    connection: Connection, issuer: str, subject: str, user_id: int, now: datetime, actor: str = _ACTOR
) -> None:
    row = {"issuer": issuer, "subject": subject, "user_id": user_id, "created_at": now}
    connection.execute(insert(identities).values(row))
    known_as = {"identity": _digest(issuer, subject)}
    audit.append(connection, actor, "user linked", f"user:{user_id}", known_as, at=now)


def _choose_name(connection: Connection, wished: object, issuer: str, subject: str) -> str:
    """Return the name that the provider gives, or one made of it where it could be mistaken for somebody's here."""
    usable = wished[:_LONGEST_BASE] if isinstance(wished, str) and is_user_name(wished[:_LONGEST_BASE]) else "user"
    taken = connection.scalar(select(users.c.user_id).where(func.lower(users.c.name) == usable.lower()))
    return usable if usable == wished and taken is None else f"{usable}-{_digest(issuer, subject)[:8]}"


def _digest(issuer: str, subject: str) -> str:
    return hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "replace")).hexdigest()
