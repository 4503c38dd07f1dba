"""What comes in may be anything: every command answers in words, loses nothing and repairs nothing in silence."""

import csv
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest

from ipml.listings.tables import read_table

HEADER = b"listing_id,seller_id,title,price,currency\n"
GOOD = b"1,s,Bag,9.5,EUR\n"
LISTING = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
VALIDATE = "data validate --out good.jsonl --rejects bad.csv"

# Files that cannot be read at all: name, content, and words of the line that says so.
UNREADABLE = [
    ("empty.csv", b"", "no header"),
    ("column.csv", b"a,b\n1,2\n", "no column listing_id, seller_id, title; found a, b."),
    ("blank.csv", b"listing_id, seller_id,title\n1,s,Bag\n", "found listing_id, ' seller_id', title"),
    ("separator.csv", b"listing_id;seller_id;title\n", "which looks like ';': say it in a column map"),
    ("unknown.csv", b"listing_id,seller_id,title,colour\n1,s,Bag,red\n", "unknown or repeated column colour"),
    ("twice.csv", b"listing_id,seller_id,title,title\n1,s,Bag,Belt\n", "several columns 'title'"),
    ("columns.csv", b"," * 100_000, "100,001 columns"),
    ("screen.csv", b"\x1b]0;hello\x07,\x1b[2J\n1,2\n", "no column listing_id"),
    ("utf16.csv", (HEADER + GOOD).decode().encode("utf-16"), "if it is in another encoding, say it in a column map"),
    ("packed.csv", gzip.compress(HEADER + GOOD, mtime=0), "a header with broken letters"),
    ("plain.csv.gz", HEADER + GOOD, "no gzip data"),
    ("a.parquet", HEADER + GOOD, "expected a Parquet file"),
    ("a.txt", HEADER + GOOD, "the suffix '.txt'"),
]
IMPOSSIBLE = {
    "data validate nothing.csv": "nothing.csv: found No such file",
    "data validate folder.csv": "no Parquet file in the folder",
    "data validate a.csv --encoding klingon": "encoding: found 'klingon'",
    "data validate a.csv --encoding base64": "encoding: found 'base64'",
    "data validate a.csv --columns nothing": "or one of mercadolibre, ozon-ecup",
    "data validate a.csv --columns nothing.toml": "nothing.toml: found No such file",
    "data validate a.csv --columns map.toml": "unknown colour",
    "data validate a.csv --out nowhere/good.csv": "cannot write nowhere/good.csv",
    "data validate a.csv --rejects nowhere/bad.csv": "cannot write nowhere/bad.csv",
    "data validate a.csv --out folder.csv --force": "cannot write folder.csv: found a folder",
    "data validate a.csv --out good.xlsx": "the suffix '.xlsx'",
    "data validate a.csv --out a.csv": "found a.csv twice",
    "data validate a.csv --out b.csv --rejects ./b.csv": "found b.csv twice",
    "data simulate --listings 500 --out file --force": "file: File exists",
    "data simulate --difficulty 2 --out new": "difficulty",
    "score a.csv --out scored.csv --model nothing": "nothing. Train one, or name another.",
    "score a.csv --out scored.csv --model folder.csv": "folder.csv: found no card.json",
    "score a.csv --out scored.csv --model a.csv": "a.csv",
    "score a.csv --out scored.csv --model models:/nothing@champion": "models:/nothing@champion",
    "score a.csv --out scored.csv --model models:/../x": "models:/../x",
    "data labels --out out.csv --database sqlite:///no.db": "no such file",
}


def test_what_is_no_file_of_listings_is_refused(ipml, subtests: pytest.Subtests) -> None:
    """The line says what was found, and neither good rows nor rejects are written."""
    for name, content, words in UNREADABLE:
        with subtests.test(name=name):
            Path(name).write_bytes(content)
            assert ipml(VALIDATE, name).is_refusal(name, words)
    assert {path.name for path in Path().iterdir()} == {name for name, *_ in UNREADABLE}


