"""`ipml report traders`."""

import pandas as pd


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
