"""The words of letters: one file for each language, `languages/de.toml`; a new language is a new file and no code.

A file says each kind, ground and sign in its language, and the two letters as templates. One in which a word is
missing, or a template that asks for what there is not, is refused as a whole: no seller gets a letter with a gap.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.enforcement.statements.facts import SIGNS
from ipml.enforcement.statements.rules import languages
from ipml.errors import UnusableSetting, describe_faults
from ipml.review.grounds import GROUNDS
from ipml.toml import parse_toml

LETTER_FIELDS = frozenset(
    {
        *("platform", "puid", "issued", "kind", "title", "listing_id", "content_on", "applied_on"),
        *("ends_on", "territories", "facts", "source", "detection", "automation", "law", "explanation"),
        *("complaints_at", "appeal_months", "settlement_at"),
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
_CHOICES: dict[str, Iterable[str]] = {
    "kinds": (*MeasureKind, *PenaltyKind),
    "grounds": GROUNDS,
    "signs": SIGNS,
    "laws": ("illegal", "terms"),
    "explanations": ("illegal", "terms"),
    "sources": ("own", "notice", "trusted flagger", "other notification"),
    "detections": ("yes", "no"),
    "automations": ("fully", "partially", "none"),
    "content_days": ("observed", "decided"),
    "lifted": ("appeal", "review", "counter-notice", "replaced", "ended"),
    "goods": ("brand and category", "brand", "category", "neither"),
    "facts": _SENTENCES,
}


class Words(BaseModel):
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
    laws: dict[str, str]
    explanations: dict[str, str]
    sources: dict[str, str]
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
        for name, wanted in _SENTENCES.items():
            found += _wrong_blanks(f"facts.{name}", self.facts.get(name, ""), wanted)
        if found:
            raise ValueError("; ".join(found))
        return self

    def write_day(self, day: date) -> str:
        """Return a date as people write it."""
        number = self.first_of_month if day.day == 1 else str(day.day)
        return Template(self.day).substitute(
            day=number, month=self.months[day.month - 1], month_number=day.month, year=day.year
        )

    def write_price(self, price: float, currency: str) -> str:
        """Return an amount as people write it."""
        return f"{price:.2f} {currency}".replace(".", self.decimal_point)


@lru_cache(maxsize=64)
def load_words(language: str) -> Words:
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


def read_words(text: str, name: str) -> Words:
    """Return the words that a file of a language holds, or raise UnusableSetting with all that is wrong with it."""
    try:
        return Words.model_validate(parse_toml(text))
    except tomllib.TOMLDecodeError as error:
        raise UnusableSetting(name, f"no TOML ({error})", "a file like languages/en.toml") from error
    except ValidationError as error:
        raise UnusableSetting(name, describe_faults(error), "a file like languages/en.toml") from error


def _wrong_blanks(name: str, text: str, wanted: Iterable[str]) -> list[str]:
    """Say where a template asks for other things than those there are; all of them must be told."""
    template = Template(text)
    found = set(template.get_identifiers()) if template.is_valid() else {"a lone $"}
    return [] if found == set(wanted) else [f"{name}: found {sorted(found)}; expected {sorted(wanted)}"]
