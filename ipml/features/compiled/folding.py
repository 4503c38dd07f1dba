"""Undo disguise in many texts at once: `ipml.features.normalisation.fold_text`, in the engine.

Most texts are plain: one pass over their bytes writes them in lower case and sees that there is nothing to undo. Others
are taken apart into characters, and go through the same steps as in the plain function. Few are left to that function
itself: those with markup beside letters that are ASCII in another case.
"""

from __future__ import annotations

import html
import html.entities
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Buffer, Table, bind
from ipml.engine.library import Texts as TextArrays
from ipml.features.compiled import screening, signs
from ipml.features.compiled.characters import ASCII, N_PAGES, PAGES, Characters
from ipml.features.compiled.texts import Texts
from ipml.features.look_alikes import ORNAMENTS, TURNED_LETTERS, read_letter
from ipml.features.normalisation import MAX_TITLE_LETTERS, fold_text

_BREAKING = ("br", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6", "hr")
_MAY_HIDE = ("span", "i", "b", "em", "font", "small", "s", "u")
_WITHOUT_SEMICOLON = sorted(name for name in html.entities.html5 if not name.endswith(";"))
_WITH_SEMICOLON = sorted(name[:-1] for name in html.entities.html5 if name.endswith(";"))
_NOTHING, _CODE_BITS = -1, 21


class _AsciiTables(Table):
    """The ASCII characters with their flags, and as what each reads in lower case."""

    _fields_: ClassVar = [("itself", KINDS["int64s"]), ("readings", KINDS["int64s"])]


class _ScriptTables(Table):
    """What letters stand for in far scripts and upside down, by script and code, in order."""

    _fields_: ClassVar = [("keys", KINDS["int64s"]), ("letters", KINDS["int64s"])]


class _MarkupTables(Table):
    """Names of tags and entities as numbers, and the characters that entities stand for."""

    _fields_: ClassVar = [
        ("breaking", KINDS["uint64s"]),
        ("hiding", KINDS["uint64s"]),
        ("names", TextArrays),
        ("codes", KINDS["int64s"]),
        ("open_names", KINDS["uint64s"]),
        ("open_codes", KINDS["int64s"]),
        ("numbers", KINDS["int64s"]),
    ]


class FoldingTables(Table):
    """What the engine looks up to fold texts, but for what it knows of characters."""

    _fields_: ClassVar = [
        ("ascii", _AsciiTables),
        ("scripts", _ScriptTables),
        ("markup", _MarkupTables),
        ("screening", screening.ScreeningTables),
        ("signs", signs.SignsTables),
        ("spacing", signs.SpacingTables),
    ]


_fold_texts = bind(
    "fold_texts",
    *("texts", "int64_t", Characters, FoldingTables, "uint8s_out", "int64s_out", "buffer", "uint8s_out"),
)


def fold_texts(texts: Texts, max_letters: int = MAX_TITLE_LETTERS) -> Texts:
    """Return the folded view of each text, as `fold_text` does: what a reader sees, in plain lower-case letters.

    Parameters
    ----------
    texts : Texts
        As the sellers wrote them.
    max_letters : int, default=2000
        Letters of a text beyond this are not read, before folding nor after.

    Examples
    --------
    >>> fold_texts(Texts.of(["Nike  AIR", "r.e.p.l.i.c.a w.a.t.c.h", "Новая куртка"])).strings()
    ['nike air', 'replica watch', 'novaya kurtka']
    """
    missing = np.zeros(N_PAGES, dtype=np.bool_)
    folded, is_left = _fold(texts, max_letters, missing)
    if is_left.any() and missing.any():
        PAGES.fill(np.flatnonzero(missing).tolist())
        folded, is_left = _fold(texts, max_letters, missing)
    left = np.flatnonzero(is_left)
    plain = [fold_text(texts.text(row), max_letters) for row in left.tolist()]
    return folded.replace(left, plain)


def _fold(texts: Texts, most: int, missing: NDArray[np.bool_]) -> tuple[Texts, NDArray[np.bool_]]:
    """Return the folded texts, and which are left to the plain function; note the pages that are missing."""
    ends = np.empty(len(texts) + 1, dtype=np.int64)
    is_left = np.empty(len(texts), dtype=np.bool_)
    folded = Buffer()
    _fold_texts(texts, most, PAGES.characters, TABLES, missing.view(np.uint8), ends, folded, is_left.view(np.uint8))
    return Texts(ends, folded.take(np.uint8)), is_left


def _read_ascii() -> NDArray[np.int64]:
    """Return what each ASCII character reads as, in lower case."""
    readings = [read_letter(chr(code)) for code in range(128)]
    return np.array([ASCII[ord(reading)] if reading else _NOTHING for reading in readings], dtype=np.int64)


def _list_scripts() -> _ScriptTables:
    scripts = (TURNED_LETTERS, *(letters for _, letters in ORNAMENTS))
    readings = {
        number << _CODE_BITS | ord(letter): ASCII[ord(reading)]
        for number, letters in enumerate(scripts)
        for letter, reading in letters.items()
    }
    keys = np.array(sorted(readings), dtype=np.int64)
    return _ScriptTables.of(keys=keys, letters=np.array([readings[key] for key in keys.tolist()], dtype=np.int64))


def _pack(names: Iterable[str]) -> NDArray[np.uint64]:
    """Return names of up to eight letters as numbers, in order."""
    return np.array([int.from_bytes(name.encode(), "little") for name in names], dtype=np.uint64)


def _sort_entities(names: list[str]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return packed names, in order, and the codes of their characters."""
    codes = np.array([ord(html.entities.html5[name]) for name in names], dtype=np.int64)
    packed = _pack(name.rstrip(";") for name in names)
    order = np.argsort(packed)
    return packed[order], codes[order]


def _read_numbers(count: int) -> NDArray[np.int64]:
    """Return the character that each number stands for; browsers read some as they were once used."""
    codes = [ord(html.unescape(f"&#{number};") or "\x00") or _NOTHING for number in range(count)]
    return np.array(codes, dtype=np.int64)


def _make_markup_tables() -> _MarkupTables:
    readings = [[*map(ord, html.entities.html5[f"{name};"]), _NOTHING][:2] for name in _WITH_SEMICOLON]
    open_names, open_codes = _sort_entities(_WITHOUT_SEMICOLON)
    return _MarkupTables.of(
        breaking=_pack(_BREAKING),
        hiding=_pack(_MAY_HIDE),
        names=Texts.of(_WITH_SEMICOLON),
        codes=np.array(readings, dtype=np.int64).ravel(),
        open_names=open_names,
        open_codes=open_codes,
        numbers=_read_numbers(0xA0),
    )


TABLES = FoldingTables.of(
    ascii=_AsciiTables.of(itself=ASCII, readings=_read_ascii()),
    scripts=_list_scripts(),
    markup=_make_markup_tables(),
    screening=screening.TABLES,
    signs=signs.SIGNS,
    spacing=signs.SPACING,
)
