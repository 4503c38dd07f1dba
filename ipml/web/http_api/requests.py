"""Requests of programs: who may make them, and how the JSON in them is read.

Programs show a key, or, without keys, they run on this machine. Browsers lend their user's rights to whatever site
asks; so what another site sends is refused, and so is a request without a key that did not come here straight and
under this machine's name.

JSON that anybody may have written is read in bounded length, in bounded time, and with one meaning only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ipml.cooperation.faults import Faults, read_email
from ipml.errors import Failed, Forbidden, InvalidListings, LoginNeeded, UnusableSetting
from ipml.records import Problem
from ipml.web.accounts.permissions import PURPOSES, Action

MIN_KEY_LENGTH = 32
_KEY = re.compile(rf"[A-Za-z0-9._~+/-]{{{MIN_KEY_LENGTH},512}}=*")  # what may follow "Bearer" (RFC 6750, section 2.1)
_LOOPBACK = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|\[::1\]")
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_NOTIFIER, _ANY, _NAME = "notifier=", "*", "name="
_PROGRAM_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


@dataclass(frozen=True)
class Grant:
    """What a key opens.

    Attributes
    ----------
    actions : frozenset of Action
    notifier : str or None
        E-mail, in small letters, of the only notifier that notices are given and asked after for; None: of any.
    name : str or None
        Of the program that shows it, for the audit trail.
    """

    actions: frozenset[Action]
    notifier: str | None = None
    name: str | None = None

    @property
    def actor(self) -> str:
        """Who does it, as the audit trail and the pages say: no user can have such a name.

        Examples
        --------
        >>> Grant(frozenset(), name="shop-a").actor, Grant(frozenset()).actor
        ('platform:shop-a', 'platform')
        """
        return f"platform:{self.name}" if self.name else "platform"


_EVERYTHING = Grant(frozenset(PURPOSES.values()))


@dataclass(frozen=True, repr=False)
class Access:
    """The rule by which the API answers.

    Parameters
    ----------
    keys : mapping from bytes to Grant
        SHA-256 of each key that opens it, and what it opens; none where no key is asked for.
    is_open : bool
        Whether, without keys, it answers whoever can reach it; else only this machine.
    """

    keys: Mapping[bytes, Grant] = field(default_factory=dict)
    is_open: bool = False

    def check(self, request: Request, action: Action | None) -> Grant:
        """Let a request for an action pass and return by what, or say why not.

        Raises
        ------
        LoginNeeded, Forbidden
        """
        if self.keys:
            return self._check_key(request.headers.get("authorization", ""), action)
        if not self.is_open:
            _check_local(request)
        return _EVERYTHING

    def _check_key(self, header: str, action: Action | None) -> Grant:
        scheme, _, key = header.partition(" ")
        shown = hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).digest()
        # Each is compared, and in a time that tells nothing of how much of it fits.
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
    """Return the rule for a server that listens on an address.

    Parameters
    ----------
    key_file : Path or None
        File with a key a line, behind it a blank and what it is for (score, listings, appeals, measures, notices,
        lists, metrics, between commas; a key alone is for scoring), so that a new one can come before the old one goes.
        Behind notices stands whose: notifier=ann@brand.example, or notifier=* for the marketplace's own form. Each may
        have a name for the audit trail: name=shop-a. No key is asked for without a file.
    host : str
        The address.
    is_open : bool, default=False
        Whether to answer without a key on an address that other machines reach.

    Raises
    ------
    UnusableSetting
        The keys are missing, short or no keys; or the address is open to others, and nobody has allowed that.

    Examples
    --------
    >>> make_access(None, "127.0.0.1").keys
    {}
    >>> make_access(None, "0.0.0.0")
    Traceback (most recent call last):
    ipml.errors.UnusableSetting: API on 0.0.0.0: found no key; expected a file of keys in IPML_API_KEY, ...
    """
    if key_file is not None:
        return Access(_read_keys(key_file))
    if not is_open and not is_loopback(host):
        expected = "a file of keys in IPML_API_KEY, --host 127.0.0.1, or --open-api to let anyone in"
        raise UnusableSetting(f"API on {host}", "no key", expected)
    return Access(is_open=is_open)


def is_loopback(host: str) -> bool:
    """Tell whether an address is reached from this machine only.

    Examples
    --------
    >>> is_loopback("localhost"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("127.0.0.1.example.com")
    (True, True, False, False)
    """
    return _LOOPBACK.fullmatch(f"[{host}]" if ":" in host else host.lower()) is not None


def check_site(headers: Mapping[str, str]) -> None:
    """Refuse what another site has a browser send; a program says nothing of any site.

    Raises
    ------
    Forbidden
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site not in (None, "same-origin", "none"):
        raise Forbidden("request", "it comes from another site", "Send it from a program.")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise Forbidden("request", "it comes from another site", "Send it from a program.")


def _check_local(request: Request) -> None:
    # Another site's name may lead to this machine, and a proxy of this machine to others: neither is local.
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
    # A key may have been given where its file belongs: only what is clearly a path is named.
    is_path = path.is_absolute() and path.parent != Path(path.anchor) and path.parent.is_dir()
    try:
        lines = [line.split() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        where = f"key file {path}" if is_path else "IPML_API_KEY"
        raise UnusableSetting(where, type(error).__name__, f"the path of a readable file with {expected}") from None
    keys: dict[bytes, Grant] = {}
    for number, (key, *said) in enumerate(lines, start=1):
        digest, grant = hashlib.sha256(key.encode()).digest(), _read_grant(said)
        if not _KEY.fullmatch(key) or grant is None or digest in keys:
            raise UnusableSetting(f"key file {path}", f"something else in line {number}", expected)
        keys[digest] = grant
    if not keys:
        raise UnusableSetting(f"key file {path}", "none", expected)
    return keys


def _read_grant(said: list[str]) -> Grant | None:
    """Return what stands behind a key; None where it is no grant, such as notices without whose they are."""
    names, *more = said or ["score"]
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
MOST_SMALL_BYTES = 256 << 10  # of one thing with a text, each letter of it escaped
_MOST_DRAINED = 16 * MOST_BYTES  # a sender hears the answer only once its request has been taken off its hands
_MOST_SECONDS = 30.0
_MOST_DIGITS = 1_000


async def read_body(request: Request, most: int = MOST_BYTES) -> bytes:
    """Return the body of a request that says it is JSON, as it came.

    Parameters
    ----------
    most : int, default=MOST_BYTES
        How many bytes it may have.

    Raises
    ------
    HTTPException
        415 for another kind of content, 413 for more bytes, 408 for a body that does not arrive in 30 seconds,
        400 for one that breaks off.
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
    """Return what a body says; ValueError with the reason where it is no JSON, or not to every reader the same.

    Names that come twice, NaN and infinities, and whole numbers of thousands of digits are refused.

    Examples
    --------
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
    """Return what the body of a request says; HTTPException 400 where `parse_json` cannot read it."""
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
    """A request as a whole, or a field outside of its rows, breaks the rules; all of it is in `problems`.

    Parameters
    ----------
    problems : sequence of Problem
    status : int, default=422

    Examples
    --------
    >>> InvalidRequest([Problem(1, "explain", "perhaps", "true or false")]).detail
    'explain: found perhaps; expected true or false.'
    """

    def __init__(self, problems: Sequence[Problem], status: int = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        self.problems = tuple(problems)
        said = (f"{one.column or 'the body'}: found {one.value}; expected {one.expected}" for one in self.problems[:10])
        super().__init__(status, f"{'; '.join(said)}.")


def require_object(content: object, names: Collection[str], expected: str) -> dict[str, Any]:
    """Return an object of just these names; InvalidRequest where it is anything else."""
    if not isinstance(content, dict):
        raise InvalidRequest([Problem(1, "", name_found(content), expected)])
    unknown = [
        Problem(1, f"{name[:60]!a}"[1:-1], name_found(content[name]), expected) for name in set(content) - {*names}
    ]
    missing = [Problem(1, name, "nothing", expected) for name in names if name not in content]
    if unknown or missing:
        raise InvalidRequest(sorted(unknown, key=str)[:_MOST_NAMED] + missing)
    return content


def require_list(content: object, name: str, most: int) -> list[Any]:
    """Return a list that is the field of a name; InvalidRequest where it is none, or too long (413)."""
    if not isinstance(content, list):
        raise InvalidRequest([Problem(1, name, name_found(content), "a list")])
    if len(content) > most:
        problem = Problem(1, name, f"{len(content):,} of them", f"at most {most:,} in one request; send them in parts")
        raise InvalidRequest([problem], HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    return content


def name_found(value: object) -> str:
    """Return what was found as a few letters; what is nested may be deeper than Python can show.

    Examples
    --------
    >>> name_found([[1]]), name_found(None), name_found(True), name_found("caf\\u00e9")
    ('a list', 'nothing', 'true', 'caf\\\\xe9')
    """
    kinds = {dict: "an object", list: "a list", type(None): "nothing", bool: str(value).lower()}
    if type(value) in kinds:
        return kinds[type(value)]
    return f"{value[:80]!a}"[1:-1] if isinstance(value, str) else str(value)[:80]


MOST_LISTINGS = 1_000
_MOST_NAMED = 20
Listings = list[dict[str, Any]]


def find_listings(content: object) -> Listings:
    """Return the listings of a request: the object itself, or those of its list "listings".

    Raises
    ------
    InvalidRequest
        422 where it is neither, 413 where they are too many.
    InvalidListings

    Examples
    --------
    >>> find_listings({"listing_id": "1"}), find_listings({"listings": []})
    ([{'listing_id': '1'}], [])
    """
    if isinstance(content, dict) and "listings" not in content:
        return [content]
    content = require_object(content, ("listings",), 'a listing as an object, or {"listings": [...]} and nothing else')
    listings = require_list(content["listings"], "listings", MOST_LISTINGS)
    strange = [row for row, listing in enumerate(listings, start=1) if not isinstance(listing, dict)]
    if strange:
        expected = "an object with the fields of a listing"
        raise InvalidListings([Problem(row, "", "something else", expected) for row in strange])
    return listings


class Crowd:
    """Count the requests being worked on, and turn away one too many. For one event loop.

    Examples
    --------
    >>> crowd = Crowd(most=1)
    >>> with crowd.join(), crowd.join():
    ...     pass
    Traceback (most recent call last):
    ipml.errors.Failed: this service: 1 requests are being worked on already. Try again in a second.
    """

    def __init__(self, most: int) -> None:
        self._most, self._inside = most, 0

    @contextmanager
    def join(self, refusal: HTTPStatus | None = None) -> Iterator[None]:
        """Be one of them within a block; Failed where there are enough, or HTTPException where a status is given."""
        if self._inside >= self._most:
            busy = Failed(
                "this service", f"{self._most} requests are being worked on already", "Try again in a second."
            )
            raise busy if refusal is None else HTTPException(refusal, str(busy), headers={"Retry-After": "1"})
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
