"""A marketplace in which a listing was decided counterfeit, its measure was imposed, and the seller may be told."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, select, update
from support.actions import ENFORCED_APPEALS, ENFORCEMENT, ENFORCING
from support.transactions import act, ask, read_rows

from ipml.enforcement.appeals.appeal import get_appeal
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.exports import export_labels
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage.audit_trail.audit import change_rows
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import read_keys
from ipml.storage.tables import measures
from ipml.storage.tables import outbox as messages

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)
CONFIRM = timedelta(minutes=1500)


@dataclass
class Market:
    """A database with decisions, and a clock that only moves when it is told to."""

    engine: Engine
    make_scored: Callable[..., Any]
    now: datetime = NOON
    context: AppealContext = ENFORCED_APPEALS

    def take_down(self, listing_id="L1", reviewer="ana", **fields):
        """Enqueue a listing, decide it counterfeit, and return the number of its measure."""
        enqueue(self.engine, [self.make_scored(listing_id, **fields)])
        self.find_counterfeit(reviewer)
        return self.measures()[-1].measure_id

    def find_counterfeit(self, reviewer, settings=DEFAULT_SETTINGS):
        """Decide the next case counterfeit."""
        with writing(self.engine) as connection:
            taken = claim(connection, reviewer, now=self.now)
            request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
            decide(connection, request, now=self.now, context=ReviewContext(settings, ENFORCEMENT))

    def undo(self, decision_id, by="lea"):
        """Take a decision back."""
        act(self.engine, undo, decision_id, UndoRequest(by, may_undo_others=True), now=self.now, context=ENFORCING)

    def appeal(self, appeal_id=1):
        """Return all that is known of an appeal."""
        return ask(self.engine, get_appeal, appeal_id)

    def labels(self):
        """Return what the labels say of each listing."""
        return [label.is_counterfeit for label in ask(self.engine, export_labels)]

    def deliver(self, *channels):
        """Let all messages of some channels arrive now."""
        wanted = messages.c.channel.in_(channels or ("seller", "holder"))
        query = update(messages).where(messages.c.state == "waiting", wanted)
        arrived = query.values(state="delivered", settled_at=self.now)
        act(self.engine, change_rows, arrived, "ipml", "delivered", at=self.now)

    def tick(self, now=None):
        """Tick once."""
        return run_appeal_deadlines(self.engine, self.context, now=now or self.now)

    def pass_time(self, until):
        """Let the clock go to a moment, and tick as often as an expiry needs."""
        for moment in (until, until + CONFIRM):
            self.now = moment
            self.tick()

    def measures(self):
        """Return all measures, in order."""
        return read_rows(self.engine, select(measures).order_by(measures.c.measure_id))

    def letter(self, name, channel="seller"):
        """Return what waits or was sent to somebody under a key of this name."""
        (found,) = (body for key, body in self.letters(channel).items() if key.startswith(name))
        return found

    def letters(self, channel="seller"):
        """Return what waits or was sent to somebody, by key, decrypted."""
        query = select(messages).where(messages.c.channel == channel, messages.c.kind != "statement")
        with reading(self.engine) as connection:
            rows = connection.execute(query).all()
            keys = read_keys(connection, [row.pseudonym for row in rows])  # of all who were not erased
            return {row.key: keys.decrypt(row.pseudonym, row.body) for row in rows if row.pseudonym in keys}


@pytest.fixture
def market(engine, make_scored):
    """Return a marketplace whose decisions lead to measures."""
    return Market(engine, make_scored)
