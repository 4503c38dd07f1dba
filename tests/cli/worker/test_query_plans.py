"""What the worker's jobs ask of a database: rows are found by an index, as each table may have millions."""

import re
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import event, update
from support import brand_world
from support.transactions import execute

from ipml.cli.enforce.appeal import run_deadlines
from ipml.cooperation.notices.intake import match_notices
from ipml.cooperation.notifiers.misuse import find_misuse
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period
from ipml.enforcement.actions import end_due
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading
from ipml.storage.tables import metadata, outbox

POLICY, COOPERATING = load_enforcement_policy(), load_cooperation_policy()
SMALL = {
    "people and what they set": {"users", "user_sellers", "user_brands", "saved_views", "review_queues", "jobs"},
    "one row for each secret of the samples": {"seeds"},
}
EXCEPTIONS = {
    "messages to the notifiers of one appeal, for each appeal that waits for a rights holder": "outbox.subject LIKE",
    "the last row": r"SELECT [^?]*ORDER BY [^?]* DESC\n LIMIT",
}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LARGE = metadata.tables.keys() - set().union(*SMALL.values())


@contextmanager
def watch_plans(engine):
    """Give a set to which each (table, statement) is added that reads a table from end to end though it need not."""
    found, seen = set(), set()

    def look(connection, cursor, statement, parameters, context, executemany):
        writes = connection.get_execution_options().get("ipml_writes", False)
        if not re.match("SELECT|UPDATE|DELETE|INSERT|WITH", statement) or (statement, writes) in seen:
            return
        if any(re.search(exception, statement) for exception in EXCEPTIONS.values()):
            return
        seen.add((statement, writes))
        some = parameters[0] if executemany else parameters
        plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", some).fetchall()
        found.update((table, statement) for table in find_scans(plan, writes))

    event.listen(engine, "before_cursor_execute", look)
    yield found
    event.remove(engine, "before_cursor_execute", look)


def find_scans(plan, writes):
    """Give the tables that a plan reads from end to end: at all while others wait, else once for each row of others."""
    loops, within = defaultdict(int), {0: writes}
    for number, parent, _, detail in plan:
        loops[parent] += detail.startswith(("SCAN", "SEARCH"))
        within[number] = within[parent] or "CORRELATED" in detail
        read = re.match(r"(SCAN|SEARCH) (\w+?)(?:_\d+)?( USING AUTOMATIC| |$)", detail)
        if read is None or read[2] not in LARGE:
            continue
        if read[3] == " USING AUTOMATIC" or (read[1] == "SCAN" and (loops[parent] > 1 or within[parent])):
            yield read[2]


def make_model(version):
    """Return a model that suspects every listing."""
    return IntakeModel(
        version, lambda some, earlier, explain: [ScoredListing(one, 0.9, 0.0, (), (), None, version) for one in some]
    )


def test_jobs_find_rows_by_an_index(engine):
    """Nothing that many rows are looked through for, once for each of others or while others wait, lacks one."""
    brand_world.fill(engine)
    take_in(engine, [Submission((Listing("M1", "ann", "Bag"),))], make_model("m1"), NOON)
    later = NOON + timedelta(days=9_000)
    execute(engine, update(outbox).values(state="delivered", settled_at=NOON))  # erasing waits for that
    with watch_plans(engine) as found:
        erase_sellers(engine, [brand_world.sellers_of("Vellmar")[1]], why="request 7", by="lea", now=NOON)
        match_notices(engine, policy=COOPERATING, now=NOON)
        run_deadlines(engine)
        assert rescore_changed(engine, make_model("m2"), NOON) == 1
        end_due(engine, POLICY, now=later)
        with reading(engine) as connection:
            measure_figures(connection, Period.of_year(2026), as_of=later)
            find_misuse(connection, COOPERATING.notifiers, later)
            verify(connection)
            check_rows(connection)
            list(find_disagreements(connection))
        run_retention(engine, POLICY, now=later)
    assert found == set()
