"""Versions of a listing: one case waits, nothing unchanged returns, everything changed returns once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError
from support import reviewing
from support.reviewing import NOON, Make
from support.transactions import act, ask

from ipml.errors import Overtaken
from ipml.records import Listing, Verdict
from ipml.review.arrivals.intake import Enqueued, enqueue, enqueue_batch
from ipml.review.arrivals.versions import has_same_price, read_pasts
from ipml.review.cases import count_cases, find_case, get_case, history, note_event
from ipml.review.claims import claim, release
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.exports import export_labels
from ipml.review.ranking.deadlines import bring_forward
from ipml.review.sellers.seller_listings import list_seller_listings
from ipml.storage.audit_trail.consistency import find_disagreements
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, sample_cases, second_reviews

DAY = timedelta(days=1)
MAY = datetime(2024, 5, 1, tzinfo=UTC)


def judge(engine: Engine, case_id: int, verdict: Verdict, now: datetime = NOON) -> int:
    """Decide a case, and return the number of the decision."""
    return reviewing.judge(engine, case_id, verdict, now=now).decision_id


def test_a_decided_listing_does_not_come_back_as_it_was(engine: Engine, make_scored: Make):
    """Seen again the next night, it opens nothing; counterfeit, it is counted as still offered."""
    verdicts = (Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.COUNTERFEIT)
    for number, (verdict, observed_at) in enumerate(product(verdicts, (MAY + 2 * DAY, None)), start=1):
        scored = make_scored(f"L{number}", observed_at=observed_at and MAY, price=50.0, currency="EUR")
        enqueue(engine, [scored], joins_alike=False, now=MAY)
        judge(engine, number, verdict, now=MAY + DAY)
        again = replace(scored, listing=replace(scored.listing, observed_at=observed_at, price=51.0, seller_sales=9.0))
        came = enqueue(engine, [again], now=MAY + 2 * DAY)
        is_offered = verdict is Verdict.COUNTERFEIT
        assert came == Enqueued(unchanged=int(not is_offered), still_offered=int(is_offered)), (verdict, observed_at)
        assert ask(engine, get_case, number).scored == scored
    assert ask(engine, count_cases) == {"open": 0, "decided": 6, "escalated": 0, "superseded": 0}
    assert set(ask(engine, Connection.scalars, select(cases.c.seen_at))) == {MAY + 2 * DAY}


def test_a_counterfeit_that_is_still_offered_does_not_go_unnoticed(engine: Engine, make_scored: Make):
    """It is counted each night, and noted once, also changed back; a file that is sent again is not."""
    enqueue(engine, [make_scored()])
    judge(engine, 1, Verdict.COUNTERFEIT)
    nights = [make_scored(observed_at=NOON + night * DAY) for night in (1, 2, 2)]
    assert [enqueue(engine, [one]).still_offered for one in nights] == [1, 1, 0]
    titles = [(3, "Wallet AAA"), (4, "Leather wallet")]
    came = [enqueue(engine, [make_scored(title=title, observed_at=NOON + night * DAY)]) for night, title in titles]
    assert came == [Enqueued(changed=1), Enqueued(still_offered=1)]
    actions = [row.action for row in ask(engine, history, 1)]
    assert (actions[-1], actions.count("still offered")) == ("still offered", 1)


CHANGES: tuple[dict[str, Any], ...] = (
    *({"title": "Leather wallet AAA"}, {"description": "Mirror quality"}, {"brand": "Acme"}, {"image_hash": "f0"}),
    *({"price": 55.0}, {"price": None}, {"currency": "USD"}, {"seller_id": "s2"}),
    *({"category": "bags"}, {"condition": "used"}, {"gtin": "4006381333931"}),
)


def test_a_changed_listing_supersedes_what_it_was(engine: Engine, make_scored: Make, subtests: pytest.Subtests):
    """What is no longer there is nobody's to decide; the new case shows what was changed, and both are in the trail."""
    for number, change in enumerate(CHANGES):
        with subtests.test(change=change):
            old, new, offer = 2 * number + 1, 2 * number + 2, {"price": 50.0, "currency": "EUR"}
            enqueue(engine, [make_scored(f"L{number}", **offer)], joins_alike=False, now=NOON)
            held = act(engine, claim, "ana", old, now=NOON)
            edited = make_scored(f"L{number}", **(offer | {"observed_at": MAY + DAY} | change))
            assert enqueue(engine, [edited], joins_alike=False, now=NOON) == Enqueued(changed=1)
            assert [ask(engine, get_case, one).state for one in (old, new)] == ["superseded", "open"]
            with pytest.raises(Overtaken, match=f"case {old}: its listing was changed"):
                act(engine, decide, DecisionRequest(held, Verdict.GENUINE), now=NOON)
            with pytest.raises(Overtaken, match="its listing was changed"):
                act(engine, claim, "ben", old, now=NOON)
            assert ask(engine, history, old)[-1].action == "superseded"
            assert ask(engine, history, new)[0].payload["after"] == old
            pasts = ask(engine, read_pasts, [old, new])
            assert (pasts[old].next_id, len(pasts[new].changes)) == (new, 1)
    mixed = [make_scored(name, title=f"Hat {name}", observed_at=NOON) for name in ("N1", "L0", "N2", "L1")]
    assert enqueue(engine, mixed, joins_alike=False) == Enqueued(added=2, changed=2)
    n = len(CHANGES) + 2
    assert ask(engine, count_cases) == {"open": n, "decided": 0, "escalated": 0, "superseded": n}


