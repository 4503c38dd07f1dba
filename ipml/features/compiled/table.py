"""One array of 64-bit numbers that holds hash tables and filters: compiled functions pass one faster than several."""

import numpy as np

from ipml.features.compiled.machine_code import compiled, plain_njit

# The places of a table that say where each part of it begins; next to them is the number of its slots or bits less one.
WORDS, KEYS, MAY_BE_KEY, MAY_BE_JOINED = 0, 2, 4, 6
POWERS = 8  # of the bases of shorter words, then of longer ones
FIRST_TARGET = 10
LONGEST = 11
HEADER = 12

LONG = np.uint64(1 << 63)
"""Keys from here on are of longer words, of which several may have one key."""

_SPREAD = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
_HIGHEST = np.uint64(40)
_HIGHER = np.uint64(34)
_HIGH = np.uint64(28)
_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_TWO = np.uint64(2)
_SIX = np.uint64(6)
_SIXTY_THREE = np.uint64(63)
_FREE = np.uint64(0)  # the key of no word


@plain_njit
def spread(key):
    """Return the bits of a key, mixed; the higher ones best."""
    return (key ^ (key >> _HALF)) * _SPREAD


@plain_njit
def first_slot(table, part, key):
    """Return the slot at which a key is looked for first."""
    return np.int64((spread(key) >> _HALF) & table[part + 1])


@plain_njit
def is_first(table, part, key):
    """Say whether a key is in the slot at which it is looked for first, as most are."""
    return table[table[part] + _TWO * ((spread(key) >> _HALF) & table[part + 1])] == key


@plain_njit
def find_slot(table, part, slot, key):
    """Return the next slot that holds a key, from this one on; -1 if there is none."""
    start, mask = np.int64(table[part]), np.int64(table[part + 1])
    while True:
        found = table[start + 2 * slot]
        if found == key:
            return slot
        if found == _FREE:
            return np.int64(-1)
        slot = (slot + 1) & mask


@plain_njit
def find_next_slot(table, part, slot, key):
    """Return the next slot that holds a key, after this one; -1 if there is none."""
    return find_slot(table, part, (slot + 1) & np.int64(table[part + 1]), key)


@plain_njit
def word_in(table, part, slot):
    """Return the word in a slot."""
    return np.int64(table[np.int64(table[part]) + 2 * slot + 1])


@plain_njit
def put_key(table, part, key, word):
    """Put a key and its word into a free slot; the key of a short word only if it is new."""
    start, mask = np.int64(table[part]), np.int64(table[part + 1])
    slot = first_slot(table, part, key)
    while table[start + 2 * slot] != _FREE:
        if table[start + 2 * slot] == key and key < LONG:
            return
        slot = (slot + 1) & mask
    table[start + 2 * slot] = key
    table[start + 2 * slot + 1] = np.uint64(word)


@plain_njit
def _filter_bits(mixed):
    """Return the bits of a number in a filter that say that there is a key."""
    bits = _ONE << ((mixed >> _HIGHEST) & _SIXTY_THREE) | _ONE << ((mixed >> _HIGHER) & _SIXTY_THREE)
    return bits | _ONE << ((mixed >> _HIGH) & _SIXTY_THREE)


@plain_njit
def put_bits(table, part, key):
    """Note in a filter that there is a key."""
    mixed = spread(key)
    table[table[part] + (((mixed >> _HIGHEST) & table[part + 1]) >> _SIX)] |= _filter_bits(mixed)


@plain_njit
def may_have(table, part, key):
    """Say whether a key may be there; nearly all of those that are not are known to be none."""
    mixed = spread(key)
    return ~table[table[part] + (((mixed >> _HIGHEST) & table[part + 1]) >> _SIX)] & _filter_bits(mixed) == _ZERO


@plain_njit
def power_of_two(least):
    """Return the first power of two, from 64 on, that is not less than a number."""
    power = 64
    while power < least:
        power *= 2
    return power


@compiled
def make_table(n_words, n_keys, n_joined, n_powers):
    """Return an empty table with room for so many words, keys, joined words and powers."""
    slots, key_slots = power_of_two(2 * n_words), power_of_two(2 * n_keys)
    bits, joined_bits = min(power_of_two(16 * n_keys), 1 << 24), min(power_of_two(16 * n_joined), 1 << 24)
    keys_from = HEADER + 2 * slots
    bits_from = keys_from + 2 * key_slots
    joined_from = bits_from + bits // 64
    powers_from = joined_from + joined_bits // 64
    table = np.zeros(powers_from + 2 * n_powers, np.uint64)
    table[WORDS], table[WORDS + 1] = HEADER, slots - 1
    table[KEYS], table[KEYS + 1] = keys_from, key_slots - 1
    table[MAY_BE_KEY], table[MAY_BE_KEY + 1] = bits_from, bits - 1
    table[MAY_BE_JOINED], table[MAY_BE_JOINED + 1] = joined_from, joined_bits - 1
    table[POWERS], table[POWERS + 1] = powers_from, powers_from + n_powers
    return table
