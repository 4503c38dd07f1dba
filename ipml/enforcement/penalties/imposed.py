"""Penalties as they are kept: proposed, imposed, ended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from ipml.enforcement.penalties.standing import Size
from ipml.enforcement.restrictions import PenaltyKind
from ipml.errors import PenaltyNotFound, SellerErased
from ipml.review.snapshot import digest
from ipml.storage import audit
from ipml.storage.appending import append_rows
from ipml.storage.keyrings import Keyring
from ipml.storage.pseudonyms import seal, unseal
from ipml.storage.tables import penalties

LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Penalty:
    """What is done to a seller, or proposed to a lead.

    Attributes
    ----------
    strike_id : int
        The last of the strikes that led to it.
    rung : int
        Its place on the ladder of its policy, the lowest being 0.
    weight : float
        Of the strikes when it was proposed.
    size : Size
        Of the seller then.
    imposed_by, imposed_at
        "ipml" where it followed by itself; None while a person must confirm it.
    until : datetime or None
        When it ends by itself.
    ended_as : str or None
        "taken back" (its strikes were), "lifted" (by a person), "dismissed" (never imposed) or "over".
    """

    penalty_id: int
    pseudonym: str
    strike_id: int
    kind: PenaltyKind
    rung: int
    weight: float
    size: Size
    policy_digest: str
    proposed_at: datetime
    imposed_by: str | None = None
    imposed_at: datetime | None = None
    until: datetime | None = None
    ended_as: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None

    def is_in_force(self, at: datetime) -> bool:
        """Say whether it holds at a moment."""
        begun = self.imposed_at is not None and self.imposed_at <= at
        return begun and all(end is None or end > at for end in (self.until, self.ended_at))

    @property
    def is_open(self) -> bool:
        """Whether a person has yet to confirm or dismiss it."""
        return self.imposed_at is None and self.ended_at is None

    @property
    def subject(self) -> str:
        """Its name in the audit trail and in the outbox."""
        return f"penalty:{self.penalty_id}"

    def state(self, at: datetime) -> str:
        """Return "proposed", "in force", or how it ended."""
        if self.is_open:
            return "proposed"
        return "in force" if self.is_in_force(at) else self.ended_as or "over"


def select_penalties(
    connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[Penalty]:
    """Return the penalties that meet all conditions, in order."""
    query = select(penalties).where(*conditions).order_by(penalties.c.penalty_id).limit(limit)
    return [_make_penalty(row) for row in connection.execute(query)]


def get_penalty(connection: Connection, penalty_id: int) -> Penalty:
    """Return one penalty; PenaltyNotFound if there is none of that number."""
    found = (
        select_penalties(connection, penalties.c.penalty_id == penalty_id) if 0 < penalty_id <= LARGEST_NUMBER else []
    )
    if not found:
        raise PenaltyNotFound(penalty_id)
    return found[0]


def keep_penalties(connection: Connection, wanted: Sequence[tuple[Penalty, Sequence[str]]], keys: Keyring) -> list[int]:
    """Append penalties, each with the sentences that say how it came about, and return their numbers."""
    return append_rows(connection, penalties, [_columns(penalty, said, keys) for penalty, said in wanted])


def _columns(penalty: Penalty, sentences: Sequence[str], keys: Keyring) -> dict[str, Any]:
    fields: dict[str, Any] = {
        name: getattr(penalty, name) for name in Penalty.__slots__ if name not in ("penalty_id", "size")
    }
    fields |= {"kind": penalty.kind.value, "listings": penalty.size.listings, "age_days": penalty.size.age_days}
    words = json.dumps(list(sentences))
    return fields | {"why": keys.seal(penalty.pseudonym, words) if penalty.pseudonym in keys else ""}


def describe_change(penalty: Penalty, action: str, by: str, at: datetime, sealed: str | None = None) -> audit.Deed:
    """Return what the audit trail says of what was done with a penalty, and why by its digest."""
    payload: dict[str, audit.Value] = {
        "seller": penalty.pseudonym,
        "strike": penalty.strike_id,
        "kind": penalty.kind.value,
        "weight": round(penalty.weight, 6),
        "policy": penalty.policy_digest,
        **({} if penalty.ended_as is None else {"ended": penalty.ended_as}),
        **({"sealed": digest(sealed)} if sealed else {}),
    }
    return audit.Deed(at, by, action, penalty.subject, payload)


def change_penalty(connection: Connection, penalty: Penalty, why: str = "", **columns: Any) -> Penalty:
    """Give columns of a penalty new values, and return it as it is then; with `why`, say why it ended."""
    if why:
        columns["why_ended"] = seal_words(connection, penalty.pseudonym, why)
    connection.execute(update(penalties).where(penalties.c.penalty_id == penalty.penalty_id).values(columns))
    return get_penalty(connection, penalty.penalty_id)


@dataclass(frozen=True, slots=True)
class Explained:
    """How a penalty came about in sentences, why a person confirmed it, and why it ended; "" where nobody said."""

    sentences: tuple[str, ...]
    why_confirmed: str
    why_ended: str


def explain_penalty(connection: Connection, penalty_id: int) -> Explained | None:
    """Return why there is a penalty, and why it ended; None where its seller was erased."""
    row = connection.execute(select(penalties).where(penalties.c.penalty_id == penalty_id)).first()
    if row is None:
        raise PenaltyNotFound(penalty_id)
    with suppress(SellerErased):
        sentences = json.loads(unseal(connection, row.pseudonym, row.why))
        said = [unseal(connection, row.pseudonym, why) if why else "" for why in (row.why_confirmed, row.why_ended)]
        return Explained(tuple(sentences), *said)
    return None


def seal_words(connection: Connection, pseudonym: str, words: str) -> str:
    """Return words sealed with a seller's key, or nothing where the seller was erased."""
    with suppress(SellerErased):
        return seal(connection, pseudonym, words)
    return ""


def _make_penalty(row: Row[Any]) -> Penalty:
    columns = dict(row._mapping)
    fields = {name: columns[name] for name in Penalty.__slots__ if name != "size"}
    return Penalty(**fields | {"kind": PenaltyKind(row.kind)}, size=Size(row.listings, row.age_days))
