"""Reference pictures proposed by a brand in the portal: a lead accepts each before it has any effect.

A picture of genuine goods shields listings that show it, and one of counterfeits accuses them; a stolen account must
do neither. The file of a proposal is kept while it waits; a rejected one is deleted with the next sweep.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from ipml.cooperation.brands.sellers import check_reason
from ipml.errors import Conflict, NotFound
from ipml.records import Verdict
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.pictures.reference import KnownGoods, append_reference
from ipml.review.pictures.stored import PictureCopies, store_files
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import picture_proposals, reference_pictures

MOST_WAITING = 200
"""Waiting pictures of a brand, at most."""
LONGEST_SHOWS = 100


@dataclass(frozen=True, slots=True)
class PictureProposal:
    """A picture of known goods as proposed: `kind` is counterfeit or genuine, `shows` the brand's words on it.

    `outcome` is "accepted", "rejected" (with the reason), or None while it waits.
    """

    proposal_id: int
    brand: str
    digest: str
    kind: Verdict
    shows: str
    proposed_by: str
    proposed_at: datetime
    outcome: str | None
    why_rejected: str | None
    decided_by: str | None
    decided_at: datetime | None

    @property
    def goods(self) -> KnownGoods:
        """The known goods that it becomes a picture of, once accepted."""
        return KnownGoods(self.kind, self.brand, f"the brand: {self.shows}")


@dataclass(frozen=True, slots=True)
class ProposedPicture:
    """A picture that a notifier proposes for a brand: its kind, what it shows, the file and its copies."""

    brand: str
    notifier_id: int
    kind: Verdict
    shows: str
    content: bytes
    copies: PictureCopies


def propose_picture(
    connection: Connection, folder: Path, proposed: ProposedPicture, *, by: str, now: datetime
) -> int | None:
    """Store a picture and propose it; return its number, or None if it waits or is in use already.

    Raises UnstorableValue for words that cannot be stored, Conflict if too many wait.
    """
    brand, kind, shows = proposed.brand, proposed.kind, proposed.shows.strip()
    KnownGoods(kind, brand, shows).check()
    serialise(connection, Lock.STORE_PICTURES)  # so that no file is swept before a row names it
    waiting = [one for one in list_picture_proposals(connection, [brand]) if one.outcome is None]
    if len(waiting) >= MOST_WAITING:
        raise Conflict("reference pictures", f"{len(waiting)} wait already", "Wait until they are reviewed.")
    digest = store_files(folder, proposed.content, proposed.copies)
    in_use = reference_pictures.c
    is_it = in_use.digest == digest, in_use.kind == kind, in_use.brand == brand, in_use.removed_at.is_(None)
    if any((one.digest, one.kind) == (digest, kind) for one in waiting) or connection.scalar(
        select(in_use.reference_id).where(*is_it)
    ):
        return None
    row = {"brand": brand, "notifier_id": proposed.notifier_id, "digest": digest, "kind": kind.value, "shows": shows}
    (number,) = append_rows(connection, picture_proposals, [row | {"proposed_by": by, "proposed_at": now}])
    said = {"digest": digest, "kind": kind.value, "brand": brand}
    audit.append(connection, by, "picture proposed", f"picture_proposal:{number}", said, at=now)
    return number


def settle_picture(
    connection: Connection, proposal_id: int, *, is_accepted: bool, by: str, now: datetime, why: str = ""
) -> None:
    """Accept a proposed picture as one of known goods, or reject it for a reason.

    Raises NotFound; UnstorableValue without a reason to reject; Conflict if it was decided before.
    """
    serialise(connection, Lock.STORE_PICTURES)
    one = get_picture_proposal(connection, proposal_id)
    if one.outcome is not None:
        raise Conflict(f"picture {proposal_id}", f"was {one.outcome} already", "Nothing was changed.")
    outcome = "accepted" if is_accepted else "rejected"
    fields: dict[str, Any] = {"outcome": outcome, "decided_by": by, "decided_at": now}
    if is_accepted:
        append_reference(connection, one.digest, one.goods, by, now)
    else:
        check_reason(why)
        fields["why_rejected"] = why.strip()
    change = update(picture_proposals).where(picture_proposals.c.proposal_id == proposal_id).values(fields)
    audit.change_rows(connection, change, by, f"picture {outcome}", at=now)


def get_picture_proposal(
    connection: Connection, proposal_id: int, brands: Collection[str] | None = None
) -> PictureProposal:
    """Return a proposed picture, of some brands or any; raises NotFound, whether or not another brand has it."""
    query = _select(brands).where(picture_proposals.c.proposal_id == proposal_id)
    row = connection.execute(query).first() if 0 < proposal_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("proposed picture", proposal_id)
    return PictureProposal(**row._asdict() | {"kind": Verdict(row.kind)})


def list_picture_proposals(
    connection: Connection, brands: Collection[str] | None = None, *, limit: int = 1000
) -> list[PictureProposal]:
    """Return proposed pictures of some brands or all: those that wait, then the others, the newest first."""
    proposals = picture_proposals.c
    query = _select(brands).order_by(proposals.outcome.is_not(None), proposals.proposal_id.desc()).limit(limit)
    return [PictureProposal(**row._asdict() | {"kind": Verdict(row.kind)}) for row in connection.execute(query)]


def _select(brands: Collection[str] | None) -> Any:
    query = select(*(picture_proposals.c[name] for name in PictureProposal.__slots__))
    return query if brands is None else query.where(picture_proposals.c.brand.in_(list(brands)))
