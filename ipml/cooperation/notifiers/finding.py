"""Notifiers as they are kept, and how to find them: by number, address or pseudonym."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.errors import NotifierNotFound
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage.tables import notifiers


@dataclass(frozen=True, slots=True)
class Notifier:
    """Who gives notice; `address` is None where they were erased, and `whose` is what everything else calls them."""

    notifier_id: int
    kind: str
    address: str | None
    whose: str
    created_at: datetime

    @property
    def subject(self) -> str:
        """Their name in the audit trail and in the outbox."""
        return f"notifier:{self.notifier_id}"


def get_notifier(connection: Connection, notifier_id: int, *, lock: bool = False) -> Notifier:
    """Return the notifier of a number, kept from other writers if asked for; NotifierNotFound where there is none."""
    query = select(notifiers).where(notifiers.c.notifier_id == notifier_id)
    if lock:
        query = query.with_for_update()
    row = connection.execute(query).first() if 0 < notifier_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotifierNotFound(notifier_id)
    return _make(row)


def find_notifier(connection: Connection, name: str) -> Notifier:
    """Return the notifier of a number, an address or a pseudonym.

    Raises
    ------
    NotifierNotFound
    """
    if name.isascii() and name.isdecimal() and len(name) < 20:
        return get_notifier(connection, int(name))
    is_it = notifiers.c.address == name.lower() if "@" in name else notifiers.c.pseudonym == name
    row = connection.execute(select(notifiers).where(is_it)).first()
    if row is None:
        raise NotifierNotFound(name)
    return _make(row)


def list_notifiers(connection: Connection, kind: str | None = None) -> list[Notifier]:
    """Return all notifiers, or those of a kind, in order."""
    query = select(notifiers).order_by(notifiers.c.notifier_id)
    if kind is not None:
        query = query.where(notifiers.c.kind == kind)
    return [_make(row) for row in connection.execute(query)]


def _make(row: Row[Any]) -> Notifier:
    return Notifier(row.notifier_id, row.kind, row.address, row.pseudonym, row.created_at)
