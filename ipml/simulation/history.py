"""What happens to sellers over the year: sales, returns, complaints, ratings, and when each became known."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.simulation.difficulty import blend
from ipml.simulation.sellers import SELLER_KINDS, YEAR_DAYS

# Sales are simulated for the year and this long before it.
EARLIER_DAYS = 180.0
MAX_SALES = 5_000
RATED_SHARE = 0.3
UNHAPPY_SHARE = 0.06
STRIKE_SHARE = 0.25
# Strikes a year for breaking other rules, for a seller of average size: spam, wrong category, late parcels.
OTHER_STRIKES = 0.4

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


def make_events(
    sellers: pd.DataFrame, offers: pd.DataFrame, difficulty: float, rng: np.random.Generator
) -> pd.DataFrame:
    """Return what happened to sellers until the end of the year, strikes for counterfeits apart.

    Parameters
    ----------
    sellers, offers : DataFrame
        From `recruit_sellers` and `make_offers`.
    difficulty : float
        In 0-1; the harder, the fewer complaints about fakes and the more about honest sellers.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    DataFrame of shape (n_events, 5)
        seller (position), kind, occurred_day, known_day, amount (a rating in 0-1, else 1).
    """
    seller, sold_day = _sell(sellers, rng)
    parts = [
        record_events("joined", np.arange(len(sellers)), sellers["joined_day"].to_numpy()),
        record_events("listed", offers["seller"].to_numpy(), offers["listed_day"].to_numpy()),
        record_events("sold", seller, sold_day),
        *_follow_sales(sellers, seller, sold_day, difficulty, rng),
        record_events("struck", *_spread_over_activity(sellers, OTHER_STRIKES / YEAR_DAYS, rng)),
    ]
    return pd.concat(parts, ignore_index=True)


def strike_sellers(decisions: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return the strikes that follow from reviewers' decisions within days, as events.

    Parameters
    ----------
    decisions : DataFrame
        seller, is_counterfeit and decided_day of each decision, rightly or wrongly taken.
    rng : numpy Generator
        Source of chance; not every decision leads to a strike.
    """
    guilty = decisions[decisions["is_counterfeit"]]
    struck = guilty[rng.random(len(guilty)) < STRIKE_SHARE]
    return record_events(
        "struck", struck["seller"].to_numpy(), struck["decided_day"].to_numpy() + rng.random(len(struck))
    )


def count_known(events: pd.DataFrame, seller: Codes, at_day: Array) -> Codes:
    """Count, for each seller and day, the events known by then.

    Examples
    --------
    >>> events = pd.DataFrame({"seller": [0, 0, 1], "known_day": [-5.0, -1.0, -9.0]})
    >>> count_known(events, np.array([0, 0, 1]), np.array([-3.0, 0.0, -10.0])).tolist()
    [1, 2, 0]
    """
    # Days lie well within one span, so that seller and day make one number that sorts as both do.
    span = 100_000.0
    keys = np.sort(events["seller"].to_numpy() * span + events["known_day"].to_numpy())
    first = np.searchsorted(keys, seller * span - span / 2)
    return np.asarray(np.searchsorted(keys, seller * span + at_day, side="right") - first)


def record_events(
    kind: str, seller: Codes, occurred_day: Array, delay_days: Array | float = 0.0, amount: Array | float = 1.0
) -> pd.DataFrame:
    """Return events of one kind; `delay_days` pass until each becomes known."""
    known_day = occurred_day + delay_days
    return pd.DataFrame(
        {"seller": seller, "kind": kind, "occurred_day": occurred_day, "known_day": known_day, "amount": amount}
    )


def _sell(sellers: pd.DataFrame, rng: np.random.Generator) -> tuple[Codes, Array]:
    """Draw who sold when: more with more listings, and with luck (gamma) that makes some sell ten times others."""
    per_day = np.array([kind.sales_per_day for kind in SELLER_KINDS])[sellers["kind"]]
    return _spread_over_activity(sellers, per_day * rng.gamma(0.8, 1 / 0.8, len(sellers)), rng)


def _spread_over_activity(
    sellers: pd.DataFrame, per_day: Array | float, rng: np.random.Generator
) -> tuple[Codes, Array]:
    """Draw sellers and days of something that befalls each of them so often, in relation to the root of his size."""
    start = np.maximum(sellers["active_day"].to_numpy(), -YEAR_DAYS - EARLIER_DAYS)
    days = sellers["left_day"].to_numpy() - start
    size = np.sqrt(sellers["n_listings"].to_numpy() / sellers["n_listings"].mean())
    counts = np.minimum(rng.poisson(per_day * days * size), MAX_SALES)
    seller = np.repeat(np.arange(len(sellers)), counts)
    return seller, start[seller] + days[seller] * rng.random(len(seller))


def _follow_sales(
    sellers: pd.DataFrame, seller: Codes, sold_day: Array, difficulty: float, rng: np.random.Generator
) -> list[pd.DataFrame]:
    """Let buyers send back, complain and rate; complaints become known only days to weeks later."""
    returned = rng.random(len(seller)) < _draw_rates(sellers, "return_rate", difficulty, rng)[seller]
    complained = rng.random(len(seller)) < _draw_rates(sellers, "complaint_rate", difficulty, rng)[seller]
    rated = rng.random(len(seller)) < RATED_SHARE
    unhappy = complained | (rng.random(len(seller)) < UNHAPPY_SHARE)
    stars = np.where(unhappy, rng.integers(1, 4, len(seller)), rng.integers(4, 6, len(seller)))
    ratings = (stars - 1) / 4

    def follow(happens: npt.NDArray[np.bool_], kind: str, after_days: float, delay_days: float) -> pd.DataFrame:
        n_events = int(happens.sum())
        occurred = sold_day[happens] + rng.gamma(2.0, after_days / 2.0, n_events)
        delay = rng.gamma(1.5, delay_days / 1.5, n_events)
        return record_events(kind, seller[happens], occurred, delay, ratings[happens] if kind == "rated" else 1.0)

    return [
        follow(returned, "returned", after_days=10.0, delay_days=2.0),
        follow(complained, "complained", after_days=9.0, delay_days=12.0),
        follow(rated, "rated", after_days=7.0, delay_days=0.1),
    ]


def _draw_rates(sellers: pd.DataFrame, name: str, difficulty: float, rng: np.random.Generator) -> Array:
    """Draw a rate per seller about that of his kind: some careful, some careless."""
    bounds: list[tuple[float, float]] = [getattr(kind, name) for kind in SELLER_KINDS]
    rates = np.array([blend(easy, hard, difficulty) for easy, hard in bounds])[sellers["kind"]]
    return np.minimum(rates * rng.gamma(1.0, 1.0, len(sellers)), 0.9)
