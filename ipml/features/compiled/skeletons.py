"""The skeletons of many texts at once, as `ipml.features.phrases.skeleton` says what they are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

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
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.texts import Texts
from ipml.features.phrases import skeleton

AGAIN, AFTER_APART, APART, BEYOND = (np.uint64(1 << bit) for bit in (9, 10, 11, 12))
"""What the second byte of a pair is, beside its bone: a letter again, after no letter, no letter, beyond ASCII."""
AFTER_APART_TO_AGAIN, APART_TO_AGAIN, TO_WRITTEN = np.uint64(1), np.uint64(2), np.uint64(15)
"""By how many bits to shift from one of them to another, and to the first, which says whether a byte is written."""
BYTE = np.uint64(8)


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
    return Texts(*_reduce_texts(folded.offsets, folded.data, letter_bones(), letter_pairs(), letter_kinds()))


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
    pairs = bone | again * int(AGAIN) | is_apart[:, None] * int(AFTER_APART) | is_apart * int(APART)
    pairs |= (np.arange(256) >= 128) * int(BEYOND) | ~again << int(TO_WRITTEN)
    return np.asarray(pairs.ravel(), dtype=np.uint16)


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


@compiled
def _reduce_plain(data, start, end, pairs, reduced, first):
    """Write the skeleton of a text; return how many bytes there are now, -1 if it is left to `_reduce`.

    That are texts of other letters than ASCII, and those that may have a word of one letter only, whose repeats stay.
    There is no branch in the loop, since it cannot be foretold where letters repeat.
    """
    n = np.uint64(first)
    byte, flags = np.uint64(BREAK), AFTER_APART
    is_open = is_left = np.uint64(0)  # in the bit of `AGAIN`: whether all of a word so far is one letter, repeated
    for at in range(np.uint64(start), np.uint64(end)):
        before, flags_before = byte, flags
        byte = np.uint64(data[at])
        flags = np.uint64(pairs[before << BYTE | byte])
        is_left |= is_open & flags >> APART_TO_AGAIN | flags & BEYOND
        is_open = (is_open | flags_before >> AFTER_APART_TO_AGAIN) & flags
        reduced[n] = flags  # its last byte
        n += flags >> TO_WRITTEN
    return np.int64(-1) if (is_left | is_open) & (AGAIN | BEYOND) else np.int64(n)


@compiled
def _reduce_texts(offsets, data, bones, pairs, kinds):
    reduced = np.empty(data.size + 1, np.uint8)
    starts = np.zeros(offsets.size, np.int64)
    for row in range(offsets.size - 1):
        n = _reduce_plain(data, offsets[row], offsets[row + 1], pairs, reduced, starts[row])
        if n < 0:
            n = _reduce(data, offsets[row], offsets[row + 1], bones, kinds, reduced, starts[row])
        starts[row + 1] = n
    return starts, reduced[: starts[-1]]
