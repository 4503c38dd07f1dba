"""Pictures: images of listings on the pages, with notes on missing ones.

With a folder of pictures, browsers load the worker's copies from this server alone. Without, they load pictures from
hosts that the operator allows by name, and send these neither user nor page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Path, Request, Response
from sqlalchemy import Connection

from ipml.errors import NotFound
from ipml.records import Listing
from ipml.review.pictures.addresses import PictureSources, parse_hosts, shown_hosts
from ipml.review.pictures.reference import find_genuine
from ipml.review.pictures.stored import (
    DIGEST_PATTERN,
    Size,
    StoredPicture,
    has_picture,
    path_of,
    read_pictures,
    split_addresses,
)
from ipml.settings import Settings
from ipml.web.accounts.login import authorised, settings_of

Digest = Annotated[str, Path(pattern=DIGEST_PATTERN)]
_MOST_NOTES = 4
_MOST_REFERENCES = 3


@dataclass(frozen=True, slots=True)
class ShownPicture:
    """A picture on a page: addresses of the small and the large copy, and its text."""

    thumbnail: str
    view: str
    alt: str


@dataclass(frozen=True, slots=True)
class ShownPictures:
    """The pictures of a case in the order of the listing, with a sentence for each that is missing.

    `n_left` were not fetched, as the case was no longer pending.
    """

    shown: tuple[ShownPicture, ...] = ()
    notes: tuple[str, ...] = ()
    n_left: int = 0


def list_image_sources(settings: Settings) -> list[str]:
    """Return the hosts of pictures for the content security policy; raises UnusableSetting."""
    hosts = PictureSources.read(settings).hosts
    return [] if settings.pictures else [host.source for host in hosts]


def find_pictures(
    connection: Connection, settings: Settings, listings: Mapping[int, Listing]
) -> dict[int, ShownPictures]:
    """Return the pictures of listings, by case; listings without pictures are left out."""
    listings = {number: listing for number, listing in listings.items() if listing.image_urls}
    if not listings:
        return {}
    if settings.pictures:
        return {number: _show_stored(found) for number, found in read_pictures(connection, listings).items()}
    return {number: _show_elsewhere(listing, settings) for number, listing in listings.items()}


def find_copies(connection: Connection, settings: Settings, addresses: Mapping[int, str]) -> dict[int, ShownPictures]:
    """Return the stored copies of pictures of some cases, under the address given for each case."""
    if settings.pictures is None:
        return {}
    found = read_pictures(connection, addresses)
    return {number: ShownPictures(_list_copies(some, addresses[number])) for number, some in found.items()}


def find_references(connection: Connection, settings: Settings, brand: str | None) -> tuple[ShownPicture, ...]:
    """Return the newest pictures that rights holders gave of a brand's genuine goods."""
    if settings.pictures is None or not brand:
        return ()
    return tuple(
        ShownPicture(
            f"/pictures/{reference.digest}/thumbnail",
            f"/pictures/{reference.digest}",
            f"Genuine {reference.brand}, from {reference.source}",
        )
        for reference in find_genuine(connection, brand, _MOST_REFERENCES)
    )


def _list_copies(found: Sequence[StoredPicture], address: str) -> tuple[ShownPicture, ...]:
    return tuple(
        ShownPicture(f"{address}/{one.digest}/thumbnail", f"{address}/{one.digest}", _name(one.position, len(found)))
        for one in found
        if one.state == "stored"
    )


def _show_stored(found: Sequence[StoredPicture]) -> ShownPictures:
    untold = [one for one in found if one.state == "waiting" and one.why is None]
    notes = [
        f"{_name(one.position, len(found))} {one.why}{'; it will be tried again' if one.state == 'waiting' else ''}."
        for one in found
        if one.why is not None and one.state in ("failed", "waiting")
    ]
    if len(notes) > _MOST_NOTES:
        notes = [*notes[:_MOST_NOTES], f"{len(notes) - _MOST_NOTES} more could not be had."]
    if untold:
        notes.append(f"{_count(len(untold))} will be fetched by the worker.")
    n_left = sum(one.state == "left" for one in found)
    return ShownPictures(_list_copies(found, "/pictures"), tuple(notes), n_left)


def _show_elsewhere(listing: Listing, settings: Settings) -> ShownPictures:
    addresses, sources = split_addresses(listing), PictureSources(parse_hosts(settings.picture_hosts))
    if not sources.hosts:
        return ShownPictures(notes=(f"{_count(len(addresses))} named by the listing; this installation loads none.",))
    is_allowed = [not sources.refuse(address) for address in addresses]
    shown = [
        ShownPicture(address, address, _name(position, len(addresses)))
        for position, address in enumerate(addresses)
        if is_allowed[position]
    ]
    refused = [address for address, allowed in zip(addresses, is_allowed, strict=True) if not allowed]
    notes = (
        [f"{_count(len(refused))} not loaded, as the host is not allowed: {shown_hosts(refused)}."] if refused else []
    )
    return ShownPictures(tuple(shown), tuple(notes))


def _name(position: int, count: int) -> str:
    return f"Picture {position + 1} of {count}"


def _count(count: int) -> str:
    return "1 picture" if count == 1 else f"{count} pictures"


def find_listing_host(listing: Listing) -> str:
    r"""Return the host of a listing in ASCII (punycode), so that no look-alike letter hides; "" without a web address.

    >>> find_listing_host(Listing("1", "s", "Bag", url="https://sh\u043ep.example/1"))
    'xn--shp-ted.example'
    """
    url = listing.url or ""
    if not url.lower().startswith(("https://", "http://")) or not url.isprintable() or " " in url:
        return ""
    try:
        host = urlsplit(url).hostname or ""
        return host if host.isascii() else host.encode("idna").decode()
    except ValueError:
        return ""


def show_picture(request: Request, digest: Digest) -> Response:
    """Send the large copy of a picture."""
    return _send(request, digest, "view")


def show_thumbnail(request: Request, digest: Digest) -> Response:
    """Send the small copy of a picture."""
    return _send(request, digest, "thumbnail")


def _send(request: Request, digest: str, size: Size) -> Response:
    with authorised(request) as (connection, _):
        is_known = has_picture(connection, digest)
    return send_copy(settings_of(request).pictures if is_known else None, digest, size)


def send_copy(folder: FilePath | None, digest: str, size: Size) -> Response:
    """Send a copy of a picture; raises NotFound."""
    try:
        if folder is None:
            raise FileNotFoundError
        content = path_of(folder, digest, size).read_bytes()
    except OSError:
        raise NotFound("picture", digest[:12], "It is stored as long as the listing of its case.") from None
    return Response(content, media_type="image/webp")
