"""`ipml enforce penalty` and `ipml enforce ledger`: strikes, penalties and what errors cost, from the command line."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from support.consequences import Striking
from support.staff import add_staff

from ipml.listings.schema import listings_to_frame
from ipml.listings.writers import write_listings
from ipml.model.training.experiment import Experiment, read_training_listings
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import migrate, open_database, writing

ROOT = Path(__file__).parents[2]
EVENTS_HEAD = "seller_id,kind,occurred_at,known_at,amount"


@pytest.fixture(scope="module")
def struck(tmp_path_factory) -> bytes:
    """Return a database in which a seller with a hostile name has nine strikes of one morning."""
    path = tmp_path_factory.mktemp("struck") / "ipml.db"
    engine, now = open_database(f"sqlite:///{path}"), datetime.now(UTC) - timedelta(days=1)
    migrate(engine)
    known = {"seller_id": "\x1b[2Jann", "price": 100.0, "currency": "EUR", "observed_at": now}
    bags = [Listing(f"L{number}", title=f"Bag no. {number}", **known) for number in range(9)]
    enqueue(engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1") for bag in bags], now=now)
    for number in range(1, 10):
        with writing(engine) as connection:
            taken = claim(connection, "lea", number, now=now)
            said = {"ground": "wrong_features", "now": now, "consequences": Striking()}
            decide(connection, taken, Verdict.COUNTERFEIT, **said)
    add_staff(engine)
    engine.dispose()
    return path.read_bytes()


@pytest.fixture
def database(tmp_path, struck: bytes) -> str:
    """Return the URL of that database."""
    (tmp_path / "ipml.db").write_bytes(struck)
    return f"sqlite:///{tmp_path}/ipml.db"


def test_a_lead_sees_what_is_proposed_and_confirms_it(ipml, database: str):
    """Not who decided the case, and not twice."""
    assert "close" in ipml("enforce penalty list --state proposed").out
    refused = ipml("enforce penalty confirm 2 --by lea")
    assert (refused.exit_code, "another must confirm it" in refused.err) == (2, True)
    told = ipml("enforce penalty confirm 2 --by cleo")
    assert told.out == "Penalty 2 (close) is in force until it is lifted.\n"
    assert ipml("enforce penalty lift 2 --why appealed --by cleo").exit_code == 0
    assert "lifted" in ipml("enforce penalty list --state all").out


def test_a_seller_is_shown_with_the_reasons(ipml, database: str):
    """Whatever they call themselves, the terminal obeys nobody."""
    told = ipml("enforce penalty show '\x1b[2Jann'")
    assert "8 strikes for 8 offences weigh 8.00." in told.out
    assert "Their strikes weigh 9.00 now." in told.out
    assert "\x1b[2J" not in ipml("enforce penalty show '\x1b[2Jben'").out


def test_another_policy_is_simulated(ipml, database: str, tmp_path):
    """The same one changes nothing; a milder one does."""
    same = ipml("enforce penalty simulate")
    assert "9 decisions on 1 sellers: 0 would have met a harder penalty, 0 a milder one." in same.out
    text = (ROOT / "ipml/enforcement/policy.toml").read_text(encoding="utf-8")
    (tmp_path / "milder.toml").write_text(text.replace("usual_weight = 1.0", "usual_weight = 0.04"))
    milder = ipml("enforce penalty simulate --policy", tmp_path / "milder.toml")
    assert "0 would have met a harder penalty, 1 a milder one" in milder.out
    assert ipml("enforce penalty simulate --since 2199-01-01").exit_code == 0


def test_links_are_looked_at_and_decided(ipml, database: str, tmp_path):
    """From a file to a lead."""
    (tmp_path / "links.csv").write_text("seller,other,kind,weight,evidence\n\x1b[2Jann,bob,payout,0.9,=one account\n")
    ipml("enforce penalty confirm 2 --by cleo")
    told = ipml("enforce penalty links", tmp_path / "links.csv")
    assert "1 links, 1 accounts newly recommended." in told.out
    assert "=one account" in told.out
    assert ipml("enforce penalty link 1 nothing --why 'a courier'").out == "Link 1: nothing.\n"
    assert ipml("enforce penalty link 1 strike").exit_code == 2


def test_found_networks_are_looked_through_as_they_are(ipml, database: str, tmp_path):
    """Of their links, those of penalised sellers, with how sure they are and what is shared, in words."""
    sellers = ["\x1b[2Jann", "bob", "cid", "dan"]
    seen = pd.Timestamp("2026-03-01", tz="UTC")
    shared = {"seller_id": sellers, "kind": "payout", "value": ["x", "x", "y", "y"], "seen_at": seen}
    pd.DataFrame(shared).to_parquet(tmp_path / "attributes.parquet")
    assert ipml("cooperate network find attributes.parquet --out nets").exit_code == 0
    ipml("enforce penalty confirm 2 --by cleo")
    told = ipml("enforce penalty links nets")
    assert "1 links, 1 accounts newly recommended." in told.out, told.err
    assert "the same payout account (since 2026-03-01" in told.out
    assert "cid" not in told.out
    assert "0 accounts newly recommended." in ipml("enforce penalty links nets/links.parquet").out


def test_strikes_and_complaints_are_read_beside_sales(ipml, database: str, saved_model, tmp_path):
    """As they are written, one for each offence, by scoring and by training, though nobody has complained yet."""
    assert ipml("enforce penalty events --out struck.csv").out.startswith("9 events")
    assert (tmp_path / "struck.csv").read_text(encoding="utf-8").splitlines()[0] == EVENTS_HEAD
    now = pd.Timestamp.now("UTC")
    bag = Listing("L", "\x1b[2Jann", "Bag", price=100.0, currency="EUR", observed_at=now.to_pydatetime())
    write_listings(listings_to_frame([bag]), tmp_path / "shop.parquet")
    pd.DataFrame(
        {"seller_id": [bag.seller_id], "kind": "sold", "occurred_at": now, "known_at": now, "amount": 5}
    ).to_csv(tmp_path / "sales.csv", index=False)
    files = ["sales.csv", "struck.parquet", "complaints.jsonl"]
    assert ipml("enforce penalty events --out", files[1]).exit_code == 0
    assert ipml("cooperate complaints --out", files[2]).exit_code == 0
    given = [word for file in files for word in ("--events", file)]
    told = ipml("score shop.parquet --out scored.parquet --model", saved_model, *given)
    assert told.exit_code == 0, told.err
    data = {"listings": "shop.parquet", "events": files}
    learnt = read_training_listings(Experiment(name="e", data=data, folder=tmp_path))
    for listings in (pd.read_parquet(tmp_path / "scored.parquet"), learnt):
        known = listings[["seller_sales", "seller_strikes", "seller_complaints"]].iloc[0]
        assert known.tolist() == [5.0, 9.0, 0.0]


def test_an_empty_ledger_is_shown_and_written(ipml, database: str, tmp_path):
    """And says that there is too little to compare."""
    told = ipml("enforce ledger --out ledger.csv")
    assert told.exit_code == 0
    assert "too few to say: small sellers: nothing to compare with yet." in told.out
    assert (tmp_path / "ledger.csv").read_text(encoding="utf-8").startswith("by,band,currency,right,caught,wrong")


def test_what_is_not_known_is_refused_in_one_line(accepted, database: str):
    """With what to do."""
    lines = ("lift 99 --why x", "list --state odd", "link 7 review")
    assert accepted({f"enforce penalty {line}": "" for line in lines}) == {}
