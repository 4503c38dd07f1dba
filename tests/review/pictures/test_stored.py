"""Pictures of cases are fetched and kept, and go with the listing."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support.picture_host import PictureHost, serve_pictures
from support.reviewing import Make, act, ask, judge

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.review.pictures.addresses import PictureSources, parse_picture_networks
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.stored import StoredPicture, has_picture, path_of, read_pictures, sweep_files
from ipml.review.queue import enqueue, undo

HERE = PictureSources(networks=parse_picture_networks("127.0.0.1"))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """A host of pictures."""
    with serve_pictures() as found:
        yield found


@pytest.fixture
def put(engine: Engine, host: PictureHost, make_scored: Make) -> Callable[..., None]:
    """Return what puts a listing with pictures into the queue."""

    def put_in(listing_id: str, *paths: str, **fields: object) -> None:
        addresses = " ".join(host.address(path) for path in paths)
        enqueue(engine, [make_scored(listing_id, title=f"Bag {listing_id}", image_urls=addresses, **fields)], now=NOON)

    return put_in


def read(engine: Engine, case_id: int = 1) -> list[StoredPicture]:
    """Return the pictures of a case."""
    return ask(engine, read_pictures, [case_id]).get(case_id, [])


def fetch(engine: Engine, folder: Path, now: datetime = NOON) -> object:
    """Do the job once."""
    return fetch_due(engine, folder, HERE, clock=lambda: now)


def test_pictures_of_a_case_are_kept_by_their_digest(engine: Engine, put, host, tmp_path: Path):
    """As they were sent, beside the copies that are shown; of what could not be had, why."""
    put("L1", "/good.jpg", "/svg", "/moved", "/good.jpg")
    fetch(engine, tmp_path)
    digest = hashlib.sha256(host.jpeg).hexdigest()
    good, svg, moved = read(engine)
    assert (good.state, good.digest, good.kind, good.fetched_at) == ("stored", digest, "JPEG", NOON)
    assert (moved.digest, moved.found_at) == (digest, host.address("/good.jpg"))
    assert (svg.state, svg.why) == ("failed", "is an SVG, which may hold a program")
    assert path_of(tmp_path, digest).read_bytes() == host.jpeg
    assert sorted(path.name.partition(".")[2] for path in tmp_path.glob("*/*")) == ["", "thumbnail.webp", "view.webp"]


def test_what_may_come_is_tried_again_and_then_given_up(engine: Engine, put, host, tmp_path: Path):
    """After 1, 10 and 60 minutes."""
    put("L1", "/busy")
    before = host.hits["/busy"]
    moment = NOON
    for minutes in (0, 1, 10, 60, 600):
        moment += timedelta(minutes=minutes)
        fetch(engine, tmp_path, moment)
    assert host.hits["/busy"] - before == 4
    assert (read(engine)[0].state, read(engine)[0].why) == ("failed", "cannot be had (status 503)")


def test_nobody_asks_for_pictures_of_decided_cases(engine: Engine, put, host, tmp_path: Path):
    """They were not there when people looked; once the case is open again, people look at it once more."""
    put("L1", "/png")
    made = judge(engine, now=NOON)
    fetch(engine, tmp_path)
    assert (read(engine)[0].state, host.hits["/png"]) == ("left", 0)
    act(engine, undo, made.decision_id, "ana", now=NOON)
    fetch(engine, tmp_path)
    assert read(engine)[0].state == "stored"


def test_files_go_with_the_last_listing_that_names_them(engine: Engine, put, host, tmp_path: Path):
    """Erasing one of two sellers with the same picture leaves it to the other; what a kill left behind goes, too."""
    put("L1", "/good.jpg", seller_id="ann")
    put("L2", "/good.jpg", seller_id="bob")
    fetch(engine, tmp_path)
    digest = hashlib.sha256(host.jpeg).hexdigest()
    half = path_of(tmp_path, "cd" * 32).with_suffix(".7.partial")
    half.parent.mkdir()
    half.write_bytes(b"half")
    erase_sellers(engine, ["ann"], why="request 7", by="lea")
    assert sweep_files(engine, tmp_path) == 1
    assert not half.exists()
    assert path_of(tmp_path, digest).exists()
    erase_sellers(engine, ["bob"], why="request 8", by="lea")
    assert sweep_files(engine, tmp_path) == 1
    assert not list(tmp_path.glob("*/*"))
    assert not ask(engine, has_picture, digest)
