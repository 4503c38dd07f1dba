"""Restrictions to be stated."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from ipml.enforcement.restrictions import MeasureKind, Restriction
from ipml.records import Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import writing
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import cases

NOON = datetime(2026, 5, 3, 12, tzinfo=UTC)


@pytest.fixture
def make_restriction():
    """Return a function that makes a restriction of a kind, with any fields of it or of its listing."""

    def make(kind=MeasureKind.REMOVE, **fields):
        of_listing = {name: fields.pop(name) for name in list(fields) if name in Listing.__slots__}
        seen = {"brand": "Nike", "category": "footwear", "price": 23.5, "currency": "EUR", "listed_at": NOON}
        listing = Listing("A7", "seller-1", **({"title": "Nike Air 1:1"} | seen | of_listing))
        usual = {"subject": "measure:1", "pseudonym": "0" * 32, "case_id": 1, "decision_id": 1, "since": NOON}
        return Restriction(kind=kind, listing=listing, **({"ground": "wrong_features"} | usual | fields))

    return make


@pytest.fixture
def decided(engine):
    """Return a database in which case 1 of seller-1 was decided counterfeit."""
    reasons = (Reason("price.brand", "Price is low", 1.5), Reason("title", "Says replica", 2.5))
    listing = Listing("A7", "seller-1", "Nike Air 1:1", brand="Nike")
    enqueue(engine, [ScoredListing(listing, 0.9, 2.2, reasons, (), None, "m1")])
    with writing(engine) as connection:
        decide(
            connection,
            DecisionRequest(claim(connection, "ana"), Verdict.COUNTERFEIT, "wrong_features"),
            now=None,
        )
        assert connection.scalar(select(cases.c.seller_id)) == "seller-1"
        pseudonym_of(connection, "seller-1")
    return engine


@pytest.fixture
def pseudonym():
    """Return a function that says what seller-1 is called."""
    return lambda connection: pseudonym_of(connection, "seller-1")
