"""A simulated year: who sells and gives notice, what is listed, people at work on a real queue, and its account."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from support.consequences import COOPERATION
from support.transactions import ask, read_rows, read_scalars

from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.errors import Failed, UnusableSetting, UnwritableFile
from ipml.listings.brands import load_brands
from ipml.listings.schema import check_listings
from ipml.money import Money, Rates
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import decode
from ipml.review.queue import claim, count_cases, decide, decide_bulk, enqueue, list_cases, preview_bulk
from ipml.review.queue_metrics import time_reviews
from ipml.simulation.networks import NetworkedSellers, simulate_networks
from ipml.simulation.sellers import KIND_CODES
from ipml.simulation.year.account import count_takedowns, count_work
from ipml.simulation.year.handover import find_gangs
from ipml.simulation.year.people import (
    Appeals,
    ComplaintRates,
    Post,
    SimulatedStaff,
    Staff,
    Truth,
    look_after_notices,
    write_notice,
)
from ipml.simulation.year.population import FIRST_MORNING, N_WEEKS, Plan, recruit_population
from ipml.simulation.year.programme import Programme, choose_threshold
from ipml.simulation.year.run import DATABASE, Account, run_year
from ipml.simulation.year.weekly_scores import watching
from ipml.simulation.year.weeks import DrawnNotice, Holder, Week, draw_notices, name_holders, write_weeks
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading, writing
from ipml.storage.tables import appeal_outcomes, cases, decisions, measures, notices, notifier_steps, outbox
from ipml.storage.tables.columns import Moment


@settings(max_examples=4)
@given(st.integers(0, 1_000), st.sampled_from([1e-5, 4e-5]))
def test_listings_and_counterfeits_are_those_planned(seed, scale):
    """Whatever the seed and scale, sellers together hold the planned listings, and offenders all counterfeits."""
    plan = Plan(scale, seed)
    sellers = recruit_population(plan).sellers
    assert sellers["n_listings"].sum() == plan.n_listings
    assert sellers["n_fakes"].sum() == plan.n_fakes
    assert (sellers["n_fakes"] > 0).sum() == plan.n_offenders
    assert (sellers["n_fakes"] <= sellers["n_listings"]).all()


def test_accounts_of_networks_are_counterfeiters_who_begin_when_they_were_opened():
    """Members of networks offer counterfeits, and nothing of theirs was seen long before they joined."""
    plan = Plan(0.0001, 3)
    people = recruit_population(plan)
    members = people.sellers[people.sellers["network"] >= 0]
    assert members["network"].nunique() == plan.n_networks
    assert set(members["kind"]) == {KIND_CODES["counterfeiter"]}
    assert (members["n_fakes"] > 0).all()
    assert set(members["seller_id"]) <= set(people.attributes["seller_id"])
    assert (members["joined_day"] <= members["active_day"]).all()
    assert (members["active_day"] < members["left_day"]).all()


def test_there_are_as_many_networks_as_there_were_gangs():
    """From 1/1000 on as many as history gives, below that fewer."""
    assert [Plan(scale).n_networks for scale in (1.0, 0.01, 0.001, 0.0001)] == [43, 43, 43, 4]


def test_a_plan_that_cannot_be_simulated_is_refused():
    """A scale outside its bounds or a year without days is a setting that cannot be used."""
    for wrong in ({"scale": 0.0}, {"scale": 2.0}, {"scale": 0.1, "n_days": 0}, {"scale": np.nan}):
        with pytest.raises(UnusableSetting):
            Plan(**wrong)


def test_a_year_that_ended_yesterday_is_the_same_but_for_its_days():
    """Nothing in it is later than its last midnight; sellers are the same, and all that is seen is moved alike."""
    for n_days in (7, 365):
        plan = Plan(0.00004, n_days=n_days)
        moved = plan.ending_before(date(2031, 3, 4))
        assert moved.closed_at == datetime(2031, 3, 4, tzinfo=UTC)
        here, there = recruit_population(plan), recruit_population(moved)
        pd.testing.assert_frame_equal(here.sellers, there.sellers)
        assert (there.attributes["seen_at"] < moved.closed_at).all()
        assert (here.attributes["seen_at"] + moved.shift == there.attributes["seen_at"]).all()
    week = next(write_weeks(here.sellers, 0.5, 0, n_weeks=1))
    assert (week.moved(moved.shift).listings["observed_at"] - moved.shift == week.listings["observed_at"]).all()


PLAN = Plan(0.00001, seed=4)


@pytest.fixture(scope="module")
def sellers() -> pd.DataFrame:
    """Return the sellers of a small marketplace."""
    return recruit_population(PLAN).sellers


@pytest.fixture(scope="module")
def weeks(sellers) -> list[Week]:
    """Return the weeks of their year."""
    return list(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=N_WEEKS))


def test_the_weeks_together_hold_what_was_planned_for_each_seller(sellers, weeks):
    """Every seller's listings and counterfeits come in some week, once each, their ids following one another."""
    seller = np.concatenate([week.seller for week in weeks])
    truth = np.concatenate([week.is_counterfeit for week in weeks])
    assert np.array_equal(np.bincount(seller, minlength=len(sellers)), sellers["n_listings"])
    assert np.array_equal(np.bincount(seller[truth], minlength=len(sellers)), sellers["n_fakes"])
    ids = pd.concat([week.listings["listing_id"] for week in weeks]).tolist()
    assert ids == [f"listing-{number:07d}" for number in range(PLAN.n_listings)]


