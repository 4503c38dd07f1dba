"""Delivery: each message once by its key, however often the receiver fails, and what it answers closes the loop."""

import json
import random
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from support.databases import invented_messages, on_both
from support.receiver import SECRET, Receiver, listening
from support.transactions import act, ask, execute

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown import delivery
from ipml.enforcement.takedown.changes import MeasureOrder, impose_by_hand, replace
from ipml.enforcement.takedown.measures import find_measures, get_measure, read_whys
from ipml.enforcement.takedown.sinks import FileSink, WebhookSink
from ipml.errors import NotFound
from ipml.storage import outbox
from ipml.storage.database import reading, writing
from ipml.storage.outbox import list_dead, retry_dead
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import measures, platform_answers, seller_keys
from ipml.storage.tables import outbox as messages_table

pytestmark = invented_messages
NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def receiver():
    """Give a platform that listens."""
    with listening(Receiver()) as receiver:
        yield receiver


@pytest.fixture
def sink(receiver):
    """Give a sink that sends to it."""
    sink = WebhookSink({"": receiver.url}, [b"an older secret that is going.", SECRET])
    yield sink
    sink.close()


def deliver(engine, sink, now=NOON):
    """Deliver all that is due at a moment."""
    backoff = delivery.Backoff(draw=lambda: 0.5)
    return sum(delivery.deliver_due(engine, sink, clock=lambda: now, backoff=backoff), delivery.Tally())


def deliver_all(engine, sink, seed=0, hours=48):
    """Deliver, letting time go by wherever nothing is due, until nothing waits or the hours are over."""
    moment, backoff, tally = [NOON], delivery.Backoff(draw=random.Random(seed).random), delivery.Tally()
    while moment[-1] <= NOON + timedelta(hours=hours):
        tally += sum(delivery.deliver_due(engine, sink, clock=lambda: moment[-1], backoff=backoff), delivery.Tally())
        due = ask(engine, outbox.next_due)
        if due is None:
            break
        moment.append(max(moment[-1], due))
    return tally


@pytest.fixture
def put(engine):
    """Return a function that puts so many messages down, each on a subject of its own."""

    def put_many(number, first=0, **fields):
        with writing(engine) as connection:
            for at in range(first, first + number):
                what = {"channel": "platform", "kind": "measure", "body": {"at": at}, "pseudonym": None, "now": NOON}
                outbox.put_all(
                    connection, [outbox.Draft(key=f"key-{at:03}", subject=f"measure:{at}", **(what | fields))]
                )

    return put_many


@on_both
def test_sixty_messages_through_a_receiver_that_fails_arrive_once_each(engine, receiver, put, sink):
    """D6: a fifth fails before, a fifth after accepting, some by hanging up: 60 of 60, one key each, then quiet."""
    put(60)
    draw = random.Random(4)
    receiver.plan = lambda *_: draw.choices(("accept", "fail before", "fail after", "cut off"), (60, 20, 10, 10))[0]
    tally = deliver_all(engine, sink)
    assert sorted(receiver.keys) == [f"key-{at:03}" for at in range(60)]
    assert (tally.delivered, tally.dead) == (60, 0)
    attempts = receiver.attempts.total()
    assert attempts > 60
    assert deliver_all(engine, sink) == delivery.Tally()
    assert receiver.attempts.total() == attempts


def test_every_attempt_sends_the_same_bytes(engine, receiver, put, sink):
    """Whoever compares contents under a key sees no other content; type, key, channel and body are there."""
    put(1)
    receiver.plan = lambda _, attempt: "fail after" if attempt < 3 else "409"
    assert deliver_all(engine, sink) == delivery.Tally(delivered=1, failed=2)
    (message,) = receiver.accepted
    assert (message["type"], message["key"], message["data"]) == ("ipml.measure", "key-000", {"at": 0})


def test_what_the_receiver_will_never_take_is_given_up_at_once(engine, receiver, put, sink):
    """Its words are kept for people; once the receiver is mended, the message is tried again."""
    put(3)
    receiver.plan = lambda key, _: {"key-000": "400", "key-001": "404", "key-002": "422"}[key]
    assert deliver(engine, sink) == delivery.Tally(dead=3)
    with writing(engine) as connection:
        dead = list_dead(connection)
        assert {one.last_error for one in dead} == {f"HTTP {code}: words of the platform" for code in (400, 404, 422)}
        for one in dead:
            retry_dead(connection, one.key, "lea", NOON)
    receiver.plan = lambda *_: "accept"
    assert deliver(engine, sink) == delivery.Tally(delivered=3)


