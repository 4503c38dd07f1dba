"""From a decision to those who gave notice: told in the transaction that decides.

`cooperating` binds this to a database together with what enforcement does (`ipml.enforcement.actions`).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from ipml.cooperation.notices.outcomes import reopen, settle_decided
from ipml.cooperation.notices.sources import find_sources
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.records import Reversal
from ipml.review.consequences import Made, bind


def cooperating(
    engine: Engine, enforcement: EnforcementPolicy | None = None, policy: CooperationPolicy | None = None
) -> Engine:
    """Return the same database, in which decisions have their consequences, and notifiers learn of them.

    Parameters
    ----------
    enforcement : EnforcementPolicy, default=the setting `enforcement`
    policy : CooperationPolicy, default=the setting `cooperation`
    """
    enforcing = Enforcement(enforcement or load_enforcement_policy(), find_sources)
    return bind(engine, Cooperation(enforcing, policy or load_cooperation_policy()))


class Cooperation:
    """What follows from decisions, for sellers and for notifiers; see `ipml.review.consequences.Consequences`."""

    def __init__(self, enforcement: Enforcement, policy: CooperationPolicy) -> None:
        self.enforcement, self.policy = enforcement, policy

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Let enforcement follow, then settle the notices."""
        self.enforcement.follow_decisions(connection, made, origin)
        settle_decided(connection, made, self.policy.notifiers)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Let enforcement undo, then tell notifiers that what they were told no longer holds."""
        self.enforcement.follow_reversal(connection, reversal)
        reopen(connection, reversal, self.policy.notifiers)
