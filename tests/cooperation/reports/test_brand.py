"""The report to a rights holder: the figures of the brand, and nothing by which a seller could be known."""

import json

import pandas as pd
import pytest
from sqlalchemy import func, select, update
from support.transactions import ask, execute

from experiments.cooperation.report_speed import NOW, YEAR
from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import make_brand_report, measure_brand, write_brand_report
from ipml.errors import NotFound
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases

RULES = ReportRules(service="Bazaar")


def quantities(report):
    """Return the figures of a report by their keys."""
    return {one.key: one for _, one in report.quantities()}


def test_brands_together_are_the_year(year, figures):
    """What all brands' reports count adds up to the transparency report."""
    with reading(year) as connection:
        names = list(connection.scalars(select(cases.c.brand).distinct()))
        brands = [measure_brand(connection, name, YEAR, RULES, as_of=NOW) for name in names]
    assert sum(one.decided.count() for one in brands) == figures.decided.count()
    assert sum(one.takedowns.n for one in brands) == figures.takedowns.n
    assert sum(one.notices.received() for one in brands) == figures.notices.received()
    assert sum(one.precision[-1].drawn for one in brands) == figures.confirmed.drawn


def test_few_sellers_are_not_counted_out(own_year, tmp_path):
    """Of a brand of two sellers neither how many they are nor what they asked is told."""
    with writing(own_year) as connection:
        two = select(cases.c.seller_id).group_by(cases.c.seller_id).order_by(func.count().desc()).limit(2)
        connection.execute(update(cases).where(cases.c.seller_id.in_(two)).values(brand="Rare"))
    report = ask(own_year, write_brand_report, "Rare", YEAR, tmp_path / "rare", RULES, now=NOW)
    assert quantities(report)["sellers"].value == "fewer than 5"
    assert next(table for table in report.tables() if table.key == "prices").rows == ()


def test_networks_are_told_by_their_size(year, tmp_path):
    """A large network is a row, small ones are one row together, and no number lets theirs be worked out."""
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    rows = [(f"s{n}", "payout", "big" if n < 24 else f"small {n // 2}", moment) for n in range(40)]
    events = pd.DataFrame(rows, columns=["seller_id", "kind", "value", "seen_at"])
    store_networks(find_networks(events), tmp_path / "networks")
    found = ask(year, measure_brand, "Brand A", YEAR, RULES, as_of=NOW, networks=tmp_path / "networks")
    report = make_brand_report(found, RULES)
    rows = next(table for table in report.tables() if table.key == "networks").rows
    assert (rows[0][0], rows[-1][0][:7], rows[-1][1]) == ("network 1", "smaller", None)
    assert sum(row[2] for row in rows) == quantities(report)["network_listings"].value
    assert all(row[1] >= RULES.least_sellers for row in rows[:-1])


def test_nobody_can_be_known_from_it(own_year, tmp_path):
    """Neither ids nor pseudonyms nor listings nor staff stand in any file; of an unknown brand nothing is written."""
    execute(own_year, update(cases).values(seller_id="thrumbold-" + cases.c.seller_id, listing_id="thrumbold-1"))
    with reading(own_year) as connection:
        write_brand_report(connection, "Brand A", YEAR, tmp_path / "a", RULES, now=NOW)
        with pytest.raises(NotFound, match="Brand A"):  # brands that begin alike are named
            write_brand_report(connection, "Brand Z", YEAR, tmp_path / "z", RULES, now=NOW)
    assert not (tmp_path / "z").exists()
    for path in (tmp_path / "a").iterdir():
        assert b"thrumbold" not in path.read_bytes(), path.name
        assert b"eviewer " not in path.read_bytes(), path.name


def test_prices_are_quantiles_of_what_was_asked(own_year):
    """Half of the listings ask less than the median, of each currency on its own."""
    with reading(own_year) as connection:
        found = measure_brand(connection, "Brand A", YEAR, RULES, as_of=NOW)
        texts = connection.scalars(select(cases.c.snapshot).where(cases.c.brand == "Brand A")).all()
    lowest, highest = (pick(json.loads(text)["listing"]["price"] for text in texts) for pick in (min, max))
    for one in found.prices:
        assert lowest <= one.p10 <= one.p25 <= one.median <= one.p75 <= one.p90 <= highest
