"""Pictures of hostile hosts on loopback: nothing is harmed, nothing from within is reached, and all is said."""

import asyncio
import resource
from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.picture_host import MARKER, PictureHost, make_bomb, make_picture, serve_pictures

from ipml.errors import UnusableSetting
from ipml.review.pictures.addresses import FetchLimits, PictureSources, parse_hosts, parse_picture_networks
from ipml.review.pictures.copies import PictureRefused, make_copies
from ipml.review.pictures.fetching import FetchedPicture, Resolve, fetch_picture, make_client, resolve_host

LIMITS = FetchLimits(most_bytes=1_000_000, seconds=30.0)
HERE = PictureSources(networks=parse_picture_networks("127.0.0.1"), limits=LIMITS)


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """A host of pictures."""
    with serve_pictures() as found:
        yield found


@pytest.fixture(autouse=True)
def _little_memory() -> Iterator[None]:
    """What is unpacked without a limit fails instead of taking the machine along."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def fetch(address: str, sources=HERE, resolve: Resolve = resolve_host) -> FetchedPicture:
    """Fetch one file, within small limits."""

    async def run() -> FetchedPicture:
        async with make_client(sources, resolve) as client:
            return await fetch_picture(client, address, sources)

    return asyncio.run(run())


def refusal(address: str, sources: PictureSources = HERE, resolve: Resolve = resolve_host) -> str:
    """Return why a picture cannot be had or shown."""
    with pytest.raises(PictureRefused) as refused:
        make_copies(fetch(address, sources, resolve).content)
    return refused.value.why


def test_a_picture_is_fetched_as_it_is(host):
    """Also where it has moved, at most three times; no cookie and no referrer goes along."""
    assert fetch(host.address("/good.jpg")).content == host.jpeg
    moved = fetch(host.address("/moved"))
    assert moved == FetchedPicture(host.jpeg, host.address("/good.jpg"))
    assert not {"cookie", "referer", "authorization"} & host.seen_headers.keys()


def test_what_a_hostile_host_sends_is_refused_with_a_reason(host):
    """Whatever it is, within the limits of time and size."""
    reasons = {
        **dict.fromkeys(("/huge", "/says-huge"), "is larger than 1 MB"),
        "/gzip-bomb": "is packed in a way that was not asked for",
        "/loop": "is redirected more than 3 times",
        **dict.fromkeys(("/to-metadata", "/to-private"), "its host is within a private network, or on an unusual port"),
        "/to-file": "its address is not a web address",
        "/to-user": "its address names a user",
        "/page": "is no picture (text/html)",
        **dict.fromkeys(("/page-as-jpeg", "/svg-as-png", "/empty"), "is no picture that can be read"),
        "/svg": "is an SVG, which may hold a program",
        "/bomb.png": "has more than 40,000,000 pixels",
        "/truncated.jpg": "is damaged or cut short",
        "/broken-off": "its host broke off, or cannot be reached",
        "/missing": "is not there any more (status 404)",
        "/busy": "cannot be had (status 503)",
    }
    assert {path: refusal(host.address(path)) for path in reasons} == reasons


def test_a_host_that_sends_a_byte_now_and_then_is_given_up(host):
    """The limit of time is for all of it, and not for each part."""
    for path in ("/slow", "/slow-head"):
        with pytest.raises(PictureRefused, match=r"took longer than 0\.2 seconds") as refused:
            fetch(host.address(path), replace(HERE, limits=FetchLimits(seconds=0.2)))
        assert refused.value.may_retry


def test_nothing_within_is_reached_however_it_is_written(host):
    """Without a network that the operator names, loopback is not asked for anything; one private address is enough."""

    async def mixed(name: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.9"]

    before = host.hits.total()
    names = "127.0.0.1 127.1 2130706433 0x7f000001 0.0.0.0 localhost [::1] [::ffff:127.0.0.1]"
    for name in names.split():
        assert refusal(host.address("/good.jpg", name), PictureSources())
    assert "private network" in refusal(host.address("/good.jpg", "pictures.example"), resolve=mixed)
    assert host.hits.total() == before


def test_a_name_that_means_another_address_the_next_time_gains_nothing(host):
    """The connection goes to the address that was checked; the name is resolved once for each request."""
    answers = iter([["127.0.0.1"], ["10.0.0.9"]])

    async def rebind(name: str, port: int) -> list[str]:
        return next(answers)

    assert fetch(host.address("/good.jpg", "pictures.example"), resolve=rebind).content == host.jpeg
    assert host.seen_headers["host"].startswith("pictures.example:")


def test_addresses_that_not_everybody_can_reach_are_refused():
    """Private, shared, multicast and reserved ones; public ones are reached on the ports of the web alone."""
    private = (
        *("10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "224.0.0.1", "240.0.0.1"),
        *("::", "::7f00:1", "fc00::1", "ff02::1"),
    )
    assert [address for address in private if PictureSources().may_reach(address, 443)] == []
    assert [PictureSources().may_reach("93.184.215.14", port) for port in (80, 443, 25)] == [True, True, False]
    # What machines of a cloud read of themselves is not reached even where the operator names a network around it.
    sources = PictureSources(networks=parse_picture_networks("0.0.0.0/0, ::/0"))
    within = ("169.254.169.254", "fe80::1", "100.100.100.200", "fd00:ec2::254")
    assert [sources.may_reach(address, 80) for address in (*within, "10.0.0.1")] == [False] * 4 + [True]


def test_only_named_hosts_are_asked_where_some_are_named(host):
    """By their name, scheme and port."""
    sources = PictureSources(parse_hosts(f"http://127.0.0.1:{host.server_port}"), HERE.networks)
    assert fetch(host.address("/good.jpg"), sources).content == host.jpeg
    assert refusal(host.address("/good.jpg", "localhost"), sources) == "its host is not allowed"
    for unusable in ("img.example.com/a", "https://*", "a b", "img.example.com; script-src *"):
        with pytest.raises(UnusableSetting):
            parse_hosts(unusable)


def test_copies_hold_pixels_alone():
    """They are as the picture is looked at, no larger than they are shown, without its EXIF; no bomb is unpacked."""
    for kind in ("JPEG", "PNG", "WEBP", "GIF"):
        copies = make_copies(make_picture(kind))
        assert (copies.kind, copies.width, copies.height) == (kind, *((600, 900) if kind == "JPEG" else (900, 600)))
        for copy in (copies.view, copies.thumbnail):
            assert copy[8:12] == b"WEBP"
            assert MARKER not in copy
            assert b"EXIF" not in copy
    assert len(make_copies(make_picture(size=(2_000, 1_500))).view) < 100_000
    # What Pillow itself would refuse, what it would warn of, and what is below both but above the limit.
    for edge in (60_000, 12_000, 7_000):
        with pytest.raises(PictureRefused, match="has more than"):
            make_copies(make_bomb(edge))
