"""What is in a referral, that it can be checked by anybody, and that nothing goes out unnoted."""

import csv
import json
import random
import re
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from itertools import cycle
from pathlib import Path

import bagit
import numpy as np
import pandas as pd
import pytest
from sqlalchemy import Engine, func, select, update
from support.actions import COOPERATING
from support.databases import on_postgres

from experiments.cooperation.referral_market import NOON, decide_all, fill_market
from ipml.cooperation.policy import ReferralRules
from ipml.cooperation.referrals import package
from ipml.cooperation.referrals.handover import OutcomeReport, find_disclosures, get_referral, note_outcome
from ipml.cooperation.referrals.package import ReferralRequest, build_referral
from ipml.cooperation.referrals.ranking import judge_candidates
from ipml.cooperation.referrals.reported_findings import REPORTED
from ipml.enforcement.evidence.package import PackageOutput
from ipml.enforcement.evidence.verify import check_package
from ipml.enforcement.privacy.erased_list import note_erased, read_erased
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.legal_holds import HoldOrder, find_holds, list_holds, place_hold, release_holds
from ipml.errors import Conflict, SellerErased, UnusableSetting
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.intake import enqueue
from ipml.review.undo import UndoRequest, undo
from ipml.storage import tables
from ipml.storage.audit_trail.anchors import make_key
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import find_pseudonym

RECIPIENTS = ("police-criminal", "customs", "rights-holder", "market-surveillance")


def rows_of(folder: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table of a package."""
    return list(csv.DictReader(StringIO((folder / "data" / name).read_text(encoding="utf-8"))))


def test_a_referral_is_whole_for_us_and_for_every_archive(build, subtests):
    """Nothing is found in it; the Library of Congress's own reader accepts it."""
    for recipient in RECIPIENTS:
        with subtests.test(recipient=recipient):
            built = build(recipient, recipient)
            assert check_package(built.path).findings == []
            bagit.Bag(str(built.path)).validate()


def test_it_verifies_where_nothing_of_ipml_is(build, tmp_path):
    """The program in it needs Python alone, and holds the signature to the key."""
    make_key(tmp_path / "anchor.pem")
    built = build(key_file=tmp_path / "anchor.pem")
    command = [sys.executable, "-I", "-S", str(built.path / "verify.py"), str(built.path), "--key", built.anchor.key]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout.splitlines()[-1]) == (0, "The package is whole.")


def test_every_changed_byte_is_named_with_its_file_and_no_other(build):
    """Whatever byte of whatever file is changed: that file is found at fault, and no other."""
    folder = build().path
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    some = [name for name in names if "evidence-" not in name] + [name for name in names if "evidence-" in name][:3]
    random.seed(16)
    for number in range(16):
        path = folder / some[number % len(some)]
        before = path.read_bytes()
        place = random.randrange(len(before))
        path.write_bytes(before[:place] + bytes([before[place] ^ random.randrange(1, 256)]) + before[place + 1 :])
        assert {one.file for one in check_package(folder).findings} == {some[number % len(some)]}
        path.write_bytes(before)


def test_a_seller_has_one_name_in_all_files(build, market):
    """Who is S-001 in one file is S-001 in all; whoever is named elsewhere is among the members."""
    folder = build().path
    members = {row["member"]: row["seller_id"] for row in rows_of(folder, "members.csv")}
    assert set(members.values()) == set(
        map(str, market.networks.holdings.seller_ids[market.networks.members_of(market.numbers[0])])
    )
    for name in ("links.csv", "timeline.csv", "listings.csv", "summary.html", "graph.svg", "graph.graphml"):
        assert set(re.findall(r"\bS-\d{3}\b", (folder / "data" / name).read_text(encoding="utf-8"))) <= set(members)
    for row in rows_of(folder, "listings.csv"):
        assert row["evidence_sha256"] == "" or row["verdict"] != "none yet"


