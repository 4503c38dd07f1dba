"""Words of the trade, and words by which offers are made: contacts, lots and ranges of sizes.

Words of the trade are what sellers of replicas say, and what lawful sellers say who might be mistaken for them. They
are in `lexicon.toml`, each with the reason it is there, and those of offers in `offer.toml`; add to these files, not to
the code.

What is measured is common to many sellers. Nothing here keeps a number, a handle or an ornament, which would name one
seller and tell nothing of the next; nor how a title is written (capitals, runs of signs, length), which a seller
changes at will and which did not carry over to later sellers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.errors import UnusableSetting
from ipml.features.columns import MAX_LETTERS, Extractor, ListingColumns, PhraseSet
from ipml.features.compiled.offers import describe_offers, group_columns
from ipml.features.compiled.places import Places
from ipml.features.compiled.trade_words import TradeTable, choose_trade_words, count_trade_words

KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade", "negated")
NEGATION = "negation"
_DENIABLE = ("replica", "grade")
_COUNT_ONCE = ("lawful",)
"""What a listing says in its own favour costs nothing to repeat."""
_COLUMNS = ("title", "description")


@dataclass(frozen=True)
class Phrase:
    """One phrase of the trade.

    Attributes
    ----------
    kind : str
        One of `KINDS`, "negation", or the name of the context it belongs to.
    text : str
        As people write it; a star at its end stands for any ending.
    not_near : tuple of str
        Names of the contexts in which it means something else.
    """

    kind: str
    text: str
    not_near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lexicon:
    """Phrases of the trade by kind.

    Examples
    --------
    >>> "replica*" in load_lexicon().phrases("replica")
    True
    """

    entries: tuple[Phrase, ...]

    def phrases(self, kind: str) -> tuple[str, ...]:
        """Return the phrases of one kind, or of all with kind "any"."""
        return tuple(entry.text for entry in self.entries if kind in (entry.kind, "any"))


@lru_cache(maxsize=8)
def load_lexicon(path: Path | None = None) -> Lexicon:
    """Read a lexicon file; the bundled one where no path is given.

    Raises
    ------
    UnusableSetting
        An entry is of a kind, or names a context, that does not exist.
    """
    text = (path or files("ipml.features") / "lexicon.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    contexts = {context["name"]: context["phrases"] for context in table.get("context", [])}
    phrases = [Phrase(name, phrase) for name, group in contexts.items() for phrase in group]
    for entry in table["entry"]:
        _check(entry, [*KINDS, NEGATION], list(contexts), str(path))
        phrases += [Phrase(entry["kind"], phrase, tuple(entry.get("not_near", ()))) for phrase in _spell_out(entry)]
    return Lexicon(tuple(dict.fromkeys(phrases)))


def _check(entry: Mapping[str, Any], kinds: Sequence[str], contexts: Sequence[str], where: str) -> None:
    if entry["kind"] not in kinds:
        raise UnusableSetting(where, f"an entry of kind {entry['kind']!r}", f"one of {', '.join(kinds)}")
    for name in entry.get("not_near", ()):
        if name not in contexts:
            raise UnusableSetting(where, f"not_near {name!r}", f"a context, one of {', '.join(contexts)}")


def _spell_out(entry: Mapping[str, Any]) -> list[str]:
    """Return the phrases of an entry, each after each of the words it has to stand after."""
    before = entry.get("after", ())
    return [f"{word} {phrase}" for word in before for phrase in entry["phrases"]] if before else list(entry["phrases"])


class TradeWords(Extractor):
    """Count the words of the trade in title and description, by kind, up to three of each.

    What explains a listing lawfully counts once: to repeat it costs nothing. Of phrases that overlap the first counts,
    of those from one place the longest. A phrase does not count beside a word that gives it another meaning (AAA
    beside batteries). A word for copies up to two words after a negation counts as negated instead.

    Parameters
    ----------
    lexicon : str or None, default=None
        Path of a lexicon file; the bundled one where none is given.

    Attributes
    ----------
    phrases_ : list of str
        The phrases looked for; kept with the model, so that a later lexicon does not change it.
    kinds_ : list of str
        The kind, or the context, of each.
    not_near_ : list of list of str
        The contexts in which each does not count.

    Examples
    --------
    >>> words = TradeWords().fit({"title": []})
    >>> found = words.find(ListingColumns({"title": ["aaa replica watch", "not a replica, 8 aaa batteries"]}), "title")
    >>> [[(KINDS[kind], start, end) for kind, start, end in of_text] for of_text in found.of_each()]
    [[('grade', 0, 3), ('replica', 4, 11)], [('negated', 6, 13)]]
    """

    reads = _COLUMNS

    def __init__(self, lexicon: str | None = None) -> None:
        self.lexicon = lexicon

    def learn(self, listings: ListingColumns) -> None:
        """Read the lexicon."""
        entries = load_lexicon(Path(self.lexicon) if self.lexicon else None).entries
        self.phrases_ = [entry.text for entry in entries]
        self.kinds_ = [entry.kind for entry in entries]
        self.not_near_ = [list(entry.not_near) for entry in entries]

    def prepare(self) -> tuple[PhraseSet, TradeTable]:
        """Return the phrases as columns look for them, and what is known of each."""
        return PhraseSet(self.phrases_), TradeTable.of(self.kinds_, self.not_near_, KINDS, _DENIABLE, _COUNT_ONCE)

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the counts, shape (n_listings, 2 * n_kinds): title first, then description."""
        return np.column_stack([listings.each_once([name], partial(self._count, name=name)) for name in _COLUMNS])

    def _count(self, listings: ListingColumns, name: str) -> NDArray[np.float64]:
        if name not in listings:
            return np.zeros((len(listings), len(KINDS)))
        phrases, table = self.prepared
        return count_trade_words(listings.folded(name), listings.places(name, phrases), table)

    def find(self, listings: ListingColumns, name: str) -> Places:
        """Return the phrases that count in the folded view of a column, in bytes; each with the number of its kind."""
        phrases, table = self.prepared
        return choose_trade_words(listings.folded(name), listings.places(name, phrases), table)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: kind and place."""
        return np.array([f"{kind}_in_{column}" for column in _COLUMNS for kind in KINDS], dtype=object)


_CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")
_LOTS = ("lot_words", "log_pieces", "size_range", "all_sizes")


@lru_cache(maxsize=1)
def load_offer_words() -> tuple[tuple[str, str], ...]:
    """Read the words by which offers are made, as pairs of group and phrase.

    Examples
    --------
    >>> ("messenger", "whatsapp") in load_offer_words()
    True
    """
    table = tomllib.loads((files("ipml.features") / "offer.toml").read_text(encoding="utf-8"))
    return tuple((group["name"], phrase) for group in table["group"] for phrase in group["phrases"])


class OfferFeatures(Extractor):
    """Say how an offer is made: contacts that lead away from the marketplace, lots and ranges of sizes.

    They are looked for in the folded view, so that disguise does not help.

    Attributes
    ----------
    phrases_ : list of str
        The phrases looked for; kept with the model, so that later words do not change it.
    groups_ : list of str
        The group of each.

    Examples
    --------
    >>> offer = OfferFeatures().fit({"title": []})
    >>> values = offer.transform({"title": ["BAGS!!! 50 pcs, WhatsApp +86 138 0000 0000", "Wool hat"]})
    >>> [dict(zip(offer.get_feature_names_out(), row.tolist()))["phone_in_title"] for row in values]
    [1.0, 0.0]
    """

    reads = _COLUMNS

    def learn(self, listings: ListingColumns) -> None:
        """Read the words."""
        self.groups_ = [group for group, _ in load_offer_words()]
        self.phrases_ = [phrase for _, phrase in load_offer_words()]

    def prepare(self) -> tuple[PhraseSet, NDArray[np.int64]]:
        """Return the phrases as columns look for them, and which value each of them sets."""
        return PhraseSet(self.phrases_), group_columns(self.groups_)

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def count_values(self, column: str) -> int:
        """Return how many of the values are of the title, or of the description."""
        return len(_CONTACTS) + len(_LOTS) * (column == "title")

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 16): 1 for what is so, and a number of pieces; without a text all is 0.

        `log_pieces` is the decimal logarithm of the largest number of pieces named.
        """
        return np.column_stack([listings.each_once([name], partial(self._read, name=name)) for name in _COLUMNS])

    def _read(self, listings: ListingColumns, name: str) -> NDArray[np.float64]:
        if name not in listings:
            return np.zeros((len(listings), self.count_values(name)))
        phrases, columns = self.prepared
        places, has_lots = listings.places(name, phrases), name == "title"
        texts = listings.raw(name), listings.folded(name)
        return describe_offers(*texts, places, columns, MAX_LETTERS[name], has_lots=has_lots)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: what is measured, and in which text."""
        names = [
            f"{part}_in_{column}" for column in _COLUMNS for part in (*_CONTACTS, *(_LOTS if column == "title" else ()))
        ]
        return np.array(names, dtype=object)

    @property
    def only_raises(self) -> tuple[str, ...]:
        """Names of the features that may raise a score but never lower one: contacts."""
        return tuple(f"{part}_in_{column}" for column in _COLUMNS for part in _CONTACTS)
