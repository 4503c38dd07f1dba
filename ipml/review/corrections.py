"""Putting a wrong decision right: it is taken back, and what is true is decided in its place, in one transaction.

Whatever followed from the wrong decision is undone with it, and labels export the new one. Near-duplicates to which
the same decision was spread are the same offer of the same seller, so they are put right with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, or_

from ipml.errors import CannotUndo
from ipml.records import Decision, Reversal, Verdict
from ipml.review.cases import find_case, find_cases
from ipml.review.decisions import Origin, record
from ipml.review.reversals import find_decisions, is_reversible, reverse
from ipml.storage.tables import decisions


@dataclass(frozen=True, slots=True)
class Correction:
    """What was taken back and what was decided instead: the case in question first, then its near-duplicates."""

    reversals: tuple[Reversal, ...]
    decisions: tuple[Decision, ...]


def correct(
    connection: Connection, decision_id: int, verdict: Verdict, by: str, why: str, at: datetime, *, origin: str
) -> Correction:
    """Take a decision back and decide its case anew; on appeal with the near-duplicates that were decided with it.

    Parameters
    ----------
    why : str
        Goes into the reversal and the note; nothing in it may tell of the seller.
    origin : str
        "appeal" where a person decides what holds for the near-duplicates, too; "clock" where a term ran out.

    Raises
    ------
    CannotUndo
        The decision was taken back before, or its case was decided anew since.
    OwnListing, SamePerson
        The case is not for this person.
    """
    wanted = find_family(connection, decision_id)[: None if origin == "appeal" else 1]
    locked = find_cases(connection, [row.case_id for row in wanted], lock=True)
    standing = [row for row in wanted if is_reversible(connection, row)]  # since they were locked, that is
    if not standing or standing[0].decision_id != decision_id:
        raise CannotUndo(decision_id, "it does not stand any more")
    reversals = reverse(connection, standing, locked, by, why, at)
    made: list[Decision] = []
    for row in standing:
        case = find_case(connection, row.case_id)
        content = (verdict, "", why, by, at)
        first = made[0].decision_id if made else None
        decision = Decision(0, row.case_id, row.listing_id, *content)
        made.append(record(connection, case, decision, None, None, Origin(origin, None, first)))
    return Correction(reversals, tuple(made))


def find_family(connection: Connection, decision_id: int) -> Sequence[Row[Any]]:
    """Return a decision and those on near-duplicates that came about with it, itself first."""
    found = find_decisions(connection, decisions.c.decision_id == decision_id, decision_id)
    if not found:
        return []
    (own,) = found
    root = own.spread_from or own.decision_id
    is_kin = or_(decisions.c.decision_id == root, decisions.c.spread_from == root)
    kin = find_decisions(connection, is_kin & (decisions.c.verdict == own.verdict))
    return [own, *(row for row in kin if row.decision_id != decision_id)]
