"""The skeletons of many texts at once, as `ipml.features.skeleton.skeleton` says what they are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ipml.features.compiled.inner import plain_njit
from ipml.features.compiled.letters import (
    ALNUM,
    BREAK,
    is_kind,
    is_word,
    letter_after,
    letter_at,
    letter_kinds,
    size_of_letter,
)
from ipml.features.compiled.texts import Texts
from ipml.features.skeleton import skeleton


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
    return Texts(*_reduce_texts(folded.offsets, folded.data, letter_bones(), letter_kinds()))


@lru_cache(maxsize=1)
def letter_bones() -> NDArray[np.uint8]:
    """Return what each letter of ASCII is in a skeleton, shape (128,)."""
    return np.array([ord(skeleton(chr(code))) for code in range(128)], dtype=np.uint8)


@plain_njit
def bone_at(data, at, bones):
    """Return what the letter at a byte is in a skeleton."""
    return np.int64(bones[data[at]]) if data[at] < 0x80 else letter_at(data, at)


@plain_njit
def are_dropped(data, after, end, before, kinds):
    """Say whether repeats are dropped: those of a word of one letter only, of which this is after and before, stay."""
    return is_kind(kinds, before, ALNUM) or is_kind(kinds, letter_after(data, after, end), ALNUM)


@plain_njit
def _reduce(data, at, end, bones, kinds, reduced, n):
    """Write the skeleton of one text; return how many bytes there are now.

    No function with a loop is called from here: to hand it the arrays would take longer than all the rest.
    """
    before = last = np.int64(BREAK)
    while at < end:
        byte = data[at]
        bone = np.int64(bones[byte]) if byte < 0x80 else letter_at(data, at)
        if byte < 0x80 and bone != last:  # as most are
            reduced[n] = bone
            n += 1
            at += 1
            before, last = last, bone
            continue
        after = at + size_of_letter(byte)
        if bone == last and is_word(kinds, bone):
            while after < end and bone_at(data, after, bones) == bone:
                after += size_of_letter(data[after])
            if are_dropped(data, after, end, before, kinds):
                at = after
        before, last = last, bone
        while at < after:
            reduced[n] = bones[data[at]] if data[at] < 0x80 else data[at]
            n += 1
            at += 1
    return n


@njit(cache=True, nogil=True)
def _reduce_texts(offsets, data, bones, kinds):
    reduced = np.empty(data.size, np.uint8)
    starts = np.zeros(offsets.size, np.int64)
    n = 0
    for row in range(offsets.size - 1):
        n = _reduce(data, offsets[row], offsets[row + 1], bones, kinds, reduced, n)
        starts[row + 1] = n
    return starts, reduced[:n].copy()
