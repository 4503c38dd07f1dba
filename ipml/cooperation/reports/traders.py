"""Traders: details missing under Article 30(1) of the Digital Services Act, and the next step.

A trader who was asked and has not answered in time is *proposed* for suspension (Article 30(2) and (3)); a person
decides. Details are checked for their form: a right form does not prove that a thing exists, a wrong one proves that it
does not. Traders are read from a file, and findings written to another, with ids, for the marketplace only.
"""

from __future__ import annotations

import csv
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TextIO

import duckdb
import phonenumbers
from stdnum import iban, lei
from stdnum.eu import vat

from ipml.cooperation.policy import TraderRules
from ipml.cooperation.reports.high_volume import HighVolume, open_table
from ipml.errors import UnreadableFile
from ipml.kit.spreadsheet import defuse_within

_EMAIL = re.compile(r"[^@\s<>(),;:\"\[\]\\]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}")
_EUID = re.compile(r"[A-Z]{2}[A-Z0-9]{1,12}\.[A-Z0-9./_-]{1,40}")
_NOTHING = frozenset(
    ("-", "--", "n/a", "na", "none", "null", "nil", "unknown", "x", "xx", "xxx", "test", "tbd", "?", ".")
)


def is_given(text: str) -> bool:
    """Return whether a cell has content other than words for nothing.

    >>> is_given("12 Lane"), is_given(" n/a "), is_given("")
    (True, False, False)
    """
    return text.strip().casefold() not in _NOTHING and bool(text.strip())


def is_email(text: str) -> bool:
    """Return whether a text is one e-mail address that could be written to."""
    address = text.strip()
    return (
        len(address) <= 254 and bool(_EMAIL.fullmatch(address)) and ".." not in address and not address.startswith(".")
    )


def _is_phone(text: str, calling_code: str = "") -> bool:
    """Return whether a telephone number has a possible length for its country (E.164).

    Assignment is not checked: numbering plans change faster than installed lists. A number without a country needs
    `calling_code`, such as 49.

    >>> _is_phone("+49 (0)30 1234567"), _is_phone("030 1234567"), _is_phone("030 1234567", "49"), _is_phone("call me")
    (True, False, True, False)
    """
    region = phonenumbers.region_code_for_country_code(int(calling_code)) if calling_code else None
    try:
        number = phonenumbers.parse(re.sub(r"^\s*00", "+", text), region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_possible_number(number)) and len(set(str(number.national_number))) > 1


def is_lei(text: str) -> bool:
    """Return whether a text is a legal entity identifier with right check digits (ISO 17442)."""
    return text.strip()[-2:].isdecimal() and bool(lei.is_valid(text))  # the library takes a letter as check digit


def _is_euid(text: str) -> bool:
    """Return whether a text has the form of a European unique identifier of a company: country, register, number.

    >>> _is_euid("DER3306.HRB118265"), _is_euid("HRB 118265")
    (True, False)
    """
    return bool(_EUID.fullmatch(text.strip().upper()))


def _is_register_number(text: str) -> bool:
    """Return whether a text may be a register number: it has digits, and not one digit repeated.

    >>> _is_register_number("HRB 118265"), _is_register_number("pending"), _is_register_number("0000000")
    (True, False, False)
    """
    number = re.sub(r"[\s./-]", "", text)
    digits = re.sub(r"\D", "", number)
    return bool(digits) and len(number) <= 60 and (len(digits) < 4 or len(set(digits)) > 1)


def _is_address(text: str) -> bool:
    """Return whether a text may be an address: letters of a street or town, and a number."""
    letters = sum(letter.isalpha() for letter in text)
    return any(letter.isdigit() for letter in text) and letters >= 3 and len(text.strip()) >= 8


def is_name(text: str) -> bool:
    """Return whether a text may be a name: it has at least two letters."""
    return sum(letter.isalpha() for letter in text) >= 2


def _is_day(text: str) -> bool:
    """Return whether a text begins with a date such as 2026-03-01."""
    try:
        date.fromisoformat(text.strip()[:10])
    except ValueError:
        return False
    return True


