"""Pictures that are no case's: of goods that are known to be genuine or counterfeit, as a rights holder hands them in.

The file stands in the folder of pictures like those of cases, until it is taken out again. Who added it, from whom it
is and who took it out stays, and is in the audit trail.
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
    """A picture of goods that are known.

    Attributes
    ----------
    digest : str
        SHA-256 of the file, in hexadecimal.
    kind : Verdict
        Counterfeit or genuine.
    brand, source : str
        Of the goods, and from whom the picture is.
    group_id : int or None
        Of pictures that look the same; None until the worker has looked at it.
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
    """Take a picture out again; its file goes with the next sweep of the folder, if no case shows it.

    Raises
    ------
    NotFound
    """
    now = now or datetime.now(UTC)
    is_it = reference_pictures.c.reference_id == reference_id, reference_pictures.c.removed_at.is_(None)
    query = update(reference_pictures).where(*is_it).values(removed_by=removed_by, removed_at=now)
    if connection.execute(query).rowcount == 0:
        raise NotFound("picture of known goods", reference_id, "`ipml queue pictures list` shows those there are.")
    audit.append(connection, removed_by, "picture removed", f"reference_picture:{reference_id}", {}, at=now)


def list_references(connection: Connection, group_ids: Sequence[int] | None = None) -> list[ReferencePicture]:
    """Return the pictures of known goods, of some groups or all, in the order in which they came."""
    columns = [reference_pictures.c[name] for name in ReferencePicture.__slots__]
    query = select(*columns).where(reference_pictures.c.removed_at.is_(None)).order_by(columns[0])
    if group_ids is not None:
        query = query.where(reference_pictures.c.group_id.in_(group_ids))
    return [ReferencePicture(**row._asdict() | {"kind": Verdict(row.kind)}) for row in connection.execute(query)]
