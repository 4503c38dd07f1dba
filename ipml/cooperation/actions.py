"""Cooperation: report each decision to the notifiers, in the transaction that decides; find who reported a listing.

`Cooperation` runs after enforcement (`ipml.enforcement.actions`). A listing was found by the platform's own search, by
a notice or by a trusted flagger. A notice counts if it was waiting for the case at the decision, even where a model had
found the listing first: both are recorded. Notices of suspended notifiers are not examined and do not count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, select

from ipml.cooperation.notices.outcomes import reopen, settle_decided
from ipml.cooperation.policy import CooperationPolicy
from ipml.cooperation.referrals.reported_findings import note_reversal
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import ReportSource
from ipml.records import Reversal
from ipml.review.reversals import CaseDecision
from ipml.storage.audit_trail.audit import AuditBatch
from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import notifier_kind_at
from ipml.storage.tables import cases, notice_items, notices, notifiers

_WEIGHT = {"other notification": 0, "notice": 1, "trusted flagger": 2}
# Built once: building this query takes longer than running it.
_WAITING = (
    select(notice_items.c.case_id, notices.c.kind, notifier_kind_at(notices.c.received_at).label("of"))
    .add_columns(notices.c.received_at, cases.c.enqueued_at, cases.c.score)
    .join(notices, notices.c.notice_id == notice_items.c.notice_id)
    .join(notifiers, notifiers.c.notifier_id == notices.c.notifier_id)
    .join(cases, cases.c.case_id == notice_items.c.case_id)
    .where(notice_items.c.case_id.in_(bindparam("case_ids", expanding=True)))
    .where(notice_items.c.state == "waiting", ~notices.c.is_suspended)
)


def find_sources(connection: Connection, case_ids: Sequence[int]) -> Mapping[int, ReportSource]:
    """Return who reported each case that a notice is waiting for; a trusted flagger comes before other notifiers."""
    found: dict[int, ReportSource] = {}
    for some in in_batches(case_ids):
        for row in connection.execute(_WAITING, {"case_ids": some}):
            was_found = row.score is not None and row.enqueued_at < row.received_at
            known = found.get(row.case_id)
            source = "notice" if row.kind == "counterfeit" else "other notification"
            source = row.of if row.of == "trusted flagger" else source
            if known is not None:
                source = max(source, known.source, key=_WEIGHT.__getitem__)
                was_found = was_found and known.is_detected  # before every notice
            found[row.case_id] = ReportSource(source, was_found)
    return found


class Cooperation:
    """Actions after a decision, under the policies of enforcement and of cooperation."""

    def __init__(self, enforcement: EnforcementPolicy, policy: CooperationPolicy) -> None:
        self.enforcement, self.policy = Enforcement(enforcement, find_sources), policy

    def apply_decisions(self, batch: AuditBatch, made: Sequence[CaseDecision], origin: str) -> None:
        """Apply enforcement, then settle the notices."""
        self.enforcement.apply_decisions(batch, made, origin)
        settle_decided(batch, made, self.policy.notifiers)

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Undo enforcement, send notifiers a correction, and note the referrals that reported the finding."""
        self.enforcement.apply_reversal(connection, reversal)
        reopen(connection, reversal, self.policy.notifiers)
        note_reversal(connection, reversal)
