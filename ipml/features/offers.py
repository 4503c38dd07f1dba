"""Offers: detects contacts outside the marketplace, numbers of pieces and ranges of sizes.

The words are in `offer.toml`; add to that file, not to the code. They are matched in the folded view, so disguise
does not help; addresses and handles are matched in the text as written, since folding may read an @ as a letter.
`offers.c` of the engine reads the texts. All features are common to many sellers: no number, handle or ornament,
which would identify one seller and not carry over to the next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Struct, bind, make_struct
from ipml.features.column import MAX_LETTERS, PhraseSet
from ipml.features.columns import ListingColumns
from ipml.features.compiled.places import Places
from ipml.features.compiled.texts import Texts, letter_kinds
from ipml.features.extractor import Extractor

_COLUMNS = ("title", "description")
_CONTACTS = ("messenger", "approach", "link", "email", "handle", "phone")
_LOTS = ("lot_words", "log_pieces", "size_range", "all_sizes")
_LINK_ENDS = "com", "net", "org", "ru", "cn", "shop", "store", "onion", "me", "top", "xyz"
_UNITS = (
    *("x", "pc", "pcs", "pieces", "units", "pairs", "pack", "packs", "sets", "sht", "par", "pary", "shtuk", "upakovok"),
    *("pecas", "pares", "unidades", "piezas", "stuck", "paar", "paires", "pezzi", "paia", "adet"),
)
_IDEOGRAPHS = tuple("件个双套只")
"""Units of pieces, folded: "sht" is Cyrillic."""
_MEASURES = (
    *("mm", "sm", "cm", "dm", "m", "km", "inch", "inches", "ft", "feet", "yd", "mb", "gb", "tb", "ml", "cl", "l", "mg"),
    *("g", "gr", "kg", "oz", "lb", "lbs", "w", "kw", "v", "mah", "ah", "hz", "mhz", "ghz", "''", '"'),
)
"""Units of sizes, folded: "sm" is Cyrillic for centimetres."""
# Beginnings in offers.c: first letter of a lot, character after a number, space after a number, sign, dot of www.
_LETTER, _NUMBER, _SPACED, _SIGN, _WWW = (1 << bit for bit in range(5))
_MAY_BEGIN = 5  # shift of the bits of what may begin, left of what may follow
_N_BYTES = 256
_DIGITS = "0123456789"
_AFTER_NUMBER = "-~tdb" + "".join(sorted({unit[0] for unit in _UNITS}))  # 36-45, 36 to 45, 10 pcs


@lru_cache(maxsize=1)
def load_offer_words() -> tuple[tuple[str, str], ...]:
    """Load the words of offers, as pairs of group and phrase.

    >>> ("messenger", "whatsapp") in load_offer_words()
    True
    """
    table = tomllib.loads((files("ipml.features") / "offer.toml").read_text(encoding="utf-8"))
    return tuple((group["name"], phrase) for group in table["group"] for phrase in group["phrases"])


class OfferFeatures(Extractor):
    """Detect contacts outside the marketplace, lots, and ranges of sizes.

    A number of pieces is "x10", "x 10", "10 x" or "10 pcs". Sizes and names do not count: a number on both sides of
    the x ("90 x 90"), a measure after it ("x 64 GB"), a word before a separate x ("Model X 2018"), or words on both
    sides of an x with its number, the second one no unit ("ThinkPad X250 i5").

    Attributes
    ----------
    phrases_ : list of str
        The phrases; stored with the model, so that later words do not change it.
    groups_ : list of str
        The group of each phrase.

    Examples
    --------
    >>> offer = OfferFeatures().fit({"title": []})
    >>> values = offer.transform({"title": ["BAGS!!! 50 pcs, WhatsApp +86 138 0000 0000", "Wool hat"]})
    >>> [dict(zip(offer.get_feature_names_out(), row.tolist()))["phone_in_title"] for row in values]
    [1.0, 0.0]
    """

    reads = _COLUMNS
    feature_names = (
        *(f"{part}_in_title" for part in (*_CONTACTS, *_LOTS)),
        *(f"{part}_in_description" for part in _CONTACTS),
    )

    def learn(self, listings: ListingColumns) -> None:
        """Load the words."""
        self.groups_ = [group for group, _ in load_offer_words()]
        self.phrases_ = [phrase for _, phrase in load_offer_words()]

    def prepare(self) -> tuple[PhraseSet, NDArray[np.int64]]:
        """Return the phrases as a `PhraseSet`, and the column that each of them sets."""
        return PhraseSet(self.phrases_), group_columns(self.groups_)

    @property
    def phrase_set(self) -> PhraseSet:
        """The phrases that it looks for."""
        phrases: PhraseSet = self.prepared[0]
        return phrases

    def count_values(self, column: str) -> int:
        """Return the number of values of the title, or of the description."""
        return len(_CONTACTS) + len(_LOTS) * (column == "title")

    def values(self, listings: ListingColumns) -> NDArray[np.float64]:
        """Return the values, shape (n_listings, 16): 1 where detected, and a number of pieces; all 0 without a text.

        `log_pieces` is the decimal logarithm of the largest number of pieces.
        """
        return np.column_stack(
            [listings.for_distinct_rows([name], partial(self._read, name=name)) for name in _COLUMNS]
        )

    def _read(self, listings: ListingColumns, name: str) -> NDArray[np.float64]:
        if name not in listings:
            return np.zeros((len(listings), self.count_values(name)))
        phrases, columns = self.prepared
        places, has_lots = listings.places(name, phrases), name == "title"
        texts = listings.raw(name), listings.folded(name)
        return describe_offers(*texts, places, columns, MAX_LETTERS[name], has_lots=has_lots)

    @property
    def only_raises(self) -> tuple[str, ...]:
        """Names of the features that may raise a score but never lower it: contacts."""
        return tuple(f"{part}_in_{column}" for column in _COLUMNS for part in _CONTACTS)


_set_groups = bind("set_groups")
_read_folded = bind("read_folded")
_read_raw = bind("read_raw")


def group_columns(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the column that each phrase sets, by its group; -1 for groups without one."""
    columns = {name: column for column, name in enumerate((*_CONTACTS, *_LOTS))}
    return np.array([columns.get(group, -1) for group in groups], dtype=np.int64)


