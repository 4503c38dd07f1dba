"""What leads change by hand, and what the page is told: on both databases."""

import json
import os
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from support.databases import empty_tables, on_both
from support.transactions import act, ask, execute, read_scalars

from ipml.enforcement import actions
from ipml.enforcement.appeal_file import list_desk, read_desk
from ipml.enforcement.appeals.appeal import OUTCOMES, find_deciders, find_deciders_of, list_appeals, may_decide
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal
from ipml.enforcement.case_file import foresee, read_followed, read_listing_file
from ipml.enforcement.overview import find_gaps
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.policy import load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.seller_file import read_seller_file
from ipml.enforcement.statements.letter import _DECISIONS as IN_PUBLIC
from ipml.enforcement.takedown.changes import find_listing
from ipml.enforcement.takedown.measures import find_measures, get_measure
from ipml.errors import Conflict, IpmlError, OwnListing
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.cases import find_case
from ipml.review.queue import claim, decide, enqueue, undo
from ipml.storage.audit_trail.audit import verify
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import reading, writing
from ipml.storage.outbox import make_messages
from ipml.storage.tables import cases, decisions, measures, outbox, penalties, reversals, statements, user_sellers

POLICY = load_enforcement_policy()
ENFORCEMENT = actions.Enforcement(POLICY)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def take_down(engine, number=1, seller="s1", by="ana", at=NOON, score=0.9, consequences=ENFORCEMENT):
    """Put a listing into the queue and decide it counterfeit; return the case."""
    listing = Listing(f"L{number}", seller, f"Bag {number}, mirror", price=900.0, currency="EUR", listed_at=NOON)
    enqueue(engine, [ScoredListing(listing, score, 2.2, (), (), None, "m1")], now=at)
    with writing(engine) as connection:
        taken = claim(connection, by, now=at)
        decide(connection, taken, Verdict.COUNTERFEIT, ground="declared_replica", now=at, consequences=consequences)
    return taken.case_id


def letters(engine):
    """Return the kinds of letters to sellers, in order."""
    query = select(outbox.c.kind).where(outbox.c.channel == "seller").order_by(outbox.c.message_id)
    return read_scalars(engine, query)


def is_sound(engine):
    """Say whether trail, decisions and what followed agree."""
    with reading(engine) as connection:
        found = [*find_disagreements(connection), *find_gaps(connection), *check_rows(connection).problems]
        return verify(connection).is_intact and not found


def test_a_measure_comes_and_goes_by_hand(engine):
    """Each change is told to the seller once, noted, and leaves nothing that disagrees."""
    case_id = take_down(engine)
    number = ask(engine, read_followed, case_id).measures[0].measure.measure_id
    for _ in range(2):
        pause = actions.MeasureOrder(MeasureKind.PAUSE, "wait for papers")
        new = act(engine, actions.change_measure, number, pause, "lea", POLICY, now=NOON)
    for _ in range(2):
        act(engine, actions.lift_measure, new.measure_id, "lea", "papers are good", POLICY, now=NOON)
    with pytest.raises(Conflict, match="expected one that stands"), writing(engine) as connection:
        actions.lift_measure(connection, new.measure_id, "max", "me too", POLICY, now=NOON)
    found = ask(engine, read_followed, case_id)
    assert [(one.measure.kind.value, one.measure.state, one.why_lifted) for one in found.measures] == [
        ("pause", "lifted", "papers are good"),
        ("remove", "replaced", "wait for papers"),
    ]
    assert letters(engine) == ["statement", "statement", "statement", "lifted", "lifted"]
    assert is_sound(engine)


def test_nothing_is_changed_without_a_reason_or_on_ones_own_listing(engine):
    """Nor a measure replaced by the same."""
    case_id = take_down(engine)
    with pytest.raises(Conflict, match="measure: found"), writing(engine) as connection:
        actions.lift_measure(connection, 1, "lea", "  ", POLICY)
    with pytest.raises(Conflict, match="measure: found"), writing(engine) as connection:
        actions.change_measure(connection, 1, actions.MeasureOrder(MeasureKind.REMOVE, "again"), "lea", POLICY)
    execute(engine, user_sellers.insert().values(user_name="lea", seller_id="s1", since=NOON))
    with pytest.raises(OwnListing), writing(engine) as connection:
        actions.lift_measure(connection, 1, "lea", "mine", POLICY)
    assert ask(engine, read_followed, case_id).measures[0].measure.stands


