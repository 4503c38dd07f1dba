"""Near-duplicates of a seller wait for one of them: when listings are alike, and what waits for what."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations, product
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select
from support.reviewing import NOON, Make, judge
from support.transactions import act, ask

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import find_case, get_case, history
from ipml.review.claims import claim
from ipml.review.group_decisions import BulkRequest, decide_bulk, preview_bulk, preview_spread
from ipml.review.near_duplicates.clusters import fold_title, has_like_price, make_bands, make_shingles, sign_shingles
from ipml.review.near_duplicates.clusters import is_same_offer as is_same_scored
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.search import Filter, browse_cases
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
    listings = {case.case_id: case for case in ask(engine, browse_cases, Filter(state=None), limit=1000)}
    name = {number: case.scored.listing.listing_id for number, case in listings.items()}
    return {name[number]: name.get(case.exemplar) for number, case in sorted(listings.items())}


def test_a_copy_waits_for_the_case_that_is_reviewed_for_both(engine: Engine, make_copy: Make):
    """One is shown and says how many wait; the other is no case to take, but is found where all are."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8, title="Leather Wallet brown - AAA!", price=52.0)])
    (shown,) = ask(engine, browse_cases)
    assert (shown.scored.listing.listing_id, shown.n_alike) == ("L1", 1)
    assert act(engine, claim, "ana").case_id == 1
    assert act(engine, claim, "ben") is None
    (waiting,) = ask(engine, preview_spread, 1).cases
    assert (waiting.case_id, waiting.exemplar) == (2, 1)
    assert {case.case_id for case in ask(engine, browse_cases, Filter(state=None, seller_id="s1"))} == {1, 2}
    assert ask(engine, history, 2)[0].payload["exemplar"] == 1
    alone = [make_copy(name, title="Silk scarf") for name in ("L3", "L4")]
    enqueue(engine, alone, joins_alike=False)  # an operator can have each listing reviewed by itself
    assert [ask(engine, get_case, number).exemplar for number in (3, 4)] == [None, None]


def test_another_offer_is_a_case_of_its_own(engine: Engine, make_copy: Make):
    """Sellers, brands, prices a tenth apart and other titles are kept apart, and what is more suspicious is shown."""
    offers = (
        *({"seller_id": "s2"}, {"brand": "Other"}, {"brand": None}, {"currency": "USD"}),
        *({"price": 56.0}, {"price": 44.0}, {"price": None}, {"title": "Leather belt, black, new"}, {"score": 0.96}),
    )
    for number, edits in enumerate(offers):
        seller = {"seller_id": f"a{number}"}
        for name, said in ((f"L{number}", seller), (f"M{number}", {"score": 0.9} | seller | edits)):
            enqueue(engine, [make_copy(name, **said)])
    assert {name for name, exemplar in _exemplars(engine).items() if exemplar} == set()


def test_the_same_picture_under_another_title_is_a_copy(engine: Engine, make_copy: Make):
    """Pictures are compared, too; without one only the titles are; a copy that comes later waits for the same case."""
    listings = [make_copy("L1", image_hash="f00d"), make_copy("L2", 0.8, title="For gentlemen", image_hash="f00d")]
    enqueue(engine, [*listings, make_copy("L3", 0.7, title="For gentlemen only")])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": None}
    listings = [make_copy(f"M{number}", 0.9 - number / 100, seller_id="s2") for number in range(3)]
    for scored in [*listings, *listings]:  # sent one by one, and again
        enqueue(engine, [scored])
    assert _exemplars(engine) == {"L1": None, "L2": "L1", "L3": None, "M0": None, "M1": "M0", "M2": "M0"}


def test_clusters_do_not_depend_on_the_order_of_a_file(engine: Engine, make_copy: Make):
    """Whatever comes first in it, the most suspicious is the exemplar, and the same ones wait for it."""
    offers = [("a", 0.9, 50.0), ("b", 0.88, 50.0), ("c", 0.9, 54.0), ("d", 0.8, 59.0)]
    for number, order in enumerate(permutations(offers)):
        seller = f"s{number}"
        copies = [make_copy(f"{name}{number}", score, seller_id=seller, price=price) for name, score, price in order]
        enqueue(engine, copies)
        some = {case.case_id: case for case in ask(engine, browse_cases, Filter(state=None, seller_id=seller))}
        names = {case_id: case.scored.listing.listing_id[0] for case_id, case in some.items()}
        exemplars = {names[case.case_id]: names.get(case.exemplar) for case in some.values()}
        assert exemplars == {"a": None, "b": "a", "c": "a", "d": None}, order


def test_those_who_wait_for_a_decided_case_wait_for_one_of_them(engine: Engine, make_copy: Make):
    """A decision that does not spread leaves the most suspicious of the rest to be reviewed; newcomers join that."""
    for place, (verdict, at_once) in enumerate(product((Verdict.GENUINE, Verdict.CANNOT_TELL), (False, True))):
        seller, first = {"seller_id": f"s{place}"}, 5 * place + 1
        enqueue(engine, [make_copy(f"L{place}{number}", 0.9 - number / 100, **seller) for number in range(4)])
        if at_once:
            preview = ask(engine, preview_bulk, BulkRequest([first], "ana", verdict))
            act(engine, decide_bulk, BulkRequest([first], "ana", verdict), token=preview.digest)
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


