"""Programme of a simulated year: runs the real queue, decisions and enforcement day by day.

In the morning the listings of the day before arrive scored, with notices; the policy acts; reviewers decide; the lead
decides appeals; at night messages are delivered. Sellers do not react to measures: a closed account goes on listing,
so that the year brings as much work as history did. The model is trained on an earlier, smaller marketplace of the
same kind, labelled by its reviewers. The platform receives messages through a weekly file and confirms each at once;
the transparency database accepts everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.actions import end_due
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.automation.automatic_decisions import act
from ipml.enforcement.statements.submission import DatabaseAnswer, Payload, send_waiting
from ipml.enforcement.takedown.delivery import CHANNELS, DeliveryOutcome, deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.features.goods import brand_table
from ipml.listings.brands import load_brands, write_brands
from ipml.model.evaluation.evaluation import MODEL
from ipml.model.training.classifier import TrainingTask
from ipml.model.training.experiment import DataPart, EvaluationPart, Experiment, read_training_listings
from ipml.model.training.result import learn, save_learnt
from ipml.records import ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.scoring.batch.scored_files import read_scored
from ipml.settings import Settings
from ipml.simulation.marketplace import MISSED_SHARE, WRONGED_SHARE
from ipml.simulation.sellers import YEAR_DAYS
from ipml.simulation.year.people import (
    Appeals,
    ComplaintRates,
    NoticeSource,
    SimulatedStaff,
    Staff,
    Truth,
    look_after_notices,
)
from ipml.simulation.year.population import Plan, recruit_population
from ipml.simulation.year.weekly_scores import Timings, Watched, held_bytes, peak_bytes, watching
from ipml.simulation.year.weeks import write_weeks
from ipml.storage.outbox import Message

LISTINGS = 30_000
"""Size of the marketplace that the model is trained on."""

_OFFENDERS_MORE = 5  # relative to the year: a model learns little from thirty offenders
_LOOKED_AT = 0.6
_MONTHS = 12
_NAMES = {"listings": "listings.parquet", "brands": "brands.toml", "truth": "truth.parquet"}


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A model, and the score from which on people review listings.

    `precision` is the share of counterfeits among listings of held-out sellers with at least this score; `recall` is
    the share of their counterfeits that reach it.
    """

    folder: Path
    threshold: float
    precision: float
    recall: float


def learn_model(
    plan: Plan, folder: Path, settings: Settings, *, precision: float = 0.7, n_listings: int = LISTINGS
) -> TrainedModel:
    """Train on a marketplace of a year before, save the model in `folder`, and choose the threshold.

    The plan gives difficulty and seed; `precision` is the wanted share of counterfeits among reviewed listings;
    `n_listings` is the size of the earlier marketplace.
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
        settings=settings,
    )
    brands = brand_table(load_brands(market / _NAMES["brands"]))
    learnt = learn(TrainingTask(experiment, read_training_listings(experiment), brands))
    save_learnt(experiment, learnt, folder / "model")
    threshold, recall = choose_threshold(learnt.tested.y, learnt.tested.scores[MODEL][0], precision)
    return TrainedModel(folder / "model", threshold, precision, recall)


def choose_threshold(
    y: npt.NDArray[np.bool_], scores: npt.NDArray[np.float64], precision: float
) -> tuple[float, float]:
    """Return the lowest score with at least this precision at and above it, and the recall there.

    >>> choose_threshold(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]), 0.6)
    (0.7, 1.0)
    """
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(y[order])
    is_enough = found / np.arange(1, len(y) + 1) >= precision
    last = int(np.flatnonzero(is_enough)[-1]) if is_enough.any() else 0
    return float(scores[order[last]]), float(found[last] / max(found[-1], 1))


def _write_market(plan: Plan, folder: Path, n_listings: int) -> None:
    """Write a marketplace with many small offenders, and reviewers' verdicts on a part of its listings."""
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


