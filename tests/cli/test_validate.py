"""`ipml data validate` names every bad cell, and answers with its exit code."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from ipml.cli import make_commands
from ipml.errors import IpmlError
from ipml.listings.readers import read_listings

GOOD = "listing_id,seller_id,title,price,currency\n1,s,Bag,9.5,EUR\n"


def run(folder: Path, text: str, *options: str) -> Result:
    """Write a file and validate it."""
    (folder / "shop.csv").write_text(text, encoding="utf-8")
    return CliRunner().invoke(make_commands(), ["data", "validate", str(folder / "shop.csv"), *options])


def test_a_good_file_exits_0(tmp_path: Path) -> None:
    """A file without problems is counted, and the exit code is 0."""
    result = run(tmp_path, GOOD)
    assert result.exit_code == 0
    assert "1 good rows, 0 bad rows" in result.stdout


def test_bad_rows_exit_1_and_are_shown(tmp_path: Path) -> None:
    """Bad rows are counted and shown, and the exit code is 1."""
    result = run(tmp_path, GOOD + "2,s,Belt,9;5,EUR\n")
    assert result.exit_code == 1
    assert "1 good rows, 1 bad rows with 1 problems" in result.stdout
    assert "'9;5'" in result.stdout


def test_a_mistake_raises(tmp_path: Path) -> None:
    """A file that cannot be read is an error of ipml's own, for which the command exits with 2."""
    assert isinstance(run(tmp_path, "").exception, IpmlError)


def test_good_and_bad_rows_are_kept_apart(tmp_path: Path) -> None:
    """--out takes the good rows and --rejects the bad ones; together they are the file."""
    good, rejects = tmp_path / "good.parquet", tmp_path / "rejects.csv"
    result = run(tmp_path, GOOD + "2,s,=A1,x,EUR\n", "--out", str(good), "--rejects", str(rejects))
    assert result.exit_code == 1
    (validation,) = read_listings(good)
    assert validation.listings["listing_id"].tolist() == ["1"]
    with rejects.open(encoding="utf-8", newline="") as stream:
        (row,) = csv.DictReader(stream)
    assert (row["row"], row["column"], row["value"]) == ("2", "price", "x")


def test_a_column_map_can_be_named(tmp_path: Path) -> None:
    """--columns takes a file, so that a marketplace's own columns are understood."""
    columns = tmp_path / "map.toml"
    columns.write_text('name = "x"\n[columns]\nlisting_id = "id"\nseller_id = "who"\ntitle = "what"\n')
    assert run(tmp_path, "id,who,what\n1,s,Bag\n", "--columns", str(columns)).exit_code == 0


@pytest.mark.parametrize("title", ["\x1b[2J", "[red]x", "[/nothing]"])
def test_what_a_seller_wrote_is_inert_in_the_terminal(tmp_path: Path, title: str) -> None:
    """Neither escape codes nor markup in a bad cell have an effect."""
    text = pd.DataFrame({"listing_id": ["1"], "seller_id": "s", "title": "Bag", "price": [title], "currency": "EUR"})
    result = run(tmp_path, text.to_csv(index=False))
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert repr(title) in result.stdout


def test_vectors_that_csv_cannot_hold_are_counted(tmp_path: Path) -> None:
    """It is said how many pictures' vectors are left out; other files hold them."""
    (tmp_path / "shop.jsonl").write_text(
        '{"listing_id": "1", "seller_id": "s", "title": "Bag", "image_vector": [0.5]}\n'
    )
    said = {}
    for suffix in ("csv", "parquet"):
        out = str(tmp_path / f"good.{suffix}")
        result = CliRunner().invoke(make_commands(), ["data", "validate", str(tmp_path / "shop.jsonl"), "--out", out])
        assert result.exit_code == 0
        said[suffix] = "is without the image_vector that 1 rows had" in result.stdout
    assert said == {"csv": True, "parquet": False}
