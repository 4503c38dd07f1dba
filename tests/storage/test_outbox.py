"""The outbox: in order, one at a time for each subject, nothing lost, whatever senders and people do."""

import json
import re
import warnings
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.databases import empty_tables, invented_messages, on_both
from support.transactions import act, ask

from ipml.enforcement.restrictions import MeasureKind, PenaltyKind
from ipml.errors import Conflict, NotFound, Overtaken
from ipml.storage import message_kinds, outbox
from ipml.storage.database import reading, writing

pytestmark = invented_messages

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
LEASE = timedelta(minutes=5)


def put(engine, key, subject="measure:1", channel="platform", **more):
    """Put a message down in a transaction of its own."""
    with writing(engine) as connection:
        fields = {"kind": "measure", "body": {"key": key}, "pseudonym": None, "now": NOON} | more
        outbox.put_all(connection, [outbox.Draft(key=key, channel=channel, subject=subject, **fields)])


def take(engine, holder="a", now=NOON, **more):
    """Take messages in a transaction of its own."""
    return act(engine, outbox.take, holder, now, LEASE, **{"at_most": 10} | more)


def test_types_of_messages_are_spelt_alike(engine):
    """Small letters, with low lines between words; another is not put, as nobody could know what to make of it."""
    assert [kind for kind in message_kinds.MESSAGE_KINDS if not re.fullmatch("[a-z]+(_[a-z]+)*", kind)] == []
    for kind in ("notice outcome", "counter-notice", "Measure", "rumour"):
        with pytest.raises(ValueError, match="expected one of appeal, "):
            put(engine, "1", kind=kind)


@on_both
def test_messages_of_a_subject_go_one_after_the_other(engine):
    """The second is taken only when the first is settled; another subject, or channel, does not wait."""
    put(engine, "1")
    put(engine, "2")
    put(engine, "3", subject="measure:2")
    put(engine, "4", channel="seller")
    first = take(engine)
    assert [message.key for message in first] == ["1", "3", "4"]
    assert act(engine, outbox.settle_delivered, first[0], NOON)
    assert [message.key for message in take(engine)] == ["2"]


@on_both
def test_what_is_leased_is_kept_from_others_until_the_lease_ends(engine):
    """Another sender takes it afterwards, and the first can settle it no more."""
    put(engine, "1")
    (slow,) = take(engine)
    assert take(engine, "b", NOON + LEASE - timedelta(seconds=1)) == []
    (quick,) = take(engine, "b", NOON + LEASE)
    with writing(engine) as connection:
        assert not outbox.settle_delivered(connection, slow, NOON + LEASE)
        assert not outbox.settle_failed(connection, slow, NOON + LEASE, "HTTP 500", None)
        assert outbox.settle_delivered(connection, quick, NOON + LEASE)
    assert take(engine, "c", NOON + timedelta(days=1)) == []


@on_both
def test_a_message_that_failed_holds_up_its_subject_until_its_next_try(engine):
    """Order goes before speed, as long as there is hope."""
    put(engine, "1")
    put(engine, "2")
    (first,) = take(engine)
    later = NOON + timedelta(hours=1)
    act(engine, outbox.settle_failed, first, NOON, "HTTP 503", later)
    assert take(engine, now=later - timedelta(seconds=1)) == []
    assert ask(engine, outbox.next_due) == later
    assert [message.key for message in take(engine, now=later)] == ["1"]


@on_both
def test_a_dead_message_lets_the_later_ones_pass(engine):
    """What puts a listing back must not wait for what never took it down."""
    put(engine, "1")
    put(engine, "2")
    (first,) = take(engine)
    act(engine, outbox.settle_failed, first, NOON, "HTTP 400", None)
    (second,) = take(engine)
    assert second.key == "2"
    (dead,) = ask(engine, outbox.list_dead)
    assert (dead.key, dead.last_error) == ("1", "HTTP 400")
    with writing(engine) as connection, pytest.raises(Overtaken, match="sent after it"):
        outbox.retry_dead(connection, "1", "lea", NOON)
    act(engine, outbox.retry_dead, "1", "lea", NOON, out_of_order=True)
    assert [message.key for message in take(engine, "b", now=NOON)] == ["1"]


