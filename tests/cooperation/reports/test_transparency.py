"""The transparency report: one set of figures in three forms, the same bytes again, and nobody in it."""

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import update
from support.browser import OVERHANGING, start_browser
from support.databases import copy_postgres
from support.transactions import ask, execute

from experiments.cooperation.report_speed import NOW, YEAR
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import write_brand_report
from ipml.cooperation.reports.document import Table, draw_columns
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.transparency import EU_FOLDER, write_transparency_report
from ipml.cooperation.reports.verdicts import WAYS
from ipml.errors import UnwritableFile
from ipml.kit.svg import make_ticks, round_up
from ipml.storage.database import reading, writing
from ipml.storage.tables import cases, decisions, measures, notifiers

from .conftest import fill

RULES = ReportRules(provider="Bazaar Ltd", service="Bazaar")
IP = "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS"


@pytest.fixture(scope="module")
def folder(year, tmp_path_factory) -> Path:
    """Return the folder of the report of that year."""
    folder = tmp_path_factory.mktemp("report") / "2026"
    ask(year, write_transparency_report, YEAR, folder, RULES, now=NOW)
    return folder


class Page(HTMLParser):
    """Reads tables by their id: rows of cells, each a number where the page marks one, else its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables, self.keys, self._table, self._in_small = {}, {}, None, 0
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        """Begin a table, a row or a cell, or take the number that is marked."""
        found = dict(attributes)
        if tag == "table":
            self._table = self.tables.setdefault(found["id"], [])
        elif tag == "tr" and self._table is not None:
            self._table.append([])
            self.keys[id(self._table[-1])] = found.get("data-key")
        elif tag in ("td", "th") and self._table is not None:
            self._table[-1].append("")
        elif tag == "data" and self._table is not None:
            self._table[-1][-1] = float(found["value"])
        self._in_small += tag == "small"

    def handle_endtag(self, tag):
        """End a table, or what is said in small letters."""
        self._table = None if tag == "table" else self._table
        self._in_small -= tag == "small"

    def handle_data(self, data):
        """Add to the text of a cell."""
        if self._table and self._table[-1] and isinstance(self._table[-1][-1], str) and not self._in_small:
            self._table[-1][-1] += data.strip()


def read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_cell(text: str) -> float | str:
    """Return what a cell of a file says, as the page would have it."""
    try:
        return float(text)
    except ValueError:
        return text or "not known"


def test_the_page_says_what_the_files_say(folder):
    """Every figure and every cell of a table is the same number in the page, in the CSV files and in the JSON."""
    page, kept = Page((folder / "report.html").read_text("utf-8")), json.loads((folder / "figures.json").read_text())
    for name, table in kept["tables"].items():
        rows = read_csv(folder / f"{name}.csv")
        assert [list(map(as_cell, row.values())) for row in rows] == page.tables[name][1:]
        assert [
            [float(v) if isinstance(v, int | float) else v or "not known" for v in row] for row in table["rows"]
        ] == [list(map(as_cell, row.values())) for row in rows]
    shown = {
        page.keys[id(row)]: row[1] for name, rows in page.tables.items() if name.endswith("-figures") for row in rows
    }
    for row in read_csv(folder / "figures.csv"):
        assert shown[row["figure"]] == as_cell(row["value"])
        assert as_cell(row["value"]) in (kept["figures"][f"{row['section']}.{row['figure']}"]["value"], "not known")
    assert len(shown) == len(kept["figures"])


def test_parts_add_up_to_totals(folder):
    """In every table with a row or a column for all, the others add up to it."""
    figures = {row["figure"]: row["value"] for row in read_csv(folder / "figures.csv")}
    months = read_csv(folder / "months.csv")
    assert sum(int(row["found counterfeit"]) for row in months) == int(figures["counterfeit"])
    assert all(sum(int(row[way]) for way in WAYS) == int(row["found counterfeit"]) for row in months)
    assert sum(int(figures[f"counterfeit_{way}"]) for way in WAYS) == int(figures["counterfeit"])
    for name, last in (("decisions", "all together"), ("measures", "all"), ("complaints", "all"), ("notifiers", "all")):
        *rows, whole = read_csv(folder / f"{name}.csv")
        assert whole[next(iter(whole))] == last
        for column in list(whole)[1:]:
            if "time" not in column:
                assert sum(int(row[column]) for row in rows) == int(whole[column]), (name, column)


def test_the_template_of_the_eu_says_the_same(folder, figures):
    """Totals of the EU's files are those of the report; what ipml does not know is n/a there, and not zero."""
    files = {path.name: read_csv(path) for path in (folder / EU_FOLDER).iterdir()}
    assert len(files) == 11
    rows = {row["Category of illegal content"]: row for row in files["4_notices.csv"]}
    assert int(rows["TOTAL"]["Number of notices received"]) == figures.legal_notices.received()
    assert rows[IP]["Number of notices received"] == rows["TOTAL"]["Number of notices received"]
    assert rows["STATEMENT_CATEGORY_VIOLENCE"]["Number of notices received"] == "n/a"
    assert {row["Number of orders to provide information"] for row in files["3_member_states_orders.csv"]} == {"n/a"}
    own = next(row for row in files["5_own_initiative_illegal.csv"] if row["Category of illegal content"] == "TOTAL")
    measured, detected, *kinds = [own[name] for name in list(own)[5:21]]
    assert int(measured) == sum(int(n) for n in kinds if n != "n/a")
    assert int(detected) <= int(measured)
    appeals = {row["Scope"]: row for row in files["7_appeals_and_recidivism.csv"][:6]}
    ends = ("Decisions upheld", "Decisions partially reversed", "Decisions reversed", "Decision omitted")
    assert sum(int(appeals[end]["Value"]) for end in ends) == int(appeals["Total number"]["Value"])
    assert int(appeals["Total number"]["Value"]) == figures.complaints.count() - figures.complaints.counter_notices


