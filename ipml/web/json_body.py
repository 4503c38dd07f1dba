"""Reading JSON that anybody may have written: of bounded length, in bounded time, and with one meaning only."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, NoReturn

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

MOST_BYTES = 4 << 20
_MOST_DRAINED = 16 * MOST_BYTES  # a sender hears the answer only once its request has been taken off its hands
_MOST_SECONDS = 30.0
_MOST_DIGITS = 1_000


async def read_body(request: Request) -> bytes:
    """Return the body of a request that says it is JSON, as it came.

    Raises
    ------
    HTTPException
        415 for another kind of content, 413 for more than 4 MiB, 408 for a body that does not arrive in 30 seconds,
        400 for one that breaks off.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Found Content-Type {kind[:80]!r}; expected application/json.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Found a Content-Encoding; expected JSON as it is.")
    try:
        async with asyncio.timeout(_MOST_SECONDS):
            return await _read_bounded(request)
    except TimeoutError:
        _refuse(HTTPStatus.REQUEST_TIMEOUT, f"The body did not arrive within {_MOST_SECONDS:.0f} seconds.")
    except ClientDisconnect:
        _refuse(HTTPStatus.BAD_REQUEST, "The body broke off.")


async def _read_bounded(request: Request) -> bytes:
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length <= MOST_BYTES:
            parts.append(part)
        else:
            parts.clear()
        if length > _MOST_DRAINED:
            break
    if length > MOST_BYTES:
        _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {MOST_BYTES:,} bytes; send it in parts.")
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


def _refuse(status: HTTPStatus, says: str) -> NoReturn:
    raise HTTPException(status, says)
