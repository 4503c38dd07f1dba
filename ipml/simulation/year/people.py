"""People of the programme: simulates reviewers, a lead, sellers who appeal, and notifiers.

Reviewers decide waiting cases. A lead decides appeals and escalated cases, confirms penalties, and once a week ends
overdue notices and warns or suspends notifiers for misuse. Most wronged sellers appeal, and a few of the others. All
decide through the functions that real users call; only their opinion of a listing is drawn, from the truth and error
rates.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, select

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import check_notice
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notifiers.misuse import StepOrder, find_misuse, suspend, warn
from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.penalties import select_penalties
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.statements.statements import issue
from ipml.errors import Conflict, Forbidden, NotFound
from ipml.records import Case, Claim, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.claims import claim, claim_ahead
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.group_decisions import MOST_CASES, BulkRequest, decide_bulk, preview_bulk
from ipml.review.ranking.queue_order import find_current_parts
from ipml.review.reversals import DecisionActions, ReviewContext
from ipml.review.worklists.search import browse_cases
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, penalties


@dataclass(frozen=True, slots=True)
class Staff:
    """Numbers, capacity and error rates of reviewers and the lead.

    Attributes
    ----------
    most_reviewers : int or None, default=None
        None: as many as the waiting cases need.
    reviews_a_day : int
        Per reviewer.
    time_a_case : timedelta
        From opening a case to its verdict, where cases are not decided together.
    missed, wronged : float
        Probability that a reviewer calls a counterfeit genuine, and a genuine listing counterfeit.
    lead_missed, lead_wronged : float
        The same for the lead, who decides appeals and escalated cases.
    """

    most_reviewers: int | None = None
    reviews_a_day: int = 400
    time_a_case: timedelta = timedelta(minutes=1.5)
    missed: float = 0.03
    wronged: float = 0.006
    lead: str = "lea"
    lead_missed: float = 0.005
    lead_wronged: float = 0.003


@dataclass(frozen=True, slots=True)
class ComplaintRates:
    """Probability that a seller appeals a takedown, if wronged and otherwise, and the mean delay in days."""

    wronged: float = 0.6
    others: float = 0.01
    delay_days: float = 6.0


class Truth:
    """Whether each listing of the year so far is counterfeit, one byte each."""

    def __init__(self) -> None:
        self._known = bytearray()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def n_fakes(self) -> int:
        """Number of counterfeit listings."""
        return self._known.count(1)

    def add(self, is_fake: npt.NDArray[np.bool_]) -> None:
        """Append listings, numbered consecutively."""
        self._known += is_fake.astype(np.uint8).tobytes()

    def is_fake(self, listing_id: str) -> bool:
        """Return whether the listing with this id is counterfeit."""
        return bool(self._known[int(listing_id.removeprefix("listing-"))])


_REPLICA = ("replica", "aaa", "1:1", "grade", "mirror", "oem", "inspired", "copy")


@dataclass(slots=True)
class SimulatedStaff:
    """Reviewers and lead who decide on a database; `actions` apply to their decisions."""

    engine: Engine
    policy: EnforcementPolicy
    truth: Truth = field(default_factory=Truth)
    staff: Staff = field(default_factory=Staff)
    actions: DecisionActions | None = None
    settings: Settings = DEFAULT_SETTINGS

    def review(self, now: datetime, rng: np.random.Generator) -> int:
        """Let reviewers work, up to the number available or needed; return how many cases they decided."""
        decided = 0
        for number in islice(count(), self.staff.most_reviewers):
            reviewer = f"reviewer-{number:02d}"
            done = self._take_ahead(reviewer, now, rng)
            done += self._go_down_the_list(reviewer, self.staff.reviews_a_day - done, now, rng)
            decided += done
            if not done:
                break
        return decided

    def decide_escalated(self, now: datetime, rng: np.random.Generator) -> int:
        """Let the lead decide escalated cases, e.g. a notice on a listing found genuine; return how many."""
        with reading(self.engine) as connection:
            query = select(cases.c.case_id).where(cases.c.state == "escalated").order_by(cases.c.case_id)
            numbers = list(connection.scalars(query.limit(self.staff.reviews_a_day)))
        decided = 0
        for number in numbers:
            with reading(self.engine) as connection:
                case = get_case(connection, number, now=now)
            says_fake = self.lead_finds_fake(case.scored.listing.listing_id, rng)
            verdict = Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE
            with writing(self.engine) as connection:
                if taken := claim(
                    connection, self.staff.lead, number, settings=self.settings, now=now - self.staff.time_a_case
                ):
                    self._record(connection, taken, case, verdict, now)
                    decided += 1
        return decided

    def confirm_penalties(self, now: datetime) -> int:
        """Let the lead confirm all proposed penalties; errors are left to appeals. Return how many."""
        with reading(self.engine) as connection:
            proposed = select_penalties(connection, penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None))
        confirmed = 0
        for penalty in proposed:
            with suppress(Conflict):  # a higher penalty replaced it in the meantime
                with writing(self.engine) as connection:
                    imposed = ladder.confirm(connection, penalty.penalty_id, self.staff.lead, now=now)
                    issue(connection, ladder.restriction_of(connection, imposed), self.policy)
                confirmed += 1
        return confirmed

    def lead_finds_fake(self, listing_id: str, rng: np.random.Generator) -> bool:
        """Return whether the lead calls a listing counterfeit."""
        if self.truth.is_fake(listing_id):
            return bool(rng.random() >= self.staff.lead_missed)
        return bool(rng.random() < self.staff.lead_wronged)

    def _take_ahead(self, reviewer: str, now: datetime, rng: np.random.Generator) -> int:
        """Let a reviewer decide, one by one, the cases that the queue puts before the list, as the page does."""
        for number in range(self.staff.reviews_a_day):
            with writing(self.engine) as connection:
                taken = claim_ahead(connection, reviewer, settings=self.settings, now=now - self.staff.time_a_case)
            if taken is None:
                return number
            with writing(self.engine) as connection:
                case = get_case(connection, taken.case_id, now=now)
                self._record(connection, taken, case, self._judge(case, rng), now)
        return self.staff.reviews_a_day

    def _record(self, connection: Connection, taken: Claim, case: Case, verdict: Verdict, now: datetime) -> None:
        ground = _name_ground(case, verdict)
        decide(
            connection,
            DecisionRequest(taken, verdict, ground),
            now=now,
            context=ReviewContext(self.settings, self.actions),
        )

    def _go_down_the_list(self, reviewer: str, n_cases: int, now: datetime, rng: np.random.Generator) -> int:
        """Decide `n_cases` of the list; cases with the same verdict and ground together."""
        if n_cases <= 0:
            return 0
        said: dict[tuple[Verdict, str], list[int]] = {}
        with reading(self.engine) as connection:
            for case in browse_cases(connection, limit=n_cases, parts=find_current_parts(connection, now)):
                verdict = self._judge(case, rng)
                said.setdefault((verdict, _name_ground(case, verdict)), []).append(case.case_id)
        return sum(self._decide(numbers, reviewer, *what, now) for what, numbers in said.items())

    def _decide(self, numbers: Sequence[int], reviewer: str, verdict: Verdict, ground: str, now: datetime) -> int:
        decided = 0
        for start in range(0, len(numbers), MOST_CASES):
            some = numbers[start : start + MOST_CASES]
            with writing(self.engine) as connection:
                seen = preview_bulk(connection, BulkRequest(some, reviewer, verdict), settings=self.settings, now=now)
                made = decide_bulk(
                    connection,
                    BulkRequest(some, reviewer, verdict, ground),
                    token=seen.digest,
                    now=now,
                    context=ReviewContext(self.settings, self.actions),
                )
            decided += len(made.decisions)
        return decided

    def _judge(self, case: Case, rng: np.random.Generator) -> Verdict:
        is_fake = self.truth.is_fake(case.scored.listing.listing_id)
        says_fake = rng.random() >= self.staff.missed if is_fake else rng.random() < self.staff.wronged
        return Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE


def _name_ground(case: Case, verdict: Verdict) -> str:
    """Return the ground of a takedown: a replica word in the title, else price and seller."""
    if verdict is not Verdict.COUNTERFEIT:
        return ""
    words = case.scored.listing.title.casefold()
    return "declared_replica" if any(word in words for word in _REPLICA) else "price_and_seller"


_TEXT = "The goods are genuine; I have the invoices of an authorised wholesaler."
_OTHER_LEAD = "leo"
_WHY = {"granted": "The invoices show that the goods are genuine.", "rejected": "The evidence in the letter holds."}


@dataclass(slots=True)
class Appeals:
    """Pending appeals against people's decisions."""

    people: SimulatedStaff
    complaints: ComplaintRates
    _pending: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    _seen: int = 0

    def think_of_complaining(self, rng: np.random.Generator) -> None:
        """Draw which sellers of new takedowns will appeal, and when."""
        query = (
            select(decisions.c.decision_id, decisions.c.case_id, decisions.c.listing_id, decisions.c.decided_at)
            .where(decisions.c.decision_id > self._seen, decisions.c.verdict == Verdict.COUNTERFEIT)
            .order_by(decisions.c.decision_id)
        )
        with reading(self.people.engine) as connection:
            for row in connection.execute(query.add_columns(cases.c.seller_id).join(cases)):
                is_fake = self.people.truth.is_fake(row.listing_id)
                self._seen = row.decision_id
                if rng.random() < (self.complaints.others if is_fake else self.complaints.wronged):
                    delay = timedelta(days=1 + float(rng.exponential(self.complaints.delay_days)))
                    heapq.heappush(self._pending, (row.decided_at + delay, row.case_id, row.listing_id, row.seller_id))

    def hear(self, now: datetime, rng: np.random.Generator) -> None:
        """File the appeals that are due, and let a lead decide them."""
        rules = self.people.policy.appeals
        while self._pending and self._pending[0][0] <= now:
            _, case_id, listing_id, seller_id = heapq.heappop(self._pending)
            outcome = "rejected" if self.people.lead_finds_fake(listing_id, rng) else "granted"
            try:
                with writing(self.people.engine) as connection:
                    appeal = file_appeal(connection, AppealRequest(case_id, seller_id, _TEXT), rules, now=now)
            except (Conflict, NotFound):  # appealed before, or no restriction in force any more
                continue
            self._decide(appeal.appeal_id, self.people.staff.lead, outcome, now + timedelta(hours=4))

    def _decide(self, appeal_id: int, lead: str, outcome: str, now: datetime) -> None:
        """Decide an appeal; another lead takes over where the first had decided in the matter."""
        decision = AppealDecision(outcome, lead, _WHY[outcome])
        context = AppealContext(self.people.policy, self.people.actions)
        try:
            with writing(self.people.engine) as connection:
                decide_appeal(connection, appeal_id, decision, context, now=now)
        except Forbidden:
            if lead == _OTHER_LEAD:
                raise
            self._decide(appeal_id, _OTHER_LEAD, outcome, now)


