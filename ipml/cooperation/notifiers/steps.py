"""Steps against misuse (Article 23 of the Digital Services Act): a warning, a suspension for a time, and its end.

Each is a person's, with reasons the notifier reads, and in the audit trail. A suspension needs an earlier warning, and
time to heed it. While it lasts notices are kept and not looked at; it ends by itself. Who was told can object.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select

from ipml.cooperation.notifiers.messages import tell_notifier
from ipml.cooperation.notifiers.rules import MisuseRules, NotifierRules
from ipml.cooperation.policy import load_cooperation_policy
from ipml.errors import NothingToLift, NotWarned, SellerErased, SuspendedAlready, UnstorableValue
from ipml.review.snapshot import digest
from ipml.review.texts import check_text
from ipml.storage import audit, outbox
from ipml.storage.database import writing
from ipml.storage.notifiers import Notifier, get_notifier
from ipml.storage.pseudonyms import seal, unseal
from ipml.storage.tables import notifier_steps

_LONGEST_WHY = 2000
_WORDS = {
    "warn": "Many of your notices are manifestly unfounded. If that goes on, we will look at none of them for a time.",
    "suspend": "After our warning you went on. What you send until the day named is kept, and not looked at.",
    "lift": "What we told you of your notices no longer holds; we look at them as before.",
}
_KINDS = {"warn": "notifier_warning", "suspend": "notifier_suspension", "lift": "notifier_lift"}
_DEEDS = {"warn": "warned", "suspend": "suspended", "lift": "lifted"}


@dataclass(frozen=True, slots=True)
class Step:
    """A step as it was taken; `why` is None where the notifier was erased."""

    step_id: int
    notifier_id: int
    kind: str
    taken_by: str
    taken_at: datetime
    until: datetime | None
    why: str | None


def warn(
    engine: Engine,
    notifier_id: int,
    by: str,
    why: str,
    *,
    rules: NotifierRules | None = None,
    now: datetime | None = None,
) -> Step:
    """Warn a notifier that their notices are manifestly unfounded; it holds for as long as the policy says.

    Parameters
    ----------
    by : str
        The person who does it.
    why : str
        For the notifier to read: which notices, and what is wrong with them; at most 2,000 characters.

    Raises
    ------
    NotifierNotFound, UnstorableValue
    """
    rules, now = rules or load_cooperation_policy().notifiers, now or datetime.now(UTC)
    with writing(engine) as connection:
        notifier = get_notifier(connection, notifier_id, lock=True)
        until = now + timedelta(days=rules.misuse.warning_days)
        return _take(connection, notifier, "warn", by, why, now, until, rules)


def suspend(
    engine: Engine,
    notifier_id: int,
    by: str,
    why: str,
    *,
    days: float | None = None,
    rules: NotifierRules | None = None,
    now: datetime | None = None,
) -> Step:
    """Look at no notices of a notifier for a time, who went on after a warning; otherwise like `warn`.

    Parameters
    ----------
    days : float, default=what the policy says of the first, second, … suspension

    Raises
    ------
    NotWarned
        No warning is in force, or it is too new to have been heeded.
    SuspendedAlready
    """
    rules, now = rules or load_cooperation_policy().notifiers, now or datetime.now(UTC)
    with writing(engine) as connection:
        notifier = get_notifier(connection, notifier_id, lock=True)
        if (running := find_suspension(connection, notifier_id, now)) is not None:
            raise SuspendedAlready(notifier_id, running.until or now)
        _require_warning(connection, notifier_id, rules.misuse, now)
        usual = _days_of_next(connection, notifier_id, rules.misuse)
        until = now + timedelta(days=usual if days is None else days)
        if until <= now:
            raise UnstorableValue("days", f"{days:g}", "a number above 0")
        return _take(connection, notifier, "suspend", by, why, now, until, rules)


def lift(
    engine: Engine,
    notifier_id: int,
    by: str,
    why: str,
    *,
    rules: NotifierRules | None = None,
    now: datetime | None = None,
) -> Step:
    """End a suspension, and take back the warning before it; otherwise like `warn`.

    A suspension that was lifted does not make the next one longer.

    Raises
    ------
    NothingToLift
        There is neither.
    """
    rules, now = rules or load_cooperation_policy().notifiers, now or datetime.now(UTC)
    with writing(engine) as connection:
        notifier = get_notifier(connection, notifier_id, lock=True)
        if find_suspension(connection, notifier_id, now) is None and find_warning(connection, notifier_id, now) is None:
            raise NothingToLift(notifier_id)
        return _take(connection, notifier, "lift", by, why, now, None, rules)


def find_suspension(connection: Connection, notifier_id: int, now: datetime) -> Step | None:
    """Return the suspension that is in force at a moment, if one is."""
    return _find_in_force(connection, notifier_id, "suspend", now)


def find_warning(connection: Connection, notifier_id: int, now: datetime) -> Step | None:
    """Return the last warning that is in force at a moment, if one is; a suspension leaves it in force."""
    return _find_in_force(connection, notifier_id, "warn", now)


def list_steps(connection: Connection, notifier_id: int) -> list[Step]:
    """Return what was ever done about a notifier, in order, with the reasons."""
    rows = _read_steps(connection, notifier_id)
    whose = get_notifier(connection, notifier_id).pseudonym
    return [_make(connection, row, whose) for row in rows]


def judged_since(connection: Connection, notifier_id: int, now: datetime) -> datetime | None:
    """Return from when on what a notifier sends is judged; None where no step was taken yet.

    That is the last warning, the end of the last suspension, or the moment at which they were lifted: what was sent
    before has had its consequence.
    """
    ends = [_end_of(row) for row in _read_steps(connection, notifier_id) if row.taken_at <= now]
    lifted = [place for place, (kind, _) in enumerate(ends) if kind == "lift"]
    return max((end for _, end in ends[lifted[-1] if lifted else 0 :]), default=None)


def _end_of(row: Row[Any]) -> tuple[str, datetime]:
    return row.kind, row.until if row.kind == "suspend" else row.taken_at


def _find_in_force(connection: Connection, notifier_id: int, kind: str, now: datetime) -> Step | None:
    of_kind = notifier_steps.c.notifier_id == notifier_id, notifier_steps.c.kind.in_((kind, "lift"))
    query = select(notifier_steps).where(*of_kind, notifier_steps.c.taken_at <= now)
    last = connection.execute(query.order_by(notifier_steps.c.step_id.desc()).limit(1)).first()
    if last is None or last.kind == "lift" or last.until <= now:
        return None
    return _make(connection, last, None)


def _require_warning(connection: Connection, notifier_id: int, rules: MisuseRules, now: datetime) -> None:
    warning = find_warning(connection, notifier_id, now)
    if warning is None:
        raise NotWarned(notifier_id, "no warning in force")
    if now - warning.taken_at < timedelta(days=rules.least_warning_days):
        raise NotWarned(notifier_id, f"a warning of {warning.taken_at:%Y-%m-%d}, which leaves too little time")


def _days_of_next(connection: Connection, notifier_id: int, rules: MisuseRules) -> float:
    """Return for how long the next suspension is: by how many there were, but for those that were lifted."""
    rows = _read_steps(connection, notifier_id)
    lifted = [row.taken_at for row in rows if row.kind == "lift"]
    served = [row for row in rows if row.kind == "suspend" and not any(row.taken_at <= at < row.until for at in lifted)]
    earlier = len(served)
    return rules.suspension_days[min(earlier, len(rules.suspension_days) - 1)]


def _read_steps(connection: Connection, notifier_id: int) -> Sequence[Row[Any]]:
    query = select(notifier_steps).where(notifier_steps.c.notifier_id == notifier_id)
    return connection.execute(query.order_by(notifier_steps.c.step_id)).all()


def _take(
    connection: Connection,
    notifier: Notifier,
    kind: str,
    by: str,
    why: str,
    at: datetime,
    until: datetime | None,
    rules: NotifierRules,
) -> Step:
    check_text("why", why, _LONGEST_WHY)
    if not why.strip():
        raise UnstorableValue("why", "nothing", "reasons that the notifier can read")
    sealed = ""
    with suppress(SellerErased):
        sealed = seal(connection, notifier.pseudonym, why)
    fields = {"notifier_id": notifier.notifier_id, "kind": kind, "taken_by": by, "taken_at": at, "until": until}
    query = insert(notifier_steps).values(**fields, why=sealed).returning(notifier_steps)
    row = connection.execute(query).one()
    noted: dict[str, audit.Value] = {"step": row.step_id, "why": digest(why)}
    noted["until"] = None if until is None else until.isoformat()
    audit.append(connection, by, f"notifier {_DEEDS[kind]}", notifier.subject, noted, at=at)
    body = {"words": _WORDS[kind], "why": why, "until": noted["until"], "redress": rules.redress}
    key = outbox.make_key(f"notifier-{notifier.notifier_id}-{_DEEDS[kind]}")
    tell_notifier(connection, notifier, key=key, kind=_KINDS[kind], subject=notifier.subject, body=body, at=at)
    return _make(connection, row, None)


def _make(connection: Connection, row: Row[Any], whose: str | None) -> Step:
    why = None
    with suppress(SellerErased):
        why = unseal(connection, whose, row.why) if whose and row.why else None
    return Step(row.step_id, row.notifier_id, row.kind, row.taken_by, row.taken_at, row.until, why)
