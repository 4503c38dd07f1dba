"""`ipml cooperate` and `ipml report`: notices, notifiers, networks, referrals, and reports, from the command line."""

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine
from support.databases import copy_sqlite
from support.given_notices import NOON, SAID, offer
from support.notice_desk import Desk
from support.staff import add_staff

from experiments.cooperation.referral_market import ReferralMarket, fill_market
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.notices.status import get_notice_file
from ipml.cooperation.notifiers.notifier import list_notifiers
from ipml.records import Listing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.storage.database import open_database, reading

HEAD = "notice,name,email,good_faith,brand,rights,explanation,listing_id\n"
ROW = "Ann,ann@acme.test,true,Acme,EUTM 1,We sell no bags in this colour at all and the logo is printed backwards.,"
TABLE = f"{HEAD}n1,{ROW}L1\nn1,{ROW}L2\nn2,{ROW}L3\n"
WRONG = ("import n.txt", "import n.csv", "import b.jsonl")


@pytest.fixture
def queue(make_queue) -> Engine:
    """Return the database of the test's own folder, with one case."""
    engine = make_queue()
    enqueue(engine, [offer("L1")], now=NOON)
    return engine


def test_a_table_is_taken_in_once(ipml, queue: Engine, tmp_path):
    """A row for each listing; the same file again is known; each notice names its listings."""
    (tmp_path / "n.csv").write_text(TABLE, encoding="utf-8")
    taken = ipml("cooperate notice import n.csv")
    assert taken.out == "2 notices taken in, 0 known before, 0 refused.\n", taken.err
    assert ipml("cooperate notice import n.csv").out == "0 notices taken in, 2 known before, 0 refused.\n"
    with reading(queue) as connection:
        file = get_notice_file(connection, 1)
    assert (file.row.brand, [one.location for one in file.receipt.listings]) == ("Acme", ["L1", "L2"])
    assert file.explanation == "We sell no bags in this colour at all and the logo is printed backwards."


def test_bad_rows_are_named_and_the_good_ones_taken_when_told_so(ipml, accepted, queue, tmp_path):
    """First nothing is taken; with --partial the others are; unknown notices, states and files are refused."""
    bad = [json.dumps(SAID | {"email": "x\x1b[2J"}), "{", json.dumps(SAID | {"listings": [{"url": "ftp://x"}]})]
    (tmp_path / "n.jsonl").write_text("\n".join([json.dumps(SAID), *bad, ""]), encoding="utf-8")
    refused = ipml("cooperate notice import n.jsonl")
    assert (refused.exit_code, refused.out) == (1, "")
    for place in ("row 2, email: found 'x", "row 3: found", "row 4, listings[0].url: found 'ftp://x'"):
        assert place in refused.err
    assert "\x1b" not in refused.err
    partly = ipml("cooperate notice import n.jsonl --partial")
    assert (partly.exit_code, partly.out) == (1, "1 notices taken in, 0 known before, 3 refused.\n")
    (tmp_path / "n.csv").write_text(f"{TABLE}n3,{ROW}L4,more\nn1,{ROW}L5\n", encoding="utf-8")
    refused = ipml("cooperate notice import n.csv")
    assert "row 4: found 'more or fewer cells'" in refused.err
    assert "row 5, notice: found 'n1', expected all rows of a notice together" in refused.err
    (tmp_path / "n.txt").write_text("x")
    (tmp_path / "n.csv").write_text("colour\nred\n")
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    assert accepted({f"cooperate notice {line}": "" for line in WRONG}) == {}


def test_complaints_are_written_as_seller_events(ipml, queue, tmp_path):
    """As seller history reads them."""
    complaint = SAID | {"kind": "complaint", "brand": None, "rights": None}
    (tmp_path / "c.jsonl").write_text(json.dumps(complaint), encoding="utf-8")
    assert "1 notices taken in" in ipml("cooperate notice import c.jsonl").out
    written = ipml("data seller-events --out c.parquet")
    assert written.out == "1 events into c.parquet.\n", written.err
    events = pd.read_parquet(tmp_path / "c.parquet")
    assert events[["seller_id", "kind", "amount"]].to_numpy().tolist() == [["s1", "complained", 1.0]]


# `ipml cooperate notifier`: who gives notice, from the command line
@pytest.fixture
def desk(ipml, engine, database_url, make_scored, monkeypatch) -> Desk:
    """Return a desk of today at which a notifier was right once."""
    monkeypatch.setenv("IPML_DATABASE", database_url)
    add_staff(engine)
    desk = Desk(engine, make_scored, datetime.now(UTC) - timedelta(hours=1))
    desk.give_notice([desk.add_case("L1", country="CN")])
    desk.decide(1, Verdict.COUNTERFEIT)
    return desk


