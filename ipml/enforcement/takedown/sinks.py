"""Sinks: sends messages to a URL (webhook), or appends them to a file for platforms that fetch.

A message has the same bytes at each attempt, is a line of JSON in a file, and is signed for a webhook by the library
of Standard Webhooks: https://www.standardwebhooks.com. Requests follow no redirects and have limits on time and size.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from io import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import httpx
from standardwebhooks import Webhook

from ipml.enforcement.takedown.delivery import CHANNELS, SAID, DeliveryOutcome
from ipml.errors import UnusableSetting, UnwritableFile, first_line
from ipml.kit.moments import read_moment, write_moment
from ipml.settings import Settings
from ipml.storage.message_kinds import MESSAGES, MessageShape, read_examples
from ipml.storage.outbox import Message, make_key

_PREFIX = "whsec_"
_LEAST_SECRET_BYTES, _MOST_SECRET_BYTES, _SECRET_BYTES = 24, 64, 32


Complete = Callable[[Message, dict[str, Any]], dict[str, Any]]
"""Returns the body of a message with what is added as it leaves, such as the address of a public page."""


def write_envelope(message: Message, *, is_test: bool = False, complete: Complete | None = None) -> bytes:
    """Return a message as JSON in ASCII; the same message gives the same bytes."""
    body = json.loads(message.body or "null")
    envelope: dict[str, Any] = {
        "type": f"ipml.{message.kind}",
        "version": message.version,
        "timestamp": write_moment(message.put_at),
        "key": message.key,
        "channel": message.channel,
        "subject": message.subject,
        **({"is_test": True} if is_test else {}),
        "data": complete(message, body) if complete and body else body,
    }
    return json.dumps(envelope, separators=(",", ":")).encode("ascii")


def make_secret(path: Path | None = None) -> str:
    """Return a new secret of Standard Webhooks; with a path, write it to a new file readable by its owner only.

    Raises UnwritableFile if the file exists: a receiver may still need the old secret.
    """
    secret = _PREFIX + base64.b64encode(os.urandom(_SECRET_BYTES)).decode()
    if path is not None:
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise UnwritableFile(
                path, "a file of that name", "a new name: add a new secret as its first line"
            ) from error
        except OSError as error:
            raise UnwritableFile(path, first_line(error), "a place where a file can be made") from error
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
    return secret


def read_secrets(path: Path | None) -> tuple[bytes, ...]:
    """Return the secrets in a file, one per line, newest first; two are valid while they are exchanged.

    Raises UnusableSetting if the file is missing or invalid.
    """
    expected = f"a file with a line of {_PREFIX} and {_LEAST_SECRET_BYTES} to {_MOST_SECRET_BYTES} bytes in base64"
    if path is None:
        raise UnusableSetting("IPML_WEBHOOK_SECRET", "none", f"{expected}, with which messages are signed")
    try:
        lines = path.read_text("utf-8").split()
        secrets = tuple(base64.b64decode(line.removeprefix(_PREFIX), validate=True) for line in lines)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise UnusableSetting(f"webhook secret {path}", type(error).__name__, expected) from None
    if not secrets or not all(_LEAST_SECRET_BYTES <= len(secret) <= _MOST_SECRET_BYTES for secret in secrets):
        raise UnusableSetting(f"webhook secret {path}", "none" if not secrets else "a short or long one", expected)
    return secrets


class FileSink:
    """Sink that appends each key once to a file, which several processes may share.

    A killed sender writes again: keys already in the file are skipped. A line cut off by a crash is removed first.
    """

    at_once = 200

    def __init__(self, path: Path, channels: Collection[str] = CHANNELS, *, complete: Complete | None = None) -> None:
        self.channels, self._complete = channels, complete
        self._path, self._known, self._read_to = path, set[str](), 0

    def deliver(self, messages: Sequence[Message]) -> Iterator[DeliveryOutcome]:
        """Append the new messages at once, and flush them to disk."""
        if not messages:
            return
        with self._path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            self._catch_up(file)
            new = [message for message in messages if message.key not in self._known]
            file.write(b"".join(write_envelope(message, complete=self._complete) + b"\n" for message in new))
            file.flush()
            os.fsync(file.fileno())
            self._catch_up(file)
        yield from (DeliveryOutcome(True) for _ in messages)

    def close(self) -> None:
        """Do nothing: the file is open only while it is written."""

    def _catch_up(self, file: BinaryIO) -> None:
        """Read the keys added to the file since, and remove an incomplete last line."""
        if file.seek(0, SEEK_END) < self._read_to:  # another file took its place
            self._known, self._read_to = set(), 0
        file.seek(self._read_to)
        for line in file:
            if not line.endswith(b"\n"):
                file.truncate(self._read_to)
                break
            self._read_to += len(line)
            self._known.add(json.loads(line)["key"])


_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_MOST_SECONDS = 20.0  # for an answer's body, however slowly it drips
_MOST_ANSWER_BYTES = 65_536
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Statuses of a receiver that is busy, or has a wrong clock or secret for a while.
_TRY_AGAIN = (401, 403, 408, 425, 429)
_KNOWN_BEFORE = 409  # it had the key before


class WebhookSink:
    """Sink that sends each message to the URL of its channel.

    `urls` maps channels to URLs, "" is for all others. Messages are signed with each of the secrets, newest first, so
    a receiver may know either during an exchange. With `is_test`, they are marked to be ignored.
    """

    at_once = 10

    def __init__(
        self,
        urls: Mapping[str, str],
        secrets: Sequence[bytes],
        *,
        is_test: bool = False,
        timeout: httpx.Timeout = _TIMEOUT,
        complete: Complete | None = None,
    ) -> None:
        self._urls, self._signers, self._is_test = urls, [Webhook(secret) for secret in secrets], is_test
        self._complete = complete
        self.channels: Collection[str] = CHANNELS if "" in urls else tuple(urls)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)

    def deliver(self, messages: Sequence[Message]) -> Iterator[DeliveryOutcome]:
        """Send each message, and yield its outcome."""
        for message in messages:
            yield self._post(message)

    def only(self, channels: Collection[str]) -> WebhookSink:
        """Limit the sink to those of some channels that have an address, and return it."""
        self.channels = [channel for channel in channels if channel in self._urls or "" in self._urls]
        if not self.channels:
            raise UnusableSetting("IPML_WEBHOOK_URL", f"none for {', '.join(channels)}", "an address for it")
        return self

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, message: Message) -> DeliveryOutcome:
        url = self._urls.get(message.channel) or self._urls[""]
        body, now = write_envelope(message, is_test=self._is_test, complete=self._complete), datetime.now(UTC)
        headers = {
            "content-type": "application/json",
            "user-agent": "ipml",
            "webhook-id": message.key,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(one.sign(message.key, now, body.decode()) for one in self._signers),
        }
        try:
            with self._client.stream("POST", url, content=body, headers=headers) as response:
                return judge(response.status_code, response.headers, _read(response), now)
        except (httpx.HTTPError, httpx.StreamError) as error:
            return DeliveryOutcome(False, f"no answer: {type(error).__name__}")


def judge(status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> DeliveryOutcome:
    """Return the outcome that an HTTP answer means.

    >>> judge(200, {}, b'{"status": "done"}', datetime.now(UTC)).status
    'done'
    >>> judge(404, {}, b"", datetime.now(UTC)).is_final, judge(503, {}, b"", datetime.now(UTC)).is_final
    (True, False)
    """
    why = f"HTTP {status}"
    if 200 <= status < 300 or status == _KNOWN_BEFORE:
        return DeliveryOutcome(True, why, **_read_answer(body))
    if 400 <= status < 500 and status not in _TRY_AGAIN:
        said = "".join(letter for letter in body[:400].decode("utf-8", "replace") if letter.isprintable())
        return DeliveryOutcome(False, f"{why}: {said[:200]}" if said else why, is_final=True)
    return DeliveryOutcome(False, why, wait=_read_wait(headers.get("retry-after", ""), now))


@dataclass(frozen=True, slots=True)
class SentExample:
    """An example message with its outcome and the seconds taken."""

    message: Message
    outcome: DeliveryOutcome
    seconds: float


def send_examples(sink: WebhookSink, now: datetime) -> Iterator[SentExample]:
    """Send one example of each message for the sink's channels, and yield the outcomes."""
    for shape in MESSAGES.values():
        if shape.channel in sink.channels:
            message, began = _make_example(shape, now), time.monotonic()
            (outcome,) = sink.deliver([message])
            yield SentExample(message, outcome, time.monotonic() - began)


