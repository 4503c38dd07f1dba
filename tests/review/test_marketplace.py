"""Submitted listings: the same is known whatever the order; score, lists and chance say what waits; rescoring."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, delete, select, update
from support.databases import copy_memory, on_both
from support.reviewing import Score, as_model, judge
from support.transactions import act, ask

from ipml.records import Listing, PriceRange, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import KnownListing, Submission, Withdrawal, find_known, rescore_changed, take_in
from ipml.review.cases import find_case
from ipml.review.ranking.policy import IntakeRule
from ipml.review.ranking.queue_order import find_current_parts
from ipml.review.sellers.seller_history import SellerEvent, store_events
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.worklists.search import browse_cases
from ipml.storage.database import reading
from ipml.storage.tables import cases, listings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOODS = ("Bag, mirror quality", "Belt, mirror quality", "Cup", "Wool hat")


def score(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Suspect whoever promises mirror quality."""
    return [ScoredListing(one, 0.9 if "mirror" in one.title else 0.01, 0.0, (), (), None, "m1") for one in submitted]


def make(number: int, hours: int, title: str) -> Listing:
    """Return a listing as it was at some hour."""
    return Listing(f"L{number}", "ann", title, price=50.0, currency="EUR", observed_at=NOON + timedelta(hours=hours))


OBSERVED = st.builds(make, st.integers(0, 2), st.integers(0, 5), st.sampled_from(GOODS))
GONE = OBSERVED.map(lambda one: Withdrawal(one.listing_id, one.observed_at))


def send(engine: Engine, *some: Listing, score: Score = score) -> dict[str, KnownListing]:
    """Submit listings at once, and return what is known of them."""
    return take_in(engine, [Submission(some)], as_model(score), NOON)


@settings(max_examples=12)
@given(submitted=st.lists(OBSERVED, min_size=1, max_size=6), gone=st.lists(GONE, max_size=3), data=st.data())
def test_any_order_ends_in_the_same_state(submitted: list[Listing], gone: list[Withdrawal], data: st.DataObject):
    """Batches may be sent again, shuffled and cut otherwise."""
    ids = {one.listing_id for one in submitted}
    gone = [one for one in gone if one.listing_id in ids]
    ends = []
    for again in (submitted, data.draw(st.permutations(submitted + submitted[:3]))):
        engine = copy_memory()
        cut = data.draw(st.integers(0, len(again)))
        for part in (again[:cut], again[cut:]):
            send(engine, *part)
        for one in data.draw(st.permutations(gone + gone[:1])):
            take_in(engine, [Submission((), (one,))], as_model(score), NOON)
        ends.append({key: (one.scored, one.withdrawn_at) for key, one in ask(engine, find_known, ids).items()})
        waiting = ask(engine, Connection.scalars, select(cases.c.listing_id).where(cases.c.state == "open"))
        assert len(waiting) == len(set(waiting))
        engine.dispose()
    assert ends[0] == ends[1]


@on_both
def test_a_case_is_what_is_known(engine: Engine):
    """A listing and the case that waits for it never say different things."""
    for hours, title in enumerate((GOODS[0], GOODS[2], GOODS[1], GOODS[1])):
        known = send(engine, make(1, hours, title))["L1"]
        row = ask(engine, find_case, known.case_id)
        assert (row.state, row.score) == ("open", known.scored.score)


def test_a_listing_is_scored_with_the_history_of_its_moment(engine: Engine):
    """And the score is stored with it."""
    act(engine, store_events, [SellerEvent("e", "ann", "sold", NOON, NOON + timedelta(hours=2), 7.0)], NOON)
    known = send(engine, make(1, 1, "Cup"), make(2, 2, "Cup"))
    assert [known[key].scored.listing.seller_sales for key in ("L1", "L2")] == [None, 7.0]


def test_what_is_drawn_keeps_its_probability(seeded: Engine):
    """Of listings that nobody suspects some are drawn; seen again, a listing has no second chance."""
    drawn = []
    for hours in range(2):
        moment = NOON + timedelta(hours=hours)
        many = [Listing(f"L{n}", f"s{n}", f"Cup {n}", observed_at=moment) for n in range(1_000)]
        send(seeded, *many, score=lambda some, explain: [replace(one, score=0.4) for one in score(some, explain)])
        drawn.append(ask(seeded, Connection.execute, select(cases).order_by(cases.c.case_id)))
    assert [row.listing_id for row in drawn[0]] == [row.listing_id for row in drawn[1]]
    assert drawn[0]
    assert all(row.lane == "explored" and 0 <= row.random_order < 1 for row in drawn[0])
    assert {row.sampling_probability for row in drawn[0]} == {IntakeRule().probability_of(0.4)}


