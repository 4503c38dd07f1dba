"""Known words as compiled functions look for them: the keys under which `slips.py` finds the one a word stands for.

They lie in the order of (frequency, word), and those that others may stand for come last: of several, the last counts.
One table holds these under each of their keys: the word itself, the word with any letter hidden, its sound, and the
word without its vowels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.machine_code import compiled, inner, plain_njit
from ipml.features.compiled.table import (
    FIRST_TARGET,
    KEYS,
    LONG,
    LONGEST,
    MAY_BE_JOINED,
    MAY_BE_KEY,
    POWERS,
    make_table,
    put_bits,
    put_key,
)
from ipml.features.compiled.words import (
    LETTERS_OF_SHORT,
    SHORT,
    STAR,
    Words,
    add_letters,
    base_for,
    code_at,
    key_of,
    key_of_word,
    put_words,
    split_lines,
)
from ipml.features.dictionary import LEAST_CONSONANTS, LEAST_CONSONANTS_OF_TRADE, LEAST_LETTERS, SAME_SOUND

HIDDEN = np.uint64(STAR)
PATTERN = np.uint64(1 << 60)
"""These bits of a key tell of what it is the key; of a word itself they are 0."""

SOUND = np.uint64(2 << 60)
BARE = np.uint64(3 << 60)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)


def make_known(frequencies: Mapping[str, int], trade: Collection[str], most_targets: int) -> Words | None:
    """Return the known words, and by what keys those are found that others may stand for.

    None if a word holds other letters than one can that is read in a text.

    Parameters
    ----------
    frequencies : mapping of str to int
        The words, and how often each is met.
    trade : collection of str
        Those of the trade.
    most_targets : int
        So many of the most frequent words others may stand for.

    Examples
    --------
    >>> from ipml.features.compiled.slips import nearest
    >>> known = make_known({"replica": 5, "rolex": 9}, {"rolex"}, 20_000)
    >>> [nearest(known, word) for word in ("repilca", "rlx", "wool")]
    ['replica', 'rolex', None]
    """
    ordered = sorted(frequencies)
    counts = np.fromiter((frequencies[word] for word in ordered), dtype=np.int64, count=len(ordered))
    lengths = np.fromiter(map(len, ordered), dtype=np.int64, count=len(ordered))
    is_target = np.zeros(len(ordered), dtype=np.bool_)
    is_target[np.argsort(-counts, kind="stable")[:most_targets]] = True
    is_target &= lengths >= LEAST_LETTERS - 1
    order = np.lexsort((np.arange(len(ordered)), counts, is_target))
    named = [ordered[at] for at in order.tolist()]
    lines = np.frombuffer(bytearray("".join(f"{word}\n" for word in named).encode("utf-8", "surrogatepass")), np.uint8)
    starts, ends = split_lines(lines)
    if starts.size != lengths.size or (ends - starts != lengths[order]).any():
        return None
    is_of_trade = np.fromiter((word in trade for word in named), dtype=np.bool_, count=len(named))
    return Words(index_known(lines, int(np.sum(~is_target)), is_of_trade), lines)


def _list_sounds() -> NDArray[np.uint8]:
    """Return the one or two letters of which each byte has the sound."""
    sounds = np.zeros((256, 2), dtype=np.uint8)
    sounds[:, 0] = np.arange(256)
    for letter, sound in SAME_SOUND.items():
        if len(letter) == 1:
            sounds[ord(letter), : len(sound)] = list(sound.encode())
    return sounds


_SOUNDS = _list_sounds()
_MAY_DOUBLE = np.array([chr(byte) not in SAME_SOUND for byte in range(256)])  # others are read letter by letter
_P, _H, _C, _K, _Q, _U, _F, _W = (ord(letter) for letter in "phckqufw")


# How a word sounds, and what is left of it without vowels


@plain_njit
def write_sound(data, start, end, sound, n):
    """Write how a word sounds from a place on, at most two letters for each; return where it ends."""
    at = start
    while at < end:
        letter = data[at]
        after = data[at + 1] if at + 1 < end else 0
        if letter == _P and after == _H:
            sound[n] = _F
            at += 2
        elif letter == _C and after == _K:
            sound[n] = _K
            at += 2
        elif letter == _Q and after == _U:
            sound[n] = _K
            n += 1
            sound[n] = _W
            at += 2
        else:
            sound[n] = _SOUNDS[letter, 0]
            if _SOUNDS[letter, 1] != 0:
                n += 1
                sound[n] = _SOUNDS[letter, 1]
            at += 2 if letter == after and _MAY_DOUBLE[letter] else 1
        n += 1
    return n


@plain_njit
def is_vowel(letter):
    """Say whether a letter is left out of a word without its vowels."""
    return letter == 0x61 or letter == 0x65 or letter == 0x69 or letter == 0x6F or letter == 0x75


@plain_njit
def write_bare(data, start, end, bare, n):
    """Write a word without its vowels but at the start, a letter twice in a row at most, from a place on.

    Returns where it ends.
    """
    first = n
    for at in range(start, end):
        is_third = n >= first + 2 and bare[n - 1] == data[at] and bare[n - 2] == data[at]
        if at == start or not (is_vowel(data[at]) or is_third):
            bare[n] = data[at]
            n += 1
    return n


# The keys of known words


@plain_njit
def joined_key(key, n):
    """Return the key by which two pieces together are looked for: of long words their last letters are enough."""
    return key & LETTERS_OF_SHORT if n <= SHORT else (key & LETTERS_OF_SHORT) | LONG


@plain_njit
def last_letters(data, start, end):
    """Return the number of the last letters of a word, as many as a short one has; the same if it is short."""
    return add_letters(_ZERO, data, max(start, end - SHORT), end, base_for(1))


@plain_njit
def _put_powers(table, n):
    """Put the powers of the bases of shorter and of longer words into a table."""
    for kind in range(2):
        power = _ONE
        for at in range(n):
            table[np.int64(table[POWERS + kind]) + at] = power
            power *= base_for(SHORT + kind)


@plain_njit
def _put(table, key, word):
    put_key(table, KEYS, key, word)
    put_bits(table, MAY_BE_KEY, key)


@plain_njit
def _put_patterns(table, lines, start, end):
    """Put a word under each of its keys with one letter hidden."""
    n = end - start
    base = base_for(n)
    whole = add_letters(_ZERO, lines, start, end, base)
    power = _ONE
    for at in range(end - 1, start - 1, -1):
        _put(table, key_of(whole + (HIDDEN - code_at(lines, at)) * power, n) | PATTERN, start)
        power *= base


@plain_njit
def _put_target(table, lines, start, end, least_consonants, scratch):
    """Put a word under each key by which it is found."""
    _put(table, key_of_word(lines, start, end), start)
    _put_patterns(table, lines, start, end)
    if end - start < LEAST_LETTERS:
        return
    put_bits(table, MAY_BE_JOINED, joined_key(last_letters(lines, start, end), end - start))
    n = write_sound(lines, start, end, scratch, start - start)
    _put(table, key_of_word(scratch, start - start, n) | SOUND, start)
    n = write_bare(lines, start, end, scratch, start - start)
    if n >= least_consonants:
        _put(table, key_of_word(scratch, start - start, n) | BARE, start)


@compiled
def index_known(lines, first_target, is_of_trade):
    """Return the table of known words; others may stand for those from the number of the first target on."""
    starts, ends = split_lines(lines)
    n_keys = longest = 0
    for i in range(starts.size):
        longest = max(longest, ends[i] - starts[i])
        n_keys += ends[i] - starts[i] + 3 if i >= first_target else 0
    table = make_table(starts.size, n_keys, starts.size - first_target, longest + 3)
    _put_powers(table, longest + 3)
    table[LONGEST] = longest
    table[FIRST_TARGET] = starts[first_target] if first_target < starts.size else lines.size
    put_words(table, lines, starts, ends)
    scratch = make_scratch(table)
    for i in range(starts.size - 1, first_target - 1, -1):
        least = LEAST_CONSONANTS_OF_TRADE if is_of_trade[i] else LEAST_CONSONANTS
        _put_target(table, lines, starts[i], ends[i], least, scratch)
    return table


@inner
def make_scratch(table):
    """Return room for the sound of any word that may be near a known one, and behind it for the sound of that."""
    return np.empty(10 * np.int64(table[LONGEST]) + 16, np.uint8)
