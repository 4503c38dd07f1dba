"""Disclosure: the facts of a dossier that a recipient's profile allows; packages contain nothing else.

Each column names the field of the profile that it needs, so a new column cannot bypass the profile. Sellers have codes
that differ between recipients. Gaps are listed too: a recipient who acts on a package must know its limits.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, TypeVar

from ipml.cooperation.networks.attributes import AttributeKind
from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.networks.sales import SoldValue
from ipml.cooperation.networks.ties import Shared, Tie, TieEvent
from ipml.cooperation.policy import PackageField, RecipientProfile
from ipml.cooperation.referrals.dossier import CaseListing, Dossier, Member
from ipml.records import Verdict

Cell = str | int | float

HASHES: dict[AttributeKind, PackageField] = {
    AttributeKind.PAYOUT: PackageField.PAYOUT_HASH,
    AttributeKind.PHONE: PackageField.PHONE_HASH,
    AttributeKind.DEVICE: PackageField.DEVICE_HASH,
    AttributeKind.ADDRESS: PackageField.ADDRESS_HASH,
    AttributeKind.SHIP_FROM: PackageField.ADDRESS_HASH,
    AttributeKind.IMAGE: PackageField.GOODS_HASH,
    AttributeKind.PHRASE: PackageField.GOODS_HASH,
    AttributeKind.TEMPLATE: PackageField.GOODS_HASH,
    AttributeKind.TIMING: PackageField.GOODS_HASH,
}
"""The field that a profile needs to disclose the keyed hash of a shared thing."""


@dataclass(frozen=True, slots=True)
class DisclosedTable:
    """Rows of a file, without the columns that the profile forbids."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A member in the picture."""

    name: str
    role: NetworkRole
    n_counterfeit: int


@dataclass(frozen=True, slots=True)
class Edge:
    """A link in the picture, by the names of its ends.

    `words` has the three strongest shared things with their dates, `most` the strongest and the number of others,
    `since` when both first had the same. `is_needed` marks links of the spanning tree.
    """

    first: str
    second: str
    bits: float
    words: str
    most: str
    since: datetime
    is_needed: bool


