"""People of the marketplace: sellers, buyers, a rights holder, a reviewer and two leads.

Those who work do so on the console's pages, as with a browser, and know of a listing only what is written there.
"""

import html
import json
import random
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from support.staff import PASSWORD

from story.processes import pause

PATIENCE_SECONDS = 60.0


def ask(client: httpx.Client, method: str, path: str, **said: Any) -> httpx.Response:
    """Ask until somebody answers: servers are killed now and then, and databases away."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = client.request(method, path, **said)
            if answer.status_code not in (429, 503):
                return answer
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
        assert time.monotonic() < end, f"{method} {path}: nobody answers"
        pause()


class Forms(HTMLParser):
    """The forms of a page: by their address, the fields that a browser sends with them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.fields: dict[str, list[tuple[str, str]]] = {}
        self._named: dict[str, str] = {}
        self._action = ""
        self._loose: list[tuple[str, tuple[str, str]]] = []
        self.feed(page)
        for name, pair in self._loose:
            if name in self._named:
                self.fields[self._named[name]].append(pair)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note a form, or a field of one."""
        said = {name: value or "" for name, value in attributes}
        if tag == "form" and said.get("method") == "post":
            self._action = said["action"]
            self.fields.setdefault(self._action, [])
            self._named[said.get("id", "")] = self._action
        elif tag == "input" and "name" in said and (said.get("type") == "hidden" or "checked" in said):
            pair = said["name"], said.get("value", "")
            if "form" in said:
                self._loose.append((said["form"], pair))
            elif self._action:
                self.fields[self._action].append(pair)

    def handle_endtag(self, tag: str) -> None:
        """Note that a form is over."""
        if tag == "form":
            self._action = ""


class Browser:
    """The console's pages, for one person."""

    def __init__(self, address: str, name: str) -> None:
        self.name = name
        told = {"origin": address, "sec-fetch-site": "same-origin"}
        self._client = httpx.Client(base_url=address, headers=told, follow_redirects=True, timeout=30)

    def open(self, path: str) -> str:
        """Open a page, logging in where the login has ended."""
        answer = ask(self._client, "GET", path)
        if answer.url.path == "/login":
            ask(self._client, "POST", "/login", data={"name": self.name, "password": PASSWORD})
            answer = ask(self._client, "GET", path)
        assert answer.status_code in (200, 409), (answer.status_code, answer.text)
        return answer.text

    def press(self, page: str, action: str, **chosen: str) -> None:
        """Send a form of a page."""
        fields: dict[str, list[str]] = {}
        for name, value in [*Forms(page).fields[action], *chosen.items()]:
            fields.setdefault(name, []).append(value)
        answer = ask(self._client, "POST", action, data=fields)
        assert answer.status_code in (200, 404, 409), (answer.status_code, answer.text)

    def close(self) -> None:
        """Close it."""
        self._client.close()


def read_words(page: str) -> str:
    """Return what the page of a case says of the listing: title, description, what others say; in small letters."""
    parts = [
        *re.findall(r"<h1>(.*?)</h1>", page, re.DOTALL),
        *re.findall(r'<section aria-labelledby="(?:description|noted)">(.*?)</section>', page, re.DOTALL),
    ]
    return html.unescape(re.sub(r"<[^>]*>", "", " ".join(parts))).lower()


def judge(words: str) -> str:
    """Return the verdict on what is written of a listing."""
    if any(word in words for word in ("replica", "aaa", "1:1", "mirror")):
        return "counterfeit/declared_replica"
    if "stitching" in words:
        return "counterfeit/wrong_features"
    if "numbered edition" in words:
        return "escalate"
    return "cannot tell" if "no box" in words else "genuine"


def review(browser: Browser, state: str = "open") -> int:
    """Decide on every case of a state that the list shows; return how many were decided."""
    n_decided, seen = 0, set[str]()
    while True:
        found = [one for one in re.findall(r'href="/cases/(\d+)', browser.open(f"/?state={state}")) if one not in seen]
        if not found:
            return n_decided
        seen.add(found[0])
        page = browser.open(f"/cases/{found[0]}")
        action = f"/cases/{found[0]}/decide"
        if f'action="{action}"' in page:
            choice = judge(read_words(page))
            browser.press(page, action, choice="genuine" if (choice, state) == ("escalate", "escalated") else choice)
            n_decided += 1


