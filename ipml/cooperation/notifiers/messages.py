"""Messages to notifiers: through the same outbox as those to sellers, sealed with the notifier's own key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ipml.storage import outbox
from ipml.storage.notifiers import Notifier

CHANNEL = "holder"


def tell_notifier(
    connection: Connection,
    notifier: Notifier,
    *,
    key: str,
    kind: str,
    subject: str,
    body: Mapping[str, Any],
    at: datetime,
    sealed_for: str | None = None,
) -> bool:
    """Put a message to a notifier into the outbox; False where they were erased, and nobody is left to tell.

    Parameters
    ----------
    key : str
        See `ipml.storage.outbox.make_key`.
    sealed_for : str, default=the notifier
        Pseudonym of the seller whom the message tells of, if it does: then it goes when that seller is forgotten.
    """
    if notifier.address is None:
        return False
    outbox.put(
        connection,
        key=key,
        channel=CHANNEL,
        kind=kind,
        subject=subject,
        body={"to": notifier.address, **body},
        pseudonym=sealed_for or notifier.pseudonym,
        now=at,
    )
    return True
