"""How an offer is made: contacts that lead away from the marketplace, numbers of pieces and ranges of sizes.

The words by which offers are made are in `offer.toml`; add to that file, not to the code. All is looked for in the
folded view, so that disguise does not help; but addresses and handles in what was written, as folding may read an @ as
a letter. `offers.c` of the engine reads the texts.

What is measured is common to many sellers. Nothing here keeps a number, a handle or an ornament, which would name one
seller and tell nothing of the next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.features.columns import MAX_LETTERS, Extractor, ListingColumns, PhraseSet
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts, letter_kinds

_COLUMNS = ("title", "description")
_CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")
_LOTS = ("lot_words", "log_pieces", "size_range", "all_sizes")
_LINK_ENDS = "com", "net", "org", "ru", "cn", "shop", "store", "onion", "me", "top", "xyz"
_UNITS = (
    *("x", "pc", "pcs", "pieces", "units", "pairs", "pack", "packs", "sets", "sht", "par", "pary", "shtuk", "upakovok"),
    *("pecas", "pares", "unidades", "piezas", "stuck", "paar", "paires", "pezzi", "paia", "adet"),
)
_IDEOGRAPHS = tuple("件个双套只")
"""What pieces are counted in; folded, so that "sht" is Cyrillic."""
_MEASURES = (
    *("mm", "sm", "cm", "dm", "m", "km", "inch", "inches", "ft", "feet", "yd", "mb", "gb", "tb", "ml", "cl", "l", "mg"),
    *("g", "gr", "kg", "oz", "lb", "lbs", "w", "kw", "v", "mah", "ah", "hz", "mhz", "ghz", "''", '"'),
)
"""What a number of which is a size; folded, so that "sm" is centimetres in Cyrillic."""
# Where something may begin, as offers.c has it: a lot's first letter, what follows a number, a space there, a sign,
# the dot of www.
_LETTER, _NUMBER, _SPACED, _SIGN, _WWW = (1 << bit for bit in range(5))
_MAY_BEGIN = 5  # so many bits left of what may follow stands what may begin
_N_BYTES = 256
_DIGITS = "0123456789"
_AFTER_NUMBER = "-~tdb" + "".join(sorted({unit[0] for unit in _UNITS}))  # 36-45, 36 to 45, 10 pcs


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

    A number of pieces is "x10", "x 10", "10 x" or "10 pcs". A size is none, nor is a name: a number on both sides of
    the x ("90 x 90"), a measure after it ("x 64 GB"), a word before an x that stands alone ("Model X 2018"), or words
    on both sides of an x with its number, the second no unit ("ThinkPad X250 i5").

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


_set_groups = bind("set_groups")
_read_folded = bind("read_folded")
_read_raw = bind("read_raw")


def group_columns(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the column that each phrase of an offer sets, by its group; -1 for groups that have none."""
    columns = {name: column for column, name in enumerate((*_CONTACTS, *_LOTS))}
    return np.array([columns.get(group, -1) for group in groups], dtype=np.int64)


def describe_offers(
    raw: Texts, folded: Texts, places: Places, columns: NDArray[np.int64], max_letters: int, *, has_lots: bool
) -> NDArray[np.float64]:
    """Return how offers are made, shape (n_texts, 6 or 10).

    The columns are messenger, approach, link, email, handle and phone; lot words, the logarithm of the number of
    pieces, range of sizes and all sizes. Digits are those of ASCII: folding leaves no others.

    Parameters
    ----------
    raw, folded : Texts
        As the sellers wrote them, and as `fold_text` returns them.
    places : Places
        Where the phrases of offers stand in the folded texts.
    columns : array of int64, shape (n_phrases,)
        As `group_columns` returns them.
    max_letters : int
        How many letters of a text as written are read.
    has_lots : bool
        Whether lots and ranges of sizes are asked for, too.

    Examples
    --------
    >>> from ipml.features.compiled.phrases import PhraseFinder
    >>> texts = Texts.of(["bags 10 pcs whatsapp +86 138 0000 0000", "sneakers 36-45"])
    >>> (places,) = PhraseFinder((("whatsapp",),)).find(texts)
    >>> describe_offers(texts, texts, places, group_columns(["messenger"]), 2_000, has_lots=True)
    array([[1., 0., 0., 0., 0., 1., 0., 1., 0., 0.],
           [0., 0., 0., 0., 0., 0., 0., 0., 1., 0.]])
    """
    n_columns = len(_CONTACTS) + len(_LOTS) * has_lots
    values = np.zeros((len(folded), n_columns))
    _set_groups(places, columns, n_columns, values)
    _read_folded(folded, offer_table(), n_columns, values)
    _read_raw(raw, max_letters, n_columns, values)
    return values


@lru_cache(maxsize=1)
def offer_table() -> Struct:
    """Return what is looked up, as the engine takes it."""
    return make_struct(
        "offer_table",
        kinds=letter_kinds(),
        pairs=_describe_pairs(),
        is_unit=_list_beginnings(),
        link_ends=Texts.of(_LINK_ENDS),
        units=Texts.of(_UNITS),
        ideographs=Texts.of(_IDEOGRAPHS),
        measures=Texts.of(_MEASURES),
    )


def _list_beginnings() -> NDArray[np.uint8]:
    """Say of any two bytes whether a unit may begin with them, shape (65536,), the first of them the higher one."""
    may_begin = np.zeros((_N_BYTES, _N_BYTES), dtype=np.uint8)
    may_begin[0x80:] = 1  # an ideograph
    for unit in _UNITS:
        may_begin[ord(unit[0]), ord(unit[1]) if len(unit) > 1 else slice(None)] = 1
    return may_begin.ravel()


def _describe_pairs() -> NDArray[np.uint16]:
    """Return what may begin or go on with the second of any two bytes."""
    is_beyond = np.arange(_N_BYTES) >= 0x80
    is_inside = np.array([chr(code).isalnum() or chr(code) == "_" for code in range(128)] + [False] * 128)
    follows = _is_in(_AFTER_NUMBER) | is_beyond
    begins = _LETTER * (_is_in("xsmue") & ~is_inside[:, None])  # x10 and xs-l, s-l, m-l, us7-us9 and uk7-uk9, eu40-eu42
    begins += _NUMBER * _after(_DIGITS, follows) + _SPACED * _after(_DIGITS, _is_in(" "))
    begins += _SIGN * _is_in(".:+(") + _WWW * _after("w", _is_in("."))
    tells = _after(".", _is_in("".join(ending[0] for ending in _LINK_ENDS)))
    tells |= _after(":", _is_in("/")) | _after("+(", _is_in(_DIGITS))
    goes_on = _LETTER * _is_in(" -/~xsku" + _DIGITS) + _NUMBER + _SPACED * follows + _SIGN * tells + _WWW
    return np.asarray((begins << _MAY_BEGIN | goes_on).ravel(), dtype=np.uint16)


def _after(letters: str, others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of each pair of bytes whether the first is one of some letters, and the second one of others."""
    return _is_in(letters)[:, None] & others


def _is_in(letters: str) -> NDArray[np.bool_]:
    """Say of each byte whether it is one of some letters of ASCII."""
    return np.isin(np.arange(_N_BYTES), [ord(letter) for letter in letters])
