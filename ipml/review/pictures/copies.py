"""A picture that somebody sent, read once by Pillow and written anew: what browsers are given is ours.

The copies hold no EXIF, no colour profile and no comment, and nothing that is no picture: whatever else was in the
file stays in the original, which is kept for the evidence and never shown.
"""

from __future__ import annotations

import io
import warnings

from PIL import ExifTags, Image, ImageOps

from ipml.errors import IpmlError
from ipml.review.pictures.stored import ENDINGS, PictureCopies

MOST_PIXELS = 40_000_000
VIEW_EDGE, THUMBNAIL_EDGE = 1_600, 320
"""Pixels of the longer edge of the copies."""


_ON_ITS_SIDE = (5, 6, 7, 8)  # of the values of EXIF's orientation


class PictureRefused(IpmlError):
    """A picture cannot be had or shown, and why, for a sentence: "is no picture (text/html)".

    Parameters
    ----------
    why : str
    may_retry : bool, default=False
        Whether it is worth another try.
    """

    def __init__(self, why: str, *, may_retry: bool = False) -> None:
        super().__init__(why)
        self.why, self.may_retry = why, may_retry


def make_copies(content: bytes, most_pixels: int = MOST_PIXELS) -> PictureCopies:
    """Read a picture and write the copies that are shown; of an animation, its first frame.

    Raises
    ------
    PictureRefused
        It is none of the formats, damaged, cut short, or has more than 40 million pixels: nothing of these is unpacked.

    Examples
    --------
    >>> file = io.BytesIO()
    >>> Image.new("RGB", (800, 400), "red").save(file, "PNG")
    >>> made = make_copies(file.getvalue())
    >>> made.kind, made.width, made.height, made.thumbnail[8:12]
    ('PNG', 800, 400, b'WEBP')
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is lower
            image = Image.open(io.BytesIO(content), formats=list(ENDINGS))
    except Image.DecompressionBombError:
        raise PictureRefused(_describe_limit(most_pixels)) from None
    except Exception as error:  # what decoders raise of hostile bytes is not listed anywhere
        raise PictureRefused("is no picture that can be read") from error
    with image:
        kind = str(image.format)
        if image.width * image.height > most_pixels:
            raise PictureRefused(_describe_limit(most_pixels))
        try:
            width, height, view = _read(image)
            return PictureCopies(kind, width, height, _write(view, VIEW_EDGE), _write(view, THUMBNAIL_EDGE))
        except Exception as error:
            raise PictureRefused("is damaged or cut short") from error


def _describe_limit(most_pixels: int) -> str:
    return f"has more than {most_pixels:,} pixels"


def _read(image: Image.Image) -> tuple[int, int, Image.Image]:
    """Return the size of a picture as it is looked at, and its pixels, no more of them than are shown."""
    size = image.size
    image.draft("RGB", (VIEW_EDGE, VIEW_EDGE))  # a JPEG is unpacked at a part of its size
    image.load()
    width, height = size[::-1] if image.getexif().get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE else size
    turned = ImageOps.exif_transpose(image)
    pixels = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    pixels.thumbnail((VIEW_EDGE, VIEW_EDGE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return width, height, pixels


def _write(pixels: Image.Image, edge: int) -> bytes:
    copy = pixels.copy()
    copy.info = {}  # else colour profile and XMP go along
    copy.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
    file = io.BytesIO()
    copy.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()
