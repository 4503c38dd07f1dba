"""Counterfeiters: sets how fakes are worded, disguised and priced, from one difficulty in 0-1.

At 0 a fake betrays itself in several ways at once. At 1 it is written, priced and sold almost like the genuine
article, and honest sellers look more suspicious than they do in reality. The replica words and their shares come from
874 titles of counterfeit goods on a dark-net market of 2017 (25 % contain "AAA", 20 % "grade", 19 % "replica", 14 %
"1:1", under 1 % "copy"). On an open marketplace they are rarer; they grow rarer as difficulty rises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ipml.errors import UnusableSetting


def blend(easy: float, hard: float, difficulty: float) -> float:
    """Return the linear interpolation from `easy` (difficulty 0) to `hard` (difficulty 1)."""
    return easy + (hard - easy) * difficulty


def check_difficulty(difficulty: float) -> None:
    """Refuse a difficulty outside 0-1 with `UnusableSetting`."""
    if not 0.0 <= difficulty <= 1.0:
        raise UnusableSetting("difficulty", f"{difficulty}", "a number from 0 (easy) to 1 (hard)")


# Phrase and share of titles with it, at difficulty 0.
REPLICA_PHRASES: tuple[tuple[str, float], ...] = (
    ("AAA", 0.09),
    ("AAA quality", 0.07),
    ("AAA grade", 0.09),
    ("top grade", 0.11),
    ("replica", 0.13),
    ("1:1 replica", 0.06),
    ("1:1", 0.05),
    ("1:1 mirror", 0.03),
    ("OEM quality", 0.03),
    ("inspired", 0.02),
    ("copy", 0.005),
)

# Letters of other scripts that look like Latin ones, and digits that read like them.
_LOOK_ALIKES = str.maketrans("aceopxyiABCEHKMOPTXsS", "асеорхуіАВСЕНКМОРТХѕЅ")
_DIGITS = str.maketrans("aeioAEIOsS", "4310431055")
_ZERO_WIDTH = "\u200b"


@dataclass(frozen=True, slots=True)
class Craft:
    """Skill of the counterfeiters of a simulation in imitating genuine offers.

    Attributes
    ----------
    copied, disguised, numbered : float
        Shares of fakes with texts copied from honest offers, a disguised brand name in the title, the genuine GTIN.
    worded : float
        Frequency of replica words, relative to dark-net titles.
    price_ratio, price_spread : float
        Median of price / genuine price, and standard deviation of its natural logarithm.
    luxury_discount : float
        How much further the ratio sinks for expensive brands: the exponent of `scale_down`.
    aged_accounts : float
        Share of counterfeiters who sell from an account bought or held for long.
    active_days : float
        Median days from a counterfeiter's first listing to the last.
    age_days : float
        Median age in days of a fake's listing when it is observed.
    """

    copied: float
    worded: float
    disguised: float
    price_ratio: float
    price_spread: float
    luxury_discount: float
    aged_accounts: float
    active_days: float
    age_days: float
    numbered: float


def craft_of(difficulty: float) -> Craft:
    """Return how well counterfeiters imitate at a difficulty in 0-1."""
    return Craft(
        copied=0.85 * difficulty**1.3,
        worded=(1.0 - difficulty) ** 1.3,
        disguised=blend(0.22, 0.02, difficulty),
        price_ratio=blend(0.14, 0.78, difficulty),
        price_spread=0.45,
        luxury_discount=blend(0.6, 0.0, difficulty),
        aged_accounts=blend(0.10, 0.70, difficulty),
        active_days=blend(20.0, 120.0, difficulty),
        age_days=12.5 * 5.0 ** (2.0 * difficulty - 1.0),
        numbered=blend(0.05, 0.55, difficulty),
    )


def choose_replica_phrases(n_fakes: int, craft: Craft, rng: np.random.Generator) -> npt.NDArray[Any]:
    """Return a replica phrase for each fake, "" for most, shape (n_fakes,)."""
    phrases = np.array(["", *(phrase for phrase, _ in REPLICA_PHRASES)], dtype=object)
    upper_bounds = np.cumsum([share for _, share in REPLICA_PHRASES]) * min(craft.worded, 1.0)
    drawn = np.searchsorted(upper_bounds, rng.random(n_fakes), side="right") + 1
    return phrases[np.where(drawn == len(phrases), 0, drawn)]


def disguise_name(name: str, way: float, aliases: tuple[str, ...] = ()) -> str:
    """Write a brand's name so that a reader still recognises it and a word list does not.

    `way` (0-1) chooses among look-alike letters, an invisible letter, spaces, digits, and an alias that buyers know;
    for a brand without `aliases` the vowels become asterisks.

    >>> [disguise_name("Nike", way) for way in (0.3, 0.5, 0.7, 0.9)]
    ['N\u200bike', 'N i k e', 'N1k3', 'N*k*']
    """
    with_invisible = name[:1] + _ZERO_WIDTH + name[1:]
    if way < 0.25:
        written = name.translate(_LOOK_ALIKES)
    elif way < 0.45:
        written = with_invisible
    elif way < 0.6:
        written = " ".join(name.replace(" ", ""))
    elif way < 0.8:
        written = name.translate(_DIGITS)
    elif aliases:
        written = aliases[int(way * 1e6) % len(aliases)]
    else:
        written = "".join("*" if letter in "aeiouAEIOU" else letter for letter in name)
    # A name such as HP has no vowel to hide.
    return written if written != name else with_invisible


def price_fakes(worth: npt.NDArray[np.float64], craft: Craft, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return price / genuine price of each fake: log-normal around the craft's median, lower for expensive brands.

    `worth` is the price of the genuine article in US dollars.
    """
    usual = craft.price_ratio * scale_down(worth, craft.luxury_discount)
    return np.asarray(usual * np.exp(craft.price_spread * rng.standard_normal(len(worth))))


def scale_down(worth: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Return the factor on the price ratio of goods worth more than 100 dollars: (worth / 100) ** -exponent.

    In replica catalogues of 2024 shoes cost about 18 % of the genuine price, and bags of twenty times that price 1 %:
    an exponent of 0.9 across both.

    >>> scale_down(np.array([50.0, 10_000.0]), 0.5).tolist()
    [1.0, 0.1]
    """
    return np.asarray(np.maximum(worth / 100.0, 1.0) ** -exponent)
