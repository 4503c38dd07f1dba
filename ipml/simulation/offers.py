"""Offers: draws brand, model, price, dates and writing style of each seller's listings, all still as numbers.

Goods, models, sizes, codes and pictures are invented. A model follows from its brand's name and number alone, so two
sellers of one model agree on it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.attackers import Craft, blend, price_fakes, scale_down
from ipml.simulation.sellers import KIND_CODES, MARKETS, SELLER_KINDS, YEAR_DAYS

MODELS_PER_BRAND = 8

Hashes = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Goods:
    """A product group: category of brands, attraction to counterfeiters (1: average), and sizes or pieces per pack."""

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
    """Return the position in `GOODS` of a brand's category; an unknown category counts as general goods."""
    return _GOODS_CODES.get(category, _GOODS_CODES["general"])


@dataclass(frozen=True, slots=True)
class Model:
    """A model of a brand: invented name, article code and GTIN, and its price as a factor of the brand's."""

    name: str
    code: str
    gtin: str
    price_factor: float


@lru_cache(maxsize=4_096)
def models_of(brand: str) -> tuple[Model, ...]:
    """Return the invented models of a brand, always the same for the same name."""
    rng = np.random.default_rng(zlib.crc32(brand.encode()))
    return tuple(_invent_model(rng) for _ in range(MODELS_PER_BRAND))


def _invent_model(rng: np.random.Generator) -> Model:
    syllables = "".join(str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS)) for _ in range(2))
    name = (syllables + str(rng.choice(_CODAS))).capitalize()
    code = "".join(chr(65 + int(letter)) for letter in rng.integers(0, 26, 2)) + str(rng.integers(1_000, 9_999))
    return Model(name, code, _number_article(rng), float(np.exp(0.2 * rng.standard_normal())))


def _number_article(rng: np.random.Generator) -> str:
    """Return a GTIN-13 of the range 200-299, which GS1 reserves for use inside a company: it names no real article."""
    digits = [2, *(int(digit) for digit in rng.integers(0, 10, 11))]
    check = -sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    return "".join(map(str, [*digits, check]))


def _mix_hashes(*parts: npt.NDArray[np.int64] | int) -> Hashes:
    """Hash integers to 64 random-looking bits each, always the same (SplitMix64, Steele et al. 2014)."""
    mixed = np.zeros(1, dtype=np.uint64)
    for part in parts:
        mixed = mixed + np.asarray(part, dtype=np.int64).astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    return mixed


@dataclass(frozen=True, slots=True)
class Voice:
    """A writing style: keys under `[titles]` and, in order and with probabilities, `[sentences]` in the vocabulary."""

    titles: str
    sentences: tuple[tuple[str, float], ...]


VOICES: dict[str, Voice] = {
    "retail": Voice(
        "shop",
        (("product", 1.0), ("assurance", 0.6), ("shipping", 0.8), ("returns", 0.7), ("bargain", 0.05)),
    ),
    "clearance": Voice(
        "shop",
        (("product", 0.9), ("bargain", 0.9), ("assurance", 0.3), ("shipping", 0.7), ("returns", 0.4)),
    ),
    "private": Voice("casual", (("used", 1.0), ("product", 0.4), ("shipping", 0.4), ("returns", 0.4))),
    "compatible": Voice(
        "compatible", (("product", 0.5), ("compatible", 0.8), ("shipping", 0.7), ("returns", 0.5), ("assurance", 0.2))
    ),
    "inspired": Voice("inspired", (("product", 0.4), ("inspired", 0.8), ("shipping", 0.7), ("returns", 0.4))),
    "eager": Voice("eager", (("product", 0.8), ("eager", 0.9), ("shipping", 0.5), ("bargain", 0.3))),
}
VOICE_CODES = {name: code for code, name in enumerate(VOICES)}