@dataclass(frozen=True, slots=True)
class SourceHypothesis:
    """A hypothesis of who the source is; `belief` is its probability."""

    name: str
    belief: float
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DisclosedFacts:
    """The facts disclosed to a recipient: numbers, dates, codes of the package, and fields that the profile allows.

    `n_unnamed` counts members without a name. Brands and countries come most frequent first, without those of too few
    sellers.
    """

    number: int
    n_members: int
    n_unnamed: int
    n_confirmed: int
    n_confirmed_members: int
    n_listings: int
    n_restricted: int
    n_penalised: int | None
    n_with_evidence: int
    n_links: int
    first_seen: datetime
    last_seen: datetime
    brands: tuple[tuple[str, int], ...]
    countries: tuple[tuple[str, int], ...]
    grounds: tuple[tuple[str, int], ...]
    notices: tuple[tuple[str, int], ...]
    sources: tuple[SourceHypothesis, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    sold_value: SoldValue
    members: DisclosedTable
    links: DisclosedTable
    listings: DisclosedTable
    timeline: DisclosedTable
    shared: tuple[tuple[str, int], ...]


def name_members(
    dossier: Dossier, profile: RecipientProfile, hidden: Sequence[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Return the code of each member that the package names: "S-001" and so on, ordered by role and counterfeits.

    `hidden` members, such as erased ones, are not named. `before` has the codes of the previous package to the same
    recipient, which do not change. Two recipients cannot compare codes.
    """
    confirmed = Counter(listing.member for listing in dossier.confirmed)
    shown = [member for member in dossier.members if member.key not in hidden]
    if not profile.names_unconfirmed:
        shown = [member for member in shown if confirmed[member.key]]
    order = sorted(
        shown,
        key=lambda member: (
            list(NetworkRole).index(member.role),
            -confirmed[member.key],
            member.first_seen,
            member.key,
        ),
    )
    names = {member.key: before[member.key] for member in order if member.key in before}
    used = {int(name.rpartition("-")[2]) for name in before.values()}
    fresh = (number for number in range(1, len(order) + len(used) + 1) if number not in used)
    return names | {member.key: f"S-{next(fresh):03}" for member in order if member.key not in names}


Row = TypeVar("Row")
Columns: TypeAlias = Mapping[str, tuple[PackageField | None, Callable[[Row], Cell | datetime | None]]]
_FINAL = (Verdict.COUNTERFEIT, Verdict.GENUINE)
_LONGEST = 300
_SOMEBODY = "somebody who is not named here"
_CODE = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")
_COUNTRY = re.compile(r"[A-Z]{2,3}")
# Contact details, whatever separates their parts: digits in a row, mail and web addresses, handles.
_CONTACT = re.compile(r"(?:\d[\W_]{0,3}){6,}\d|\S\s*[@\uff20]\s*\S|https?:|www\.|\bt\.me\b|whats\s*app", re.IGNORECASE)


class Disclosure:
    """The disclosure of a dossier under a profile; `names` has the code of each named member by key."""

    def __init__(self, dossier: Dossier, profile: RecipientProfile, names: Mapping[str, str]) -> None:
        self.dossier, self.profile, self._names = dossier, profile, names
        brands = [(listing.member, listing.brand) for listing in dossier.listings]
        self._common_brands = self._find_common(brands, profile.least_sharing)
        # A word of one seller alone is no brand; it may still be disclosed as listing text.
        usual = self._find_common(brands, max(profile.least_sharing, 2))
        self._usual_brands = {
            brand for _, brand in brands if brand and brand.casefold() in usual and not is_contact(brand)
        }
        self._country_of = dossier.country_of()
        self._common_countries = self._find_common(self._country_of.items(), profile.least_sharing)

    def tell(self) -> DisclosedFacts:
        """Return all facts that may be disclosed."""
        dossier = self.dossier
        confirmed = dossier.confirmed
        counterfeits = Counter(listing.member for listing in confirmed)
        members = sorted(
            (member for member in dossier.members if member.key in self._names),
            key=lambda member: self._names[member.key],
        )
        ties = [tie for tie in dossier.ties if tie.first in self._names and tie.second in self._names]
        penalised = sum(bool(member.penalties) for member in dossier.members)
        return DisclosedFacts(
            number=dossier.number,
            n_members=len(dossier.members),
            n_unnamed=len(dossier.members) - len(members),
            n_confirmed=len(confirmed),
            n_confirmed_members=len(counterfeits),
            n_listings=len(dossier.listings),
            n_restricted=sum(listing.is_restricted for listing in confirmed),
            n_penalised=penalised if self.profile.allows(PackageField.STANDING) else None,
            n_with_evidence=sum(listing.evidence_id is not None for listing in confirmed),
            n_links=dossier.n_links,
            first_seen=dossier.first_seen,
            last_seen=dossier.last_seen,
            brands=_most(
                Counter(brand for listing in confirmed if (brand := self._brand(listing)) in self._usual_brands)
            ),
            countries=_most(Counter(country for member in members if (country := self._country(member.key)))),
            grounds=_most(Counter(_code(ground) for ground in dossier.grounds.elements())),
            notices=tuple(dossier.notices.items()),
            sources=tuple(
                SourceHypothesis(
                    self._names.get(hypothesis.seller_id, _SOMEBODY), hypothesis.belief, hypothesis.reasons
                )
                for hypothesis in dossier.hypotheses
            ),
            nodes=tuple(Node(self._names[member.key], member.role, counterfeits[member.key]) for member in members),
            edges=tuple(self._edge(tie) for tie in ties),
            sold_value=dossier.sold_value,
            members=self._tabulate(self._member_columns(), members),
            links=self._tabulate(self._link_columns(), [(tie, thing) for tie in ties for thing in tie.shared]),
            listings=self._tabulate(
                self._listing_columns(), [listing for listing in dossier.listings if listing.member in self._names]
            ),
            timeline=self._tabulate(
                self._event_columns(),
                [
                    event
                    for event in dossier.events
                    if event.seller_id in self._names and (not event.other or event.other in self._names)
                ],
            ),
            shared=_most(Counter(thing.kind.value for tie in dossier.ties for thing in tie.shared if thing.bits > 0)),
        )

    def _tabulate(self, columns: Columns[Row], rows: Iterable[Row]) -> DisclosedTable:
        allowed = {name: get for name, (field, get) in columns.items() if field is None or self.profile.allows(field)}
        cells = tuple(tuple(_clean(get(row)) for get in allowed.values()) for row in rows)
        return DisclosedTable(tuple(allowed), cells)

    def _member_columns(self) -> Columns[Member]:
        verdicts = Counter((listing.member, listing.verdict) for listing in self.dossier.listings)
        undecided = Counter(listing.member for listing in self.dossier.listings if listing.verdict not in _FINAL)
        restricted = Counter(listing.member for listing in self.dossier.listings if listing.is_restricted)
        return {
            "member": (None, lambda member: self._names[member.key]),
            "seller_id": (PackageField.SELLER_ID, lambda member: member.seller_id or member.key),
            "role": (None, lambda member: member.role.value),
            "first_seen": (None, lambda member: member.first_seen),
            "country": (PackageField.COUNTRY, lambda member: self._country(member.key)),
            "found_counterfeit": (None, lambda member: verdicts[member.key, Verdict.COUNTERFEIT]),
            "found_genuine": (None, lambda member: verdicts[member.key, Verdict.GENUINE]),
            "not_decided": (None, lambda member: undecided[member.key]),
            "restricted": (PackageField.STANDING, lambda member: restricted[member.key]),
            "strikes": (PackageField.STANDING, lambda member: member.n_strikes),
            "penalties": (PackageField.STANDING, lambda member: ", ".join(member.penalties)),
        }

    def _link_columns(self) -> Columns[tuple[Tie, Shared]]:
        return {
            "member_a": (None, lambda row: self._names[row[0].first]),
            "member_b": (None, lambda row: self._names[row[0].second]),
            "bits_in_all": (None, lambda row: round(row[0].bits, 2)),
            "shared": (None, lambda row: row[1].kind.value),
            "a_since": (None, lambda row: row[1].first_since),
            "b_since": (None, lambda row: row[1].second_since),
            "sellers_who_have_it": (None, lambda row: row[1].holders),
            "bits": (None, lambda row: round(row[1].bits, 2)),
            "in_words": (None, lambda row: str(row[1])),
            "hash": (None, lambda row: row[1].value if self.profile.allows(HASHES[row[1].kind]) else "withheld"),
        }

    def _listing_columns(self) -> Columns[CaseListing]:
        return {
            "listing_id": (PackageField.LISTING_ID, lambda listing: listing.listing_id),
            "member": (None, lambda listing: self._names[listing.member]),
            "brand": (PackageField.BRAND, self._brand),
            "title": (PackageField.LISTING_TEXT, lambda listing: listing.title),
            "price": (None, lambda listing: listing.price),
            "currency": (None, _currency),
            "sales": (None, lambda listing: listing.sales),
            "listed_at": (None, lambda listing: listing.listed_at),
            "seen_at": (None, lambda listing: listing.seen_at),
            "verdict": (None, lambda listing: listing.verdict.value if listing.verdict else "none yet"),
            "ground": (None, lambda listing: _code(listing.ground)),
            "decided_at": (None, lambda listing: listing.decided_at),
            "is_restricted": (None, lambda listing: "yes" if listing.is_restricted else "no"),
            "upheld_notices": (None, lambda listing: listing.n_notices),
            "evidence_sha256": (None, lambda listing: listing.evidence_digest),
        }

    def _event_columns(self) -> Columns[TieEvent]:
        return {
            "day": (None, lambda event: event.at),
            "member": (None, lambda event: self._names[event.seller_id]),
            "what": (None, lambda event: event.what.removesuffix(event.other).strip()),
            "other_member": (None, lambda event: self._names[event.other] if event.other else ""),
        }

    def _edge(self, tie: Tie) -> Edge:
        since = min(
            (max(thing.first_since, thing.second_since) for thing in tie.shared), default=self.dossier.first_seen
        )
        words = "; ".join(map(str, tie.shared[:3]))
        more = f" and {len(tie.shared) - 1} more" if len(tie.shared) > 1 else ""
        most = f"{tie.shared[0]}{more}" if tie.shared else ""
        is_needed = bool({(tie.first, tie.second), (tie.second, tie.first)} & self.dossier.chain)
        return Edge(self._names[tie.first], self._names[tie.second], tie.bits, words, most, since, is_needed)

    def _brand(self, listing: CaseListing) -> str:
        return self._word(PackageField.BRAND, listing.brand, self._common_brands)

    def _country(self, key: str) -> str:
        country = self._country_of.get(key, "")
        return self._word(PackageField.COUNTRY, country if _COUNTRY.fullmatch(country) else "", self._common_countries)

    def _word(self, field: PackageField, word: str | None, common: frozenset[str]) -> str:
        """Return a word that sellers wrote if the profile allows it and enough of them wrote the same."""
        if not word or not self.profile.allows(field):
            return ""
        is_safe = word.casefold() in common and not is_contact(word)
        return word if is_safe or self.profile.allows(PackageField.LISTING_TEXT) else ""

    def _find_common(self, pairs: Iterable[tuple[str, str | None]], least: int) -> frozenset[str]:
        users: dict[str, set[str]] = {}
        for member, word in pairs:
            if word:
                users.setdefault(word.casefold(), set()).add(member)
        return frozenset(word for word, who in users.items() if len(who) >= least)


def is_contact(text: str) -> bool:
    """Report whether a text contains contact details: a telephone number, a mail address, a web address.

    >>> [is_contact(text) for text in ("Nike", "tel 1 0 0-5550101", "ann @ mail.example", "No. 5")]
    [False, True, True, False]
    """
    return _CONTACT.search(text) is not None


def _most(counted: Counter[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(((_clean_text(word), n) for word, n in counted.items()), key=lambda pair: (-pair[1], pair[0])))


def _currency(listing: CaseListing) -> str:
    if listing.asked is not None:
        return listing.asked.currency
    return "" if listing.price is None else "unknown"


def _code(text: str) -> str:
    """Return a word of the marketplace's own lists; anything else becomes empty."""
    return text if _CODE.fullmatch(text) else ""


def _clean(cell: Cell | datetime | None) -> Cell:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d}"
    return "" if cell is None else _clean_text(cell) if isinstance(cell, str) else cell


def _clean_text(text: str) -> str:
    """Return a text in one line, shortened, without control characters."""
    shown = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:_LONGEST])
    return shown + "…" * (len(text) > _LONGEST)


