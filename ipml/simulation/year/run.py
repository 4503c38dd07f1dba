"""Run of a simulated year: trains, opens a database, runs the days, and compares the figures with history.

The account also shows time and memory, as plain text.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.enforcement.policy import load_enforcement_policy
from ipml.errors import UnwritableFile
from ipml.review.ranking.policy import load_policy
from ipml.review.ranking.queue_order import start_ranking
from ipml.settings import Settings
from ipml.simulation.year.account import (
    NoticeCounts,
    TakedownCounts,
    WorkCounts,
    count_notices,
    count_takedowns,
    count_work,
    list_struck_sellers,
)
from ipml.simulation.year.handover import Gangs, Handover, count_brands, find_gangs, tell_public
from ipml.simulation.year.people import SimulatedStaff
from ipml.simulation.year.population import HISTORY, N_DAYS, Plan
from ipml.simulation.year.programme import LISTINGS, STAFF, Say, TrainedModel, Year, YearResult, learn_model
from ipml.simulation.year.weekly_scores import Timings, peak_bytes, seldom_collecting
from ipml.storage.database import migrate, open_database, reading


@dataclass(frozen=True, slots=True)
class YearFigure:
    """A line of the account: the simulated figure, the historical one, and the historical one at the plan's scale."""

    name: str
    simulated: str
    note: str = ""
    history: str = "not given"
    scaled: str = ""