def test_an_impossible_option_is_refused(ipml, accepted) -> None:
    """The line names it, nothing is written, and what is there stays as it was."""
    Path("a.csv").write_bytes(HEADER + GOOD)
    Path("folder.csv").mkdir()
    Path("file").touch()
    Path("map.toml").write_text('name = "x"\n[columns]\ncolour = "x"\n')
    before = {path: path.is_file() and path.read_bytes() for path in Path().iterdir()}
    assert accepted(IMPOSSIBLE) == {}
    assert {path: path.is_file() and path.read_bytes() for path in Path().iterdir()} == before
    assert ipml("enqueue a.csv").is_refusal("no column score", "ipml score")


def test_a_moment_that_is_mistyped_is_named(ipml) -> None:
    """With what is expected, whichever command was asked."""
    for line in ("data labels --out out.csv --known-by", "report transparency --as-of", "queue estimate --since"):
        answer = ipml(line, "01.05.2026")
        assert answer.exit_code == 2
        assert "found '01.05.2026'; expected a day or a moment, such as 2026-03-01" in answer.err


def assert_parted(answer, good: int, bad: int) -> None:
    """Check that so many rows went each way, the bad ones with what they were."""
    assert (answer.exit_code, answer.err) == (1, "")
    assert len(read_table(Path("good.jsonl"))) == good
    csv.field_size_limit(2**30)
    with Path("bad.csv").open(encoding="utf-8", newline="") as stream:
        problems = list(csv.DictReader(stream))
    assert len({problem["row"] for problem in problems}) == bad
    assert len([problem for problem in problems if problem["raw"]]) == bad


def test_bad_rows_are_kept_apart(ipml, subtests: pytest.Subtests) -> None:
    """Each row is either good or in the file of rejects, with exit code 1: texts and values broken in every way."""
    prices = ("NaN", "1e400", "-5", str(2**63), "0x10", "1_000", "1,5", " 5", "١٢", "True")
    rows = [
        b'2,s,"Bag"x,1,EUR\n',
        b"2,s,Bag,1,EUR,x\n",
        b"3,s\n",
        "2,s,Сумка,1,EUR\n".encode("cp1251"),
        b"2,s,Be\0lt,1,EUR\n",
        b"2,s,,1,EUR\n",
        b"2,s," + 10_000_000 * b"x" + b",1,EUR\n",
        10_000 * b"x" + b",s,Bag,1,EUR\n",
        GOOD,  # the same id again
        b"2,s,Bag,9.5,\n",
        *(f'{100 + place},s,Bag,"{price}",EUR\n'.encode() for place, price in enumerate(prices)),
    ]
    lines = [
        b"[1, 2]",
        b"null",
        b'{"listing_id": "2", "sel',
        b'{"title": ' + b"[" * 1_000 + b"]" * 1_000 + b"}",
        json.dumps(LISTING | {"title": "a\ud800b"}).encode(),
        b'{"listing_id": "2", "seller_id": "s", "title": "Bag", "title": "Belt"}',
        json.dumps(LISTING | {f"name {number}": 1 for number in range(2_000)}).encode(),
        json.dumps(LISTING | {"listing_id": 2}).encode(),
        json.dumps(LISTING | {"price": float("nan"), "currency": "EUR"}).encode(),
        b'{"listing_id": "2", "price": 1' + 5_000 * b"0" + b"}",
        json.dumps(LISTING).encode("utf-16").replace(b"\n", b""),
        json.dumps(LISTING | {"observed_at": "2026-02-30T00:00:00Z"}).encode(),
        b"x" * 1_000_000,
    ]
    good = json.dumps(LISTING).encode()
    for name, content, n_good, n_bad in (
        ("rows.csv", HEADER + GOOD + b"".join(rows) + b"4,s,Last,1,EUR\n", 2, len(rows)),
        ("cut.csv", HEADER + GOOD + b"2,s,Be", 1, 1),
        ("quotes.csv", HEADER + GOOD + b'2,s,"Belt\n3,s,Bag,1,EUR\n', 1, 1),
        ("enormous.csv", HEADER + b"2,s," + 64_000_000 * b"x" + b"\n" + GOOD, 1, 1),
        ("lines.jsonl", b"\n".join([good, *lines, good.replace(b'"1"', b'"9"')]) + b"\n", 2, len(lines)),
    ):
        with subtests.test(name=name):
            Path(name).write_bytes(content)
            assert_parted(ipml(VALIDATE, name, "--force"), n_good, n_bad)


