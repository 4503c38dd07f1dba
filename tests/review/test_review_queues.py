"""Queues by brand, category and script, with the people who work them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, act, ask
from support.staff import CHEAP, PASSWORD

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.records import Verdict
from ipml.review import queue
from ipml.review.worklists.review_queues import (
    QueueRule,
    count_queued,
    define_queue,
    find_script,
    list_queues,
    remove_queue,
)
from ipml.review.worklists.search import Filter, browse
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, disable_user

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TITLES = ("Leather bag", "Сумка кожаная", "Diver watch", "Belt")
BRANDS = ("Acme", "Acme", "Nordhale", None)
CATEGORIES = ("Bags", "Bags", "Watches", "Belts")


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of four cases, the first the most suspicious, with two reviewers."""
    act(engine, add_user, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    act(engine, add_user, "bo", PASSWORD, Role.REVIEWER, CHEAP)
    add_cases(engine, make_scored, range(4))
    return engine


def add_cases(engine: Engine, make_scored: Make, numbers: Sequence[int]) -> None:
    """Have listings come in, the first the most suspicious."""
    for n in numbers:
        said = {"title": TITLES[n % 4], "brand": BRANDS[n % 4], "category": CATEGORIES[n % 4], "seller_id": f"s{n}"}
        queue.enqueue(engine, [make_scored(f"L{n}", 0.9 - n / 100, **said)], now=NOON)


def define(engine: Engine, name: str, **rule: Sequence[str]) -> int:
    """Have a lead define a queue."""
    values = {field: tuple(said) for field, said in rule.items()}
    return act(engine, define_queue, QueueRule(name, **values), by="lea", now=NOON)


def queued(engine: Engine, queue_id: int) -> list[int]:
    """Return the numbers of the cases in a queue."""
    return [case.case_id for case in ask(engine, browse, Filter(queue_id=queue_id), now=NOON)]


def decide_next(engine: Engine, reviewer: str) -> int | None:
    """Have a reviewer decide the next case, and return which it was."""
    with writing(engine) as connection:
        claim = queue.claim(connection, reviewer, now=NOON)
        if claim is None:
            return None
        queue.decide(connection, claim, Verdict.GENUINE, now=NOON)
        return claim.case_id


@pytest.mark.parametrize(
    ("title", "script"),
    [
        ("Nike", "latin"),
        ("Сумка Gucci, копия", "cyrillic"),
        ("名牌 包包", "han"),
        ("本革 バッグ", "kana"),
        ("가방", "hangul"),
        ("Çanta deri", "latin"),
        ("ЁЖ", "cyrillic"),
        ("100 %", None),
        ("", None),
        ("𐍈𐍈", None),
    ],
)
def test_scripts(title: str, script: str | None):
    """The script of most letters; Japanese is told from Chinese by its syllables."""
    assert find_script(title) == script


def test_a_case_is_in_the_first_queue_that_fits(staffed: Engine, make_scored: Make):
    """Whether it was there before the queue or came later; what is empty in a rule does not narrow."""
    russian = define(staffed, "Russian", scripts=["cyrillic"])
    acme = define(staffed, "Acme", brands=["ACME "])
    watches = define(staffed, "Watches", categories=["Watches"], brands=["Nordhale"])
    assert [queued(staffed, one) for one in (russian, acme, watches)] == [[2], [1], [3]]
    add_cases(staffed, make_scored, range(4, 8))
    assert [queued(staffed, one) for one in (russian, acme, watches)] == [[2, 6], [1, 5], [3, 7]]
    assert ask(staffed, count_queued, NOON) == {russian: 2, acme: 2, watches: 2}


def test_cases_move_when_a_queue_or_a_listing_changes(staffed: Engine, make_scored: Make):
    """A queue that is removed leaves its cases to the next; each change is in the audit trail."""
    russian = define(staffed, "Russian", scripts=["cyrillic"])
    acme = define(staffed, "Acme", brands=["Acme"])
    act(staffed, define_queue, QueueRule("Acme", brands=("Nordhale",)), queue_id=acme, by="lea", now=NOON)
    assert queued(staffed, acme) == [3]
    again = make_scored("L3", 0.5, title="Belt", brand="Nordhale", category="Belts", seller_id="s3")
    queue.enqueue(staffed, [again], now=NOON)
    assert len(queued(staffed, acme)) == 2
    act(staffed, define_queue, QueueRule("Acme", brands=("Acme",)), queue_id=acme, by="lea", now=NOON)
    act(staffed, remove_queue, russian, by="lea", now=NOON)
    rows = [*ask(staffed, audit.list_rows, f"review_queue:{russian}")]
    assert [(row.actor, row.action) for row in rows] == [("lea", "queue defined"), ("lea", "queue removed")]
    assert queued(staffed, acme) == [1, 2]


def test_ones_own_queues_come_first_and_nothing_waits_for_ever(staffed: Engine, make_scored: Make):
    """Every fifth case is from outside; who works no queue is not given those of others."""
    add_cases(staffed, make_scored, range(4, 40))
    define(staffed, "Watches", categories=["Watches"], people=["ana"])
    by_ana = [decide_next(staffed, "ana") for _ in range(11)]
    in_queue = [number is not None and number % 4 == 3 for number in by_ana]
    assert in_queue == [True] * 4 + [False] + [True] * 4 + [False] + [True]
    by_bo = [decide_next(staffed, "bo") for _ in range(28)]
    assert all(number is not None and number % 4 != 3 for number in by_bo)
    assert decide_next(staffed, "bo") is None
    assert decide_next(staffed, "ana") is not None


def test_a_queue_whose_people_left_is_everybodys(staffed: Engine):
    """So is one that never had any."""
    define(staffed, "Acme", brands=["Acme"], people=["ana"])
    define(staffed, "Watches", categories=["Watches"])
    assert decide_next(staffed, "bo") == 3
    act(staffed, disable_user, "ana")
    assert decide_next(staffed, "bo") == 1


def test_deadlines_win_over_queues(staffed: Engine, make_scored: Make):
    """What is due goes to whoever is there."""
    define(staffed, "Acme", brands=["Acme"], people=["ana"])
    due = make_scored("D", 0.1, title="Bag", brand="Acme", category="Bags", seller_id="d")
    queue.enqueue(staffed, [due], now=NOON, due_at=NOON + timedelta(minutes=1))
    assert decide_next(staffed, "bo") == 5


@pytest.mark.parametrize(
    "rule",
    [
        QueueRule("", brands=("Acme",)),
        QueueRule("x" * 81, brands=("Acme",)),
        QueueRule("Empty"),
        QueueRule("Klingon", scripts=("klingon",)),
        QueueRule("Stranger", brands=("Acme",), people=("vic",)),
        QueueRule("Many", brands=tuple(map(str, range(101)))),
        QueueRule("Nul", brands=("a\0b",)),
    ],
)
def test_what_is_no_queue_is_refused(rule: QueueRule, staffed: Engine):
    """No name, no rule, a script or a person that there is not, or more than a rule can hold."""
    with writing(staffed) as connection, pytest.raises(UnstorableValue):
        define_queue(connection, rule, by="lea", now=NOON)


def test_names_are_given_once(staffed: Engine):
    """A queue keeps its own when it is changed; what is not there is not found."""
    number = define(staffed, "Acme", brands=["Acme"])
    with writing(staffed) as connection:
        define_queue(connection, QueueRule("Acme", brands=("ACME",)), queue_id=number, by="lea", now=NOON)
        with pytest.raises(Conflict):
            define_queue(connection, QueueRule(" acme", brands=("Other",)), by="lea", now=NOON)
        with pytest.raises(NotFound):
            remove_queue(connection, 99, by="lea", now=NOON)
        assert [one.rule.brands for one in list_queues(connection)] == [("ACME",)]
