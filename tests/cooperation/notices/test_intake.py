"""Notices come in: kept once, joined to the cases of their listings, confirmed at once, and answered in the end."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update
from support.actions import COOPERATING
from support.databases import on_both
from support.given_notices import NOON, POLICY, WORDS, complain, offer, say
from support.notice_desk import Desk
from support.reviewing import as_model
from support.transactions import act, ask, check_sound, execute, read_rows

from ipml.cooperation.notices.intake import match_notices, receive, score_unknown
from ipml.cooperation.notices.outcomes import list_outcomes, run_notice_deadlines
from ipml.cooperation.notices.status import Receipt, find_notices, find_receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import InvalidNotice, KeyReused, NotFound
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.arrivals.marketplace import Submission, take_in
from ipml.review.cases import get_case
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.sellers.seller_record import list_record
from ipml.storage.database import reading, writing
from ipml.storage.outbox import find_keys, find_message
from ipml.storage.pseudonyms import decrypt, notifier_kind_at
from ipml.storage.tables import (
    cases,
    measures,
    notice_items,
    notices,
    notifier_steps,
    notifiers,
    outbox,
    rights_documents,
    strikes,
)
from ipml.storage.tables import outbox as messages

Give = Callable[..., Receipt]
GROUNDS = {Verdict.COUNTERFEIT: "declared_replica"}
LATER = NOON + timedelta(hours=1)


def states(receipt: Receipt) -> list[str]:
    """Return how the listings of a notice stand."""
    return [one.state for one in receipt.listings]


def count(engine: Engine, table) -> int:
    """Count the rows of a table."""
    with reading(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def judge(engine: Engine, case_id: int, verdict: Verdict) -> int:
    """Decide a case; return the number of the decision."""
    held = act(engine, claim, "ana", case_id=case_id, now=NOON)
    assert held is not None
    with writing(engine) as connection:
        return decide(
            connection, DecisionRequest(held, verdict, GROUNDS.get(verdict, "")), now=NOON, context=COOPERATING
        ).decision_id


@on_both
def test_an_open_case_comes_forward_and_the_reviewer_reads_why(engine: Engine, give: Give):
    """It has a deadline, the notice is behind it, and a receipt is on its way that names nothing of the seller."""
    enqueue(engine, [offer("L1")], now=NOON)
    receipt = give(say("L1", "L2"))
    assert (states(receipt), receipt.is_new) == (["waiting", "unknown"], True)
    due_at = ask(engine, get_case, 1).due_at
    assert due_at is not None
    assert NOON < due_at <= NOON + timedelta(days=7)
    with reading(engine) as connection:
        (behind,) = find_notices(connection, 1)
        assert (behind.explanation, behind.brand, behind.notifier_kind) == (WORDS, "Acme", "rights holder")
        (key,) = find_keys(connection, f"notice:{receipt.notice_id}")
        body = find_message(connection, key).body
        assert receipt.reference in body
        assert '"to":"ann@acme.test"' in body
        assert "s1" not in body
        assert "L1" not in body
        assert find_receipt(connection, receipt.reference).listings == receipt.listings
        check_sound(connection)


def test_a_deadline_only_ever_comes_forward(engine: Engine, give: Give):
    """A case that must be decided sooner stays so; nothing else changes for the seller by any number of notices."""
    sooner = NOON + timedelta(hours=2)
    enqueue(engine, [offer("L1")], due_at=sooner, now=NOON)
    for number in range(5):
        give(say(email=f"n{number}@acme.test"))
    assert count(engine, measures) == count(engine, strikes) == 0
    case = ask(engine, get_case, 1)
    assert (case.due_at, case.state) == (sooner, "open")


@on_both
def test_the_same_again_is_the_same_notice(engine: Engine, give: Give):
    """By its key whatever the time, by its content for a while; another content under the key is refused."""
    first = give(say(key="k1"))
    again = give(say(key="k1"), now=NOON + timedelta(days=900))
    same = give(say(key="k2"))
    assert {first.reference} == {again.reference, same.reference}
    assert (first.is_new, again.is_new, same.is_new) == (True, False, False)
    with pytest.raises(KeyReused, match="belongs to another notice"):
        give(say("L9", key="k1"))
    assert give(say(), now=NOON + timedelta(days=POLICY.notices.repeat_days + 1)).is_new
    assert count(engine, notices) == 2


def test_a_listing_that_comes_along_becomes_a_case(engine: Engine, give: Give):
    """Unscored where there is no model; with one by its score."""
    told = {"seller_id": "s7", "title": "Bag", "price": 9}
    unscored = say(listings=[{"listing_id": "L7", "listing": told}])
    scored = say(listings=[{"listing_id": "L8", "listing": told}])
    assert states(give(unscored)) == states(give(scored, scored={"L8": offer("L8", "s7")}))
    with reading(engine) as connection:
        first, second = get_case(connection, 1), get_case(connection, 2)
    assert (first.scored.score, second.scored.score) == (None, 0.5)
    assert "came with a notice" in (first.scored.abstained or "")
    assert first.due_at == second.due_at is not None


def submit(engine: Engine, listing_id: str, **changes: object) -> None:
    """Submit a listing that the policy of the queue has wait for nobody."""

    def score(listings: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        return [ScoredListing(one, 0.01, -4.6, (), (), None, "m1") for one in listings]

    listing = replace(offer(listing_id).listing, **changes)
    known = take_in(engine, [Submission((listing,))], as_model(score), listing.observed_at or NOON)[listing_id]
    assert changes or known.case_id is None


def test_a_submitted_listing_becomes_a_case_by_the_notice(engine: Engine, give: Give):
    """With the score that it was submitted with, or with the reasons that are found now."""
    submit(engine, "L1")
    submit(engine, "L2")
    scored = ask(engine, score_unknown, say("L2"), lambda some: [offer(one.listing_id) for one in some])
    assert list(scored) == ["L2"]
    assert states(give(say("L1"))) == states(give(say("L2"), scored=scored)) == ["waiting"]
    with reading(engine) as connection:
        first, second = get_case(connection, 1), get_case(connection, 2)
    assert (first.scored.score, second.scored.score) == (0.01, 0.5)
    assert first.due_at is not None
    assert states(give(say("L1", email="bo@acme.test"))) == ["waiting"]
    assert count(engine, cases) == 2
    # Found genuine and taken over since by somebody who is new, it is another case.
    judge(engine, 1, Verdict.GENUINE)
    submit(engine, "L1", seller_id="s9", observed_at=NOON + timedelta(days=1))
    assert states(give(say("L1", email="cy@acme.test"))) == ["waiting"]
    assert ask(engine, get_case, 3).scored.listing.seller_id == "s9"


def test_a_listing_that_is_submitted_after_the_notice_becomes_a_case(engine: Engine, give: Give):
    """Once it is looked for; of a complaint only when there are as many as it takes."""
    receipt = give(say("L1"))
    give(complain("L2", "c0"))
    submit(engine, "L1")
    submit(engine, "L2")
    matched = match_notices(engine, POLICY, now=LATER)
    assert (matched.found, matched.unknown) == (1, 1)
    with reading(engine) as connection:
        assert states(find_receipt(connection, receipt.reference)) == ["waiting"]
        assert get_case(connection, 1).scored.listing.listing_id == "L1"
    assert count(engine, cases) == 1
    for number in range(1, POLICY.notices.complaints_needed):
        last = give(complain("L2", f"c{number}"))
    assert states(last) == ["waiting"]
    assert match_notices(engine, POLICY, now=LATER).unknown == 0


def test_the_first_notice_on_a_brand_names_a_right(engine: Engine, give: Give):
    """Later ones need not, however the brand is written, until it is not accepted; nothing is kept of one refused."""
    give(say())
    with pytest.raises(InvalidNotice, match="rights: found 'nothing'"):
        give(say("L2", rights=None, brand="Other"))
    assert count(engine, notices) == 1
    assert give(say("L2", rights=None, brand="ACME")).is_new
    execute(engine, update(rights_documents).values(is_accepted=False, checked_by="lea", checked_at=NOON))
    with pytest.raises(InvalidNotice, match="was not accepted"):
        give(say("L5", rights=None))
    give(say("L5", rights="EUTM 2"))
    with reading(engine) as connection:
        assert [row.is_accepted for row in connection.execute(select(rights_documents))] == [None]
    give(say("L3", brand="Éclat"))
    assert give(say("L4", brand="ÉCLAT")).is_new


def test_an_address_finds_the_listing_that_was_submitted_with_it(engine: Engine, give: Give):
    """However it is written, when the notice comes or later; the same notice is known again by its words."""
    score = as_model(lambda some, explain: [ScoredListing(one, 0.1, 0.0, (), (), None, "m1") for one in some])
    shown = {place: Listing(f"L{place}", "s1", "Bag", url=f"https://shop.test/item/{place}") for place in (1, 2)}
    noted = say(listings=[{"url": f"http://Shop.test:80/x/../item/{place}/#top"} for place in (1, 2)])
    take_in(engine, [Submission((shown[1],))], score, NOON)
    assert states(give(noted)) == ["waiting", "unknown"]
    take_in(engine, [Submission((shown[2],))], score, NOON)
    assert not give(noted).is_new
    assert match_notices(engine, POLICY, now=LATER).found == 1
    assert states(give(noted)) == ["waiting", "waiting"]


def test_a_right_tells_rights_holders_from_consumers(engine: Engine, give: Give):
    """A notice on a brand needs one first, also of somebody who complained before, who is no consumer then."""
    asked = select(notifiers.c.address, notifier_kind_at(LATER)).order_by(notifiers.c.notifier_id)
    for email in ("ann@mail.test", "bea@mail.test"):
        if email.startswith("ann"):
            give(complain("L1", "ann"))
        with pytest.raises(InvalidNotice, match="rights: found 'nothing'"):
            give(say("L1", email=email, rights=None))
    assert read_rows(engine, asked) == [("ann@mail.test", "consumer")]
    give(say("L1", email="ann@mail.test"), now=LATER)
    assert give(say("L2", email="ann@mail.test", rights=None), now=LATER).is_new
    assert read_rows(engine, asked) == [("ann@mail.test", "rights holder")]
    assert ask(engine, Connection.scalars, select(notices.c.tier)) == ["consumer", "standard", "standard"]
    assert ask(engine, Connection.scalar, select(notifier_kind_at(NOON)).select_from(notifiers)) == "consumer"


def test_it_takes_several_consumers_to_bring_a_listing_before_a_person(engine: Engine, give: Give):
    """As many as the policy says, each once; their complaints wait with it."""
    enqueue(engine, [offer("L1")], now=NOON)
    for number in range(POLICY.notices.complaints_needed):  # about others, which do not count
        give(complain(f"other {number}", f"o{number}"))
    for number in range(POLICY.notices.complaints_needed):
        assert ask(engine, get_case, 1).due_at is None
        give(complain("L1", f"c{number}"))
        give(complain("L1", f"c{number}", explanation=WORDS + " Really."))
    assert ask(engine, get_case, 1).due_at is not None


def test_too_few_complaints_of_a_listing_that_is_here_never_end_as_not_found(engine: Engine, give: Give):
    """The receipt says that more are needed, the outcome that they were too few; a new complaint counts anew."""
    submit(engine, "L1")
    receipt = give(complain("L1", "ann"))
    assert "more buyers" in receipt.listings[0].outcome
    at = NOON + timedelta(days=POLICY.notices.unknown_days, minutes=1)
    assert run_notice_deadlines(engine, policy=POLICY, now=at).not_found == 1
    with reading(engine) as connection:
        (ended,), (told,) = find_receipt(connection, receipt.reference).listings, list_outcomes(connection, 1)
    assert (ended.state, ended.outcome[:18], told.words[:14]) == ("undecided", "too few complaints", "Too few buyers")
    again = give(complain("L1", "ann", explanation=WORDS + " Still."), now=at)
    assert [(one.state, one.is_repeated) for one in again.listings] == [("unknown", False)]


def test_a_suspended_notifier_opens_nothing(engine: Engine, give: Give):
    """What they send is kept and the receipt says so; once the suspension is over they may say it again."""
    enqueue(engine, [offer("L1")], now=NOON)
    give(say("L9"))
    until = NOON + timedelta(days=30)
    step = {"notifier_id": 1, "kind": "suspend", "taken_by": "lea", "taken_at": NOON, "until": until, "why": ""}
    execute(engine, insert(notifier_steps).values(step))
    kept = give(say("L1"), now=LATER)
    assert (kept.is_suspended, kept.settled_at, states(kept)) == (True, LATER, ["undecided"])
    assert "not examined" in kept.says
    with reading(engine) as connection:
        assert get_case(connection, 1).due_at is None
        assert find_notices(connection, 1) == []
        assert len(find_keys(connection, f"notice:{kept.notice_id}")) == 1  # the receipt, and no outcome
    again = give(say("L1", explanation=WORDS + " Still."), now=until + timedelta(days=1))
    assert [(one.state, one.is_repeated) for one in again.listings] == [("waiting", False)]


def test_nothing_of_who_or_what_stands_in_the_clear(engine: Engine, give: Give):
    """But the address by which the notifier is known again; and a reference is drawn, so that nobody guesses it."""
    enqueue(engine, [offer("L1", "zqseller")], now=NOON)
    give(say("L1", name="Zqann", explanation=f"{WORDS} Zqmeier sells it."))
    with reading(engine) as connection:
        rows = [*connection.execute(select(notices)), *connection.execute(select(notice_items))]
        with pytest.raises(NotFound, match="No notice"):
            find_receipt(connection, "1")
    shown = " ".join(map(str, rows)).lower()
    assert not any(word in shown for word in ("zqann", "zqmeier", "zqseller", "'l1'"))


# Complaints become seller history: once for each consumer and listing, known when they came
def test_a_consumer_and_a_listing_give_one_event(engine: Engine, give: Callable):
    """However often they complain; a rights holder's notice is none, nor is that of somebody suspended."""
    enqueue(engine, [offer("L1"), offer("L2")], joins_alike=False, now=NOON)
    for number in range(3):
        give(complain("L1", "ann", explanation=f"{WORDS} {number}"), now=NOON + timedelta(hours=number))
    give(complain("L2", "ann"))
    give(complain("L1", "ben"))
    give(complain("L9", "cid"))
    give(say("L1"))
    told = [(one.seller_id, one.known_at) for one in ask(engine, list_record, "complained", NOON)]
    assert told == [("s1", NOON)] * 3
    assert ask(engine, list_record, "complained", NOON - timedelta(seconds=1)) == []
    execute(engine, update(notices).where(notices.c.notifier_id == 1).values(is_suspended=True))
    assert len(ask(engine, list_record, "complained", NOON)) == 1


