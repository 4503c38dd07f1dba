"""Shift: the desk of the demonstration in the middle of a working day.

Two reviewers have decided most of the queue, escalated some cases and left the rest. Sellers appeal, rights holders and
a buyer gave notice, the platform carries out the measures and fails at one. All of it goes through the functions that
people and programs call; only opinions and errors are drawn. The lead refers one network to the police.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import numpy as np
from sqlalchemy import Engine, select

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import check_notice
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.takedown.delivery import CHANNELS, DeliveryOutcome, deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.errors import IpmlError, Overtaken
from ipml.records import Case, Verdict
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.review.worklists.assignment import assign, snooze
from ipml.review.worklists.comments import add_comment
from ipml.review.worklists.review_queues import QueueRule, define_queue
from ipml.review.worklists.search import browse_cases
from ipml.settings import Settings
from ipml.simulation.year.account import list_struck_sellers
from ipml.simulation.year.handover import Handover, find_struck
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Message
from ipml.storage.tables import cases, decisions

Item = TypeVar("Item")

REVIEWERS = ("rita", "ben")
LEAD = "lena"
BEGAN = timedelta(hours=30)
"""Time between the filling of the queue and the moment at which the shift is seen."""
_A_CASE = timedelta(seconds=90)
_LEFT, _ESCALATED, _APPEALS, _NOTICES, _ASSIGNED = 50, 3, 5, 8, 4
_ERROR = 0.03  # a reviewer's, per case; of such errors appeals are made
_MOST_CASES = 1_000
_AT_ONCE = 50  # decisions in a transaction; each commit waits for the disk

_APPEAL = (
    "These are originals. I buy from an authorised wholesaler and sent the invoices to your support in spring.",
    "You removed my only listing. The bag was a present; I have the receipt of the shop and can send a photograph.",
    "The price is low because it is last year's model. Nothing about it is counterfeit.",
)
_COUNTER_NOTICE = (
    "I believe in good faith that the listing was removed by mistake. The goods are originals, bought in a shop of the "
    "brand; I consent to the jurisdiction of the court at my address."
)
_NOTICE = (
    "Neither the goods nor the pictures are ours: we never made this model in this colour, and know no such seller. "
    "The stitching, the shape of the clasp and the letters of the label differ from all that we have made."
)
_COMPLAINT = "The label is glued on and the serial number belongs to another product. The seller does not answer."
_COMMENT = ("The box in the second picture is that of 2019.", "Same warehouse as case {}?", "Asked for the invoice.")
_ESCALATION = "Genuine goods with a copied certificate? A lead should decide."


@dataclass(frozen=True, slots=True)
class ShiftCounts:
    """Work done and left: cases decided, escalated and open; appeals, notices, messages, networks and referrals."""

    decided: int
    escalated: int
    open: int
    appeals: int
    notices: int
    delivered: int
    networks: int
    referrals: int


@dataclass(slots=True)
class Shift:
    """A shift on a database with a filled queue; `truth` says of each listing id whether it is counterfeit.

    `began_at` to `now` is the time in which people worked. `folder` holds what sellers share and sold
    (`attributes.parquet`, `sales.parquet`), and receives the platform's messages, the networks and the referral.
    """

    engine: Engine
    truth: Mapping[str, bool]
    settings: Settings
    actions: Cooperation
    folder: Path
    now: datetime
    seed: int = 0

    @property
    def began_at(self) -> datetime:
        """When the queue was filled."""
        return self.now - BEGAN

    def run(self) -> ShiftCounts:
        """Work the shift, and count it."""
        rng = np.random.default_rng(self.seed)
        waiting = self._browse()
        left = _choose_left(waiting, rng)
        decided = self._decide([case for case in waiting if case.case_id not in left], self.began_at, rng)
        while released := [case for case in self._browse() if case.case_id not in left]:
            done = self._decide(released, self.now - timedelta(hours=4), rng)  # they waited for a near-duplicate
            decided += done
            if not done:
                break
        pending = [case for case in waiting if case.case_id in left]
        escalated = self._escalate(pending[:: max(len(pending) // _ESCALATED, 1)][:_ESCALATED])
        delivered = self._deliver(self.now - timedelta(hours=2))
        self._organise(pending, rng)
        notices = self._give_notice(pending, rng)
        appeals = self._appeal(rng)
        self._deliver(self.now, fails=True)
        found = self._refer()
        with reading(self.engine) as connection:
            still_open = count_cases(connection, as_listed=True)["open"]
        return ShiftCounts(decided, escalated, still_open, appeals, notices, delivered, *found)

    def _browse(self) -> list[Case]:
        with reading(self.engine) as connection:
            return browse_cases(connection, limit=_MOST_CASES)

    def _decide(self, some: Sequence[Case], since: datetime, rng: np.random.Generator) -> int:
        context = ReviewContext(self.settings, self.actions)
        step = min(_A_CASE, (BEGAN - timedelta(hours=4)) / max(len(some), 1))
        decided = 0
        for first in range(0, len(some), _AT_ONCE):
            with writing(self.engine) as connection:
                for place, case in enumerate(some[first : first + _AT_ONCE], start=first):
                    at, reviewer = since + (place + 1) * step, REVIEWERS[place % len(REVIEWERS)]
                    is_fake = self.truth[case.scored.listing.listing_id] != (rng.random() < _ERROR)
                    verdict = Verdict.COUNTERFEIT if is_fake else Verdict.GENUINE
                    taken = None
                    with suppress(Overtaken):  # decided with a near-duplicate before
                        taken = claim(connection, reviewer, case.case_id, settings=self.settings, now=at - _A_CASE / 2)
                    if taken is not None:
                        ground = "price_and_seller" if is_fake else ""
                        decide(connection, DecisionRequest(taken, verdict, ground), now=at, context=context)
                        decided += 1
        return decided

    def _escalate(self, some: Sequence[Case]) -> int:
        context, at = ReviewContext(self.settings, self.actions), self.now - timedelta(hours=1)
        for case in some:
            with writing(self.engine) as connection:
                taken = claim(connection, REVIEWERS[0], case.case_id, settings=self.settings, now=at - _A_CASE)
                if taken is not None:
                    request = DecisionRequest(taken, Verdict.ESCALATE, note=_ESCALATION)
                    decide(connection, request, now=at, context=context)
        return len(some)

    def _organise(self, pending: Sequence[Case], rng: np.random.Generator) -> None:
        """Assign, snooze and comment, and define two queues."""
        brand = next((case.scored.listing.brand for case in pending if case.scored.listing.brand), None)
        at = self.now - timedelta(minutes=40)
        some = _draw(pending, _ASSIGNED + 1, rng)
        with writing(self.engine) as connection:
            define_queue(connection, QueueRule("Footwear", categories=("footwear",)), by=LEAD, now=at)
            if brand is not None:
                define_queue(connection, QueueRule(f"{brand} first", brands=(brand,)), by=LEAD, now=at)
            for place, case in enumerate(some[:-1]):
                with suppress(IpmlError):  # escalated meanwhile
                    assign(connection, case.case_id, REVIEWERS[place % 2], by=LEAD, now=at)
                text = _COMMENT[place % len(_COMMENT)].format(some[-1].case_id)
                add_comment(connection, case.case_id, text, by=REVIEWERS[place % 2], now=at)
            with suppress(IpmlError):
                for case in some[-1:]:
                    snooze(connection, case.case_id, self.now + timedelta(days=1), by=REVIEWERS[1], now=at)

    def _give_notice(self, pending: Sequence[Case], rng: np.random.Generator) -> int:
        """Let rights holders report listings of their brands, and a buyer complain."""
        branded = [case for case in pending if case.scored.listing.brand]
        given = 0
        for place, case in enumerate(_draw(branded, _NOTICES, rng)):
            listing, at = case.scored.listing, self.now - timedelta(minutes=10 * (place + 1))
            notice = {"good_faith": True, "listings": [{"listing_id": listing.listing_id}], "key": f"demo-{place}"}
            if place == _NOTICES - 1:
                notice |= {"kind": "complaint", "name": "Ann Buyer", "email": "ann@buyers.example"}
                notice |= {"explanation": _COMPLAINT, "order": {"order_id": "DEMO-1"}}
            else:
                brand = listing.brand or ""
                notice |= {"name": f"{brand} brand protection", "email": make_address(brand), "brand": brand}
                notice |= {"rights": f"Trade mark of {brand}", "explanation": _NOTICE}
            policy = self.actions.policy
            with suppress(IpmlError), writing(self.engine) as connection:
                receive(connection, check_notice(notice, policy.notices, now=at), policy=policy, now=at)
                given += 1
        return given

    def _appeal(self, rng: np.random.Generator) -> int:
        """Let sellers appeal: first those whose genuine goods were removed."""
        query = (
            select(decisions.c.case_id, cases.c.listing_id, cases.c.seller_id)
            .join(cases, cases.c.case_id == decisions.c.case_id)
            .where(decisions.c.verdict == Verdict.COUNTERFEIT, decisions.c.reviewer.in_(REVIEWERS))
            .order_by(decisions.c.decision_id)
        )
        with reading(self.engine) as connection:
            removed = [row for row in connection.execute(query) if row.listing_id in self.truth]
        removed = sorted(_draw(removed, len(removed), rng), key=lambda row: self.truth[row.listing_id])
        filed, rules = 0, self.actions.enforcement.policy.appeals
        for row in removed:
            if filed == _APPEALS:
                break
            at = self.now - timedelta(minutes=25 * (filed + 1))
            request = AppealRequest(row.case_id, row.seller_id, _APPEAL[filed % 3])
            if filed == _APPEALS - 1:
                request = replace(request, text=_COUNTER_NOTICE, kind="counter-notice", profile="us")
            with suppress(IpmlError), writing(self.engine) as connection:
                file_appeal(connection, request, rules, now=at)
                filed += 1
        return filed

    def _refer(self) -> tuple[int, int]:
        """Find networks, and refer the largest whose sellers had listings removed; return both numbers."""
        networks = find_networks(self.folder / "attributes.parquet")
        with reading(self.engine) as connection:
            struck = find_struck(networks, list_struck_sellers(connection))
        handover = Handover(self.engine, self.folder, self.actions.policy, LEAD)
        return len(networks.numbers), handover.refer(networks, struck[:1].tolist(), self.now)

    def _deliver(self, now: datetime, *, fails: bool = False) -> int:
        platform = _Platform(self.folder / "messages.jsonl", now, fails)
        return sum(tally.delivered for tally in deliver_due(self.engine, platform, clock=lambda: now))


class _Platform:
    """A platform that reads messages from a file and confirms them; if `fails`, the first attempt fails."""

    channels: Collection[str] = CHANNELS
    at_once = 500

    def __init__(self, path: Path, now: datetime, fails: bool) -> None:
        self._sink, self._now, self._fails = FileSink(path), now, fails

    def deliver(self, messages: Sequence[Message]) -> Iterator[DeliveryOutcome]:
        """Write the messages; confirm those to the platform."""
        confirmed = DeliveryOutcome(True, status="done", said_at=self._now)
        for message, outcome in zip(messages, self._sink.deliver(messages), strict=True):
            if self._fails:
                self._fails = False
                yield DeliveryOutcome(False, why="the platform answered 503 Service Unavailable")
            else:
                yield confirmed if message.channel == "platform" and outcome.is_accepted else outcome

    def close(self) -> None:
        """Do nothing; there is nothing to close."""


def _choose_left(waiting: Sequence[Case], rng: np.random.Generator) -> set[int]:
    """Draw the cases that stay open among those with pictures."""
    pictured = [case.case_id for case in waiting if case.scored.listing.image_urls]
    return set(_draw(pictured, _LEFT + _ESCALATED, rng))


def _draw(some: Sequence[Item], most: int, rng: np.random.Generator) -> list[Item]:
    """Return up to so many of some, in random order."""
    return [some[place] for place in rng.permutation(len(some))[:most]]


def make_address(brand: str) -> str:
    """Return the address from which a brand's protection writes.

    >>> make_address("Saint Laurent")
    'ip@saintlaurent.example'
    """
    host = "".join(letter for letter in brand.lower() if letter.isascii() and letter.isalnum())
    return f"ip@{host or 'brand'}.example"
