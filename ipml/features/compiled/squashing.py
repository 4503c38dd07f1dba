"""Write the skeletons of many texts without gaps, and where in them words may begin.

The steps before a walk: see `ipml.features.compiled.walking`. A walk is the byte of the skeletons it starts from, times
two, and one more where a word may begin.
"""

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.inner import plain_njit
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
_LETTER, _IS_BONE = 1, 1  # of the classes of ASCII: a bit, and by how many to shift for another


def letter_classes(gaps: str) -> NDArray[np.uint8]:
    """Return what ASCII letters are, the sum of: 1 letter or digit, 2 no gap, shape (128,)."""
    letters = [chr(code) for code in range(128)]
    return np.array([letter.isalnum() + 2 * (letter not in gaps) for letter in letters], dtype=np.uint8)


@plain_njit
def _is_apart(kinds, letter):
    """Say whether a word may begin or end beside a letter, whatever stands there."""
    return letter >= _FIRST_CJK or not is_kind(kinds, letter, ALNUM)


@plain_njit
def is_boundary(data, kinds, start, at, end):
    """Say whether a word may begin or end before a byte of a text."""
    return _is_apart(kinds, letter_before(data, at, start)) or _is_apart(kinds, letter_after(data, at, end))


@plain_njit
def squash_plain(data, offsets, first, last, bones, classes, squashed, origins, walks, walk_ends):
    """Write the skeletons of some texts without gaps, a break after each, and from which bytes of them walks start.

    Text `row` writes from the byte on where it would stand if there were a break after each text. `origins` says where
    in the text each byte of its skeleton stands. Texts of other letters than ASCII, and those with a word of one letter
    only, are left out: their walks end at -1. There are no branches in the loop, since it cannot be foretold where
    words begin; an index without a sign need not be looked at for counting from the end.
    """
    for row in range(first, last):
        start = offsets[row]
        n = m = start - offsets[first] + row - first
        previous, was_apart, before_apart = np.uint8(BREAK), 1, 1
        is_open = is_other = 0
        for at in range(start, offsets[row + 1]):
            byte = data[np.uint64(at)]
            bone, of_class = bones[byte & np.uint8(0x7F)], np.int64(classes[byte & np.uint8(0x7F)])
            apart = 1 - (of_class & _LETTER)
            is_again = np.int64(bone == previous) & (1 - apart)
            is_other |= (byte >> 7) | (is_open & apart)
            is_open = is_again & (is_open | before_apart)
            squashed[np.uint64(n)] = bone
            origins[np.uint64(n)] = at - start
            walks[np.uint64(m)] = n << 1 | 1
            is_bone = (1 - is_again) & (of_class >> _IS_BONE)
            n += is_bone
            m += is_bone & (apart | was_apart)
            previous, before_apart, was_apart = bone, was_apart, apart
        squashed[n], origins[n] = BREAK, offsets[row + 1] - start
        walk_ends[row - first] = -1 if is_other or is_open else m


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
            is_bone = np.int64(classes[byte] >> _IS_BONE) if byte < 0x80 else 1
            m += is_bone & (apart | was_apart)
            after = at + size_of_letter(byte)
            while at < after:
                squashed[n], origins[n] = bone if byte < 0x80 else data[at], at - start
                n += is_bone
                at += 1
            before, previous, was_apart = previous, bone, apart
        squashed[n], origins[n] = BREAK, end - start
        walk_ends[row - first] = m
