"""The page's server is killed while people decide: what they were shown as decided stays decided."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select
from support.databases import on_both
from support.staff import CHEAP, PASSWORD

from ipml.review import queue
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import open_database, reading, writing
from ipml.storage.tables import decisions
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

KILLS = int(os.environ.get("IPML_TEST_KILLS", "3"))


@pytest.mark.slow
@on_both
def test_no_decision_that_was_answered_is_lost(database_url: str, scored: Callable) -> None:
    """After each kill -9 the new server knows every decision that the old one answered, and who is logged in."""
    engine = open_database(database_url)
    with writing(engine) as connection:
        add_user(connection, "ana", PASSWORD, Role.REVIEWER, CHEAP)
    queue.enqueue(engine, [scored(number) for number in range(30 * KILLS)])
    answered: list[int] = []
    cookies = httpx.Cookies()
    for kill in range(KILLS):
        server, address = _start(database_url)
        client = httpx.Client(base_url=address, cookies=cookies, headers={"Sec-Fetch-Site": "same-origin"}, timeout=30)
        if not kill:
            assert client.post("/login", data={"name": "ana", "password": PASSWORD}).status_code == 303
            cookies = client.cookies
        for _ in range(3 + 2 * kill):
            answered.append(_decide_next(client))
        # One more is under way when the server dies; whether it was answered shows.
        case_id, form = _open_next(client)
        with ThreadPoolExecutor(1) as pool:
            under_way = pool.submit(client.post, f"/cases/{case_id}/decide", data=form)
            server.kill()
        if under_way.exception() is None:
            answered.append(case_id)
        server.communicate()
        client.close()
        with reading(engine) as connection:
            kept = set(connection.scalars(select(decisions.c.case_id)))
            assert verify(connection).is_intact
            assert list(find_disagreements(connection)) == []
            assert check_rows(connection).problems == ()
        assert set(answered) <= kept
        assert len(kept) <= len(answered) + kill + 1
    engine.dispose()


def _start(url: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "ipml", "serve", "--database", url, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    address = re.search(r"http://\S+", server.stdout.readline())
    return server, address[0]


def _open_next(client: httpx.Client) -> tuple[int, dict[str, str]]:
    """Take the next case, and return its number and the form that decides it."""
    place = client.post("/next").headers["location"]
    text = client.get(place).text
    token, until = (re.search(rf'name="{name}" value="([^"]*)"', text) for name in ("token", "until"))
    form = {"choice": "genuine", "token": token[1], "until": until[1], "key": uuid4().hex}
    return int(re.search(r"/cases/(\d+)", place)[1]), form


def _decide_next(client: httpx.Client) -> int:
    case_id, form = _open_next(client)
    assert client.post(f"/cases/{case_id}/decide", data=form).status_code == 303
    return case_id
