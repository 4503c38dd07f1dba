"""What a piece of evidence says, and its only spelling.

It is JSON in one line of ASCII: names sorted, no spaces, all other characters as escapes, numbers as the shortest text
that reads back as the same double, no NaN. This is RFC 8785 but for those escapes and for numbers, which are spelt as
Python does (1e-07, not 1e-7). So its SHA-256 stands for its content, and any language can read it. A random salt is in
it: from the digest alone, nobody can find by trying what a listing or a note said.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from ipml.records import Decision, ScoredListing
from ipml.review.snapshot import decode, digest

SCHEMA = 1
"""Raise it when a name in a piece of evidence changes its meaning."""
_SALT_BYTES = 16
_write_json = json.JSONEncoder(separators=(",", ":"), sort_keys=True, allow_nan=False).encode
_OF_SCORE = (
    *("score", "score_low", "score_high", "log_odds", "abstained", "read_as", "base_rate", "reasons"),
    *("highlights", "description_highlights", "price_range"),
)
_HISTORY = "seller_"
_NOT_HISTORY = "seller_id"
_EARLIER = ("earlier_listings", "earlier_suspicion")


def write_evidence(
    case: Row[Any], decision: Decision, *, pseudonym: str, reviewer: str, origin: str, policy_digest: str
) -> str:
    """Return the evidence of a decision as canonical JSON.

    Parameters
    ----------
    case : Row
        Of `cases`, with the snapshot that was decided on.
    reviewer : str
        As papers call who decided.
    """
    scored = json.loads(case.snapshot)
    listing = scored["listing"]
    history = {name for name in listing if name.startswith(_HISTORY) and name != _NOT_HISTORY}
    return canonical(
        {
            "schema": SCHEMA,
            "salt": secrets.token_hex(_SALT_BYTES),
            "case": {
                "case_id": case.case_id,
                "enqueued_at": moment_text(case.enqueued_at),
                "lane": case.lane,
                "odds": case.odds,
                "snapshot": digest(case.snapshot),
            },
            "listing": {name: value for name, value in listing.items() if name not in history},
            "seller": {
                "pseudonym": pseudonym,
                "history": {name: listing[name] for name in history},
                **{name: scored.get(name) for name in _EARLIER},
            },
            "model": {"version": scored["model_version"], "digest": scored.get("model_digest")},
            "score": {name: scored.get(name) for name in _OF_SCORE},
            "decision": {
                "decision_id": decision.decision_id,
                "verdict": decision.verdict.value,
                "ground": decision.ground,
                "note": decision.note,
                "note_digest": digest(decision.note),
                "reviewer": reviewer,
                "decided_at": moment_text(decision.decided_at),
                "origin": origin,
                "policy": policy_digest,
            },
        }
    )


def read_scored_listing(content: Mapping[str, Any]) -> ScoredListing:
    """Return the scored listing in a piece of evidence, as the queue had it: `encode` gives the same snapshot."""
    seller, model = content["seller"], content["model"]
    scored = {name: value for name, value in content["score"].items() if value is not None}
    scored |= {"model_version": model["version"], "model_digest": model["digest"]}
    scored |= {name: seller[name] for name in _EARLIER}
    needed = {"score": None, "log_odds": None, "price_range": None, "abstained": None}
    return decode(json.dumps({**needed, **scored, "listing": {**content["listing"], **seller["history"]}}))


def canonical(content: Mapping[str, Any]) -> str:
    """Return the only spelling of a JSON object.

    Examples
    --------
    >>> canonical({"b": 1.0, "a": "Gu\\u0441\\u0441i"})
    '{"a":"Gu\\\\u0441\\\\u0441i","b":1.0}'
    """
    return _write_json(content)


def sha256(content: bytes) -> str:
    """Return the SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def moment_text(moment: datetime) -> str:
    """Return a moment in UTC, to the microsecond.

    Examples
    --------
    >>> moment_text(datetime(2024, 5, 1, 12, tzinfo=UTC))
    '2024-05-01T12:00:00.000000Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
