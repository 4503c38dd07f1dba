"""The model of the year: learnt from an earlier, smaller marketplace of the same kind, as its reviewers saw it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.features.goods import brand_table
from ipml.listings.brands import load_brands, write_brands
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.training.experiment import DataPart, EvaluationPart, Experiment, read_training_listings
from ipml.model.training.result import learn, save_learnt
from ipml.simulation.reviewing import MISSED_SHARE, WRONGED_SHARE
from ipml.simulation.sellers import YEAR_DAYS
from ipml.simulation.year.plan import Plan
from ipml.simulation.year.population import recruit_population
from ipml.simulation.year.weeks import write_weeks

LISTINGS = 30_000
"""Of the marketplace that is learnt from."""

_OFFENDERS_MORE = 5  # times as many as in the year: a model learns little from thirty people
_LOOKED_AT = 0.6
_MONTHS = 12
_NAMES = {"listings": "listings.parquet", "brands": "brands.toml", "truth": "truth.parquet"}


@dataclass(frozen=True, slots=True)
class Learnt:
    """A model, and from which score on people look at listings.

    Attributes
    ----------
    folder : Path
        The model.
    threshold : float
        Chosen on listings of sellers that the model had not seen, so that of what is looked at `precision` is
        counterfeit; of the counterfeits there so many (`recall`) lie above it.
    """

    folder: Path
    threshold: float
    precision: float
    recall: float


def learn_model(plan: Plan, folder: Path, *, precision: float = 0.7, n_listings: int = LISTINGS) -> Learnt:
    """Learn from a marketplace of a year before, save the model in a folder, and choose the threshold.

    Parameters
    ----------
    plan : Plan
        For its difficulty and seed.
    folder : Path
    precision : float, default=0.7
        Part of what people look at that should be counterfeit.
    n_listings : int
        Of that marketplace.
    """
    market = folder / "market"
    market.mkdir(parents=True, exist_ok=True)
    _write_market(plan, market, n_listings)
    experiment = Experiment(
        name="year",
        seed=plan.seed,
        data=DataPart(listings=(_NAMES["listings"],), brands=_NAMES["brands"], truth=_NAMES["truth"]),
        evaluation=EvaluationPart(attacks="none", n_resamples=10),
        folder=market,
    )
    learnt = learn(experiment, read_training_listings(experiment), brand_table(load_brands(market / _NAMES["brands"])))
    save_learnt(experiment, learnt, folder / "model")
    threshold, recall = choose_threshold(learnt.tested.y, learnt.tested.scores[MODEL][0], precision)
    return Learnt(folder / "model", threshold, precision, recall)


def choose_threshold(
    y: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], precision: float
) -> tuple[float, float]:
    """Return the lowest score from which on so large a part is counterfeit, and the part of counterfeits above it.

    Examples
    --------
    >>> choose_threshold(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), 0.6)
    (0.7, 1.0)
    """
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(y[order])
    is_enough = found / np.arange(1, len(y) + 1) >= precision
    last = int(np.flatnonzero(is_enough)[-1]) if is_enough.any() else 0
    return float(scores[order[last]]), float(found[last] / max(found[-1], 1))


def _write_market(plan: Plan, folder: Path, n_listings: int) -> None:
    """Write a marketplace with many small offenders, and what reviewers said of a part of its listings."""
    scale = n_listings / Plan(1.0).n_listings
    before = replace(plan, scale=scale, seed=plan.seed + 1_000_003)
    people = recruit_population(before, offenders_more=_OFFENDERS_MORE)
    months = list(
        write_weeks(people.sellers, plan.difficulty, before.seed, n_weeks=_MONTHS, week_days=YEAR_DAYS / _MONTHS)
    )
    listings = pd.concat([month.moved(plan.shift).listings for month in months], ignore_index=True)
    truth = np.concatenate([month.is_counterfeit for month in months])
    rng = np.random.default_rng([before.seed, 4])
    says = truth ^ (rng.random(len(truth)) < np.where(truth, MISSED_SHARE, WRONGED_SHARE))
    is_seen = rng.random(len(truth)) < _LOOKED_AT
    delay = pd.to_timedelta((rng.gamma(1.2, 5.0, len(truth)) * 86_400).round(), unit="s")
    listings["is_counterfeit"] = pd.Series(says, dtype="boolean").where(is_seen)
    listings["labelled_at"] = (listings["observed_at"] + delay).where(is_seen)
    listings.to_parquet(folder / _NAMES["listings"], index=False)
    write_brands(load_brands(), folder / _NAMES["brands"])
    known = pd.DataFrame({"listing_id": listings["listing_id"], "is_counterfeit": truth})
    known.to_parquet(folder / _NAMES["truth"], index=False)
