"""How people find notifiers: by number, address or pseudonym."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from ipml.errors import NotifierNotFound
from ipml.storage.notifiers import Notifier, get_notifier, make_notifier, select_notifiers
from ipml.storage.tables import notifiers


def find_notifier(connection: Connection, name: str) -> Notifier:
    """Return the notifier of a number, an address or a pseudonym.

    Raises
    ------
    NotifierNotFound
    """
    if name.isascii() and name.isdecimal() and len(name) < 20:
        return get_notifier(connection, int(name))
    is_it = notifiers.c.address == name.lower() if "@" in name else notifiers.c.pseudonym == name
    row = connection.execute(select_notifiers().where(is_it)).first()
    if row is None:
        raise NotifierNotFound(name)
    return make_notifier(row)


def list_notifiers(connection: Connection, kind: str | None = None, *, at: datetime | None = None) -> list[Notifier]:
    """Return all notifiers as they are at a moment (now), or those of a kind, in order."""
    rows = connection.execute(select_notifiers(at).order_by(notifiers.c.notifier_id))
    return [one for one in map(make_notifier, rows) if kind in (None, one.kind)]
