"""How many ordinary words of a language are read as others, as words of the trade, or as brands.

A model of simulated goods reads each word alone. Measured are the 10,000 commonest words of a language; those after
the 20,000 that are protected; the 10,000 commonest as if nobody had known the language; and those of four letters and
more in the dictionaries of another maker, one of them in a language that nobody protects, Basque.

Example: python -m experiments.benchmark.ordinary_words
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import typer
from spellchecker import SpellChecker

from ipml.features.compiled.folding import fold_text
from ipml.features.compiled.spelling import OrdinaryWords, read_texts
from ipml.features.compiled.texts import Texts
from ipml.features.goods import brand_table
from ipml.features.spelling import LANGUAGES, MOST_COMMON, Spelling, common_words
from ipml.model.pipeline import CounterfeitClassifier
from ipml.simulation.marketplace import simulate_marketplace

SHOWN = ("bg", "ca", "cs", "da", "de", "el", "en", "es", "fi", "fr", "hu", "it", "nb", "nl", "pl", "pt", "ro", "ru")
SHOWN += ("sv", "tr")
DICTIONARIES = ("de", "fr", "it", "lv", "nl", "pt", "ru", "eu")
N_WORDS = 10_000
Counts = tuple[int, int, int]


def main() -> None:
    """Print for each language how many words are changed, made words of the trade, made brands."""
    listings = simulate_marketplace(6_000, seed=5).listings.dropna(subset="is_counterfeit")
    spelling = CounterfeitClassifier().fit(listings, listings["is_counterfeit"].astype(int)).spelling_
    brands = frozenset(word for phrase in brand_table()["phrases"] for word in fold_text(phrase).split())
    typer.echo("| language | commonest | after the protected | language not known |\n| --- | --- | --- | --- |")
    words = {language: common_words(language, MOST_COMMON) for language in LANGUAGES}
    for language in SHOWN:
        common, most = common_words(language, N_WORDS), common_words(language, MOST_COMMON + N_WORDS)
        later = list(dict.fromkeys(most).keys() - words[language])
        others = {word for other in LANGUAGES if other != language for word in words[other]}
        unknown = OrdinaryWords.of("\n".join(others).encode())
        cells = [
            count_changes(spelling, spelling.ordinary, brands, common),
            count_changes(spelling, spelling.ordinary, brands, later),
            count_changes(spelling, unknown, brands, common),
        ]
        typer.echo(f"| {language} | {' | '.join(', '.join(map(str, cell)) for cell in cells)} |")
    for language in DICTIONARIES:
        found = count_changes(spelling, spelling.ordinary, brands, list(words_of_dictionary(language)))
        typer.echo(f"another maker's {language}: {', '.join(map(str, found))}")


def count_changes(
    spelling: Spelling, ordinary: OrdinaryWords, brands: Collection[str], words: Collection[str]
) -> Counts:
    """Return how many of some folded words are read as others, as words of the trade, as words of brands."""
    folded = Texts.of(list(words))
    read = read_texts(folded, spelling.known.words, ordinary).strings()
    changed = [after for before, after in zip(folded.strings(), read, strict=True) if before != after]
    return len(changed), sum(word in spelling.trade for word in changed), sum(word in brands for word in changed)


def words_of_dictionary(language: str) -> Iterator[str]:
    """Return the commonest longer words of a dictionary, folded."""
    found = SpellChecker(language=language).word_frequency.dictionary
    longer = [word for word in found if len(word) >= 4]
    return map(fold_text, sorted(longer, key=lambda word: (-found[word], word))[:N_WORDS])


if __name__ == "__main__":
    typer.run(main)
