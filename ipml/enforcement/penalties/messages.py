"""What the platform is told of penalties; it knows each by its number, and a seller who was erased by nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.penalties.rules import Rung
from ipml.storage import outbox
from ipml.storage.keyrings import Keyring, read_keys


def tell_imposed(connection: Connection, penalty: Penalty, rung: Rung, at: datetime) -> None:
    """Ask the platform to do what a penalty says."""
    keys = read_keys(connection, [penalty.pseudonym])
    outbox.put_all(connection, [draft_imposed(penalty, rung, at, keys)], keys)


def draft_imposed(penalty: Penalty, rung: Rung, at: datetime, keys: Keyring) -> outbox.Draft:
    """Return the message that `tell_imposed` puts down."""
    until = penalty.until.isoformat() if penalty.until else None
    return _draft(penalty, "penalty", "imposed", {"do": rung.platform, "until": until}, at, keys)


def tell_ended(connection: Connection, penalty: Penalty, at: datetime) -> None:
    """Ask the platform to undo what a penalty did."""
    keys = read_keys(connection, [penalty.pseudonym])
    draft = _draft(penalty, "penalty_lifted", "lifted", {"because": penalty.ended_as}, at, keys)
    outbox.put_all(connection, [draft], keys)


def _draft(
    penalty: Penalty, kind: str, what: str, content: dict[str, Any], at: datetime, keys: Keyring
) -> outbox.Draft:
    seller = keys.find_seller(penalty.pseudonym)
    body = {
        "penalty": penalty.penalty_id,
        "kind": penalty.kind.value,
        "seller_id": seller,
        "at": at.isoformat(),
        **content,
    }
    key = outbox.make_key(f"penalty-{penalty.penalty_id}-{what}")
    sealed_for = None if seller is None else penalty.pseudonym
    return outbox.Draft(key, "platform", kind, penalty.subject, body, sealed_for, at)
