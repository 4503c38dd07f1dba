"""`ipml score`: files in, files out, and an exit code that says whether all was well."""

import csv
import json
import os

import pytest

from ipml.cli.options import count_jobs
from ipml.scoring.batch.scored_files import read_scored

GOOD = "listing_id,seller_id,title,price,currency\n1,s,Wool hat,9.5,EUR\n2,s,AAA replica watch,19.0,EUR\n"
BAD = "3,s,Belt,9;5,EUR\n"


@pytest.fixture
def shop(tmp_path):
    """Return a file of two good listings."""
    path = tmp_path / "shop.csv"
    path.write_text(GOOD)
    return path


def test_all_good_exits_0_and_says_one_thing(ipml, shop, saved_model):
    """The listings are counted; nothing else is printed, neither there nor to the other stream."""
    answer = ipml("score", shop, "--out", "scored.parquet", "--model", saved_model)
    assert answer.exit_code == 0
    assert answer.out.startswith("2 listings scored by market/")
    assert answer.out.endswith(" into scored.parquet\n")
    assert answer.out.count("\n") == 1
    assert answer.err.strip() == ""


@pytest.mark.parametrize("suffix", ["parquet", "csv", "csv.gz", "jsonl"])
def test_the_suffix_says_what_is_written(ipml, shop, saved_model, tmp_path, suffix):
    """Each kind is read back."""
    assert ipml("score", shop, "--out", f"scored.{suffix}", "--model", saved_model).exit_code == 0
    scored = list(read_scored(tmp_path / f"scored.{suffix}"))
    assert [one.listing.listing_id for one in scored] == ["1", "2"]
    assert all(one.reasons for one in scored)


def test_bad_rows_with_a_file_for_them_exit_1(ipml, shop, saved_model, tmp_path):
    """The good ones are scored, the bad ones kept apart and counted."""
    shop.write_text(GOOD + BAD)
    answer = ipml("score", shop, "--out", "scored.csv", "--model", saved_model, "--rejects", "rejects.csv")
    assert answer.exit_code == 1
    assert "1 bad rows kept in rejects.csv" in answer.out
    assert len(list(read_scored(tmp_path / "scored.csv"))) == 2
    with (tmp_path / "rejects.csv").open(newline="") as stream:
        assert [row["row"] for row in csv.DictReader(stream)] == ["3"]


def test_what_cannot_be_judged_is_counted(ipml, shop, saved_model):
    """It is not passed over in silence."""
    shop.write_text(GOOD + "4,s,\u2605\u2605,1.0,EUR\n")
    answer = ipml("score", shop, "--out", "scored.csv", "--model", saved_model)
    assert answer.exit_code == 0
    assert "1 of them could not be judged; `abstained` says why" in answer.out


def test_a_name_without_a_suffix_is_a_folder(ipml, shop, saved_model, tmp_path):
    """Of Parquet files in order, with a word that it is whole; scored again it is left as it is, and that is said."""
    assert ipml("score", shop, "--out", "scored", "--model", saved_model).exit_code == 0
    assert sorted(path.name for path in (tmp_path / "scored").iterdir()) == ["_SUCCESS", "part-00000.parquet"]
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored")] == ["1", "2"]
    again = ipml("score", shop, "--out", "scored", "--model", saved_model)
    assert again.exit_code == 0
    assert "2 rows had been done by an earlier run" in again.out


def test_a_run_of_another_model_is_refused_until_restarted(ipml, shop, saved_model, tmp_path, monkeypatch):
    """In one line that says what differs and what to do."""
    monkeypatch.setattr("ipml.scoring.batch.file_scoring.CHUNK_ROWS", 1)
    monkeypatch.setattr("ipml.scoring.batch.file_scoring.join_file", stop)
    stopped = ipml("score", shop, "--out", "scored.csv", "--model", saved_model)
    assert (stopped.exit_code, stopped.out) == (130, "")
    assert stopped.err.strip().endswith("stands in .scored.csv.chunks: give the same command again to go on")
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    refused = ipml("score", shop, "--out", "scored.csv", "--model", saved_model, "--explain-top", 1)
    assert refused.exit_code == 2
    assert "with another number of listings to explain: 100; expected 1." in refused.err
    assert refused.err.strip().count("\n") == 0
    assert (
        ipml("score", shop, "--out", "scored.csv", "--model", saved_model, "--explain-top", 1, "--restart").exit_code
        == 0
    )
    assert not (tmp_path / ".scored.csv.chunks").exists()


def test_another_market_is_said_first_and_can_be_refused(ipml, saved_model, tmp_path):
    """Refused, nothing stands there; what was scored is kept, and a record says afterwards what was unlike."""
    rows = "".join(f"{row},s{row},Vaskrolo munti {row}\n" for row in range(40))
    (tmp_path / "other.csv").write_text("listing_id,seller_id,title\n" + rows)
    refused = ipml("score", "other.csv", "--out", "scored", "--model", saved_model, "--require-familiar")
    assert (refused.exit_code, refused.out, refused.err.strip().count("\n")) == (2, "", 0)
    assert "other.csv: found listings unlike those market/" in refused.err
    assert "% of the words in titles were never met in training; up to" in refused.err
    assert not (tmp_path / "scored").exists()
    done = ipml("score", "other.csv", "--out", "scored", "--model", saved_model)
    assert done.exit_code == 0
    assert "40 rows had been done by an earlier run" in done.out
    assert done.err.startswith("ipml: unlike the listings market/")
    record = json.loads((tmp_path / "scored/_SUCCESS").read_text())["unlike"]
    assert (record[0]["subject"], record[0]["n_listings"]) == ("words", 40)
    assert record[0]["found"] > record[0]["high"]
    again = ipml("score", "other.csv", "--out", "scored", "--model", saved_model)
    assert again.err == done.err
    assert ipml("score", "other.csv", "--out", "scored", "--model", saved_model, "--require-familiar").exit_code == 2