def test_what_may_go_better_later_is_tried_again(engine, receiver, put, sink):
    """Also a redirect, which nobody follows."""
    put(6)
    statuses = ("408", "425", "429", "500", "503", "move")
    receiver.plan = lambda key, _: statuses[int(key.removeprefix("key-"))]
    assert deliver(engine, sink) == delivery.Tally(failed=6)
    assert receiver.attempts.total() == 6


def test_a_receiver_that_asks_for_time_gets_it_within_bounds(engine, receiver, put, sink):
    """`Retry-After` is heeded up to two hours, nonsense is none; other waits double from five seconds to that."""
    for number, (asked, seconds) in enumerate({"60": 60, "999999999": 7_200, "soon": 2.5, "-5": 2.5}.items()):
        put(1, first=number)
        receiver.plan, receiver.headers = (lambda *_: "503"), {"retry_after": asked}
        deliver(engine, sink)
        assert ask(engine, outbox.next_due) == NOON + timedelta(seconds=seconds), asked
        receiver.plan = lambda *_: "accept"
        deliver(engine, sink, NOON + timedelta(hours=2))
    longest = delivery.Backoff(draw=lambda: 1.0)
    spans = [longest.next_try(NOON, attempts, None) - NOON for attempts in range(1, 30)]
    assert [span.total_seconds() for span in spans[:4]] == [5, 10, 20, 40]
    assert max(spans) == spans[-1] == timedelta(hours=2)
    assert delivery.Backoff(draw=lambda: 0.0).next_try(NOON, 5, None) == NOON


def test_a_message_is_given_up_after_thirty_attempts_in_about_a_day(engine, put):
    """A receiver that is not there keeps messages waiting for most of a day, then they lie there for people."""
    put(1)
    sink = WebhookSink({"": "http://127.0.0.1:9/"}, [SECRET])  # nobody listens on the port "discard"
    tally = deliver_all(engine, sink)
    assert tally == delivery.Tally(failed=29, dead=1)
    (dead,) = ask(engine, list_dead)
    assert timedelta(hours=12) < dead.settled_at - NOON < timedelta(hours=36)
    assert dead.last_error == "no answer: ConnectError"
    sink.close()


def test_who_does_not_know_the_secret_takes_nothing(engine, receiver, put):
    """A receiver that checks by the library of Standard Webhooks refuses what is signed by another secret, for now."""
    put(1)
    sink = WebhookSink({"": receiver.url}, [b"the secret of another platform."])
    assert deliver(engine, sink) == delivery.Tally(failed=1)
    assert receiver.keys == []
    sink.close()
    mended = WebhookSink({"": receiver.url}, [SECRET])
    assert deliver_all(engine, mended) == delivery.Tally(delivered=1)
    mended.close()


def test_a_sender_that_is_told_to_stop_gives_back_what_it_did_not_send(engine, put, sink):
    """Others take it at once."""
    put(8)
    stopped = iter([False, False, False, True])  # before the round, and after three messages
    rounds = delivery.deliver_due(engine, sink, clock=lambda: NOON, is_stopped=lambda: next(stopped, True))
    assert list(rounds) == [delivery.Tally(delivered=3)]
    assert deliver(engine, sink) == delivery.Tally(delivered=5)


@on_both
def test_done_in_the_answer_closes_the_loop(engine, judge, receiver, take_back, sink):
    """The platform says when; a moment that is yet to come counts as now."""
    decision = judge("L1", listing_sales=0.0)
    receiver.says = lambda _: {"status": "done", "at": "2024-05-01T12:00:30Z"}
    deliver(engine, sink, NOON + timedelta(minutes=1))
    take_back(decision, NOON + timedelta(minutes=2))
    receiver.says = lambda _: {"status": "done", "at": "2031-01-01T00:00:00Z"}
    deliver(engine, sink, NOON + timedelta(minutes=3))
    measure = ask(engine, get_measure, 1)
    assert (measure.done_at, measure.undone_at) == (NOON + timedelta(seconds=30), NOON + timedelta(minutes=3))
    assert measure.state == "back"


