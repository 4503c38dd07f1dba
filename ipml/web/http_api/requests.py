"""Requests of programs: access, the review desk they reach, and bounded reading of their JSON.

Programs present a key or, without keys, run on this machine. A browser adds its user's rights to any site's request, so
requests from other sites are refused, and so are requests without a key that did not come directly and under this
machine's name. JSON is read with limits of size and time, and with one meaning only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

from fastapi import Request
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ipml.cooperation.faults import Faults, read_email
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.errors import Failed, Forbidden, LoginNeeded, UnusableSetting
from ipml.records import Problem
from ipml.settings import Settings
from ipml.web.accounts.permissions import PURPOSES, Action

MIN_KEY_LENGTH = 32
_KEY = re.compile(rf"[A-Za-z0-9._~+/-]{{{MIN_KEY_LENGTH},512}}=*")  # as allowed after "Bearer" (RFC 6750, section 2.1)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_NOTIFIER, _ANY, _NAME = "notifier=", "*", "name="
_PROGRAM_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True, slots=True)
class ReviewDesk:
    """The review database that requests read and change, and the policies in force."""

    engine: Engine
    enforcement: EnforcementPolicy
    cooperation: CooperationPolicy


def make_desk(engine: Engine, settings: Settings) -> ReviewDesk:
    """Return the desk of a database, under the policies that the settings name."""
    enforcement = load_enforcement_policy(settings.policy_enforcement)
    return ReviewDesk(engine, enforcement, load_cooperation_policy(settings.policy_cooperation))


def require_desk(request: Request) -> ReviewDesk:
    """Return the review desk; a service that only scores has none (404)."""
    desk: ReviewDesk | None = request.app.state.desk
    if desk is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return desk


@dataclass(frozen=True)
class Grant:
    """The rights of a key.

    `notifier` is the e-mail, in lower case, of the only notifier it may act for; None means any. `name` is the
    program's name in the audit trail.
    """

    actions: frozenset[Action]
    notifier: str | None = None
    name: str | None = None

    @property
    def actor(self) -> str:
        """The actor in the audit trail and on pages; no user can have such a name."""
        return f"platform:{self.name}" if self.name else "platform"


_EVERYTHING = Grant(frozenset(PURPOSES.values()))


@dataclass(frozen=True, repr=False)
class Access:
    """The access rule of the API: keys by SHA-256, each with its grant.

    Without keys it answers this machine only, or everyone if `is_open`.
    """

    keys: Mapping[bytes, Grant] = field(default_factory=dict)
    is_open: bool = False

    def check(self, request: Request, action: Action | None) -> Grant:
        """Return the grant for a request and action; raises LoginNeeded or Forbidden."""
        if self.keys:
            return self._check_key(request.headers.get("authorization", ""), action)
        if not self.is_open:
            _check_local(request)
        return _EVERYTHING

    def _check_key(self, header: str, action: Action | None) -> Grant:
        scheme, _, key = header.partition(" ")
        shown = hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).digest()
        # All are compared, in constant time.
        fitting = [grant for known, grant in self.keys.items() if hmac.compare_digest(shown, known)]
        if not fitting or scheme.lower() != "bearer":
            found = "found no key of this service; expected one in a header `Authorization: Bearer KEY`"
            raise LoginNeeded("request", found, "Ask its operator.")
        (grant,) = fitting
        if action not in grant.actions:
            purposes = ", ".join(name for name, action in PURPOSES.items() if action in grant.actions)
            found = f"its key is for {purposes} alone"
            raise Forbidden("request", found, "Ask the operator for one for this purpose.")
        return grant


def make_access(key_file: Path | None, host: str, *, is_open: bool = False) -> Access:
    """Return the access rule for a server that listens on an address.

    The key file has a key a line, followed by a blank and its purposes with commas (score, listings, appeals, measures,
    notices, lists, metrics; score by default), so that a new key can be added before the old one is removed. Notices
    need notifier=ann@brand.example, or notifier=* for the marketplace's own form. name=shop-a names the program in the
    audit trail. `is_open` allows an address that other machines reach without a key. Raises UnusableSetting for
    missing, short or malformed keys, or an address open to others without permission.
    """
    if key_file is not None:
        return Access(_read_keys(key_file))
    if not is_open and not is_loopback(host):
        expected = "a file of keys in IPML_API_KEY, --host 127.0.0.1, or --open-api to let anyone in"
        raise UnusableSetting(f"API on {host}", "no key", expected)
    return Access(is_open=is_open)


def is_loopback(host: str) -> bool:
    """Report whether an address can be reached from this machine only.

    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("127.0.0.1.example.com")
    (True, True, False, False)
    """
    return _LOOPBACK.fullmatch(f"[{host}]" if ":" in host else host.lower()) is not None


def check_site(headers: Mapping[str, str]) -> None:
    """Refuse browser requests from another site; programs name no site. Raises Forbidden."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        raise Forbidden("request", "it comes from another site", "Send it from a program.")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise Forbidden("request", "it comes from another site", "Send it from a program.")