def test_what_can_be_read_of_a_damaged_gzip_file_is_read(ipml) -> None:
    """The place where it breaks off is one more bad row; one that unpacks to much more than it is is refused."""
    rows = b"".join(f"{number},s,Bag {number * 7919 % 1_000_003},1,EUR\n".encode() for number in range(5_000))
    whole = gzip.compress(HEADER + rows, mtime=0)
    Path("a.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert ipml(VALIDATE, "a.csv.gz").exit_code == 1
    assert len(read_table(Path("good.jsonl"))) > 1_000
    assert len(read_table(Path("bad.csv"))) == 1
    Path("bomb.csv.gz").write_bytes(gzip.compress(HEADER + b"2,s," + 64_000_000 * b"x" + b"\n" + GOOD, 1, mtime=0))
    expected = "expected at most 20 times as many; if it is sound, unpack it"
    assert ipml(VALIDATE, "bomb.csv.gz", "--force").is_refusal(expected)


def test_other_types_in_parquet_are_named(ipml) -> None:
    """A number in the place of a text is called one: it cannot be seen otherwise."""
    pd.DataFrame([LISTING | {"listing_id": 1}]).to_parquet("a.parquet")
    answer = ipml("data validate a.parquet --rejects bad.csv")
    assert answer.exit_code == 1
    assert "'the number 1'" in answer.out


def test_what_only_looks_bad_is_good(ipml, subtests: pytest.Subtests) -> None:
    """No title is taken for a missing one or changed; marks, line ends and empty lines are no part of a file."""
    titles = ["NA", "null", "None", "nan", '=HYPERLINK("a")', "@SUM(A1)", "-1", "Bag\x1b[2J", " Bag ", "\u200b"]
    rows = [LISTING | {"listing_id": str(number), "title": title} for number, title in enumerate(titles)]
    pd.DataFrame(rows).to_csv("titles.csv", index=False)
    assert ipml("data validate titles.csv --out good.csv").exit_code == 0
    assert read_table(Path("good.csv"))["title"].tolist() == titles
    for n_good, content in (
        (0, HEADER),
        (1, b"\xef\xbb\xbf" + HEADER + GOOD),
        (1, (HEADER + GOOD).rstrip(b"\n")),
        (1, (HEADER + GOOD).replace(b"\n", b"\r\n")),
        (1, HEADER + b"\n" + GOOD + b"\n\n"),
    ):
        with subtests.test(content=content):
            Path("a.csv").write_bytes(content)
            assert ipml("data validate a.csv").out.startswith(f"{n_good} good rows, 0 bad rows")


def test_what_is_no_database_of_ours_is_refused(accepted) -> None:
    """The file is left as it was."""
    Path("text.db").write_text("not a database, though of the length that its header would have " * 9)
    with closing(sqlite3.connect("newer.db")) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    words = {
        "sqlite:///text.db": "file is not a database",
        "sqlite:///newer.db": "A newer ipml made it",
        "sqlite:///nowhere/q.db": "nowhere/q.db",
        "text.db": "expected a URL such as sqlite:///ipml.db",
    }
    lines = ("data labels --out labels.csv", "admin user list", "serve --port 0")
    assert accepted({f"{line} --database {url}": words[url] for line in lines for url in words}) == {}
    assert {path: path.read_bytes() for path in before} == before
