"""What speaks for a network becoming a case, and what work it would be: numbers that anybody can work out again."""

from __future__ import annotations

import math
from datetime import datetime

from ipml.cooperation.clues.dossier import Dossier
from ipml.cooperation.clues.rules import ClueRules, EffortRules

_REPEATED = 2
_RIGHTS_HOLDERS = "rights holder"


def read_signs(dossier: Dossier, rules: ClueRules, now: datetime) -> dict[str, float]:
    """Return each sign of `ipml.cooperation.clues.rules.SIGNS`, in 0-1; the policy says what each is."""
    n_members, confirmed = len(dossier.members), dossier.confirmed
    countries = list(dossier.country_of().values())
    of_each = [sum(one.is_counterfeit for one in listings) for listings in dossier.listings_of().values()]
    quiet_days = (now - dossier.last_seen).total_seconds() / 86_400
    return {
        "joined": dossier.joined,
        "source": max((one.belief for one in dossier.hypotheses), default=0.0),
        "one_country": max((countries.count(name) for name in set(countries)), default=0) / n_members,
        "recent": math.exp(-max(quiet_days - rules.recent_days, 0.0) / rules.recent_days),
        "evidence": sum(one.evidence_id is not None for one in confirmed) / max(len(confirmed), 1),
        "repeated": sum(count >= _REPEATED for count in of_each) / n_members,
        "noticed": 1 - 1 / (1 + dossier.notices.get(_RIGHTS_HOLDERS, 0)),
    }


def estimate_effort(dossier: Dossier, rules: EffortRules) -> float:
    """Return how many hours of an investigator a network takes.

    Only links that are needed to join the members count: nobody explains the others.
    """
    n_countries = len(set(dossier.country_of().values()))
    parts = (rules.member * len(dossier.members), rules.country * max(n_countries - 1, 0))
    return rules.base + sum(parts) + rules.link * len(dossier.chain)