def test_a_measure_that_never_reached_the_platform_is_seen(engine, judge, receiver, take_back, sink):
    """It reads as refused, with why, until it is tried again; the listing is put back when the decision falls."""
    decision = judge("L1", listing_sales=0.0)
    receiver.plan = lambda *_: "400"
    deliver(engine, sink)
    with reading(engine) as connection:
        measure = get_measure(connection, 1)
        assert measure.state == "refused"
        assert read_whys(connection, measure)["why_refused"] == "HTTP 400: words of the platform"
    with writing(engine) as connection:
        retry_dead(connection, list_dead(connection)[0].key, "lea", NOON)
    receiver.plan = lambda *_: "accept"
    deliver(engine, sink)
    assert ask(engine, get_measure, 1).state == "asked"  # a person had it tried again; it is not done yet
    take_back(decision)
    receiver.plan, receiver.says = (lambda *_: "accept"), (lambda _: {"status": "done"})
    assert deliver(engine, sink) == delivery.Tally(delivered=1)
    assert ask(engine, find_measures, state="back")


def test_a_sender_stops_in_time_before_its_lease_is_over(engine, receiver, put, sink):
    """Where each message takes a minute, it sends three of a lease of five, and gives the others back."""
    put(8)
    moments = [NOON]

    def take_a_minute(key, attempt):
        moments.append(moments[-1] + timedelta(minutes=1))
        return "accept"

    receiver.plan = take_a_minute
    tallies = list(delivery.deliver_due(engine, sink, clock=lambda: moments[-1]))
    assert [tally.delivered for tally in tallies] == [3, 3, 2]


def test_an_answer_that_says_nothing_counts_as_accepted(engine, judge, receiver, sink):
    """A receiver need not know our words, and cannot break anything by others."""
    for says in ([], "done", {"status": "eaten"}, {"status": "done", "at": 5}, {"status": ["done"]}):
        judge(f"L {says}", listing_sales=0.0)
        receiver.says = lambda _, said=says: said
        assert deliver(engine, sink) == delivery.Tally(delivered=1), says


def test_messages_of_erased_sellers_go_nowhere(engine, put, sink):
    """Nobody can read them; they trouble nobody as dead."""
    pseudonym = act(engine, pseudonym_of, "s1", now=NOON)
    put(2, pseudonym=pseudonym)
    execute(engine, seller_keys.delete())
    assert deliver(engine, sink) == delivery.Tally()
    with reading(engine) as connection:
        assert list_dead(connection) == []
        assert outbox.next_due(connection) is None


def test_channels_have_addresses_of_their_own(engine, receiver, put):
    """Where only one channel has an address, the others wait for theirs."""
    put(1)
    with writing(engine) as connection:
        what = {"kind": "statement", "body": {}, "pseudonym": None, "now": NOON}
        outbox.put_all(connection, [outbox.Draft(key="letter", channel="seller", subject="measure:1", **what)])
    sink = WebhookSink({"seller": receiver.url}, [SECRET])
    deliver(engine, sink)
    assert receiver.keys == ["letter"]
    sink.close()


def test_a_file_gets_each_key_once_also_after_a_crash(engine, put, tmp_path):
    """Killed after writing or within a line, or written by two senders: no second copy and no half line is left."""
    put(3)
    path = tmp_path / "measures.jsonl"
    taken = act(engine, outbox.take, "killed", NOON, timedelta(minutes=5), at_most=2)
    list(FileSink(path).deliver(taken))
    with path.open("a") as file:
        file.write('{"type":"ipml.mea')
    deliver(engine, FileSink(path), NOON + timedelta(minutes=5))
    lines = path.read_text().splitlines()
    assert sorted(json.loads(line)["key"] for line in lines) == ["key-000", "key-001", "key-002"]
    put(4, first=3)
    one, other = FileSink(tmp_path / "f"), FileSink(tmp_path / "f")
    taken = act(engine, outbox.take, "a", NOON, timedelta(minutes=5), at_most=4)
    list(one.deliver(taken[:2]))
    list(other.deliver(taken))
    list(one.deliver(taken))
    assert len((tmp_path / "f").read_text().splitlines()) == 4


def answer(engine, message, status, minutes=1, **more):
    """Note an answer so many minutes after noon, and say whether it was new."""
    now = NOON + timedelta(minutes=minutes)
    received = delivery.ReceivedAnswer(message.key, status, **more)
    return act(engine, delivery.note_answer, received, "platform", now).is_new


def state(engine, number=1):
    """Return how far a measure has come."""
    return ask(engine, get_measure, number).state


