"""Near-duplicates of a seller wait for one of them."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from support.reviewing import NOON, Make, act, ask, judge

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import (
    claim,
    decide,
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
from ipml.storage.database import reading, writing
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
    with writing(engine) as connection:
        assert claim(connection, "ana").case_id == 1
        assert claim(connection, "ben") is None
        (waiting,) = preview_spread(connection, 1).cases
    assert (waiting.case_id, waiting.exemplar) == (2, 1)
    with reading(engine) as connection:
        assert {case.case_id for case in seller_cases(connection, "s1")} == {1, 2}
        assert history(connection, 2)[0].payload["exemplar"] == 1


@pytest.mark.parametrize(
    "edits",
    [
        {"seller_id": "s2"},
        {"brand": "Other"},
        {"brand": None},
        {"price": 56.0},
        {"price": 44.0},
        {"price": None},
        {"currency": "USD"},
        {"title": "Leather belt, black, new"},
        {"score": 0.96},
    ],
    ids=str,
)
def test_another_offer_is_a_case_of_its_own(engine: Engine, make_copy: Make, edits: dict[str, Any]):
    """Sellers, brands, prices a tenth apart and other titles are kept apart, and what is more suspicious is shown."""
    for batch in ([make_copy("L1")], [make_copy("L2", **({"score": 0.9} | edits))]):
        enqueue(engine, batch)
    assert _exemplars(engine) == {"L1": None, "L2": None}


def test_the_same_picture_under_another_title_is_a_copy(engine: Engine, make_copy: Make):
    """Pictures are compared, too; without one only the titles are."""
    listings = [make_copy("L1", image_hash="f00d"), make_copy("L2", 0.8, title="For gentlemen", image_hash="f00d")]
    enqueue(engine, [*listings, make_copy("L3", 0.7, title="For gentlemen only")])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": None}


def test_without_near_duplicates_every_listing_is_shown(engine: Engine, make_copy: Make):
    """An operator can have each listing reviewed by itself."""
    enqueue(engine, [make_copy("L1"), make_copy("L2")], joins_alike=False)
    assert _exemplars(engine) == {"L1": None, "L2": None}


def test_clusters_do_not_depend_on_the_order_of_a_file(engine: Engine, make_copy: Make):
    """Whatever comes first in it, the most suspicious is the exemplar, and the same ones wait for it."""
    base = [make_copy("a", 0.9), make_copy("b", 0.88), make_copy("c", 0.9, price=54.0), make_copy("d", 0.8, price=59.0)]
    found = set()
    for number, order in enumerate(permutations(base)):
        edited = [
            replace(scored, listing=replace(scored.listing, seller_id=f"s{number}", observed_at=NOON))
            for scored in order
        ]
        enqueue(engine, [replace(scored, listing=_renamed(scored.listing, number)) for scored in edited])
        cases = {case.case_id: case for case in ask(engine, seller_cases, f"s{number}")}
        names = {number: case.scored.listing.listing_id[0] for number, case in cases.items()}
        found.add(frozenset((names[case.case_id], names.get(case.exemplar)) for case in cases.values()))
    assert found == {frozenset({("a", None), ("b", "a"), ("c", "a"), ("d", None)})}


def _renamed(listing: Listing, number: int) -> Listing:
    return replace(listing, listing_id=f"{listing.listing_id}{number}")


def test_files_sent_one_by_one_or_at_once_join_alike(engine: Engine, make_copy: Make):
    """A copy that comes later waits for the same case; sent again, nothing changes."""
    listings = [make_copy(f"L{number}", 0.9 - number / 100) for number in range(3)]
    for scored in [*listings, *listings]:
        enqueue(engine, [scored])
    assert _exemplars(engine) == {"L0": None, "L1": "L0", "L2": "L0"}


@pytest.mark.parametrize("verdict", [Verdict.GENUINE, Verdict.CANNOT_TELL])
@pytest.mark.parametrize("at_once", [False, True])
def test_those_who_wait_for_a_decided_case_wait_for_one_of_them(
    engine: Engine, make_copy: Make, verdict: Verdict, at_once: bool
):
    """A decision that does not spread leaves the most suspicious of the rest to be reviewed; newcomers join that."""
    enqueue(engine, [make_copy(f"L{number}", 0.9 - number / 100) for number in range(4)])
    if at_once:
        with writing(engine) as connection:
            preview = preview_bulk(connection, [1], "ana", verdict)
            decide_bulk(connection, [1], "ana", verdict, token=preview.digest)
    else:
        judge(engine, None, verdict)
    enqueue(engine, [make_copy("L4", 0.8)])
    assert _exemplars(engine) == {"L0": None, "L1": None, "L2": "L1", "L3": "L1", "L4": "L1"}


def test_those_who_wait_for_an_escalated_case_wait_on(engine: Engine, make_copy: Make):
    """A lead decides for all; a copy that comes meanwhile waits, too."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8)])
    judge(engine, None, Verdict.ESCALATE)
    enqueue(engine, [make_copy("L3", 0.7)])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": "L1"}
    with writing(engine) as connection:
        assert claim(connection, "ana") is None
        decide(connection, claim(connection, "cleo", 1), Verdict.GENUINE)
    assert _exemplars(engine) == {"L1": None, "L2": None, "L3": "L2"}


