"""Findings of the engine in one folded text, by letters."""

from collections.abc import Iterable

import numpy as np

from ipml.features.column import PhraseSet
from ipml.features.columns import ListingColumns
from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.phrases import skeleton_texts
from ipml.features.compiled.places import Place
from ipml.features.compiled.texts import Texts
from ipml.features.lexicon import KINDS, TradeWords
from ipml.features.spelling import Spelling


def find_phrases(text: str, phrases: tuple[str, ...]) -> list[Place]:
    """Return which phrase stands where: (number of the phrase, start, end), by start."""
    (places,) = PhraseSet(phrases).reading.finder.find(Texts.of_one(text))
    return in_letters(text, places.of_text(0))


def missed_phrases(phrases: Iterable[str]) -> list[str]:
    """Return the phrases that are not found where they stand in a text as written, in small letters or in capitals."""
    phrases = tuple(phrases)
    finder, bare = PhraseSet(phrases).reading.finder, [phrase.removesuffix("*") for phrase in phrases]
    missed = []
    for written in (bare, [word.upper() for word in bare]):
        (places,) = finder.find(Texts.of([fold_text(f"word {word} word") for word in written]))
        found = (number in {place[0] for place in places.of_text(number)} for number in range(len(phrases)))
        missed += [word for word, is_found in zip(written, found, strict=True) if not is_found]
    return missed


def find_trade_words(words: TradeWords, text: str) -> list[tuple[str, int, int]]:
    """Return kind, start and end of each phrase that counts, in their order."""
    folded = ListingColumns({"title": [""]}).take(np.zeros(1, dtype=np.intp), {"title": Texts.of_one(text)})
    places = in_letters(text, words.find(folded, "title").of_text(0))
    return [(KINDS[kind], start, end) for kind, start, end in places]


def skeleton(text: str) -> str:
    """Return the skeleton of a text."""
    return skeleton_texts(Texts.of_one(text)).strings()[0]


def in_letters(text: str, places: list[Place]) -> list[Place]:
    """Return places counted in letters, given them in bytes."""
    sizes = [len(letter.encode("utf-8", "surrogatepass")) for letter in text]
    letter_of = {byte: letter for letter, byte in enumerate(np.cumsum([0, *sizes]).tolist())}
    return [(number, letter_of[start], letter_of[end]) for number, start, end in places]


def read_words(spelling: Spelling, text: str) -> str:
    """Return a text with its misspelt words corrected."""
    return spelling.read_texts(Texts.of_one(text)).strings()[0]
