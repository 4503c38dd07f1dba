"""`ipml score`: files in, files out, and an exit code that says whether all was well."""

import csv
import json
import os

import pytest

from ipml.cli.options import count_jobs
from ipml.scoring.batch.scored_files import read_scored

GOOD = "listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n2,s,AAA replica watch,19.0,EUR\n"
BAD = "3,s,Belt,9;5,EUR\n"
WRONG = {
    "score no.csv --out scored.csv": "ipml: no.csv: found No such file or directory; expected ",
    "score shop.xls --out scored.csv": "ipml: shop.xls: found the suffix '.xls'; expected ",
    "score bad.csv --out scored.csv": "ipml: bad.csv: 1 bad row: row 3, price: found '9;5', expected a number ",
    "score shop.csv --out scored.xls": "ipml: cannot write scored.xls: found the suffix '.xls'; expected ",
    "score shop.csv --out no/scored.csv": "cannot write no/scored.csv: found No such file or directory; expected ",
    "score shop.csv --out folder.csv": "ipml: cannot write folder.csv: found a folder; expected ",
    "score shop.csv --out others": "cannot write others: found a folder with 'letter.txt' in it; expected ",
    "score shop.csv --out mine.csv": "found something of that name; expected a new name, or --force",
    "score shop.csv --out scored.csv --jobs many": "ipml: --jobs: found 'many'; expected ",
    "score shop.csv --out scored.csv --columns ozone": "ipml: --columns: found 'ozone'; expected ",
    "score shop.csv --out scored.csv --rejects no/bad.csv": "ipml: cannot write no/bad.csv: found ",
}


@pytest.fixture
def shop(ipml, saved_model, tmp_path, monkeypatch):
    """Return a file of two good listings, and let the model of the settings be the small marketplace's."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    (tmp_path / "shop.csv").write_text(GOOD)
    return tmp_path / "shop.csv"


def test_all_good_exits_0_and_says_one_thing(ipml, shop, saved_model, tmp_path):
    """The listings are counted, nothing else is printed; as many as asked for are explained, the worst first."""
    answer = ipml("score shop.csv --out scored.parquet --explain-top 1 --require-familiar --model", saved_model)
    assert (answer.exit_code, answer.err.strip(), answer.out.count("\n")) == (0, "", 1)
    assert answer.out.startswith("2 listings scored by market/")
    assert answer.out.endswith(" into scored.parquet\n")
    scored = list(read_scored(tmp_path / "scored.parquet"))
    assert [(one.listing.listing_id, bool(one.reasons)) for one in scored] == [("1", False), ("2", True)]


def test_bad_rows_and_what_cannot_be_judged_are_counted(ipml, shop, tmp_path):
    """The good ones are scored, the bad ones kept apart, with exit code 1; what is abstained from is said."""
    shop.write_text(f"{GOOD}{BAD}4,s,\u2605\u2605,1.0,EUR\n")
    answer = ipml("score shop.csv --out scored.csv --rejects rejects.csv")
    assert answer.exit_code == 1
    assert "1 bad rows kept in rejects.csv" in answer.out
    assert "1 of them could not be judged; `abstained` says why" in answer.out
    assert len(list(read_scored(tmp_path / "scored.csv"))) == 3
    with (tmp_path / "rejects.csv").open(newline="") as stream:
        assert [row["row"] for row in csv.DictReader(stream)] == ["3"]


def test_a_name_without_a_suffix_is_a_folder(ipml, shop, tmp_path):
    """Of Parquet files, with a word that it is whole; scored again it is left as it is, and that is said."""
    (tmp_path / "map.toml").write_text('name = "x"\n[columns]\nlisting_id = "id"\nseller_id = "who"\ntitle = "what"\n')
    (tmp_path / "own.csv").write_text("id,who,what\n7,s,Wool hat\n")
    assert ipml("score own.csv --out scored --columns map.toml").exit_code == 0
    assert sorted(path.name for path in (tmp_path / "scored").iterdir()) == ["_SUCCESS", "part-00000.parquet"]
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored")] == ["7"]
    again = ipml("score own.csv --out scored --columns map.toml")
    assert (again.exit_code, "1 rows had been done by an earlier run" in again.out) == (0, True)


def test_a_run_of_another_model_is_refused_until_restarted(ipml, shop, tmp_path, monkeypatch):
    """In one line that says what differs and what to do."""
    with monkeypatch.context() as patched:
        patched.setattr("ipml.scoring.batch.file_scoring.CHUNK_ROWS", 1)
        patched.setattr("ipml.scoring.batch.file_scoring.join_file", stop)
        stopped = ipml("score shop.csv --out scored.csv")
    assert (stopped.exit_code, stopped.out) == (130, "")
    assert stopped.err.strip().endswith("stands in .scored.csv.chunks: give the same command again to go on")
    refused = ipml("score shop.csv --out scored.csv --explain-top 1")
    assert refused.is_refusal("with another number of listings to explain: 100; expected 1.")
    assert ipml("score shop.csv --out scored.csv --explain-top 1 --restart").exit_code == 0
    assert not (tmp_path / ".scored.csv.chunks").exists()


def stop(*_: object) -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


def test_another_market_is_said_first_and_can_be_refused(ipml, shop, tmp_path):
    """Refused, nothing stands there; what was scored is kept, and a record says afterwards what was unlike."""
    rows = "".join(f"{row},s{row},Vaskrolo munti {row}\n" for row in range(40))
    (tmp_path / "other.csv").write_text("listing_id,seller_id,title\n" + rows)
    refused = ipml("score other.csv --out scored --require-familiar")
    assert refused.is_refusal("other.csv: found listings unlike those market/", "never met in training; up to")
    assert not (tmp_path / "scored").exists()
    done = ipml("score other.csv --out scored")
    assert done.exit_code == 0
    assert "40 rows had been done by an earlier run" in done.out
    assert done.err.startswith("ipml: unlike the listings market/")
    record = json.loads((tmp_path / "scored/_SUCCESS").read_text())["unlike"]
    assert (record[0]["subject"], record[0]["n_listings"]) == ("words", 40)
    assert record[0]["found"] > record[0]["high"]
    assert ipml("score other.csv --out scored").err == done.err


def test_jobs_are_a_number_or_all():
    """All are the cores this process may use."""
    cores = len(os.sched_getaffinity(0))
    assert [count_jobs(jobs) for jobs in ("3", "all", "0")] == [3, cores, cores]


def test_a_mistake_exits_2_with_one_line(ipml, accepted, shop, tmp_path):
    """It says what was found and what was expected, and nothing is written; what is there goes by --force alone."""
    (tmp_path / "bad.csv").write_text(GOOD + BAD)
    (tmp_path / "shop.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "letter.txt").touch()
    (tmp_path / "mine.csv").write_text("mine")
    before = sorted(tmp_path.iterdir())
    assert accepted(WRONG) == {}
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert ipml("score shop.csv -o mine.csv --force").exit_code == 0
    assert "--out" in ipml("score shop.csv").err
