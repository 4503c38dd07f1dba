"""Pieces of evidence: writes, stores and reads the facts behind a decision.

The content is JSON in one line of ASCII: sorted names, no spaces, escapes for all other characters, shortest numbers
that read back as the same double, no NaN. This is RFC 8785 except for the escapes and Python's spelling of numbers
(1e-07, not 1e-7), so its SHA-256 identifies the content in any language. A random salt prevents guessing the content
from the digest. The text is encrypted with the seller's key and never changed. Its digest is in the table and the
audit trail, and remains when the seller was erased.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import Connection, Row, select

from ipml.enforcement.context import DecidedCase, EnforcementContext
from ipml.errors import EvidenceChanged, NotFound, SellerErased
from ipml.kit.canonical_json import canonical_json, digest
from ipml.records import ScoredListing
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase
from ipml.review.pictures.stored import StoredPicture, read_pictures
from ipml.review.worklists.comments import Comment, find_comments
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import decrypt, pseudonymise
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import evidence

SCHEMA = 1
"""Increase it when a name in a piece of evidence changes its meaning."""
_SALT_BYTES = 16
_OF_SCORE = (
    *("score", "score_low", "score_high", "log_odds", "abstained", "read_as", "base_rate", "reasons"),
    *("highlights", "description_highlights", "price_range", "warning"),
)
_HISTORY = "seller_"
_NOT_HISTORY = "seller_id"
_EARLIER = ("earlier_listings", "earlier_suspicion")


def _write_evidence(
    decided: DecidedCase,
    context: EnforcementContext,
    comments: Sequence[Comment] = (),
    pictures: Sequence[StoredPicture] = (),
) -> str:
    """Return the evidence of a decision as canonical JSON, with the comments and pictures of the case at that time."""
    case, decision, by = decided.case, decided.decision, decided.decision.reviewer

    def name(person: str) -> str:
        return context.keys.pseudonymise(decided.pseudonym, person) if is_person(person) else person

    scored = json.loads(case.snapshot)
    listing = scored["listing"]
    history = {name for name in listing if name.startswith(_HISTORY) and name != _NOT_HISTORY}
    notes = [
        {"author": name(comment.author), "written_at": moment_text(comment.written_at), "text": comment.text}
        for comment in comments
    ]
    return canonical_json(
        {
            "schema": SCHEMA,
            "salt": secrets.token_hex(_SALT_BYTES),
            "case": {
                "case_id": case.case_id,
                "enqueued_at": moment_text(case.enqueued_at),
                "lane": case.lane,
                "sampling_probability": case.sampling_probability,
                "snapshot": digest(case.snapshot),
                **({"listed_again": _describe_match(case)} if case.match_precision is not None else {}),
            },
            "listing": {name: value for name, value in listing.items() if name not in history},
            "seller": {
                "pseudonym": decided.pseudonym,
                "history": {name: listing[name] for name in history},
                **{name: scored.get(name) for name in _EARLIER},
            },
            "model": {"version": scored["model_version"], "digest": scored.get("model_digest")},
            "score": {name: scored.get(name) for name in _OF_SCORE},
            "decision": {
                "decision_id": decision.decision_id,
                "verdict": decision.verdict.value,
                "ground": decision.ground,
                "note": decision.note,
                "note_digest": digest(decision.note),
                "reviewer": name(by),
                "decided_at": moment_text(decision.decided_at),
                "origin": decided.origin,
                "policy": context.policy.digest,
            },
            **({"comments": notes} if notes else {}),
            **({"pictures": [_describe_picture(picture) for picture in pictures]} if pictures else {}),
        }
    )


def _describe_match(case: StoredCase) -> dict[str, Any]:
    return {"case": case.relisting_of, "by": case.match_kind, "precision": case.match_precision}


def _describe_picture(picture: StoredPicture) -> dict[str, Any]:
    fields = {"address": picture.address, "state": picture.state, "why": picture.why}
    if picture.digest and picture.fetched_at:
        fields |= {"digest": picture.digest, "file": picture.file_name, "found_at": picture.found_at}
        fields |= {"fetched_at": moment_text(picture.fetched_at)}
    return {name: value for name, value in fields.items() if value is not None}


def read_scored_listing(content: Mapping[str, Any]) -> ScoredListing:
    """Return the scored listing in a piece of evidence; `encode` gives the snapshot of the queue again."""
    seller, model = content["seller"], content["model"]
    scored = {name: value for name, value in content["score"].items() if value is not None}
    scored |= {"model_version": model["version"], "model_digest": model["digest"]}
    scored |= {name: seller[name] for name in _EARLIER}
    needed = {"score": None, "log_odds": None, "price_range": None, "abstained": None}
    return decode(json.dumps({**needed, **scored, "listing": {**content["listing"], **seller["history"]}}))


def moment_text(moment: datetime) -> str:
    """Return a time in UTC, to the microsecond."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


