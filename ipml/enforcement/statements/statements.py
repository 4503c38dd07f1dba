"""Issuing statements of reasons: kept, noted and put into the outbox in the transaction of the restriction.

The letter goes to the seller (channel "seller", subject "statement:7", sealed), the payload to the transparency
database (channel "transparency", key the puid). The two have subjects of their own, so that neither waits for the
other, nor for the platform: a seller must be told, and the public as well, even while one of them cannot be reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.enforcement.policy import EnforcementPolicy, keep_policy
from ipml.enforcement.restrictions import Restriction
from ipml.enforcement.statements.drawing import ACTOR, draft_letter, draw_up
from ipml.enforcement.statements.facts import Statement, decode, state
from ipml.enforcement.statements.letter import Letter, write_letter, write_lifted_letter
from ipml.enforcement.statements.payload import why_not_stated, write_payload
from ipml.enforcement.statements.rules import StatementRules
from ipml.errors import LetterExpired, StatementNotFound
from ipml.records import Reason
from ipml.review.snapshot import decode_reasons, digest
from ipml.storage import audit, outbox
from ipml.storage.appending import append_rows
from ipml.storage.keyrings import Keyring, read_keys
from ipml.storage.pseudonyms import unseal
from ipml.storage.tables import cases, decisions, statements
from ipml.storage.tables import outbox as messages


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
    keep_policy(connection, policy, at or restriction.since)
    keys = read_keys(connection, [restriction.pseudonym])
    (statement,) = issue_all(connection, [restriction], policy, keys, at=at)
    return statement


def issue_all(
    connection: Connection,
    restrictions: Sequence[Restriction],
    policy: EnforcementPolicy,
    keys: Keyring,
    *,
    at: datetime | None = None,
) -> list[Statement]:
    """Do what `issue` does for restrictions of different subjects, under a policy that is kept (`keep_policy`)."""
    if not restrictions:
        return []
    found = _find_statements(connection, [one.subject for one in restrictions])
    new = [one for one in restrictions if one.subject not in found]
    if not new:
        return [found[one.subject] for one in restrictions]
    drawn = [draw_up(one, policy.statements, at) for one in _with_reasons(connection, new)]
    numbers = append_rows(connection, statements, [one.columns(keys, policy.digest) for one in drawn])
    kept = [one.numbered(number) for one, number in zip(drawn, numbers, strict=True)]
    outbox.put_all(connection, [draft for one in kept for draft in one.drafts(keys)], keys)
    audit.append_deeds(connection, [one.deed() for one in kept])
    found |= {one.statement.subject: one.statement for one in kept}
    return [found[one.subject] for one in restrictions]


def _with_reasons(
    connection: Connection, restrictions: Sequence[Restriction]
) -> list[tuple[Restriction, str, Sequence[Reason]]]:
    """Return restrictions with how each decision came about, and why its listing scored as it did."""
    query = select(decisions.c.decision_id, decisions.c.origin, cases.c.snapshot)
    query = query.join(cases, cases.c.case_id == decisions.c.case_id)
    query = query.where(decisions.c.decision_id.in_({one.decision_id for one in restrictions}))
    found = {row.decision_id: (row.origin, decode_reasons(row.snapshot)) for row in connection.execute(query)}
    return [(one, *found.get(one.decision_id, ("review", ()))) for one in restrictions]


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
    keys = read_keys(connection, [statement.pseudonym])
    if statement.pseudonym not in keys:
        return False
    listing = restriction.listing
    letter = write_lifted_letter(statement, listing.title, listing.listing_id, policy.statements, why, at)
    draft = draft_letter(statement, letter, "lifted", keys.find_seller(statement.pseudonym), at)
    outbox.put_all(connection, [draft], keys)
    noted: dict[str, audit.Value] = {"statement": statement.statement_id, "letter": digest(letter.text)}
    audit.append(connection, ACTOR, "told of the end", statement.subject, noted, at=at)
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


def _find_statements(connection: Connection, subjects: Sequence[str]) -> dict[str, Statement]:
    query = select(statements).where(statements.c.subject.in_(subjects))
    return {row.subject: decode(row.facts, row.statement_id) for row in connection.execute(query)}


def _get_row(connection: Connection, subject: str) -> Row[Any]:
    row = connection.execute(select(statements).where(statements.c.subject == subject)).first()
    if row is None:
        raise StatementNotFound(subject)
    return row


def _is_told_of_end(connection: Connection, statement: Statement) -> bool:
    told = messages.c.subject == statement.subject, messages.c.channel == "seller", messages.c.kind == "lifted"
    return connection.scalar(select(messages.c.message_id).where(*told)) is not None
