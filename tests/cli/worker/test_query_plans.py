"""What the worker's jobs ask of a database: rows are found by an index, as each table may have millions."""

import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import event, insert, update
from support import brand_world
from support.acting_market import Market, make_policy
from support.actions import COOPERATING_APPEALS
from support.given_notices import say
from support.picture_host import draw_goods, serve_pictures, write_picture
from support.shown_goods import show_goods
from support.transactions import act as change
from support.transactions import ask, execute

from ipml.cli.model.labels import write_labels
from ipml.cli.worker.tasks import TASKS
from ipml.cooperation.actions import Cooperation
from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notifiers.misuse import find_misuse
from ipml.cooperation.policy import load_cooperation_policy
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.enforcement.actions import ActingLead, change_measure, end_due
from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.enforcement.automation.automatic_decisions import act
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.submission import DatabaseAnswer, send_waiting
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.delivery import Tally, deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.records import Listing, ScoredListing
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.arrivals.marketplace import Submission, rescore_changed, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.pictures.addresses import PictureSources, parse_picture_networks
from ipml.review.pictures.hashes import HashIndex
from ipml.review.pictures.screening import screen_due
from ipml.review.pictures.stored import sweep_files
from ipml.review.sellers.portfolios import WeighedListing, add_to_portfolios, rebuild_portfolios
from ipml.settings import get_settings
from ipml.storage.audit_trail.anchors import make_anchor
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.backup import back_up
from ipml.storage.database import reading
from ipml.storage.tables import metadata, outbox, seeds

POLICY, COOPERATING = load_enforcement_policy(), load_cooperation_policy()
SMALL = {
    "people and what they set": {"users", "user_sellers", "user_brands", "saved_views", "review_queues", "jobs"},
    "one row for each secret of the samples": {"seeds"},
    "some rows a month for each brand": {"promises"},
}
EXCEPTIONS = {
    "messages to the notifiers of one appeal, for each appeal that waits for a rights holder": "outbox.subject LIKE",
    "the last row": r"SELECT [^?]*ORDER BY [^?]* DESC\n LIMIT",
}
NOON = datetime.now(UTC)  # as people decide by the clock
LATER = NOON + timedelta(days=9_000)
LARGE = metadata.tables.keys() - set().union(*SMALL.values())


@contextmanager
def watch_plans(engine):
    """Give a set to which each (table, statement) is added that reads a table from end to end though it need not."""
    found, seen = set(), set()

    def look(connection, cursor, statement, parameters, context, executemany):
        writes = connection.get_execution_options().get("ipml_writes", False)
        if not re.match("SELECT|UPDATE|DELETE|INSERT(?!.* VALUES)|WITH", statement) or (statement, writes) in seen:
            return
        if any(re.search(exception, statement) for exception in EXCEPTIONS.values()):
            return
        seen.add((statement, writes))
        some = parameters[0] if executemany and isinstance(parameters, list) else parameters
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


def score(version, some):
    """Suspect every listing."""
    return [ScoredListing(one, 0.9, 0.0, (), (), None, version) for one in some]


def make_model(version):
    """Return a model that suspects every listing."""
    return IntakeModel(version, lambda some, earlier, explain: score(version, some))


def run_deadlines(engine):
    """Let terms begin, and be over by two readings of the clock."""
    answered = run_notice_deadlines(engine, COOPERATING, now=LATER)
    moments = (NOON + timedelta(days=1), LATER, LATER + timedelta(days=1), LATER + timedelta(days=2))
    passed = [run_appeal_deadlines(engine, COOPERATING_APPEALS, now=moment) for moment in moments]
    return answered.not_found and passed[-1].expired


def act_without_review(engine):
    """Let a policy draw cases for people, and act on others once these have shown its promise."""
    execute(engine, insert(seeds).values(seed="07" * 32, drawn_at=NOON))
    market = Market(engine, make_policy(), now=NOON)
    market.qualify()
    market.bring(20)
    return act(engine, market.policy, get_settings(), market.now, actions=Cooperation(POLICY, COOPERATING)).decided


