"""Changes that people can undo for some minutes: assignments, snoozes, control cases, queues and list entries.

The functions here make a change and remember its state before, in one row for all cases of a batch. Undoing restores
that state where nobody changed it since; the audit trail records both.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from ipml.errors import Conflict, IpmlError, NotFound, Refused
from ipml.kit.canonical_json import canonical_json
from ipml.kit.moments import from_microseconds, to_microseconds
from ipml.records import Verdict
from ipml.review.cases import PENDING, find_cases
from ipml.review.group_decisions import MOST_CASES
from ipml.review.quality.blind_reviews import ControlOrder, add_control_cases, remove_control_cases
from ipml.review.sellers.seller_lists import (
    ListedSeller,
    ListEntry,
    add_entry,
    find_replaced,
    get_entry,
    remove_entry,
    restore_entry,
)
from ipml.review.worklists.assignment import WorkOrder, assign_cases, snooze_cases
from ipml.review.worklists.decided_list import read_last_verdicts
from ipml.review.worklists.review_queues import (
    QueueRule,
    ReviewQueue,
    define_queue,
    list_queues,
    order_queues,
    remove_queue,
    restore_queue,
)
from ipml.storage.audit_trail import audit
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import changes

_KEPT = timedelta(days=7)
_MOST_LOOKED_AT = 10
UNDONE = "undone"  # the reason of a list entry that its author removes by undoing


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a person's, with what its kind needs for words and for undoing in `content`.

    `kind` is "assigned", "snoozed", "control", "queue" or "list".
    """

    change_id: int
    kind: str
    changed_by: str
    changed_at: datetime
    content: Mapping[str, Any]
    undone_at: datetime | None = None

    @property
    def case_ids(self) -> list[int]:
        """The changed cases."""
        return [int(number) for number in self.content.get("cases", {})]

    @property
    def refused(self) -> Sequence[tuple[int, str]]:
        """Cases that did not change, each with the obstacle as a clause; of an undone change, those it left."""
        named: Sequence[tuple[int, str]] = self.content.get("left" if self.undone_at else "refused", ())
        return named

    @property
    def until(self) -> datetime | None:
        """The end of a snooze."""
        return _read_moment(self.content.get("until"))


@dataclass(frozen=True, slots=True)
class ChangeOrder:
    """Author and moment of a change."""

    by: str
    at: datetime


def change_assignment(
    connection: Connection, case_ids: Sequence[int], to: str | None, order: ChangeOrder
) -> Change | None:
    """Assign at most 200 cases to a user or to nobody; None if all are already.

    In a batch, cases that another has open are refused.
    """
    wanted = dict.fromkeys(_distinct(case_ids), to)
    made = assign_cases(connection, wanted, WorkOrder(order.by, order.at, spares_held=len(wanted) > 1))
    return _record_cases(connection, "assigned", {"cases": made.before, "to": to}, made.refused, order)


def change_snooze(
    connection: Connection, case_ids: Sequence[int], until: datetime | None, order: ChangeOrder
) -> Change | None:
    """Snooze at most 200 cases until a moment, or with None wake them; None if none of them changes."""
    wanted = dict.fromkeys(_distinct(case_ids), until)
    made = snooze_cases(connection, wanted, WorkOrder(order.by, order.at))
    before = {case_id: _write_moment(moment) for case_id, moment in made.before.items()}
    content = {"cases": before, "until": _write_moment(until)}
    return _record_cases(connection, "snoozed", content, made.refused, order)


def make_control_cases(
    connection: Connection, case_ids: Sequence[int], truth: Verdict | None, source: str, order: ChangeOrder
) -> Change | None:
    """Make control cases of at most 200 decided cases, of one truth or, with None, as each was decided."""
    numbers = _distinct(case_ids)
    verdicts = {} if truth else read_last_verdicts(connection, numbers)
    truths = {
        number: truth or verdicts[number].verdict
        for number in numbers
        if truth or (number in verdicts and verdicts[number].verdict in (Verdict.COUNTERFEIT, Verdict.GENUINE))
    }
    added, refused = add_control_cases(connection, truths, ControlOrder(source, order.by, order.at))
    unclear = {
        number: Conflict(f"case {number}", "it was decided neither counterfeit nor genuine", "Name its truth.")
        for number in numbers
        if number not in truths
    }
    return _record_cases(connection, "control", {"cases": added}, refused | unclear, order)


