"""Drawing a statement of reasons up: its facts, its letter and its payload, as rows and messages that can be kept."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ipml.enforcement.restrictions import Restriction
from ipml.enforcement.statements.checking import find_faults
from ipml.enforcement.statements.facts import Statement, encode, state
from ipml.enforcement.statements.letter import Letter, write_letter
from ipml.enforcement.statements.payload import write_payload
from ipml.enforcement.statements.rules import StatementRules
from ipml.errors import InvalidStatement
from ipml.records import Listing, Reason
from ipml.review.snapshot import digest
from ipml.storage import audit, outbox
from ipml.storage.keyrings import Keyring

ACTOR = "ipml"
"""Who states, in the audit trail."""
# Consonants only, 129 bits: it spells no name and looks like no number of anybody.
_PUID_LETTERS, _PUID_LENGTH = "bcdfghjklmnpqrstvwxz", 30
_PUIDS = len(_PUID_LETTERS) ** _PUID_LENGTH


@dataclass(frozen=True, slots=True)
class Drawn:
    """A statement that is drawn up, with its letter and its payload, as object and as text."""

    statement: Statement
    listing: Listing
    letter: Letter
    payload: dict[str, Any] | None
    text: str | None

    def numbered(self, statement_id: int) -> Drawn:
        """Return it with the number under which it is kept."""
        return replace(self, statement=replace(self.statement, statement_id=statement_id))

    def columns(self, keys: Keyring, policy_digest: str) -> dict[str, Any]:
        """Return the row that keeps it."""
        named = ("subject", "decision_id", "case_id", "pseudonym", "puid", "issued_at")
        content = {"subject": self.letter.subject, "text": self.letter.text}
        content |= {"title": self.listing.title, "listing_id": self.listing.listing_id}
        return {
            **{name: getattr(self.statement, name) for name in named},
            "facts": encode(self.statement),
            "payload": self.text,
            "letter": keys.seal(self.statement.pseudonym, json.dumps(content)),
            "policy_digest": policy_digest,
        }

    def drafts(self, keys: Keyring) -> Iterator[outbox.Draft]:
        """Give the messages to the seller and to the transparency database; it must be numbered."""
        at = self.statement.issued_at
        yield draft_letter(self.statement, self.letter, "statement", keys.find_seller(self.statement.pseudonym), at)
        if self.payload is not None:
            subject = f"transparency:{self.statement.statement_id}"
            yield outbox.Draft(self.statement.puid, "transparency", "statement", subject, self.payload, None, at)

    def deed(self) -> audit.Deed:
        """Return what the audit trail says of it; it must be numbered."""
        told: dict[str, audit.Value] = {"statement": self.statement.statement_id, "kind": self.statement.kind.value}
        told |= {"language": self.statement.language, "letter": digest(self.letter.text)}
        told["payload"] = digest(self.text) if self.text else None
        return audit.Deed(self.statement.issued_at, ACTOR, "stated", self.statement.subject, told)


def draw_up(found: tuple[Restriction, str, Sequence[Reason]], rules: StatementRules, at: datetime | None) -> Drawn:
    """Draw up the statement of a restriction, given how its decision came about and why the listing scored as it did.

    Raises
    ------
    InvalidStatement
        The transparency database would refuse it.
    """
    restriction, origin, reasons = found
    since = at or restriction.since
    statement = state(restriction, rules, puid=draw_puid(), at=since, reasons=reasons, origin=origin)
    payload = write_payload(statement)
    if payload is not None and (faults := find_faults(payload)):
        raise InvalidStatement(restriction.subject, [str(fault) for fault in faults])
    listing = restriction.listing
    letter = write_letter(statement, listing.title, listing.listing_id, rules)
    return Drawn(statement, listing, letter, payload, None if payload is None else json.dumps(payload))


def draft_letter(statement: Statement, letter: Letter, kind: str, seller_id: str | None, at: datetime) -> outbox.Draft:
    """Return the message that brings a seller a letter: a "statement", or that it is "lifted"."""
    body = {
        "seller_id": seller_id,
        "reference": statement.puid,
        "language": letter.language,
        "subject": letter.subject,
        "text": letter.text,
    }
    key = outbox.make_key(f"{statement.subject.replace(':', '-')}-{kind}")
    return outbox.Draft(key, "seller", kind, statement.subject, body, statement.pseudonym, at)


def draw_puid() -> str:
    """Return a new name for the transparency database; it says nothing of what it names.

    Examples
    --------
    >>> len(draw_puid()), draw_puid() == draw_puid()
    (30, False)
    """
    number = secrets.randbelow(_PUIDS)
    letters: list[str] = []
    for _ in range(_PUID_LENGTH):
        number, place = divmod(number, len(_PUID_LETTERS))
        letters.append(_PUID_LETTERS[place])
    return "".join(letters)
