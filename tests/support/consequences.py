"""What follows from decisions in tests: all that ipml does, or one part of it and nothing else."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, update

from ipml.cooperation.consequences import Cooperation
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.evidence.pieces import store_evidence
from ipml.enforcement.ledger import store_stakes
from ipml.enforcement.penalties.ladder import climb
from ipml.enforcement.penalties.strikes import add_strike, take_back
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy, store_policy
from ipml.enforcement.takedown.changes import impose, lift
from ipml.records import Decision, Reversal, Verdict
from ipml.review.reversals import Made
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import measures

POLICY = "5e" * 32


class _OneByOne:
    """Follows decisions that were made together one after the other."""

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Follow each."""
        for case, decision in made:
            self.follow(connection, case, decision, origin)

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Do what follows from one."""
        raise NotImplementedError


class Keeping(_OneByOne):
    """What follows from a decision that closes a case: its evidence is kept."""

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Keep evidence."""
        if decision.verdict is not Verdict.ESCALATE:
            store_evidence(connection, case, decision, origin, POLICY)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Do nothing."""


class Measures(_OneByOne):
    """What follows from decisions here."""

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Impose what the policy says."""
        if decision.verdict is Verdict.COUNTERFEIT:
            impose(connection, case, decision, load_enforcement_policy())

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift it."""
        lift(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


class Striking(_OneByOne):
    """Counts a strike for each listing found counterfeit, and nothing else."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self.policy = policy

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Count a strike, and climb."""
        if decision.verdict is Verdict.COUNTERFEIT:
            climb(connection, add_strike(connection, case, decision, self.policy), self.policy)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Take the strike back."""
        take_back(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


class TakingDown(_OneByOne):
    """Takes each listing down that is found counterfeit, as measures are kept, and lifts what was taken back."""

    def __init__(self, policy: EnforcementPolicy) -> None:
        self.policy = policy

    def follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str) -> None:
        """Keep a measure and its stakes."""
        if decision.verdict is not Verdict.COUNTERFEIT:
            return
        at = decision.decided_at
        columns = {
            "decision_id": decision.decision_id,
            "case_id": case.case_id,
            "pseudonym": pseudonym_of(connection, case.seller_id, now=at),
            "kind": "remove",
            "territories": "",
            "policy_digest": store_policy(connection, self.policy, at),
            "imposed_by": decision.reviewer,
            "imposed_at": at,
        }
        number = connection.scalars(insert(measures).values(columns).returning(measures.c.measure_id)).one()
        store_stakes(connection, number, case, at, self.policy)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift the measure."""
        lifted = {"lifted_by": reversal.reviewer, "lifted_at": reversal.reversed_at}
        connection.execute(update(measures).where(measures.c.decision_id == reversal.decision_id).values(lifted))


KEEPING, MEASURES = Keeping(), Measures()
ENFORCEMENT, COOPERATION = Enforcement(), Cooperation()
"""All that ipml does under the policies that come with it, without notices and with them."""
