"""`ipml report`: brands, transparency and traders."""

import pandas as pd
from support.databases import copy_sqlite

from ipml.records import Listing


def test_a_brand_is_reported_on(ipml, make_queue, tmp_path):
    """The page is there, and the headline is printed; a brand that nobody knows is answered in a line."""
    make_queue(Listing("L1", "s1", "Bag", brand="Acme"), counterfeit=[1])
    answer = ipml("report brand Acme --since 2020-01-01 --until 2199-12-31 --out acme")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 1" in answer.out
    assert "fewer than 5" in (tmp_path / "acme/report.html").read_text("utf-8")
    assert ipml("report brand Nobody --year 2026").is_refusal("'Nobody'")


# `ipml report transparency`
def test_a_year_is_written_into_a_folder(ipml, accepted, tmp_path):
    """The page is there, and the headline is printed; what is not known is not zero, and a period has one form."""
    copy_sqlite(tmp_path)
    answer = ipml("report transparency --year 2026 --as-of 2027-01-31")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 0" in answer.out
    assert "Precision of what was found counterfeit: not known" in answer.out
    assert (tmp_path / "transparency-2026/report.html").exists()
    assert (tmp_path / "transparency-2026/eu_template/4_notices.csv").exists()
    wrong = dict.fromkeys(
        ("", "--year 2026 --since 2026-01-01", "--since 2026-01-01"), "--year, or both --since and --until"
    )
    wrong |= {"--since 2026-02-01 --until 2026-01-01": "not before the first"}
    assert accepted({f"report transparency {line}": words for line, words in wrong.items()}) == {}


# `ipml report traders`
def test_traders_and_their_sales_are_checked(ipml, tmp_path):
    """What is missing is counted, who qualifies is written, and both files are the owner's alone."""
    fields = ("name", "address", "phone", "email", "identification", "payment_account")
    more = ("trade_register", "register_number", "self_certification")
    pd.DataFrame([{"seller_id": "s1"} | dict.fromkeys((*fields, *more), "")]).to_csv("traders.csv", index=False)
    sale = {"seller_id": "s1", "sold_at": "2026-01-01", "value": "25", "currency": "USD"}
    pd.DataFrame([sale] * 200).to_csv("sales.csv", index=False)
    answer = ipml("report traders traders.csv --sales sales.csv --as-of 2026-03-01")
    assert answer.exit_code == 0, answer.err
    assert "1 to be asked for what is missing" in answer.out
    assert "1 high-volume sellers" in answer.out
    assert "s1" not in answer.out
    (_, row) = (tmp_path / "high-volume.csv").read_text().splitlines()
    assert row == "s1,2026-01-01,2026-01-11,2028-01-01,200,5000.00,no"
    for name in ("high-volume.csv", "traders-lack.csv"):
        assert (tmp_path / name).stat().st_mode & 0o77 == 0
    assert ipml("report traders traders.csv --out traders.csv").is_refusal("twice")
