"""Reference pictures: pictures of known genuine or counterfeit goods, submitted by rights holders.

The file stays in the picture folder until the picture is removed. Its source and the users who added and removed it
stay on record and in the audit trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, select, update

from ipml.errors import NotFound
from ipml.records import Verdict
from ipml.storage.audit_trail import audit
from ipml.storage.tables import reference_pictures


@dataclass(frozen=True, slots=True)
class ReferencePicture:
    """A picture of known goods: `kind` is counterfeit or genuine, `source` names who supplied it.

    `digest` is the file's SHA-256 in hexadecimal. `group_id` is None until the worker has examined the picture.
    """

    reference_id: int
    digest: str
    kind: Verdict
    brand: str
    source: str
    added_by: str
    added_at: datetime
    group_id: int | None


def remove_reference(
    connection: Connection, reference_id: int, removed_by: str, *, now: datetime | None = None
) -> None:
    """Remove a picture; the next sweep deletes its file unless a case shows it. Raises NotFound."""
    now = now or datetime.now(UTC)
    is_it = reference_pictures.c.reference_id == reference_id, reference_pictures.c.removed_at.is_(None)
    query = update(reference_pictures).where(*is_it).values(removed_by=removed_by, removed_at=now)
    if connection.execute(query).rowcount == 0:
        raise NotFound("picture of known goods", reference_id, "`ipml queue pictures list` shows those there are.")
    audit.append(connection, removed_by, "picture removed", f"reference_picture:{reference_id}", {}, at=now)


def list_references(connection: Connection, group_ids: Sequence[int] | None = None) -> list[ReferencePicture]:
    """Return the pictures of known goods, of some groups or all, in order of arrival."""
    columns = [reference_pictures.c[name] for name in ReferencePicture.__slots__]
    query = select(*columns).where(reference_pictures.c.removed_at.is_(None)).order_by(columns[0])
    if group_ids is not None:
        query = query.where(reference_pictures.c.group_id.in_(group_ids))
    return [ReferencePicture(**row._asdict() | {"kind": Verdict(row.kind)}) for row in connection.execute(query)]
