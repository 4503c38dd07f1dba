"""Charts, axes, price lines and pictures of networks: within their frame, and as what is written beside them."""

import re
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support.databases import on_both
from support.given_notices import POLICY, complain, say
from support.planted_network import keep_planted

from ipml.cooperation.networks.roles import NetworkRole
from ipml.cooperation.networks.view import MemberRecord, NetworkView, view_network
from ipml.cooperation.notices.intake import receive
from ipml.enforcement.penalties.standing import Strike
from ipml.errors import Refused
from ipml.records import Case, Listing, PriceRange, ScoredListing, Verdict
from ipml.review.quality.precision import WeightedReviews
from ipml.review.queue_metrics import Hits
from ipml.review.sampling.estimates import EstimatedFigure, Estimates
from ipml.review.worklists.search import SellerListing, SellerRecord, SellerVerdict
from ipml.storage.database import writing
from ipml.web.console.drawing import network_picture
from ipml.web.console.drawing.charts import make_estimate_bars, make_hit_bars, make_price_scale, make_seller_card
from ipml.web.console.drawing.dashboard_charts import cut_periods
from ipml.web.console.drawing.network_picture import WIDTH, draw_lines, draw_network, draw_small
from ipml.web.console.drawing.tables import Column, TableQuery, page_rows
from ipml.web.phrases import seller_history


@given(st.integers(0, 50), st.integers(1, 50))
def test_a_share_lies_within_its_interval(found: int, judged: int) -> None:
    """So it is drawn."""
    (bar,) = make_hit_bars([Hits(0.9, 0.95, WeightedReviews.of_equal(judged, min(found, judged)))])
    assert 0 <= bar.low <= bar.share <= bar.high <= 100


def test_what_is_not_known_has_no_bar() -> None:
    """A figure of too few reviews is not drawn; a band without bounds is named, and not as one of scores."""
    figures = (
        EstimatedFigure("prevalence", 0.1, 0.0, 0.3, None, 9),
        EstimatedFigure("recall of the queue", None, None, None, 1.0, 9),
    )
    bars = make_estimate_bars(Estimates(figures, 1, 100, 0, 0, 9, 9))
    assert [(bar.name, bar.says, bar.naive) for bar in bars] == [("Prevalence", "10.0 %", "")]
    bars = make_hit_bars([Hits(None, None, WeightedReviews.of_equal(1, 1), is_brought) for is_brought in (False, True)])
    assert [bar.name for bar in bars] == ["no score", "brought by a notice or by likeness"]


PRICES = st.floats(0.01, 1e9)


@given(st.floats(0, 1e300), st.tuples(PRICES, PRICES, PRICES).map(sorted))
def test_marks_stay_on_the_line_in_order(price: float, usual: list[float]) -> None:
    """Low, median and high stand in this order, and every mark lies on the line."""
    low, median, high = usual
    scale = make_price_scale(price, "EUR", PriceRange("Acme", "EUR", low, median, high))
    assert 0 <= scale.low <= scale.median <= scale.high <= 100
    assert 0 <= scale.price <= 100
    assert scale.is_off_scale == (price > 1.25 * high)
    for label in scale.labels:
        assert label.at >= 30 if label.anchor == "middle" else label.at >= 20 if label.anchor == "end" else True
        assert label.at <= 80 or label.anchor == "end"


def test_unlike_things_are_not_compared() -> None:
    """Without a price, or in another currency, there is no line."""
    for price, currency in ((None, "EUR"), (5.0, "USD"), (5.0, None)):
        assert make_price_scale(price, currency, PriceRange("Acme", "EUR", 1.0, 2.0, 3.0)) is None
        assert make_price_scale(price, currency, None) is None


NOW = datetime(2026, 11, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 10_000).map(lambda hours: NOW - timedelta(hours=hours))
FIGURES = st.none() | st.integers(0, 5_000).map(float)
LISTINGS = st.builds(
    Listing,
    listing_id=st.just("A"),
    seller_id=st.just("s"),
    title=st.just("Bag"),
    observed_at=MOMENTS,
    seller_listings=FIGURES,
    seller_sales=FIGURES,
    seller_returns=FIGURES,
    seller_strikes=FIGURES,
    seller_rating=st.none() | st.floats(0, 1),
)
VERDICTS = st.none() | st.sampled_from([Verdict.COUNTERFEIT, Verdict.GENUINE])


@st.composite
def all_strikes(draw: st.DrawFn) -> list[Strike]:
    """Draw strikes: some expired, some taken back, some of them before they could expire."""
    strikes = []
    for number in range(draw(st.integers(0, 6))):
        struck_at = draw(MOMENTS)
        expires_at = struck_at + timedelta(hours=draw(st.integers(1, 12_000)))
        taken_back_at = draw(st.none() | MOMENTS.filter(lambda at, since=struck_at: at >= since))
        unknown = (None, None, None, None, None)
        facts = (number, number, number, "p", "", None, 1.0, *unknown, number, number, struck_at)
        strikes.append(Strike(*facts, struck_at, expires_at, "", taken_back_at))
    return strikes


