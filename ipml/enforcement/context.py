"""Enforcement context: loads decisions with everything their actions need, and collects messages for one transaction.

Data is read once for all stages and all decisions; messages are written once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select

from ipml.enforcement.policy import EnforcementPolicy, store_policy
from ipml.enforcement.restrictions import OWN, ReportSource
from ipml.records import Decision, Listing, ScoredListing
from ipml.review.arrivals.snapshot import decode
from ipml.review.cases import StoredCase
from ipml.review.reversals import CaseDecision
from ipml.storage import outbox
from ipml.storage.audit_trail.audit import AuditBatch
from ipml.storage.database import Lock, serialise
from ipml.storage.pseudonyms import Keyring, read_sellers
from ipml.storage.tables import decisions

BY_POLICY = "policy"
"""Origin of decisions made by a policy instead of a person."""


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """A decision with its case as the row was before, its seller, its origin, and the reporter of the listing."""

    case: StoredCase
    decision: Decision
    origin: str
    scored: ScoredListing
    pseudonym: str
    source: ReportSource

    @property
    def listing(self) -> Listing:
        """The listing as decided."""
        return self.scored.listing


def read_decided(
    connection: Connection, made: Sequence[CaseDecision], origin: str, sources: Mapping[int, ReportSource]
) -> tuple[list[DecidedCase], Keyring]:
    """Return decisions with their cases, and the sellers' keys; a new seller gets a key.

    Cases missing from `sources` were found by the platform.
    """
    names, keys = read_sellers(connection, (case.seller_id for case, _ in made), now=made[0][1].decided_at)
    decided = [
        DecidedCase(
            case, decision, origin, decode(case.snapshot), names[case.seller_id], sources.get(case.case_id, OWN)
        )
        for case, decision in made
    ]
    return decided, keys


@dataclass(frozen=True, slots=True)
class FirstDecision:
    """The first decision that a decision belongs to.

    `made_with`: first decision of the same group; None for a single decision. `same_as`: case of the first decision on
    the same listing, which may have several cases. `is_itself`: whether the decision is the first on its listing.
    """

    made_with: int | None
    same_as: int
    is_itself: bool


# Built once: building the query takes longer than running it.
_ON_LISTINGS = (
    select(decisions.c.decision_id, decisions.c.case_id, decisions.c.listing_id, decisions.c.group_key)
    .where(decisions.c.listing_id.in_(bindparam("listing_ids", expanding=True)))
    .order_by(decisions.c.decision_id)
)


def find_firsts(connection: Connection, made: Sequence[Decision]) -> list[FirstDecision]:
    """Return for each decision the first one it belongs to; a decision not yet stored counts as the last."""
    rows = connection.execute(_ON_LISTINGS, {"listing_ids": list({decision.listing_id for decision in made})}).all()
    first_on = {row.listing_id: row for row in reversed(rows)}
    numbers = {decision.decision_id for decision in made}
    groups = {row.decision_id: row.group_key for row in rows if row.group_key and row.decision_id in numbers}
    first_of = _find_firsts_of_groups(connection, set(groups.values())) if groups else {}
    firsts = []
    for decision in made:
        first = first_on.get(decision.listing_id, decision)
        group = groups.get(decision.decision_id)
        firsts.append(
            FirstDecision(group and first_of[group], first.case_id, first.decision_id == decision.decision_id)
        )
    return firsts


def _find_firsts_of_groups(connection: Connection, groups: set[str]) -> dict[str, int]:
    query = select(decisions.c.group_key, func.min(decisions.c.decision_id)).where(decisions.c.group_key.in_(groups))
    return dict(connection.execute(query.group_by(decisions.c.group_key)).all())


@dataclass(frozen=True, slots=True)
class EnforcementContext:
    """One transaction's policy, keys, audit events to append, and messages to send."""

    batch: AuditBatch
    policy: EnforcementPolicy
    keys: Keyring
    drafts: list[outbox.Draft] = field(default_factory=list)

    @property
    def connection(self) -> Connection:
        """Connection of the transaction."""
        return self.batch.connection


@contextmanager
def open_context(
    batch: AuditBatch, policy: EnforcementPolicy, keys: Keyring, at: datetime
) -> Iterator[EnforcementContext]:
    """Open a context in the caller's transaction; write all messages at the end.

    Concurrent contexts wait here: all append to the audit trail, so its lock is taken first.
    """
    serialise(batch.connection, Lock.APPEND_TO_AUDIT)
    store_policy(batch.connection, policy, at)
    context = EnforcementContext(batch, policy, keys)
    yield context
    outbox.put_all(batch, context.drafts, keys)
