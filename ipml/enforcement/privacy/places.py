"""Where in the database something of a seller may stand: every column of text, declared.

A new column of text must be put here, or a test fails. What is `CLEAR` must also be named in `BLANKED`, or be
replaced by `ipml.enforcement.privacy.stand_ins`: erasing a seller goes by these, and by nothing else.
"""

from __future__ import annotations

from enum import StrEnum

from ipml.storage.tables import metadata


class Holds(StrEnum):
    """What a column holds of a seller."""

    NOTHING = "nothing"
    PSEUDONYM = "a pseudonym, or what is made of it"
    SEALED = "what only the seller's key opens"
    CLEAR = "what tells of them in the clear, or may, as whatever people type"


NOTHING, PSEUDONYM, SEALED, CLEAR = Holds

# Names of staff (reviewer, holder, actor, …) are theirs, not the seller's.
TEXTS: dict[str, dict[str, Holds]] = {
    "appeal_outcomes": dict.fromkeys(("outcome", "decided_by", "measure_kind"), NOTHING) | {"why": SEALED},
    "appeals": dict.fromkeys(("subject", "kind", "profile", "state", "key", "holder"), NOTHING)
    | {"pseudonym": PSEUDONYM, "text": SEALED, "reference": SEALED},
    "audit": dict.fromkeys(("actor", "action", "previous", "hash"), NOTHING)
    | {"subject": PSEUDONYM, "payload": PSEUDONYM},
    "automatic_decisions": {"brand": CLEAR},
    "automatic_draws": {"model_version": NOTHING, "brand": CLEAR},
    "case_texts": {"text": CLEAR},
    "cases": dict.fromkeys(("model_version", "state", "holder", "worth", "lane"), NOTHING)
    | dict.fromkeys(("listing_key", "listing_id", "seller_id", "brand", "snapshot", "category", "brand_read"), CLEAR)
    | {"content": PSEUDONYM},
    "clock_events": dict.fromkeys(("kind", "by", "payload"), NOTHING),
    "clocks": dict.fromkeys(("subject", "stage", "profile", "state"), NOTHING),
    "clue_outcomes": dict.fromkeys(("kind", "why", "noted_by", "currency"), NOTHING),
    "clues": dict.fromkeys(
        (
            *("reference", "recipient", "brand", "purpose", "built_by", "content_digest", "currency", "signs"),
            "received_by",
        ),
        NOTHING,
    )
    | {"members_digest": PSEUDONYM},
    "decisions": dict.fromkeys(("verdict", "ground", "reviewer", "lane", "origin", "group_key"), NOTHING)
    | dict.fromkeys(("listing_id", "note", "key"), CLEAR),
    "disclosures": {"pseudonym": PSEUDONYM, "name": PSEUDONYM},
    "enforcement_policies": {"digest": NOTHING, "policy": NOTHING},
    "erasures": {"pseudonym": PSEUDONYM, "erased_by": NOTHING, "why": NOTHING},
    "evidence": {"pseudonym": PSEUDONYM, "digest": PSEUDONYM, "sealed": SEALED},
    "goldens": {"truth": NOTHING, "source": CLEAR, "added_by": NOTHING},
    "identities": {"issuer": NOTHING, "subject": NOTHING},
    "legal_holds": {"pseudonym": PSEUDONYM, "sealed": SEALED, "placed_by": NOTHING, "released_by": NOTHING},
    "linked_accounts": dict.fromkeys(("kind", "outcome", "decided_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "linked_to": PSEUDONYM, "evidence": SEALED, "why": SEALED},
    "looks": dict.fromkeys(("kind", "wanted_of", "not_by", "holder"), NOTHING),
    "measures": dict.fromkeys(("kind", "territories", "policy_digest", "imposed_by", "lifted_by", "source"), NOTHING)
    | {"pseudonym": PSEUDONYM, "why": SEALED, "why_lifted": SEALED, "why_refused": SEALED},
    "measure_messages": {"key": NOTHING, "effect": NOTHING},
    "measure_stakes": dict.fromkeys(("size_band", "age_band", "currency"), NOTHING),
    # Notifiers are no sellers: what a key of theirs seals is in `sealed`, `reference`, `why`, `ground`. So is an
    # explanation, but it tells of sellers: to them it is as good as in the clear.
    "notice_items": {"listing_digest": CLEAR, "location": SEALED, "pseudonym": PSEUDONYM, "state": NOTHING},
    "notices": dict.fromkeys(("reference", "kind", "brand", "key", "content_digest", "tier"), NOTHING)
    | {"sealed": SEALED, "explanation": CLEAR},
    "notifier_appointments": {"kind": NOTHING, "made_by": NOTHING, "ground": SEALED},
    "notifier_steps": {"kind": NOTHING, "taken_by": NOTHING, "why": SEALED},
    "notifiers": dict.fromkeys(("address", "pseudonym", "key", "kind"), NOTHING),
    "opinions": dict.fromkeys(("kind", "verdict", "ground", "reviewer"), NOTHING)
    | dict.fromkeys(("listing_id", "note", "key"), CLEAR),
    "outbox": dict.fromkeys(("key", "channel", "kind", "subject", "state", "holder", "dropped_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "body": SEALED, "last_error": SEALED, "why_dropped": SEALED},
    "penalties": dict.fromkeys(("kind", "policy_digest", "imposed_by", "ended_as", "ended_by"), NOTHING)
    | {"pseudonym": PSEUDONYM, "why": SEALED, "why_ended": SEALED, "why_confirmed": SEALED},
    "platform_answers": dict.fromkeys(("key", "status", "told_by"), NOTHING) | {"why": SEALED},
    "promises": dict.fromkeys(("brand", "event", "cause", "actor", "why", "policy_digest", "model_version"), NOTHING),
    "rankings": dict.fromkeys(("actor", "order", "policy_digest", "policy"), NOTHING) | {"usual": CLEAR},
    "reversals": {"reviewer": NOTHING, "why": CLEAR},
    "seeds": {"seed": NOTHING},
    "seller_keys": {"seller_id": CLEAR, "pseudonym": PSEUDONYM, "key": CLEAR},
    "rights_documents": {"brand": NOTHING, "reference": NOTHING, "checked_by": NOTHING},
    "sessions": {"token_hash": NOTHING},
    "sifts": dict.fromkeys(("digest", "file_digest", "model_version", "rule"), NOTHING),
    "spread_audits": {"verdict": NOTHING},
    # Facts and payload name brands and categories of the policy only, and nobody.
    "statements": dict.fromkeys(("subject", "puid", "facts", "payload", "policy_digest"), NOTHING)
    | {"pseudonym": PSEUDONYM, "letter": SEALED},
    "strikes": dict.fromkeys(("ground", "category", "policy_digest", "currency"), NOTHING) | {"pseudonym": PSEUDONYM},
    "strikes_taken_back": {"by": NOTHING, "why": SEALED},
    "tries": {"address": NOTHING, "name_hash": NOTHING},
    "user_sellers": {"user_name": NOTHING, "seller_id": CLEAR},
    "users": dict.fromkeys(("name", "password_hash", "role"), NOTHING),
}

# What takes the place of texts in rows of the seller, which are found by this column.
BLANKED: dict[tuple[str, str], dict[str, str | None]] = {
    ("decisions", "case_id"): {"note": "", "key": None},
    ("opinions", "case_id"): {"note": "", "key": None},
    ("goldens", "case_id"): {"source": ""},
    ("reversals", "decision_id"): {"why": ""},
    ("automatic_draws", "case_id"): {"brand": ""},
    ("automatic_decisions", "decision_id"): {"brand": ""},
    ("notice_items", "case_id"): {"listing_digest": ""},
    ("notices", "notice_id"): {"explanation": ""},
}

# Rows that go with the seller.
REMOVED: dict[str, str] = {
    "case_texts": "case_id",
    "bands": "case_id",
    "user_sellers": "seller_id",
    "seller_keys": "seller_id",
}

# What stands in for a listing, and for what was made of it.
REPLACED: dict[str, tuple[str, ...]] = {
    "cases": ("listing_key", "listing_id", "seller_id", "brand", "snapshot", "category", "brand_read"),
    "decisions": ("listing_id",),
    "opinions": ("listing_id",),
    "rankings": ("usual",),
}


def touched_tables() -> frozenset[str]:
    """Return the tables from which erasing a seller takes something."""
    return frozenset({*(table for table, _ in BLANKED), *REMOVED, *REPLACED})


def sealed_tables() -> list[str]:
    """Return the tables that name sellers by their pseudonym, in order."""
    return [name for name in metadata.tables if "pseudonym" in metadata.tables[name].c and name != "seller_keys"]
