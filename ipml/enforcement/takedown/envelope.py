"""A message as it goes over the wire: the same bytes at each attempt, signed as Standard Webhooks says.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ipml.errors import UnusableSetting, UnwritableFile, first_line
from ipml.storage.outbox import Message

_PREFIX = "whsec_"
_LEAST_BYTES, _MOST_BYTES, _BYTES = 24, 64, 32


def write_envelope(message: Message) -> bytes:
    """Return a message as JSON in ASCII; the same message gives the same bytes."""
    envelope = {
        "type": f"ipml.{message.kind}",
        "timestamp": message.put_at.isoformat(),
        "key": message.key,
        "channel": message.channel,
        "subject": message.subject,
        "data": json.loads(message.body or "null"),
    }
    return json.dumps(envelope, separators=(",", ":")).encode("ascii")


def sign(secrets: Sequence[bytes], key: str, timestamp: int, body: bytes) -> str:
    """Return a signature by each secret, the newest first, so that a receiver may know either while they change.

    Examples
    --------
    >>> secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    >>> sign([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = f"{key}.{timestamp}.".encode() + body
    return " ".join(
        f"v1,{base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()}" for secret in secrets
    )


def make_secret(path: Path | None = None) -> str:
    """Return a new secret as Standard Webhooks writes it; with a path, write it into a file only its owner can read.

    Raises
    ------
    UnwritableFile
        There is something of that name: a receiver may still need the old secret.

    Examples
    --------
    >>> secret = make_secret()
    >>> secret.startswith("whsec_"), len(base64.b64decode(secret.removeprefix("whsec_")))
    (True, 32)
    """
    secret = _PREFIX + base64.b64encode(os.urandom(_BYTES)).decode()
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
    """Return the secrets in a file, one a line: the first is the newest; both sides may know two while they change.

    Raises
    ------
    UnusableSetting
        There is no file, or it holds something else.
    """
    expected = f"a file with a line of {_PREFIX} and {_LEAST_BYTES} to {_MOST_BYTES} bytes in base64"
    if path is None:
        raise UnusableSetting("IPML_WEBHOOK_SECRET", "none", f"{expected}, with which messages are signed")
    try:
        lines = path.read_text("utf-8").split()
        secrets = tuple(base64.b64decode(line.removeprefix(_PREFIX), validate=True) for line in lines)
    except (OSError, UnicodeDecodeError, binascii.Error) as error:
        raise UnusableSetting(f"webhook secret {path}", type(error).__name__, expected) from None
    if not secrets or not all(_LEAST_BYTES <= len(secret) <= _MOST_BYTES for secret in secrets):
        raise UnusableSetting(f"webhook secret {path}", "none" if not secrets else "a short or long one", expected)
    return secrets
