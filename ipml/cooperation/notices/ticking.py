"""What time does to notices: counter-notices are passed on, and what nobody can decide any more ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from ipml.cooperation.notices.counter import pass_on
from ipml.cooperation.notices.outcomes import end_passed_over, end_unknown, has_erased, has_old, settle_erased
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.storage.database import reading, writing


@dataclass(frozen=True, slots=True)
class Ticked:
    """What was done.

    Attributes
    ----------
    passed_on : int
        Counter-notices that were passed on.
    ended : int
        Listings of erased sellers that ended undecided.
    not_found : int
        Listings that ended because nobody knew them for as long as the policy says.
    passed_over : int
        Listings of complaints that were too few to have decided anew what was decided: answered by that.
    """

    passed_on: int
    ended: int
    not_found: int
    passed_over: int


def tick(engine: Engine, *, policy: CooperationPolicy | None = None, now: datetime | None = None) -> Ticked:
    """Do once what is due; called again it does no more.

    Call it before terms are looked at (`ipml.enforcement.appeals.resolution`): a term begins when whoever gave notice
    has been told of the counter-notice, too.

    Parameters
    ----------
    policy : CooperationPolicy, default=the setting `cooperation`
    now : datetime, default=the clock

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> tick(engine)
    Ticked(passed_on=0, ended=0, not_found=0, passed_over=0)
    """
    policy, now = policy or load_cooperation_policy(), now or datetime.now(UTC)
    passed_on = pass_on(engine, now=now)
    return Ticked(passed_on, _end_erased(engine, policy.notifiers, now), *_end_old(engine, policy, now))


def _end_erased(engine: Engine, rules: NotifierRules, now: datetime) -> int:
    with reading(engine) as connection:
        is_due = has_erased(connection)
    if not is_due:
        return 0
    with writing(engine) as connection:
        return settle_erased(connection, now, rules)


def _end_old(engine: Engine, policy: CooperationPolicy, now: datetime) -> tuple[int, int]:
    """End what waited in vain for long enough, some at a time, so that others can write in between."""
    before = now - timedelta(days=policy.notices.unknown_days)
    with reading(engine) as connection:
        if not has_old(connection, before):
            return 0, 0
    ended: list[int] = []
    for end in (end_unknown, end_passed_over):
        ended.append(0)
        while True:
            with writing(engine) as connection:
                number = end(connection, before, now, policy.notifiers)
            if not number:
                break
            ended[-1] += number
    not_found, passed_over = ended
    return not_found, passed_over