def test_a_case_that_another_server_made_meanwhile_is_superseded(engine: Engine):
    """Though by itself the listing would not wait for people as it is now; others of the request do as ever."""

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if not explain:
            send(engine, make(1, 1, GOODS[0]))
        return score(submitted, explain)

    known = send(engine, make(1, 4, "Cup"), make(2, 4, GOODS[1]), score=slow)
    stands = {key: (one.scored.listing.title, one.state) for key, one in known.items()}
    assert stands == {"L1": ("Cup", "open"), "L2": (GOODS[1], "open")}
    with reading(engine) as connection:
        states = connection.scalars(select(cases.c.state).where(cases.c.listing_id == "L1").order_by(cases.c.case_id))
        assert list(states) == ["superseded", "open"]


def test_a_listing_that_another_server_was_submitted_of_meanwhile_is_not_overwritten(engine: Engine):
    """What is older than what is known when it is written changes nothing."""
    newer = make(1, 4, "Cup")

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        if submitted[0].title != "Cup":
            send(engine, newer)
        return score(submitted, explain)

    assert send(engine, make(1, 1, "Wool hat"), score=slow)["L1"].scored.listing == newer
    # Nor does an older observation count where what two callers submit is worked on together.
    some = (make(2, 3, "Cup"), make(2, 1, GOODS[0]), make(3, 1, GOODS[0]))
    known = take_in(engine, [Submission((one,)) for one in some], as_model(score), NOON)
    assert [known[key].scored.listing.title for key in ("L2", "L3")] == ["Cup", GOODS[0]]


def test_a_listing_that_was_forgotten_comes_as_new(engine: Engine):
    """Nothing else speaks of it; a case that was closed does not hold the listing for ever."""
    send(engine, make(1, 1, "Cup"))
    act(engine, Connection.execute, delete(listings))
    assert send(engine, make(1, 1, "Cup"))["L1"].case_id is None
    assert send(engine, make(1, 2, GOODS[0]))["L1"].case_id == 1
    act(engine, Connection.execute, update(cases).values(state="decided"))
    known = send(engine, make(1, 3, GOODS[1]))["L1"]
    assert (known.case_id, known.state) == (2, "open")


