"""The people of the programme: reviewers who look at what waits, a lead who hears sellers and confirms penalties.

They decide as real ones would, through the same functions; only what they think of a listing is made up, from the
truth and from how often they err.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import count

import numpy as np
from sqlalchemy import Connection, Engine, select

from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.penalties import Penalty, select_penalties
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.statements.statements import issue
from ipml.errors import CannotChangePenalty
from ipml.records import Case, Verdict
from ipml.review.bulk import MOST_CASES, decide_bulk, preview_bulk
from ipml.review.claims import claim, claim_ahead
from ipml.review.queue import decide, get_case, list_cases
from ipml.simulation.operations import Staff
from ipml.simulation.year.truth import Truth
from ipml.storage.database import reading
from ipml.storage.tables import cases, penalties

_REPLICA = ("replica", "aaa", "1:1", "grade", "mirror", "oem", "inspired", "copy")


@dataclass(slots=True)
class People:
    """Who decides, on a database with all consequences.

    Parameters
    ----------
    engine : Engine
    policy : EnforcementPolicy
    truth : Truth
    staff : Staff
        How often they err; `reviews_a_day` is what one reviewer decides.
    """

    engine: Engine
    policy: EnforcementPolicy
    truth: Truth
    staff: Staff

    def review(self, now: datetime, rng: np.random.Generator) -> int:
        """Let as many reviewers work as the waiting cases need, and return how many cases they decided."""
        decided = 0
        for number in count():
            reviewer = f"reviewer-{number:02d}"
            done = self._take_ahead(reviewer, now, rng)
            done += self._go_down_the_list(reviewer, self.staff.reviews_a_day - done, now, rng)
            decided += done
            if not done:
                break
        return decided

    def look_again(self, now: datetime, rng: np.random.Generator) -> int:
        """Let the lead decide what was passed on, such as what a notice says of a listing found genuine before."""
        with reading(self.engine) as connection:
            query = select(cases.c.case_id).where(cases.c.state == "escalated").order_by(cases.c.case_id)
            numbers = list(connection.scalars(query.limit(self.staff.reviews_a_day)))
        decided = 0
        for number in numbers:
            case = get_case(self.engine, number, now=now)
            says_fake = self.lead_finds_fake(case.scored.listing.listing_id, rng)
            verdict = Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE
            if taken := claim(self.engine, self.staff.lead, number, now=now - self.staff.time_a_case):
                decide(self.engine, taken, verdict, ground=_name_ground(case, verdict), now=now)
                decided += 1
        return decided

    def confirm_penalties(self, now: datetime) -> int:
        """Let the lead confirm what waits for a person; who errs there is heard on appeal."""
        with reading(self.engine) as connection:
            proposed = select_penalties(connection, penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None))

        def tell(connection: Connection, penalty: Penalty) -> object:
            return issue(connection, ladder.restriction_of(connection, penalty), self.policy)

        confirmed = 0
        for penalty in proposed:
            with suppress(CannotChangePenalty):  # the next rung took its place meanwhile
                ladder.confirm(self.engine, penalty.penalty_id, self.staff.lead, now=now, tell=tell)
                confirmed += 1
        return confirmed

    def lead_finds_fake(self, listing_id: str, rng: np.random.Generator) -> bool:
        """Say what the lead makes of a listing."""
        if self.truth.is_fake(listing_id):
            return bool(rng.random() >= self.staff.lead_missed)
        return bool(rng.random() < self.staff.lead_wronged)

    def _take_ahead(self, reviewer: str, now: datetime, rng: np.random.Generator) -> int:
        """Let a reviewer take what the queue puts before the list, one by one, as the page does."""
        for number in range(self.staff.reviews_a_day):
            taken = claim_ahead(self.engine, reviewer, now=now - self.staff.time_a_case)
            if taken is None:
                return number
            case = get_case(self.engine, taken.case_id, now=now)
            verdict = self._judge(case, rng)
            decide(self.engine, taken, verdict, ground=_name_ground(case, verdict), now=now)
        return self.staff.reviews_a_day

    def _go_down_the_list(self, reviewer: str, n_cases: int, now: datetime, rng: np.random.Generator) -> int:
        """Decide so many cases of the list, those that are alike in verdict and ground together."""
        if n_cases <= 0:
            return 0
        said: dict[tuple[Verdict, str], list[int]] = {}
        for case in list_cases(self.engine, limit=n_cases, now=now):
            verdict = self._judge(case, rng)
            said.setdefault((verdict, _name_ground(case, verdict)), []).append(case.case_id)
        return sum(self._decide(numbers, reviewer, *what, now) for what, numbers in said.items())

    def _decide(self, numbers: Sequence[int], reviewer: str, verdict: Verdict, ground: str, now: datetime) -> int:
        decided = 0
        for start in range(0, len(numbers), MOST_CASES):
            some = numbers[start : start + MOST_CASES]
            seen = preview_bulk(self.engine, some, reviewer, verdict, now=now)
            made = decide_bulk(self.engine, some, reviewer, verdict, ground=ground, token=seen.digest, now=now)
            decided += len(made.decisions)
        return decided

    def _judge(self, case: Case, rng: np.random.Generator) -> Verdict:
        is_fake = self.truth.is_fake(case.scored.listing.listing_id)
        says_fake = rng.random() >= self.staff.missed if is_fake else rng.random() < self.staff.wronged
        return Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE


def _name_ground(case: Case, verdict: Verdict) -> str:
    """Return the ground that a reviewer names for a takedown: what the title gives away, else circumstances."""
    if verdict is not Verdict.COUNTERFEIT:
        return ""
    words = case.scored.listing.title.casefold()
    return "declared_replica" if any(word in words for word in _REPLICA) else "price_and_seller"
