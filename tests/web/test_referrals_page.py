"""The desk from which networks are handed over: what is worth it, the package, the receipt, and what became of it."""

import io
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from support.browser import CHEAP, PASSWORD
from support.databases import copy_sqlite
from support.transactions import act, ask

from experiments.cooperation.referral_market import ReferralMarket, fill_market
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.referrals.ranking import list_handed_out
from ipml.settings import Settings
from ipml.storage.database import open_database, reading
from ipml.storage.tables import audit
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user
from ipml.web.app import make_app

pytestmark = pytest.mark.slow

POLICE, HOSTILE = {"recipient": "police-criminal"}, "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReferralMarket, Path]:
    """Fill a database with listings of two networks, most of them decided, and keep the networks in a folder."""
    folder = tmp_path_factory.mktemp("referrals")
    market = fill_market(open_database(copy_sqlite(folder)), n_networks=2, most_members=6)
    act(market.engine, add_user, "lea", PASSWORD, Role.LEAD, CHEAP)
    market.engine.dispose()
    store_networks(market.networks, folder / "networks")
    return market, folder


@pytest.fixture
def engine(filled: tuple[ReferralMarket, Path], tmp_path: Path) -> Iterator[Engine]:
    """Give a copy of that database."""
    shutil.copyfile(filled[1] / "ipml.db", tmp_path / "copy.db")
    engine = open_database(f"sqlite:///{tmp_path / 'copy.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def app(engine: Engine, filled: tuple[ReferralMarket, Path]) -> FastAPI:
    """Return the application with the folder of networks."""
    return make_app(engine, Settings(networks=filled[1] / "networks"), cost=CHEAP)


def show_ranking(lead: TestClient) -> str:
    """Return the page once the networks are ranked."""
    while "The networks are being ranked" in (page := lead.get("/referrals").text):
        pass
    return page


def test_networks_stand_by_worth_with_its_parts(lead: TestClient, filled: tuple[ReferralMarket, Path]) -> None:
    """Value with its interval, solvability with its interval and signs, effort; the most worth an hour first."""
    page = show_ranking(lead)
    assert sorted(map(int, re.findall(r'<tr id="network-(\d+)"', page))) == sorted(filled[0].numbers)
    assert re.search(r'data-label="Value sold">[\d,]+ EUR to [\d,]+ EUR', page)
    assert re.search(r"<b>\d+ %</b> <span class=\"quiet\">\(\d+ to \d+ %\)", page)
    worths = [int(found.replace(",", "")) for found in re.findall(r"<b>([\d,]+) EUR</b></td>", page)]
    assert len(worths) == len(filled[0].numbers)
    assert worths == sorted(worths, reverse=True)
    assert "One country" in page
    number = filled[0].numbers[0]
    for asked, numbers in (
        ({"sort": "network"}, sorted(filled[0].numbers)),
        ({"sort": "-network"}, sorted(filled[0].numbers, reverse=True)),
        ({"words": f"network {number}"}, [number]),
    ):
        found = re.findall(r'<tr id="network-(\d+)"', lead.get("/referrals", params=asked).text)
        assert [int(one) for one in found] == numbers
    assert lead.get("/referrals", params={"sort": "colour"}).status_code == 400


def test_nobody_waits_for_the_ranking(lead: TestClient, app: FastAPI) -> None:
    """While it is being worked out the page says so, with all else on it; then it shows it."""
    may_end = Event()
    app.state.candidates.prepare(lambda: may_end.wait() and None)
    assert "The networks are being ranked" in lead.get("/referrals").text
    assert "Nothing was handed over yet." in lead.get("/referrals?show=handed").text
    may_end.set()


def test_a_referral_is_built_downloaded_and_followed(lead, filled, engine):
    """The package is whole, of whom it tells is noted in the lead's name, who signed for it, what came of it."""
    number = filled[0].numbers[0]
    answer = lead.post(f"/networks/{number}/referral", data=POLICE)
    assert answer.headers["content-type"] == "application/zip"
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert any(name.endswith("data/summary.html") for name in names)
    with reading(engine) as connection:
        (handed,) = list_handed_out(connection)
        audit_events = connection.execute(
            select(audit.c.actor, audit.c.action).where(audit.c.subject == handed.referral.subject)
        )
        assert ("lea", "disclosed referral") in [tuple(audit_event) for audit_event in audit_events]
    assert handed.referral.reference in answer.headers["content-disposition"]
    assert '<span class="state built">' in lead.get("/referrals?show=handed").text
    assert lead.post("/referrals/1/receipt", data={"received_by": "KHK Weber"}).status_code == 303
    assert '<span class="state received">' in lead.get("/referrals?show=handed").text
    assert lead.post("/referrals/1/outcome", data={"kind": "arrests", "amount": "4"}).status_code == 303
    page = lead.get("/referrals?show=handed").text
    assert '<span class="state arrests">' in page
    assert "by <bdi>KHK Weber</bdi>" in page


def test_what_cannot_be_done_is_said_and_does_nothing(lead: TestClient, filled: tuple, engine: Engine):
    """A rights holder without a brand, the same again, a second receipt, an outcome that says nothing."""
    path = f"/networks/{filled[0].numbers[0]}/referral"
    said = ({"recipient": "rights-holder"}, {"recipient": "rights-holder", "brand": HOSTILE}, {"recipient": "nobody"})
    refused = [lead.post(path, data=one) for one in said]
    assert lead.post(path, data=POLICE).status_code == 200
    refused.append(lead.post(path, data=POLICE))
    for outcome in ({"kind": "arrests", "amount": "few"}, {"kind": "dropped", "why": "just so"}):
        refused.append(lead.post("/referrals/1/outcome", data=outcome))
    for answer in refused:
        assert (answer.status_code, 'role="alert"' in answer.text, HOSTILE in answer.text) == (409, True, False)
    assert lead.post("/referrals/9/receipt", data={"received_by": "x"}).status_code == 404
    assert lead.post("/referrals/1/outcome", data={"kind": "won"}).status_code == 400
    assert [one.state for one in ask(engine, list_handed_out)] == ["built"]
