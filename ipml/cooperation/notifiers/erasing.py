"""Forgetting a notifier: the key goes, and with it all that was sealed with it, in every table and every backup.

What their notices led to stays: listings, decisions, and that a notifier of this number gave notice. What has begun
goes on, and nobody is told how it ends.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, update

from ipml.cooperation.notifiers.steps import find_suspension
from ipml.errors import SuspendedAlready
from ipml.storage import audit
from ipml.storage.database import writing
from ipml.storage.notifiers import Notifier, get_notifier
from ipml.storage.remains import overwrite_deleted, sweep
from ipml.storage.tables import notices, notifier_appointments, notifier_steps, notifiers, outbox, rights_documents


def erase_notifier(engine: Engine, notifier_id: int, by: str, *, now: datetime | None = None) -> tuple[str, ...]:
    """Erase a notifier, and then all traces of them in the files of the database; called again it finishes.

    Returns
    -------
    tuple of str
        What a database server keeps all the same, and for how long, in sentences.

    Raises
    ------
    NotifierNotFound
    SuspendedAlready
        Erased, they would be nobody who was ever warned; the suspension must end first.
    DatabaseBusy
        They are erased, but somebody went on reading what was there before: call it again.
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        overwrite_deleted(connection)
        notifier = get_notifier(connection, notifier_id, lock=True)
        if (running := find_suspension(connection, notifier_id, now)) is not None:
            raise SuspendedAlready(notifier_id, running.until or now)
        if notifier.address is not None:
            _erase(connection, notifier, by, now)
            audit.append(connection, by, "notifier erased", notifier.subject, {}, at=now)
    tables = (notices, notifier_appointments, notifier_steps, notifiers, outbox, rights_documents)
    return sweep(engine, [table.name for table in tables])


def _erase(connection: Connection, notifier: Notifier, by: str, now: datetime) -> None:
    """Take the key away, and empty what it opened; messages on them that wait go to nobody any more."""
    number, is_theirs = notifier.notifier_id, outbox.c.pseudonym == notifier.pseudonym
    dropped = {"state": "dead", "settled_at": now, "dropped_by": "ipml", "dropped_at": now}
    passed_on = outbox.c.subject.like(f"counter-notice:%:notifier:{number}")  # sealed for the seller, to their address
    for mine in (is_theirs, passed_on):
        connection.execute(update(outbox).where(mine, outbox.c.state == "waiting").values(dropped))
        emptied = update(outbox).where(mine).values(body="", last_error=None, why_dropped=None)
        audit.change_rows(connection, emptied, by, "erased", at=now)
    for table, blanks in (
        (notices, {"sealed": "", "explanation": "", "key": None}),
        (rights_documents, {"reference": ""}),
        (notifier_appointments, {"ground": ""}),
        (notifier_steps, {"why": ""}),
        (notifiers, {"address": None, "key": None}),
    ):
        blanked = update(table).where(table.c.notifier_id == number).values(blanks)
        audit.change_rows(connection, blanked, by, "erased", at=now)
