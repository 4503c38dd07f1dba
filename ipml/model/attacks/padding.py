"""Harmless words by the dozen around a text, in which the few that matter drown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Place = Literal["front", "end", "around", "middle"]
N_PHRASES = 60  # enough to take every model that weighs the whole text from a recall of 0.96 to nothing
N_BURYING = 600  # more letters than anybody reads of a description
MAX_TITLE_LETTERS = 2_000

LAWFUL_PHRASES = (
    "second hand", "spare part", "compatible", "case for", "strap for", "my own, worn twice", "with receipt",
    "from my wardrobe", "used", "vintage", "for parts", "replacement screen", "suitable for", "no original box",
)  # fmt: skip
"""What honest sellers say who might be mistaken for others; attackers learn it from the listings that stay up."""

_QUALITIES = (
    "soft cotton", "hand washed", "light grey", "family owned", "well packed", "oak wood", "summer garden", "kitchen",
    "pet friendly", "wide fit", "plain blue", "recycled paper", "school", "long sleeve", "ceramic", "countryside",
    "easy care", "two metre", "rain proof", "knitted",
)  # fmt: skip
_THINGS = (
    "tea towel", "plant pot", "reading lamp", "storage box", "picture frame", "cushion cover", "bread basket",
    "notebook", "bath mat", "coat hook", "seed packet", "candle holder", "lunch bag", "table runner", "puzzle",
    "watering can", "wool blanket", "bird feeder", "desk tray", "apron",
)  # fmt: skip


def pad(
    text: str, rng: np.random.Generator, place: Place, phrases: Sequence[str] = (), n_phrases: int = N_PHRASES
) -> str:
    """Put harmless phrases before, after, around or into the middle of a text.

    Beside a long title fewer fit, as it may have 2,000 letters; a longer text is a description and takes all.

    Parameters
    ----------
    text : str
    rng : Generator
        Draws the phrases.
    place : {"front", "end", "around", "middle"}
    phrases : sequence of str, optional
        What is drawn from; names of household goods where none are given.
    n_phrases : int, default=60

    Examples
    --------
    >>> padded = pad("Nike Air", np.random.default_rng(0), "middle")
    >>> padded.startswith("Nike "), padded.endswith(" Air"), len(padded) > 1_000
    (True, True, True)
    """
    drawn = [str(phrase) for phrase in rng.choice(phrases, n_phrases)] if phrases else _household(rng, n_phrases)
    if len(text) <= MAX_TITLE_LETTERS and n_phrases == N_PHRASES:
        ends = np.cumsum([len(phrase) + 1 for phrase in drawn])
        drawn = drawn[: int(np.searchsorted(ends, MAX_TITLE_LETTERS - len(text), side="right"))]
    words = text.split()
    half, half_of_words = len(drawn) // 2, len(words) // 2
    parts = {
        "front": [*drawn, text],
        "end": [text, *drawn],
        "around": [*drawn[:half], text, *drawn[half:]],
        "middle": [*words[:half_of_words], *drawn, *words[half_of_words:]],
    }
    return " ".join(parts[place])


def harmless_title(rng: np.random.Generator) -> str:
    """Return a title of harmless goods.

    Examples
    --------
    >>> harmless_title(np.random.default_rng(0))
    'Two metre lunch bag'
    """
    return _household(rng, 1)[0].capitalize()


def _household(rng: np.random.Generator, n_phrases: int) -> list[str]:
    pairs = zip(rng.choice(_QUALITIES, n_phrases), rng.choice(_THINGS, n_phrases), strict=True)
    return [f"{quality} {thing}" for quality, thing in pairs]
