"""What comes in may be anything: every command answers in words, loses nothing and repairs nothing in silence."""

from __future__ import annotations

import csv
import gzip
import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from ipml.cli import main
from ipml.listings.tables import read_table
from ipml.settings import get_settings

HEADER = b"listing_id,seller_id,title,price,currency\n"
GOOD = b"1,s,Bag,9.5,EUR\n"
LISTING = {"listing_id": "1", "seller_id": "s", "title": "Bag"}


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str


Ask = Callable[..., Answer]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Ask]:
    """Give a function that runs a command as from the terminal, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()

    def ask(*command: str | Path) -> Answer:
        monkeypatch.setattr(sys, "argv", ["ipml", *map(str, command)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Answer(int(left.value.code or 0), said.out, said.err)

    yield ask
    get_settings.cache_clear()


def assert_refused(answer: Answer, *words: str) -> None:
    """Check that the answer is one printable line with these words, and exit code 2."""
    line = answer.err.removesuffix("\n")
    assert answer.code == 2
    assert line.startswith("ipml: ")
    assert line.isprintable()  # so there is no second line either
    assert len(line) < 2_000
    for word in words:
        assert word in line


def in_json(**cells: object) -> bytes:
    """Return a line with a listing in which these cells are others."""
    return json.dumps(LISTING | cells).encode() + b"\n"


def in_csv(column: str, value: str) -> bytes:
    """Return a file with one listing that has one more column."""
    return pd.DataFrame([LISTING | {column: value}]).to_csv(index=False).encode()


# Files that cannot be read at all


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "no header"),
        ("a.csv", b"\n\n", "no header"),
        ("a.csv", b"a,b\n1,2\n", "no column listing_id, seller_id, title; found a, b."),
        ("a.csv", b"listing_id, seller_id,title\n1,s,Bag\n", "found listing_id, ' seller_id', title"),
        ("a.csv", b"listing_id;seller_id;title\n", "which looks like ';': say it in a column map"),
        ("a.csv", b"listing_id,seller_id,title,colour\n1,s,Bag,red\n", "unknown or repeated column colour"),
        ("a.csv", b"listing_id,seller_id,title,\n1,s,Bag,\n", "unknown or repeated column ''"),
        ("a.csv", b"listing_id,seller_id,title,title\n1,s,Bag,Belt\n", "several columns 'title'"),
        ("a.csv", b"," * 100_000, "100,001 columns"),
        ("a.csv", b"x" * 1_000_000, "no column listing_id"),
        ("a.csv", b"\x1b]0;hello\x07,\x1b[2J\n1,2\n", "no column listing_id"),
        ("a.csv", (HEADER + GOOD).decode().encode("utf-16"), "if it is in another encoding, say it in a column map"),
        ("a.csv", gzip.compress(HEADER + GOOD, mtime=0), "a header with broken letters"),
        ("a.csv.gz", HEADER + GOOD, "no gzip data"),
        ("a.csv.gz", gzip.compress(HEADER + GOOD, mtime=0)[:12], "no gzip data"),
        ("a.parquet", HEADER + GOOD, "expected a Parquet file"),
        ("a.parquet", b"", "expected a Parquet file"),
        ("a.txt", HEADER + GOOD, "the suffix '.txt'"),
    ],
)
def test_what_is_no_file_of_listings_is_refused(ask: Ask, name: str, content: bytes, words: str) -> None:
    """The line says what was found, and neither good rows nor rejects are written."""
    Path(name).write_bytes(content)
    assert_refused(ask("data", "validate", name, "--out", "good.csv", "--rejects", "bad.csv"), name, words)
    assert [path.name for path in Path().iterdir()] == [name]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["nothing.csv"], "nothing.csv: found No such file"),
        (["folder.csv"], "no Parquet file in the folder"),
        (["a.csv", "--encoding", "klingon"], "encoding: found 'klingon'"),
        (["a.csv", "--encoding", "base64"], "encoding: found 'base64'"),
        (["a.csv", "--encoding", "utf-16"], "text in the encoding utf-16"),
        (["a.csv", "--columns", "nothing"], "or one of mercadolibre, ozon-ecup"),
        (["a.csv", "--columns", "nothing.toml"], "nothing.toml: found No such file"),
        (["a.csv", "--columns", "map.toml"], "unknown colour"),
        (["a.csv", "--out", "nowhere/good.csv"], "cannot write nowhere/good.csv"),
        (["a.csv", "--rejects", "nowhere/bad.csv"], "cannot write nowhere/bad.csv"),
        (["a.csv", "--out", "folder.csv", "--force"], "cannot write folder.csv: found a folder"),
        (["a.csv", "--out", "good.xlsx"], "the suffix '.xlsx'"),
        (["a.csv", "--out", "a.csv"], "found a.csv twice"),
        (["a.csv", "--out", "b.csv", "--rejects", "./b.csv"], "found b.csv twice"),
    ],
)
def test_an_impossible_option_is_refused(ask: Ask, options: list[str], words: str) -> None:
    """The line names it, and the file is left as it was."""
    Path("a.csv").write_bytes(HEADER + GOOD)
    Path("folder.csv").mkdir()
    Path("map.toml").write_text('name = "x"\n[columns]\ncolour = "x"\n')
    assert_refused(ask("data", "validate", *options), words)
    assert Path("a.csv").read_bytes() == HEADER + GOOD


@pytest.mark.parametrize(
    "command", ["data labels --out out.csv --known-by", "report transparency --as-of", "queue estimate --since"]
)
def test_a_moment_that_is_mistyped_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """With what is expected, whichever command was asked."""
    monkeypatch.setenv("COLUMNS", "200")
    answer = ask(*command.split(), "01.05.2026")
    assert answer.code == 2
    assert "found '01.05.2026'; expected a day or a moment, such as 2026-03-01" in answer.err


# Rows that cannot be read, or break a rule


@pytest.mark.parametrize(
    ("name", "content", "good", "bad"),
    [
        ("cut off in a row", HEADER + GOOD + b"2,s,Be", 1, 1),
        ("cut off in quotes", HEADER + GOOD + b'2,s,"Belt\n3,s,Bag,1,EUR\n', 1, 1),
        ("letters after a quote", HEADER + b'2,s,"Bag"x,1,EUR\n' + GOOD, 1, 1),
        ("a cell too many, a cell too few", HEADER + b"2,s,Bag,1,EUR,x\n3,s\n" + GOOD, 1, 2),
        ("another encoding", HEADER + GOOD + "2,s,Сумка,1,EUR\n".encode("cp1251"), 1, 1),
        ("NUL", HEADER + GOOD + b"2,s,Be\0lt,1,EUR\n", 1, 1),
        ("no title", HEADER + GOOD + b"2,s,,1,EUR\n", 1, 1),
        ("a long title", HEADER + GOOD + b"2,s," + 10_000_000 * b"x" + b",1,EUR\n", 1, 1),
        ("a long id", HEADER + GOOD + 10_000 * b"x" + b",s,Bag,1,EUR\n", 1, 1),
        ("the same id", HEADER + GOOD + GOOD, 1, 1),
        ("a price without a currency", HEADER + GOOD + b"2,s,Bag,9.5,\n", 1, 1),
        *[
            (f"the price {price}", HEADER + GOOD + f'2,s,Bag,"{price}",EUR\n'.encode(), 1, 1)
            for price in ("NaN", "Infinity", "1e400", "-5", str(2**63), "0x10", "1_000", "1,5", " 5", "١٢", "True")
        ],
        *[
            (f"the moment {moment}", in_csv("observed_at", moment), 0, 1)
            for moment in ("2026-03-01", "2026-03-01T10:00:00", "99999-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "now")
        ],
        *[
            (f"the sales {sales}", in_csv("seller_sales", sales), 0, 1)
            for sales in (str(2**63), "-1", "many")
        ],
        ("the label yes", in_csv("is_counterfeit", "yes"), 0, 1),
    ],
)  # fmt: skip
def test_a_bad_row_of_a_csv_file_is_kept_apart(ask: Ask, name: str, content: bytes, good: int, bad: int) -> None:
    """Each row is either good or in the file of rejects, and the exit code is 1."""
    Path("a.csv").write_bytes(content)
    assert_parted(ask("data", "validate", "a.csv", "--out", "good.jsonl", "--rejects", "bad.csv"), good, bad)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a list", b"[1, 2]"),
        ("a number", b"42"),
        ("nothing", b"null"),
        ("cut off", b'{"listing_id": "2", "sel'),
        ("deep", b'{"title": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"),
        ("half a surrogate pair", in_json(title="a\ud800b")),
        ("half a surrogate pair in a name", in_json(**{"\ud800": 1})),
        ("a name twice", b'{"listing_id": "2", "seller_id": "s", "title": "Bag", "title": "Belt"}'),
        ("many names", in_json(**{f"name {number}": 1 for number in range(2_000)})),
        ("an id that is a number", in_json(listing_id=2)),
        ("a title that is an object", in_json(title={"en": "Bag"})),
        ("a price that is NaN", in_json(price=float("nan"), currency="EUR")),
        ("a price that is infinite", in_json(price=float("inf"), currency="EUR")),
        ("a price of 5,000 digits", b'{"listing_id": "2", "price": 1' + 5_000 * b"0" + b"}"),
        ("a price without a currency", in_json(price=9.5)),
        ("UTF-16", in_json().decode().encode("utf-16").replace(b"\n", b"")),
        ("a million letters", b"x" * 1_000_000),
    ],
)
def test_a_bad_line_of_json_is_kept_apart(ask: Ask, name: str, line: bytes) -> None:
    """The lines around it are read."""
    lines = [in_json(listing_id="a"), line.rstrip(b"\n") + b"\n", in_json(listing_id="b")]
    Path("a.jsonl").write_bytes(b"".join(lines))
    assert_parted(ask("data", "validate", "a.jsonl", "--out", "good.jsonl", "--rejects", "bad.csv"), good=2, bad=1)


def test_what_can_be_read_of_a_damaged_gzip_file_is_read(ask: Ask) -> None:
    """The place where it breaks off is one more bad row, so that nobody takes the file for whole."""
    rows = b"".join(f"{number},s,Bag {number * 7919 % 1_000_003},1,EUR\n".encode() for number in range(5_000))
    whole = gzip.compress(HEADER + rows, mtime=0)
    Path("a.csv.gz").write_bytes(whole[: len(whole) // 2])
    answer = ask("data", "validate", "a.csv.gz", "--out", "good.jsonl", "--rejects", "bad.csv")
    assert answer.code == 1
    assert len(read_table(Path("good.jsonl"))) > 1_000
    assert len(read_table(Path("bad.csv"))) == 1


def test_an_enormous_row_is_one_bad_row(ask: Ask) -> None:
    """It is not held in memory, and the row after it is read."""
    Path("a.csv").write_bytes(HEADER + b"2,s," + 64_000_000 * b"x" + b"\n" + GOOD)
    assert_parted(ask("data", "validate", "a.csv", "--out", "good.jsonl", "--rejects", "bad.csv"), good=1, bad=1)


def test_a_small_file_that_holds_a_large_one_is_refused(ask: Ask) -> None:
    """64 MB that came as 64 kB are one line, that says what to do if they are sound."""
    Path("a.csv.gz").write_bytes(gzip.compress(HEADER + b"2,s," + 64_000_000 * b"x" + b"\n" + GOOD, 1, mtime=0))
    answer = ask("data", "validate", "a.csv.gz", "--out", "good.jsonl", "--rejects", "bad.csv")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "expected at most 20 times as many; if it is sound, unpack it" in answer.err


def test_other_types_in_parquet_are_named(ask: Ask) -> None:
    """A number in the place of a text is called one: it cannot be seen otherwise."""
    pd.DataFrame([LISTING | {"listing_id": 1}]).to_parquet("a.parquet")
    answer = ask("data", "validate", "a.parquet", "--rejects", "bad.csv")
    assert answer.code == 1
    assert "'the number 1'" in answer.out


def assert_parted(answer: Answer, good: int, bad: int) -> None:
    """Check that so many rows went each way, the bad ones with what they were."""
    assert (answer.code, answer.err) == (1, "")
    assert len(read_table(Path("good.jsonl"))) == good
    csv.field_size_limit(2**30)
    with Path("bad.csv").open(encoding="utf-8", newline="") as stream:
        problems = list(csv.DictReader(stream))
    assert len({problem["row"] for problem in problems}) == bad
    assert len([problem for problem in problems if problem["raw"]]) == bad


# Files that only look bad


@pytest.mark.parametrize(
    "title", ["NA", "null", "None", "nan", "N/A", '=HYPERLINK("a")', "@SUM(A1)", "-1", "Bag\x1b[2J", " Bag ", "\u200b"]
)
def test_a_title_stays_as_it_is(ask: Ask, title: str) -> None:
    """No title is taken for a missing one, and none is changed."""
    pd.DataFrame([LISTING | {"title": title}]).to_csv("a.csv", index=False)
    assert ask("data", "validate", "a.csv", "--out", "good.csv").code == 0
    assert read_table(Path("good.csv"))["title"].tolist() == [title]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + HEADER + GOOD,
        (HEADER + GOOD).rstrip(b"\n"),
        (HEADER + GOOD).replace(b"\n", b"\r\n"),
        HEADER + b"\n" + GOOD + b"\n\n",
    ],
    ids=["byte order mark", "no last line break", "CR LF", "empty lines"],
)
def test_other_ways_to_write_the_same_file_are_good(ask: Ask, content: bytes) -> None:
    """They hold one good listing."""
    Path("a.csv").write_bytes(content)
    assert ask("data", "validate", "a.csv").out.startswith("1 good rows, 0 bad rows")


def test_a_file_without_listings_is_good(ask: Ask) -> None:
    """A header alone says that there are none."""
    Path("a.csv").write_bytes(HEADER)
    assert ask("data", "validate", "a.csv").out.startswith("0 good rows, 0 bad rows")


# Experiments, models, databases, settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no name; no data"),
        ("name = ", "expected TOML"),
        ('nmae = "x"\ndata.listings = "a.csv"', "no name; unknown nmae (perhaps name)"),
        ('name = "x"\ndata.listngs = "a.csv"', "unknown data.listngs (perhaps listings)"),
        ('name = "../x"\ndata.listings = "a.csv"', "name = '../x'"),
        ('name = "x"\ndata.listings = "a.csv"\nsplit.kind = "random"', "split.kind = 'random'"),
        ('name = "x"\ndata.listings = "nothing.csv"', "nothing.csv: found no such file"),
    ],
)
def test_a_slip_in_an_experiment_is_named(ask: Ask, text: str, words: str) -> None:
    """Training does not begin, and leaves nothing behind."""
    Path("x.toml").write_text(text)
    assert_refused(ask("model", "train", "x.toml"), words)
    assert [path.name for path in Path().iterdir()] == ["x.toml"]


@pytest.mark.parametrize("model", ["nothing", "empty", "a.csv", "models:/nothing@champion", "models:/../x"])
def test_what_is_no_model_is_refused(ask: Ask, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is scored."""
    monkeypatch.setenv("IPML_TRACKING", "sqlite:///nothing.db")
    Path("empty").mkdir()
    Path("a.csv").write_bytes(HEADER + GOOD)
    assert_refused(ask("score", "a.csv", "--out", "scored.csv", "--model", model), model)
    assert not Path("scored.csv").exists()


