"""The people of the programme, and those who write to it.

Reviewers look at what waits; a lead hears sellers, confirms penalties, and once a week ends notices that wait too long
and meets misuse with warnings and suspensions. Sellers complain of takedowns: most of those who were wronged, and a few
of the others. Notifiers give notice, which is taken in as the programme takes in any. They all decide as real ones
would, through the same functions; only what they think of a listing is made up, from the truth and from how often they
err.
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
from ipml.cooperation.notifiers.misuse import find_misuse, suspend, warn
from ipml.cooperation.policy import CooperationPolicy
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal
from ipml.enforcement.penalties import ladder
from ipml.enforcement.penalties.penalties import select_penalties
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.statements.statements import issue
from ipml.errors import Conflict, Forbidden, NotFound
from ipml.records import Case, Claim, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim, claim_ahead
from ipml.review.group_decisions import MOST_CASES, decide_bulk, preview_bulk
from ipml.review.queue import decide, get_case, list_cases
from ipml.review.reversals import Consequences
from ipml.settings import Settings, get_settings
from ipml.simulation.year.weeks import DrawnNotice
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, penalties


@dataclass(frozen=True, slots=True)
class Staff:
    """How many review, how much in a day, and how often they err.

    Attributes
    ----------
    most_reviewers : int or None, default=None
        As many as the waiting cases need where it is None.
    reviews_a_day : int
        Of each reviewer.
    time_a_case : timedelta
        From opening a case to its verdict, where cases are not decided together.
    missed, wronged : float
        How often a counterfeit is called genuine, and a genuine listing counterfeit.
    lead_missed, lead_wronged : float
        The same of the lead, who hears appeals and looks at what was passed on.
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
    """How often sellers complain of a takedown: the wronged, and the others; and after how many days on average."""

    wronged: float = 0.6
    others: float = 0.01
    delay_days: float = 6.0


class Truth:
    """Whether each listing is counterfeit: a byte for each listing of the year so far.

    Examples
    --------
    >>> truth = Truth()
    >>> truth.add(np.array([True, False]))
    >>> truth.is_fake("listing-0000000"), truth.is_fake("listing-0000001")
    (True, False)
    """

    def __init__(self) -> None:
        self._known = bytearray()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def n_fakes(self) -> int:
        """How many are counterfeit."""
        return self._known.count(1)

    def add(self, is_fake: npt.NDArray[np.bool_]) -> None:
        """Add listings, which are numbered on."""
        self._known += is_fake.astype(np.uint8).tobytes()

    def is_fake(self, listing_id: str) -> bool:
        """Say whether a listing, by its id, is counterfeit."""
        return bool(self._known[int(listing_id.removeprefix("listing-"))])


_REPLICA = ("replica", "aaa", "1:1", "grade", "mirror", "oem", "inspired", "copy")


@dataclass(slots=True)
class SimulatedStaff:
    """Who decides, on a database with all consequences.

    Parameters
    ----------
    engine : Engine
    policy : EnforcementPolicy
    truth : Truth
    staff : Staff
    consequences : Consequences, optional
        What follows from their decisions.
    settings : Settings, default=those of the process
        What the console would take.
    """

    engine: Engine
    policy: EnforcementPolicy
    truth: Truth = field(default_factory=Truth)
    staff: Staff = field(default_factory=Staff)
    consequences: Consequences | None = None
    settings: Settings = field(default_factory=get_settings)

    def review(self, now: datetime, rng: np.random.Generator) -> int:
        """Let as many reviewers work as there are and the waiting cases need; return how many cases they decided."""
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
        """Let the lead decide what was passed on, such as what a notice says of a listing found genuine before."""
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
        """Let the lead confirm what waits for a person; who errs there is heard on appeal."""
        with reading(self.engine) as connection:
            proposed = select_penalties(connection, penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None))
        confirmed = 0
        for penalty in proposed:
            with suppress(Conflict):  # the next rung took its place meanwhile
                with writing(self.engine) as connection:
                    imposed = ladder.confirm(connection, penalty.penalty_id, self.staff.lead, now=now)
                    issue(connection, ladder.restriction_of(connection, imposed), self.policy)
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
            taken,
            verdict,
            ground=ground,
            settings=self.settings,
            now=now,
            consequences=self.consequences,
        )

    def _go_down_the_list(self, reviewer: str, n_cases: int, now: datetime, rng: np.random.Generator) -> int:
        """Decide so many cases of the list, those that are alike in verdict and ground together."""
        if n_cases <= 0:
            return 0
        said: dict[tuple[Verdict, str], list[int]] = {}
        with reading(self.engine) as connection:
            for case in list_cases(connection, limit=n_cases, now=now):
                verdict = self._judge(case, rng)
                said.setdefault((verdict, _name_ground(case, verdict)), []).append(case.case_id)
        return sum(self._decide(numbers, reviewer, *what, now) for what, numbers in said.items())

    def _decide(self, numbers: Sequence[int], reviewer: str, verdict: Verdict, ground: str, now: datetime) -> int:
        decided = 0
        for start in range(0, len(numbers), MOST_CASES):
            some = numbers[start : start + MOST_CASES]
            with writing(self.engine) as connection:
                seen = preview_bulk(connection, some, reviewer, verdict, settings=self.settings, now=now)
                made = decide_bulk(
                    connection,
                    some,
                    reviewer,
                    verdict,
                    ground=ground,
                    token=seen.digest,
                    settings=self.settings,
                    now=now,
                    consequences=self.consequences,
                )
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


