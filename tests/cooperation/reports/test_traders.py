"""What traders lack, and who is a high-volume seller, to the day, the sale and the cent."""

import csv
import gzip
import stat
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.cooperation.policy import InformRules, TraderRules, load_cooperation_policy
from ipml.cooperation.reports.high_volume import MICROS, Sales, find_high_volume, read_sales
from ipml.cooperation.reports.traders import (
    CHECKS,
    State,
    Trader,
    TraderStep,
    check_traders,
    count_states,
    is_email,
    is_lei,
    read_traders,
    write_findings,
)
from ipml.errors import MissingColumns, UnreadableFile

WHOLE = {
    **{"name": "Thrumbold Bags GmbH", "address": "12 Lane, 10115 Berlin", "phone": "+49 30 1234567"},
    **{"email": "ann@thrumbold.example", "identification": "vault/77"},
    **{"payment_account": "DE89 3704 0044 0532 0130 00", "trade_register": "Amtsgericht Charlottenburg"},
    **{"register_number": "HRB 118265", "self_certification": "yes"},
}
RULES = TraderRules()


def check(told, on=date(2026, 3, 1), **known):
    """Return what one trader lacks."""
    (found,) = check_traders([Trader("s1", told, **known)], RULES, on)
    return found


def test_who_has_told_everything_lacks_nothing():
    """All fields are given, and nothing should follow; file and defaults of the policy say the same."""
    found = check(WHOLE)
    assert found.is_complete
    assert (found.step, found.due) == (TraderStep.NOTHING, None)
    assert load_cooperation_policy().traders == RULES


def test_each_field_may_be_missing_or_malformed(subtests):
    """Left out, or filled with a dash, it is missing, and nothing else is; else it must be what it should be."""
    for name in WHOLE:
        with subtests.test(name=name):
            for nothing in ("", " - ", "N/A"):
                assert check(WHOLE | {name: nothing}).lacking == (name,)
    wrong = {"name": "4711", "address": "somewhere", "phone": "030 1234567", "email": "ann@thrumbold"}
    wrong |= {"payment_account": "DE88 3704 0044 0532 0130 00", "register_number": "pending"}
    for name, value in (wrong | {"self_certification": "no"}).items():
        assert check(WHOLE | {name: value}).states[name] is State.MALFORMED, name
    told = WHOLE | {"trade_register": "", "register_number": ""}  # asked for where there is a register
    assert check(told, is_registered=False).is_complete
    assert check(told).lacking == check(told, is_registered=True).lacking == ("trade_register", "register_number")


def test_what_follows(subtests):
    """Asked first; due after the policy's days; who was there before the law had twelve months."""
    noticed, early, late = date(2026, 3, 1), date(2024, 2, 17), date(2025, 2, 17)
    both = {"since": date(2020, 1, 1), "noticed_on": date(2024, 3, 1)}
    for known, on, step, due in [
        ({}, noticed, TraderStep.ASK, None),
        ({"noticed_on": noticed}, date(2026, 3, 14), TraderStep.WAIT, date(2026, 3, 15)),
        ({"noticed_on": noticed}, date(2026, 3, 15), TraderStep.SUSPEND, date(2026, 3, 15)),
        ({"since": early}, date(2025, 2, 16), TraderStep.WAIT, late),
        ({"since": early}, late, TraderStep.ASK, late),
        ({"since": date(2024, 2, 18)}, date(2024, 6, 1), TraderStep.ASK, None),
        (both, date(2025, 1, 1), TraderStep.WAIT, late),
    ]:
        with subtests.test(known=known, on=on):
            found = check(WHOLE | {"email": ""}, on, **known)
            assert (found.step, found.due) == (step, due)


@given(
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=12, max_size=28), st.sampled_from(("DE", "FR", "QA", "MT"))
)
def test_one_wrong_sign_never_passes(account, country):
    """Check digits of ISO 7064 find every single wrong digit of an account, and of an LEI."""
    number = int("".join(str(int(sign, 36)) for sign in account + country + "00"))
    iban = f"{country}{98 - number % 97:02}{account}"
    if CHECKS["iban"](iban):
        for place in range(4, len(iban)):
            if iban[place].isdigit():
                assert not CHECKS["iban"](iban[:place] + str((int(iban[place]) + 1) % 10) + iban[place + 1 :])
    assert not (is_lei("5493001KJTIIGC8Y1R12"[:-1] + account[0]) and account[0] != "2")


@given(st.text(max_size=40))
def test_no_text_breaks_a_check(text):
    """Whatever strangers write, a check says yes or no."""
    found = check(dict.fromkeys(WHOLE, text))
    assert set(found.states.values()) <= set(State)
    assert not (is_email(text) and text.count("@") != 1)


