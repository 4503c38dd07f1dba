"""Linked accounts: shows a lead the accounts linked to a penalised seller, with evidence, and notes the answer.

Links never cause a strike or a penalty; those need a decision on the account's own listing. The evidence concerns both
sellers and is encrypted with both keys.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Row, insert, or_, select, update

from ipml.enforcement.penalties.ladder import find_penalties, hardest
from ipml.enforcement.penalties.penalties import Penalty, encrypt_words
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import PenaltyKind
from ipml.errors import NotFound, SellerErased, UnreadableFile
from ipml.review.arrivals.snapshot import check_text
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import decrypt, find_pseudonym, find_seller, pseudonym_of
from ipml.storage.tables import linked_accounts

Outcome = Literal["review", "nothing"]

_COLUMNS = ("seller", "other", "kind", "weight", "evidence")
_LONGEST = {"seller": 200, "other": 200, "kind": 40, "evidence": 2000}
_HARDNESS = list(PenaltyKind)


@dataclass(frozen=True, slots=True)
class Link:
    """A link between two accounts: kind and text of the evidence, and its certainty `weight` (0-1)."""

    seller: str
    other: str
    kind: str
    weight: float
    evidence: str


@dataclass(frozen=True, slots=True)
class LinkedAccount:
    """An account recommended to a lead for review.

    `pseudonym`, `linked_to`: the account, and the seller with the penalty. `evidence`: None if either seller was
    erased. `outcome`: "review" or "nothing"; None while open.
    """

    link_id: int
    pseudonym: str
    linked_to: str
    penalty_id: int
    kind: str
    weight: float
    evidence: str | None
    recommended_at: datetime
    outcome: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None


def recommend_linked(
    connection: Connection, links: Iterable[Link], policy: EnforcementPolicy, at: datetime
) -> list[LinkedAccount]:
    """Recommend the accounts linked, in either direction, to sellers with a hard penalty to a lead; each link once."""
    serialise(connection, Lock.APPEND_TO_AUDIT)
    made: list[LinkedAccount] = []
    for link in links:
        if link.weight < policy.penalties.links.least_weight or link.seller == link.other:
            continue
        for penalised, account in ((link.seller, link.other), (link.other, link.seller)):
            made += _recommend(connection, penalised, account, link, policy, at)
    return made


def find_penalised(connection: Connection, policy: EnforcementPolicy, at: datetime) -> set[str]:
    """Return the sellers whose penalty is hard enough for links to matter, by id and by pseudonym."""
    hard = {
        penalty.pseudonym
        for penalty in find_penalties(connection, state="in force", at=at)
        if _is_as_hard(penalty.kind, policy.penalties.links.penalised_from)
    }
    return hard | {seller for pseudonym in hard if (seller := find_seller(connection, pseudonym)) is not None}


def list_linked(connection: Connection, *, pseudonym: str | None = None, is_open: bool = True) -> list[LinkedAccount]:
    """Return recommended accounts in order: of a seller on either side of the link, or all."""
    query = select(linked_accounts).order_by(linked_accounts.c.link_id)
    if pseudonym is not None:
        query = query.where(or_(linked_accounts.c.pseudonym == pseudonym, linked_accounts.c.linked_to == pseudonym))
    if is_open:
        query = query.where(linked_accounts.c.outcome.is_(None))
    return [_make_linked(connection, row) for row in connection.execute(query)]


def decide_link(
    connection: Connection, link_id: int, by: str, outcome: Outcome, why: str, *, now: datetime | None = None
) -> LinkedAccount:
    """Store a lead's answer to a link: "review" the account's listings, or "nothing"."""
    check_text("why", why, 2000)
    at = now or datetime.now(UTC)
    row = _find(connection, link_id)
    decided = {"outcome": outcome, "decided_by": by, "decided_at": at}
    words = encrypt_words(connection, row.pseudonym, why)
    query = update(linked_accounts).where(linked_accounts.c.link_id == link_id)
    connection.execute(query.values(**decided, why=words))
    audit.append(connection, by, "link decided", f"link:{link_id}", {"outcome": outcome}, at=at)
    return _make_linked(connection, _find(connection, link_id))


def read_links(path: Path) -> list[Link]:
    """Read a CSV file of links: seller, other, kind, weight (0-1), evidence.

    Raises UnreadableFile if a column is missing, or a row is invalid; the first such row is named.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if missing := [name for name in _COLUMNS if name not in (reader.fieldnames or [])]:
                raise UnreadableFile(path, f"no column {', '.join(missing)}", f"the columns {', '.join(_COLUMNS)}")
            return [_read_link(path, number, row) for number, row in enumerate(reader, 1)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableFile(path, f"no CSV in UTF-8 ({error})", "a CSV file") from error


def _read_link(path: Path, number: int, row: dict[str, Any]) -> Link:
    for name, longest in _LONGEST.items():
        if not 0 < len(row[name] or "") <= longest:
            raise UnreadableFile(path, f"row {number}: {len(row[name] or '')} characters of {name}", f"1 to {longest}")
    with suppress(TypeError, ValueError):
        weight = float(row["weight"])
        if 0 <= weight <= 1:
            return Link(row["seller"], row["other"], row["kind"], weight, row["evidence"])
    raise UnreadableFile(path, f"row {number}: weight {str(row['weight'])[:20]!r}", "a number from 0 to 1")


def _recommend(
    connection: Connection, penalised: str, account: str, link: Link, policy: EnforcementPolicy, at: datetime
) -> list[LinkedAccount]:
    penalty = _hardest_of(connection, find_pseudonym(connection, penalised), at)
    if penalty is None or not _is_as_hard(penalty.kind, policy.penalties.links.penalised_from):
        return []
    own = _hardest_of(connection, find_pseudonym(connection, account), at)
    if own is not None and _is_as_hard(own.kind, penalty.kind):
        return []
    pseudonym = pseudonym_of(connection, account, now=at)
    table = linked_accounts.c
    is_of_penalty = (table.pseudonym == pseudonym, table.penalty_id == penalty.penalty_id, table.kind == link.kind)
    if connection.scalar(select(table.link_id).where(*is_of_penalty)) is not None:
        return []
    columns = {
        "pseudonym": pseudonym,
        "linked_to": penalty.pseudonym,
        "penalty_id": penalty.penalty_id,
        "kind": link.kind,
        "weight": link.weight,
        "evidence": encrypt_words(connection, penalty.pseudonym, encrypt_words(connection, pseudonym, link.evidence)),
        "recommended_at": at,
    }
    number = connection.scalars(insert(linked_accounts).values(columns).returning(table.link_id)).one()
    payload: dict[str, audit.Value] = {"account": pseudonym, "seller": penalty.pseudonym, "weight": link.weight}
    audit.append(connection, "ipml", "link recommended", f"link:{number}", payload, at=at)
    return [_make_linked(connection, _find(connection, number))]


def _hardest_of(connection: Connection, pseudonym: str | None, at: datetime) -> Penalty | None:
    return None if pseudonym is None else hardest(find_penalties(connection, pseudonym=pseudonym), at)


def _is_as_hard(kind: PenaltyKind, as_what: PenaltyKind) -> bool:
    return _HARDNESS.index(kind) >= _HARDNESS.index(as_what)


def _find(connection: Connection, link_id: int) -> Row[Any]:
    row = connection.execute(select(linked_accounts).where(linked_accounts.c.link_id == link_id)).first()
    if row is None:
        raise NotFound("link", link_id, "`ipml enforce penalty links` shows them.")
    return row


def _make_linked(connection: Connection, row: Row[Any]) -> LinkedAccount:
    evidence = None
    with suppress(SellerErased):
        evidence = decrypt(connection, row.pseudonym, decrypt(connection, row.linked_to, row.evidence))
    fields = {name: row._mapping[name] for name in LinkedAccount.__slots__ if name != "evidence"}
    return LinkedAccount(**fields, evidence=evidence)