def test_a_notifier_is_erased_for_good(ipml, desk: Desk):
    """By address or number; the second time nobody of that address is known."""
    assert ipml("cooperate notifier erase brand@example.com --yes").out.endswith("Notifier 1 is erased.\n")
    assert ipml("cooperate notifier erase brand@example.com --yes").is_refusal()


def test_a_lead_appoints_whom_others_gave_a_status(ipml, desk: Desk):
    """By address, also before the first notice; without a ground or an address nobody is appointed."""
    ground = ("--ground", "Coordinator of Ireland\x1b[2J, no. 12")
    made = ipml("cooperate notifier appoint flags@ngo.test --until 2199-12-31", *ground)
    assert made.out.startswith("Notifier 2 is trusted flagger until 2199-12-31: tier trusted,")
    assert ipml("cooperate notifier appoint brand@example.com --kind authority", *ground).exit_code == 0
    with reading(desk.engine) as connection:
        assert [one.kind for one in list_notifiers(connection)] == ["authority", "trusted flagger"]
    assert ipml("cooperate notifier appoint 2").exit_code == 2
    assert ipml("cooperate notifier appoint nobody", *ground).exit_code == 2


# `ipml cooperate network`: from raw values to a network that can be read
MOMENT = pd.Timestamp("2026-03-01", tz="UTC")


def test_networks_are_found_added_to_and_shown(ipml, tmp_path, monkeypatch):
    """A payout joins two sellers, however it is written; a third comes the day after; sales bear a currency."""
    assert "ipml cooperate network find" in ipml("cooperate network show 1 --networks nowhere").err
    assert ipml("cooperate network find nowhere.parquet").exit_code == 2
    monkeypatch.setenv("IPML_NETWORKS", "nets")
    raw = pd.DataFrame({"seller_id": ["ann", "ben"], "kind": "payout", "value": ["DE 12", "de12"], "seen_at": MOMENT})
    raw.to_parquet("raw.parquet")
    raw.tail(1).assign(seller_id="cid", seen_at=MOMENT + pd.Timedelta(days=1)).to_parquet("next.parquet")
    (tmp_path / "key").write_bytes(b"a key of many bytes")
    for day in ("raw", "next"):
        assert ipml(f"cooperate network hash {day}.parquet --out {day}-hashed.parquet --key key").exit_code == 0
    assert "2 of them in 1 networks" in ipml("cooperate network find raw-hashed.parquet --out nets").out
    assert "New in network 1: cid" in ipml("cooperate network find next-hashed.parquet").out
    assert "3" in ipml("cooperate network show --top 3").out
    sales = pd.DataFrame({"seller_id": ["ann", "ben", "cid"], "units": [3.0, None, 1.0], "value": [30.0, None, 9.0]})
    show = "cooperate network show 1 --networks nets --sales sales.parquet"
    sales.to_parquet("sales.parquet")
    assert "currency" in ipml(show).err
    sales.assign(currency=["RUB", None, None]).to_parquet("sales.parquet")
    assert "without a currency" in ipml(show).err
    sales.assign(currency=["RUB", None, "XAU"]).to_parquet("sales.parquet")
    shown = ipml(show).out
    for said in ("Network 1: 3 sellers", "the same payout account", "from 2 of 3 listings", "from 1 of 3 listings"):
        assert said in shown
    assert "1 listings in XAU: not counted: no rate" in shown


# `ipml cooperate referral`: from a folder of networks to a package
@pytest.fixture(scope="module")
def filled(tmp_path_factory) -> tuple[Path, ReferralMarket]:
    """Fill a database and a folder of networks once."""
    folder = tmp_path_factory.mktemp("referrals")
    market = fill_market(open_database(copy_sqlite(folder)), n_networks=2, most_members=5)
    add_staff(market.engine)
    market.engine.dispose()
    store_networks(market.networks, folder / "networks")
    return folder, market


@pytest.fixture
def market(filled, ipml, tmp_path, monkeypatch) -> ReferralMarket:
    """Put a copy of both into the folder of the test."""
    folder, market = filled
    shutil.copyfile(folder / "ipml.db", tmp_path / "ipml.db")
    shutil.copytree(folder / "networks", tmp_path / "networks")
    monkeypatch.setenv("IPML_ANCHORS", str(tmp_path / "anchors"))
    return market


