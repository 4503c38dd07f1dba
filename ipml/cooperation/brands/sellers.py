"""Authorised sellers: proposed by a brand in the portal, put on the list by an operator.

Cases of authorised sellers come last and are never acted on without a person. A stolen account must not shield a
seller, so by default a proposal has no effect until an operator lists it; the cooperation policy may let proposals
apply at once (`[portal]`). Ending an authorisation always applies at once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from ipml.errors import Conflict, NotFound, SellerErased, UnstorableValue
from ipml.kit.canonical_json import canonical_json
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import LARGEST_NUMBER
from ipml.review.ranking.policy import fold_name
from ipml.review.sellers.seller_lists import (
    LONGEST_NAME,
    LONGEST_WHY,
    EntryFilter,
    ListedSeller,
    ListEntry,
    ListKind,
    add_entry,
    get_entry,
    list_entries,
    remove_entry,
)
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import encrypt, pseudonym_of, read_keys
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import seller_proposals

MOST_WAITING = 200
"""Waiting proposals of a brand, at most."""
_SOURCE = "brand portal"


@dataclass(frozen=True, slots=True)
class SellerProposal:
    """A seller whom a brand has authorised, as proposed.

    `seller_id` and `why` are None if the seller was erased; `until` is when the authorisation ends. `outcome` is
    "listed", "declined", or None while it waits; `why_declined` is the reason given then.
    """

    proposal_id: int
    brand: str
    seller_id: str | None
    why: str | None
    until: datetime | None
    proposed_by: str
    proposed_at: datetime
    outcome: str | None
    decided_by: str | None
    decided_at: datetime | None
    why_declined: str | None = None


@dataclass(frozen=True, slots=True)
class ProposedSeller:
    """A seller whom a notifier proposes as authorised for a brand, until a moment or without end."""

    brand: str
    notifier_id: int
    seller_id: str
    why: str
    until: datetime | None = None


def propose_seller(
    connection: Connection, proposed: ProposedSeller, *, by: str, now: datetime, needs_review: bool = True
) -> SellerProposal:
    """Add a proposal; without review it applies at once.

    Raises UnstorableValue for a seller or reason that is missing or too long, or an end in the past; Conflict if too
    many wait.
    """
    brand, seller_id, why, until = proposed.brand, proposed.seller_id, proposed.why, proposed.until
    for name, text, longest in (("seller", seller_id, LONGEST_NAME), ("reason", why, LONGEST_WHY)):
        if not text.strip():
            raise UnstorableValue(name, "nothing", "a text")
        check_text(name, text, longest)
    if until is not None and until <= now:
        raise UnstorableValue("last day", f"{until:%Y-%m-%d}", "a day to come, or none")
    serialise(connection, Lock.ENQUEUE)
    waiting = [one for one in list_proposals(connection) if one.outcome is None]
    theirs = [one for one in waiting if one.brand == brand]
    same = next((one for one in theirs if (one.seller_id, one.why, one.until) == (seller_id, why, until)), None)
    if same is not None:
        return same
    if len(theirs) >= MOST_WAITING:
        raise Conflict("authorised sellers", f"{len(theirs)} wait already", "Wait until they are reviewed.")
    pseudonym = pseudonym_of(connection, seller_id, now=now)
    row = {
        "brand": brand,
        "notifier_id": proposed.notifier_id,
        "pseudonym": pseudonym,
        "until": until,
        "proposed_by": by,
    }
    row |= {"encrypted": encrypt(connection, pseudonym, canonical_json({"why": why})), "proposed_at": now}
    (number,) = append_rows(connection, seller_proposals, [row])
    audit.append(connection, by, "seller proposed", f"proposal:{number}", {"seller": pseudonym}, at=now)
    if not needs_review:
        settle_proposal(connection, number, is_listed=True, by=by, now=now)
    return _get_proposal(connection, number)


def settle_proposal(
    connection: Connection, proposal_id: int, *, is_listed: bool, by: str, now: datetime, why: str = ""
) -> SellerProposal:
    """Put a proposed seller on the list of those authorised for the brand, or decline for a reason.

    Raises NotFound; UnstorableValue without a reason to decline; Conflict if it was decided before or its seller was
    erased; Forbidden if the user sells as this seller.
    """
    serialise(connection, Lock.ENQUEUE)
    row = _find_row(connection, proposal_id)
    (one,), pseudonym = _make(connection, [row]), row.pseudonym
    if one.outcome is not None:
        raise Conflict(f"proposal {proposal_id}", f"was {one.outcome} already", "Nothing was changed.")
    until = one.until if one.until is None or one.until > now else None
    if is_listed:
        if one.seller_id is None or one.why is None:
            raise Conflict(f"proposal {proposal_id}", "its seller was erased", "Decline it.")
        if one.until is not None and until is None:
            raise Conflict(f"proposal {proposal_id}", "its last day is over", "Decline it.")
        listed = ListedSeller(ListKind.AUTHORISED, one.seller_id, one.why, _SOURCE, one.brand, (), until)
        add_entry(connection, listed, by=by, now=now)
    outcome = "listed" if is_listed else "declined"
    fields: dict[str, Any] = {"outcome": outcome, "decided_by": by, "decided_at": now}
    if not is_listed:
        check_reason(why)
        fields["why_declined"] = encrypt(connection, pseudonym, why.strip()) if one.seller_id else None
    change = update(seller_proposals).where(seller_proposals.c.proposal_id == proposal_id).values(fields)
    audit.change_rows(connection, change, by, f"proposal {outcome}", at=now)
    return _get_proposal(connection, proposal_id)


def check_reason(why: str) -> None:
    """Raise UnstorableValue unless a reason to decline a proposal can be stored and is not empty."""
    check_text("reason", why, LONGEST_WHY)
    if not why.strip():
        raise UnstorableValue("reason", "nothing", "why it is declined, for the brand to read")


def _get_proposal(connection: Connection, proposal_id: int) -> SellerProposal:
    """Return a proposal; raises NotFound."""
    return _make(connection, [_find_row(connection, proposal_id)])[0]


def _find_row(connection: Connection, proposal_id: int) -> Row[Any]:
    query = select(seller_proposals).where(seller_proposals.c.proposal_id == proposal_id)
    row = connection.execute(query).first() if 0 < proposal_id <= LARGEST_NUMBER else None
    if row is None:
        raise NotFound("proposal", proposal_id)
    return row


def list_proposals(
    connection: Connection, brands: Collection[str] | None = None, *, waits: bool = True, limit: int = 1000
) -> list[SellerProposal]:
    """Return proposals, newest first: waiting ones or all, of some brands or all."""
    query = select(seller_proposals).order_by(seller_proposals.c.proposal_id.desc()).limit(limit)
    query = query if brands is None else query.where(seller_proposals.c.brand.in_(list(brands)))
    query = query.where(seller_proposals.c.outcome.is_(None)) if waits else query
    return _make(connection, connection.execute(query).all())


def list_authorised(connection: Connection, brand: str, now: datetime) -> list[ListEntry]:
    """Return the entries in force of sellers authorised for a brand alone."""
    return list_entries(connection, now, EntryFilter(ListKind.AUTHORISED, brand=brand))


def end_authorisation(
    connection: Connection, brands: Collection[str], entry_id: int, *, why: str, by: str, now: datetime
) -> ListEntry:
    """Take a seller off the list of those authorised for one of some brands.

    Raises NotFound if these brands have no such entry; other errors are those of `seller_lists.remove_entry`.
    """
    names = {fold_name(brand) for brand in brands}
    missing = NotFound("authorised seller", entry_id, "The page lists those of your brands.")
    try:
        entry = get_entry(connection, entry_id)
    except NotFound:
        raise missing from None
    if entry.kind is not ListKind.AUTHORISED or entry.brand is None or fold_name(entry.brand) not in names:
        raise missing
    return remove_entry(connection, entry_id, why=why, by=by, now=now)


def _make(connection: Connection, rows: Sequence[Row[Any]]) -> list[SellerProposal]:
    keys = read_keys(connection, {row.pseudonym for row in rows})
    made = []
    for row in rows:
        try:
            why = json.loads(keys.decrypt(row.pseudonym, row.encrypted))["why"]
            why_declined = keys.decrypt(row.pseudonym, row.why_declined) if row.why_declined else None
        except SellerErased:
            why = why_declined = None
        texts = {"seller_id": keys.find_seller(row.pseudonym), "why": why, "why_declined": why_declined}
        fields = {name: getattr(row, name) for name in SellerProposal.__slots__ if name not in texts}
        made.append(SellerProposal(**fields, **texts))
    return made
