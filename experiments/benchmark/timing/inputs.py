"""The listings on which speed is measured: real ones of a marketplace, and as many more as wanted made of them.

More listings are the same ones under other ids and with other titles: the first half of one and the second of another.
They have no labels; where something is to be learnt from them, a share of the sellers is drawn as counterfeiters.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from experiments.benchmark.parts import REPLICA_WORDS

COUNTERFEITERS = 0.07
SAYS_SO = {True: 0.7, False: 0.01}
"""Which share of the titles gets a word of the trade, of counterfeiters and of others."""

_PAIR_OF_LETTERS = re.compile("(?<=[A-Za-z])(?=[A-Za-z])")


def multiply(
    listings: pd.DataFrame, rows: int, *, are_titles_unique: bool = False, seed: int = 0
) -> Iterator[pd.DataFrame]:
    """Yield so many listings with ids of their own: the given ones, and then those with joined titles.

    Parameters
    ----------
    listings : DataFrame
        Canonical columns.
    rows : int
    are_titles_unique : bool, default=False
        Leave out each title that was there before.
    seed : int, default=0

    Examples
    --------
    >>> listings = pd.DataFrame({"listing_id": ["1", "2"], "title": ["wool hat", "red bag"]})
    >>> pd.concat(multiply(listings, 4, seed=3))["title"].tolist()
    ['wool hat', 'red bag', 'wool bag', 'red hat']
    """
    generator = np.random.default_rng(seed)
    seen: set[str] = set()
    copy, part = 0, listings
    while rows > 0:
        if are_titles_unique:
            part = part[_are_new(part["title"], seen)]
        yield part.head(rows)
        rows -= len(part)
        copy += 1
        ids = listings["listing_id"] + f"-{copy}"
        part = listings.assign(listing_id=ids, title=join_titles(listings["title"], generator))


def join_titles(titles: pd.Series[str], generator: np.random.Generator) -> list[str]:
    """Return each title with the second half of the words of another one, drawn at random, instead of its own."""
    words = [title.split() for title in titles]
    heads = [" ".join(each[: (len(each) + 1) // 2]) for each in words]
    tails = [" ".join(each[(len(each) + 1) // 2 :]) for each in words]
    return [
        f"{head} {tails[other]}".strip() for head, other in zip(heads, generator.permutation(len(words)), strict=True)
    ]


def draw_labels(listings: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Return the listings with labels by a rule: of drawn sellers, all are counterfeit, and most titles say so."""
    generator = np.random.default_rng(seed)
    sellers = listings["seller_id"].unique()
    drawn = sellers[generator.random(len(sellers)) < COUNTERFEITERS]
    is_counterfeit = listings["seller_id"].isin(drawn).to_numpy()
    says_so = generator.random(len(listings)) < np.where(is_counterfeit, SAYS_SO[True], SAYS_SO[False])
    words = generator.choice(REPLICA_WORDS, len(listings))
    titles = [
        f"{title} {word}" if says else title
        for title, word, says in zip(listings["title"], words, says_so, strict=True)
    ]
    return listings.assign(title=titles, is_counterfeit=is_counterfeit)


def put_odd_letters(listings: pd.DataFrame, letter: str, seed: int = 0) -> pd.DataFrame:
    """Return the listings with ASCII titles, and in each title one letter of a kind at a place drawn at random.

    Only titles with an "a" and with two letters beside each other are taken, so that every kind has its place in all.

    Parameters
    ----------
    listings : DataFrame
    letter : str
        A name in `ODD_LETTERS`.
    seed : int, default=0

    Examples
    --------
    >>> listings = pd.DataFrame({"title": ["bag", "café", "1 a"]})
    >>> put_odd_letters(listings, "Cyrillic а")["title"].map(ascii).tolist()
    ["'b\\\\u0430g'"]
    """
    draw = random.Random(seed)  # noqa: S311
    has_places = [
        title.isascii() and "a" in title.lower() and bool(_PAIR_OF_LETTERS.search(title)) for title in listings["title"]
    ]
    taken = listings[has_places]
    return taken.assign(title=[ODD_LETTERS[letter](title, draw) for title in taken["title"]])


def _keep(title: str, _draw: random.Random) -> str:
    return title


def _accent(title: str, draw: random.Random) -> str:
    at = draw.choice([at for at, letter in enumerate(title) if letter.isalpha()])
    return f"{title[:at]}é{title[at + 1 :]}"


def _look_alike(title: str, draw: random.Random) -> str:
    at = draw.choice([at for at, letter in enumerate(title) if letter in "aA"])
    return f"{title[:at]}{'а' if title[at] == 'a' else 'А'}{title[at + 1 :]}"


def _zero_width(title: str, draw: random.Random) -> str:
    at = draw.choice([pair.start() for pair in _PAIR_OF_LETTERS.finditer(title)])
    return f"{title[:at]}\N{ZERO WIDTH SPACE}{title[at:]}"


ODD_LETTERS: dict[str, Callable[[str, random.Random], str]] = {
    "ASCII": _keep,
    "é": _accent,
    "Cyrillic а": _look_alike,
    "zero-width space": _zero_width,
}


def _are_new(titles: pd.Series[str], seen: set[str]) -> list[bool]:
    before = len(seen)
    found = []
    for title in titles:
        seen.add(title)
        found.append(len(seen) > before)
        before = len(seen)
    return found
