"""Pictures of listings that wait for nobody are screened as the policy says, within its budget, whatever happens."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from support.picture_host import PictureHost, draw_goods, serve_pictures, write_picture
from support.reviewing import as_model, judge
from support.shown_goods import NOON
from support.transactions import ask, count, read_rows, read_scalars

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.pictures.addresses import PictureSources, parse_picture_networks
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.fetching import FetchLimits
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.screened import read_screening
from ipml.review.pictures.screening import ScreeningTally, screen_due
from ipml.review.pictures.stored import path_of, read_pictures, sweep_files
from ipml.review.queue import get_case
from ipml.review.ranking.policy import Policy, ScreeningRules, load_policy
from ipml.review.ranking.queue_order import QueueOrder, rerank
from ipml.storage.tables import cases, picture_groups, screened_pictures

HERE = PictureSources(networks=parse_picture_networks("127.0.0.1"))
LIMITS = FetchLimits(most_bytes=20_000)
ALL = ScreeningRules(share=1.0)


class Killed(BaseException):
    """As if the process were gone."""


@pytest.fixture(scope="module")
def host() -> Iterator[PictureHost]:
    """A host of nine goods, the first of them in two files."""
    with serve_pictures() as found:
        found.files |= {f"/{number}.jpg": write_picture(draw_goods(number), quality=40) for number in range(9)}
        found.files["/0-small.jpg"] = write_picture(draw_goods(0).resize((320, 240)), quality=50)
        yield found


def give_score(listings, explain):
    """Score by the price: what costs 999 is a counterfeit."""
    del explain
    scores = [0.9 if one.price == 999 else 0.02 for one in listings]
    said = {"log_odds": 0.0, "reasons": (), "highlights": (), "price_range": None, "model_version": "m1"}
    return [ScoredListing(*pair, **said, suspicion=0.1) for pair in zip(listings, scores, strict=True)]


def put_in_force(engine: Engine, rules: ScreeningRules) -> Policy:
    """Rank by a policy with some rules of screening, and return it."""
    policy = load_policy().model_copy(update={"pictures": rules})
    rerank(engine, QueueOrder.VALUE, policy, now=NOON, actor="lea")
    return policy


def submit(engine: Engine, address: str, listing_id: str, now: datetime = NOON, **said: object) -> int | None:
    """Submit a listing with a picture, and return its case, if it is one."""
    fields = {"seller_id": f"s{listing_id}", "title": f"Thing {listing_id}", "price": 20.0, "currency": "EUR"}
    listing = Listing(listing_id, **fields | said, image_urls=address, observed_at=now)
    return take_in(engine, [Submission((listing,))], as_model(give_score), now)[listing_id].case_id


def screen(engine: Engine, folder: Path, now: datetime = NOON, **said: object) -> ScreeningTally:
    """Do the job once, and have what matched scored again."""
    tally = screen_due(engine, folder, HERE, HashIndex(), limits=LIMITS, **{"clock": lambda: now} | said)
    rescore_changed(engine, as_model(give_score), now)
    return tally


def read_states(engine: Engine) -> dict[str, str]:
    """Return the state of each screened picture, by its listing."""
    return dict(read_rows(engine, select(screened_pictures.c.listing_id, screened_pictures.c.state)))


def test_the_policy_names_each_listing_by_what_it_is(engine: Engine):
    """By price, brand, a new account or an unknown seller, and by a draw that is the same however often it comes."""
    put_in_force(engine, ScreeningRules(above_price=500, below_price=5, brands=("Acme",), new_seller_days=30))
    old = {"seller_age_days": 400.0}
    said = {
        "usual": old,
        "dear": old | {"price": 501.0},
        "cheap": old | {"price": 4.0},
        "acme": old | {"brand": "ACME"},
    }
    said |= {"gbp": old | {"price": 450.0, "currency": "GBP"}, "fresh": {"seller_age_days": 3.0}, "stranger": {}}
    said |= {"case": {"price": 999}}
    for listing_id, fields in said.items():
        submit(engine, "http://a.example/1", listing_id, **fields)
    assert set(read_states(engine)) == said.keys() - {"usual", "case"}
    submit(engine, "http://a.example/1", "again", NOON + timedelta(hours=1), seller_id="sstranger")
    assert "again" not in read_states(engine)
    policy = put_in_force(engine, ScreeningRules(share=0.4))
    names = [f"drawn {number}" for number in range(20)]
    for hours in range(2):
        for name in names:
            submit(engine, "http://a.example/1", name, NOON + timedelta(hours=hours))
    drawn = [key for key in read_scalars(engine, select(screened_pictures.c.listing_id)) if key.startswith("drawn")]
    assert sorted(drawn) == sorted(name for name in names if policy.draw_screened(name))


@pytest.mark.parametrize("seed", range(2))
def test_no_day_costs_more_than_its_budget_and_each_picture_is_hashed_once(seed, engine, host, tmp_path):
    """Over random arrivals, days and kills: no request beyond the budget, and without a kill one for each picture."""
    draw, now, n_killed, spent = random.Random(seed), NOON, 0, 0
    rules = {"requests_a_day": 9, "megabytes_a_day": 0.25, "wait_days": 60, "order": "oldest"}
    put_in_force(engine, ScreeningRules(share=1.0, **rules))
    host.hits.clear()
    for number in range(9):
        for _ in range(draw.choice((1, 2))):
            submit(engine, host.address(f"/{number}.jpg"), f"L{number}", now)
        moments, before = iter([now] * draw.choice((1, 2, 3, 99))), host.hits.total()

        def tick(moments=moments) -> datetime:
            for moment in moments:
                return moment
            raise Killed

        try:
            screen(engine, tmp_path, now, clock=tick)
        except BaseExceptionGroup:
            n_killed += 1
        spent += host.hits.total() - before
        state = ask(engine, read_screening, now)
        assert spent <= state.requests <= 9
        assert state.n_bytes <= 250_000
        if draw.random() < 0.5:
            now, spent = now + timedelta(days=1), 0
    for days in range(1, 9):
        screen(engine, tmp_path, now + timedelta(days=days))
    assert set(read_states(engine).values()) == {"hashed"}
    assert count(engine, screened_pictures) == count(engine, picture_groups) == len(host.hits) == 9
    assert n_killed > 0
    assert host.hits.total() - 9 <= 8 * n_killed


def test_a_match_makes_a_case_at_any_score_with_the_file_that_was_fetched(engine: Engine, host, tmp_path: Path):
    """Also where it was hashed before the counterfeit was known; of others no file stays, and a reversal ends it."""
    put_in_force(engine, ALL)
    host.hits.clear()
    early = submit(engine, host.address("/0.jpg"), "early")
    assert (early, screen(engine, tmp_path).hashed) == (None, 1)
    assert not list(tmp_path.glob("*/*"))
    first = submit(engine, host.address("/0-small.jpg"), "first", price=999)
    fetch_due(engine, tmp_path, HERE, clock=lambda: NOON)
    group_pictures(engine, tmp_path, HashIndex())
    judge(engine, first, Verdict.COUNTERFEIT, now=NOON)
    submit(engine, host.address("/0.jpg"), "late")
    submit(engine, host.address("/1.jpg"), "other")
    tally = screen(engine, tmp_path, NOON + timedelta(hours=1), since=NOON)
    assert (tally.hashed, tally.matched) == (2, 2)
    found = dict(read_rows(engine, select(cases.c.listing_id, cases.c.case_id)))
    assert found.keys() == {"first", "early", "late"}
    for name in ("early", "late"):
        case = ask(engine, get_case, found[name])
        assert case.scored.score == 0.02
    query = select(cases.c.relisting_of, cases.c.match_kind, cases.c.match_precision).where(cases.c.case_id != first)
    assert read_rows(engine, query) == [(first, "picture", 0.8)] * 2
    ((late,),) = ask(engine, read_pictures, [found["late"]]).values()
    assert (late.state, path_of(tmp_path, late.digest or "").exists()) == ("stored", True)
    assert host.hits == {"/0.jpg": 2, "/0-small.jpg": 1, "/1.jpg": 1}
    assert sweep_files(engine, tmp_path) == 0


def test_what_is_on_genuine_listings_too_matches_nothing(engine: Engine, host, tmp_path: Path):
    """As often as on counterfeits: it is the picture of a catalogue."""
    put_in_force(engine, ALL)
    for name, verdict in (("one", Verdict.COUNTERFEIT), ("two", Verdict.GENUINE)):
        case_id = submit(engine, host.address("/0.jpg"), name, price=999, title=f"{name} of its own kind")
        fetch_due(engine, tmp_path, HERE, clock=lambda: NOON)
        group_pictures(engine, tmp_path, HashIndex())
        judge(engine, case_id, verdict, now=NOON)
    submit(engine, host.address("/0.jpg"), "late")
    assert screen(engine, tmp_path).matched == 0


def test_what_the_budget_leaves_waiting_is_left_out_and_counted(engine: Engine, host, tmp_path: Path):
    """The dearest go first; what is gone, erased or a case by now is not fetched, a changed picture is."""
    put_in_force(engine, ScreeningRules(share=1.0, requests_a_day=4, wait_days=2))
    host.hits.clear()
    for number, price in ((1, 50.0), (2, 400.0), (3, 60.0), (4, 70.0)):
        submit(engine, host.address(f"/{number}.jpg"), f"L{number}", price=price)
    tally = screen(engine, tmp_path)
    assert (tally.hashed, tally.is_cut_off) == (1, True)
    assert host.hits == {"/2.jpg": 1}
    submit(engine, host.address("/3.jpg"), "L3", NOON + timedelta(hours=1), price=999)
    erase_sellers(engine, ["sL4"], why="request 7", by="lea")
    submit(engine, host.address("/5.jpg"), "L2", NOON + timedelta(hours=1), price=400.0)
    assert read_states(engine) == {"L1": "waiting", "L2": "waiting", "L3": "left"}
    assert screen(engine, tmp_path, NOON + timedelta(days=3)).left_out == 2
    state = ask(engine, read_screening, NOON + timedelta(days=3))
    assert (state.left_out, state.waiting) == (2, 0)
    assert host.hits == {"/2.jpg": 1}