def answer_appeals(browser: Browser) -> int:
    """Decide on every appeal that waits: who has a receipt is right; return how many were decided."""
    n_decided = 0
    for number in dict.fromkeys(re.findall(r'href="/appeals/(\d+)"', browser.open("/appeals"))):
        page = browser.open(f"/appeals/{number}")
        action = f"/appeals/{number}/decide"
        if f'action="{action}"' in page:
            is_right = "receipt" in page.partition('aria-labelledby="words"')[2].partition("</section>")[0]
            outcome, why = ("granted", "The receipt shows it.") if is_right else ("rejected", "It says so itself.")
            browser.press(page, action, outcome=outcome, why=why)
            n_decided += 1
    return n_decided


def put_on_list(browser: Browser, kind: str, seller: str) -> None:
    """Put a seller on a list."""
    said = {"kind": kind, "seller": seller, "brand": "", "why": "seen before", "source": "file 7", "until": ""}
    browser.press(browser.open("/lists"), "/lists", **said)


GOODS = (
    ("Nike", "sneakers", "footwear", 120),
    ("Gucci", "handbag", "handbags", 1100),
    ("Rolex", "watch", "watches", 7000),
)
COLOURS = ("black", "white", "red", "blue", "green", "brown", "grey", "pink", "silver", "beige")
HONEST = (
    ("worn twice", "Bought in Lyon, no stains.", 0.6),
    ("new with tags", "Sent within a day.", 0.8),
    ("second hand", "A small scratch, no box.", 0.5),
    ("numbered edition", "From a collection.", 1.1),
    ("no replica", "AAA condition, have a look.", 0.2),  # what a hasty reviewer gets wrong
)
CROOKED = (
    ("AAA quality 1:1 mirror", "Top replica, same as in the shop.", 0.12),
    ("super clone replica", "Best factory batch, 1:1.", 0.1),
    ("outlet", "Wholesale, 10 pieces.", 0.2),  # only buyers see what it is
)


