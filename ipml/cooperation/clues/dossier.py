"""All that is known of a network, in one place: what joins its members, and what was decided on their listings.

Ids and texts stand here as they are. Nothing of it is written into a package but through a `Disclosure`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ipml.cooperation.clues.worth import Worth, add_up_listings
from ipml.cooperation.network.evidence import Tie
from ipml.cooperation.network.roles import Hypothesis, Role
from ipml.cooperation.network.timeline import Event
from ipml.money import Money, Rates, is_currency
from ipml.records import Verdict


@dataclass(frozen=True, slots=True)
class CaseListing:
    """A listing of a member, as last decided on, or as last seen.

    Attributes
    ----------
    member : str
        As the folder of networks calls the seller.
    verdict : Verdict or None
        The last that stands; None where there is none.
    evidence_id, evidence_digest : int or None, str
        Of that decision; None and "" where none is kept.
    n_notices : int
        Notices on it that were upheld.
    """

    case_id: int
    member: str
    listing_id: str
    title: str
    brand: str | None
    country: str | None
    price: float | None
    currency: str | None
    sales: float | None
    listed_at: datetime | None
    seen_at: datetime
    verdict: Verdict | None = None
    ground: str = ""
    decided_at: datetime | None = None
    evidence_id: int | None = None
    evidence_digest: str = ""
    is_restricted: bool = False
    n_notices: int = 0

    @property
    def is_counterfeit(self) -> bool:
        """Whether it was found counterfeit, and that stands."""
        return self.verdict is Verdict.COUNTERFEIT

    @property
    def asked(self) -> Money | None:
        """The price; None where it, or its currency, is not known."""
        if self.price is None or self.currency is None or not is_currency(self.currency):
            return None
        return Money(self.price, self.currency)


@dataclass(frozen=True, slots=True)
class Member:
    """A seller of the network.

    Attributes
    ----------
    key : str
        As the folder of networks calls them.
    seller_id : str or None
        None where the marketplace's records know nobody of that name, as after an erasure.
    pseudonym : str or None
        None where nothing was ever decided on them.
    n_strikes : int
        Strikes that were not taken back.
    penalties : tuple of str
        Those imposed that were neither taken back nor dismissed.
    """

    key: str
    role: Role
    first_seen: datetime
    seller_id: str | None
    pseudonym: str | None
    n_strikes: int
    penalties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dossier:
    """A network joined to what the marketplace decided.

    Attributes
    ----------
    ties : tuple of Tie
        Links between members, strongest first, as many as are told.
    n_links : int
        How many there are in all.
    chain : frozenset of (str, str)
        The ties that are enough to join all who are linked.
    joined : float
        Part of the members that share a payout account, phone, device or address with another.
    notices : mapping of str to int
        Upheld notices on listings of the network, by the kind of those who gave them.
    """

    number: int
    members: tuple[Member, ...]
    listings: tuple[CaseListing, ...]
    hypotheses: tuple[Hypothesis, ...]
    ties: tuple[Tie, ...]
    n_links: int
    chain: frozenset[tuple[str, str]]
    events: tuple[Event, ...]
    joined: float
    last_seen: datetime
    notices: dict[str, int]
    worth: Worth

    @property
    def first_seen(self) -> datetime:
        """When the first member was first seen."""
        return min(member.first_seen for member in self.members)

    @property
    def confirmed(self) -> list[CaseListing]:
        """The listings that were found counterfeit."""
        return [one for one in self.listings if one.is_counterfeit]

    @property
    def confirmed_members(self) -> set[str]:
        """The members with such a listing."""
        return {one.member for one in self.confirmed}

    @property
    def brands(self) -> Counter[str]:
        """How many of the listings found counterfeit name which brand."""
        return Counter(one.brand for one in self.confirmed if one.brand)

    @property
    def grounds(self) -> Counter[str]:
        """On which grounds they were found counterfeit."""
        return Counter(one.ground or "none given" for one in self.confirmed)

    def country_of(self) -> dict[str, str]:
        """Return the country that most listings of each member name."""
        named: dict[str, Counter[str]] = {}
        for one in self.listings:
            if one.country:
                named.setdefault(one.member, Counter())[one.country] += 1
        return {member: min(count, key=lambda name: (-count[name], name)) for member, count in named.items()}

    def listings_of(self) -> dict[str, list[CaseListing]]:
        """Return the listings of each member that has any."""
        found: dict[str, list[CaseListing]] = {}
        for one in self.listings:
            found.setdefault(one.member, []).append(one)
        return found


def keep_brand(dossier: Dossier, brand: str, rates: Rates) -> Dossier:
    """Return the dossier with the listings of one brand only, and with what these sold."""
    kept = tuple(one for one in dossier.listings if one.brand and one.brand.casefold() == brand.casefold())
    notices = {"all": sum(one.n_notices for one in kept)} if any(one.n_notices for one in kept) else {}
    return replace(dossier, listings=kept, notices=notices, worth=add_up_listings(kept, rates))


def latest_of_each(listings: Iterable[CaseListing]) -> tuple[CaseListing, ...]:
    """Return each listing once: as last decided on, or else as last seen, in the order of cases."""
    best: dict[tuple[str, str], CaseListing] = {}
    for one in sorted(listings, key=lambda one: (one.verdict is not None, one.case_id)):
        best[one.member, one.listing_id] = one
    return tuple(sorted(best.values(), key=lambda one: one.case_id))


def count_verdicts(listings: Sequence[CaseListing]) -> dict[str, int]:
    """Return how many listings were found counterfeit, found genuine, and neither."""
    counterfeit = sum(one.is_counterfeit for one in listings)
    genuine = sum(one.verdict is Verdict.GENUINE for one in listings)
    return {"counterfeit": counterfeit, "genuine": genuine, "open": len(listings) - counterfeit - genuine}
