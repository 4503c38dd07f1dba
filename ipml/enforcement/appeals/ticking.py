"""What time does to appeals: terms begin when somebody was told, and run out when nobody acted.

Every step is a transaction of its own, so that a tick can be killed anywhere: the next one finishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, or_, select

from ipml.enforcement.appeals.appeal import find_appeal
from ipml.enforcement.appeals.deciding import restore
from ipml.enforcement.appeals.letters import passed_on_subject, write_seller
from ipml.enforcement.appeals.notified import COMPLAINT, COUNTER_NOTICE, find_newly_notified
from ipml.enforcement.appeals.remedies import find_penalty
from ipml.enforcement.appeals.restricted import parse_subject
from ipml.enforcement.appeals.rules import AppealRules
from ipml.enforcement.appeals.states import AppealEvent
from ipml.enforcement.clocks.clocks import Clock, Start, begin, find_clocks, start_clocks
from ipml.enforcement.clocks.states import ClockState
from ipml.enforcement.clocks.ticking import TICKER, Ticked, tick_clocks
from ipml.enforcement.policy import load_enforcement_policy
from ipml.errors import UnusableSetting
from ipml.review.cases import find_case, find_cases
from ipml.review.snapshot import decode_listing
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.tables import clocks, measures, outbox

_AT_ONCE = 200


def tick(engine: Engine, *, rules: AppealRules | None = None, now: datetime | None = None) -> Ticked:
    """Begin terms whose event has come, and let those run out that are over by two readings of the clock.

    Parameters
    ----------
    now : datetime, default=the clock
        What the clock reads. It may be wrong for a while: see `ipml.enforcement.clocks.ticking`.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> tick(engine).expired
    0
    """
    rules, now = rules or load_enforcement_policy().appeals, now or datetime.now(UTC)
    while _open_windows(engine, rules, now) == _AT_ONCE:
        pass
    _begin_passed_on(engine, rules, now)
    return tick_clocks(
        engine,
        now,
        rules.confirm,
        lambda *expired: _follow(*expired, rules=rules),
        lambda clock: _is_followed(clock, rules),
    )


def _open_windows(engine: Engine, rules: AppealRules, now: datetime) -> int:
    """Start the time for complaints and counter-notices of sellers who were told; return how many there were."""
    with reading(engine) as connection:
        if not find_newly_notified(connection, now, 1):
            return 0
    with writing(engine) as connection:
        serialise(connection, Lock.OPEN_WINDOWS)
        told = find_newly_notified(connection, now, _AT_ONCE)
        country_of = _find_countries(connection, [subject for subject, _ in told])
        profile_of = {country: rules.profile_for(country) for country in set(country_of.values())}
        starts: list[Start] = []
        for subject, at in told:
            profile = profile_of[country_of[subject]]
            starts.append(Start(subject, COMPLAINT, profile, at))
            if profile.windows.counter_notice != profile.windows.complaint:
                starts.append(Start(subject, COUNTER_NOTICE, profile, at))
        start_clocks(connection, starts, TICKER, now)
        return len(told)


def _find_countries(connection: Connection, subjects: Sequence[str]) -> dict[str, str | None]:
    """Return the country of the listing that each of some restrictions came from, as far as known."""
    numbers = [parse_subject(subject) for subject in subjects]
    is_asked = measures.c.measure_id.in_([number for kind, number in numbers if kind == "measure"])
    case_of = {("measure", row.measure_id): row.case_id for row in connection.execute(select(measures).where(is_asked))}
    for kind, number in numbers:
        if kind == "penalty" and (penalty := find_penalty(connection, number)):
            case_of[kind, number] = penalty.case_id
    found = find_cases(connection, case_of.values())
    cases_asked = {subject: case_of.get(named) for subject, named in zip(subjects, numbers, strict=True)}
    return {
        subject: None if case_id is None else decode_listing(found[case_id].snapshot).country
        for subject, case_id in cases_asked.items()
    }


def _begin_passed_on(engine: Engine, rules: AppealRules, now: datetime) -> None:
    """Start the term of rights holders whom a counter-notice has reached."""
    query = select(clocks.c.subject).where(clocks.c.state == ClockState.WAITING).order_by(clocks.c.clock_id)
    with reading(engine) as connection:
        waiting = list(connection.scalars(query))
    for subject in waiting:
        with writing(engine) as connection:
            _begin_one(connection, subject, rules, now)


def _begin_one(connection: Connection, subject: str, rules: AppealRules, now: datetime) -> None:
    clock = find_clocks(connection, subject, lock=True)["holder"]
    passed_on = passed_on_subject(parse_subject(subject)[1])
    # Besides the rights holder those may be told who gave notice; a message that was given up keeps nobody waiting.
    of_it = or_(outbox.c.subject == passed_on, outbox.c.subject.like(f"{passed_on}:%")), outbox.c.state != "dead"
    told = connection.execute(select(outbox.c.state, outbox.c.settled_at).where(*of_it)).all()
    reached_at = max((row.settled_at for row in told if row.state == "delivered"), default=None)
    if clock.state is ClockState.WAITING and reached_at is not None and all(row.state == "delivered" for row in told):
        begin(connection, clock, rules.load_profile(clock.profile), reached_at, TICKER, now)


def _is_followed(clock: Clock, rules: AppealRules) -> bool:
    """Say whether anything follows from an expiry; a profile that cannot be read is told of where it is followed."""
    with suppress(UnusableSetting):
        return rules.load_profile(clock.profile).stage(clock.stage).at_expiry == "restore"
    return True


def _follow(connection: Connection, clock: Clock, now: datetime, *, rules: AppealRules) -> None:
    """Do what a profile says of an expiry. A window or a late decision has no more to it than that it is recorded."""
    if rules.load_profile(clock.profile).stage(clock.stage).at_expiry != "restore":
        return
    appeal = find_appeal(connection, parse_subject(clock.subject)[1], lock=True)
    appeal = restore(connection, appeal, AppealEvent.HOLDER_SILENT, TICKER, now)
    listing = decode_listing(find_case(connection, appeal.case_id).snapshot)
    write_seller(connection, appeal, "restored", listing, rules, now)
