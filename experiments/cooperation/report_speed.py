"""How long a transparency report takes, and how much memory, on many decided cases.

    python -m experiments.cooperation.report_speed --cases 100000 --audit-rows 1000000

Fills a database by bulk inserts, a year of it, then writes the report in a process of its own and prints the CPU
seconds and the peak of its memory.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Table, insert

from experiments.benchmark.timing.processes import peak_memory
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.transparency import write_transparency_report
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import (
    Moment,
    appeal_outcomes,
    appeals,
    audit,
    automatic_draws,
    cases,
    decisions,
    enforcement_policies,
    measures,
    metadata,
    notice_items,
    notices,
    notifier_steps,
    notifiers,
    penalties,
    promises,
    reversals,
    second_reviews,
    second_verdicts,
    statements,
    strikes,
)

START, YEAR = datetime(2026, 1, 1, tzinfo=UTC), Period.of_year(2026)
NOW = datetime(2027, 2, 1, tzinfo=UTC)
_AT_ONCE = 5_000
_NOTIFIERS = ("rights holder", "rights holder", "trusted flagger", "consumer", "authority")


class Filler:
    """Makes rows as a year of work would leave them, the same again for one seed."""

    def __init__(self, n_cases: int, seed: int = 7, n_brands: int = 24) -> None:
        self.draw = random.Random(seed)  # noqa: S311 - a simulation, alike for one seed
        self.n_cases, self.brands = n_cases, [f"Brand {chr(65 + number)}" for number in range(n_brands)]
        self.rows: dict[Any, list[dict[str, Any]]] = {}

    def fill(self, engine: Engine, audit_rows: int = 0) -> None:
        """Put everything into a database."""
        with writing(engine) as connection:
            first = {"digest": "d", "policy": "{}", "first_used_at": START}
            connection.execute(insert(enforcement_policies), [first])
            self._add_notifiers()
            self._add_guarantees()
            for number in range(1, self.n_cases + 1):
                self._add_case(number)
                if number % _AT_ONCE == 0:
                    self._flush(connection)
            self._flush(connection)
            for start in range(1, audit_rows + 1, 50_000):
                connection.execute(insert(audit), list(_audit_rows(start, min(start + 50_000, audit_rows + 1))))

    def _flush(self, connection: Any) -> None:
        for table in metadata.sorted_tables:
            if rows := self.rows.pop(table, None):
                rest = _say_nothing(table, rows[0])
                connection.execute(insert(table), [rest | row for row in rows])

    def _put(self, table: Any, **row: Any) -> None:
        self.rows.setdefault(table, []).append(row)

    def _add_notifiers(self) -> None:
        for number, kind in enumerate(_NOTIFIERS, start=1):
            known = {"address": f"n{number}@example.test", "pseudonym": f"n{number}", "created_at": START}
            self._put(notifiers, notifier_id=number, kind=kind, **known)
        step = {"notifier_id": 4, "taken_by": "lea", "taken_at": START + timedelta(days=90), "why": ""}
        self._put(notifier_steps, kind="warn", **step)

    def _add_guarantees(self) -> None:
        """Let every promise be in force from the beginning, by the scores that are drawn."""
        given = {"event": "given", "cause": "data", "actor": "policy:d", "why": "", "policy_digest": "d"}
        for brand in self.brands:
            at = START - timedelta(days=1)
            self._put(promises, brand=brand, at=at, **given, model_version="m1", threshold=0.98)

    def _add_case(self, number: int) -> None:
        draw = self.draw
        seller = int(max(3, self.n_cases // 8) * draw.random() ** 2.2)
        enqueued = START + timedelta(days=365 * draw.random() ** 0.8)
        decided = enqueued + timedelta(hours=draw.expovariate(1 / 9))
        brand = self.brands[min(int(draw.expovariate(0.25)), len(self.brands) - 1)]
        origin = draw.choices(("review", "bulk", "spread", "policy"), (50, 20, 18, 12))[0]
        is_drawn = origin == "review" and draw.random() < 0.05
        is_fake = draw.random() < (0.99 if is_drawn else 0.7)
        known = {"listing_key": f"k{number}", "listing_id": f"L{number}", "seller_id": f"s{seller}", "brand": brand}
        price = round(draw.lognormvariate(3.2, 0.5), 2)
        listing = {"listing_id": f"L{number}", "seller_id": f"s{seller}", "title": "Bag", "price": price}
        snapshot = json.dumps({"listing": {**listing, "currency": draw.choice(("EUR", "EUR", "USD"))}})
        listed = enqueued - timedelta(hours=draw.expovariate(1 / 14))
        model = {"model_version": "m1", "rank": -0.9, "snapshot": snapshot, "category": draw.choice(("Bags", "Shoes"))}
        self._put(cases, case_id=number, **known, **model, score=0.9, state="decided", enqueued_at=enqueued)
        verdict = "counterfeit" if is_fake or origin == "policy" else draw.choice(("genuine", "genuine", "cannot tell"))
        who = "ipml" if origin == "policy" else f"reviewer {draw.randrange(14)}"
        said = {"ground": "declared_replica", "note": "", "reviewer": who, "origin": origin, "token": 1}
        made = {"decision_id": number, "case_id": number, "listing_id": f"L{number}"}
        self._put(decisions, **made, verdict=verdict, decided_at=decided, **said)
        self._look_again(number, brand, verdict, origin, decided, is_drawn)
        source = "own"
        if draw.random() < 0.09:
            source = self._give_notice(number, brand, enqueued, decided, verdict)
        if verdict == "counterfeit":
            self._enforce(number, seller, listed, decided, origin == "policy", source)

    def _look_again(
        self, number: int, brand: str, verdict: str, origin: str, decided: datetime, is_drawn: bool
    ) -> None:
        draw, other = self.draw, {"counterfeit": "genuine", "genuine": "counterfeit"}
        if origin in ("review", "bulk") and draw.random() < 0.03:
            second_review = {
                "review_id": number,
                "case_id": number,
                "decision_id": number,
                "kind": "audit",
                "sampling_probability": 0.03,
            }
            ended = decided + timedelta(days=1)
            self._put(second_reviews, **second_review, wanted_at=decided, ended_at=ended, token=1)
            again = verdict if draw.random() < 0.96 else other.get(verdict, "genuine")
            said = {"ground": "", "note": "", "reviewer": "reviewer x", "decided_at": ended, "token": 1}
            case = {"review_id": number, "case_id": number, "listing_id": f"L{number}", "kind": "audit"}
            self._put(second_verdicts, **case, verdict=again, **said)
        if is_drawn:
            known = {"brand": brand, "model_version": "m1", "score": 0.99, "sampling_probability": 0.1}
            self._put(automatic_draws, case_id=number, drawn_at=decided - timedelta(hours=2), **known)

    def _give_notice(self, number: int, brand: str, enqueued: datetime, decided: datetime, verdict: str) -> str:
        """Give notice of a case, and return what a measure on it says of who pointed to it."""
        notifier = self.draw.randrange(len(_NOTIFIERS)) + 1
        kind = "complaint" if _NOTIFIERS[notifier - 1] == "consumer" else "counterfeit"
        known = {
            "reference": f"r{number}",
            "notifier_id": notifier,
            "kind": kind,
            "encrypted": "",
            "tier": "new",
            "brand": brand,
        }
        times = {"received_at": enqueued, "settled_at": decided}
        self._put(notices, notice_id=number, explanation="", **known, content_digest=f"c{number}", **times)
        state = {"counterfeit": "upheld", "genuine": "rejected"}.get(verdict, "undecided")
        item = {"notice_id": number, "position": 1, "listing_digest": f"d{number}", "location": "", "case_id": number}
        self._put(notice_items, **item, state=state, decision_id=number, settled_at=decided, noted_at=enqueued)
        if kind == "complaint":
            return "other notification"
        return "trusted flagger" if _NOTIFIERS[notifier - 1] == "trusted flagger" else "notice"

    def _enforce(
        self, number: int, seller: int, listed: datetime, decided: datetime, automatic: bool, source: str
    ) -> None:
        draw, basis = self.draw, {"decision_id": number, "case_id": number, "pseudonym": f"p{seller}"}
        kind = draw.choices(("remove", "remove-in", "pause", "demote", "label"), (80, 5, 9, 4, 2))[0]
        by = "ipml" if automatic else "ana"
        done = decided + timedelta(minutes=draw.expovariate(1 / 25))
        sold = None if draw.random() < 0.2 else int(draw.expovariate(1.2))
        times = {"imposed_at": decided, "done_at": done, "listed_at": listed, "sales_before": sold}
        policy = {"policy_digest": "d", "imposed_by": by, "is_automatic": automatic, "territories": ""}
        self._put(measures, measure_id=number, **basis, kind=kind, source=source, **policy, **times)
        strike = {"ground": "declared_replica", "weight": 1.0, "cluster": number, "same_as": number}
        kept = {"seen_at": decided, "struck_at": decided, "expires_at": decided + timedelta(days=365)}
        self._put(strikes, strike_id=number, **basis, **strike, **kept, policy_digest="d")
        told = {"subject": f"measure:{number}", "puid": f"u{number}", "facts": "{}", "payload": "{}", "letter": ""}
        self._put(statements, **basis, **told, policy_digest="d", issued_at=decided)
        if draw.random() < 0.04:
            rung = draw.choices(("warn", "limit", "hold payout", "suspend", "close"), (50, 22, 12, 10, 6))[0]
            known = {"rung": 0, "weight": 3.0, "policy_digest": "d", "why": "", "proposed_at": decided}
            penalty = {"penalty_id": number, "pseudonym": f"p{seller}", "strike_id": number, "kind": rung}
            self._put(penalties, **penalty, **known, imposed_by="lea", imposed_at=decided)
        if draw.random() < 0.035:
            self._complain(number, basis, decided)

    def _complain(self, number: int, basis: dict[str, Any], decided: datetime) -> None:
        filed = decided + timedelta(days=self.draw.expovariate(0.2))
        outcome = self.draw.choices(("granted", "partly granted", "rejected", None), (16, 5, 70, 9))[0]
        kind, profile = self.draw.choices((("complaint", "eu"), ("counter-notice", "us")), (9, 1))[0]
        known = {"subject": f"measure:{number}", "kind": kind, "profile": profile, "text": ""}
        self._put(appeals, appeal_id=number, **basis, **known, state=outcome or "open", filed_at=filed)
        if outcome:
            ended = filed + timedelta(days=self.draw.expovariate(0.25))
            said = {"decided_by": "lea", "decided_at": ended, "why": ""}
            self._put(appeal_outcomes, appeal_id=number, outcome=outcome, **said)
            if outcome == "granted":
                self._put(reversals, decision_id=number, reviewer="lea", reversed_at=ended, why="")


def _say_nothing(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    """Return values for columns that must not be empty and that no report reads."""
    needed = [one for one in table.c if not one.nullable and not one.primary_key and one.name not in row]
    bare = [one for one in needed if one.default is None and one.server_default is None]
    return {one.name: START if isinstance(one.type, Moment) else "" for one in bare}


def _audit_rows(start: int, end: int) -> Iterator[dict[str, Any]]:
    fixed = {"at": START, "actor": "ana", "action": "claimed", "payload": "{}", "previous": "0" * 64, "hash": "0" * 64}
    return ({"sequence": number, "subject": f"case:{number}", **fixed} for number in range(start, end))


def main() -> None:
    """Fill a database, write the report in another process, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--audit-rows", type=int, default=1_000_000)
    parser.add_argument("--keep", type=Path, help="Folder for database and report, instead of one that is removed.")
    parser.add_argument("--write", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        _write(options.write, options.keep)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{folder / 'year.db'}"
        engine = open_database(url)
        migrate(engine)
        Filler(options.cases).fill(engine, options.audit_rows)
        engine.dispose()
        print(f"{options.cases:,} cases, {options.audit_rows:,} audit rows", flush=True)
        command = [sys.executable, "-m", "experiments.cooperation.report_speed", "--write", url, "--keep", str(folder)]
        subprocess.run(command, check=True)  # noqa: S603 - this very file


def _write(url: str, folder: Path) -> None:
    before, began = peak_memory() / 1e6, time.process_time()
    rules = ReportRules(provider="Bazaar Ltd", service="Bazaar")
    with reading(open_database(url)) as connection:
        write_transparency_report(ReportScope(connection, YEAR, NOW), folder / "report", rules)
    seconds, peak = time.process_time() - began, peak_memory() / 1e6
    print(f"{seconds:.1f} s CPU, peak {peak:.0f} MB, of which {before:.0f} MB before it began")


if __name__ == "__main__":
    main()