class StubPlatform:
    """File sink with one file per week in `folder`, whose reader confirms every message at once."""

    channels: Collection[str] = CHANNELS
    at_once = 500

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._week, self._now = -1, datetime.min.replace(tzinfo=UTC)

    def wake(self, week: int, now: datetime) -> None:
        """Write messages from now on to the file of a week, and confirm them at this time."""
        if week != self._week:
            self._week, self._sink = week, FileSink(self._folder / f"messages-{week:02d}.jsonl")
        self._now = now

    def deliver(self, messages: Sequence[Message]) -> Iterator[DeliveryOutcome]:
        """Write the messages; report those to the platform as done."""
        done = DeliveryOutcome(True, status="done", said_at=self._now)
        for message, outcome in zip(messages, self._sink.deliver(messages), strict=True):
            yield done if message.channel == "platform" and outcome.is_accepted else outcome

    def close(self) -> None:
        """Do nothing; there is nothing to close."""


def _take_statements(_: Sequence[Payload]) -> DatabaseAnswer:
    """Answer as the transparency database does on success."""
    return DatabaseAnswer(201)


STAFF = Staff()

Say = Callable[[str], None]


@dataclass(slots=True)
class YearResult:
    """Results of a year besides the database: the truth, timings, memory, and counterfeits below the threshold.

    Notices reported a part of the `unfound` counterfeits. Memory is the peak in bytes: of this process during the
    days, of the process beside it that makes and scores listings, and of this one after the other was gone. `seconds`
    is wall-clock time; `left` are the last arrivals, if any were to be left for a shift.
    """

    truth: Truth = field(default_factory=Truth)
    timings: Timings = field(default_factory=Timings)
    n_sellers: int = 0
    n_offenders: int = 0
    unfound: int = 0
    peak: int = 0
    peak_beside: int = 0
    peak_alone: int = 0
    seconds: float = 0.0
    left: list[ScoredListing] = field(default_factory=list)


@dataclass(slots=True)
class Programme:
    """The programme at work, one day at a time: arrivals, policy, people, and sellers who complain.

    Without `post` no notices arrive.
    """

    people: SimulatedStaff
    complaints: ComplaintRates = field(default_factory=ComplaintRates)
    post: NoticeSource | None = None
    timings: Timings = field(default_factory=Timings)
    _appeals: Appeals = field(init=False)

    def __post_init__(self) -> None:
        """Set up appeals against the people's decisions."""
        self._appeals = Appeals(self.people, self.complaints)

    def run_day(self, morning: datetime, arrived: Sequence[ScoredListing], rng: np.random.Generator) -> int:
        """Run a day that begins with `arrived` listings, and return how many cases people decided."""
        people, at = self.people, self.timings.at
        with at("queue"):
            enqueue(people.engine, arrived, joins_alike=False, now=morning)
        if self.post:
            with at("notices"):
                self.post.deliver(morning + timedelta(hours=1))
        with at("policy"):
            act(
                people.engine,
                people.policy,
                people.settings,
                morning + timedelta(hours=2),
                actions=people.actions,
            )
        with at("review and what follows"):
            decided = people.review(morning + timedelta(hours=9), rng)
            decided += people.decide_escalated(morning + timedelta(hours=11), rng)
        with at("appeals"):
            self._appeals.hear(morning + timedelta(hours=12), rng)
            self._appeals.think_of_complaining(rng)
        with at("penalties"):
            people.confirm_penalties(morning + timedelta(hours=17))
            end_due(people.engine, people.policy, now=morning + timedelta(hours=17))
        return decided


def _hold_back(arrived: dict[int, list[ScoredListing]], most: int) -> list[ScoredListing]:
    """Take up to `most` of the last arrivals out, and return them."""
    held: list[ScoredListing] = []
    for day in sorted(arrived, reverse=True):
        n_kept = max(len(arrived[day]) - (most - len(held)), 0)
        held += arrived[day][n_kept:]
        arrived[day] = arrived[day][:n_kept]
    return held


