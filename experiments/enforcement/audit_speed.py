"""How many rows of the audit trail are checked in a second, on either database.

    python -m experiments.enforcement.audit_speed --rows 1000000               # SQLite
    python -m experiments.enforcement.audit_speed --rows 1000000 --postgres    # a PostgreSQL of its own

The rows are those of decisions, with the digests that these note. Checked with an anchor of every thousandth row.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime

from sqlalchemy import Engine

from experiments.databases import own_database
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.anchors import make_anchor
from ipml.storage.database import reading, writing

BAR = 100_000
_AT_ONCE = 10_000
_DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def main() -> None:
    """Fill a trail, check it, and print the rows a second beside the bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with own_database(options.postgres) as (engine, _):
        anchors = fill(engine, options.rows)
        print(json.dumps({"database": engine.dialect.name, "bar": BAR, **measure(engine, options.rows, anchors)}))


def fill(engine: Engine, rows: int) -> list[audit.Anchor]:
    """Append rows as decisions do; return an anchor of every thousandth."""
    anchors: list[audit.Anchor] = []
    for start in range(0, rows, _AT_ONCE):
        numbers = range(start + 1, min(start + _AT_ONCE, rows) + 1)
        said = {"token": 1, "verdict": "counterfeit", "ground": "declared_replica", "note": _DIGEST}
        entries = ((f"case:{n}", {**said, "decision": n, "snapshot": _DIGEST}) for n in numbers)
        with writing(engine) as connection:
            audit.append_all(connection, f"reviewer{start % 7}", "decided", entries, at=_NOON)
            made = audit.list_between(connection, numbers[0], numbers[-1])
        anchors += [audit.Anchor(row.sequence, row.hash) for row in made if row.sequence % 1_000 == 0]
    return anchors


def measure(engine: Engine, rows: int, anchors: list[audit.Anchor]) -> dict[str, float | int]:
    """Check the trail; return how fast, and how long a look at the anchors alone and a new anchor take."""
    with reading(engine) as connection:
        start, start_busy = time.perf_counter(), time.process_time()
        report = audit.verify(connection, *anchors)
        whole, busy = time.perf_counter() - start, time.process_time() - start_busy
        assert report.is_intact, report.problems
        assert report.anchor.count == rows
        start = time.perf_counter()
        assert audit.compare(connection, *anchors) == ()
        glance = time.perf_counter() - start
        start = time.perf_counter()
        make_anchor(connection)
        anchor = time.perf_counter() - start
    return {
        "rows": rows,
        "rows_a_second": round(rows / whole),
        "rows_a_second_of_this_process_alone": round(rows / busy),  # what a machine without others would give, at most
        "anchors": len(anchors),
        "look_at_the_anchors_ms": round(glance * 1000, 1),
        "new_anchor_ms": round(anchor * 1000, 2),
    }


if __name__ == "__main__":
    main()