def test_people_have_dead_messages_tried_again_or_drop_them(engine):
    """A dropped one is still there for who asks; only dead ones can be either."""
    put(engine, "1")
    with writing(engine) as connection:
        with pytest.raises(Conflict, match="expected a dead one"):
            outbox.drop_dead(connection, "1", "lea", "", NOON)
        with pytest.raises(NotFound, match="No message"):
            outbox.retry_dead(connection, "9", "lea", NOON)
    (first,) = take(engine)
    with writing(engine) as connection:
        outbox.settle_failed(connection, first, NOON, "HTTP 400", None)
        outbox.drop_dead(connection, "1", "lea", "told them by phone", NOON)
        assert outbox.list_dead(connection) == []
        assert [message.dropped_by for message in outbox.list_dead(connection, with_dropped=True)] == ["lea"]
        outbox.retry_dead(connection, "1", "lea", NOON)
    assert [message.attempts for message in take(engine)] == [1]


@on_both
def test_a_backlog_tells_how_far_each_channel_has_come(engine):
    """Waiting, dead and not dropped, and since when the oldest that is due waits."""
    put(engine, "1")
    put(engine, "2", subject="measure:2", now=NOON - timedelta(hours=1))
    put(engine, "3", subject="measure:3", channel="seller", not_before=NOON + timedelta(hours=9))
    platform, seller = ask(engine, outbox.count_backlog, NOON)
    assert (platform.waiting, platform.dead, platform.oldest) == (2, 0, NOON - timedelta(hours=1))
    assert (seller.channel, seller.waiting, seller.oldest) == ("seller", 1, None)


def test_what_failed_is_due_at_once_when_the_receiver_is_back(engine):
    """What is meant to wait goes on waiting."""
    put(engine, "1")
    put(engine, "2", subject="measure:2", not_before=NOON + timedelta(days=1))
    (first,) = take(engine)
    with writing(engine) as connection:
        outbox.settle_failed(connection, first, NOON, "HTTP 503", NOON + timedelta(hours=2))
        assert outbox.hurry(connection, NOON) == 1
    assert [message.key for message in take(engine)] == ["1"]


@on_both
def test_only_what_nobody_tried_is_withdrawn(engine):
    """What a sender had in hand may have arrived."""
    put(engine, "1")
    put(engine, "2", subject="measure:2")
    take(engine, at_most=1)
    with writing(engine) as connection:
        assert outbox.withdraw(connection, ["1", "2"], by="ipml", now=NOON) == {"1"}
        assert outbox.find_keys(connection, "measure:2") == []


subjects, senders = st.integers(1, 3), st.integers(0, 2)


class Sending(RuleBasedStateMachine):
    """Senders that crash, are slow, and fail; people who retry and drop; and a receiver that knows keys."""

    def __init__(self, engine):
        super().__init__()
        self.engine, self.now = engine, NOON
        empty_tables(self.engine)  # far quicker than a new one
        self.subjects = {}
        self.hands = [[], [], []]
        self.arrived = []

    def teardown(self):
        """In the end all that waits can be delivered, in order, and nothing is lost."""
        self.now += LEASE
        while taken := take(self.engine, "last", self.now):
            with writing(self.engine) as connection:
                for message in taken:
                    self.arrive(message)
                    assert outbox.settle_delivered(connection, message, self.now)
            self.now += timedelta(hours=1)
        states = {key: ask(self.engine, outbox.find_message, key).state for key in self.subjects}
        assert set(states.values()) <= {"delivered", "dead"}
        assert all(key in self.arrived for key, state in states.items() if state == "delivered")

    def arrive(self, message):
        """Accept a message; a key that came before counts once, and no new one may be older than one that came."""
        if message.key not in self.arrived:
            earlier = [key for key in self.arrived if self.subjects[key] == message.subject]
            assert all(int(key) < int(message.key) for key in earlier)
            self.arrived.append(message.key)

    @rule(subject=subjects)
    def put(self, subject):
        """Something happens to a subject."""
        key = str(len(self.subjects))
        self.subjects[key] = f"measure:{subject}"
        put(self.engine, key, subject=self.subjects[key], now=self.now)

    @rule(sender=senders, at_most=st.integers(1, 3))
    def take(self, sender, at_most):
        """A sender takes what is due, and forgets what it had."""
        self.hands[sender] = take(self.engine, f"sender {sender}", self.now, at_most=at_most)

    @rule(sender=senders, arrives=st.booleans(), ending=st.sampled_from(["delivered", "failed", "dead", "lost"]))
    def send(self, sender, arrives, ending):
        """It sends one, which arrives or not, and is told so or not, or cut off; only while its lease lasts."""
        if not self.hands[sender]:
            return
        message = self.hands[sender].pop(0)
        with writing(self.engine) as connection:
            kept = outbox.find_message(connection, message.key)
            is_mine = kept.holder == message.holder and kept.attempts == message.attempts
            if is_mine and (arrives or ending == "delivered"):
                self.arrive(message)
            settled = {
                "delivered": lambda: outbox.settle_delivered(connection, message, self.now),
                "failed": lambda: outbox.settle_failed(connection, message, self.now, "HTTP 500", self.now),
                "dead": lambda: outbox.settle_failed(connection, message, self.now, "HTTP 400", None),
                "lost": lambda: is_mine and kept.state == "waiting",
            }[ending]()
            assert settled == (is_mine and kept.state == "waiting")

    @rule(minutes=st.integers(1, 6))
    def wait(self, minutes):
        """Time goes by; leases end."""
        self.now += timedelta(minutes=minutes)

    @rule(at=st.integers(0, 20), drops=st.booleans())
    def look_after(self, at, drops):
        """A person has a dead message tried again, or drops it."""
        with writing(self.engine) as connection:
            dead = outbox.list_dead(connection)
            if not dead:
                return
            key = dead[at % len(dead)].key
            try:
                if drops:
                    outbox.drop_dead(connection, key, "lea", "", self.now)
                else:
                    outbox.retry_dead(connection, key, "lea", self.now)
            except Overtaken:
                pass

    @invariant()
    def one_of_each_subject_is_in_hand(self):
        """At most one message of a subject is leased at a time."""
        with reading(self.engine) as connection:
            query = outbox.outbox.select().where(outbox.outbox.c.lease_expires_at > self.now)
            held = [row.subject for row in connection.execute(query)]
        assert len(held) == len(set(held))


