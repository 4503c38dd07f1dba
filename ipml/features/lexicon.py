"""Words of the trade: what sellers of replicas say, and what lawful sellers say who might be mistaken for them.

The words are in `lexicon.toml`, each with the reason it is there; add to that file, not to the code.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ipml.errors import UnusableSetting
from ipml.features.columns import ListingColumns
from ipml.features.phrases import find_phrases

Span = tuple[int, int, str]

KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade", "negated")
NEGATION = "negation"
_DENIABLE = ("replica", "grade")
_MOST_COUNTED = 3
_NEGATION_REACHES_WORDS = 2
_CONTEXT_REACHES_WORDS = 3
_WORD = re.compile(r"[\u2e80-\U0003ffff]|[^\s\u2e80-\U0003ffff]+")  # an ideograph is a word
_BREAK = re.compile(r"[.,;:!?|](?=\s|$)")


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


class TradeWords(TransformerMixin, BaseEstimator):
    """Count the words of the trade in title and description, by kind, up to three of each.

    Of phrases that overlap the first counts, of those from one place the longest. A phrase does not count beside a
    word that gives it another meaning (AAA beside batteries). A word for copies up to two words after a negation
    counts as negated instead.

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
    >>> words.find("aaa replica watch")
    [('grade', 0, 3), ('replica', 4, 11)]
    >>> words.find("not a replica, 8 aaa batteries")
    [('negated', 6, 13)]
    """

    def __init__(self, lexicon: str | None = None) -> None:
        self.lexicon = lexicon

    def fit(self, X: Any, y: Any = None) -> Self:
        """Read the lexicon."""
        entries = load_lexicon(Path(self.lexicon) if self.lexicon else None).entries
        self.phrases_ = [entry.text for entry in entries]
        self.kinds_ = [entry.kind for entry in entries]
        self.not_near_ = [list(entry.not_near) for entry in entries]
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the counts, shape (n_listings, 2 * n_kinds): title first, then description."""
        check_is_fitted(self)
        listings = ListingColumns.of(X)
        phrases = tuple(self.phrases_)
        counts = np.zeros((len(listings), 2 * len(KINDS)))
        for part, column in enumerate(("title", "description")):
            for row, text in enumerate(listings.folded(column)):
                for kind, _, _ in self._find(text, phrases):
                    counts[row, part * len(KINDS) + KINDS.index(kind)] += 1
        return np.minimum(counts, _MOST_COUNTED, out=counts)

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """Return kind, start and end of each phrase that counts in a folded text, in their order."""
        return self._find(text, tuple(self.phrases_))

    def _find(self, text: str, phrases: tuple[str, ...]) -> list[tuple[str, int, int]]:
        found = [(start, end, number) for number, start, end in find_phrases(text, phrases)]
        if not found:
            return []
        contexts = [(start, end, self.kinds_[number]) for start, end, number in found]
        spans = {
            (start, end, self.kinds_[number])
            for start, end, number in found
            if self.kinds_[number] in KINDS and not self._is_elsewhere(text, (start, end, number), contexts)
        }
        outer = _leftmost_longest(spans)
        negations = [other for other in contexts if other[2] == NEGATION and not _is_within(other, outer)]
        return [
            ("negated" if kind in _DENIABLE and _is_denied(text, start, negations) else kind, start, end)
            for start, end, kind in outer
        ]

    def _is_elsewhere(self, text: str, place: tuple[int, int, int], contexts: Sequence[Span]) -> bool:
        """Say whether a phrase stands near a word that gives it another meaning."""
        start, end, number = place
        return any(
            kind in self.not_near_[number] and _words_between(text, start, end, first, last) <= _CONTEXT_REACHES_WORDS
            for first, last, kind in contexts
        )

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: kind and place."""
        return np.array([f"{kind}_in_{column}" for column in ("title", "description") for kind in KINDS], dtype=object)


def _leftmost_longest(spans: set[Span]) -> list[Span]:
    """Return the spans in order, without those that overlap an earlier one, or a longer one from the same place."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _is_within(span: Span, others: Sequence[Span]) -> bool:
    return any(start <= span[0] and span[1] <= end for start, end, _ in others)


def _words_between(text: str, start: int, end: int, other_start: int, other_end: int) -> int:
    between = text[end:other_start] if end <= other_start else text[other_end:start]
    return len(_WORD.findall(between))


def _is_denied(text: str, start: int, negations: Sequence[Span]) -> bool:
    """Say whether a negation stands shortly before a place, in the same part of the sentence."""
    befores = (text[end:start] for _, end, _ in negations if end <= start)
    return any(len(_WORD.findall(b)) <= _NEGATION_REACHES_WORDS and not _BREAK.search(b) for b in befores)