def list_unknown(told: DisclosedFacts, profile: RecipientProfile, n_erased: int, n_evidence: int) -> Iterator[str]:
    """Yield a sentence for each thing that is unknown or withheld.

    `n_erased` counts members who may not be disclosed any more, `n_evidence` the pieces of evidence in the package.
    """
    yield (
        "Who the persons are. The marketplace joins accounts by what they share; several may be one person's, or one "
        "several persons'."
    )
    yield "Whether all members act together. A link says that two accounts share something rare, not why."
    if innocent := told.n_members - told.n_confirmed_members:
        of = f"What {innocent} of the {told.n_members} members sell"
        yield f"{of}: no listing of theirs was found counterfeit. They are linked, not accused."
    if others := told.n_listings - told.n_confirmed:
        yield f"Whether {others:,} further listings are counterfeit: they were found genuine, or not decided."
    yield "Whether the source of the goods has an account at all. The likelihoods rest on simulated networks."
    yield from _about_sold_value(told)
    yield "Sales outside this marketplace, and accounts that share nothing that was seen."
    if bare := told.n_confirmed - told.n_with_evidence:
        yield f"On what {bare:,} of the decisions rested: no evidence of them is stored."
    yield from _about_profile(told, profile, n_erased, n_evidence)


def _about_sold_value(facts: DisclosedFacts) -> Iterator[str]:
    sold_value = facts.sold_value
    for row in sold_value.foreign:
        if row.rate is None:
            yield f"Not counted: amounts of {row.n_listings:,} listings in {row.currency}, for which there is no rate."
    if not sold_value.is_known:
        yield "The amount sold: the marketplace knows the sales of no listings, or of too few."
        return
    if unseen := sold_value.n_listings - sold_value.value.n_known:
        yield f"What {unseen:,} of {sold_value.n_listings:,} listings sold: the interval allows for them."
    yield "The share of counterfeits in the sales: listings found genuine, or not decided, are included."


def _about_profile(facts: DisclosedFacts, profile: RecipientProfile, n_erased: int, n_evidence: int) -> Iterator[str]:
    if n_erased:
        yield f"Anything of {n_erased} members who were erased, or may have been: the marketplace may not disclose it."
    if unnamed := facts.n_unnamed - n_erased:
        yield f"Who {unnamed} further members are: they are counted and not named under this profile."
    if withheld := sorted(field.value for field in PackageField if not profile.allows(field)):
        yield f"Withheld from this recipient: {', '.join(withheld)}. An order can ask for it."
    more = facts.n_with_evidence - n_evidence
    if more and profile.allows(PackageField.EVIDENCE):
        yield f"What {more:,} more pieces of evidence say: the marketplace keeps them; listings.csv has their digests."
