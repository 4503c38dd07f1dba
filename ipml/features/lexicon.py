"""Words of the trade, and words by which offers are made: contacts, lots and ranges of sizes.

Words of the trade are what sellers of replicas say, and what lawful sellers say who might be mistaken for them. They
are in `lexicon.toml`, each with the reason it is there, and those of offers in `offer.toml`; add to these files, not to
the code.

What is measured is common to many sellers. Nothing here keeps a number, a handle or an ornament, which would name one
seller and tell nothing of the next; nor how a title is written (capitals, runs of signs, length), which a seller
changes at will and which did not carry over to later sellers.
"""

from __future__ import annotations

import math
import re
import tomllib
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from itertools import accumulate, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.errors import UnusableSetting
from ipml.features.columns import MAX_LETTERS, Extractor, ListingColumns, PhraseSet
from ipml.features.compiled.offers import describe_offers, group_columns
from ipml.features.compiled.trade_words import TradeTable, count_trade_words
from ipml.features.normalisation import fold_text
from ipml.features.phrases import Place, find_phrases

Span = tuple[int, int, str]

KINDS = ("replica", "grade", "hedge", "claim", "lawful", "trade", "negated")
NEGATION = "negation"
_DENIABLE = ("replica", "grade")
_COUNT_ONCE = ("lawful",)
"""What a listing says in its own favour costs nothing to repeat."""
_COLUMNS = ("title", "description")
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
    >>> words.find("aaa replica watch")
    [('grade', 0, 3), ('replica', 4, 11)]
    >>> words.find("not a replica, 8 aaa batteries")
    [('negated', 6, 13)]
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

    def find(self, text: str) -> list[tuple[str, int, int]]:
        """Return kind, start and end of each phrase that counts in a folded text, in their order."""
        return self.choose(text, find_phrases(text, self.phrase_set.phrases))

    def choose(self, text: str, places: Sequence[Place]) -> list[tuple[str, int, int]]:
        """Return what `find` does, where it is known which phrases stand where in a folded text."""
        if not places:
            return []
        of_kind: dict[str, list[tuple[int, int]]] = {}
        for number, start, end in places:
            of_kind.setdefault(self.kinds_[number], []).append((start, end))
        neighbours = {kind: _Neighbours(text, spans) for kind, spans in of_kind.items() if kind not in KINDS}
        spans = {
            (start, end, self.kinds_[number])
            for number, start, end in places
            if self.kinds_[number] in KINDS
            and not any(neighbours[kind].is_near(start, end) for kind in self.not_near_[number] if kind in neighbours)
        }
        outer = _leftmost_longest(spans)
        negated = sorted(span[1] for span in of_kind.get(NEGATION, ()) if not _is_within(span, outer))
        return [
            ("negated" if kind in _DENIABLE and _is_denied(text, start, negated) else kind, start, end)
            for start, end, kind in outer
        ]

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names: kind and place."""
        return np.array([f"{kind}_in_{column}" for column in _COLUMNS for kind in KINDS], dtype=object)


def _leftmost_longest(spans: set[Span]) -> list[Span]:
    """Return the spans in order, without those that overlap an earlier one, or a longer one from the same place."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
        if not kept or span[0] >= kept[-1][1]:
            kept.append(span)
    return kept


def _is_within(span: tuple[int, int], others: Sequence[Span]) -> bool:
    """Say whether a span lies within one of others, which are in order and do not overlap."""
    before = bisect_right(others, span[0], key=itemgetter(0))
    return before > 0 and span[1] <= others[before - 1][1]


