"""Keeping evidence when a case is decided, and reading it again; nothing here ever changes a piece of evidence.

It is sealed with the seller's key. Its digest stands in the table and in the audit trail, so that what is read is what
was kept; after the seller was erased, the digests are all that is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, Row, insert, select

from ipml.enforcement.evidence.content import sha256, write_evidence
from ipml.errors import EvidenceChanged, SellerErased
from ipml.records import Decision
from ipml.storage import audit
from ipml.storage.pseudonyms import pseudonym_of, seal, unseal, veil
from ipml.storage.tables import evidence

KEPT = "evidence kept"
"""The action of a row of the audit trail that holds the digest of a piece of evidence."""
_SYSTEM = "ipml"
_NO_PERSONS = frozenset((_SYSTEM, "seller", "holder", "platform"))  # as the audit trail calls them


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was kept of a decision.

    Attributes
    ----------
    digest : str
        SHA-256 of the text, in hexadecimal.
    text : str or None
        Canonical JSON (`ipml.enforcement.evidence.content`); None where the seller was erased.
    """

    evidence_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    digest: str
    kept_at: datetime
    text: str | None

    @property
    def subject(self) -> str:
        """Its name in the audit trail: "evidence:12"."""
        return f"evidence:{self.evidence_id}"

    @property
    def is_erased(self) -> bool:
        """Whether nobody can read it any more, as its seller was erased."""
        return self.text is None

    @property
    def content(self) -> Mapping[str, Any]:
        """What it says; empty where the seller was erased."""
        parsed: Mapping[str, Any] = json.loads(self.text or "{}")
        return parsed


def keep_evidence(
    connection: Connection, case: Row[Any], decision: Decision, origin: str, policy_digest: str
) -> Evidence:
    """Keep what a decision was made on, in the transaction of the decision.

    Parameters
    ----------
    case : Row
        Of `cases`, as it was decided on.
    origin : str
        How the decision came about: "review", "bulk", "spread", "policy", "appeal".
    policy_digest : str
        Of the enforcement policy in force.
    """
    pseudonym = pseudonym_of(connection, case.seller_id, now=decision.decided_at)
    reviewer = name_in_papers(connection, pseudonym, decision.reviewer)
    names = {"pseudonym": pseudonym, "reviewer": reviewer, "origin": origin, "policy_digest": policy_digest}
    text = write_evidence(case, decision, **names)
    fields = {
        "decision_id": decision.decision_id,
        "case_id": case.case_id,
        "pseudonym": pseudonym,
        "digest": sha256(text.encode("ascii")),
        "kept_at": decision.decided_at,
    }
    query = insert(evidence).values(**fields, sealed=seal(connection, pseudonym, text))
    kept = Evidence(connection.scalars(query.returning(evidence.c.evidence_id)).one(), **fields, text=text)
    payload: dict[str, audit.Value] = {"case": kept.case_id, "decision": kept.decision_id, "digest": kept.digest}
    payload |= {"policy": policy_digest, "origin": origin}
    audit.append(connection, _SYSTEM, KEPT, kept.subject, payload, at=kept.kept_at)
    return kept


def name_in_papers(connection: Connection, pseudonym: str, actor: str) -> str:
    """Return what who did something is called in papers on a seller: a program by its name, a person veiled."""
    return veil(connection, pseudonym, actor) if is_person(actor) else actor


def is_person(actor: str) -> bool:
    """Say whether an actor of the audit trail is a user, and not ipml itself or a policy.

    Examples
    --------
    >>> is_person("ana"), is_person("ipml"), is_person("ipml clock"), is_person("policy:3f2a90c1")
    (True, False, False, False)
    """
    return not (actor in _NO_PERSONS or " " in actor or ":" in actor)  # a user's name holds neither


def find_evidence(connection: Connection, case_id: int) -> list[Evidence]:
    """Return all evidence of a case in order; more than one piece where a decision was taken back or appealed."""
    query = select(evidence).where(evidence.c.case_id == case_id).order_by(evidence.c.evidence_id)
    return [_read(connection, row) for row in connection.execute(query).all()]


def evidence_of_decision(connection: Connection, decision_id: int) -> Evidence | None:
    """Return the evidence of a decision; None where there is none, as for those that pass a case on to a lead."""
    row = connection.execute(select(evidence).where(evidence.c.decision_id == decision_id)).first()
    return None if row is None else _read(connection, row)


def _read(connection: Connection, row: Row[Any]) -> Evidence:
    fields = {name: getattr(row, name) for name in Evidence.__slots__ if name != "text"}
    try:
        text = unseal(connection, row.pseudonym, row.sealed)
    except SellerErased:
        return Evidence(**fields, text=None)
    except (InvalidTag, ValueError) as error:
        raise EvidenceChanged(row.evidence_id, "what its seal does not hold") from error
    if sha256(text.encode()) != row.digest:
        raise EvidenceChanged(row.evidence_id, "a text with another digest")
    return Evidence(**fields, text=text)
