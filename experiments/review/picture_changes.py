"""Recall and false matches of "the same picture": goods drawn by code, and copies changed as sellers change them.

    python -m experiments.review.picture_changes --goods 1200 --copies 100

Goods are drawn with numbers from `--first` on; the thresholds in `ipml.review.pictures.picture_hash` were chosen on the
numbers 1000 to 1399. Each copy is also sent in another size and compression. It looks the original up among all, and
the other way round the original looks the copy up. Then each picture is compared with each other one: of other goods,
often of the same kind and in front of the same white, or within the frame of the same shop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import process_time
from typing import Annotated

import numpy as np
import typer
from PIL import Image

from experiments.review.drawn_goods import BEYOND, CHANGES, Change, draw_goods, send_again
from ipml.review.pictures.copies import THUMBNAIL_EDGE
from ipml.review.pictures.hashes import HashIndex
from ipml.review.pictures.picture_hash import MOST_DISTANCE, HashedPicture, PictureHash, hash_picture

FRAMED = 12  # one picture in so many is in the frame of the same shop
MILLION = 1_000_000
CHANCE_TO_TURN = 0.2  # of each bit of a drawn hash, for the many that fill the index


def main(
    goods: Annotated[int, typer.Option(help="Pictures of different goods.")] = 1_200,
    copies: Annotated[int, typer.Option(help="Changed copies of each kind.")] = 100,
    first: Annotated[int, typer.Option(help="Number of the first goods, and seed.")] = 50_000,
) -> None:
    """Print a table of changes and recall, false matches per million pairs, and what it costs."""
    rng = np.random.default_rng(first)
    seen, seconds = zip(*(measure(lambda n=n: look(draw(first + n))) for n in range(goods)), strict=True)
    index = HashIndex()
    index.add_all(range(1, goods + 1), [one.own for one in seen])
    typer.echo(f"Goods drawn: {goods:,}, from number {first}; {copies} copies of each change.")
    typer.echo("change                      copy finds original   original finds copy   another found")
    for name, change in (CHANGES | BEYOND).items():
        typer.echo(f"{name:27s} {count_found(index, seen, change, copies, first, rng)}")
    typer.echo(count_false(seen))
    typer.echo(f"Flat pictures that match anything: {count_flat(index, rng)} of 400.")
    typer.echo(f"Hashing a picture: {1e3 * float(np.median(seconds)):.1f} ms of a processor.")
    cropped = [look(send_again(CHANGES["mirrored, cropped"](draw(first + n), rng), rng)) for n in range(copies)]
    typer.echo(fill(index, seen, cropped, rng))


def draw(number: int) -> Image.Image:
    """Return a picture of goods."""
    return draw_goods(number, is_framed=number % FRAMED == 0)


def shrink(image: Image.Image) -> Image.Image:
    """Return the small copy that is stored of a picture."""
    image.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    return image


def look(image: Image.Image) -> HashedPicture:
    """Return a picture with its hashes."""
    found = hash_picture(shrink(image))
    assert found is not None
    return found


def measure(make: Callable[[], HashedPicture]) -> tuple[HashedPicture, float]:
    """Return a picture with its hashes, and the seconds of a processor of hashing it once more."""
    made = make()
    image = Image.fromarray(np.random.default_rng(1).integers(0, 256, (320, 320, 3), dtype=np.uint8))
    start = process_time()
    hash_picture(image)
    return made, process_time() - start


def count_found(
    index: HashIndex, seen: tuple[HashedPicture, ...], change: Change, copies: int, first: int, rng: np.random.Generator
) -> str:
    """Return how many copies found their original, and were found by it; and how often it was another."""
    changed = HashIndex()
    seen_again = [look(send_again(change(draw(first + number), rng), rng)) for number in range(copies)]
    changed.add_all(range(1, copies + 1), [one.own for one in seen_again])
    forth = [index.find_nearest(one) for one in seen_again]
    back = [changed.find_nearest(one) for one in seen[:copies]]
    right = [
        sum(found is not None and found[0] == number + 1 for number, found in enumerate(some)) for some in (forth, back)
    ]
    n_found = sum(found is not None for some in (forth, back) for found in some)
    return f"{right[0] / copies:19.3f} {right[1] / copies:21.3f} {n_found - sum(right):15d}"


def count_false(seen: tuple[HashedPicture, ...]) -> str:
    """Return how many pictures of different goods are taken for the same, among all pairs, in each direction."""
    hashes = np.array([one.own.hash for one in seen])
    by_hash, by_both = 0, 0
    for number, picture in enumerate(seen):
        for start in range(0, len(seen), 250):
            some = hashes[start : start + 250]
            distances = np.bitwise_count(picture.hashes[:, np.newaxis] ^ some).sum(axis=2, dtype=np.int64)
            for place in np.flatnonzero(distances.min(axis=0) <= MOST_DISTANCE):
                if start + place != number:
                    by_hash += 1
                    nearest = int(distances[:, place].argmin())
                    by_both += picture.has_colours(nearest, seen[start + place].own.colours)
    pairs = len(seen) * (len(seen) - 1)
    rates = [f"{count} of {pairs:,} pairs, {1e6 * count / pairs:.1f} per million" for count in (by_both, by_hash)]
    return f"False matches: {rates[0]}; by the hash alone {rates[1]}."


def count_flat(index: HashIndex, rng: np.random.Generator) -> int:
    """Return how many flat or tiny pictures match some goods, or one another."""
    count = 0
    for number in range(100):
        colour = tuple(int(part) for part in rng.integers(0, 256, 3))
        flat = Image.new("RGB", (600, 400), colour)
        grain = rng.normal(colour, 2, (400, 600, 3)).clip(0, 255).astype(np.uint8)
        gradient = Image.linear_gradient("L").rotate(90 * number).resize((400, 400)).convert("RGB")
        for image in (flat, Image.fromarray(grain), gradient, draw(number).resize((20, 20))):
            found = hash_picture(shrink(send_again(image, rng)))
            if found is not None:
                count += index.find_nearest(found) is not None
                index.add(10_000 + 4 * number, found.own)
    return count


def fill(
    index: HashIndex, seen: Sequence[HashedPicture], copies: Sequence[HashedPicture], rng: np.random.Generator
) -> str:
    """Return what looking a copy up costs among a million pictures, whose hashes are like those of the drawn ones."""
    hashes = np.array([one.own.hash for one in seen])
    for start in range(0, MILLION, 50_000):
        turned = np.packbits(rng.random((50_000, 256)) < CHANCE_TO_TURN, axis=1).view(np.uint64)
        some = hashes[rng.integers(0, len(hashes), 50_000)] ^ turned
        index.add_all(range(100_000 + start, 150_000 + start), [PictureHash(one, bytes([128]) * 48) for one in some])
    seconds, right = [], 0
    for number, one in enumerate(copies, start=1):
        begin = process_time()
        found = index.find_nearest(one)
        seconds.append(process_time() - begin)
        right += found is not None and found[0] == number
    half, most = (1e3 * float(np.percentile(seconds, part)) for part in (50, 95))
    bytes_each = index.n_bytes / len(index)
    return (
        f"Looking one up among {len(index):,}: {half:.1f} ms of a processor (median), {most:.1f} (95 %); "
        f"{right} of {len(seconds)} mirrored and cropped copies found. "
        f"Index: {index.n_bytes / 1e6:,.0f} MB, {bytes_each:.0f} bytes a picture."
    )


if __name__ == "__main__":
    typer.run(main)
