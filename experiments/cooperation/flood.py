"""What a flood of notices by one bad-faith notifier does: to sellers nothing, to the notices of others how much?

    python -m experiments.cooperation.flood --notices 5000

Honest notifiers give notice of listings, half of them before and half of them after somebody has given notice of
thousands of genuine listings. Reviewers take what the queue gives them, one after the other. Printed is how long the
honest ones wait: without the flood, with it, and with it where the tiers had no cap of cases a day.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select

from ipml.cooperation.consequences import Cooperation
from ipml.cooperation.notifiers.tiers import lane_of
from ipml.cooperation.policy import CooperationPolicy, load_cooperation_policy
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.cases import change_case
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import cases, measures, notice_items, notices, notifiers, penalties, statements, strikes

START = datetime(2026, 5, 4, 8, tzinfo=UTC)
ENFORCED = (strikes, measures, penalties, statements)
MINUTES = 3.0


def main() -> None:
    """Print counts of what touches sellers before and after the flood, and the waits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--notices", type=int, default=5000, help="listings in the flood")
    parser.add_argument("--honest", type=int, default=120, help="listings of other notifiers")
    parser.add_argument("--ordinary", type=int, default=1000, help="cases that only the model found")
    parser.add_argument("--reviewers", type=int, default=2)
    arguments = parser.parse_args()
    policy = load_cooperation_policy()
    uncapped = policy.notifiers.model_copy(
        update={"tiers": tuple(tier.model_copy(update={"raised_a_day": None}) for tier in policy.notifiers.tiers)}
    )
    for name, flood, rules in (
        ("no flood", 0, policy),
        ("flood", arguments.notices, policy),
        ("flood, no cap", arguments.notices, policy.model_copy(update={"notifiers": uncapped})),
    ):
        began = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            engine = open_database(f"sqlite:///{Path(folder)}/ipml.db")
            migrate(engine)
            waits, left = run(engine, arguments, flood, rules)
            engine.dispose()
        middle, tail = statistics.median(waits), sorted(waits)[int(0.9 * len(waits))]
        seconds = time.process_time() - began
        print(f"{name}: median wait {middle:.1f} h, nine of ten within {tail:.1f} h, {left} left ({seconds:.0f} s)")


def run(
    engine: Engine, arguments: argparse.Namespace, flood: int, policy: CooperationPolicy
) -> tuple[list[float], int]:
    """Return how many hours the honest notices waited, and how many were still waiting in the end."""
    half, consequences = arguments.honest // 2, Cooperation(policy=policy)
    add(engine, "ordinary", arguments.ordinary, 0.7)
    honest = add(engine, "honest", 2 * half, 0.4)
    genuine = add(engine, "genuine", flood, 0.02)
    given = dict.fromkeys(honest[:half], START)
    for at in range(0, half, 10):
        give(engine, f"brand-{at}", honest[at : at + 10], policy, START)
    for number in add(engine, "struck", 5, 0.9):
        with writing(engine) as connection:
            decide(
                connection,
                claim(connection, "ana", number, now=START),
                Verdict.COUNTERFEIT,
                ground="declared_replica",
                now=START,
                consequences=consequences,
            )
    before = count_enforced(engine)
    for at in range(0, flood, 100):
        give(engine, "flood", genuine[at : at + 100], policy, START + timedelta(minutes=1))
    after = count_enforced(engine)
    if flood:
        print(f"  strikes, measures, penalties, statements before the flood {before}, after it {after}")
    now, decided = START + timedelta(minutes=2), {}
    while len(decided) < len(honest) and now < START + timedelta(days=12):
        if now >= START + timedelta(hours=4) and len(given) < len(honest):
            for at in range(half, 2 * half, 10):
                give(engine, f"brand-{at}", honest[at : at + 10], policy, now)
            given |= dict.fromkeys(honest[half:], now)
        now += timedelta(minutes=MINUTES / arguments.reviewers)
        with writing(engine) as connection:
            taken = claim(connection, f"reviewer-{now.microsecond % arguments.reviewers}", now=now)
        if taken is None:
            continue
        is_honest = taken.case_id in given
        if is_honest:
            with writing(engine) as connection:
                decide(
                    connection,
                    taken,
                    Verdict.COUNTERFEIT,
                    ground="declared_replica",
                    now=now,
                    consequences=consequences,
                )
        else:
            with writing(engine) as connection:
                decide(connection, taken, Verdict.GENUINE, now=now, consequences=consequences)
        if taken.case_id in set(honest):
            decided[taken.case_id] = now
    waits = [(decided.get(number, now) - at).total_seconds() / 3600 for number, at in given.items()]
    return waits, len(honest) - len(decided)


def add(engine: Engine, name: str, count: int, score: float) -> list[int]:
    """Enqueue listings, each of another seller, and return the numbers of their cases."""
    scored = [
        ScoredListing(
            Listing(f"{name}-{at}", f"{name}-{at}", f"{name} {secrets.token_hex(12)}", observed_at=START),
            score + at * 1e-6,
            None,
            (),
            (),
            None,
            "m1",
        )
        for at in range(count)
    ]
    enqueue(engine, scored, now=START - timedelta(hours=1))
    with reading(engine) as connection:
        theirs = cases.c.listing_id.like(f"{name}-%")
        return list(connection.scalars(select(cases.c.case_id).where(theirs).order_by(cases.c.case_id)))


def give(engine: Engine, name: str, case_ids: Sequence[int], policy: CooperationPolicy, now: datetime) -> None:
    """Let a notifier give notice: as many cases get the deadline of their lane as it has left today."""
    with writing(engine) as connection:
        number = find_or_add(connection, name, now)
        lane = lane_of(connection, number, policy, now)
        fields = {"reference": secrets.token_hex(8), "notifier_id": number, "kind": "counterfeit", "encrypted": ""}
        fields |= {"content_digest": secrets.token_hex(8), "tier": lane.tier, "received_at": now}
        notice_id = connection.scalars(insert(notices).values(fields).returning(notices.c.notice_id)).one()
        item = {"notice_id": notice_id, "listing_digest": "", "location": "", "state": "waiting"}
        rows = [item | {"position": at, "case_id": case_id} for at, case_id in enumerate(case_ids, 1)]
        connection.execute(insert(notice_items), rows)
        for case_id in case_ids[: lane.left_today]:
            change_case(connection, case_id, due_at=lane.due_at(now))


def find_or_add(connection: Connection, name: str, now: datetime) -> int:
    """Return the number of a notifier, who is new the first time."""
    known = connection.scalar(select(notifiers.c.notifier_id).where(notifiers.c.address == name))
    if known is not None:
        return known
    fields = {"address": name, "pseudonym": name, "key": secrets.token_hex(32), "kind": "rights holder"}
    query = insert(notifiers).values(**fields, created_at=now)
    return connection.scalars(query.returning(notifiers.c.notifier_id)).one()


def count_enforced(engine: Engine) -> tuple[int, ...]:
    """Return how many rows there are of all that touches sellers."""
    with reading(engine) as connection:
        return tuple(connection.scalar(select(func.count()).select_from(table)) or 0 for table in ENFORCED)


if __name__ == "__main__":
    main()
