"""A marketplace with networks, people behind the sellers, listings and decisions: what referrals are built from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from sqlalchemy import Engine

from experiments.enforcement.identities import Identity, give_identities, write_contact
from ipml.cooperation.actions import Cooperation
from ipml.cooperation.networks.detection import Networks, find_networks
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.simulation.networks import simulate_networks
from ipml.storage.database import writing

NOON = datetime(2026, 4, 15, 12, tzinfo=UTC)
STAFF = "zqstaffmember"
COOPERATION = Cooperation(load_enforcement_policy(), load_cooperation_policy())
_CONTACTS = 0.5  # share of the listings into which their sellers write who they are
_BRANDS = ("Nordvik", "Calder", "Ossian")
_COUNTRIES = ("DE", "PL", "CN", "DE", "DE")


@dataclass(frozen=True, slots=True)
class ReferralMarket:
    """Networks that were found, who their members are, and the database in which decisions were made on them."""

    engine: Engine
    networks: Networks
    numbers: tuple[int, ...]
    people: dict[str, Identity]


def fill_market(
    engine: Engine, *, seed: int = 11, n_networks: int = 4, most_members: int = 14, each: int = 3
) -> ReferralMarket:
    """Put listings of members of networks into a queue, and have a reviewer decide most of them.

    Parameters
    ----------
    most_members, each : int
        Of how many members of each network how many listings come in.
    """
    networks = find_networks(simulate_networks(seed, n_sellers=2_000, n_networks=n_networks).attributes)
    sizes = np.bincount(networks.numbering.number)
    numbers = tuple(number for number in np.argsort(-sizes).tolist() if number > 0 and sizes[number] >= 5)[:n_networks]
    rng = np.random.default_rng([seed, 7])
    people: dict[str, Identity] = {}
    for number in numbers:
        members = [str(networks.holdings.seller_ids[place]) for place in networks.members_of(number)]
        countries = {member: _COUNTRIES[place % len(_COUNTRIES)] for place, member in enumerate(members)}
        theirs = give_identities(countries, seed)
        people |= theirs
        for place, member in enumerate(members[:most_members]):
            listings = [_list(member, theirs[member], place, at, rng) for at in range(each)]
            enqueue(engine, listings, joins_alike=False, now=NOON - timedelta(days=30))
    decide_all(engine, rng)
    return ReferralMarket(engine, networks, numbers, people)


def decide_all(engine: Engine, rng: np.random.Generator, *, genuine: float = 0.15, now: datetime = NOON) -> None:
    """Decide whatever waits: most of it as counterfeit."""
    at = now - timedelta(days=20)
    with writing(engine) as connection:
        while held := claim(connection, STAFF, now=at):
            verdict = Verdict.GENUINE if rng.random() < genuine else Verdict.COUNTERFEIT
            ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
            decide(
                connection,
                DecisionRequest(held, verdict, ground),
                now=at,
                context=ReviewContext(actions=COOPERATION),
            )
            at += timedelta(minutes=2)


def _list(member: str, person: Identity, place: int, at: int, rng: np.random.Generator) -> ScoredListing:
    brand = _BRANDS[(place + at) % len(_BRANDS)]
    fields: dict[str, object] = {
        "title": f"{brand} runner {at}, mirror quality",
        "description": "Ships in two days.",
        "brand": brand,
        "category": "Shoes",
        "gtin": None,
    }
    if rng.random() < _CONTACTS:
        where = str(rng.choice(list(fields)))
        fields[where] = write_contact(fields[where], where, person, int(rng.integers(5)))
    known = {"listing_sales": float(rng.integers(0, 40))} if rng.random() < 0.7 else {}
    numbers = {"price": float(rng.integers(20, 90)), "currency": "EUR", "country": person.country}
    seen = {"observed_at": NOON - timedelta(days=31), "listed_at": NOON - timedelta(days=60 + place)}
    listing = Listing(f"L{rng.integers(10**9):09d}", member, **fields, **numbers, **seen, **known)  # type: ignore[arg-type]
    return ScoredListing(listing, 0.9, 2.2, (), (), None, "m/1")
