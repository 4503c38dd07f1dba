"""Picture addresses: the hosts and networks from which pictures may be loaded.

Sellers write these URLs, so each is checked before a browser or the worker follows it. A browser loads from configured
hosts only. The worker connects to public addresses, and to networks that the operator names, such as that of the
marketplace's picture server.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from ipml.errors import UnusableSetting
from ipml.settings import Settings

Network = IPv4Network | IPv6Network
_HOST = re.compile(r"(http://|https://)?((?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
BYTES_PER_READ = 65_536
_LONGEST = 2_000
# Metadata services, where cloud machines read their secrets: refused whatever networks are allowed.
_METADATA = tuple(
    ip_network(text)
    for text in (
        *("169.254.0.0/16", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32"),
        *("fd00:ec2::/32", "fe80::/10"),
    )
)
_TRANSLATED = ip_network("64:ff9b::/96")  # IPv4 within IPv6, RFC 6052


@dataclass(frozen=True, slots=True)
class PictureHost:
    """A permitted host of `IPML_PICTURE_HOSTS`: "img.example.com", or "*.example.com" for all its subdomains."""

    scheme: str
    name: str
    port: int

    def has(self, address: str) -> bool:
        """Return whether a URL is on the host.

        >>> host = parse_hosts("*.example.com")[0]
        >>> host.has("https://a.example.com/1.jpg"), host.has("https://example.com.evil/"), host.has("http://a.example.com/")
        (True, False, False)
        """
        try:
            parts = urlsplit(address)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        host = parts.hostname or ""
        is_named = host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name
        return is_named and (parts.scheme, port) == (self.scheme, self.port) and "@" not in parts.netloc

    @property
    def source(self) -> str:
        """The host as a source expression of a content security policy."""
        is_usual = self.port == _PORTS[self.scheme]
        return f"{self.scheme}://{self.name}" + ("" if is_usual else f":{self.port}")


def parse_hosts(text: str) -> tuple[PictureHost, ...]:
    """Return the hosts of a comma-separated list.

    Raises UnusableSetting.

    >>> [host.source for host in parse_hosts("img.example.com, http://localhost:8000")]
    ['https://img.example.com', 'http://localhost:8000']
    """
    hosts = []
    for part in filter(None, (part.strip().lower() for part in text.split(","))):
        found = _HOST.fullmatch(part)
        if found is None:
            expected = "hosts between commas, such as img.example.com, *.example.com or http://localhost:8000"
            raise UnusableSetting("IPML_PICTURE_HOSTS", repr(part[:80]), expected)
        scheme = (found[1] or "https://").removesuffix("://")
        hosts.append(PictureHost(scheme, found[2], int(found[3] or _PORTS[scheme])))
    return tuple(hosts)


def parse_picture_networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a comma-separated list; a single address is a network of one. Raises UnusableSetting."""
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UnusableSetting(
            "IPML_PICTURE_NETWORKS", str(error), "addresses or networks between commas, such as 10.2.0.0/16"
        ) from None


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits for one picture; `seconds` run from name resolution to the last byte, redirects included."""

    most_bytes: int = 10_000_000
    seconds: float = 20.0
    redirects: int = 3

    @property
    def most_requests(self) -> int:
        """Most requests for one file."""
        return 1 + self.redirects

    @property
    def most_received(self) -> int:
        """Most bytes received for one file before it counts as too large."""
        return self.most_bytes + BYTES_PER_READ


@dataclass(frozen=True, slots=True)
class PictureSources:
    """Sources from which the worker may fetch pictures.

    If there are `hosts`, only these are allowed. `networks` are allowed in addition to public addresses. `limits` are
    those of each picture.
    """

    hosts: tuple[PictureHost, ...] = ()
    networks: tuple[Network, ...] = ()
    limits: FetchLimits = FetchLimits()

    @classmethod
    def read(cls, settings: Settings) -> PictureSources:
        """Return the sources of the settings. Raises UnusableSetting."""
        return cls(parse_hosts(settings.picture_hosts), parse_picture_networks(settings.picture_networks))

    def refuse(self, address: str) -> str:
        """Return why a URL must not be fetched, judged by its text; "" if it may.

        >>> PictureSources().refuse("https://ann:secret@a.example/1.jpg"), PictureSources().refuse("https://a.example/")
        ('its address names a user', '')
        """
        try:
            parts = urlsplit(address)
        except ValueError:
            return "its address cannot be read"
        if len(address) > _LONGEST:
            return f"its address is longer than {_LONGEST:,} characters"
        if parts.scheme not in _PORTS or not parts.hostname:
            return "its address is not a web address"
        if "@" in parts.netloc:
            return "its address names a user"
        if self.hosts and not any(host.has(address) for host in self.hosts):
            return "its host is not allowed"
        return ""

    def may_reach(self, address: str, port: int) -> bool:
        """Return whether the worker may connect to a resolved address.

        >>> sources = PictureSources(networks=parse_picture_networks("10.2.0.0/16"))
        >>> [sources.may_reach(found, 80) for found in ("93.184.215.14", "10.2.0.7", "10.3.0.7", "169.254.169.254")]
        [True, True, False, False]
        >>> [sources.may_reach(found, 80) for found in ("::ffff:127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::")]
        [False, False, False]
        """
        try:
            found = _unwrap(ip_address(address.partition("%")[0]))
        except ValueError:
            return False
        if found.is_link_local or any(found in network for network in _METADATA):
            return False
        if any(found in network for network in self.networks):
            return True
        is_public = found.is_global and not (found.is_multicast or found.is_reserved or found.is_unspecified)
        return is_public and port in _PORTS.values()


def _unwrap(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address embedded in an IPv6 address, if any."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def shown_hosts(addresses: Sequence[str]) -> str:
    """Return up to three distinct hosts of some URLs for a sentence, such as "a.example, b.example and 2 more"."""
    names = list(dict.fromkeys((urlsplit(address).hostname or "?")[:100] for address in addresses))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
