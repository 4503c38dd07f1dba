"""From a decision to all that follows from it, in one transaction: either all of it is kept, or none.

`enforcing` binds this to a database; from then on no way to a decision (alone, in bulk, by spreading, by a policy, by
an appeal) goes without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Row

from ipml.enforcement.appeals.deciding import why_lifted
from ipml.enforcement.evidence.keeping import keep_evidence
from ipml.enforcement.ledger.stakes import keep_stakes
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.strikes import add_strike, take_back
from ipml.enforcement.policy import EnforcementPolicy, keep_policy, load_enforcement_policy
from ipml.enforcement.restrictions import OWN, Restriction, Source
from ipml.enforcement.statements.statements import issue, tell_lifted
from ipml.enforcement.takedown import measures
from ipml.records import Decision, Reversal, Verdict
from ipml.review.consequences import Made, bind

BY_POLICY = "policy"
"""The origin of decisions that a policy made, and no person."""


def enforcing(engine: Engine, policy: EnforcementPolicy | None = None) -> Engine:
    """Return the same database, in which decisions are followed by what the policy says.

    Parameters
    ----------
    policy : EnforcementPolicy, default=the setting `enforcement`

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing, Verdict
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> engine = enforcing(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag, mirror"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> decision = decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    >>> with reading(engine) as connection:
    ...     [measure.kind.value for measure in measures.find_measures(connection, decision_id=decision.decision_id)]
    ['remove']
    """
    return bind(engine, Enforcement(policy or load_enforcement_policy()))


Sources = Callable[[Connection, Sequence[int]], Mapping[int, Source]]
"""Tells of cases, by number, who pointed to them; a case it does not name was found by the platform itself."""


def _nobody(_connection: Connection, _case_ids: Sequence[int]) -> Mapping[int, Source]:
    return {}


class Enforcement:
    """What follows from decisions under a policy; see `ipml.review.consequences.Consequences`.

    Parameters
    ----------
    sources : callable, optional
        Tells who gave notice of which cases; without it nobody did.
    """

    def __init__(self, policy: EnforcementPolicy, sources: Sources = _nobody) -> None:
        self.policy, self.sources = policy, sources

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Keep the evidence; where the listing is counterfeit, take it down, say why, and count a strike."""
        found = [case.case_id for case, decision in made if decision.verdict is Verdict.COUNTERFEIT]
        sources = self.sources(connection, found)
        for case, decision in made:
            self._follow(connection, case, decision, origin, sources.get(case.case_id, OWN))

    def _follow(self, connection: Connection, case: Row[Any], decision: Decision, origin: str, source: Source) -> None:
        if decision.verdict is Verdict.ESCALATE:
            return
        digest = keep_policy(connection, self.policy, decision.decided_at)
        keep_evidence(connection, case, decision, origin, digest)
        if decision.verdict is not Verdict.COUNTERFEIT:
            return
        is_automatic = origin == BY_POLICY
        kind = self.policy.automatic.measure if is_automatic else None
        measure = measures.impose(
            connection, case, decision, self.policy, kind=kind, is_automatic=is_automatic, source=source
        )
        keep_stakes(connection, measure.measure_id, case, decision.decided_at, self.policy)
        issue(connection, measures.restriction_of(connection, measure), self.policy)
        strike = add_strike(connection, case, decision, self.policy)
        for penalty in ladder.climb(connection, strike, self.policy):
            issue(connection, ladder.restriction_of(connection, penalty), self.policy)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Put the listing back, take the strike back and what it led to, and tell the seller of both."""
        deed = (reversal.reviewer, reversal.why, reversal.reversed_at)
        why = why_lifted(reversal.why)
        ended: list[Restriction] = []
        for measure in measures.lift(connection, reversal.decision_id, *deed):
            ended.append(measures.restriction_of(connection, measure))
        for penalty in take_back(connection, reversal.decision_id, *deed):
            ended.append(ladder.restriction_of(connection, penalty))
        for restriction in ended:
            tell_lifted(connection, restriction, why, reversal.reversed_at, self.policy)
