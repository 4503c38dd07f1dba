"""Words of the trade: what sellers of replicas say, and what lawful sellers say who might be mistaken for them.

They are in `lexicon.toml`, each with the reason it is there; add to that file, not to the code. `trade_words.c` of the
engine chooses those that count in a text.

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
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.errors import UnusableSetting
from ipml.features.columns import Extractor, ListingColumns, PhraseSet
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import letter_kinds

_NEGATED = "negated"
KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade", _NEGATED)
NEGATION = "negation"
_DENIABLE = ("replica", "grade")
_COUNT_ONCE = ("lawful",)
"""What a listing says in its own favour costs nothing to repeat."""
_MOST_COUNTED = 3
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

    def prepare(self) -> tuple[PhraseSet, Struct]:
        """Return the phrases as columns look for them, and what is known of each."""
        return PhraseSet(self.phrases_), _make_table(self.kinds_, self.not_near_)

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the counts, shape (n_listings, 2 * n_kinds): title first, then description."""
        return np.column_stack([listings.each_once([name], partial(self._count, name=name)) for name in _COLUMNS])

    def _count(self, listings: ListingColumns, name: str) -> NDArray[np.float64]:
        counts = np.zeros((len(listings), len(KINDS)))
        if name in listings:
            phrases, table = self.prepared
            _count_trade_words(listings.folded(name), listings.places(name, phrases), table, counts)
        return counts

    def find(self, listings: ListingColumns, name: str) -> Places:
        """Return the phrases that count in the folded view of a column, in bytes; each with the number of its kind."""
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
