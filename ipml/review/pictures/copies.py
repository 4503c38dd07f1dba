"""Picture copies: hostile files, decoded once by Pillow and re-encoded for browsers.

Copies contain pixels only: no EXIF, colour profile, comment or other payload. The original stays as evidence and is
never shown.
"""

from __future__ import annotations

import io
import warnings

from PIL import ExifTags, Image, ImageOps

from ipml.errors import IpmlError
from ipml.review.pictures.stored import ENDINGS, PictureCopies

MOST_PIXELS = 40_000_000
VIEW_EDGE, THUMBNAIL_EDGE = 1_600, 320
"""Longer edge of the copies, in pixels."""


_ON_ITS_SIDE = (5, 6, 7, 8)  # values of the EXIF orientation


class PictureRefused(IpmlError):
    """A picture is unavailable or unusable; `why` completes a sentence: "is no picture (text/html)"."""

    def __init__(self, why: str, *, may_retry: bool = False) -> None:
        super().__init__(why)
        self.why, self.may_retry = why, may_retry


def make_copies(content: bytes, most_pixels: int = MOST_PIXELS) -> PictureCopies:
    """Decode a picture and write its copies; of an animation, the first frame.

    Raises PictureRefused if the format is unknown, the file damaged or cut short, or it has over 40 million pixels;
    these are not unpacked.

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
    except Exception as error:  # decoders raise undocumented errors on hostile bytes
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
    """Return the displayed size of a picture, and its pixels, reduced to the largest copy."""
    size = image.size
    image.draft("RGB", (VIEW_EDGE, VIEW_EDGE))  # decodes a JPEG at reduced size
    image.load()
    width, height = size[::-1] if image.getexif().get(ExifTags.Base.Orientation, 1) in _ON_ITS_SIDE else size
    turned = ImageOps.exif_transpose(image)
    pixels = turned.convert("RGBA" if turned.has_transparency_data else "RGB")
    pixels.thumbnail((VIEW_EDGE, VIEW_EDGE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return width, height, pixels


def _write(pixels: Image.Image, edge: int) -> bytes:
    copy = pixels.copy()
    copy.info = {}  # otherwise colour profile and XMP would be copied
    copy.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=2.0)
    file = io.BytesIO()
    copy.save(file, "WEBP", quality=80, method=2)
    return file.getvalue()
