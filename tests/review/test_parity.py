"""SQLite and PostgreSQL, driven side by side: the same answers, the same errors, the same rows after every step."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Connection, Engine
from support.databases import copy_postgres, copy_sqlite, empty_tables, open_undurable, read_tables
from support.postgres import Server
from support.reviewing import NOON
from support.transactions import act, ask

from ipml.errors import IpmlError
from ipml.records import Case, Claim, Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import claim, release
from ipml.review.decisions import DecisionRequest, decide, list_decisions
from ipml.review.exports import export_labels
from ipml.review.ranking.queue_order import find_current_parts
from ipml.review.worklists.search import Filter, browse_cases
from ipml.settings import Settings

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "15"))

# Texts that databases have been seen to treat each in its own way.
HARD_TEXTS = ("", "NA", "a\0b", "\ud800", "é", "e\u0301", "😀", "' OR 1=1 --", "%", "A" * 300, "\u202eabc")
TEXTS = st.sampled_from(HARD_TEXTS)
NUMBERS = st.integers(1, 8) | st.sampled_from([0, -1, 2**31, 2**63 - 1, 2**63, 10**30])
PEOPLE = st.sampled_from(["ana", "ben", "cleo"])
NAMES = st.sampled_from(["s1", "s2", "S1"]) | TEXTS


def make(number: int, score: float | None, model: str = "m1", seller: str = "s1", brand: str | None = "Acme"):
    """Return a scored listing."""
    listing = Listing(f"L{number}", seller, "Leather wallet", brand=brand, observed_at=NOON)
    return ScoredListing(listing, score, None, (), (), None, model)


PLAIN = st.builds(make, st.integers(1, 8), st.sampled_from([None, 0.0, 0.1, 0.5, 0.5000000000000001, 1.0]))
ANY = st.builds(
    make,
    st.integers(1, 8),
    st.sampled_from([0.5, -0.1, float("nan")]),
    model=st.sampled_from(["m1", "m2"]) | TEXTS,
    seller=NAMES,
    brand=st.none() | st.sampled_from(["Acme", "acme"]) | TEXTS,
)
PAUSES = st.sampled_from([timedelta(hours=-1), timedelta(minutes=1), timedelta(minutes=20), timedelta(days=1)])


class BothDatabases(RuleBasedStateMachine):
    """Does each operation on both databases, and compares what comes of it."""

    def __init__(self, engines: tuple[Engine, Engine]) -> None:
        super().__init__()
        self.engines = engines
        self.now = NOON
        self.claims: list[Claim] = [Claim(1, "ana", 1, NOON)]
        for engine in engines:
            empty_tables(engine)

    def both(self, operation: Callable[[Engine], Any]) -> Any:
        """Return what an operation gives on both databases alike; None where both refuse it with the same words."""
        here, there = (_outcome(operation, engine) for engine in self.engines)
        assert here == there
        return None if isinstance(here, tuple) and here[:1] == ("refused",) else here

    @rule(batch=st.lists(PLAIN, min_size=1, max_size=6))
    def enqueue(self, batch: list[ScoredListing]) -> None:
        """Listings come, known ones again."""
        self.both(lambda engine: enqueue(engine, batch, now=self.now))

    @rule(batch=st.lists(ANY, max_size=3))
    def enqueue_anything(self, batch: list[ScoredListing]) -> None:
        """Listings come that one or the other database might not like."""
        self.both(lambda engine: enqueue(engine, batch, now=self.now))

    @rule(reviewer=PEOPLE, case_id=st.none() | NUMBERS)
    def claim(self, reviewer: str, case_id: int | None) -> None:
        """Somebody takes the next case, or one by its number."""
        settings = Settings(lease_minutes=15)
        taken = self.both(lambda engine: act(engine, claim, reviewer, case_id, settings=settings, now=self.now))
        if taken:
            self.claims.append(taken)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """Somebody gives back what they hold, or no longer hold."""
        shown = data.draw(st.sampled_from(self.claims))
        self.both(lambda engine: act(engine, release, shown, now=self.now))

    @rule(
        data=st.data(),
        verdict=st.sampled_from(Verdict),
        ground=st.sampled_from(["", "test_purchase", "a feeling"]),
        note=st.just("") | TEXTS,
        key=st.sampled_from([None, "k1", "k2"]) | TEXTS,
        token=st.just(None) | NUMBERS,
    )
    def decide(self, data: st.DataObject, token: int | None, verdict: Verdict, **said: Any) -> None:
        """Somebody decides under a claim that is live, stale or forged."""
        shown = data.draw(st.sampled_from(self.claims[-3:]))
        shown = shown if token is None else replace(shown, token=token)
        request = DecisionRequest(shown, verdict, **said)
        self.both(lambda engine: act(engine, decide, request, now=self.now))

    @rule(pause=PAUSES)
    def wait(self, pause: timedelta) -> None:
        """The clock goes on, or is set back."""
        self.now += pause

    @rule(
        state=st.sampled_from(["open", "decided", "escalated", None]),
        brand=st.none() | st.sampled_from(["Acme", "acme"]) | TEXTS,
        seller_id=st.none() | NAMES,
        limit=st.sampled_from([1, 3, 50, 2**70]),
        after=st.none() | NUMBERS,
    )
    def second_review(self, limit: int, after: int | None, **fields: Any) -> None:
        """Somebody filters and turns pages."""

        def browse(connection: Connection) -> list[Case]:
            parts = find_current_parts(connection, self.now)
            return browse_cases(connection, Filter(**fields), limit=limit, after=after, parts=parts)

        self.both(lambda engine: ask(engine, browse))

    @rule(case_id=NUMBERS)
    def look_at_one(self, case_id: int) -> None:
        """Somebody opens a case, its history and its decisions."""
        self.both(lambda engine: ask(engine, get_case, case_id, now=self.now))
        self.both(lambda engine: ask(engine, history, case_id))
        self.both(lambda engine: ask(engine, list_decisions, case_id))

    @rule(known_by=st.none() | st.sampled_from([NOON, NOON + timedelta(hours=1), datetime.max.replace(tzinfo=UTC)]))
    def export(self, known_by: datetime | None) -> None:
        """Labels are exported for training."""
        self.both(lambda engine: ask(engine, export_labels, known_by=known_by))

    @invariant()
    def rows_are_the_same(self) -> None:
        """Every table holds the same rows, the hashes of the audit trail among them."""
        assert read_tables(self.engines[0]) == read_tables(self.engines[1])


def _outcome(operation: Callable[[Engine], Any], engine: Engine) -> Any:
    try:
        return operation(engine)
    except IpmlError as error:  # anything else is no answer on either database
        return ("refused", type(error).__name__, str(error))


@pytest.fixture
def engines(tmp_path: Path, postgres: Server) -> Iterator[tuple[Engine, Engine]]:
    """Give a database of each kind."""
    with copy_postgres(postgres) as url:
        both = open_undurable(copy_sqlite(tmp_path)), open_undurable(url)
        yield both
        for engine in both:
            engine.dispose()


def test_both_databases_behave_alike(engines: tuple[Engine, Engine]):
    """Some shifts of 20 random operations leave the same answers and rows on both."""
    shift = settings(max_examples=EXAMPLES, stateful_step_count=20, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(lambda: BothDatabases(engines), settings=shift)