def test_each_file_of_the_template_has_the_rows_it_asks_for(folder):
    """A row for each category, and the columns word for word, so that files of others can be added to it."""
    rows = {path.name: read_csv(path) for path in (folder / EU_FOLDER).iterdir()}

    def categories(name: str) -> list[str]:
        return [next(cell for title, cell in row.items() if title.startswith("Category")) for row in rows[name]]

    title = "Category of illegal content / incompatible with the terms and conditions"
    known = [row[title] for row in rows["2_categories_names.csv"]]
    assert categories("3_member_states_orders.csv") == known[:-10] + known[-2:-1]
    assert categories("4_notices.csv") == known[:-10] + known[-1:]
    assert categories("6_own_initiative_TC.csv") == known[:-2]
    said = "Contextual information on number of orders to act against illegal content received"
    assert said in rows["3_member_states_orders.csv"][0]
    assert [len(rows[name]) for name in ("7_appeals_and_recidivism.csv", "8_automated_means.csv")] == [47, 20]


def read_all(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a report."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_same_database_gives_the_same_bytes(year, folder, tmp_path):
    """Written again, every file is the same."""
    ask(year, write_transparency_report, YEAR, tmp_path / "again", RULES, now=NOW)
    assert read_all(tmp_path / "again") == read_all(folder)


@pytest.mark.slow
def test_postgresql_gives_the_bytes_of_sqlite(postgres, folder, tmp_path):
    """The report does not tell which database the same year is kept in."""
    with copy_postgres(postgres) as url:
        engine = fill(url)
        ask(engine, write_transparency_report, YEAR, tmp_path / "other", RULES, now=NOW)
        engine.dispose()
    assert read_all(tmp_path / "other") == read_all(folder)


def test_nobody_is_in_it(own_year, tmp_path):
    """Neither a seller nor a reviewer nor a notifier is named, not even where a seller's name is the brand."""
    theirs = {"brand": "Ann Thrumbold", "category": "by Thrumbold", "seller_id": "thrumbold-shop"}
    with writing(own_year) as connection:
        assert connection.execute(update(cases).where(cases.c.seller_id == "s0").values(**theirs)).rowcount
        connection.execute(update(decisions).values(reviewer="thrumbold-" + decisions.c.reviewer))
        connection.execute(update(measures).values(pseudonym="thrumbold-pseudonym", imposed_by="thrumbold-lead"))
        connection.execute(update(notifiers).values(address=notifiers.c.pseudonym + "@thrumbold.test"))
    ask(own_year, write_transparency_report, YEAR, tmp_path / "report", RULES, now=NOW)
    assert [name for name, content in read_all(tmp_path / "report").items() if b"thrumbold" in content.lower()] == []


def test_a_brand_cannot_command_the_page_or_a_spreadsheet(own_year, tmp_path):
    """Markup in a brand is shown as it is, letters nobody sees by their number, and no cell begins a formula."""
    execute(own_year, update(cases).values(brand="=<img src=x onerror=alert(1)>\u202e"))
    ask(own_year, write_transparency_report, YEAR, tmp_path / "report", RULES, now=NOW)
    html = (tmp_path / "report/report.html").read_text("utf-8")
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "⟦U+202E⟧" in html
    assert read_csv(tmp_path / "report/brands.csv")[0]["brand"].startswith("'=")


def test_an_empty_year_is_a_report_too(own_year, tmp_path):
    """A page says so, and nothing is divided by nothing; where its folder should be a file is, it stays."""
    empty = Period.of_year(2020)
    with reading(own_year) as connection:
        report = write_transparency_report(connection, empty, tmp_path / "report", RULES, now=NOW)
        assert measure_figures(connection, empty, as_of=NOW).confirmed.rate is None
        (tmp_path / "mine").write_text("mine")
        with pytest.raises(UnwritableFile, match="mine"):
            write_transparency_report(connection, empty, tmp_path / "mine", RULES, now=NOW)
    assert dict(report.facts)["Data"].startswith("None")
    assert next(one.value for one in report.headline) == 0
    assert (tmp_path / "mine").read_text() == "mine"


# Charts of reports: what stands beside their lines
def test_the_numbers_at_an_axis_are_evenly_apart(subtests: pytest.Subtests):
    """From nothing to the top, as the lines are that they stand beside; none is rounded to another number."""
    for most in [1, 5, 7, 10, 17, 95, 3_600]:
        with subtests.test(most=most):
            table = Table("t", "Listings by month", (("month", "text"), ("listings", "count")), (("2026-01", most),))
            labels = re.findall(r'text-anchor="end">([\d.,]+)<', draw_columns(table, [1], "Listings"))
            assert [float(label.replace(",", "")) for label in labels] == make_ticks(round_up(most))


# The page of a report in a real browser: it loads nothing, fits every window, and is whole on paper
@pytest.mark.browser
def test_it_loads_nothing_and_fits(year, tmp_path):
    """Wide, narrow and printed, nothing is asked for, nothing complained of, nothing hangs over, no chart is empty."""
    rules = ReportRules(service="Bazaar")
    with reading(year) as connection:
        write_transparency_report(connection, YEAR, tmp_path / "year", rules, now=NOW)
        write_brand_report(connection, "Brand A", YEAR, tmp_path / "brand", rules, now=NOW)
    with start_browser() as browser:
        page = browser.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        for name in ("year", "brand"):
            for width in (1440, 720, 360):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto((tmp_path / name / "report.html").as_uri())
                assert page.evaluate(OVERHANGING) == []
            assert page.locator("script").count() == 0
            charts = page.locator("figure svg").all()
            assert charts
            assert all((box := chart.bounding_box()) and box["height"] > 20 for chart in charts)
            assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert {url.partition(":")[0] for url in asked} == {"file"}
    assert said == []
