"""When sellers learnt of what was done to them: the moment their statement of reasons was delivered.

The letter with the statement of a restriction has the restriction's subject in the outbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, exists, func, select

from ipml.storage.tables import clocks, outbox

COMPLAINT, COUNTER_NOTICE = "complaint window", "counter-notice window"
"""The stages that run for a restriction: the second only where it differs from the first."""

_SLACK = timedelta(days=3)  # for clocks that were wrong when messages were delivered


def find_newly_notified(connection: Connection, now: datetime, at_most: int) -> Sequence[Row[Any, Any]]:
    """Return subject and moment of restrictions the seller was told of, whose clocks do not run yet, in that order.

    Clocks are started in the order of these moments, so what lies well before the latest of them is done.
    """
    latest = connection.scalar(select(func.max(clocks.c.since)).where(clocks.c.stage == COMPLAINT))
    has_clock = exists().where(clocks.c.subject == outbox.c.subject)
    query = select(outbox.c.subject, outbox.c.settled_at).where(*_is_delivered(), ~has_clock)
    if latest is not None:
        query = query.where(outbox.c.settled_at >= min(latest, now) - _SLACK)
    return connection.execute(query.order_by(outbox.c.settled_at, outbox.c.message_id).limit(at_most)).all()


def _is_delivered() -> tuple[Any, ...]:
    return outbox.c.channel == "seller", outbox.c.kind == "statement", outbox.c.state == "delivered"