def _is_yes(text: str) -> bool:
    """Return whether a text means yes: yes, true, 1, or the day of certification."""
    return text.strip().casefold() in ("yes", "true", "1", "y") or _is_day(text)


CHECKS: Mapping[str, Callable[[str], bool]] = {
    "name": is_name,
    "address": _is_address,
    "email": is_email,
    "iban": iban.is_valid,  # of an account: form, length and check digits (ISO 13616)
    "lei": is_lei,
    "vat": vat.is_valid,  # of a Member State, or of Northern Ireland, with check digits
    "euid": _is_euid,
    "register number": _is_register_number,
    "yes": _is_yes,
    "anything": is_given,
}


LETTERS: Mapping[str, str] = {
    "name": "a",
    "address": "a",
    "phone": "a",
    "email": "a",
    "identification": "b",
    "payment_account": "c",
    "trade_register": "d",
    "register_number": "d",
    "self_certification": "e",
}


class State(StrEnum):
    """State of a required detail."""

    GIVEN = "given"
    MALFORMED = "malformed"
    MISSING = "missing"
    NOT_ASKED = "not asked"


class TraderStep(StrEnum):
    """The proposed next step."""

    NOTHING = "nothing"
    ASK = "ask"
    WAIT = "wait"
    SUSPEND = "suspend until given"


@dataclass(frozen=True, slots=True)
class Trader:
    """A trader with the details given; `since` is when they joined."""

    seller_id: str
    told: Mapping[str, str]
    is_registered: bool | None = None
    since: date | None = None
    noticed_on: date | None = None
    verified_on: date | None = None


@dataclass(frozen=True, slots=True)
class TraderFinding:
    """The state of each required detail of a trader, and the next step.

    `due` is the deadline, if the trader was asked or the law allows time.
    """

    trader: Trader
    states: Mapping[str, State]
    step: TraderStep
    due: date | None

    @property
    def lacking(self) -> tuple[str, ...]:
        """The missing or malformed details."""
        return tuple(name for name, state in self.states.items() if state in (State.MISSING, State.MALFORMED))

    @property
    def is_complete(self) -> bool:
        """Whether no detail is missing or malformed."""
        return not self.lacking


def check_traders(traders: Iterable[Trader], rules: TraderRules, on: date) -> Iterator[TraderFinding]:
    """Yield the finding on each trader on a day.

    >>> told = {"name": "Ann Thrumbold", "email": "ann@shop"}
    >>> (found,) = check_traders([Trader("s1", told, noticed_on=date(2026, 1, 1))], TraderRules(), date(2026, 3, 1))
    >>> found.states["name"].value, found.states["email"].value, found.step.value, found.due.isoformat()
    ('given', 'malformed', 'suspend until given', '2026-01-15')
    """
    for trader in traders:
        states = {name: _look_at(trader, name, rules) for name in rules.fields}
        is_complete = not any(state in (State.MISSING, State.MALFORMED) for state in states.values())
        step, due = (TraderStep.NOTHING, None) if is_complete else _what_next(trader, rules, on)
        yield TraderFinding(trader, states, step, due)


def count_states(findings: Iterable[TraderFinding]) -> tuple[Counter[tuple[str, State]], Counter[TraderStep]]:
    """Return the numbers of states by detail, and of next steps."""
    states: Counter[tuple[str, State]] = Counter()
    steps: Counter[TraderStep] = Counter()
    for finding in findings:
        states.update(finding.states.items())
        steps[finding.step] += 1
    return states, steps


def _look_at(trader: Trader, name: str, rules: TraderRules) -> State:
    value = trader.told.get(name, "")
    if not is_given(value):
        # The register is required "where the trader is registered": unregistered traders need not name one.
        is_spared = name in rules.if_registered and trader.is_registered is False
        return State.NOT_ASKED if is_spared else State.MISSING
    checks = rules.fields[name]
    is_well = any(
        _is_phone(value, rules.calling_code) if check == "phone" else CHECKS[check](value) for check in checks
    )
    return State.GIVEN if is_well else State.MALFORMED


