"""The skeletons of many texts at once, as `ipml.features.phrases.skeleton` says what they are."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ipml.engine.library import KINDS, Table, bind
from ipml.features.compiled.letters import letter_kinds
from ipml.features.compiled.texts import Texts
from ipml.features.phrases import skeleton

_AGAIN, _AFTER_APART, _APART, _BEYOND = (1 << bit for bit in (9, 10, 11, 12))
"""What the second byte of a pair is, beside its bone: a letter again, after no letter, no letter, beyond ASCII."""
TO_WRITTEN = 15
"""By how many bits to shift to the first, which says whether a byte is written."""


class SkeletonTables(Table):
    """What the engine looks up of the letters of skeletons: `letter_bones`, `letter_pairs` and `letter_kinds`."""

    _fields_: ClassVar[Any] = [("bones", KINDS["uint8s"]), ("pairs", KINDS["uint16s"]), ("kinds", KINDS["uint8s"])]


_reduce_texts = bind("reduce_texts", "texts", SkeletonTables, "int64s_out", "uint8s_out")


def skeleton_texts(folded: Texts) -> Texts:
    """Return the skeleton of each folded text.

    Parameters
    ----------
    folded : Texts
        As `fold_text` returns them.

    Examples
    --------
    >>> skeleton_texts(Texts.of(["r3plica r0llex aaa", "hat"])).strings()
    ['repica roiex aaa', 'hat']
    """
    offsets, reduced = np.empty(len(folded) + 1, dtype=np.int64), np.empty(len(folded.data), dtype=np.uint8)
    _reduce_texts(folded, skeleton_tables(), offsets, reduced)
    return Texts(offsets, reduced[: offsets[-1]])


@lru_cache(maxsize=1)
def skeleton_tables() -> SkeletonTables:
    """Return what the engine looks up of the letters of skeletons."""
    return SkeletonTables.of(bones=letter_bones(), pairs=letter_pairs(), kinds=letter_kinds())


@lru_cache(maxsize=1)
def letter_bones() -> NDArray[np.uint8]:
    """Return what each letter of ASCII is in a skeleton, shape (128,)."""
    return np.array([ord(skeleton(chr(code))) for code in range(128)], dtype=np.uint8)


@lru_cache(maxsize=1)
def letter_pairs() -> NDArray[np.uint16]:
    """Return what each byte is after each other one, shape (65536,), the first of them the higher one.

    The last eight bits are its bone, the first says whether it is written.
    """
    bone = np.tile(letter_bones(), 2).astype(np.int64)
    letters = [chr(code) for code in range(128)] * 2
    is_apart = np.array([not letter.isalnum() for letter in letters])
    again = (bone[:, None] == bone) & (~is_apart | np.array([letter == "_" for letter in letters]))
    pairs = bone | again * _AGAIN | is_apart[:, None] * _AFTER_APART | is_apart * _APART
    pairs |= (np.arange(256) >= 128) * _BEYOND | ~again << TO_WRITTEN
    return np.asarray(pairs.ravel(), dtype=np.uint16)