def test_unscored_listings_cannot_be_enqueued(ask: Ask) -> None:
    """The line says what to do first."""
    Path("a.csv").write_bytes(HEADER + GOOD)
    assert_refused(ask("enqueue", "a.csv", "--database", "sqlite:///q.db"), "no column score", "ipml score")


@pytest.mark.parametrize(
    "command", [["data", "labels", "--out", "labels.csv"], ["admin", "user", "list"], ["serve", "--port", "0"]]
)
@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///text.db", "file is not a database"),
        ("sqlite:///newer.db", "A newer ipml made it"),
        ("sqlite:///nowhere/q.db", "nowhere/q.db"),
        ("text.db", "expected a URL such as sqlite:///ipml.db"),
    ],
)
def test_what_is_no_database_of_ours_is_refused(ask: Ask, command: list[str], url: str, words: str) -> None:
    """The file is left as it was."""
    Path("text.db").write_text("not a database, though of the length that its header would have " * 9)
    with closing(sqlite3.connect("newer.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    before = {path: path.read_bytes() for path in Path().iterdir()}
    assert_refused(ask(*command, "--database", url), words)
    assert {path: path.read_bytes() for path in before} == before


def test_a_setting_that_cannot_be_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable with a slip is a mistake like any other."""
    monkeypatch.setenv("IPML_PORT", "often")
    assert_refused(ask("serve"), "port = 'often'")


def test_a_place_that_cannot_be_written_to_is_named(ask: Ask) -> None:
    """What the machine refuses is said in one line too."""
    Path("file").touch()
    assert_refused(ask("data", "simulate", "--listings", "500", "--out", "file", "--force"), "file: File exists")