def test_listings_are_observed_in_their_week_by_the_seller_named(sellers, weeks):
    """A marketplace could send each week's listings: observed in its days, with the id of their seller."""
    for week in weeks[::4]:
        since = FIRST_MORNING + pd.Timedelta(days=7 * week.number)
        observed = week.listings["observed_at"]
        assert ((observed >= since - pd.Timedelta(seconds=2)) & (observed < since + pd.Timedelta(days=7))).all()
        assert (week.listings["listed_at"] <= observed).all()
        assert week.listings["seller_id"].tolist() == sellers["seller_id"].iloc[week.seller].tolist()
        assert len(check_listings(week.listings, "year")) == len(week.listings)


def test_the_same_seed_gives_the_same_weeks(sellers, weeks):
    """However many are asked for."""
    again = next(write_weeks(sellers, PLAN.difficulty, PLAN.seed, n_weeks=1))
    pd.testing.assert_frame_equal(again.listings, weeks[0].listings)


def test_what_is_known_of_sellers_only_grows(weeks):
    """Sales, complaints and listings of a seller are never fewer in a later week."""
    history = pd.concat([week.listings for week in weeks])
    for name in ("seller_sales", "seller_complaints", "seller_listings"):
        assert (history.groupby("seller_id")[name].diff().dropna() >= 0).all()


@pytest.fixture(scope="module")
def drawn() -> tuple[Week, np.ndarray]:
    """Return a week of a small marketplace, and the kinds of its sellers."""
    sellers = recruit_population(Plan(0.0002, seed=2)).sellers
    week = next(write_weeks(sellers, 0.5, 2, n_weeks=1))
    return week, sellers["kind"].to_numpy()[week.seller]


def notices_of(drawn: tuple[Week, np.ndarray], holders: list[Holder]) -> list[DrawnNotice]:
    """Draw the notices of a week of which the model found nothing."""
    week, kinds = drawn
    return draw_notices(week, np.zeros(len(kinds), dtype=bool), kinds, holders, np.random.default_rng(1))


def test_notices_are_of_the_kind_of_those_who_give_them(drawn):
    """After the week, rights holders note listings of their own brand, those in bad faith genuine competitors."""
    week, _ = drawn
    brands = [brand.name for brand in load_brands()]
    notices = notices_of(drawn, name_holders(load_brands(), 2))
    assert {one.kind for one in notices} >= {"holder", "bad faith"}
    for one in notices:
        assert one.at >= FIRST_MORNING + np.timedelta64(7, "D")
        if one.kind == "holder":
            assert {brands[week.brand[row]] for row in one.rows} == {one.brand}
        if one.kind == "bad faith":
            assert not week.is_counterfeit[list(one.rows)].any()


def test_the_more_diligent_note_more_and_who_never_errs_notes_no_genuine_listing(drawn):
    """A rights holder who finds all and errs in nothing notes exactly the counterfeits that the model missed."""
    week, _ = drawn
    notices = notices_of(drawn, [Holder(brand.name, 1.0, 1.0) for brand in load_brands()])
    rows = sorted(row for one in notices if one.kind == "holder" for row in one.rows)
    assert rows == np.flatnonzero(week.is_counterfeit).tolist()
    idle = notices_of(drawn, [Holder(brand.name, 0.0, 1.0) for brand in load_brands()])
    assert not [one for one in idle if one.kind == "holder"]


START = datetime(2026, 5, 1, tzinfo=UTC)
RULES = {"is_on": True, "brands": ["Acme"], "promise": 0.6, "thresholds": [0.9], "least_reviews": 5, "vouching": 0}


