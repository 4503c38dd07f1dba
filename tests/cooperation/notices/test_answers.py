"""A notice is answered twice, that it came and how it ended, in whatever way each of its listings ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from support.consequences import COOPERATION
from support.databases import on_both
from support.given_notices import NOON, POLICY, WORDS, complain, offer, say
from support.notice_desk import Desk
from support.transactions import act, ask

from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notices.status import Receipt, find_receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.records import Verdict
from ipml.review.group_decisions import decide_and_spread, decide_bulk, preview_bulk
from ipml.review.queue import claim, enqueue, get_case
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt
from ipml.storage.tables import cases
from ipml.storage.tables import outbox as messages

LONG = timedelta(days=POLICY.notices.unknown_days)
STATES = {Verdict.COUNTERFEIT: "upheld", Verdict.GENUINE: "rejected", Verdict.CANNOT_TELL: "undecided"}
WAYS = ("before", "alone", "bulk", "spread", "late", "never")
verdicts = st.sampled_from(list(STATES))
stories = st.lists(st.tuples(st.sampled_from(WAYS), verdicts), min_size=1, max_size=5)
_numbers = count()


@dataclass
class Story:
    """Some listings, each with the way in which it is decided; their ids are new in each story."""

    desk: Desk
    told: list[tuple[str, Verdict]]
    number: int = field(default_factory=_numbers.__next__)

    def ids(self, way: str | None = None) -> list[str]:
        """Return the ids of all listings, or of those decided in one way."""
        return [f"S{self.number}-{n}" for n, (how, _) in enumerate(self.told) if way in (None, how)]

    def offer(self, *ways: str) -> None:
        """Let the listings of some ways come; those that are spread over are the same offer twice."""
        for listing_id in (one for way in ways for one in self.ids(way)):
            for copy in ("", "-copy") if listing_id in self.ids("spread") else ("",):
                one = offer(listing_id + copy, f"seller of {listing_id}", description=f"Offer {listing_id}")
                enqueue(self.desk.engine, [one], joins_alike=bool(copy), now=self.desk.pass_time())

    def case_of(self, listing_id: str) -> int:
        """Return the number of a listing's case."""
        with reading(self.desk.engine) as connection:
            return connection.scalars(select(cases.c.case_id).where(cases.c.listing_id == listing_id)).one()

    def decide(self, *ways: str, again: bool = False) -> None:
        """Decide the listings of some ways, each with its verdict, or again those that came back to a person."""
        for listing_id, (way, verdict) in zip(self.ids(), self.told, strict=True):
            if way in ways and not (again and verdict is Verdict.COUNTERFEIT):
                self.desk.decide(self.case_of(listing_id), verdict)

    def say(self, noted: list[str], who: int, words: str) -> Receipt:
        """Let somebody give notice."""
        notice = say(*noted, email=f"n{self.number}-{who}@acme.test", explanation=words)
        return act(self.desk.engine, receive, notice, policy=POLICY, now=self.desk.pass_time())

    def spread(self) -> None:
        """Decide some with their near-duplicates; those that are drawn for a check, or cannot be, by themselves."""
        for listing_id, (way, verdict) in zip(self.ids(), self.told, strict=True):
            if way == "spread":
                case_id, copy_id = self.case_of(listing_id), self.case_of(f"{listing_id}-copy")
                taken = act(self.desk.engine, claim, "ana", case_id, now=self.desk.pass_time())
                verdict = Verdict.GENUINE if verdict is Verdict.CANNOT_TELL else verdict
                said = {"ground": "declared_replica" if verdict is Verdict.COUNTERFEIT else "", "now": self.desk.now}
                with writing(self.desk.engine) as connection:
                    decide_and_spread(connection, taken, verdict, [copy_id], **said, consequences=COOPERATION)
                    state = get_case(connection, copy_id).state
                if state == "open":
                    self.desk.decide(copy_id, verdict)

    def decide_together(self) -> None:
        """Decide those of the bulk at once, as counterfeit."""
        if numbers := [self.case_of(listing_id) for listing_id in self.ids("bulk")]:
            how, now = (numbers, "ana", Verdict.COUNTERFEIT), self.desk.pass_time()
            with writing(self.desk.engine) as connection:
                token = preview_bulk(connection, *how, now=now).digest
                said = {"ground": "declared_replica", "token": token, "consequences": COOPERATION}
                decide_bulk(connection, *how, now=now, **said)

    def ends(self) -> list[str]:
        """Return how each listing ends."""
        fixed = {"bulk": "upheld", "never": "not found"}
        spread = STATES | {Verdict.CANNOT_TELL: "rejected"}  # which is not said of several at once
        return [fixed.get(way) or (spread if way == "spread" else STATES)[verdict] for way, verdict in self.told]


def tiers_with(**limits: int) -> CooperationPolicy:
    """Return the policy with other limits for those of whom little is known."""
    *others, usual = POLICY.notifiers.tiers
    notifiers = POLICY.notifiers.model_copy(update={"tiers": (*others, usual.model_copy(update=limits))})
    return POLICY.model_copy(update={"notifiers": notifiers})


def stands(engine: Engine, receipt: Receipt) -> tuple[list[str], bool]:
    """Return how the listings of a notice stand, and whether it is settled."""
    found = ask(engine, find_receipt, receipt.reference)
    return [one.state for one in found.listings], found.settled_at is not None


