"""Identities: sellers of a simulated marketplace, and a scanner for their data in texts that must hold none.

Each seller has a name, a telephone, a mail address, a street, an account for payouts and a device. Some write name,
telephone, mail or street into their listings, as people do who would rather close the deal elsewhere, and some into
fields where nobody looks for it, such as the brand's.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ahocorasick
import numpy as np
import pandas as pd

NAMES = tomllib.loads(Path(__file__).with_name("identities.toml").read_text(encoding="utf-8"))
_ABROAD = "US"  # whose people sell from countries that have none of their own here
_DOMAINS = ("mail.example", "post.example", "shop.invalid", "handel.example")
_LEAST_DIGITS = 7
_PLACES = ("title", "description", "brand", "category", "gtin")
_PLACE_ODDS = (0.3, 0.4, 0.15, 0.1, 0.05)
_WAYS = ("{name} {phone}", "WhatsApp {phone}", "{email}", "{name}, {street}, {town}", "tel {spaced} {name}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A seller as a person.

    Attributes
    ----------
    phone : str
        With the code of the country: "+49 100 4820193".
    payout : str
        Account that is paid, of the form of an IBAN; none is valid.
    device : str
        Fingerprint of the browser, as hexadecimal digits.
    """

    seller_id: str
    name: str
    phone: str
    email: str
    street: str
    town: str
    country: str
    payout: str
    device: str

    @property
    def phone_digits(self) -> str:
        """The telephone number without the code of the country, digits only."""
        return "".join(self.phone.split()[1:])


def give_identities(countries: Mapping[str, str | None], seed: int = 0) -> dict[str, Identity]:
    """Return the identities of sellers; each depends on the seed and the seller's id alone.

    Parameters
    ----------
    countries : mapping of str to str or None
        From where each seller sells.

    Examples
    --------
    >>> give_identities({"seller-000007": "DE"}, seed=1)["seller-000007"].phone[:7]
    '+49 100'
    """
    return {seller_id: _identity(seller_id, country, seed) for seller_id, country in countries.items()}


def leave_contacts(
    listings: pd.DataFrame, identities: Mapping[str, Identity], share: float = 0.3, seed: int = 0
) -> pd.DataFrame:
    """Return the listings as they are when some sellers write who they are into them.

    Parameters
    ----------
    listings : DataFrame
        As a simulated marketplace has them; unchanged.
    share : float, default=0.3
        Part of the sellers who do so, each in about half of their listings.
    """
    rng = np.random.default_rng([seed, 6])
    sellers = sorted(set(listings["seller_id"]))
    open_ones = {seller for seller, chance in zip(sellers, rng.random(len(sellers)), strict=True) if chance < share}
    changed = listings.copy()
    does = listings["seller_id"].isin(open_ones).to_numpy() & (rng.random(len(listings)) < 0.5)
    for row in np.flatnonzero(does).tolist():
        place, way = str(rng.choice(_PLACES, p=_PLACE_ODDS)), int(rng.integers(len(_WAYS)))
        column = list(changed.columns).index(place)
        identity = identities[str(listings["seller_id"].iat[row])]
        changed.iat[row, column] = write_contact(changed.iat[row, column], place, identity, way)
    return changed


def write_contact(written: object, place: str, identity: Identity, way: int = 0) -> str:
    """Return what a field holds when its seller writes a contact into it: after the text, or instead of the brand.

    Examples
    --------
    >>> ann = Identity("s", "Ann Thrumbold", "+44 100 5550101", "ann@mail.example", "Lane 1", "Ombury", "GB", "", "")
    >>> write_contact("Bag", "title", ann, 1), write_contact("Nike", "brand", ann, 2)
    ('Bag WhatsApp +44 100 5550101', 'ann@mail.example')
    """
    if place == "gtin":
        return identity.phone_digits.rjust(13, "0")[-13:]
    said = {name: getattr(identity, name) for name in ("name", "phone", "email", "street", "town")}
    contact = _WAYS[way % len(_WAYS)].format(**said, spaced=" ".join(identity.phone_digits))
    text = "" if place in ("brand", "category") or not isinstance(written, str) else written
    return f"{text} {contact}".strip()


def countries_of(listings: pd.DataFrame) -> dict[str, str | None]:
    """Return from where each seller sells: the country of the first listing."""
    firsts = listings.drop_duplicates("seller_id")
    return dict(zip(firsts["seller_id"], firsts["country"], strict=True))


def _identity(seller_id: str, country: str | None, seed: int) -> Identity:
    digest = hashlib.sha256(f"{seed} {seller_id}".encode()).digest()
    rng = np.random.default_rng(list(digest))
    home = country if country in NAMES else _ABROAD
    names = NAMES[home]
    given, family, street, town = (_pick(names[kind], rng) for kind in ("given", "family", "streets", "towns"))
    number, local = int(rng.integers(1, 200)), f"{int(rng.integers(10_000_000)):07d}"
    nick = f"{_ascii(given)}.{_ascii(family)}" if _ascii(family) else f"shop{local}"
    return Identity(
        seller_id=seller_id,
        name=f"{family}{given}" if home == "CN" else f"{given} {family}",
        phone=f"{names['code']} 100 {local}",
        email=f"{nick}{int(rng.integers(100)):02d}@{_pick(_DOMAINS, rng)}",
        street=_number_house(street, number, home),
        town=town,
        country=home,
        payout=f"{home}00 {digest[:8].hex().upper()}",
        device=digest[8:24].hex(),
    )


def _number_house(street: str, number: int, country: str) -> str:
    if country == "CN":
        return f"{street}{number}号"
    return f"{number} {street}" if country in ("US", "GB", "FR") else f"{street} {number}"


def _pick(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[int(rng.integers(len(words)))]


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in plain if letter.isascii() and letter.isalnum())


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
