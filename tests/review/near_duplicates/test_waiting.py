"""Whatever is done to a queue of near-duplicates, by one or by many at once, nobody waits in vain."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from itertools import count
from threading import Event

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import Engine, func, select
from support.databases import copy_memory, on_both
from support.reviewing import NOON, Make
from support.transactions import act, ask

from ipml.errors import Conflict, Overtaken
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import count_cases
from ipml.review.claims import claim
from ipml.review.decisions import decide
from ipml.review.exports import export_labels
from ipml.review.group_decisions import decide_and_spread, decide_bulk, preview_bulk, preview_spread
from ipml.review.undo import undo, undo_group
from ipml.review.worklists.search import list_cases
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, cases, decisions, metadata, reversals

GROUND = {Verdict.COUNTERFEIT: "test_purchase"}
numbers = st.integers(1, 8)
verdicts = st.sampled_from(list(Verdict))
truths = st.sampled_from([Verdict.COUNTERFEIT, Verdict.GENUINE])

ENGINE = copy_memory()


class Waiting(RuleBasedStateMachine):
    """Two sellers of two offers each, listed again and again, and reviewers who decide and take back."""

    engine: Engine = ENGINE

    @initialize()
    def clear(self) -> None:
        """Begin with an empty queue."""
        with self.engine.connect().execution_options(ipml_writes=True) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
            connection.exec_driver_sql("DELETE FROM sqlite_sequence")
            connection.commit()
        self.now = NOON
        self.groups: list[str] = []

    @rule(seller=st.integers(1, 2), offer=st.sampled_from(["Leather wallet", "Steel watch"]), score=st.floats(0, 1))
    def list_again(self, seller: int, offer: str, score: float) -> None:
        """A copy comes in."""
        self.now += timedelta(seconds=1)
        listing = Listing(f"L{self.now:%H%M%S}", f"s{seller}", f"{offer}, brown", price=50.0, currency="EUR")
        enqueue(self.engine, [ScoredListing(listing, score, None, (), (), None, "m")], now=self.now)

    @rule(verdict=verdicts, case_id=st.none() | numbers)
    def decide_one(self, verdict: Verdict, case_id: int | None) -> None:
        """A reviewer decides a case, the next or any, and that only."""
        states = {case.case_id: case.state for case in ask(self.engine, list_cases, state=None, limit=1000)}
        if case_id is None or states.get(case_id, "decided") != "decided":
            held = act(self.engine, claim, "ana", case_id, now=self.now)
            if held is not None:
                act(self.engine, decide, held, verdict, ground=GROUND.get(verdict, ""), now=self.now)

    @rule(verdict=truths, leaves_out=st.booleans())
    def decide_with_copies(self, verdict: Verdict, leaves_out: bool) -> None:
        """A reviewer decides the next case and those that wait for it, or some of them."""
        held = act(self.engine, claim, "ana", now=self.now)
        if held is not None:
            wanted = [case.case_id for case in ask(self.engine, preview_spread, held.case_id).cases][int(leaves_out) :]
            act(self.engine, decide_and_spread, held, verdict, wanted, ground=GROUND.get(verdict, ""), now=self.now)

    @rule(wanted=st.lists(numbers, max_size=4), verdict=truths)
    def decide_several(self, wanted: list[int], verdict: Verdict) -> None:
        """A reviewer decides some cases at once."""
        token = ask(self.engine, preview_bulk, wanted, "ana", verdict, now=self.now).digest
        ground = GROUND.get(verdict, "")
        made = act(self.engine, decide_bulk, wanted, "ana", verdict, ground=ground, token=token, now=self.now)
        self.groups.append(made.group_key)

    @rule(decision_id=numbers)
    def take_back(self, decision_id: int) -> None:
        """A lead takes back a decision."""
        with suppress(Conflict), writing(self.engine) as connection:
            undo(connection, decision_id, "cleo", may_undo_others=True, now=self.now)

    @rule()
    def take_group_back(self) -> None:
        """A reviewer takes back what was decided at once last."""
        if self.groups:
            with suppress(Conflict), writing(self.engine) as connection:
                undo_group(connection, self.groups[-1], "ana", now=self.now)

    @invariant()
    def waits_for_who_is_to_be_decided(self) -> None:
        """An open case that is not shown waits for one that is shown, or that a lead will decide."""
        known = {case.case_id: case for case in ask(self.engine, list_cases, state=None, limit=1000)}
        for case in known.values():
            if case.state == "open" and case.exemplar is not None:
                exemplar = known[case.exemplar]
                assert exemplar.state in ("open", "escalated")
                assert exemplar.state == "escalated" or exemplar.exemplar is None

    @invariant()
    def keeps_one_decision_for_each_decided_case(self) -> None:
        """States are what the decisions that stand say, each has its row in the trail, and labels follow them."""
        with reading(self.engine) as connection:
            counts = count_cases(connection)
            undone = select(reversals.c.decision_id)
            final = decisions.c.verdict != Verdict.ESCALATE
            query = select(func.count()).where(decisions.c.decision_id.not_in(undone), final)
            assert connection.scalar(query) == counts["decided"]
            told = decisions.c.verdict.in_([Verdict.COUNTERFEIT, Verdict.GENUINE])
            n_told = connection.scalar(select(func.count()).where(decisions.c.decision_id.not_in(undone), told))
            noted = select(func.count()).where(audit.c.action.in_(["decided", "escalated"]))
            assert connection.scalar(noted) == connection.scalar(select(func.count()).select_from(decisions))
            assert len(list(export_labels(connection))) == n_told

    def teardown(self) -> None:
        """Working on, a lead and a reviewer come to the end of the queue, and the trail is whole."""
        with writing(self.engine) as connection:
            for case in list_cases(connection, state="escalated", limit=1000):
                decide(connection, claim(connection, "cleo", case.case_id), Verdict.CANNOT_TELL)
            while held := claim(connection, "ben"):
                decide(connection, held, Verdict.CANNOT_TELL)
            assert count_cases(connection)["open"] == 0
        assert ask(self.engine, verify).is_intact


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)


@pytest.mark.slow
@on_both
def test_copies_that_come_while_their_exemplar_is_decided_are_reviewed(engine: Engine, make_scored: Make):
    """One lists and scores anew, three decide with what they saw and take some back; then the queue is empty."""
    is_over = Event()
    offers = [{"title": f"{name}, brown", "price": 50.0, "currency": "EUR"} for name in ("Wallet", "Steel watch")]
    with ThreadPoolExecutor(4) as threads:
        reviewers = [threads.submit(_review, engine, f"r{number}", is_over) for number in range(3)]
        try:
            for number in range(20):
                batch = [make_scored(f"L{number}-{place}", place / 10, **offers[place % 2]) for place in range(6)]
                enqueue(engine, batch)
                enqueue(engine, [make_scored(f"L{number}-{place}", 0.7, **offers[place % 2]) for place in range(6)])
        finally:
            is_over.set()
        made, undone = (sum(counts) for counts in zip(*(reviewer.result() for reviewer in reviewers), strict=True))
    counts = ask(engine, count_cases)
    assert (counts["open"], counts["escalated"]) == (0, 0)
    with reading(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(decisions)) == made
        assert connection.scalar(select(func.count()).select_from(reversals)) == undone
        assert connection.scalar(select(func.count(cases.c.listing_id.distinct()))) == 120
        assert verify(connection).is_intact
    assert made - undone == counts["decided"]  # some come back for their higher score, after they were found genuine


def _review(engine: Engine, reviewer: str, is_over: Event) -> tuple[int, int]:
    """Decide until all is listed and nothing is left; return how many decisions were made, and how many undone."""
    made = undone = 0
    for turn in count():
        finishes = is_over.is_set()
        held = act(engine, claim, reviewer)
        if held is None:
            if finishes and ask(engine, count_cases)["open"] == 0:
                return made, undone
            continue
        wanted = [case.case_id for case in ask(engine, preview_spread, held.case_id, reviewer).cases]
        try:
            spread = act(engine, decide_and_spread, held, Verdict.GENUINE, wanted)
        except Overtaken:
            continue  # a spread from its own exemplar came first
        if not spread.decision.decision_id:
            continue  # it was a second review, which decides nothing
        made += 1 + len(spread.decisions)
        if turn % 7 == 3 and not finishes:
            try:
                act(engine, undo, spread.decision.decision_id, reviewer)
                undone += 1 + len(spread.decisions)
            except Conflict:
                continue
    raise AssertionError
