"""What each seller offers: brand, model, price, moments and the voice it is written in, all still as numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.attackers import Craft, price_fakes, scale_down
from ipml.simulation.difficulty import blend
from ipml.simulation.goods import GOODS, MODELS_PER_BRAND, goods_of, mix_hashes, models_of
from ipml.simulation.sellers import KIND_CODES, MARKETS, SELLER_KINDS, YEAR_DAYS
from ipml.simulation.voices import VOICE_CODES, VOICES_OF_KIND

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MAX_BRANDS_PER_SELLER = 8


@dataclass(frozen=True, slots=True)
class Shelves:
    """Which brands each style carries.

    Attributes
    ----------
    carried, wanted : array of shape (n_styles, MAX_BRANDS_PER_SELLER)
        Positions of brands, of genuine goods and of fakes; the latter are those that sell.
    breadth : array of shape (n_styles,)
        How many of them, from the first.
    """

    carried: npt.NDArray[np.integer]
    wanted: npt.NDArray[np.integer]
    breadth: npt.NDArray[np.integer]


def stock_shelves(n_styles: int, brands: Brands, rng: np.random.Generator) -> Shelves:
    """Give each style a handful of brands, counterfeiters those they like."""
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
    """Return the offers of all sellers in the order in which they are observed.

    Parameters
    ----------
    sellers : DataFrame of shape (n_sellers, ...)
        From `recruit_sellers`.
    brands : Brands
        Their reference prices set what the genuine article costs.
    craft : Craft
        How fakes are priced and written.
    difficulty : float
        In 0-1.
    rng : numpy Generator
        Source of chance.
    shelves : Shelves, optional
        Which brands each style carries; drawn where not given.

    Returns
    -------
    DataFrame of shape (n_listings, ...)
        seller (position in `sellers`) and what is said of him there, is_counterfeit, is_disguised, brand and model
        (positions), goods and voice (codes), is_used, price (in the market's currency), price_ratio (to the genuine
        price of the model), image (64 bits), listed_day, observed_day.
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
    """Take a brand from the seller's shelf; an authorised seller carries one."""
    style = offers["style"].to_numpy()
    shelf = (shelves.breadth[style] * rng.random(len(offers))).astype(np.int64)
    chosen = np.where(offers["is_counterfeit"], shelves.wanted[style, shelf], shelves.carried[style, shelf])
    authorised = sellers["kind"].to_numpy() == KIND_CODES["authorised"]
    contract = (np.cumsum(authorised) - 1) % len(brands)
    return np.where(authorised[offers["seller"]], contract[offers["seller"]], chosen)