def _check_local(request: Request) -> None:
    # Another site's name may resolve to this machine, and a local proxy may serve others: neither is local.
    name = re.sub(r":[0-9]{0,5}$", "", request.headers.get("host", "").lower())
    if not _LOOPBACK.fullmatch(name):
        found = "its header Host has another name than this machine's"
        raise Forbidden("request", found, "Ask localhost; others need a key.")
    if any(header in request.headers for header in _PASSED_ON):
        raise Forbidden("request", "a proxy passed it on", "Send it from this machine; others need a key.")


def _read_keys(path: Path) -> dict[bytes, Grant]:
    expected = (
        f"each key once, a line each, of at least {MIN_KEY_LENGTH} letters, digits and . _ ~ + / -, behind it what "
        f"it is for ({', '.join(PURPOSES)} or some of these between commas) and, behind notices, "
        f"{_NOTIFIER} and an e-mail, or {_ANY} for any, and perhaps {_NAME} and 1 to 40 small letters, digits, . _ -"
    )
    # The setting may hold a key by mistake, so only a clear path is shown.
    is_path = path.is_absolute() and path.parent != Path(path.anchor) and path.parent.is_dir()
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        where = f"key file {path}" if is_path else "IPML_API_KEY"
        raise UnusableSetting(where, type(error).__name__, f"the path of a readable file with {expected}") from None
    keys: dict[bytes, Grant] = {}
    for number, (key, *words) in enumerate(lines, start=1):
        digest, grant = hashlib.sha256(key.encode()).digest(), _read_grant(words)
        if not _KEY.fullmatch(key) or grant is None or digest in keys:
            raise UnusableSetting(f"key file {path}", f"something else in line {number}", expected)
        keys[digest] = grant
    if not keys:
        raise UnusableSetting(f"key file {path}", "none", expected)
    return keys


def _read_grant(words: list[str]) -> Grant | None:
    """Return the grant behind a key; None if it is malformed, such as notices without a notifier."""
    names, *more = words or ["score"]
    actions = frozenset(PURPOSES[name] for name in names.split(",") if name in PURPOSES)
    whose = [word.removeprefix(_NOTIFIER) for word in more if word.startswith(_NOTIFIER)]
    named = [word.removeprefix(_NAME) for word in more if word.startswith(_NAME)]
    is_said_once = len(whose) == (Action.GIVE_NOTICE in actions) and len(named) <= 1
    is_all_known = len(actions) == len(names.split(",")) and len(more) == len(whose) + len(named)
    if not (
        is_said_once and is_all_known and all(map(_is_notifier, whose)) and all(map(_PROGRAM_NAME.fullmatch, named))
    ):
        return None
    notifier = whose[0].lower() if whose and whose[0] != _ANY else None
    return Grant(actions, notifier, named[0] if named else None)