# Shares of voices by kind of seller, in the order of `VOICES`. Those of a counterfeiter and a mixed seller hold for
# copied texts.
VOICES_OF_KIND: dict[str, tuple[float, ...]] = {
    "authorised": (1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "shop": (0.88, 0.08, 0.04, 0.0, 0.0, 0.0),
    "discounter": (0.40, 0.56, 0.02, 0.0, 0.0, 0.02),
    "second-hand": (0.05, 0.05, 0.90, 0.0, 0.0, 0.0),
    "bargain": (0.33, 0.43, 0.16, 0.0, 0.0, 0.08),
    "lawful": (0.03, 0.02, 0.0, 0.60, 0.33, 0.02),
    "mixed": (0.65, 0.30, 0.05, 0.0, 0.0, 0.0),
    "counterfeiter": (0.50, 0.32, 0.18, 0.0, 0.0, 0.0),
}


Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MAX_BRANDS_PER_SELLER = 8


@dataclass(frozen=True, slots=True)
class Shelves:
    """The brands of each style, as positions: `carried` for genuine goods, `wanted` for fakes.

    Both have the shape (n_styles, MAX_BRANDS_PER_SELLER); the first `breadth` entries of a row are used.
    """

    carried: npt.NDArray[np.integer]
    wanted: npt.NDArray[np.integer]
    breadth: npt.NDArray[np.integer]


def stock_shelves(n_styles: int, brands: Brands, rng: np.random.Generator) -> Shelves:
    """Draw up to `MAX_BRANDS_PER_SELLER` brands for each style; fakes prefer attractive product groups."""
    attraction = np.array([GOODS[goods_of(brand.category)].attraction for brand in brands])
    popular = attraction**1.5 / (attraction**1.5).sum()
    carried = rng.choice(len(brands), size=(n_styles, MAX_BRANDS_PER_SELLER))
    wanted = rng.choice(len(brands), size=(n_styles, MAX_BRANDS_PER_SELLER), p=popular)
    return Shelves(carried, wanted, rng.integers(1, MAX_BRANDS_PER_SELLER + 1, size=n_styles))


def make_offers(
    sellers: pd.DataFrame,
    brands: Brands,
    craft: Craft,
    difficulty: float,
    rng: np.random.Generator,
    shelves: Shelves | None = None,
) -> pd.DataFrame:
    """Return the offers of all sellers, ordered by when they are observed.

    `difficulty` lies in 0-1; `shelves` are drawn where they are not given. The columns are seller (position in
    `sellers`) and the seller's columns, is_counterfeit, is_disguised, brand and model (positions), goods and voice
    (codes), is_used, price (in the market's currency), price_ratio (to the genuine price of the model), image (64
    bits), listed_day and observed_day.
    """
    counts = sellers["n_listings"].to_numpy()
    seller = np.repeat(np.arange(len(sellers)), counts)
    place = np.arange(len(seller)) - (np.cumsum(counts) - counts)[seller]
    offers = sellers[["kind", "network", "style", "market", "joined_day", "active_day", "left_day"]].iloc[seller]
    offers = offers.reset_index(drop=True).assign(
        seller=seller, is_counterfeit=place < sellers["n_fakes"].to_numpy()[seller]
    )
    offers["brand"] = _choose_brands(
        sellers, offers, brands, shelves or stock_shelves(int(sellers["style"].max()) + 1, brands, rng), rng
    )
    offers["model"] = (MODELS_PER_BRAND * rng.random(len(offers)) ** 1.5).astype(np.int64)
    offers["goods"] = np.array([goods_of(brand.category) for brand in brands])[offers["brand"]]
    offers = offers.assign(**_choose_moments(offers, craft, difficulty, rng))
    offers["voice"] = _choose_voices(offers, craft, difficulty, rng)
    offers["is_used"] = (offers["voice"] == VOICE_CODES["private"]) & (rng.random(len(offers)) < 0.9)
    offers["is_disguised"] = offers["is_counterfeit"] & (rng.random(len(offers)) < craft.disguised)
    offers["price_ratio"] = _choose_price_ratios(offers, brands, craft, rng)
    offers["price"] = _write_prices(offers, brands, rng)
    offers["image"] = _take_pictures(offers, rng)
    offers = offers.sort_values("observed_day", kind="stable", ignore_index=True)
    return offers.drop(columns=["active_day", "left_day"])


def _choose_brands(
    sellers: pd.DataFrame, offers: pd.DataFrame, brands: Brands, shelves: Shelves, rng: np.random.Generator
) -> Codes:
    """Take a brand from the seller's shelf; an authorised seller carries one brand only."""
    style = offers["style"].to_numpy()
    shelf = (shelves.breadth[style] * rng.random(len(offers))).astype(np.int64)
    chosen = np.where(offers["is_counterfeit"], shelves.wanted[style, shelf], shelves.carried[style, shelf])
    authorised = sellers["kind"].to_numpy() == KIND_CODES["authorised"]
    contract = (np.cumsum(authorised) - 1) % len(brands)
    return np.where(authorised[offers["seller"]], contract[offers["seller"]], chosen)


def _choose_moments(
    offers: pd.DataFrame, craft: Craft, difficulty: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Draw when each offer is listed and observed, in days before the end of the year."""
    # Ages as on a large marketplace: quartiles of 2, 9 and 37 days for fakes, 10, 175 and 515 for the rest.
    n_offers = len(offers)
    first = np.maximum(offers["active_day"].to_numpy(), -YEAR_DAYS)
    observed = first + (offers["left_day"].to_numpy() - first) * rng.random(n_offers)
    fresh = rng.random(n_offers) < blend(0.06, 0.20, difficulty)
    genuine_age = np.where(fresh, 8.0, 1_200.0) * np.exp(1.1 * rng.standard_normal(n_offers))
    fake_age = craft.age_days * np.exp(2.0 * rng.standard_normal(n_offers))
    age = np.where(offers["is_counterfeit"], fake_age, genuine_age)

    longest = observed - offers["joined_day"].to_numpy()
    # A listing older than its account is drawn again within the account's life.
    age = np.where(age > longest, longest * rng.random(n_offers), age)
    listed = observed - age
    return {"listed_day": _gather_by_network(offers, listed, rng), "observed_day": observed}


def _gather_by_network(offers: pd.DataFrame, listed: Array, rng: np.random.Generator) -> Array:
    """Let the sellers of a network list together: within an hour of one another, every third day."""
    network = offers["network"].to_numpy()
    rhythm = 3.0 * (_mix_hashes(network.astype(np.int64)) % np.uint64(1_000)).astype(np.float64) / 1_000
    together = np.floor((listed - rhythm) / 3.0) * 3.0 + rhythm + rng.random(len(offers)) / 24
    is_shared = (network >= 0) & (together >= offers["joined_day"].to_numpy()) & (together <= listed)
    return np.where(is_shared, together, listed)


def _choose_voices(offers: pd.DataFrame, craft: Craft, difficulty: float, rng: np.random.Generator) -> Codes:
    chance = rng.random(len(offers))
    kinds = offers["kind"].to_numpy()
    # Copied fakes use the voice of a shop, a clearance or a private person; so do those of mixed sellers.
    copied = rng.random(len(offers)) < np.where(kinds == KIND_CODES["mixed"], 0.5 + craft.copied / 2, craft.copied)
    bounds = np.cumsum([VOICES_OF_KIND[kind.name] for kind in SELLER_KINDS], axis=1)
    voices = (chance[:, np.newaxis] >= bounds[kinds]).sum(axis=1)
    is_eager = np.where(offers["is_counterfeit"], ~copied, rng.random(len(offers)) < 0.05 * difficulty**1.3)
    is_eager &= kinds != KIND_CODES["authorised"]
    voices = np.minimum(voices, len(VOICE_CODES) - 1)  # rounding may leave the sum of shares below 1
    return np.where(is_eager, VOICE_CODES["eager"], voices)


def _choose_price_ratios(offers: pd.DataFrame, brands: Brands, craft: Craft, rng: np.random.Generator) -> Array:
    kinds = offers["kind"].to_numpy()
    worth = _price_in_base_currency(brands)[offers["brand"]]
    median = np.array([kind.price_ratio for kind in SELLER_KINDS])[kinds]
    spread = np.array([kind.price_spread for kind in SELLER_KINDS])[kinds]
    genuine = median * np.exp(spread * rng.standard_normal(len(offers)))
    # A part or a look-alike costs little more for a dear brand than for a cheap one.
    genuine = np.where(kinds == KIND_CODES["lawful"], genuine * scale_down(worth, 0.7), genuine)
    return np.where(offers["is_counterfeit"], price_fakes(worth, craft, rng), genuine)


def _price_in_base_currency(brands: Brands) -> Array:
    """Return the reference price of each brand, in the base currency."""
    return np.array([brands.to_base_currency(brand.reference_price, brand.currency) for brand in brands])


def _write_prices(offers: pd.DataFrame, brands: Brands, rng: np.random.Generator) -> Array:
    """Return prices in the currency of each market; from ten on they have the endings that sellers like."""
    factors = np.array([[model.price_factor for model in models_of(brand.name)] for brand in brands])
    rates = np.array([brands.rates[market.currency] for market in MARKETS])
    brand, model, market = (offers[column].to_numpy() for column in ("brand", "model", "market"))
    exact = (
        _price_in_base_currency(brands)[brand]
        * factors[brand, model]
        * offers["price_ratio"].to_numpy()
        / rates[market]
    )
    endings = rng.choice([0.0, 0.9, 0.95, 0.99], size=len(offers))
    return np.asarray(np.where(exact < 10, np.maximum(exact, 0.5), np.floor(exact) + endings).round(2))


def _take_pictures(offers: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Choose each offer's picture: the maker's, the style's own picture of the model, or a unique one."""
    brand, model, style = (offers[column].to_numpy().astype(np.int64) for column in ("brand", "model", "style"))
    chance = rng.random(len(offers))
    private = offers["voice"].to_numpy() == VOICE_CODES["private"]
    # A network shares a style and so its pictures; shops and copying counterfeiters show the maker's.
    networked = offers["network"].to_numpy() >= 0
    makers, styles = _mix_hashes(brand, model), _mix_hashes(brand, model, style)
    own = rng.integers(0, 2**64, size=len(offers), dtype=np.uint64)
    from_maker = ~private & (chance < np.where(networked, 0.2, 0.5))
    from_style = ~private & (chance < np.where(networked, 0.9, 0.8))
    return np.where(from_maker, makers, np.where(from_style, styles, own))
