"""Weekly scores: makes and scores listings in a second process, while the database works on earlier weeks.

Listings for review go to one file per week, with reasons; the rest is only counted. The process is never more than a
few weeks ahead, so neither memory nor disk grows with the year. Peak memory and the time of each stage are measured.
"""

from __future__ import annotations

import gc
import logging
import os
import queue
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.errors import Failed, first_line
from ipml.features.portfolio import SellerPortfolios
from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.scoring.batch.scored_files import EXPLANATION_COLUMNS, explanation_columns
from ipml.scoring.scorer import Scorer, load_model
from ipml.settings import Settings
from ipml.simulation.year.population import Plan, Population, recruit_population
from ipml.simulation.year.weeks import DrawnNotice, draw_notices, name_holders, write_weeks

_COLLECTED_AT = (100_000, 20, 50)


def peak_bytes() -> int:
    """Return the peak memory of this process in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def held_bytes() -> int:
    """Return the memory that this process holds now in bytes; the peak where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return peak_bytes()
    return pages * resource.getpagesize()


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Run the garbage collector rarely until the end of the block: queries make millions of objects, few in cycles."""
    usual = gc.get_threshold()
    gc.set_threshold(*_COLLECTED_AT)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


@dataclass(slots=True)
class Spent:
    """Seconds of processor time and wall-clock time."""

    processor: float = 0.0
    wall: float = 0.0


@dataclass(slots=True)
class Timings:
    """Time spent by stage."""

    spent: dict[str, Spent] = field(default_factory=dict)

    @contextmanager
    def at(self, name: str) -> Iterator[None]:
        """Add the time until the end of the block to a stage."""
        processor, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.process_time() - processor, time.perf_counter() - wall)

    def add(self, name: str, processor: float, wall: float = 0.0) -> None:
        """Add time that was measured elsewhere, in seconds."""
        spent = self.spent.setdefault(name, Spent())
        spent.processor += processor
        spent.wall += wall


_log = logging.getLogger(__name__)
_AHEAD = 2
"""Weeks that may be finished in advance."""
_EXPLAINED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Watched:
    """A week's listings as the programme receives them.

    Attributes
    ----------
    path : Path
        Scored file of the listings that the model found suspicious or that a notice will report.
    first : int
        Number of the week's first listing.
    truth, is_found : array of bool, shape (n_listings,)
        Counterfeit in truth (for simulated people and the account only), and found suspicious enough for review.
    making, scoring : float
        Seconds of processor time.
    peak, held : int
        Memory of the process in bytes: the peak so far, and now.
    """

    number: int
    path: Path
    first: int
    truth: npt.NDArray[np.bool_]
    is_found: npt.NDArray[np.bool_]
    notices: list[DrawnNotice]
    n_sellers: int
    n_offenders: int
    making: float
    scoring: float
    peak: int
    held: int


@contextmanager
def watching(plan: Plan, folder: Path, settings: Settings, threshold: float) -> Iterator[Iterator[Watched]]:
    """Start the process, which scores by the model of the settings, and yield an iterator over its weeks.

    Raises `Failed`: the other process failed or was killed.
    """
    context = get_context("spawn")
    weeks = context.Queue(maxsize=_AHEAD)
    process = context.Process(target=_watch, args=(plan, folder, settings, threshold, weeks), daemon=True)
    process.start()
    try:
        yield _receive(process, weeks)
    finally:
        process.kill()
        process.join()


def _receive(process: BaseProcess, weeks: Any) -> Iterator[Watched]:
    while True:
        try:
            came = weeks.get(timeout=1.0)
        except queue.Empty:
            if not process.is_alive():
                raise Failed(
                    "listings of the year",
                    "found that the process that makes them is gone; expected them week by week",
                    "Begin anew with another --out.",
                ) from None
            continue
        if came is None:
            return
        if isinstance(came, str):
            raise Failed(
                "listings of the year", f"found {came}; expected them week by week", "Begin anew with another --out."
            )
        yield came


def _watch(plan: Plan, folder: Path, settings: Settings, threshold: float, weeks: Any) -> None:
    """Run in the other process: ignore Ctrl-C, since the parent ends this process then, and exit with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        for came in _watch_weeks(plan, folder, load_model(settings=settings), threshold):
            weeks.put(came)
        weeks.put(None)
    except Exception as error:  # the waiting parent must learn of any error
        _log.exception("the listings of the year cannot be made")
        weeks.put(f"{type(error).__name__}, {first_line(error)}")
    weeks.close()
    weeks.join_thread()


def _watch_weeks(plan: Plan, folder: Path, scorer: Scorer, threshold: float) -> Iterator[Watched]:
    """Draw the sellers and write their shared attributes; then make and score each week's listings."""
    began = time.process_time()
    people = recruit_population(plan)
    _keep_networks(people, folder)
    sellers = people.sellers
    kinds = sellers["kind"].to_numpy()
    holders = name_holders(load_brands(), plan.seed)
    portfolios = scorer.start_portfolios()
    n_offenders = int(people.offenders.sum())
    del people
    for made_week in write_weeks(sellers, plan.difficulty, plan.seed, n_weeks=plan.n_weeks):
        week = made_week.moved(plan.shift)
        made = time.process_time()
        listings = check_listings(week.listings, "the year")
        scored = scorer.score_frame(listings, portfolios)
        is_found = (scored["score"] >= threshold).to_numpy(dtype=bool) | scored["score"].isna().to_numpy()
        rng = np.random.default_rng([plan.seed, 7, week.number])
        notices = draw_notices(week, is_found, kinds[week.seller], holders, rng, plan.first_morning)
        path = folder / f"week-{week.number:02d}.parquet"
        is_read = is_found.copy()
        is_read[[row for notice in notices for row in notice.rows]] = True
        reasons = _explain(scorer, listings[is_read], portfolios)
        pd.concat([listings[is_read], scored[is_read], reasons], axis=1).to_parquet(path, index=False)
        scorer.take_in(listings, portfolios)
        done = time.process_time()
        yield Watched(
            *(week.number, path, week.first, week.is_counterfeit, is_found, notices, len(sellers), n_offenders),
            *(made - began, done - made, peak_bytes(), held_bytes()),
        )
        began = time.process_time()


def _explain(scorer: Scorer, listings: pd.DataFrame, portfolios: SellerPortfolios) -> pd.DataFrame:
    """Return the reasons of listings' scores, as columns of scored files."""
    said = [
        explanation_columns(one)
        for start in range(0, len(listings), _EXPLAINED_AT_ONCE)
        for one in scorer.explain_frame(listings.iloc[start : start + _EXPLAINED_AT_ONCE], portfolios)
    ]
    return pd.DataFrame(said, index=listings.index, columns=list(EXPLANATION_COLUMNS))


def _keep_networks(people: Population, folder: Path) -> None:
    """Write shared attributes, known sales of networks, and the true networks, for evaluation only."""
    people.attributes.to_parquet(folder / "attributes.parquet", index=False)
    people.sales.to_parquet(folder / "sales.parquet", index=False)
    is_told = people.offenders | (people.sellers["network"] >= 0).to_numpy()
    people.sellers.loc[is_told, ["seller_id", "network"]].to_parquet(folder / "networks-truth.parquet", index=False)


def _die_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
