"""A year of the programme on a simulated marketplace, day by day, with the real queue, decisions and what follows.

In the morning the listings of the day before come in scored, and notices with them; the policy acts; reviewers decide;
sellers complain and the lead hears them; at night messages go out. What sellers list does not depend on what was done
to them: an account that was closed goes on here, so that the year brings the programme as much work as history did.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import Engine

from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.appeals.ticking import tick
from ipml.enforcement.automatic.acting import act
from ipml.enforcement.ending import end_due
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.statements.submission import send_waiting
from ipml.enforcement.takedown.delivery import deliver_due
from ipml.records import ScoredListing
from ipml.review.intake import enqueue
from ipml.scoring.scored_files import read_scored
from ipml.simulation.operations import Complaints, Staff
from ipml.simulation.year.appeals import Appeals
from ipml.simulation.year.model import Learnt
from ipml.simulation.year.notices import Give, Post
from ipml.simulation.year.notifiers import look_after_notices
from ipml.simulation.year.plan import Plan
from ipml.simulation.year.platform import ObedientPlatform, take_statements
from ipml.simulation.year.spent import Stations, held_bytes, peak_bytes
from ipml.simulation.year.staff import People
from ipml.simulation.year.truth import Truth
from ipml.simulation.year.watch import Opened, Watched, watching

STAFF = Staff(reviews_a_day=400)
COMPLAINTS = Complaints(wronged=0.6, others=0.01, delay_days=6.0)

Say = Callable[[str], None]


@dataclass(slots=True)
class Lived:
    """What a year leaves besides the database: the truth, where the time went, and what was never looked at.

    Attributes
    ----------
    n_sellers, n_offenders : int
        On the marketplace.
    unfound : int
        Counterfeits below the threshold, a part of which notices brought to light.
    peak, peak_beside : int
        Bytes of memory at most, while the days passed: of this process, and of that which makes and scores the
        listings beside it.
    peak_alone : int
        Of this process, when all was done and the other gone.
    seconds : float
        By the clock on the wall, all in all.
    """

    truth: Truth = field(default_factory=Truth)
    stations: Stations = field(default_factory=Stations)
    n_sellers: int = 0
    n_offenders: int = 0
    unfound: int = 0
    peak: int = 0
    peak_beside: int = 0
    peak_alone: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class Year:
    """A year to be lived through.

    Attributes
    ----------
    engine : Engine
        A database of its own, bound to what follows from decisions.
    folder : Path
        For the files of the weeks and the messages.
    give : callable
        Gives a notice.
    """

    plan: Plan
    engine: Engine
    policy: EnforcementPolicy
    cooperation: CooperationPolicy
    learnt: Learnt
    folder: Path
    give: Give
    say: Say = lambda _: None
    lived: Lived = field(default_factory=Lived)
    _platform: ObedientPlatform = field(init=False)

    def __post_init__(self) -> None:
        """Let the platform write where the rest is."""
        self._platform = ObedientPlatform(self.folder)

    def live(self) -> Lived:
        """Live through the days of the plan, and return what they leave besides the database."""
        people = People(self.engine, self.policy, self.lived.truth, STAFF)
        appeals, post = Appeals(self.engine, self.policy, COMPLAINTS), Post(self.engine, self.give)
        with watching(self.plan, self.folder, self.learnt.folder, self.learnt.threshold) as weeks:
            with self._at("waiting for listings"):
                opened: Opened = next(weeks)
            self.lived.n_sellers, self.lived.n_offenders = opened.n_sellers, opened.n_offenders
            self.lived.stations.add("making listings", opened.making)
            while True:
                with self._at("waiting for listings"):
                    week: Watched | None = next(weeks, None)
                if week is None:
                    break
                self._live_week(week, people, appeals, post)
        return self.lived

    def _live_week(self, week: Watched, people: People, appeals: Appeals, post: Post) -> None:
        began = time.perf_counter()
        self.lived.truth.add(week.truth)
        self.lived.unfound += int((week.truth & ~week.is_found).sum())
        self.lived.stations.add("making listings", week.making)
        self.lived.stations.add("scoring", week.scoring)
        with self._at("reading scored files"):
            by_row = {int(one.listing.listing_id[8:]) - week.first: one for one in read_scored(week.path)}
        post.add(week.notices, by_row)
        first, last = 7 * week.number, min(7 * week.number + 6, self.plan.last_day)
        arrived: dict[int, list[ScoredListing]] = {day: [] for day in range(first, last + 1)}
        for row, one in by_row.items():
            if week.is_found[row]:
                arrived[min(max(self._day_of(one), first), last)].append(one)
        for day, come in arrived.items():
            self._live_day(day, come, people, appeals, post)
        week.path.unlink()
        self.lived.peak, self.lived.peak_beside = peak_bytes(), week.peak
        memory = (held_bytes() + week.held) / 2**20
        self.say(
            f"week {week.number + 1} of {self.plan.n_weeks}: {len(week.truth):,} listings, {sum(week.is_found):,} for "
            f"people, {time.perf_counter() - began:.0f} s, {memory:,.0f} MiB in use"
        )

    def _live_day(self, day: int, arrived: list[ScoredListing], people: People, appeals: Appeals, post: Post) -> None:
        """Live through the day after the one on which the listings were observed."""
        rng = np.random.default_rng([self.plan.seed, 5, day])
        morning = (self.plan.first_morning + timedelta(days=day + 1)).to_pydatetime()
        with self._at("queue"):
            enqueue(self.engine, arrived, joins_alike=False, now=morning)
        with self._at("notices"):
            post.deliver(morning + timedelta(hours=1))
        with self._at("policy"):
            act(self.engine, self.policy, morning + timedelta(hours=2))
        with self._at("review and what follows"):
            people.review(morning + timedelta(hours=9), rng)
            people.look_again(morning + timedelta(hours=11), rng)
        with self._at("appeals"):
            appeals.hear(people, morning + timedelta(hours=12), rng)
            appeals.think_of_complaining(people, rng)
        with self._at("penalties"):
            people.confirm_penalties(morning + timedelta(hours=17))
            end_due(self.engine, self.policy, now=morning + timedelta(hours=17))
        self._send(day, morning + timedelta(hours=18))

    def _send(self, day: int, now: datetime) -> None:
        with self._at("delivery"):
            self._platform.wake(day // 7, now)
            for _ in deliver_due(self.engine, self._platform, clock=lambda: now):
                pass
        with self._at("statements"):
            send_waiting(self.engine, take_statements, now=now)
        if day % 7 == 6 or day == self.plan.last_day:
            with self._at("notices"):
                look_after_notices(self.engine, self.cooperation, STAFF.lead, now)
            with self._at("clocks"):
                tick(self.engine, rules=self.policy.appeals, now=now)

    def _day_of(self, scored: ScoredListing) -> int:
        """Return on which day of the year a listing was observed, from 0; a second off at midnight by rounding."""
        observed = scored.listing.observed_at
        assert observed is not None
        return (observed - self.plan.first_morning).days

    def _at(self, name: str) -> AbstractContextManager[None]:
        return self.lived.stations.at(name)
