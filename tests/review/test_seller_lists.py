"""Lists of sellers: at once in force, at once gone, beside the score and never in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, insert, select
from support.databases import on_both
from support.reviewing import Make, tell_place
from support.transactions import act, ask

from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.errors import Conflict, Forbidden, NotFound, UnstorableValue
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.claims import claim, find_best
from ipml.review.ranking.list_marks import QueueParts, find_case_marks
from ipml.review.ranking.policy import ListRules, load_policy
from ipml.review.ranking.queue_order import QueueOrder, find_current_parts, rerank
from ipml.review.sellers.seller_lists import (
    EntryFilter,
    ListedSeller,
    ListEntry,
    ListKind,
    add_entry,
    get_entry,
    list_entries,
    load_entries,
    remove_entry,
)
from ipml.review.worklists.search import Filter, browse_cases
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, seller_list_entries, user_sellers

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
SELLERS = ["sA", "sB", "sC", "sD"]
DENIED, WATCHED, AUTHORISED = ListKind


def listed(kind: ListKind, seller: str, brand: str | None = None, until: datetime | None = None) -> ListedSeller:
    """Return what puts a seller on a list."""
    return ListedSeller(kind, seller, "a reason", "a letter", brand, (), until)


def put(engine: Engine, kind: ListKind, seller: str, brand: str | None = None, until: datetime | None = None) -> int:
    """Put a seller on a list."""
    return act(engine, add_entry, listed(kind, seller, brand, until), by="lea", now=NOW)[0].entry_id


def take_off(engine: Engine, entry_id: int, now: datetime = NOW) -> ListEntry:
    """Take an entry off its list."""
    return act(engine, remove_entry, entry_id, why="a mistake", by="lea", now=now)


def order(engine: Engine, now: datetime = NOW, limit: int = 50) -> list[str]:
    """Return the listings of the open cases in the order of the list, read page by page."""
    found: list[tuple[int, str]] = []
    with reading(engine) as connection:
        parts = find_current_parts(connection, now)
        while page := browse_cases(connection, limit=limit, after=found[-1][0] if found else None, parts=parts):
            found += [(case.case_id, case.scored.listing.listing_id) for case in page]
    return [listing for _, listing in found]


def taken(engine: Engine, now: datetime = NOW) -> str:
    """Return the listing of the case that a reviewer would take."""
    found = act(engine, find_best, "eva", now)
    return "" if found is None else found.listing_id


def rows(engine: Engine) -> list[tuple[object, ...]]:
    """Return all that is kept of cases."""
    return [tuple(row) for row in ask(engine, Connection.execute, select(cases).order_by(cases.c.case_id))]


def is_vouched_for(connection: Connection) -> bool:
    """Say whether the trail is whole, and every row is as it says."""
    return audit.verify(connection).is_intact and not [
        *check_rows(connection).problems,
        *find_disagreements(connection),
    ]


@pytest.fixture
def filled(engine: Engine, make_scored: Make) -> Engine:
    """Return a queue of four cases, A to D by their scores, each of its own seller; A and C are of Acme."""
    brands = {"A": "Acme", "B": "Umbra", "C": "Acme", "D": None}
    made = [
        make_scored(name, 0.9 - 0.2 * place, seller_id=f"s{name}", brand=brand)
        for place, (name, brand) in enumerate(brands.items())
    ]
    enqueue(engine, made, now=NOW)
    return engine


@on_both
def test_watched_and_denied_come_first_and_authorised_last(filled: Engine) -> None:
    """In pages of any size; cases of watched and denied sellers are by rank among each other, and are claimed first."""
    put(filled, AUTHORISED, "sA", "Acme")
    put(filled, WATCHED, "sD")
    put(filled, DENIED, "sC", "acme ")
    assert order(filled, limit=1) == order(filled, limit=3) == order(filled) == ["C", "D", "B", "A"]
    assert taken(filled) == "C"
    assert act(filled, claim, "eva", now=NOW).case_id == 3


def test_an_entry_of_a_brand_is_for_its_listings_alone(filled: Engine) -> None:
    """It has no effect on listings of another brand, or of none; of a seller on two lists, cases come earlier."""
    put(filled, AUTHORISED, "sA", "Umbra")
    put(filled, WATCHED, "sD", "Acme")
    assert order(filled) == ["A", "B", "C", "D"]
    put(filled, AUTHORISED, "sC")
    put(filled, DENIED, "sC")
    assert order(filled)[0] == "C"


def test_an_expired_entry_has_no_effect_from_its_moment_on(filled: Engine) -> None:
    """Up to the last microsecond an entry holds; at the moment at which it expires it does not."""
    end = NOW + timedelta(hours=1)
    put(filled, WATCHED, "sD", until=end)
    last = end - timedelta(microseconds=1)
    assert (order(filled, last)[0], taken(filled, last)) == ("D", "D")
    assert (order(filled, end), taken(filled, end)) == (["A", "B", "C", "D"], "A")


LISTED = st.tuples(st.sampled_from(ListKind), st.sampled_from(SELLERS), st.sampled_from([None, "Acme"]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(put_on=st.lists(LISTED, max_size=4), by=st.sampled_from(QueueOrder))
def test_added_and_removed_is_as_never_added(filled: Engine, put_on: list[tuple[Any, ...]], by: QueueOrder) -> None:
    """Whatever was added, all that is kept of a case stays bit for bit; removed again, the order is as it was, too."""
    rerank(filled, by, load_policy(), now=NOW, actor="lea")
    before = order(filled), rows(filled)
    added = [put(filled, *one) for one in put_on]
    assert rows(filled) == before[1]
    for entry_id in added:
        take_off(filled, entry_id)
    assert (order(filled), rows(filled)) == before


def test_the_policy_says_what_a_list_moves(filled: Engine) -> None:
    """Where the policy says "usual", a list moves nothing; where it says "later", its cases come last."""
    put(filled, WATCHED, "sD")
    put(filled, DENIED, "sA")
    said = load_policy().model_copy(update={"lists": ListRules(denied="later", watched="usual")})
    rerank(filled, QueueOrder.SCORE, said, now=NOW, actor="lea")
    assert order(filled) == ["B", "C", "D", "A"]


def test_the_same_once_more_changes_nothing(filled: Engine) -> None:
    """Added again, it is the same entry; another reason replaces it; removed again, it stays as it was."""
    first = put(filled, WATCHED, "sA", "Acme")
    before = ask(filled, audit.anchor)
    assert put(filled, WATCHED, "sA", "Acme") == first
    assert ask(filled, audit.anchor) == before
    other = ListedSeller(WATCHED, "sA", "another reason", "a letter", "Acme")
    entry, is_new = act(filled, add_entry, other, by="tom", now=NOW)
    assert is_new
    assert [one.entry_id for one in ask(filled, list_entries, now=NOW)] == [entry.entry_id]
    assert ask(filled, get_entry, first).removed_by == "tom"
    removed = take_off(filled, entry.entry_id)
    assert take_off(filled, entry.entry_id, NOW + timedelta(days=1)) == removed
    assert len(ask(filled, audit.list_rows, f"list_entry:{entry.entry_id}")) == 2


def test_what_says_too_little_or_too_much_is_refused(engine: Engine, subtests: pytest.Subtests) -> None:
    """A seller, a reason and a source are asked for, an end that is to come, and texts that can be kept."""
    refused = (
        *(ListedSeller(DENIED, *said) for said in ((" ", "why", "source"), ("s", "", "source"), ("s", "why", ""))),
        *(ListedSeller(DENIED, "s", "why", "source", *brands) for brands in ((" ",), (None, ("LV",)))),
        *(ListedSeller(DENIED, "s", "x" * 501, "source"), ListedSeller(DENIED, "s\0", "why", "source")),
        ListedSeller(DENIED, "s", "why", "source", until=NOW),
    )
    for wrong in refused:
        with subtests.test(wrong=wrong), pytest.raises(UnstorableValue):
            act(engine, add_entry, wrong, by="lea", now=NOW)
    for number in (0, 7, 2**70):
        with subtests.test(number=number), pytest.raises(NotFound):
            take_off(engine, number)


def test_other_names_of_a_brand_are_the_brand(filled: Engine, make_scored: Make) -> None:
    """An entry of a brand holds for its aliases, which are not listed apart and end with it."""
    enqueue(filled, [make_scored("E", 0.95, seller_id="sE", brand="ACME Inc")], now=NOW)
    wanted = ListedSeller(AUTHORISED, "sE", "contract", "brand file", "Acme", ("Acme inc", "acme"))
    entry, _ = act(filled, add_entry, wanted, by="lea", now=NOW)
    assert act(filled, add_entry, wanted, by="lea", now=NOW)[1] is False
    assert len(ask(filled, list_entries, now=NOW)) == 1
    assert order(filled)[-1] == "E"
    take_off(filled, entry.entry_id)
    assert order(filled)[0] == "E"


def test_the_brand_file_replaces_its_own_entries_alone(filled: Engine) -> None:
    """Loading a file again adds what is new, removes what is gone, keeps the rest, and leaves other entries alone."""
    by_hand = put(filled, AUTHORISED, "sD")
    one, two = listed(AUTHORISED, "sA", "Acme"), listed(AUTHORISED, "sB", "Umbra")
    with writing(filled) as connection:
        assert load_entries(connection, [one, two], by="lea", now=NOW) == (2, 0, 0)
        assert load_entries(connection, [one, two], by="lea", now=NOW) == (0, 0, 2)
        assert load_entries(connection, [two], by="lea", now=NOW) == (0, 1, 1)
        left = list_entries(connection, NOW)
    assert [(entry.seller_id, entry.origin) for entry in left] == [("sD", "person"), ("sB", "brand file")]
    assert left[0].entry_id == by_hand
    with pytest.raises(Conflict, match="brand file"):
        take_off(filled, left[1].entry_id)


def test_marks_are_those_in_force_for_the_brand(filled: Engine) -> None:
    """A listing is marked with the lists its seller is on for its brand or for all, as they are and in their order."""
    put(filled, AUTHORISED, "sA", "Acme")
    put(filled, WATCHED, "sA", until=NOW + timedelta(days=1))
    put(filled, DENIED, "sA", "Umbra")
    shown = {case.case_id: case.scored for case in ask(filled, browse_cases, Filter(), parts=QueueParts((), (), NOW))}
    marks, later = (ask(filled, find_case_marks, shown, now) for now in (NOW, NOW + timedelta(days=1)))
    expected = [["watched", "authorised for Acme"], ["authorised for Acme"]]
    assert [[str(mark) for mark in some[1]] for some in (marks, later)] == expected
    assert marks[2] == ()


def test_a_case_says_why_it_comes_earlier_or_later(filled: Engine) -> None:
    """The place of a case counts what comes before it, and says that a list moved it."""
    put(filled, WATCHED, "sD")
    put(filled, AUTHORISED, "sA", "Acme")
    told = {number: ask(filled, tell_place, number, NOW)[:2] for number in (1, 2, 4)}
    assert told[4] == ("1st of 4 by score", "before the others, as its seller is watched")
    assert told[1] == ("4th of 4 by score", "after the others, as its seller is authorised for Acme")
    assert told[2][0] == "2nd of 4 by score"


def test_a_listed_seller_goes_into_the_queue_whatever_the_score(engine: Engine, make_scored: Make) -> None:
    """Of a scored file listings of denied and watched sellers become cases, too; those of authorised sellers do not."""
    scored = [make_scored(f"L{n}", n / 20, seller_id=f"s{n}") for n in range(20)]
    put(engine, DENIED, "s1")
    put(engine, WATCHED, "s2")
    put(engine, AUTHORISED, "s3")
    enqueue_batch(engine, lambda: scored, IntakeSelection(top=2, explore=0), now=NOW)
    assert order(engine) == ["L2", "L1", "L19", "L18"]


def test_an_erased_seller_is_on_no_list(filled: Engine) -> None:
    """With the seller goes what tells of them: the entry ends, nobody can read it, and the trail still holds."""
    number = put(filled, DENIED, "sD")
    erase_sellers(filled, ["sD"], why="request 7", by="lea", now=NOW)
    with reading(filled) as connection:
        entry = get_entry(connection, number)
        assert (entry.seller_id, entry.why, entry.removed_at) == (None, "(erased)", NOW)
        assert list_entries(connection, NOW) == []
        assert is_vouched_for(connection)


def test_a_listed_seller_is_kept_and_an_ended_entry_expires(engine: Engine) -> None:
    """An entry in force keeps the seller's key, however old; one that has ended is deleted when its time is over."""
    in_force, ended = put(engine, DENIED, "s1"), put(engine, DENIED, "s2")
    take_off(engine, ended)
    later = NOW + timedelta(days=9_000)
    assert run_retention(engine, load_enforcement_policy(), now=later).counts["ended_list_entries"] == 1
    entries = ask(engine, list_entries, later, EntryFilter(with_ended=True))
    assert [(entry.entry_id, entry.seller_id) for entry in entries] == [(in_force, "s1")]
    assert ask(engine, is_vouched_for)


