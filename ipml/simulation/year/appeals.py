"""Sellers who complain of a takedown: most of those who were wronged, and a few of the others."""

from __future__ import annotations

import heapq
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from sqlalchemy import Engine, select

from ipml.enforcement.appeals.deciding import decide_appeal
from ipml.enforcement.appeals.filing import file_appeal
from ipml.enforcement.policy import EnforcementPolicy
from ipml.errors import AppealedAlready, NothingToAppeal, NotTheirsToDecide
from ipml.records import Verdict
from ipml.simulation.operations import Complaints
from ipml.simulation.year.staff import People
from ipml.storage.database import reading
from ipml.storage.tables import cases, decisions

_TEXT = "The goods are genuine; I have the invoices of an authorised wholesaler."
_OTHER_LEAD = "leo"
_WHY = {"granted": "The invoices show that the goods are genuine.", "rejected": "The signs named in the letter stand."}


@dataclass(slots=True)
class Appeals:
    """Appeals to come, and those that were heard.

    Attributes
    ----------
    granted, rejected : int
    """

    engine: Engine
    policy: EnforcementPolicy
    complaints: Complaints
    granted: int = 0
    rejected: int = 0
    _pending: list[tuple[datetime, int, str, str]] = field(default_factory=list)
    _seen: int = 0

    def think_of_complaining(self, people: People, rng: np.random.Generator) -> None:
        """Let the sellers of new takedowns make up their minds."""
        query = (
            select(decisions.c.decision_id, decisions.c.case_id, decisions.c.listing_id, decisions.c.decided_at)
            .where(decisions.c.decision_id > self._seen, decisions.c.verdict == Verdict.COUNTERFEIT)
            .order_by(decisions.c.decision_id)
        )
        with reading(self.engine) as connection:
            for row in connection.execute(query.add_columns(cases.c.seller_id).join(cases)):
                is_fake = people.truth.is_fake(row.listing_id)
                self._seen = row.decision_id
                if rng.random() < (self.complaints.others if is_fake else self.complaints.wronged):
                    delay = timedelta(days=1 + float(rng.exponential(self.complaints.delay_days)))
                    heapq.heappush(self._pending, (row.decided_at + delay, row.case_id, row.listing_id, row.seller_id))

    def hear(self, people: People, now: datetime, rng: np.random.Generator) -> None:
        """File what is due, and let a lead decide it."""
        while self._pending and self._pending[0][0] <= now:
            _, case_id, listing_id, seller_id = heapq.heappop(self._pending)
            outcome = "rejected" if people.lead_finds_fake(listing_id, rng) else "granted"
            with suppress(AppealedAlready, NothingToAppeal):
                appeal = file_appeal(self.engine, case_id, seller_id, _TEXT, rules=self.policy.appeals, now=now)
                self._decide(appeal.appeal_id, people.staff.lead, outcome, now + timedelta(hours=4))
                self.granted += outcome == "granted"
                self.rejected += outcome == "rejected"

    def _decide(self, appeal_id: int, lead: str, outcome: str, now: datetime) -> None:
        """Decide an appeal; where the lead had decided in the matter before, another lead does."""
        said, rules = (outcome, _WHY[outcome]), self.policy.appeals
        try:
            decide_appeal(self.engine, appeal_id, lead, *said, rules=rules, now=now)
        except NotTheirsToDecide:
            decide_appeal(self.engine, appeal_id, _OTHER_LEAD, *said, rules=rules, now=now)
