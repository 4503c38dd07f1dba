"""What the lead does about notices, once a week: what waits too long ends; misuse is met with warnings, suspensions."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine

from ipml.cooperation.notices.ticking import tick
from ipml.cooperation.notifiers.misuse import Proposal, find_misuse
from ipml.cooperation.notifiers.rules import NotifierRules
from ipml.cooperation.notifiers.steps import suspend, warn
from ipml.cooperation.policy import CooperationPolicy
from ipml.storage.database import reading


def look_after_notices(engine: Engine, policy: CooperationPolicy, lead: str, now: datetime) -> int:
    """Let time do to notices what it does, and take every step that is proposed; return how many were taken.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> look_after_notices(engine, load_cooperation_policy(), "lead", datetime(2025, 7, 7, tzinfo=UTC))
    0
    """
    tick(engine, policy=policy, now=now)
    with reading(engine) as connection:
        proposed = find_misuse(connection, policy.notifiers, now)
    for proposal in proposed:
        _take(engine, proposal, lead, policy.notifiers, now)
    return len(proposed)


def _take(engine: Engine, proposal: Proposal, lead: str, rules: NotifierRules, now: datetime) -> None:
    step = warn if proposal.kind == "warn" else suspend
    step(engine, proposal.notifier.notifier_id, lead, " ".join(proposal.sentences), rules=rules, now=now)
