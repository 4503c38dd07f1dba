"""Drawings of simulated goods: draws each picture from the number in its address, and stores it as if fetched.

A picture follows from its address alone, so only pictures that are looked at are drawn. The same address gives the
same file with the same release of Pillow.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageOps
from sqlalchemy import Engine, bindparam, select, update

from ipml.records import Verdict
from ipml.review.arrivals.snapshot import decode_listing
from ipml.review.pictures.reference import KnownGoods, append_reference
from ipml.review.pictures.stored import PictureCopies, store_files
from ipml.simulation.offers import GOODS
from ipml.simulation.pictures import BANNERED, MIRRORED
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, pictures

SIZE = (320, 240)
"""Pixels of a picture."""

_ADDRESS = re.compile(r"https://pictures\.example/([0-9a-f]{16})-(\d+)-(\d)\.jpg")
_AT_ONCE, _IN_MEMORY = 4, 200  # pictures drawn by threads, and held before they are stored
_SOURCE = "what was decided before on the simulated marketplace"


def draw_address(address: str) -> bytes | None:
    """Return the picture at an address of a simulated market, as a JPEG file; None for any other address."""
    found = _ADDRESS.fullmatch(address)
    if found is None:
        return None
    image, file = draw_goods(int(found[1], 16), GOODS[int(found[2])].name), io.BytesIO()
    if int(found[3]) == MIRRORED:
        image = ImageOps.mirror(image)
    elif int(found[3]) == BANNERED:
        _lay_banner(image)
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


def _lay_banner(image: Image.Image) -> None:
    width, height = image.size
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, height - height // 12, width, height), fill="#c22b2b")
    pen.text((width // 4, height - height // 12 + 3), "HOT SALE  FREE SHIPPING", fill="white")


_SCALE = 2  # pixels for each unit of the outlines
_SHADOW = 40  # of 255


@lru_cache(maxsize=1)
def _load_outlines() -> dict[str, list[tuple[str, int, list[int]]]]:
    return tomllib.loads(files("ipml.simulation").joinpath("drawings.toml").read_text(encoding="utf-8"))


def draw_goods(number: int, goods: str) -> Image.Image:
    """Return a picture of goods whose pattern, position, rotation, colours and background follow from `number`."""
    rng = np.random.default_rng(number)
    item = Image.new("RGBA", (100 * _SCALE, 100 * _SCALE))
    _draw_outlines(item, goods, rng)
    edge = int(rng.integers(130, 230))
    item = item.resize((edge, edge), Image.Resampling.BILINEAR)
    item = item.rotate(float(rng.uniform(-35, 35)), Image.Resampling.BILINEAR, expand=True)
    image = _draw_background(rng)
    left, top = (int(rng.uniform(min(0, room), max(0, room))) for room in np.subtract(SIZE, item.size).tolist())
    shade = item.getchannel("A").point(lambda alpha: alpha * _SHADOW // 255)
    image.paste("black", (left + 6, top + 6), shade)
    image.paste(item, (left, top), item)
    return image


def _draw_outlines(item: Image.Image, goods: str, rng: np.random.Generator) -> None:
    """Draw goods with a pattern of spots."""
    pen, colours = ImageDraw.Draw(item), [_choose_colour(rng) for _ in range(3)]
    for shape, colour, places in _load_outlines()[goods]:
        corners = [_SCALE * place for place in places]
        if shape == "line":
            pen.line(corners, fill=colours[colour], width=4 * _SCALE)
        else:
            getattr(pen, shape)(corners, fill=colours[colour])
    spots = item.copy()
    pen = ImageDraw.Draw(spots)
    for x, y, radius in rng.uniform((0, 0, 3), (100, 100, 16), (12, 3)).tolist():
        draw = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        draw([_SCALE * place for place in (x, y, x + radius, y + radius)], fill=_choose_colour(rng))
    item.paste(spots, (0, 0), item)


def _draw_background(rng: np.random.Generator) -> Image.Image:
    """Draw a table in front of a wall, with light and shade."""
    image = Image.new("RGB", SIZE, _choose_colour(rng, 200))
    pen, (width, height) = ImageDraw.Draw(image), SIZE
    first, second = (int(rng.uniform(0.45, 0.9) * height) for _ in range(2))
    pen.polygon((0, first, width, second, width, height, 0, height), fill=_choose_colour(rng, 150))
    for x, y, size in rng.uniform((0, 0, 20), (width, height, 90), (4, 3)).tolist():
        pen.ellipse((x - size, y - size / 2, x + size, y + size / 2), fill=_choose_colour(rng, 120))
    return image


def _choose_colour(rng: np.random.Generator, least: int = 0) -> tuple[int, int, int]:
    red, green, blue = rng.integers(least, 256, 3).tolist()
    return red, green, blue


def store_pictures(engine: Engine, folder: Path, now: datetime) -> int:
    """Draw and store the pictures of cases that wait to be fetched from a simulated market; return how many.

    Each distinct address is drawn once, and its file is stored before the database names it. A missing folder is
    created.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with reading(engine) as connection:
        is_waiting = pictures.c.state == "waiting"
        addresses = connection.scalars(select(pictures.c.address).where(is_waiting).distinct()).all()
    values = []
    with ThreadPoolExecutor(_AT_ONCE) as pool:  # each file waits for the disk
        for first in range(0, len(addresses), _IN_MEMORY):
            values += _store_some(addresses[first : first + _IN_MEMORY], folder, pool)
    if values:
        noted = {"state": "stored", "kind": "JPEG", "width": SIZE[0], "height": SIZE[1], "fetched_at": now}
        noted |= {"found_at": bindparam("drawn"), "digest": bindparam("file"), "n_bytes": bindparam("size")}
        query = update(pictures).where(pictures.c.address == bindparam("drawn"), is_waiting)
        with writing(engine) as connection:
            connection.execute(query.values(noted), values)
    return len(values)