def test_a_rights_holder_sees_listings_of_its_brand_only(build):
    """And only members who had one; the value is of these listings."""
    folder = build("rights-holder").path
    listings = rows_of(folder, "listings.csv")
    assert {row["brand"] for row in listings} == {"Calder"}
    assert {row["member"] for row in rows_of(folder, "members.csv")} == {
        row["member"] for row in listings if row["verdict"] == "counterfeit"
    }
    assert json.loads((folder / "data/value.json").read_text())["listings"] == len(listings)


def test_every_amount_bears_a_currency(build, market):
    """In what people read and in what programs do, though listings and sales are in several currencies."""
    with writing(market.engine) as connection:
        rows = connection.execute(select(tables.cases)).all()
        for row, code in zip(rows, cycle(["EUR", "RUB", "XAU", None]), strict=False):
            content = json.loads(row.snapshot)
            content["listing"]["currency"] = code
            changed = update(tables.cases).where(tables.cases.c.case_id == row.case_id)
            connection.execute(changed.values(snapshot=json.dumps(content)))
    seller = str(market.networks.holdings.seller_ids[market.networks.members_of(market.numbers[0])[0]])
    columns = {"seller_id": seller, "units": [1.0, 2.0, 3.0], "value": [9.0, 5.0, 7.0]}
    sales = pd.DataFrame(columns | {"currency": ["RUB", "USD", "XAU"]})
    for name, given in (("from-listings", None), ("from-table", sales)):
        built = build(name=name, sales=given, is_again=True)
        text = " ".join((built.path / "data/summary.txt").read_text().split())
        amounts = re.findall(r"(?:Value:|alone:) (.*?)[.;] ", text)
        assert amounts
        assert all(re.fullmatch(r"[\d,]+ EUR( \([\d,]+ EUR to [\d,]+ EUR.*)?", one) for one in amounts), amounts
        assert "no rate" in text
        assert "at 0.01 EUR for 1 RUB" in text
        said = json.loads((built.path / "data/value.json").read_text())
        assert said["currency"] == built.referral.currency == "EUR"
        assert said["value_known_of_listings_found_counterfeit"] <= said["value"]["low"] <= said["value"]["total"]
        assert all(bool(row["price"]) == bool(row["currency"]) for row in rows_of(built.path, "listings.csv"))


def test_what_goes_out_is_noted(build, market):
    """Referral, members by pseudonym, and the digest that the package bears; nothing of a seller in the clear."""
    built = build()
    with reading(market.engine) as connection:
        row = connection.execute(select(tables.audit).where(tables.audit.c.action == "disclosed referral")).one()
        named = connection.execute(select(tables.disclosures)).all()
        assert get_referral(connection, 1) == built.referral
    assert (row.actor, row.subject) == ("lea", "referral:1")
    assert json.loads(row.payload)["content"] == built.referral.content_digest
    export = json.loads((built.path / "data/export.json").read_text())
    assert json.loads(export["payload"])["content"] == built.referral.content_digest
    assert len(named) == built.n_named
    assert not set(market.people) & {one.pseudonym for one in named}


@on_postgres
def test_on_postgresql_too(engine: Engine, rules: ReferralRules, tmp_path: Path):
    """All that is read and noted of a referral."""
    market = fill_market(engine, n_networks=1, most_members=4, each=2)
    request = ReferralRequest(market.numbers[0], "police-criminal")
    built = build_referral(
        market.engine, market.networks, request, rules, PackageOutput(tmp_path / "referral", "lea"), now=NOON
    )
    assert check_package(built.path).findings == []
    with reading(engine) as connection:
        assert get_referral(connection, built.referral.referral_id) == built.referral
        pairs = [(market.networks, number) for number in market.networks.numbers]
        ((candidate,), _) = judge_candidates(connection, pairs, rules, NOON)
    ranked = candidate.ranked
    assert ranked.n_confirmed == built.referral.n_confirmed
    assert ranked.expected_value == ranked.value * built.referral.solvability / built.referral.effort


def test_a_killed_package_leaves_nothing_behind_but_the_note(build, market, tmp_path):
    """Where it cannot be written, nobody is told of; what was there stays."""
    (tmp_path / "referral").write_text("mine")
    with pytest.raises(Exception, match="never written over"):
        build()
    assert (tmp_path / "referral").read_text() == "mine"
    with reading(market.engine) as connection:
        assert connection.scalar(select(func.count()).select_from(tables.referrals)) == 0


