"""Giving promises and withdrawing them: by what the drawn cases show, or by a person's word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, select

from ipml.enforcement.automatic.record import EVERY_BRAND, note_event, read_records
from ipml.enforcement.automatic.standing import Standing, assess
from ipml.enforcement.policy import EnforcementPolicy, keep_policy
from ipml.errors import NothingToAllow, UnknownBrand
from ipml.review.texts import check_text
from ipml.storage.database import reading, writing
from ipml.storage.tables import promises

_LONGEST_WHY = 2000


def read_standings(engine: Engine, policy: EnforcementPolicy, *, now: datetime | None = None) -> list[Standing]:
    """Return how the promise of each brand that the policy covers stands.

    Examples
    --------
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> read_standings(engine, load_enforcement_policy())
    []
    """
    with reading(engine) as connection:
        return assess(connection, policy.automatic, now or datetime.now(UTC))


def review_promises(connection: Connection, policy: EnforcementPolicy, now: datetime) -> dict[str, Standing]:
    """Give, hold or withdraw the promise of each brand by what is known now, and return how each stands.

    What a standing rests on is on record when this returns, under its `promise_id`.
    """
    standings = assess(connection, policy.automatic, now)
    records = read_records(connection, policy.automatic.brands)
    reviewed: dict[str, Standing] = {}
    for standing in standings:
        record = records[standing.brand]
        is_given = record.given is not None
        number = standing.promise_id
        figures = _figures(standing, policy)
        if standing.is_in_force and not (is_given and _is_on_record(record.last, figures)):
            number = _note(connection, policy, standing, "held" if is_given else "given", figures, now)
        elif is_given and not standing.is_in_force:
            number = _note(connection, policy, standing, "withdrawn", figures, now)
        reviewed[standing.brand] = replace(standing, promise_id=number)
    return reviewed


def withdraw(
    engine: Engine,
    policy: EnforcementPolicy,
    brand: str | None,
    person: str,
    why: str = "",
    *,
    now: datetime | None = None,
) -> int:
    """Stop acting on a brand without review, or on all of them (None), until a person allows it again.

    Raises
    ------
    UnknownBrand
        The policy does not cover it.
    """
    return _say(engine, policy, brand, person, why, "withdrawn", now)


def allow(
    engine: Engine,
    policy: EnforcementPolicy,
    brand: str | None,
    person: str,
    why: str = "",
    *,
    now: datetime | None = None,
) -> int:
    """Take back what a person said against a brand, or against all; cases drawn since then must show the promise anew.

    Raises
    ------
    UnknownBrand, NothingToAllow
    """
    return _say(engine, policy, brand, person, why, "allowed", now)


def is_in_force(connection: Connection, brand: str, promise_id: int) -> bool:
    """Say whether a promise is still the last word on a brand."""
    query = select(promises.c.promise_id, promises.c.event).order_by(promises.c.promise_id.desc()).limit(1)
    last = connection.execute(query.where(promises.c.brand == brand)).first()
    of_all = connection.execute(query.where(promises.c.brand == EVERY_BRAND)).first()
    is_last = last is not None and last.promise_id == promise_id and last.event in ("given", "held")
    return is_last and (of_all is None or of_all.event != "withdrawn")


def _say(
    engine: Engine,
    policy: EnforcementPolicy,
    brand: str | None,
    person: str,
    why: str,
    event: str,
    now: datetime | None,
) -> int:
    check_text("why", why, _LONGEST_WHY)
    named, now = EVERY_BRAND if brand is None else brand, now or datetime.now(UTC)
    if brand is not None and brand not in policy.automatic.brands:
        raise UnknownBrand(brand, policy.automatic.brands)
    with writing(engine) as connection:
        bans = read_records(connection, [named])[named].bans
        if event == "allowed" and named not in bans:
            raise NothingToAllow(named)
        digest = keep_policy(connection, policy, now)
        columns = {"brand": named, "event": event, "cause": "person", "why": why, "policy_digest": digest}
        return note_event(connection, person, now, **columns)


def _figures(standing: Standing, policy: EnforcementPolicy) -> dict[str, Any]:
    return {
        "brand": standing.brand,
        "cause": standing.cause,
        "model_version": standing.model_version,
        "threshold": standing.threshold,
        "promised": standing.promised,
        "bound": standing.bound,
        "reviews": standing.count.n,
        "errors": standing.count.errors,
        "since": standing.since,
        "policy_digest": policy.digest,
    }


def _is_on_record(last: Any, figures: dict[str, Any]) -> bool:
    return last is not None and all(getattr(last, name) == value for name, value in figures.items())


def _note(
    connection: Connection,
    policy: EnforcementPolicy,
    standing: Standing,
    event: str,
    figures: dict[str, Any],
    now: datetime,
) -> int:
    keep_policy(connection, policy, now)
    return note_event(connection, f"policy:{policy.digest[:8]}", now, event=event, why=standing.why, **figures)
