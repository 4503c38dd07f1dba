"""The story of enforcement, told once: decisions, measures through a receiver that fails, statements, appeals."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from support.consequences import COOPERATION
from support.receiver import SECRET, Receiver, listening
from support.transparency_receiver import open_receiver

from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal, run_appeal_deadlines
from ipml.enforcement.overview import find_gaps
from ipml.enforcement.penalties.strikes import find_strike
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.submission import open_client, post_to, send_waiting
from ipml.enforcement.takedown.delivery import CHANNELS, Tally, deliver_due
from ipml.enforcement.takedown.measures import find_measures, find_on_listing, in_force
from ipml.enforcement.takedown.sinks import WebhookSink
from ipml.errors import Conflict
from ipml.listings.schema import check_listings, frame_to_listings
from ipml.records import Reason, ScoredListing, Verdict
from ipml.review.exports import export_labels
from ipml.review.queue import claim, decide, enqueue
from ipml.storage import outbox
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases, decisions, statements
from ipml.storage.tables import outbox as messages

pytestmark = pytest.mark.slow

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
DECISIONS, APPEALS, LATE = 200, 20, 4
CONFIRM = load_enforcement_policy().appeals.confirm + timedelta(minutes=1)


def fail_often(key: str, attempt: int) -> str:
    """Fail a fifth of the time before accepting, and a fifth after it."""
    lot = random.Random(f"{key} {attempt}").random()
    return "fail before" if lot < 0.2 else "fail after" if lot < 0.4 else "accept"


class Story:
    """A marketplace, its platform that listens, and a clock that moves when it is told to."""

    def __init__(self, engine, receiver, market):
        self.engine, self.receiver, self.now = engine, receiver, MONDAY
        self.truth = dict(zip(market.truth["listing_id"], market.truth["is_counterfeit"], strict=True))
        self.sink = WebhookSink({"": receiver.url}, [SECRET])

    def enqueue(self, listings) -> None:
        """Let a model that is mostly right score listings, and put them into the queue."""
        draw = random.Random(7)
        reasons = (Reason("price.brand", "Price is 18 % of what such goods usually cost", 1.5),)
        scored = [
            ScoredListing(one, abs(self.truth[one.listing_id] - 0.4 * draw.random()), None, reasons, (), None, "m1")
            for one in listings
        ]
        enqueue(self.engine, scored, joins_alike=False, now=self.now)  # each listing is looked at

    def review(self) -> None:
        """Let three reviewers decide, of whose verdicts one in twenty is wrong."""
        draw = random.Random(8)
        for number in range(DECISIONS):
            self.now += timedelta(minutes=1)
            with writing(self.engine) as connection:
                taken = claim(connection, ("ana", "bea", "cai")[number % 3], now=self.now)
            with reading(self.engine) as connection:
                listing_id = connection.scalar(select(cases.c.listing_id).where(cases.c.case_id == taken.case_id))
            says_fake = bool(self.truth[listing_id]) ^ (draw.random() < 0.05)
            verdict = Verdict.COUNTERFEIT if says_fake else Verdict.GENUINE
            ground = "declared_replica" if says_fake else ""
            with writing(self.engine) as connection:
                decide(connection, taken, verdict, ground=ground, now=self.now, consequences=COOPERATION)

    def deliver(self) -> None:
        """Deliver until nothing waits that is due within two days."""
        until, draw = self.now + timedelta(days=2), random.Random(9).random
        while self.now <= until:
            sum(deliver_due(self.engine, self.sink, clock=lambda: self.now, draw=draw), Tally())
            with reading(self.engine) as connection:
                due = outbox.next_due(connection, CHANNELS)
            if due is None:
                break
            self.now = max(self.now, due)

    def tick(self, until: datetime) -> None:
        """Let time pass, and look at the clock as often as an expiry needs."""
        for self.now in (until, until + CONFIRM):
            run_appeal_deadlines(self.engine, now=self.now, consequences=COOPERATION)

    def measures(self):
        """Return all measures, the oldest first."""
        with reading(self.engine) as connection:
            return find_measures(connection)[::-1]

    def seller_of(self, case_id: int) -> str:
        """Return whose case it is."""
        with reading(self.engine) as connection:
            return connection.scalar(select(cases.c.seller_id).where(cases.c.case_id == case_id))


@pytest.fixture(scope="module")
def story(tmp_path_factory, market):
    """Tell the story up to the delivery of all measures."""
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('story') / 'ipml.db'}")
    migrate(engine)
    with listening(Receiver(fail_often, lambda _: {"status": "done"})) as receiver:
        told = Story(engine, receiver, market)
        told.enqueue(frame_to_listings(check_listings(market.listings.tail(2 * DECISIONS))))
        told.review()
        told.deliver()
        yield told
        told.sink.close()
    engine.dispose()


def test_each_message_arrived_once_by_its_key(story):
    """However often the receiver failed, it has every message, each counts once, and nothing waits or is dead."""
    with reading(story.engine) as connection:
        wanted = select(messages.c.key, messages.c.state).where(messages.c.channel.in_(CHANNELS))
        kept = {row.key: row.state for row in connection.execute(wanted)}
    assert set(kept.values()) == {"delivered"}
    assert Counter(story.receiver.keys) == Counter(kept.keys())
    assert sum(story.receiver.attempts.values()) > 1.4 * len(kept)


def test_the_platform_knows_what_stands(story):
    """What the platform was last told of each listing is what is in force, and it has said that it is done."""
    last = {}
    for message in story.receiver.accepted:
        if message["type"] in ("ipml.measure", "ipml.reinstatement") and message["channel"] == "platform":
            last[message["data"]["listing_id"]] = {one["kind"] for one in message["data"]["in_force"]}
    with reading(story.engine) as connection:
        for measure in find_measures(connection):
            listing_id = connection.scalar(select(cases.c.listing_id).where(cases.c.case_id == measure.case_id))
            standing = in_force(find_on_listing(connection, listing_id, measure.pseudonym))
            assert last[listing_id] == {one.kind.value for one in standing}
            assert measure.done_at


def test_every_statement_is_one_the_transparency_database_takes(story):
    """One that judges by its rules alone, and fails before and after accepting, has each of them once in the end."""
    with reading(story.engine) as connection:
        stated = connection.scalars(select(statements.c.puid).where(statements.c.payload.is_not(None)))
        puids = sorted(stated)
    with open_receiver() as database, open_client() as client:
        database.failures = ["before", "after"]
        post = post_to(database.url, database.token, client)
        sent = [send_waiting(story.engine, post, now=story.now + timedelta(hours=hours)) for hours in range(3)]
        assert sorted(database.taken) == puids
    assert [tally.dead for tally in sent] == [0, 0, 0]


@pytest.fixture(scope="module")
def appealed(story):
    """Go on: sellers appeal, some too late, and other people decide."""
    standing = [one for one in story.measures() if one.stands]
    told = standing[:: max(1, len(standing) // APPEALS)][:APPEALS]
    outcomes = {}
    for number, measure in enumerate(told[: APPEALS - LATE]):
        story.now += timedelta(hours=1)
        seller = story.seller_of(measure.case_id)
        with writing(story.engine) as connection:
            appeal = file_appeal(connection, measure.subject, seller, "See the invoice.", now=story.now)
        outcome = ("granted", "rejected", "partly granted")[number % 3]
        milder = MeasureKind.LABEL if outcome == "partly granted" else None
        with writing(story.engine) as connection:
            decide_appeal(
                connection,
                appeal.appeal_id,
                "lea",
                outcome,
                "We looked.",
                measure=milder,
                now=story.now,
                consequences=COOPERATION,
            )
        outcomes[measure.measure_id] = outcome
    run_appeal_deadlines(story.engine, now=story.now, consequences=COOPERATION)
    story.tick(story.now + timedelta(days=200))
    for measure in told[APPEALS - LATE :]:
        seller = story.seller_of(measure.case_id)
        with pytest.raises(Conflict, match="is over"), writing(story.engine) as connection:
            file_appeal(connection, measure.subject, seller, "Late.", now=story.now)
        outcomes[measure.measure_id] = "too late"
    story.deliver()
    return outcomes


def test_appeals_end_in_the_right_states(story, appealed):
    """Granted: lifted and back; in part: replaced by a label; rejected or too late: as it was."""
    assert Counter(appealed.values()) == {"granted": 6, "rejected": 5, "partly granted": 5, "too late": LATE}
    states = {"granted": "back", "partly granted": "replaced", "rejected": "done", "too late": "done"}
    by_number = {one.measure_id: one for one in story.measures()}
    assert {number: by_number[number].state for number in appealed} == {
        number: states[outcome] for number, outcome in appealed.items()
    }


def test_strikes_and_labels_follow_the_appeals(story, appealed):
    """Granted: no strike, and the label says genuine; else the strike counts, and the label says counterfeit."""
    by_number = {one.measure_id: one for one in story.measures()}
    with reading(story.engine) as connection:
        labels = {label.listing.listing_id: label.is_counterfeit for label in export_labels(connection)}
    assert len(labels) == DECISIONS
    with reading(story.engine) as connection:
        for number, outcome in appealed.items():
            decision_id = by_number[number].decision_id
            listing_id = connection.scalar(select(decisions.c.listing_id).where(decisions.c.decision_id == decision_id))
            assert (find_strike(connection, decision_id).taken_back_at is None) == (outcome != "granted")
            assert labels[listing_id] == (outcome != "granted")


def test_in_the_end_everything_agrees(story, appealed):
    """The trail is whole, nothing is missing, and every message arrived once."""
    with reading(story.engine) as connection:
        assert verify(connection).is_intact
        assert list(find_disagreements(connection)) == []
        assert check_rows(connection).problems == ()
        assert list(find_gaps(connection)) == []
        keys = Counter(connection.scalars(select(messages.c.key).where(messages.c.channel.in_(CHANNELS))))
    assert Counter(story.receiver.keys) == keys
    assert appealed
