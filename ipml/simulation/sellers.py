"""Who sells on the simulated marketplace: honest trades, hard cases, and counterfeiters alone and in networks.

Days are counted from the end of the simulated year: -365 is its first day, 0 its last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.attackers import Craft
from ipml.simulation.difficulty import blend

YEAR_DAYS = 365.0
PREVALENCE = 0.07
LISTINGS_PER_SELLER = 11
# Ten sellers hold about this much of all fakes: 36 % on a large marketplace, of 924 sellers with any.
TEN_WORST_SHARE = 0.36
# Genuine goods that a counterfeiter offers beside each fake; and how much of a mixed seller's goods is fake.
DECOYS_PER_FAKE = 0.12
MIXED_FAKE_SHARE = 0.25
NETWORKED_SHARE = 0.45
# The largest honest portfolio in relation to a kind's usual one: sizes follow a Pareto law up to here.
MAX_PORTFOLIO = 25.0

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SellerKind:
    """A way of trading.

    Attributes
    ----------
    share : tuple of float
        Part of all sellers at difficulty 0 and 1 (made to sum to 1 afterwards).
    portfolio : float
        Listings in relation to those of a shop.
    age_days : float
        Median age of the account at the end of the year.
    price_ratio, price_spread : float
        Median of price / reference price of genuine goods, and standard deviation of its natural logarithm.
    sales_per_day : float
        Sales of an average seller of the kind.
    return_rate, complaint_rate : tuple of float
        Part of the sales, at difficulty 0 and 1.
    """

    name: str
    share: tuple[float, float]
    portfolio: float
    age_days: float
    price_ratio: float
    price_spread: float
    sales_per_day: float
    return_rate: tuple[float, float]
    complaint_rate: tuple[float, float]


SELLER_KINDS: tuple[SellerKind, ...] = (
    SellerKind("authorised", (0.04, 0.04), 3.0, 1800, 1.00, 0.08, 0.25, (0.03, 0.04), (0.004, 0.010)),
    SellerKind("shop", (0.42, 0.28), 1.5, 900, 0.95, 0.20, 0.15, (0.05, 0.06), (0.008, 0.026)),
    SellerKind("discounter", (0.08, 0.10), 1.5, 600, 0.68, 0.25, 0.25, (0.06, 0.08), (0.012, 0.035)),
    SellerKind("second-hand", (0.22, 0.24), 0.4, 700, 0.45, 0.45, 0.02, (0.03, 0.05), (0.015, 0.035)),
    SellerKind("bargain", (0.04, 0.12), 0.9, 200, 0.42, 0.40, 0.12, (0.06, 0.09), (0.020, 0.05)),
    SellerKind("lawful", (0.07, 0.11), 1.3, 500, 0.14, 0.60, 0.20, (0.06, 0.08), (0.010, 0.03)),
    SellerKind("mixed", (0.03, 0.03), 1.0, 500, 0.85, 0.25, 0.15, (0.08, 0.07), (0.03, 0.03)),
    SellerKind("counterfeiter", (0.10, 0.08), 1.0, 100, 0.50, 0.50, 0.40, (0.13, 0.08), (0.12, 0.04)),
)
KIND_CODES = {kind.name: code for code, kind in enumerate(SELLER_KINDS)}


@dataclass(frozen=True, slots=True)
class Market:
    """Where a seller is, what he writes in and is paid in, and the parts of honest and counterfeit sellers there."""

    country: str
    language: str
    currency: str
    honest_share: float
    counterfeit_share: float


MARKETS: tuple[Market, ...] = (
    Market("US", "en", "USD", 0.25, 0.12),
    Market("GB", "en", "GBP", 0.12, 0.06),
    Market("DE", "de", "EUR", 0.14, 0.08),
    Market("FR", "fr", "EUR", 0.09, 0.07),
    Market("ES", "es", "EUR", 0.08, 0.09),
    Market("BR", "pt", "BRL", 0.12, 0.15),
    Market("RU", "ru", "RUB", 0.08, 0.12),
    Market("CN", "zh", "CNY", 0.07, 0.13),
    Market("CN", "en", "USD", 0.05, 0.18),
)


def recruit_sellers(n_listings: int, craft: Craft, difficulty: float, rng: np.random.Generator) -> pd.DataFrame:
    """Return the sellers of a marketplace, in random order.

    Parameters
    ----------
    n_listings : int
        Listings to share out among them.
    craft : Craft
        How well the counterfeiters imitate.
    difficulty : float
        In 0-1; moves the shares of the kinds.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    DataFrame of shape (n_sellers, ...)
        seller_id, kind (code of `SELLER_KINDS`), network (number, -1 for none), style (sellers of one network share
        one), market (position in `MARKETS`), n_listings, n_fakes, and the days joined_day, active_day, left_day.
    """
    kinds = _share_out_kinds(max(20, n_listings // LISTINGS_PER_SELLER), difficulty, rng)
    n_fakes = share_out_fakes(kinds, round(PREVALENCE * n_listings), rng)
    return settle_sellers(kinds, n_fakes, _form_networks(kinds, rng), n_listings, craft, rng)


def settle_sellers(
    kinds: Codes, n_fakes: Codes, networks: Codes, n_listings: int, craft: Craft, rng: np.random.Generator
) -> pd.DataFrame:
    """Return the sellers of a marketplace as `recruit_sellers` does, once it is known how they trade and with whom.

    Parameters
    ----------
    kinds : array of shape (n_sellers,)
        Codes of `SELLER_KINDS`.
    n_fakes : array of shape (n_sellers,)
        Counterfeits that each offers.
    networks : array of shape (n_sellers,)
        The network of each, -1 for none.
    n_listings, craft, rng
        As for `recruit_sellers`.
    """
    n_sellers = len(kinds)
    sellers = pd.DataFrame(
        {
            "seller_id": [f"seller-{number:06d}" for number in rng.permutation(n_sellers)],
            "kind": kinds,
            "network": networks,
            "style": np.where(networks >= 0, n_sellers + networks, np.arange(n_sellers)),
            "market": _settle(kinds, rng),
            "n_listings": _share_out_listings(kinds, n_fakes, n_listings, rng),
            "n_fakes": n_fakes,
        }
    )
    return sellers.assign(**_life_of(kinds, networks, craft, rng))


def share_out_fakes(kinds: Codes, n_fakes: int, rng: np.random.Generator) -> Codes:
    """Share fakes out among counterfeiters and mixed sellers, so that the ten worst hold `TEN_WORST_SHARE` of them.

    The k-th worst gets a part proportional to (k + 5) ** -a (the law of Zipf and Mandelbrot), a found by halving;
    where there are so few offenders that ten of them hold more in any case, they share alike.
    """
    is_counterfeiter = kinds == KIND_CODES["counterfeiter"]
    worst_first = np.concatenate(
        [
            rng.permutation(np.flatnonzero(is_counterfeiter)),
            rng.permutation(np.flatnonzero(kinds == KIND_CODES["mixed"])),
        ]
    )
    # The worst are counterfeiters; in the long tail the two kinds are mingled.
    worst_first[10:] = rng.permutation(worst_first[10:])
    shares = np.zeros(len(kinds), dtype=np.int64)
    shares[worst_first] = share_out(_zipf_parts(len(worst_first)), n_fakes)
    return shares


def _zipf_parts(n_offenders: int) -> Array:
    ranks = np.arange(n_offenders) + 6.0
    low, high = 0.0, 4.0
    for _ in range(40):
        exponent = (low + high) / 2
        parts = ranks**-exponent
        too_even = parts[:10].sum() / parts.sum() < TEN_WORST_SHARE
        low, high = (exponent, high) if too_even else (low, exponent)
    parts = ranks ** -((low + high) / 2)
    return np.asarray(parts / parts.sum())


def share_out(parts: Array, total: int) -> Codes:
    """Share a number of things out by parts that sum to 1, so that what each gets is whole and nothing is left over."""
    exact = parts * total
    whole = np.floor(exact).astype(np.int64)
    largest = np.argsort(whole - exact, kind="stable")[: total - int(whole.sum())]
    whole[largest] += 1
    return whole


def _share_out_kinds(n_sellers: int, difficulty: float, rng: np.random.Generator) -> Codes:
    shares = np.array([blend(*kind.share, difficulty) for kind in SELLER_KINDS])
    counts = share_out(shares / shares.sum(), n_sellers)
    return rng.permutation(np.repeat(np.arange(len(SELLER_KINDS)), counts))


def _share_out_listings(kinds: Codes, n_fakes: Codes, n_listings: int, rng: np.random.Generator) -> Codes:
    is_offender = n_fakes > 0
    is_mixed = kinds == KIND_CODES["mixed"]
    genuine = np.where(is_mixed, (1 - MIXED_FAKE_SHARE) / MIXED_FAKE_SHARE, DECOYS_PER_FAKE) * n_fakes
    listings = n_fakes + np.floor(genuine + rng.random(len(kinds))).astype(np.int64) * is_offender
    honest = np.flatnonzero(~is_offender & (kinds != KIND_CODES["counterfeiter"]))
    size = np.minimum(rng.pareto(1.6, len(honest)), MAX_PORTFOLIO)
    weights = np.array([kind.portfolio for kind in SELLER_KINDS])[kinds[honest]] * size
    rest = n_listings - int(listings.sum()) - len(honest)
    listings[honest] = 1 + rng.multinomial(rest, weights / weights.sum())
    return np.asarray(listings)


def _form_networks(kinds: Codes, rng: np.random.Generator) -> Codes:
    """Number the networks: of 3 to 10 counterfeiters each, until `NETWORKED_SHARE` of them belong to one."""
    networks = np.full(len(kinds), -1, dtype=np.int64)
    counterfeiters = rng.permutation(np.flatnonzero(kinds == KIND_CODES["counterfeiter"]))
    members = counterfeiters[: round(NETWORKED_SHARE * len(counterfeiters))]
    sizes = rng.integers(3, 11, size=len(members) // 3 + 1)
    numbers = np.repeat(np.arange(len(sizes)), sizes)[: len(members)]
    # A rest of one or two joins the network before it.
    if len(numbers) and numbers[-1] > 0 and np.count_nonzero(numbers == numbers[-1]) < 3:
        numbers[numbers == numbers[-1]] -= 1
    networks[members] = numbers
    return networks


def _settle(kinds: Codes, rng: np.random.Generator) -> Codes:
    chance = rng.random(len(kinds))
    honest = np.searchsorted(np.cumsum([market.honest_share for market in MARKETS]), chance)
    counterfeit = np.searchsorted(np.cumsum([market.counterfeit_share for market in MARKETS]), chance)
    settled = np.where(kinds == KIND_CODES["counterfeiter"], counterfeit, honest)
    return np.minimum(settled, len(MARKETS) - 1)  # sums of shares may fall short of 1 by a rounding


def _life_of(kinds: Codes, networks: Codes, craft: Craft, rng: np.random.Generator) -> dict[str, Array]:
    """Draw when each seller joined, began to sell and left; the sellers of a network begin within days."""
    n_sellers = len(kinds)
    median_age = np.array([float(kind.age_days) for kind in SELLER_KINDS])[kinds]
    joined = -np.clip(median_age * np.exp(0.9 * rng.standard_normal(n_sellers)), 2.0, 5_000.0)
    begin = joined + rng.random(n_sellers)
    start = rng.uniform(-YEAR_DAYS - craft.active_days, -2.0, n_sellers)
    network_start = rng.uniform(-YEAR_DAYS - craft.active_days, -15.0, n_sellers)
    start = np.where(networks >= 0, network_start[networks] + 12.0 * rng.random(n_sellers), start)
    stay = craft.active_days * np.exp(0.8 * rng.standard_normal(n_sellers)) + 2.0
    stay = np.maximum(stay, -YEAR_DAYS - start + 2.0)  # everyone sells for at least two days of the year
    aged = rng.random(n_sellers) < craft.aged_accounts
    wait = np.where(aged, 300.0 * np.exp(0.9 * rng.standard_normal(n_sellers)), rng.exponential(5.0, n_sellers))
    is_counterfeiter = kinds == KIND_CODES["counterfeiter"]
    return {
        "joined_day": np.where(is_counterfeiter, start - wait, joined),
        "active_day": np.where(is_counterfeiter, start, begin),
        "left_day": np.where(is_counterfeiter, np.minimum(start + stay, 0.0), 0.0),
    }
