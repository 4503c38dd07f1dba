"""`ipml data validate` names every bad cell, and answers with its exit code."""

import csv

from ipml.listings.readers import read_listings

HEADER = "listing_id,seller_id,title,price,currency\n"


def test_good_and_bad_rows_are_counted_shown_and_kept_apart(ipml, tmp_path):
    """With exit code 1; --out takes the good rows and --rejects the bad ones, and no cell commands the terminal."""
    bad = ["9;5", "\x1b[2J", "[red]x", "[/nothing]", "=A1"]
    rows = [f"{number},s,Belt,{cell},EUR\n" for number, cell in enumerate(bad, 2)]
    (tmp_path / "shop.csv").write_text(HEADER + "1,s,Bag,9.5,EUR\n" + "".join(rows), encoding="utf-8")
    answer = ipml("data validate shop.csv --out good.parquet --rejects rejects.csv")
    assert answer.exit_code == 1
    assert "1 good rows, 5 bad rows with 5 problems" in answer.out
    assert all(repr(cell) in answer.out for cell in bad)
    assert "\x1b" not in answer.out
    (validation,) = read_listings(tmp_path / "good.parquet")
    assert validation.listings["listing_id"].tolist() == ["1"]
    with (tmp_path / "rejects.csv").open(encoding="utf-8", newline="") as stream:
        found = [(row["row"], row["column"]) for row in csv.DictReader(stream)]
    assert found == [(str(number), "price") for number in range(2, 7)]


def test_vectors_that_csv_cannot_hold_are_counted(ipml, tmp_path):
    """It is said how many pictures' vectors are left out; other files hold them."""
    vector = '{"listing_id": "1", "seller_id": "s", "title": "Bag", "image_vector": [0.5]}\n'
    (tmp_path / "shop.jsonl").write_text(vector)
    said = {suffix: ipml(f"data validate shop.jsonl --out good.{suffix}").out for suffix in ("csv", "parquet")}
    assert "is without the image_vector that 1 rows had" in said["csv"]
    assert "image_vector" not in said["parquet"]
