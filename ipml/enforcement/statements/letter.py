"""Letters: writes the seller's letter and the payload for the EU's transparency database from a statement.

Each language is a file, `languages/de.toml`, with words for all kinds, grounds and signs, and two templates; a file
with a missing word or a wrong blank is refused. Title and id of the listing are the seller's text: quoted on one line
of the body, cut, without invisible or direction-changing characters, never in the subject, so they cannot add a line
or a mail header. The letter names the law and remedies of the listing's country if known. The payload follows Article
24(5) of the Digital Services Act.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.resources import files
from string import Template
from types import MappingProxyType
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.statements.facts import (
    COUNTRIES,
    LAST_DAY,
    LAWS,
    RIGHTS,
    SIGNS,
    Right,
    Statement,
    StatementRules,
    languages,
)
from ipml.errors import UnusableSetting
from ipml.kit.policy_file import parse_policy
from ipml.review.decisions import GROUNDS

LETTER_FIELDS = frozenset(
    {
        *("platform", "puid", "issued", "kind", "title", "listing_id", "content_on", "applied_on"),
        *("ends_on", "territories", "facts", "source", "detection", "automation", "law", "explanation", "remedies"),
    }
)
LIFTED_FIELDS = frozenset({"platform", "puid", "issued", "kind", "title", "listing_id", "lifted_on", "why"})
_SENTENCES = {
    "offer": {"goods"},
    "price": {"price"},
    "signs": {"signs"},
    "account": set[str](),
    "late_end": {"ends_on"},
}
_REMEDIES: dict[str, set[str]] = {
    "complaint": {"appeal_months", "complaints_at"},
    "settlement": {"settlement_at"},
    "court": set(),
    "china": set(),
    "us": set(),
}
"""Remedies with their blanks; "china" and "us" are the counter-notices of these laws."""
_CHOICES: dict[str, Iterable[str]] = {
    "kinds": (*MeasureKind, *PenaltyKind),
    "grounds": GROUNDS,
    "signs": SIGNS,
    "laws": (*RIGHTS, "terms"),
    "explanations": (*RIGHTS, "terms"),
    "sources": ("own", "notice", "trusted flagger", "other notification"),
    "detections": ("yes", "no"),
    "automations": ("fully", "partially", "none"),
    "content_days": ("observed", "decided"),
    "lifted": ("appeal", "restriction", "review", "counter-notice", "lifted", "replaced", "ended"),
    "goods": ("brand and category", "brand", "category", "neither"),
    "facts": _SENTENCES,
    "remedies": _REMEDIES,
    "other_laws": [law for law in LAWS if law != "eu"],
    "other_sources": ("notice", "trusted flagger"),
}


class LetterWords(BaseModel):
    """The words of one language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str
    day: str
    first_of_month: str
    months: tuple[str, ...]
    decimal_point: str
    comma: str
    between_sentences: str
    everywhere: str
    no_end: str
    clause: str
    usual_place: str
    any_body: str
    kinds: dict[str, str]
    grounds: dict[str, str]
    signs: dict[str, str]
    remedies: dict[str, str]
    laws: dict[str, str]
    other_laws: dict[str, dict[Right, str]]
    explanations: dict[str, str]
    sources: dict[str, str]
    other_sources: dict[str, str]
    detections: dict[str, str]
    automations: dict[str, str]
    content_days: dict[str, str]
    lifted: dict[str, str]
    goods: dict[str, str]
    facts: dict[str, str]
    categories: dict[str, str] = {}
    countries: dict[str, str] = {}
    subject: str
    letter: str
    lifted_subject: str
    lifted_letter: str

    @model_validator(mode="after")
    def _say_everything(self) -> Self:
        faults = [
            f"{table}: found {', '.join(sorted(getattr(self, table)))}; expected {', '.join(sorted(expected))}"
            for table, expected in _CHOICES.items()
            if set(getattr(self, table)) != set(expected)
        ]
        if len(self.months) != 12:
            faults.append(f"months: found {len(self.months)}; expected 12")
        wanted_fields = {"letter": LETTER_FIELDS, "lifted_letter": LIFTED_FIELDS}
        wanted_fields |= {"subject": frozenset({"puid"}), "lifted_subject": frozenset({"puid"})}
        faults += [
            fault
            for name, expected in wanted_fields.items()
            for fault in _wrong_blanks(name, getattr(self, name), expected)
        ]
        for table, blanks in (("facts", _SENTENCES), ("remedies", _REMEDIES)):
            for name, expected in blanks.items():
                faults += _wrong_blanks(f"{table}.{name}", getattr(self, table).get(name, ""), expected)
        faults += [
            f"other_laws.{name}: found {', '.join(laws)}; expected {', '.join(RIGHTS)}"
            for name, laws in self.other_laws.items()
            if set(laws) != set(RIGHTS)
        ]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def write_day(self, day: date) -> str:
        """Return a date in the language's format."""
        number = self.first_of_month if day.day == 1 else str(day.day)
        return fill(self.day, day=number, month=self.months[day.month - 1], month_number=day.month, year=day.year)

    def write_price(self, price: float, currency: str) -> str:
        """Return an amount in the language's format."""
        return f"{price:.2f} {currency}".replace(".", self.decimal_point)


