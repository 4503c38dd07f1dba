"""A case that a notice brings back is one case, with one verdict: the last."""

from datetime import timedelta

from sqlalchemy import insert
from support.notice_desk import NOON, Desk

from ipml.cooperation.referrals.ranking import count_confirmed
from ipml.cooperation.reports.brand import list_brands
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.verdicts import count_by, count_decided, count_sellers, measure_precision
from ipml.enforcement.automation.sample import count, read_drawn
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.group_decisions import measure_spread
from ipml.review.queue import Enqueued, enqueue, get_case
from ipml.review.queue_metrics import measure_hits
from ipml.review.sampling.estimates import read_stretches
from ipml.storage.database import reading, writing
from ipml.storage.tables import automatic_draws, cases, spread_audits

YEAR = Period.of_year(NOON.year)
N = 8
BACK = (1, 2, 3, 4, 5)


def counts(desk: Desk) -> dict[str, object]:
    """Return how many cases each reader of verdicts counts, whatever they were found to be."""
    with reading(desk.engine) as connection:
        decided = count_decided(ReportScope(connection, YEAR, desk.now))
        stretches = read_stretches(connection)
        drawn = read_drawn(connection, ["Acme"], "m1", NOON)["Acme"]
        precision = {part.way: part for part in measure_precision(ReportScope(connection, YEAR, desk.now), decided)}
        return {
            "reviewed": [sum(getattr(one, name) for one in stretches) for name in ("seen", "done", "fair")],
            "drawn": sorted(one.case_id for one in drawn),
            "counted": count(drawn, 0.5, NOON).n,
            "decided": decided.count(stands=True),
            "brands": [brand.decided for brand in list_brands(connection, NOON, 5)],
            "judged": sum(hits.judged for hits in measure_hits(connection)),
            "spread": (measure_spread(connection).n_drawn, measure_spread(connection).n_reviewed),
            "looked at": (precision["spread"].drawn, precision["policy"].drawn),
        }


def verdicts(desk: Desk) -> dict[str, object]:
    """Return how many of them were found counterfeit."""
    with reading(desk.engine) as connection:
        stretches = read_stretches(connection)
        drawn = read_drawn(connection, ["Acme"], "m1", NOON)["Acme"]
        scope = ReportScope(connection, YEAR, desk.now)
        decided = count_decided(scope)
        return {
            "reviewed": sum(one.counterfeit for one in stretches),
            "fair": sum(one.fair_counterfeit for one in stretches),
            "drawn": count(drawn, 0.5, NOON).n - count(drawn, 0.5, NOON).errors,
            "decided": decided.count(verdict=Verdict.COUNTERFEIT, stands=True),
            "by brand": sum(n for _, n, _ in count_by(scope, cases.c.brand)),
            "sellers": count_sellers(scope).n,
            "brands": sum(brand.counterfeit for brand in list_brands(connection, NOON, 5)),
            "judged": sum(hits.counterfeit for hits in measure_hits(connection)),
            "spread": measure_spread(connection).n_agreeing,
            "confirmed": sum(n for key, n in count_confirmed(connection).items() if key.startswith("s")),
        }


def test_deciding_again_changes_verdicts_and_no_count_of_cases(desk: Desk):
    """Found genuine, brought back, found counterfeit: every reader counts the case once, and by its last verdict."""
    titles = {"brand": "Acme", "title": "Bag"}
    file = [desk.make_scored(f"L{n}", 0.9, seller_id=f"s{n}", **titles) for n in range(1, N + 1)]
    enqueue_batch(desk.engine, lambda: file, top=N, explore=0, now=desk.pass_time())
    with writing(desk.engine) as connection:
        drawn = {"brand": "Acme", "model_version": "m1", "score": 0.9, "sampling_probability": 0.5}
        drawn["drawn_at"] = desk.pass_time()
        connection.execute(insert(automatic_draws), [{"case_id": n, **drawn} for n in range(1, N + 1)])
    first = desk.decide(N, Verdict.COUNTERFEIT)
    with writing(desk.engine) as connection:
        left_out = {"decision_id": first.decision_id, "verdict": "counterfeit"}
        connection.execute(insert(spread_audits), [{"case_id": n, **left_out} for n in range(1, N)])
    for number in range(1, N):
        desk.decide(number, Verdict.GENUINE)
    before = counts(desk)
    assert before["decided"] == N
    assert set(verdicts(desk).values()) <= {0, 1}
    desk.give_notice(BACK)
    assert desk.states(1) == ["waiting"] * len(BACK)
    assert counts(desk) == before
    for number in BACK:
        desk.decide(number, Verdict.COUNTERFEIT, "lea")
    assert counts(desk) == before
    found = verdicts(desk)
    assert found.pop("spread") == len(BACK)
    assert set(found.values()) == {1 + len(BACK)}
    desk.pass_time(days=1)
    with reading(desk.engine) as connection:
        early = count_decided(ReportScope(connection, YEAR, desk.now - timedelta(days=300)))
    assert early.count() == 0


def test_a_notice_waits_for_what_the_listing_was_changed_to(desk: Desk):
    """Editing a listing that notice was given of neither answers the notice nor loses it; the deadline stays."""
    case_id = desk.add_case("L1", observed_at=NOON)
    notice_id = desk.give_notice([case_id])
    with reading(desk.engine) as connection:
        due_at = get_case(connection, case_id).due_at
    edited = desk.make_scored("L1", 0.2, title="Bag, no brand", observed_at=NOON + timedelta(days=1))
    assert enqueue(desk.engine, [edited], now=desk.pass_time()) == Enqueued(changed=1)
    (item,) = desk.items(notice_id)
    with reading(desk.engine) as connection:
        assert (item.state, item.case_id, get_case(connection, item.case_id).due_at) == ("waiting", case_id + 1, due_at)
    desk.decide(case_id + 1, Verdict.COUNTERFEIT)
    assert desk.states(notice_id) == ["upheld"]


def test_a_listing_that_notice_brought_back_waits_once_though_it_comes_again(desk: Desk):
    """Found genuine, newly noticed, and seen again as it was: the one case that came back."""
    case_id = desk.add_case("L1", observed_at=NOON)
    desk.decide(case_id, Verdict.GENUINE)
    notice_id = desk.give_notice([case_id])
    with reading(desk.engine) as connection:
        assert get_case(connection, case_id).state == "escalated"
    again = desk.make_scored("L1", 0.9, title="Bag no. L1", observed_at=NOON + timedelta(days=1))
    assert enqueue(desk.engine, [again], now=desk.pass_time()) == Enqueued(unchanged=1)
    assert desk.states(notice_id) == ["waiting"]
