"""Near-duplicates of a seller wait for one of them."""

from itertools import permutations, product
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from support.reviewing import Make, act, ask, judge

from ipml.records import ScoredListing, Verdict
from ipml.review.queue import (
    claim,
    decide_bulk,
    enqueue,
    get_case,
    history,
    list_cases,
    preview_bulk,
    preview_spread,
    seller_cases,
    undo,
)
from ipml.storage.database import reading
from ipml.storage.tables import bands

OFFER: dict[str, Any] = {"title": "Leather wallet, brown, AAA", "price": 50.0, "currency": "EUR", "brand": "Acme"}


@pytest.fixture
def make_copy(make_scored: Make) -> Make:
    """Return a function that makes a scored listing of one offer, edited at will."""

    def make(listing_id: str, score: float | None = 0.9, **edits: Any) -> ScoredListing:
        return make_scored(listing_id, score, **(OFFER | edits))

    return make


def _exemplars(engine: Engine) -> dict[str, str | None]:
    """Return the listing that each listing waits for."""
    listings = {case.case_id: case for case in ask(engine, list_cases, state=None, limit=1000)}
    name = {number: case.scored.listing.listing_id for number, case in listings.items()}
    return {name[number]: name.get(case.exemplar) for number, case in sorted(listings.items())}


def test_a_copy_waits_for_the_case_that_is_reviewed_for_both(engine: Engine, make_copy: Make):
    """One is shown and says how many wait; the other is no case to take, but is found where all are."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8, title="Leather Wallet brown - AAA!", price=52.0)])
    (shown,) = ask(engine, list_cases)
    assert (shown.scored.listing.listing_id, shown.n_alike) == ("L1", 1)
    assert act(engine, claim, "ana").case_id == 1
    assert act(engine, claim, "ben") is None
    (waiting,) = ask(engine, preview_spread, 1).cases
    assert (waiting.case_id, waiting.exemplar) == (2, 1)
    assert {case.case_id for case in ask(engine, seller_cases, "s1")} == {1, 2}
    assert ask(engine, history, 2)[0].payload["exemplar"] == 1
    alone = [make_copy(name, title="Silk scarf") for name in ("L3", "L4")]
    enqueue(engine, alone, joins_alike=False)  # an operator can have each listing reviewed by itself
    assert [ask(engine, get_case, number).exemplar for number in (3, 4)] == [None, None]


OTHER_OFFERS: tuple[dict[str, Any], ...] = (
    *({"seller_id": "s2"}, {"brand": "Other"}, {"brand": None}, {"currency": "USD"}),
    *({"price": 56.0}, {"price": 44.0}, {"price": None}, {"title": "Leather belt, black, new"}, {"score": 0.96}),
)


def test_another_offer_is_a_case_of_its_own(engine: Engine, make_copy: Make):
    """Sellers, brands, prices a tenth apart and other titles are kept apart, and what is more suspicious is shown."""
    for number, edits in enumerate(OTHER_OFFERS):
        seller = {"seller_id": f"a{number}"}
        for name, said in ((f"L{number}", seller), (f"M{number}", {"score": 0.9} | seller | edits)):
            enqueue(engine, [make_copy(name, **said)])
    assert {name for name, exemplar in _exemplars(engine).items() if exemplar} == set()


def test_the_same_picture_under_another_title_is_a_copy(engine: Engine, make_copy: Make):
    """Pictures are compared, too; without one only the titles are."""
    listings = [make_copy("L1", image_hash="f00d"), make_copy("L2", 0.8, title="For gentlemen", image_hash="f00d")]
    enqueue(engine, [*listings, make_copy("L3", 0.7, title="For gentlemen only")])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": None}


def test_clusters_do_not_depend_on_the_order_of_a_file(engine: Engine, make_copy: Make):
    """Whatever comes first in it, the most suspicious is the exemplar, and the same ones wait for it."""
    offers = [("a", 0.9, 50.0), ("b", 0.88, 50.0), ("c", 0.9, 54.0), ("d", 0.8, 59.0)]
    for number, order in enumerate(permutations(offers)):
        seller = f"s{number}"
        copies = [make_copy(f"{name}{number}", score, seller_id=seller, price=price) for name, score, price in order]
        enqueue(engine, copies)
        some = {case.case_id: case for case in ask(engine, seller_cases, seller)}
        names = {case_id: case.scored.listing.listing_id[0] for case_id, case in some.items()}
        exemplars = {names[case.case_id]: names.get(case.exemplar) for case in some.values()}
        assert exemplars == {"a": None, "b": "a", "c": "a", "d": None}, order


def test_files_sent_one_by_one_or_at_once_join_alike(engine: Engine, make_copy: Make):
    """A copy that comes later waits for the same case; sent again, nothing changes."""
    listings = [make_copy(f"L{number}", 0.9 - number / 100) for number in range(3)]
    for scored in [*listings, *listings]:
        enqueue(engine, [scored])
    assert _exemplars(engine) == {"L0": None, "L1": "L0", "L2": "L0"}


def test_those_who_wait_for_a_decided_case_wait_for_one_of_them(engine: Engine, make_copy: Make):
    """A decision that does not spread leaves the most suspicious of the rest to be reviewed; newcomers join that."""
    for place, (verdict, at_once) in enumerate(product((Verdict.GENUINE, Verdict.CANNOT_TELL), (False, True))):
        seller, first = {"seller_id": f"s{place}"}, 5 * place + 1
        enqueue(engine, [make_copy(f"L{place}{number}", 0.9 - number / 100, **seller) for number in range(4)])
        if at_once:
            preview = ask(engine, preview_bulk, [first], "ana", verdict)
            act(engine, decide_bulk, [first], "ana", verdict, token=preview.digest)
        else:
            judge(engine, first, verdict)
        enqueue(engine, [make_copy(f"L{place}4", 0.8, **seller)])
        exemplars = [ask(engine, get_case, first + number).exemplar for number in range(5)]
        assert exemplars == [None, None, *[first + 1] * 3], (verdict, at_once)


def test_those_who_wait_for_an_escalated_case_wait_on(engine: Engine, make_copy: Make):
    """A lead decides for all; a copy that comes meanwhile waits, too, and one that comes after is reviewed again."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8)])
    judge(engine, None, Verdict.ESCALATE)
    enqueue(engine, [make_copy("L3", 0.7)])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": "L1"}
    assert act(engine, claim, "ana") is None
    judge(engine, 1, by="cleo")
    assert _exemplars(engine) == {"L1": None, "L2": None, "L3": "L2"}
    for number in (2, 3):
        judge(engine, number)
    enqueue(engine, [make_copy("L4"), make_copy("L5", 0.8)])
    assert _exemplars(engine) == dict.fromkeys(("L1", "L2", "L3", "L4")) | {"L5": "L4"}


