"""What counts in a notifier's record, and what does not."""

from datetime import timedelta

from sqlalchemy import update
from support.consequences import COOPERATION
from support.databases import on_both
from support.notice_desk import Desk

from ipml.cooperation.notifiers.record import NotifierCounts, count_settled, find_priors, record_of
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal
from ipml.records import Verdict
from ipml.review.queue import undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import decisions, notice_items

RULES = load_cooperation_policy().notifiers


def counts_of(desk: Desk, by: str = "brand") -> NotifierCounts:
    """Return what counts for a notifier now."""
    number = desk.add_notifier(by)
    with reading(desk.engine) as connection:
        return record_of(connection, number, RULES, desk.now).counts


def give_and_decide(desk: Desk, listing_id: str, verdict: Verdict, **fields) -> int:
    """Let notice be given of a new listing, and a person decide on it; return the number of the decision."""
    case_id = desk.add_case(listing_id)
    desk.give_notice([case_id], **fields)
    return desk.decide(case_id, verdict).decision_id


@on_both
def test_what_people_decide_after_the_notice_counts(desk: Desk):
    """Upheld and rejected; what nobody can tell is for neither side."""
    for at, verdict in enumerate((Verdict.COUNTERFEIT, Verdict.COUNTERFEIT, Verdict.GENUINE, Verdict.CANNOT_TELL)):
        give_and_decide(desk, f"L{at}", verdict)
    counts = counts_of(desk)
    assert counts == NotifierCounts(upheld=2, rejected=1, overturned=0, undecided=1)
    assert counts.settled == 3
    assert counts_of(desk, "another") == NotifierCounts()


def test_what_no_person_found_because_of_the_notice_counts_nothing(desk: Desk):
    """What was decided before, else a record could be made of what others found; by a policy; and when suspended."""
    decision = desk.decide(desk.add_case("L1"), Verdict.COUNTERFEIT)
    desk.give_notice([1], state="upheld")
    with writing(desk.engine) as connection:
        fields = {"decision_id": decision.decision_id, "settled_at": desk.now}
        connection.execute(update(notice_items).values(fields))
    assert counts_of(desk) == NotifierCounts()
    number = give_and_decide(desk, "L2", Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        connection.execute(update(decisions).where(decisions.c.decision_id == number).values(origin="policy"))
    assert counts_of(desk) == NotifierCounts()
    give_and_decide(desk, "L3", Verdict.COUNTERFEIT, is_suspended=True)
    assert counts_of(desk) == NotifierCounts()


def test_near_duplicates_that_one_look_decided_count_once(desk: Desk):
    """Hundreds of copies are one judgement; each decided by itself is one of its own."""
    first = give_and_decide(desk, "L0", Verdict.GENUINE)
    others = [give_and_decide(desk, f"L{n}", Verdict.GENUINE) for n in range(1, 4)]
    with writing(desk.engine) as connection:
        copies = update(decisions).where(decisions.c.decision_id.in_(others[:2]))
        connection.execute(copies.values(spread_from=first, origin="spread"))
    assert counts_of(desk) == NotifierCounts(rejected=2)


def test_only_the_window_counts(desk: Desk):
    """What is older than the months of the policy is over."""
    give_and_decide(desk, "L1", Verdict.GENUINE)
    assert counts_of(desk).rejected == 1
    desk.pass_time(days=31 * RULES.months)
    assert counts_of(desk) == NotifierCounts()


def test_a_seller_whose_appeal_is_granted_overturns_the_notice(desk: Desk):
    """It is rejected then, and was put back; a lead's slip that is taken back is not held against the notifier."""
    give_and_decide(desk, "L1", Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        appeal = file_appeal(connection, "case:1", "s1", "I bought it from the brand.", now=desk.pass_time())
        said = ("granted", "The invoice is good.")
        decide_appeal(connection, appeal.appeal_id, "eva", *said, now=desk.pass_time(), consequences=COOPERATION)
    assert counts_of(desk) == NotifierCounts(rejected=1, overturned=1)
    slip = give_and_decide(desk, "L2", Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        undo(connection, slip, "ana", now=desk.pass_time(), consequences=COOPERATION)
    desk.decide(2, Verdict.GENUINE)
    assert counts_of(desk) == NotifierCounts(rejected=2, overturned=1)


def test_what_is_presumed_is_the_same_all_day(desk: Desk):
    """Others who are settled meanwhile change nobody's tier before the next day."""
    with reading(desk.engine) as connection:
        before = find_priors(connection, RULES, desk.now)
    for at in range(6):
        give_and_decide(desk, f"L{at}", Verdict.GENUINE, by=f"notifier-{at % 3}")
    with reading(desk.engine) as connection:
        assert find_priors(connection, RULES, desk.now) == before
        later = find_priors(connection, RULES, desk.now + timedelta(days=1))
        assert count_settled(connection, desk.now - timedelta(days=1), desk.now).keys() == {1, 2, 3}
    assert later.success.mean < before.success.mean
