"""Corrections: a wrong decision is taken back and its case decided correctly, in one transaction.

Everything that followed from the wrong decision is undone with it; labels export the new decision. A correction is
about one listing: near-duplicates decided with it look alike but may differ, so the caller chooses what to do with
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, or_

from ipml.errors import Conflict
from ipml.records import Decision, Reversal, Verdict
from ipml.review.cases import find_case, find_cases
from ipml.review.decisions import Origin, record_all
from ipml.review.reversals import DecisionActions, ReviewContext, StoredDecision, find_decisions, find_reversible
from ipml.review.undo import ReversalOrder, reverse
from ipml.storage.tables import decisions


class NearDuplicates(StrEnum):
    """Choices for near-duplicates that were decided together with a corrected listing."""

    QUEUE = "queue"
    """Take the decisions on them back; people review them again."""
    CORRECTED = "corrected"
    """Correct them like the listing."""
    STAND = "stand"
    """Keep the decisions on them, with all actions."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Reversals and replacing decisions: the case in question first, then its near-duplicates."""

    reversals: tuple[Reversal, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def n_queued(self) -> int:
        """Near-duplicates that went back to the queue."""
        return len(self.reversals) - len(self.decisions)


@dataclass(frozen=True, slots=True)
class CorrectionRequest:
    """The verdict that replaces a wrong one.

    `why` goes into the reversal and the note, so it must not identify the seller. `origin` is "appeal" if a person
    decides, "deadline" if a deadline passed.
    """

    verdict: Verdict
    by: str
    why: str
    at: datetime
    origin: str
    near_duplicates: NearDuplicates


def correct(
    connection: Connection, decision_id: int, request: CorrectionRequest, actions: DecisionActions | None
) -> Correction:
    """Take a decision back and decide its case anew.

    Raises Conflict if the decision was taken back before, or its case was decided anew since; Forbidden if the case is
    not for this person.
    """
    family = find_family(connection, decision_id)
    if request.near_duplicates is NearDuplicates.STAND:
        family = family[:1]
    locked = find_cases(connection, [row.case_id for row in family], lock=True)
    standing = find_reversible(connection, family)  # as of the locks
    if not standing or standing[0].decision_id != decision_id:
        raise Conflict(f"decision {decision_id}", "it cannot be undone: it is no longer in force")
    n_corrected = 1 if request.near_duplicates is NearDuplicates.QUEUE else len(standing)
    corrected, queued = standing[:n_corrected], standing[n_corrected:]
    by, why, at = request.by, request.why, request.at
    taken_back = reverse(connection, corrected, locked, ReversalOrder(by, why, at, actions, decides_anew=True))
    taken_back += reverse(connection, queued, locked, ReversalOrder(by, f"{why} for a near-duplicate", at, actions))
    made: list[Decision] = []
    for row in corrected:
        case = find_case(connection, row.case_id)
        decision = Decision(0, row.case_id, case.listing_id, request.verdict, "", why, by, at)
        origin = Origin(request.origin, spread_from=made[0].decision_id if made else None)
        made += record_all(connection, [(case, decision)], origin, ReviewContext(actions=actions))
    return Correction(taken_back, tuple(made))


def find_family(connection: Connection, decision_id: int) -> list[StoredDecision]:
    """Return a decision, then the decisions on near-duplicates that were made with it."""
    found = find_decisions(connection, decisions.c.decision_id == decision_id, decision_id)
    if not found:
        return []
    (own,) = found
    root = own.spread_from or own.decision_id
    is_kin = or_(decisions.c.decision_id == root, decisions.c.spread_from == root)
    kin = find_decisions(connection, is_kin & (decisions.c.verdict == own.verdict))
    return [own, *(row for row in kin if row.decision_id != decision_id)]
