"""`ipml cooperate referral`: from a folder of networks to a package, a receipt, an outcome."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from support.databases import copy_sqlite
from support.staff import add_staff

from experiments.cooperation.referral_market import ReferralMarket, fill_market
from ipml.cooperation.networks.store import store_networks
from ipml.storage.database import open_database


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


def test_a_referral_is_ranked_built_verified_signed_for_and_learnt_from(ipml, market, tmp_path):
    """The whole way, as somebody would go it."""
    number = market.numbers[0]
    assert "learnt from 0 outcomes" in ipml("cooperate referral rank").out
    built = ipml("cooperate referral build", number, "--out", "referral.zip", "--zip")
    assert built.exit_code == 0, built.err
    assert "Referral 1 (C-" in built.out
    assert "is held for it" in built.out
    assert "The package is whole." in ipml("cooperate referral verify referral.zip --anchor anchors").out
    assert "nothing is new since referral C-" in ipml("cooperate referral build", number, "--out", "again").err
    assert ipml("cooperate referral receipt 1 --signed-by 'KHK Weber'").exit_code == 0
    assert ipml("cooperate referral outcome 1 --arrests 4").exit_code == 0
    assert re.search(r"[1-9][\d,]* EUR", ipml("cooperate referral rank").out)
    assert ipml("cooperate referral outcome 1 --seized 41000 --currency USD").exit_code == 0
    assert "three capital letters" in ipml("cooperate referral outcome 1 --seized 41000 --currency dollar").err
    assert "one of --opened" in ipml("cooperate referral outcome 1").err
    assert "one of too little" in ipml("cooperate referral outcome 1 --dropped Ann").err
    listed = ipml("cooperate referral list").out
    assert "KHK Weber" in listed
    assert "arrests 4, seized" in listed
    assert "41,000 USD" in listed
    assert "learnt from 1 outcomes" in ipml("cooperate referral rank").out


def test_a_seller_s_file_says_to_whom_they_were_named(ipml, market, tmp_path):
    """With the mark where they may not hear of it; whoever erases them is warned, and refused while it is held."""
    ipml("cooperate referral build", market.numbers[0], "--out", "police")
    ipml("cooperate referral build", market.numbers[0], "--out", "customs", "--recipient", "customs")
    with (tmp_path / "police/data/members.csv").open(encoding="utf-8") as stream:
        seller = next(row["seller_id"] for row in csv.DictReader(stream) if row["found_counterfeit"] != "0")
    shown = ipml("seller show", seller).out
    assert "to police-criminal, as S-0" in shown
    assert shown.count("may NOT hear") == 1
    refused = ipml("seller erase", seller, "--why", "request 1", "--yes")
    assert "named in referral 2 to customs" in refused.err
    assert refused.exit_code == 2


def test_a_changed_package_is_found_out(ipml, market, tmp_path):
    """With exit code 1, and the file named."""
    ipml("cooperate referral build", market.numbers[0], "--out", "customs", "--recipient", "customs")
    (tmp_path / "customs/data/value.json").write_text("{}")
    answer = ipml("cooperate referral verify customs")
    assert (answer.exit_code, "data/value.json: was changed" in answer.out) == (1, True)


def test_who_is_told_what_can_be_read(ipml):
    """All profiles, with their purpose and terms."""
    shown = ipml("cooperate referral profiles").out
    assert "police-criminal: Criminal police" in shown
    assert "do not hear of it" in shown
