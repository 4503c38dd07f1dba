"""The two texts of a statement: the letter to the seller, and the payload for the EU's transparency database.

The words stand in one file for each language, `languages/de.toml`; a new language is a new file and no code. A file
says each kind, ground and sign in its language, and the two letters as templates. One in which a word is missing, or a
template that asks for what there is not, is refused as a whole: no seller gets a letter with a gap.

The letter is plain text, written from the facts of a statement and from the listing's title and number. Title and
number are the seller's own words, given back to them in quotation marks: on one line, without letters that turn the
direction of writing or are not seen, and not longer than a title is. They stand in the text only, never in the
subject, so they can neither add a line to the letter nor a header to the mail that carries it.

The letter names the law of the listing's country, and what sellers can do under it; of a country whose law is not
known here it names none. The payload is what Article 24(5) of the Digital Services Act asks for; it shares the
sentences of the letter.
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
"""What a seller can do, with the blanks; "china" and "us" are the counter-notices of these laws."""
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
        found = [
            f"{table}: found {', '.join(sorted(getattr(self, table)))}; expected {', '.join(sorted(wanted))}"
            for table, wanted in _CHOICES.items()
            if set(getattr(self, table)) != set(wanted)
        ]
        if len(self.months) != 12:
            found.append(f"months: found {len(self.months)}; expected 12")
        wanted_fields = {"letter": LETTER_FIELDS, "lifted_letter": LIFTED_FIELDS}
        wanted_fields |= {"subject": frozenset({"puid"}), "lifted_subject": frozenset({"puid"})}
        found += [
            fault
            for name, wanted in wanted_fields.items()
            for fault in _wrong_blanks(name, getattr(self, name), wanted)
        ]
        for table, blanks in (("facts", _SENTENCES), ("remedies", _REMEDIES)):
            for name, wanted in blanks.items():
                found += _wrong_blanks(f"{table}.{name}", getattr(self, table).get(name, ""), wanted)
        found += [
            f"other_laws.{name}: found {', '.join(laws)}; expected {', '.join(RIGHTS)}"
            for name, laws in self.other_laws.items()
            if set(laws) != set(RIGHTS)
        ]
        if found:
            raise ValueError("; ".join(found))
        return self

    def write_day(self, day: date) -> str:
        """Return a date as people write it."""
        number = self.first_of_month if day.day == 1 else str(day.day)
        return fill(self.day, day=number, month=self.months[day.month - 1], month_number=day.month, year=day.year)

    def write_price(self, price: float, currency: str) -> str:
        """Return an amount as people write it."""
        return f"{price:.2f} {currency}".replace(".", self.decimal_point)


@lru_cache(maxsize=64)
def load_words(language: str) -> LetterWords:
    """Return the words of a language.

    Raises
    ------
    UnusableSetting
        There is no such language, or its file lacks something.

    Examples
    --------
    >>> load_words("de").write_day(date(2026, 5, 1))
    '1. Mai 2026'
    """
    if language not in languages():
        raise UnusableSetting("language of letters", repr(language), f"one of {', '.join(languages())}")
    text = files(__package__).joinpath("languages", f"{language}.toml").read_text(encoding="utf-8")
    return read_words(text, f"languages/{language}.toml")


def read_words(text: str, name: str) -> LetterWords:
    """Return the words that a file of a language holds, or raise UnusableSetting with all that is wrong with it."""
    return parse_policy(LetterWords, text, name, "languages/en.toml")


def fill(template: str, blanks: Mapping[str, object] = MappingProxyType({}), /, **others: object) -> str:
    """Return a template of `string.Template` with its blanks filled.

    Examples
    --------
    >>> fill("$day ${month}{s}, $$5", day=1, month="May")
    '1 May{s}, $5'
    """
    return _in_braces(template).format_map({**blanks, **others})


@lru_cache(maxsize=1024)  # letters are written from the same few templates
def _in_braces(template: str) -> str:
    """Return a template as `str.format` has it, which fills it much faster."""
    text, end = "", 0
    for found in Template.pattern.finditer(template):
        name = found["named"] or found["braced"]
        text += _double_braces(template[end : found.start()]) + (f"{{{name}}}" if name else "$")
        end = found.end()
    return text + _double_braces(template[end:])


def _double_braces(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _wrong_blanks(name: str, text: str, wanted: Iterable[str]) -> list[str]:
    """Say where a template asks for other things than those there are; all of them must be told."""
    template = Template(text)
    found = set(template.get_identifiers()) if template.is_valid() else {"a lone $"}
    return [] if found == set(wanted) else [f"{name}: found {sorted(found)}; expected {sorted(wanted)}"]


def write_facts(statement: Statement, words: LetterWords) -> str:
    """Return the facts and circumstances in sentences: the same for the letter and, in English, for the payload."""
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
    """Return the law, or the rule of the platform, that a restriction rests on."""
    if statement.basis == "illegal" and statement.law != "eu":
        return words.other_laws[statement.law][statement.right]
    law = words.laws[statement.right if statement.basis == "illegal" else statement.basis]
    return fill(words.clause, law=law, clause=statement.clause) if statement.clause else law


def write_explanation(statement: Statement, words: LetterWords) -> str:
    """Return why what was found goes against that."""
    return words.explanations[statement.right if statement.basis == "illegal" else statement.basis]


def write_remedies(statement: Statement, rules: StatementRules, words: LetterWords) -> str:
    """Return what the seller can do under the law that the letter names, a numbered line each."""
    kinds = ["complaint"]
    if statement.law == "eu":
        kinds.append("settlement")
    elif statement.law in _REMEDIES and not statement.is_of_account:
        kinds.append(statement.law)
    blanks = {
        "complaints_at": rules.complaints_at or words.usual_place,
        "appeal_months": str(statement.appeal_months),
        "settlement_at": rules.settlement_at or words.any_body,
    }
    lines = [fill(words.remedies[kind], blanks) for kind in (*kinds, "court")]
    return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))


def name_countries(codes: tuple[str, ...], words: LetterWords) -> str:
    """Return the names of countries; the code of one that the language's file does not name."""
    return words.comma.join(words.countries.get(code, code) for code in codes) if codes else words.everywhere


