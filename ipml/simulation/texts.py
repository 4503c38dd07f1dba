"""Titles and descriptions, written by templates from the vocabulary of each language."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt
import pandas as pd

from ipml.listings.brands import Brands
from ipml.simulation.attackers import Craft, choose_replica_phrases, disguise_name
from ipml.simulation.goods import GOODS, Model, models_of
from ipml.simulation.sellers import KIND_CODES, MARKETS
from ipml.simulation.voices import VOICES, Voice

# How often a seller takes the words that he (or his network) always takes.
HABIT = 0.6
# How often the description goes on where a replica phrase in the title began.
HEDGED = 0.5
# How often anybody, honest or not, uses another name of the brand.
ALIASED = 0.03
# Lawful sellers of parts and look-alikes use some of the counterfeiters' words, this often.
LAWFUL_PHRASES = ("OEM quality", "top grade", "1:1 fit", "AAA grade", "no replica")
LAWFULLY_WORDED = 0.10
ORNAMENTS = ("", "", "", "★ ", "🔥 ", "[HOT] ", "!! ", "✅ ", "◆ ")

Array = npt.NDArray[np.float64]

# Places of an offer's choices: what the goods are like first, then the words a seller has habits in. Each sentence
# of a voice takes two, whether it appears and which one.
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
    """Return the bundled vocabulary of a language.

    Examples
    --------
    >>> "Armbanduhr" in load_vocabulary("de").goods["watches"]
    True
    """
    text = files("ipml.simulation").joinpath(f"vocabulary/{language}.toml").read_text(encoding="utf-8")
    return Vocabulary(**tomllib.loads(text))


def write_texts(
    offers: pd.DataFrame, brands: Brands, craft: Craft, habits: npt.NDArray[np.floating], rng: np.random.Generator
) -> tuple[list[str], list[str]]:
    """Write titles and descriptions of offers.

    Parameters
    ----------
    offers : DataFrame of shape (n_offers, ...)
        From `make_offers`, or a part of its rows.
    brands : Brands
        Names and aliases.
    craft : Craft
        How often fakes use replica words.
    habits : array of shape (n_styles, N_CHOICES)
        The choices in 0-1 that each style likes to make.
    rng : numpy Generator
        Source of chance.

    Returns
    -------
    titles, descriptions : list of str
        One per offer.
    """
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
    """Call brands by their names, some by an alias, and those of disguised offers so that a word list misses them."""
    is_aliased = rng.random(len(offers)) < ALIASED
    ways = rng.random(len(offers))
    names = []
    for position, disguised, aliased, way in zip(
        offers["brand"].to_list(), offers["is_disguised"].to_list(), is_aliased, ways.tolist(), strict=True
    ):
        brand = brands.brands[position]
        if disguised:
            names.append(disguise_name(brand.name, way, brand.aliases))
        else:
            names.append(_pick(brand.aliases, way) if aliased and brand.aliases else brand.name)
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
