"""Near-duplicates of one seller: the first of them is reviewed, the others wait for it.

A case that comes in and is the same offer as one of the seller's that waits for review, its exemplar, joins it (see
`joining`). An open case whose `exemplar` is set is not shown. Whenever the exemplar is decided, the verdict either
spreads to it (see `spread`), or one of those that are left becomes the exemplar of the others.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, func, select, update

from ipml.errors import CaseNotFound
from ipml.records import Case, Listing
from ipml.review.cases import LARGEST_NUMBER, count_waiting, find_cases, make_case
from ipml.review.clusters.bands import find_kept, find_room, keep
from ipml.review.clusters.likeness import Look, make_look
from ipml.review.clusters.signatures import make_bands, sign
from ipml.review.snapshot import decode
from ipml.storage.database import reading
from ipml.storage.tables import cases

LARGEST_SCORE_STEP = 0.05
"""A case that scores higher than its exemplar by more than this is shown itself: it must not wait behind others."""

_MOST_COUNTED = 20
_IS_WAITING = cases.c.exemplar.in_(bindparam("numbers", expanding=True)), cases.c.state == "open"
_WAITING = select(cases.c.case_id).where(*_IS_WAITING)


def show_overtakers(connection: Connection, rescored: Collection[int]) -> None:
    """Let cases stand for themselves that now score higher than their exemplar, after these were rescored."""
    exemplars = cases.alias()
    higher = (
        select(exemplars.c.case_id)
        .where(exemplars.c.case_id == cases.c.exemplar)
        .where(func.coalesce(cases.c.score, -1) > func.coalesce(exemplars.c.score, -1) + LARGEST_SCORE_STEP)
    )
    for concerned in (cases.c.case_id, cases.c.exemplar):
        query = update(cases).where(concerned.in_(rescored), cases.c.state == "open", higher.exists())
        connection.execute(query.values(exemplar=None))


def move_forward(connection: Connection, counted: Mapping[int, int]) -> None:
    """Move cases forward in the queue by the number of those that wait for them: one decision settles them all.

    A rank that is the smaller the better is multiplied by the number of listings, at most 20: to look through more
    takes longer, too. Ranks of 0 or more, such as those of first in, first out, stay.

    Parameters
    ----------
    counted : mapping of int to int
        By case how many of those that wait are in its rank already: none where it was just ranked.
    """
    waiting = count_waiting(connection, counted)
    rows = [
        {"moved": case_id, "factor": min(1 + n_waiting, _MOST_COUNTED) / min(1 + counted[case_id], _MOST_COUNTED)}
        for case_id, n_waiting in waiting.items()
    ]
    if rows:
        query = update(cases).where(cases.c.case_id == bindparam("moved"), cases.c.rank < 0)
        connection.execute(query.values(rank=cases.c.rank * bindparam("factor", type_=cases.c.rank.type)), rows)


def lock_cluster(connection: Connection, case_id: int) -> Row[Any]:
    """Return the row of a case, which with the open ones that wait for it is kept from other writers from now on.

    Raises
    ------
    CaseNotFound
    """
    row = lock_clusters(connection, [case_id]).get(case_id) if 0 < case_id <= LARGEST_NUMBER else None
    if row is None:
        raise CaseNotFound(case_id)
    return row


def lock_clusters(connection: Connection, case_ids: Collection[int]) -> dict[int, Row[Any]]:
    """Return the rows of cases and of the open ones that wait for them, kept from other writers."""
    asked = {"numbers": list(case_ids)}
    locked = find_cases(connection, {*case_ids, *connection.scalars(_WAITING, asked)}, lock=True)
    # Whoever joined while this waited for the exemplar is there now; nobody can join any more.
    late = set(connection.scalars(_WAITING, asked)) - locked.keys()
    return locked | find_cases(connection, late, lock=True)


def hand_over(connection: Connection, case_id: int) -> None:
    """Make the first of the open cases that wait for a case the exemplar of the others; lock them before."""
    hand_over_all(connection, [case_id])


def hand_over_all(connection: Connection, case_ids: Sequence[int], passed_on: Collection[int] = ()) -> None:
    """Do what `hand_over` does for cases that are decided one after the other, though all of them are open yet.

    None of them becomes the exemplar of others once its turn has come.

    Parameters
    ----------
    passed_on : collection of int
        Those of them that go to a lead, for which the others go on waiting.
    """
    waiting = select(cases.c.exemplar).where(cases.c.exemplar.in_(case_ids), cases.c.state == "open").distinct()
    exemplars = set(connection.scalars(waiting))
    gone: list[int] = []
    for case_id in case_ids:
        gone.append(case_id)
        is_decided = case_id in exemplars and case_id not in passed_on
        if is_decided and (heir := _hand_over(connection, case_id, gone)):
            exemplars.add(heir)


def _hand_over(connection: Connection, case_id: int, gone: Collection[int]) -> int | None:
    is_waiting = (cases.c.exemplar == case_id, cases.c.state == "open", cases.c.case_id.not_in(gone))
    query = select(cases).where(*is_waiting).order_by(cases.c.rank, cases.c.case_id)
    heir = connection.execute(query.limit(1)).first()
    if heir is None:
        return None
    connection.execute(update(cases).where(*is_waiting).values(exemplar=heir.case_id))
    show(connection, [heir.case_id])
    scored = decode(heir.snapshot)
    look = make_look(scored)
    numbers = seller_bands(scored.listing, look, sign(look.shingles))
    kept = find_kept(connection, numbers)
    keep(connection, [(heir.case_id, find_room(kept, heir.case_id, numbers))])
    move_forward(connection, {heir.case_id: 0})
    number: int = heir.case_id
    return number


def show(connection: Connection, case_ids: Collection[int]) -> None:
    """Let cases stand for themselves from now on."""
    connection.execute(update(cases).where(cases.c.case_id.in_(case_ids)).values(exemplar=None))


def seller_bands(listing: Listing, look: Look, signature: tuple[int, ...]) -> tuple[int, ...]:
    """Return the bands under which a case is found by copies of its seller; none where it has no price."""
    if listing.price is None:
        return ()
    scope = f"seller {listing.seller_id}\0{look.brand}\0{listing.currency}"
    return make_bands(scope, signature, look.image_hash)


def list_alike(engine: Engine, case_id: int, limit: int = 50, *, now: datetime | None = None) -> list[Case]:
    """Return the open cases that wait for a case, the most suspicious first."""
    query = select(cases).where(cases.c.exemplar == case_id, cases.c.state == "open")
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(cases.c.rank, cases.c.case_id).limit(limit))
        return [make_case(row, now or datetime.now(UTC)) for row in rows]