@dataclass
class Street:
    """Sellers and buyers, who do what they do by the dice, on the marketplace's pages."""

    market: httpx.Client
    shop: Path
    dice: random.Random
    n_offers: int = 0
    n_keys: int = 0
    fakes: set[str] = field(default_factory=set)
    appealed: set[str] = field(default_factory=set)
    honest: tuple[str, ...] = tuple(f"honest-{number}" for number in range(14))
    crooked: tuple[str, ...] = tuple(f"crooked-{number}" for number in range(4))

    def live_a_day(self) -> None:
        """Offer, change, withdraw, buy, complain and appeal, in any order."""
        acts = [self.offer] * self.dice.randint(3, 6) + [self.change] * 3 + [self.withdraw, self.come_back]
        acts += [self.buy] * 4 + [self.complain] * self.dice.randint(0, 2) + [self.appeal] * 2
        self.dice.shuffle(acts)
        for act in acts:
            act()

    def offer(self) -> None:
        """Offer something new."""
        self.n_offers += 1
        is_fake = self.dice.random() < 0.25
        seller = self.dice.choice(self.crooked if is_fake else self.honest)
        listing_id = f"L{self.n_offers}"
        if is_fake:
            self.fakes.add(listing_id)
        words, description, share = self.dice.choice(CROOKED if is_fake else HONEST)
        brand, goods, category, usual = self.dice.choice(GOODS)
        title = f"{brand} {self.dice.choice(COLOURS)} {goods} {words} {self.n_offers}"
        price = round(usual * share * self.dice.uniform(0.8, 1.2), 2)
        said = {"listing_id": listing_id, "seller_id": seller, "title": title, "description": description}
        self._post("/offers", said | {"brand": brand, "category": category, "price": price})

    def change(self) -> None:
        """Change the price of an offer, a little or much, or its title."""
        for row in self._pick("NOT is_withdrawn"):
            said = json.loads(row["content"]) | {"listing_id": row["listing_id"], "seller_id": row["seller_id"]}
            way = self.dice.randrange(4)
            if way == 0:
                said["title"] += f" {self.dice.choice(COLOURS)}"
            elif way == 1 and row["seller_id"] in self.crooked:
                said["title"] = said["title"].replace("replica", "copy").replace("AAA quality 1:1 mirror", "nice")
            else:
                said["price"] = round(said["price"] * self.dice.choice((0.5, 0.97, 1.0, 1.03, 1.4)), 2)
            self._post("/offers", said)

    def withdraw(self) -> None:
        """Take an offer away."""
        for row in self._pick("NOT is_withdrawn"):
            self._post("/withdrawals", {"listing_id": row["listing_id"]})

    def come_back(self) -> None:
        """Offer again, as it was, what had been withdrawn."""
        for row in self._pick("is_withdrawn"):
            said = json.loads(row["content"]) | {"listing_id": row["listing_id"], "seller_id": row["seller_id"]}
            self._post("/offers", said)

    def buy(self) -> None:
        """Buy something; it may go back, and is rated."""
        for row in self._pick("NOT is_withdrawn AND is_shown"):
            is_bad = row["seller_id"] in self.crooked
            self._happen(row, "sold")
            if self.dice.random() < (0.5 if is_bad else 0.05):
                self._happen(row, self.dice.choice(("returned", "complained")))
            if self.dice.random() < 0.5:
                self._happen(row, "rated", amount=round(self.dice.uniform(0, 0.5) if is_bad else 1.0, 2))

    def complain(self) -> None:
        """Complain of something bought."""
        for row in self._pick("NOT is_withdrawn AND is_shown"):
            if row["listing_id"] in self.fakes or self.dice.random() < 0.2:
                text = "The bag came without the stitching that the shop shows, and the label is printed backwards."
                name = f"buyer-{self.dice.randrange(1000)}"
                said = {"explanation": text, "listings": [{"listing_id": row["listing_id"]}], "name": name}
                self._post("/complaints", said | {"email": f"{name}@mail.example", "key": self._key()})

    def appeal(self) -> None:
        """Appeal against a measure, once against each."""
        for row in self._pick("measures != '[]'"):
            measure = json.loads(row["measures"])[0]["measure"]
            if measure not in self.appealed:
                self.appealed.add(measure)
                is_honest = row["seller_id"] in self.honest
                text = "I bought it in the shop, here is the receipt." if is_honest else "That is not fair."
                said = {"about": measure, "seller_id": row["seller_id"], "text": text, "key": self._key()}
                self._post("/appeals", said)

    def _happen(self, row: Any, kind: str, **more: Any) -> None:
        said = {"event_id": self._key(), "seller_id": row["seller_id"], "listing_id": row["listing_id"], "kind": kind}
        self._post("/events", said | more)

    def _key(self) -> str:
        self.n_keys += 1
        return f"key-{self.n_keys}"

    def _pick(self, condition: str) -> Iterator[Any]:
        """Give one of the offers that meet a condition, if any does."""
        with closing(sqlite3.connect(self.shop, timeout=30)) as shop:
            shop.row_factory = sqlite3.Row
            rows = shop.execute(f"SELECT * FROM offers WHERE {condition} ORDER BY listing_id").fetchall()
        if rows:
            yield self.dice.choice(rows)

    def _post(self, path: str, said: dict[str, Any]) -> None:
        assert ask(self.market, "POST", path, json=said).status_code == 200


def give_notice(ipml: httpx.Client, listing_id: str, brand: str, key: str) -> None:
    """Give notice of a listing, as the holder of the brand's rights does with a key of their own."""
    said = {
        "explanation": "We make no goods like these: the stitching is single, and the label is printed backwards.",
        **{"listings": [{"listing_id": listing_id}], "name": "Ann Lee", "email": "ann@brand.example"},
        **{"good_faith": True, "brand": brand, "rights": "EUTM 018123456", "key": key},
    }
    answer = ask(ipml, "POST", "/v1/notices", json=said)
    assert answer.status_code in (200, 201), answer.text
