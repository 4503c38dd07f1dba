"""Sellers: draws who sells on the simulated marketplace, and what happens to them over the year.

There are honest trades, hard cases, and counterfeiters alone and in networks. Sales, returns, complaints and ratings
each have a day on which they became known. Days count from the end of the simulated year: -365 is its first day, 0
its last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.attackers import Craft, blend

YEAR_DAYS = 365.0
PREVALENCE = 0.07
LISTINGS_PER_SELLER = 11
# Share of all fakes that ten sellers hold: 36 % on a large marketplace where 924 sellers had any.
TEN_WORST_SHARE = 0.36
# Genuine goods that a counterfeiter offers for each fake, and the share of fakes among a mixed seller's goods.
DECOYS_PER_FAKE = 0.12
MIXED_FAKE_SHARE = 0.25
NETWORKED_SHARE = 0.45
# Largest honest portfolio, relative to the usual one of its kind: sizes follow a Pareto law up to here.
MAX_PORTFOLIO = 25.0

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SellerKind:
    """A kind of seller.

    Attributes
    ----------
    share : tuple of float
        Share of all sellers at difficulty 0 and 1 (normalised to sum to 1).
    portfolio : float
        Number of listings, relative to a shop's.
    age_days : float
        Median age of the account at the end of the year.
    price_ratio, price_spread : float
        Median of price / reference price of genuine goods, and standard deviation of its natural logarithm.
    return_rate, complaint_rate : tuple of float
        Share of the sales, at difficulty 0 and 1.
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
    """A market: country, language and currency of its sellers, and its shares of honest and counterfeit sellers."""

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

    `difficulty` (0-1) moves the shares of the kinds. The columns are seller_id, kind (code of `SELLER_KINDS`),
    network (number, -1 for none), style (shared by the sellers of a network), market (position in `MARKETS`),
    n_listings, n_fakes, joined_day, active_day and left_day.
    """
    kinds = _share_out_kinds(max(20, n_listings // LISTINGS_PER_SELLER), difficulty, rng)
    n_fakes = share_out_fakes(kinds, round(PREVALENCE * n_listings), rng)
    return settle_sellers(kinds, n_fakes, _form_networks(kinds, rng), n_listings, craft, rng)


def settle_sellers(
    kinds: Codes, n_fakes: Codes, networks: Codes, n_listings: int, craft: Craft, rng: np.random.Generator
) -> pd.DataFrame:
    """Return sellers as `recruit_sellers` does, for given kinds, numbers of fakes and networks (-1 for none).

    All three arrays have the shape (n_sellers,).
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
    """Distribute fakes over counterfeiters and mixed sellers; the ten worst get `TEN_WORST_SHARE` of them.

    The k-th worst gets a share proportional to (k + 5) ** -a (the Zipf-Mandelbrot law), with a found by bisection.
    Where there are so few offenders that ten hold more in any case, all get equal shares.
    """
    is_counterfeiter = kinds == KIND_CODES["counterfeiter"]
    worst_first = np.concatenate(
        [
            rng.permutation(np.flatnonzero(is_counterfeiter)),
            rng.permutation(np.flatnonzero(kinds == KIND_CODES["mixed"])),
        ]
    )
    # The worst are counterfeiters; the long tail mixes both kinds.
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
    """Distribute `total` things by shares that sum to 1, in whole numbers with nothing left over."""
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
    """Number networks of 3 to 10 counterfeiters each, until `NETWORKED_SHARE` of them belong to one."""
    networks = np.full(len(kinds), -1, dtype=np.int64)
    counterfeiters = rng.permutation(np.flatnonzero(kinds == KIND_CODES["counterfeiter"]))
    members = counterfeiters[: round(NETWORKED_SHARE * len(counterfeiters))]
    sizes = rng.integers(3, 11, size=len(members) // 3 + 1)
    numbers = np.repeat(np.arange(len(sizes)), sizes)[: len(members)]
    # One or two left over join the network before.
    if len(numbers) and numbers[-1] > 0 and np.count_nonzero(numbers == numbers[-1]) < 3:
        numbers[numbers == numbers[-1]] -= 1
    networks[members] = numbers
    return networks


def _settle(kinds: Codes, rng: np.random.Generator) -> Codes:
    chance = rng.random(len(kinds))
    honest = np.searchsorted(np.cumsum([market.honest_share for market in MARKETS]), chance)
    counterfeit = np.searchsorted(np.cumsum([market.counterfeit_share for market in MARKETS]), chance)
    settled = np.where(kinds == KIND_CODES["counterfeiter"], counterfeit, honest)
    return np.minimum(settled, len(MARKETS) - 1)  # rounding may leave the sum of shares below 1


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


# Sales are simulated for the year and this many days before it.
EARLIER_DAYS = 180.0
MAX_SALES = 5_000
RATED_SHARE = 0.3
UNHAPPY_SHARE = 0.06
STRIKE_SHARE = 0.25
# Strikes a year for other violations (spam, wrong category, late parcels) of a seller of average size.
OTHER_STRIKES = 0.4


def make_events(
    sellers: pd.DataFrame, offers: pd.DataFrame, difficulty: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return what happened to sellers until the end of the year, except strikes for counterfeits.

    The higher `difficulty` (0-1), the fewer complaints about fakes and the more about honest sellers. The columns are
    seller (position), kind, occurred_day, known_day and amount (a rating in 0-1, else 1).
    """
    seller, sold_day = _sell(sellers, rng)
    parts = [
        _record_events("joined", np.arange(len(sellers)), sellers["joined_day"].to_numpy()),
        _record_events("listed", offers["seller"].to_numpy(), offers["listed_day"].to_numpy()),
        _record_events("sold", seller, sold_day),
        *_follow_sales(sellers, seller, sold_day, difficulty, rng),
        _record_events("struck", *_spread_over_activity(sellers, OTHER_STRIKES / YEAR_DAYS, rng)),
    ]
    return pd.concat(parts, ignore_index=True)


def strike_sellers(decisions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the strikes that follow within days from some of the decisions, as events.

    Wrong decisions (columns seller, is_counterfeit, decided_day) lead to strikes as right ones do.
    """
    guilty = decisions[decisions["is_counterfeit"]]
    struck = guilty[rng.random(len(guilty)) < STRIKE_SHARE]
    return _record_events(
        "struck", struck["seller"].to_numpy(), struck["decided_day"].to_numpy() + rng.random(len(struck))
    )


def count_known(events: pd.DataFrame, seller: Codes, at_day: Array) -> Codes:
    """Count, for each seller and day, the events known by then.

    >>> events = pd.DataFrame({"seller": [0, 0, 1], "known_day": [-5.0, -1.0, -9.0]})
    >>> count_known(events, np.array([0, 0, 1]), np.array([-3.0, 0.0, -10.0])).tolist()
    [1, 2, 0]
    """
    # Days lie well within the span, so seller and day combine into one number that sorts by both.
    span = 100_000.0
    keys = np.sort(events["seller"].to_numpy() * span + events["known_day"].to_numpy())
    first = np.searchsorted(keys, seller * span - span / 2)
    return np.asarray(np.searchsorted(keys, seller * span + at_day, side="right") - first)


def _record_events(
    kind: str, seller: Codes, occurred_day: Array, delay_days: Array | float = 0.0, amount: Array | float = 1.0
) -> pd.DataFrame:
    """Return events of one kind; each becomes known after `delay_days`."""
    known_day = occurred_day + delay_days
    return pd.DataFrame(
        {"seller": seller, "kind": kind, "occurred_day": occurred_day, "known_day": known_day, "amount": amount}
    )


def _sell(sellers: pd.DataFrame, rng: np.random.Generator) -> tuple[Codes, Array]:
    """Draw who sold when: more with more listings, and with luck (gamma) that makes some sell ten times as much."""
    per_day = np.array([kind.sales_per_day for kind in SELLER_KINDS])[sellers["kind"]]
    return _spread_over_activity(sellers, per_day * rng.gamma(0.8, 1 / 0.8, len(sellers)), rng)


def _spread_over_activity(
    sellers: pd.DataFrame, per_day: Array | float, rng: np.random.Generator
) -> tuple[Codes, Array]:
    """Draw sellers and days of random events, at a daily rate times the root of the seller's relative size."""
    start = np.maximum(sellers["active_day"].to_numpy(), -YEAR_DAYS - EARLIER_DAYS)
    days = sellers["left_day"].to_numpy() - start
    size = np.sqrt(sellers["n_listings"].to_numpy() / sellers["n_listings"].mean())
    counts = np.minimum(rng.poisson(per_day * days * size), MAX_SALES)
    seller = np.repeat(np.arange(len(sellers)), counts)
    return seller, start[seller] + days[seller] * rng.random(len(seller))


def _follow_sales(
    sellers: pd.DataFrame, seller: Codes, sold_day: Array, difficulty: float, rng: np.random.Generator
) -> list[pd.DataFrame]:
    """Draw returns, complaints and ratings; complaints become known only days to weeks later."""
    returned = rng.random(len(seller)) < draw_rates(sellers, "return_rate", difficulty, rng)[seller]
    complained = rng.random(len(seller)) < draw_rates(sellers, "complaint_rate", difficulty, rng)[seller]
    rated = rng.random(len(seller)) < RATED_SHARE
    unhappy = complained | (rng.random(len(seller)) < UNHAPPY_SHARE)
    stars = np.where(unhappy, rng.integers(1, 4, len(seller)), rng.integers(4, 6, len(seller)))
    ratings = (stars - 1) / 4

    def follow(happens: npt.NDArray[np.bool_], kind: str, after_days: float, delay_days: float) -> pd.DataFrame:
        n_events = int(happens.sum())
        occurred = sold_day[happens] + rng.gamma(2.0, after_days / 2.0, n_events)
        delay = rng.gamma(1.5, delay_days / 1.5, n_events)
        return _record_events(kind, seller[happens], occurred, delay, ratings[happens] if kind == "rated" else 1.0)

    return [
        follow(returned, "returned", after_days=10.0, delay_days=2.0),
        follow(complained, "complained", after_days=9.0, delay_days=12.0),
        follow(rated, "rated", after_days=7.0, delay_days=0.1),
    ]


def draw_rates(sellers: pd.DataFrame, name: str, difficulty: float, rng: np.random.Generator) -> Array:
    """Draw a rate for each seller around that of the kind: some are careful, some careless."""
    bounds: list[tuple[float, float]] = [getattr(kind, name) for kind in SELLER_KINDS]
    rates = np.array([blend(easy, hard, difficulty) for easy, hard in bounds])[sellers["kind"]]
    return np.minimum(rates * rng.gamma(1.0, 1.0, len(sellers)), 0.9)
