"""Simulated listings: writes offers as the canonical columns that a marketplace sees.

Titles and descriptions come from templates in the vocabulary of each language.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.attackers import Craft, choose_replica_phrases, disguise_name
from ipml.simulation.offers import GOODS, VOICE_CODES, VOICES, Model, Voice, models_of
from ipml.simulation.sellers import KIND_CODES, MARKETS

# Probability that a seller uses the habitual words of the style.
HABIT = 0.6
# Probability of a hedging sentence in the description of a fake with a replica phrase in the title.
HEDGED = 0.5
# Probability that any seller, honest or not, uses an alias of the brand.
ALIASED = 0.03
# Phrases of counterfeiters that lawful sellers of parts and look-alikes use too, and how often.
LAWFUL_PHRASES = ("OEM quality", "top grade", "1:1 fit", "AAA grade", "no replica")
LAWFULLY_WORDED = 0.10
_WRITTEN = re.compile("[\x00-\u052f\u3040-\u30ff\u4e00-\u9fff]*")  # Latin, Cyrillic, kana and ideographs
ORNAMENTS = ("", "", "", "★ ", "🔥 ", "[HOT] ", "!! ", "✅ ", "◆ ")

Array = npt.NDArray[np.float64]

# Positions of an offer's choices: first the goods, then the words in which sellers have habits. Each sentence of a
# voice takes two: whether it appears, and which one.
_COLOUR, _NOUN, _SIZE, _TITLE, _ORNAMENT, _HEDGE, _SENTENCES = range(7)
N_CHOICES = _SENTENCES + 2 * max(len(voice.sentences) for voice in VOICES.values())


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of one language: colours, names of goods, title templates and sentences, by their keys."""

    colours: Sequence[str]
    goods: dict[str, Sequence[str]]
    titles: dict[str, Sequence[str]]
    sentences: dict[str, Sequence[str]]


@lru_cache(maxsize=16)
def load_vocabulary(language: str) -> Vocabulary:
    """Return the bundled vocabulary of a language."""
    text = files("ipml.simulation").joinpath(f"vocabulary/{language}.toml").read_text(encoding="utf-8")
    return Vocabulary(**tomllib.loads(text))


