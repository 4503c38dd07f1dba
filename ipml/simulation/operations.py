"""A marketplace at work, day by day: listings come in scored, people review, a policy acts, sellers complain.

The queue, the decisions and what follows from them are the real ones on a real database; only the listings, the people
and the passing of time are made up. What is true is known here alone: reviewers see it with their errors, the policy
not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Engine, select

from ipml.enforcement.automation.automatic_decisions import Acted, act
from ipml.enforcement.automation.promises import read_standings
from ipml.enforcement.policy import EnforcementPolicy
from ipml.errors import Conflict
from ipml.records import Case, Decision, ScoredListing, Verdict
from ipml.review.group_decisions import MOST_CASES
from ipml.review.queue import (
    claim,
    claim_ahead,
    decide,
    decide_bulk,
    enqueue,
    get_case,
    list_cases,
    list_decisions,
    preview_bulk,
    undo,
)
from ipml.review.reversals import Consequences
from ipml.settings import get_settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions

Arrivals = Callable[[datetime, np.random.Generator], Sequence[tuple[ScoredListing, bool]]]
"""Gives the listings of a day, each with whether it is counterfeit."""

_GROUND = "price_and_seller"


@dataclass(frozen=True, slots=True)
class Staff:
    """Who reviews, how much in a day, and how often they err.

    Attributes
    ----------
    reviews_a_day : int
        Of each reviewer.
    time_a_case : timedelta
        From opening a case to its verdict, where cases are not decided together.
    missed, wronged : float
        How often a counterfeit is called genuine, and a genuine listing counterfeit.
    lead_missed, lead_wronged : float
        The same of the lead, who looks at complaints and at drawn cases that speak against a promise.
    """

    reviewers: tuple[str, ...] = ("ana", "ben", "eva")
    reviews_a_day: int = 40
    time_a_case: timedelta = timedelta(minutes=1.5)
    missed: float = 0.03
    wronged: float = 0.006
    lead: str = "lea"
    lead_missed: float = 0.005
    lead_wronged: float = 0.003


@dataclass(frozen=True, slots=True)
class ComplaintRates:
    """How often sellers complain of a takedown: the wronged, and the others; and after how many days on average."""

    wronged: float = 0.6
    others: float = 0.03
    delay_days: float = 6.0


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """What happened on a day.

    Attributes
    ----------
    automatic, automatic_wrong : int
        Listings the policy acted on, and those of them that are genuine in truth.
    taken_down, taken_down_wrong : int
        The same of what people decided.
    put_back : int
        Listings given back after a complaint.
    in_force : tuple of str
        Brands whose promise was in force at the end of the day.
    """

    at: datetime
    arrived: int
    reviewed: int
    automatic: int
    automatic_wrong: int
    taken_down: int
    taken_down_wrong: int
    put_back: int
    in_force: tuple[str, ...]


@dataclass(slots=True)
class Operations:
    """A marketplace at work.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.enforcement.policy import load_enforcement_policy
    >>> from ipml.records import Listing
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> bag = ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "m1")
    >>> shop = Operations(engine, load_enforcement_policy(), lambda day, rng: [(bag, True)], Staff(missed=0.0))
    >>> day = next(shop.run(datetime(2026, 5, 1, tzinfo=UTC), 1))
    >>> day.arrived, day.reviewed, day.taken_down, day.automatic
    (1, 1, 1, 0)
    """

    engine: Engine
    policy: EnforcementPolicy
    arrivals: Arrivals
    staff: Staff = field(default_factory=Staff)
    complaints: ComplaintRates = field(default_factory=ComplaintRates)
    seed: int = 0
    consequences: Consequences | None = None
    _truth: dict[str, bool] = field(default_factory=dict)
    _pending: list[tuple[datetime, int]] = field(default_factory=list)  # complaints, by when they arrive
    _looked_at: set[int] = field(default_factory=set)
    _seen: int = 0

    def run(self, start: datetime, n_days: int) -> Iterator[SimulatedDay]:
        """Give what happened, day by day: arrivals at midnight, the policy, reviews until the evening, the lead."""
        rng = np.random.default_rng(self.seed)
        for number in range(n_days):
            yield self._live(start + timedelta(days=number), rng)

    def _live(self, morning: datetime, rng: np.random.Generator) -> SimulatedDay:
        arrived = self.arrivals(morning, rng)
        self._truth |= {one.listing.listing_id: is_fake for one, is_fake in arrived}
        enqueue(self.engine, (one for one, _ in arrived), joins_alike=False, now=morning)
        self._act(morning + timedelta(hours=1))
        reviewed = self._review(morning + timedelta(hours=9), rng)
        evening = morning + timedelta(hours=18)
        self._look_again(evening, rng)
        put_back = self._hear(evening, rng)
        made = self._follow_up(rng)
        with reading(self.engine) as connection:
            standings = read_standings(connection, self.policy, now=evening)
        in_force = tuple(one.brand for one in standings if one.is_in_force)
        by_policy = (made["policy", True] + made["policy", False], made["policy", False])
        by_people = (made["people", True] + made["people", False], made["people", False])
        return SimulatedDay(morning, len(arrived), reviewed, *by_policy, *by_people, put_back, in_force)

    def _act(self, now: datetime) -> Acted:
        return act(self.engine, self.policy, get_settings(), now, consequences=self.consequences)

    def _review(self, now: datetime, rng: np.random.Generator) -> int:
        """Let each reviewer go down the list as far as a day reaches, and decide what looks alike to them together."""
        reviewed = 0
        for reviewer in self.staff.reviewers:
            given = self._take_ahead(reviewer, now, rng)
            left = self.staff.reviews_a_day - given
            with reading(self.engine) as connection:
                shown = list_cases(connection, limit=left, now=now) if left else []
            reviewed += given
            said: dict[Verdict, list[int]] = {}
            for case in shown:
                said.setdefault(self._judge(case, rng), []).append(case.case_id)
            for verdict, numbers in said.items():
                reviewed += self._decide_together(numbers, reviewer, verdict, now)
        return reviewed

    def _take_ahead(self, reviewer: str, now: datetime, rng: np.random.Generator) -> int:
        """Let a reviewer take what the queue puts before the list, as the page does."""
        for number in range(self.staff.reviews_a_day):
            with writing(self.engine) as connection:
                taken = claim_ahead(connection, reviewer, now=now)
            if taken is None:
                return number
            with writing(self.engine) as connection:
                verdict = self._judge(get_case(connection, taken.case_id, now=now), rng)
                ground = _GROUND if verdict is Verdict.COUNTERFEIT else ""
                decide(connection, taken, verdict, ground=ground, now=now, consequences=self.consequences)
        return self.staff.reviews_a_day

    def _decide_together(self, numbers: Sequence[int], reviewer: str, verdict: Verdict, now: datetime) -> int:
        ground = _GROUND if verdict is Verdict.COUNTERFEIT else ""
        decided = 0
        for start in range(0, len(numbers), MOST_CASES):
            together = numbers[start : start + MOST_CASES]
            with writing(self.engine) as connection:
                seen = preview_bulk(connection, together, reviewer, verdict, now=now)
                made = decide_bulk(
                    connection,
                    together,
                    reviewer,
                    verdict,
                    ground=ground,
                    token=seen.digest,
                    now=now,
                    consequences=self.consequences,
                )
            decided += len(made.decisions)
        return decided

    def _judge(self, case: Case, rng: np.random.Generator) -> Verdict:
        """Return what a reviewer says of a case."""
        is_fake = self._truth[case.scored.listing.listing_id]
        says_fake = rng.random() >= self.staff.missed if is_fake else rng.random() < self.staff.wronged
        return Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE

    def _look_again(self, now: datetime, rng: np.random.Generator) -> None:
        """Let the lead look once at each drawn case that speaks against a promise."""
        with reading(self.engine) as connection:
            standings = read_standings(connection, self.policy, now=now)
        for standing in standings:
            for case_id in set(standing.count.against) - self._looked_at:
                self._looked_at.add(case_id)
                if self._is_fake_to_lead(case_id, rng):
                    with reading(self.engine) as connection:
                        decision = list_decisions(connection, case_id)[-1]
                    self._redecide(decision, Verdict.COUNTERFEIT, now)

    def _hear(self, now: datetime, rng: np.random.Generator) -> int:
        """Let the lead hear the complaints that have come in, and give back what was taken down wrongly."""
        due = [decision_id for at, decision_id in self._pending if at <= now]
        self._pending = [(at, decision_id) for at, decision_id in self._pending if at > now]
        with reading(self.engine) as connection:
            query = select(decisions.c.decision_id, decisions.c.case_id).where(decisions.c.decision_id.in_(due))
            found = connection.execute(query).all()
        put_back = 0
        for decision_id, case_id in found:
            if not self._is_fake_to_lead(case_id, rng):
                with reading(self.engine) as connection:
                    standing = [one for one in list_decisions(connection, case_id) if one.decision_id == decision_id]
                put_back += sum(self._redecide(decision, Verdict.GENUINE, now) for decision in standing)
        return put_back

    def _redecide(self, decision: Decision, verdict: Verdict, now: datetime) -> bool:
        """Let the lead take a decision back and decide anew, unless another was quicker."""
        try:
            with writing(self.engine) as connection:
                undo(
                    connection,
                    decision.decision_id,
                    self.staff.lead,
                    may_undo_others=True,
                    now=now,
                    consequences=self.consequences,
                )
        except Conflict:
            return False
        with writing(self.engine) as connection:
            taken = claim(connection, self.staff.lead, decision.case_id, now=now)
            if taken is None:
                return False
            decide(
                connection,
                taken,
                verdict,
                ground=_GROUND if verdict is Verdict.COUNTERFEIT else "",
                now=now,
                consequences=self.consequences,
            )
        return True

    def _follow_up(self, rng: np.random.Generator) -> Counter[tuple[str, bool]]:
        """Count the new takedowns, by who decided and whether they were right, and let sellers complain of some."""
        query = (
            select(decisions.c.decision_id, decisions.c.listing_id, decisions.c.origin, decisions.c.decided_at)
            .where(decisions.c.decision_id > self._seen, decisions.c.verdict == Verdict.COUNTERFEIT)
            .order_by(decisions.c.decision_id)
        )
        with reading(self.engine) as connection:
            rows = connection.execute(query).all()
        made: Counter[tuple[str, bool]] = Counter()
        for row in rows:
            is_right = self._truth[row.listing_id]
            made["policy" if row.origin == "policy" else "people", is_right] += 1
            odds = self.complaints.others if is_right else self.complaints.wronged
            if rng.random() < odds:
                delay = timedelta(days=float(rng.exponential(self.complaints.delay_days)))
                self._pending.append((row.decided_at + delay, row.decision_id))
            self._seen = row.decision_id
        return made

    def _is_fake_to_lead(self, case_id: int, rng: np.random.Generator) -> bool:
        if self._is_fake(case_id):
            return bool(rng.random() >= self.staff.lead_missed)
        return bool(rng.random() < self.staff.lead_wronged)

    def _is_fake(self, case_id: int) -> bool:
        with reading(self.engine) as connection:
            return self._truth[connection.scalar(select(cases.c.listing_id).where(cases.c.case_id == case_id)) or ""]