def _make_example(shape: MessageShape, now: datetime) -> Message:
    """Return an example under a new key, so that a receiver does not take it for a known message."""
    sent = read_examples()[shape.kind][shape.channel]
    return Message(
        message_id=0,
        key=make_key(f"test-{sent['key'].rpartition('-')[0]}"),
        channel=shape.channel,
        kind=shape.kind,
        version=shape.version,
        subject=sent["subject"],
        pseudonym=None,
        body=json.dumps(sent["data"]),
        put_at=now,
        state="waiting",
        attempts=0,
        next_try_at=now,
        holder=None,
        last_error=None,
        settled_at=None,
        dropped_by=None,
        why_dropped=None,
    )


def make_webhook_sink(
    settings: Settings,
    secrets: Sequence[bytes],
    url: str | None = None,
    *,
    is_test: bool = False,
    complete: Complete | None = None,
) -> WebhookSink:
    """Return the sink of the settings, or one that sends everything to a URL.

    Raises UnusableSetting if no URL is given, or one without encryption to another machine.
    """
    urls = dict(settings.webhook_urls) | ({"": settings.webhook_url} if settings.webhook_url else {})
    urls = {"": url} if url else urls
    if not urls:
        raise UnusableSetting("IPML_WEBHOOK_URL", "none", "the platform's address, or --to FILE")
    for channel, url in urls.items():
        if channel not in ("", *CHANNELS):
            raise UnusableSetting("IPML_WEBHOOK_URLS", repr(channel[:80]), f"one of {', '.join(CHANNELS)}")
        _check_url(url)
    return WebhookSink(urls, secrets, is_test=is_test, complete=complete)


