"""The page on which a lead defines queues."""

import re
from collections.abc import Callable

RULE = {"name": "Watches", "brands": "Nordhale\r\n\r\n nordhale \r\n", "script": ["latin"], "person": ["bo", "ana"]}


def test_a_lead_defines_changes_and_removes_a_queue(visitor: Callable) -> None:
    """The page says which cases are in it and who works it; the list shows those cases."""
    lea = visitor("lea")
    assert "There are none" in lea.get("/queues").text
    assert lea.post("/queues", data=RULE).headers["location"] == "/queues#queue-1"
    text = lea.get("/queues").text
    assert '<a href="/?queue=1">2 open</a>' in text
    assert "People: <bdi>bo</bdi>, <bdi>ana</bdi>." in text
    assert re.findall(r'id="case-(\d+)"', lea.get("/?queue=1").text) == ["3", "6"]
    assert visitor("bo").post("/next").headers["location"].startswith("/cases/3?")
    assert lea.post("/queues", data={**RULE, "queue": "1", "brands": "Aurivo"}).status_code == 303
    assert ">1 open<" in lea.get("/queues").text
    assert lea.post("/queues/1/remove").status_code == 303
    assert "There are none" in lea.get("/queues").text


def test_what_was_typed_stays_where_it_is_refused(visitor: Callable) -> None:
    """With the reason above it."""
    answer = visitor("lea").post("/queues", data={"name": "<i>Bags</i>", "person": ["vic"], "brands": "Acme"})
    assert answer.status_code == 409
    assert 'value="&lt;i&gt;Bags&lt;/i&gt;"' in answer.text
    assert "vic" in answer.text