def test_what_is_familiar_is_scored_where_that_is_required(ipml, shop, saved_model):
    """Nothing else is said."""
    answer = ipml("score", shop, "--out", "scored.csv", "--model", saved_model, "--require-familiar")
    assert (answer.exit_code, answer.err.strip()) == (0, "")


def stop(*_: object) -> None:
    """Do as Ctrl-C does."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(("jobs", "n"), [("3", 3), ("all", None), ("0", None)])
def test_jobs_are_a_number_or_all(jobs, n):
    """All are the cores this process may use."""
    assert count_jobs(jobs) == (n or len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(("top", "explained"), [(0, []), (1, ["2"])])
def test_as_many_as_asked_for_are_explained(ipml, shop, saved_model, tmp_path, top, explained):
    """The most suspicious, or none."""
    ipml("score", shop, "--out", "scored.csv", "--model", saved_model, "--explain-top", top)
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored.csv") if one.reasons] == explained


def test_columns_are_mapped(ipml, tmp_path, saved_model):
    """A marketplace's own columns are understood by a map."""
    (tmp_path / "map.toml").write_text('name = "x"\n[columns]\nlisting_id = "id"\nseller_id = "who"\ntitle = "what"\n')
    (tmp_path / "own.csv").write_text("id,who,what\n7,s,Wool hat\n")
    answer = ipml("score", "own.csv", "--out", "scored.csv", "--columns", "map.toml", "--model", saved_model)
    assert answer.exit_code == 0
    assert [one.listing.listing_id for one in read_scored(tmp_path / "scored.csv")] == ["7"]


def test_the_model_of_the_settings_is_used(ipml, shop, saved_model, monkeypatch):
    """Where the command names none."""
    monkeypatch.setenv("IPML_MODEL", str(saved_model))
    assert ipml("score", shop, "--out", "scored.csv").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no.csv", "--out", "scored.csv"], "ipml: no.csv: found No such file or directory; expected "),
        (["shop.xls", "--out", "scored.csv"], "ipml: shop.xls: found the suffix '.xls'; expected "),
        (["bad.csv", "--out", "scored.csv"], "ipml: bad.csv: 1 bad row: row 3, price: found '9;5', expected a number "),
        (["shop.csv", "--out", "scored.xls"], "ipml: cannot write scored.xls: found the suffix '.xls'; expected "),
        (
            ["shop.csv", "--out", "no/scored.csv"],
            "ipml: cannot write no/scored.csv: found No such file or directory; expected ",
        ),
        (["shop.csv", "--out", "folder.csv"], "ipml: cannot write folder.csv: found a folder; expected "),
        (
            ["shop.csv", "--out", "others"],
            "ipml: cannot write others: found a folder with 'letter.txt' in it; expected ",
        ),
        (["shop.csv", "--out", "scored.csv", "--jobs", "many"], "ipml: --jobs: found 'many'; expected "),
        (["shop.csv", "--out", "scored.csv", "--columns", "ozone"], "ipml: --columns: found 'ozone'; expected "),
        (["shop.csv", "--out", "scored.csv", "--columns", "no.toml"], "ipml: no.toml: found "),
        (["shop.csv", "--out", "scored.csv", "--rejects", "no/bad.csv"], "ipml: cannot write no/bad.csv: found "),
        (["shop.csv", "--out", "scored.csv", "--model", "no/model"], "no/model. Train one, or name another."),
        (["shop.csv", "--out", "scored.csv", "--model", "folder.csv"], "folder.csv: found no card.json, "),
        (
            ["shop.csv", "--out", "scored.csv", "--model", "models:/ipml@champion"],
            "No model 'models:/ipml@champion'. There is no registry ",
        ),
    ],
)
def test_a_mistake_exits_2_with_one_line(ipml, shop, saved_model, tmp_path, arguments, said):
    """It says what was found and what was expected, and nothing is written."""
    (tmp_path / "bad.csv").write_text(GOOD + BAD)
    (tmp_path / "shop.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "letter.txt").touch()
    before = sorted(tmp_path.iterdir())
    model = [] if "--model" in arguments else ["--model", saved_model]
    answer = ipml("score", *arguments, *model)
    assert (answer.exit_code, answer.out) == (2, "")
    assert said in answer.err
    assert answer.err.strip().count("\n") == 0
    assert sorted(tmp_path.iterdir()) == before


def test_an_argument_that_is_missing_is_named(ipml, shop):
    """Usage mistakes exit with 2 as well."""
    answer = ipml("score", shop)
    assert answer.exit_code == 2
    assert "--out" in answer.err


def test_what_is_there_is_written_over_only_when_that_is_asked_for(ipml, shop, saved_model, tmp_path):
    """One line says so, and the file is as it was."""
    (tmp_path / "scored.csv").write_text("mine")
    refused = ipml("score", shop, "--out", "scored.csv", "--model", saved_model)
    assert refused.exit_code == 2
    assert "cannot write scored.csv: found something of that name; expected a new name, or --force" in refused.err
    assert (tmp_path / "scored.csv").read_text() == "mine"
    assert ipml("score", shop, "-o", "scored.csv", "--model", saved_model, "--force").exit_code == 0
    assert len(list(read_scored(tmp_path / "scored.csv"))) == 2
