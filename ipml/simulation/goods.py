"""What is sold: the goods of a brand's category, their models, sizes, codes and pictures, all of our own invention.

Everything about a model follows from its brand's name and number, so that two sellers of one model agree on it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

MODELS_PER_BRAND = 8

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Goods:
    """A group of goods.

    Attributes
    ----------
    name : str
        The brands' category, and the key under `[goods]` in the vocabulary.
    attraction : float
        How much counterfeiters like it, 1 for the average.
    sizes : tuple of str
        As sellers write them; pieces in the pack where goods have no size.
    """

    name: str
    attraction: float
    sizes: tuple[str, ...]


GOODS: tuple[Goods, ...] = (
    Goods("footwear", 3.0, ("38", "39", "40", "41", "42", "43", "44")),
    Goods("handbags", 2.5, ("25 cm", "30 cm", "35 cm")),
    Goods("clothing", 2.5, ("S", "M", "L", "XL", "XXL")),
    Goods("watches", 2.0, ("36 mm", "40 mm", "41 mm", "44 mm")),
    Goods("sunglasses", 2.0, ("52 mm", "55 mm", "58 mm")),
    Goods("jewellery", 1.5, ("16 cm", "17 cm", "18 cm", "19 cm")),
    Goods("perfume", 2.0, ("30 ml", "50 ml", "100 ml")),
    Goods("cosmetics", 1.5, ("15 ml", "30 ml", "50 ml")),
    Goods("headphones", 1.8, ("1x", "2x")),
    Goods("electronics", 1.2, ("1x", "2x")),
    Goods("printer supplies", 1.0, ("1x", "2x", "4x")),
    Goods("toys", 1.0, ("1x", "2x", "4x")),
    Goods("tools", 0.7, ("12 V", "18 V")),
    Goods("general", 0.8, ("1x", "2x", "4x")),
)
_GOODS_CODES = {goods.name: code for code, goods in enumerate(GOODS)}
_ONSETS = ("b", "br", "c", "d", "f", "g", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u", "ia", "eo")
_CODAS = ("", "n", "r", "s", "l", "x", "ne", "ro", "ta")


def goods_of(category: str) -> int:
    """Return the position in `GOODS` of what a brand's category holds, the general goods where we know no better.

    Examples
    --------
    >>> GOODS[goods_of("watches")].name, GOODS[goods_of("airships")].name
    ('watches', 'general')
    """
    return _GOODS_CODES.get(category, _GOODS_CODES["general"])


@dataclass(frozen=True, slots=True)
class Model:
    """One model of a brand: its invented name and article code, a GTIN, and its price in relation to the brand's."""

    name: str
    code: str
    gtin: str
    price_factor: float


@lru_cache(maxsize=4_096)
def models_of(brand: str) -> tuple[Model, ...]:
    """Invent the models of a brand; the same brand always gets the same ones.

    Examples
    --------
    >>> models_of("Acme")[0] == models_of("Acme")[0], len(models_of("Acme"))
    (True, 8)
    """
    rng = np.random.default_rng(zlib.crc32(brand.encode()))
    return tuple(_invent_model(rng) for _ in range(MODELS_PER_BRAND))


def _invent_model(rng: np.random.Generator) -> Model:
    syllables = "".join(str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS)) for _ in range(2))
    name = (syllables + str(rng.choice(_CODAS))).capitalize()
    code = "".join(chr(65 + int(letter)) for letter in rng.integers(0, 26, 2)) + str(rng.integers(1_000, 9_999))
    return Model(name, code, _number_article(rng), float(np.exp(0.2 * rng.standard_normal())))


def _number_article(rng: np.random.Generator) -> str:
    """Return a GTIN-13 of the range 200-299, which GS1 keeps for use inside a company: it names no real article."""
    digits = [2, *(int(digit) for digit in rng.integers(0, 10, 11))]
    check = -sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return "".join(map(str, [*digits, check]))


def mix_hashes(*parts: npt.NDArray[np.int64] | int) -> Hashes:
    """Mix whole numbers to 64 random-looking bits each, the same ones every time (SplitMix64, Steele et al. 2014).

    Examples
    --------
    >>> bool(mix_hashes(np.array([1]), 2)[0] == mix_hashes(np.array([1]), 3)[0])
    False
    """
    mixed = np.zeros(1, dtype=np.uint64)
    for part in parts:
        mixed = mixed + np.asarray(part, dtype=np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed
