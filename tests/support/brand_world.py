"""A marketplace of two brands that know nothing of each other, with listings, notices, decisions and accounts."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, select

from ipml.cooperation.brands.sellers import ProposedSeller, propose_seller
from ipml.cooperation.notices.counter_notices import pass_on_counter_notices
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.notice import check_notice
from ipml.cooperation.notifiers.registrations import RegistrationForm, file_registration
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.policy import load_enforcement_policy
from ipml.records import Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.assignment import assign, snooze
from ipml.review.worklists.comments import add_comment
from ipml.review.worklists.review_queues import QueueRule, define_queue
from ipml.storage.database import reading, writing
from ipml.storage.tables import notices
from ipml.web.accounts.brand_accounts import bind_brand
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from support.actions import COOPERATING
from support.staff import CHEAP, PASSWORD

BRANDS = {"vera": "Vellmar", "nora": "Nordhale"}
ADDRESSES = {"vera": "ann@holder-one.example", "nora": "nils@holder-two.example"}
GOODS = {"Vellmar": "tote bag", "Nordhale": "diver watch"}
REVIEWERS = ("revina", "levante")
NOTE = "internal-note"
PDF = b"%PDF-1.4 xref trailer<<>> startxref 9 %%EOF certificate of "
LISTINGS = 6
"""Listings of each brand: three are found counterfeit, one genuine, two wait."""


def sellers_of(brand: str) -> list[str]:
    """Return the ids of those who sell a brand, and of those whom it has authorised."""
    return [f"merchant-{brand.lower()}-{number}" for number in range(LISTINGS)]


def dealer_of(brand: str) -> str:
    """Return the seller whom a brand has authorised."""
    return f"dealer-{brand.lower()}"


def fill(engine: Engine, now: datetime | None = None) -> dict[str, str]:
    """Fill an empty database; return by brand the reference of its notice with a counter-notice."""
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        examples = (("revina", Role.REVIEWER), ("levante", Role.LEAD), ("adam", Role.ADMIN), ("vic", Role.VIEWER))
        for name, role in examples:
            add_user(connection, name, PASSWORD, role, CHEAP)
        for name in (*BRANDS, "una"):
            add_user(connection, name, PASSWORD, Role.BRAND, CHEAP)
        for name, brand in BRANDS.items():
            bind_brand(connection, name, brand, ADDRESSES[name], by="adam")
    enqueue(engine, [make_listing(brand, number, now) for brand in BRANDS.values() for number in range(LISTINGS)])
    return {brand: _fill_brand(engine, name, brand, now) for name, brand in BRANDS.items()}


def make_listing(brand: str, number: int, now: datetime) -> ScoredListing:
    """Return a scored listing whose texts name its brand and nothing of any other."""
    listing = Listing(
        f"{brand[:1]}-{number:04}",
        sellers_of(brand)[number],
        f"{brand} {GOODS[brand]} number {number * 7} {'abcdef'[number] * 4}, mirror quality",
        description=f"Sent within a day, {GOODS[brand]} in its box.",
        brand=brand,
        category=GOODS[brand],
        price=40.0 + 11 * number,
        currency="EUR",
        observed_at=now - timedelta(hours=1),
        seller_age_days=31.0,
        seller_sales=4815162.0,
    )
    reasons = (Reason("title", "The listing says that it is a replica", 2.5),)
    return ScoredListing(listing, 0.95 - number / 8, 2.2, reasons, (), None, "m1")


def _fill_brand(engine: Engine, name: str, brand: str, now: datetime) -> str:
    policy, number = load_cooperation_policy(), list(BRANDS).index(name)
    first = number * LISTINGS + 1
    with writing(engine) as connection:
        last_day, file = now.date() + timedelta(days=900), PDF + brand.encode()
        form = RegistrationForm(brand, f"EUTM 0{number}{brand}", "EUIPO", "18, 25", last_day, file)
        file_registration(connection, number + 1, form, by=name, now=now)
        said = {
            "explanation": f"We never made a {GOODS[brand]} in this colour; the number of {brand} is missing.",
            **{"listings": [{"listing_id": f"{brand[:1]}-{one:04}"} for one in (0, 1, 4)], "name": name},
            **{"email": ADDRESSES[name], "good_faith": True, "brand": brand},
        }
        receive(connection, check_notice(said, policy.notices), policy=policy, now=now)
    verdicts = (Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, Verdict.GENUINE)
    for place, verdict in enumerate(verdicts):
        with writing(engine) as connection:
            taken = claim(connection, "revina", first + place)
            assert taken is not None
            ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
            decide(connection, DecisionRequest(taken, verdict, ground, note=f"{NOTE} {brand}"), context=COOPERATING)
    with writing(engine) as connection:
        add_comment(connection, first, f"{NOTE} {brand}", by="levante")
        assign(connection, first + 4, "revina", by="levante")
        snooze(connection, first + 5, now + timedelta(hours=2), by="levante")
        define_queue(connection, QueueRule(f"{NOTE} {brand}", brands=(brand,), people=("revina",)), by="levante")
        dealer = ListedSeller(ListKind.AUTHORISED, dealer_of(brand), f"contract of {brand}", "levante", brand)
        add_entry(connection, dealer, by="levante", now=now)
        proposed = ProposedSeller(brand, number + 1, f"new-{dealer_of(brand)}", "contract")
        propose_seller(connection, proposed, by=name, now=now)
        text = f"I bought my {GOODS[brand]} from the brand."
        seller = sellers_of(brand)[0]
        request = AppealRequest(f"case:{first}", seller, text, "counter-notice", "china")
        file_appeal(connection, request, load_enforcement_policy().appeals)
    pass_on_counter_notices(engine)
    with reading(engine) as connection:
        return connection.scalars(select(notices.c.reference).where(notices.c.brand == brand)).one()
