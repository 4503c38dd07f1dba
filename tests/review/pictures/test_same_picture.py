"""A picture tells what people decided of listings that show it, and what known goods look like; scores use it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine
from support import reviewing
from support.picture_host import draw_goods, write_picture
from support.reviewing import Make, as_model
from support.shown_goods import NOON, show_goods
from support.transactions import act, ask

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.errors import NotFound, Refused, UnstorableValue
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.pictures.copies import make_copies
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.reference import (
    AddedPictures,
    KnownGoods,
    add_references,
    find_files,
    list_references,
    remove_reference,
)
from ipml.review.pictures.same_picture import SamePicture, add_picture_matches, find_same_pictures, measure_reference
from ipml.review.pictures.stored import path_of, store_files, sweep_files
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import pictures

GENUINE = KnownGoods(Verdict.GENUINE, "Acme", "Acme, catalogue of 2026")


@pytest.fixture
def show(engine: Engine, make_scored: Make, tmp_path: Path) -> Callable[..., int]:
    """Return what makes a case whose listing shows some goods, each by its number."""

    def show_some(listing_id: str, *seeds: int, seller_id: str = "ann") -> int:
        scored = make_scored(listing_id, title=f"Thing {listing_id}", seller_id=seller_id)
        return show_goods(engine, tmp_path, scored, *seeds)

    return show_some


def judge(engine: Engine, case_id: int, verdict: Verdict, hours: float = 0) -> int:
    """Decide a case, and return the number of the decision."""
    return reviewing.judge(engine, case_id, verdict, now=NOON + timedelta(hours=hours)).decision_id


def find(engine: Engine, case_id: int, **said: object) -> list[SamePicture]:
    """Return what is known of the pictures of a case."""
    return ask(engine, find_same_pictures, case_id, **said)


def test_a_picture_names_the_first_counterfeit_that_showed_it(engine: Engine, show):
    """With how often it was right since: the first one is no evidence of itself."""
    first = show("L1", 1)
    judge(engine, first, Verdict.COUNTERFEIT)
    for number, verdict in enumerate([Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL], start=2):
        judge(engine, show(f"L{number}", 1, seller_id=f"s{number}"), verdict, hours=number)
    shown = show("L9", 2, 1, seller_id="ben")
    (found,) = find(engine, shown)
    assert (found.positions, found.n_listings, found.n_sellers) == ((1,), 4, 4)
    assert found.first_counterfeit is not None
    assert (found.first_counterfeit.case_id, found.is_common) == (first, False)
    assert found.precision is not None
    assert (found.precision.share, found.precision.n) == (0.5, 2)


def test_other_cases_that_wait_are_told(engine: Engine, show):
    """And nothing is said of a picture that nobody else shows, nor of a verdict taken back, or of an erased seller."""
    first, second = show("L1", 1, 3), show("L2", 1, seller_id="ben")
    (found,) = find(engine, first)
    assert (found.open_cases, found.decided, found.precision) == ((second,), (), None)
    assert find(engine, first, hidden={second}) == []
    act(engine, undo, judge(engine, first, Verdict.COUNTERFEIT), UndoRequest("ana"), now=NOON)
    assert find(engine, second)[0].decided == ()
    judge(engine, first, Verdict.COUNTERFEIT, hours=1)
    assert len(find(engine, second)[0].decided) == 1
    assert find(engine, second, known_by=NOON)[0].decided == ()
    erase_sellers(engine, ["ann"], why="request 7", by="lea")
    assert find(engine, second) == []


def test_what_many_sellers_show_tells_nothing(engine: Engine, show):
    """Unless most of them sell counterfeits."""
    shown = show("L0", 1)
    numbers = [show(f"L{number}", 1, seller_id=f"s{number}") for number in range(1, 21)]
    judge(engine, numbers[0], Verdict.COUNTERFEIT)
    judge(engine, numbers[1], Verdict.GENUINE)
    assert find(engine, shown)[0].is_common
    judge(engine, numbers[2], Verdict.COUNTERFEIT)
    assert not find(engine, shown)[0].is_common


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """Return a folder of two pictures, a text, and what only looks like a picture."""
    folder = tmp_path / "catalogue"
    (folder / "more").mkdir(parents=True)
    (folder / "one.png").write_bytes(write_picture(draw_goods(1), "PNG"))
    (folder / "more" / "two.JPG").write_bytes(write_picture(draw_goods(2)))
    (folder / "bad.jpg").write_bytes(b"<svg/>")
    (folder / "read.me").write_text("no picture")
    return folder


def test_pictures_of_known_goods_are_found_on_listings(engine: Engine, show, catalogue: Path, tmp_path: Path):
    """Each is added once, and says what became of the listings that show it."""
    tally = add_references(engine, tmp_path, find_files(catalogue), GENUINE, "lea", now=NOON)
    assert tally == AddedPictures(2, 0, ["bad.jpg is no picture that can be read"])
    assert add_references(engine, tmp_path, find_files(catalogue), GENUINE, "lea").known == 2
    group_pictures(engine, tmp_path, HashIndex())
    case_id = show("L1", 1)
    (found,) = find(engine, case_id)
    assert [(one.brand, one.kind, one.source) for one in found.references] == [("Acme", "genuine", GENUINE.source)]
    judge(engine, case_id, Verdict.COUNTERFEIT)
    measured = ask(engine, measure_reference, found.references[0])
    assert measured is not None
    assert measured.reference_precision is not None
    assert (measured.n_listings, measured.reference_precision.share) == (1, 1.0)


def test_a_picture_of_known_goods_goes_when_it_is_taken_out(engine: Engine, show, catalogue: Path, tmp_path: Path):
    """Its file with the next sweep, unless a case shows the same."""
    add_references(engine, tmp_path, find_files(catalogue), GENUINE, "lea")
    group_pictures(engine, tmp_path, HashIndex())
    case_id = show("L1", 1)
    assert sweep_files(engine, tmp_path) == 0
    with writing(engine) as connection:
        digests = {one.reference_id: one.digest for one in list_references(connection)}
        for number in digests:
            remove_reference(connection, number, "lea")
        with pytest.raises(NotFound):
            remove_reference(connection, min(digests), "lea")
        assert list_references(connection) == []
    assert sweep_files(engine, tmp_path) == 2
    assert not any(path_of(tmp_path, digest).exists() for digest in digests.values())
    assert find(engine, case_id) == []


def test_a_folder_without_pictures_is_refused(engine: Engine, tmp_path: Path):
    """And so is what cannot be stored."""
    for folder, error in ((tmp_path, Refused), (tmp_path / "nowhere", NotFound)):
        with pytest.raises(error):
            find_files(folder)
    for goods in (KnownGoods(Verdict.ESCALATE, "A", "b"), KnownGoods(Verdict.GENUINE, " ", "b")):
        with pytest.raises(UnstorableValue):
            add_references(engine, tmp_path, [], goods, "lea")


ADDRESS = "https://a.example/1.jpg"


def score(listings, explain):
    """Score by what is known of pictures."""
    del explain
    scores = [0.9 if one.picture_counterfeit_matches else 0.6 for one in listings]
    return [ScoredListing(*said, 0.0, (), (), None, "m1") for said in zip(listings, scores, strict=True)]


def submit(engine: Engine, listing_id: str, now: datetime = NOON, **said: object) -> int:
    """Submit a listing with a picture, and return its case."""
    listing = Listing(listing_id, f"s{listing_id}", f"Thing {listing_id}", image_urls=ADDRESS, observed_at=now, **said)
    case_id = take_in(engine, [Submission((listing,))], as_model(score), now)[listing_id].case_id
    assert case_id is not None
    return case_id


@pytest.fixture
def fetch(engine: Engine, tmp_path: Path):
    """Return what fetches the pictures of a case: all the same."""

    def fetch_one(case_id: int, now: datetime) -> None:
        content = write_picture(draw_goods(1))
        digest = store_files(tmp_path, content, make_copies(content))
        change = pictures.update().where(pictures.c.case_id == case_id)
        act(engine, Connection.execute, change.values(state="stored", digest=digest, fetched_at=now))
        group_pictures(engine, tmp_path, HashIndex(), clock=lambda: now)

    return fetch_one


def test_a_listing_is_scored_again_once_its_picture_is_known(engine: Engine, fetch):
    """Where it tells something, once, with what was known by then: never with its own verdict."""
    first = submit(engine, "L1")
    fetch(first, NOON)
    later = NOON + timedelta(hours=1)
    assert rescore_changed(engine, as_model(score), later) == 0
    claimed = act(engine, claim, "ana", first, now=later)
    act(engine, decide, DecisionRequest(claimed, Verdict.COUNTERFEIT, "declared_replica"), now=later)
    second = submit(engine, "L2", later)
    fetch(second, later)
    assert rescore_changed(engine, as_model(score), later) == 1
    assert rescore_changed(engine, as_model(score), later) == 0
    with reading(engine) as connection:
        listing = get_case(connection, second).scored.listing
        assert (listing.picture_counterfeit_matches, listing.picture_genuine_matches) == (1.0, 0.0)
        assert get_case(connection, second).scored.score == 0.9
        some = [Listing(name, f"s{name}", f"Thing {name}", image_urls=ADDRESS) for name in ("L1", "L2")]
        own, early = add_picture_matches(connection, [some[0], replace(some[1], observed_at=NOON)], later)
    assert (own.picture_counterfeit_matches, early.picture_counterfeit_matches) == (0.0, 0.0)


def test_what_is_not_known_stays_open(engine: Engine, fetch):
    """A listing without a picture, one whose picture is another by now, and what the listing says itself."""
    fetch(submit(engine, "L1"), NOON)
    some = [
        Listing("L0", "s", "Thing"),
        Listing("L1", "s", "Thing", image_urls="https://a.example/2.jpg"),
        Listing("L1", "s", "Thing", image_urls=ADDRESS, picture_counterfeit_matches=7.0),
    ]
    none, another = ask(engine, add_picture_matches, some[:2], NOON)
    (own,) = ask(engine, add_picture_matches, some[2:], NOON)
    assert none.picture_genuine_matches is another.picture_genuine_matches is None
    assert (own.picture_counterfeit_matches, own.picture_genuine_matches) == (7.0, 0.0)
