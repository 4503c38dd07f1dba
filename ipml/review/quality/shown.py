"""What of a case a user may see: a further look must look like an ordinary case, and a second person see no first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.records import Claim
from ipml.review.cases import find_case, is_held, subject_of
from ipml.review.quality.looks import find_look_of
from ipml.review.quality.opinions import find_halves
from ipml.storage import audit
from ipml.storage.database import reading
from ipml.storage.tables import looks

_SYSTEM = "ipml"  # the actor of what no person did


@dataclass(frozen=True, slots=True)
class ShownCase:
    """How the page shows a case to a user.

    Attributes
    ----------
    state : str
        "open" where the user has a further look at it, whatever it is.
    hides_history : bool
        Whether decisions and deeds are kept from the user.
    claim : Claim or None
        The live claim that the user has on it.
    """

    state: str
    hides_history: bool
    claim: Claim | None


def shown_state(engine: Engine, user_name: str, case_id: int, *, now: datetime | None = None) -> ShownCase:
    """Return how a case is shown to a user; CaseNotFound if there is none.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing
    >>> from ipml.review.intake import enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag, mirror quality"), 0.9, 2.2, (), (), None, "2024-05")
    >>> _ = enqueue(engine, [bag])
    >>> shown_state(engine, "ana", 1)
    ShownCase(state='open', hides_history=False, claim=None)
    """
    now = now or datetime.now(UTC)
    with reading(engine) as connection:
        row = find_case(connection, case_id)
        look = find_look_of(connection, user_name, case_id) if row.state == "decided" else None
        if look is not None:
            return ShownCase("open", True, _claim_of(look, case_id, now, look.look_id))
        hides = row.state != "decided" and _is_halfway(connection, case_id, user_name)
        claim = _claim_of(row, case_id, now) if row.holder == user_name else None
        return ShownCase(row.state, hides, claim)


def find_hidden(engine: Engine, user_name: str) -> frozenset[int]:
    """Return the decided cases that a user has a further look at, so that what followed is kept from them."""
    query = select(looks.c.case_id).where(looks.c.holder == user_name, looks.c.ended_at.is_(None))
    with reading(engine) as connection:
        return frozenset(connection.scalars(query))


def shown_history(engine: Engine, user_name: str, case_id: int) -> list[audit.AuditRow]:
    """Return what was done to a case, as far as a user may see it; CaseNotFound if there is none.

    Where others' deeds are kept from them it is what came by itself and what they did, as of a case new to all. Of
    one's claims in a row only the last is shown: how often a page claims must not tell one sort of case from another.
    """
    with reading(engine) as connection:
        row = find_case(connection, case_id)
        deeds = audit.list_rows(connection, subject_of(case_id))
        look = find_look_of(connection, user_name, case_id) if row.state == "decided" else None
        if look is not None:
            came = [deed for deed in deeds if deed.actor == _SYSTEM]
            deeds = came + audit.list_rows(connection, f"look:{look.look_id}")
        elif row.state != "decided" and _is_halfway(connection, case_id, user_name):
            deeds = [deed for deed in deeds if deed.actor in (_SYSTEM, user_name)]
    following = [(deed.actor, deed.action) for deed in deeds[1:]]
    return [
        deed
        for deed, after in zip(deeds, [*following, None], strict=True)
        if deed.action != "claimed" or (deed.actor, deed.action) != after
    ]


def _is_halfway(connection: Connection, case_id: int, user_name: str) -> bool:
    """Say whether one of two verdicts was given, and by another."""
    halves = find_halves(connection, [case_id])[case_id]
    return len(halves) == 1 and halves[0].reviewer != user_name


def _claim_of(row: Row[Any], case_id: int, now: datetime, look_id: int | None = None) -> Claim | None:
    if row.lease_expires_at is None or not is_held(row, now):
        return None
    return Claim(case_id, row.holder, row.token, row.lease_expires_at, look_id)
