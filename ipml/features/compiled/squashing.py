"""Write the skeletons of many texts without gaps, and where in them words may begin.

The steps before a walk: see `ipml.features.compiled.walking`. A walk is the byte of the skeletons it starts from, times
two, and one more where a word may begin.
"""

import numpy as np
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
from ipml.features.compiled.machine_code import compiled, plain_njit
from ipml.features.compiled.skeletons import (
    AFTER_APART,
    AFTER_APART_TO_AGAIN,
    AGAIN,
    APART_TO_AGAIN,
    BEYOND,
    BYTE,
    TO_WRITTEN,
    are_dropped,
    bone_at,
    letter_pairs,
)

_FIRST_CJK = 0x2E80  # from here on, scripts write words without spaces between them
_LETTER, _NO_GAP = 1, 2
_TO_WALK, _ONE = np.uint64(14), np.uint64(1)


def letter_classes(gaps: str) -> NDArray[np.uint8]:
    """Return what ASCII letters are, the sum of: 1 letter or digit, 2 no gap, shape (128,)."""
    letters = [chr(code) for code in range(128)]
    return np.array([_LETTER * letter.isalnum() + _NO_GAP * (letter not in gaps) for letter in letters], dtype=np.uint8)


def walk_pairs(classes: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return what `letter_pairs` does, but that no gap is written; the second bit says whether a walk starts there.

    Parameters
    ----------
    classes : array of uint8, shape (128,)
        As `letter_classes` returns them.
    """
    pairs = letter_pairs().astype(np.int64).reshape(256, 256)
    of_class = np.tile(classes, 2)
    pairs[:, of_class & _NO_GAP == 0] &= ~(1 << int(TO_WRITTEN))
    is_apart = of_class & _LETTER == 0
    starts = (pairs >> int(TO_WRITTEN) != 0) & (is_apart | is_apart[:, None])
    return np.asarray((pairs | starts << int(_TO_WALK)).ravel(), dtype=np.uint16)


@plain_njit
def _is_apart(kinds, letter):
    """Say whether a word may begin or end beside a letter, whatever stands there."""
    return letter >= _FIRST_CJK or not is_kind(kinds, letter, ALNUM)


@plain_njit
def is_boundary(data, kinds, start, at, end):
    """Say whether a word may begin or end before a byte of a text."""
    return _is_apart(kinds, letter_before(data, at, start)) or _is_apart(kinds, letter_after(data, at, end))


@compiled
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
        byte, flags = np.uint64(BREAK), AFTER_APART
        is_open = is_other = np.uint64(0)  # in the bit of `AGAIN`: whether all of a word is one letter, if repeated
        for at in range(np.uint64(offsets[row + 1]) - start):
            before, flags_before = byte, flags
            byte = np.uint64(data[start + at])
            flags = np.uint64(pairs[before << BYTE | byte])
            is_other |= is_open & flags >> APART_TO_AGAIN | flags & BEYOND
            is_open = (is_open | flags_before >> AFTER_APART_TO_AGAIN) & flags
            squashed[n] = flags  # its last byte
            origins[n] = at
            walks[m] = n << _ONE | _ONE
            n += flags >> TO_WRITTEN
            m += flags >> _TO_WALK & _ONE
        squashed[n], origins[n] = BREAK, offsets[row + 1] - offsets[row]
        walk_ends[row - first] = -1 if (is_other | is_open) & (AGAIN | BEYOND) else m


@plain_njit
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
