"""`ipml report`: brands, transparency and traders."""

import pandas as pd
from support.databases import copy_sqlite

from ipml.records import Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing


def test_a_brand_is_reported_on(ipml, tmp_path, make_scored):
    """The page is there, and the headline is printed."""
    url = copy_sqlite(tmp_path)
    engine = open_database(url)
    enqueue(engine, [make_scored(brand="Acme")])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    engine.dispose()
    days = ("--since", "2020-01-01", "--until", "2199-12-31")
    answer = ipml("report brand Acme", *days, "--database", url, "--out", "acme")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 1" in answer.out
    assert "fewer than 5" in (tmp_path / "acme/report.html").read_text("utf-8")


def test_an_unknown_brand_is_answered_in_a_line(ipml, tmp_path):
    """Nothing is written."""
    answer = ipml("report brand Nobody --year 2026 --database", copy_sqlite(tmp_path))
    assert answer.exit_code == 2
    assert "'Nobody'" in answer.err


# `ipml report transparency`
def test_a_year_is_written_into_a_folder(ipml, tmp_path):
    """The page is there, and the headline is printed; what is not known is not zero."""
    url = copy_sqlite(tmp_path)
    answer = ipml("report transparency --year 2026 --database", url, "--as-of", "2027-01-31")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 0" in answer.out
    assert "Precision of what was found counterfeit: not known" in answer.out
    assert (tmp_path / "transparency-2026/report.html").exists()
    assert (tmp_path / "transparency-2026/eu_template/4_notices.csv").exists()


def test_a_period_is_asked_for_in_one_way(ipml, tmp_path):
    """A year and days at once, or half of the days, are refused in one line."""
    url = copy_sqlite(tmp_path)
    for options in ([], ["--year", 2026, "--since", "2026-01-01"], ["--since", "2026-01-01"]):
        answer = ipml("report transparency", *options, "--database", url)
        assert answer.exit_code == 2
        assert "--year, or both --since and --until" in answer.err
    backwards = ipml("report transparency --since 2026-02-01 --until 2026-01-01 --database", url)
    assert "not before the first" in backwards.err


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
    assert (tmp_path / "high-volume.csv").read_text().splitlines()[
        1
    ] == "s1,2026-01-01,2026-01-11,2028-01-01,200,5000.00,no"
    assert [path.stat().st_mode & 0o77 for path in (tmp_path / "high-volume.csv", tmp_path / "traders-lack.csv")] == [
        0,
        0,
    ]


def test_a_result_never_goes_over_what_is_read(ipml):
    """The table of traders stays."""
    answer = ipml("report traders traders.csv --out traders.csv")
    assert (answer.exit_code, "twice" in answer.err) == (2, True)