@given(st.lists(st.tuples(LISTINGS, VERDICTS), min_size=1, max_size=6), all_strikes())
def test_what_is_drawn_ends_as_what_is_written(seen: list[tuple[Listing, Verdict | None]], strikes: list[Strike]):
    """Every line ends with the figure beside it at the last moment it is known of, and the axis with the last look."""
    seen = sorted(seen, key=lambda one: one[0].observed_at or NOW)
    listings = tuple(SellerListing(number, of.observed_at or NOW, of) for number, (of, _) in enumerate(seen))
    verdicts = tuple(SellerVerdict(number, NOW, said) for number, (_, said) in enumerate(seen) if said)
    scored = ScoredListing(seen[0][0], 0.9, 2.2, (), (), None, "m")
    card = make_seller_card(Case(0, scored, "open", NOW), SellerRecord(listings, verdicts), strikes, NOW)
    written = {row.noun: row for row in card.rows}
    for noun, phrase in seller_history(seen[0][0]):
        assert written[noun].when_listed == phrase
    for noun, field in (("Sales", "seller_sales"), ("Strikes in all", "seller_strikes"), ("Rating", "seller_rating")):
        known = [(one.at, value) for one in listings if (value := getattr(one.listing, field)) is not None]
        assert (noun in written) == bool(known)
        if known and (line := written[noun].line):
            assert (line.last, line.first) == (known[-1][0], known[0][0])
            assert written[noun].now in (line.now, "none" if not known[-1][1] else line.now)
    if "Strikes" in written:
        counting = sum(strike.counts_at(NOW) for strike in strikes)
        assert written["Strikes"].now == (f"{counting}" if counting else "none")
        if line := written["Strikes"].line:
            assert line.now == f"{counting}"
            assert line.last <= NOW
    if card.timeline:
        assert (card.timeline.first, card.timeline.last) == (listings[0].at, listings[-1].at)
        assert max(mark.at for mark in card.timeline.marks) == 98.0


@given(all_strikes())
def test_a_line_of_strikes_counts_as_the_strikes_do(strikes: list[Strike]):
    """After the moment at which it changes last, as many count as its end says."""
    listing = Listing("A", "s", "Bag", seller_sales=1.0, observed_at=NOW)
    card = make_seller_card(
        Case(0, ScoredListing(listing, 0.9, 2.2, (), (), None, "m"), "open", NOW),
        SellerRecord((SellerListing(0, NOW, listing),), ()),
        strikes,
        NOW,
    )
    (row,) = [row for row in card.rows if row.noun == "Strikes"]
    if row.line:
        assert int(row.line.now) == sum(strike.counts_at(row.line.last) for strike in strikes)
    assert row.when_listed == row.now


@given(st.dates(date(2001, 1, 1), date(2190, 1, 1)), st.integers(1, 1_200))
def test_periods_cover_each_day_once(first: date, n_days: int) -> None:
    """In order, without a gap, and few enough to be read; their names differ."""
    last = first + timedelta(days=n_days - 1)
    periods = cut_periods(first, last)
    assert (periods.each[0].first, periods.each[-1].last) == (first, last)
    for one, following in zip(periods.each, periods.each[1:], strict=False):
        assert following.first == one.last + timedelta(days=1)
    assert len(periods.each) <= 41
    assert len({one.name for one in periods.each}) == len(periods.each)
    assert periods.place_of(last) == len(periods.each) - 1


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> NetworkView:
    """Return a network of eighty."""
    folder: Path = tmp_path_factory.mktemp("drawn") / "networks"
    keep_planted(folder, 80, 100)
    return view_network(folder, 1)


def test_names_lie_in_the_frame_and_on_no_other_name(view: NetworkView):
    """And whoever is called the source is named."""
    picture = draw_network(view, {})
    boxes = [(one.x - 3.5 * len(one.text), one.x + 3.5 * len(one.text), one.y - 12, one.y) for one in picture.labels]
    assert all(left >= 0 and right <= WIDTH and top >= 0 and foot <= picture.height for left, right, top, foot in boxes)
    for (left, right, top, foot), (other_left, other_right, other_top, other_foot) in combinations(boxes, 2):
        assert right < other_left or other_right < left or foot < other_top or other_foot < top
    called = {place for place, role in enumerate(view.roles.role) if role is NetworkRole.SOURCE}
    assert called <= {label.place for label in picture.labels}


