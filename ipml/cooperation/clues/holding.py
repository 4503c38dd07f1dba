"""What is kept of the sellers that a clue found out is held while the clue is open: an erasure must not undo a case."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from ipml.enforcement.privacy.legal_holds import find_holds, hold_within, release_within
from ipml.storage.pseudonyms import find_pseudonym


def hold_for_clue(
    connection: Connection, reference: str, sellers: Iterable[str], *, until: datetime, by: str, now: datetime
) -> int:
    """Hold what is kept of sellers until a day, unless a hold on all of it lasts as long; return how many are held."""
    count = 0
    for seller_id in sorted(sellers):
        holds = find_holds(connection, find_pseudonym(connection, seller_id) or "", now)
        if not any(hold.case_id is None and hold.until >= until for hold in holds):
            hold_within(connection, seller_id, why=_why(reference), until=until, by=by, now=now)
        count += 1
    return count


def release_for_clue(
    connection: Connection, reference: str, pseudonyms: Iterable[str], *, by: str, now: datetime
) -> int:
    """End the holds that were placed for a clue, and no others; return how many."""
    found = [hold for pseudonym in sorted(pseudonyms) for hold in find_holds(connection, pseudonym, now)]
    ending = [hold for hold in found if hold.why == _why(reference)]
    if ending:
        release_within(connection, ending, by=by, now=now)
    return len(ending)


def _why(reference: str) -> str:
    return f"clue {reference}"
