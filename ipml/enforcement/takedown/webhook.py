"""Messages to a URL: signed, without redirects, with bounds on time and size."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from ipml.enforcement.takedown.answers import SAID
from ipml.enforcement.takedown.delivery import CHANNELS, Outcome
from ipml.enforcement.takedown.envelope import sign, write_envelope
from ipml.errors import UnusableSetting
from ipml.settings import Settings
from ipml.storage.outbox import Message

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_MOST_SECONDS = 20.0  # for an answer's body, however slowly it drips
_MOST_BYTES = 65_536
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_TRY_AGAIN = (408, 425, 429)  # what a receiver says that cannot just now
_KNOWN = 409  # it had the key before


class WebhookSink:
    """Sends each message to the URL of its channel.

    Parameters
    ----------
    urls : mapping of str to str
        By channel; "" is for those without one of their own.
    secrets : sequence of bytes
        With which messages are signed.
    clock : callable
        Gives the moment that is signed along.
    """

    at_once = 10

    def __init__(
        self,
        urls: Mapping[str, str],
        secrets: Sequence[bytes],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: httpx.Timeout = _TIMEOUT,
    ) -> None:
        self._urls, self._secrets, self._clock = urls, secrets, clock
        self.channels: Collection[str] = CHANNELS if "" in urls else tuple(urls)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def deliver(self, messages: Sequence[Message]) -> Iterator[Outcome]:
        """Give what became of each message."""
        for message in messages:
            yield self._post(message)

    def only(self, channels: Collection[str]) -> WebhookSink:
        """Return this sink, for some channels only, of those that have an address."""
        self.channels = [channel for channel in channels if channel in self._urls or "" in self._urls]
        if not self.channels:
            raise UnusableSetting("IPML_WEBHOOK_URL", f"none for {', '.join(channels)}", "an address for it")
        return self

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _post(self, message: Message) -> Outcome:
        url = self._urls.get(message.channel) or self._urls[""]
        body, now = write_envelope(message), self._clock()
        timestamp = int(now.timestamp())
        headers = {
            "content-type": "application/json",
            "user-agent": "ipml",
            "webhook-id": message.key,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(self._secrets, message.key, timestamp, body),
        }
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as response:
                return judge(response.status_code, response.headers, _read(response), now)
        except (httpx.HTTPError, httpx.StreamError) as error:
            return Outcome(False, f"no answer: {type(error).__name__}")


def judge(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Outcome:
    """Return what an answer says of a message.

    Examples
    --------
    >>> judge(200, {}, b'{"status": "done"}', datetime.now(UTC)).status
    'done'
    >>> judge(404, {}, b"", datetime.now(UTC)).is_final, judge(503, {}, b"", datetime.now(UTC)).is_final
    (True, False)
    """
    if 200 <= status < 300 or status == _KNOWN:
        return Outcome(True, **_read_answer(body))
    why = f"HTTP {status}"
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        said = "".join(letter for letter in body[:400].decode("utf-8", "replace") if letter.isprintable())
        return Outcome(False, f"{why}: {said[:200]}" if said else why, is_final=True)
    return Outcome(False, why, wait=_read_wait(headers.get("retry-after", ""), now))


def make_webhook_sink(settings: Settings, secrets: Sequence[bytes]) -> WebhookSink:
    """Return the sink that the settings name.

    Raises
    ------
    UnusableSetting
        There is no URL, or one over which others could read along.
    """
    urls = dict(settings.webhook_urls) | ({"": settings.webhook_url} if settings.webhook_url else {})
    if not urls:
        raise UnusableSetting("IPML_WEBHOOK_URL", "none", "the platform's address, or --to FILE")
    for channel, url in urls.items():
        if channel not in ("", *CHANNELS):
            raise UnusableSetting("IPML_WEBHOOK_URLS", repr(channel[:80]), f"one of {', '.join(CHANNELS)}")
        _check_url(url)
    return WebhookSink(urls, secrets)


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnusableSetting("webhook URL", str(error), "an https address") from None
    is_private = parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in _LOOPBACK)
    if not is_private or not parsed.host:
        raise UnusableSetting("webhook URL", f"{parsed.scheme}://{parsed.host}", "an https address, or this machine's")


def _read(response: httpx.Response) -> bytes:
    """Return the beginning of an answer's body: as much as it may hold, and comes in time."""
    deadline, found = time.monotonic() + _MOST_SECONDS, b""
    for chunk in response.iter_bytes(8_192):
        found += chunk
        if len(found) > _MOST_BYTES or time.monotonic() > deadline:
            break
    return found[:_MOST_BYTES]


def _read_answer(body: bytes) -> dict[str, Any]:
    """Return what the platform says of the matter itself; an answer that says nothing of it is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("status") not in SAID:
        return {}
    why = content.get("why")
    said_why = why.encode("utf-8", "replace").decode()[:2000] if isinstance(why, str) else ""
    return {"status": content["status"], "said_at": read_moment(content.get("at")), "said_why": said_why}


def read_moment(said: object) -> datetime | None:
    """Return the moment that a text of ISO 8601 with a time zone names; None for anything else.

    Examples
    --------
    >>> read_moment("2024-05-01T12:00:00Z"), read_moment("noon"), read_moment("2024-05-01T12:00:00")
    (datetime.datetime(2024, 5, 1, 12, 0, tzinfo=datetime.timezone.utc), None, None)
    """
    try:
        moment = datetime.fromisoformat(said) if isinstance(said, str) else None
        return moment.astimezone(UTC) if moment is not None and moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _read_wait(header: str, now: datetime) -> timedelta | None:
    """Return what `Retry-After` asks for, in seconds or as a date; None where it asks for nothing sensible."""
    try:
        if header.strip().isdecimal():
            return timedelta(seconds=min(int(header[:12]), 10**6))
        return max(parsedate_to_datetime(header) - now, timedelta())
    except (TypeError, ValueError, OverflowError):
        return None