def live(engine: Engine, n_days: int, staff: Staff, policy: EnforcementPolicy) -> tuple[int, Truth]:
    """Let eight suspicious listings come in a day, one in ten of them genuine; return how many people decided."""
    rng, decided = np.random.default_rng(3), 0
    people = SimulatedStaff(engine, policy, staff=staff, consequences=Enforcement(policy))
    programme = Programme(people, ComplaintRates(wronged=1.0, delay_days=1.0))
    for day in range(n_days):
        names = [f"listing-{8 * day + number:07d}" for number in range(8)]
        people.truth.add(rng.random(8) > 0.1)
        listings = [Listing(name, f"s{name}", "Bag", brand="Acme", price=9.0) for name in names]
        arrived = [ScoredListing(one, 0.95, None, (), (), None, "m1") for one in listings]
        decided += programme.live_day(START + timedelta(days=day), arrived, rng)
    return decided, people.truth


@pytest.mark.slow
def test_every_listing_is_accounted_for(engine: Engine):
    """What came in was reviewed, acted on, or is still open; who was wronged and complained was heard."""
    policy = EnforcementPolicy.model_validate(load_enforcement_policy().model_dump() | {"automatic": RULES})
    decided, truth = live(engine, 15, Staff(most_reviewers=1, reviews_a_day=6), policy)
    with reading(engine) as connection:
        counted = count_cases(connection)
        rows = connection.execute(select(decisions.c.listing_id, decisions.c.origin)).all()
        outcomes = connection.scalars(select(appeal_outcomes.c.outcome)).all()
        assert verify(connection).is_intact
    automatic = [row.listing_id for row in rows if row.origin == "policy"]
    assert automatic
    assert "granted" in outcomes
    assert sum(counted.values()) == len(truth) == 8 * 15
    assert counted["decided"] == len(automatic) + decided


def test_who_errs_in_nothing_wrongs_nobody(engine: Engine):
    """Without errors of people and without a policy, nothing genuine is taken down, and no more than people can do."""
    staff = Staff(most_reviewers=1, reviews_a_day=7, missed=0.0, wronged=0.0)
    decided, truth = live(engine, 2, staff, load_enforcement_policy())
    rows = read_rows(engine, select(decisions.c.listing_id, decisions.c.verdict, decisions.c.origin))
    assert decided == len(rows) == 14
    assert all((row.verdict == Verdict.COUNTERFEIT) == truth.is_fake(row.listing_id) for row in rows)
    assert "policy" not in {row.origin for row in rows}


SCORED = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10_000)), min_size=2, max_size=40, unique_by=lambda one: one[1]
)


@given(SCORED, st.floats(0.1, 1.0))
def test_no_lower_threshold_is_precise_enough(scored, precision):
    """What lies above the threshold is as precise as asked, and with any lower one it would not be."""
    y, scores = (np.array(part) for part in zip(*scored, strict=True))
    scores = scores / 10_000
    threshold, recall = choose_threshold(y, scores, precision)
    is_enough = [y[scores >= one].mean() >= precision for one in np.sort(scores)]
    if any(is_enough):
        assert threshold == np.sort(scores)[is_enough.index(True)]
        assert recall == y[scores >= threshold].sum() / max(y.sum(), 1)


NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)
MONDAY = datetime(2025, 7, 7, 9, tzinfo=UTC)
POLICY = load_cooperation_policy()
BAGS = {row: ScoredListing(Listing(f"A{row}", "s1", "Bag"), 0.1, None, (), (), None, "m1") for row in range(3)}


def test_a_case_takes_its_time(engine: Engine, make_scored: Callable[..., ScoredListing]) -> None:
    """From opening a case to its verdict passes what the staff takes for it."""
    enqueue(engine, [make_scored("listing-0000000")], now=NOON)
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana", now=NOON), Verdict.ESCALATE, now=NOON)
    people = SimulatedStaff(engine, load_enforcement_policy(), staff=Staff(time_a_case=timedelta(minutes=4)))
    people.truth.add(np.array([True]))
    assert people.decide_escalated(NOON + timedelta(hours=1), np.random.default_rng(0)) == 1
    assert 240.0 in [review.half for review in ask(engine, time_reviews)]


