"""Documents of rights: what a notifier says that they hold in a brand, and whether a person has found it to be so."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select, update

from ipml.cooperation.notifiers.messages import tell_notifier
from ipml.errors import RightsDocumentNotFound, SellerErased
from ipml.review.cases import LARGEST_NUMBER
from ipml.storage import audit, outbox
from ipml.storage.database import writing
from ipml.storage.notifiers import get_notifier
from ipml.storage.pseudonyms import unseal
from ipml.storage.tables import rights_documents

_WORDS = {
    True: "We have accepted the document of your rights in this brand; you need not send it again.",
    False: "We could not accept the document of your rights in this brand. Send another, or its right number.",
}


@dataclass(frozen=True, slots=True)
class RightsDocument:
    """A document as it was filed; `is_accepted` is None until somebody has looked, `reference` where it was erased."""

    document_id: int
    notifier_id: int
    brand: str
    reference: str | None
    filed_at: datetime
    checked_by: str | None
    checked_at: datetime | None
    is_accepted: bool | None


def check_document(
    engine: Engine, document_id: int, by: str, *, is_accepted: bool, now: datetime | None = None
) -> RightsDocument:
    """Record whether a document shows the rights it is to show, and tell the notifier.

    Parameters
    ----------
    by : str
        Who has looked at it.

    Raises
    ------
    RightsDocumentNotFound
    """
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        row = _find(connection, document_id)
        fields = {"is_accepted": is_accepted, "checked_by": by, "checked_at": now}
        is_it = rights_documents.c.document_id == document_id
        connection.execute(update(rights_documents).where(is_it).values(fields))
        deed, notifier = "accepted" if is_accepted else "rejected", get_notifier(connection, row.notifier_id)
        audit.append(connection, by, f"rights {deed}", notifier.subject, {"document": document_id}, at=now)
        body = {"brand": row.brand, "is_accepted": is_accepted, "words": _WORDS[is_accepted]}
        key = outbox.make_key(f"document-{document_id}-{deed}")
        tell_notifier(
            connection, notifier, key=key, kind="rights_document", subject=notifier.subject, body=body, at=now
        )
        return _make(connection, _find(connection, document_id), notifier.pseudonym)


def list_documents(connection: Connection, notifier_id: int) -> list[RightsDocument]:
    """Return the documents of a notifier, in order."""
    whose = get_notifier(connection, notifier_id).pseudonym
    query = select(rights_documents).where(rights_documents.c.notifier_id == notifier_id)
    rows = connection.execute(query.order_by(rights_documents.c.document_id)).all()
    return [_make(connection, row, whose) for row in rows]


def _find(connection: Connection, document_id: int) -> Row[Any]:
    query = select(rights_documents).where(rights_documents.c.document_id == document_id)
    row = connection.execute(query).first() if 0 < document_id <= LARGEST_NUMBER else None
    if row is None:
        raise RightsDocumentNotFound(document_id)
    return row


def _make(connection: Connection, row: Row[Any], whose: str) -> RightsDocument:
    fields = {name: getattr(row, name) for name in RightsDocument.__slots__}
    fields["reference"] = None
    with suppress(SellerErased):
        fields["reference"] = unseal(connection, whose, row.reference) if row.reference else None
    return RightsDocument(**fields)
