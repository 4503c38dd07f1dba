"""What the platform is told of penalties; it knows each by its number, and a seller who was erased by nothing else."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from ipml.enforcement.penalties.imposed import Penalty
from ipml.enforcement.penalties.rules import Rung
from ipml.storage import outbox
from ipml.storage.pseudonyms import find_seller


def tell_imposed(connection: Connection, penalty: Penalty, rung: Rung, at: datetime) -> None:
    """Ask the platform to do what a penalty says."""
    until = penalty.until.isoformat() if penalty.until else None
    _put(connection, penalty, "penalty", "imposed", {"do": rung.platform, "until": until}, at)


def tell_ended(connection: Connection, penalty: Penalty, at: datetime) -> None:
    """Ask the platform to undo what a penalty did."""
    _put(connection, penalty, "penalty lifted", "lifted", {"because": penalty.ended_as}, at)


def _put(connection: Connection, penalty: Penalty, kind: str, what: str, content: dict[str, Any], at: datetime) -> None:
    seller = find_seller(connection, penalty.pseudonym)
    body = {
        "penalty": penalty.penalty_id,
        "kind": penalty.kind.value,
        "seller_id": seller,
        "at": at.isoformat(),
        **content,
    }
    outbox.put(
        connection,
        key=outbox.make_key(f"penalty-{penalty.penalty_id}-{what}"),
        channel="platform",
        kind=kind,
        subject=penalty.subject,
        body=body,
        pseudonym=None if seller is None else penalty.pseudonym,
        now=at,
    )
