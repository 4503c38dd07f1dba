"""Confirmed cases like the one at hand."""

from dataclasses import replace

from sqlalchemy import Engine
from support.reviewing import Make, ask, judge

from ipml.records import PriceRange, Verdict
from ipml.review.queue import enqueue, get_case
from ipml.review.worklists.search import Precedent, find_precedents

USUAL = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)


def numbers(found: dict[Verdict, tuple[Precedent, ...]], verdict: Verdict) -> list[int]:
    """Return the numbers of the cases that were found to be one or the other."""
    return [one.case.case_id for one in found[verdict]]


def test_the_brand_that_the_model_read_finds_confirmed_cases(engine: Engine, make_scored: Make):
    """Whether or not the field names it, on either side; by their verdict."""
    before = [("L1", "Acme"), ("L2", "ACME "), ("L3", None), ("L4", "Acme")]
    for number, (name, brand) in enumerate(before, start=1):
        scored = make_scored(name, title=f"Acme wallet {name}", seller_id=name, brand=brand)
        enqueue(engine, [replace(scored, price_range=USUAL)])
        judge(engine, number, Verdict.GENUINE if name == "L4" else Verdict.COUNTERFEIT)
    for number, brand in enumerate(("acme", None), start=5):
        scored = make_scored(f"L{number}", title="Acme bag", seller_id=f"s{number}", brand=brand)
        enqueue(engine, [replace(scored, price_range=USUAL)])
        found = ask(engine, find_precedents, ask(engine, get_case, number))
        assert sorted(numbers(found, Verdict.COUNTERFEIT)) == [1, 2, 3]
        assert numbers(found, Verdict.GENUINE) == [4]


def test_where_nobody_knows_the_brand_words_must_be_common(engine: Engine, make_scored: Make):
    """Of all that have no brand only those that are like it."""
    enqueue(engine, [make_scored("L1", title="Wallet, mirror quality", seller_id="s1")])
    judge(engine, None, Verdict.COUNTERFEIT)
    for number, (title, found) in enumerate((("Mirror quality wallet", [1]), ("Steel watch", [])), start=2):
        enqueue(engine, [make_scored(f"L{number}", title=title, seller_id="s2")])
        precedents = ask(engine, find_precedents, ask(engine, get_case, number))
        assert numbers(precedents, Verdict.COUNTERFEIT) == found
