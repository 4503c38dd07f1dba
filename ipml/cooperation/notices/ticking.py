"""What time does to notices: counter-notices are passed on, and what nobody can decide any more ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from ipml.cooperation.notices.counter import pass_on
from ipml.cooperation.notices.outcomes import has_erased, settle_erased
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.cooperation.policy import load_cooperation_policy
from ipml.storage.database import reading, writing


@dataclass(frozen=True, slots=True)
class Ticked:
    """How many counter-notices were passed on, and how many listings of erased sellers ended undecided."""

    passed_on: int
    ended: int


def tick(engine: Engine, *, rules: NotifierRules | None = None, now: datetime | None = None) -> Ticked:
    """Do once what is due; called again it does no more.

    Call it before terms are looked at (`ipml.enforcement.appeals.ticking`): a term begins when whoever gave notice has
    been told of the counter-notice, too.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> tick(engine)
    Ticked(passed_on=0, ended=0)
    """
    rules, now = rules or load_cooperation_policy().notifiers, now or datetime.now(UTC)
    passed_on, ended = pass_on(engine, now=now), 0
    with reading(engine) as connection:
        is_due = has_erased(connection)
    if is_due:
        with writing(engine) as connection:
            ended = settle_erased(connection, now, rules)
    return Ticked(passed_on, ended)
