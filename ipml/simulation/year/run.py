"""A simulated year from nothing to its account: learn, open a database, live through the days, count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from ipml.cooperation.consequences import cooperating
from ipml.enforcement.automatic.rules import AutomaticRules
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.errors import UnwritableFile
from ipml.listings.brands import load_brands
from ipml.simulation.year.account import count_takedowns, count_work, list_struck_sellers
from ipml.simulation.year.gangs import find_gangs
from ipml.simulation.year.giving import give_notice
from ipml.simulation.year.memory import peak_bytes
from ipml.simulation.year.model import Learnt, learn_model
from ipml.simulation.year.plan import Plan
from ipml.simulation.year.table import Figure, make_figures
from ipml.simulation.year.year import Lived, Year
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


def run_year(plan: Plan, folder: Path, say: Say = lambda _: None, *, automatic: bool = True) -> Account:
    """Live through a year in a folder of its own, and return its account.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Gets the model, the database and all messages.
    say : callable
        Told what is being done.
    automatic : bool, default=True
        Whether the policy may act without people on any brand, once the brand's cases have shown what it promises.

    Raises
    ------
    UnwritableFile
        There is a year in the folder already.
    """
    if (folder / DATABASE).exists():
        raise UnwritableFile(folder, "a year is there already", "a folder without one; name another with --out")
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(f"sqlite:///{folder / DATABASE}")
    migrate(engine)
    lived = Lived()
    say("learning")
    with lived.stations.at("learning"):
        learnt = learn_model(plan, folder)
    policy = make_policy(automatic=automatic)
    Year(plan, cooperating(engine, policy), policy, learnt, folder, give_notice, say, lived).live()
    figures = count_year(plan, engine, folder, lived, say)
    lived.peaks = (peak_bytes(), lived.peaks[1])
    return Account(plan, learnt, lived, figures)


def make_policy(*, automatic: bool) -> EnforcementPolicy:
    """Return the enforcement policy of the settings, in which the policy may act on all brands or on none."""
    brands = tuple(brand.name for brand in load_brands()) if automatic else ()
    return load_enforcement_policy().model_copy(update={"automatic": AutomaticRules(is_on=automatic, brands=brands)})


def count_year(plan: Plan, engine: Engine, folder: Path, lived: Lived, say: Say = lambda _: None) -> list[Figure]:
    """Return the figures of a year that was lived through, all of them counted from its database."""
    say("finding networks")
    with lived.stations.at("networks"):
        _, gangs = find_gangs(folder, list_struck_sellers(engine))
    say("counting")
    with lived.stations.at("counting"):
        taken, work = count_takedowns(engine, lived.truth), count_work(engine, lived.truth)
    return make_figures(plan, lived, taken, work, gangs)