# Notices that come at the same moment: none is lost, none is doubled, each has one receipt
TIMES, LISTINGS, NOTIFIERS = 3, 4, 2


@on_both
def test_notices_at_once_are_each_kept_once(engine: Engine):
    """From several notifiers, each sent three times, about the same few listings, some of them unknown."""
    enqueue(engine, [offer(f"L{number}") for number in range(LISTINGS // 2)], joins_alike=False, now=NOON)
    given = [
        say(*(f"L{(first + number) % LISTINGS}" for number in range(2)), email=f"n{who}@acme.test", key=f"k{first}")
        for who in range(NOTIFIERS)
        for first in range(LISTINGS)
    ] * TIMES

    def give(notice):
        return act(engine, receive, notice, policy=POLICY, now=NOON)

    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(give, given))
    assert sum(receipt.is_new for receipt in receipts) == NOTIFIERS * LISTINGS
    assert set(Counter(receipt.reference for receipt in receipts).values()) == {TIMES}
    with reading(engine) as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(table)) for table in (notifiers, notices, notice_items)
        ]
        assert counts == [NOTIFIERS, NOTIFIERS * LISTINGS, 2 * NOTIFIERS * LISTINGS]
        kinds = Counter(connection.scalars(select(outbox.c.kind)))
        repeated = select(notices).where(notices.c.settled_at.is_not(None))
        assert kinds["notice_receipt"] == NOTIFIERS * LISTINGS
        assert kinds["notice_outcome"] == len(connection.execute(repeated).all())
        fresh = select(notice_items.c.listing_digest, func.count()).where(notice_items.c.state != "repeated")
        assert {count for _, count in connection.execute(fresh.group_by(notice_items.c.listing_digest))} == {NOTIFIERS}
        check_sound(connection)


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
