"""The transparency report, as things stand and as of a moment."""

import csv
import json
import random
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import Connection, Executable, Text, insert, select, update
from support.actions import APPEAL_RULES, COOPERATING, COOPERATING_APPEALS
from support.browser import OVERHANGING, start_browser
from support.databases import copy_postgres, on_both
from support.given_notices import POLICY, say
from support.notice_desk import NOON, Desk
from support.transactions import act, ask, execute, read_scalars

from experiments.cooperation.report_speed import NOW, YEAR
from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notifiers.misuse import StepOrder, lift, suspend, warn
from ipml.cooperation.notifiers.notifier import AppointmentOrder, appoint
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import measure_brand, write_brand_report
from ipml.cooperation.reports.document import ReportDocument
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period, ReportScope
from ipml.cooperation.reports.transparency import EU_FOLDER, write_transparency_report
from ipml.cooperation.reports.verdicts import WAYS
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.errors import IpmlError, UnwritableFile
from ipml.records import Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.cases import get_case
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, cases, decisions, measures, notifiers, outbox, penalties, referrals

from .conftest import fill

RULES = ReportRules(provider="Bazaar Ltd", service="Bazaar")
IP = "STATEMENT_CATEGORY_INTELLECTUAL_PROPERTY_INFRINGEMENTS"


def write_year(connection: Connection, folder: Path) -> ReportDocument:
    """Write the report of the year."""
    return write_transparency_report(ReportScope(connection, YEAR, NOW), folder, RULES)


@pytest.fixture(scope="module")
def folder(year, tmp_path_factory) -> Path:
    """Return the folder of the report of that year."""
    folder = tmp_path_factory.mktemp("report") / "2026"
    ask(year, write_year, folder)
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
    ask(year, write_year, tmp_path / "again")
    assert read_all(tmp_path / "again") == read_all(folder)


@pytest.mark.slow
def test_postgresql_gives_the_bytes_of_sqlite(postgres, folder, tmp_path):
    """The report does not tell which database the same year is kept in."""
    with copy_postgres(postgres) as url:
        engine = fill(url)
        ask(engine, write_year, tmp_path / "other")
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
    ask(own_year, write_year, tmp_path / "report")
    assert [name for name, content in read_all(tmp_path / "report").items() if b"thrumbold" in content.lower()] == []


def test_a_brand_cannot_command_the_page_or_a_spreadsheet(own_year, tmp_path):
    """Markup in a brand is shown as it is, letters nobody sees by their number, and no cell begins a formula."""
    execute(own_year, update(cases).values(brand="=<img src=x onerror=alert(1)>\u202e"))
    ask(own_year, write_year, tmp_path / "report")
    html = (tmp_path / "report/report.html").read_text("utf-8")
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "⟦U+202E⟧" in html
    assert read_csv(tmp_path / "report/brands.csv")[0]["brand"].startswith("'=")


def test_an_empty_year_is_a_report_too(own_year, tmp_path):
    """A page says so, and nothing is divided by nothing; where its folder should be a file is, it stays."""
    empty = Period.of_year(2020)
    with reading(own_year) as connection:
        report = write_transparency_report(ReportScope(connection, empty, NOW), tmp_path / "report", RULES)
        assert measure_figures(ReportScope(connection, empty, NOW)).confirmed.rate is None
        (tmp_path / "mine").write_text("mine")
        with pytest.raises(UnwritableFile, match="mine"):
            write_transparency_report(ReportScope(connection, empty, NOW), tmp_path / "mine", RULES)
    assert dict(report.facts)["Data"].startswith("None")
    assert next(one.value for one in report.headline) == 0
    assert (tmp_path / "mine").read_text() == "mine"


