"""Traders as a file has them, and what they lack as another: the marketplace's own, with ids, for its own eyes."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

import duckdb

from ipml.cooperation.reports.traders.checking import Finding, Trader
from ipml.cooperation.reports.traders.formats import is_given, is_yes
from ipml.cooperation.reports.traders.high_volume import HighVolume
from ipml.cooperation.reports.traders.rules import TraderRules
from ipml.cooperation.reports.traders.sales import open_table
from ipml.errors import UnreadableFile
from ipml.spreadsheet import defuse_within

_AT_ONCE = 10_000
_DAYS = ("since", "noticed_on", "verified_on")
_OPTIONAL = ("is_registered", *_DAYS)
_OWN = 0o600  # nobody else reads it


def read_traders(path: Path, rules: TraderRules) -> Iterator[Trader]:
    """Give the traders of a file, one row each, in their order.

    Parameters
    ----------
    path : Path
        CSV or Parquet with seller_id and the fields of the policy. Also is_registered (in a trade register: yes or no),
        since (when they came), noticed_on (when they were told that something lacks) and verified_on, as 2026-03-01.

    Raises
    ------
    UnreadableFile, MissingColumns
        It is no such table, a day is none, or a seller is there twice.
    """
    with duckdb.connect() as connection:
        columns = open_table(connection, path, "traders", ("seller_id", *rules.fields))
        wanted = ["seller_id", *rules.fields, *(name for name in _OPTIONAL if name in columns)]
        texts = ", ".join(f"coalesce(CAST(\"{name}\" AS VARCHAR), '')" for name in wanted)
        rows = connection.execute(f"SELECT {texts} FROM traders")  # noqa: S608 - names of the policy, which are columns
        seen: set[str] = set()
        while batch := rows.fetchmany(_AT_ONCE):
            for row in batch:
                trader = _make(dict(zip(wanted, row, strict=True)), rules, path, len(seen) + 1)
                if not trader.seller_id or trader.seller_id in seen:
                    found = "a row without seller_id" if not trader.seller_id else f"{trader.seller_id[:80]!r} twice"
                    raise UnreadableFile(path, f"{found} (row {len(seen) + 1})", "a row for each seller")
                seen.add(trader.seller_id)
                yield trader


def write_findings(findings: Iterable[Finding], rules: TraderRules, path: Path) -> Iterator[Finding]:
    """Write what each trader lacks, and give the findings on; only who owns the file can read it."""
    with os.fdopen(_open_own(path), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seller_id", "step", "due", "verified_on", "lacks", *rules.fields))
        for one in findings:
            dates = (one.due or "", one.trader.verified_on or "")
            states = (one.states[name].value for name in rules.fields)
            lacks = " ".join(one.lacking)
            writer.writerow((defuse_within(one.trader.seller_id), one.step.value, *dates, lacks, *states))
            yield one


def write_high_volume(sellers: Iterable[HighVolume], path: Path) -> None:
    """Write who counts as a high-volume seller; only who owns the file can read it."""
    with os.fdopen(_open_own(path), "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seller_id", "since", "collect_by", "until", "sales", "revenue_usd", "is_disclosed"))
        for one in sellers:
            days = (one.since, one.collect_by, one.until)
            sums = (one.sales, f"{one.revenue:.2f}", "yes" if one.is_disclosed else "no")
            writer.writerow((defuse_within(one.seller_id), *days, *sums))


def _open_own(path: Path) -> int:
    """Open a file anew that nobody else can read, whatever was there before could be read by."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWN)


def _make(row: dict[str, str], rules: TraderRules, path: Path, number: int) -> Trader:
    days = {name: _day(row.get(name, ""), name, path, number) for name in _DAYS}
    said = row.get("is_registered", "")
    is_registered = is_yes(said) if is_given(said) else None
    return Trader(row["seller_id"], {name: row[name] for name in rules.fields}, is_registered, **days)


def _day(text: str, name: str, path: Path, number: int) -> date | None:
    if not is_given(text):
        return None
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError:
        raise UnreadableFile(path, f"{name} {text[:40]!r} in row {number}", "a day such as 2026-03-01") from None