@lru_cache(maxsize=64)
def load_words(language: str) -> LetterWords:
    """Return the words of a language. Raises UnusableSetting if the language is unknown, or its file is incomplete."""
    if language not in languages():
        raise UnusableSetting("language of letters", repr(language), f"one of {', '.join(languages())}")
    text = files(__package__).joinpath("languages", f"{language}.toml").read_text(encoding="utf-8")
    return read_words(text, f"languages/{language}.toml")


def read_words(text: str, name: str) -> LetterWords:
    """Parse the file of a language; raise UnusableSetting with all faults."""
    return parse_policy(LetterWords, text, name, "languages/en.toml")


def fill(template: str, blanks: Mapping[str, object] = MappingProxyType({}), /, **others: object) -> str:
    """Return a template of `string.Template` with its blanks filled.

    >>> fill("$day ${month}{s}, $$5", day=1, month="May")
    '1 May{s}, $5'
    """
    return _in_braces(template).format_map({**blanks, **others})


@lru_cache(maxsize=1024)  # letters are written from the same few templates
def _in_braces(template: str) -> str:
    """Convert a template to the format of `str.format`, which is filled much faster."""
    text, end = "", 0
    for blank in Template.pattern.finditer(template):
        name = blank["named"] or blank["braced"]
        text += _double_braces(template[end : blank.start()]) + (f"{{{name}}}" if name else "$")
        end = blank.end()
    return text + _double_braces(template[end:])


def _double_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _wrong_blanks(name: str, text: str, expected: Iterable[str]) -> list[str]:
    template = Template(text)
    blanks = set(template.get_identifiers()) if template.is_valid() else {"a lone $"}
    return [] if blanks == set(expected) else [f"{name}: found {sorted(blanks)}; expected {sorted(expected)}"]


def write_facts(statement: Statement, words: LetterWords) -> str:
    """Return facts and circumstances in sentences, for the letter and, in English, for the payload."""
    facts = [words.facts["account"]] if statement.is_of_account else []
    facts += [
        fill(words.facts["offer"], goods=_name_goods(statement, words)),
        words.grounds[statement.ground],
    ]
    if statement.price is not None and statement.currency is not None:
        facts.append(fill(words.facts["price"], price=words.write_price(statement.price, statement.currency)))
    if statement.signs:
        signs = words.comma.join(words.signs[sign] for sign in statement.signs)
        facts.append(fill(words.facts["signs"], signs=signs))
    if statement.content_on_is != "listed":
        facts.append(words.content_days[statement.content_on_is])
    if statement.ends_on is not None and statement.ends_on > LAST_DAY:
        facts.append(fill(words.facts["late_end"], ends_on=words.write_day(statement.ends_on)))
    return words.between_sentences.join(facts)


def write_law(statement: Statement, words: LetterWords) -> str:
    """Return the law, or the rule of the platform, behind a restriction."""
    if statement.basis == "illegal" and statement.law != "eu":
        return words.other_laws[statement.law][statement.right]
    law = words.laws[statement.right if statement.basis == "illegal" else statement.basis]
    return fill(words.clause, law=law, clause=statement.clause) if statement.clause else law


def write_explanation(statement: Statement, words: LetterWords) -> str:
    """Return why the finding violates that law or rule."""
    return words.explanations[statement.right if statement.basis == "illegal" else statement.basis]


def list_remedies(statement: Statement, rules: StatementRules) -> dict[str, str]:
    """Return the seller's remedies under the named law, by kind, in the statement's language."""
    words, kinds = load_words(statement.language), ["complaint"]
    if statement.law == "eu":
        kinds.append("settlement")
    elif statement.law in _REMEDIES and not statement.is_of_account:
        kinds.append(statement.law)
    blanks = {
        "complaints_at": rules.complaints_at or words.usual_place,
        "appeal_months": str(statement.appeal_months),
        "settlement_at": rules.settlement_at or words.any_body,
    }
    return {kind: fill(words.remedies[kind], blanks) for kind in (*kinds, "court")}