def test_penalties_are_confirmed_and_lifted_once(engine):
    """Sent again nothing more is told; a proposal that is dismissed is told to nobody."""
    for number in range(1, 9):
        take_down(engine, number, score=0.99)
    proposed = ask(engine, find_penalties, state="proposed", at=NOON)[-1]
    before = letters(engine)
    for _ in range(2):
        confirmed = act(engine, actions.confirm_penalty, proposed.penalty_id, "lea", "a sweep", POLICY, now=NOON)
        assert confirmed.imposed_by == "lea"
    for _ in range(2):
        lifted = act(engine, actions.lift_penalty, proposed.penalty_id, "lea", "too hard", POLICY, now=NOON)
        assert lifted.ended_as == "lifted"
    assert letters(engine)[len(before) :] == ["statement", "lifted"]
    assert is_sound(engine)


def outlook(connection, case_id, at):
    """Return what the decision "counterfeit" on a case would lead to."""
    case = find_case(connection, case_id)
    return foresee(connection, case, list_strikes(connection, case.seller_id), POLICY, now=at)


def test_the_outlook_says_what_then_happens(engine):
    """Measure and penalty are those that it foretold, be it the first decision on a seller or the fifth."""
    for number in range(1, 6):
        at = NOON + timedelta(days=20 * number)
        listing = Listing(f"L{number}", "s1", f"Bag {number}, mirror", observed_at=at, price=900.0, currency="EUR")
        enqueue(engine, [ScoredListing(listing, 0.99, 2.2, (), (), None, "m1")], now=at)
        with writing(engine) as connection:
            taken = claim(connection, "ana", now=at)
            seen = outlook(connection, taken.case_id, at)
            decide(connection, taken, Verdict.COUNTERFEIT, ground="declared_replica", now=at, consequences=ENFORCEMENT)
            found = read_followed(connection, taken.case_id)
        made = [one.penalty for one in found.penalties]
        assert seen.measures[0][0] == found.measures[0].why
        assert [one.kind for one in made if one.imposed_at] == ([seen.imposed] if seen.imposed else [])
        assert [one.kind for one in made if one.is_open] == ([seen.proposed] if seen.proposed else [])
        assert found.strikes[0].weight == pytest.approx(1.5)
        assert ask(engine, outlook, taken.case_id, at).now == seen.now  # the case itself is left out


def test_the_desk_says_of_all_what_may_decide_says_of_each(engine):
    """Whoever had whatever part: the list and the function that refuses agree."""
    people, draw = ("ana", "Bea", "cai", "dan"), random.Random(3)
    for number in range(1, 9):
        at = NOON + timedelta(hours=number)
        case_id = take_down(engine, number, f"s{number % 4}", draw.choice(people), at)
        if draw.random() < 0.5:
            with writing(engine) as connection:
                number_of_it = read_followed(connection, case_id).measures[0].measure.measure_id
                pause = actions.MeasureOrder(MeasureKind.PAUSE, "wait")
                actions.change_measure(connection, number_of_it, pause, draw.choice(people), POLICY, now=at)
        appeal = act(engine, file_appeal, case_id, f"s{number % 4}", "no", now=at)
        for name in people:
            is_free = ask(engine, may_decide, appeal, name) is None
            if is_free and draw.random() < 0.3:
                with writing(engine) as connection:
                    said = {"measure": MeasureKind.LABEL, "now": at, "consequences": ENFORCEMENT}
                    decide_appeal(connection, appeal.appeal_id, name, "partly granted", "a", **said)
                    file_appeal(connection, case_id, f"s{number % 4}", "still no", now=at)
                break
    pending = [due.appeal for due in ask(engine, list_appeals)]
    assert len(pending) == 8
    for name in (*people, "bea", "eva"):
        with reading(engine) as connection:
            said = {one.due.appeal.appeal_id: one.obstacle for one in list_desk(connection, name)}
            assert said == {appeal.appeal_id: may_decide(connection, appeal, name) for appeal in pending}
            together = find_deciders_of(connection, pending)
            assert together == {appeal.appeal_id: find_deciders(connection, appeal) for appeal in pending}
    assert len({said for name in people for said in (one.obstacle for one in ask(engine, list_desk, name))}) == 2


