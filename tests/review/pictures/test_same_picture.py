"""A picture tells what people decided of the listings that show it, and what known goods look like."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine
from support import reviewing
from support.picture_host import draw_goods, write_picture
from support.reviewing import Make, act, ask
from support.shown_goods import NOON, show_goods

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.errors import NotFound, Refused, UnstorableValue
from ipml.records import Verdict
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.reference import list_references, remove_reference
from ipml.review.pictures.reference_intake import AddedPictures, KnownGoods, add_references, find_files
from ipml.review.pictures.same_picture import SamePicture, find_same_pictures, measure_reference
from ipml.review.pictures.stored import path_of, sweep_files
from ipml.review.reversals import undo
from ipml.storage.database import writing

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
    act(engine, undo, judge(engine, first, Verdict.COUNTERFEIT), "ana", now=NOON)
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