def expire(engine, folder):
    """Erase what is kept as long as it may be, with the pictures."""
    return run_retention(engine, POLICY, now=LATER).total and sweep_files(engine, folder)


def screen(engine, folder):
    """Screen the picture of a listing that waits for nobody."""
    dull = IntakeModel("m1", lambda some, earlier, explain: [replace(one, score=0.01) for one in score("m1", some)])
    with serve_pictures() as host:
        host.files["/1.jpg"] = write_picture(draw_goods(1))
        take_in(engine, [Submission((Listing("S1", "sue", "Cup", image_urls=host.address("/1.jpg")),))], dull, NOON)
        sources = PictureSources(networks=parse_picture_networks("127.0.0.1"))
        return screen_due(engine, folder, sources, HashIndex(), clock=lambda: NOON).hashed


def enqueue_file(engine):
    """Enqueue what came in a file, and add it to the portfolios."""
    some = score("m1", [Listing(f"F{number}", "fay", f"Bag {number}") for number in range(3)])
    added = enqueue_batch(engine, lambda: some, now=NOON).enqueued.added
    return added and change(engine, add_to_portfolios, "m1", [WeighedListing.of(some[0].listing, 0.9, NOON)], NOON)


JOBS = {
    "notices": lambda engine, _: match_notices(engine, policy=COOPERATING, now=NOON).found,
    "score": lambda engine, _: enqueue_file(engine),
    "pictures": lambda engine, folder: show_goods(engine, folder, *score("m1", [Listing("P1", "pam", "Watch")]), 1),
    "screening": screen,
    "automatic": lambda engine, _: act_without_review(engine),
    "deliver": lambda engine, folder: sum(deliver_due(engine, FileSink(folder / "messages")), Tally()).total,
    "statements": lambda engine, _: send_waiting(engine, lambda _: DatabaseAnswer(201), now=LATER).delivered,
    "deadlines": lambda engine, _: run_deadlines(engine),
    "rescore": lambda engine, _: (
        rebuild_portfolios(engine, "m2", partial(score, "m2"), NOON) and rescore_changed(engine, make_model("m2"), NOON)
    ),
    "ends": lambda engine, _: end_due(engine, POLICY, now=LATER).measures,
    "anchor": lambda engine, _: ask(engine, make_anchor),
    "backup": lambda engine, folder: back_up(engine, folder / "backup.zip").rows,
    "notifiers": lambda engine, _: ask(engine, find_misuse, COOPERATING.notifiers, LATER) == [],
    "labels": lambda engine, folder: ask(engine, write_labels, folder / "labels.parquet"),
    "networks": None,  # reads and writes files alone
    "drift": None,  # likewise
    "retention": expire,
}
"""What each job of the worker does to a database, in an order in which each has something to do."""


def test_jobs_find_rows_by_an_index(engine, tmp_path):
    """No job, nor what is done by hand to many rows, looks through many for each of others or while others wait."""
    brand_world.fill(engine)
    change(engine, receive, say("M1", "unknown"), policy=COOPERATING, now=NOON)
    take_in(engine, [Submission((Listing("M1", "ann", "Bag"),))], make_model("m1"), NOON)
    order = MeasureOrder(MeasureKind.PAUSE, "for a week", until=NOON + timedelta(days=7))
    change(engine, change_measure, 2, order, ActingLead("lea", POLICY, NOON))
    with watch_plans(engine) as found:
        for name, do in JOBS.items():
            assert do is None or do(engine, tmp_path), name
    execute(engine, update(outbox).values(state="delivered", settled_at=NOON))  # erasing waits for that
    with watch_plans(engine) as also:
        erase_sellers(engine, [brand_world.sellers_of("Vellmar")[1]], why="request 7", by="lea", now=LATER)
        with reading(engine) as connection:
            measure_figures(ReportScope(connection, Period.of_year(2026), LATER))
            verify(connection)
            check_rows(connection)
            list(find_disagreements(connection))
    assert found | also == set()
    assert JOBS.keys() == TASKS.keys()
