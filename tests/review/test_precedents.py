"""Confirmed cases like the one at hand."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Engine

from ipml.records import PriceRange, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, get_case
from ipml.review.search import find_precedents
from ipml.storage.database import reading, writing

Make = Callable[..., ScoredListing]
USUAL = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)


@pytest.mark.parametrize("confirmed", ["Acme", "ACME ", None])
@pytest.mark.parametrize("field", ["acme", None])
def test_the_brand_that_the_model_read_finds_confirmed_cases(
    engine: Engine, make_scored: Make, confirmed: str | None, field: str | None
):
    """Whether or not the field names it, on either side."""
    before = make_scored("L1", title="Acme wallet AAA", seller_id="s1", brand=confirmed)
    enqueue(engine, [replace(before, price_range=USUAL)])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="test_purchase")
    enqueue(engine, [replace(make_scored("L2", title="Acme bag", seller_id="s2", brand=field), price_range=USUAL)])
    with reading(engine) as connection:
        assert [one.case.case_id for one in find_precedents(connection, get_case(connection, 2))] == [1]


@pytest.mark.parametrize(("title", "found"), [("Mirror quality wallet", [1]), ("Steel watch", [])])
def test_where_nobody_knows_the_brand_words_must_be_common(
    engine: Engine, make_scored: Make, title: str, found: list[int]
):
    """Of all that have no brand only those that are like it."""
    enqueue(engine, [make_scored("L1", title="Wallet, mirror quality", seller_id="s1")])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="test_purchase")
    enqueue(engine, [make_scored("L2", title=title, seller_id="s2")])
    with reading(engine) as connection:
        assert [one.case.case_id for one in find_precedents(connection, get_case(connection, 2))] == found