def test_nobody_lists_themselves(engine: Engine) -> None:
    """Who sells as a seller neither puts them on a list nor takes them off."""
    number = put(engine, DENIED, "s1")
    act(engine, Connection.execute, insert(user_sellers).values(user_name="lea", seller_id="s1", since=NOW))
    for attempt in (lambda: put(engine, AUTHORISED, "s1"), lambda: take_off(engine, number)):
        with pytest.raises(Forbidden):
            attempt()


def test_each_change_has_its_row_in_the_trail(filled: Engine) -> None:
    """Adding, and removing for a reason; the trail vouches for the rows, and neither names anybody or says why."""
    number = put(filled, DENIED, "harbour-outlet", until=NOW + timedelta(days=3))
    with pytest.raises(UnstorableValue):
        act(filled, remove_entry, number, why=" ", by="lea", now=NOW)
    assert take_off(filled, number).why_removed == "a mistake"
    with writing(filled) as connection:
        (stored,) = connection.execute(select(seller_list_entries)).all()
        assert not [word for word in ("harbour", "a reason", "a letter", "mistake") if word in str(tuple(stored))]
        trail = audit.list_rows(connection, f"list_entry:{number}")
        assert [(row.actor, row.action) for row in trail] == [("lea", "seller listed"), ("lea", "seller unlisted")]
        assert trail[0].said["list"] == "denied"
        assert "harbour-outlet" not in str([row.payload for row in trail])
        assert is_vouched_for(connection)
        connection.execute(seller_list_entries.update().values(why_removed="another"))
        assert not is_vouched_for(connection)


def test_a_list_is_searched_by_seller_and_brand(filled: Engine) -> None:
    """A brand is found whatever its case, and entries for all brands are not of it."""
    first, second = put(filled, DENIED, "sA", "Acme"), put(filled, WATCHED, "sA")
    put(filled, DENIED, "sB", "Umbra")
    for wanted, found in (({"seller_id": "sA"}, [first, second]), ({"brand": "ACME "}, [first])):
        assert [one.entry_id for one in ask(filled, list_entries, NOW, EntryFilter(**wanted))] == found
