"""Figures of reports: what they are worked out from, of all and of one brand."""

import csv
import json
from collections import Counter
from datetime import datetime, timedelta
from io import StringIO

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, func, insert, literal, select, union_all, update
from support.transactions import ask, execute

from experiments.cooperation.report_speed import NOW, YEAR
from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import make_brand_report, measure_brand, write_brand_report
from ipml.cooperation.reports.figures import Figures, measure_figures
from ipml.cooperation.reports.measures import SOURCES, SUBJECTS
from ipml.cooperation.reports.period import Period, ReportScope, measure_spans
from ipml.cooperation.reports.transparency import write_template
from ipml.cooperation.reports.verdicts import measure_precision
from ipml.enforcement.takedown.measures import Span, measure_times
from ipml.errors import NotFound, UnusableSetting
from ipml.storage.database import migrate, open_database, reading, writing
from ipml.storage.tables import (
    appeal_outcomes,
    appeals,
    automatic_draws,
    cases,
    decisions,
    measures,
    notices,
    penalties,
    promises,
    reversals,
)


def measure(engine: Engine, period: Period, as_of: datetime) -> Figures:
    """Return the figures of a period as of a moment."""
    with reading(engine) as connection:
        return measure_figures(ReportScope(connection, period, as_of))


@pytest.fixture(scope="module")
def empty():
    """Return a database with nothing in it."""
    engine = open_database("sqlite://")
    migrate(engine)
    return engine


def test_counts_are_those_of_the_rows(year, figures):
    """Counterfeits by month, brand and seller are what one gets who reads every decision."""
    with reading(year) as connection:
        gone = set(connection.scalars(select(reversals.c.decision_id).where(reversals.c.reversed_at <= NOW)))
        query = select(decisions, cases.c.brand, cases.c.seller_id).join(cases, cases.c.case_id == decisions.c.case_id)
        rows = connection.execute(query.where(ReportScope(connection, YEAR, NOW).holds(decisions.c.decided_at))).all()
    found = [row for row in rows if row.verdict == "counterfeit" and row.decision_id not in gone]
    decided = figures.decided
    assert decided.count() == len(rows)
    by_month = {month: decided.count(verdict="counterfeit", month=month, stands=True) for month in YEAR.months()}
    assert by_month == {month: n for month, n in Counter(f"{row.decided_at:%Y-%m}" for row in found).items() if n}
    assert {name: n for name, n, _ in figures.brands} == Counter(row.brand for row in found)
    sellers = Counter(row.seller_id for row in found)
    assert (figures.sellers.n, figures.sellers.repeated) == (len(sellers), sum(n > 1 for n in sellers.values()))


def test_times_are_those_of_the_page(year, figures):
    """Spans sorted by the database are those that `ipml enforce measure times` works out in memory."""
    (times,) = ask(year, measure_times, since=YEAR.start, until=YEAR.end)
    for stage, span in times.spans.items():
        assert figures.takedowns.spans[stage] == span
    assert (figures.takedowns.n, figures.takedowns.sales_known) == (times.measures, times.sales_known)


@settings(max_examples=10)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 10**12)), min_size=1, max_size=25))
def test_spans_are_those_worked_out_in_memory(empty, rows):
    """Median and 90th percentile of each group are those of `Span.of`."""
    query = union_all(*(select(literal(name).label("group"), literal(span).label("span")) for name, span in rows))
    found = ask(empty, measure_spans, select(query.subquery()))
    for name in {name for name, _ in rows}:
        expected = Span.of([timedelta(microseconds=span) for group, span in rows if group == name])
        assert (found[name].known, found[name].p90) == (expected.known, expected.p90)
        assert abs(found[name].median - expected.median) <= timedelta(microseconds=1)


def test_halves_add_up_to_the_year(year, figures):
    """What is counted in two halves of a year is what is counted in the year."""
    with reading(year) as connection:
        halves = [measure_figures(ReportScope(connection, half, NOW)) for half in YEAR.halves()]

    def count(one):
        return Counter(
            decided=one.decided.count(),
            back=one.decided.count(stands=False),
            queued=sum(one.queued.values()),
            measures=one.measures.count(),
            automatic=one.measures.count(automatic=True),
            strikes=one.strikes[0],
            penalties=sum(one.penalties.values()),
            statements=one.statements.issued,
            complaints=one.complaints.count(),
            rejected=one.complaints.count(outcome="rejected"),
            notices=one.notices.received(),
            upheld=one.notices.listings(state="upheld"),
            second_reviews=one.confirmed.drawn,
            warned=one.notices.taken("warn"),
        )

    assert count(halves[0]) + count(halves[1]) == count(figures)


def test_what_is_not_known_is_not_zero(empty):
    """Of an empty database no share, no time and no number of scored listings is told; nor of a year far off."""
    figures = measure(empty, YEAR, NOW)
    assert (figures.seen, figures.networks, figures.takedowns.spans) == (None, None, {})
    assert [part.rate for part in figures.precision] == [None] * 4
    for year in [1989, 2201, 0]:  # a slip of the keyboard
        with pytest.raises(UnusableSetting, match="year"):
            Period.of_year(year)


