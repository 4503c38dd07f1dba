"""Corrections: a wrong decision is taken back, and what is true is decided in its place, in one transaction.

Whatever followed from the wrong decision is undone with it, and labels export the new one. A correction is about one
listing. Near-duplicates to which the same decision was spread are of the same seller and look alike, yet one may be
genuine where the others are not: whoever corrects the decision says what becomes of them.
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
from ipml.review.reversals import Consequences, StoredDecision, find_decisions, find_reversible
from ipml.review.undo import reverse
from ipml.storage.tables import decisions


class NearDuplicates(StrEnum):
    """Choices for near-duplicates that were decided with a listing whose verdict is corrected."""

    QUEUE = "queue"
    """Back to the queue: the decisions on them are taken back, and people look at them again."""
    CORRECTED = "corrected"
    """Corrected as well: what is true of the listing is true of them."""
    STAND = "stand"
    """The decisions on them stand, with all that followed."""


@dataclass(frozen=True, slots=True)
class Correction:
    """Reversals and the decisions in their place: the case in question first, then its near-duplicates."""

    reversals: tuple[Reversal, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def n_queued(self) -> int:
        """How many near-duplicates went back to the queue."""
        return len(self.reversals) - len(self.decisions)


def correct(
    connection: Connection,
    decision_id: int,
    verdict: Verdict,
    by: str,
    why: str,
    at: datetime,
    *,
    origin: str,
    near_duplicates: NearDuplicates,
    consequences: Consequences | None,
) -> Correction:
    """Take a decision back and decide its case anew; do to the near-duplicates decided with it as is said.

    Parameters
    ----------
    why : str
        Goes into the reversal and the note; nothing in it may tell of the seller.
    origin : str
        "appeal" where a person decides, "deadline" where a term ran out.

    Raises
    ------
    Conflict
        The decision was taken back before, or its case was decided anew since.
    Forbidden
        The case is not for this person.
    """
    wanted = find_family(connection, decision_id)
    if near_duplicates is NearDuplicates.STAND:
        wanted = wanted[:1]
    locked = find_cases(connection, [row.case_id for row in wanted], lock=True)
    standing = find_reversible(connection, wanted)  # since they were locked, that is
    if not standing or standing[0].decision_id != decision_id:
        raise Conflict(f"decision {decision_id}", "it cannot be undone: it does not stand any more")
    n_corrected = 1 if near_duplicates is NearDuplicates.QUEUE else len(standing)
    corrected, queued = standing[:n_corrected], standing[n_corrected:]
    taken_back = reverse(connection, corrected, locked, by, why, at, consequences, decides_anew=True)
    taken_back += reverse(connection, queued, locked, by, f"{why} for a near-duplicate", at, consequences)
    made: list[Decision] = []
    for row in corrected:
        case = find_case(connection, row.case_id)
        content = (verdict, "", why, by, at)
        first = made[0].decision_id if made else None
        decision = Decision(0, row.case_id, case.listing_id, *content)
        how = Origin(origin, None, first)
        made += record_all(connection, [(case, decision)], None, None, how, consequences=consequences)
    return Correction(taken_back, tuple(made))


def find_family(connection: Connection, decision_id: int) -> list[StoredDecision]:
    """Return a decision and those on near-duplicates that came about with it, itself first."""
    found = find_decisions(connection, decisions.c.decision_id == decision_id, decision_id)
    if not found:
        return []
    (own,) = found
    root = own.spread_from or own.decision_id
    is_kin = or_(decisions.c.decision_id == root, decisions.c.spread_from == root)
    kin = find_decisions(connection, is_kin & (decisions.c.verdict == own.verdict))
    return [own, *(row for row in kin if row.decision_id != decision_id)]
