"""Lexicon: counts words of the replica trade, and lawful words of sellers who might be mistaken for it.

The words are in `lexicon.toml`, each with its reason; add to that file, not to the code. `trade_words.c` of the
engine selects those that count in a text. All features are common to many sellers: no number, handle or ornament,
which would identify one seller and not carry over to the next, and no style of writing (capitals, runs of signs,
length), which a seller changes at will and which did not carry over to later sellers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.errors import UnusableSetting
from ipml.features.column import PhraseSet
from ipml.features.columns import ListingColumns
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import letter_kinds
from ipml.features.extractor import Extractor

_NEGATED = "negated"
KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade", _NEGATED)
NEGATION = "negation"
_DENIABLE = ("replica", "grade")
_COUNT_ONCE = ("lawful",)
"""Kinds that count once: a claim in the listing's own favour costs nothing to repeat."""
_MOST_COUNTED = 3
_COLUMNS = ("title", "description")


@dataclass(frozen=True)
class Phrase:
    """A phrase of the lexicon.

    Attributes
    ----------
    kind : str
        One of `KINDS`, "negation", or the name of its context.
    text : str
        As people write it; a star at its end matches any ending.
    not_near : tuple of str
        Names of the contexts in which it has another meaning.
    """

    kind: str
    text: str
    not_near: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lexicon:
    """Phrases of the lexicon by kind.

    >>> "replica*" in load_lexicon().phrases("replica")
    True
    """

    entries: tuple[Phrase, ...]

    def phrases(self, kind: str) -> tuple[str, ...]:
        """Return the phrases of one kind, or all with kind "any"."""
        return tuple(entry.text for entry in self.entries if kind in (entry.kind, "any"))


@lru_cache(maxsize=8)
def load_lexicon(path: Path | None = None) -> Lexicon:
    """Load a lexicon file; by default the bundled one.

    Raises `UnusableSetting`: an entry has an unknown kind or context.
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
    """Return the phrases of an entry, combined with each of the words that must precede them."""
    before = entry.get("after", ())
    return [f"{word} {phrase}" for word in before for phrase in entry["phrases"]] if before else list(entry["phrases"])


class TradeWords(Extractor):
    """Count words of the lexicon in title and description, by kind, up to three of each.

    Lawful explanations count once, since repeating them costs nothing. The first of overlapping phrases counts, and
    the longest of those that begin at one place. A phrase does not count beside a word that gives it another meaning
    (AAA beside batteries). A word for copies up to two words after a negation counts as negated instead.

    Parameters
    ----------
    lexicon : str or None, default=None
        Path of a lexicon file; by default the bundled one.

    Attributes
    ----------
    phrases_ : list of str
        The phrases; stored with the model, so that a later lexicon does not change it.
    kinds_ : list of str
        The kind, or the context, of each phrase.
    not_near_ : list of list of str
        The contexts in which each phrase does not count.

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
        """Load the lexicon."""
        entries = load_lexicon(Path(self.lexicon) if self.lexicon else None).entries
        self.phrases_ = [entry.text for entry in entries]
        self.kinds_ = [entry.kind for entry in entries]
        self.not_near_ = [list(entry.not_near) for entry in entries]

    def prepare(self) -> tuple[PhraseSet, Struct]:
        """Return the phrases as a `PhraseSet`, and the table of their kinds and contexts."""
        return PhraseSet(self.phrases_), _make_table(self.kinds_, self.not_near_)

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases that it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the counts, shape (n_listings, 2 * n_kinds): title first, then description."""
        return np.column_stack(
            [listings.for_distinct_rows([name], partial(self._count, name=name)) for name in _COLUMNS]
        )

    def _count(self, listings: ListingColumns, name: str) -> NDArray[np.float64]:
        counts = np.zeros((len(listings), len(KINDS)))
        if name in listings:
            phrases, table = self.prepared
            _count_trade_words(listings.folded(name), listings.places(name, phrases), table, counts)
        return counts

    def find(self, listings: ListingColumns, name: str) -> Places:
        """Return the places of phrases that count in a column, in bytes of its folded view, with numbers of kinds."""
        phrases, table = self.prepared
        folded, places = listings.folded(name), listings.places(name, phrases)
        if not len(places.number):
            return places
        starts, found = np.empty(len(folded) + 1, dtype=np.int64), np.empty((3, len(places.number)), dtype=np.int32)
        n = _choose_trade_words(folded, places, table, starts, *found)
        return Places(starts, *found[:, :n])

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: kind and place."""
        return np.array([f"{kind}_in_{column}" for column in _COLUMNS for kind in KINDS], dtype=object)


def _make_table(kinds: Sequence[str], not_near: Sequence[Sequence[str]]) -> Struct:
    names = [*KINDS, NEGATION, *sorted({*kinds} - {*KINDS, NEGATION})]
    number_of = {name: number for number, name in enumerate(names)}
    contexts = [[number_of[name] for name in near if name in number_of and name not in KINDS] for near in not_near]
    ranks = np.zeros(len(names), dtype=np.int64)
    ranks[[number_of[name] for name in sorted(names)]] = np.arange(len(names))
    return make_struct(
        "trade_table",
        letter_kinds=letter_kinds(),
        kinds=np.array([number_of[kind] for kind in kinds], dtype=np.int64),
        context_starts=np.array([0, *accumulate(map(len, contexts))], dtype=np.int64),
        contexts=np.array([number for near in contexts for number in near], dtype=np.int64),
        ranks=ranks,
        deniable=np.array([name in _DENIABLE for name in names], dtype=np.uint8),
        most=np.array([1 if name in _COUNT_ONCE else _MOST_COUNTED for name in names], dtype=np.int64),
        n_counted=len(KINDS),
        negation=number_of[NEGATION],
        negated=number_of[_NEGATED],
    )


_count_trade_words = bind("count_trade_words")
_choose_trade_words = bind("choose_trade_words")