def test_a_copy_of_a_decided_case_is_reviewed_again(engine: Engine, make_copy: Make):
    """What came after the decision was not seen by whoever made it."""
    enqueue(engine, [make_copy("L1")])
    judge(engine)
    enqueue(engine, [make_copy("L2"), make_copy("L3", 0.8)])
    assert _exemplars(engine) == {"L1": None, "L2": None, "L3": "L2"}


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
    with writing(engine) as connection:
        own = decide(connection, claim(connection, "ana", 2), Verdict.GENUINE)
        undo(connection, own.decision_id, "ana")
    assert _exemplars(engine) == {"L1": None, "L2": "L1"}
    with writing(engine) as connection:
        own = decide(connection, claim(connection, "ana", 2), Verdict.GENUINE)
        decide(connection, claim(connection, "ben", 1), Verdict.GENUINE)
        undo(connection, own.decision_id, "ana")
    assert _exemplars(engine) == {"L1": None, "L2": None}
    assert ask(engine, get_case, 2).state == "open"


def test_a_flood_of_half_alike_listings_fills_no_band(engine: Engine, make_copy: Make):
    """However many share a band, only some thirty are kept in it, and each listing still has its case."""
    flood = [make_copy(f"L{number}", price=10.0 * 1.2**number) for number in range(60)]
    enqueue(engine, flood)
    per_band = select(func.count().label("n")).select_from(bands).group_by(bands.c.band).subquery()
    with reading(engine) as connection:
        fullest = connection.scalar(select(func.max(per_band.c.n)))
    assert fullest == 30
    assert len(ask(engine, list_cases, limit=100)) == 60


def test_a_case_that_others_wait_for_comes_earlier(engine: Engine, make_copy: Make):
    """Three listings of 0.4 outweigh one of 0.9, in one file or one by one, scored anew, and after a decision."""
    single = make_copy("L9", 0.9, seller_id="s9")
    enqueue(engine, [single, *(make_copy(f"L{number}", 0.4) for number in range(2)), make_copy("L2", 0.3)])
    assert [case.n_alike for case in ask(engine, list_cases)] == [2, 0]
    enqueue(engine, [make_copy("L3", 0.2), make_copy("L0", 0.39), make_copy("L1", 0.39)])
    first, last = ask(engine, list_cases)
    assert (first.n_alike, last.scored) == (3, single)
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana"), Verdict.GENUINE)
        assert [case.n_alike for case in list_cases(connection)] == [2, 0]


def test_no_open_case_waits_for_a_decided_one(engine: Engine, make_copy: Make):
    """Whatever is decided, undone or comes in: who is not shown waits for a case that will be decided."""
    for turn in range(6):
        enqueue(engine, [make_copy(f"L{turn}{number}", 0.9 - number / 50, price=50.0 + number) for number in range(4)])
        with writing(engine) as connection:
            taken = claim(connection, "ana", now=NOON + timedelta(hours=turn))
            decision = decide(connection, taken, Verdict.GENUINE, now=NOON + timedelta(hours=turn))
        _check(engine)
        if turn % 2:
            act(engine, undo, decision.decision_id, "cleo", may_undo_others=True)
            _check(engine)


def _check(engine: Engine) -> None:
    with reading(engine) as connection:
        states = {case.case_id: case.state for case in list_cases(connection, state=None, limit=1000)}
        waiting = [
            case for case in list_cases(connection, state=None, limit=1000) if case.exemplar and case.state == "open"
        ]
    assert waiting
    assert {states[case.exemplar] for case in waiting} <= {"open", "escalated"}
