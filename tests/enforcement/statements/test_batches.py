"""Statements reach the transparency database in batches, each once, whatever becomes of the others."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from support.databases import on_both
from support.transactions import read_with
from support.transparency_receiver import Receiver, open_receiver

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.statements import submission
from ipml.enforcement.statements.facts import state
from ipml.enforcement.statements.letter import write_payload
from ipml.errors import UnusableSetting
from ipml.storage.database import reading, writing
from ipml.storage.outbox import put
from ipml.storage.tables import outbox

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)
RULES = load_enforcement_policy().statements
TOKEN = "1|secret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a transparency database on loopback."""
    with open_receiver() as receiver:
        yield receiver


@pytest.fixture
def wait(engine: Engine, make_restriction: Callable) -> Callable[[int], None]:
    """Return a function that lets so many statements wait, named p0, p1, …"""

    def fill(count: int) -> None:
        with writing(engine) as connection:
            for number in range(count):
                statement = state(make_restriction(), RULES, puid=f"p{number}", at=NOON)
                body = write_payload(statement)
                assert body is not None
                where = {"channel": "transparency", "kind": "statement", "subject": f"transparency:{number}"}
                put(connection, key=f"p{number}", body=body, pseudonym=None, now=NOON, **where)

    return fill


def send(
    engine: Engine, receiver: Receiver, *, token: str = TOKEN, minutes: float = 0, **options: Any
) -> submission.Sent:
    """Send what waits, so many minutes after noon."""
    with submission.open_client() as client:
        post = submission.post_to(receiver.url, token, client)
        return submission.send_waiting(engine, post, now=NOON + timedelta(minutes=minutes), **options)


def states(engine: Engine) -> dict[str, str]:
    """Return the state of each message by its key."""
    with reading(engine) as connection:
        return {row.key: row.state for row in connection.execute(select(outbox))}


@on_both
def test_batches_hold_a_hundred(engine: Engine, receiver: Receiver, wait: Callable):
    """Of 150 statements each reaches the database once, in two requests, and a second sending finds none."""
    wait(150)
    assert send(engine, receiver) == submission.Sent(delivered=150)
    assert receiver.batches == [100, 50]
    assert len(receiver.taken) == 150
    assert send(engine, receiver) == submission.Sent()
    assert read_with(engine, submission.count_waiting) == 0


def test_one_that_is_refused_holds_up_no_other(engine: Engine, receiver: Receiver, wait: Callable):
    """It lies there as dead with the field at fault, the others are taken."""
    wait(30)
    receiver.refused = {"p3", "p20"}
    sent = send(engine, receiver)
    assert (sent.delivered, sent.dead, sent.waiting) == (28, 2, 0)
    assert {key for key, state in states(engine).items() if state == "dead"} == {"p3", "p20"}
    assert len(receiver.taken) == 28
    with reading(engine) as connection:
        assert connection.scalar(select(outbox.c.last_error).where(outbox.c.key == "p3")) == (
            "decision_facts: is not wanted"
        )


def test_one_that_is_refused_is_found_by_halves_where_the_answer_does_not_name_it(engine, receiver, wait):
    """A database that only says no gets smaller and smaller batches."""
    wait(16)
    receiver.refused, receiver.is_vague = {"p5"}, True
    sent = send(engine, receiver)
    assert (sent.delivered, sent.dead) == (15, 1)
    assert states(engine)["p5"] == "dead"


def test_a_lost_answer_doubles_nothing(engine: Engine, receiver: Receiver, wait: Callable):
    """What was taken before is known by its puid when it comes again, and counts as delivered."""
    wait(5)
    receiver.failures = ["after"]
    sent = send(engine, receiver)
    assert (sent.delivered, sent.waiting) == (0, 5)
    assert len(receiver.taken) == 5
    wait_more = send(engine, receiver, minutes=1)
    assert wait_more.delivered == 5
    assert len(receiver.taken) == 5


@pytest.mark.parametrize("failure", ["before", "busy", "redirect"])
def test_an_outage_is_no_fault_of_a_statement(failure: str, engine: Engine, receiver: Receiver, wait: Callable):
    """They wait, first a minute and then longer, with the reason; a redirection is not followed."""
    wait(3)
    receiver.failures = [failure] * 2
    assert send(engine, receiver).waiting == 3
    assert send(engine, receiver, minutes=0.5) == submission.Sent()  # not due yet
    assert send(engine, receiver, minutes=1).waiting == 3
    assert send(engine, receiver, minutes=2.5) == submission.Sent()
    assert send(engine, receiver, minutes=3).delivered == 3


def test_a_wrong_token_loses_nothing(engine: Engine, receiver: Receiver, wait: Callable):
    """All wait on, and the answer is told."""
    wait(2)
    sent = send(engine, receiver, token="wrong")
    assert (sent.waiting, sent.words) == (2, "401: Unauthenticated.")


@on_both
def test_whoever_comes_too_late_settles_nothing(engine: Engine, wait: Callable):
    """After ten minutes another sender has them in hand, and the first one's word no longer counts."""
    wait(2)
    first = submission.take_batch(engine, now=NOON)
    assert first
    assert submission.take_batch(engine, now=NOON) is None
    second = submission.take_batch(engine, now=NOON + timedelta(minutes=10))
    assert second
    submission.settle_batch(
        engine, first, submission.deliver(first.payloads, lambda batch: submission.DatabaseAnswer(422)), now=NOON
    )
    assert set(states(engine).values()) == {"waiting"}
    submission.settle_batch(
        engine, second, submission.deliver(second.payloads, lambda batch: submission.DatabaseAnswer(201)), now=NOON
    )
    assert set(states(engine).values()) == {"delivered"}


def test_through_a_database_that_fails_before_and_after_all_arrive_once(engine, receiver, wait):
    """A fifth of the requests fail before the statements were taken, a fifth after; in the end each is there once."""
    wait(60)
    rng = random.Random(6)
    receiver.failures = rng.choices(["before", "after", ""], weights=[20, 20, 60], k=400)
    minutes = 0.0
    while "waiting" in states(engine).values():
        send(engine, receiver, minutes=minutes, most=7)
        minutes += 61
    assert sorted(receiver.taken) == sorted(f"p{number}" for number in range(60))
    assert set(states(engine).values()) == {"delivered"}


def test_any_answer_is_read():
    """What makes no sense names no statement and no puid; the place of a statement may be written in two ways."""
    listed = b'{"errors": {"existing_puids": 7, "statement_x": 1}}'
    for body in (b"", b"[]", b"null", b"<html>", b'{"errors": 7}', listed, b"[" * 9**4):
        answer = submission.read_answer(422, body)
        assert (dict(answer.refused), answer.known) == ({}, frozenset()), body
    body = b'{"errors": {"statements.2.puid": ["bad"], "statement_4": {"category": ["no"]}, "statements.2.x": "y"}}'
    assert submission.read_answer(422, body).refused == {2: "puid: bad; x: y", 4: "category: no"}


def test_the_token_is_not_shown_on_the_way(tmp_path: Path):
    """Over plain http it goes to this machine only; an empty file, or none, is told by the name of the setting."""
    with submission.open_client() as client, pytest.raises(UnusableSetting, match="https"):
        submission.post_to("http://transparency.example/api", TOKEN, client)
    (tmp_path / "token").write_text("\n", encoding="ascii")
    for name in ("token", "none"):
        with pytest.raises(UnusableSetting, match="transparency_token"):
            submission.read_token(tmp_path / name)
