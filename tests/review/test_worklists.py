"""Whose a case is, when it comes back, what people write beside it, queues of some people, and saved views."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, delete, select
from support.databases import on_both
from support.reviewing import Make, judge
from support.staff import CHEAP, PASSWORD
from support.transactions import act, ask

from ipml.errors import Conflict, Forbidden, NotFound, Overtaken, UnstorableValue
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import claim, release
from ipml.review.claims import claim as claim_case
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.quality.second_person import add_own_seller
from ipml.review.ranking.list_marks import QueueParts
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.assignment import assign, list_assignees, snooze
from ipml.review.worklists.comments import LONGEST_COMMENT, add_comment, find_comments
from ipml.review.worklists.review_queues import (
    QueueRule,
    count_queued,
    define_queue,
    find_script,
    list_queues,
    remove_queue,
)
from ipml.review.worklists.saved_views import (
    MOST_VIEWS,
    begin_with,
    change_view,
    find_start,
    list_views,
    remove_view,
    save_view,
)
from ipml.review.worklists.search import Filter, browse_cases
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.storage.tables import case_comments, saved_views
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user, disable_user

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
OPEN = Filter()


@pytest.fixture
def staffed(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of five cases, the first the most suspicious, with two reviewers and a viewer."""
    enqueue(engine, [make_scored(f"L{n}", 0.9 - n / 10, seller_id=f"s{n}") for n in range(5)], now=NOON)
    act(engine, add_user, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    act(engine, add_user, "bo", PASSWORD, Role.REVIEWER, CHEAP)
    act(engine, add_user, "vic", PASSWORD, Role.VIEWER, CHEAP)
    return engine


def take(engine: Engine, reviewer: str, now: datetime = NOON) -> int | None:
    """Return the case that a reviewer would be given, and give it back."""
    claim = act(engine, claim_case, reviewer, now=now)
    if claim is not None:
        act(engine, release, claim, now=now)
    return None if claim is None else claim.case_id


def listed(engine: Engine, wanted: Filter = OPEN, now: datetime = NOON) -> list[int]:
    """Return the numbers of the cases in a list."""
    return [case.case_id for case in ask(engine, browse_cases, wanted, parts=QueueParts((), (), now))]


def test_an_assigned_case_comes_to_its_person_first_and_to_nobody_else(staffed: Engine, make_scored: Make):
    """Listed as theirs, though its seller changes it; once it is nobody's it comes in its turn; all is in the trail."""
    for number, name in ((1, "bo"), (4, "ana"), (4, "ana")):  # the last changes nothing
        act(staffed, assign, number, name, by="lea", now=NOON)
    assert (take(staffed, "ana"), take(staffed, "bo")) == (4, 1)
    assert (listed(staffed, Filter(assigned_to="ana")), listed(staffed)) == ([4], [1, 2, 3, 4, 5])
    for number in (1, 4):
        act(staffed, assign, number, None, by="ana", now=NOON)
    said = [(row.actor, row.action) for row in ask(staffed, history, 4) if "assigned" in row.action]
    assert said == [("lea", "assigned"), ("ana", "assigned to nobody")]
    assert take(staffed, "ana") == 1
    act(staffed, assign, 2, "bo", by="lea", now=NOON)
    enqueue(staffed, [make_scored("L1", 0.8, seller_id="s1", title="Now with box")], now=NOON)
    assert listed(staffed, Filter(assigned_to="bo")) == [6]
    assert [row.action for row in ask(staffed, history, 6)] == ["enqueued", "assigned"]


def test_what_is_assigned_to_who_cannot_decide_it_is_everybodys(staffed: Engine):
    """Somebody who left, or sells as the seller, keeps no case from the others."""
    for number in (1, 2):
        act(staffed, assign, number, "bo", by="lea", now=NOON)
    act(staffed, add_own_seller, "bo", "s0", now=NOON)
    assert (take(staffed, "ana"), take(staffed, "bo")) == (1, 2)
    act(staffed, disable_user, "bo")
    assert ask(staffed, list_assignees) == ["ana"]
    judge(staffed, 1, now=NOON)
    assert take(staffed, "ana") == 2


def test_nobody_is_assigned_what_they_must_not_judge(staffed: Engine):
    """Nor is a viewer, somebody unknown, or anybody a case that is decided, which is not snoozed either."""
    act(staffed, add_own_seller, "bo", "s0", now=NOON)
    judge(staffed, 2, now=NOON)
    wrong = [(1, "bo", Forbidden), (2, "bo", Conflict), *((1, name, NotFound) for name in ("vic", "nobody", ""))]
    for number, name, error in wrong:
        with pytest.raises(error):
            act(staffed, assign, number, name, by="lea", now=NOON)
    with pytest.raises(Conflict):
        act(staffed, snooze, 2, NOON + timedelta(hours=1), by="ana", now=NOON)


@on_both
def test_a_snoozed_case_comes_back_by_itself(staffed: Engine):
    """Till then, or a verdict, it is in no list but that of snoozed cases and given to nobody; the claim on it ends."""
    later = NOON + timedelta(hours=4)
    act(staffed, claim, "ana", 1, now=NOON)
    act(staffed, snooze, 1, later, by="ana", now=NOON)
    assert ask(staffed, get_case, 1, now=NOON).reviewer is None
    assert (listed(staffed), listed(staffed, Filter(snoozed=True))) == ([2, 3, 4, 5], [1])
    assert listed(staffed, Filter(search="L0")) == listed(staffed, Filter(seller_id="s0")) == [1]
    assert (take(staffed, "ana"), take(staffed, "ana", later)) == (2, 1)
    assert listed(staffed, now=later) == [1, 2, 3, 4, 5]
    assert listed(staffed, Filter(snoozed=True), later) == []
    made = judge(staffed, 1, now=NOON)
    act(staffed, undo, made.decision_id, UndoRequest("lea", may_undo_others=True), now=NOON)
    assert take(staffed, "ana") == 1


def test_a_snoozed_case_can_be_put_back(staffed: Engine):
    """At once, with rows in the audit trail; none is snoozed for no time, for more than 30 days, or from its holder."""
    for until, by in ((NOON + timedelta(days=30), "ana"), (None, "bo"), (None, "bo")):
        act(staffed, snooze, 1, until, by=by, now=NOON)
    assert [row.action for row in ask(staffed, history, 1)] == ["enqueued", "snoozed", "woken"]
    assert take(staffed, "ana") == 1
    for away in (timedelta(0), timedelta(hours=-1), timedelta(days=30, seconds=1)):
        with pytest.raises(Conflict):
            act(staffed, snooze, 1, NOON + away, by="ana", now=NOON)
    act(staffed, claim, "bo", 1, now=NOON)
    with pytest.raises(Overtaken):
        act(staffed, snooze, 1, NOON + timedelta(hours=1), by="ana", now=NOON)


def test_deadlines_win(staffed: Engine, make_scored: Make):
    """None is snoozed beyond its deadline; one that comes later wakes the case, which goes to whoever is there."""
    due, at = make_scored("D1", 0.1, seller_id="d"), lambda hours: NOON + timedelta(hours=hours)
    enqueue(staffed, [due], now=NOON, due_at=at(8))
    with pytest.raises(Conflict):
        act(staffed, snooze, 6, at(9), by="ana", now=NOON)
    act(staffed, snooze, 6, at(7), by="ana", now=NOON)
    act(staffed, assign, 6, "bo", by="lea", now=NOON)
    assert 6 not in listed(staffed)
    enqueue(staffed, [due], now=NOON, due_at=at(6))
    assert 6 in listed(staffed)
    assert take(staffed, "ana", at(6)) == 6


def test_comments_are_appended_and_read_in_their_order(staffed: Engine):
    """Of each case its own, with who wrote them, encrypted; the trail says that there is one; no comment is refused."""
    with writing(staffed) as connection:
        for by, text in (("ana", " Asked Ann Example. "), ("bo", "They say: no label like that.")):
            add_comment(connection, 1, text, by=by)
        found = find_comments(connection, [1, 2])
        said = [("ana", "Asked Ann Example."), ("bo", "They say: no label like that.")]
        assert [[(one.author, one.text) for one in found.get(number, ())] for number in (1, 2)] == [said, []]
        assert [row.action for row in history(connection, 1)] == ["enqueued", "commented", "commented"]
        assert "Ann Example" not in str(connection.execute(select(case_comments)).all())
    for text in ("", " \n", "x" * (LONGEST_COMMENT + 1), "a\0b"):
        with pytest.raises(UnstorableValue):
            act(staffed, add_comment, 1, text, by="ana")
    act(staffed, add_comment, 1, "x" * LONGEST_COMMENT, by="ana")
    with pytest.raises(NotFound):
        act(staffed, add_comment, 9, "Where is it?", by="ana")


TITLES = ("Leather bag", "Сумка кожаная", "Diver watch", "Belt")
BRANDS = ("Acme", "Acme", "Nordhale", None)
CATEGORIES = ("Bags", "Bags", "Watches", "Belts")


@pytest.fixture
def four(engine: Engine, make_scored: Make) -> Engine:
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
    enqueue(engine, scored, now=NOON)


def define(engine: Engine, name: str, queue_id: int | None = None, **rule: Sequence[str]) -> int:
    """Have a lead define a queue, or change one."""
    wanted = QueueRule(name, **{field: tuple(said) for field, said in rule.items()})
    return act(engine, define_queue, wanted, queue_id=queue_id, by="lea", now=NOON)


def queued(engine: Engine, *queue_ids: int) -> list[list[int]]:
    """Return the numbers of the cases in queues."""
    parts = QueueParts((), (), NOON)
    lists = [ask(engine, browse_cases, Filter(queue_id=queue_id), parts=parts) for queue_id in queue_ids]
    return [[case.case_id for case in some] for some in lists]


def decide_next(engine: Engine, reviewer: str) -> int | None:
    """Have a reviewer decide the next case, and return which it was."""
    claim = act(engine, claim_case, reviewer, now=NOON)
    if claim is not None:
        act(engine, decide, DecisionRequest(claim, Verdict.GENUINE), now=NOON)
    return claim and claim.case_id


def test_scripts():
    """The script of most letters; Japanese is told from Chinese by its syllables."""
    scripts = {
        **{
            "Nike": "latin",
            "Сумка Gucci, копия": "cyrillic",
            "名牌 包包": "han",
            "本革 バッグ": "kana",
            "가방": "hangul",
        },
        **{"Çanta deri": "latin", "ЁЖ": "cyrillic", "100 %": None, "": None, "𐍈𐍈": None},
    }
    assert {title: find_script(title) for title in scripts} == scripts


@on_both
def test_a_case_is_in_the_first_queue_that_fits(four: Engine, make_scored: Make):
    """Whether it was there before the queue or came later; what is empty in a rule does not narrow."""
    russian = define(four, "Russian", scripts=["cyrillic"])
    acme = define(four, "Acme", brands=["ACME "])
    watches = define(four, "Watches", categories=["Watches"], brands=["Nordhale"])
    assert queued(four, russian, acme, watches) == [[2], [1], [3]]
    add_cases(four, make_scored, range(4, 8))
    assert queued(four, russian, acme, watches) == [[2, 6], [1, 5], [3, 7]]
    assert ask(four, count_queued, NOON) == {russian: 2, acme: 2, watches: 2}


def test_cases_move_when_a_queue_or_a_listing_changes(four: Engine, make_scored: Make):
    """A queue that is removed leaves its cases to the next; each change is in the audit trail."""
    russian = define(four, "Russian", scripts=["cyrillic"])
    acme = define(four, "Acme", brands=["Acme"])
    define(four, "Acme", acme, brands=["Nordhale"])
    assert queued(four, acme) == [[3]]
    again = make_scored("L3", 0.5, title="Belt", brand="Nordhale", category="Belts", seller_id="s3")
    enqueue(four, [again], now=NOON)
    assert len(queued(four, acme)[0]) == 2
    define(four, "Acme", acme, brands=["Acme"])
    act(four, remove_queue, russian, by="lea", now=NOON)
    rows = ask(four, audit.list_rows, f"review_queue:{russian}")
    assert [(row.actor, row.action) for row in rows] == [("lea", "queue defined"), ("lea", "queue removed")]
    assert queued(four, acme) == [[1, 2]]


def test_ones_own_queues_come_first_and_nothing_waits_for_ever(four: Engine, make_scored: Make):
    """Every fifth case is from outside; who works no queue is not given those of others."""
    add_cases(four, make_scored, range(4, 40))
    define(four, "Watches", categories=["Watches"], people=["ana"])
    in_queue = [decide_next(four, "ana") % 4 == 3 for _ in range(11)]
    assert in_queue == [True] * 4 + [False] + [True] * 4 + [False] + [True]
    assert all(decide_next(four, "bo") % 4 != 3 for _ in range(28))
    assert decide_next(four, "bo") is None
    assert decide_next(four, "ana") is not None


def test_a_queue_whose_people_left_is_everybodys(four: Engine, make_scored: Make):
    """So is one that never had any, and what is due goes to whoever is there."""
    define(four, "Acme", brands=["Acme"], people=["ana"])
    define(four, "Watches", categories=["Watches"])
    due = make_scored("D", 0.1, title="Bag", brand="Acme", category="Bags", seller_id="d")
    enqueue(four, [due], now=NOON, due_at=NOON + timedelta(minutes=1))
    assert [decide_next(four, "bo") for _ in range(2)] == [5, 3]
    act(four, disable_user, "ana")
    assert decide_next(four, "bo") == 1


def test_what_is_no_queue_is_refused(four: Engine, subtests: pytest.Subtests):
    """No name or one twice, no rule, a script or a person that there is not, or more than a rule can hold."""
    wrong = (
        *(QueueRule("", brands=("Acme",)), QueueRule("x" * 81, brands=("Acme",)), QueueRule("Empty")),
        *(QueueRule("Klingon", scripts=("klingon",)), QueueRule("Stranger", brands=("Acme",), people=("vic",))),
        *(QueueRule("Many", brands=tuple(map(str, range(101)))), QueueRule("Nul", brands=("a\0b",))),
    )
    for rule in wrong:
        with subtests.test(rule=rule.name), pytest.raises(UnstorableValue):
            act(four, define_queue, rule, by="lea", now=NOON)
    number = define(four, "Acme", brands=["Acme"])
    define(four, "Acme", number, brands=["ACME"])  # it keeps its own name
    with pytest.raises(Conflict):
        define(four, " acme", brands=["Other"])
    with pytest.raises(NotFound):
        act(four, remove_queue, 99, by="lea", now=NOON)
    assert [one.rule.brands for one in ask(four, list_queues)] == [("ACME",)]


ANA, BO = 1, 2


@pytest.fixture
def people(engine: Engine) -> Iterator[Connection]:
    """Give a database with two people."""
    with writing(engine) as connection:
        for name in ("ana", "bo"):
            add_user(connection, name, PASSWORD, Role.LEAD, CHEAP)
        yield connection


def names(connection: Connection, user_id: int) -> list[str]:
    """Return the names of the views that a person sees."""
    return [one.name for one in list_views(connection, user_id)]


def test_others_see_a_view_only_where_it_is_shared(people: Connection) -> None:
    """They can begin with it, and no longer once it is theirs no more."""
    number = save_view(people, ANA, " Sure  Acme ", "brand=Acme&least=90")
    assert (names(people, ANA), names(people, BO)) == (["Sure Acme"], [])
    with pytest.raises(NotFound):
        begin_with(people, BO, number)
    change_view(people, ANA, number, "Acme", is_shared=True)
    begin_with(people, BO, number)
    start = find_start(people, BO)
    assert start
    assert (start.name, start.owner, start.is_own) == ("Acme", "ana", False)
    assert find_start(people, ANA) is None
    change_view(people, ANA, number, "Acme", is_shared=False)
    assert (names(people, BO), find_start(people, BO)) == ([], None)


@on_both
def test_the_view_of_the_start_comes_first_and_the_others_by_name(people: Connection) -> None:
    """In any case of the letters; and the whole list is begun with again."""
    numbers = [save_view(people, ANA, name, f"brand={name}") for name in ("b", "A", "c")]
    begin_with(people, ANA, numbers[2])
    assert names(people, ANA) == ["c", "A", "b"]
    begin_with(people, ANA, numbers[0])
    assert names(people, ANA) == ["b", "A", "c"]
    begin_with(people, ANA, None)
    assert names(people, ANA) == ["A", "b", "c"]


def test_a_view_saved_under_the_name_of_another_takes_its_place(people: Connection) -> None:
    """It stays shared and the start; somebody else's of that name stays as it is."""
    number = save_view(people, ANA, "Acme", "brand=Acme", is_shared=True)
    begin_with(people, ANA, number)
    save_view(people, BO, "Acme", "brand=Acme&order=score")
    assert save_view(people, ANA, "Acme", "brand=Acme&least=90") == number
    (own,) = (one for one in list_views(people, ANA) if one.is_own)
    assert (own.query, own.is_shared, own.is_start) == ("brand=Acme&least=90", True, True)
    assert "brand=Acme&order=score" in [one.query for one in list_views(people, BO)]


def test_a_removed_view_is_nobodys_start(people: Connection) -> None:
    """Nor is one that went with the seller it names."""
    for name in ("Acme", "s1"):
        number = save_view(people, ANA, name, f"seller={name}", names=name)
        begin_with(people, ANA, number)
        if name == "Acme":
            remove_view(people, ANA, number)
        else:
            people.execute(delete(saved_views).where(saved_views.c.seller_id == "s1"))
        assert (names(people, ANA), find_start(people, ANA)) == ([], None)


@on_both
def test_what_cannot_be_saved_is_refused(people: Connection) -> None:
    """No name, a long one, the whole list, another's name, more than fifty."""
    first, second = (save_view(people, ANA, name, "brand=Acme") for name in ("one", "two"))
    for name, query in (("  ", "brand=Acme"), ("n" * 41, "brand=Acme"), ("all", ""), ("a\0b", "brand=Acme")):
        with pytest.raises(UnstorableValue):
            save_view(people, ANA, name, query)
    with pytest.raises(Conflict):
        change_view(people, ANA, second, "one", is_shared=False)
    for number in range(MOST_VIEWS - 2):
        save_view(people, ANA, str(number), "brand=Acme")
    with pytest.raises(Conflict):
        save_view(people, ANA, "one more", "brand=Acme")
    assert save_view(people, ANA, "one", "brand=Aurivo") == first
