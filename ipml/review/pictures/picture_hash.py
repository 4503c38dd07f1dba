"""Perceptual hash of the middle of a picture, and the places at which a copy may show that middle.

Sellers mirror pictures, cut their edges off, put borders around them and banners upon them. All of it leaves the middle
alone: two thirds of width and height. So a picture is stored by the hash of its middle, and a picture that is looked up
is hashed at each place where such a change would have put the middle of the other, and of its mirror image. That works
whichever of the two was changed.

The hash has 256 bits: whether each of the 16 x 16 lowest frequencies of the grey picture is positive, as in pHash. The
library ImageHash takes that of a picture in a third of a millisecond; here some 2,970 are needed of each, and come from
products of matrices in three. A mirror image differs in known bits. Beside the hash the colours of 4 x 4 fields are
stored: goods of one form in other colours have the same hash.
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
"""A hash has so many bits squared."""
MOST_DISTANCE = 32
"""Bits in which two hashes of the same picture differ at most.

Of copies drawn with other numbers than those reported, 999 in 1,000 are within: experiments/README.md has the figures.
"""
LEAST_COLOUR_LIKENESS = 0.98
"""Cosine between the colours of two pictures that are the same, at least: 999 in 1,000 copies had 0.997."""

MOST_CROPPED = 0.05
"""Share of width and height that may be cut off at each side."""
MOST_COVERED = 1 / 6
"""Share of the whole that a border or banner may take at each side."""

_SIZE = 96  # pixels to which a picture is reduced: eight to each wave of the highest frequency
_STEP = 0.0125  # of the picture, between two places that are compared; half of it costs 15 bits in the median
_FIELDS = 4
COLOUR_BYTES = 3 * _FIELDS**2
_LEAST_EDGE = 32  # pixels; in fewer there are no 16 frequencies
_LEAST_FREQUENCIES = 64  # of the 256; the emptiest of 600 crops of photographs has 39, most more than 240
_LEAST_GREY = 2.0  # steps of grey, of 255: less is what compression makes of nothing
_LEAST_CHROMA = 4.0  # steps of 255; pictures with less are grey, and compared as such

Hash = npt.NDArray[np.uint64]
"""A perceptual hash: four whole numbers of 64 bits."""
Hashes = npt.NDArray[np.uint64]
"""Perceptual hashes, one in each row."""
_Span = tuple[float, float]
_Place = tuple[_Span, _Span]  # top and bottom, left and right, as shares of the picture

MIDDLE: _Span = (MOST_COVERED, 1 - MOST_COVERED)
_WHOLE: _Span = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class PictureHash:
    """The stored hash of a picture: of its middle, or of the whole where the middle says too little.

    Attributes
    ----------
    hash : Hash
    colours : bytes
        Of 4 x 4 fields of the same part, each in luma and two chromas; empty where they are not known.
    """

    hash: Hash
    colours: bytes = b""


class HashedPicture:
    """A picture as it is looked up: what is stored of it, and the hashes of all places.

    Attributes
    ----------
    own : PictureHash
    hashes : Hashes
        First as it is, then of its mirror image.
    """

    def __init__(self, image: Image.Image, own: PictureHash, hashes: Hashes) -> None:
        self._image, self.own, self.hashes = image, own, hashes

    def has_colours(self, number: int, colours: bytes) -> bool:
        """Tell whether the colours at the place of a hash are those of a stored picture; yes where it has none."""
        if not colours:
            return True
        places = _list_places()
        own = _read_colours(self._image, places[number % len(places)], is_mirrored=number >= len(places))
        return compare_colours(own, colours) >= LEAST_COLOUR_LIKENESS


def hash_picture(image: Image.Image) -> HashedPicture | None:
    """Return a picture with its hashes; None where it says too little to be recognised.

    Examples
    --------
    >>> hash_picture(Image.new("RGB", (90, 90), "white")) is None
    True
    >>> stairs = Image.linear_gradient("L").quantize(5).convert("L").rotate(30)
    >>> mirrored = stairs.resize((100, 100)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    >>> find_distance(hash_picture(mirrored), hash_picture(stairs).own) <= MOST_DISTANCE
    True
    """
    if min(image.size) < _LEAST_EDGE:
        return None
    if image.has_transparency_data:  # what shines through is white in every copy that a shop makes
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image.convert("RGBA"))
    small = image.convert("RGB").resize((_SIZE, _SIZE), Image.Resampling.BOX).convert("YCbCr")
    grey = np.asarray(small.getchannel("Y"), dtype=np.float32)
    for span in (MIDDLE, _WHOLE):
        waves = _make_waves(span)
        frequencies = waves @ grey @ waves.T
        if (np.abs(frequencies) > _LEAST_GREY).sum() > _LEAST_FREQUENCIES:  # more, as the mean is one of them
            own = PictureHash(_pack(frequencies[np.newaxis])[0], _read_colours(small, (span, span)))
            hashes = np.concatenate([_pack(some) for some in _transform(grey)])
            return HashedPicture(small, own, np.concatenate([hashes, hashes ^ _MIRROR]))
    return None


def find_distance(picture: HashedPicture, other: PictureHash) -> int | None:
    """Return in how many bits two pictures differ, where they are most alike; None where colours differ."""
    distances = np.bitwise_count(picture.hashes ^ other.hash).sum(axis=1, dtype=np.int64)
    nearest = int(distances.argmin())
    return int(distances[nearest]) if picture.has_colours(nearest, other.colours) else None


def compare_colours(one: bytes, other: bytes) -> float:
    """Return the cosine between the colours of two pictures, whatever their brightness and contrast.

    Examples
    --------
    >>> red, blue = (bytes([90, 100, blue, 160]) * 12 for blue in (120, 200))
    >>> compare_colours(red, red) > 0.999, compare_colours(red, blue) < LEAST_COLOUR_LIKENESS
    (True, True)
    """
    pair = [np.frombuffer(colours, np.uint8).reshape(-1, 3).astype(np.float64) - 128 for colours in (one, other)]
    if any(np.abs(colours[:, 1:]).max() < _LEAST_CHROMA for colours in pair):
        pair = [colours[:, :1] for colours in pair]
    first, second = ((colours - [colours[:, 0].mean(), 0, 0][: colours.shape[1]]).ravel() for colours in pair)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths else 0.0


def write_hash(found: Hash) -> str:
    """Write a hash as it is stored, in hexadecimal."""
    return found.astype(">u8").tobytes().hex()


def read_hash(text: str) -> Hash:
    """Read a hash as it is stored."""
    return np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64)


def _read_colours(image: Image.Image, place: _Place, *, is_mirrored: bool = False) -> bytes:
    (top, bottom), (left, right) = place
    box = tuple(_SIZE * min(max(share, 0.0), 1.0) for share in (left, top, right, bottom))
    fields = image.resize((_FIELDS, _FIELDS), Image.Resampling.BOX, box=box)  # type: ignore[arg-type]  # four shares
    return (fields.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if is_mirrored else fields).tobytes()


def _pack(frequencies: npt.NDArray[np.floating[Any]]) -> Hashes:
    bits = np.packbits(frequencies.reshape(len(frequencies), -1) > 0, axis=1)
    return bits.view(">u8").astype(np.uint64)


_MIRROR = _pack(np.tile(np.arange(EDGE) % 2, (1, EDGE, 1)).astype(np.float32))[0]  # the bits that a mirror image turns


@cache
def _make_waves(span: _Span) -> npt.NDArray[np.float32]:
    """Return the matrix that gives the lowest frequencies of a part of a row of pixels (a discrete cosine transform).

    It is the integral of each wave over each pixel, so that the part may begin and end within pixels.
    """
    start, end = span
    edges = ((np.arange(_SIZE + 1) / _SIZE - start) / (end - start)).clip(0, 1)
    waves = np.arange(1, EDGE)[:, np.newaxis]
    sums = np.sqrt(2) * np.sin(np.pi * waves * edges) / (np.pi * waves)
    return 8 * np.diff(np.vstack([edges, sums]), axis=1).astype(np.float32)  # as of a picture of 64 pixels


def _within(start: float, end: float) -> _Span:
    """Return where the middle of a picture is that shows the other one from start to end, as shares of this one."""
    return start + MIDDLE[0] * (end - start), start + MIDDLE[1] * (end - start)


def _beyond(start: float, end: float) -> _Span:
    """Return where the middle of a picture is of which this one shows the part from start to end."""
    return (MIDDLE[0] - start) / (end - start), (MIDDLE[1] - start) / (end - start)


@cache
def _list_grids() -> tuple[tuple[tuple[_Span, ...], tuple[_Span, ...]], ...]:
    """Return the places to look at, as grids: each part of the height with each of the width."""
    cuts = np.arange(0, MOST_CROPPED + _STEP / 2, _STEP).tolist()
    grids: list[tuple[tuple[_Span, ...], tuple[_Span, ...]]] = []
    for change in (_beyond, _within):
        cropped = tuple(change(start, 1 - end) for start in cuts for end in cuts)
        grids.append((cropped, cropped))
        shares = np.arange(_STEP, MOST_COVERED + _STEP / 2, _STEP).clip(0, MOST_COVERED).tolist()
        sides = tuple(change(*span) for share in shares for span in ((share, 1), (0, 1 - share), (share, 1 - share)))
        grids += [(sides, (MIDDLE,)), ((MIDDLE,), sides)]
        for share in shares:  # all around: as wide as high, in pixels of pictures of three shapes
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
    """Give the frequencies of all places, in their order."""
    for rows, columns in _list_grids():
        found = _stack_waves(rows) @ grey @ _stack_waves(columns).T
        yield found.reshape(len(rows), EDGE, len(columns), EDGE).transpose(0, 2, 1, 3).reshape(-1, EDGE, EDGE)
