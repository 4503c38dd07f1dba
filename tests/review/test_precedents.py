"""Confirmed cases: of the same brand, and with a reason in common."""

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Engine
from support.databases import on_both
from support.reviewing import Make, judge
from support.transactions import act, ask

from ipml.records import PriceRange, Reason, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.precedents import Precedent, SharedReason, find_precedents, find_sharing

USUAL = PriceRange("Acme", "EUR", 10.0, 50.0, 90.0)


def numbers_of(found: dict[Verdict, tuple[Precedent, ...]], verdict: Verdict) -> list[int]:
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
        assert sorted(numbers_of(found, Verdict.COUNTERFEIT)) == [1, 2, 3]
        assert numbers_of(found, Verdict.GENUINE) == [4]


def test_where_nobody_knows_the_brand_words_must_be_common(engine: Engine, make_scored: Make):
    """Of all that have no brand only those that are like it."""
    enqueue(engine, [make_scored("L1", title="Wallet, mirror quality", seller_id="s1")])
    judge(engine, None, Verdict.COUNTERFEIT)
    for number, (title, found) in enumerate((("Mirror quality wallet", [1]), ("Steel watch", [])), start=2):
        enqueue(engine, [make_scored(f"L{number}", title=title, seller_id="s2")])
        precedents = ask(engine, find_precedents, ask(engine, get_case, number))
        assert numbers_of(precedents, Verdict.COUNTERFEIT) == found


GRADE = Reason("words.grade", "Names a quality grade: “1:1”, “AAA”", 1.0)


def find_sharing_of(engine: Engine, reason: Reason, hidden: Collection[int] = ()) -> SharedReason:
    """Return what shares a reason of case 1."""
    return ask(engine, find_sharing, ask(engine, get_case, 1), reason, hidden)


@on_both
def test_a_reason_opens_on_the_nearest_confirmed_cases(engine: Engine, make_scored: Make):
    """Those of the brand first, then those with more words in common; of other sellers, in force, and not hidden."""
    theirs = {
        "own": ("s1", "Acme", replace(GRADE, weight=1.1)),
        "other words": ("s2", "Acme", Reason("words.grade", "Names a quality grade: “mirror”", 1.0)),
        "against": ("s2", "Acme", replace(GRADE, weight=-1.0)),
        "other brand": ("s3", "Nord", GRADE),
        "one word": ("s4", "Acme", Reason("words.grade", "Names a quality grade: “aaa”", 1.0)),
        "both words": ("s5", "Acme", replace(GRADE, weight=9.0)),
        "taken back": ("s6", "Acme", GRADE),
    }
    scored = [make_scored("L1", seller_id="s1", brand="Acme", title="Bag")]
    scored += [
        replace(make_scored(name, seller_id=seller, brand=brand, title=f"Bag {name}"), reasons=(reason,))
        for name, (seller, brand, reason) in theirs.items()
    ]
    enqueue(engine, scored, joins_alike=False)
    assert find_sharing_of(engine, GRADE).n_read == 0
    for number in range(2, 9):
        judge(engine, number, Verdict.GENUINE if number == 6 else Verdict.COUNTERFEIT)
    act(engine, undo, 7, UndoRequest("ana"))
    shared = find_sharing_of(engine, GRADE)
    names = [one.case.scored.listing.listing_id for one in shared.nearest]
    assert names == ["both words", "one word", "other brand"]
    assert (shared.n_counterfeit, shared.n_genuine, shared.n_read) == (2, 1, 5)
    assert [one.case.case_id for one in find_sharing_of(engine, GRADE, hidden=[7]).nearest] == [6, 5]
