"""What is done once the days are over: clues on the networks for the police, and the report for the public."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, distinct, func, select

from ipml.cooperation.clues.contents import ClueRequest
from ipml.cooperation.clues.package import build_clue
from ipml.cooperation.network.folder import keep_networks
from ipml.cooperation.network.networks import Networks
from ipml.cooperation.network.sales import read_sales
from ipml.cooperation.policy import CooperationPolicy
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.transparency import write_transparency_report
from ipml.errors import ClueTooSmall
from ipml.simulation.year.gangs import Gangs
from ipml.simulation.year.plan import Plan
from ipml.storage.database import reading
from ipml.storage.tables import cases, measures

RECIPIENT = "police-criminal"
NETWORKS, CLUES, REPORT = "networks", "clues", "transparency"


def hand_over(
    engine: Engine, folder: Path, networks: Networks, gangs: Gangs, policy: CooperationPolicy, by: str, now: datetime
) -> int:
    """Build a clue on each network for the police, the most valuable first, and return how many could be built."""
    keep_networks(networks, folder / NETWORKS)
    sales = read_sales(folder / "sales.parquet")
    (folder / CLUES).mkdir(exist_ok=True)
    built = 0
    for number in gangs.numbers:
        request, out = ClueRequest(number, RECIPIENT, sales=sales), folder / CLUES / f"network-{number}"
        with suppress(ClueTooSmall):
            build_clue(engine, networks, request, policy.clues, out, by=by, now=now)
            built += 1
    return built


def tell_public(engine: Engine, folder: Path, plan: Plan, policy: CooperationPolicy, now: datetime) -> None:
    """Write the transparency report of the days that were lived through."""
    first = plan.first_morning.date()
    period = Period.between(first, first + timedelta(days=plan.last_day + 1))
    write_transparency_report(engine, period, folder / REPORT, policy.reports, now=now, networks=folder / NETWORKS)


def count_brands(engine: Engine, networks: Networks, gangs: Gangs) -> int:
    """Count the brands of what was taken down from the sellers of networks."""
    members = [networks.holdings.seller_ids[one] for number in gangs.numbers for one in networks.members_of(number)]
    query = (
        select(func.count(distinct(cases.c.brand)))
        .join(measures, measures.c.case_id == cases.c.case_id)
        .where(measures.c.lifted_at.is_(None), cases.c.seller_id.in_(members))
    )
    with reading(engine) as connection:
        return connection.scalar(query) or 0
