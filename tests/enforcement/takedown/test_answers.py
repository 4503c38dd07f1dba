"""Answers of the platform count in the order of what was asked, not of their arrival."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import Engine
from support.databases import on_both
from support.transactions import read_with, write_with

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import impose_by_hand, replace
from ipml.enforcement.takedown.delivery import Said, list_answers, list_messages, note_answer, note_answers
from ipml.enforcement.takedown.measures import get_measure
from ipml.errors import NotFound
from ipml.records import Decision
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Message
from ipml.storage.tables import measures, outbox, platform_answers

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
Judge = Callable[..., Decision]
Told = Callable[..., list[Message]]


def answer(engine: Engine, message: Message, status: str, minutes: int = 1, **more: object) -> bool:
    """Note an answer so many minutes after noon, and say whether it was new."""
    now = NOON + timedelta(minutes=minutes)
    return write_with(engine, note_answer, message.key, status, "platform", now, **more).is_new


def state(engine: Engine, number: int = 1) -> str:
    """Return how far a measure has come."""
    return read_with(engine, get_measure, number).state


def test_the_same_answer_again_changes_nothing(enforced, judge, told):
    """The first moment counts, and one row is kept."""
    judge("L1")
    (message,) = told(kind="measure")
    assert answer(enforced, message, "done", 1)
    assert not answer(enforced, message, "done", 5)
    with reading(enforced) as connection:
        assert get_measure(connection, 1).done_at == NOON + timedelta(minutes=1)
        assert len(list_answers(connection, message.key)) == 1
        assert list_messages(connection, 1) == [message]


def test_a_moment_of_the_platform_lies_between_asking_and_hearing(enforced, judge, told):
    """Its clock may go wrong; ours says what cannot be."""
    for number, (said, minutes) in enumerate([(-60, 0), (0.5, 0.5), (60, 1)], 1):
        judge(f"L{number}")
        answer(enforced, told(kind="measure")[-1], "done", at=NOON + timedelta(minutes=said))
        assert read_with(enforced, get_measure, number).done_at == NOON + timedelta(minutes=minutes)


def test_the_last_word_on_a_message_counts(enforced, judge, told):
    """Accepted is not done, the platform has it and will say more; refused and then done is done."""
    judge("L1")
    (message,) = told(kind="measure")
    for minutes, (said, expected) in enumerate({"accepted": "asked", "refused": "refused", "done": "done"}.items()):
        answer(enforced, message, said, minutes, why="no such listing")
        assert state(enforced) == expected


@on_both
def test_any_order_of_arrival_gives_the_same_state(enforced, judge, told, take_back):
    """Taken down and put back; the answers to both come in any order, with a late refusal of the first."""
    decision = judge("L1")
    take_back(decision)
    (down,), (back,) = told(kind="measure"), told(kind="reinstatement")
    for order in permutations([(down, "refused"), (down, "done"), (back, "done")]):
        for minutes, (message, status) in enumerate(order, start=1):
            answer(enforced, message, status, minutes)
        assert state(enforced) == "back"
        with writing(enforced) as connection:
            connection.execute(platform_answers.delete())
            connection.execute(measures.update().values(done_at=None, undone_at=None, refused_at=None))


def test_a_later_message_that_is_done_settles_what_an_earlier_one_left(enforced, judge, told):
    """Each says all that holds: if the first was lost, the second is enough."""
    judge("L1")
    with writing(enforced) as connection:
        replace(connection, 1, MeasureKind.PAUSE, "lea", "milder", NOON)
        impose_by_hand(connection, 1, MeasureKind.PRICE_HOLD, "lea", "held", NOON, load_enforcement_policy())
    _, second, third = told(kind="measure")
    answer(enforced, third, "done", 2)
    assert [state(enforced, number) for number in (1, 2, 3)] == ["replaced", "done", "done"]
    answer(enforced, second, "refused", 3)  # late
    assert [state(enforced, number) for number in (1, 2, 3)] == ["replaced", "done", "done"]


def test_a_measure_on_a_listing_that_is_down_is_answered_for_itself(enforced, judge, told):
    """It is done once a message that names it is, not with what stood there before."""
    judge("L1")
    judge("L1", title="Leather purse")
    first, second = told(kind="measure")
    answer(enforced, first, "done")
    assert [state(enforced, number) for number in (1, 2)] == ["done", "asked"]
    answer(enforced, second, "done", 2)
    assert [state(enforced, number) for number in (1, 2)] == ["done", "done"]


def test_an_unknown_key_is_an_error(enforced: Engine):
    """Nothing was ever asked under it."""
    with writing(enforced) as connection, pytest.raises(NotFound, match="No message"):
        note_answer(connection, "measure-9-imposed-00000000", "done", "platform", NOON)


def test_the_words_of_a_refusal_are_encrypted(enforced, judge, told):
    """They may tell of the seller."""
    judge("L1")
    answer(enforced, told(kind="measure")[0], "refused", why="harbour-outlet is our partner")
    with reading(enforced) as connection:
        for table in (platform_answers, measures, outbox):
            assert "harbour-outlet" not in repr(connection.execute(table.select()).all())


def test_answers_noted_together_count_as_if_one_after_the_other(enforced, judge, told, take_back):
    """Of two listings with the same story, one is answered message by message and one all at once: both end alike."""
    for number, said in enumerate(
        [("done", "refused"), ("refused", "done"), ("done", "done"), ("accepted", "refused")]
    ):
        found = []
        for way in ("singly", "together"):
            listing_id = f"{way} {number}"
            decision = judge(listing_id)
            take_back(decision, why="slip")
            messages = [one for one in told() if one.kind != "buyers" and f'"{listing_id}"' in str(one.body)]
            answers = [Said(one.key, word) for one, word in zip(reversed(messages), said, strict=True)]
            with writing(enforced) as connection:
                for some in [answers] if way == "together" else [[one] for one in answers]:
                    note_answers(connection, some, "platform", NOON)
                measure = get_measure(connection, 2 * number + len(found) + 1)
            found.append((measure.state, measure.done_at, measure.undone_at, measure.refused_at))
        assert found[0] == found[1]