def test_the_same_answer_again_changes_nothing(engine, judge, told):
    """The first moment counts, and one row is kept; nothing was ever asked under an unknown key."""
    judge("L1")
    (message,) = told(kind="measure")
    assert answer(engine, message, "done", 1)
    assert not answer(engine, message, "done", 5)
    with reading(engine) as connection:
        assert get_measure(connection, 1).done_at == NOON + timedelta(minutes=1)
        assert len(delivery.list_answers(connection, message.key)) == 1
        assert delivery.list_messages(connection, 1) == [message]
    unknown = delivery.ReceivedAnswer("measure-9-imposed-00000000", "done")
    with pytest.raises(NotFound, match="No message"):
        act(engine, delivery.note_answer, unknown, "platform", NOON)


def test_a_moment_of_the_platform_lies_between_asking_and_hearing(engine, judge, told):
    """Its clock may go wrong; ours says what cannot be."""
    for number, (said, minutes) in enumerate([(-60, 0), (0.5, 0.5), (60, 1)], 1):
        judge(f"L{number}")
        answer(engine, told(kind="measure")[-1], "done", at=NOON + timedelta(minutes=said))
        assert ask(engine, get_measure, number).done_at == NOON + timedelta(minutes=minutes)


def test_the_last_word_on_a_message_counts(engine, judge, told):
    """Accepted is not done; refused and then done is done; the words of a refusal are encrypted."""
    judge("L1")
    (message,) = told(kind="measure")
    for minutes, (said, expected) in enumerate({"accepted": "asked", "refused": "refused", "done": "done"}.items()):
        answer(engine, message, said, minutes, why="harbour-outlet is our partner")
        assert state(engine) == expected
    with reading(engine) as connection:
        for table in (platform_answers, measures, messages_table):
            assert "harbour-outlet" not in repr(connection.execute(table.select()).all())


@on_both
def test_any_order_of_arrival_gives_the_same_state(engine, judge, told, take_back):
    """Taken down and put back; the answers to both come in any order, with a late refusal of the first."""
    decision = judge("L1")
    take_back(decision)
    (down,), (back,) = told(kind="measure"), told(kind="reinstatement")
    for order in permutations([(down, "refused"), (down, "done"), (back, "done")]):
        for minutes, (message, status) in enumerate(order, start=1):
            answer(engine, message, status, minutes)
        assert state(engine) == "back"
        as_before = measures.update().values(done_at=None, undone_at=None, refused_at=None)
        execute(engine, platform_answers.delete(), as_before)


def test_a_later_message_that_is_done_settles_what_an_earlier_one_left(engine, judge, told):
    """Each says all that holds: if the first was lost, the second is enough."""
    judge("L1")
    with writing(engine) as connection:
        replace(connection, 1, MeasureOrder(MeasureKind.PAUSE, "milder"), "lea", NOON)
        impose_by_hand(
            connection, 1, MeasureOrder(MeasureKind.PRICE_HOLD, "held"), "lea", NOON, load_enforcement_policy()
        )
    _, second, third = told(kind="measure")
    answer(engine, third, "done", 2)
    assert [state(engine, number) for number in (1, 2, 3)] == ["replaced", "done", "done"]
    answer(engine, second, "refused", 3)  # late
    assert [state(engine, number) for number in (1, 2, 3)] == ["replaced", "done", "done"]


def test_a_measure_on_a_listing_that_is_down_is_answered_for_itself(engine, judge, told):
    """It is done once a message that names it is, not with what stood there before."""
    judge("L1")
    judge("L1", title="Leather purse")
    first, second = told(kind="measure")
    answer(engine, first, "done")
    assert [state(engine, number) for number in (1, 2)] == ["done", "asked"]
    answer(engine, second, "done", 2)
    assert [state(engine, number) for number in (1, 2)] == ["done", "done"]


def test_answers_noted_together_count_as_if_one_after_the_other(engine, judge, told, take_back):
    """Of two listings with the same story, one is answered message by message and one all at once: both end alike."""
    stories = ("done", "refused"), ("refused", "done"), ("done", "done"), ("accepted", "refused")
    for number, said in enumerate(stories):
        found = []
        for way in ("singly", "together"):
            listing_id = f"{way} {number}"
            decision = judge(listing_id)
            take_back(decision, why="slip")
            messages = [one for one in told() if one.kind != "buyers" and f'"{listing_id}"' in str(one.body)]
            answers = [
                delivery.ReceivedAnswer(one.key, word) for one, word in zip(reversed(messages), said, strict=True)
            ]
            with writing(engine) as connection:
                for some in [answers] if way == "together" else [[one] for one in answers]:
                    delivery.note_answers(connection, some, "platform", NOON)
                measure = get_measure(connection, 2 * number + len(found) + 1)
            found.append((measure.state, measure.done_at, measure.undone_at, measure.refused_at))
        assert found[0] == found[1]
