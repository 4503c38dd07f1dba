"""Pictures of listings that wait for nobody are screened as the policy says, within its budget, whatever happens."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from support.databases import on_both
from support.picture_host import PictureHost, draw_goods, serve_pictures, write_picture
from support.reviewing import as_model, judge
from support.shown_goods import NOON
from support.transactions import ask, count, read_rows

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.cases import get_case
from ipml.review.pictures.addresses import FetchLimits, PictureSources, parse_picture_networks
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.reference import KnownGoods, add_references
from ipml.review.pictures.screened import read_screening
from ipml.review.pictures.screening import ScreeningTally, screen_due
from ipml.review.pictures.stored import path_of, read_pictures, sweep_files
from ipml.review.ranking.policy import Policy, ScreeningRules, load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank
from ipml.storage.tables import cases, picture_groups, screened_pictures

LIMITS = FetchLimits(most_bytes=20_000)
HERE = PictureSources(networks=parse_picture_networks("127.0.0.1"), limits=LIMITS)


class Killed(BaseException):
    """As if the process were gone."""


@pytest.fixture(scope="module")
def served() -> Iterator[PictureHost]:
    """A host of nine goods, the first of them in two files."""
    with serve_pictures() as found:
        found.files |= {f"/{number}.jpg": write_picture(draw_goods(number), quality=40) for number in range(9)}
        found.files["/0-small.jpg"] = write_picture(draw_goods(0).resize((320, 240)), quality=50)
        yield found


@pytest.fixture
def host(served: PictureHost) -> PictureHost:
    """The host, as nobody has asked it for anything yet."""
    served.hits.clear()
    return served


def give_score(listings, explain):
    """Score by the price: what costs 999 is a counterfeit."""
    del explain
    scores = [0.9 if one.price == 999 else 0.02 for one in listings]
    return [ScoredListing(*pair, 0.0, (), (), None, "m1", suspicion=0.1) for pair in zip(listings, scores, strict=True)]


def put_in_force(engine: Engine, **rules: object) -> Policy:
    """Rank by a policy with some rules of screening, and return it."""
    policy = load_policy().model_copy(update={"pictures": ScreeningRules(**rules)})
    rerank(engine, QueueOrder.VALUE, policy, now=NOON, actor="lea")
    return policy


def submit(engine: Engine, address: str, listing_id: str, hours: float = 0, **said: object) -> int | None:
    """Submit a listing with a picture, and return its case, if it is one."""
    now = NOON + timedelta(hours=hours)
    fields = {"seller_id": f"s{listing_id}", "title": f"Thing {listing_id}", "price": 20.0, "currency": "EUR"} | said
    sent = Submission((Listing(listing_id, **fields, image_urls=address, observed_at=now),))
    return take_in(engine, [sent], as_model(give_score), now)[listing_id].case_id


def screen(engine: Engine, folder: Path, hours: float = 0, **said: object) -> ScreeningTally:
    """Do the job once, and have what matched scored again."""
    now = NOON + timedelta(hours=hours)
    tally = screen_due(engine, folder, HERE, HashIndex(), **{"clock": lambda: now} | said)
    rescore_changed(engine, as_model(give_score), now)
    return tally


def decide(engine: Engine, folder: Path, case_id: int | None, verdict: Verdict, hours: float = 0) -> None:
    """Fetch the pictures of a case, and decide it."""
    now = NOON + timedelta(hours=hours)
    fetch_due(engine, folder, HERE, clock=lambda: now)
    group_pictures(engine, folder, HashIndex())
    judge(engine, case_id, verdict, now=now)


def read_states(engine: Engine) -> dict[str, str]:
    """Return the state of each screened picture, by its listing."""
    return dict(read_rows(engine, select(screened_pictures.c.listing_id, screened_pictures.c.state)))


def test_the_policy_names_each_listing_by_what_it_is(engine: Engine):
    """By price, brand, a new account or an unknown seller, and by a draw that is the same however often it comes."""
    put_in_force(engine, above_price=500, below_price=5, brands=("Acme",), new_seller_days=30)
    said = {"usual": {}, "dear": {"price": 501.0}, "cheap": {"price": 4.0}, "acme": {"brand": "ACME"}}
    said |= {"gbp": {"price": 450.0, "currency": "GBP"}, "fresh": {"seller_age_days": 3.0}, "case": {"price": 999}}
    queued = {"case"}  # and what is drawn for the queue, whose pictures are fetched anyway
    for listing_id, fields in said.items():
        if submit(engine, "http://a.example/1", listing_id, **{"seller_age_days": 400.0} | fields) is not None:
            queued.add(listing_id)
    for hours, listing_id in enumerate(("stranger", "known")):
        if submit(engine, "http://a.example/1", listing_id, hours, seller_id="sam") is not None:
            queued.add(listing_id)
    assert read_states(engine).keys() == (said.keys() | {"stranger"}) - {"usual"} - queued
    policy, names = put_in_force(engine, share=0.4), {f"drawn {number}" for number in range(20)}
    for hours in range(2):
        for name in names:
            submit(engine, "http://a.example/1", name, hours)
    assert read_states(engine).keys() & names == set(filter(policy.draw_screened, names))
    assert count(engine, screened_pictures) == len(read_states(engine))


@pytest.mark.parametrize("seed", range(2))
def test_no_day_costs_more_than_its_budget_and_each_picture_is_hashed_once(seed, engine, host, tmp_path):
    """Over random arrivals, days and kills: no request beyond the budget, and without a kill one for each picture."""
    draw, hours, n_killed, spent = random.Random(seed), 0, 0, 0
    put_in_force(engine, share=1.0, requests_a_day=9, megabytes_a_day=0.25, wait_days=60, order="oldest")
    for number in range(9):
        for _ in range(draw.choice((1, 2))):
            submit(engine, host.address(f"/{number}.jpg"), f"L{number}", hours)
        moments, before = iter([NOON + timedelta(hours=hours)] * draw.choice((1, 2, 3, 99))), host.hits.total()

        def tick(moments=moments) -> datetime:
            for moment in moments:
                return moment
            raise Killed

        try:
            screen(engine, tmp_path, hours, clock=tick)
        except BaseExceptionGroup:
            n_killed += 1
        spent += host.hits.total() - before
        state = ask(engine, read_screening, NOON + timedelta(hours=hours))
        assert spent <= state.requests <= 9
        assert state.n_bytes <= 250_000
        hours, spent = draw.choice(((hours, spent), (hours + 24, 0)))
    for days in range(1, 9):
        screen(engine, tmp_path, hours + 24 * days)
    assert set(read_states(engine).values()) == {"hashed"}
    assert count(engine, screened_pictures) == count(engine, picture_groups) == len(host.hits) == 9
    assert 0 <= host.hits.total() - 9 <= 8 * n_killed
    assert n_killed > 0


@on_both
def test_a_match_makes_a_case_at_any_score_with_the_file_that_was_fetched(engine: Engine, host, tmp_path: Path):
    """Also where it was hashed before the counterfeit, or known goods, came; of others no file stays."""
    put_in_force(engine, share=1.0)
    assert submit(engine, host.address("/0.jpg"), "early") is None
    assert screen(engine, tmp_path).hashed == 1
    assert not list(tmp_path.glob("*/*"))
    first = submit(engine, host.address("/0-small.jpg"), "first", price=999)
    decide(engine, tmp_path, first, Verdict.COUNTERFEIT)
    for name, path in (("late", "/0.jpg"), ("other", "/1.jpg")):
        submit(engine, host.address(path), name)
    assert screen(engine, tmp_path, 1, since=NOON) == ScreeningTally(hashed=2, matched=2)
    found = {row[0]: row[1:] for row in read_rows(engine, select(cases.c.listing_id, cases.c.case_id, *MATCH))}
    assert found.keys() == {"first", "early", "late"}
    assert found["early"][1:] == found["late"][1:] == (0.02, first, "picture", 0.8)
    ((late,),) = ask(engine, read_pictures, [found["late"][0]]).values()
    assert (late.state, path_of(tmp_path, late.digest or "").exists()) == ("stored", True)
    assert ask(engine, get_case, found["late"][0]).scored.listing.picture_counterfeit_matches == 1.0
    assert host.hits == {"/0.jpg": 2, "/0-small.jpg": 1, "/1.jpg": 1}
    assert sweep_files(engine, tmp_path) == 0
    (tmp_path / "fake.jpg").write_bytes(host.files["/1.jpg"])
    fakes = KnownGoods(Verdict.COUNTERFEIT, "Acme", "a raid")
    add_references(engine, tmp_path, [tmp_path / "fake.jpg"], fakes, "lea", now=NOON + timedelta(hours=1))
    group_pictures(engine, tmp_path, HashIndex())
    assert screen(engine, tmp_path, 1, since=NOON) == ScreeningTally(matched=1)
    assert read_rows(engine, select(*MATCH).where(cases.c.listing_id == "other")) == [(0.02, None, None, 0.8)]
    # A picture that is on a genuine listing, too, is that of a catalogue.
    decide(engine, tmp_path, found["early"][0], Verdict.GENUINE, 2)
    submit(engine, host.address("/0.jpg"), "last", 2)
    assert screen(engine, tmp_path, 2, since=NOON) == ScreeningTally(hashed=1)


MATCH = (cases.c.score, cases.c.relisting_of, cases.c.match_kind, cases.c.match_precision)


def test_what_the_budget_leaves_waiting_is_left_out_and_counted(engine: Engine, host, tmp_path: Path):
    """The dearest go first; what is gone, erased or a case by now is not fetched, a changed picture is."""
    put_in_force(engine, share=1.0, requests_a_day=4, wait_days=2)
    for number, price in ((1, 50.0), (2, 400.0), (3, 60.0), (4, 70.0)):
        submit(engine, host.address(f"/{number}.jpg"), f"L{number}", price=price)
    assert screen(engine, tmp_path) == ScreeningTally(hashed=1, is_cut_off=True)
    submit(engine, host.address("/3.jpg"), "L3", 1, price=999)
    erase_sellers(engine, ["sL4"], why="request 7", by="lea")
    submit(engine, host.address("/5.jpg"), "L2", 1, price=400.0)
    assert read_states(engine) == {"L1": "waiting", "L2": "waiting", "L3": "left"}
    assert screen(engine, tmp_path, 72).left_out == 2
    state = ask(engine, read_screening, NOON + timedelta(hours=72))
    assert (state.left_out, state.waiting, host.hits) == (2, 0, {"/2.jpg": 1})