def test_the_file_is_the_owners_alone(tmp_path):
    """What traders lack is written for nobody else's eyes, even over a file that others could read."""
    rows = [{"seller_id": "=s1", **WHOLE, "since": "2025-05-05"}, {"seller_id": "s2", **WHOLE, "phone": ""}]
    pd.DataFrame(rows).to_csv(tmp_path / "traders.csv", index=False)
    out = tmp_path / "lack.csv"
    out.write_text("old")
    out.chmod(0o644)
    found = check_traders(read_traders(tmp_path / "traders.csv", RULES), RULES, date(2026, 3, 1))
    states, steps = count_states(write_findings(found, RULES, out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with out.open(newline="") as file:
        told = [(row["seller_id"], row["step"], row["lacks"]) for row in csv.DictReader(file)]
    assert told == [("'=s1", "nothing", ""), ("s2", "ask", "phone")]
    assert (states["phone", State.MISSING], steps[TraderStep.ASK], steps[TraderStep.NOTHING]) == (1, 1, 1)


def test_parquet_says_the_same(tmp_path):
    """A table as Parquet, with true dates and truth values, is read like one as CSV."""
    table = pd.DataFrame([{"seller_id": "s1", **WHOLE, "is_registered": False, "since": date(2025, 5, 5)}])
    table.to_parquet(tmp_path / "traders.parquet")
    (trader,) = read_traders(tmp_path / "traders.parquet", RULES)
    assert (trader.is_registered, trader.since, trader.told) == (False, date(2025, 5, 5), WHOLE)


def test_a_file_that_is_no_table_of_traders_is_refused(tmp_path):
    """A missing column, a seller twice, and a day that is none are named with their row."""
    row, path = pd.DataFrame([{"seller_id": "s1", **WHOLE, "since": "2025-05-05"}]), tmp_path / "traders.csv"
    for table, error, said in (
        (pd.concat([row, row]), UnreadableFile, "'s1' twice"),
        (row.assign(since="last year"), UnreadableFile, "row 1"),
        (row.drop(columns="email"), MissingColumns, "email"),
    ):
        table.to_csv(path, index=False)
        with pytest.raises(error, match=said):
            list(read_traders(path, RULES))


# Who is a high-volume seller, to the day, the sale and the cent
FEW = InformRules(sales=3, revenue=10.0, disclosed_revenue=25.0)
DAYS = st.dates(date(2023, 12, 1), date(2026, 4, 1)) | st.sampled_from(
    [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2025, 2, 28), date(2025, 3, 1), date(2026, 2, 28)]
)
EVENTS = st.lists(st.tuples(st.sampled_from("ab"), DAYS, st.integers(0, 12)), max_size=14)


def make_sales(events) -> Sales:
    """Return sales from (seller, day, dollars), in the order that is asked for."""
    ids = sorted({seller for seller, _, _ in events})
    rows = sorted(
        (ids.index(seller), day.year * 10_000 + day.month * 100 + day.day, dollars) for seller, day, dollars in events
    )
    seller, day, dollars = (np.array([row[at] for row in rows], dtype=np.int64) for at in range(3))
    return Sales(ids, seller, day, np.ones(len(rows), dtype=np.int64), dollars * MICROS)


def years_after(day: date, years: int) -> date:
    """Return the anniversary of a day, 1 March for 29 February where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def is_high_volume(events, on: date) -> bool:
    """Say, by trying every period, whether somebody counts: the law word for word."""
    recent = [(day, dollars) for day, dollars in events if day <= on < years_after(day, 2)]
    for first, _ in recent:
        within = [dollars for day, dollars in recent if first <= day < years_after(first, 1)]
        if len(within) >= FEW.sales and sum(within) >= FEW.revenue:
            return True
    return False


@given(EVENTS, DAYS)
def test_it_is_what_trying_every_period_gives(events, on):
    """Whoever counts on a day, and nobody else, is found; with the day since when without a break, and until when."""
    found = {one.seller_id: one for one in find_high_volume(make_sales(events), FEW, on)}
    for seller in {event[0] for event in events}:
        own = [(day, dollars) for who, day, dollars in events if who == seller and day <= on]
        assert (seller in found) == is_high_volume(own, on)
        if seller in found:
            since, until = found[seller].since, found[seller].until
            assert is_high_volume([one for one in own if one[0] <= since], since)
            before = since - timedelta(days=1)
            assert not is_high_volume([one for one in own if one[0] <= before], before)
            assert is_high_volume(own, until - timedelta(days=1))
            assert not is_high_volume(own, until)


@given(EVENTS, DAYS)
def test_the_most_is_that_of_the_best_twelve_months(events, on):
    """Sales and revenue are the most of any period in the last twenty-four months; from 25 dollars on all is told."""
    for one in find_high_volume(make_sales(events), FEW, on):
        recent = [
            (day, dollars) for who, day, dollars in events if who == one.seller_id and day <= on < years_after(day, 2)
        ]
        periods = [[dollars for day, dollars in recent if first <= day < years_after(first, 1)] for first, _ in recent]
        assert (one.sales, one.revenue) == (max(map(len, periods)), max(map(sum, periods)))
        assert one.is_disclosed == (one.revenue >= 25)


def sell(n: int, each: str, day: str = "2026-01-01", **more: object) -> pd.DataFrame:
    """Return n sales of a value each."""
    return pd.DataFrame({"seller_id": "ann", "sold_at": day, "value": [each] * n, "currency": "USD", **more})


def find(table: pd.DataFrame, folder, on=date(2026, 6, 1), rates: pd.DataFrame | None = None):
    """Return who counts by a file of sales."""
    table.to_csv(folder / "sales.csv", index=False)
    if rates is not None:
        rates.to_csv(folder / "rates.csv", index=False)
    sales = read_sales(folder / "sales.csv", None if rates is None else folder / "rates.csv")
    return find_high_volume(sales, InformRules(), on)


def test_exactly_so_much_is_enough(tmp_path):
    """200 sales that come to 5,000.00 exactly count; 199, or a cent less, do not; disclosure begins at 20,000.00."""
    (ann,) = find(sell(200, "25.00"), tmp_path)
    assert (ann.sales, ann.revenue, ann.since) == (200, 5000.0, date(2026, 1, 1))
    assert ann.collect_by == date(2026, 1, 11)
    assert find(sell(199, "30.00"), tmp_path) == []
    assert find(pd.concat([sell(199, "25.00"), sell(1, "24.99")]), tmp_path) == []
    (ann,) = find(sell(6_250, "0.8"), tmp_path)
    assert ann.revenue == 5000.0
    (ann,) = find(sell(200, "100"), tmp_path)
    assert ann.is_disclosed
    (ann,) = find(pd.concat([sell(199, "100"), sell(1, "99.99")]), tmp_path)
    assert not ann.is_disclosed
    sell(20, "250.00").assign(sales=10).to_parquet(tmp_path / "sales.parquet")  # a row for several sales
    (ann,) = find_high_volume(read_sales(tmp_path / "sales.parquet"), InformRules(), date(2026, 6, 1))
    assert ann.sales == 200


def test_twelve_months_to_the_day(tmp_path, subtests):
    """From 1 January 2025 on, 31 December lies within twelve months, and the next 1 January does not."""
    for last, counts in [("2025-12-31", True), ("2026-01-01", False)]:
        with subtests.test(last=last):
            table = pd.concat([sell(1, "4000", "2025-01-01T23:59:59Z"), sell(199, "10", f"{last}T00:00:00Z")])
            assert bool(find(table, tmp_path)) == counts


def test_currencies_by_the_rate_of_the_day(tmp_path):
    """A sale counts by the rate that held on its day; used goods do not count."""
    rates = pd.DataFrame({"currency": ["eur", "EUR"], "since": ["2020-01-01", "2026-02-01"], "usd": ["1.10", "1.25"]})
    early = sell(100, "20", "2026-01-31", is_new="yes").assign(currency="EUR")
    late = sell(100, "22.40", "2026-02-01", is_new="").assign(currency="EUR")
    used = sell(500, "99", "2026-02-01", is_new="no")
    (ann,) = find(pd.concat([early, late, used]), tmp_path, rates=rates)
    assert (ann.sales, ann.revenue) == (200, 100 * 22.0 + 100 * 28.0)


def test_what_is_no_sale_is_refused(tmp_path, subtests):
    """Nothing is left out in silence: a bad row, a currency without a rate, or a missing column stops it."""
    for change, said in [
        ({"value": "-1"}, "the first of them row 1"),
        ({"value": "a lot"}, "that are no sales"),
        ({"sold_at": "yesterday"}, "that are no sales"),
        ({"currency": "EUR"}, "'EUR' in 2 rows"),
    ]:
        with subtests.test(said=said), pytest.raises(UnreadableFile, match=said):
            find(sell(2, "1").assign(**change), tmp_path)
    with pytest.raises(MissingColumns, match="currency"):
        find(sell(2, "1").drop(columns="currency"), tmp_path)


HEADER, SALE = b"seller_id,sold_at,value,currency\n", b"s,2026-01-01T00:00:00Z,1,USD\n"


UNPACKING = [
    ("rows.csv.gz", gzip.compress(HEADER + SALE * 800_000, mtime=0), "packed ones"),
    ("cell.csv.gz", gzip.compress(HEADER + b"s" * (32 << 20), mtime=0), "packed ones"),
    ("header.csv.gz", gzip.compress(b"s" * (32 << 20), mtime=0), "a longer header"),
    ("wide.csv", b",".join([b"c"] * 2_000) + b"\n", "a longer header"),
    ("wide_semicolons.csv", b";".join([b"c"] * 2_000) + b"\n", "a longer header"),
    ("cut.csv.gz", gzip.compress(HEADER + SALE * 9, mtime=0)[:-9], "expected a table"),
    ("letter.csv.gz", b"Dear reader", "expected a table"),
]


def test_a_file_that_unpacks_to_much_is_refused(tmp_path: Path, subtests: pytest.Subtests):
    """The database that reads it learns nothing of it: no small file costs much time or memory."""
    for name, content, words in UNPACKING:
        with subtests.test(name=name):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(UnreadableFile, match=words) as refused:
                read_sales(tmp_path / name)
            assert "\n" not in str(refused.value)
