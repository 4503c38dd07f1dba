"""How offers are made in many texts, as `ipml.features.lexicon.OfferFeatures` says of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.engine.library import Texts as EngineTexts
from ipml.features.compiled.places import PlaceArrays, Places
from ipml.features.compiled.texts import Texts, letter_kinds

_N_CONTACTS, _N_LOTS = 6, 4
_COLUMN_OF = {"messenger": 0, "approach": 1, "lot_words": 6, "all_sizes": 9}
_LINK_ENDS = "com", "net", "org", "ru", "cn", "shop", "store", "onion", "me", "top", "xyz"
_UNITS = (
    *("x", "pc", "pcs", "pieces", "units", "pairs", "pack", "packs", "sets", "sht", "par", "pary", "shtuk", "upakovok"),
    *("pecas", "pares", "unidades", "piezas", "stuck", "paar", "paires", "pezzi", "paia", "adet"),
)
_IDEOGRAPHS = tuple("件个双套只")  # units, too
_MEASURES = (
    *("mm", "sm", "cm", "dm", "m", "km", "inch", "inches", "ft", "feet", "yd", "mb", "gb", "tb", "ml", "cl", "l", "mg"),
    *("g", "gr", "kg", "oz", "lb", "lbs", "w", "kw", "v", "mah", "ah", "hz", "mhz", "ghz", "''", '"'),
)
# Where something may begin, as offers.c has it: a lot's first letter, what follows a number, a space there, a sign,
# the dot of www.
_LETTER, _NUMBER, _SPACED, _SIGN, _WWW = (1 << bit for bit in range(5))
_MAY_BEGIN = 5  # so many bits left of what may follow stands what may begin
_N_BYTES = 256
_DIGITS = "0123456789"
_AFTER_NUMBER = "-~tdb" + "".join(sorted({unit[0] for unit in _UNITS}))  # 36-45, 36 to 45, 10 pcs


def group_columns(groups: Sequence[str]) -> NDArray[np.int64]:
    """Return the column that each phrase of an offer sets, by its group; -1 for groups that have none."""
    return np.array([_COLUMN_OF.get(group, -1) for group in groups], dtype=np.int64)


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
    n_columns = _N_CONTACTS + _N_LOTS * has_lots
    values = np.zeros((len(folded), n_columns))
    _set_groups(places, columns, n_columns, values)
    if _read_folded(folded, offer_table(), n_columns, values) or _read_raw(raw, max_letters, n_columns, values):
        raise MemoryError("not enough memory to read offers")
    return values


class OfferTable(Table):
    """What is looked up when offers are read: kinds of letters, pairs of bytes, and words."""

    _fields_: ClassVar = [
        ("kinds", KINDS["uint8s"]),
        ("pairs", KINDS["uint16s"]),
        ("is_unit", KINDS["uint8s"]),
        ("link_ends", EngineTexts),
        ("units", EngineTexts),
        ("ideographs", EngineTexts),
        ("measures", EngineTexts),
    ]


@lru_cache(maxsize=1)
def offer_table() -> OfferTable:
    """Return what is looked up, as the engine takes it."""
    return OfferTable.of(
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


_set_groups = bind("set_groups", PlaceArrays, "int64s", "int64_t", "doubles_out")
_read_folded = bind("read_folded", "texts", OfferTable, "int64_t", "doubles_out", returns="int64_t")
_read_raw = bind("read_raw", "texts", "int64_t", "int64_t", "doubles_out", returns="int64_t")