def _choose_moments(
    offers: pd.DataFrame, craft: Craft, difficulty: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Draw when each offer is listed and observed, in days before the end of the year.

    Ages are wide, as on a large marketplace: quartiles of 2, 9 and 37 days for fakes, 10, 175 and 515 for the rest.
    """
    n_offers = len(offers)
    first = np.maximum(offers["active_day"].to_numpy(), -YEAR_DAYS)
    observed = first + (offers["left_day"].to_numpy() - first) * rng.random(n_offers)
    fresh = rng.random(n_offers) < blend(0.06, 0.20, difficulty)
    genuine_age = np.where(fresh, 8.0, 1_200.0) * np.exp(1.1 * rng.standard_normal(n_offers))
    fake_age = craft.age_days * np.exp(2.0 * rng.standard_normal(n_offers))
    age = np.where(offers["is_counterfeit"], fake_age, genuine_age)

    longest = observed - offers["joined_day"].to_numpy()
    # A listing older than its account is drawn anew within the account's life.
    age = np.where(age > longest, longest * rng.random(n_offers), age)
    listed = observed - age
    return {"listed_day": _gather_by_network(offers, listed, rng), "observed_day": observed}


def _gather_by_network(offers: pd.DataFrame, listed: Array, rng: np.random.Generator) -> Array:
    """Let the sellers of a network list together: within an hour of one another, every third day."""
    network = offers["network"].to_numpy()
    rhythm = 3.0 * (mix_hashes(network.astype(np.int64)) % np.uint64(1_000)).astype(np.float64) / 1_000
    together = np.floor((listed - rhythm) / 3.0) * 3.0 + rhythm + rng.random(len(offers)) / 24
    is_shared = (network >= 0) & (together >= offers["joined_day"].to_numpy()) & (together <= listed)
    return np.where(is_shared, together, listed)


def _choose_voices(offers: pd.DataFrame, craft: Craft, difficulty: float, rng: np.random.Generator) -> Codes:
    chance = rng.random(len(offers))
    kinds = offers["kind"].to_numpy()
    # A copied fake speaks like a shop, a bargain or a private person; so does a mixed seller's.
    copied = rng.random(len(offers)) < np.where(kinds == KIND_CODES["mixed"], 0.5 + craft.copied / 2, craft.copied)
    bounds = np.cumsum([VOICES_OF_KIND[kind.name] for kind in SELLER_KINDS], axis=1)
    voices = (chance[:, np.newaxis] >= bounds[kinds]).sum(axis=1)
    is_eager = np.where(offers["is_counterfeit"], ~copied, rng.random(len(offers)) < 0.05 * difficulty**1.3)
    is_eager &= kinds != KIND_CODES["authorised"]
    voices = np.minimum(voices, len(VOICE_CODES) - 1)  # sums of parts may fall short of 1 by a rounding
    return np.where(is_eager, VOICE_CODES["eager"], voices)


def _choose_price_ratios(offers: pd.DataFrame, brands: Brands, craft: Craft, rng: np.random.Generator) -> Array:
    kinds = offers["kind"].to_numpy()
    worth = _worth_of(brands)[offers["brand"]]
    median = np.array([kind.price_ratio for kind in SELLER_KINDS])[kinds]
    spread = np.array([kind.price_spread for kind in SELLER_KINDS])[kinds]
    genuine = median * np.exp(spread * rng.standard_normal(len(offers)))
    # A part or a look-alike costs little more for a dear brand than for a cheap one.
    genuine = np.where(kinds == KIND_CODES["lawful"], genuine * scale_down(worth, 0.7), genuine)
    return np.where(offers["is_counterfeit"], price_fakes(worth, craft, rng), genuine)


def _worth_of(brands: Brands) -> Array:
    """Return what the main product of each brand costs, in the base currency."""
    return np.array([brands.worth(brand.reference_price, brand.currency) for brand in brands])


def _write_prices(offers: pd.DataFrame, brands: Brands, rng: np.random.Generator) -> Array:
    """Return prices in the currency of each market, from ten on with the endings sellers like."""
    factors = np.array([[model.price_factor for model in models_of(brand.name)] for brand in brands])
    rates = np.array([brands.rates[market.currency] for market in MARKETS])
    brand, model, market = (offers[column].to_numpy() for column in ("brand", "model", "market"))
    exact = _worth_of(brands)[brand] * factors[brand, model] * offers["price_ratio"].to_numpy() / rates[market]
    endings = rng.choice([0.0, 0.9, 0.95, 0.99], size=len(offers))
    return np.asarray(np.where(exact < 10, np.maximum(exact, 0.5), np.floor(exact) + endings).round(2))


def _take_pictures(offers: pd.DataFrame, rng: np.random.Generator) -> npt.NDArray[np.uint64]:
    """Choose each offer's picture: the maker's, the style's own of that model, or one of a kind.

    A network's sellers share a style and so its pictures; shops and copying counterfeiters show the maker's.
    """
    brand, model, style = (offers[column].to_numpy().astype(np.int64) for column in ("brand", "model", "style"))
    chance = rng.random(len(offers))
    private = offers["voice"].to_numpy() == VOICE_CODES["private"]
    networked = offers["network"].to_numpy() >= 0
    makers, styles = mix_hashes(brand, model), mix_hashes(brand, model, style)
    own = rng.integers(0, 2**64, size=len(offers), dtype=np.uint64)
    from_maker = ~private & (chance < np.where(networked, 0.2, 0.5))
    from_style = ~private & (chance < np.where(networked, 0.9, 0.8))
    return np.where(from_maker, makers, np.where(from_style, styles, own))