# The page of a report in a real browser: it loads nothing, fits every window, and is whole on paper
@pytest.mark.browser
def test_it_loads_nothing_and_fits(year, tmp_path):
    """Wide, narrow and printed, nothing is asked for, nothing complained of, nothing hangs over, no chart is empty."""
    rules = ReportRules(service="Bazaar")
    with reading(year) as connection:
        write_transparency_report(ReportScope(connection, YEAR, NOW), tmp_path / "year", rules)
        write_brand_report(ReportScope(connection, YEAR, NOW, "Brand A"), tmp_path / "brand", rules)
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
            charts = page.locator("figure > svg").all()
            assert charts
            assert all((box := chart.bounding_box()) and box["height"] > 20 for chart in charts)
            assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    assert {url.partition(":")[0] for url in asked} == {"file"}
    assert said == []


OWN_YEAR, BRAND = Period.of_year(NOON.year), "Acme"


def report(desk: Desk, as_of):
    """Return all figures, of the platform and of the brand, as of a moment."""
    with reading(desk.engine) as connection:
        scope = ReportScope(connection, OWN_YEAR, as_of)
        return measure_figures(scope), measure_brand(replace(scope, brand=BRAND), ReportRules())


def test_a_listing_that_was_edited_since_was_known_before(desk: Desk):
    """Its notice waits for the edited listing; as of an earlier moment it waited for the listing as it was."""
    desk.give_notice([desk.add_case("L1")])
    as_of, then = desk.pass_time(), report(desk, desk.now)
    enqueue(desk.engine, [desk.make_scored("L1", seller_id="s1", title="Edited bag")], now=desk.pass_time())
    assert report(desk, as_of) == then


