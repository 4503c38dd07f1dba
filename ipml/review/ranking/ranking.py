"""In which order the queue is worked: by score, by value per minute of review, or first in, first out.

Which order is in force, under which policy, is a row of `rankings`; the last one counts, and cases that come in are
ranked by it at once. Changing it is `rerank`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, cast

from sqlalchemy import ColumnElement, Connection, Engine, Row, bindparam, insert, select, update

from ipml.records import Listing
from ipml.review.cases import PENDING
from ipml.review.clusters.clusters import move_forward
from ipml.review.ranking.policy import Policy, load_policy, parse_policy
from ipml.review.ranking.usual import Counting
from ipml.review.ranking.worth import Usual, Worth, weigh
from ipml.review.snapshot import decode_listing
from ipml.storage import audit
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import cases, rankings, to_microseconds

_BATCH_SIZE = 1000
_SAMPLE_SIZE = 20_000  # cases the medians are taken over: the newest
_LAST_RANK = 1.0  # comes after every score, which ranks at minus itself


class Order(StrEnum):
    """By what the queue is sorted."""

    SCORE = "score"
    VALUE = "value"
    FIFO = "fifo"


@dataclass(frozen=True, slots=True)
class Ranking:
    """An order, and the policy and medians that values are reckoned by.

    Attributes
    ----------
    ranking_id : int or None
        Number of its row; None for what holds until somebody chooses.
    """

    ranking_id: int | None
    order: Order
    policy: Policy
    usual: Usual


def current_ranking(connection: Connection) -> Ranking:
    """Return the ranking in force: the last one chosen, or by score under the policy of the settings."""
    row = connection.execute(select(rankings).order_by(rankings.c.ranking_id.desc()).limit(1)).first()
    if row is None:
        return Ranking(None, Order.SCORE, load_policy(), Usual())
    return Ranking(row.ranking_id, Order(row.order), parse_policy(row.policy), Usual(**json.loads(row.usual)))


def get_ranking(engine: Engine) -> Ranking:
    """Return the ranking in force, as `current_ranking` does."""
    with reading(engine) as connection:
        return current_ranking(connection)


def rank_columns(
    ranking: Ranking, listing: Listing, score: float | None, enqueued_at: datetime, *dues: datetime | None
) -> dict[str, Any]:
    """Return the columns of a case that say what it is worth, where it stands, and the first of its deadlines.

    Parameters
    ----------
    dues : datetime or None
        Deadlines beside that of the policy for its category.
    """
    dues = (*dues, ranking.policy.deadline_of(listing.category, enqueued_at))
    worth = weigh(listing, score, ranking.policy, ranking.usual)
    ranks = make_ranks(worth, score, enqueued_at)
    return {
        "value": worth.value,
        "worth": worth.text,
        "minutes": worth.minutes,
        "due_at": min((due for due in dues if due is not None), default=None),
        "score_rank": ranks[Order.SCORE],
        "value_rank": ranks[Order.VALUE],
        "rank": ranks[ranking.order],
    }


def make_ranks(worth: Worth, score: float | None, enqueued_at: datetime) -> dict[Order, float]:
    """Return where a case stands in each order: the smaller, the earlier it is reviewed."""
    return {
        Order.SCORE: _LAST_RANK if score is None else -score,
        Order.VALUE: -worth.per_minute,
        Order.FIFO: float(to_microseconds(enqueued_at)),
    }


def sort_column(order: Order | None) -> ColumnElement[Any]:
    """Return the column of `cases` that an order sorts by, smallest first and then by number; None is that in force.

    With the state each has an index.
    """
    columns: dict[Order | None, ColumnElement[Any]] = {
        None: cases.c.rank,
        Order.SCORE: cases.c.score_rank,
        Order.VALUE: cases.c.value_rank,
        Order.FIFO: cases.c.enqueued_at,
    }
    return columns[order]


def rerank(
    engine: Engine,
    order: Order,
    policy: Policy,
    *,
    now: datetime,
    actor: str,
    progress: Callable[[int], object] = lambda _: None,
) -> int:
    """Put an order and a policy in force, and rank every case that is not decided by them.

    The choice and its row in the audit are one transaction, the cases follow a thousand at a time, so that reviewers
    go on meanwhile. Claims are untouched. Cases that come in meanwhile are ranked by the new order; after a break, do
    it again. Deadlines are brought forward where the policy says so, never put off.

    Parameters
    ----------
    progress : callable, default says nothing
        Called with the number of cases ranked so far.

    Returns
    -------
    int
        How many cases were ranked.
    """
    usual = measure_usual(engine, policy)
    ranking = choose_ranking(engine, order, policy, usual, now=now, actor=actor)
    ranked, last = 0, 0
    while batch := _rank_batch(engine, ranking, after=last):
        ranked, last = ranked + len(batch), batch[-1]
        progress(ranked)
    with writing(engine) as connection:
        audit.append(connection, actor, "reranked", _subject(ranking), {"cases": ranked}, at=now)
    return ranked


def choose_ranking(engine: Engine, order: Order, policy: Policy, usual: Usual, *, now: datetime, actor: str) -> Ranking:
    """Append a row that puts an order and a policy in force for what comes in from now on."""
    row = {"at": now, "actor": actor, "order": order.value, "policy_digest": policy.digest, "policy": policy.text}
    with writing(engine) as connection:
        query = insert(rankings).values(**row, usual=usual.text).returning(rankings.c.ranking_id)
        ranking = Ranking(connection.scalars(query).one(), order, policy, usual)
        payload: dict[str, audit.Value] = {"order": order.value, "policy": policy.digest}
        audit.append(connection, actor, "ranking chosen", _subject(ranking), payload, at=now)
    return ranking


def measure_usual(engine: Engine, policy: Policy) -> Usual:
    """Return the medians of price and sales by brand and by category, over the newest cases that are not decided."""
    counting = Counting(policy)
    newest = select(cases.c.snapshot).where(cases.c.state == "open").order_by(cases.c.case_id.desc())
    with reading(engine) as connection:
        query = newest.limit(_SAMPLE_SIZE).execution_options(yield_per=_BATCH_SIZE)
        for snapshot in connection.scalars(query):
            counting.add(decode_listing(snapshot))
    return counting.medians()


def read_open(engine: Engine) -> Iterator[tuple[Row[Any], Listing]]:
    """Give each open case, a row with its number, score, moment and deadline, and its listing, by number."""
    query = select(cases.c.case_id, cases.c.score, cases.c.enqueued_at, cases.c.due_at, cases.c.snapshot)
    query = query.where(cases.c.state == "open").order_by(cases.c.case_id)
    with reading(engine) as connection:
        for row in connection.execute(query.execution_options(yield_per=_BATCH_SIZE)):
            yield cast(Row[Any], row), decode_listing(row.snapshot)


def rank_again(connection: Connection, row: Row[Any]) -> None:
    """Give a case that comes back into the queue its place in the ranking now in force."""
    columns = rank_columns(
        current_ranking(connection), decode_listing(row.snapshot), row.score, row.enqueued_at, row.due_at
    )
    connection.execute(update(cases).where(cases.c.case_id == row.case_id).values(**columns))
    move_forward(connection, {row.case_id: 0})


def _rank_batch(engine: Engine, ranking: Ranking, after: int) -> list[int]:
    """Rank the next cases after a number; return their numbers."""
    query = select(cases.c.case_id, cases.c.snapshot, cases.c.score, cases.c.enqueued_at, cases.c.due_at)
    query = query.where(cases.c.state.in_(PENDING), cases.c.case_id > after).order_by(cases.c.case_id)
    with writing(engine) as connection:
        serialise(connection, Lock.ENQUEUE)  # what comes in locks many cases, too, and in another order
        rows = connection.execute(query.limit(_BATCH_SIZE).with_for_update()).all()
        _update_all(
            connection,
            (
                {
                    "number": row.case_id,
                    **rank_columns(ranking, decode_listing(row.snapshot), row.score, row.enqueued_at, row.due_at),
                }
                for row in rows
            ),
        )
        move_forward(connection, {row.case_id: 0 for row in rows})
    return [row.case_id for row in rows]


def _update_all(connection: Connection, changes: Iterable[dict[str, Any]]) -> None:
    changes = list(changes)
    if changes:
        connection.execute(update(cases).where(cases.c.case_id == bindparam("number")), changes)


def _subject(ranking: Ranking) -> str:
    return f"ranking:{ranking.ranking_id}"
