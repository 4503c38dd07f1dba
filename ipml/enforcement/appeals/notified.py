"""When sellers learnt of what was done to them: the moment their statement of reasons was delivered.

The letter with the statement of "measure:12" has the key "measure-12-statement" in the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select

from ipml.storage.tables import clocks, outbox

_KIND, _SUFFIX = "statement", "-statement"
_SUBJECT = func.replace(func.replace(outbox.c.key, _SUFFIX, ""), "-", ":")


def notified_at(connection: Connection, subject: str) -> datetime | None:
    """Return when the seller was told of a restriction; None as long as the statement was not delivered."""
    key = f"{subject.replace(':', '-')}{_SUFFIX}"
    return connection.scalar(select(outbox.c.settled_at).where(outbox.c.key == key, *_is_delivered()))


def find_newly_notified(connection: Connection, at_most: int) -> Sequence[Row[Any, Any]]:
    """Return subject and moment of restrictions the seller was told of, whose clocks do not run yet."""
    has_clock = exists().where(clocks.c.subject == _SUBJECT)
    query = select(_SUBJECT.label("subject"), outbox.c.settled_at).where(*_is_delivered(), ~has_clock)
    return connection.execute(query.order_by(outbox.c.message_id).limit(at_most)).all()


def _is_delivered() -> tuple[Any, ...]:
    return outbox.c.channel == "seller", outbox.c.kind == _KIND, outbox.c.state == "delivered"
