"""Whatever anybody sends, the API says what is wrong with it and goes on: no answer of 500 and above."""

import json
import time
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.web.http_api.openapi import ErrorShape, ScoresShape
from ipml.web.http_api.requests import parse_json

pytestmark = pytest.mark.slow
PATH = "/v1/score"
BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
JSON = {"Content-Type": "application/json"}
DEEP = 100_000
MOST_SECONDS = 10.0  # many times what it takes; quadratic work would take minutes

FIELDS = ("listing_id", "seller_id", "title", "price", "currency", "observed_at", "gtin", "seller_rating")
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(),
    st.text(st.characters(categories=["Cs", "Cc", "Cf", "Co", "Nd"])),
    st.sampled_from(["2026-03-01T09:30:00Z", "9999-12-31T23:59:59-23:59", "EUR", "1e400", "\0", "\ud800", "12,50"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
LISTINGS = st.dictionaries(st.sampled_from(FIELDS) | st.text(), VALUES, max_size=8)


def send(client: httpx.Client, content: bytes) -> httpx.Response:
    """Return the answer to a body, after a look that it is one of the documented ones and came soon."""
    began = time.process_time()  # the server is a thread of this process
    answer = client.post(PATH, content=content, headers=JSON)
    assert time.process_time() - began < MOST_SECONDS
    assert answer.status_code < 500, answer.text
    shape = ScoresShape if answer.status_code == 200 else ErrorShape
    shape.model_validate_json(answer.content)
    return answer


@given(content=st.binary(max_size=200))
def test_any_bytes(content: bytes, shared_api: httpx.Client) -> None:
    """Bytes that are no JSON are refused as such."""
    assert send(shared_api, content).status_code in (400, 422)


@given(content=VALUES)
def test_any_json(content: Any, shared_api: httpx.Client) -> None:
    """JSON of any shape is refused, but for an empty list of listings."""
    assert send(shared_api, json.dumps(content).encode()).status_code in (400, 422)


@given(listings=st.lists(LISTINGS, max_size=3), good=st.booleans())
def test_any_listings(listings: list[dict[str, Any]], good: bool, shared_api: httpx.Client) -> None:
    """Listings of any fields and values are scored, or each fault is named with a row that was sent."""
    sent = [{**BAG, "listing_id": str(row), **listing} if good else listing for row, listing in enumerate(listings)]
    answer = send(shared_api, json.dumps({"listings": sent}).encode())
    if answer.status_code == 422:
        assert {problem["row"] for problem in answer.json()["problems"]} <= set(range(1, len(listings) + 1))


@given(data=st.data())
def test_a_good_request_with_bytes_changed(data: st.DataObject, shared_api: httpx.Client) -> None:
    """A request in which some bytes were lost, doubled or changed is scored or refused, but never a failure."""
    body = bytearray(
        json.dumps({"listings": [{**BAG, "price": 12.5, "currency": "EUR"}, {**BAG, "title": "é"}]}).encode()
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    assert send(shared_api, bytes(body)).status_code in (200, 400, 422)


MALFORMED = (
    (b"", 400),
    (b"\xef\xbb\xbf{}", 400),
    (b'{"listing_id": "\xff"}', 400),
    ('{"listing_id": "1"}'.encode("utf-16"), 400),
    (b"[" * DEEP, 400),
    (b"[" * DEEP + b"]" * DEEP, 400),
    (b'{"a":' * DEEP + b"1" + b"}" * DEEP, 400),
    (b'{"listing_id": ' + b"[" * 900 + b"]" * 900 + b"}", 422),
    (b'{"listings": [' + b'{"title": ' * 900 + b"1" + b"}" * 900 + b"]}", 422),
    (b'{"price": ' + b"9" * 5_000 + b"}", 400),
    (b'{"price": -' + b"9" * 999 + b"}", 422),
    (b'{"price": 1e999999}', 422),
    (b'{"price": NaN}', 400),
    (b'{"price": -Infinity}', 400),
    (b'{"title": "a", "title": "b"}', 400),
    (b'{"title": "a", "\\u0074itle": "b"}', 400),
    (b'{"listings": [], "listings": []}', 400),
    (b'{"listing_id": "1", "seller_id": "s", "title": "\\ud800"}', 422),
    (b'{"listing_id": "1", "seller_id": "s", "title": "\\u0000"}', 422),
    (b'{"listing_id": "1", "seller_id": "s", "title": "x", "\\ud800": 1}', 422),
    (b'{"listing_id": "1", "seller_id": "s", "title": "x"} trailing', 400),
    (b"{'listing_id': '1'}", 400),
    (b'{"a": 1,}', 400),
)


def test_malformed_bodies(shared_api: httpx.Client) -> None:
    """Deep, long, double, broken: each is refused with a cause, and the next request is answered."""
    for content, status in MALFORMED:
        assert send(shared_api, content).status_code == status, content[:80]
        assert send(shared_api, json.dumps(BAG).encode()).status_code == 200


LARGE = (
    json.dumps({str(number): number for number in range(230_000)}),
    '{"listings": [' + ",".join(["[]"] * 1_000) + "]}",
    '{"listings": [' + ",".join(["[]"] * 1_300_000) + "]}",
    json.dumps({**BAG, "description": "x" * 4_000_000}),
    json.dumps({**BAG, "title": "&amp;" * 400, "description": "\u0315" * 100_000}, ensure_ascii=False),
    '{"' + "x" * 4_000_000 + '": 1}',
    '{"price": 0.' + "1" * 4_000_000 + "}",
)


def test_large_bodies(shared_api: httpx.Client) -> None:
    """A body just below the limit is soon answered, whatever it is made of, and the answer is short."""
    for content in LARGE:
        assert len(content) < 4 << 20
        assert len(send(shared_api, content.encode()).content) < 200_000


@given(content=VALUES)
def test_what_is_read_is_what_was_written(content: Any) -> None:
    """JSON that every reader reads alike comes back as it was."""
    written = json.dumps(content)
    if "NaN" not in written and "Infinity" not in written:
        assert json.dumps(parse_json(written.encode())) == written


def test_a_sender_who_goes_away(shared_api: httpx.Client) -> None:
    """A body that breaks off leaves the server as it was."""
    import socket

    at = shared_api.base_url
    with socket.create_connection((at.host, at.port)) as connection:
        connection.sendall(b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
        connection.sendall(b"Content-Length: 100\r\n\r\n{")
    assert send(shared_api, json.dumps(BAG).encode()).status_code == 200