def change_queue(connection: Connection, rule: QueueRule, queue_id: int | None, order: ChangeOrder) -> Change:
    """Define or redefine a queue, as `define_queue`."""
    before = _find_queue(connection, queue_id)
    number = define_queue(connection, rule, queue_id=queue_id, by=order.by, now=order.at)
    content = {"queue": number, "name": rule.name.strip(), "did": "changed" if before else "added"}
    return _record(connection, "queue", content | {"before": _write_queue(before)}, order)


def drop_queue(connection: Connection, queue_id: int, order: ChangeOrder) -> Change:
    """Remove a queue, as `remove_queue`."""
    before = _find_queue(connection, queue_id)
    remove_queue(connection, queue_id, by=order.by, now=order.at)
    content = {"queue": queue_id, "name": before.rule.name if before else "", "did": "removed"}
    return _record(connection, "queue", content | {"before": _write_queue(before)}, order)


def move_queue(connection: Connection, queue_id: int, *, is_up: bool, order: ChangeOrder) -> Change | None:
    """Move a queue one place up or down; None at the end. NotFound if there is no such queue."""
    queues = list_queues(connection)
    present = [one.queue_id for one in queues]
    if queue_id not in present:
        raise NotFound("queue", queue_id, "The page of queues shows those that there are.")
    place = present.index(queue_id)
    other = place - 1 if is_up else place + 1
    if not 0 <= other < len(present):
        return None
    after = present.copy()
    after[place], after[other] = after[other], after[place]
    order_queues(connection, after, by=order.by, now=order.at)
    content = {"queue": queue_id, "name": queues[place].rule.name, "did": "moved", "order": present, "after": after}
    return _record(connection, "queue", content, order)


def list_seller(connection: Connection, listed: ListedSeller, order: ChangeOrder) -> tuple[ListEntry, Change | None]:
    """Put a seller on a list, as `add_entry`; no change if the entry is there already."""
    entry, is_new = add_entry(connection, listed, by=order.by, now=order.at)
    if not is_new:
        return entry, None
    content = {"entry": entry.entry_id, "list": entry.kind.value, "did": "added"}
    return entry, _record(connection, "list", content | {"replaced": find_replaced(connection, entry)}, order)


def unlist_seller(
    connection: Connection, entry_id: int, why: str, order: ChangeOrder
) -> tuple[ListEntry, Change | None]:
    """Remove a list entry, as `remove_entry`; no change if it has ended already."""
    entry = remove_entry(connection, entry_id, why=why, by=order.by, now=order.at)
    if entry.removed_at != order.at:
        return entry, None
    content = {"entry": entry_id, "list": entry.kind.value, "did": "removed"}
    return entry, _record(connection, "list", content, order)


@dataclass(frozen=True, slots=True)
class LastChanges:
    """The last changes of a user's: the one that can be undone, and the one that was undone since it."""

    last: Change | None
    undone: Change | None


OF_CASES = ("assigned", "snoozed", "control")
"""The kinds of changes of cases."""


