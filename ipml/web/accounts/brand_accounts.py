"""Accounts of rights holders: for which brands and which notifier a person acts in the brand portal.

An administrator binds an account to a brand, as listings write it, and to the notifier in whose name the account gives
notice. A brand that is written in several ways is bound in each. What is bound or ended holds from the next request on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select, update

from ipml.cooperation.faults import Faults, read_email, read_text
from ipml.errors import Conflict, NotFound, Refused
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import note_notifier_added, notifier_of
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import notifiers, user_brands, users
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import find_user_id

LONGEST_BRAND = 200


@dataclass(frozen=True, slots=True)
class Binding:
    """That an account acts for a brand, in the name of a notifier.

    Attributes
    ----------
    brand : str
        As listings have it.
    address : str or None
        E-mail of the notifier; None once they were erased, and nobody can give notice in their name.
    """

    binding_id: int
    user_id: int
    user_name: str
    brand: str
    notifier_id: int
    address: str | None
    bound_by: str
    bound_at: datetime


def bind_brand(connection: Connection, name: str, brand: str, address: str, *, by: str, now: datetime) -> Binding:
    """Let an account act for a brand, in the name of the notifier of an address; one who is new is added.

    Bound to the brand already, the account acts for this notifier from now on, and no longer for the one before.

    Raises
    ------
    NotFound
        There is no such user.
    Conflict
        The user is no brand account: whoever reviews sees all brands, and acts for none.
    Refused
        Brand or address cannot be one.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.storage.database import migrate, open_database, writing
    >>> from ipml.web.accounts.users import add_user
    >>> engine, now = open_database("sqlite://"), datetime(2026, 5, 1, tzinfo=UTC)
    >>> migrate(engine)
    >>> with writing(engine) as connection:
    ...     user = add_user(connection, "ann", None, Role.BRAND)
    ...     bound = bind_brand(connection, "ann", "Vellmar", "ann@vellmar.example", by="adam", now=now)
    >>> bound.brand, bound.address
    ('Vellmar', 'ann@vellmar.example')
    """
    user_id, faults = find_user_id(connection, name), Faults()
    read_brand = read_text(faults, "brand", brand, longest=LONGEST_BRAND)
    read_address = read_email(faults, "notifier", address)
    if read_brand is None or read_address is None:
        problem = faults.found[0]
        raise Refused(problem.column, repr(problem.value), problem.expected)
    if connection.scalar(select(users.c.role).where(users.c.user_id == user_id)) != Role.BRAND:
        raise Conflict(f"user {name}", "is no brand account", f"Make it one: `ipml admin user role {name} brand`.")
    serialise(connection, Lock.ADD_USER)
    notifier = notifier_of(connection, read_address, "rights holder", now)
    known = next((one for one in list_bindings(connection, user_id) if one.brand == read_brand), None)
    if known is not None and known.notifier_id == notifier.notifier_id:
        return known
    note_notifier_added(connection, notifier, by, now)
    if known is not None:
        _end(connection, known.binding_id, by, now)
    row = {"user_id": user_id, "brand": read_brand, "notifier_id": notifier.notifier_id}
    (number,) = append_rows(connection, user_brands, [{**row, "bound_by": by, "bound_at": now}])
    audit.append(connection, by, "brand bound", f"binding:{number}", {"user": user_id}, at=now)
    return next(one for one in list_bindings(connection, user_id) if one.binding_id == number)


def unbind_brand(connection: Connection, name: str, brand: str, *, by: str, now: datetime) -> None:
    """End that an account acts for a brand; what was done in it stays.

    Raises
    ------
    NotFound
    """
    user_id = find_user_id(connection, name)
    found = next((one for one in list_bindings(connection, user_id) if one.brand == brand), None)
    if found is None:
        raise NotFound("brand of the account", brand, "`ipml admin user list` shows those that are bound.")
    _end(connection, found.binding_id, by, now)


def end_binding(connection: Connection, binding_id: int, *, by: str, now: datetime) -> None:
    """End a binding by its number; one that has ended stays as it is.

    Raises
    ------
    NotFound
    """
    is_it = user_brands.c.binding_id == binding_id
    row = connection.execute(select(user_brands).where(is_it)).first() if 0 < binding_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("binding", binding_id)
    if row.ended_at is None:
        _end(connection, binding_id, by, now)


def list_bindings(connection: Connection, user_id: int | None = None) -> list[Binding]:
    """Return what accounts are bound to: all, or one, by name and brand."""
    query = (
        select(
            *(user_brands.c.binding_id, user_brands.c.user_id, users.c.name, user_brands.c.brand),
            *(user_brands.c.notifier_id, notifiers.c.address, user_brands.c.bound_by, user_brands.c.bound_at),
        )
        .join(users, users.c.user_id == user_brands.c.user_id)
        .join(notifiers, notifiers.c.notifier_id == user_brands.c.notifier_id)
        .where(user_brands.c.ended_at.is_(None))
        .order_by(users.c.name, user_brands.c.brand)
    )
    query = query if user_id is None else query.where(user_brands.c.user_id == user_id)
    return [Binding(*row) for row in connection.execute(query)]


def list_unbound(connection: Connection, bound: Collection[Binding]) -> list[str]:
    """Return the names of active brand accounts that are bound to nothing, and so see nothing."""
    query = select(users.c.name).where(users.c.role == Role.BRAND, users.c.is_active).order_by(users.c.name)
    names = {one.user_name for one in bound}
    return [name for name in connection.scalars(query) if name not in names]


def _end(connection: Connection, binding_id: int, by: str, now: datetime) -> None:
    change = update(user_brands).where(user_brands.c.binding_id == binding_id).values(ended_by=by, ended_at=now)
    audit.change_rows(connection, change, by, "brand unbound", at=now)
