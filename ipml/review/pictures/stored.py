"""Stored pictures: rows and files of the pictures of cases.

A new case records its listing's picture URLs; the worker fetches them. A file is named by its SHA-256, beside its two
copies, and only copies are shown. A picture that could not be fetched records the reason. Rows are deleted with their
case's listing, files once no row names them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Select, bindparam, delete, exists, insert, select, update

from ipml.records import Listing
from ipml.storage.backup import whole_or_not_at_all
from ipml.storage.database import Lock, in_batches, reading
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import picture_groups, picture_proposals, pictures, reference_pictures, screened_pictures

Size = Literal["original", "view", "thumbnail"]
ENDINGS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "AVIF": "avif"}
"""Accepted formats with file endings; SVG is excluded, since it can contain scripts."""
DIGEST_PATTERN = "^[0-9a-f]{64}$"

_ENDINGS: dict[Size, str] = {"original": "", "view": ".view.webp", "thumbnail": ".thumbnail.webp"}
_FILE = re.compile(r"([0-9a-f]{64})(?:\.view\.webp|\.thumbnail\.webp)?")
_MOST_NUMBERS = 500  # per query


NO_GROUP = 0
"""The group of pictures with too little detail to be recognised, such as one colour or a gradient."""


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture of a case, at a `position` of its listing from 0.

    `state` is "waiting" to be fetched, "stored", "failed", or "left" (the case was decided first). `digest` is the
    SHA-256 of the file as sent, in hexadecimal; `found_at` the final URL after redirects; `kind` the file format, such
    as "JPEG"; `why` the reason why it is not stored.
    """

    case_id: int
    position: int
    address: str
    state: str
    digest: str | None
    found_at: str | None
    kind: str | None
    width: int | None
    height: int | None
    n_bytes: int | None
    fetched_at: datetime | None
    why: str | None

    @property
    def file_name(self) -> str:
        """File name of the original for downloads."""
        return f"picture-{self.digest}.{ENDINGS.get(self.kind or '', 'bin')}"


@dataclass(frozen=True, slots=True)
class PictureCopies:
    """Copies of a picture for pages.

    `kind`, `width` and `height` are those of the original as displayed. `view` and `thumbnail` are WebP files whose
    longer edge has at most 1,600 and 320 pixels.
    """

    kind: str
    width: int
    height: int
    view: bytes
    thumbnail: bytes


def split_addresses(listing: Listing) -> list[str]:
    """Return the distinct picture URLs of a listing."""
    return list(dict.fromkeys((listing.image_urls or "").split()))


def add_pictures(connection: Connection, listings: Mapping[int, Listing], now: datetime) -> None:
    """Record the pictures of new cases (by number) for fetching; screened and stored pictures are reused."""
    shown = {case_id: listing for case_id, listing in listings.items() if listing.image_urls}
    screened = _take_over(connection, [listing.listing_id for listing in shown.values()])
    rows = [
        {"case_id": case_id, "position": position, "address": address, "tries": 0, "due_at": now}
        | screened.get((listing.listing_id, address), _WAITING)
        for case_id, listing in shown.items()
        for position, address in enumerate(split_addresses(listing))
    ]
    if rows:
        connection.execute(insert(pictures), rows)


_OF_FILE = ("digest", "found_at", "kind", "width", "height", "n_bytes", "fetched_at")
_WAITING: dict[str, Any] = {"state": "waiting", **dict.fromkeys(_OF_FILE)}


