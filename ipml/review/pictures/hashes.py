"""Which pictures show the same: each file has a perceptual hash, and files whose hashes are near belong to a group.

The hash is the pHash of the library ImageHash, of 256 bits: whether each of the 16 x 16 lowest frequencies of the
picture in grey is above their median. It hardly changes when a picture is sent smaller, brighter or compressed anew.
With 64 bits two goods in front of white are alike too often: experiments/README.md has the figures.

A group is named by the number of its first picture, and a picture joins the group whose first one is nearest. So there
are no chains in which the ends have nothing in common, and a picture that a hundred thousand listings show is one row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from sqlalchemy import ColumnElement, Connection, Engine, Table, insert, select, update

from ipml.review.near_duplicates.same_pictures import mark_same_pictures
from ipml.review.pictures.stored import NO_GROUP, path_of
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage import database
from ipml.storage.database import reading, serialise, writing
from ipml.storage.tables import picture_groups, pictures, reference_pictures

EDGE = 16
"""A hash has so many bits squared."""
MOST_DISTANCE = 40
"""Bits in which two hashes of the same picture differ at most. experiments/README.md has the figures."""

_LEAST_FREQUENCIES = 64  # of the 256; a gradient has 9, the emptiest of 600 crops of photographs 39, most more than 240
_LEAST_GREY = 2.0  # steps of grey from the median, of 255: less is what compression makes of nothing
_WORDS = EDGE * EDGE // 64
_AT_ONCE = 50
_BLOCK = 65_536  # hashes, so that what is added up stays in the cache of the processor
_FIRST_ROOM = 1_024

_UNGROUPED: Mapping[Table, ColumnElement[bool]] = {
    pictures: (pictures.c.state == "stored") & pictures.c.group_id.is_(None),
    reference_pictures: reference_pictures.c.removed_at.is_(None) & reference_pictures.c.group_id.is_(None),
}

Hash = npt.NDArray[np.uint64]
"""A perceptual hash: four whole numbers of 64 bits."""


def hash_picture(image: Image.Image) -> Hash | None:
    """Return the perceptual hash of a picture; None where it says too little to be recognised.

    Examples
    --------
    >>> hash_picture(Image.new("RGB", (90, 90), "white")) is None
    True
    >>> stairs = Image.linear_gradient("L").quantize(5).convert("L").rotate(30)
    >>> smaller = stairs.resize((100, 100))
    >>> measure_distance(hash_picture(stairs), hash_picture(smaller)) <= MOST_DISTANCE
    True
    """
    if image.has_transparency_data:  # what shines through is white in every copy that a shop makes
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    grey = image.convert("L").resize((4 * EDGE, 4 * EDGE), Image.Resampling.LANCZOS)
    frequencies = dctn(np.asarray(grey, dtype=np.float64), norm="ortho")[:EDGE, :EDGE]
    if (np.abs(frequencies - np.median(frequencies)) > _LEAST_GREY).sum() < _LEAST_FREQUENCIES:
        return None
    return np.packbits(imagehash.phash(grey, hash_size=EDGE).hash.ravel()).view(">u8").astype(np.uint64)


def measure_distance(one: Hash, other: Hash) -> int:
    """Return in how many bits two hashes differ.

    Examples
    --------
    >>> measure_distance(read_hash("0" * 64), read_hash("f" + "0" * 62 + "1"))
    5
    """
    return int(np.bitwise_count(one ^ other).sum(dtype=np.int64))


def write_hash(found: Hash) -> str:
    """Write a hash as it is stored, in hexadecimal."""
    return found.astype(">u8").tobytes().hex()


def read_hash(text: str) -> Hash:
    """Read a hash as it is stored."""
    return np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)


class HashIndex:
    """The hashes of the first pictures of all groups, in memory: 40 bytes each, a million searched in some 5 ms.

    It is read once, and then what is new. Use it from one thread at a time.

    Examples
    --------
    >>> index = HashIndex()
    >>> index.add(7, read_hash("0" * 64))
    >>> index.find_nearest(read_hash("0" * 60 + "00ff")), index.find_nearest(read_hash("f" * 64))
    ((7, 8), None)
    """

    def __init__(self) -> None:
        self._hashes = np.zeros((_WORDS, _FIRST_ROOM), np.uint64)  # a row for each word: read from end to end
        self._groups = np.zeros(_FIRST_ROOM, np.int64)
        self._count = 0
        self._last = 0
        self.lock = Lock()

    def __len__(self) -> int:
        return self._count

    def clear(self) -> None:
        """Forget all of them; they are read again."""
        self._count = self._last = 0

    def refresh(self, connection: Connection) -> None:
        """Read the groups that are new."""
        columns = picture_groups.c.group_id, picture_groups.c.hash
        query = select(*columns).where(picture_groups.c.group_id > self._last).order_by(picture_groups.c.group_id)
        for rows in connection.execute(query).partitions(10_000):
            for group_id, text in rows:
                self.add(group_id, read_hash(text))
                self._last = group_id

    def add(self, group_id: int, found: Hash) -> None:
        """Add a group."""
        if self._count == self._groups.size:
            self._hashes = np.hstack([self._hashes, np.zeros_like(self._hashes)])
            self._groups = np.hstack([self._groups, np.zeros_like(self._groups)])
        self._hashes[:, self._count], self._groups[self._count] = found, group_id
        self._count += 1

    def remove(self, group_id: int) -> None:
        """Remove a group; the last one takes its place."""
        last = self._count - 1
        for place in np.flatnonzero(self._groups[: self._count] == group_id):
            self._hashes[:, place], self._groups[place] = self._hashes[:, last], self._groups[last]
            self._count = last

    def find_nearest(self, wanted: Hash, most_distance: int = MOST_DISTANCE) -> tuple[int, int] | None:
        """Return the group that is nearest, the older of two, and its distance in bits; None where none is near."""
        found: list[tuple[int, int]] = []
        first = wanted[: _WORDS // 2, np.newaxis]
        for start in range(0, self._count, _BLOCK):
            end = min(start + _BLOCK, self._count)
            # Whoever differs too much in the first half alone need not be looked at: nearly all of them.
            halves = np.bitwise_count(self._hashes[: _WORDS // 2, start:end] ^ first)
            places = start + np.flatnonzero(halves[0] + halves[1] <= most_distance)
            whole = np.bitwise_count(self._hashes[:, places] ^ wanted[:, np.newaxis]).sum(axis=0, dtype=np.int64)
            is_near = whole <= most_distance
            found += zip(whole[is_near].tolist(), self._groups[places[is_near]].tolist(), strict=True)
        return min(found)[::-1] if found else None


def group_pictures(
    engine: Engine,
    folder: Path,
    index: HashIndex,
    *,
    joins_alike: bool = DEFAULT_SETTINGS.near_duplicates,
    is_stopped: Callable[[], bool] = lambda: False,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Give the pictures that have none a group, those of cases and of known goods; return of how many files.

    In transactions of 50 pictures: whoever is interrupted goes on where they were.

    Parameters
    ----------
    joins_alike : bool, default=True
        Whether a case that is the same offer as one of its seller's waits for that one.
    """
    count = 0
    with index.lock:
        while not is_stopped():
            with reading(engine) as connection:
                digests = [
                    digest
                    for table, has_none in _UNGROUPED.items()
                    for digest in connection.scalars(
                        select(table.c.digest).where(has_none).order_by(table.c.digest).limit(_AT_ONCE)
                    )
                ]
                index.refresh(connection)
            if not digests:
                break
            hashes = {digest: _hash_file(folder, digest) for digest in dict.fromkeys(digests)}
            try:
                with writing(engine) as connection:
                    serialise(connection, database.Lock.STORE_PICTURES)
                    now = clock()
                    case_ids = _store_groups(connection, index, hashes, now)
                    count += len(hashes)
                    mark_same_pictures(connection, set(case_ids), now, joins_alike=joins_alike)
            except Exception:
                index.clear()  # the numbers of groups that are not stored after all may be given again
                raise
    return count