def find_last_changes(
    connection: Connection,
    user: str,
    kinds: Sequence[str] = OF_CASES,
    *,
    undo_minutes: float,
    after: datetime | None = None,
) -> LastChanges:
    """Return the last changes of a user's that can still be undone, `after` a moment such as that of a verdict."""
    since = datetime.now(UTC) - timedelta(minutes=undo_minutes)
    is_theirs = changes.c.changed_by == user, changes.c.changed_at >= since, changes.c.kind.in_(kinds)
    query = select(changes).where(*is_theirs)
    rows = connection.execute(query.order_by(changes.c.change_id.desc()).limit(_MOST_LOOKED_AT)).all()
    found = [_make_change(row) for row in rows]
    last = next((one for one in found if one.undone_at is None and (not after or one.changed_at > after)), None)
    since_last = last.changed_at if last else since
    undone = [(one.undone_at, one.change_id, one) for one in found if one.undone_at and one.undone_at > since_last]
    return LastChanges(last, max(undone)[-1] if undone else None)


def undo_change(
    connection: Connection, change_id: int, user: str, *, undo_minutes: float, now: datetime | None = None
) -> Change:
    """Restore the state before a change, where nobody changed it since, and name the rest in `refused`.

    Raises NotFound if the user made no such change; Conflict if it is undone, too old, or nothing of it is left.
    """
    now = now or datetime.now(UTC)
    query = select(changes).where(changes.c.change_id == change_id, changes.c.changed_by == user)
    row = connection.execute(query.with_for_update()).first()
    if row is None:
        raise NotFound("change", change_id, "Undo your own last change.")
    change = _make_change(row)
    if change.undone_at is not None:
        raise Conflict(f"change {change_id}", "it has been undone already")
    if now - change.changed_at > timedelta(minutes=undo_minutes):
        raise Conflict(f"change {change_id}", f"the {undo_minutes:g} minutes for undoing it are over")
    left = _UNDO[change.kind](connection, change, ChangeOrder(user, now))
    content = canonical_json({**change.content, "left": left})
    connection.execute(update(changes).where(changes.c.change_id == change_id).values(undone_at=now, content=content))
    audit.append(connection, user, "change undone", f"change:{change_id}", {"kind": change.kind}, at=now)
    return Change(change_id, change.kind, user, change.changed_at, json.loads(content), now)


Left = list[tuple[int, str]]


def _undo_assignment(connection: Connection, change: Change, order: ChangeOrder) -> Left:
    before = {int(number): name for number, name in change.content["cases"].items()}
    rows, to = find_cases(connection, before, lock=True), change.content["to"]
    left = {
        number: f"it is assigned to {row.assigned_to or 'nobody'} since"
        for number, row in rows.items()
        if row.state in PENDING and row.assigned_to != to
    }
    wanted = {number: name for number, name in before.items() if number not in left}
    return [*left.items(), *_name(assign_cases(connection, wanted, WorkOrder(order.by, order.at)).refused)]


def _undo_snooze(connection: Connection, change: Change, order: ChangeOrder) -> Left:
    before = {int(number): _read_moment(moment) for number, moment in change.content["cases"].items()}
    left = {
        number: "it was snoozed or woken since"
        for number, row in find_cases(connection, before, lock=True).items()
        if row.state in PENDING and row.snoozed_until != change.until
    }
    wanted = {
        number: moment if moment and moment > order.at else None
        for number, moment in before.items()
        if number not in left
    }
    return [*left.items(), *_name(snooze_cases(connection, wanted, WorkOrder(order.by, order.at)).refused)]


def _undo_control(connection: Connection, change: Change, order: ChangeOrder) -> Left:
    numbers = list(change.content["cases"].values())
    removed = remove_control_cases(connection, numbers, order.by, now=order.at)
    return [(number, "it is no control case any more") for number in change.case_ids if number not in removed]


def _undo_queue(connection: Connection, change: Change, order: ChangeOrder) -> Left:
    content, queue_id = change.content, change.content["queue"]
    present = {one.queue_id: one for one in list_queues(connection)}
    if content["did"] == "moved":
        if [one for one in present if one in content["after"]] != [one for one in content["after"] if one in present]:
            raise Conflict("queues", "their order was changed since")
        order_queues(connection, content["order"], by=order.by, now=order.at)
        return []
    is_there = queue_id in present
    is_changed = is_there and present[queue_id].changed_at != change.changed_at
    if is_changed or is_there == (content["did"] == "removed"):
        raise Conflict(f"queue {content['name'][:80]!r}", "it was changed since")
    if content["before"] is None:
        remove_queue(connection, queue_id, by=order.by, now=order.at)
    else:
        restore_queue(connection, _read_queue(queue_id, content["before"], order), by=order.by, now=order.at)
    return []


