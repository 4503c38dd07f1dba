"""What is said of a seller's figures when a listing was seen and now agrees with what is drawn of them."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ipml.enforcement.penalties.standing import Strike
from ipml.records import Case, Listing, ScoredListing, Verdict
from ipml.review.worklists.search import SellerListing, SellerRecord, SellerVerdict
from ipml.web.console.drawing.charts import make_seller_card
from ipml.web.phrases import seller_history

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
    for noun, field in (("Sales", "seller_sales"), ("Strikes reported", "seller_strikes"), ("Rating", "seller_rating")):
        known = [(one.at, value) for one in listings if (value := getattr(one.listing, field)) is not None]
        assert (noun in written) == bool(known)
        if known and (line := written[noun].line):
            assert line.last == known[-1][0]
            assert line.first == known[0][0]
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