def _is_notifier(whose: str) -> bool:
    return whose == _ANY or read_email(Faults(), "notifier", whose) is not None


MOST_BYTES = 4 << 20
MOST_SMALL_BYTES = 256 << 10  # one object with a text whose letters are all escaped
_MOST_DRAINED = 16 * MOST_BYTES  # many clients read no answer before they have sent the whole body
_MOST_SECONDS = 30.0
_MOST_DIGITS = 1_000


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return the body of a request with JSON, as it came.

    Raises HTTPException: 415 for other content, 413 above `most` bytes, 408 after 30 seconds, 400 for a broken body.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        _refuse_body(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Found Content-Type {kind[:80]!r}; expected application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        _refuse_body(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Found a Content-Encoding; expected JSON as it is.")
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            return await _read_bounded(request, most)
    except TimeoutError:
        _refuse_body(HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {_MOST_SECONDS:.0f} seconds.")
    except ClientDisconnect:
        _refuse_body(HTTPStatus.BAD_REQUEST, "The body broke off.")


async def _read_bounded(request: Request, most: int) -> bytes:
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length <= most:
            parts.append(part)
        else:
            parts.clear()
        if length > _MOST_DRAINED:
            break
    if length > most:
        _refuse_body(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {most:,} bytes; send it in parts.")
    return b"".join(parts)


def parse_json(body: bytes) -> Any:
    """Parse a body; raises ValueError for invalid JSON, and for JSON that not every reader reads alike.

    Duplicate names, NaN and infinities, and integers of thousands of digits are refused.

    >>> parse_json(b'{"price": 12.5}')
    {'price': 12.5}
    >>> parse_json(b'{"price": 12.5, "price": 99}')
    Traceback (most recent call last):
    ...
    ValueError: the name 'price' twice in one object
    """
    try:
        return _DECODER.decode(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"bytes that are no UTF-8 at position {error.start}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise ValueError("lists or objects too deep in one another") from None


def parse_body(body: bytes) -> Any:
    """Parse the body of a request; raises HTTPException 400 if `parse_json` fails."""
    try:
        return parse_json(body)
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is no JSON that can be read: found {error}.") from None


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"the name {name[:60]!a} twice in one object")
        made[name] = value
    return made


def _read_whole_number(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a whole number of {len(digits):,} digits")
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number in JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_make_object, parse_int=_read_whole_number, parse_constant=_refuse_constant
)


def _refuse_body(status: HTTPStatus, says: str) -> NoReturn:
    raise HTTPException(status, says)


class InvalidRequest(HTTPException):
    """A request breaks the rules; `problems` lists all faults."""

    def __init__(self, problems: Sequence[Problem], status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        self.problems = tuple(problems)
        words = (
            f"{one.column or 'the body'}: found {one.value}; expected {one.expected}" for one in self.problems[:10]
        )
        super().__init__(status, f"{'; '.join(words)}.")


def name_found(value: object) -> str:
    """Return a short description of a value; nested values may be too deep for Python to show."""
    kinds = {dict: "an object", list: "a list", type(None): "nothing", bool: str(value).lower()}
    if type(value) in kinds:
        return kinds[type(value)]
    return f"{value[:80]!a}"[1:-1] if isinstance(value, str) else str(value)[:80]


class RequestLimit:
    """Counts the requests in progress, and refuses one too many; for one event loop."""

    def __init__(self, most: int) -> None:
        self._most, self._active = most, 0

    @contextmanager
    def acquire(self, refusal: HTTPStatus | None = None) -> Iterator[None]:
        """Count one request within a block; raises Failed, or HTTPException with `refusal`, if there are too many."""
        if self._active >= self._most:
            busy = Failed(
                "this service", f"{self._most} requests are being worked on already", "Try again in a second."
            )
            raise busy if refusal is None else HTTPException(refusal, str(busy), headers={"Retry-After": "1"})
        self._active += 1
        try:
            yield
        finally:
            self._active -= 1
