"""Pictures of goods drawn by code, and what sellers do to them: for `picture_changes.py`.

Eight kinds of goods, each with its own shape, details and print, most of them in front of white as in shops, some in a
light studio, in front of one colour or in a room. Goods of one kind are alike in their outlines. Features common to
many listings are drawn, too: a shop's frame with its name around different goods, and pictures of one colour.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

Generator = np.random.Generator
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
MOST_CROPPED = 0.05  # of each side
MOST_COVERED = 1 / 6  # of the whole picture, on each side


def draw_goods(seed: int, *, is_framed: bool = False) -> Image.Image:
    """Return a picture of goods, another for each number; within the frame of a shop where that is asked for."""
    rng = np.random.default_rng(seed)
    size = [(640, 640), (640, 480), (480, 640)][rng.integers(3)]
    scene = _draw_background(rng, size)
    edge = min(size) * rng.uniform(0.72, 0.92)
    goods = Image.new("RGBA", (int(edge), int(edge)))
    KINDS[rng.integers(len(KINDS))](ImageDraw.Draw(goods), rng, edge)
    goods = _light(goods, rng).rotate(rng.normal(0, 4), Image.Resampling.BICUBIC, expand=True)
    goods.thumbnail(size)
    x, y = (int((whole - part) * rng.uniform(0.35, 0.65)) for whole, part in zip(size, goods.size, strict=True))
    shadow = Image.new("RGBA", goods.size, (60, 60, 60, 255))
    shadow.putalpha(goods.getchannel("A").point(lambda alpha: alpha // 4))
    layer = Image.new("RGBA", size)
    layer.paste(shadow, (x + 6, y + 9))
    scene.paste(layer, mask=layer.filter(ImageFilter.GaussianBlur(8)).getchannel("A"))
    scene.paste(goods, (x, y), goods)
    return _frame(scene) if is_framed else scene


def _draw_background(rng: Generator, size: tuple[int, int]) -> Image.Image:
    kind = rng.random()
    if kind < 0.6:
        return Image.new("RGB", size, "white")
    if kind < 0.75:
        light = (
            Image.linear_gradient("L")
            .rotate(90 * int(rng.integers(4)))
            .resize(size)
            .point(lambda grey: 190 + grey // 5)
        )
        return Image.merge("RGB", (light, light, light))
    if kind < 0.85:
        return Image.new("RGB", size, _pick_colour(rng))
    coarse = rng.integers(40, 230, (5, 5, 3), dtype=np.uint8)
    room = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(room)
    for _ in range(6):
        x, y = rng.uniform(0, size[0]), rng.uniform(0, size[1])
        pen.rectangle((x, y, x + rng.uniform(30, 260), y + rng.uniform(30, 260)), fill=_pick_colour(rng))
    return room


def _pick_colour(rng: Generator) -> tuple[int, int, int]:
    red, green, blue = (int(part) for part in rng.integers(10, 246, 3))
    return red, green, blue


def _light(goods: Image.Image, rng: Generator) -> Image.Image:
    """Return goods lit from a side, with the grain of their stuff."""
    pixels = np.asarray(goods).astype(float)
    height, width = pixels.shape[:2]
    ys, xs = np.mgrid[0:height, 0:width] / max(height, width)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + 0.35 * (np.cos(angle) * (xs - 0.5) + np.sin(angle) * (ys - 0.5))
    grain = rng.normal(0, 5, (height // 3 + 1, width // 3 + 1)).repeat(3, 0).repeat(3, 1)[:height, :width]
    pixels[..., :3] = (pixels[..., :3] * light[..., None] + grain[..., None]).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def _print(pen: ImageDraw.ImageDraw, rng: Generator, box: tuple[float, ...], n: int) -> None:
    """Draw a print or details within a box: shapes, and a word."""
    left, top, right, bottom = box
    for _ in range(n):
        x, y = rng.uniform(left, right), rng.uniform(top, bottom)
        w, h = rng.uniform(0.1, 0.5) * (right - left), rng.uniform(0.1, 0.5) * (bottom - top)
        shape = (x, y, min(x + w, right), min(y + h, bottom))
        kind = rng.integers(3)
        if kind == 0:
            pen.ellipse(shape, fill=_pick_colour(rng))
        elif kind == 1:
            pen.rectangle(shape, fill=_pick_colour(rng))
        else:
            pen.line(shape, fill=_pick_colour(rng), width=int(rng.integers(3, 12)))
    word = "".join(rng.choice(list(LETTERS), rng.integers(3, 9)))
    pen.text((left, (top + bottom) / 2), word, fill=_pick_colour(rng), font=ImageFont.load_default((bottom - top) / 5))


def _scale(points: list[tuple[float, float]], edge: float, rng: Generator) -> list[tuple[float, float]]:
    return [(edge * (x + rng.normal(0, 0.015)), edge * (y + rng.normal(0, 0.015))) for x, y in points]


def _draw_shoe(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    sole = [(0.03, 0.7), (0.97, 0.72), (0.95, 0.82), (0.05, 0.82)]
    upper = [(0.05, 0.7), (0.07, 0.35), (0.3, 0.3), (0.45, 0.45), (0.75, 0.55), (0.95, 0.65), (0.96, 0.72)]
    pen.polygon(_scale(upper, edge, rng), fill=_pick_colour(rng))
    pen.polygon(_scale(sole, edge, rng), fill=_pick_colour(rng))
    for step in range(int(rng.integers(4, 8))):
        x = edge * (0.33 + 0.05 * step)
        pen.line((x, edge * 0.42, x + edge * 0.06, edge * 0.58), fill=_pick_colour(rng), width=6)
    _print(pen, rng, (edge * 0.12, edge * 0.42, edge * 0.6, edge * 0.68), int(rng.integers(1, 5)))


def _draw_bag(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    body = [(0.1, 0.38), (0.9, 0.38), (0.96, 0.92), (0.04, 0.92)]
    wide = edge * rng.uniform(0.18, 0.3)
    middle = edge / 2
    pen.arc((middle - wide, edge * 0.08, middle + wide, edge * 0.68), 180, 360, fill=_pick_colour(rng), width=14)
    pen.polygon(_scale(body, edge, rng), fill=_pick_colour(rng))
    flap = edge * rng.uniform(0.45, 0.65)
    pen.line((edge * 0.1, flap, edge * 0.9, flap), fill=_pick_colour(rng), width=int(rng.integers(2, 14)))
    _print(pen, rng, (edge * 0.2, edge * 0.5, edge * 0.8, edge * 0.85), int(rng.integers(1, 7)))


def _draw_watch(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    strap = edge * rng.uniform(0.12, 0.18)
    middle, radius = edge / 2, edge * rng.uniform(0.27, 0.34)
    pen.rectangle((middle - strap, 0, middle + strap, edge), fill=_pick_colour(rng))
    for part, colour in ((1.0, _pick_colour(rng)), (0.85, _pick_colour(rng))):
        reach = radius * part
        pen.ellipse((middle - reach, middle - reach, middle + reach, middle + reach), fill=colour)
    ink = _pick_colour(rng)
    for hour in range(12):
        x, y = np.cos(hour * np.pi / 6), np.sin(hour * np.pi / 6)
        ends = [middle + part * radius * axis for part in (0.65, 0.8) for axis in (x, y)]
        pen.line(ends, fill=ink, width=int(rng.integers(3, 9)))
    for length in (0.4, 0.6):
        angle = rng.uniform(0, 2 * np.pi)
        tip = (middle + radius * length * np.cos(angle), middle + radius * length * np.sin(angle))
        pen.line((middle, middle, *tip), fill=ink, width=8)
    reach = radius * 0.4
    _print(pen, rng, (middle - reach, middle - reach, middle + reach, middle + reach), int(rng.integers(0, 4)))


def _draw_shirt(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    half = [(0.38, 0.05), (0.2, 0.1), (0.02, 0.3), (0.13, 0.4), (0.22, 0.33), (0.22, 0.96)]
    shirt = half + [(1 - x, y) for x, y in reversed(half)]
    pen.polygon(_scale(shirt, edge, rng), fill=_pick_colour(rng))
    pen.ellipse((edge * 0.38, 0, edge * 0.62, edge * 0.14), fill=_pick_colour(rng))
    if rng.random() < 0.4:
        colour = _pick_colour(rng)
        for y in np.arange(rng.uniform(0.2, 0.3), 0.95, rng.uniform(0.06, 0.15)):
            pen.line((edge * 0.23, edge * y, edge * 0.77, edge * y), fill=colour, width=int(rng.integers(4, 20)))
    _print(pen, rng, (edge * 0.3, edge * 0.3, edge * 0.7, edge * 0.7), int(rng.integers(0, 6)))


def _draw_bottle(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    wide, neck = rng.uniform(0.16, 0.28), rng.uniform(0.05, 0.1)
    shoulder = rng.uniform(0.25, 0.4)
    left = [(0.5 - neck, 0.1), (0.5 - neck, shoulder - 0.1), (0.5 - wide, shoulder), (0.5 - wide, 0.97)]
    pen.polygon(_scale(left + [(1 - x, y) for x, y in reversed(left)], edge, rng), fill=_pick_colour(rng))
    cap = (edge * (0.48 - neck), edge * 0.02, edge * (0.52 + neck), edge * 0.14)
    pen.rounded_rectangle(cap, 8, fill=_pick_colour(rng))
    label = (edge * (0.5 - wide), edge * (shoulder + 0.1), edge * (0.5 + wide), edge * rng.uniform(0.8, 0.92))
    pen.rectangle(label, fill=_pick_colour(rng))
    _print(pen, rng, label, int(rng.integers(2, 6)))


def _draw_phone(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    wide = rng.uniform(0.2, 0.26)
    case = (edge * (0.5 - wide), edge * 0.02, edge * (0.5 + wide), edge * 0.98)
    pen.rounded_rectangle(case, edge * 0.05, fill=_pick_colour(rng))
    lens = edge * (0.5 - wide + 0.04)
    pen.rounded_rectangle((lens, edge * 0.06, lens + edge * 0.17, edge * 0.24), 20, fill=_pick_colour(rng))
    for n in range(int(rng.integers(1, 4))):
        x, y = lens + edge * 0.02 + edge * 0.07 * (n % 2), edge * (0.08 + 0.07 * (n // 2))
        pen.ellipse((x, y, x + edge * 0.06, y + edge * 0.06), fill=_pick_colour(rng))
    _print(pen, rng, (case[0] + 10, edge * 0.35, case[2] - 10, edge * 0.85), int(rng.integers(1, 6)))


def _draw_cap(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    crown = (edge * 0.1, edge * rng.uniform(0.15, 0.22), edge * 0.8, edge * 1.05)
    pen.pieslice(crown, 180, 360, fill=_pick_colour(rng))
    pen.polygon(_scale([(0.35, 0.6), (0.8, 0.58), (1.0, 0.7), (0.7, 0.72)], edge, rng), fill=_pick_colour(rng))
    for x in (0.3, 0.45, 0.6):
        pen.line((edge * x, edge * 0.3, edge * x, edge * 0.6), fill=_pick_colour(rng), width=3)
    _print(pen, rng, (edge * 0.25, edge * 0.32, edge * 0.65, edge * 0.58), int(rng.integers(1, 6)))


def _draw_box(pen: ImageDraw.ImageDraw, rng: Generator, edge: float) -> None:
    face = (edge * 0.05, edge * rng.uniform(0.05, 0.2), edge * 0.95, edge * 0.95)
    pen.rectangle(face, fill=_pick_colour(rng))
    _print(pen, rng, (face[0] + 20, face[1] + 20, face[2] - 20, face[3] - 20), int(rng.integers(3, 12)))


KINDS = (_draw_shoe, _draw_bag, _draw_watch, _draw_shirt, _draw_bottle, _draw_phone, _draw_cap, _draw_box)


def _frame(scene: Image.Image) -> Image.Image:
    """Return goods within the frame of one shop: its border, its name above, its promise below."""
    width, height = scene.size
    framed = ImageOps.expand(scene, border=12, fill="#0a5c36").resize(scene.size)
    pen = ImageDraw.Draw(framed)
    pen.rectangle((0, 0, width, height // 8), fill="#0a5c36")
    pen.rectangle((0, height - height // 8, width, height), fill="#c8102e")
    pen.text((20, height // 40), "MEGA OUTLET 24", fill="white", font=ImageFont.load_default(height / 14))
    pen.text((20, height - height // 9), "100 % ORIGINAL", fill="white", font=ImageFont.load_default(height / 14))
    return framed


Change = Callable[[Image.Image, Generator], Image.Image]


def send_again(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture in another size and compression, as every copy comes."""
    scale = rng.uniform(0.5, 1)
    smaller = image.resize([max(int(edge * scale), 1) for edge in image.size], Image.Resampling.LANCZOS)
    file = BytesIO()
    smaller.save(file, "JPEG", quality=int(rng.integers(55, 90)))
    return Image.open(file).convert("RGB")


