"""Saved views of the list: saved and changed where it is shown, opened by "/", worked in by `w`."""

import re
from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.review.queue import claim
from ipml.storage.database import writing

WATCHES = {"name": "Watches", "query": "brand=Nordhale"}


def shown(text: str) -> list[int]:
    """Return the numbers of the cases of a list, in its order."""
    return [int(number) for number in re.findall(r'id="case-(\d+)"', text)]


def test_a_list_is_saved_under_a_name_and_opened(ana: TestClient) -> None:
    """Where it is shown it is marked; elsewhere it can be opened, by the palette too."""
    assert 'action="/views"' not in ana.get("/").text  # all open cases need no name
    assert 'action="/views"' in ana.get("/?brand=Nordhale").text
    assert ana.post("/views", data=WATCHES).headers["location"] == "/?brand=Nordhale"
    text = ana.get("/?brand=Nordhale").text
    assert 'href="/?brand=Nordhale" data-go="1" aria-current="page"' in text
    assert 'action="/views/1/remove"' in text
    assert 'href="/?brand=Nordhale" data-go="1" title' in ana.get("/").text
    assert ana.get("/views.json").json() == [{"name": "Watches", "address": "/?brand=Nordhale"}]
    assert ana.post("/views/1", data={"name": "<b>Time</b>"}).status_code == 303
    assert "&lt;b&gt;Time&lt;/b&gt;" in ana.get("/").text
    assert ana.post("/views/1/remove").headers["location"] == "/?brand=Nordhale"
    assert 'id="views"' not in ana.get("/").text


def test_the_list_begins_with_the_chosen_view(ana: TestClient) -> None:
    """All open cases stay one click away, and are what is worked through from there."""
    ana.post("/views", data={**WATCHES, "start": "1"})
    text = ana.get("/").text
    assert shown(text) == [3, 6]
    assert 'href="/?state=open">Clear' in text
    whole = ana.get("/?state=open").text
    assert len(shown(whole)) == 7
    assert 'href="/cases/1?within=state%3Dopen"' in whole
    answer = ana.post("/cases/1/leave", data={"to": "list", "within": "state=open"})
    assert answer.headers["location"] == "/?state=open#case-1"
    assert len(shown(ana.get("/?order=score&words=").text)) == 7
    ana.post("/views/1/start", data={"start": "0"})
    assert len(shown(ana.get("/").text)) == 7


def test_w_works_in_the_view_that_is_begun_with(ana: TestClient, engine: Engine) -> None:
    """It takes what is free there, goes on there, and says when nothing is left; the whole queue is one key away."""
    ana.post("/views", data={**WATCHES, "start": "1"})
    with writing(engine) as connection:
        claim(connection, "bo", 3)
    assert ana.post("/next").headers["location"] == "/cases/6?within=brand%3DNordhale"
    assert ana.post("/next", data={"within": "queue"}).headers["location"] == "/cases/6?within=queue"  # it is held
    page = ana.get("/cases/6?within=brand%3DNordhale").text
    given = {name: re.search(rf'name="{name}" value="([^"]*)"', page)[1] for name in ("token", "until", "key")}
    answer = ana.post("/cases/6/decide", data={**given, "choice": "genuine", "within": "brand=Nordhale"})
    assert answer.headers["location"] == "/?brand=Nordhale"
    assert ana.post("/next").headers["location"] == "/?nothing=1"
    text = ana.get("/?nothing=1").text
    assert "No case of <b><bdi>Watches</bdi></b> is free to take." in text
    assert ana.post("/next", data={"within": "queue"}).headers["location"] == "/cases/1?within=queue"


def test_what_must_be_done_first_comes_before_a_view(ana: TestClient, engine: Engine) -> None:
    """A deadline is kept by whoever is there, whichever view they work in."""
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE cases SET due_at = enqueued_at, minutes = 3 WHERE case_id = 5")
    ana.post("/views", data={**WATCHES, "start": "1"})
    assert ana.post("/next").headers["location"].startswith("/cases/5?")


def test_views_are_shared_by_leads(ana: TestClient, visitor: Callable) -> None:
    """Everybody opens them and may begin with them; only leads change them."""
    lea, vic = visitor("lea"), visitor("vic")
    assert ana.post("/views", data={**WATCHES, "shared": "1"}).status_code == 403
    assert vic.post("/views", data={**WATCHES, "name": "Mine"}).status_code == 303
    assert lea.post("/views", data={**WATCHES, "shared": "1"}).status_code == 303
    text = ana.get("/?brand=Nordhale").text
    assert "Shared by <bdi>lea</bdi>" in text
    assert "Mine" not in text
    assert ana.post("/views/2/start", data={"start": "1"}).status_code == 303
    assert shown(ana.get("/").text) == [3, 6]
    for path, data in (("/views/2", {"name": "Other"}), ("/views/2/remove", {}), ("/views/1", {"name": "Other"})):
        assert ana.post(path, data=data).status_code in (403, 404), path
    assert visitor("lea").post("/views/1/remove").status_code == 404  # what is not shared is its owner's
    assert lea.post("/views/2/remove").status_code == 303
    assert len(shown(ana.get("/").text)) == 7


def test_nonsense_is_not_saved(ana: TestClient) -> None:
    """The whole list, no name, and what is no list at all."""
    for data in ({"name": "All"}, {"name": " ", "query": "brand=Acme"}, {"name": "Bad", "query": "least=many"}):
        assert ana.post("/views", data=data).status_code in (400, 409, 422), data
    assert ana.get("/views.json").json() == []
