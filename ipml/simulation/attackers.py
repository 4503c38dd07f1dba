"""How fakes are written and priced: what a counterfeiter gives away, and what he copies.

How hard the simulated marketplace is, is one number in 0-1 that moves many. At 0 a fake gives itself away in several
ways at once; at 1 it is written, priced and sold almost like the real thing, and honest sellers look more suspicious
than they do today.

The words are those that counterfeiters use among themselves; their shares come from 874 titles of counterfeit goods on
a dark-net market of 2017 (25 % contain "AAA", 20 % "grade", 19 % "replica", 14 % "1:1", under 1 % "copy"). On an open
marketplace they are rarer, and the rarer the harder the simulation is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ipml.errors import UnusableSetting


def blend(easy: float, hard: float, difficulty: float) -> float:
    """Return the value of a quantity that goes from `easy` (difficulty 0) to `hard` (difficulty 1) in a straight line.

    Examples
    --------
    >>> [blend(0.25, 0.75, difficulty) for difficulty in (0.0, 0.5, 1.0)]
    [0.25, 0.5, 0.75]
    """
    return easy + (hard - easy) * difficulty


def check_difficulty(difficulty: float) -> None:
    """Refuse a difficulty outside 0-1.

    Raises
    ------
    UnusableSetting
        Where it is below 0, above 1, or no number.
    """
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

# Letters of other scripts that look like ours, and digits that read like them.
_LOOK_ALIKES = str.maketrans("aceopxyiABCEHKMOPTXsS", "асеорхуіАВСЕНКМОРТХѕЅ")
_DIGITS = str.maketrans("aeioAEIOsS", "4310431055")
_ZERO_WIDTH = "\u200b"


@dataclass(frozen=True, slots=True)
class Craft:
    """How well the counterfeiters of a simulation imitate.

    Attributes
    ----------
    copied : float
        Share of fakes whose title and description are copied from honest offers.
    worded : float
        How often replica words appear, as a share of how often they do among dark-net titles.
    disguised : float
        Share of fakes that disguise the brand's name in the title.
    price_ratio, price_spread : float
        Median of price / genuine price, and standard deviation of its natural logarithm.
    luxury_discount : float
        How much further the ratio sinks for dear brands: the exponent of `scale_down`.
    aged_accounts : float
        Share of counterfeiters who sell from an account bought or kept for long.
    active_days : float
        Median time in days from a counterfeiter's first listing until he is gone.
    age_days : float
        Median age in days of a fake's listing when it is observed.
    numbered : float
        Share of fakes that give the genuine product's GTIN.
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
    """Return how well counterfeiters imitate at a difficulty in 0-1.

    Examples
    --------
    >>> craft_of(0.9).copied > craft_of(0.1).copied
    True
    """
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
    """Return a replica phrase for each fake, "" for most, shape (n_fakes,).

    Examples
    --------
    >>> phrases = choose_replica_phrases(10_000, craft_of(0.5), np.random.default_rng(0))
    >>> round(float((phrases != "").mean()), 2)
    0.28
    """
    phrases = np.array(["", *(phrase for phrase, _ in REPLICA_PHRASES)], dtype=object)
    upper_bounds = np.cumsum([share for _, share in REPLICA_PHRASES]) * min(craft.worded, 1.0)
    drawn = np.searchsorted(upper_bounds, rng.random(n_fakes), side="right") + 1
    return phrases[np.where(drawn == len(phrases), 0, drawn)]


def disguise_name(name: str, way: float, aliases: tuple[str, ...] = ()) -> str:
    """Write a brand's name so that a reader still knows it and a word list does not.

    Parameters
    ----------
    name : str
        The brand's name.
    way : float
        In 0-1, chooses the way: look-alike letters, an invisible letter, spaces, digits, or an alias.
    aliases : tuple of str, default=()
        Other names that buyers know; without any, the name's vowels are starred.

    Examples
    --------
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
    """Return price / genuine price of each fake, log-normal about the craft's median, lower for dear brands.

    Parameters
    ----------
    worth : array of shape (n_fakes,)
        What the genuine article costs, in US dollars.
    craft : Craft
        How close to genuine prices fakes are.
    rng : numpy Generator
        Source of chance.

    Examples
    --------
    >>> ratios = price_fakes(np.array([100.0, 10_000.0]), craft_of(0.0), np.random.default_rng(0))
    >>> bool(ratios[0] > 5 * ratios[1])
    True
    """
    usual = craft.price_ratio * scale_down(worth, craft.luxury_discount)
    return np.asarray(usual * np.exp(craft.price_spread * rng.standard_normal(len(worth))))


def scale_down(worth: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """Return by how much a price ratio sinks for what is worth more than 100 dollars: (worth / 100) ** -exponent.

    In replica catalogues of 2024 shoes ask for about 18 % of the genuine price, bags of twenty times that price for
    1 %: an exponent of 0.9 over both.

    Examples
    --------
    >>> scale_down(np.array([50.0, 10_000.0]), 0.5).tolist()
    [1.0, 0.1]
    """
    return np.asarray(np.maximum(worth / 100.0, 1.0) ** -exponent)