class _Neighbours:
    """Places in a text, in order, of which the nearest to another place is asked for.

    Only the nearest counts, since between it and the other place are the fewest words; so reading takes no longer for
    each place when a text is full of them.
    """

    def __init__(self, text: str, spans: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._starts = [start for start, _ in spans]
        self._ends = list(accumulate((end for _, end in spans), max))  # of all spans up to here, the farthest

    def is_near(self, start: int, end: int) -> bool:
        """Say whether one overlaps a place, or stands beside it with three words between at most."""
        following = bisect_left(self._starts, end)
        before = self._text[self._ends[following - 1] : start] if following else None
        after = self._text[end : self._starts[following]] if following < len(self._starts) else None
        beside = (between for between in (before, after) if between is not None)
        return any(_has_few_words(between, _CONTEXT_REACHES_WORDS) for between in beside)


def _is_denied(text: str, start: int, negated: Sequence[int]) -> bool:
    """Say whether some negation ends shortly before a place, in the same part of the sentence."""
    before = bisect_right(negated, start)
    between = text[negated[before - 1] : start] if before else ""
    return before > 0 and _has_few_words(between, _NEGATION_REACHES_WORDS) and not _BREAK.search(between)


def _has_few_words(text: str, most: int) -> bool:
    return sum(1 for _ in islice(_WORD.finditer(text), most + 1)) <= most


_CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")
_LOTS = ("lot_words", "log_pieces", "size_range", "all_sizes")

_LINK = re.compile(r"https?://|www\.|\b[a-z0-9-]{2,40}\.(?:com|net|org|ru|cn|shop|store|onion|me|top|xyz)\b")
_LINK_SIGNS = ("://", "www.", ".com", ".net", ".org", ".ru", ".cn", ".sh", ".st", ".on", ".me", ".to", ".xyz")
"""One of these stands in every link."""
_EMAIL = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}\.[a-z]{2,12}")
_HANDLE = re.compile(r"(?<![a-z0-9.])@[a-z_][a-z0-9_.]{2,31}")
_PHONE = re.compile(r"(?<![\w.,$])(?:\+\d[\d ()-]{8,17}\d|[78] ?\(\d{3}\)[\d -]{7,10}\d|\(\d{3}\) ?\d{3}-\d{4})(?!\w)")
_UNITS = (
    *("pc", "pcs", "pieces", "units", "pairs", "pack", "packs", "sets", "шт", "пар", "пары", "штук", "упаковок"),
    *("peças", "pares", "unidades", "piezas", "stück", "paar", "pièces", "paires", "pezzi", "paia", "adet"),
)
_MEASURES = (
    *("mm", "sm", "cm", "dm", "m", "km", "inch", "inches", "ft", "feet", "yd", "mb", "gb", "tb", "ml", "cl", "l"),
    *("mg", "g", "gr", "kg", "oz", "lb", "lbs", "w", "kw", "v", "mah", "ah", "hz", "mhz", "ghz"),
)
"""What a number of which is a size; folded, so that "sm" is centimetres in Cyrillic."""
_UNIT = rf"x\b(?! ?\d)|(?:{'|'.join(map(fold_text, _UNITS))})\b"
_PIECES = re.compile(
    r"(?<![\d\"'] )(?<![\"'])\bx(?:(?<!\w x) ?|(?=\d+\b(?! \w)|\d+ (?:" + _UNIT + r")))(\d{1,4})\b"
    rf"(?! ?(?:(?:{'|'.join(_MEASURES)})\b|''|\"))"
    rf"|\b(\d{{1,5}}) ?(?:{_UNIT})"
    r"|(?<!\d)(\d{1,5}) ?[件个双套只]"
)
"""Numbers of pieces: "x10", "x 10", "10 x", "10 pcs". A size is none, nor is a name: a number on both sides of the x
("90 x 90"), a measure after it ("x 64 GB"), a word before an x that stands alone ("Model X 2018"), or words on both
sides of an x with its number, the second no unit ("ThinkPad X250 i5")."""
_SIZE_RANGE = re.compile(
    rf"\b(?:3[4-9]|4[0-8]) ?(?:-|~|to|{fold_text('до')}|bis) ?(?:3[5-9]|4[0-9])\b"
    r"|\b(?:us|uk|eu) ?\d{1,2}(?:\.5)? ?- ?(?:us|uk|eu)? ?\d{1,2}\b"
    r"|\b(?:xxs|xs|s|m) ?[-/~] ?(?:l|xx?x?l|[2-6]xl)\b"
)


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
        raw, folded, places = listings.raw(name), listings.folded(name), listings.places(name, phrases)
        values, left_out = describe_offers(raw, folded, places, columns, MAX_LETTERS[name], has_lots=name == "title")
        for row in left_out.tolist():
            found = find_phrases(folded.text(row), phrases.phrases)
            values[row] = self._look(name, raw.text(row), folded.text(row), found)
        return values

    def _look(self, name: str, text: str, folded: str, places: Sequence[Place]) -> tuple[float, ...]:
        groups = {self.groups_[number] for number, _, _ in places}
        contacts = _find_contacts(text[: MAX_LETTERS[name]].lower(), folded, groups)
        return (*contacts, *_find_lots(folded, groups)) if name == "title" else contacts

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


def _find_contacts(text: str, folded: str, groups: set[str]) -> tuple[bool, ...]:
    has_at = "@" in text  # which folding may take for a letter
    return (
        "messenger" in groups,
        "approach" in groups,
        any(sign in folded for sign in _LINK_SIGNS) and bool(_LINK.search(folded)),
        has_at and bool(_EMAIL.search(text)),
        has_at and bool(_HANDLE.search(text)),
        ("+" in folded or "(" in folded) and bool(_PHONE.search(folded)),
    )


def _find_lots(folded: str, groups: set[str]) -> tuple[float, ...]:
    pieces = (int("".join(filter(None, match.groups()))) for match in _PIECES.finditer(folded))
    return (
        "lot_words" in groups,
        math.log10(max(pieces, default=1) or 1),
        bool(_SIZE_RANGE.search(folded)),
        "all_sizes" in groups,
    )