def mirror(image: Image.Image, rng: Generator) -> Image.Image:
    """Return the mirror image."""
    del rng
    return ImageOps.mirror(image)


def crop(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture cropped by up to 5 % on each side, on one by all of it."""
    parts = rng.uniform(0, MOST_CROPPED, 4)
    parts[rng.integers(4)] = MOST_CROPPED
    left, top, right, bottom = parts * [*image.size, *image.size]
    return image.crop((round(left), round(top), image.width - round(right), image.height - round(bottom)))


def add_border(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture with a border of one colour around it, or at two sides."""
    share = rng.uniform(0.02, MOST_COVERED)
    sides = [(True, True), (True, False), (False, True)][rng.integers(3)]
    wide, high = (round(edge * share / (1 - 2 * share)) * side for edge, side in zip(image.size, sides, strict=True))
    return ImageOps.expand(image, (wide, high), fill=_pick_plain(rng))


def _pick_plain(rng: Generator) -> tuple[int, int, int]:
    return [(255, 255, 255), (0, 0, 0), _pick_colour(rng)][rng.integers(3)]


def cover_border(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture whose edges lie under a border of one colour."""
    share = rng.uniform(0.02, MOST_COVERED)
    wide, high = round(image.width * share), round(image.height * share)
    covered = Image.new("RGB", image.size, _pick_plain(rng))
    covered.paste(image.crop((wide, high, image.width - wide, image.height - high)), (wide, high))
    return covered


def make_banner(rng: Generator, width: int, height: int) -> Image.Image:
    """Return a banner of one colour, two in three with words on it."""
    ground = _pick_plain(rng)
    banner = Image.new("RGB", (width, max(height, 1)), ground)
    if rng.random() < 2 / 3:
        words = " ".join("".join(rng.choice(list(LETTERS), rng.integers(3, 8))) for _ in range(4))
        ink = tuple(255 - part for part in ground)
        ImageDraw.Draw(banner).text((5, height * 0.1), words, fill=ink, font=ImageFont.load_default(height * 0.7))
    return banner


def _lay_banner(image: Image.Image, rng: Generator, is_added: bool) -> Image.Image:
    turns = int(rng.integers(4))
    turned = image.rotate(90 * turns, expand=True)
    share = rng.uniform(0.05, MOST_COVERED)
    height = round(turned.height * (share / (1 - share) if is_added else share))
    banner = make_banner(rng, turned.width, height)
    if turns % 2 == 0 and turns:  # its words are the right way up
        banner = banner.rotate(180)
    whole = Image.new("RGB", (turned.width, turned.height + (height if is_added else 0)))
    whole.paste(turned)
    whole.paste(banner, (0, whole.height - banner.height))
    return whole.rotate(-90 * turns, expand=True)


def add_banner(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture with a banner beside it, at any side."""
    return _lay_banner(image, rng, True)


def cover_banner(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture with a banner upon it, at any side."""
    return _lay_banner(image, rng, False)


def in_turn(*changes: Change) -> Change:
    """Return what makes one change after another."""

    def change(image: Image.Image, rng: Generator) -> Image.Image:
        for one in changes:
            image = one(image, rng)
        return image

    return change


def blacken(image: Image.Image, rng: Generator) -> Image.Image:
    """Return a picture brighter or darker."""
    return ImageChops.multiply(image, Image.new("RGB", image.size, (int(rng.integers(200, 255)),) * 3))


CHANGES: dict[str, Change] = {
    "sent again": in_turn(),
    "darker": blacken,
    "mirrored": mirror,
    "cropped": crop,
    "border added": add_border,
    "border upon it": cover_border,
    "banner added": add_banner,
    "banner upon it": cover_banner,
    "mirrored, cropped": in_turn(mirror, crop),
    "mirrored, banner upon it": in_turn(mirror, cover_banner),
    "mirrored, banner added": in_turn(mirror, add_banner),
    "cropped, banner upon it": in_turn(crop, cover_banner),
}
BEYOND: dict[str, Change] = {
    "cropped, border added": in_turn(crop, add_border),
    "cropped, banner added": in_turn(crop, add_banner),
}
"""Changes that are not recognised in most copies: two that each move the middle."""