def write_table(figures: Sequence[YearFigure]) -> str:
    """Return the figures as a table.

    >>> print(write_table([YearFigure("gangs", "41", "of 43 planted", "43", "43")]))
    figure  history  at this scale  simulated  note
    gangs   43       43             41         of 43 planted
    """
    head = ("figure", "history", "at this scale", "simulated", "note")
    rows = [head, *((one.name, one.history, one.scaled, one.simulated, one.note) for one in figures)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def write_timings(timings: Timings, result: YearResult) -> str:
    """Return time by stage and peak memory as text; making and scoring listings runs in parallel to the rest."""
    spent = sorted(timings.spent.items(), key=lambda one: -one[1].processor)
    lines = ["stage                         processor s    wall s"]
    lines += [f"{name:<30}{one.processor:>10.1f}{one.wall:>10.1f}" for name, one in spent]
    total = sum(one.processor for _, one in spent)
    lines.append(f"{'all':<30}{total:>10.1f}{result.seconds:>10.1f}")
    own, beside, alone = (peak / 2**20 for peak in (result.peak, result.peak_beside, result.peak_alone))
    lines.append(
        f"\nMemory at most: {own:,.0f} MiB for the programme and {beside:,.0f} MiB beside it for making and scoring "
        f"listings, together {own + beside:,.0f} MiB; {alone:,.0f} MiB for networks and reports after that."
    )
    return "\n".join(lines)


def _list_found(plan: Plan, result: YearResult, taken: TakedownCounts, work: WorkCounts) -> Iterator[YearFigure]:
    n_listings, n_fakes = len(result.truth), result.truth.n_fakes
    n_days = plan.last_day + 1
    days = f"of {result.n_sellers:,} sellers" + ("" if n_days == N_DAYS else f", in {n_days} of {N_DAYS} days")
    yield YearFigure("listings that went past the model", f"{n_listings:,}", days, scaled=f"{plan.n_listings:,}")
    yield YearFigure("counterfeit among them", f"{n_fakes:,}", "the truth", scaled=f"{plan.n_fakes:,}")
    share = f"{_share(taken.right, n_fakes)} of the counterfeit ones"
    yield YearFigure("infringing listings handled", f"{taken.right:,}", share, *_scale("handled", plan))
    done = _share(taken.done, taken.right + taken.wrong)
    yield YearFigure("of them deleted", done, "the platform said that it was done", "all", "all")
    yield YearFigure("put back though counterfeit", f"{taken.right_lifted:,}", "on appeal, or in error")
    passed = f"the model passed over {result.unfound:,} at first; reviewers found {work.missed:,} genuine"
    yield YearFigure("counterfeit and never taken down", f"{n_fakes - taken.right:,}", passed)
    who = f"of {result.n_offenders:,} who offer counterfeits; {_spell(work.penalties)}"
    yield YearFigure("members penalised", f"{work.penalised:,}", who, *_scale("penalised", plan))
    yield YearFigure("brands among the takedowns", f"{taken.brands}")


def _list_taken_down(taken: TakedownCounts, work: WorkCounts) -> Iterator[YearFigure]:
    n_taken = taken.right + taken.wrong
    yield YearFigure("WRONGFUL TAKEDOWNS: listings", f"{taken.wrong:,}", f"{_share(taken.wrong, n_taken)} of all")
    yield YearFigure("  put back", f"{taken.wrong_lifted:,}", "after an appeal")
    standing = taken.wrong - taken.wrong_lifted
    yield YearFigure("  still down at the end", f"{standing:,}", "nobody complained, or in vain")
    yield YearFigure("WRONGFUL TAKEDOWNS: sellers", f"{taken.wronged_sellers:,}")
    yield YearFigure("  penalised for nothing", f"{work.wrongly_penalised:,}", "no strike was right")
    yield YearFigure("precision of takedowns", _share(taken.right, n_taken))
    hours = "" if taken.median_hours is None else f"{taken.median_hours:.0f} hours"
    yield YearFigure("median time to takedown", hours, "from when the listing was first seen")
    before = "" if taken.before_first_sale is None else f"{taken.before_first_sale:.1%}"
    yield YearFigure("before the first sale", before, "of those of which sales are known")
    wrongly = f"{taken.automatic_wrong:,} of {taken.automatic:,} wrongly"
    wrongly = wrongly if taken.automatic else "the policy leaves all to people"
    yield YearFigure("taken down without a person", _share(taken.automatic, n_taken), wrongly)
    n_appeals = sum(work.appeals.values())
    granted = _share(work.appeals.get("granted", 0), n_appeals)
    yield YearFigure("appeals", f"{n_appeals:,}", f"{granted} granted; {_spell(work.appeals)}")
    yield YearFigure("cases decided", f"{work.decided:,}", f"{work.waiting:,} still wait")
    yield YearFigure("messages delivered", f"{work.messages.get('delivered', 0):,}", _spell(work.messages))


def _list_notices(noted: NoticeCounts) -> Iterator[YearFigure]:
    yield YearFigure("notices", f"{noted.notices:,}", _spell(noted.kinds))
    yield YearFigure("  listings noted", f"{noted.items:,}", f"{noted.right:,} counterfeit in truth")
    yield YearFigure("  of them taken down", f"{noted.taken_down:,}", f"{noted.taken_down_wrong:,} wrongly")
    judged = noted.states.get("upheld", 0) + noted.states.get("rejected", 0)
    upheld = _share(noted.states.get("upheld", 0), judged)
    yield YearFigure("  upheld", upheld, f"of {judged:,} that were judged; {_spell(noted.states)}")
    warned = f"{noted.steps.get('warn', 0):,} warned before"
    yield YearFigure("notifiers suspended", f"{noted.steps.get('suspend', 0):,}", warned)


def _list_referred(gangs: Gangs, n_referrals: int, n_brands: int) -> Iterator[YearFigure]:
    quality = f"pairs: F1 {gangs.f1:.2f}, precision {gangs.precision:.2f}, recall {gangs.recall:.2f}"
    yield YearFigure("gangs", f"{gangs.found}", quality, f"{HISTORY['gangs']}", f"{gangs.planted}")
    yield YearFigure("referrals for the police", f"{n_referrals:,}", "one on each network that has enough")
    brands, suspects = f"{HISTORY['brands']}", f"{HISTORY['suspects']}"
    yield YearFigure("brands in the referrals", f"{n_brands}", "", brands, brands)
    scaled = f"{HISTORY['suspects'] * gangs.planted // HISTORY['gangs']}"
    who = "accounts in these networks; how many people is not known"
    yield YearFigure("suspects", f"{gangs.members:,}", who, suspects, scaled)
    bounds = f"of {gangs.n_valued} gangs; the 90 % bounds of each sum to {gangs.value_low} and {gangs.value_high}"
    value = str(gangs.value) if gangs.n_valued else "not known"
    yield YearFigure("value of what they sold", value, bounds, f"{HISTORY['value']:,} yuan")


def _scale(name: str, plan: Plan) -> tuple[str, str]:
    """Return the historical figure, and that figure at the plan's scale."""
    return f"{HISTORY[name]:,}", f"{HISTORY[name] * plan.scale:,.0f}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "none"


def _spell(counts: dict[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()) if number) or "none"


DATABASE = "ipml.db"


@dataclass(frozen=True, slots=True)
class Account:
    """Result of a year."""

    plan: Plan
    learnt: TrainedModel
    result: YearResult
    figures: list[YearFigure]


def run_year(
    plan: Plan,
    folder: Path,
    settings: Settings,
    say: Say = lambda _: None,
    *,
    learn_from: int = LISTINGS,
    leaves: int = 0,
) -> Account:
    """Run a year in a folder of its own, and return its account.

    Parameters
    ----------
    folder : Path
        Receives the model, the database and all messages.
    settings : Settings
        Name the policies and the rules of review.
    say : callable
        Called with a description of each step.
    learn_from : int
        Number of listings in the earlier marketplace that the model is trained on.
    leaves : int
        Number of the last arrivals that are left out, in `Account.result.left`, for a shift after the year.

    Raises
    ------
    UnwritableFile
        The folder holds a year already.
    """
    if (folder / DATABASE).exists():
        raise UnwritableFile(folder, "a year is there already", "a folder without one; name another with --out")
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    engine = open_database(f"sqlite:///{folder / DATABASE}", is_durable=False)
    migrate(engine)
    result = YearResult()
    say("learning")
    with result.timings.at("learning"):
        learnt = learn_model(plan, folder, settings, n_listings=learn_from)
    policy = load_enforcement_policy(settings.policy_enforcement)
    cooperation = load_cooperation_policy(settings.policy_cooperation)
    start_ranking(engine, load_policy(settings.policy_review), plan.first_morning.to_pydatetime())
    people = SimulatedStaff(engine, policy, result.truth, STAFF, Cooperation(policy, cooperation), settings)
    with seldom_collecting():
        Year(plan, people, cooperation, learnt, folder, say, result, leaves).run()
        figures = _close_year(plan, engine, folder, result, cooperation, say)
    result.peak_alone, result.seconds = peak_bytes(), time.perf_counter() - began
    return Account(plan, learnt, result, figures)


def _close_year(
    plan: Plan, engine: Engine, folder: Path, result: YearResult, policy: CooperationPolicy, say: Say = lambda _: None
) -> list[YearFigure]:
    """Build referrals, write the transparency report, and return the figures counted from the database."""
    now = plan.closed_at
    say("finding networks")
    with result.timings.at("networks"), reading(engine) as connection:
        networks, gangs = find_gangs(connection, folder, list_struck_sellers(connection))
    say("building referrals")
    with result.timings.at("referrals"):
        n_referrals = Handover(engine, folder, policy, STAFF.lead).refer(networks, gangs.numbers, now)
        with reading(engine) as connection:
            n_brands = count_brands(connection, networks, gangs)
    say("writing the transparency report")
    with result.timings.at("transparency report"), reading(engine) as connection:
        tell_public(connection, folder, plan, policy, now)
    say("counting")
    with result.timings.at("counting"), reading(engine) as connection:
        taken, work = count_takedowns(connection, result.truth), count_work(connection, result.truth)
        noted = count_notices(connection, result.truth)
    return [
        *_list_found(plan, result, taken, work),
        *_list_taken_down(taken, work),
        *_list_notices(noted),
        *_list_referred(gangs, n_referrals, n_brands),
    ]
