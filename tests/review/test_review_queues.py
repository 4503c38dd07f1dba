"""Queues by brand, category and script, with the people who work them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from support.databases import on_both
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
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, disable_user

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
TITLES = ("Leather bag", "Сумка кожаная", "Diver watch", "Belt")
BRANDS = ("Acme", "Acme", "Nordhale", None)
CATEGORIES = ("Bags", "Bags", "Watches", "Belts")


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of four cases, the first the most suspicious, with two reviewers."""
    for name in ("ana", "bo"):
        act(engine, add_user, name, PASSWORD, Role.REVIEWER, CHEAP)
    add_cases(engine, make_scored, range(4))
    return engine


def add_cases(engine: Engine, make_scored: Make, numbers: Sequence[int]) -> None:
    """Have listings come in, the first the most suspicious."""
    offers = [{"title": TITLES[n % 4], "brand": BRANDS[n % 4], "category": CATEGORIES[n % 4]} for n in numbers]
    scored = [
        make_scored(f"L{n}", 0.9 - n / 100, seller_id=f"s{n}", **offer)
        for n, offer in zip(numbers, offers, strict=True)
    ]
    queue.enqueue(engine, scored, now=NOON)


def define(engine: Engine, name: str, queue_id: int | None = None, **rule: Sequence[str]) -> int:
    """Have a lead define a queue, or change one."""
    wanted = QueueRule(name, **{field: tuple(said) for field, said in rule.items()})
    return act(engine, define_queue, wanted, queue_id=queue_id, by="lea", now=NOON)


def queued(engine: Engine, *queue_ids: int) -> list[list[int]]:
    """Return the numbers of the cases in queues."""
    lists = [ask(engine, browse, Filter(queue_id=queue_id), now=NOON) for queue_id in queue_ids]
    return [[case.case_id for case in some] for some in lists]


def decide_next(engine: Engine, reviewer: str) -> int | None:
    """Have a reviewer decide the next case, and return which it was."""
    claim = act(engine, queue.claim, reviewer, now=NOON)
    if claim is not None:
        act(engine, queue.decide, claim, Verdict.GENUINE, now=NOON)
    return claim and claim.case_id


SCRIPTS = {
    **{"Nike": "latin", "Сумка Gucci, копия": "cyrillic", "名牌 包包": "han", "本革 バッグ": "kana", "가방": "hangul"},
    **{"Çanta deri": "latin", "ЁЖ": "cyrillic", "100 %": None, "": None, "𐍈𐍈": None},
}


def test_scripts():
    """The script of most letters; Japanese is told from Chinese by its syllables."""
    assert {title: find_script(title) for title in SCRIPTS} == SCRIPTS


@on_both
def test_a_case_is_in_the_first_queue_that_fits(staffed: Engine, make_scored: Make):
    """Whether it was there before the queue or came later; what is empty in a rule does not narrow."""
    russian = define(staffed, "Russian", scripts=["cyrillic"])
    acme = define(staffed, "Acme", brands=["ACME "])
    watches = define(staffed, "Watches", categories=["Watches"], brands=["Nordhale"])
    assert queued(staffed, russian, acme, watches) == [[2], [1], [3]]
    add_cases(staffed, make_scored, range(4, 8))
    assert queued(staffed, russian, acme, watches) == [[2, 6], [1, 5], [3, 7]]
    assert ask(staffed, count_queued, NOON) == {russian: 2, acme: 2, watches: 2}


def test_cases_move_when_a_queue_or_a_listing_changes(staffed: Engine, make_scored: Make):
    """A queue that is removed leaves its cases to the next; each change is in the audit trail."""
    russian = define(staffed, "Russian", scripts=["cyrillic"])
    acme = define(staffed, "Acme", brands=["Acme"])
    define(staffed, "Acme", acme, brands=["Nordhale"])
    assert queued(staffed, acme) == [[3]]
    again = make_scored("L3", 0.5, title="Belt", brand="Nordhale", category="Belts", seller_id="s3")
    queue.enqueue(staffed, [again], now=NOON)
    assert len(queued(staffed, acme)[0]) == 2
    define(staffed, "Acme", acme, brands=["Acme"])
    act(staffed, remove_queue, russian, by="lea", now=NOON)
    rows = ask(staffed, audit.list_rows, f"review_queue:{russian}")
    assert [(row.actor, row.action) for row in rows] == [("lea", "queue defined"), ("lea", "queue removed")]
    assert queued(staffed, acme) == [[1, 2]]


def test_ones_own_queues_come_first_and_nothing_waits_for_ever(staffed: Engine, make_scored: Make):
    """Every fifth case is from outside; who works no queue is not given those of others."""
    add_cases(staffed, make_scored, range(4, 40))
    define(staffed, "Watches", categories=["Watches"], people=["ana"])
    in_queue = [decide_next(staffed, "ana") % 4 == 3 for _ in range(11)]
    assert in_queue == [True] * 4 + [False] + [True] * 4 + [False] + [True]
    assert all(decide_next(staffed, "bo") % 4 != 3 for _ in range(28))
    assert decide_next(staffed, "bo") is None
    assert decide_next(staffed, "ana") is not None


def test_a_queue_whose_people_left_is_everybodys(staffed: Engine, make_scored: Make):
    """So is one that never had any, and what is due goes to whoever is there."""
    define(staffed, "Acme", brands=["Acme"], people=["ana"])
    define(staffed, "Watches", categories=["Watches"])
    due = make_scored("D", 0.1, title="Bag", brand="Acme", category="Bags", seller_id="d")
    queue.enqueue(staffed, [due], now=NOON, due_at=NOON + timedelta(minutes=1))
    assert [decide_next(staffed, "bo") for _ in range(2)] == [5, 3]
    act(staffed, disable_user, "ana")
    assert decide_next(staffed, "bo") == 1


NO_QUEUES = (
    *(QueueRule("", brands=("Acme",)), QueueRule("x" * 81, brands=("Acme",)), QueueRule("Empty")),
    *(QueueRule("Klingon", scripts=("klingon",)), QueueRule("Stranger", brands=("Acme",), people=("vic",))),
    *(QueueRule("Many", brands=tuple(map(str, range(101)))), QueueRule("Nul", brands=("a\0b",))),
)


def test_what_is_no_queue_is_refused(staffed: Engine, subtests: pytest.Subtests):
    """No name, no rule, a script or a person that there is not, or more than a rule can hold."""
    for rule in NO_QUEUES:
        with subtests.test(rule=rule.name), pytest.raises(UnstorableValue):
            act(staffed, define_queue, rule, by="lea", now=NOON)


def test_names_are_given_once(staffed: Engine):
    """A queue keeps its own when it is changed; what is not there is not found."""
    number = define(staffed, "Acme", brands=["Acme"])
    define(staffed, "Acme", number, brands=["ACME"])
    with pytest.raises(Conflict):
        define(staffed, " acme", brands=["Other"])
    with pytest.raises(NotFound):
        act(staffed, remove_queue, 99, by="lea", now=NOON)
    assert [one.rule.brands for one in ask(staffed, list_queues)] == [("ACME",)]
