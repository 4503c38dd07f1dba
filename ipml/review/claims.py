"""Taking a case: a lease with a token that grows with every claim.

A reviewer who was away for too long cannot decide over the head of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, Row, select

from ipml.errors import AlreadyDecided, ClaimLost, Superseded
from ipml.records import Claim
from ipml.review.cases import change_case, find_case, is_held, note_deed
from ipml.review.exploration.turns import find_drawn, find_explored, find_left_to_people
from ipml.review.quality.conflicts import is_free_for, refuse_conflict
from ipml.review.quality.looks import Offer, find_held, find_look, find_look_of, give_back, hold
from ipml.review.quality.second_person import find_awaiting
from ipml.review.ranking.deadlines import find_due
from ipml.settings import Settings, get_settings
from ipml.storage.database import writing
from ipml.storage.tables import cases

Source = Callable[[Connection, str, datetime], "Row[Any] | Offer | None"]
"""Returns the row of the case that a reviewer should take at a moment, kept from other writers, or None."""


def claim(
    engine: Engine,
    reviewer: str,
    case_id: int | None = None,
    *,
    settings: Settings | None = None,
    now: datetime | None = None,
) -> Claim | None:
    """Take a case, so that nobody else works on it meanwhile.

    Parameters
    ----------
    reviewer : str
        Name of the user. Who claims a case that is already theirs gets a new claim, and the old one is void.
    case_id : int, optional
        Case to take, open or escalated; without it the next one, now and then one that is decided, for a further look,
        which the reviewer is not to know. Such a one can be claimed anew by its number.
    settings : Settings, default=those of the process
        How long the case is kept from others, and how often drawn ones and further looks come up.
    now : datetime, default=the clock

    Returns
    -------
    Claim or None
        None where somebody else holds the case, or no open case is left.

    Raises
    ------
    CaseNotFound, AlreadyDecided, Superseded
        The case asked for cannot be claimed by anybody.
    OwnListing, SamePerson
        It is not for this reviewer.
    """
    now, settings = now or datetime.now(UTC), settings or get_settings()
    with writing(engine) as connection:
        if case_id is None:
            offer = find_next(connection, reviewer, now, settings)
        else:
            offer = _find_named(connection, reviewer, case_id, now)
        return None if offer is None else _take(connection, offer, reviewer, now, settings)


def claim_ahead(
    engine: Engine, reviewer: str, *, settings: Settings | None = None, now: datetime | None = None
) -> Claim | None:
    """Take what comes before the ranked cases: a due one, one for a second person, a drawn one, a further look.

    For a reviewer who goes down the list by themselves: what this returns, if anything, is their next case.
    """
    now, settings = now or datetime.now(UTC), settings or get_settings()
    with writing(engine) as connection:
        offer = find_ahead(connection, reviewer, now, settings)
        return None if offer is None else _take(connection, offer, reviewer, now, settings)


def release(engine: Engine, claim: Claim, *, now: datetime | None = None) -> None:
    """Give a case back undecided; ClaimLost if it is no longer held under this claim."""
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        row = find_case(connection, claim.case_id, lock=True)
        look = find_held(connection, row, claim)
        if look is not None:
            give_back(connection, look, claim, now)
            return
        require_holder(row, claim)
        change_case(connection, claim.case_id, holder=None, lease_expires_at=None)
        note_deed(connection, claim.reviewer, "released", claim.case_id, now, token=claim.token)


def find_next(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return the case that a reviewer should take: what comes ahead, the best ranked, or a drawn one."""
    return find_ahead(connection, reviewer, now, settings) or _ask((find_best, find_drawn), connection, reviewer, now)


def find_ahead(connection: Connection, reviewer: str, now: datetime, settings: Settings) -> Offer | None:
    """Return what comes before the ranked cases, now and then: due, for a second person, a further look, drawn."""
    look = partial(find_look, settings=settings)
    drawn = partial(find_explored, share=settings.explore)
    return _ask((find_due, find_awaiting, look, drawn, find_left_to_people), connection, reviewer, now)


def _ask(sources: Sequence[Source], connection: Connection, reviewer: str, now: datetime) -> Offer | None:
    """Return what the first source gives that has something."""
    for source in sources:
        found = source(connection, reviewer, now)
        if found is not None:
            return found if isinstance(found, Offer) else Offer(found)
    return None


def _find_named(connection: Connection, reviewer: str, case_id: int, now: datetime) -> Offer | None:
    row = find_case(connection, case_id, lock=True)
    if is_held(row, now) and row.holder != reviewer:
        return None
    if row.state == "decided":
        look = find_look_of(connection, reviewer, case_id)
        if look is None:
            raise AlreadyDecided(case_id)
        return Offer(row, look)
    if row.state == "superseded":
        raise Superseded(case_id)
    refuse_conflict(connection, row, reviewer)
    return Offer(row)


def _take(connection: Connection, offer: Offer, reviewer: str, now: datetime, settings: Settings) -> Claim:
    """Make a claim on what was found; its token is greater than that of any claim on the case before."""
    case_id, token, until = offer.row.case_id, offer.row.token + 1, now + timedelta(minutes=settings.lease_minutes)
    if offer.look is not None:
        claim = Claim(case_id, reviewer, token, until, offer.look.look_id)
        change_case(connection, case_id, token=token)
        hold(connection, claim, now)
        return claim
    change_case(connection, case_id, holder=reviewer, token=token, lease_expires_at=until)
    note_deed(connection, reviewer, "claimed", case_id, now, token=token)
    return Claim(case_id, reviewer, token, until)


def find_best(connection: Connection, reviewer: str, now: datetime) -> Row[Any] | None:
    """Return the open case of the lowest rank that nobody holds, kept from other writers; drawn ones wait apart."""
    is_for_them = (
        cases.c.state == "open",
        cases.c.lane == "ranked",
        cases.c.exemplar.is_(None),
        is_free_for(reviewer, now),
    )
    query = select(cases).where(*is_for_them).order_by(cases.c.rank, cases.c.case_id)
    # On PostgreSQL this passes over what others are claiming just now, instead of waiting to find it gone.
    return connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()


def require_holder(row: Row[Any], claim: Claim) -> None:
    """Raise ClaimLost, AlreadyDecided or Superseded unless the case in a row is held under a claim."""
    if row.state == "decided":
        raise AlreadyDecided(claim.case_id)
    if row.state == "superseded":
        raise Superseded(claim.case_id)
    if row.token != claim.token or row.holder != claim.reviewer:
        raise ClaimLost(claim.case_id, "is no longer the one it is held under")