def _name_countries(codes: tuple[str, ...], words: LetterWords) -> str:
    """Return the names of countries, or their codes if the language has no name."""
    return words.comma.join(words.countries.get(code, code) for code in codes) if codes else words.everywhere


def _name_source(statement: Statement, words: LetterWords) -> str:
    elsewhere = {} if statement.law == "eu" else words.other_sources
    return elsewhere.get(statement.source) or words.sources[statement.source]


def _name_goods(statement: Statement, words: LetterWords) -> str:
    kinds = {(True, True): "brand and category", (True, False): "brand", (False, True): "category"}
    goods = words.goods[kinds.get((statement.brand is not None, statement.category is not None), "neither")]
    category = words.categories.get(statement.category or "", statement.category or "")
    return fill(goods, brand=statement.brand or "", category=category)


_LONGEST_TITLE, _LONGEST_NUMBER = 200, 100
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"  # the enclosed text cannot change the direction of the text around it
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter as sent."""

    language: str
    subject: str
    text: str


def write_letter(statement: Statement, title: str, listing_id: str, rules: StatementRules) -> Letter:
    """Write the letter that states a restriction and its reasons, in the statement's language."""
    words = load_words(statement.language)
    blanks = _fill_common(statement, title, listing_id, rules, statement.issued_at) | describe_statement(statement)
    remedies = list_remedies(statement, rules).values()
    blanks["remedies"] = "\n".join(f"{number}. {line}" for number, line in enumerate(remedies, 1))
    subject = fill(words.subject, puid=statement.puid)
    return Letter(statement.language, subject, fill(words.letter, blanks))


def describe_statement(statement: Statement) -> dict[str, str]:
    """Return what a statement says, by the blanks of the letter, in the statement's language."""
    words = load_words(statement.language)
    return {
        "kind": words.kinds[statement.kind],
        "content_on": words.write_day(statement.content_on),
        "applied_on": words.write_day(statement.applied_on),
        "ends_on": words.no_end if statement.ends_on is None else words.write_day(statement.ends_on),
        "territories": _name_countries(statement.territories, words),
        "facts": write_facts(statement, words),
        "source": _name_source(statement, words),
        "detection": words.detections["yes" if statement.is_detected else "no"],
        "automation": words.automations[statement.automation],
        "law": write_law(statement, words),
        "explanation": write_explanation(statement, words),
    }


@dataclass(frozen=True, slots=True)
class RestrictionEnd:
    """End of a restriction, as its seller is notified.

    `why` is "appeal" (complaint upheld), "restriction" (upheld, but the decision stays), "review" (decision reversed),
    "counter-notice" (rights holder did not act), "lifted" (by a person; the decision stays), "replaced" or "ended"
    (end date). Other texts count as "review", since internal notes are not sent.
    """

    why: str
    told_at: datetime
    ended_at: datetime


def write_lifted_letter(
    statement: Statement, title: str, listing_id: str, rules: StatementRules, end: RestrictionEnd
) -> Letter:
    """Write the letter about the end of a restriction."""
    words = load_words(statement.language)
    blanks = _fill_common(statement, title, listing_id, rules, end.told_at) | {
        "lifted_on": words.write_day(end.ended_at.astimezone(UTC).date()),
        "why": words.lifted.get(end.why, words.lifted["review"]),
    }
    subject = fill(words.lifted_subject, puid=statement.puid)
    return Letter(statement.language, subject, fill(words.lifted_letter, blanks))


