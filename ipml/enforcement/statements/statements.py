"""Statements: draws up, checks, stores and sends statements of reasons in the transaction of their restriction.

The letter goes to the seller (channel "seller", encrypted), the payload to the transparency database (channel
"transparency", key the puid). Their subjects differ, so neither waits for the other or for the platform. Payloads are
checked offline against the database's request rules in `rules_of_database.json`, which cites its source, and three
implied rules: an "other" text only beside "other", an end date only beside its restriction, no unknown fields.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Row, select

from ipml.enforcement.context import EnforcementContext, open_context
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import Restriction
from ipml.enforcement.statements.facts import Background, Statement, StatementRules, decode, encode, state
from ipml.enforcement.statements.letter import (
    Letter,
    RestrictionEnd,
    why_not_stated,
    write_letter,
    write_lifted_letter,
    write_payload,
)
from ipml.errors import NotFound, Refused
from ipml.kit.canonical_json import digest
from ipml.records import Listing
from ipml.review.arrivals.snapshot import decode as decode_scored
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import Keyring, decrypt, read_keys
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import cases, decisions, statements
from ipml.storage.tables import outbox as messages

_RULES: dict[str, Any] = json.loads(files(__package__).joinpath("rules_of_database.json").read_text(encoding="utf-8"))
BATCH_LIMIT: int = _RULES["batch_limit"]
_ENUM_OF = {
    "source_type": "SOURCE_TYPES",
    "content_type": "CONTENT_TYPES",
    "automated_decision": "AUTOMATED_DECISIONS",
    "automated_detection": "AUTOMATED_DETECTIONS",
    "decision_ground": "DECISION_GROUNDS",
    "decision_visibility": "DECISION_VISIBILITIES",
    "decision_monetary": "DECISION_MONETARIES",
    "decision_provision": "DECISION_PROVISIONS",
    "decision_account": "DECISION_ACCOUNTS",
    "account_type": "ACCOUNT_TYPES",
    "category": "STATEMENT_CATEGORIES",
    "category_addition": "STATEMENT_CATEGORIES",
    "category_specification": "KEYWORDS",
    "incompatible_content_illegal": "INCOMPATIBLE_CONTENT_ILLEGALS",
}
_ENDS = {
    "end_date_account_restriction": "decision_account",
    "end_date_monetary_restriction": "decision_monetary",
    "end_date_service_restriction": "decision_provision",
    "end_date_visibility_restriction": "decision_visibility",
}
_OTHERS = {
    "decision_visibility_other": ("decision_visibility", "DECISION_VISIBILITY_OTHER"),
    "decision_monetary_other": ("decision_monetary", "DECISION_MONETARY_OTHER"),
    "content_type_other": ("content_type", "CONTENT_TYPE_OTHER"),
    "category_specification_other": ("category_specification", "KEYWORD_OTHER"),
}
_IDENTIFIERS = {
    name.partition(".")[2]: rule for name, rule in _RULES["pattern"].items() if name.startswith("content_id.")
}
_LONG = 100  # letters
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason why the database would refuse a statement."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.field or 'statement'}: found {self.found}, expected {self.expected}"


def find_faults(statement: object) -> tuple[Fault, ...]:
    """Return all faults of a parsed JSON statement; null fields count as absent.

    >>> [fault.field for fault in find_faults({"puid": "with a blank", "colour": "red"})][:3]
    ['colour', 'decision_ground', 'content_type']
    """
    if not isinstance(statement, Mapping):
        return (Fault("", _show(statement), "an object with a field for each fact"),)
    given = {str(name): value for name, value in statement.items() if value is not None}
    faults = (*_unknown(given), *_missing(given), *_wrong_values(given), *_out_of_place(given))
    return tuple(dict.fromkeys(faults))


@cache
def known_fields() -> frozenset[str]:
    """Return the names of all fields in the rules."""
    dates = {"content_date", "application_date", *_RULES["dates"]["end_dates"]}
    named = {*_RULES["required"], *_RULES["at_least_one_of"], *_RULES["arrays"], *_RULES["max_length"], *dates}
    patterns = {name.partition(".")[0] for name in _RULES["pattern"]}
    return frozenset(named | patterns | set(_RULES["required_if"]) | set(_ENUM_OF))


def _unknown(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in given.items():
        if name not in known_fields():
            yield Fault(name, _show(value), "no field of this name")


def _missing(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name in _RULES["required"]:
        if _is_empty(given.get(name)):
            yield Fault(name, _show(given.get(name)), "a value")
    if all(_is_empty(given.get(name)) for name in _RULES["at_least_one_of"]):
        choice = ", ".join(_RULES["at_least_one_of"])
        yield Fault(_RULES["at_least_one_of"][0], "none", f"at least one of {choice}")
    for name, condition in _RULES["required_if"].items():
        if _holds(condition, given) and _is_empty(given.get(name)):
            yield Fault(name, _show(given.get(name)), f"a value, as {condition}")


def _wrong_values(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name, value in given.items():
        if name == "content_id":
            yield from _wrong_identifiers(value)
        elif name in _RULES["arrays"] and not isinstance(value, list):
            yield Fault(name, _show(value), "a list of texts")
        elif name in known_fields():
            for text in value if name in _RULES["arrays"] else [value]:
                is_short = isinstance(text, str) and len(text) < _LONG
                yield from _wrong_short_text(name, text) if is_short else _wrong_text(name, text)


@lru_cache(maxsize=1024)
def _wrong_short_text(name: str, value: object) -> tuple[Fault, ...]:
    """Return the faults of a short text, cached: statements repeat a few days, kinds and countries."""
    return tuple(_wrong_text(name, value))


def _wrong_text(name: str, value: object) -> Iterator[Fault]:
    if not isinstance(value, str):
        yield Fault(name, _show(value), "a text")
        return
    if (enum := _ENUM_OF.get(name)) and value not in _RULES["enums"][enum]:
        yield Fault(name, _show(value), f"one of {enum}")
    if (most := _RULES["max_length"].get(name)) and len(value) > most:
        yield Fault(name, f"{len(value)} characters", f"at most {most}")
    if (pattern := _RULES["pattern"].get(name)) and value and not re.fullmatch(pattern, value):
        yield Fault(name, _show(value), f"a text of the form {pattern}")
    if name == "territorial_scope" and not re.fullmatch("[A-Z]{2}", value):
        yield Fault(name, _show(value), "the code of a country, such as DE")
    if (bounds := _bounds(name)) and not _is_within(value, bounds):
        yield Fault(name, _show(value), f"a date YYYY-MM-DD from {bounds[0]} to {bounds[1]}")


def _wrong_identifiers(value: object) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault("content_id", _show(value), "an object with an identifier, such as EAN-13")
        return
    for kind, number in value.items():
        if kind not in _IDENTIFIERS:
            yield Fault(f"content_id.{kind}", _show(number), f"one of {', '.join(_IDENTIFIERS)}")
        elif not (isinstance(number, str) and re.fullmatch(_IDENTIFIERS[kind], number)):
            yield Fault(f"content_id.{kind}", _show(number), f"a text of the form {_IDENTIFIERS[kind]}")


def _out_of_place(given: Mapping[str, Any]) -> Iterator[Fault]:
    for name in given:
        for condition in _conditions_of(name):
            if not _holds(condition, given):
                yield Fault(name, _show(given[name]), f"nothing, unless {condition}")
    for name, (field, other) in _OTHERS.items():
        if name in given and not _contains(given.get(field), other):
            yield Fault(name, _show(given[name]), f"nothing, unless {field} is {other}")
    for name, field in _ENDS.items():
        if name in given and _is_empty(given.get(field)):
            yield Fault(name, _show(given[name]), f"nothing, unless there is a {field}")


@lru_cache(maxsize=1024)
def _conditions_of(name: str) -> tuple[str, ...]:
    """Return the conditions without which a field must be absent."""
    conditions: dict[str, str] = _RULES["excluded_unless"]
    if name not in known_fields():  # reported as unknown already
        conditions = {pattern: condition for pattern, condition in conditions.items() if "*" not in pattern}
    return tuple(condition for pattern, condition in conditions.items() if fnmatchcase(name, pattern))


def _holds(condition: str, given: Mapping[str, Any]) -> bool:
    """Return whether a condition of the rules holds: "a = B", "a contains B" or "a is not B"."""
    field, _, rest = condition.partition(" ")
    relation, _, value = rest.rpartition(" ")
    content = given.get(field)
    return {"=": content == value, "contains": _contains(content, value), "is not": content != value}[relation]


def _contains(content: object, value: str) -> bool:
    return content == value or (isinstance(content, list) and value in content)


def _is_empty(value: object) -> bool:
    return value is None or value in ("", [], {}) or (isinstance(value, str) and not value.strip())


def _bounds(name: str) -> tuple[str, str] | None:
    dates = _RULES["dates"]
    if name in dates["end_dates"]:
        return "0001-01-01", dates["end_max"]
    low, high = dates.get(name, (None, None)) if name in ("content_date", "application_date") else (None, None)
    return (low, high) if low and high else None


def _is_within(value: str, bounds: tuple[str, str]) -> bool:
    if not _DAY.fullmatch(value):
        return False
    try:
        day = date.fromisoformat(value)
    except ValueError:
        return False
    return date.fromisoformat(bounds[0]) <= day <= date.fromisoformat(bounds[1])


def _show(value: object) -> str:
    return "nothing" if value is None or value in ("", []) else f"{value!r:.80}"


ACTOR = "ipml"
"""Actor of statements in the audit trail."""
# Consonants only, 129 bits: cannot spell a name or resemble a number.
_PUID_LETTERS, _PUID_LENGTH = b"bcdfghjklmnpqrstvwxz", 30
_LETTER_OF_BYTE = bytes(_PUID_LETTERS[byte % len(_PUID_LETTERS)] for byte in range(256))
_OVER = bytes(range(256 - 256 % len(_PUID_LETTERS), 256))  # dropped, so that all letters are equally likely


@dataclass(frozen=True, slots=True)
class _DraftStatement:
    """A statement with its letter and its payload, as object and as text."""

    statement: Statement
    listing: Listing
    letter: Letter
    payload: dict[str, Any] | None
    text: str | None

    def numbered(self, statement_id: int) -> _DraftStatement:
        """Return the draft with its stored number."""
        return replace(self, statement=replace(self.statement, statement_id=statement_id))

    def columns(self, keys: Keyring, policy_digest: str) -> dict[str, Any]:
        """Return the row to store."""
        named = ("subject", "decision_id", "case_id", "pseudonym", "puid", "issued_at")
        content = {"subject": self.letter.subject, "text": self.letter.text}
        content |= {"title": self.listing.title, "listing_id": self.listing.listing_id}
        return {
            **{name: getattr(self.statement, name) for name in named},
            "facts": encode(self.statement),
            "payload": self.text,
            "letter": keys.encrypt(self.statement.pseudonym, json.dumps(content)),
            "policy_digest": policy_digest,
        }

    def drafts(self, keys: Keyring) -> Iterator[outbox.Draft]:
        """Yield the messages to the seller and the transparency database; the draft must be numbered."""
        at = self.statement.issued_at
        yield _draft_letter(self.statement, self.letter, "statement", keys.find_seller(self.statement.pseudonym), at)
        if self.payload is not None:
            subject = f"transparency:{self.statement.statement_id}"
            yield outbox.Draft(self.statement.puid, "transparency", "statement", subject, self.payload, None, at)

    def audit_event(self) -> audit.AuditEvent:
        """Return its audit event; the draft must be numbered."""
        payload: dict[str, audit.Value] = {"statement": self.statement.statement_id, "kind": self.statement.kind.value}
        payload |= {"language": self.statement.language, "letter": digest(self.letter.text)}
        payload["payload"] = digest(self.text) if self.text else None
        return audit.AuditEvent(self.statement.issued_at, ACTOR, "stated", self.statement.subject, payload)


def _draw_up(
    restriction: Restriction, background: Background, rules: StatementRules, language: str | None = None
) -> _DraftStatement:
    """Draw up a restriction's statement in the seller's language; raises Refused as the transparency database would."""
    statement = state(restriction, rules, background, puid=draw_puid(), language=language)
    payload = write_payload(statement)
    if payload is not None and (faults := find_faults(payload)):
        expected = "one that the transparency database takes"
        remedy = "Nothing was changed; see [statements] of the policy."
        raise Refused(f"statement about {restriction.subject}", "; ".join(map(str, faults)), expected, remedy)
    listing = restriction.listing
    letter = write_letter(statement, listing.title, listing.listing_id, rules)
    return _DraftStatement(statement, listing, letter, payload, None if payload is None else json.dumps(payload))


def _draft_letter(statement: Statement, letter: Letter, kind: str, seller_id: str | None, at: datetime) -> outbox.Draft:
    """Return the message with a letter to the seller: "statement" or "lifted"."""
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
    """Return a new random name for the transparency database."""
    letters = b""
    while len(letters) < _PUID_LENGTH:
        letters += secrets.token_bytes(2 * _PUID_LENGTH).translate(_LETTER_OF_BYTE, _OVER)
    return letters[:_PUID_LENGTH].decode("ascii")


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """A stored statement; `letter` is None if the seller was erased or the letter expired."""

    statement: Statement
    payload: dict[str, Any] | None
    why_not_stated: str | None
    letter: Letter | None = None


def issue(connection: Connection, restriction: Restriction, policy: EnforcementPolicy) -> Statement:
    """Store the statement of reasons of a restriction, and send it; issued again, return the earlier one.

    Raises Refused if the transparency database would refuse it (roll back the transaction), and SellerErased if the
    recipient of the letter was erased.
    """
    if earlier := find_statement(connection, restriction.subject):
        return earlier
    keys = read_keys(connection, [restriction.pseudonym])
    with audit.collect(connection) as batch, open_context(batch, policy, keys, restriction.since) as context:
        return issue_all(context, [restriction])[0]


def issue_all(
    context: EnforcementContext,
    restrictions: Sequence[Restriction],
    backgrounds: Mapping[int, Background] = MappingProxyType({}),
) -> list[Statement]:
    """Issue statements of restrictions not yet stated; `backgrounds` holds known decisions by number."""
    policy, keys = context.policy, context.keys
    all_backgrounds = _find_backgrounds(context.connection, restrictions, backgrounds)
    drafts: list[_DraftStatement] = []
    for restriction in restrictions:
        background = all_backgrounds.get(restriction.decision_id, Background())
        language = keys.find_language(restriction.pseudonym)
        drafts.append(_draw_up(restriction, background, policy.statements, language))
    rows = [draft.columns(keys, policy.digest) for draft in drafts]
    numbers = append_rows(context.connection, statements, rows)
    stored = [draft.numbered(number) for draft, number in zip(drafts, numbers, strict=True)]
    context.drafts.extend(message for draft in stored for message in draft.drafts(keys))
    audit.append_events(context.batch, [draft.audit_event() for draft in stored])
    return [draft.statement for draft in stored]


def _find_backgrounds(
    connection: Connection, restrictions: Sequence[Restriction], known: Mapping[int, Background]
) -> dict[int, Background]:
    all_backgrounds = dict(known)
    if asked := {restriction.decision_id for restriction in restrictions} - all_backgrounds.keys():
        query = select(decisions.c.decision_id, decisions.c.origin, cases.c.snapshot)
        query = query.join(cases, cases.c.case_id == decisions.c.case_id).where(decisions.c.decision_id.in_(asked))
        rows = connection.execute(query)
        all_backgrounds |= {row.decision_id: Background.of(row.origin, decode_scored(row.snapshot)) for row in rows}
    return all_backgrounds


def tell_lifted(
    connection: Connection, restriction: Restriction, why: str, at: datetime, policy: EnforcementPolicy
) -> bool:
    """Send the seller a letter about the end of a restriction, once per subject.

    `why` is that of `RestrictionEnd`. Returns False without a letter: if the seller was never notified of the
    restriction, was notified of its end already, or was erased, or if the statement's letter was.
    """
    subject = messages.c.subject == restriction.subject, messages.c.channel == "seller", messages.c.kind == "lifted"
    if connection.scalar(select(messages.c.message_id).where(*subject)) is not None:
        return False
    return tell_taken_back(connection, restriction, RestrictionEnd(why, at, at), policy)


def tell_taken_back(
    connection: Connection, restriction: Restriction, end: RestrictionEnd, policy: EnforcementPolicy
) -> bool:
    """Send the seller a letter about the reversal of a decision whose restriction had ended before; see `tell_lifted`.

    A decision is reversed once, so there is one letter. It names the listing as its statement did.
    """
    try:
        stated = read_stated(connection, restriction.subject)
    except NotFound:
        return False
    statement, keys = stated.statement, read_keys(connection, [stated.statement.pseudonym])
    letter = write_lifted_letter(statement, stated.title, stated.listing_id, policy.statements, end)
    draft = _draft_letter(statement, letter, "lifted", keys.find_seller(statement.pseudonym), end.told_at)
    outbox.put_all(connection, [draft], keys)
    noted: dict[str, audit.Value] = {"statement": statement.statement_id, "letter": digest(letter.text)}
    audit.append(connection, ACTOR, "told of the end", statement.subject, noted, at=end.told_at)
    return True


def find_notified(connection: Connection, subjects: Collection[str]) -> dict[str, datetime]:
    """Return the delivery times of letters by subject; undelivered ones are omitted."""
    letter = messages.c.subject.in_(subjects), messages.c.channel == "seller", messages.c.kind == "statement"
    query = select(messages.c.subject, messages.c.settled_at).where(*letter, messages.c.state == "delivered")
    return {row.subject: row.settled_at for row in connection.execute(query)}


def find_statement(connection: Connection, subject: str) -> Statement | None:
    """Return the statement about a subject such as "measure:12", or None."""
    row = connection.execute(select(statements).where(statements.c.subject == subject)).first()
    return None if row is None else decode(row.facts, row.statement_id)


def list_statements(connection: Connection, case_id: int) -> list[StoredStatement]:
    """Return the statements of decisions on a case, in order."""
    query = select(statements).where(statements.c.case_id == case_id).order_by(statements.c.statement_id)
    return _read_stored(connection, connection.execute(query).all())


def get_statement(connection: Connection, subject: str) -> StoredStatement:
    """Return the statement about a subject; raise NotFound if there is none."""
    return _read_stored(connection, [_get_row(connection, subject)])[0]


def _read_stored(connection: Connection, rows: Sequence[Row[Any]]) -> list[StoredStatement]:
    keys = read_keys(connection, [row.pseudonym for row in rows if row.letter])
    stored = []
    for row in rows:
        statement, letter = decode(row.facts, row.statement_id), None
        if row.letter and row.pseudonym in keys:
            content = json.loads(keys.decrypt(row.pseudonym, row.letter))
            letter = Letter(statement.language, content["subject"], content["text"])
        payload = json.loads(row.payload) if row.payload else None
        stored.append(StoredStatement(statement, payload, why_not_stated(statement), letter))
    return stored


@dataclass(frozen=True, slots=True)
class StatedListing:
    """A statement with title and number of its listing, as its seller wrote them."""

    statement: Statement
    title: str
    listing_id: str


def read_stated(connection: Connection, subject: str) -> StatedListing:
    """Return a statement with its listing; raises NotFound if there is none, or its letter was erased or expired."""
    row = _get_row(connection, subject)
    keys = read_keys(connection, [row.pseudonym])
    if not row.letter or row.pseudonym not in keys:
        raise NotFound("letter about", subject, "Its time is over; its facts are still there.")
    content = json.loads(keys.decrypt(row.pseudonym, row.letter))
    return StatedListing(decode(row.facts, row.statement_id), content["title"], content["listing_id"])


def read_letter(
    connection: Connection, subject: str, rules: StatementRules | None = None, language: str | None = None
) -> Letter:
    """Return the letter as sent; with rules and a language, the letter in that language.

    Raises SellerErased if the key of the letter was deleted; NotFound if there is no statement about this subject, or
    its letter has expired.
    """
    row = _get_row(connection, subject)
    if not row.letter:
        raise NotFound("letter about", subject, "Its time is over; its facts are still there.")
    content = json.loads(decrypt(connection, row.pseudonym, row.letter))
    statement = decode(row.facts, row.statement_id)
    if rules is None or language in (None, statement.language):
        return Letter(statement.language, content["subject"], content["text"])
    translated = replace(statement, language=str(language))
    return write_letter(translated, content["title"], content["listing_id"], rules)


def _get_row(connection: Connection, subject: str) -> Row[Any]:
    row = connection.execute(select(statements).where(statements.c.subject == subject)).first()
    if row is None:
        raise NotFound("statement of reasons about", subject, "Expected a subject such as measure:12, or a case.")
    return row
