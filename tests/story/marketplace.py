"""A small marketplace: sellers, buyers and offers in SQLite, and ipml at the other end of HTTP.

`python marketplace.py PORT`, in the folder of its database. Messages to ipml are written into an outbox in the same
transaction as the event, and sent until they are answered. A message of ipml is applied once, however often it comes.
"""

import html
import json
import os
import sqlite3
import sys
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
from standardwebhooks import Webhook, WebhookVerificationError

# -- its database
TABLES = """
CREATE TABLE IF NOT EXISTS offers (
    listing_id TEXT PRIMARY KEY, seller_id TEXT, content TEXT, observed_at TEXT,
    is_withdrawn INTEGER DEFAULT 0, is_shown INTEGER DEFAULT 1, measures TEXT DEFAULT '[]'
);
CREATE TABLE IF NOT EXISTS sellers (seller_id TEXT, penalty INTEGER, kind TEXT, PRIMARY KEY (seller_id, penalty));
CREATE TABLE IF NOT EXISTS letters (seller_id TEXT, reference TEXT, about TEXT, kind TEXT, text TEXT);
CREATE TABLE IF NOT EXISTS outbox (
    number INTEGER PRIMARY KEY, key TEXT UNIQUE, path TEXT, body TEXT, status INTEGER, answer TEXT
);
CREATE TABLE IF NOT EXISTS messages (webhook_id TEXT PRIMARY KEY, message TEXT, answer TEXT);
"""


@contextmanager
def open_shop():
    """Give the database for one transaction: all that happens in the block happens, or nothing."""
    with closing(sqlite3.connect("shop.db", timeout=30, isolation_level="IMMEDIATE")) as shop, shop:
        yield shop


def now():
    """Return the moment as ISO 8601."""
    return datetime.now(UTC).isoformat()


# -- what ipml hears
def submit(shop, key, path, content):
    """Put a request into the outbox, once for each key."""
    row = key, path, json.dumps(content)
    shop.execute("INSERT OR IGNORE INTO outbox (key, path, body) VALUES (?, ?, ?)", row)


def offer(shop, said):
    """Offer a listing, for the first time or changed."""
    content = {name: said[name] for name in ("title", "description", "brand", "category", "price")}
    listing_id, seller_id, at = said["listing_id"], said["seller_id"], now()
    row = listing_id, seller_id, json.dumps(content), at
    columns = "listing_id, seller_id, content, observed_at"
    change = "content = excluded.content, observed_at = excluded.observed_at, is_withdrawn = 0"
    shop.execute(f"INSERT INTO offers ({columns}) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET {change}", row)
    more = {"listing_id": listing_id, "seller_id": seller_id, "currency": "EUR", "observed_at": at}
    submit(shop, f"{listing_id} {at}", "/v1/listings", content | more)


def withdraw(shop, said):
    """Take an offer away, as its seller wants."""
    at = now()
    shop.execute("UPDATE offers SET is_withdrawn = 1, observed_at = ? WHERE listing_id = ?", (at, said["listing_id"]))
    gone = {"listing_id": said["listing_id"], "observed_at": at}
    submit(shop, f"{said['listing_id']} {at}", "/v1/listings", {"listings": [], "withdrawn": [gone]})


def note_event(shop, said):
    """Note a sale, a return, a complaint or a rating."""
    at = now()
    submit(shop, said["event_id"], "/v1/events", {"events": [said | {"occurred_at": at, "known_at": at}]})


def appeal(shop, said):
    """Pass on what a seller says against a measure."""
    submit(shop, said["key"], "/v1/appeals", said)


def complain(shop, said):
    """Pass on what a buyer says of a listing."""
    submit(shop, said["key"], "/v1/notices", said | {"kind": "complaint", "good_faith": True})


