"""Issuing statements of reasons: kept, noted and put into the outbox in the transaction of the restriction.

The letter goes to the seller (channel "seller", subject "statement:7", sealed), the payload to the transparency
database (channel "transparency", key the puid). The two have subjects of their own, so that neither waits for the
other, nor for the platform: a seller must be told, and the public as well, even while one of them cannot be reached.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select

from ipml.enforcement.policy import EnforcementPolicy, keep_policy
from ipml.enforcement.restrictions import Restriction
from ipml.enforcement.statements.checking import find_faults
from ipml.enforcement.statements.facts import Statement, decode, encode, state
from ipml.enforcement.statements.letter import Letter, write_letter, write_lifted_letter
from ipml.enforcement.statements.payload import why_not_stated, write_payload
from ipml.enforcement.statements.rules import StatementRules
from ipml.errors import InvalidStatement, LetterExpired, StatementNotFound
from ipml.records import Reason
from ipml.review.snapshot import decode as decode_snapshot
from ipml.review.snapshot import digest
from ipml.storage import audit, outbox
from ipml.storage.pseudonyms import find_seller, seal, unseal
from ipml.storage.tables import cases, decisions, statements
from ipml.storage.tables import outbox as messages

_ACTOR = "ipml"
# Consonants only, 129 bits: it spells no name and looks like no number of anybody.
_PUID_LETTERS, _PUID_LENGTH = "bcdfghjklmnpqrstvwxz", 30


@dataclass(frozen=True, slots=True)
class Kept:
    """A statement as it is kept: its facts, what the transparency database gets, and why it gets nothing."""

    statement: Statement
    payload: dict[str, Any] | None
    why_not_stated: str | None


def issue(
    connection: Connection, restriction: Restriction, policy: EnforcementPolicy, *, at: datetime | None = None
) -> Statement:
    """Keep the statement of reasons of a restriction, and put letter and payload into the outbox.

    Each subject gets one: issued again, the earlier one is returned.

    Parameters
    ----------
    at : datetime, default=the moment since which the restriction holds

    Raises
    ------
    InvalidStatement
        The transparency database would refuse it; what called is undone as a whole.
    SellerErased
        There is nobody any more to whom a letter could go.
    """
    if earlier := find_statement(connection, restriction.subject):
        return earlier
    at = at or restriction.since
    statement = _state(connection, restriction, policy.statements, at)
    payload = write_payload(statement)
    if payload is not None and (faults := find_faults(payload)):
        raise InvalidStatement(restriction.subject, [str(fault) for fault in faults])
    listing = restriction.listing
    letter = write_letter(statement, listing.title, listing.listing_id, policy.statements)
    content = {"subject": letter.subject, "text": letter.text, "title": listing.title, "listing_id": listing.listing_id}
    statement = _keep(connection, statement, payload, content, keep_policy(connection, policy, at))
    _send_letter(connection, statement, letter, "statement", at)
    if payload is not None:
        outbox.put(
            connection,
            key=statement.puid,
            channel="transparency",
            kind="statement",
            subject=f"transparency:{statement.statement_id}",
            body=payload,
            pseudonym=None,
            now=at,
        )
    noted: dict[str, audit.Value] = {
        "statement": statement.statement_id,
        "kind": statement.kind.value,
        "language": statement.language,
    }
    noted |= {"letter": digest(letter.text), "payload": digest(json.dumps(payload)) if payload else None}
    audit.append(connection, _ACTOR, "stated", statement.subject, noted, at=at)
    return statement


def preview(
    restriction: Restriction,
    policy: EnforcementPolicy,
    *,
    reasons: Iterable[Reason] = (),
    origin: str = "review",
    language: str | None = None,
) -> tuple[Letter, dict[str, Any] | None]:
    """Return letter and payload as they would be; nothing is kept, and the reference is yet to be drawn."""
    rules = policy.statements
    statement = state(restriction, rules, puid="-", at=restriction.since, reasons=reasons, origin=origin)
    statement = replace(statement, language=language or statement.language)
    listing = restriction.listing
    return write_letter(statement, listing.title, listing.listing_id, rules), write_payload(statement)


def tell_lifted(
    connection: Connection, restriction: Restriction, why: str, at: datetime, policy: EnforcementPolicy
) -> bool:
    """Put the letter into the outbox that tells a seller that a restriction has ended; once for each subject.

    Parameters
    ----------
    why : str
        "appeal" where a complaint was upheld, "review" where the decision was taken back, "counter-notice" where the
        rights holder did not act in time, "replaced" where another restriction took its place, "ended" where its time
        was over. Anything else counts as "review": what people note for themselves is not written to sellers.

    Returns
    -------
    bool
        Whether a letter was written; not where the seller was never told of the restriction, was told of its end
        already, or was erased.
    """
    statement = find_statement(connection, restriction.subject)
    if statement is None or _is_told_of_end(connection, statement):
        return False
    if find_seller(connection, statement.pseudonym) is None:
        return False
    listing = restriction.listing
    letter = write_lifted_letter(statement, listing.title, listing.listing_id, policy.statements, why, at)
    _send_letter(connection, statement, letter, "lifted", at)
    noted: dict[str, audit.Value] = {"statement": statement.statement_id, "letter": digest(letter.text)}
    audit.append(connection, _ACTOR, "told of the end", statement.subject, noted, at=at)
    return True


def notified_at(connection: Connection, statement: Statement) -> datetime | None:
    """Return when the letter was delivered, from which the time for complaints runs; None as long as it was not."""
    letter = messages.c.subject == statement.subject, messages.c.channel == "seller", messages.c.kind == "statement"
    return connection.scalar(select(messages.c.settled_at).where(*letter, messages.c.state == "delivered"))


def find_statement(connection: Connection, subject: str) -> Statement | None:
    """Return the statement about a subject, such as "measure:12"."""
    row = connection.execute(select(statements).where(statements.c.subject == subject)).first()
    return None if row is None else decode(row.facts, row.statement_id)


def list_statements(connection: Connection, case_id: int) -> list[Statement]:
    """Return the statements that came from decisions on a case, in order."""
    query = select(statements).where(statements.c.case_id == case_id).order_by(statements.c.statement_id)
    return [decode(row.facts, row.statement_id) for row in connection.execute(query)]


def get_statement(connection: Connection, subject: str) -> Kept:
    """Return a statement with its payload, or raise StatementNotFound."""
    row = _get_row(connection, subject)
    statement = decode(row.facts, row.statement_id)
    return Kept(statement, json.loads(row.payload) if row.payload else None, why_not_stated(statement))


def read_letter(
    connection: Connection, subject: str, rules: StatementRules | None = None, language: str | None = None
) -> Letter:
    """Return the letter as it was sent; or, with rules and a language, the same written in another one.

    Raises
    ------
    SellerErased
        Nobody can read it any more.
    StatementNotFound
        There is no statement about this subject.
    """
    row = _get_row(connection, subject)
    if not row.letter:
        raise LetterExpired(subject)
    content = json.loads(unseal(connection, row.pseudonym, row.letter))
    statement = decode(row.facts, row.statement_id)
    if rules is None or language in (None, statement.language):
        return Letter(statement.language, content["subject"], content["text"])
    translated = replace(statement, language=str(language))
    return write_letter(translated, content["title"], content["listing_id"], rules)


def draw_puid() -> str:
    """Return a new name for the transparency database; it says nothing of what it names.

    Examples
    --------
    >>> len(draw_puid()), draw_puid() == draw_puid()
    (30, False)
    """
    return "".join(secrets.choice(_PUID_LETTERS) for _ in range(_PUID_LENGTH))


def _state(connection: Connection, restriction: Restriction, rules: StatementRules, at: datetime) -> Statement:
    snapshot = connection.scalar(select(cases.c.snapshot).where(cases.c.case_id == restriction.case_id))
    query = select(decisions.c.origin).where(decisions.c.decision_id == restriction.decision_id)
    reasons = decode_snapshot(snapshot).reasons if snapshot else ()
    origin = connection.scalar(query) or "review"
    return state(restriction, rules, puid=draw_puid(), at=at, reasons=reasons, origin=origin)


def _keep(
    connection: Connection,
    statement: Statement,
    payload: dict[str, Any] | None,
    content: dict[str, str],
    policy_digest: str,
) -> Statement:
    fields = {name: getattr(statement, name) for name in ("subject", "decision_id", "case_id", "pseudonym", "puid")}
    fields |= {
        "facts": encode(statement),
        "payload": json.dumps(payload) if payload is not None else None,
        "letter": seal(connection, statement.pseudonym, json.dumps(content)),
        "policy_digest": policy_digest,
        "issued_at": statement.issued_at,
    }
    query = insert(statements).values(fields).returning(statements.c.statement_id)
    return replace(statement, statement_id=connection.scalars(query).one())


def _send_letter(connection: Connection, statement: Statement, letter: Letter, kind: str, at: datetime) -> None:
    body = {
        "seller_id": find_seller(connection, statement.pseudonym),
        "reference": statement.puid,
        "language": letter.language,
        "subject": letter.subject,
        "text": letter.text,
    }
    outbox.put(
        connection,
        key=outbox.make_key(f"{statement.subject.replace(':', '-')}-{kind}"),
        channel="seller",
        kind=kind,
        subject=statement.subject,
        body=body,
        pseudonym=statement.pseudonym,
        now=at,
    )


def _get_row(connection: Connection, subject: str) -> Row[Any]:
    row = connection.execute(select(statements).where(statements.c.subject == subject)).first()
    if row is None:
        raise StatementNotFound(subject)
    return row


def _is_told_of_end(connection: Connection, statement: Statement) -> bool:
    told = messages.c.subject == statement.subject, messages.c.channel == "seller", messages.c.kind == "lifted"
    return connection.scalar(select(messages.c.message_id).where(*told)) is not None