def told(engine: Engine, receipt: Receipt) -> list[tuple[str, list[str]]]:
    """Return the messages on a notice, in order: of which kind, and how its listings stand in each."""
    query = select(messages).where(messages.c.subject == f"notice:{receipt.notice_id}").order_by(messages.c.message_id)
    with reading(engine) as connection:
        rows = connection.execute(query).all()
        bodies = [json.loads(decrypt(connection, row.pseudonym, row.body)) for row in rows]
    return [
        (row.kind, [one.get("outcome") for one in body["listings"]]) for row, body in zip(rows, bodies, strict=True)
    ]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories, repeats=st.booleans(), many=st.booleans())
def test_each_notice_has_one_receipt_and_one_outcome(desk, story, repeats, many):
    """Decided before it came, alone, in bulk, with its near-duplicate, once it arrives, or never found at all."""
    engine, tale = desk.engine, Story(desk, story)
    tale.offer("before", "alone", "bulk", "spread")
    tale.decide("before")
    noted = [f"{one}-copy" if one in tale.ids("spread") else one for one in tale.ids()]
    notices = [tale.say(noted, who, WORDS) for who in range(1 + many)]
    again = [tale.say(noted, 0, WORDS + " Still.")] if repeats else []
    tale.decide("alone")
    tale.spread()
    tale.decide("before", again=True)
    tale.decide_together()
    tale.offer("late")
    match_notices(engine, policy=POLICY, now=desk.pass_time())
    tale.decide("late")
    for _ in range(2):  # which changes nothing more
        run_notice_deadlines(engine, policy=POLICY, now=desk.now + LONG)
    for receipt in notices:
        (first, _), (second, states) = told(engine, receipt)
        assert (first, second, states) == ("notice_receipt", "notice_outcome", tale.ends())
        assert stands(engine, receipt) == (tale.ends(), True)
    for receipt in again:
        assert [kind for kind, _ in told(engine, receipt)] == ["notice_receipt", "notice_outcome"]
        assert stands(engine, receipt) == (tale.ends(), True)
    assert ask(engine, audit.verify).is_intact


def test_a_listing_that_could_not_be_found_may_be_noted_again(desk: Desk):
    """It is said in these words; before the term is over the notice stays open, and afterwards it is another notice."""
    engine = desk.engine
    receipt = act(engine, receive, say("L1"), policy=POLICY, now=NOON)
    run_notice_deadlines(engine, policy=POLICY, now=NOON + LONG)
    assert [kind for kind, _ in told(engine, receipt)] == ["notice_receipt"]
    later = NOON + LONG + timedelta(minutes=1)
    assert run_notice_deadlines(engine, policy=POLICY, now=later).not_found == 1
    ((_, body),) = [one for one in desk.told(f"notice:{receipt.notice_id}") if one[0] == "notice_outcome"]
    assert "We could not find it" in body
    again = act(engine, receive, say("L1", explanation=WORDS + " Still."), policy=POLICY, now=later)
    assert [(one.state, one.is_repeated) for one in again.listings] == [("unknown", False)]


def test_too_few_complaints_of_what_was_decided_are_answered_by_that(desk: Desk):
    """They wait for others as long as the policy says, and then end with the decision that stands."""
    desk.decide(desk.add_case("L1"), Verdict.GENUINE)
    receipt = act(desk.engine, receive, complain("L1", "ann"), policy=POLICY, now=NOON)
    assert stands(desk.engine, receipt) == (["waiting"], False)
    ticked = run_notice_deadlines(desk.engine, policy=POLICY, now=NOON + LONG + timedelta(minutes=1))
    assert (ticked.passed_over, stands(desk.engine, receipt)) == (1, (["rejected"], True))
    assert [kind for kind, _ in told(desk.engine, receipt)] == ["notice_receipt", "notice_outcome"]


def test_beyond_the_cap_cases_come_back_without_a_deadline(desk: Desk):
    """A person looks at each, whoever asked; only the first get the deadline, those that came along among them."""
    for number in range(2):
        desk.decide(desk.add_case(f"D{number}", seller_id=f"d{number}"), Verdict.GENUINE)
    named = [{"listing_id": f"D{n}"} for n in range(2)]
    named += [{"listing_id": f"N{n}", "listing": {"seller_id": f"n{n}", "title": f"Bag {n}"}} for n in range(2)]
    with writing(desk.engine) as connection:
        few = tiers_with(raised_a_day=2)
        receipt = receive(connection, say(listings=named), policy=few, now=desk.pass_time())
    assert stands(desk.engine, receipt)[0] == ["waiting"] * 4
    with reading(desk.engine) as connection:
        found = [get_case(connection, number) for number in range(1, 5)]
    assert [case.state for case in found] == ["escalated", "escalated", "open", "open"]
    assert [case.due_at is not None for case in found] == [True, True, False, False]


@on_both
def test_many_fresh_addresses_have_one_cap_together(desk: Desk):
    """Who is known for longer has their own alone; on PostgreSQL those who come at once are counted one by one."""
    few = tiers_with(raised_a_day_by_new=3)
    act(desk.engine, receive, say("L0", email="old@acme.test"), policy=few, now=desk.now - timedelta(days=90))
    numbers = [desk.add_case(f"L{n}", seller_id=f"s{n}") for n in range(8)]
    now = desk.pass_time()

    def give(number: int) -> Receipt:
        return act(desk.engine, receive, say(f"L{number}", email=f"n{number}@acme.test"), policy=few, now=now)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(give, range(7)))
    with reading(desk.engine) as connection:
        due = [get_case(connection, number).due_at is not None for number in numbers]
    assert sum(due) == 3
    with writing(desk.engine) as connection:
        receive(connection, say("L7", email="old@acme.test"), policy=few, now=now)
        assert get_case(connection, numbers[7]).due_at is not None