@dataclass(slots=True)
class Year:
    """A year to run, in the people's own database; `folder` receives the weekly files and messages.

    The last `leaves` arrivals do not reach the queue.
    """

    plan: Plan
    people: SimulatedStaff
    cooperation: CooperationPolicy
    learnt: TrainedModel
    folder: Path
    say: Say = lambda _: None
    result: YearResult = field(default_factory=YearResult)
    leaves: int = 0
    _platform: StubPlatform = field(init=False)
    _post: NoticeSource = field(init=False)
    _programme: Programme = field(init=False)

    def __post_init__(self) -> None:
        """Connect platform, notices and staff."""
        self._platform = StubPlatform(self.folder)
        self._post = NoticeSource(self.people.engine, self.cooperation)
        self._programme = Programme(self.people, post=self._post, timings=self.result.timings)

    def run(self) -> YearResult:
        """Run the days of the plan, and return the results that are not in the database."""
        settings = self.people.settings.model_copy(update={"model": str(self.learnt.folder)})
        with watching(self.plan, self.folder, settings, self.learnt.threshold) as weeks:
            while True:
                with self._at("waiting for listings"):
                    week = next(weeks, None)
                if week is None:
                    return self.result
                self._live_week(week)

    def _live_week(self, week: Watched) -> None:
        began = time.perf_counter()
        self.people.truth.add(week.truth)
        self.result.n_sellers, self.result.n_offenders = week.n_sellers, week.n_offenders
        self.result.unfound += int((week.truth & ~week.is_found).sum())
        self.result.timings.add("making listings", week.making)
        self.result.timings.add("scoring", week.scoring)
        with self._at("reading scored files"):
            by_row = {int(one.listing.listing_id[8:]) - week.first: one for one in read_scored(week.path)}
        self._post.add(week.notices, by_row)
        first, last = 7 * week.number, min(7 * week.number + 6, self.plan.last_day)
        arrived: dict[int, list[ScoredListing]] = {day: [] for day in range(first, last + 1)}
        for row, one in by_row.items():
            if week.is_found[row]:
                arrived[min(max(self._day_of(one), first), last)].append(one)
        if week.number == self.plan.n_weeks - 1:
            self.result.left = _hold_back(arrived, self.leaves)
        for day, come in arrived.items():  # each is worked on the day after the one on which it was observed
            morning = (self.plan.first_morning + timedelta(days=day + 1)).to_pydatetime()
            self._programme.run_day(morning, come, np.random.default_rng([self.plan.seed, 5, day]))
            self._send(day, morning + timedelta(hours=18))
        week.path.unlink()
        self.result.peak, self.result.peak_beside = peak_bytes(), week.peak
        memory = (held_bytes() + week.held) / 2**20
        self.say(
            f"week {week.number + 1} of {self.plan.n_weeks}: {len(week.truth):,} listings, {sum(week.is_found):,} for "
            f"people, {time.perf_counter() - began:.0f} s, {memory:,.0f} MiB in use"
        )

    def _send(self, day: int, now: datetime) -> None:
        with self._at("delivery"):
            self._platform.wake(day // 7, now)
            for _ in deliver_due(self.people.engine, self._platform, clock=lambda: now):
                pass
        with self._at("statements"):
            send_waiting(self.people.engine, _take_statements, now=now)
        if day % 7 == 6 or day == self.plan.last_day:
            with self._at("notices"):
                look_after_notices(self.people.engine, self.cooperation, STAFF.lead, now)
            with self._at("deadlines"):
                context = AppealContext(self.people.policy, self.people.actions)
                run_appeal_deadlines(self.people.engine, context, now=now)

    def _day_of(self, scored: ScoredListing) -> int:
        """Return the day of observation, from 0; rounding may cross midnight by a second."""
        observed = scored.listing.observed_at
        assert observed is not None
        return (observed - self.plan.first_morning).days

    def _at(self, name: str) -> AbstractContextManager[None]:
        return self.result.timings.at(name)
