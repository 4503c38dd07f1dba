"""Review queues: queues by brand, category and script, with their people.

A case is in the first queue whose rule fits, or in none; it is routed on arrival, and when its listing or a queue
changes. People take cases of their queues first. Cases in no queue, or in one without active people, are everybody's.
Every fifth case comes from outside one's queues, so that nothing waits for ever.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    false,
    func,
    null,
    select,
    true,
    update,
)

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.kit.canonical_json import canonical_json
from ipml.review.arrivals.snapshot import check_text
from ipml.review.cases import PENDING, is_listed
from ipml.review.ranking.policy import fold_name
from ipml.review.worklists.assignment import list_assignees
from ipml.review.worklists.suggestions import CaseFit, count_fitting, find_unknown
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, in_batches, serialise
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import cases, decisions, review_queues

LONGEST_QUEUE_NAME = 80
MOST_QUEUES, MOST_VALUES = 50, 100
SCRIPTS = {
    "latin": "Latin",
    "cyrillic": "Cyrillic",
    "greek": "Greek",
    "arabic": "Arabic",
    "hebrew": "Hebrew",
    "han": "Chinese",
    "kana": "Japanese",
    "hangul": "Korean",
    "thai": "Thai",
    "devanagari": "Devanagari",
}
"""Scripts of titles and their names."""
_NAMES = {"cjk": "han", "hiragana": "kana", "katakana": "kana"}
_EVERY = 5  # one case of so many comes from outside one's queues
_LOOKED_BACK = timedelta(days=1)


def find_script(title: str) -> str | None:
    """Return the script of most letters of a title, a key of `SCRIPTS`, or None.

    >>> find_script("Leather bag"), find_script("Сумка Nike кожаная"), find_script("バッグ 本革"), find_script("123")
    ('latin', 'cyrillic', 'kana', None)
    """
    if title.isascii():
        return "latin" if any(map(str.isalpha, title)) else None
    scripts = Counter(
        _NAMES.get(name, name)
        for letter in title
        if letter.isalpha() and (name := unicodedata.name(letter, "").split(" ")[0].lower())
    )
    if scripts["kana"]:
        scripts["kana"] += scripts.pop("han", 0)  # Japanese uses both
    known = [script for script, _ in scripts.most_common(1) if script in SCRIPTS]
    return known[0] if known else None


@dataclass(frozen=True, slots=True)
class QueueRule:
    """Conditions on a queue's cases, and its people; empty conditions match all.

    `brands` match listings' brands or those the model read, in any case. `categories` match the skills needed.
    `scripts` are keys of `SCRIPTS`. `people` are users who decide cases.
    """

    name: str
    brands: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    people: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """A queue with the author and moment of its present definition."""

    queue_id: int
    rule: QueueRule
    changed_by: str
    changed_at: datetime
    place: int


_QUEUES = (
    select(review_queues)
    .where(review_queues.c.removed_at.is_(None))
    .order_by(review_queues.c.place, review_queues.c.queue_id)
)


def list_queues(connection: Connection) -> list[ReviewQueue]:
    """Return the queues in their order; a case belongs to the first that fits."""
    return [
        ReviewQueue(row.queue_id, _read_rule(row.name, row.rule), row.changed_by, row.changed_at, row.place)
        for row in connection.execute(_QUEUES)
    ]


def define_queue(
    connection: Connection, rule: QueueRule, *, queue_id: int | None = None, by: str, now: datetime | None = None
) -> int:
    """Define or redefine a queue, route all pending cases, and return the queue's number.

    Raises UnstorableValue if its name is missing or too long, it has no rule, or names an unknown script or somebody
    who decides no cases; NotFound if there is no such queue; Conflict if another has that name, or there are 50
    already.
    """
    now = now or datetime.now(UTC)
    _check(connection, rule)
    serialise(connection, Lock.ENQUEUE)  # arriving cases must see it
    others = [one for one in list_queues(connection) if one.queue_id != queue_id]
    if fold_name(rule.name) in {fold_name(one.rule.name) for one in others}:
        raise Conflict(f"queue {rule.name[:80]!r}", "there is one of that name", "Choose another name.")
    columns = {"name": rule.name.strip(), "rule": _write_rule(rule), "changed_by": by, "changed_at": now}
    if queue_id is None:
        if len(others) >= MOST_QUEUES:
            raise Conflict("queues", f"there are {len(others)} already", "Remove one that nobody needs.")
        place = max((one.place for one in others), default=0) + 1
        (queue_id,) = append_rows(connection, review_queues, [{**columns, "removed_at": None, "place": place}])
        _route_pending(connection)
        audit.append(connection, by, "queue defined", f"review_queue:{queue_id}", {}, at=now)
        return queue_id
    _require_queue(connection, queue_id)
    connection.execute(update(review_queues).where(review_queues.c.queue_id == queue_id).values(columns))
    _route_pending(connection)
    audit.append(connection, by, "queue changed", f"review_queue:{queue_id}", {}, at=now)
    return queue_id


def remove_queue(connection: Connection, queue_id: int, *, by: str, now: datetime | None = None) -> None:
    """Remove a queue; its cases go to the next that fits, or to everybody. NotFound if there is none."""
    now = now or datetime.now(UTC)
    serialise(connection, Lock.ENQUEUE)
    _require_queue(connection, queue_id)
    gone = {"removed_at": now, "changed_by": by, "changed_at": now}
    connection.execute(update(review_queues).where(review_queues.c.queue_id == queue_id).values(gone))
    _route_pending(connection)
    audit.append(connection, by, "queue removed", f"review_queue:{queue_id}", {}, at=now)


def restore_queue(connection: Connection, queue: ReviewQueue, *, by: str, now: datetime) -> None:
    """Restore the former definition of a queue that was changed or removed since; otherwise as `define_queue`."""
    serialise(connection, Lock.ENQUEUE)
    change = update(review_queues).where(review_queues.c.queue_id == queue.queue_id)
    connection.execute(change.values(removed_at=None, place=queue.place))
    define_queue(connection, queue.rule, queue_id=queue.queue_id, by=by, now=now)


def order_queues(connection: Connection, queue_ids: Sequence[int], *, by: str, now: datetime | None = None) -> None:
    """Put the queues in an order and route all pending cases; queues that it does not name come last."""
    now = now or datetime.now(UTC)
    serialise(connection, Lock.ENQUEUE)
    present = [one.queue_id for one in list_queues(connection)]
    ordered = sorted(present, key=lambda one: queue_ids.index(one) if one in queue_ids else len(queue_ids))
    if ordered == present:
        return
    for place, queue_id in enumerate(ordered, 1):  # at most 50
        connection.execute(update(review_queues).where(review_queues.c.queue_id == queue_id).values(place=place))
    _route_pending(connection)
    moved = [(f"review_queue:{one}", {"place": place}) for place, one in enumerate(ordered, 1)]
    audit.append_all(connection, by, "queue moved", moved, at=now)


def count_rule_cases(connection: Connection, rule: QueueRule) -> CaseFit:
    """Return how many open cases fit a rule, whether or not an earlier queue takes them."""
    unknown = [
        *find_unknown(connection, cases.c.brand_read, {fold_name(name): name for name in rule.brands}),
        *find_unknown(connection, cases.c.category, {name: name for name in rule.categories}),
    ]
    has_rule = rule.brands or rule.categories or rule.scripts
    return count_fitting(connection, _fits(rule) if has_rule else false(), unknown)


def route_cases(connection: Connection, case_ids: Sequence[int]) -> None:
    """Route cases whose listing is new or changed to their queues."""
    queues = list_queues(connection) if case_ids else []
    for some in in_batches(list(case_ids)) if queues else ():
        connection.execute(update(cases).where(cases.c.case_id.in_(some)).values(queue_id=_choose(queues)))


def count_queued(connection: Connection, now: datetime | None = None) -> dict[int, int]:
    """Return the number of open cases by queue, for queues with any."""
    is_open = cases.c.state == "open", cases.c.queue_id.is_not(None), *is_listed(cases, now or datetime.now(UTC))
    query = select(cases.c.queue_id, func.count().label("number")).where(*is_open).group_by(cases.c.queue_id)
    return {row.queue_id: row.number for row in connection.execute(query)}


def find_turns(connection: Connection, reviewer: str, now: datetime) -> list[list[ColumnElement[bool]]]:
    """Return the conditions of a reviewer's next cases; lists come one after the other.

    Conditions within a list are equal: the best ranked case of any of them is next.
    """
    queues = list_queues(connection)
    if not queues:
        return [[true()]]
    staff = set(list_assignees(connection))
    own = [cases.c.queue_id == one.queue_id for one in queues if reviewer in one.rule.people]
    left = [cases.c.queue_id == one.queue_id for one in queues if not staff.intersection(one.rule.people)]
    everybodys = [cases.c.queue_id.is_(None), *left]
    if not own:
        return [everybodys]
    return [everybodys, own] if _is_turn_of_others(connection, reviewer, now) else [own, everybodys]


def _is_turn_of_others(connection: Connection, reviewer: str, now: datetime) -> bool:
    lately = decisions.c.reviewer == reviewer, decisions.c.decided_at > now - _LOOKED_BACK
    decided = connection.scalar(select(func.count()).select_from(decisions).where(*lately)) or 0
    return decided % _EVERY == _EVERY - 1


def _route_pending(connection: Connection) -> None:
    chosen = _choose(list_queues(connection))
    moved = cases.c.state.in_(PENDING), cases.c.queue_id.is_distinct_from(chosen)
    # Locked in the same order as in bulk decisions; no rows are read.
    connection.execute(select(cases.c.case_id).where(*moved).order_by(cases.c.case_id).with_for_update())
    connection.execute(update(cases).where(*moved).values(queue_id=chosen))


def _choose(queues: Sequence[ReviewQueue]) -> ColumnElement[Any]:
    fitting = [(_fits(one.rule), one.queue_id) for one in queues]
    return case(*fitting, else_=null()) if fitting else null()


def _fits(rule: QueueRule) -> ColumnElement[bool]:
    wanted = (
        (cases.c.brand_read, tuple(map(fold_name, rule.brands))),
        (cases.c.category, rule.categories),
        (cases.c.script, rule.scripts),
    )
    return and_(*(column.in_(values) for column, values in wanted if values))


def _check(connection: Connection, rule: QueueRule) -> None:
    check_text("name", rule.name, LONGEST_QUEUE_NAME)
    if not rule.name.strip():
        raise UnstorableValue("name", "nothing", f"1 to {LONGEST_QUEUE_NAME} characters")
    if not (rule.brands or rule.categories or rule.scripts):
        raise UnstorableValue("rule", "nothing", "a brand, a category or a script")
    for field in ("brands", "categories"):
        values = getattr(rule, field)
        if len(values) > MOST_VALUES:
            raise UnstorableValue(field, f"{len(values)} of them", f"at most {MOST_VALUES}")
        for value in values:
            check_text(field, value, 200)
    for field, expected in (("scripts", list(SCRIPTS)), ("people", list_assignees(connection))):
        if strange := sorted(set(getattr(rule, field)).difference(expected)):
            raise UnstorableValue(field, repr(strange[0][:80]), f"one of {', '.join(expected)}")


def _require_queue(connection: Connection, queue_id: int) -> None:
    if queue_id not in {one.queue_id for one in list_queues(connection)}:
        raise NotFound("queue", queue_id, "The page of queues shows those that there are.")


def _write_rule(rule: QueueRule) -> str:
    return canonical_json({name: getattr(rule, name) for name in ("brands", "categories", "scripts", "people")})


def _read_rule(name: str, text: str) -> QueueRule:
    return QueueRule(name, **{field: tuple(values) for field, values in json.loads(text).items()})