def test_the_same_again_is_refused_and_what_is_new_is_said(build, market):
    """A member's new listing found counterfeit is news; names stay those of the first referral."""
    first = build("customs", "first")
    with pytest.raises(Conflict, match=first.referral.reference):
        build("customs", "second")
    assert build("customs", "third", is_again=True).referral.follows == first.referral.referral_id
    member = next(iter(market.people))
    listing = Listing("Lnew", member, "Calder runner, new", brand="Calder", price=50.0, currency="EUR", country="DE")
    enqueue(market.engine, [ScoredListing(listing, 0.9, 2.2, (), (), None, "m/1")], now=NOON)
    decide_all(market.engine, np.random.default_rng(0), genuine=0.0, now=NOON + timedelta(days=21))
    later = build("customs", "fourth", now=NOON + timedelta(days=22))
    assert any("1 listings of 1 sellers found counterfeit" in line for line in later.news)
    assert "NEW SINCE THE LAST REFERRAL" in (later.path / "data/summary.txt").read_text(encoding="utf-8")
    names = [{row["member"] for row in rows_of(one.path, "members.csv")} for one in (first, later)]
    assert names[0] <= names[1]


def test_a_finding_that_is_taken_back_is_news_and_names_the_referral(build, market):
    """However few are left; a piece of evidence that is only not in the package is not called that of an erased."""
    first, later = build(), NOON + timedelta(hours=1)
    with writing(market.engine) as connection:
        for number in connection.scalars(select(tables.decisions.c.decision_id)).all():
            undo(connection, number, UndoRequest("lea", may_undo_others=True), now=later, context=COOPERATING)
        rows = select(tables.audit.c.payload).where(tables.audit.c.action == REPORTED)
        named = [json.loads(payload)["referral"] for payload in connection.scalars(rows)]
    reported = first.referral.n_confirmed
    assert named == [first.referral.referral_id] * reported
    none_left = build(name="second", now=later)
    assert any(f"{reported} listings that it reported are no longer found" in line for line in none_left.news)
    assert none_left.news[-1] in " ".join((none_left.path / "data/summary.txt").read_text().split())
    decide_all(market.engine, np.random.default_rng(0), genuine=0.0, now=NOON + timedelta(days=21))
    again = build(name="third", now=NOON + timedelta(days=22))
    assert not any("no longer" in line for line in again.news)
    notes = check_package(again.path).notes
    assert any("is not in this package" in note for note in notes)
    assert not any("erased" in note for note in notes)


def test_a_member_who_is_erased_meanwhile_is_not_handed_out(market, rules):
    """Whether or not anything was decided on them: what was written tells of somebody who is forgotten."""
    members = market.networks.holdings.seller_ids[market.networks.members_of(market.numbers[0])]
    new = str(next(one for one in members if _count_cases(market.engine, str(one)) == 0))
    enqueue(market.engine, [ScoredListing(Listing("Lnew", new, "Runner"), 0.9, 2.2, (), (), None, "m/1")], now=NOON)
    request = ReferralRequest(market.numbers[0], "police-criminal")
    with reading(market.engine) as connection:
        contents = package.read_contents(connection, market.networks, request, rules, None, NOON)
    erase_sellers(market.engine, [new], why="request 1", by="lea", now=NOON)
    with pytest.raises(SellerErased), writing(market.engine) as connection:
        package.note_referral(connection, contents, request, "digest", "lea")


def test_a_network_without_counterfeits_is_nobodys_business(market, rules, tmp_path):
    """Being linked is no offence; and a rights holder without a brand, or police with one, are refused."""
    sizes = [number for number in set(market.networks.numbering.number.tolist()) if number not in (0, *market.numbers)]
    for number, recipient, brand, error, said in (
        (sizes[0], "customs", None, Conflict, r"0 listings found counterfeit|members; expected"),
        (market.numbers[0], "rights-holder", None, UnusableSetting, None),
        (market.numbers[0], "police-criminal", "Calder", UnusableSetting, None),
        (market.numbers[0], "nobody", None, UnusableSetting, None),
    ):
        request = ReferralRequest(number, recipient, brand)
        with pytest.raises(error, match=said):
            build_referral(market.engine, market.networks, request, rules, PackageOutput(tmp_path / "c", "lea"))


