"""A simulated year on the real programme, from nothing to its account."""

from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import func, select

from ipml.errors import Failed, UnwritableFile
from ipml.money import Money
from ipml.review.arrivals.snapshot import decode
from ipml.settings import DEFAULT_SETTINGS
from ipml.simulation.networks import NetworkedSellers, simulate_networks
from ipml.simulation.year.account import count_takedowns, count_work
from ipml.simulation.year.handover import find_gangs
from ipml.simulation.year.population import Plan
from ipml.simulation.year.run import DATABASE, Account, run_year
from ipml.simulation.year.weekly_scores import watching
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import open_database, reading
from ipml.storage.tables import cases, decisions, measures, notices, outbox, referrals
from ipml.storage.tables.columns import Moment

PLAN = Plan(0.0001, seed=1, n_days=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The folder of the year."""
    return tmp_path_factory.mktemp("home") / "year"


@pytest.fixture(scope="module")
def account(folder) -> Account:
    """The account of a week."""
    return run_year(PLAN, folder, DEFAULT_SETTINGS, learn_from=8_000)


@pytest.fixture(scope="module")
def year(folder, account):
    """The database of the year."""
    return open_database(f"sqlite:///{folder / DATABASE}", create=False)


@pytest.mark.slow
def test_every_figure_adds_up_from_the_database(year, account):
    """Counterfeits are taken down, or not; cases are decided, or wait; and each figure is what its rows say."""
    truth, shown = account.result.truth, {one.name: one.simulated for one in account.figures}
    with reading(year) as connection:
        taken, work = count_takedowns(connection, truth), count_work(connection, truth)
        listings = select(decisions.c.listing_id).join(measures, measures.c.decision_id == decisions.c.decision_id)
        down = set(connection.scalars(listings))
        states = dict(connection.execute(select(cases.c.state, func.count()).group_by(cases.c.state)).all())
        n_notices = connection.scalar(select(func.count()).select_from(notices))
        sold = connection.scalar(select(func.sum(referrals.c.value)))
    assert taken.right == sum(map(truth.is_fake, down)) > 0
    assert taken.wrong == len(down) - taken.right
    assert shown["infringing listings handled"] == f"{taken.right:,}"
    assert shown["counterfeit and never taken down"] == f"{truth.n_fakes - taken.right:,}"
    assert shown["WRONGFUL TAKEDOWNS: listings"] == f"{taken.wrong:,}"
    assert shown["notices"] == f"{n_notices:,}"
    assert shown["value of what they sold"] == ("not known" if sold is None else f"{sold:,.0f} EUR")
    assert work.decided + work.waiting == sum(states.values())
    assert work.waiting == 0


@pytest.mark.slow
def test_the_trail_is_whole_and_every_case_says_why_it_was_flagged(year, folder, account):
    """A case shows as much as one that `ipml score` explained, and the files of the weeks are gone."""
    with reading(year) as connection:
        found = [decode(snapshot) for snapshot in connection.scalars(select(cases.c.snapshot))]
        assert verify(connection).is_intact
    assert found
    assert all(one.reasons and one.base_rate is not None for one in found)
    assert any(one.price_range for one in found)
    assert not list(folder.glob("week-*"))
    assert (folder / "transparency" / "report.html").exists()


@pytest.mark.slow
def test_all_that_was_decided_has_reached_the_platform(year, account):
    """No message is dead, what waits is not due yet, and the platform has done all it was told."""
    with reading(year) as connection:
        states = set(connection.scalars(select(outbox.c.state)))
        assert connection.scalar(select(func.count()).where(measures.c.done_at.is_(None))) == 0
    assert states <= {"delivered", "waiting"}


@pytest.mark.slow
def test_nothing_of_the_year_lies_after_its_end(year, account):
    """Whatever is kept was done by then; deadlines and ends alone are later."""
    to_come = {"until", "due_at", "latest_at", "expires_at", "lease_expires_at", "next_try_at", "wanted_at"}
    moments = [
        column
        for table in cases.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, Moment) and column.name not in to_come
    ]
    with reading(year) as connection:
        last = {str(column): connection.scalar(select(func.max(column))) for column in moments}
    assert {name: moment for name, moment in last.items() if moment and moment > PLAN.closed_at} == {}


@pytest.mark.slow
def test_a_second_year_in_the_same_folder_is_refused(folder, account):
    """The database of the first is not touched."""
    with pytest.raises(UnwritableFile, match="a year is there already"):
        run_year(PLAN, folder, DEFAULT_SETTINGS)


@pytest.mark.slow
def test_what_goes_wrong_in_the_other_process_is_told(tmp_path):
    """A model that is none ends the year with a word on why."""
    settings = DEFAULT_SETTINGS.model_copy(update={"model": str(tmp_path / "no-model")})
    with pytest.raises(Failed, match="no-model"), watching(PLAN, tmp_path, settings, 0.5) as weeks:
        next(weeks)


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


def test_networks_with_counterfeiters_are_found(engine, planted_folder, planted):
    """Networks whose members had listings taken down are found, no honest firm is, and without takedowns none is."""
    struck = dict.fromkeys(planted.truth.loc[planted.truth["network"] > 0, "seller_id"], 3)
    with reading(engine) as connection:
        _, gangs = find_gangs(connection, planted_folder, struck)
        _, none = find_gangs(connection, planted_folder, {})
    assert gangs.planted == 3
    assert 1 <= gangs.found <= 4
    assert gangs.precision > 0.9
    assert gangs.value_low <= gangs.value <= gangs.value_high
    assert (none.found, none.members, none.value, none.f1) == (0, 0, Money(0.0, "EUR"), 0.0)