def _what_next(trader: Trader, rules: TraderRules, on: date) -> tuple[TraderStep, date | None]:
    """Return the next step if something is missing, and the deadline.

    Traders from before the duty had twelve months (Article 30(2)); traders who were asked have the policy's days.
    """
    is_legacy = trader.since is not None and trader.since <= rules.applies_from
    latest = rules.legacy_until if is_legacy else None
    if trader.noticed_on is not None:
        asked = trader.noticed_on + timedelta(days=rules.remedy_days)
        latest = asked if latest is None else max(asked, latest)
    elif latest is None or on >= latest:
        return TraderStep.ASK, latest
    return (TraderStep.SUSPEND if on >= latest else TraderStep.WAIT), latest


_AT_ONCE = 10_000
_DAYS = ("since", "noticed_on", "verified_on")
_OPTIONAL = ("is_registered", *_DAYS)
_OWN = 0o600  # readable by the owner only


def read_traders(path: Path, rules: TraderRules) -> Iterator[Trader]:
    """Yield the traders of a CSV or Parquet file, one row each.

    Columns are seller_id and the policy's fields; optional are is_registered (in a trade register: yes or no), since
    (joined), noticed_on (asked for missing details) and verified_on, as 2026-03-01. Raises UnreadableFile and
    MissingColumns.
    """
    with duckdb.connect() as connection:
        columns = open_table(connection, path, "traders", ("seller_id", *rules.fields))
        names = ["seller_id", *rules.fields, *(name for name in _OPTIONAL if name in columns)]
        texts = ", ".join(f"coalesce(CAST(\"{name}\" AS VARCHAR), '')" for name in names)
        rows = connection.execute(f"SELECT {texts} FROM traders")  # noqa: S608 - names of the policy, which are columns
        seen: set[str] = set()
        while batch := rows.fetchmany(_AT_ONCE):
            for row in batch:
                trader = _make(dict(zip(names, row, strict=True)), rules, path, len(seen) + 1)
                if not trader.seller_id or trader.seller_id in seen:
                    finding = "a row without seller_id" if not trader.seller_id else f"{trader.seller_id[:80]!r} twice"
                    raise UnreadableFile(path, f"{finding} (row {len(seen) + 1})", "a row for each seller")
                seen.add(trader.seller_id)
                yield trader


def write_findings(findings: Iterable[TraderFinding], rules: TraderRules, path: Path) -> Iterator[TraderFinding]:
    """Write the findings to a file that only its owner can read, and yield them."""
    with _open_own(path) as file:
        writer = csv.writer(file)
        writer.writerow(("seller_id", "step", "due", "verified_on", "lacks", *rules.fields))
        for finding in findings:
            dates = (finding.due or "", finding.trader.verified_on or "")
            states = (finding.states[name].value for name in rules.fields)
            lacks = " ".join(finding.lacking)
            writer.writerow((defuse_within(finding.trader.seller_id), finding.step.value, *dates, lacks, *states))
            yield finding


def write_high_volume(sellers: Iterable[HighVolume], path: Path) -> None:
    """Write the high-volume sellers to a file that only its owner can read."""
    with _open_own(path) as file:
        writer = csv.writer(file)
        writer.writerow(("seller_id", "since", "collect_by", "until", "sales", "revenue_usd", "is_disclosed"))
        for seller in sellers:
            days = (seller.since, seller.collect_by, seller.until)
            sums = (seller.sales, f"{seller.revenue:.2f}", "yes" if seller.is_disclosed else "no")
            writer.writerow((defuse_within(seller.seller_id), *days, *sums))


def _open_own(path: Path) -> TextIO:
    """Create a file that only its owner can read, replacing an older one and its permissions."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWN)
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def _make(row: dict[str, str], rules: TraderRules, path: Path, number: int) -> Trader:
    days = {name: _day(row.get(name, ""), name, path, number) for name in _DAYS}
    registered = row.get("is_registered", "")
    is_registered = _is_yes(registered) if is_given(registered) else None
    return Trader(row["seller_id"], {name: row[name] for name in rules.fields}, is_registered, **days)


def _day(text: str, name: str, path: Path, number: int) -> date | None:
    if not is_given(text):
        return None
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise UnreadableFile(path, f"{name} {text[:40]!r} in row {number}", "a day such as 2026-03-01") from None
