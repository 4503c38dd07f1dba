"""Words: texts of the public pages in the languages of letters, and the choice of a visitor's language.

Each language is a file in `languages/`, checked for completeness like those of letters. Names of measures, laws and
grounds are those of the letters.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from string import Template
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, model_validator

from ipml.enforcement.appeals.appeal import AppealState
from ipml.enforcement.statements.facts import languages
from ipml.errors import UnusableSetting
from ipml.kit.policy_file import parse_policy

NoticeFault = Literal[
    "explanation", "good_faith", "name", "email", "account", "brand", "rights", "listings", "order", "other"
]
NoticeState = Literal[
    "unknown", "waiting", "upheld", "rejected", "undecided", "not found", "few", "too few", "taken back"
]


class _Texts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SellerTexts(_Texts):
    """Texts of the page about a restriction."""

    title: str
    ended: str
    listing: str
    number: str
    reference: str
    listed: str
    since: str
    until: str
    where: str
    facts: str
    source: str
    detection: str
    automation: str
    law: str
    explanation: str
    remedies: str
    open_until: str
    open_months: str
    late: str
    other_remedies: str
    form: str
    form_help: str
    kind: str
    complaint: str
    counter_notice: str
    text: str
    send: str
    sent: str
    nothing: str
    refused: str
    appeals: str
    complaint_name: str
    counter_notice_name: str
    filed: str
    due: str
    decided: str
    why: str
    states: dict[AppealState, str]


class NoticeTexts(_Texts):
    """Texts of the form for notices, and of the page of a notice."""

    title: str
    lead: str
    who: str
    complaint: str
    counterfeit: str
    listings: str
    why: str
    why_help: str
    brand: str
    rights: str
    rights_help: str
    order: str
    name: str
    email: str
    email_help: str
    good_faith: str
    send: str
    not_sent: str
    faults: dict[NoticeFault, str]
    status: str
    received: str
    again: str
    keep: str
    reference: str
    at: str
    suspended: str
    erased: str
    states: dict[NoticeState, str]


class PageWords(_Texts):
    """The words of one language; `letter` introduces the address of a page in a letter."""

    direction: Literal["ltr", "rtl"]
    skip: str
    languages: str
    letter: str
    gone: str
    gone_help: str
    busy: str
    busy_help: str
    seller: SellerTexts
    notice: NoticeTexts

    @model_validator(mode="after")
    def _say_everything(self) -> Self:
        tables = (
            ("seller.states", self.seller.states, AppealState),
            ("notice.states", self.notice.states, get_args(NoticeState)),
            ("notice.faults", self.notice.faults, get_args(NoticeFault)),
        )
        for name, table, expected in tables:
            if missing := set(expected) - set(table):
                raise ValueError(f"{name}: nothing for {', '.join(sorted(missing))}")
        return self


@lru_cache(maxsize=64)
def load_page_words(language: str) -> PageWords:
    """Return the words of a language; raises UnusableSetting if it is unknown or its file incomplete."""
    if language not in languages():
        raise UnusableSetting("language of public pages", repr(language), f"one of {', '.join(languages())}")
    text = files(__package__).joinpath("languages", f"{language}.toml").read_text(encoding="utf-8")
    return parse_policy(PageWords, text, f"languages/{language}.toml", "languages/en.toml")


def choose_language(wanted: str, accepted: str, usual: str) -> str:
    """Return the wanted language if there is one, else the first accepted (Accept-Language), else the usual.

    >>> choose_language("fr", "de", "en"), choose_language("xx", "ja, zh-CN;q=0.9, de;q=0.95", "en")
    ('fr', 'de')
    >>> choose_language("", "*;q=0.5, de;q=0", "en")
    'en'
    """
    known = languages()
    if wanted in known:
        return wanted
    ranked = []
    for place, entry in enumerate(accepted[:500].split(",")):
        tag, _, weight = entry.replace(" ", "").partition(";q=")
        language = tag.partition("-")[0].lower()
        quality = float(weight) if weight.replace(".", "", 1).isdecimal() else 1.0
        if language in known and quality > 0:
            ranked.append((-quality, place, language))
    return min(ranked)[2] if ranked else usual


def fill(text: str, **blanks: object) -> str:
    """Return a text with its blanks filled."""
    return Template(text).substitute(blanks)
