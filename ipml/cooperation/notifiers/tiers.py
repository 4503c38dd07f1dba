"""Tiers: what follows from a notifier's record, as data (`[[notifiers.tiers]]` of the policy).

A tier is kept nowhere, but with each notice the one it came with: it follows from the record whenever it is asked for,
so that none is out of date. Nothing holds somebody in a tier once their record is another (hysteresis). It would need a
memory, and gain little: what changes with a tier is a deadline and a burden, for the notices that come from then on.
"""

from __future__ import annotations

from ipml.cooperation.notifiers.record import Record
from ipml.cooperation.notifiers.rules import NotifierRules, Tier


def choose_tier(kind: str, record: Record | None, rules: NotifierRules) -> Tier:
    """Return the first tier that a notifier of a kind belongs to.

    Parameters
    ----------
    record : Record or None
        None is for those of whom no tier asks anything (`asks_record`).

    Examples
    --------
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> choose_tier("trusted flagger", None, load_cooperation_policy().notifiers).name
    'trusted'
    """
    return next(tier for tier in rules.tiers if _is_for(tier, kind) and (tier.asks_nothing or _meets(tier, record)))


def asks_record(kind: str, rules: NotifierRules) -> bool:
    """Say whether the tier of a notifier of a kind depends on their record."""
    first = next(tier for tier in rules.tiers if _is_for(tier, kind))
    return not first.asks_nothing


def _is_for(tier: Tier, kind: str) -> bool:
    return not tier.kinds or kind in tier.kinds


def _meets(tier: Tier, record: Record | None) -> bool:
    if record is None or record.counts.settled < tier.least_settled:
        return False
    return (
        (tier.success_at_least is None or record.success.low >= tier.success_at_least)
        and (tier.success_below is None or record.success.high < tier.success_below)
        and (tier.overturned_at_most is None or record.overturned.high <= tier.overturned_at_most)
    )
