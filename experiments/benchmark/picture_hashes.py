"""How well and how fast pictures are recognised: perceptual hashes of 64 and of 256 bits, and a million of them.

    python -m experiments.benchmark.picture_hashes

Pictures are cut from two photographs that come with scikit-learn, as they are (scenes) or on white (goods). Two count
as different where their cuts do not overlap. Each is changed as sellers change pictures, and compared with itself.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable, Mapping
from statistics import median

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance
from sklearn.datasets import load_sample_images

from ipml.review.pictures.hashes import HashIndex

RADII = {8: (4, 6, 8, 10), 16: (20, 32, 40, 50)}
N_PICTURES, N_HASHES = 400, 1_000_000
SIDE = 320


def cut_pictures(is_on_white: bool) -> Iterable[tuple[tuple[int, ...], Image.Image]]:
    """Give pictures with what they were cut from: photograph, left, top, right, bottom."""
    rng = np.random.default_rng(1)
    photographs = [Image.fromarray(one) for one in load_sample_images().images]
    for _ in range(N_PICTURES):
        which, (width, height) = int(rng.integers(2)), rng.integers(80, 220, 2).tolist()
        photograph = photographs[which]
        left = int(rng.integers(0, photograph.width - width))
        top = int(rng.integers(0, photograph.height - height))
        place = (left, top, left + width, top + height)
        cut = photograph.crop(place)
        if is_on_white:
            shape = Image.new("L", cut.size, 0)
            pen = ImageDraw.Draw(shape)
            (pen.ellipse if rng.random() < 0.5 else pen.rectangle)((0, 0, width - 1, height - 1), fill=255)
            shown = Image.new("RGB", (SIDE, SIDE), "white")
            shown.paste(cut, ((SIDE - width) // 2, (SIDE - height) // 2), shape)
        else:
            shown = cut.resize((SIDE, SIDE))
        yield (which, *place), shown


def compress(image: Image.Image) -> Image.Image:
    """Return a picture as a bad JPEG shows it."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file).convert("RGB")


def crop(image: Image.Image, share: float) -> Image.Image:
    """Cut a share of the side off at each edge."""
    width, height = image.size
    return image.crop((int(width * share), int(height * share), int(width * (1 - share)), int(height * (1 - share))))


def write_over(image: Image.Image) -> Image.Image:
    """Write a shop's name on it."""
    image = image.copy()
    ImageDraw.Draw(image).text((10, 10), "BEST SHOP 2024", fill="red", font_size=24)
    return image


CHANGES: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG, quality 30": compress,
    "200 pixels": lambda image: image.resize((200, 200)),
    "brighter by a fifth": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "2 % cut off at each edge": lambda image: crop(image, 0.02),
    "4 % cut off": lambda image: crop(image, 0.04),
    "a shop's name on it": write_over,
    "turned by 2 degrees": lambda image: image.rotate(2, fillcolor="white"),
}


def hash_words(image: Image.Image, side: int) -> np.ndarray:
    """Return a hash as words of 64 bits."""
    return np.packbits(imagehash.phash(image.convert("L"), hash_size=side).hash.ravel()).view(np.uint64)


def is_apart(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether two cuts have no pixel in common."""
    lefts, tops = max(one[1], other[1]), max(one[2], other[2])
    return one[0] != other[0] or lefts >= min(one[3], other[3]) or tops >= min(one[4], other[4])


def measure_recognition() -> None:
    """Print how many different pictures are near, and how many changed ones."""
    for name, is_on_white in (("goods on white", True), ("scenes", False)):
        cuts, images = zip(*cut_pictures(is_on_white), strict=True)
        upper = np.triu_indices(len(cuts), 1)
        apart = np.array([[is_apart(one, other) for other in cuts] for one in cuts])[upper]
        for side, radii in RADII.items():
            hashes = np.array([hash_words(image, side) for image in images])
            pairs = np.bitwise_count(hashes[:, np.newaxis] ^ hashes).sum(axis=-1, dtype=int)[upper][apart]
            print(f"{name}, {side * side} bits, within {radii} bits:")
            print(
                "  different, of a million pairs:", [round(float((pairs <= radius).mean()) * 1e6) for radius in radii]
            )
            for change, make in CHANGES.items():
                changed = np.array([hash_words(make(image), side) for image in images])
                own = np.bitwise_count(hashes ^ changed).sum(axis=-1, dtype=int)
                print(f"  {change}:", [round(float((own <= radius).mean()), 2) for radius in radii])


def measure_search() -> None:
    """Print how long a million hashes take to be searched."""
    rng = np.random.default_rng(1)
    index = HashIndex()
    for group_id, one in enumerate(rng.integers(0, 2**63, (N_HASHES, 4), dtype=np.uint64), start=1):
        index.add(group_id, one)
    times = []
    for wanted in rng.integers(0, 2**63, (101, 4), dtype=np.uint64):
        start = time.perf_counter()
        index.find_nearest(wanted)
        times.append((time.perf_counter() - start) * 1_000)
    print(f"{N_HASHES:,} hashes searched: median {median(times):.1f} ms, the slowest of 101 {max(times):.1f} ms")


if __name__ == "__main__":
    measure_search()
    measure_recognition()