def test_a_listing_comes_back_once_its_score_rose(engine: Engine, make_scored: Make):
    """By more than the policy says, and once; also where it was changed and changed back meanwhile."""
    enqueue(engine, [make_scored(score=0.1)])
    judge(engine, 1, Verdict.GENUINE)
    scores = [(0.3, 1), (0.31, 2), (0.5, 3)]
    nights = [make_scored(score=score, observed_at=MAY + night * DAY) for score, night in scores]
    assert [enqueue(engine, [one]).returned for one in nights] == [0, 1, 0]
    assert ask(engine, get_case, 2).scored.score == 0.5  # open, it takes the new score
    judge(engine, 2, Verdict.GENUINE)
    assert enqueue(engine, [make_scored(score=0.7, observed_at=MAY + 4 * DAY)]) == Enqueued(unchanged=1)
    past = ask(engine, read_pasts, [2])[2]
    assert (past.case_id, past.changes, past.score_before) == (1, (), 0.1)
    assert past.same is not None
    assert past.same.verdict is Verdict.GENUINE
    for night, title, score in ((5, "Wallet AAA", 0.1), (6, "Leather wallet", 0.9)):
        came = enqueue(engine, [make_scored(title=title, score=score, observed_at=MAY + night * DAY)])
        assert came == Enqueued(changed=1)


@pytest.mark.parametrize("observed_at", [MAY, None])
def test_what_is_changed_back_waits_for_nobody(engine: Engine, make_scored: Make, observed_at: datetime | None):
    """However often it goes to and fro; the change is a case as long as it is there, and its page says why it ended."""
    enqueue(engine, [make_scored(observed_at=observed_at)], now=MAY)
    judge(engine, 1, Verdict.GENUINE, now=MAY)
    for night, title in enumerate(("Wallet AAA", "Leather wallet", "Wallet AAA", "Leather wallet"), start=1):
        one, is_back = make_scored(title=title, observed_at=observed_at and MAY + night * DAY), night % 2 == 0
        came = enqueue(engine, [one], now=MAY + night * DAY)
        assert came == (Enqueued(unchanged=1) if is_back else Enqueued(changed=1))
        assert ask(engine, count_cases)["open"] == int(not is_back)
        assert ask(engine, list_seller_listings, "s1").listings[0].state == ("decided" if is_back else "open")
    rows = ask(engine, Connection.execute, select(cases.c.state, cases.c.version).order_by(cases.c.case_id))
    assert rows == [("decided", 1), ("superseded", 2), ("superseded", 2)]
    assert ask(engine, history, 3)[-1].payload["superseded_by"] == 1
    assert ask(engine, find_disagreements) == []
    pasts = [ask(engine, read_pasts, [1, 2, 3])[number] for number in (1, 2, 3)]
    expected = [(None, None, None), *[(1, None, 1)] * 2]
    assert [(past.settled_by, past.next_id, past.case_id) for past in pasts] == expected
    with pytest.raises(Overtaken, match="Case 1 is in its place"):
        act(engine, claim, "ana", 3)


TOUCHES: dict[str, Callable[[Connection, int], object]] = {
    "opened": lambda connection, number: release(connection, claim(connection, "ana", number)),
    "commented": lambda connection, number: note_event(connection, "ana", "commented", number, NOON),
    "to be judged again": lambda connection, number: connection.execute(
        insert(second_reviews).values(case_id=number, kind="second", wanted_at=NOON)
    ),
    "drawn": lambda connection, number: set_fields(connection, number, drawn_at=NOON),
    "explored": lambda connection, number: set_fields(connection, number, lane="explored"),
}


def set_fields(connection: Connection, case_id: int, **fields: object) -> None:
    """Change a case in the table."""
    connection.execute(update(cases).where(cases.c.case_id == case_id).values(**fields))


