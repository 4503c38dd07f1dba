"""What the engine says of listings without pieces of their texts is what it says of such listings."""

from dataclasses import replace
from itertools import accumulate, chain

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.text_changes import TextChanges, weigh_changes, without

from ipml.features.columns import ListingColumns
from ipml.records import Listing

WORDS = st.sampled_from(
    [
        *("Nike", "N\u0456ke", "r3plica", "AAA", "watch", "bag", "10 pcs", "a@b.com", "<b>bag</b>", "кеды", "鞄", "👟"),
        *("İ", "\u202egab\u202c", "\ud800", "no box", "mirror quality", "-"),
    ]
)
TITLES = st.lists(WORDS, min_size=1, max_size=40).map(" ".join)
LISTINGS = st.builds(
    Listing,
    listing_id=st.just("1"),
    seller_id=st.sampled_from(["s", "t"]),
    title=TITLES,
    description=st.none() | st.lists(WORDS, max_size=130).map(" ".join),
    brand=st.sampled_from([None, "Nike"]),
    price=st.sampled_from([None, 20.0]),
)
SPANS = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 30)).map(lambda span: (span[0], sum(span))), max_size=3)
PIECES = st.tuples(SPANS.map(sorted), SPANS.map(sorted))
CHANGED = st.lists(st.tuples(LISTINGS, st.lists(PIECES, max_size=4)), min_size=1, max_size=4)


def list_changes(asked: list[list[tuple[list[tuple[int, int]], list[tuple[int, int]]]]]) -> TextChanges:
    """Return changes of some listings, each given as places of the title and of the description."""
    spans = list(chain.from_iterable(chain.from_iterable(asked)))
    rows = [row for row, of_row in enumerate(asked) for _ in of_row]
    starts = list(accumulate(map(len, spans), initial=0))
    pieces = list(chain.from_iterable(chain.from_iterable(spans)))
    return TextChanges(*(np.array(numbers, dtype=np.int64) for numbers in (rows, starts, pieces)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([(Listing("1", "s", "AAA Nike " * 12, description="no box " * 60), [([(0, 9)], []), ([], [(0, 350)])])])
@given(CHANGED)
def test_a_changed_listing_is_weighed_as_one_written_so(classifier, drawn):
    """To the bit, whatever is taken away, of long texts, too."""
    listings, asked = [listing for listing, _ in drawn], [pieces for _, pieces in drawn]
    written = [
        replace(listing, title=without(listing.title, in_title), description=without(said, in_description))
        for listing, pieces in drawn
        for in_title, in_description in pieces
        for said in [listing.description or ""]
    ]
    stage, reading = classifier.first_stage, classifier.reading
    columns, changes = ListingColumns.of_records(listings, reading), list_changes(asked)
    changed = weigh_changes(stage.compiled(reading), columns, changes)
    if written:
        apart = stage.log_odds(ListingColumns.of_records(written, reading))
        np.testing.assert_array_equal(changed, apart)
