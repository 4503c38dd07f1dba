"""From a decision to all that follows from it, in one transaction: either all of it is kept, or none.

`enforcing` binds this to a database; from then on no way to a decision (alone, in bulk, by spreading, by a policy, by
an appeal) goes without.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, Engine

from ipml.enforcement.appeals.deciding import why_lifted
from ipml.enforcement.decided import Decided, read_decided
from ipml.enforcement.evidence.pieces import keep_all_evidence
from ipml.enforcement.ledger.stakes import keep_all_stakes
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.ladder import climb_all
from ipml.enforcement.penalties.strikes import add_strikes, take_back
from ipml.enforcement.policy import EnforcementPolicy, keep_policy, load_enforcement_policy
from ipml.enforcement.restrictions import Restriction, Source
from ipml.enforcement.statements.statements import issue, issue_all, tell_lifted
from ipml.enforcement.takedown import changes
from ipml.enforcement.takedown.changes import impose_all, make_restriction
from ipml.records import Reversal, Verdict
from ipml.review.consequences import Made, bind
from ipml.storage.keyrings import Keyring

BY_POLICY = "policy"
"""The origin of decisions that a policy made, and no person."""


def enforcing(engine: Engine, policy: EnforcementPolicy | None = None) -> Engine:
    """Return the same database, in which decisions are followed by what the policy says.

    Parameters
    ----------
    policy : EnforcementPolicy, default=the setting `enforcement`

    Examples
    --------
    >>> from ipml.enforcement.takedown.measures import find_measures
    >>> from ipml.records import Listing, ScoredListing, Verdict
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> engine = enforcing(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag, mirror"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> decision = decide(engine, claim(engine, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    >>> with reading(engine) as connection:
    ...     [measure.kind.value for measure in find_measures(connection, decision_id=decision.decision_id)]
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
        """Keep the evidence; where the listing is counterfeit, take it down, say why, and count a strike.

        Decisions made together are followed together, stage by stage, as if it were done one after the other.
        """
        closing = [(case, decision) for case, decision in made if decision.verdict is not Verdict.ESCALATE]
        if not closing:
            return
        digest = keep_policy(connection, self.policy, closing[0][1].decided_at)
        found = [case.case_id for case, decision in closing if decision.verdict is Verdict.COUNTERFEIT]
        decided, keys = read_decided(connection, closing, self.sources(connection, found))
        keep_all_evidence(connection, decided, keys, origin, digest)
        if against := [one for one in decided if one.decision.verdict is Verdict.COUNTERFEIT]:
            self._enforce(connection, against, keys, is_automatic=origin == BY_POLICY)

    def _enforce(self, connection: Connection, found: Sequence[Decided], keys: Keyring, *, is_automatic: bool) -> None:
        """Do what follows where listings are counterfeit."""
        kind = self.policy.automatic.measure if is_automatic else None
        imposed = impose_all(connection, found, self.policy, keys, kind=kind, is_automatic=is_automatic)
        taken_down = [(measure, one, one.scored.listing) for measure, one in zip(imposed, found, strict=True)]
        stakes = [(measure.measure_id, one.case, listing, measure.imposed_at) for measure, one, listing in taken_down]
        keep_all_stakes(connection, stakes, self.policy)
        stated = [make_restriction(measure, listing, one.decision.ground) for measure, one, listing in taken_down]
        issue_all(connection, stated, self.policy, keys)
        strikes = add_strikes(connection, found, self.policy)
        penalties = climb_all(connection, strikes, self.policy, keys)
        issue_all(connection, ladder.restrictions_of(connection, penalties), self.policy, keys)

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Put the listing back, take the strike back and what it alone led to, and tell the seller of all of it."""
        deed = (reversal.reviewer, reversal.why, reversal.reversed_at)
        why = why_lifted(reversal.why)
        ended: list[Restriction] = []
        for measure in changes.lift(connection, reversal.decision_id, *deed):
            ended.append(changes.restriction_of(connection, measure))
        taken = take_back(connection, reversal.decision_id, *deed)
        ended += ladder.restrictions_of(connection, taken.ended)
        for restriction in ended:
            tell_lifted(connection, restriction, why, reversal.reversed_at, self.policy)
        for restriction in ladder.restrictions_of(connection, taken.imposed):
            issue(connection, restriction, self.policy)