def _write_texts(
    offers: pd.DataFrame, brands: Brands, craft: Craft, habits: npt.NDArray[np.floating], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Return a title and a description for each offer; `habits` are each style's preferred choices, 0-1."""
    phrases = _choose_phrases(offers, craft, rng)
    is_hedged = offers["is_counterfeit"].to_numpy() & (rng.random(len(offers)) < HEDGED)
    names = _choose_names(offers, brands, rng)
    choices = _choose_words(offers["style"].to_numpy(), habits, rng)
    voices = tuple(VOICES.values())
    titles, descriptions = [], []
    for row, (market, brand, model, goods, voice) in enumerate(
        zip(*(offers[column].to_list() for column in ("market", "brand", "model", "goods", "voice")), strict=True)
    ):
        vocabulary = load_vocabulary(MARKETS[market].language)
        picks = choices[row].tolist()
        slots = _fill_slots(
            vocabulary, brands.brands[brand].name, models_of(brands.brands[brand].name)[model], goods, picks
        )
        titles.append(_write_title(vocabulary, voices[voice], slots | {"brand": names[row]}, phrases[row], picks))
        descriptions.append(
            _write_description(vocabulary, voices[voice], slots, bool(phrases[row]) and is_hedged[row], picks)
        )
    return titles, descriptions


def _choose_phrases(offers: pd.DataFrame, craft: Craft, rng: np.random.Generator) -> list[str]:
    is_lawful = (offers["kind"] == KIND_CODES["lawful"]).to_numpy() & (rng.random(len(offers)) < LAWFULLY_WORDED)
    lawful = np.where(is_lawful, rng.choice(np.array(LAWFUL_PHRASES, dtype=object), len(offers)), "")
    replica = choose_replica_phrases(len(offers), craft, rng)
    return list(np.where(offers["is_counterfeit"], replica, lawful))


def _choose_names(offers: pd.DataFrame, brands: Brands, rng: np.random.Generator) -> list[str]:
    """Return the brand's name, at times an alias; disguised offers get a disguised name."""
    is_aliased = rng.random(len(offers)) < ALIASED
    ways = rng.random(len(offers))
    names = []
    for position, disguised, aliased, way in zip(
        offers["brand"].to_list(), offers["is_disguised"].to_list(), is_aliased, ways.tolist(), strict=True
    ):
        brand = brands.brands[position]
        # Ignore aliases from the first one in a script that the simulated markets do not write.
        aliases = tuple(takewhile(_WRITTEN.fullmatch, brand.aliases))
        if disguised:
            names.append(disguise_name(brand.name, way, aliases))
        else:
            names.append(_pick(aliases, way) if aliased and aliases else brand.name)
    return names


def _choose_words(styles: npt.NDArray[np.int64], habits: npt.NDArray[np.floating], rng: np.random.Generator) -> Array:
    choices = rng.random((len(styles), N_CHOICES))
    is_habit = rng.random(len(styles)) < HABIT
    choices[is_habit, _TITLE:] = habits[styles[is_habit], _TITLE:]
    return choices


def _fill_slots(vocabulary: Vocabulary, brand: str, model: Model, goods: int, picks: Sequence[float]) -> dict[str, str]:
    return {
        "brand": brand,
        "model": model.name,
        "code": model.code,
        "goods": _pick(vocabulary.goods[GOODS[goods].name], picks[_NOUN]),
        "colour": _pick(vocabulary.colours, picks[_COLOUR]),
        "size": _pick(GOODS[goods].sizes, picks[_SIZE]),
    }


def _write_title(
    vocabulary: Vocabulary, voice: Voice, slots: dict[str, str], phrase: str, picks: Sequence[float]
) -> str:
    title = _pick(vocabulary.titles[voice.titles], picks[_TITLE]).format_map(slots)
    ornament = _pick(ORNAMENTS, picks[_ORNAMENT]) if voice.titles == "eager" else ""
    return " ".join(f"{ornament}{title} {phrase}".split()).rstrip(" ,-")


def _write_description(
    vocabulary: Vocabulary, voice: Voice, slots: dict[str, str], is_hedged: bool, picks: Sequence[float]
) -> str:
    sentences = [
        _pick(vocabulary.sentences[key], picks[_SENTENCES + 2 * place + 1])
        for place, (key, share) in enumerate(voice.sentences)
        if picks[_SENTENCES + 2 * place] < share
    ]
    if is_hedged:
        sentences.append(_pick(vocabulary.sentences["hedge"], picks[_HEDGE]))
    return " ".join(sentences).format_map(slots)


def _pick(words: Sequence[str], chance: float) -> str:
    return words[int(chance * len(words))]


END_OF_YEAR = pd.Timestamp("2026-06-30T23:59:59Z")
BLOCK_ROWS = 50_000
NUMBERED_SHARE = 0.6
# Probability that an offer in each voice fills in the brand field.
BRANDED_SHARES = {
    "retail": 0.97,
    "clearance": 0.93,
    "private": 0.85,
    "compatible": 0.50,
    "inspired": 0.35,
    "eager": 0.75,
}


def write_listings(
    offers: pd.DataFrame,
    seller_ids: pd.Series[Any],
    brands: Brands,
    craft: Craft,
    rng: np.random.Generator,
    habits: npt.NDArray[np.floating] | None = None,
) -> pd.DataFrame:
    """Return the listings of the offers, without seller history and labels, shape (n_offers, 14).

    `habits` are the preferred choices of each style, in 0-1, shape (n_styles, N_CHOICES); they are drawn where not
    given.
    """
    habits = rng.random((int(offers["style"].max()) + 1, N_CHOICES)) if habits is None else habits
    return pd.DataFrame(
        {
            "listing_id": number_listings(len(offers)),
            "seller_id": take_words(seller_ids, offers["seller"]),
            **_write_texts_in_blocks(offers, brands, craft, habits, rng),
            "brand": _name_brands(offers, brands, rng),
            "category": take_words([brand.category for brand in brands], offers["brand"]),
            "price": offers["price"],
            "currency": take_words([market.currency for market in MARKETS], offers["market"]),
            "listed_at": to_moments(offers["listed_day"]),
            "observed_at": to_moments(offers["observed_day"]),
            "condition": take_words(["new", "used"], offers["is_used"].astype(int)),
            "country": take_words([market.country for market in MARKETS], offers["market"]),
            "gtin": _number_articles(offers, brands, craft, rng),
            "image_hash": pd.Series([f"{image:016x}" for image in offers["image"].to_numpy()], dtype="str"),
        }
    )


def number_listings(n_listings: int, first: int = 0) -> pd.Series[Any]:
    """Return the ids of consecutive listings, from number `first`."""
    return pd.Series([f"listing-{number:07d}" for number in range(first, first + n_listings)], dtype="str")


def take_words(words: Iterable[str], positions: pd.Series[Any]) -> pd.Series[Any]:
    """Return the words at the positions."""
    return pd.Series(pd.array(list(words), dtype="str").take(positions.to_numpy()))


def to_moments(days: pd.Series[Any]) -> pd.Series[Any]:
    """Convert days relative to the end of the year to times in UTC, rounded to the second.

    >>> to_moments(pd.Series([-1.0]))[0].isoformat()
    '2026-06-29T23:59:59+00:00'
    """
    seconds = np.round(days.to_numpy() * 86_400).astype("timedelta64[s]")
    return (END_OF_YEAR + pd.Series(seconds, index=days.index)).astype("datetime64[us, UTC]")


def _write_texts_in_blocks(
    offers: pd.DataFrame,
    brands: Brands,
    craft: Craft,
    habits: npt.NDArray[np.floating],
    rng: np.random.Generator,
) -> dict[str, pd.Series[Any]]:
    """Write texts in blocks, so that only one block of Python strings is in memory at a time."""
    blocks = []
    for start in range(0, len(offers), BLOCK_ROWS):
        titles, descriptions = _write_texts(offers.iloc[start : start + BLOCK_ROWS], brands, craft, habits, rng)
        blocks.append(pd.DataFrame({"title": titles, "description": descriptions}, dtype="str"))
    texts = pd.concat(blocks, ignore_index=True)
    return {"title": texts["title"], "description": texts["description"]}


def _name_brands(offers: pd.DataFrame, brands: Brands, rng: np.random.Generator) -> pd.Series[Any]:
    shares = np.array([BRANDED_SHARES[voice] for voice in VOICE_CODES])[offers["voice"]]
    names = take_words([brand.name for brand in brands], offers["brand"])
    return names.where((rng.random(len(offers)) < shares) & ~offers["is_disguised"].to_numpy())


def _number_articles(offers: pd.DataFrame, brands: Brands, craft: Craft, rng: np.random.Generator) -> pd.Series[Any]:
    is_retail = np.isin(offers["voice"], [VOICE_CODES["retail"], VOICE_CODES["clearance"]])
    shares = np.where(offers["is_counterfeit"], craft.numbered, NUMBERED_SHARE)
    gtins = np.array([[model.gtin for model in models_of(brand.name)] for brand in brands], dtype=object)
    articles = pd.Series(gtins[offers["brand"], offers["model"]], dtype="str")
    return articles.where(is_retail & (rng.random(len(offers)) < shares))