def _take_over(connection: Connection, listing_ids: Sequence[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Return the stored screened pictures by listing and URL; waiting ones become the case's."""
    table, found = screened_pictures.c, dict[tuple[str, str], dict[str, Any]]()
    for some in in_batches(listing_ids):
        is_theirs = table.listing_id.in_(some)
        connection.execute(update(screened_pictures).where(is_theirs, table.state == "waiting").values(state="left"))
        query = select(table.listing_id, table.address, *(table[name] for name in _OF_FILE))
        for row in connection.execute(query.where(is_theirs, table.digest.is_not(None))):
            found[row.listing_id, row.address] = {"state": "stored"} | {name: getattr(row, name) for name in _OF_FILE}
    return found


def fetch_left(connection: Connection, case_id: int, now: datetime) -> None:
    """Fetch the pictures left out when a case was decided, since it is reviewed again."""
    were_left = pictures.c.case_id == case_id, pictures.c.state == "left"
    connection.execute(update(pictures).where(*were_left).values(state="waiting", due_at=now))


_IS_OF_CASE = pictures.c.case_id.in_(bindparam("numbers", expanding=True))
_OF_CASES = select(*(pictures.c[name] for name in StoredPicture.__slots__)).where(_IS_OF_CASE)
_OF_CASES = _OF_CASES.order_by(pictures.c.case_id, pictures.c.position)


def read_pictures(connection: Connection, case_ids: Iterable[int]) -> dict[int, list[StoredPicture]]:
    """Return the pictures of cases in listing order; cases without any are left out."""
    numbers, found = list(case_ids), dict[int, list[StoredPicture]]()
    for start in range(0, len(numbers), _MOST_NUMBERS):
        for row in connection.execute(_OF_CASES, {"numbers": numbers[start : start + _MOST_NUMBERS]}):
            found.setdefault(row.case_id, []).append(StoredPicture(*row))
    return found


_IS_OF_GOODS = reference_pictures.c.digest == bindparam("digest"), reference_pictures.c.removed_at.is_(None)
_IS_PROPOSED = picture_proposals.c.outcome.is_(None)
_HAS_PICTURE = select(
    exists().where(pictures.c.digest == bindparam("digest"))
    | exists().where(*_IS_OF_GOODS)
    | exists().where(picture_proposals.c.digest == bindparam("digest"), _IS_PROPOSED)
)


def has_picture(connection: Connection, digest: str) -> bool:
    """Return whether a picture belongs to a case or to known goods, or is proposed for them."""
    return bool(connection.scalar(_HAS_PICTURE, {"digest": digest}))


def path_of(folder: Path, digest: str, size: Size = "original") -> Path:
    """Return the path of a file."""
    return folder / digest[:2] / f"{digest}{_ENDINGS[size]}"


def store_files(folder: Path, content: bytes, copies: PictureCopies) -> str:
    """Store a picture and its copies, each atomically; return its digest."""
    digest = hashlib.sha256(content).hexdigest()
    path_of(folder, digest).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for half in path_of(folder, digest).parent.glob(f"{digest}*.partial"):  # left by a kill; one worker writes
        half.unlink(missing_ok=True)
    for size, found in (("view", copies.view), ("thumbnail", copies.thumbnail), ("original", content)):
        path = path_of(folder, digest, size)  # type: ignore[arg-type]  # its keys
        if not path.exists():
            with whole_or_not_at_all(path) as file:
                file.write(found)
    return digest


def sweep_files(engine: Engine, folder: Path | None, *, is_stopped: Callable[[], bool] = lambda: False) -> int:
    """Delete unused picture files and groups; return the number of pictures."""
    if folder is None or not folder.is_dir():
        return 0
    paths: dict[str, list[Path]] = {}
    for path in folder.glob("[0-9a-f][0-9a-f]/*"):
        if found := _FILE.match(path.name):  # partial files have such names too
            paths.setdefault(found[1], []).append(path)
    with reading(engine) as connection:
        unused = connection.scalars(_select_unused()).all()
        unnamed = paths.keys() - _find_named(connection, paths)

    def remove_groups(connection: Connection, some: Sequence[int]) -> None:
        left = connection.scalars(_select_unused().where(picture_groups.c.group_id.in_(some))).all()
        connection.execute(delete(picture_groups).where(picture_groups.c.group_id.in_(left)))

    def remove_files(connection: Connection, some: Sequence[str]) -> int:
        gone = {*some} - _find_named(connection, some)
        for path in (path for digest in gone for path in paths[digest]):
            path.unlink(missing_ok=True)
        return len(gone)

    for _ in change_in_turns(engine, unused, remove_groups, lock=Lock.STORE_PICTURES, is_stopped=is_stopped):
        pass
    removed = change_in_turns(engine, sorted(unnamed), remove_files, lock=Lock.STORE_PICTURES, is_stopped=is_stopped)
    return sum(removed)


def _find_named(connection: Connection, digests: Collection[str]) -> set[str]:
    wanted, named = list(digests), set[str]()
    for start in range(0, len(wanted), _MOST_NUMBERS):
        part = wanted[start : start + _MOST_NUMBERS]
        named.update(filter(None, connection.scalars(select(pictures.c.digest).where(pictures.c.digest.in_(part)))))
        is_kept = reference_pictures.c.digest.in_(part), reference_pictures.c.removed_at.is_(None)
        named.update(connection.scalars(select(reference_pictures.c.digest).where(*is_kept)))
        is_proposed = picture_proposals.c.digest.in_(part), picture_proposals.c.outcome.is_(None)
        named.update(connection.scalars(select(picture_proposals.c.digest).where(*is_proposed)))
        is_screened = screened_pictures.c.digest.in_(part)
        named.update(filter(None, connection.scalars(select(screened_pictures.c.digest).where(is_screened))))
    return named


def _select_unused() -> Select[Any]:
    is_of_goods = reference_pictures.c.group_id == picture_groups.c.group_id, reference_pictures.c.removed_at.is_(None)
    is_used = exists().where(pictures.c.group_id == picture_groups.c.group_id) | exists().where(*is_of_goods)
    is_used |= exists().where(screened_pictures.c.group_id == picture_groups.c.group_id)
    return select(picture_groups.c.group_id).where(~is_used)