@pytest.mark.parametrize(("decider", "hears"), [("ana", "lea"), ("lea", "leo")])
def test_another_lead_hears_what_the_lead_decided(engine: Engine, make_scored, decider: str, hears: str):
    """The lead hears what reviewers decided; of what the lead decided themselves, another hears."""
    rng, consequences = np.random.default_rng(0), Enforcement(load_enforcement_policy())
    enqueue(engine, [make_scored("listing-0000000", 0.9)], now=NOON)
    with writing(engine) as connection:
        case, options = claim(connection, decider, now=NOON), {"now": NOON, "consequences": consequences}
        decide(connection, case, Verdict.COUNTERFEIT, ground="declared_replica", **options)
    people = SimulatedStaff(engine, load_enforcement_policy(), consequences=consequences)
    people.truth.add(np.array([False]))
    appeals = Appeals(people, ComplaintRates(wronged=1.0))
    appeals.think_of_complaining(rng)
    appeals.hear(NOON + timedelta(days=60), rng)
    assert read_scalars(engine, select(appeal_outcomes.c.decided_by)) == [hears]


def test_a_notice_is_given_once_and_not_before_its_time(engine):
    """Its listings come into the queue with it, whatever the model made of them."""
    post = Post(engine, POLICY)
    late = DrawnNotice("buyer", "buyer-1", None, MONDAY + timedelta(days=3), (2,))
    post.add([late, DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0, 1))], BAGS)
    given = []
    for moment in (MONDAY - timedelta(hours=1), MONDAY, MONDAY + timedelta(days=1), late.at):
        post.deliver(moment)
        received = read_scalars(engine, select(notices.c.received_at).order_by(notices.c.notice_id))
        given.append((list(received), ask(engine, count_cases)["open"]))
    assert given == [([], 0), ([MONDAY], 2), ([MONDAY], 2), ([MONDAY, late.at], 3)]


def test_each_kind_of_notifier_writes_what_it_has_to():
    """A rights holder names the right, a buyer the order."""
    holder = write_notice(DrawnNotice("holder", "holder-01", "Acme", MONDAY, (0,)), ["A0"], MONDAY)
    buyer = write_notice(DrawnNotice("buyer", "buyer-1", None, MONDAY, (0,)), ["A0"], MONDAY)
    assert (holder["brand"], "Acme" in holder["rights"]) == ("Acme", True)
    assert (buyer["kind"], buyer["order"], "brand" in buyer) == ("complaint", {"order_id": "A0"}, False)


def send_in_vain(engine, first: int, now: datetime) -> None:
    """Let the rival note forty good listings, and people find all of them genuine."""
    ids = [f"A{first + number}" for number in range(40)]
    bags = [ScoredListing(Listing(name, f"s{name}", "Bag"), 0.01, -4.6, (), (), None, "m1") for name in ids]
    post = Post(engine, POLICY)
    post.add([DrawnNotice("bad faith", "rival", None, now, tuple(range(40)))], dict(enumerate(bags)))
    post.deliver(now)
    later = now + timedelta(hours=2)
    with writing(engine) as connection:
        numbers = [case.case_id for case in list_cases(connection, limit=200, now=later)]
        token = preview_bulk(connection, numbers, "ana", Verdict.GENUINE, now=later).digest
        decide_bulk(connection, numbers, "ana", Verdict.GENUINE, token=token, now=later, consequences=COOPERATION)


def test_who_misuses_notices_is_warned_and_then_suspended(engine):
    """Not before the lead looked, and suspended only where it went on after the warning."""
    send_in_vain(engine, 0, MONDAY)
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(hours=9)) == 1
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=8)) == 0
    send_in_vain(engine, 100, MONDAY + timedelta(days=8))
    assert look_after_notices(engine, POLICY, "lead", MONDAY + timedelta(days=9)) == 1
    with reading(engine) as connection:
        steps = select(notifier_steps.c.kind).order_by(notifier_steps.c.step_id)
        assert list(connection.scalars(steps)) == ["warn", "suspend"]


