"""Folding: undoes disguise in texts, so that every way to write "Nike" reads nike.

Sellers who avoid detection write in look-alike letters, invisible characters, signs for letters ("r@lex", "$uper"),
markup, reversed runs and spaced-out letters. The engine undoes that step by step; this module holds its tables and
the calls. A folded text consists of lower-case ASCII, spaces, and letters of scripts that are not read by sound, with
their marks. Disguised words are also counted, since few sellers of genuine goods write like that.
"""

from __future__ import annotations

import html
import html.entities
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import Buffer, Struct, bind, make_struct
from ipml.features.compiled import screening
from ipml.features.compiled.characters import ASCII, CODE_BITS, PAGES
from ipml.features.compiled.texts import Texts
from ipml.kit.look_alikes import ORNAMENTS, SIGN_READINGS, TURNED_LETTERS, read_letter
from ipml.listings.fields import FIELDS

_LENGTHS = {field.name: field.max_length for field in FIELDS}
MAX_TITLE_LETTERS: int = _LENGTHS["title"] or 0
MAX_DESCRIPTION_LETTERS: int = _LENGTHS["description"] or 0

UNITS = (
    *("мм", "см", "дм", "м", "км", "мл", "л", "мг", "г", "гр", "кг", "т", "мкм", "мкг", "мкф", "вт", "квт", "в", "кв"),
    *("ма", "мач", "а", "ач", "гц", "мгц", "ггц", "шт", "кб", "мб", "гб", "тб", "дюйм"),
)
"""Cyrillic units of sizes, matched exactly; only the last one, the inch, has endings."""
_BREAKING = ("br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr")
_MAY_HIDE = ("span", "i", "b", "em", "font", "small", "s", "u")
_WITHOUT_SEMICOLON = sorted(name for name in html.entities.html5 if not name.endswith(";"))
_WITH_SEMICOLON = sorted(name[:-1] for name in html.entities.html5 if name.endswith(";"))
_NOTHING = -1
_SIGN, _STANDS_ALONE, _AT_OR_DOLLAR, _BEGINS, _LETTER, _DIGIT = (1 << bit for bit in range(6))
_GAPS = " \x1f._,;'*~+|/\\-"


_fold_texts = bind("fold_texts")
_fold_with_places = bind("fold_with_places")
_count_disguised = bind("count_disguised")


def fold_texts(texts: Texts, max_letters: int = MAX_TITLE_LETTERS) -> Texts:
    """Return the folded view of each text: what a reader sees, in plain lower-case letters.

    Parameters
    ----------
    texts : Texts
        As the sellers wrote them.
    max_letters : int, default=2000
        Limit on the letters of a text that are read, before folding and after.

    Examples
    --------
    >>> fold_texts(Texts.of(["Nike  AIR", "r.e.p.l.i.c.a w.a.t.c.h", "Новая куртка"])).strings()
    ['nike air', 'replica watch', 'novaya kurtka']
    """
    ends = np.empty(len(texts) + 1, dtype=np.int64)
    while True:
        known, folded = PAGES.characters, Buffer()
        _fold_texts(texts, max_letters, known, TABLES, ends, folded)
        if not PAGES.fill(known):
            return Texts(ends, folded.take(np.uint8))


def fold_with_places(texts: Texts, max_letters: int = MAX_TITLE_LETTERS) -> tuple[Texts, NDArray[np.int64]]:
    """Return `fold_texts`, and the position of each letter, text after text, in the text as written.

    Positions count letters; beyond four million letters they are not distinguished. A letter from an entity, an
    escape or a wide gap has the position of its beginning.

    >>> folded, places = fold_with_places(Texts.of(["\u00c6  b", "R&eacute;plica"]))
    >>> folded.strings(), places.tolist()
    (['ae b', 'replica'], [0, 0, 1, 3, 0, 1, 9, 10, 11, 12, 13])
    """
    ends = np.empty(len(texts) + 1, dtype=np.int64)
    while True:
        known, folded, places = PAGES.characters, Buffer(), Buffer()
        _fold_with_places(texts, max_letters, known, TABLES, ends, folded, places)
        if not PAGES.fill(known):
            return Texts(ends, folded.take(np.uint8)), places.take(np.int64)


def count_disguised_words(texts: Texts) -> NDArray[np.int64]:
    """Return the number of disguised words in each text, shape (n_texts,).

    A disguised word has invisible letters inside, or look-alikes or styled letters beside letters of another script.
    A word in a single script is not disguised, whatever the script: genuine Cyrillic, Greek or accented titles count
    0. So do sizes with units of another script, full-width letters beside Chinese or Japanese ones, and the joiners
    of Persian, Hindi and emoji.

    >>> count_disguised_words(Texts.of(["N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke"])).tolist()
    [1, 0, 1]
    """
    counts = np.empty(len(texts), dtype=np.int64)
    while True:
        known = PAGES.characters
        _count_disguised(texts, MAX_TITLE_LETTERS, known, TABLES.units, counts)
        if not PAGES.fill(known):
            return counts


