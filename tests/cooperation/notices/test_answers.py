"""A notice is answered twice, that it came and how it ended, in whatever way each of its listings ends."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from sqlalchemy import Engine, select
from support.databases import on_both
from support.given_notices import NOON, POLICY, complain, say
from support.notice_desk import Desk
from support.transactions import act, ask

from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.notices.status import Receipt, find_receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.records import Verdict
from ipml.review.queue import get_case
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt
from ipml.storage.tables import outbox as messages

LONG = timedelta(days=POLICY.notices.unknown_days)


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
