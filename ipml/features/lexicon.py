"""Words of the trade: what sellers of replicas say, and what lawful sellers say who might be mistaken for them.

The words are in `lexicon.toml`, each with the reason it is there; add to that file, not to the code.
"""

from __future__ import annotations

import tomllib
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

KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade")
_MOST_COUNTED = 3


@dataclass(frozen=True)
class Lexicon:
    """Phrases of the trade by kind.

    Examples
    --------
    >>> "replica*" in load_lexicon().phrases("replica")
    True
    """

    entries: tuple[tuple[str, str], ...]

    def phrases(self, kind: str) -> tuple[str, ...]:
        """Return the phrases of one kind, or of all with kind "any"."""
        return tuple(phrase for entry_kind, phrase in self.entries if kind in (entry_kind, "any"))


@lru_cache(maxsize=8)
def load_lexicon(path: Path | None = None) -> Lexicon:
    """Read a lexicon file; the bundled one where no path is given.

    Raises
    ------
    UnusableSetting
        An entry is of a kind that does not exist.
    """
    text = (path or files("ipml.features") / "lexicon.toml").read_text(encoding="utf-8")
    entries: dict[tuple[str, str], None] = {}
    for entry in tomllib.loads(text)["entry"]:
        if entry["kind"] not in KINDS:
            raise UnusableSetting(str(path), f"an entry of kind {entry['kind']!r}", f"one of {', '.join(KINDS)}")
        entries.update({(entry["kind"], phrase): None for phrase in entry["phrases"]})
    return Lexicon(tuple(entries))


class TradeWords(TransformerMixin, BaseEstimator):
    """Count the words of the trade in title and description, by kind, up to three of each.

    Parameters
    ----------
    lexicon : str or None, default=None
        Path of a lexicon file; the bundled one where none is given.

    Attributes
    ----------
    phrases_ : list of str
        The phrases looked for; kept with the model, so that a later lexicon does not change it.
    kinds_ : list of str
        The kind of each.

    Examples
    --------
    >>> words = TradeWords().fit({"title": ["AAA replica watch"]})
    >>> counts = words.transform({"title": ["AAA replica watch", "Wool hat"]})
    >>> float(dict(zip(words.get_feature_names_out(), counts[0]))["grade_in_title"])
    1.0
    """

    def __init__(self, lexicon: str | None = None) -> None:
        self.lexicon = lexicon

    def fit(self, X: Any, y: Any = None) -> Self:
        """Read the lexicon."""
        entries = load_lexicon(Path(self.lexicon) if self.lexicon else None).entries
        self.kinds_ = [kind for kind, _ in entries]
        self.phrases_ = [phrase for _, phrase in entries]
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the counts, shape (n_listings, 2 * n_kinds): title first, then description."""
        check_is_fitted(self)
        listings = ListingColumns.of(X)
        counts = np.zeros((len(listings), 2 * len(KINDS)))
        for part, column in enumerate(("title", "description")):
            for row, text in enumerate(listings.folded(column)):
                for kind, _, _ in self.find(text):
                    counts[row, part * len(KINDS) + KINDS.index(kind)] += 1
        return np.minimum(counts, _MOST_COUNTED, out=counts)

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """Return kind, start and end of each phrase found in a folded text, without those inside a longer one."""
        found = find_phrases(text, tuple(self.phrases_))
        spans = sorted({(start, end, self.kinds_[number]) for number, start, end in found})
        outer = [span for span in spans if not any(_is_inside(span, other) for other in spans)]
        return [(kind, start, end) for start, end, kind in outer]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: kind and place."""
        return np.array([f"{kind}_in_{column}" for column in ("title", "description") for kind in KINDS], dtype=object)


def _is_inside(span: tuple[int, int, str], other: tuple[int, int, str]) -> bool:
    return other[0] <= span[0] and span[1] <= other[1] and other[1] - other[0] > span[1] - span[0]
