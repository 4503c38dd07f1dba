"""Passwords: how long they are, what is kept of them, and what a guess costs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from threading import BoundedSemaphore

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from ipml.errors import UnusablePassword

LEAST_PASSWORD_LENGTH = 12
MOST_PASSWORD_LENGTH = 256
NO_PASSWORD = ""  # stands where the hash would; no password has it

# Argon2 takes 64 MB a time: a burst of logins must not take the memory of the machine.
_hashing = BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class PasswordCost:
    """What one guess of a password costs (argon2id). The defaults are RFC 9106's second recommended option.

    Attributes
    ----------
    passes : int, default=3
    memory_kib : int, default=65536
    lanes : int, default=4
    """

    passes: int = 3
    memory_kib: int = 65_536
    lanes: int = 4


DEFAULT_COST = PasswordCost()


def hash_password(password: str, cost: PasswordCost = DEFAULT_COST) -> str:
    """Return the argon2 hash of a new password.

    Raises
    ------
    UnusablePassword
    """
    if not LEAST_PASSWORD_LENGTH <= len(password) <= MOST_PASSWORD_LENGTH:
        raise UnusablePassword(len(password), LEAST_PASSWORD_LENGTH, MOST_PASSWORD_LENGTH)
    return _hasher(cost).hash(password)


def is_right(password: str, known_hash: str, cost: PasswordCost = DEFAULT_COST) -> bool:
    """Tell whether a password is the one of a hash.

    Without a hash nothing is right, and finding that out takes as long.

    Examples
    --------
    >>> cheap = PasswordCost(1, 8, 1)
    >>> is_right("", NO_PASSWORD, cheap), is_right("correct horse", hash_password("correct horse", cheap), cheap)
    (False, True)
    """
    with _hashing:
        fits = _hasher(cost).verify(password[: MOST_PASSWORD_LENGTH + 1], known_hash or _hash_of_nobody(cost))
    return fits and known_hash != NO_PASSWORD


@lru_cache(maxsize=4)
def _hasher(cost: PasswordCost) -> PasswordHash:
    return PasswordHash([Argon2Hasher(cost.passes, cost.memory_kib, cost.lanes)])


@lru_cache(maxsize=4)
def _hash_of_nobody(cost: PasswordCost) -> str:
    return _hasher(cost).hash("nobody has this password")