@on_both
def test_nothing_is_lost_doubled_or_overtaken(engine):
    """Whatever senders, receiver and people do in turn."""
    run_state_machine_as_test(lambda: Sending(engine), settings=settings(max_examples=6, stateful_step_count=25))


PENALTY = {"penalty": 1, "kind": "warn", "seller_id": "s", "at": "2026-05-01T12:00:00+00:00", "because": "over"}
LAST = {"key": "penalty-1-lifted", "channel": "platform", "kind": "penalty_lifted", "subject": "penalty:1"}


def put_end(engine, body, **more):
    """Put down that a penalty has ended."""
    draft = outbox.Draft(**LAST | more, body=body, pseudonym=None, now=datetime(2026, 5, 1, tzinfo=UTC))
    act(engine, outbox.put_all, [draft])


def test_every_message_has_an_example_that_fits_it():
    """One for each kind and channel; every field is described, and a later release may add some."""
    examples = {
        (kind, channel): one for kind, sent in message_kinds.read_examples().items() for channel, one in sent.items()
    }
    assert examples.keys() - message_kinds.MESSAGES.keys() == {("statement", message_kinds.TRANSPARENCY)}
    for name, shape in message_kinds.MESSAGES.items():
        assert (examples[name]["type"], examples[name]["version"]) == (shape.type, shape.version)
        assert message_kinds.find_fault(*name, json.dumps(examples[name]["data"])) is None
    for shape in message_kinds.MESSAGES.values():
        schema = shape.body.model_json_schema()
        for described in (schema, *schema.get("$defs", {}).values()):
            assert described["description"]
            assert [name for name, field in described["properties"].items() if not field.get("description")] == []
            assert "additionalProperties" not in described
    assert get_args(message_kinds.MeasureInForce.model_fields["kind"].annotation) == tuple(MeasureKind)
    for body in (message_kinds.PenaltyBody, message_kinds.PenaltyEndBody):
        assert get_args(body.model_fields["kind"].annotation) == tuple(PenaltyKind)


def test_a_body_that_is_not_as_documented_is_told_of(engine):
    """In a warning that repeats nothing of what it found; but what was decided is sent nevertheless."""
    faults = {
        "because: Input should be": {"because": "tired"},
        "at: Input should be a valid datetime": {"at": "yesterday"},
        "penalty: Input should be a valid integer": {"penalty": "1"},
        "more: Extra inputs": {"more": 1},
    }
    for number, (fault, change) in enumerate(faults.items()):
        with pytest.warns(message_kinds.UndocumentedMessage, match=f"penalty-{number}-lifted, penalty_lifted: {fault}"):
            put_end(engine, PENALTY | change, key=f"penalty-{number}-lifted")
        assert ask(engine, outbox.find_message, f"penalty-{number}-lifted")
    assert "secret" not in str(
        message_kinds.find_fault("penalty_lifted", "platform", json.dumps(PENALTY | {"kind": "secret"}))
    )


def test_a_message_keeps_the_version_in_which_it_was_written(engine):
    """So that one which waits while ipml is upgraded says what it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        put_end(engine, PENALTY)
    message = ask(engine, outbox.find_message, LAST["key"])
    assert message.version == message_kinds.MESSAGES["penalty_lifted", "platform"].version