def describe_offers(
    raw: Texts, folded: Texts, places: Places, columns: NDArray[np.int64], max_letters: int, *, has_lots: bool
) -> NDArray[np.float64]:
    """Return the values of offers, shape (n_texts, 6 or 10).

    The columns are messenger, approach, link, email, handle and phone; lot words, the logarithm of the number of
    pieces, range of sizes and all sizes. Digits are ASCII digits: folding leaves no others.

    Parameters
    ----------
    raw, folded : Texts
        As written by the sellers, and as folded by `fold_text`.
    places : Places
        Places of the phrases in the folded texts.
    columns : array of int64, shape (n_phrases,)
        From `group_columns`.
    max_letters : int
        Limit on the letters read of a text as written.
    has_lots : bool
        Whether to include lots and ranges of sizes.

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
    """Return the lookup tables of the engine."""
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
    """Return whether a unit may begin with two bytes, shape (65536,); the first byte is the higher one."""
    may_begin = np.zeros((_N_BYTES, _N_BYTES), dtype=np.uint8)
    may_begin[0x80:] = 1  # an ideograph
    for unit in _UNITS:
        may_begin[ord(unit[0]), ord(unit[1]) if len(unit) > 1 else slice(None)] = 1
    return may_begin.ravel()


def _describe_pairs() -> NDArray[np.uint16]:
    """Return what may begin or continue at the second of any two bytes."""
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
    """Return whether the first byte of each pair is one of some letters, and the second one of others."""
    return _is_in(letters)[:, None] & others


def _is_in(letters: str) -> NDArray[np.bool_]:
    """Return whether each byte is one of some ASCII letters."""
    return np.isin(np.arange(_N_BYTES), [ord(letter) for letter in letters])
