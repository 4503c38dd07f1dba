"""Handover: finds networks at the end of the year, refers them to the police, and writes the public report.

Networks are found by shared attributes; takedowns separate them from honest firms.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sqlalchemy import Connection, Engine, distinct, func, select

from ipml.cooperation.networks.detection import Networks, find_networks
from ipml.cooperation.networks.sales import read_sales
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.policy import CooperationPolicy
from ipml.cooperation.referrals.dossier import join_network
from ipml.cooperation.referrals.package import ReferralRequest, build_referral
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.transparency import write_transparency_report
from ipml.enforcement.evidence.package import PackageOutput
from ipml.errors import Conflict
from ipml.money import Money
from ipml.review.ranking.queue_order import current_ranking
from ipml.simulation.year.population import Plan
from ipml.storage.tables import cases, measures

LEAST_STRUCK = 2
"""Members with takedowns in force that make a network a matter for the police."""


@dataclass(frozen=True, slots=True)
class Gangs:
    """Networks with counterfeiters among their members.

    Precision and recall are those of pairs of sellers in one network; `members` counts sellers in the networks found.
    The values are sums of the estimates and of their bounds, over the `n_valued` networks with a known value.
    `numbers` are the networks found, the most valuable first.
    """

    planted: int
    found: int
    precision: float
    recall: float
    members: int
    value: Money
    value_low: Money
    value_high: Money
    n_valued: int
    numbers: tuple[int, ...]

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def find_gangs(connection: Connection, folder: Path, struck: Mapping[str, int]) -> tuple[Networks, Gangs]:
    """Find networks by shared attributes, and keep those with at least `LEAST_STRUCK` struck members.

    `folder` holds the files of `ipml.simulation.year.weekly_scores`; `struck` has the takedowns in force by seller.
    The value of a network is that of its referral.
    """
    networks = find_networks(folder / "attributes.parquet")
    number = networks.numbering.number
    ids = networks.holdings.seller_ids
    gangs = find_struck(networks, struck)
    told = pd.read_parquet(folder / "networks-truth.parquet").set_index("seller_id")["network"]
    planted = told.reindex(ids).fillna(-1).to_numpy(dtype=np.int64)
    precision, recall = _judge_pairs(np.where(np.isin(number, gangs), number, 0), planted)
    sales = read_sales(folder / "sales.parquet")
    dossiers = [join_network(connection, networks, int(one), sales, with_ties=False) for one in gangs]
    values = {one.number: one.sold_value for one in dossiers}
    valued = [one.value for one in values.values() if one.is_known]
    nothing = Money(0.0, current_ranking(connection).policy.exchange_rates.currency)
    least = {number: one.least or nothing for number, one in values.items()}
    return networks, Gangs(
        planted=int(told[told >= 0].nunique()),
        found=len(gangs),
        precision=precision,
        recall=recall,
        members=int(np.isin(number, gangs).sum()),
        value=sum((one.total for one in valued), nothing),
        value_low=sum((one.low for one in valued), nothing),
        value_high=sum((one.high for one in valued), nothing),
        n_valued=len(valued),
        numbers=tuple(sorted(least, key=lambda number: least[number], reverse=True)),
    )


def find_struck(networks: Networks, struck: Collection[str]) -> npt.NDArray[np.int64]:
    """Return the numbers of the networks with at least `LEAST_STRUCK` members among the struck sellers."""
    is_struck = np.isin(networks.holdings.seller_ids, list(struck))
    counts = np.bincount(networks.numbering.number[is_struck], minlength=1)
    counts[0] = 0
    return np.flatnonzero(counts >= LEAST_STRUCK)


def _judge_pairs(found: npt.NDArray[np.int64], planted: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Return precision and recall of the pairs found against the planted ones."""
    both = (found > 0) & (planted >= 0)
    joint = pd.Series(found[both]).astype("str") + "-" + pd.Series(planted[both]).astype("str")
    right = _count_pairs(joint.value_counts().to_numpy())
    n_found = _count_pairs(np.bincount(found[found > 0]))
    n_planted = _count_pairs(np.bincount(planted[planted >= 0]))
    return right / max(n_found, 1), right / max(n_planted, 1)


def _count_pairs(sizes: npt.NDArray[np.integer]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


RECIPIENT = "police-criminal"
NETWORKS, REFERRALS, REPORT = "networks", "referrals", "transparency"


@dataclass(frozen=True, slots=True)
class Handover:
    """The place of referrals: a database, a folder with the sales, the policy, and the lead who builds them."""

    engine: Engine
    folder: Path
    policy: CooperationPolicy
    by: str

    def refer(self, networks: Networks, numbers: Sequence[int], now: datetime) -> int:
        """Store the networks, build a referral to the police for each number, and return how many were built.

        Networks without enough evidence are skipped.
        """
        store_networks(networks, self.folder / NETWORKS)
        sales = read_sales(self.folder / "sales.parquet")
        (self.folder / REFERRALS).mkdir(exist_ok=True)
        built = 0
        for number in numbers:
            request, out = (
                ReferralRequest(number, RECIPIENT, sales=sales),
                self.folder / REFERRALS / f"network-{number}",
            )
            with suppress(Conflict):
                build_referral(
                    self.engine, networks, request, self.policy.referrals, PackageOutput(out, self.by), now=now
                )
                built += 1
        return built


def tell_public(connection: Connection, folder: Path, plan: Plan, policy: CooperationPolicy, now: datetime) -> None:
    """Write the transparency report of the simulated days."""
    first = plan.first_morning.date()
    period = Period.between(first, first + timedelta(days=plan.last_day + 1))
    scope = ReportScope(connection, period, now, networks=folder / NETWORKS)
    write_transparency_report(scope, folder / REPORT, policy.reports)


def count_brands(connection: Connection, networks: Networks, gangs: Gangs) -> int:
    """Count the brands of listings taken down from network members."""
    members = [networks.holdings.seller_ids[one] for number in gangs.numbers for one in networks.members_of(number)]
    query = (
        select(func.count(distinct(cases.c.brand)))
        .join(measures, measures.c.case_id == cases.c.case_id)
        .where(measures.c.lifted_at.is_(None), cases.c.seller_id.in_(members))
    )
    return connection.scalar(query) or 0