def test_precision_of_all_is_between_that_of_its_parts(year, figures):
    """What is put together lies between the best and the worst part, and its interval around it."""
    rates = [part.rate for part in figures.precision[:-1] if part.rate]
    whole = figures.confirmed.rate
    assert min(rate.share for rate in rates) <= whole.share <= max(rate.share for rate in rates)
    assert whole.low <= whole.share <= whole.high
    with reading(year) as connection:
        assert measure_precision(ReportScope(connection, YEAR, NOW), figures.decided)[-1] == figures.confirmed


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["Brand A", "Brand B", "*"]),
        st.sampled_from(["given", "held", "withdrawn", "allowed"]),
        st.sampled_from([0.5, 0.9]),
        st.sampled_from(["m1", "m1", "m2"]),
    ),
    max_size=8,
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(EVENTS, st.lists(st.tuples(st.integers(0, 90), st.sampled_from([0.4, 0.6, 0.95]), st.booleans()), max_size=8))
def test_a_policy_is_judged_by_what_it_would_have_acted_on(own_year, events, draws):
    """By drawn cases of its brand, from the threshold then in force on, while a promise was in force; by no others."""
    start, brands = YEAR.start + timedelta(days=10), ("Brand A", "Brand B")
    standing: dict[str, tuple[float, str] | None] = dict.fromkeys(brands)
    history = [(start, dict(standing))]
    with writing(own_year) as connection:
        for table in (promises, automatic_draws):
            connection.execute(table.delete())
        for number, (brand, event, threshold, model) in enumerate(events):
            if brand == "*":
                event = "withdrawn" if event in ("given", "withdrawn") else "allowed"
            if event == "held" and standing[brand] is None:
                event = "given"
            at = start + timedelta(hours=10 * number + 1)
            said = {"brand": brand, "event": event, "cause": "data", "actor": "x", "why": "", "policy_digest": "d"}
            connection.execute(insert(promises).values(at=at, **said, threshold=threshold, model_version=model))
            for name in brands if brand == "*" else [brand]:
                if event == "allowed":
                    continue  # to be shown anew
                standing[name] = (threshold, model) if event in ("given", "held") else None
            history.append((at, dict(standing)))
        people = select(decisions.c.case_id, decisions.c.verdict, cases.c.brand).join(cases)
        people = people.where(decisions.c.origin == "review", cases.c.brand.in_(brands))
        gone = decisions.c.decision_id.in_(select(reversals.c.decision_id))
        rows = connection.execute(people.where(~gone).order_by(decisions.c.decision_id).limit(len(draws))).all()
        expected = []
        for row, (hours, score, is_new) in zip(rows, draws, strict=False):
            at, sampling_probability = start + timedelta(hours=hours), 0.1 if is_new else 0.5
            drawn = {"case_id": row.case_id, "brand": row.brand, "model_version": "m1", "drawn_at": at}
            connection.execute(
                insert(automatic_draws).values(**drawn, score=score, sampling_probability=sampling_probability)
            )
            now = [in_force for since, in_force in history if since <= at][-1][row.brand]
            if now is not None and score >= now[0] and now[1] == "m1":
                expected.append((1 / sampling_probability, row.verdict == "counterfeit"))
    policy = measure(own_year, YEAR, NOW).precision[2]
    assert (policy.drawn, policy.confirmed) == (len(expected), sum(is_right for _, is_right in expected))
    if expected:
        right = sum(weight for weight, is_right in expected if is_right)
        assert policy.rate.share == pytest.approx(right / sum(weight for weight, _ in expected))
    assert (policy.rate is None) == (not expected)


def test_what_brought_a_listing_up_is_what_its_statement_says(year, figures):
    """Measures are counted by the source that the seller was told; complaints of consumers are no notices."""
    with reading(year) as connection:
        told = Counter(connection.scalars(select(measures.c.source)))
        kinds = Counter(connection.scalars(select(notices.c.kind)))
    assert {source: figures.measures.count(source=source) for source in SOURCES} == {
        source: told[source] for source in SOURCES
    }
    assert told["other notification"] > 0
    assert figures.legal_notices.received() == kinds["counterfeit"]
    assert figures.notices.received() == kinds["counterfeit"] + kinds["complaint"]
    template = write_template(figures, ReportRules())
    rows = list(csv.DictReader(StringIO(template["4_notices.csv"])))
    assert int(rows[0]["Number of notices received"]) == kinds["counterfeit"]