def test_a_sellers_file_leaves_out_what_is_hidden(engine):
    """Strikes, measures, penalties and appeals of a case that is kept from whoever asks are not counted either."""
    first, second = take_down(engine, 1), take_down(engine, 2)
    with writing(engine) as connection:
        file_appeal(connection, first, "s1", "no")
        whole = read_seller_file(connection, first, POLICY, "lea", now=NOON)
    assert (len(whole.strikes), len(whole.measures), len(whole.penalties), len(whole.appeals)) == (2, 2, 1, 1)
    part = ask(engine, read_seller_file, first, POLICY, "lea", hidden={first}, now=NOON)
    assert [strike.case_id for strike in part.strikes] == [second]
    assert [one.case_id for one in part.measures] == [second]
    assert part.appeals == ()
    assert part.standing.weight < whole.standing.weight


def test_an_appeal_against_a_penalty_names_it(engine):
    """The desk shows the penalty, and offers no milder measure."""
    case_id = take_down(engine)
    with writing(engine) as connection:
        (given,) = read_followed(connection, case_id).penalties
        appeal = file_appeal(connection, given.penalty.subject, "s1", "no warning is due", now=NOON)
        shown = read_desk(connection, appeal.appeal_id, "lea", now=NOON)
    assert (shown.restriction, shown.milder) == (given.penalty, ())
    assert shown.evidence is not None
    assert shown.told is not None


def test_what_nobody_acted_on_shows_nothing(engine):
    """A case that was decided where nothing follows has nothing to show."""
    case_id = take_down(engine, consequences=None)
    assert ask(engine, read_followed, case_id).is_nothing


WEEK, YEAR = timedelta(days=7), timedelta(days=366)


def test_what_is_over_ends_once_and_is_told(engine):
    """A pause of a week ends after a week, the warning after a year; each once, with a letter to the seller."""
    take_down(engine)
    pause = actions.MeasureOrder(MeasureKind.PAUSE, "for a week", until=NOON + WEEK)
    act(engine, actions.change_measure, 1, pause, "lea", POLICY, now=NOON)
    assert actions.end_due(engine, POLICY, now=NOON + WEEK / 2) == actions.Ended(0, 0)
    assert actions.end_due(engine, POLICY, now=NOON + WEEK) == actions.Ended(1, 0)
    assert actions.end_due(engine, POLICY, now=NOON + YEAR) == actions.Ended(0, 1)
    assert actions.end_due(engine, POLICY, now=NOON + YEAR) == actions.Ended(0, 0)
    with reading(engine) as connection:
        told = select(outbox.c.subject).where(outbox.c.kind == "lifted").order_by(outbox.c.message_id)
        assert list(connection.scalars(told)) == ["measure:1", "measure:2", "penalty:1"]


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_penalty_that_is_over_and_then_taken_back_ends_once_for_all(engine, has_ended):
    """Seller and platform are told of its end once, whether or not the job that ends penalties came between."""
    take_down(engine)
    late = {"now": NOON + YEAR}
    if has_ended:
        actions.end_due(engine, POLICY, **late)
    act(engine, undo, 1, "lea", may_undo_others=True, consequences=ENFORCEMENT, **late)
    actions.end_due(engine, POLICY, **late)
    about = select(outbox.c.kind).where(outbox.c.subject == "penalty:1").order_by(outbox.c.channel)
    assert read_scalars(engine, about.where(outbox.c.kind.like("%lifted"))) == ["penalty_lifted", "lifted"]
    assert is_sound(engine)