def _hash_file(folder: Path, digest: str) -> Hash | None:
    """Return the hash of the small copy, which this program wrote itself; None where it is gone."""
    try:
        with Image.open(path_of(folder, digest, "thumbnail"), formats=["WEBP"]) as image:
            return hash_picture(image)
    except FileNotFoundError:
        return None


def _store_groups(connection: Connection, index: HashIndex, hashes: dict[str, Hash | None], now: datetime) -> list[int]:
    """Give the pictures of some files their groups, and return the cases that show them."""
    case_ids: list[int] = []
    for digest, found in hashes.items():
        group_id = NO_GROUP if found is None else find_group(connection, index, found, now)
        of_cases, of_goods = (
            update(table).where(table.c.digest == digest, has_none).values(group_id=group_id)
            for table, has_none in _UNGROUPED.items()
        )
        case_ids += connection.scalars(of_cases.returning(pictures.c.case_id))
        connection.execute(of_goods)
    return case_ids


def find_group(connection: Connection, index: HashIndex, found: Hash, now: datetime) -> int:
    """Return the group of a picture: the nearest one, or a new one. To be called under `Lock.STORE_PICTURES`."""
    index.refresh(connection)
    while nearest := index.find_nearest(found):
        if connection.scalar(select(picture_groups.c.group_id).where(picture_groups.c.group_id == nearest[0])):
            return nearest[0]
        index.remove(nearest[0])
    values = {"hash": write_hash(found), "made_at": now}
    group_id: int = connection.execute(
        insert(picture_groups).values(values).returning(picture_groups.c.group_id)
    ).scalar_one()
    index.refresh(connection)
    return group_id
