"""Confirmed cases like the one at hand."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine
from support.reviewing import Make, judge

from ipml.records import PriceRange, Verdict
from ipml.review.queue import enqueue, get_case
from ipml.review.worklists.search import Precedent, find_precedents
from ipml.storage.database import reading

USUAL = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)


def numbers(found: dict[Verdict, tuple[Precedent, ...]], verdict: Verdict) -> list[int]:
    """Return the numbers of the cases that were found to be one or the other."""
    return [one.case.case_id for one in found[verdict]]


@pytest.mark.parametrize("confirmed", ["Acme", "ACME ", None])
@pytest.mark.parametrize("field", ["acme", None])
def test_the_brand_that_the_model_read_finds_confirmed_cases(
    engine: Engine, make_scored: Make, confirmed: str | None, field: str | None
):
    """Whether or not the field names it, on either side."""
    before = make_scored("L1", title="Acme wallet AAA", seller_id="s1", brand=confirmed)
    enqueue(engine, [replace(before, price_range=USUAL)])
    judge(engine, None, Verdict.COUNTERFEIT)
    enqueue(engine, [replace(make_scored("L2", title="Acme bag", seller_id="s2", brand=field), price_range=USUAL)])
    with reading(engine) as connection:
        assert numbers(find_precedents(connection, get_case(connection, 2)), Verdict.COUNTERFEIT) == [1]


def test_what_was_found_genuine_stands_apart(engine: Engine, make_scored: Make):
    """Cases of the same brand come by their verdict."""
    for name, verdict in (("L1", Verdict.COUNTERFEIT), ("L2", Verdict.GENUINE)):
        enqueue(engine, [make_scored(name, title=f"Acme bag {name}", seller_id=name, brand="Acme")])
        ground = "test_purchase" if verdict is Verdict.COUNTERFEIT else ""
        judge(engine, None, verdict, ground=ground)
    enqueue(engine, [make_scored("L3", title="Acme bag", seller_id="s3", brand="Acme")])
    with reading(engine) as connection:
        found = find_precedents(connection, get_case(connection, 3))
    assert numbers(found, Verdict.COUNTERFEIT) == [1]
    assert numbers(found, Verdict.GENUINE) == [2]


@pytest.mark.parametrize(("title", "found"), [("Mirror quality wallet", [1]), ("Steel watch", [])])
def test_where_nobody_knows_the_brand_words_must_be_common(
    engine: Engine, make_scored: Make, title: str, found: list[int]
):
    """Of all that have no brand only those that are like it."""
    enqueue(engine, [make_scored("L1", title="Wallet, mirror quality", seller_id="s1")])
    judge(engine, None, Verdict.COUNTERFEIT)
    enqueue(engine, [make_scored("L2", title=title, seller_id="s2")])
    with reading(engine) as connection:
        assert numbers(find_precedents(connection, get_case(connection, 2)), Verdict.COUNTERFEIT) == found