class Life:
    """What may happen on a platform, at random: each step takes some hours."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.draw, self.n_cases = desk, random.Random(seed), 0
        self.steps = (
            *(*[self.decide] * 6, *[self.give_notice] * 3, *[self.undo] * 2, *[self.match] * 2),
            *(self.enqueue, self.appeal, self.answer_appeal, self.deliver, self.do_measures, self.hand_on),
            *(self.judge_notifier, self.give_notice_early),
        )

    def enqueue(self) -> None:
        """A file comes in, of which all is shown for its score or drawn."""
        first, self.n_cases = self.n_cases, self.n_cases + 4
        ids = range(first + 1, self.n_cases + 1)
        fields = {"brand": BRAND, "price": 10.0, "currency": "EUR", "country": "DE"}
        file = [
            self.desk.make_scored(f"L{n}", 0.9 - n / 1000, seller_id=f"s{n % 3}", title=f"Bag no. {n}", **fields)
            for n in ids
        ]
        enqueue_batch(self.desk.engine, lambda: file, IntakeSelection(top=4, explore=0), now=self.desk.now)

    def decide(self) -> None:
        """Somebody decides a case, or passes it on; a lead decides what was passed on."""
        number = self.draw.randint(1, self.n_cases)
        state = ask(self.desk.engine, get_case, number).state
        if state != "decided":
            verdicts = [Verdict.COUNTERFEIT] * 3 + [Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE]
            self.desk.decide(number, self.draw.choice(verdicts), "lea" if state == "escalated" else "ana")

    def undo(self) -> None:
        """A lead takes a decision back."""
        numbers = read_scalars(self.desk.engine, select(decisions.c.decision_id))
        if numbers:
            with writing(self.desk.engine) as connection:
                request = UndoRequest("lea", may_undo_others=True)
                undo(connection, self.draw.choice(numbers), request, now=self.desk.now, context=COOPERATING)

    def give_notice(self) -> None:
        """Somebody gives notice of some listings, one of them unknown perhaps."""
        known = self.draw.sample(range(1, self.n_cases + 1), self.draw.randint(1, 2))
        self.desk.give_notice([*known, *([None] if self.draw.random() < 0.2 else [])], self.draw.choice("ab"))

    def appeal(self) -> None:
        """A seller complains of a case."""
        number = self.draw.randint(1, self.n_cases)
        request = AppealRequest(f"case:{number}", f"s{number % 3}", "It is genuine.")
        act(self.desk.engine, file_appeal, request, APPEAL_RULES, now=self.desk.now)

    def answer_appeal(self) -> None:
        """Another person decides on a complaint."""
        numbers = read_scalars(self.desk.engine, select(appeals.c.appeal_id))
        outcome = self.draw.choice(["granted", "rejected"])
        if numbers:
            with writing(self.desk.engine) as connection:
                decision = AppealDecision(outcome, "max", "because")
                decide_appeal(connection, self.draw.choice(numbers), decision, COOPERATING_APPEALS, now=self.desk.now)

    def change(self, *statements: Executable) -> None:
        """Change rows as whatever is told by others does."""
        with writing(self.desk.engine) as connection:
            for one in statements:
                connection.execute(one)

    def deliver(self) -> None:
        """Messages arrive, and a penalty comes into force."""
        waits = update(outbox).where(outbox.c.state == "waiting")
        proposed = update(penalties).where(penalties.c.imposed_at.is_(None))
        self.change(
            waits.values(state="delivered", settled_at=self.desk.now),
            proposed.values(imposed_at=self.desk.now, imposed_by="lea"),
        )

    def do_measures(self) -> None:
        """The platform says that what was asked is done."""
        asked = update(measures).where(measures.c.done_at.is_(None), measures.c.lifted_at.is_(None))
        self.change(asked.values(done_at=self.desk.now))

    def hand_on(self) -> None:
        """A network is handed to an authority, or the authority signs for it."""
        needed = [column for column in referrals.c if not column.nullable and not column.primary_key]
        blanks = {column.name: "" if isinstance(column.type, Text) else 0 for column in needed}
        if self.draw.random() < 0.5:
            built = {"built_at": self.desk.now, "reference": str(self.desk.now)}
            self.change(insert(referrals).values(blanks | built))
        else:
            self.change(update(referrals).where(referrals.c.received_at.is_(None)).values(received_at=self.desk.now))

    def judge_notifier(self) -> None:
        """A lead warns, suspends, lifts or appoints."""
        number = self.desk.add_notifier(self.draw.choice("ab"))
        kind = self.draw.choice(["warn", "suspend", "lift", "appoint"])
        with writing(self.desk.engine) as connection:
            if kind == "appoint":
                appoint(connection, number, AppointmentOrder("trusted flagger", "lea", "no. 12", self.desk.now))
            else:
                take = {"warn": warn, "suspend": suspend, "lift": lift}[kind]
                take(connection, number, StepOrder("lea", "because", POLICY.notifiers, self.desk.now))

    def give_notice_early(self) -> None:
        """Somebody gives notice of a listing that comes in later."""
        desk = self.desk
        desk.add_notifier("a")
        with writing(desk.engine) as connection:
            receive(
                connection,
                say(f"L{self.n_cases + self.draw.randint(1, 4)}", email="a@example.com"),
                POLICY,
                now=desk.now,
            )

    def match(self) -> None:
        """Notices of listings that nobody knew are joined to their cases."""
        match_notices(self.desk.engine, POLICY, now=self.desk.now)

    def erase(self) -> None:
        """A seller is erased, whose brand others sell as well."""
        erase_sellers(self.desk.engine, ["s1"], why="request 7", by="lea", now=self.desk.now)


@pytest.mark.slow
@on_both
def test_a_report_as_of_a_moment_is_the_one_made_then(desk: Desk):
    """Every figure: decisions, reversals, notices, measures, penalties, appeals, statements, deliveries, referrals."""
    life = Life(desk, 1)
    life.enqueue()
    made = []
    for place in range(80):
        desk.pass_time(hours=life.draw.randint(1, 40))
        if place == 50:
            life.deliver()
            life.erase()
        with suppress(IpmlError):  # what cannot be done just now is not done
            life.draw.choice(life.steps)()
        if place % 8 == 7:
            made.append((desk.now, report(desk, desk.now)))
            desk.pass_time()
    assert made[-1][1][0].decided.count() > 5
    for as_of, then in made:
        for was, now in zip(then, report(desk, as_of), strict=True):
            changed = [name for name in was.__slots__ if getattr(was, name) != getattr(now, name)]
            assert {name: (getattr(was, name), getattr(now, name)) for name in changed} == {}
    before = report(desk, NOON - timedelta(days=1))[0]
    assert (before.decided.count(), before.notices.received(), before.measures.count(), before.queued) == (0, 0, 0, {})