def score_copies(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Suspect copies only; the brand of what names none is read with the reasons."""
    made = [ScoredListing(one, 0.9 if "copy" in one.title else 0.01, 0.0, (), (), None, "m1") for one in submitted]
    usual = PriceRange("Acme", "EUR", 5.0, 10.0, 20.0)
    return [replace(one, price_range=usual) if explain else one for one in made]


def put(engine: Engine, kind: ListKind, seller: str, brand: str | None = None, until: datetime | None = None) -> None:
    """Put a seller on a list."""
    listed = ListedSeller(kind, seller, "a reason", "a letter", brand, (), until)
    act(engine, add_entry, listed, by="lea", now=NOON)


def submit(engine: Engine, seller: str, title: str = "Cup", brand: str | None = None, **at: datetime) -> KnownListing:
    """Submit a listing and return how it stands."""
    moment = at.get("now", NOON)
    one = Listing(f"{seller} {title}", seller, title, brand=brand, observed_at=moment)
    return take_in(engine, [Submission((one,))], as_model(score_copies), moment)[one.listing_id]


def test_what_denied_and_watched_sellers_offer_waits_for_people(engine: Engine):
    """Whatever its score, and not as drawn for others; what comes when the entry has ended does not."""
    later = NOON + timedelta(days=1)
    before = submit(engine, "ann", "Mug")
    put(engine, ListKind.DENIED, "ann", until=later)
    put(engine, ListKind.WATCHED, "cem", until=later)
    assert [submit(engine, seller).state for seller in ("ann", "cem", "ben")] == ["open", "open", None]
    with reading(engine) as connection:
        assert set(connection.execute(select(cases.c.lane, cases.c.sampling_probability))) == {("ranked", None)}
    after = submit(engine, "ann", "Mug", now=NOON + timedelta(hours=1))
    assert after.scored.score == before.scored.score  # a list is shown beside it
    assert ([str(one) for one in before.lists], [str(one) for one in after.lists]) == ([], ["denied"])
    assert [submit(engine, seller, "Hat", now=later).state for seller in ("ann", "cem")] == [None, None]


def test_a_brand_that_is_read_in_the_text_counts(engine: Engine):
    """Though listings are scored without reasons at first."""
    put(engine, ListKind.WATCHED, "ann", "Acme")
    put(engine, ListKind.AUTHORISED, "ben", "ACME")
    put(engine, ListKind.WATCHED, "cat", "Umbra")
    known = [submit(engine, seller) for seller in ("ann", "ben", "cat")]
    assert [one.state for one in known] == ["open", None, None]
    assert [list(map(str, one.lists)) for one in known] == [["watched for Acme"], ["authorised for ACME"], []]
    put(engine, ListKind.AUTHORISED, "dan", "Acme")
    for seller in ("dan", "eve"):  # what authorised sellers offer waits where its score asks for it, and comes last
        assert submit(engine, seller, "Bag, copy", "Acme").state == "open"
    with reading(engine) as connection:
        listed = browse_cases(connection, limit=9, parts=find_current_parts(connection, NOON))
    order = [case.scored.listing.seller_id for case in listed]
    assert order == ["ann", "eve", "dan"]


LATER = NOON + timedelta(days=1)
NUMBERS = count()


def score_complaints(submitted: Sequence[Listing], explain: bool, version: str = "m1") -> list[ScoredListing]:
    """Suspect sellers of whom somebody has complained."""
    return [ScoredListing(one, 0.6 if one.seller_complaints else 0.01, 0.0, (), (), None, version) for one in submitted]


def submit_all(engine: Engine, *listings: Listing) -> None:
    """Submit listings at noon."""
    take_in(engine, [Submission(listings)], as_model(score_complaints), NOON)


def complain(engine: Engine, seller_id: str, known_at: datetime, received_at: datetime | None = None) -> None:
    """Submit that somebody complained of a seller."""
    event = SellerEvent(f"e{next(NUMBERS)}", seller_id, "complained", known_at, known_at)
    act(engine, store_events, [event], received_at or known_at)


def rescore(engine: Engine, now: datetime = LATER, score: Score = score_complaints) -> int:
    """Score again what has changed, and return how many listings that were."""
    return rescore_changed(engine, as_model(score), now)


def bag(listing_id: str, seller_id: str = "ann", **fields: object) -> Listing:
    """Return a listing that was observed at noon."""
    return Listing(listing_id, seller_id, f"Bag {listing_id}", **{"observed_at": NOON, **fields})


def look_up(engine: Engine, listing_id: str) -> KnownListing:
    """Return what is known of a listing."""
    return ask(engine, find_known, [listing_id])[listing_id]


@on_both
def test_a_seller_of_whom_somebody_complains_is_looked_at_again(engine: Engine):
    """Once: their listings wait for people, with the history of now; those of others stay as they were."""
    submit_all(engine, bag("A"), bag("B", "ben"))
    complain(engine, "ann", LATER)
    assert [rescore(engine, LATER + timedelta(hours=hours)) for hours in (0, 0, 9)] == [1, 0, 0]
    one = look_up(engine, "A")
    assert (one.scored.listing.seller_complaints, one.scored.score, one.state) == (1.0, 0.6, "open")
    assert (one.received_at, one.scored.listing.observed_at) == (NOON, NOON)
    assert look_up(engine, "B").scored.score == 0.01


def test_what_was_known_already_changes_nothing(engine: Engine):
    """Also where the listing was observed long before it was submitted: then what happened in between is new."""
    complain(engine, "ann", NOON - timedelta(days=3))
    submit_all(engine, bag("A"), bag("B", observed_at=NOON - timedelta(days=9)))
    assert rescore(engine, NOON) == 1
    assert look_up(engine, "B").scored.listing.seller_complaints == 1.0


def test_an_event_counts_from_when_it_is_known(engine: Engine):
    """And not from when it is submitted, though others were submitted after it, or it came late."""
    complain(engine, "ann", LATER, received_at=NOON)
    complain(engine, "ann", NOON)
    submit_all(engine, bag("A"))
    assert [rescore(engine, moment) for moment in (NOON, LATER)] == [0, 1]
    assert look_up(engine, "A").scored.listing.seller_complaints == 2.0
    complain(engine, "ann", NOON - timedelta(days=2), received_at=LATER)
    assert rescore(engine) == 1


def test_an_event_that_comes_while_listings_are_scored_is_not_lost(engine: Engine):
    """Whether they are submitted or scored again."""

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        complain(engine, "ann", NOON)
        return score_complaints(submitted, explain)

    take_in(engine, [Submission((bag("A"),))], as_model(slow), NOON)
    assert [rescore(engine, score=once) for once in (slow, score_complaints, score_complaints)] == [1, 1, 0]


def test_what_a_listing_says_of_its_seller_stays(engine: Engine):
    """Only the fields that it left open are filled in anew."""
    submit_all(engine, bag("A", seller_complaints=0.0), bag("B", seller_sales=5.0))
    complain(engine, "ann", LATER)
    rescore(engine)
    own, other = look_up(engine, "A").scored.listing, look_up(engine, "B").scored.listing
    assert (own.seller_complaints, other.seller_complaints, other.seller_sales) == (0.0, 1.0, 5.0)


@on_both
def test_another_model_scores_all_on_offer_again(engine: Engine):
    """As do its successors; by their ids, wherever the rows lie."""
    submit_all(engine, bag("A"), bag("B"))
    submit_all(engine, bag("A", observed_at=LATER, price=9.0, currency="EUR"))
    orders: list[list[str]] = []

    def score(some: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        orders.append([one.listing_id for one in some])
        return score_complaints(some, explain, "m2")

    assert [rescore_changed(engine, as_model(score, "m2"), LATER) for _ in range(2)] == [2, 0]
    assert orders[0] == ["A", "B"]
    assert look_up(engine, "A").scored.model_version == "m2"


def test_what_is_gone_stays_as_it_is(engine: Engine):
    """Until it is seen again."""
    submit_all(engine, bag("A"))
    take_in(engine, [Submission((), (Withdrawal("A", NOON),))], as_model(score_complaints), NOON)
    complain(engine, "ann", LATER)
    assert rescore(engine) == 0
    take_in(engine, [Submission((bag("A", observed_at=LATER),))], as_model(score_complaints), LATER)
    assert look_up(engine, "A").scored.score == 0.6


def test_a_case_that_waits_takes_the_new_score(engine: Engine):
    """There is one case of a listing, and it says what is known."""
    complain(engine, "ann", NOON)
    submit_all(engine, bag("A"))
    complain(engine, "ann", LATER)
    rescore(engine)
    (case,) = ask(engine, Connection.execute, select(cases))
    assert (case.state, look_up(engine, "A").case_id) == ("open", case.case_id)
    assert '"seller_complaints":2.0' in case.snapshot


def test_what_was_found_genuine_comes_back_where_its_score_rises(engine: Engine):
    """As it would if it were submitted again; what was found counterfeit does not, nor was it seen on offer."""
    submit_all(engine, bag("A", seller_complaints=None), bag("B", observed_at=None))
    complain(engine, "ann", NOON)
    rescore(engine, NOON)
    for listing_id, verdict in (("A", Verdict.GENUINE), ("B", Verdict.COUNTERFEIT)):
        judge(engine, look_up(engine, listing_id).case_id, verdict, by="rea", now=NOON)
    complain(engine, "ann", LATER)
    assert rescore(engine, score=lambda *some: [replace(one, score=0.99) for one in score_complaints(*some)]) == 2
    assert [look_up(engine, key).state for key in ("A", "B")] == ["open", "decided"]
    assert set(ask(engine, Connection.scalars, select(cases.c.seen_at))) == {NOON}


def test_whoever_is_interrupted_goes_on_where_they_were(engine: Engine):
    """What is done is done, and nothing is done twice."""
    submit_all(engine, *(bag(f"L{n:02}") for n in range(12)))
    complain(engine, "ann", LATER)
    asked: Iterator[bool] = iter([False, False, True])  # before any is scored, and before each transaction
    done = [rescore_changed(engine, as_model(score_complaints), LATER, is_stopped=lambda: next(asked))]
    assert [*done, rescore(engine), rescore(engine)] == [10, 2, 0]


def test_what_is_submitted_meanwhile_is_not_overwritten(engine: Engine):
    """The listing is then scored with what is new of it."""
    submit_all(engine, bag("A"))
    complain(engine, "ann", LATER)

    def slow(submitted: Sequence[Listing], explain: bool) -> list[ScoredListing]:
        newer = bag("A", observed_at=LATER, price=9.0, currency="EUR")
        take_in(engine, [Submission((newer,))], as_model(score_complaints), LATER)
        return score_complaints(submitted, explain)

    assert rescore(engine, score=slow) == 0
    assert look_up(engine, "A").scored.listing.price == 9.0
