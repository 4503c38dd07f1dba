"""The translation of a title on the page of a case."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from support.browser import log_in, serve_page
from support.staff import CHEAP
from support.translation_service import serve_translations
from web.conftest import TestClient

from ipml.review import queue
from ipml.settings import Settings
from ipml.web.app import make_app

JSON = {"Accept": "application/json"}
FORM = {"what": "title"}


def visit(engine: Engine, url: str) -> TestClient:
    """Return a reviewer's browser on a console that translates."""
    client = TestClient(
        make_app(engine, Settings(translate_url=url), cost=CHEAP),
        follow_redirects=False,
        headers={"Sec-Fetch-Site": "same-origin"},
    )
    assert client.post("/login", data={"name": "ana", "password": "correct horse battery"}).status_code == 303
    return client


def test_nothing_is_offered_where_it_is_off(ana: TestClient) -> None:
    """No form, no script; who asks all the same is told nothing."""
    page = ana.get("/cases/1").text
    assert "data-translate" not in page
    assert "case.js" not in page
    assert ana.post("/cases/1/translation", data=FORM, headers=JSON).json() == {
        "text": "",
        "language": None,
        "message": "",
    }


def test_the_connections_to_the_service_end_with_the_server(engine: Engine) -> None:
    """Whether there is a service or not."""
    for url in ("https://translate.example", None):
        app = make_app(engine, Settings(translate_url=url), cost=CHEAP)
        with TestClient(app):
            pass
        if app.state.translator is not None:
            with pytest.raises(RuntimeError, match="closed"):
                app.state.translator.translate("Sac")


def test_a_title_is_sent_once_and_shown_as_a_machines(engine: Engine, scored: Callable) -> None:
    """It stands beside the title, on every case that has it; markup in it does nothing."""
    queue.enqueue(engine, [scored(7, title="Sac <b>"), scored(8, title="Sac <b>", seller_id="other")])
    with serve_translations() as service:
        client = visit(engine, service.url)
        assert "data-translate" in client.get("/cases/8").text
        assert client.post("/cases/8/translation", data=FORM, headers=JSON).json()["text"] == "Sac <b>, translated"
        for case_id in (8, 9):
            page = client.get(f"/cases/{case_id}").text
            assert "Machine translation from fr</span> <bdi>Sac &lt;b&gt;, translated</bdi>" in page
            assert "data-translate" not in page
            client.post(f"/cases/{case_id}/translation", data=FORM, headers=JSON)
        assert len(service.asked) == 1


def test_a_failure_is_said_quietly(engine: Engine) -> None:
    """The page is as it was; a form without a script leads back to the case."""
    client = visit(engine, "http://127.0.0.1:9")
    answer = client.post("/cases/1/translation", data=FORM, headers=JSON)
    assert (answer.status_code, answer.json()["message"]) == (200, "No translation just now. ")
    back = client.post("/cases/1/translation", data=FORM | {"within": "queue"})
    assert (back.status_code, back.headers["location"]) == (303, "/cases/1?within=queue")
    assert client.get("/cases/1").status_code == 200


@pytest.mark.slow
def test_the_translation_comes_when_the_page_is_there(engine: Engine, scored: Callable, browser: Any) -> None:
    """By itself, without another page; nothing is complained of."""
    queue.enqueue(engine, [scored(7, title="Sac en cuir")])
    with serve_translations() as service, serve_page(engine, Settings(translate_url=service.url)) as address:
        page = browser.new_page()
        log_in(page, address)
        page.goto(f"{address}/cases/8")
        page.get_by_text("Leather bag").wait_for()
        assert page.locator(".translation").inner_text() == "Machine translation from fr Leather bag"
        page.close()