START = datetime(2026, 3, 2, 12, tzinfo=UTC)
PLACES = {MeasureKind.REMOVE_IN: ("DE", "FR")}
REFUSED = (IpmlError, StopIteration)
OPEN = penalties.c.imposed_at.is_(None), penalties.c.ended_at.is_(None)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("take down", "impose", "impose", "change", "lift", "wait", "undo", *OUTCOMES[:3], "confirm", "pardon")
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
    """Two listings that two sellers sell in turn, each observed more than once, and a clock."""

    def __init__(self, engine):
        self.engine, self.now, self.seen, self.sellers = engine, START, 0, dict[str, str]()

    def numbers(self, column, *conditions):
        """Return the numbers in a column, in order."""
        return read_scalars(self.engine, select(column).where(*conditions).order_by(column))

    def pick(self, which, column, *conditions):
        """Return one of these numbers; StopIteration where there is none."""
        found = self.numbers(column, *conditions)
        return found[which % len(found)] if found else next(iter(()))

    def take(self, what, which, kind, ends):
        """Take a step, where it is possible; senders have had in hand what was due."""
        self.now += timedelta(hours=30)
        execute(self.engine, outbox.update().where(outbox.c.next_try_at <= self.now).values(attempts=1))
        until = self.now + timedelta(days=3) if ends else None
        order = actions.MeasureOrder(kind, f"step {self.now}", PLACES.get(kind, ()), until)
        stands, last = measures.c.lifted_at.is_(None), {"now": self.now}
        if what == "take down":
            self.take_down(which % 2)
        elif what == "wait":
            self.now += timedelta(days=10 * which)
            actions.end_due(self.engine, POLICY, now=self.now)
        elif what in OUTCOMES:
            self.appeal(self.pick(which, measures.c.measure_id, stands), what, kind)
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

    def take_down(self, listing):
        """Observe a listing again, of whoever sells it now, and decide it counterfeit."""
        self.seen += 1
        self.sellers[f"L{listing}"] = seller = f"s{self.seen // 2 % 2}"
        bag = Listing(f"L{listing}", seller, f"Bag {listing}, mirror {self.seen}", country="DE", observed_at=self.now)
        enqueue(self.engine, [ScoredListing(bag, 0.9, 2.2, (), (), None, "m1")], now=self.now)
        options = {"now": self.now, "consequences": ENFORCEMENT}
        with writing(self.engine) as connection:
            while taken := claim(connection, "ana", now=self.now):
                decide(connection, taken, Verdict.COUNTERFEIT, ground="declared_replica", **options)

    def read(self):
        """Return what stands: measures by number, and how many strikes."""
        with reading(self.engine) as connection:
            standing = {one.measure_id: one for one in find_measures(connection, standing=True)}
            strikes = [strike for seller in ("s0", "s1") for strike in list_strikes(connection, seller)]
            return standing, sum(strike.taken_back_at is None for strike in strikes)

    def appeal(self, measure_id, outcome, kind):
        """Have a measure appealed against by who sells the listing now; the outcome changes what was wrong, no more."""
        before, struck = self.read()
        with writing(self.engine) as connection:
            arrived = outbox.update().where(outbox.c.channel == "seller", outbox.c.state == "waiting")
            connection.execute(arrived.values(state="delivered", settled_at=self.now))
            listing, _ = find_listing(connection, get_measure(connection, measure_id))
            seller = self.sellers[listing.listing_id]
            appeal = file_appeal(connection, f"measure:{measure_id}", seller, "See the invoice.", now=self.now)
            options = {"measure": kind if outcome == "partly granted" else None, "now": self.now}
            said = (appeal.appeal_id, "max", outcome, "We looked.")
            decide_appeal(connection, *said, **options, consequences=ENFORCEMENT)
        after, still_struck = self.read()
        old, new = before[measure_id], [after[number] for number in after.keys() - before.keys()]
        its = {number for number, one in before.items() if one.decision_id == old.decision_id}
        assert before.keys() - after.keys() == (its if outcome == "granted" else {measure_id})
        assert struck - still_struck == (outcome == "granted")
        assert [one.until for one in new] == ([old.until] if outcome == "partly granted" else [])


def read_told(connection, channel):
    """Return what was put down for somebody, in order."""
    is_told = outbox.c.channel == channel, outbox.c.dropped_at.is_(None)
    query = select(outbox).where(*is_told).order_by(outbox.c.message_id)
    return make_messages(connection, connection.execute(query).all())


