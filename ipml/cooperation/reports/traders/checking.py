"""What each trader lacks of what Article 30(1) of the Digital Services Act asks for, and what should follow.

Nothing is done by itself: a trader who was told and has not answered in time is *proposed* for suspension until they
have (Article 30(2) and (3)); a person does it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from ipml.cooperation.reports.traders.formats import CHECKS, is_given, is_phone
from ipml.cooperation.reports.traders.rules import TraderRules

LETTERS: Mapping[str, str] = {
    "name": "a",
    "address": "a",
    "phone": "a",
    "email": "a",
    "identification": "b",
    "payment_account": "c",
    "trade_register": "d",
    "register_number": "d",
    "self_certification": "e",
}


class State(StrEnum):
    """How one thing a trader must tell stands."""

    GIVEN = "given"
    MALFORMED = "malformed"
    MISSING = "missing"
    NOT_ASKED = "not asked"


class Step(StrEnum):
    """What should follow; only proposed."""

    NOTHING = "nothing"
    ASK = "ask"
    WAIT = "wait"
    SUSPEND = "suspend until given"


@dataclass(frozen=True, slots=True)
class Trader:
    """What is known of a trader: fields as they were told, and when what happened; `since` is when they came."""

    seller_id: str
    told: Mapping[str, str]
    is_registered: bool | None = None
    since: date | None = None
    noticed_on: date | None = None
    verified_on: date | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a trader lacks, and what should follow.

    Attributes
    ----------
    states : mapping of str to State
        Of each field that the policy asks for.
    due : date or None
        By when it must be there, where somebody has asked or the law gives time.
    """

    trader: Trader
    states: Mapping[str, State]
    step: Step
    due: date | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """The fields that are missing or malformed."""
        return tuple(name for name, state in self.states.items() if state in (State.MISSING, State.MALFORMED))

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing or malformed."""
        return not self.lacking


def check_traders(traders: Iterable[Trader], rules: TraderRules, on: date) -> Iterator[Finding]:
    """Give for each trader what they lack on a day.

    Examples
    --------
    >>> told = {"name": "Ann Thrumbold", "email": "ann@shop"}
    >>> (found,) = check_traders([Trader("s1", told, noticed_on=date(2026, 1, 1))], TraderRules(), date(2026, 3, 1))
    >>> found.states["name"].value, found.states["email"].value, found.step.value, found.due.isoformat()
    ('given', 'malformed', 'suspend until given', '2026-01-15')
    """
    for trader in traders:
        states = {name: _look_at(trader, name, rules) for name in rules.fields}
        is_complete = not any(state in (State.MISSING, State.MALFORMED) for state in states.values())
        step, due = (Step.NOTHING, None) if is_complete else _what_next(trader, rules, on)
        yield Finding(trader, states, step, due)


def count_states(findings: Iterable[Finding]) -> tuple[Counter[tuple[str, State]], Counter[Step]]:
    """Return how often each field stands how, and how often what should follow."""
    states: Counter[tuple[str, State]] = Counter()
    steps: Counter[Step] = Counter()
    for finding in findings:
        states.update(finding.states.items())
        steps[finding.step] += 1
    return states, steps


def _look_at(trader: Trader, name: str, rules: TraderRules) -> State:
    told = trader.told.get(name, "")
    if not is_given(told):
        # The register is asked for "where the trader is registered": who says that they are not, need not name one.
        is_spared = name in rules.if_registered and trader.is_registered is False
        return State.NOT_ASKED if is_spared else State.MISSING
    checks = rules.fields[name]
    is_well = any(is_phone(told, rules.calling_code) if check == "phone" else CHECKS[check](told) for check in checks)
    return State.GIVEN if is_well else State.MALFORMED


def _what_next(trader: Trader, rules: TraderRules, on: date) -> tuple[Step, date | None]:
    """Return what should follow where something is lacking, and by when it must be there.

    Who was there before the duty had twelve months (Article 30(2)); who was told has the days of the policy.
    """
    is_legacy = trader.since is not None and trader.since <= rules.applies_from
    latest = rules.legacy_until if is_legacy else None
    if trader.noticed_on is not None:
        asked = trader.noticed_on + timedelta(days=rules.remedy_days)
        latest = asked if latest is None else max(asked, latest)
    elif latest is None or on >= latest:
        return Step.ASK, latest
    return (Step.SUSPEND if on >= latest else Step.WAIT), latest