def test_members_are_drawn_by_what_is_known_of_them(view: NetworkView) -> None:
    """Confirmed goes before open, open before cleared; each has a mark of its own, and who has no case none."""
    names = view.seller_ids
    counts = {names[0]: (3, 1, 1), names[1]: (2, 1, 0), names[2]: (1, 0, 0)}
    records = {
        name: MemberRecord(name, 1, n_cases, n_open, confirmed, 0, ())
        for name, (n_cases, n_open, confirmed) in counts.items()
    }
    drawn = draw_network(view, records).members
    states = [re.search("confirmed|open|cleared|unknown", one.classes)[0] for one in drawn[:4]]  # type: ignore[index]
    assert states == ["confirmed", "open", "cleared", "unknown"]
    picture = draw_network(view, {})
    marks = {one.classes.split()[1]: one.mark for one in picture.legend}
    assert len(set(marks.values())) == len(marks) == 4
    assert marks["unknown"] == ""
    assert {one.mark for one in picture.members} == {""}


def test_the_strongest_links_and_everybody_are_drawn(view: NetworkView, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bar of arrivals is higher than the chart, each member has a dot, and links that join all go first."""
    arrivals = draw_network(view, {}).arrivals
    assert max(height for _, _, height in arrivals.bars) == 100
    assert all(0 <= x < x + width <= 100 for x, width, _ in arrivals.bars)
    assert draw_small(view.layout)[1].count("M") == len(view.roles.members)
    monkeypatch.setattr(network_picture, "MOST_LINES", int(view.layout.is_backbone.sum()))
    lines = draw_lines(view)
    assert lines.count("<line ") == lines.count(" back")


Named = tuple[str, int | None]
COLUMNS: tuple[Column[Named], ...] = (
    Column("name", "Name", lambda row: row[0]),
    Column("n", "Cases", lambda row: row[1], is_number=True),
    Column("note", "Note", is_sortable=False),
)
ROWS: list[Named] = [("Bo", 3), ("ana", None), ("Cy", 9), ("Di", 3)]


def names(query: TableQuery, size: int = 50) -> list[str]:
    """Return the first column of a page."""
    return [name for name, _ in page_rows(ROWS, COLUMNS, query, size=size).rows]


def test_rows_are_sorted_and_searched() -> None:
    """Equal rows stay in their order, unknown values come last either way, words are found in any case."""
    shown = {TableQuery(): ["Bo", "ana", "Cy", "Di"], TableQuery("n"): ["Bo", "Di", "Cy", "ana"]}
    shown |= {TableQuery("-n"): ["Cy", "Bo", "Di", "ana"], TableQuery(words="AN"): ["ana"]}
    shown |= {TableQuery(words="nobody"): []}
    assert {query: names(query) for query in shown} == shown
    assert [names(TableQuery("name", page=page), size=3) for page in (1, 2, 3)] == [["Bo", "Cy", "Di"], ["ana"], []]
    for sort in ("note", "colour", "-"):
        with pytest.raises(Refused, match="name, n"):
            page_rows(ROWS, COLUMNS, TableQuery(sort))


def test_addresses_keep_what_else_was_asked_for() -> None:
    """A head turns the order; it and a search lead to the first page; what else the address holds stays."""
    page = page_rows(ROWS, COLUMNS, TableQuery("-n", "a", 2), kept={"state": "all"})
    assert page.sort_address(COLUMNS[1]) == "?state=all&sort=n&words=a"
    assert page.sort_address(COLUMNS[0]) == "?state=all&sort=name&words=a"
    assert page.address(page=3) == "?state=all&sort=-n&words=a&page=3"
    assert page.address(words="") == "?state=all&sort=-n"
    assert [page.direction_of(one) for one in COLUMNS] == ["none", "descending", "none"]


def listed(page: str, noun: str) -> list[int]:
    """Return the numbers of the rows of a page."""
    return [int(number) for number in re.findall(rf'href="/{noun}/(\d+)" data-row', page)]


@on_both
def test_notices_and_notifiers_are_sorted_and_searched(engine: Engine, lead: TestClient) -> None:
    """By the database; no sign stands for any word, another view is refused, and who was never judged comes last."""
    for notice in (say("L0000", "nowhere", brand="Vellmar"), say("L0001", brand="Aurivo"), complain("L0000", "cem")):
        with writing(engine) as connection:
            receive(connection, notice, policy=POLICY)
    shown = {"sort=notice": [1, 2, 3], "sort=-notice": [3, 2, 1], "sort=-listings": [1, 2, 3], "words=AURIVO": [2]}
    shown |= {"words=3": [3], "words=%25": [], "page=2": [], "state=settled&sort=brand": []}
    assert {asked: listed(lead.get(f"/notices?{asked}").text, "notices") for asked in shown} == shown
    page = lead.get("/notifiers?sort=-upheld").text
    assert page.count("No record yet") == 2
    assert 'aria-sort="descending"' in page
    assert "0 of 0" not in page + lead.get("/notifiers/1").text
    assert len(listed(lead.get("/notifiers?words=cem").text, "notifiers")) == 1
    for address in ("notices?sort=colour", "notifiers?page=0", "networks?sort=brands", "notices?sort=A"):
        assert lead.get(f"/{address}").status_code == 400, address
