"""Which clues were handed out, of whom they told, and who signed for them."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from ipml.errors import AlreadySigned, ClueNotFound
from ipml.review.texts import check_text
from ipml.storage import audit
from ipml.storage.database import writing
from ipml.storage.tables import clues, disclosures

_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Clue:
    """A clue as it was handed out; `follows` is the number of the one before to the same recipient."""

    clue_id: int
    reference: str
    network: int
    members_digest: str
    recipient: str
    brand: str | None
    purpose: str
    built_by: str
    built_at: datetime
    content_digest: str
    follows: int | None
    n_members: int
    n_confirmed: int
    value_low: float | None
    value: float | None
    value_high: float | None
    currency: str | None
    solvability: float
    effort: float
    signs: str
    tells_sellers: bool
    received_by: str | None
    received_at: datetime | None

    @property
    def subject(self) -> str:
        """Its name in the audit trail: "clue:12"."""
        return f"clue:{self.clue_id}"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """That a seller was named to somebody, for what purpose, and whether the seller may hear of it."""

    clue_id: int
    reference: str
    recipient: str
    purpose: str
    name: str
    disclosed_at: datetime
    tells_sellers: bool


def make_reference() -> str:
    """Return a reference that no clue has, and nobody guesses.

    Examples
    --------
    >>> len(make_reference()), make_reference() == make_reference()
    (10, False)
    """
    return f"C-{secrets.token_hex(4)}"


def add_clue(connection: Connection, fields: Mapping[str, Any], named: Mapping[str, tuple[str, bool]]) -> Clue:
    """Note a clue and of whom it tells, in the caller's transaction.

    Parameters
    ----------
    fields : mapping
        Of the table.
    named : mapping of str to (str, bool)
        By pseudonym: what the package calls a seller, and whether a listing of theirs was found counterfeit.
    """
    number = connection.scalars(insert(clues).values(**fields).returning(clues.c.clue_id)).one()
    rows = [
        {
            "clue_id": number,
            "pseudonym": pseudonym,
            "name": name,
            "is_confirmed": is_confirmed,
            "disclosed_at": fields["built_at"],
        }
        for pseudonym, (name, is_confirmed) in sorted(named.items())
    ]
    if rows:
        connection.execute(insert(disclosures), rows)
    return get_clue(connection, number)


def get_clue(connection: Connection, clue_id: int) -> Clue:
    """Return a clue; ClueNotFound where there is none of that number."""
    row = connection.execute(select(clues).where(clues.c.clue_id == clue_id)).first()
    if row is None:
        raise ClueNotFound(clue_id)
    return _make(row)


def list_clues(connection: Connection) -> list[Clue]:
    """Return all clues, the newest first."""
    return [_make(row) for row in connection.execute(select(clues).order_by(clues.c.clue_id.desc()))]


def find_before(
    connection: Connection, recipient: str, brand: str | None, pseudonyms: Collection[str]
) -> tuple[Clue, dict[str, str]] | None:
    """Return the last clue to a recipient that named most of some sellers, and what it called each; None if none did.

    A network grows, merges and splits, so it is known again by its members: the clue that named the most of them,
    of equals the last, if it named at least half of its own sellers.
    """
    wanted, best = set(pseudonyms), None
    query = select(clues).where(clues.c.recipient == recipient, clues.c.brand.is_not_distinct_from(brand))
    for row in connection.execute(query.order_by(clues.c.clue_id)).all():
        names = names_in(connection, row.clue_id)
        common = len(wanted & names.keys())
        if names and 2 * common >= len(names) and (best is None or common >= best[0]):
            best = common, _make(row), names
    return None if best is None else (best[1], best[2])


def list_disclosures(connection: Connection, clue_id: int) -> Sequence[int]:
    """Return the numbers of the disclosures that a clue makes, in order."""
    query = select(disclosures.c.disclosure_id).where(disclosures.c.clue_id == clue_id)
    return connection.scalars(query.order_by(disclosures.c.disclosure_id)).all()


def names_in(connection: Connection, clue_id: int) -> dict[str, str]:
    """Return what a clue called each seller it named, by pseudonym."""
    query = select(disclosures.c.pseudonym, disclosures.c.name).where(disclosures.c.clue_id == clue_id)
    return {row.pseudonym: row.name for row in connection.execute(query)}


def find_disclosures(connection: Connection, pseudonym: str) -> list[Disclosed]:
    """Return to whom a seller was named, the newest first: what Article 15 of the GDPR asks for, but see the flag."""
    query = select(
        clues.c.clue_id,
        clues.c.reference,
        clues.c.recipient,
        clues.c.purpose,
        disclosures.c.name,
        disclosures.c.disclosed_at,
        clues.c.tells_sellers,
    ).join(clues, clues.c.clue_id == disclosures.c.clue_id)
    query = query.where(disclosures.c.pseudonym == pseudonym).order_by(clues.c.clue_id.desc())
    return [Disclosed(*row) for row in connection.execute(query)]


def sign_receipt(engine: Engine, clue_id: int, received_by: str, *, by: str, now: datetime | None = None) -> Clue:
    """Note who of the recipient signed for a clue; once.

    Raises
    ------
    ClueNotFound, AlreadySigned
    """
    check_text("by", received_by, _LONGEST_NAME)
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        clue = get_clue(connection, clue_id)
        if clue.received_by is not None and clue.received_at is not None:
            raise AlreadySigned(clue_id, clue.received_by, clue.received_at)
        query = update(clues).where(clues.c.clue_id == clue_id)
        connection.execute(query.values(received_by=received_by, received_at=now))
        audit.append(connection, by, "noted receipt", clue.subject, {"content": clue.content_digest}, at=now)
        return get_clue(connection, clue_id)


def _make(row: Row[Any]) -> Clue:
    return Clue(**{name: getattr(row, name) for name in Clue.__slots__})
