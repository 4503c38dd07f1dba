"""Every table, a file for each subject.

Whoever changes a table adds a migration and sets `REVISION` to it; a test compares the two. From `sellers` on no
table holds anything of a seller in the clear: a seller is a pseudonym, and what tells of them is sealed with their
key (`ipml.storage.pseudonyms`), so that who takes the key away has erased it everywhere.
"""

from __future__ import annotations

from ipml.storage.tables.appeals import appeal_outcomes, appeals, clock_events, clocks
from ipml.storage.tables.automatic import automatic_decisions, automatic_draws, promises
from ipml.storage.tables.clues import clue_outcomes, clues, disclosures
from ipml.storage.tables.cooperation import (
    notice_items,
    notices,
    notifier_appointments,
    notifier_steps,
    notifiers,
    rights_documents,
)
from ipml.storage.tables.exploration import seeds, sift_cases, sift_strata, sifts
from ipml.storage.tables.kinds import Flag, Identity, Moment, Real, metadata, to_microseconds
from ipml.storage.tables.penalties import linked_accounts, measure_stakes, penalties, strikes, strikes_taken_back
from ipml.storage.tables.people import identities, sessions, tries, user_sellers, users
from ipml.storage.tables.privacy import erasures, legal_holds
from ipml.storage.tables.quality import goldens, looks, opinions
from ipml.storage.tables.queue import bands, case_texts, cases, decisions, rankings, reversals, spread_audits
from ipml.storage.tables.sellers import evidence, seller_keys
from ipml.storage.tables.statements import statements
from ipml.storage.tables.takedown import enforcement_policies, measure_messages, measures, outbox, platform_answers
from ipml.storage.tables.trail import audit

REVISION = "0024"

__all__ = [
    "REVISION",
    "Flag",
    "Identity",
    "Moment",
    "Real",
    "appeal_outcomes",
    "appeals",
    "audit",
    "automatic_decisions",
    "automatic_draws",
    "bands",
    "case_texts",
    "cases",
    "clock_events",
    "clocks",
    "clue_outcomes",
    "clues",
    "decisions",
    "disclosures",
    "enforcement_policies",
    "erasures",
    "evidence",
    "goldens",
    "identities",
    "legal_holds",
    "linked_accounts",
    "looks",
    "measure_messages",
    "measure_stakes",
    "measures",
    "metadata",
    "notice_items",
    "notices",
    "notifier_appointments",
    "notifier_steps",
    "notifiers",
    "opinions",
    "outbox",
    "penalties",
    "platform_answers",
    "promises",
    "rankings",
    "reversals",
    "rights_documents",
    "seeds",
    "seller_keys",
    "sessions",
    "sift_cases",
    "sift_strata",
    "sifts",
    "spread_audits",
    "statements",
    "strikes",
    "strikes_taken_back",
    "to_microseconds",
    "tries",
    "user_sellers",
    "users",
]