def quote(text: str, longest: int = _LONGEST_TITLE) -> str:
    """Return a seller's text on one line without invisible characters, isolated from the text around it.

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


def _fill_common(
    statement: Statement, title: str, listing_id: str, rules: StatementRules, at: datetime
) -> dict[str, str]:
    """Return the blanks that both letters have."""
    words = load_words(statement.language)
    return {
        "platform": rules.platform,
        "puid": statement.puid,
        "issued": words.write_day(at.astimezone(UTC).date()),
        "kind": words.kinds[statement.kind],
        "title": quote(title),
        "listing_id": quote(listing_id, _LONGEST_NUMBER),
    }


# Restrictions in the database's words. A warning restricts nothing: the seller gets a letter, the database nothing.
_DECISIONS: dict[MeasureKind | PenaltyKind, tuple[str, str]] = {
    MeasureKind.LABEL: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_LABELLED"),
    MeasureKind.DEMOTE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DEMOTED"),
    MeasureKind.PAUSE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DISABLED"),
    MeasureKind.PRICE_HOLD: ("decision_monetary", "DECISION_MONETARY_SUSPENSION"),
    MeasureKind.REMOVE_IN: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_DISABLED"),
    MeasureKind.REMOVE: ("decision_visibility", "DECISION_VISIBILITY_CONTENT_REMOVED"),
    PenaltyKind.LIMIT: ("decision_provision", "DECISION_PROVISION_PARTIAL_SUSPENSION"),
    PenaltyKind.HOLD_PAYOUT: ("decision_monetary", "DECISION_MONETARY_SUSPENSION"),
    PenaltyKind.SUSPEND: ("decision_account", "DECISION_ACCOUNT_SUSPENDED"),
    PenaltyKind.CLOSE: ("decision_account", "DECISION_ACCOUNT_TERMINATED"),
}
_ENDS = {
    "decision_visibility": "end_date_visibility_restriction",
    "decision_monetary": "end_date_monetary_restriction",
    "decision_provision": "end_date_service_restriction",
    "decision_account": "end_date_account_restriction",
}
_SOURCES = {
    "own": "SOURCE_VOLUNTARY",
    "notice": "SOURCE_ARTICLE_16",
    "trusted flagger": "SOURCE_TRUSTED_FLAGGER",
    "other notification": "SOURCE_TYPE_OTHER_NOTIFICATION",
}
_AUTOMATIONS = {
    "fully": "AUTOMATED_DECISION_FULLY",
    "partially": "AUTOMATED_DECISION_PARTIALLY",
    "none": "AUTOMATED_DECISION_NOT_AUTOMATED",
}
_EARLIEST_MEASURE = date(2020, 1, 1)


def why_not_stated(statement: Statement) -> str | None:
    """Return why a statement is not submitted to the database, as a phrase; None if it is."""
    if statement.kind not in _DECISIONS:
        return "a warning restricts nothing"
    if statement.territories and not COUNTRIES & set(statement.territories):
        return "it holds outside the EU and the EEA only"
    if not _EARLIEST_MEASURE <= statement.applied_on <= LAST_DAY:
        return f"the database takes measures from {_EARLIEST_MEASURE} to {LAST_DAY} only"
    return None


def write_payload(statement: Statement) -> dict[str, Any] | None:
    """Return the fields of a statement for the database; None if it is not submitted.

    An end date too late for the database and an unknown date of the listing appear among the facts; no date is
    altered.
    """
    if why_not_stated(statement):
        return None
    words = load_words("en")
    field, decision = _DECISIONS[statement.kind]
    payload: dict[str, Any] = {
        field: [decision] if field == "decision_visibility" else decision,
        "decision_ground": f"DECISION_GROUND_{'ILLEGAL' if statement.basis == 'illegal' else 'INCOMPATIBLE'}_CONTENT",
        "content_type": ["CONTENT_TYPE_PRODUCT"],
        "category": "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS",
        "category_specification": [f"KEYWORD_{statement.right.replace(' ', '').upper()}_INFRINGEMENT"],
        "territorial_scope": sorted(COUNTRIES & set(statement.territories or COUNTRIES)),
        "content_date": statement.content_on.isoformat(),
        "application_date": statement.applied_on.isoformat(),
        "decision_facts": write_facts(statement, words),
        "source_type": _SOURCES[statement.source],
        "automated_detection": "Yes" if statement.is_detected else "No",
        "automated_decision": _AUTOMATIONS[statement.automation],
        "puid": statement.puid,
    }
    if statement.ends_on is not None and statement.ends_on <= LAST_DAY:
        payload[_ENDS[field]] = statement.ends_on.isoformat()
    # The public statement names EU law, whatever law the seller's letter names.
    law, explanation = write_law(replace(statement, law="eu"), words), write_explanation(statement, words)
    if statement.basis == "illegal":
        return payload | {"illegal_content_legal_ground": law, "illegal_content_explanation": explanation}
    if statement.clause_url:
        payload["decision_ground_reference_url"] = statement.clause_url
    payload |= {"incompatible_content_ground": law, "incompatible_content_explanation": explanation}
    return payload | {"incompatible_content_illegal": "Yes"}
