"""Limits of public forms: how many one address, and all together, may send within a time.

Every form that is sent counts, faulty ones too. Refused ones are not stored, so that a flood costs one query each and
fills no table. All servers share the counts.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import ceil

from sqlalchemy import Connection, Engine, delete, insert, select

from ipml.settings import Settings
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import tries
from ipml.web.accounts.sessions import free_at, network_of

_SPAN = timedelta(minutes=15)


def count_form(engine: Engine, form: str, address: str, settings: Settings, now: datetime | None = None) -> int:
    """Count a form sent from an address; return 0 if it may proceed, else the seconds until the next one may."""
    now, sender = now or datetime.now(UTC), f"{form} form from {network_of(address)}"
    with reading(engine) as connection:
        if seconds := _find_wait(connection, form, sender, settings, now):
            return seconds  # without a lock, which reviewers would wait for
    with writing(engine) as connection:
        serialise(connection, Lock.COUNT_TRIES)
        if seconds := _find_wait(connection, form, sender, settings, now):
            return seconds
        connection.execute(delete(tries).where(tries.c.name_hash == _mark(form), tries.c.at <= now - _SPAN))
        connection.execute(insert(tries).values(name_hash=_mark(form), address=sender, at=now))
    return 0


def _find_wait(connection: Connection, form: str, sender: str, settings: Settings, now: datetime) -> int:
    query = select(tries.c.at, tries.c.address).where(tries.c.at > now - _SPAN, tries.c.name_hash == _mark(form))
    recent = connection.execute(query.order_by(tries.c.at)).all()
    own = [row.at for row in recent if row.address == sender]
    free = max(
        free_at(own, settings.form_limit, _SPAN, now),
        free_at([row.at for row in recent], settings.form_limit_all, _SPAN, now),
    )
    return ceil((free - now).total_seconds())


def _mark(form: str) -> str:
    return f"form:{form}"  # no hash of a name
