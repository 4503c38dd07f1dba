"""Fetching: downloads pictures from possibly hostile hosts, within limits, and never from internal networks.

A name is resolved once, all its addresses are checked, and the connection goes to a checked address, so a changing DNS
answer (rebinding) gains nothing. Redirects are checked likewise. TLS verifies the name. Requests carry no cookie and no
referrer, and use no proxy.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from ipml.review.pictures.addresses import BYTES_PER_READ, FetchLimits, PictureSources
from ipml.review.pictures.copies import PictureRefused

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Resolves a host and port to addresses."""
_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = {"User-Agent": "ipml-pictures", "Accept": "image/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class FetchedPicture:
    """A file as sent by a host, with its final URL."""

    content: bytes
    address: str


@dataclass(slots=True)
class FetchCost:
    """Requests and received bytes so far, successful or not."""

    requests: int = 0
    n_bytes: int = 0


async def resolve_host(host: str, port: int) -> list[str]:
    """Return the addresses of a host, by the system resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


class _CheckedTransport(httpx.AsyncBaseTransport):
    """Transport that connects to checked addresses only."""

    def __init__(self, sources: PictureSources, resolve: Resolve) -> None:
        self._sources, self._resolve = sources, resolve
        # No connection is reused: its certificate was checked for one name only.
        limits = httpx.Limits(max_connections=32, max_keepalive_connections=0)
        self._inner = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to a checked address of its host."""
        host, port = request.url.host, request.url.port or _PORTS[request.url.scheme]
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError):
            raise PictureRefused("its host is not known", may_retry=True) from None
        if not addresses or not all(self._sources.may_reach(address, port) for address in addresses):
            raise PictureRefused("its host is within a private network, or on an unusual port")
        pinned = httpx.Request(
            request.method,
            request.url.copy_with(host=addresses[0]),
            headers=request.headers,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Close open connections."""
        await self._inner.aclose()


def make_client(sources: PictureSources, resolve: Resolve = resolve_host) -> httpx.AsyncClient:
    """Return an HTTP client for pictures; the caller closes it."""
    return httpx.AsyncClient(
        transport=_CheckedTransport(sources, resolve),
        headers=_HEADERS,
        follow_redirects=False,
        timeout=None,  # noqa: S113 - `fetch_picture` limits the total time
        trust_env=False,
    )


async def fetch_picture(
    client: httpx.AsyncClient,
    address: str,
    sources: PictureSources,
    cost: FetchCost | None = None,
) -> FetchedPicture:
    """Fetch one file; its cost is added to `cost` however it ends, within the limits.

    Raises PictureRefused if it is unavailable, not allowed, or no picture.
    """
    limits = sources.limits
    try:
        async with asyncio.timeout(limits.seconds):
            for _ in range(limits.most_requests):
                found = await _ask(client, address, sources, cost or FetchCost())
                if isinstance(found, bytes):
                    return FetchedPicture(found, address)
                address = found
    except TimeoutError:
        raise PictureRefused(f"took longer than {limits.seconds:g} seconds", may_retry=True) from None
    except (httpx.InvalidURL, UnicodeError):
        raise PictureRefused("its address cannot be read") from None
    except (httpx.HTTPError, httpx.StreamError, OSError):
        raise PictureRefused("its host broke off, or cannot be reached", may_retry=True) from None
    raise PictureRefused(f"is redirected more than {limits.redirects} times")


async def _ask(client: httpx.AsyncClient, address: str, sources: PictureSources, cost: FetchCost) -> bytes | str:
    """Return the file at a URL, or the URL of a redirect."""
    if why := sources.refuse(address):
        raise PictureRefused(why)
    client.cookies.clear()
    cost.requests += 1
    async with client.stream("GET", address) as response:
        if response.status_code in _REDIRECTS and "location" in response.headers:
            return str(response.url.join(response.headers["location"]))
        _check_head(response, sources.limits)
        content = bytearray()
        async for part in response.aiter_raw(BYTES_PER_READ):
            content += part
            cost.n_bytes += len(part)
            if len(content) > sources.limits.most_bytes:
                raise PictureRefused(_describe_size(sources.limits))
        return bytes(content)


def _check_head(response: httpx.Response, limits: FetchLimits) -> None:
    status = response.status_code
    if status != httpx.codes.OK:
        words = {404: "is not there any more", 410: "is not there any more", 401: "needs a login", 403: "is refused"}
        said = words.get(status, "cannot be had")
        raise PictureRefused(f"{said} (status {status})", may_retry=status in (408, 425, 429) or status >= 500)
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/svg"):
        raise PictureRefused("is an SVG, which may hold a program")
    if not kind.startswith("image/"):
        raise PictureRefused(f"is no picture ({kind[:40] or 'no type'})")
    if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise PictureRefused("is packed in a way that was not asked for")
    length = response.headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 12 or int(length) > limits.most_bytes):
        raise PictureRefused(_describe_size(limits))


def _describe_size(limits: FetchLimits) -> str:
    return f"is larger than {limits.most_bytes / 1e6:g} MB"