def _store_some(addresses: Sequence[str], folder: Path, pool: ThreadPoolExecutor) -> list[dict[str, Any]]:
    """Draw and store some pictures at once; return address, digest and size of those of a simulated market."""
    drawn = dict(zip(addresses, pool.map(draw_address, addresses), strict=True))
    contents = list(dict.fromkeys(filter(None, drawn.values())))  # one thread writes the files of a digest
    digests = dict(
        zip(contents, pool.map(lambda content: store_files(folder, content, _copy(content)), contents), strict=True)
    )
    return [
        {"drawn": address, "file": digests[content], "size": len(content)}
        for address, content in drawn.items()
        if content is not None
    ]


def _copy(content: bytes) -> PictureCopies:
    """Return the copies that pages show; both have the size of the picture."""
    file = io.BytesIO()
    with Image.open(io.BytesIO(content)) as image:
        image.save(file, "WEBP", quality=80, method=0)
    return PictureCopies("JPEG", *SIZE, file.getvalue(), file.getvalue())


def add_known_goods(engine: Engine, most: int, added_by: str, now: datetime) -> int:
    """Add stored pictures of cases to the bank of known goods; return how many are in the bank.

    Only pictures with earlier matches of one kind are added, counterfeit or genuine: at most `most` of each kind.
    """
    query = select(cases.c.snapshot, pictures.c.digest).join_from(
        pictures, cases, pictures.c.case_id == cases.c.case_id
    )
    query = query.where(pictures.c.state == "stored").order_by(cases.c.case_id)
    known: dict[Verdict, dict[str, str]] = {Verdict.COUNTERFEIT: {}, Verdict.GENUINE: {}}
    with writing(engine) as connection:
        for row in connection.execute(query):
            listing = decode_listing(row.snapshot)
            n_fake, n_genuine = listing.picture_counterfeit_matches or 0, listing.picture_genuine_matches or 0
            if listing.brand and bool(n_fake) != bool(n_genuine):
                known[Verdict.COUNTERFEIT if n_fake else Verdict.GENUINE].setdefault(row.digest, listing.brand)
        for kind, digests in known.items():
            for digest, brand in list(digests.items())[:most]:
                append_reference(connection, digest, KnownGoods(kind, brand, _SOURCE), added_by, now)
    return sum(min(len(digests), most) for digests in known.values())
