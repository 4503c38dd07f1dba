"""Counter-notices and those whose notice brought a listing down: passed on to them, and answered by them.

They are the rights holder who must act. Enforcement tells the platform's rights holder of a counter-notice when it is
filed, and knows nothing of notices. Here whoever gave notice is told the same, no more than the rules it was filed
under let pass; and the term that begins when it was passed on begins when it has reached them, too.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Select, select

from ipml.cooperation.notifiers.notifier import tell_notifier
from ipml.enforcement.appeals.appeal import Appeal, AppealState
from ipml.enforcement.appeals.letters import passed_on_subject
from ipml.enforcement.appeals.resolution import holder_acted, holder_withdrew
from ipml.errors import Conflict, UnusableSetting
from ipml.review.reversals import Consequences
from ipml.storage import outbox
from ipml.storage.audit_trail import audit
from ipml.storage.database import Lock, reading
from ipml.storage.pseudonyms import get_notifier
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import appeals, notice_items, notices

KIND, MESSAGE = "counter-notice", "counter_notice"


def pass_on_counter_notices(engine: Engine, *, now: datetime | None = None) -> int:
    """Tell notifiers of the counter-notices that wait for them and of which they were not told; return how many.

    Each is told once, however often this is called, be it killed in between.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> pass_on_counter_notices(engine)
    0
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
    now: datetime | None = None,
    consequences: Consequences | None = None,
) -> list[Appeal]:
    """Take in what a notifier says to the counter-notices against their notice, and return the appeals it changed.

    Parameters
    ----------
    reference : str
        Of the notice.
    by : str
        Who records it.
    acted : str, optional
        Where they sued or complained, and its number: the measures stay.
    has_withdrawn : bool, default=False
        Whether they give up instead: the listings are put back at once.
    consequences : Consequences, optional
        What undoes what followed from the decisions on them.

    Raises
    ------
    Conflict
        There is no such notice, no counter-notice against it waits, or others gave notice of the same listing, whom one
        who gives up does not speak for.
    UnusableSetting
        Neither is said, or both.
    """
    if (acted is not None) == has_withdrawn:
        expected = "that the notifier has acted, with a reference, or withdraws"
        raise UnusableSetting("answer", "both or neither", expected)
    waiting = _find_appeals(connection, reference, has_withdrawn=has_withdrawn)
    if acted is not None:
        return [holder_acted(connection, appeal_id, acted, by, now=now) for appeal_id in waiting]
    return [holder_withdrew(connection, appeal_id, by, now=now, consequences=consequences) for appeal_id in waiting]


def subject_of_counter_notice(appeal_id: int, notifier_id: int) -> str:
    """Return the subject of the message by which a counter-notice goes to a notifier.

    Examples
    --------
    >>> subject_of_counter_notice(3, 7)
    'counter-notice:3:notifier:7'
    """
    return f"{passed_on_subject(appeal_id)}:notifier:{notifier_id}"


def _find_untold(connection: Connection, among: Collection[int] | None = None) -> list[tuple[int, int]]:
    """Return appeal and notifier where a counter-notice waits for a rights holder and the notifier does not know."""
    query = select_behind(appeals.c.appeal_id, notices.c.notifier_id)
    query = query.where(appeals.c.state == AppealState.WITH_HOLDER)
    if among is not None:
        query = query.where(appeals.c.appeal_id.in_(among))
    waiting = connection.execute(query.distinct())
    pairs = sorted((row.appeal_id, row.notifier_id) for row in waiting)
    return [pair for pair in pairs if not outbox.has_subject(connection, "holder", subject_of_counter_notice(*pair))]


def select_behind(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a query for counter-notices with the notices that brought down what they are against."""
    return select_against(*columns).where(is_behind())


def is_behind() -> ColumnElement[bool]:
    """Return whether a listing of a notice is down by the decision that a counter-notice is against."""
    return (notice_items.c.decision_id == appeals.c.decision_id) & (notice_items.c.state == "upheld")


def select_against(*columns: ColumnElement[Any]) -> Select[Any]:
    """Return a query for counter-notices with all notices of the listings that they are about."""
    return (
        select(*columns)
        .select_from(appeals)
        .join(notice_items, notice_items.c.case_id == appeals.c.case_id)
        .join(notices, notices.c.notice_id == notice_items.c.notice_id)
        .where(appeals.c.kind == KIND, appeals.c.subject.not_like("penalty:%"))
    )


def _tell_of_counter_notice(connection: Connection, appeal_id: int, notifier_id: int, now: datetime) -> bool:
    """Tell a notifier what the platform's rights holder was told, and the references of their notices."""
    keys = outbox.find_keys(connection, passed_on_subject(appeal_id), MESSAGE)
    message = outbox.find_message(connection, keys[-1]) if keys else None
    if message is None or not message.body:
        return False  # it expired, or its seller was erased
    query = select_behind(notices.c.reference).where(appeals.c.appeal_id == appeal_id)
    references = connection.scalars(query.where(notices.c.notifier_id == notifier_id).distinct()).all()
    body = json.loads(message.body) | {"notices": sorted(references)}
    is_told = tell_notifier(
        connection,
        get_notifier(connection, notifier_id),
        key=outbox.make_key(f"appeal-{appeal_id}-passed-on-to-{notifier_id}"),
        kind=MESSAGE,
        subject=subject_of_counter_notice(appeal_id, notifier_id),
        body=body,
        at=now,
        encrypted_for=message.pseudonym,
    )
    if is_told:
        audit.append(connection, "ipml", "passed on", f"appeal:{appeal_id}", {"notifier": notifier_id}, at=now)
    return is_told


def _find_appeals(connection: Connection, reference: str, *, has_withdrawn: bool) -> list[int]:
    query = select_behind(appeals.c.appeal_id, appeals.c.state, notices.c.notifier_id).distinct()
    states = [AppealState.WITH_HOLDER, *([AppealState.HOLDER_ACTED] if has_withdrawn else [])]
    of_notice = query.where(notices.c.reference == reference, appeals.c.state.in_(states))
    found = {row.appeal_id: row.notifier_id for row in connection.execute(of_notice)}
    others = connection.execute(query.where(appeals.c.appeal_id.in_(found))) if has_withdrawn else ()
    against = ""
    if not found:
        against = "found no counter-notice against it that waits for an answer"
    elif any(row.notifier_id != found[row.appeal_id] for row in others):
        against = "found other notifiers of the same listing, who have not given up"
    if against:
        remedy = "`ipml enforce appeal list` shows the counter-notices that wait."
        raise Conflict(f"notice {reference[:80]}", against, remedy)
    return sorted(found)
