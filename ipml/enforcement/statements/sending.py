"""One request to the transparency database, and its answer read with care."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from ipml.enforcement.statements.batches import Answer, Payload, Post
from ipml.errors import UnusableSetting, first_line

_LONGEST_ANSWER = 2_000_000
_LONGEST_WORDS = 200
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_PLACE = re.compile(r"statements?[._](\d{1,4})(?:\.|$)")


def post_to(url: str, token: str | None, client: httpx.Client) -> Post:
    """Return the function that posts one batch to an address, such as …/api/v1/statements.

    Parameters
    ----------
    token : str or None
        Shown as bearer; over plain http to this machine only.

    Raises
    ------
    UnusableSetting
        The address is none, or would show the token to others on the way.

    Examples
    --------
    >>> post_to("http://elsewhere.example/api", "secret", httpx.Client())
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: ...
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UnusableSetting("transparency_url", repr(url), "an address such as https://…/api/v1/statements")
    if parts.scheme == "http" and token and not _is_this_machine(parts.hostname):
        raise UnusableSetting("transparency_url", "http, which shows the token to others", "https")
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}

    def post(payloads: Sequence[Payload]) -> Answer:
        body = json.dumps({"statements": list(payloads)}, allow_nan=False).encode()
        try:
            with client.stream("POST", url, content=body, headers=headers, follow_redirects=False) as response:
                return read_answer(response.status_code, _read(response))
        except httpx.HTTPError as error:
            return Answer(None, words=first_line(error))

    return post


def read_token(path: Path | None) -> str | None:
    """Return the token that a file holds; None where there is no file."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableSetting("transparency_token", first_line(error), "a file that holds the token") from error
    if not token or not token.isprintable():
        raise UnusableSetting("transparency_token", "no token", "a file that holds the token on one line")
    return token


def open_client() -> httpx.Client:
    """Return a client that waits for each answer, but not for ever, and asks the environment for nothing."""
    return httpx.Client(timeout=_TIMEOUT, trust_env=False)


def read_answer(status: int, body: bytes) -> Answer:
    """Return what an answer says: which statements are at fault, and which are known.

    Examples
    --------
    >>> read_answer(422, b'{"errors": {"statement_3": {"puid": ["is missing"]}}}').refused
    {3: 'puid: is missing'}
    >>> read_answer(422, b'{"errors": {"existing_puids": ["abc"]}}').known
    frozenset({'abc'})
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return Answer(status, words=body[:_LONGEST_WORDS].decode("utf-8", "replace"))
    content = content if isinstance(content, dict) else {}
    errors = content.get("errors")
    errors = errors if isinstance(errors, dict) else {}
    known = errors.get("existing_puids")
    puids = {puid for puid in known if isinstance(puid, str)} if isinstance(known, list) else set[str]()
    existing = content.get("existing")
    if isinstance(existing, dict) and isinstance(existing.get("puid"), str):
        puids.add(existing["puid"])
    refused: dict[int, list[str]] = {}
    for name, fault in errors.items():
        if found := _PLACE.match(name):
            refused.setdefault(int(found[1]), []).append(_word(name[found.end() :], fault))
    words = str(content.get("message", ""))[:_LONGEST_WORDS]
    return Answer(status, {place: "; ".join(said) for place, said in refused.items()}, frozenset(puids), words)


def _word(field: str, fault: Any) -> str:
    if isinstance(fault, dict):
        return "; ".join(_word(str(name), said) for name, said in fault.items())[:_LONGEST_WORDS]
    said = " ".join(map(str, fault)) if isinstance(fault, list) else str(fault)
    return (f"{field}: {said}" if field else said)[:_LONGEST_WORDS]


def _read(response: httpx.Response) -> bytes:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _LONGEST_ANSWER:
            break
    return body[:_LONGEST_ANSWER]


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