def test_a_change_that_somebody_looked_at_does_not_go_away(engine: Engine, make_scored: Make):
    """Work and chance hang on it: changed back, the listing waits as it is now; untouched, it does not."""
    for place, touch in enumerate([*TOUCHES, None]):
        name, first = f"L{place}", 3 * place + 1
        enqueue(engine, [make_scored(name)], joins_alike=False)
        judge(engine, first, Verdict.GENUINE)
        enqueue(engine, [make_scored(name, title="Wallet AAA", observed_at=MAY + DAY)], joins_alike=False)
        if touch:
            act(engine, TOUCHES[touch], first + 1)
        came = enqueue(engine, [make_scored(name, observed_at=MAY + 2 * DAY)], joins_alike=False)
        assert came == (Enqueued(changed=1) if touch else Enqueued(unchanged=1)), touch
        if touch:
            assert [ask(engine, get_case, first + n).state for n in (1, 2)] == ["superseded", "open"], touch
            assert ask(engine, read_pasts, [first + 1])[first + 1].next_id == first + 2
    # The content that comes back has the number it had, and what was found of it is told.
    versions = select(cases.c.version).where(cases.c.listing_id == "L0").order_by(cases.c.case_id)
    assert ask(engine, Connection.scalars, versions) == [1, 2, 1]
    assert ask(engine, read_pasts, [3])[3].same.case_id == 1
    judge(engine, 3, Verdict.COUNTERFEIT, now=NOON + DAY)
    labels = [label for label in ask(engine, export_labels) if label.listing.listing_id == "L0"]
    assert [(label.listing.title, label.is_counterfeit) for label in labels] == [("Leather wallet", True)]


@pytest.mark.parametrize("other_score", [0.5, 0.6])  # files with the same scores are one sample
@pytest.mark.parametrize("is_decided", [True, False])
def test_a_listing_stays_in_its_samples(engine: Engine, make_scored: Make, is_decided: bool, other_score: float):
    """Changed, changed back, and sent in the first file again, it is in each of them once, by the case that holds."""
    files = [("Leather wallet", 0.5), ("Wallet AAA", other_score), ("Leather wallet", 0.5)]
    for night, (title, score) in enumerate(files):
        file = [make_scored(title=title, score=score)]
        enqueue_batch(engine, lambda file=file: file, now=MAY + night * DAY)
        if is_decided and night == 0:
            judge(engine, 1, Verdict.GENUINE)
    found = ask(engine, Connection.execute, select(sample_cases.c.sample_id, sample_cases.c.case_id))
    assert sorted(found) == [(number, 1 if is_decided else 3) for number in ((1,) if other_score == 0.5 else (1, 2))]


def test_the_deadline_of_a_near_duplicate_is_nothing_that_was_done_about_a_change(engine: Engine, make_scored: Make):
    """A change for which a copy with a deadline waits can be changed back; the copy goes on by itself, as soon."""
    offer = {"price": 50.0, "currency": "EUR"}
    enqueue(engine, [make_scored("L1", **offer)])
    judge(engine, 1, Verdict.GENUINE)
    changed = {"title": "Wallet AAA, dark brown", **offer}
    enqueue(engine, [make_scored("L1", 0.9, observed_at=MAY + DAY, **changed), make_scored("L2", 0.8, **changed)])
    copy = ask(engine, find_case, 3)
    assert (copy.exemplar, act(engine, bring_forward, [copy], NOON, actor="ipml", now=MAY)) == (2, [2, 3])
    assert enqueue(engine, [make_scored("L1", observed_at=MAY + 2 * DAY, **offer)]) == Enqueued(unchanged=1)
    copy = ask(engine, find_case, 3)
    assert (ask(engine, get_case, 2).state, copy.exemplar, copy.due_at) == ("superseded", None, NOON)


def test_a_deadline_goes_on_with_the_changed_listing(engine: Engine, make_scored: Make):
    """Editing a listing does not put off its review; a file that is older than what is known edits nothing."""
    edited = make_scored(title="Wallet AAA", observed_at=NOON)
    enqueue(engine, [make_scored()], due_at=NOON)
    enqueue(engine, [edited])
    assert enqueue(engine, [make_scored()]) == Enqueued(unchanged=1)
    case = ask(engine, get_case, 2)
    assert (case.due_at, case.scored) == (NOON, edited)


def test_no_database_takes_two_cases_of_one_listing_that_wait(engine: Engine, make_scored: Make):
    """Whatever the program does, the index holds."""
    enqueue(engine, [make_scored()])
    with reading(engine) as connection:
        row = connection.execute(select(cases)).one()._asdict()
    second = cases.insert().values(row | {"case_id": 2, "listing_key": "other"})
    with pytest.raises(IntegrityError), writing(engine) as connection:
        connection.execute(second)


def test_prices_within_the_share_are_the_same_whichever_came_first():
    """The tolerance is symmetric, and never spans currencies."""
    one, other = (Listing("1", "s", "Bag", price=price, currency="EUR") for price in (100.0, 105.0))
    assert has_same_price(one, other, 0.05)
    assert has_same_price(other, one, 0.05)
    assert not has_same_price(one, replace(one, currency="USD"), 0.05)
