"""Behind a proxy: from whom a request comes in truth, and whether by https. Only trusted proxies are believed."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from starlette.types import ASGIApp, Receive, Scope, Send

from ipml.errors import UnusableSetting

Network = IPv4Network | IPv6Network
FROM_PROXY = "ipml.from_proxy"  # in the scope of a request: whether a trusted proxy sent it
_log = logging.getLogger(__name__)
_PORT = re.compile(r"\[(.+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}")


class Forwarded:
    """Read the headers X-Forwarded-For and X-Forwarded-Proto of requests that a trusted proxy passed on.

    Parameters
    ----------
    app : ASGIApp
    proxies : sequence of IPv4Network or IPv6Network
    """

    def __init__(self, app: ASGIApp, proxies: Sequence[Network]) -> None:
        self._app, self._proxies = app, proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Correct what is said of the sender, and pass the request on."""
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else ""
            scope[FROM_PROXY] = is_within(peer, self._proxies)
            if scope[FROM_PROXY]:
                self._believe(scope)
            elif _read(scope, b"x-forwarded-for"):
                _log.warning("X-Forwarded-For from %s passed over: not named in IPML_TRUSTED_PROXIES", peer)
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope) -> None:
        # In place: the error page outside of all else must see the same.
        passed = _read(scope, b"x-forwarded-for")
        if passed:
            scope["client"] = (find_sender(passed, self._proxies) or scope["client"][0], 0)
        scheme = _read(scope, b"x-forwarded-proto")[-1:]
        if scheme and scheme[0] in ("http", "https"):
            scope["scheme"] = scheme[0]


def find_sender(passed: Sequence[str], proxies: Sequence[Network]) -> str | None:
    """Return the last address of a chain that is no trusted proxy's: what stands before it may be made up.

    Of trusted proxies alone the first; None where the last entry is no address at all, so that no other text than an
    address ever counts as one.

    Examples
    --------
    >>> find_sender(["198.51.100.1", "192.0.2.7", "10.0.0.2"], parse_networks("10.0.0.0/8"))
    '192.0.2.7'
    >>> find_sender(["198.51.100.1", "no address", "10.0.0.2"], parse_networks("10.0.0.0/8"))
    '10.0.0.2'
    """
    sender = None
    for entry in reversed(passed):
        try:
            address = str(ip_address(_PORT.sub(r"\1\2", entry)))
        except ValueError:
            break
        sender = address
        if not is_within(address, proxies):
            break
    return sender


def is_within(address: str, networks: Sequence[Network]) -> bool:
    """Tell whether an address belongs to one of some networks; what is no address does not.

    Examples
    --------
    >>> is_within("10.1.2.3", parse_networks("10.0.0.0/8")), is_within("testclient", parse_networks("10.0.0.0/8"))
    (True, False)
    """
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a list between commas; an address alone is a network of one.

    Raises
    ------
    UnusableSetting

    Examples
    --------
    >>> parse_networks("127.0.0.1, 10.0.0.0/8")
    (IPv4Network('127.0.0.1/32'), IPv4Network('10.0.0.0/8'))
    """
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UnusableSetting("IPML_TRUSTED_PROXIES", str(error), "addresses or networks between commas") from None


def _read(scope: Scope, name: bytes) -> list[str]:
    """Return the parts, between commas, of all headers of a name."""
    lines = [value.decode("latin-1") for found, value in scope["headers"] if found == name]
    return [part.strip() for part in ",".join(lines).split(",") if part.strip()]