def _undo_list(connection: Connection, change: Change, order: ChangeOrder) -> Left:
    content = change.content
    if content["did"] == "removed":
        restore_entry(connection, content["entry"], by=order.by, now=order.at)
        return []
    entry = get_entry(connection, content["entry"])
    if entry.removed_at is not None:
        raise Conflict(f"list entry {entry.entry_id}", f"{entry.removed_by} removed it since")
    remove_entry(connection, entry.entry_id, why=UNDONE, by=order.by, now=order.at)
    if content["replaced"] is not None:
        restore_entry(connection, content["replaced"], by=order.by, now=order.at)
    return []


_UNDO: Mapping[str, Callable[[Connection, Change, ChangeOrder], Left]] = {
    "assigned": _undo_assignment,
    "snoozed": _undo_snooze,
    "control": _undo_control,
    "queue": _undo_queue,
    "list": _undo_list,
}


def _distinct(case_ids: Sequence[int]) -> list[int]:
    numbers = sorted(set(case_ids))
    if len(numbers) > MOST_CASES:
        raise Refused("selection", f"{len(numbers)} cases to change at once", f"at most {MOST_CASES}", "Select fewer.")
    return numbers


def _name(refused: Mapping[int, IpmlError]) -> Left:
    return [(number, getattr(error, "found", "there is no such case")) for number, error in refused.items()]


def _record_cases(
    connection: Connection,
    kind: str,
    content: Mapping[str, Any],
    refused: Mapping[int, IpmlError],
    order: ChangeOrder,
) -> Change | None:
    """Record a change of cases; raises the obstacles if no case changes for them."""
    if not content["cases"]:
        if len(refused) == 1:
            raise next(iter(refused.values()))
        if refused:
            named = "; ".join(f"case {number}: {why}" for number, why in _name(refused))
            raise Conflict(f"{len(refused)} cases", f"none of them changed. {named}")
        return None
    by_case = {str(number): before for number, before in content["cases"].items()}
    return _record(connection, kind, {**content, "cases": by_case, "refused": _name(refused)}, order)


def _record(connection: Connection, kind: str, content: Mapping[str, Any], order: ChangeOrder) -> Change:
    connection.execute(delete(changes).where(changes.c.changed_at < order.at - _KEPT))
    text = canonical_json(content)
    row = {"kind": kind, "changed_by": order.by, "changed_at": order.at, "content": text, "undone_at": None}
    (number,) = append_rows(connection, changes, [row])
    return Change(number, kind, order.by, order.at, json.loads(text))


def _make_change(row: Any) -> Change:
    return Change(row.change_id, row.kind, row.changed_by, row.changed_at, json.loads(row.content), row.undone_at)


def _find_queue(connection: Connection, queue_id: int | None) -> ReviewQueue | None:
    return next((one for one in list_queues(connection) if one.queue_id == queue_id), None)


def _write_queue(queue: ReviewQueue | None) -> dict[str, Any] | None:
    return None if queue is None else {"rule": asdict(queue.rule), "place": queue.place}


def _read_queue(queue_id: int, before: Mapping[str, Any], order: ChangeOrder) -> ReviewQueue:
    name, *values = (before["rule"][field.name] for field in fields(QueueRule))
    rule = QueueRule(name, *map(tuple, values))
    return ReviewQueue(queue_id, rule, order.by, order.at, before["place"])


def _write_moment(moment: datetime | None) -> int | None:
    return None if moment is None else to_microseconds(moment)


def _read_moment(number: int | None) -> datetime | None:
    return None if number is None else from_microseconds(number)
