"""Ranking of referrals: the networks with the highest expected value per hour of an investigator first.

expected value = lower bound of the value sold x solvability / effort. The lower bound keeps a guess from ranking a
network above one whose sales are known; without an interval, it is the known value of listings found counterfeit.
Networks of unknown value come last. Values are in the currency of the ranking policy, at its rates.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

import pandas as pd
from sqlalchemy import Connection, func, select

from ipml.cooperation.networks.detection import Networks
from ipml.cooperation.networks.sales import SoldValue
from ipml.cooperation.policy import EffortRules, ReferralRules
from ipml.cooperation.referrals.dossier import Dossier, join_network
from ipml.cooperation.referrals.handover import (
    Referral,
    ReferralOutcome,
    Solvability,
    find_outcomes,
    learn_solvability,
    list_referrals,
    read_known,
)
from ipml.money import Money
from ipml.records import Verdict
from ipml.review.reversals import is_last_verdict
from ipml.storage.tables import cases, decisions, seller_keys

_REPEATED = 2
_RIGHTS_HOLDERS = "rights holder"


def read_signs(dossier: Dossier, rules: ReferralRules, now: datetime) -> dict[str, float]:
    """Return each sign of `ipml.cooperation.policy.SIGNS`, in 0-1; the policy defines each."""
    n_members, confirmed = len(dossier.members), dossier.confirmed
    countries = list(dossier.country_of().values())
    of_each = Counter(listing.member for listing in confirmed)
    quiet_days = (now - dossier.last_seen).total_seconds() / 86_400
    return {
        "joined": dossier.joined,
        "source": max((hypothesis.belief for hypothesis in dossier.hypotheses), default=0.0),
        "one_country": max((countries.count(name) for name in set(countries)), default=0) / n_members,
        "recent": math.exp(-max(quiet_days - rules.recent_days, 0.0) / rules.recent_days),
        "evidence": sum(listing.evidence_id is not None for listing in confirmed) / max(len(confirmed), 1),
        "repeated": sum(count >= _REPEATED for count in of_each.values()) / n_members,
        "noticed": 1 - 1 / (1 + dossier.notices.get(_RIGHTS_HOLDERS, 0)),
    }


def estimate_effort(dossier: Dossier, rules: EffortRules) -> float:
    """Return the hours that a network takes an investigator; links outside the spanning tree need no explanation."""
    n_countries = len(set(dossier.country_of().values()))
    parts = (rules.member * len(dossier.members), rules.country * max(n_countries - 1, 0))
    return rules.base + sum(parts) + rules.link * len(dossier.chain)


@dataclass(frozen=True, slots=True)
class Ranked:
    """A network with the parts of its expected value.

    `value` is the lower bound of the value sold, None if unknown; `solvability` the probability that it becomes a case,
    from `signs`; `effort` is in hours.
    """

    number: int
    n_members: int
    n_confirmed: int
    value: Money | None
    solvability: float
    effort: float
    signs: dict[str, float]

    @property
    def expected_value(self) -> Money | None:
        """Expected value per hour of an investigator; None if unknown."""
        return None if self.value is None else self.value * self.solvability / self.effort


def judge(dossier: Dossier, model: Solvability, rules: ReferralRules, now: datetime) -> Ranked:
    """Return a network with the parts of its expected value."""
    signs = read_signs(dossier, rules, now)
    return Ranked(
        number=dossier.number,
        n_members=len(dossier.members),
        n_confirmed=len(dossier.confirmed),
        value=dossier.sold_value.least,
        solvability=model.judge(signs),
        effort=estimate_effort(dossier, rules.effort),
        signs=signs,
    )


def sort_by_expected_value(ranked: Iterable[Ranked]) -> list[Ranked]:
    """Return networks by expected value, then by solvability and number, those of unknown value last.

    Raises Refused if their values are in several currencies.
    """
    by_likelihood = sorted(ranked, key=lambda network: (-network.solvability, network.number))
    valued = [(value, network) for network in by_likelihood if (value := network.expected_value) is not None]
    unknown = [network for network in by_likelihood if network.value is None]
    return [network for _, network in sorted(valued, key=itemgetter(0), reverse=True)] + unknown


@dataclass(frozen=True, slots=True)
class Candidate:
    """A network that may be worth a referral; brands are those of listings found counterfeit, most frequent first.

    `likely` is the 90 % interval of the solvability, `parts` what each sign contributes to its log-odds.
    """

    ranked: Ranked
    sold_value: SoldValue
    likely: tuple[float, float]
    parts: dict[str, float]
    brands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HandedOut:
    """A referral with its outcomes, in order."""

    referral: Referral
    outcomes: tuple[ReferralOutcome, ...]

    @property
    def state(self) -> str:
        """The latest state: "built", "received", or the kind of the last outcome."""
        if self.outcomes:
            return self.outcomes[-1].kind
        return "received" if self.referral.received_at else "built"


def judge_candidates(
    connection: Connection,
    networks: Iterable[tuple[Networks, int]],
    rules: ReferralRules,
    now: datetime,
    sales: pd.DataFrame | None = None,
) -> tuple[list[Candidate], int]:
    """Return networks with a listing found counterfeit, by expected value, and the number of outcomes learnt from.

    `networks` has pairs of networks and the number of one of them; `sales` is as for `estimate_sales`.
    """
    model = learn_solvability(rules.solvability, read_known(connection))
    candidates = []
    for one, number in networks:
        dossier = join_network(connection, one, number, sales, with_ties=False)
        if not dossier.confirmed:
            continue
        ranked = judge(dossier, model, rules, now)
        brands = tuple(brand for brand, _ in dossier.brands.most_common())
        candidates.append(
            Candidate(ranked, dossier.sold_value, model.bound(ranked.signs), model.explain(ranked.signs), brands)
        )
    place = {
        candidate.number: place
        for place, candidate in enumerate(sort_by_expected_value(candidate.ranked for candidate in candidates))
    }
    return sorted(candidates, key=lambda candidate: place[candidate.ranked.number]), model.n_outcomes


def list_handed_out(connection: Connection) -> list[HandedOut]:
    """Return all referrals with their outcomes, newest first."""
    outcomes = find_outcomes(connection)
    return [
        HandedOut(referral, tuple(outcomes.get(referral.referral_id, ()))) for referral in list_referrals(connection)
    ]


def count_confirmed(connection: Connection) -> Mapping[str, int]:
    """Return the number of cases of each seller whose verdict in force is counterfeit, by id and by pseudonym."""
    query = (
        select(cases.c.seller_id, seller_keys.c.pseudonym, func.count(cases.c.case_id.distinct()).label("confirmed"))
        .join(decisions, decisions.c.case_id == cases.c.case_id)
        .outerjoin(seller_keys, seller_keys.c.seller_id == cases.c.seller_id)
        .where(cases.c.state == "decided", decisions.c.verdict == Verdict.COUNTERFEIT, is_last_verdict())
        .group_by(cases.c.seller_id, seller_keys.c.pseudonym)
    )
    counted = {}
    for row in connection.execute(query):
        counted[row.seller_id] = row.confirmed
        if row.pseudonym:
            counted[row.pseudonym] = row.confirmed
    return counted
