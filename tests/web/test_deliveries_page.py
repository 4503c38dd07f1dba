"""The page of deliveries: what waits, arrived or was given up; leads send again and drop, by hand and by keyboard."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from support.browser import check_pages, press, serve_page, start_desk
from support.transactions import act, ask

from ipml.review.arrivals.intake import enqueue
from ipml.storage import outbox
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import writing
from ipml.storage.message_kinds import MESSAGES, read_examples
from ipml.storage.outbox import browse_messages
from ipml.web.console.admin.worker_page import MOST

HOSTILE = "HTTP 400: <script>alert(1)</script> \u202eno\u202c"
SAME_SITE = {"to": "retry", "state": "dead", "channel": ""}


def put(engine: Engine, number: int, channel: str = "platform", kind: str = "measure", subject: str = "") -> str:
    """Put an example of a message down, some hours ago, and return its key."""
    key, now = f"message-{number:03}", datetime.now(UTC) - timedelta(hours=100 - number % 90)
    body = read_examples()[kind][channel]["data"]
    with writing(engine) as connection:
        told = {"channel": channel, "kind": kind, "subject": subject or f"subject:{number}", "body": body}
        outbox.put_all(connection, [outbox.Draft(key=key, pseudonym=None, now=now, **told)])
    return key


def settle(engine: Engine, number: int, error: str | None = HOSTILE, *, again: bool = False) -> None:
    """Deliver what is due, so many messages; or let it fail, for good or to be tried again."""
    now = datetime.now(UTC)
    with writing(engine) as connection:
        for message in outbox.take(connection, "sender", now, timedelta(minutes=5), at_most=number):
            if error is None:
                outbox.settle_delivered(connection, message, now)
            else:
                outbox.settle_failed(connection, message, now, error, now + timedelta(hours=1) if again else None)


def state_of(engine: Engine, key: str) -> outbox.Message:
    """Return a message as it is now."""
    message = ask(engine, outbox.find_message, key)
    assert message
    return message


def test_each_state_shows_its_messages(engine: Engine, lead: TestClient) -> None:
    """Dead ones at first, with the last error as text; those of a channel alone where one is chosen."""
    dead = put(engine, 1)
    settle(engine, 1)
    delivered = put(engine, 2, "seller", "statement")
    settle(engine, 1, None)
    waiting = put(engine, 3, "holder", "notice_receipt")
    pages = {state: lead.get("/deliveries", params={"state": state}).text for state in outbox.MESSAGE_STATES}
    assert pages["dead"] == lead.get("/deliveries").text
    for state, key in (("dead", dead), ("delivered", delivered), ("waiting", waiting)):
        assert [one for one in (dead, delivered, waiting) if one in pages[state]] == [key]
    assert "No message was dropped." in pages["dropped"]
    assert "&lt;script&gt;alert(1)" in pages["dead"]
    assert "<script>alert" not in pages["dead"]
    assert waiting not in lead.get("/deliveries?state=waiting&channel=seller").text
    assert read_examples()["notice_receipt"]["holder"]["data"]["to"] not in pages["waiting"]  # it is for its reader


@pytest.mark.parametrize("state", ["waiting", "delivered", "dead"])
def test_every_message_is_on_one_page(engine: Engine, lead: TestClient, state: str) -> None:
    """Page by page each comes once, as many as there are of the same moment."""
    keys = {put(engine, number) for number in range(MOST + 7)}
    if state != "waiting":
        settle(engine, MOST + 7, HOSTILE if state == "dead" else None)
    address, seen = f"/deliveries?state={state}", list[str]()
    while address:
        text = lead.get(address).text
        seen += [part.split("<")[0] for part in text.split("<dd><code>")[1:]]
        address = text.partition('rel="next"')[0].rpartition('<a href="')[2].split('"')[0].replace("&amp;", "&")
        address = address if 'rel="next"' in text else ""
    assert len(seen) == len(keys)
    assert set(seen) == keys


def test_a_dead_letter_is_sent_again(engine: Engine, lead: TestClient) -> None:
    """It waits as if it were new, the audit trail says who wanted it so, and a second click is told."""
    key = put(engine, 1)
    settle(engine, 1)
    assert lead.post("/deliveries", data=SAME_SITE | {"key": key}).headers["location"].startswith("/deliveries?")
    assert (state_of(engine, key).state, state_of(engine, key).attempts) == ("waiting", 0)
    assert "expected a dead one" in lead.post("/deliveries", data=SAME_SITE | {"key": key}).text
    assert ask(engine, verify).is_intact


def test_one_that_was_overtaken_is_sent_only_if_insisted(engine: Engine, lead: TestClient) -> None:
    """A later message of its subject went out: it may say the contrary, so the page asks."""
    key = put(engine, 1, subject="measure:1")
    settle(engine, 1)
    put(engine, 2, subject="measure:1")
    settle(engine, 1, None)
    asked = lead.post("/deliveries", data=SAME_SITE | {"key": key}).text
    assert "may say the contrary" in asked
    assert "Send it anyway" in asked
    assert state_of(engine, key).state == "dead"
    lead.post("/deliveries", data=SAME_SITE | {"key": key, "out_of_order": "true"})
    assert state_of(engine, key).state == "waiting"


def test_a_dead_letter_is_dropped_with_a_reason(engine: Engine, lead: TestClient) -> None:
    """Not without; then it is among those dropped, with who said why, and can still be sent again."""
    key = put(engine, 1)
    settle(engine, 1)
    drop = {"to": "drop", "state": "dead", "channel": "", "key": key}
    assert "expected the reason" in lead.post("/deliveries", data=drop | {"why": " "}).text
    assert lead.post("/deliveries", data=drop | {"why": "done <b>by</b> phone"}).status_code == 303
    assert key not in lead.get("/deliveries").text
    dropped = lead.get("/deliveries?state=dropped").text
    assert "by lea" in dropped
    assert "done &lt;b&gt;by&lt;/b&gt; phone" in dropped
    lead.post("/deliveries", data=SAME_SITE | {"key": key, "state": "dropped"})
    assert state_of(engine, key).state == "waiting"


def test_all_that_failed_is_tried_at_once(engine: Engine, lead: TestClient) -> None:
    """When a receiver is back nobody waits for the next attempt."""
    key = put(engine, 1)
    settle(engine, 1, again=True)
    assert state_of(engine, key).next_try_at > datetime.now(UTC)
    lead.post("/deliveries", data={"to": "hurry", "state": "waiting", "channel": ""})
    assert state_of(engine, key).next_try_at <= datetime.now(UTC)


def test_what_is_not_understood_is_refused(lead: TestClient) -> None:
    """With a page that says so, not a failure; so is a message that is not there."""
    for field in ("state", "channel", "after"):
        assert lead.get("/deliveries", params={field: "x\u202e' OR 1=1"}).status_code == 400, field
    gone = lead.post("/deliveries", data=SAME_SITE | {"key": "never"})
    assert (gone.status_code, "never" in gone.text) == (409, True)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, scored: Callable) -> Iterator[str]:
    """Serve an outbox in which there is something of everything, with errors of all lengths."""
    engine = start_desk(tmp_path_factory.mktemp("outbox"))
    enqueue(engine, [scored(0)])
    shapes = list(MESSAGES.values())
    errors = ("HTTP 404: no such listing", "no answer: ConnectTimeout", HOSTILE, f"HTTP 400: {'x' * 190}", "HTTP 410")
    for number in range(80):
        shape = shapes[number % len(shapes)]
        put(engine, number, shape.channel, shape.kind)
    for error in (*errors, None, None):
        settle(engine, 7, error)
    settle(engine, 5, "HTTP 503", again=True)
    (first, *_) = ask(engine, browse_messages, "dead", at_most=1)
    act(engine, outbox.drop_dead, first.key, "lea", "The listing was never there; agreed by phone.", first.put_at)
    with serve_page(engine) as address:
        yield address


@pytest.mark.browser
def test_dead_letters_are_settled_by_keyboard(open_page: Callable, address: str) -> None:
    """Opened by j and Enter, sent again by s; another is dropped with a reason; the browser complains of nothing."""
    page = open_page("lea")
    page.goto(f"{address}/deliveries")
    rows = page.locator("table.deliveries tbody tr").count()
    for key in ("j", "Enter"):
        page.keyboard.press(key)
    press(page, "s")
    assert page.locator("table.deliveries tbody tr").count() == rows - 1
    for key in ("j", "j", "Enter", "w"):
        page.keyboard.press(key)
    page.keyboard.type("settled by phone")  # letters lead nowhere
    press(page, "Enter")
    assert page.locator("table.deliveries tbody tr").count() == rows - 2
    press(page, "g", "d")
    press(page, "g", "o")
    assert page.title() == "Deliveries · ipml"


@pytest.mark.browser
def test_pictures(browser: Any, address: str) -> None:
    """The page is no wider than the window, by day and by night; pictures are left in tests/output."""
    check_pages(
        browser, address, "lea", {f"deliveries?state={one}": f"deliveries-{one}" for one in outbox.MESSAGE_STATES}
    )
