"""What traders lack: forms with their check digits, what is missing, and what should follow."""

import csv
import stat
from datetime import date

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipml.cooperation.policy import TraderRules, load_cooperation_policy
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
    "name": "Thrumbold Bags GmbH",
    "address": "12 Lane, 10115 Berlin",
    "phone": "+49 30 1234567",
    "email": "ann@thrumbold.example",
    "identification": "vault/77",
    "payment_account": "DE89 3704 0044 0532 0130 00",
    "trade_register": "Amtsgericht Charlottenburg",
    "register_number": "HRB 118265",
    "self_certification": "yes",
}
RULES = TraderRules()


def check(told, on=date(2026, 3, 1), **known):
    """Return what one trader lacks."""
    (found,) = check_traders([Trader("s1", told, **known)], RULES, on)
    return found


def test_who_has_told_everything_lacks_nothing():
    """All fields are given, and nothing should follow."""
    found = check(WHOLE)
    assert found.is_complete
    assert (found.step, found.due) == (TraderStep.NOTHING, None)


def test_each_field_may_be_missing(subtests):
    """What is left out, or filled with a dash, is missing, and nothing else is."""
    for name in WHOLE:
        with subtests.test(name=name):
            for nothing in ("", " - ", "N/A"):
                assert check(WHOLE | {name: nothing}).lacking == (name,)


def test_each_form_is_looked_at(subtests):
    """What cannot be what it should be is malformed."""
    for name, wrong in [
        ("name", "4711"),
        ("address", "somewhere"),
        ("phone", "030 1234567"),
        ("email", "ann@thrumbold"),
        ("payment_account", "DE88 3704 0044 0532 0130 00"),
        ("register_number", "pending"),
        ("self_certification", "no"),
    ]:
        with subtests.test(name=name):
            assert check(WHOLE | {name: wrong}).states[name] is State.MALFORMED


def test_who_is_in_no_register_need_not_name_one():
    """The register is asked for where there is one; who does not say is asked."""
    told = WHOLE | {"trade_register": "", "register_number": ""}
    assert check(told, is_registered=False).is_complete
    assert check(told).lacking == check(told, is_registered=True).lacking == ("trade_register", "register_number")


def test_what_follows(subtests):
    """Asked first; due after the policy's days; who was there before the law had twelve months."""
    for known, on, step, due in [
        ({}, date(2026, 3, 1), TraderStep.ASK, None),
        ({"noticed_on": date(2026, 3, 1)}, date(2026, 3, 14), TraderStep.WAIT, date(2026, 3, 15)),
        ({"noticed_on": date(2026, 3, 1)}, date(2026, 3, 15), TraderStep.SUSPEND, date(2026, 3, 15)),
        ({"since": date(2024, 2, 17)}, date(2025, 2, 16), TraderStep.WAIT, date(2025, 2, 17)),
        ({"since": date(2024, 2, 17)}, date(2025, 2, 17), TraderStep.ASK, date(2025, 2, 17)),
        ({"since": date(2024, 2, 18)}, date(2024, 6, 1), TraderStep.ASK, None),
        (
            {"since": date(2020, 1, 1), "noticed_on": date(2024, 3, 1)},
            date(2025, 1, 1),
            TraderStep.WAIT,
            date(2025, 2, 17),
        ),
    ]:
        with subtests.test(known=known):
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
    table = pd.DataFrame(
        [{"seller_id": "=s1", **WHOLE, "since": "2025-05-05"}, {"seller_id": "s2", **WHOLE, "phone": ""}]
    )
    table.to_csv(tmp_path / "traders.csv", index=False)
    out = tmp_path / "lack.csv"
    out.write_text("old")
    out.chmod(0o644)
    findings = write_findings(
        check_traders(read_traders(tmp_path / "traders.csv", RULES), RULES, date(2026, 3, 1)), RULES, out
    )
    states, steps = count_states(findings)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["seller_id"], row["step"], row["lacks"]) for row in rows] == [
        ("'=s1", "nothing", ""),
        ("s2", "ask", "phone"),
    ]
    assert (states["phone", State.MISSING], steps[TraderStep.ASK], steps[TraderStep.NOTHING]) == (1, 1, 1)


def test_parquet_says_the_same(tmp_path):
    """A table as Parquet, with true dates and truth values, is read like one as CSV."""
    table = pd.DataFrame([{"seller_id": "s1", **WHOLE, "is_registered": False, "since": date(2025, 5, 5)}])
    table.to_parquet(tmp_path / "traders.parquet")
    (trader,) = read_traders(tmp_path / "traders.parquet", RULES)
    assert (trader.is_registered, trader.since, trader.told) == (False, date(2025, 5, 5), WHOLE)


def test_a_file_that_is_no_table_of_traders_is_refused(tmp_path):
    """A missing column, a seller twice, and a day that is none are named with their row."""
    rows = [{"seller_id": "s1", **WHOLE, "since": "2025-05-05"}, {"seller_id": "s1", **WHOLE, "since": "2025-05-05"}]
    path = tmp_path / "traders.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    with pytest.raises(UnreadableFile, match="'s1' twice"):
        list(read_traders(path, RULES))
    pd.DataFrame(rows[:1]).assign(since="last year").to_csv(path, index=False)
    with pytest.raises(UnreadableFile, match="row 1"):
        list(read_traders(path, RULES))
    pd.DataFrame(rows[:1]).drop(columns="email").to_csv(path, index=False)
    with pytest.raises(MissingColumns, match="email"):
        list(read_traders(path, RULES))


def test_the_policy_that_comes_with_it_asks_for_what_the_code_does():
    """File and defaults say the same."""
    assert load_cooperation_policy().traders == RULES