def test_editing_a_copy_moves_the_case_it_waits_for_no_further(engine: Engine, make_copy: Make):
    """It counts once, however often it comes anew."""
    enqueue(engine, [make_copy("L1"), make_copy("L2", 0.8)])
    rank = ask(engine, find_case, 1).rank
    for number in range(6):
        edited = {"description": f"Edition {number}", "observed_at": NOON + timedelta(days=number)}
        enqueue(engine, [make_copy("L2", 0.8, **edited)])
        assert ask(engine, find_case, number + 3).exemplar == 1
        assert ask(engine, find_case, 1).rank == pytest.approx(rank)


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
    act(engine, undo, judge(engine, 2).decision_id, UndoRequest("ana"))
    assert _exemplars(engine) == {"L1": None, "L2": "L1"}
    own = judge(engine, 2)
    judge(engine, 1, by="ben")
    act(engine, undo, own.decision_id, UndoRequest("ana"))
    assert _exemplars(engine) == {"L1": None, "L2": None}
    assert ask(engine, get_case, 2).state == "open"


def test_a_flood_of_half_alike_listings_fills_no_band(engine: Engine, make_copy: Make):
    """However many share a band, only some thirty are kept in it, and each listing still has its case."""
    enqueue(engine, [make_copy(f"L{number}", price=10.0 * 1.2**number) for number in range(40)])
    per_band = select(func.count().label("n")).select_from(bands).group_by(bands.c.band).subquery()
    assert ask(engine, Connection.scalar, select(func.max(per_band.c.n))) == 30
    assert len(ask(engine, browse_cases, limit=100)) == 40


def test_a_case_that_others_wait_for_comes_earlier(engine: Engine, make_copy: Make):
    """Three listings of 0.4 outweigh one of 0.9, in one file or one by one, scored anew, and after a decision."""
    single = make_copy("L9", 0.9, seller_id="s9")
    enqueue(engine, [single, *(make_copy(f"L{number}", 0.4) for number in range(2)), make_copy("L2", 0.3)])
    assert [case.n_alike for case in ask(engine, browse_cases)] == [2, 0]
    enqueue(engine, [make_copy("L3", 0.2), make_copy("L0", 0.39), make_copy("L1", 0.39)])
    first, last = ask(engine, browse_cases)
    assert (first.n_alike, last.scored) == (3, single)
    judge(engine)
    assert [case.n_alike for case in ask(engine, browse_cases)] == [2, 0]


listings = st.builds(
    Listing,
    listing_id=st.just("L1"),
    seller_id=st.sampled_from(["s1", "s2"]),
    title=st.text(max_size=20) | st.sampled_from(["Leather wallet", "leather WALLET!", "Steel watch"]),
    brand=st.sampled_from([None, "Acme", "ACME "]),
    price=st.none() | st.floats(0, 1e308) | st.sampled_from([50.0, 54.0]),
    currency=st.sampled_from(["EUR", "USD"]),
    image_hash=st.sampled_from([None, "f00d", "beef"]),
)


def is_same_offer(one: Listing, other: Listing) -> bool:
    """Compare two listings, scored alike."""
    return is_same_scored(*(ScoredListing(listing, 0.5, None, (), (), None, "m") for listing in (one, other)))


@given(listings, listings)
def test_it_does_not_matter_which_is_named_first(one: Listing, other: Listing):
    """Nor are sellers mixed; a listing of which enough is known is the same offer as itself."""
    assert is_same_offer(one, other) == is_same_offer(other, one)
    assert not is_same_offer(replace(one, seller_id="a"), replace(other, seller_id="b"))
    # Without a price, or with neither words nor a picture, it is like none, not even itself.
    can_tell = bool(fold_title(one.title)) or one.image_hash is not None
    assert is_same_offer(one, one) == (one.price is not None and can_tell)


@given(st.floats(0.01, 1e6), st.floats(0.5, 2))
def test_prices_a_tenth_apart_are_alike(price: float, ratio: float):
    """Up to there and no further."""
    one, other = (Listing("L", "s", "Bag", price=value, currency="EUR") for value in (price, price * ratio))
    if abs(max(ratio, 1 / ratio) - 1.1) > 1e-9:
        assert has_like_price(one, other) == (max(ratio, 1 / ratio) < 1.1)


TITLE = "Leather wallet, brown, mirror quality 1:1"


def test_bands_are_the_same_for_ever():
    """Another release of any library must find those in databases; near-duplicates meet under one, others seldom."""
    bands = make_bands("s1", sign_shingles(make_shingles(TITLE)), "f00d")
    assert (len(bands), bands[0], bands[-1]) == (21, -8873871986052661902, 1083559252420416950)
    copy, other = "LEATHER wallet brown - mirror quality 1:1 new", "Leather belt, black, with a steel buckle"
    title, near, far = (set(make_bands("s1", sign_shingles(make_shingles(text)))) for text in (TITLE, copy, other))
    assert (bool(title & near), title & far) == (True, set())


@example("\ufdfa" * 100_000)
@given(st.text())
def test_folding_twice_is_folding_once(text: str):
    """Any text has one folded form, of bounded length; ligatures are cut off before they are counted."""
    assert fold_title(fold_title(text)) == fold_title(text)
    assert len(fold_title(text)) <= (400 if text.startswith("\ufdfa" * 2) else 1200)


@given(st.text(alphabet="\u231a\U0001f45c\u2605!?_ .-\u200d\ufe0f"), st.text(min_size=1), st.text(min_size=1))
def test_a_title_without_letters_and_digits_is_found_by_none(text: str, one: str, other: str):
    """It has no bands but that of its picture; and bands of one seller are not those of another."""
    assert make_shingles(text) == frozenset()
    assert make_bands("s1", sign_shingles(make_shingles(text))) == ()
    assert len(make_bands("s1", sign_shingles(make_shingles(text)), "f00d")) == 1
    signature = sign_shingles(make_shingles(TITLE))
    assert (one == other) == bool(set(make_bands(one, signature)) & set(make_bands(other, signature)))