def test_an_appeal_against_a_warning_is_none_against_a_removal(own_year):
    """Each complaint is about what it names: a warning takes no listing down."""
    with writing(own_year) as connection:
        connection.execute(appeal_outcomes.delete())
        connection.execute(appeals.delete())
        kinds = dict(
            connection.execute(select(penalties.c.kind, func.min(penalties.c.penalty_id)).group_by("kind")).all()
        )
        case_id, decision_id = connection.execute(select(decisions.c.case_id, decisions.c.decision_id).limit(1)).one()
        filed = {"decision_id": decision_id, "case_id": case_id, "pseudonym": "p1", "kind": "complaint", "text": ""}
        filed |= {"filed_at": YEAR.start + timedelta(days=9), "state": "open", "profile": "eu"}
        connection.execute(insert(appeals), [{"subject": f"penalty:{number}", **filed} for number in kinds.values()])
    found = measure(own_year, YEAR, NOW).complaints
    subjects = {"warn": "warning", "limit": "service", "hold payout": "monetary"}
    subjects |= dict.fromkeys(("suspend", "close"), "account")
    assert {subject: found.count(subject) for subject in SUBJECTS} == {
        subject: sum(subjects[kind] == subject for kind in kinds) for subject in SUBJECTS
    }
    assert found.count("visibility") == 0


RULES = ReportRules(service="Bazaar")


def quantities(report):
    """Return the figures of a report by their keys."""
    return {one.key: one for _, one in report.quantities()}


def test_brands_together_are_the_year(year, figures):
    """What all brands' reports count adds up to the transparency report."""
    with reading(year) as connection:
        names = list(connection.scalars(select(cases.c.brand).distinct()))
        brands = [measure_brand(ReportScope(connection, YEAR, NOW, name), RULES) for name in names]
    assert sum(one.decided.count() for one in brands) == figures.decided.count()
    assert sum(one.takedowns.n for one in brands) == figures.takedowns.n
    assert sum(one.notices.received() for one in brands) == figures.notices.received()
    assert sum(one.precision[-1].drawn for one in brands) == figures.confirmed.drawn


def test_few_sellers_are_not_counted_out(own_year, tmp_path):
    """Of a brand of two sellers neither how many they are nor what they asked is told."""
    with writing(own_year) as connection:
        two = select(cases.c.seller_id).group_by(cases.c.seller_id).order_by(func.count().desc()).limit(2)
        connection.execute(update(cases).where(cases.c.seller_id.in_(two)).values(brand="Rare"))
    report = ask(
        own_year,
        lambda connection: write_brand_report(ReportScope(connection, YEAR, NOW, "Rare"), tmp_path / "rare", RULES),
    )
    assert quantities(report)["sellers"].value == "fewer than 5"
    assert next(table for table in report.tables() if table.key == "prices").rows == ()


def test_networks_are_told_by_their_size(year, tmp_path):
    """A large network is a row, small ones are one row together, and no number lets theirs be worked out."""
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    rows = [(f"s{n}", "payout", "big" if n < 24 else f"small {n // 2}", moment) for n in range(40)]
    events = pd.DataFrame(rows, columns=["seller_id", "kind", "value", "seen_at"])
    store_networks(find_networks(events), tmp_path / "networks")
    with reading(year) as connection:
        found = measure_brand(ReportScope(connection, YEAR, NOW, "Brand A", tmp_path / "networks"), RULES)
    report = make_brand_report(found, RULES)
    rows = next(table for table in report.tables() if table.key == "networks").rows
    assert (rows[0][0], rows[-1][0][:7], rows[-1][1]) == ("network 1", "smaller", None)
    assert sum(row[2] for row in rows) == quantities(report)["network_listings"].value
    assert all(row[1] >= RULES.least_sellers for row in rows[:-1])


def test_nobody_can_be_known_from_it(own_year, tmp_path):
    """Neither ids nor pseudonyms nor listings nor staff stand in any file; of an unknown brand nothing is written."""
    execute(own_year, update(cases).values(seller_id="thrumbold-" + cases.c.seller_id, listing_id="thrumbold-1"))
    with reading(own_year) as connection:
        write_brand_report(ReportScope(connection, YEAR, NOW, "Brand A"), tmp_path / "a", RULES)
        with pytest.raises(NotFound, match="Brand A"):  # brands that begin alike are named
            write_brand_report(ReportScope(connection, YEAR, NOW, "Brand Z"), tmp_path / "z", RULES)
    assert not (tmp_path / "z").exists()
    for path in (tmp_path / "a").iterdir():
        assert b"thrumbold" not in path.read_bytes(), path.name
        assert b"eviewer " not in path.read_bytes(), path.name


def test_prices_are_quantiles_of_what_was_asked(own_year):
    """Half of the listings ask less than the median, of each currency on its own."""
    with reading(own_year) as connection:
        found = measure_brand(ReportScope(connection, YEAR, NOW, "Brand A"), RULES)
        texts = connection.scalars(select(cases.c.snapshot).where(cases.c.brand == "Brand A")).all()
    lowest, highest = (pick(json.loads(text)["listing"]["price"] for text in texts) for pick in (min, max))
    for one in found.prices:
        assert lowest <= one.p10 <= one.p25 <= one.median <= one.p75 <= one.p90 <= highest
