"""From a decision to those who gave notice: told in the transaction that decides; and who pointed to a listing.

`Cooperation` does this after what enforcement does (`ipml.enforcement.actions`).

A listing was found by the platform's own search, by a notice, or by a trusted flagger. A notice counts where it
waited for the case when the case was decided, whether or not the listing was in the queue before. That a model had
found it first is told beside that, as both can be true. What came from a suspended notifier was not looked at, and
led to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, select

from ipml.cooperation.notices.outcomes import reopen, settle_decided
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.cooperation.referrals.reported_findings import note_reversal
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.enforcement.restrictions import ReportSource
from ipml.records import Reversal
from ipml.review.reversals import Made
from ipml.storage.database import in_batches
from ipml.storage.pseudonyms import notifier_kind_at
from ipml.storage.tables import cases, notice_items, notices, notifiers

_WEIGHT = {"other notification": 0, "notice": 1, "trusted flagger": 2}
# Made once, as making a query takes longer than asking it.
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
    """Return for cases that a notice waits for who gave it; of several a trusted flagger, before any other notifier.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     find_sources(connection, [1, 2])
    {}
    """
    found: dict[int, ReportSource] = {}
    for some in in_batches(case_ids):
        for row in connection.execute(_WAITING, {"case_ids": some}):
            was_found = row.score is not None and row.enqueued_at < row.received_at
            known = found.get(row.case_id)
            source = "notice" if row.kind == "counterfeit" else "other notification"
            source = row.of if row.of == "trusted flagger" else source
            if known is not None:
                source = max(source, known.source, key=_WEIGHT.__getitem__)
                was_found = was_found and known.is_detected  # before each of them, that is
            found[row.case_id] = ReportSource(source, was_found)
    return found


class Cooperation:
    """What follows from decisions, for sellers and for notifiers; see `ipml.review.reversals.Consequences`.

    Parameters
    ----------
    enforcement : EnforcementPolicy, default=the setting `policy_enforcement`
    policy : CooperationPolicy, default=the setting `policy_cooperation`
    """

    def __init__(self, enforcement: EnforcementPolicy | None = None, policy: CooperationPolicy | None = None) -> None:
        self.enforcement = Enforcement(enforcement or load_enforcement_policy(), find_sources)
        self.policy = policy or load_cooperation_policy()

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Let enforcement follow, then settle the notices."""
        self.enforcement.follow_decisions(connection, made, origin)
        settle_decided(connection, made, self.policy.notifiers)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Let enforcement undo, tell notifiers that what they were told no longer holds, and note the referrals."""
        self.enforcement.follow_reversal(connection, reversal)
        reopen(connection, reversal, self.policy.notifiers)
        note_reversal(connection, reversal)