# -- the sender
def send_next(client):
    """Send the oldest request that was not answered; return after how many seconds to look again."""
    with open_shop() as shop:
        oldest = "SELECT number, path, body FROM outbox WHERE status IS NULL ORDER BY number LIMIT 1"
        found = shop.execute(oldest).fetchone()
    if found is None:
        return 0.05
    number, path, body = found
    try:
        answer = client.post(path, content=body, headers={"content-type": "application/json"})
    except httpx.TransportError:
        return 0.2  # it may not have arrived, so it is sent again
    if answer.status_code in (401, 403, 408, 429) or answer.status_code >= 500:
        return float(answer.headers.get("retry-after", 1))
    with open_shop() as shop:
        row = answer.status_code, answer.text, number
        shop.execute("UPDATE outbox SET status = ?, answer = ? WHERE number = ?", row)
    return 0


def send_all():
    """Send what is in the outbox, for ever."""
    headers = {"authorization": f"Bearer {os.environ['IPML_KEY']}"}
    with httpx.Client(base_url=os.environ["IPML_ADDRESS"], headers=headers, timeout=10) as client:
        while True:
            time.sleep(send_next(client))


# -- what ipml says
def act(shop, message):
    """Apply a message and return the result."""
    kind, data = message["type"].removeprefix("ipml."), message["data"]
    if message.get("is_test"):
        return {"status": "accepted"}
    if message["channel"] == "seller":
        row = data["seller_id"], data["reference"], message["subject"], kind, data["text"]
        shop.execute("INSERT INTO letters VALUES (?, ?, ?, ?, ?)", row)
        return {"status": "done"}
    if message["channel"] == "platform" and kind in ("measure", "reinstatement"):
        is_shown = not {"pause", "remove"} & {one["kind"] for one in data["in_force"]}
        row = is_shown, json.dumps(data["in_force"]), data["listing_id"]
        known = shop.execute("UPDATE offers SET is_shown = ?, measures = ? WHERE listing_id = ?", row).rowcount
        return {"status": "done"} if known else {"status": "refused", "why": "no such listing"}
    if kind == "penalty":
        shop.execute("INSERT INTO sellers VALUES (?, ?, ?)", (data["seller_id"], data["penalty"], data["kind"]))
    if kind == "penalty_lifted":
        shop.execute("DELETE FROM sellers WHERE penalty = ?", (data["penalty"],))
    return {"status": "accepted"}


def receive(webhook, headers, body):
    """Return the answer to a message, which is verified, and acted on once."""
    message = webhook.verify(body, headers)
    with open_shop() as shop:  # what is done and that it is done, or neither
        known = shop.execute("SELECT answer FROM messages WHERE webhook_id = ?", (message["key"],)).fetchone()
        answer = known[0] if known else json.dumps(act(shop, message))
        shop.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", (message["key"], body.decode(), answer))
    return answer


# -- its pages
FORMS = {"/offers": offer, "/withdrawals": withdraw, "/events": note_event, "/appeals": appeal, "/complaints": complain}


class Pages(BaseHTTPRequestHandler):
    """The offers that are shown, forms for sellers and buyers, and the address that ipml sends to."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 10
    webhook: Webhook

    def do_GET(self):
        """Show what is on offer."""
        with open_shop() as shop:
            query = "SELECT listing_id, content FROM offers WHERE is_shown AND NOT is_withdrawn ORDER BY listing_id"
            rows = shop.execute(query).fetchall()
        titles = [(listing_id, html.escape(json.loads(content)["title"])) for listing_id, content in rows]
        self.answer(200, "".join(f'<p id="{listing_id}">{title}</p>\n' for listing_id, title in titles))

    def do_POST(self):
        """Take a form, or a message."""
        body = self.rfile.read(min(abs(int(self.headers["content-length"] or 0)), 1_000_000))
        if self.path == "/ipml":
            try:
                return self.answer(200, receive(self.webhook, dict(self.headers), body))
            except WebhookVerificationError:
                return self.answer(401, "not signed, or long ago")
        if self.path not in FORMS:
            return self.answer(404, "no such page")
        with open_shop() as shop:
            FORMS[self.path](shop, json.loads(body))
        return self.answer(200, "thank you")

    def answer(self, status, text):
        """Send an answer."""
        self.send_response(status)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *said):
        """Stay quiet."""


if __name__ == "__main__":
    with closing(sqlite3.connect(Path("shop.db"))) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(TABLES)
    Thread(target=send_all, daemon=True).start()
    Pages.webhook = Webhook(os.environ["WEBHOOK_SECRET"])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Pages).serve_forever()
