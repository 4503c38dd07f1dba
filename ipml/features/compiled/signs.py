"""What folding looks up of ASCII signs: what they are read as, and which may stand between letters written apart."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table
from ipml.features.compiled.characters import ASCII

_READINGS = {"@": "a", "$": "s", "!": "i", "|": "l", "+": "t", "(": "c"}
_SIGN, _STANDS_ALONE, _AT_OR_DOLLAR, _BEGINS, _LETTER, _DIGIT = 1, 2, 4, 8, 16, 32
_GAPS = " \x1f._,;'*~+|/\\-"


class SignsTables(Table):
    """What the engine looks up of signs that stand for letters.

    Attributes
    ----------
    kinds : array of uint8, shape (256,)
        Of what kinds each byte is.
    letters_read : array of int, shape (128,)
        The character, with its flags, that each sign is read as.
    """

    _fields_: ClassVar[Any] = [("kinds", KINDS["uint8s"]), ("letters_read", KINDS["int64s"])]


class SpacingTables(Table):
    """What the engine looks up of letters written apart.

    Attributes
    ----------
    gaps : array of uint8, shape (128,)
        1 for each character that may stand between them.
    """

    _fields_: ClassVar[Any] = [("gaps", KINDS["uint8s"])]


def _describe_ascii() -> NDArray[np.uint8]:
    kinds = np.zeros(256, dtype=np.uint8)
    for sign in _READINGS:
        kinds[ord(sign)] = (
            _SIGN | _STANDS_ALONE * (sign in "@$!") | _AT_OR_DOLLAR * (sign in "@$") | _BEGINS * (sign != "(")
        )
    kinds[ord("a") : ord("z") + 1] = _LETTER
    kinds[ord("0") : ord("9") + 1] = _DIGIT
    return kinds


def _list_letters_read() -> NDArray[np.int64]:
    letters = np.zeros(128, dtype=np.int64)
    letters[[ord(sign) for sign in _READINGS]] = [ASCII[ord(letter)] for letter in _READINGS.values()]
    return letters


SIGNS = SignsTables.of(kinds=_describe_ascii(), letters_read=_list_letters_read())
SPACING = SpacingTables.of(gaps=np.array([chr(code) in _GAPS for code in range(128)], dtype=np.uint8))