def told_to_platform(connection):
    """Return what the platform must think is in force, which knows listings by their ids."""
    in_force, threads = {}, {}
    for message in read_told(connection, "platform"):
        body = json.loads(message.body)
        if message.kind in ("measure", "reinstatement"):
            assert (message.kind == "measure") == bool(body["in_force"])
            in_force[body["listing_id"]] = [one["measure"] for one in body["in_force"]]
            assert threads.setdefault(body["listing_id"], message.subject) == message.subject  # one order
        elif message.kind.startswith("penalty"):
            in_force[message.subject] = [] if "lifted" in message.kind else [message.subject]
    return {subject for subjects in in_force.values() for subject in subjects}


def told_to_seller(connection):
    """Return what the seller must think is in force."""
    told = [(message.kind, message.subject) for message in read_told(connection, "seller")]
    stated, lifted = ({subject for kind, subject in told if kind == word} for word in ("statement", "lifted"))
    assert lifted <= stated
    return stated - lifted


def told_to_buyers(connection):
    """Return what buyers were told last, or will be, of each seller's goods under a listing."""
    bodies = [json.loads(one.body) for one in read_told(connection, "platform") if one.kind == "buyers"]
    return {(body["listing_id"], body["seller_id"]): body["finding"] for body in bodies}


def check_findings(connection):
    """Assert that buyers and sellers were told of each finding that fell, and of none that stands."""
    query = select(decisions, cases.c.seller_id, reversals.c.reversed_at).join(
        cases, cases.c.case_id == decisions.c.case_id
    )
    query = query.outerjoin(reversals).where(decisions.c.verdict == Verdict.COUNTERFEIT)
    rows = connection.execute(query).all()
    standing = {(row.listing_id, row.seller_id) for row in rows if row.reversed_at is None}
    for place, finding in told_to_buyers(connection).items():
        assert (finding == "counterfeit") == (place in standing)
    letters = select(outbox.c.subject, outbox.c.put_at).where(outbox.c.kind == "lifted", outbox.c.channel == "seller")
    told = {tuple(row) for row in connection.execute(letters)}
    for row in rows:
        subjects = [one.subject for one in find_measures(connection, decision_id=row.decision_id)]
        fallen = row.reversed_at is not None
        assert not fallen or any((subject, row.reversed_at) in told for subject in subjects)


def told_to_public(connection):
    """Return what the transparency database was told, by what it is about."""
    subjects = {row.puid: row.subject for row in connection.execute(select(statements))}
    found = {}
    for message in read_told(connection, "transparency"):
        payload = json.loads(message.body)
        (said,) = (value for name, value in payload.items() if name in {field for field, _ in IN_PUBLIC.values()})
        found[subjects[payload["puid"]]] = said[0] if isinstance(said, list) else said
    return found


def check_one_truth(engine):
    """Assert that all were told of what is in force, and of nothing else."""
    with reading(engine) as connection:
        standing = {one.subject: one.kind for one in find_measures(connection, standing=True)}
        ended = {one.subject for one in find_measures(connection)} - set(standing)
        imposed = penalties.c.imposed_at.is_not(None), penalties.c.ended_at.is_(None)
        held = {f"penalty:{row.penalty_id}": row.kind for row in connection.execute(select(penalties).where(*imposed))}
        in_force = set(standing) | set(held)
        check_findings(connection)
        assert told_to_platform(connection) == in_force
        files = [read_listing_file(connection, f"L{number}") for number in (0, 1)]
        assert {one.subject for file in files for one in file.measures} == set(standing)
        assert told_to_seller(connection) == in_force
        public = told_to_public(connection)
        ended |= {f"penalty:{number}" for number in connection.scalars(select(penalties.c.penalty_id))} - set(held)
        assert set(public) - ended == in_force - {subject for subject, kind in held.items() if kind == "warn"}
        assert all(public[subject] == IN_PUBLIC[kind][1] for subject, kind in standing.items())


@on_both
@settings(max_examples=EXAMPLES, suppress_health_check=HASTY)
@given(steps=STEPS)
def test_platform_seller_and_public_are_told_of_the_same(engine, steps):
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
