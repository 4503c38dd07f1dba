"""The letter to the seller: plain text, written from the facts of a statement and from the listing's title and number.

Title and number are the seller's own words, given back to them in quotation marks: on one line, without letters that
turn the direction of writing or are not seen, and not longer than a title is. They stand in the text only, never in the
subject, so they can neither add a line to the letter nor a header to the mail that carries it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from string import Template

from ipml.enforcement.statements.facts import Statement
from ipml.enforcement.statements.rules import StatementRules
from ipml.enforcement.statements.sentences import name_countries, write_explanation, write_facts, write_law
from ipml.enforcement.statements.wording import Words, load_words

_LONGEST_TITLE, _LONGEST_NUMBER = 200, 100
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"  # what is between does not turn the direction of what is around
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as it is sent."""

    language: str
    subject: str
    text: str


def write_letter(statement: Statement, title: str, listing_id: str, rules: StatementRules) -> Letter:
    """Write the letter that tells a seller what was done and why, in the language of the statement."""
    words = load_words(statement.language)
    blanks = _of_both(statement, title, listing_id, rules, words, statement.issued_at) | {
        "content_on": words.write_day(statement.content_on),
        "applied_on": words.write_day(statement.applied_on),
        "ends_on": words.no_end if statement.ends_on is None else words.write_day(statement.ends_on),
        "territories": name_countries(statement.territories, words),
        "facts": write_facts(statement, words),
        "source": words.sources[statement.source],
        "detection": words.detections["yes" if statement.is_detected else "no"],
        "automation": words.automations[statement.automation],
        "law": write_law(statement, words),
        "explanation": write_explanation(statement, words),
        "complaints_at": rules.complaints_at or words.usual_place,
        "appeal_months": str(statement.appeal_months),
        "settlement_at": rules.settlement_at or words.any_body,
    }
    subject = Template(words.subject).substitute(puid=statement.puid)
    return Letter(statement.language, subject, Template(words.letter).substitute(blanks))


def write_lifted_letter(
    statement: Statement, title: str, listing_id: str, rules: StatementRules, why: str, at: datetime
) -> Letter:
    """Write the letter that tells a seller that a restriction has ended.

    Parameters
    ----------
    why : str
        "appeal", "review", "counter-notice", "replaced" or "ended"; anything else counts as "review", as it may be a
        note that is not for sellers.
    """
    words = load_words(statement.language)
    blanks = _of_both(statement, title, listing_id, rules, words, at) | {
        "lifted_on": words.write_day(at.astimezone(UTC).date()),
        "why": words.lifted.get(why, words.lifted["review"]),
    }
    subject = Template(words.lifted_subject).substitute(puid=statement.puid)
    return Letter(statement.language, subject, Template(words.lifted_letter).substitute(blanks))


def quote(text: str, longest: int = _LONGEST_TITLE) -> str:
    """Return a seller's text on one line, without what is not seen, isolated from the text around it.

    Examples
    --------
    >>> quote("Bag\\u202e\\r\\nBcc: all")[1:-1]
    'Bag Bcc: all'
    """
    plain = text[: 4 * longest]
    if not plain.isprintable():  # most are, and have no other space than " "
        plain = "".join(" " if letter.isspace() else letter for letter in plain)
        plain = "".join(letter for letter in plain if unicodedata.category(letter) not in _UNSEEN)
    plain = " ".join(plain.split())
    shown = plain if len(plain) <= longest else plain[: longest - 1] + "…"
    return f"{_ISOLATE}{shown}{_END_OF_ISOLATE}"


def _of_both(
    statement: Statement, title: str, listing_id: str, rules: StatementRules, words: Words, at: datetime
) -> dict[str, str]:
    return {
        "platform": rules.platform,
        "puid": statement.puid,
        "issued": words.write_day(at.astimezone(UTC).date()),
        "kind": words.kinds[statement.kind],
        "title": quote(title),
        "listing_id": quote(listing_id, _LONGEST_NUMBER),
    }
