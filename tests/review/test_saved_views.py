"""Views of the list that are saved under a name: whose they are, who sees them, with which a list begins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, delete
from support.databases import on_both
from support.staff import CHEAP, PASSWORD

from ipml.errors import Conflict, NotFound, UnstorableValue
from ipml.review.worklists.saved_views import (
    MOST_VIEWS,
    begin_with,
    change_view,
    find_start,
    list_views,
    remove_view,
    save_view,
)
from ipml.storage.database import writing
from ipml.storage.tables import saved_views
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

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