def _check_url(url: str) -> None:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnusableSetting("webhook URL", str(error), "an https address") from None
    is_private = parsed.scheme == "https" or (parsed.scheme == "http" and parsed.host in _LOOPBACK)
    if not is_private or not parsed.host:
        raise UnusableSetting("webhook URL", f"{parsed.scheme}://{parsed.host}", "an https address, or this machine's")


def _read(response: httpx.Response) -> bytes:
    """Return the beginning of an answer's body, within limits of size and time."""
    deadline, found = time.monotonic() + _MOST_SECONDS, b""
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > _MOST_ANSWER_BYTES or time.monotonic() > deadline:
            break
    return found[:_MOST_ANSWER_BYTES]


def _read_answer(body: bytes) -> dict[str, Any]:
    """Return the platform's status in an answer, or {} if it has none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("status") not in SAID:
        return {}
    try:
        said_at = read_moment(content.get("at"))
    except ValueError:
        said_at = None
    why = content.get("why")
    said_why = why.encode("utf-8", "replace").decode()[:2000] if isinstance(why, str) else ""
    return {"status": content["status"], "said_at": said_at, "said_why": said_why}


def _read_wait(header: str, now: datetime) -> timedelta | None:
    """Return the pause in `Retry-After`, in seconds or as a date; None if invalid."""
    try:
        if header.strip().isdecimal():
            return timedelta(seconds=min(int(header[:12]), 10**6))
        return max(parsedate_to_datetime(header) - now, timedelta())
    except (TypeError, ValueError, OverflowError):
        return None