_TEXT = "The goods are genuine; I have the invoices of an authorised wholesaler."
_OTHER_LEAD = "leo"
_WHY = {"granted": "The invoices show that the goods are genuine.", "rejected": "The signs named in the letter stand."}


@dataclass(slots=True)
class Appeals:
    """Appeals to come against what people decided."""

    people: SimulatedStaff
    complaints: ComplaintRates
    _pending: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    _seen: int = 0

    def think_of_complaining(self, rng: np.random.Generator) -> None:
        """Let the sellers of new takedowns make up their minds."""
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
        """File what is due, and let a lead decide it."""
        rules = self.people.policy.appeals
        while self._pending and self._pending[0][0] <= now:
            _, case_id, listing_id, seller_id = heapq.heappop(self._pending)
            outcome = "rejected" if self.people.lead_finds_fake(listing_id, rng) else "granted"
            try:
                with writing(self.people.engine) as connection:
                    appeal = file_appeal(connection, case_id, seller_id, _TEXT, rules=rules, now=now)
            except (Conflict, NotFound):  # appealed against before, or no restriction stands any more
                continue
            self._decide(appeal.appeal_id, self.people.staff.lead, outcome, now + timedelta(hours=4))

    def _decide(self, appeal_id: int, lead: str, outcome: str, now: datetime) -> None:
        """Decide an appeal; where the lead had decided in the matter before, another lead does."""
        people = self.people
        rules = people.policy.appeals
        try:
            with writing(people.engine) as connection:
                decide_appeal(
                    *(connection, appeal_id, lead, outcome, _WHY[outcome]),
                    rules=rules,
                    now=now,
                    consequences=people.consequences,
                )
        except Forbidden:
            if lead == _OTHER_LEAD:
                raise
            self._decide(appeal_id, _OTHER_LEAD, outcome, now)


@dataclass(slots=True)
class Post:
    """Notices to come; what is due is given to the programme."""

    engine: Engine
    policy: CooperationPolicy
    _waiting: list[tuple[datetime, int, DrawnNotice, tuple[ScoredListing, ...]]] = field(default_factory=list)
    _number: count[int] = field(default_factory=count)

    def add(self, notices: Sequence[DrawnNotice], listings: Mapping[int, ScoredListing]) -> None:
        """Take the notices of a week, and its listings by their rows."""
        for notice in notices:
            about = tuple(listings[row] for row in notice.rows)
            heapq.heappush(self._waiting, (notice.at, next(self._number), notice, about))

    def deliver(self, now: datetime) -> None:
        """Give the notices that are due; a listing that nobody looked at yet comes into the queue with its score."""
        due: list[tuple[DrawnNotice, tuple[ScoredListing, ...]]] = []
        while self._waiting and self._waiting[0][0] <= now:
            due.append(heapq.heappop(self._waiting)[2:])
        enqueue(self.engine, (one for _, about in due for one in about), joins_alike=False, now=now)
        for notice, about in due:
            said = write_notice(notice, [one.listing.listing_id for one in about], now)
            with writing(self.engine) as connection:
                receive(connection, check_notice(said, self.policy.notices, now=now), policy=self.policy, now=now)


# As long as the policy asks of notifiers with a doubtful record.
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
    """Return a notice as JSON has it."""
    said: dict[str, Any] = {
        "name": notice.name,
        "email": f"{notice.name}@notifiers.example",
        "good_faith": True,  # the one in bad faith says so, too
        "listings": [{"listing_id": listing_id} for listing_id in listing_ids],
        "key": f"{notice.name}-{now.isoformat()}-{listing_ids[0]}",
    }
    if notice.kind == "buyer":
        return said | {"kind": "complaint", "explanation": _BUYER, "order": {"order_id": listing_ids[0]}}
    brand = notice.brand or "Rival"
    return said | {"brand": brand, "rights": f"Trade mark of {brand}", "explanation": _HOLDER}


def look_after_notices(engine: Engine, policy: CooperationPolicy, lead: str, now: datetime) -> int:
    """Let time do to notices what it does, and take every step that is proposed; return how many were taken.

    Examples
    --------
    >>> from datetime import UTC
    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> look_after_notices(engine, load_cooperation_policy(), "lead", datetime(2025, 7, 7, tzinfo=UTC))
    0
    """
    run_notice_deadlines(engine, policy=policy, now=now)
    with reading(engine) as connection:
        proposed = find_misuse(connection, policy.notifiers, now)
    for proposal in proposed:
        step = warn if proposal.kind == "warn" else suspend
        why = " ".join(proposal.sentences)
        with writing(engine) as connection:
            step(connection, proposal.notifier.notifier_id, lead, why, rules=policy.notifiers, now=now)
    return len(proposed)
