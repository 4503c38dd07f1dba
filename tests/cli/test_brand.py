"""`ipml report brand`."""

from support.databases import copy_sqlite

from ipml.records import Verdict
from ipml.review.queue import claim, decide, enqueue
from ipml.storage.database import open_database, writing


def test_a_brand_is_reported_on(ipml, tmp_path, make_scored):
    """The page is there, and the headline is printed."""
    url = copy_sqlite(tmp_path)
    engine = open_database(url)
    enqueue(engine, [make_scored(brand="Acme")])
    with writing(engine) as connection:
        decide(connection, claim(connection, "ana"), Verdict.COUNTERFEIT, ground="declared_replica")
    engine.dispose()
    days = ("--since", "2020-01-01", "--until", "2199-12-31")
    answer = ipml("report brand Acme", *days, "--database", url, "--out", "acme")
    assert answer.exit_code == 0, answer.err
    assert "Found counterfeit: 1" in answer.out
    assert "fewer than 5" in (tmp_path / "acme/report.html").read_text("utf-8")


def test_an_unknown_brand_is_answered_in_a_line(ipml, tmp_path):
    """Nothing is written."""
    answer = ipml("report brand Nobody --year 2026 --database", copy_sqlite(tmp_path))
    assert answer.exit_code == 2
    assert "'Nobody'" in answer.err
