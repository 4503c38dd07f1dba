"""What comes in may be anything: every command answers in words, loses nothing and repairs nothing in silence."""

import gzip
from pathlib import Path

import pytest

HEADER = b"listing_id,seller_id,title,price,currency\n"
GOOD = b"1,s,Bag,9.5,EUR\n"
VALIDATE = "data validate --out good.jsonl --rejects bad.csv"

# Files that cannot be read at all: name, content, and words of the line that says so.
UNREADABLE = [
    ("empty.csv", b"", "no header"),
    ("separator.csv", b"listing_id;seller_id;title\n", "which looks like ';': say it in a column map"),
    ("twice.csv", b"listing_id,seller_id,title,title\n1,s,Bag,Belt\n", "several columns 'title'"),
    ("screen.csv", b"\x1b]0;hello\x07,\x1b[2J\n1,2\n", "no column listing_id"),
    ("utf16.csv", (HEADER + GOOD).decode().encode("utf-16"), "if it is in another encoding, say it in a column map"),
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
    Path("bomb.csv.gz").write_bytes(gzip.compress(HEADER + b"2,s," + 64_000_000 * b"x" + b"\n" + GOOD, 1, mtime=0))
    expected = "expected at most 20 times as many; if it is sound, unpack it"
    assert ipml(VALIDATE, "bomb.csv.gz").is_refusal(expected)


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
