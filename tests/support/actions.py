"""Actions after decisions in tests: all that ipml does, or one part of it."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, update

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.context import DecidedCase, EnforcementContext, find_firsts, open_context, read_decided
from ipml.enforcement.evidence.pieces import store_evidence
from ipml.enforcement.ledger import store_stakes
from ipml.enforcement.penalties.ladder import escalate
from ipml.enforcement.penalties.strikes import add_strikes, take_back
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import impose, insert_measures, lift, want_measure
from ipml.enforcement.takedown.measures import ChosenMeasure
from ipml.records import Decision, Reversal, Verdict
from ipml.review.reversals import CaseDecision, ReviewContext
from ipml.storage.audit_trail.audit import AuditBatch
from ipml.storage.tables import measures

POLICY = load_enforcement_policy()


class _Following:
    """Does what follows from decisions that were made together, those that say that a listing is counterfeit."""

    def __init__(self, policy: EnforcementPolicy = POLICY) -> None:
        self.policy = policy

    def apply_decisions(self, batch: AuditBatch, made: Sequence[CaseDecision], origin: str) -> None:
        """Follow those that are concerned."""
        if concerned := [one for one in made if self.concerns(one[1])]:
            decided, keys = read_decided(batch.connection, concerned, origin, {})
            with open_context(batch, self.policy, keys, concerned[0][1].decided_at) as context:
                self.act(context, decided)

    def concerns(self, decision: Decision) -> bool:
        """Say whether a decision is followed."""
        return decision.verdict is Verdict.COUNTERFEIT

    def act(self, context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
        """Do what follows."""
        raise NotImplementedError


def strike(context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
    """Count a strike for each decision, and climb."""
    escalate(context, add_strikes(context, decided, find_firsts(context.connection, [one.decision for one in decided])))


class Keeping(_Following):
    """Action on a decision that closes a case: evidence is stored."""

    def concerns(self, decision: Decision) -> bool:
        """Say whether it closes a case."""
        return decision.verdict is not Verdict.ESCALATE

    def act(self, context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
        """Keep evidence."""
        store_evidence(context, decided)

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Do nothing."""


class Measures(_Following):
    """Actions after decisions here."""

    def act(self, context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
        """Impose what the policy says."""
        impose(context, decided, find_firsts(context.connection, [one.decision for one in decided]))

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift it."""
        lift(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


class Striking(_Following):
    """Counts a strike for each listing found counterfeit, and nothing else."""

    def act(self, context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
        """Count strikes, and climb."""
        strike(context, decided)

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Take the strike back."""
        take_back(connection, reversal.decision_id, reversal.reviewer, reversal.why, reversal.reversed_at)


class TakingDown(_Following):
    """Takes each listing down that is found counterfeit, as measures are kept, and lifts what was taken back."""

    def act(self, context: EnforcementContext, decided: Sequence[DecidedCase]) -> None:
        """Keep a measure and its stakes."""
        remove = ChosenMeasure(MeasureKind.REMOVE, "")
        for one in decided:
            wanted = want_measure(one, context.policy, remove).measure
            (number,) = insert_measures(context.connection, [(wanted, "")], context.keys)
            measure = replace(wanted, measure_id=number)
            store_stakes(context.connection, [(measure, one.case, one.listing)], context.policy)

    def apply_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Lift the measure."""
        lifted = {"lifted_by": reversal.reviewer, "lifted_at": reversal.reversed_at}
        connection.execute(update(measures).where(measures.c.decision_id == reversal.decision_id).values(lifted))


KEEPING, MEASURES = Keeping(), Measures()
ENFORCEMENT, COOPERATION = Enforcement(POLICY), Cooperation(POLICY, load_cooperation_policy())
"""All that ipml does under the policies that come with it, without notices and with them."""
KEEPING_EVIDENCE, TAKING_DOWN, ENFORCING, COOPERATING = (
    ReviewContext(actions=one) for one in (KEEPING, MEASURES, ENFORCEMENT, COOPERATION)
)
APPEAL_RULES = POLICY.appeals
ENFORCED_APPEALS, COOPERATING_APPEALS = (AppealContext(POLICY, one) for one in (ENFORCEMENT, COOPERATION))
