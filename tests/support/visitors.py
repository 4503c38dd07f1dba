"""A client that behaves like a browser, as somebody, and what is read there."""

import re
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from support.staff import PASSWORD


def open_browser(app: FastAPI, name: str | None = None, **options: Any) -> TestClient:
    """Return a browser, logged in where a name is given."""
    client = TestClient(app, follow_redirects=False, headers={"Sec-Fetch-Site": "same-origin"}, **options)
    if name:
        answer = client.post("/login", data={"name": name, "password": PASSWORD})
        assert answer.status_code == 303
    return client


def plain(html: str) -> str:
    """Return what can be read of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