def _read_ascii() -> NDArray[np.int64]:
    """Return the lower-case reading of each ASCII character."""
    readings = [read_letter(chr(code)) for code in range(128)]
    return np.array([ASCII[ord(reading)] if reading else _NOTHING for reading in readings], dtype=np.int64)


def _list_scripts() -> Struct:
    scripts = (TURNED_LETTERS, *(letters for _, letters in ORNAMENTS))
    readings = {
        number << CODE_BITS | ord(letter): ASCII[ord(reading)]
        for number, letters in enumerate(scripts)
        for letter, reading in letters.items()
    }
    keys = np.array(sorted(readings), dtype=np.int64)
    return make_struct(
        "script_readings", keys=keys, letters=np.array([readings[key] for key in keys.tolist()], dtype=np.int64)
    )


def _pack(names: Iterable[str]) -> NDArray[np.uint64]:
    """Return names of up to eight letters as numbers."""
    return np.array([int.from_bytes(name.encode(), "little") for name in names], dtype=np.uint64)


def _sort_entities(names: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return packed names in ascending order, and the codes of their characters."""
    codes = np.array([ord(html.entities.html5[name]) for name in names], dtype=np.int64)
    packed = _pack(name.rstrip(";") for name in names)
    order = np.argsort(packed)
    return packed[order], codes[order]


def _read_numbers(count: int) -> NDArray[np.int64]:
    """Return the character of each numeric entity; browsers read some by an old code page."""
    codes = [ord(html.unescape(f"&#{number};") or "\x00") or _NOTHING for number in range(count)]
    return np.array(codes, dtype=np.int64)


def _make_markup_tables() -> Struct:
    readings = [[*map(ord, html.entities.html5[f"{name};"]), _NOTHING][:2] for name in _WITH_SEMICOLON]
    open_names, open_codes = _sort_entities(_WITHOUT_SEMICOLON)
    return make_struct(
        "markup_tables",
        breaking=_pack(_BREAKING),
        hiding=_pack(_MAY_HIDE),
        names=Texts.of(_WITH_SEMICOLON),
        codes=np.array(readings, dtype=np.int64).ravel(),
        open_names=open_names,
        open_codes=open_codes,
        numbers=_read_numbers(0xA0),
    )


def _make_signs_tables() -> Struct:
    kinds, letters = np.zeros(256, dtype=np.uint8), np.zeros(128, dtype=np.int64)
    for sign, letter in SIGN_READINGS.items():
        kinds[ord(sign)] = (
            _SIGN | _STANDS_ALONE * (sign in "@$!") | _AT_OR_DOLLAR * (sign in "@$") | _BEGINS * (sign != "(")
        )
        letters[ord(sign)] = ASCII[ord(letter)]
    kinds[ord("a") : ord("z") + 1], kinds[ord("0") : ord("9") + 1] = _LETTER, _DIGIT
    return make_struct("signs_tables", kinds=kinds, letters_read=letters)


TABLES = make_struct(
    "folding_tables",
    ascii=make_struct("ascii_characters", itself=ASCII, readings=_read_ascii()),
    scripts=_list_scripts(),
    markup=_make_markup_tables(),
    screening=screening.TABLES,
    signs=_make_signs_tables(),
    spacing=make_struct("spacing_tables", gaps=np.array([chr(code) in _GAPS for code in range(128)], dtype=np.uint8)),
    units=Texts.of(UNITS),
)


def fold_text(text: str, max_letters: int = MAX_TITLE_LETTERS) -> str:
    """Return the folded view of a text: what a reader sees, in plain lower-case letters.

    >>> fold_text("N\u0456k\u0435  A\u200bir M\uff41x &amp; 1:1 R<b></b>\u00e9plica")
    'nike air max & 1:1 replica'
    >>> fold_text("r.e.p.l.i.c.a w.a.t.c.h")
    'replica watch'
    """
    return fold_texts(Texts.of_one(text), max_letters).text(0)


def fold_with_origins(text: str, max_letters: int = MAX_TITLE_LETTERS) -> tuple[str, list[int]]:
    """Return the folded view and, for each of its letters, its position in the text as written.

    >>> fold_with_origins("\u00c6  b")
    ('ae b', [0, 0, 1, 3])
    """
    folded, places = fold_with_places(Texts.of_one(text), max_letters)
    return folded.text(0), places.tolist()


def count_disguises(text: str) -> int:
    """Return the number of disguised words in a text.

    >>> [count_disguises(title) for title in ("N\u0456ke Air", "\u043a\u0435\u0434\u044b Nike", "Ni\u200bke")]
    [1, 0, 1]
    """
    return int(count_disguised_words(Texts.of_one(text))[0])