def test_the_police_referral_holds_what_is_kept(build, market, rules):
    """While it is open, its sellers cannot be erased, even if other holds end; dropped, it holds nothing.

    Opened again, or with arrests, it holds them anew, for as long as on the first day.
    """
    with reading(market.engine) as connection:
        known = [one for one in market.people if find_pseudonym(connection, one)]
    with writing(market.engine) as connection:
        for one in known:
            place_hold(connection, one, HoldOrder("claim 4", NOON + timedelta(days=900), "lea"), now=NOON)
    first, second = build(), build(name="second", is_again=True)
    days = rules.profile("police-criminal").hold_days
    with writing(market.engine) as connection:
        for one in known:
            release_holds(connection, one, by="lea", hold_id=known.index(one) + 1, now=NOON)
        note_outcome(
            connection,
            first.referral.referral_id,
            OutcomeReport("dropped", why="too little"),
            rules,
            by="lea",
            now=NOON,
        )
    held = [one for one in market.people if _is_held(market.engine, one)]
    assert len(held) == second.n_held > 1
    with pytest.raises(Conflict, match=f"referral {second.referral.reference}"):
        erase_sellers(market.engine, held[:1], why="request 1", by="lea", now=NOON)
    later = NOON + timedelta(days=days - 1)
    with writing(market.engine) as connection:
        note_outcome(
            connection,
            second.referral.referral_id,
            OutcomeReport("dropped", why="too little"),
            rules,
            by="lea",
            now=NOON,
        )
        assert list_holds(connection, now=NOON) == []
        note_outcome(connection, second.referral.referral_id, OutcomeReport("opened"), rules, by="lea", now=NOON)
        note_outcome(
            connection, second.referral.referral_id, OutcomeReport("arrests", amount=3), rules, by="lea", now=later
        )
        assert {one.until for one in list_holds(connection, now=NOON + timedelta(days=days))} == {
            later + timedelta(days=days)
        }
        note_outcome(
            connection,
            second.referral.referral_id,
            OutcomeReport("dropped", why="too little"),
            rules,
            by="lea",
            now=later,
        )
        assert list_holds(connection, now=later) == []
    seller = held[0]
    with reading(market.engine) as connection:
        told, _ = find_disclosures(connection, find_pseudonym(connection, seller))
        assert (told.recipient, told.tells_sellers) == ("police-criminal", False)
        stored = [
            connection.execute(select(tables.metadata.tables[name])).all() for name in ("referrals", "disclosures")
        ]
    assert seller not in str(stored)


def test_the_erased_are_named_to_nobody(build, market, tmp_path):
    """The folder of networks may still hold them; the list of the erased tells."""
    gone = next(iter(market.people))
    assert _count_cases(market.engine, gone)
    with writing(market.engine) as connection:  # delivered, as erasing waits for that
        connection.execute(update(tables.outbox).values(state="delivered", settled_at=NOON))
    erase_sellers(market.engine, [gone], why="request 1", by="lea", listed_in=tmp_path / "erased", now=NOON)
    note_erased(tmp_path / "erased", "somebody else", "p", NOON)
    for number, listed in enumerate((read_erased(tmp_path / "erased"), None)):
        folder = build(name=f"referral-{number}", erased=listed, is_again=True).path
        assert gone not in {row["seller_id"] for row in rows_of(folder, "members.csv")}
        assert "members who were erased" in (folder / "data/unknown.txt").read_text()


def _count_cases(engine, seller):
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).where(tables.cases.c.seller_id == seller))


def _is_held(engine, seller):
    with reading(engine) as connection:
        pseudonym = find_pseudonym(connection, seller)
        return bool(pseudonym and find_holds(connection, pseudonym, NOON))
