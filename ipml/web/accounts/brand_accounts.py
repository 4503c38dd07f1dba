"""Brand accounts: the brands and notifiers for which a person acts in the brand portal.

An administrator binds an account to a brand, as spelt in listings (each spelling separately), and to the notifier in
whose name it gives notice. Changes apply from the next request.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

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
    """A binding of an account to a brand and a notifier; `address` is None if the notifier was erased."""

    binding_id: int
    user_id: int
    user_name: str
    brand: str
    notifier_id: int
    address: str | None
    bound_by: str
    bound_at: datetime


def bind_brand(connection: Connection, name: str, brand: str, address: str, *, by: str) -> Binding:
    """Bind an account to a brand and the notifier of an address, who is added if new; a binding to another is replaced.

    Raises NotFound, Refused for an impossible brand or address, and Conflict for an account with another role:
    reviewers see all brands, and act for none.
    """
    user_id, faults, now = find_user_id(connection, name), Faults(), datetime.now(UTC)
    read_brand = read_text(faults, "brand", brand, longest=LONGEST_BRAND)
    read_address = read_email(faults, "notifier", address)
    if read_brand is None or read_address is None:
        problem = faults.found[0]
        raise Refused(problem.column, repr(problem.value), problem.expected)
    if connection.scalar(select(users.c.role).where(users.c.user_id == user_id)) != Role.BRAND:
        raise Conflict(f"user {name}", "is no brand account", "Give it the role brand on the page Users.")
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


def end_binding(connection: Connection, binding_id: int, *, by: str, now: datetime) -> None:
    """End a binding by its number, unless it has ended; raises NotFound."""
    is_it = user_brands.c.binding_id == binding_id
    row = connection.execute(select(user_brands).where(is_it)).first() if 0 < binding_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("binding", binding_id)
    if row.ended_at is None:
        _end(connection, binding_id, by, now)


def list_bindings(connection: Connection, user_id: int | None = None) -> list[Binding]:
    """Return the bindings of all accounts or one, by name and brand."""
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
    """Return the active brand accounts without a binding, which see nothing."""
    query = select(users.c.name).where(users.c.role == Role.BRAND, users.c.is_active).order_by(users.c.name)
    names = {one.user_name for one in bound}
    return [name for name in connection.scalars(query) if name not in names]


def _end(connection: Connection, binding_id: int, by: str, now: datetime) -> None:
    change = update(user_brands).where(user_brands.c.binding_id == binding_id).values(ended_by=by, ended_at=now)
    audit.change_rows(connection, change, by, "brand unbound", at=now)
