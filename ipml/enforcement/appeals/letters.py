"""Letters: notifies sellers about their appeals, and rights holders of counter-notices.

Each language is a file in `languages/`. Foreign texts lose characters that control a terminal or the text direction.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from sqlalchemy import Connection

from ipml.enforcement.appeals.appeal import Appeal
from ipml.enforcement.deadlines.terms import TermsProfile
from ipml.enforcement.policy import AppealRules
from ipml.records import Listing
from ipml.storage import outbox
from ipml.storage.pseudonyms import read_keys

_LANGUAGES = Path(__file__).with_name("languages")
_LONGEST_WORD, _LONGEST_TEXT = 200, 20_000
_UNREADABLE = "\ufffd"


@dataclass(frozen=True, slots=True)
class AppealLetter:
    """A letter about an appeal, before it is written in a language.

    - `kind`: "receipt", "receipt_holder", "granted", "measure_lifted", "partly_granted", "rejected", "restored" or
      "withdrawn".
    - `listing`: result of `ipml.enforcement.takedown.handed_over.read_listing`, read before anything is lifted.
    - `why`: reasons for the seller.
    """

    kind: str
    listing: Listing
    at: datetime
    why: str = ""


def write_seller(connection: Connection, appeal: Appeal, letter: AppealLetter, rules: AppealRules) -> None:
    """Put a letter to the seller into the outbox, unless the seller was erased."""
    keys, listing = read_keys(connection, [appeal.pseudonym]), letter.listing
    seller_id = keys.find_seller(appeal.pseudonym)
    if seller_id is None:
        return
    language = rules.language_for(listing.country, keys.find_language(appeal.pseudonym) or listing.seller_language)
    subject, text = compose(appeal, letter, language)
    body = {"seller_id": seller_id, "reference": appeal.name, "language": language, "subject": subject, "text": text}
    key = outbox.make_key(f"appeal-{appeal.appeal_id}-{letter.kind.replace('_', '-')}")
    draft = outbox.Draft(key, "seller", "appeal", appeal.name, body, appeal.pseudonym, letter.at)
    outbox.put_all(connection, [draft])


def compose(appeal: Appeal, letter: AppealLetter, language: str) -> tuple[str, str]:
    """Return subject and text of a letter in a language."""
    words = _load(language)
    is_receipt = letter.kind.startswith("receipt")
    facts = {
        "number": str(appeal.appeal_id),
        "kind": words[appeal.kind.replace("-", "_")],
        "restriction": f"{appeal.subject} ({_inert(letter.listing.listing_id)})",
        "why": _inert(letter.why, _LONGEST_TEXT),
        "outcome": "" if is_receipt else words[f"outcome_{letter.kind}"],
    }
    subject = words["receipt_subject" if is_receipt else "outcome_subject"]
    return Template(subject).substitute(facts), Template(words[letter.kind]).substitute(facts).strip() + "\n"


def pass_on(connection: Connection, appeal: Appeal, text: str, listing: Listing, profile: TermsProfile) -> None:
    """Send a counter-notice just filed to the rights holder, with only the seller data that the profile allows."""
    key, subject = outbox.make_key(f"appeal-{appeal.appeal_id}-passed-on"), passed_on_subject(appeal.appeal_id)
    body = _describe_to_holder(appeal, text, listing, profile)
    draft = outbox.Draft(key, "holder", "counter_notice", subject, body, appeal.pseudonym, appeal.filed_at)
    outbox.put_all(connection, [draft])


def passed_on_subject(appeal_id: int) -> str:
    """Return the outbox subject of a counter-notice to the rights holder."""
    return f"counter-notice:{appeal_id}"


def _inert(text: str, longest: int = _LONGEST_WORD) -> str:
    """Return a text, cut to a length, without characters that control a terminal or the text direction.

    >>> _inert("a\\x1b[2J\\u202eb\\nc")
    'a\ufffd[2J\ufffdb\\nc'
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else _UNREADABLE for letter in text[:longest])


def _describe_to_holder(appeal: Appeal, text: str, listing: Listing, profile: TermsProfile) -> dict[str, Any]:
    stage = profile.stage("holder")
    passed_on: dict[str, Any] = {
        "reference": appeal.name,
        "kind": "counter-notice",
        "rules": profile.title,
        "term": str(stage.length),
        "counts_from": stage.starts,
    }
    if "listing" in profile.passes_on:
        passed_on["listing"] = {"id": _inert(listing.listing_id), "title": _inert(listing.title)}
        passed_on["brand"] = _inert(listing.brand or "")
    if "statement" in profile.passes_on:
        passed_on["statement"] = _inert(text, _LONGEST_TEXT)
    return passed_on


@cache
def _load(language: str) -> dict[str, str]:
    return tomllib.loads((_LANGUAGES / f"{language}.toml").read_text(encoding="utf-8"))
