"""Whatever was imposed, changed, ended or taken back: platform, seller and public were told of the same."""

import json
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, select
from support.databases import empty_tables, on_both

from ipml.enforcement import actions
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.statements.letter import _DECISIONS as IN_PUBLIC
from ipml.enforcement.takedown.measures import find_measures
from ipml.errors import IpmlError
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import reading, writing
from ipml.storage.outbox import Message, make_messages
from ipml.storage.tables import decisions, measures, outbox, penalties, statements

POLICY = load_enforcement_policy()
ENFORCEMENT = actions.Enforcement(POLICY)
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLACES = {MeasureKind.REMOVE_IN: ("DE", "FR")}
REFUSED = (IpmlError, StopIteration)
OPEN = penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("take down", "impose", "impose", "change", "lift", "wait", "undo", "appeal", "soften", "confirm", "pardon")
        ),
        st.integers(0, 5),
        st.sampled_from(MeasureKind),
        st.booleans(),
    ),
    min_size=3,
    max_size=10,
)
EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "6"))
HASTY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


class Market:
    """Two listings of one seller, each observed more than once, and a clock."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.now, self.seen = engine, START, 0

    def numbers(self, column: Any, *conditions: Any) -> list[int]:
        """Return the numbers in a column, in order."""
        with reading(self.engine) as connection:
            return list(connection.scalars(select(column).where(*conditions).order_by(column)))

    def pick(self, which: int, column: Any, *conditions: Any) -> int:
        """Return one of these numbers; StopIteration where there is none."""
        found = self.numbers(column, *conditions)
        return found[which % len(found)] if found else next(iter(()))

    def take(self, what: str, which: int, kind: MeasureKind, ends: bool) -> None:
        """Take a step, where it is possible."""
        self.now += timedelta(hours=30)
        until = self.now + timedelta(days=3) if ends else None
        order = actions.MeasureOrder(kind, f"step {self.now}", PLACES.get(kind, ()), until)
        stands, last = measures.c.lifted_at.is_(None), {"now": self.now}
        if what == "take down":
            self.take_down(which % 2)
        elif what == "wait":
            self.now += timedelta(days=10 * which)
            actions.end_due(self.engine, POLICY, now=self.now)
        elif what in ("appeal", "soften"):
            self.appeal(self.pick(which, measures.c.measure_id, stands), kind if what == "soften" else None)
        else:
            column, conditions, act = {
                "impose": (decisions.c.case_id, (), partial(actions.impose_measure, order=order)),
                "change": (measures.c.measure_id, (stands,), partial(actions.change_measure, order=order)),
                "lift": (measures.c.measure_id, (stands,), partial(actions.lift_measure, why="so")),
                "confirm": (penalties.c.penalty_id, OPEN, partial(actions.confirm_penalty, why="yes")),
                "pardon": (penalties.c.penalty_id, (), partial(actions.lift_penalty, why="mercy")),
                "undo": (decisions.c.decision_id, (), None),
            }[what]
            number = self.pick(which, column, *conditions)
            with writing(self.engine) as connection:
                if act is None:
                    undo(connection, number, "lea", may_undo_others=True, **last, consequences=ENFORCEMENT)
                else:
                    act(connection, number, by="lea", policy=POLICY, **last)

    def take_down(self, listing: int) -> None:
        """Observe a listing again, and decide it counterfeit."""
        self.seen += 1
        bag = Listing(f"L{listing}", "s1", f"Bag {listing}, mirror {self.seen}", country="DE", observed_at=self.now)
        enqueue(self.engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1")], now=self.now)
        options = {"now": self.now, "consequences": ENFORCEMENT}
        with writing(self.engine) as connection:
            while taken := claim(connection, "ana", now=self.now):
                decide(connection, taken, Verdict.COUNTERFEIT, ground="declared_replica", **options)

    def appeal(self, measure_id: int, milder: MeasureKind | None) -> None:
        """Have a measure appealed against, and the appeal granted, or in part."""
        with writing(self.engine) as connection:
            arrived = outbox.update().where(outbox.c.channel == "seller", outbox.c.state == "waiting")
            connection.execute(arrived.values(state="delivered", settled_at=self.now))
            appeal = file_appeal(connection, f"measure:{measure_id}", "s1", "See the invoice.", now=self.now)
            outcome, options = "partly granted" if milder else "granted", {"now": self.now, "consequences": ENFORCEMENT}
            decide_appeal(connection, appeal.appeal_id, "max", outcome, "We looked.", measure=milder, **options)


def read_told(connection: Connection, channel: str) -> list[Message]:
    """Return what was put down for somebody, in order."""
    query = select(outbox).where(outbox.c.channel == channel).order_by(outbox.c.message_id)
    return make_messages(connection, connection.execute(query).all())


def told_to_platform(connection: Connection) -> set[str]:
    """Return what the platform must think is in force."""
    in_force: dict[str, list[str]] = {}
    for message in read_told(connection, "platform"):
        body = json.loads(message.body)
        if message.kind in ("measure", "reinstatement"):
            assert (message.kind == "measure") == bool(body["in_force"])
            in_force[message.subject] = [one["measure"] for one in body["in_force"]]
        elif message.kind.startswith("penalty"):
            in_force[message.subject] = [] if "lifted" in message.kind else [message.subject]
    return {subject for subjects in in_force.values() for subject in subjects}


def told_to_seller(connection: Connection) -> set[str]:
    """Return what the seller must think is in force."""
    told = [(message.kind, message.subject) for message in read_told(connection, "seller")]
    stated, lifted = ({subject for kind, subject in told if kind == word} for word in ("statement", "lifted"))
    assert lifted <= stated
    return stated - lifted


def told_to_public(connection: Connection) -> dict[str, str]:
    """Return what the transparency database was told, by what it is about."""
    subjects = {row.puid: row.subject for row in connection.execute(select(statements))}
    found = {}
    for message in read_told(connection, "transparency"):
        payload = json.loads(message.body)
        (said,) = (value for name, value in payload.items() if name in {field for field, _ in IN_PUBLIC.values()})
        found[subjects[payload["puid"]]] = said[0] if isinstance(said, list) else said
    return found


def check_one_truth(engine: Engine) -> None:
    """Assert that all were told of what is in force, and of nothing else."""
    with reading(engine) as connection:
        standing = {one.subject: one.kind for one in find_measures(connection, standing=True)}
        ended = {one.subject for one in find_measures(connection)} - set(standing)
        imposed = penalties.c.imposed_at.is_not(None), penalties.c.ended_at.is_(None)
        held = {f"penalty:{row.penalty_id}": row.kind for row in connection.execute(select(penalties).where(*imposed))}
        in_force = set(standing) | set(held)
        assert told_to_platform(connection) == in_force
        assert told_to_seller(connection) == in_force
        public = told_to_public(connection)
        ended |= {f"penalty:{number}" for number in connection.scalars(select(penalties.c.penalty_id))} - set(held)
        assert set(public) - ended == in_force - {subject for subject, kind in held.items() if kind == "warn"}
        assert all(public[subject] == IN_PUBLIC[kind][1] for subject, kind in standing.items())


@on_both
@settings(max_examples=EXAMPLES, suppress_health_check=HASTY)
@given(steps=STEPS)
def test_platform_seller_and_public_are_told_of_the_same(engine: Engine, steps: list[Any]) -> None:
    """After any step of any sequence, what each of them was told is what is in force."""
    empty_tables(engine)
    market = Market(engine)
    for listing in (0, 1):
        market.take_down(listing)
    for step in steps:
        with suppress(*REFUSED):
            market.take(*step)
        check_one_truth(engine)
    with reading(engine) as connection:
        assert not list(find_disagreements(connection))