YEAR = Plan(0.0001, seed=1, n_days=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of the year."""
    return tmp_path_factory.mktemp("home") / "year"


@pytest.fixture(scope="module")
def account(folder) -> Account:
    """The account of a week."""
    return run_year(YEAR, folder, learn_from=8_000)


@pytest.fixture(scope="module")
def engine(folder, account):
    """The database of the year."""
    return open_database(f"sqlite:///{folder / DATABASE}", create=False)


@pytest.mark.slow
def test_every_figure_adds_up_from_the_database(engine, account):
    """Counterfeits are taken down, or not; cases are decided, or wait; and each figure is what its rows say."""
    truth, shown = account.lived.truth, {one.name: one.simulated for one in account.figures}
    with reading(engine) as connection:
        taken, work = count_takedowns(connection, truth), count_work(connection, truth)
        listings = select(decisions.c.listing_id).join(measures, measures.c.decision_id == decisions.c.decision_id)
        down = set(connection.scalars(listings))
        states = dict(connection.execute(select(cases.c.state, func.count()).group_by(cases.c.state)).all())
        n_notices = connection.scalar(select(func.count()).select_from(notices))
    assert taken.right == sum(map(truth.is_fake, down)) > 0
    assert taken.wrong == len(down) - taken.right
    assert shown["infringing listings handled"] == f"{taken.right:,}"
    assert shown["counterfeit and never taken down"] == f"{truth.n_fakes - taken.right:,}"
    assert shown["WRONGFUL TAKEDOWNS: listings"] == f"{taken.wrong:,}"
    assert shown["notices"] == f"{n_notices:,}"
    assert work.decided + work.waiting == sum(states.values())
    assert work.waiting == 0


@pytest.mark.slow
def test_the_trail_is_whole_and_every_case_says_why_it_was_flagged(engine, folder, account):
    """A case shows as much as one that `ipml score` explained, and the files of the weeks are gone."""
    with reading(engine) as connection:
        found = [decode(snapshot) for snapshot in connection.scalars(select(cases.c.snapshot))]
        assert verify(connection).is_intact
    assert found
    assert all(one.reasons and one.base_rate is not None for one in found)
    assert any(one.price_range for one in found)
    assert not list(folder.glob("week-*"))
    assert (folder / "transparency" / "report.html").exists()


@pytest.mark.slow
def test_all_that_was_decided_has_reached_the_platform(engine, account):
    """No message is dead, what waits is not due yet, and the platform has done all it was told."""
    with reading(engine) as connection:
        states = set(connection.scalars(select(outbox.c.state)))
        assert connection.scalar(select(func.count()).where(measures.c.done_at.is_(None))) == 0
    assert states <= {"delivered", "waiting"}


@pytest.mark.slow
def test_nothing_of_the_year_lies_after_its_end(engine, account):
    """Whatever is kept was done by then; deadlines and ends alone are later."""
    to_come = {"until", "due_at", "latest_at", "expires_at", "lease_expires_at", "next_try_at", "wanted_at"}
    moments = [
        column
        for table in cases.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Moment) and column.name not in to_come
    ]
    with reading(engine) as connection:
        last = {str(column): connection.scalar(select(func.max(column))) for column in moments}
    assert {name: moment for name, moment in last.items() if moment and moment > YEAR.closed_at} == {}


@pytest.mark.slow
def test_a_second_year_in_the_same_folder_is_refused(folder, account):
    """The database of the first is not touched."""
    with pytest.raises(UnwritableFile, match="a year is there already"):
        run_year(YEAR, folder)


@pytest.mark.slow
def test_what_goes_wrong_in_the_other_process_is_told(tmp_path):
    """A model that is none ends the year with a word on why."""
    with pytest.raises(Failed, match="no-model"), watching(YEAR, tmp_path, tmp_path / "no-model", 0.5) as weeks:
        next(weeks)


RATES = Rates("EUR", {})


@pytest.fixture(scope="module")
def planted() -> NetworkedSellers:
    """Return sellers with three networks among them."""
    return simulate_networks(5, n_sellers=1_500, n_networks=3)


@pytest.fixture(scope="module")
def planted_folder(tmp_path_factory, planted) -> Path:
    """Return a folder with what is seen of them, as the year writes it."""
    planted_folder = tmp_path_factory.mktemp("year")
    planted.attributes.to_parquet(planted_folder / "attributes.parquet", index=False)
    planted.listings.to_parquet(planted_folder / "sales.parquet", index=False)
    truth = pd.DataFrame({"seller_id": planted.truth["seller_id"], "network": planted.truth["network"] - 1})
    truth.to_parquet(planted_folder / "networks-truth.parquet", index=False)
    return planted_folder


def test_networks_with_counterfeiters_are_found(planted_folder, planted):
    """Where all members of the planted networks had listings taken down, these are found, and no honest firm is."""
    struck = dict.fromkeys(planted.truth.loc[planted.truth["network"] > 0, "seller_id"], 3)
    _, gangs = find_gangs(planted_folder, struck, RATES)
    assert gangs.planted == 3
    assert 1 <= gangs.found <= 4
    assert gangs.precision > 0.9
    assert gangs.value_low <= gangs.value <= gangs.value_high


def test_without_takedowns_there_is_no_case_for_the_police(planted_folder):
    """However much sellers share: firms share as much."""
    _, gangs = find_gangs(planted_folder, {}, RATES)
    assert (gangs.found, gangs.members, gangs.value, gangs.f1) == (0, 0, Money(0.0, "EUR"), 0.0)
