"""Find where in a text a contact or a lot may begin, which is in few places; `offers.py` looks at each of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ipml.features.compiled.contacts import LINK_ENDS
from ipml.features.compiled.letters import BREAK
from ipml.features.compiled.lots import INITIALS
from ipml.features.compiled.machine_code import compiled

_LETTER, _NUMBER, _SPACED, _SIGN, _WWW = (1 << bit for bit in range(5))
"""Where something may begin: a lot's first letter, what follows a number, a space there, a sign, the dot of www."""
CONTACTS, LOTS = _SIGN | _WWW, _LETTER | _NUMBER | _SPACED
_BEYOND = 1 << 10
_MAY_BEGIN = 5  # so many bits left of what may follow stands what may begin
_DIGITS, _AFTER_NUMBER = "0123456789", "-~tdb" + "".join(map(chr, INITIALS))  # 36-45, 36 to 45, 10 pcs


def _is_in(letters: str) -> NDArray[np.bool_]:
    """Say of each byte whether it is one of some letters of ASCII."""
    return np.isin(np.arange(256), [ord(letter) for letter in letters])


def _describe_pairs() -> NDArray[np.uint16]:
    """Return what may begin or go on with the second of any two bytes, and whether that is not ASCII."""
    is_beyond = np.arange(256) >= 0x80
    is_inside = np.array([chr(code).isalnum() or chr(code) == "_" for code in range(128)] + [False] * 128)
    follows = _is_in(_AFTER_NUMBER) | is_beyond
    begins = _LETTER * (_is_in("xsmue") & ~is_inside[:, None])  # x10 and xs-l, s-l, m-l, us7-us9 and uk7-uk9, eu40-eu42
    begins += _NUMBER * _after(_DIGITS, follows) + _SPACED * _after(_DIGITS, _is_in(" "))
    begins += _SIGN * _is_in(".:+(") + _WWW * _after("w", _is_in("."))
    tells = _after(".", _is_in("".join(chr(ending[0]) for ending in LINK_ENDS)))
    tells |= _after(":", _is_in("/")) | _after("+(", _is_in(_DIGITS))
    goes_on = _LETTER * _is_in(" -/~xsku" + _DIGITS) + _NUMBER + _SPACED * follows + _SIGN * tells + _WWW
    return np.asarray((begins << _MAY_BEGIN | goes_on | _BEYOND * is_beyond).ravel(), dtype=np.uint16)


def _after(letters: str, others: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Say of each pair of bytes whether the first is one of some letters, and the second one of others."""
    return _is_in(letters)[:, None] & others


_PAIRS = _describe_pairs()
_BYTE, _ONE, _TO_BEGIN, _ZERO = np.uint64(8), np.uint64(1), np.uint64(_MAY_BEGIN), np.uint64(0)


@compiled
def find_beginnings(data, start, end, wanted, places):
    """Write where a contact or a lot may begin; return how many there are, and whether all of a text is ASCII.

    A letter is judged by those on either side of it, without a branch.
    """
    n, every = _ZERO, _ZERO
    byte, flags = np.uint64(BREAK), _ZERO
    for at in range(np.uint64(start), np.uint64(end)):
        before, flags_before = byte, flags
        byte = np.uint64(data[at])
        flags = np.uint64(_PAIRS[before << _BYTE | byte])
        every |= flags
        places[n] = at - _ONE
        n += np.uint64(flags_before >> _TO_BEGIN & flags & wanted != _ZERO)
    places[n] = end - 1
    n += np.uint64(flags >> _TO_BEGIN & _PAIRS[byte << _BYTE | np.uint64(BREAK)] & wanted != _ZERO)
    return np.int64(n), every < _BEYOND