KEPT = "evidence kept"
"""Action of audit rows that hold the digest of a piece of evidence."""
_SYSTEM = "ipml"
_NO_PERSONS = frozenset((_SYSTEM, "seller", "holder", "platform"))  # as the audit trail calls them


@dataclass(frozen=True, slots=True)
class Evidence:
    """A piece of evidence of a decision.

    `digest`: SHA-256 of the text, in hexadecimal. `text`: canonical JSON; None if the seller was erased.
    """

    evidence_id: int
    decision_id: int
    case_id: int
    pseudonym: str
    digest: str
    stored_at: datetime
    text: str | None

    @property
    def subject(self) -> str:
        """Name in the audit trail: "evidence:12"."""
        return f"evidence:{self.evidence_id}"

    @property
    def is_erased(self) -> bool:
        """Whether the text is lost because the seller was erased."""
        return self.text is None

    @property
    def content(self) -> Mapping[str, Any]:
        """Parsed text; empty if the seller was erased."""
        parsed: Mapping[str, Any] = json.loads(self.text or "{}")
        return parsed


def store_evidence(context: EnforcementContext, decided: Sequence[DecidedCase]) -> list[Evidence]:
    """Store the evidence of decisions made together, in their transaction."""
    connection, keys = context.connection, context.keys
    case_ids = [entry.case.case_id for entry in decided]
    comments, pictures = find_comments(connection, case_ids), read_pictures(connection, case_ids)
    pieces, rows = [], []
    for entry, case_id in zip(decided, case_ids, strict=True):
        text = _write_evidence(entry, context, comments.get(case_id, ()), pictures.get(case_id, ()))
        fields: dict[str, Any] = {
            "decision_id": entry.decision.decision_id,
            "case_id": case_id,
            "pseudonym": entry.pseudonym,
        }
        fields |= {"digest": digest(text), "stored_at": entry.decision.decided_at}
        pieces.append(fields | {"text": text})
        rows.append(fields | {"encrypted": keys.encrypt(entry.pseudonym, text)})
    numbers = append_rows(connection, evidence, rows)
    kept = [Evidence(number, **piece) for number, piece in zip(numbers, pieces, strict=True)]
    events = [_make_audit_event(piece, entry, context) for piece, entry in zip(kept, decided, strict=True)]
    audit.append_events(context.batch, events)
    return kept


def _make_audit_event(kept: Evidence, decided: DecidedCase, context: EnforcementContext) -> audit.AuditEvent:
    payload: dict[str, audit.Value] = {"case": kept.case_id, "decision": kept.decision_id, "digest": kept.digest}
    payload |= {"policy": context.policy.digest, "origin": decided.origin}
    return audit.AuditEvent(kept.stored_at, _SYSTEM, KEPT, kept.subject, payload)


def name_in_papers(connection: Connection, pseudonym: str, actor: str) -> str:
    """Return the name of an actor in papers about a seller: a program's name, or a person's code."""
    return pseudonymise(connection, pseudonym, actor) if is_person(actor) else actor


def is_person(actor: str) -> bool:
    """Return whether an actor of the audit trail is a user, not ipml or a policy."""
    return not (actor in _NO_PERSONS or " " in actor or ":" in actor)  # a user's name holds neither


def read_evidence(connection: Connection, evidence_id: int) -> Evidence:
    """Return one piece of evidence.

    Raises NotFound if there is no such piece, EvidenceChanged if its stored text was changed.
    """
    row = connection.execute(select(evidence).where(evidence.c.evidence_id == evidence_id)).first()
    if row is None:
        raise NotFound("evidence", evidence_id, "It is kept when a case is decided.")
    return _read(connection, row)


def find_evidence(connection: Connection, case_id: int) -> list[Evidence]:
    """Return the evidence of a case in order; several pieces after a reversal or an appeal."""
    query = select(evidence).where(evidence.c.case_id == case_id).order_by(evidence.c.evidence_id)
    return [_read(connection, row) for row in connection.execute(query).all()]


def evidence_of_decision(connection: Connection, decision_id: int) -> Evidence | None:
    """Return the evidence of a decision; None if there is none, as for an escalation."""
    row = connection.execute(select(evidence).where(evidence.c.decision_id == decision_id)).first()
    return None if row is None else _read(connection, row)


def _read(connection: Connection, row: Row[Any]) -> Evidence:
    fields = {name: getattr(row, name) for name in Evidence.__slots__ if name != "text"}
    try:
        text = decrypt(connection, row.pseudonym, row.encrypted)
    except SellerErased:
        return Evidence(**fields, text=None)
    except (InvalidTag, ValueError) as error:
        raise EvidenceChanged(row.evidence_id, "what its encryption does not hold") from error
    if digest(text) != row.digest:
        raise EvidenceChanged(row.evidence_id, "a text with another digest")
    return Evidence(**fields, text=text)
