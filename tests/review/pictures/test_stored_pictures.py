"""Pictures of cases are fetched and kept, and go with the listing; those that look the same are recognised."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sqlalchemy import Connection, Engine, insert, select, update
from support.picture_host import PictureHost, draw_goods, make_picture, serve_pictures, write_picture
from support.reviewing import Make, judge
from support.transactions import act, ask, execute

from experiments.review.drawn_goods import CHANGES
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.review.arrivals.intake import enqueue
from ipml.review.pictures.addresses import PictureSources, parse_picture_networks
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.copies import THUMBNAIL_EDGE
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.picture_hash import (
    MOST_DISTANCE,
    HashedPicture,
    PictureHash,
    find_distance,
    hash_picture,
    read_hash,
)
from ipml.review.pictures.stored import NO_GROUP, StoredPicture, has_picture, path_of, read_pictures, sweep_files
from ipml.review.undo import UndoRequest, undo
from ipml.storage.tables import picture_groups, pictures

HERE = PictureSources(networks=parse_picture_networks("127.0.0.1"))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
EARLIER = (  # hashes of some goods and their mirror image, as an earlier release stored them
    "ed38349692c6cd69cde19367f0dcf098272c69a338161e8f1e430e4bcf83b4b6",
    "b86d61c3c793983c98b4c632a589a5cd727938f46d434bda4b165b1e9296e1e3",
)


def hash_of(image: Image.Image) -> HashedPicture:
    """Return a picture that has hashes, looked up by its small copy."""
    image.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE))
    found = hash_picture(image)
    assert found is not None
    return found


def reopen(image: Image.Image, kind: str, **said: object) -> Image.Image:
    """Return a picture as it comes out of a file."""
    return Image.open(BytesIO(write_picture(image, kind, **said))).convert("RGB")


def send(image: Image.Image, is_grey: bool) -> Image.Image:
    """Return a picture as it is sent again: compressed much, or stretched, grey and paler."""
    stretched = ImageEnhance.Contrast(image.resize((200, 300)).convert("L").convert("RGB"))
    return stretched.enhance(0.8) if is_grey else reopen(image, "WEBP", quality=40)


def test_a_copy_is_found_whatever_was_done_to_it():
    """Mirrored, cropped, with a border or banner, then sent anew: it finds the original, and this the copy, alone."""
    rng, index = np.random.default_rng(1), HashIndex()
    seen = [hash_of(draw_goods(seed)) for seed in range(9)]
    index.add_all(range(1, 10), [one.own for one in seen])
    for number, change in enumerate(2 * [*CHANGES.values()]):
        place, only = number % 9, HashIndex()
        copy = hash_of(send(change(draw_goods(place), rng), number >= len(CHANGES)))
        assert (index.find_nearest(copy) or [0])[0] == place + 1, number
        only.add(7, copy.own)
        assert [only.find_nearest(one) is not None for one in seen] == [other == place for other in range(9)], number


def test_goods_of_one_form_in_other_colours_are_no_copies():
    """They have the same hash."""
    of_red, blue = hash_of(draw_goods(1)), hash_of(Image.merge("RGB", draw_goods(1).split()[::-1])).own
    assert find_distance(of_red, PictureHash(blue.hash)) <= MOST_DISTANCE
    assert find_distance(of_red, blue) is None


def test_what_is_flat_has_no_hash():
    """One colour, as it comes out of compression too, a gradient, grain, an icon; and what shines through is white."""
    grain = np.random.default_rng(1).normal(128, 3, (200, 200)).clip(0, 255).astype(np.uint8)
    flat, icon = Image.new("RGB", (300, 200), "#305080"), draw_goods(1).resize((30, 20))
    for image in (flat, icon, reopen(flat, "JPEG", quality=30), Image.linear_gradient("L"), Image.fromarray(grain)):
        assert hash_picture(image) is None
    cut = draw_goods(1).convert("RGBA")
    cut.putalpha(Image.eval(draw_goods(1).convert("L"), lambda grey: 0 if grey == 255 else 255))
    assert find_distance(hash_of(cut), hash_of(draw_goods(1)).own) <= 2


def test_the_index_names_what_is_in_it_and_near():
    """Of many it finds each, and nothing once it was removed; what it names is as near as comparing the two says."""
    rng = np.random.default_rng(1)
    index, wanted = HashIndex(), hash_of(draw_goods(1))
    others = rng.integers(0, 2**63, (9_000, 4), dtype=np.uint64)
    index.add_all(range(1, 9_001), [PictureHash(one) for one in others])
    for group_id, n_bits in ((9_001, 30), (9_002, 4), (9_003, 0), (9_004, 0)):
        turned = wanted.own.hash ^ read_hash(f"{sum(1 << place for place in range(n_bits)):064x}")
        index.add(group_id, PictureHash(turned, wanted.own.colours))
        assert index.find_nearest(wanted) == (min(group_id, 9_003), find_distance(wanted, PictureHash(turned)))
    for gone in (9_003, 9_004, 9_002):
        index.remove(gone)
    assert (index.find_nearest(wanted), len(index)) == ((9_001, 30), 9_001)


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """A host with two goods, one of them in two files, and a flat picture, beside its own."""
    with serve_pictures() as found:
        bag, shoe = draw_goods(1), draw_goods(2)
        found.files |= {
            "/bag.jpg": write_picture(bag),
            "/bag-small.jpg": write_picture(bag.resize((320, 240)), quality=50),
            "/mirrored.jpg": write_picture(ImageOps.mirror(bag)),
            "/shoe.jpg": write_picture(shoe),
            "/none.jpg": make_picture(),
        }
        yield found


def fetch(engine: Engine, folder: Path, now: datetime = NOON) -> object:
    """Do the job once."""
    return fetch_due(engine, folder, HERE, clock=lambda: now)


@pytest.fixture
def put(engine: Engine, host: PictureHost, make_scored: Make, tmp_path: Path):
    """Return what puts a listing with pictures into the queue, and fetches them."""

    def put_in(listing_id: str, *paths: str, is_fetched: bool = True, **fields: object) -> None:
        addresses = " ".join(host.address(path) for path in paths)
        enqueue(engine, [make_scored(listing_id, title=f"Bag {listing_id}", image_urls=addresses, **fields)], now=NOON)
        if is_fetched:
            fetch(engine, tmp_path)

    return put_in


def read_groups(engine: Engine) -> list[int | None]:
    """Return the groups of all pictures, in the order of cases."""
    query = select(pictures.c.group_id).order_by(pictures.c.case_id, pictures.c.position)
    return ask(engine, Connection.scalars, query)


def test_pictures_that_look_the_same_are_of_one_group(engine: Engine, put, tmp_path: Path):
    """Whichever file it is; a flat one is of none. Doing it again, or with another index, changes nothing."""
    put("L1", "/bag.jpg", "/none.jpg")
    index = HashIndex()
    assert group_pictures(engine, tmp_path, index) == 2
    put("L2", "/shoe.jpg", "/bag-small.jpg", "/gone.jpg", seller_id="ben")
    assert group_pictures(engine, tmp_path, index) == 2
    bag, none, shoe, small, gone = read_groups(engine)
    assert (none, gone) == (NO_GROUP, None)
    assert bag == small != shoe
    assert group_pictures(engine, tmp_path, index) == 0
    put("L3", "/bag-small.jpg", seller_id="cem")
    assert group_pictures(engine, tmp_path, HashIndex()) == 1
    assert read_groups(engine) == [bag, none, shoe, small, gone, bag]


def test_a_group_goes_with_its_last_picture(engine: Engine, put, tmp_path: Path):
    """And its picture begins a new one when it comes again, though the index still has the old one."""
    index = HashIndex()
    put("L1", "/bag.jpg", seller_id="ann")
    put("L2", "/shoe.jpg", seller_id="ben")
    group_pictures(engine, tmp_path, index)
    bag, shoe = read_groups(engine)
    erase_sellers(engine, ["ann"], why="request 7", by="lea")
    sweep_files(engine, tmp_path)
    assert ask(engine, Connection.scalars, select(picture_groups.c.group_id)) == [shoe]
    put("L3", "/bag.jpg", seller_id="cem")
    group_pictures(engine, tmp_path, index)
    assert read_groups(engine)[-1] not in (bag, shoe, NO_GROUP)
    assert len(index) == 2


def test_groups_of_earlier_releases_are_hashed_anew(engine: Engine, put, tmp_path: Path):
    """Till then their pictures are found by the hash of the whole; then a mirror image joins its original."""
    for number, path in enumerate(("/bag.jpg", "/mirrored.jpg", "/shoe.jpg"), start=1):
        put(f"L{number}", path, seller_id=f"s{number}")
    for group_id, whole in enumerate(EARLIER, start=1):
        index = HashIndex()
        index.add(group_id, PictureHash(read_hash(whole)))
        assert index.find_nearest(hash_of(draw_goods(1))) is not None
        group = insert(picture_groups).values(hash=whole, made_at=NOON)
        execute(engine, group, update(pictures).where(pictures.c.case_id == group_id).values(group_id=group_id))
    assert group_pictures(engine, tmp_path, HashIndex()) == 1
    assert read_groups(engine) == [1, 1, 3]


def test_a_picture_whose_file_is_gone_is_of_no_group(engine: Engine, put, tmp_path: Path):
    """So that nobody looks for it again and again."""
    put("L1", "/bag.jpg")
    (thumbnail,) = tmp_path.glob("*/*thumbnail*")
    thumbnail.unlink()
    assert group_pictures(engine, tmp_path, HashIndex()) == 1
    assert read_groups(engine) == [NO_GROUP]


def test_after_a_failure_the_index_is_read_again(engine: Engine, put, tmp_path: Path):
    """Numbers that were not stored after all are given to other pictures."""
    index = HashIndex()
    put("L1", "/bag.jpg")
    group_pictures(engine, tmp_path, index)
    put("L2", "/shoe.jpg", seller_id="ben")
    with pytest.raises(StopIteration):
        group_pictures(engine, tmp_path, index, clock=iter(()).__next__)
    assert group_pictures(engine, tmp_path, index) == 1
    bag, shoe = read_groups(engine)
    assert bag != shoe


def read(engine: Engine, case_id: int = 1) -> list[StoredPicture]:
    """Return the pictures of a case."""
    return ask(engine, read_pictures, [case_id]).get(case_id, [])


def test_pictures_of_a_case_are_kept_by_their_digest(engine: Engine, put, host, tmp_path: Path):
    """As they were sent, beside the copies that are shown; of what could not be had, why."""
    put("L1", "/good.jpg", "/svg", "/moved", "/good.jpg")
    digest = hashlib.sha256(host.jpeg).hexdigest()
    good, svg, moved = read(engine)
    assert (good.state, good.digest, good.kind, good.fetched_at) == ("stored", digest, "JPEG", NOON)
    assert (moved.digest, moved.found_at) == (digest, host.address("/good.jpg"))
    assert (svg.state, svg.why) == ("failed", "is an SVG, which may hold a program")
    assert path_of(tmp_path, digest).read_bytes() == host.jpeg
    assert sorted(path.name.partition(".")[2] for path in tmp_path.glob("*/*")) == ["", "thumbnail.webp", "view.webp"]


def test_what_may_come_is_tried_again_and_then_given_up(engine: Engine, put, host, tmp_path: Path):
    """After 1, 10 and 60 minutes."""
    put("L1", "/busy", is_fetched=False)
    before = host.hits["/busy"]
    moment = NOON
    for minutes in (0, 1, 10, 60, 600):
        moment += timedelta(minutes=minutes)
        fetch(engine, tmp_path, moment)
    assert host.hits["/busy"] - before == 4
    assert (read(engine)[0].state, read(engine)[0].why) == ("failed", "cannot be had (status 503)")


def test_nobody_asks_for_pictures_of_decided_cases(engine: Engine, put, host, tmp_path: Path):
    """They were not there when people looked; once the case is open again, people look at it once more."""
    put("L1", "/png", is_fetched=False)
    made = judge(engine, now=NOON)
    fetch(engine, tmp_path)
    assert (read(engine)[0].state, host.hits["/png"]) == ("left", 0)
    act(engine, undo, made.decision_id, UndoRequest("ana"), now=NOON)
    fetch(engine, tmp_path)
    assert read(engine)[0].state == "stored"


def test_files_go_with_the_last_listing_that_names_them(engine: Engine, put, host, tmp_path: Path):
    """Erasing one of two sellers with the same picture leaves it to the other; what a kill left behind goes, too."""
    put("L1", "/good.jpg", seller_id="ann")
    put("L2", "/good.jpg", seller_id="bob")
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
