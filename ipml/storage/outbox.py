"""What must reach others: put down in the transaction that causes it, delivered at least once, under a key.

Whoever receives a message twice knows it by its key. Messages of one subject are delivered in the order in which they
were put; one that cannot be delivered is tried again, later and later, and in the end lies there as dead, for people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert

from ipml.storage.pseudonyms import seal
from ipml.storage.tables import outbox


def put(
    connection: Connection,
    *,
    key: str,
    channel: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    pseudonym: str | None,
    now: datetime,
    not_before: datetime | None = None,
) -> int:
    """Put a message down in the caller's transaction, and return its number.

    Parameters
    ----------
    key : str
        By which the receiver knows the message; the same for the same thing, for ever: "measure-12-imposed".
    channel : str
        To whom: "platform", "seller", "transparency" or "holder".
    kind : str
        What it is: "measure", "reinstatement", "statement".
    subject : str
        What it is about: "measure:12". Messages of one subject are delivered in order.
    body : mapping
        What goes over the wire, as JSON.
    pseudonym : str or None
        The seller with whose key the body is sealed while it waits; None where it tells of no seller.
    not_before : datetime, default=`now`
    """
    text = json.dumps(body, separators=(",", ":"), sort_keys=True, allow_nan=False)
    sealed = text if pseudonym is None else seal(connection, pseudonym, text)
    fields = {"key": key, "channel": channel, "kind": kind, "subject": subject, "pseudonym": pseudonym, "body": sealed}
    query = insert(outbox).values(**fields, put_at=now, next_try_at=not_before or now, state="waiting", attempts=0)
    number: int = connection.scalars(query.returning(outbox.c.message_id)).one()
    return number
