"""How an offer is made: contacts that lead away from the marketplace, lots and ranges of sizes.

What is measured is common to many sellers. Nothing here keeps a number, a handle or an ornament, which would name one
seller and tell nothing of the next; nor how a title is written (capitals, runs of signs, length), which a seller
changes at will and which did not carry over to later sellers. The words are in `offer.toml`.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.features.columns import MAX_LETTERS, Extractor, ListingColumns, PhraseSet
from ipml.features.compiled.offers import describe_offers, group_columns
from ipml.features.normalisation import fold_text
from ipml.features.phrases import Place, find_phrases

_CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")
_LOTS = ("lot_words", "log_pieces", "size_range", "all_sizes")
_COLUMNS = ("title", "description")

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