def test_a_referral_is_ranked_built_and_verified(ipml, market, tmp_path):
    """The whole way, as somebody would go it."""
    number = market.numbers[0]
    assert "learnt from 0 outcomes" in ipml("cooperate referral rank").out
    built = ipml("cooperate referral build", number, "--out", "referral.zip", "--zip")
    assert built.exit_code == 0, built.err
    assert "Referral 1 (C-" in built.out
    assert "are on hold for it" in built.out
    assert "The package is whole." in ipml("evidence verify referral.zip --anchor anchors").out
    assert "nothing is new since referral C-" in ipml("cooperate referral build", number, "--out", "again").err


def test_a_seller_s_file_says_to_whom_they_were_named(ipml, market, tmp_path):
    """With the mark where they may not hear of it; erasing is refused while it is held; a changed file is found."""
    ipml("cooperate referral build", market.numbers[0], "--out", "police")
    ipml("cooperate referral build", market.numbers[0], "--out", "customs", "--recipient", "customs")
    with (tmp_path / "police/data/members.csv").open(encoding="utf-8") as stream:
        seller = next(row["seller_id"] for row in csv.DictReader(stream) if row["found_counterfeit"] != "0")
    shown = ipml("seller show", seller).out
    assert "to police-criminal, as S-0" in shown
    assert shown.count("may NOT hear") == 1
    refused = ipml("seller erase", seller, "--why", "request 1", "--yes")
    assert (refused.exit_code, "named in referral 2 to customs" in refused.err) == (2, True)
    (tmp_path / "customs/data/value.json").write_text("{}")
    answer = ipml("evidence verify customs")
    assert (answer.exit_code, "data/value.json: was changed" in answer.out) == (1, True)


def test_a_brand_is_reported_on(ipml, make_queue, tmp_path):
    """The page is there, and the headline is printed; a brand that nobody knows is answered in a line."""
    make_queue(Listing("L1", "s1", "Bag", brand="Acme"), counterfeit=[1])
    answer = ipml("report brand Acme --since 2020-01-01 --until 2199-12-31 --out acme")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 1" in answer.out
    assert "fewer than 5" in (tmp_path / "acme/report.html").read_text("utf-8")
    assert ipml("report brand Nobody --year 2026").is_refusal("'Nobody'")


# `ipml report transparency`
def test_a_year_is_written_into_a_folder(ipml, accepted, tmp_path):
    """The page is there, and the headline is printed; what is not known is not zero, and a period has one form."""
    copy_sqlite(tmp_path)
    answer = ipml("report transparency --year 2026 --as-of 2027-01-31")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 0" in answer.out
    assert "Precision of what was found counterfeit: not known" in answer.out
    assert (tmp_path / "transparency-2026/report.html").exists()
    assert (tmp_path / "transparency-2026/eu_template/4_notices.csv").exists()
    wrong = dict.fromkeys(
        ("", "--year 2026 --since 2026-01-01", "--since 2026-01-01"), "--year, or both --since and --until"
    )
    wrong |= {"--since 2026-02-01 --until 2026-01-01": "not before the first"}
    assert accepted({f"report transparency {line}": words for line, words in wrong.items()}) == {}


# `ipml report traders`
def test_traders_and_their_sales_are_checked(ipml, tmp_path):
    """What is missing is counted, who qualifies is written, and both files are the owner's alone."""
    fields = ("name", "address", "phone", "email", "identification", "payment_account")
    more = ("trade_register", "register_number", "self_certification")
    pd.DataFrame([{"seller_id": "s1"} | dict.fromkeys((*fields, *more), "")]).to_csv("traders.csv", index=False)
    sale = {"seller_id": "s1", "sold_at": "2026-01-01", "value": "25", "currency": "USD"}
    pd.DataFrame([sale] * 200).to_csv("sales.csv", index=False)
    answer = ipml("report traders traders.csv --sales sales.csv --as-of 2026-03-01")
    assert answer.exit_code == 0, answer.err
    assert "1 to be asked for what is missing" in answer.out
    assert "1 high-volume sellers" in answer.out
    assert "s1" not in answer.out
    (_, row) = (tmp_path / "high-volume.csv").read_text().splitlines()
    assert row == "s1,2026-01-01,2026-01-11,2028-01-01,200,5000.00,no"
    for name in ("high-volume.csv", "traders-lack.csv"):
        assert (tmp_path / name).stat().st_mode & 0o77 == 0
    assert ipml("report traders traders.csv --out traders.csv").is_refusal("twice")