@dataclass(slots=True)
class NoticeSource:
    """Notices to come, delivered to the programme when due."""

    engine: Engine
    policy: CooperationPolicy
    _waiting: list[tuple[datetime, int, DrawnNotice, tuple[ScoredListing, ...]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def add(self, notices: Sequence[DrawnNotice], listings: Mapping[int, ScoredListing]) -> None:
        """Add the notices of a week; `listings` has its listings by row."""
        for notice in notices:
            about = tuple(listings[row] for row in notice.rows)
            heapq.heappush(self._waiting, (notice.at, next(self._number), notice, about))

    def deliver(self, now: datetime) -> None:
        """Deliver due notices; reported listings that are not in the queue are added with their scores."""
        due: list[tuple[DrawnNotice, tuple[ScoredListing, ...]]] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2:])
        enqueue(self.engine, (one for _, about in due for one in about), joins_alike=False, now=now)
        for notice, about in due:
            said = write_notice(notice, [one.listing.listing_id for one in about], now)
            with writing(self.engine) as connection:
                receive(connection, check_notice(said, self.policy.notices, now=now), policy=self.policy, now=now)


# The policy requires explanations of this length from notifiers with a doubtful record.
_HOLDER = (
    "Neither the goods nor the pictures are ours: we never made this model in this colour, and know no such seller. "
    "The stitching of the seam, the shape of the clasp and the letters of the label differ from all that we have made, "
    "and at this price nobody could sell what we make."
)
_BUYER = (
    "What came is not the brand it was sold as: the label is glued on, and the serial number belongs to another. "
    "A shop of the brand has looked at it and says that the material is wrong, the seams are crooked and the box is "
    "none of theirs. The seller does not answer."
)


