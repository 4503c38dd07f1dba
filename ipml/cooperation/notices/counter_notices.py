"""Counter-notices: passed on to the notifiers behind a measure, and answered by them.

The notifiers are the rights holders who must act. Enforcement informs only the platform's rights holder and does not
know of notices. This module sends notifiers the same, as far as the rules of filing allow; the term starts only when it
has reached them, too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, select

from ipml.cooperation.notifiers.notifier import NotifierMessage, send_to_notifier
from ipml.enforcement.appeals.appeal import Appeal, AppealState
from ipml.enforcement.appeals.letters import passed_on_subject
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import holder_acted, holder_withdrew
from ipml.errors import Conflict, UnusableSetting
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading
from ipml.storage.pseudonyms import get_notifier
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import appeals, notice_items, notices

KIND, MESSAGE = "counter-notice", "counter_notice"


def pass_on_counter_notices(engine: Engine, *, now: datetime | None = None) -> int:
    """Send waiting counter-notices to notifiers who have not received them; return their number.

    Each is sent once, however often this runs, even if it is killed in between.
    """
    now = now or datetime.now(UTC)

    def tell_some(connection: Connection, some: Sequence[tuple[int, int]]) -> int:
        untold = _find_untold(connection, {appeal_id for appeal_id, _ in some})
        return sum(_tell_of_counter_notice(connection, *pair, now) for pair in untold)

    with reading(engine) as connection:
        waiting = _find_untold(connection)
    return sum(change_in_turns(engine, waiting, tell_some, lock=Lock.APPEND_TO_AUDIT))


def answer_counter_notice(
    connection: Connection,
    reference: str,
    *,
    by: str,
    acted: str | None = None,
    has_withdrawn: bool = False,
    context: AppealContext,
    now: datetime | None = None,
) -> list[Appeal]:
    """Record a notifier's answer to the counter-notices against a notice, and return the changed appeals.

    `acted` names the court or authority and the case number; the measures stay. `has_withdrawn` reinstates the listings
    at once, and the actions of `context` undo those of their decisions.

    Raises
    ------
    Conflict
        No counter-notice against that notice waits, or others who reported the same listing have not given up.
    UnusableSetting
        Neither or both answers are given.
    """
    if (acted is not None) == has_withdrawn:
        expected = "that the notifier has acted, with a reference, or withdraws"
        raise UnusableSetting("answer", "both or neither", expected)
    waiting = _find_appeals(connection, reference, has_withdrawn=has_withdrawn)
    if acted is not None:
        return [holder_acted(connection, appeal_id, acted, by, now=now) for appeal_id in waiting]
    return [holder_withdrew(connection, appeal_id, by, context, now=now) for appeal_id in waiting]


def subject_of_counter_notice(appeal_id: int, notifier_id: int) -> str:
    """Return the subject of the message that passes a counter-notice to a notifier."""
    return f"{passed_on_subject(appeal_id)}:notifier:{notifier_id}"


def _find_untold(connection: Connection, among: Collection[int] | None = None) -> list[tuple[int, int]]:
    """Return appeal and notifier for each counter-notice that waits and was not sent."""
    query = select_behind(appeals.c.appeal_id, notices.c.notifier_id)
    query = query.where(appeals.c.state == AppealState.WITH_HOLDER)
    if among is not None:
        query = query.where(appeals.c.appeal_id.in_(among))
    waiting = connection.execute(query.distinct())
    pairs = sorted((row.appeal_id, row.notifier_id) for row in waiting)
    return [pair for pair in pairs if not outbox.has_subject(connection, "holder", subject_of_counter_notice(*pair))]


def select_behind(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a query for counter-notices with the notices behind the disputed measures."""
    return select_against(*columns).where(is_behind())


def is_behind() -> ColumnElement[bool]:
    """Return the condition that the disputed decision upheld a listing of the notice."""
    return (notice_items.c.decision_id == appeals.c.decision_id) & (notice_items.c.state == "upheld")


def select_against(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a query for counter-notices with all notices of the listings concerned."""
    return (
        select(*columns)
        .select_from(appeals)
        .join(notice_items, notice_items.c.case_id == appeals.c.case_id)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(appeals.c.kind == KIND, appeals.c.subject.not_like("penalty:%"))
    )


def _tell_of_counter_notice(connection: Connection, appeal_id: int, notifier_id: int, now: datetime) -> bool:
    """Send a notifier the message of the platform's rights holder, with the references of their notices."""
    keys = outbox.find_keys(connection, passed_on_subject(appeal_id), MESSAGE)
    message = outbox.find_message(connection, keys[-1]) if keys else None
    if message is None or not message.body:
        return False  # it expired, or its seller was erased
    query = select_behind(notices.c.reference).where(appeals.c.appeal_id == appeal_id)
    references = connection.scalars(query.where(notices.c.notifier_id == notifier_id).distinct()).all()
    body = json.loads(message.body) | {"notices": sorted(references)}
    key, subject = f"appeal-{appeal_id}-passed-on-to-{notifier_id}", subject_of_counter_notice(appeal_id, notifier_id)
    passed_on = NotifierMessage(outbox.make_key(key), MESSAGE, subject, body, message.pseudonym)
    is_sent = send_to_notifier(connection, get_notifier(connection, notifier_id), passed_on, now)
    if is_sent:
        audit.append(connection, "ipml", "passed on", f"appeal:{appeal_id}", {"notifier": notifier_id}, at=now)
    return is_sent


def _find_appeals(connection: Connection, reference: str, *, has_withdrawn: bool) -> list[int]:
    query = select_behind(appeals.c.appeal_id, appeals.c.state, notices.c.notifier_id).distinct()
    states = [AppealState.WITH_HOLDER, *([AppealState.HOLDER_ACTED] if has_withdrawn else [])]
    of_notice = query.where(notices.c.reference == reference, appeals.c.state.in_(states))
    notifiers_of = {row.appeal_id: row.notifier_id for row in connection.execute(of_notice)}
    others = connection.execute(query.where(appeals.c.appeal_id.in_(notifiers_of))) if has_withdrawn else ()
    against = ""
    if not notifiers_of:
        against = "found no counter-notice against it that waits for an answer"
    elif any(row.notifier_id != notifiers_of[row.appeal_id] for row in others):
        against = "found other notifiers of the same listing, who have not given up"
    if against:
        remedy = "The page Appeals shows the counter-notices that wait."
        raise Conflict(f"notice {reference[:80]}", against, remedy)
    return sorted(notifiers_of)
