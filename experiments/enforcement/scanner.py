"""A scanner that looks for sellers in texts: by their names, telephones, mail addresses and streets."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

import ahocorasick

from ipml.simulation.identities import Identity

_LEAST_DIGITS = 7


class Scanner:
    """Finds any of some people in a text, however it is spaced or cased.

    Examples
    --------
    >>> ann = Identity("s-7", "Ann Thrumbold", "+44 100 5550101", "ann.t@mail.test", "1 Lane", "Ombury", "GB", "", "")
    >>> scanner = Scanner([ann])
    >>> sorted(scanner.find("ask for THRUMBOLD, 1 0 0-555.0101")), sorted(scanner.find("Air Max 100, 23.50 EUR"))
    (['name', 'phone'], [])
    """

    def __init__(self, people: Iterable[Identity]) -> None:
        self._marks: dict[str, set[str]] = defaultdict(set)
        for person in people:
            self._marks["phone"].add(person.phone_digits[-_LEAST_DIGITS:])
            self._marks["email"] |= {_plain(person.email), _plain(person.email.partition("@")[0])}
            self._marks["address"].add(_plain(person.street.strip("0123456789 ")))
            self._marks["address"].add(_plain(person.town))
            self._marks["name"] |= {_plain(part) for part in (person.name, *person.name.split()[1:])}
            self._marks["account"].add(_plain(person.payout))
            self._marks["seller"].add(_plain(person.seller_id))
        self._finders = {kind: _finder(marks - {""}) for kind, marks in self._marks.items() if marks - {""}}

    def find(self, text: str) -> set[str]:
        """Return the kinds of what was found: name, phone, email, address, account, seller."""
        plain = _plain(text)
        digits = re.findall(r"\d(?:\W{0,3}\d)+", text)
        numbers = " ".join(re.sub(r"\D", "", number) for number in digits)
        where = {kind: numbers if kind == "phone" else plain for kind in self._finders}
        return {kind for kind, finder in self._finders.items() if next(finder.iter(where[kind]), None)}


def _finder(marks: Iterable[str]) -> ahocorasick.Automaton:
    finder = ahocorasick.Automaton()
    for mark in marks:
        finder.add_word(mark, mark)
    finder.make_automaton()
    return finder


def _plain(text: str) -> str:
    """Return the letters and digits of a text alone, so that no spacing or punctuation hides anything."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum())
