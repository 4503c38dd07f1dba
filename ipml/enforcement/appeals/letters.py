"""Letters: notifies sellers about their appeals, and rights holders of counter-notices.

Each language is a file in `languages/`. Foreign texts lose characters that control a terminal or the text direction.
"""

from __future__ import annotations

import tomllib
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


def write_seller(
    connection: Connection, appeal: Appeal, what: str, listing: Listing, rules: AppealRules, at: datetime, why: str = ""
) -> bool:
    """Put a letter to the seller into the outbox; return False if the seller was erased.

    `what` is "receipt", "receipt_holder", "granted", "measure_lifted", "partly_granted", "rejected", "restored" or
    "withdrawn". `listing` comes from `ipml.enforcement.takedown.handed_over.read_listing`, read before anything is
    lifted. `why` holds the reasons for the seller.
    """
    keys = read_keys(connection, [appeal.pseudonym])
    seller_id = keys.find_seller(appeal.pseudonym)
    if seller_id is None:
        return False
    language = rules.language_for(listing.country, keys.find_language(appeal.pseudonym) or listing.seller_language)
    subject, text = compose(appeal, what, listing, language, why)
    outbox.put_all(
        connection,
        [
            outbox.Draft(
                key=outbox.make_key(f"appeal-{appeal.appeal_id}-{what.replace('_', '-')}"),
                channel="seller",
                kind="appeal",
                subject=appeal.name,
                body={
                    "seller_id": seller_id,
                    "reference": appeal.name,
                    "language": language,
                    "subject": subject,
                    "text": text,
                },
                pseudonym=appeal.pseudonym,
                now=at,
            )
        ],
    )
    return True


def compose(appeal: Appeal, what: str, listing: Listing, language: str, why: str = "") -> tuple[str, str]:
    """Return subject and text of a letter in a language."""
    words = _load(language)
    is_receipt = what.startswith("receipt")
    facts = {
        "number": str(appeal.appeal_id),
        "kind": words[appeal.kind.replace("-", "_")],
        "restriction": f"{appeal.subject} ({_inert(listing.listing_id)})",
        "why": _inert(why, _LONGEST_TEXT),
        "outcome": "" if is_receipt else words[f"outcome_{what}"],
    }
    subject = words["receipt_subject" if is_receipt else "outcome_subject"]
    return Template(subject).substitute(facts), Template(words[what]).substitute(facts).strip() + "\n"


def pass_on(
    connection: Connection, appeal: Appeal, text: str, listing: Listing, profile: TermsProfile, at: datetime
) -> None:
    """Send a counter-notice to the rights holder, with only the seller data that the profile allows."""
    outbox.put_all(
        connection,
        [
            outbox.Draft(
                key=outbox.make_key(f"appeal-{appeal.appeal_id}-passed-on"),
                channel="holder",
                kind="counter_notice",
                subject=passed_on_subject(appeal.appeal_id),
                body=_tell_holder(appeal, text, listing, profile),
                pseudonym=appeal.pseudonym,
                now=at,
            )
        ],
    )


def passed_on_subject(appeal_id: int) -> str:
    """Return the outbox subject of a counter-notice to the rights holder."""
    return f"counter-notice:{appeal_id}"


def _inert(text: str, longest: int = _LONGEST_WORD) -> str:
    """Return a text, cut to a length, without characters that control a terminal or the text direction.

    Examples
    --------
    >>> _inert("a\\x1b[2J\\u202eb\\nc")
    'a\ufffd[2J\ufffdb\\nc'
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else _UNREADABLE for letter in text[:longest])


def _tell_holder(appeal: Appeal, text: str, listing: Listing, profile: TermsProfile) -> dict[str, Any]:
    stage = profile.stage("holder")
    told: dict[str, Any] = {
        "reference": appeal.name,
        "kind": "counter-notice",
        "rules": profile.title,
        "term": str(stage.length),
        "counts_from": stage.starts,
    }
    if "listing" in profile.passes_on:
        told["listing"] = {"id": _inert(listing.listing_id), "title": _inert(listing.title)}
        told["brand"] = _inert(listing.brand or "")
    if "statement" in profile.passes_on:
        told["statement"] = _inert(text, _LONGEST_TEXT)
    return told


@cache
def _load(language: str) -> dict[str, str]:
    return tomllib.loads((_LANGUAGES / f"{language}.toml").read_text(encoding="utf-8"))