def test_a_waiting_case_that_overtakes_its_exemplar_is_shown(engine: Engine, make_copy: Make):
    """Whatever new scores say, nothing suspicious waits behind what is less so."""
    enqueue(engine, [make_copy("L1", 0.5), make_copy("L2", 0.5), make_copy("L3", 0.5)])
    enqueue(engine, [make_copy("L2", 0.55)])
    waiting = [name for name, exemplar in _exemplars(engine).items() if exemplar]
    assert len(waiting) == 2
    enqueue(engine, [make_copy(waiting[0], 0.7)])
    assert _exemplars(engine)[waiting[0]] is None
    enqueue(engine, [make_copy(name, 0.1) for name in {"L1", "L2", "L3"} - set(waiting)])
    assert set(_exemplars(engine).values()) == {None}


def test_a_case_that_waits_can_be_taken_by_number_and_its_decision_undone(engine: Engine, make_copy: Make):
    """Undone, it waits again; once its exemplar is decided it is shown instead."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8)])
    act(engine, undo, judge(engine, 2).decision_id, "ana")
    assert _exemplars(engine) == {"L1": None, "L2": "L1"}
    own = judge(engine, 2)
    judge(engine, 1, by="ben")
    act(engine, undo, own.decision_id, "ana")
    assert _exemplars(engine) == {"L1": None, "L2": None}
    assert ask(engine, get_case, 2).state == "open"


def test_a_flood_of_half_alike_listings_fills_no_band(engine: Engine, make_copy: Make):
    """However many share a band, only some thirty are kept in it, and each listing still has its case."""
    enqueue(engine, [make_copy(f"L{number}", price=10.0 * 1.2**number) for number in range(40)])
    per_band = select(func.count().label("n")).select_from(bands).group_by(bands.c.band).subquery()
    with reading(engine) as connection:
        assert connection.scalar(select(func.max(per_band.c.n))) == 30
    assert len(ask(engine, list_cases, limit=100)) == 40


def test_a_case_that_others_wait_for_comes_earlier(engine: Engine, make_copy: Make):
    """Three listings of 0.4 outweigh one of 0.9, in one file or one by one, scored anew, and after a decision."""
    single = make_copy("L9", 0.9, seller_id="s9")
    enqueue(engine, [single, *(make_copy(f"L{number}", 0.4) for number in range(2)), make_copy("L2", 0.3)])
    assert [case.n_alike for case in ask(engine, list_cases)] == [2, 0]
    enqueue(engine, [make_copy("L3", 0.2), make_copy("L0", 0.39), make_copy("L1", 0.39)])
    first, last = ask(engine, list_cases)
    assert (first.n_alike, last.scored) == (3, single)
    judge(engine)
    assert [case.n_alike for case in ask(engine, list_cases)] == [2, 0]
