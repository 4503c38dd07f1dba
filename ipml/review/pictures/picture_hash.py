"""Picture hash: a perceptual hash of a picture's middle, searched at every place where a copy may show it.

Sellers mirror pictures, crop edges, and add borders and banners; all leave the middle two thirds intact. A stored
picture is hashed there, a searched one at each place where such a change, in either picture, would move it. The hash
has 256 bits, the signs of the 16 x 16 lowest frequencies, as in pHash: ImageHash computes one in a third of a
millisecond, matrix products here some 2,970 in three. Mirroring flips known bits. Mean colours of 4 x 4 fields tell
apart goods of one form in other colours, which share a hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

EDGE = 16
"""Edge of the hash: it has EDGE x EDGE bits."""
MOST_DISTANCE = 32
"""Most bits in which two hashes of one picture differ: 999 of 1,000 copies (figures in experiments/README.md)."""
LEAST_COLOUR_LIKENESS = 0.98
"""Least cosine between the colours of two copies of one picture; 999 of 1,000 copies had 0.997."""

MOST_CROPPED = 0.05
"""Share of width and height that may be cropped at each side."""
MOST_COVERED = 1 / 6
"""Share of the copy that a border or banner may take at each side."""

_SIZE = 96  # pixels of the reduced picture: eight per wave of the highest frequency
_STEP = 0.0125  # of the picture, between two compared places; an error of half of it costs 15 bits in the median
_FIELDS = 4
COLOUR_BYTES = 3 * _FIELDS**2
_LEAST_EDGE = 32  # pixels, for 16 frequencies
_LEAST_FREQUENCIES = 64  # of the 256; the emptiest of 600 photograph crops has 39, most more than 240
_LEAST_GREY = 2.0  # steps of grey, of 255; compression noise is less
_LEAST_CHROMA = 4.0  # steps of 255; pictures with less are grey, and compared as such

Hash = npt.NDArray[np.uint64]
"""A perceptual hash: four 64-bit integers."""
Hashes = npt.NDArray[np.uint64]
"""Perceptual hashes, one per row."""
_Span = tuple[float, float]
_Place = tuple[_Span, _Span]  # top and bottom, left and right, as shares of the picture

MIDDLE: _Span = (MOST_COVERED, 1 - MOST_COVERED)
_WHOLE: _Span = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class PictureHash:
    """The stored hash of a picture's middle, or of the whole picture if the middle has too little detail.

    `colours` holds luma and two chromas of 4 x 4 fields of the same part; empty if unknown.
    """

    hash: Hash
    colours: bytes = b""


class HashedPicture:
    """A picture prepared for search: its own hash, then the hashes of all places, plain and mirrored."""

    def __init__(self, image: Image.Image, own: PictureHash, hashes: Hashes) -> None:
        self._image, self.own, self.hashes = image, own, hashes

    def has_colours(self, number: int, colours: bytes) -> bool:
        """Return whether the colours at the place of a hash match a stored picture's; True if that has none."""
        if not colours:
            return True
        places = _list_places()
        own = _read_colours(self._image, places[number % len(places)], is_mirrored=number >= len(places))
        return _compare_colours(own, colours) >= LEAST_COLOUR_LIKENESS


def hash_picture(image: Image.Image) -> HashedPicture | None:
    """Return a picture with its hashes; None if it has too little detail to be recognised.

    >>> hash_picture(Image.new("RGB", (90, 90), "white")) is None
    True
    >>> stairs = Image.linear_gradient("L").quantize(5).convert("L").rotate(30)
    >>> mirrored = stairs.resize((100, 100)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    >>> find_distance(hash_picture(mirrored), hash_picture(stairs).own) <= MOST_DISTANCE
    True
    """
    if min(image.size) < _LEAST_EDGE:
        return None
    if image.has_transparency_data:  # shops' copies show transparent parts as white
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    small = image.convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.BOX).convert("YCbCr")
    grey = np.asarray(small.getchannel("Y"), dtype=np.float32)
    for span in (MIDDLE, _WHOLE):
        waves = _make_waves(span)
        frequencies = waves @ grey @ waves.T
        if (np.abs(frequencies) > _LEAST_GREY).sum() > _LEAST_FREQUENCIES:  # more: the mean is one of them
            own = PictureHash(_pack(frequencies[np.newaxis])[0], _read_colours(small, (span, span)))
            hashes = np.concatenate([_pack(some) for some in _transform(grey)])
            return HashedPicture(small, own, np.concatenate([hashes, hashes ^ _MIRROR]))
    return None


def find_distance(picture: HashedPicture, other: PictureHash) -> int | None:
    """Return in how many bits two pictures differ at their best place; None if their colours differ."""
    distances = np.bitwise_count(picture.hashes ^ other.hash).sum(axis=1, dtype=np.int64)
    nearest = int(distances.argmin())
    return int(distances[nearest]) if picture.has_colours(nearest, other.colours) else None


