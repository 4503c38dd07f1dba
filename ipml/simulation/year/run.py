"""A simulated year from nothing to its account: learn, open a database, live through the days, count."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from ipml.cooperation.consequences import cooperating
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.enforcement.automatic.rules import AutomaticRules
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.errors import UnwritableFile
from ipml.listings.brands import load_brands
from ipml.review.ranking.ranking import get_ranking
from ipml.simulation.year.account import count_takedowns, count_work, list_struck_sellers
from ipml.simulation.year.closing import count_brands, hand_over, tell_public
from ipml.simulation.year.gangs import find_gangs
from ipml.simulation.year.giving import giving
from ipml.simulation.year.model import LISTINGS, Learnt, learn_model
from ipml.simulation.year.noted import count_notices
from ipml.simulation.year.plan import Plan
from ipml.simulation.year.spent import peak_bytes, seldom_collecting
from ipml.simulation.year.table import Figure, Handed, make_figures
from ipml.simulation.year.year import STAFF, Lived, Year
from ipml.storage.database import migrate, open_database

DATABASE = "ipml.db"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Account:
    """What came of a year."""

    plan: Plan
    learnt: Learnt
    lived: Lived
    figures: list[Figure]


def run_year(
    plan: Plan,
    folder: Path,
    say: Say = lambda _: None,
    *,
    promise: float | None = None,
    learn_from: int = LISTINGS,
) -> Account:
    """Live through a year in a folder of its own, and return its account.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Gets the model, the database and all messages.
    say : callable
        Told what is being done.
    promise : float, optional
        Where given, the policy may act without people on each brand whose cases have shown that such a part of what it
        acts on is counterfeit. Reviewers who miss 3 % never show 0.99.
    learn_from : int
        Listings of the earlier marketplace that the model learns from.

    Raises
    ------
    UnwritableFile
        There is a year in the folder already.
    """
    if (folder / DATABASE).exists():
        raise UnwritableFile(folder, "a year is there already", "a folder without one; name another with --out")
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(f"sqlite:///{folder / DATABASE}", survives_power_cut=False)
    migrate(engine)
    lived = Lived()
    say("learning")
    with lived.stations.at("learning"):
        learnt = learn_model(plan, folder, n_listings=learn_from)
    policy, cooperation = make_policy(promise), load_cooperation_policy()
    engine = cooperating(engine, policy, cooperation)
    with seldom_collecting():
        Year(plan, engine, policy, cooperation, learnt, folder, giving(cooperation), say, lived).live()
        figures = close_year(plan, engine, folder, lived, cooperation, say)
    lived.peak_alone, lived.seconds = peak_bytes(), time.perf_counter() - began
    return Account(plan, learnt, lived, figures)


def make_policy(promise: float | None) -> EnforcementPolicy:
    """Return the enforcement policy of the settings; with a promise one that may act by itself on all brands."""
    policy = load_enforcement_policy()
    if promise is None:
        return policy
    brands = tuple(brand.name for brand in load_brands())
    return policy.model_copy(update={"automatic": AutomaticRules(is_on=True, brands=brands, promise=promise)})


def close_year(
    plan: Plan, engine: Engine, folder: Path, lived: Lived, policy: CooperationPolicy, say: Say = lambda _: None
) -> list[Figure]:
    """Hand the networks over, tell the public, and return the figures, all of them counted from the database."""
    now = plan.closed_at
    say("finding networks")
    with lived.stations.at("networks"):
        networks, gangs = find_gangs(folder, list_struck_sellers(engine), get_ranking(engine).policy.exchange_rates)
    say("building clues")
    with lived.stations.at("clues"):
        n_clues = hand_over(engine, folder, networks, gangs, policy, STAFF.lead, now)
        n_brands = count_brands(engine, networks, gangs)
    say("writing the transparency report")
    with lived.stations.at("transparency report"):
        tell_public(engine, folder, plan, policy, now)
    say("counting")
    with lived.stations.at("counting"):
        taken, work = count_takedowns(engine, lived.truth), count_work(engine, lived.truth)
        noted = count_notices(engine, lived.truth)
    return make_figures(plan, lived, taken, work, noted, Handed(gangs, n_clues, n_brands))