def _name_source(statement: Statement, words: LetterWords) -> str:
    elsewhere = {} if statement.law == "eu" else words.other_sources
    return elsewhere.get(statement.source) or words.sources[statement.source]


def _name_goods(statement: Statement, words: LetterWords) -> str:
    known = {(True, True): "brand and category", (True, False): "brand", (False, True): "category"}
    goods = words.goods[known.get((statement.brand is not None, statement.category is not None), "neither")]
    category = words.categories.get(statement.category or "", statement.category or "")
    return fill(goods, brand=statement.brand or "", category=category)


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
        "source": _name_source(statement, words),
        "detection": words.detections["yes" if statement.is_detected else "no"],
        "automation": words.automations[statement.automation],
        "law": write_law(statement, words),
        "explanation": write_explanation(statement, words),
        "remedies": write_remedies(statement, rules, words),
    }
    subject = fill(words.subject, puid=statement.puid)
    return Letter(statement.language, subject, fill(words.letter, blanks))


def write_lifted_letter(
    statement: Statement,
    title: str,
    listing_id: str,
    rules: StatementRules,
    why: str,
    at: datetime,
    ended_at: datetime | None = None,
) -> Letter:
    """Write the letter that tells a seller that a restriction has ended.

    Parameters
    ----------
    why : str
        "appeal", "restriction", "review", "counter-notice", "lifted", "replaced" or "ended"; anything else counts as
        "review", as it may be a note that is not for sellers.
    ended_at : datetime, default=`at`
        When it ended, where that was before the letter.
    """
    words = load_words(statement.language)
    blanks = _of_both(statement, title, listing_id, rules, words, at) | {
        "lifted_on": words.write_day((ended_at or at).astimezone(UTC).date()),
        "why": words.lifted.get(why, words.lifted["review"]),
    }
    subject = fill(words.lifted_subject, puid=statement.puid)
    return Letter(statement.language, subject, fill(words.lifted_letter, blanks))


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
    statement: Statement, title: str, listing_id: str, rules: StatementRules, words: LetterWords, at: datetime
) -> dict[str, str]:
    return {
        "platform": rules.platform,
        "puid": statement.puid,
        "issued": words.write_day(at.astimezone(UTC).date()),
        "kind": words.kinds[statement.kind],
        "title": quote(title),
        "listing_id": quote(listing_id, _LONGEST_NUMBER),
    }


# What is done, in the database's words. A warning restricts nothing and is not stated there: its seller gets a letter.
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
    """Return why a statement does not go to the database, as a phrase; None where it does."""
    if statement.kind not in _DECISIONS:
        return "a warning restricts nothing"
    if statement.territories and not COUNTRIES & set(statement.territories):
        return "it holds outside the EU and the EEA only"
    if not _EARLIEST_MEASURE <= statement.applied_on <= LAST_DAY:
        return f"the database takes measures from {_EARLIEST_MEASURE} to {LAST_DAY} only"
    return None


def write_payload(statement: Statement) -> dict[str, Any] | None:
    """Return the fields of a statement for the database; None where it does not go there.

    An end later than the database can hold is told among the facts, and an unknown date of the listing as well: no date
    is bent until it fits.
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