def _compare_colours(one: bytes, other: bytes) -> float:
    """Return the cosine between the colours of two pictures, independent of brightness and contrast."""
    pair = [np.frombuffer(colours, np.uint8).reshape(-1, 3).astype(np.float64) - 128 for colours in (one, other)]
    if any(np.abs(colours[:, 1:]).max() < _LEAST_CHROMA for colours in pair):
        pair = [colours[:, :1] for colours in pair]
    first, second = ((colours - [colours[:, 0].mean(), 0, 0][: colours.shape[1]]).ravel() for colours in pair)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 0.0


def write_hash(found: Hash) -> str:
    """Return a hash as stored, in hexadecimal."""
    return found.astype(">u8").tobytes().hex()


def read_hash(text: str) -> Hash:
    """Return a hash from its stored text."""
    return np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)


def _read_colours(image: Image.Image, place: _Place, *, is_mirrored: bool = False) -> bytes:
    (top, bottom), (left, right) = place
    box = tuple(_SIZE * min(max(share, 0.0), 1.0) for share in (left, top, right, bottom))
    fields = image.resize((_FIELDS, _FIELDS), Image.Resampling.BOX, box=box)  # type: ignore[arg-type]  # four shares
    return (fields.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else fields).tobytes()


def _pack(frequencies: npt.NDArray[np.floating[Any]]) -> Hashes:
    bits = np.packbits(frequencies.reshape(len(frequencies), -1) > 0, axis=1)
    return bits.view(">u8").astype(np.uint64)


_MIRROR = _pack(np.tile(np.arange(EDGE) % 2, (1, EDGE, 1)).astype(np.float32))[0]  # the bits that a mirror image flips


@cache
def _make_waves(span: _Span) -> npt.NDArray[np.float32]:
    """Return a cosine transform's lowest frequencies for part of a pixel row, integrated over each pixel."""
    start, end = span
    edges = ((np.arange(_SIZE + 1) / _SIZE - start) / (end - start)).clip(0, 1)
    waves = np.arange(1, EDGE)[:, np.newaxis]
    sums = np.sqrt(2) * np.sin(np.pi * waves * edges) / (np.pi * waves)
    return 8 * np.diff(np.vstack([edges, sums]), axis=1).astype(np.float32)  # scaled as for a picture of 64 pixels


def _within(start: float, end: float) -> _Span:
    """Return the place of the other picture's middle if this picture shows the other from start to end."""
    return start + MIDDLE[0] * (end - start), start + MIDDLE[1] * (end - start)


def _beyond(start: float, end: float) -> _Span:
    """Return where the middle of the other picture is if this one shows its part from start to end."""
    return (MIDDLE[0] - start) / (end - start), (MIDDLE[1] - start) / (end - start)


@cache
def _list_grids() -> tuple[tuple[tuple[_Span, ...], tuple[_Span, ...]], ...]:
    """Return the places to search, as grids: each part of the height with each part of the width."""
    cuts = np.arange(0, MOST_CROPPED + _STEP / 2, _STEP).tolist()
    grids: list[tuple[tuple[_Span, ...], tuple[_Span, ...]]] = []
    for change in (_beyond, _within):
        cropped = tuple(change(start, 1 - end) for start in cuts for end in cuts)
        grids.append((cropped, cropped))
        shares = np.arange(_STEP, MOST_COVERED + _STEP / 2, _STEP).clip(0, MOST_COVERED).tolist()
        sides = tuple(change(*span) for share in shares for span in ((share, 1), (0, 1 - share), (share, 1 - share)))
        grids += [(sides, (MIDDLE,)), ((MIDDLE,), sides)]
        for share in shares:  # equal borders in pixels, for pictures of three shapes
            around = change(share, 1 - share)
            grids += [((around,), (around,))]
            grids += [((around,), (change(other, 1 - other),)) for other in (0.75 * share, min(4 / 3 * share, 0.2))]
    grids.append(((_WHOLE,), (_WHOLE,)))
    return tuple(grids)


@cache
def _list_places() -> tuple[_Place, ...]:
    return tuple((rows, columns) for some, others in _list_grids() for rows in some for columns in others)


@cache
def _stack_waves(spans: tuple[_Span, ...]) -> npt.NDArray[np.float32]:
    return np.concatenate([_make_waves(span) for span in spans])


def _transform(grey: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.floating[Any]]]:
    for rows, columns in _list_grids():
        found = _stack_waves(rows) @ grey @ _stack_waves(columns).T
        yield found.reshape(len(rows), EDGE, len(columns), EDGE).transpose(0, 2, 1, 3).reshape(-1, EDGE, EDGE)