def write_notice(notice: DrawnNotice, listing_ids: Sequence[str], now: datetime) -> dict[str, Any]:
    """Return a notice as JSON data."""
    said: dict[str, Any] = {
        "name": notice.name,
        "email": f"{notice.name}@notifiers.example",
        "good_faith": True,  # also claimed in bad faith
        "listings": [{"listing_id": listing_id} for listing_id in listing_ids],
        "key": f"{notice.name}-{now.isoformat()}-{listing_ids[0]}",
    }
    if notice.kind == "buyer":
        return said | {"kind": "complaint", "explanation": _BUYER, "order": {"order_id": listing_ids[0]}}
    brand = notice.brand or "Rival"
    return said | {"brand": brand, "rights": f"Trade mark of {brand}", "explanation": _HOLDER}


def look_after_notices(engine: Engine, policy: CooperationPolicy, lead: str, now: datetime) -> int:
    """Run the notice deadlines, and take every proposed step against notifiers; return how many were taken."""
    run_notice_deadlines(engine, policy=policy, now=now)
    with reading(engine) as connection:
        proposed = find_misuse(connection, policy.notifiers, now)
    for proposal in proposed:
        step = warn if proposal.kind == "warn" else suspend
        why = " ".join(proposal.sentences)
        with writing(engine) as connection:
            step(connection, proposal.notifier.notifier_id, StepOrder(lead, why, policy.notifiers, now))
    return len(proposed)
