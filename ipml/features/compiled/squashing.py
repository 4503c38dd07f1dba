"""Write the skeletons of many texts without gaps, and where in them words may begin.

The steps before a walk: see `ipml.features.compiled.walking`. A walk is the byte of the skeletons it starts from, times
two, and one more where a word may begin.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ipml.features.compiled.letters import (
    ALNUM,
    BREAK,
    is_kind,
    is_word,
    letter_after,
    letter_at,
    letter_before,
    size_of_letter,
)
from ipml.features.compiled.skeletons import are_dropped, bone_at

_FIRST_CJK = 0x2E80  # from here on, scripts write words without spaces between them
_LETTER, _NO_GAP = 1, 2
_AGAIN, _AFTER_APART, _APART, _BEYOND = (np.uint64(1 << bit) for bit in (9, 10, 11, 12))
"""What the second byte of a pair is, beside its bone: a letter again, after no letter, no letter, beyond ASCII."""
_AFTER_APART_TO_AGAIN, _APART_TO_AGAIN = np.uint64(1), np.uint64(2)
_TO_WALK, _TO_BONE = np.uint64(14), np.uint64(15)
_BYTE, _ONE = np.uint64(8), np.uint64(1)


def letter_classes(gaps: str) -> NDArray[np.uint8]:
    """Return what ASCII letters are, the sum of: 1 letter or digit, 2 no gap, shape (128,)."""
    letters = [chr(code) for code in range(128)]
    return np.array([_LETTER * letter.isalnum() + _NO_GAP * (letter not in gaps) for letter in letters], dtype=np.uint8)


def letter_pairs(bones: NDArray[np.uint8], classes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return what each byte is after each other one, shape (65536,), the first of them the higher one.

    The last eight bits are its bone. The first says whether it is written, the next whether a walk starts from it.
    """
    bone, of_class = np.tile(bones, 2).astype(np.int64), np.tile(classes, 2)
    is_apart, is_gap = of_class & _LETTER == 0, of_class & _NO_GAP == 0
    again = (bone[:, None] == bone) & ~is_apart
    is_written = ~again & ~is_gap
    starts = is_written & (is_apart | is_apart[:, None])
    flags = bone | again * int(_AGAIN) | is_apart[:, None] * int(_AFTER_APART) | is_apart * int(_APART)
    flags |= (np.arange(256) >= 128) * int(_BEYOND) | starts << int(_TO_WALK) | is_written << int(_TO_BONE)
    return flags.astype(np.uint16).ravel()


@njit(cache=True, nogil=True)
def _is_apart(kinds, letter):
    """Say whether a word may begin or end beside a letter, whatever stands there."""
    return letter >= _FIRST_CJK or not is_kind(kinds, letter, ALNUM)


@njit(cache=True, nogil=True)
def is_boundary(data, kinds, start, at, end):
    """Say whether a word may begin or end before a byte of a text."""
    return _is_apart(kinds, letter_before(data, at, start)) or _is_apart(kinds, letter_after(data, at, end))


@njit(cache=True, nogil=True)
def squash_plain(data, offsets, first, last, pairs, squashed, origins, walks, walk_ends):
    """Write the skeletons of some texts without gaps, a break after each, and from which bytes of them walks start.

    Text `row` writes from the byte on where it would stand if there were a break after each text. `origins` says where
    in the text each byte of its skeleton stands. Texts of other letters than ASCII, and those with a word of one letter
    only, are left out: their walks end at -1. There are no branches in the loop, since it cannot be foretold where
    words begin; an index without a sign need not be looked at for counting from the end.
    """
    for row in range(first, last):
        start = np.uint64(offsets[row])
        n = m = np.uint64(offsets[row] - offsets[first] + row - first)
        byte, flags = np.uint64(BREAK), _AFTER_APART
        is_open = is_other = np.uint64(0)  # in the bit of `_AGAIN`: whether all of a word is one letter, if repeated
        for at in range(np.uint64(offsets[row + 1]) - start):
            before, flags_before = byte, flags
            byte = np.uint64(data[start + at])
            flags = np.uint64(pairs[before << _BYTE | byte])
            is_other |= is_open & flags >> _APART_TO_AGAIN | flags & _BEYOND
            is_open = (is_open | flags_before >> _AFTER_APART_TO_AGAIN) & flags
            squashed[n] = flags  # its last byte
            origins[n] = at
            walks[m] = n << _ONE | _ONE
            n += flags >> _TO_BONE
            m += flags >> _TO_WALK & _ONE
        squashed[n], origins[n] = BREAK, offsets[row + 1] - offsets[row]
        walk_ends[row - first] = -1 if (is_other | is_open) & (_AGAIN | _BEYOND) else m


@njit(cache=True, nogil=True)
def squash_others(data, offsets, first, last, kinds, bones, classes, squashed, origins, walks, walk_ends):
    """Do what `squash_plain` does for those texts it left out."""
    for row in range(first, last):
        if walk_ends[row - first] >= 0:
            continue
        start, end = offsets[row], offsets[row + 1]
        n = m = start - offsets[first] + row - first
        before = previous = np.int64(BREAK)
        was_apart = 1
        at = kept = start
        while at < end:
            byte = data[at]
            bone = np.int64(bones[byte]) if byte < 0x80 else letter_at(data, at)
            if bone == previous and at >= kept and is_word(kinds, bone):
                kept = at + size_of_letter(byte)
                while kept < end and bone_at(data, kept, bones) == bone:
                    kept += size_of_letter(data[kept])
                if are_dropped(data, kept, end, before, kinds):
                    at, before = kept, previous
                    continue
            apart = np.int64(_is_apart(kinds, bone))
            walks[m] = n << 1 | 1
            is_bone = np.int64(classes[byte] & _NO_GAP != 0) if byte < 0x80 else 1
            m += is_bone & (apart | was_apart)
            after = at + size_of_letter(byte)
            while at < after:
                squashed[n], origins[n] = bone if byte < 0x80 else data[at], at - start
                n += is_bone
                at += 1
            before, previous, was_apart = previous, bone, apart
        squashed[n], origins[n] = BREAK, end - start
        walk_ends[row - first] = m
