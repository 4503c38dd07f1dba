"""Say of most short words at once that they are near no known word; the others are searched for in `slips.py`.

The number of a short word has five bits for each letter, so that shifts make the keys of all words near it.
"""

import numpy as np

from ipml.features.compiled.known_words import HIDDEN, PATTERN
from ipml.features.compiled.machine_code import plain_njit
from ipml.features.compiled.table import MAY_BE_KEY, may_have
from ipml.features.compiled.words import CODE, LETTER_BITS, SHORT

MOST_LETTERS = SHORT - 1
"""Of a word that is looked at here: with one letter more it is still short."""
_ONE = np.uint64(1)


@plain_njit
def may_be_near(table, number, n, beside, other_beside):
    """Say whether a short word may be one slip away from a known one; most that are not are known to be none.

    Every key is looked for in a filter, without a branch, also those that `slips.py` leaves out.

    Parameters
    ----------
    table : array of uint64
    number : uint64
        Of the word, which has up to `MOST_LETTERS` letters.
    n : int
        How many letters it has.
    beside, other_beside : uint64
        The letters whose keys are beside that of the first one.
    """
    first = LETTER_BITS * np.uint64(n - 1)
    found = may_have(table, MAY_BE_KEY, number) | may_have(table, MAY_BE_KEY, _with_more(number, first))
    rest = number & ((_ONE << first) - _ONE)
    found |= may_have(table, MAY_BE_KEY, beside << first | rest)
    found |= may_have(table, MAY_BE_KEY, other_beside << first | rest)
    for at in range(n - 1):
        place = LETTER_BITS * np.uint64(at)  # so many bits stand behind the letter
        found |= may_have(table, MAY_BE_KEY, _with_more(number, place))
        found |= may_have(table, MAY_BE_KEY, _with_less(number, place))
        found |= may_have(table, MAY_BE_KEY, _with_swapped(number, place))
        found |= may_have(table, MAY_BE_KEY, _with_hidden(number, place))
    return found


@plain_njit
def _with_more(number, place):
    """Return the key of a word with a hidden letter more, after that at a place."""
    return (number >> place << LETTER_BITS | HIDDEN) << place | number & ((_ONE << place) - _ONE) | PATTERN


@plain_njit
def _with_less(number, place):
    """Return the key of a word without the letter at a place."""
    return number >> place >> LETTER_BITS << place | number & ((_ONE << place) - _ONE)


@plain_njit
def _with_swapped(number, place):
    """Return the key of a word with the letter at a place and the one before swapped."""
    both = (number >> place ^ number >> place >> LETTER_BITS) & CODE
    return number ^ (both << place | both << place << LETTER_BITS)


@plain_njit
def _with_hidden(number, place):
    """Return the key of a word with the letter at a place hidden."""
    return number & ~(CODE << place) | HIDDEN << place | PATTERN
