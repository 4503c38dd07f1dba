"""Whatever arrives is compared with what was found counterfeit, at any score and by any way."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from random import Random

import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import as_model, judge, tell_place
from support.transactions import act, ask, check_sound

from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import IntakeSelection, enqueue, enqueue_batch
from ipml.review.arrivals.marketplace import Submission, find_known, take_in
from ipml.review.cases import find_case, read_cases
from ipml.review.claims import claim
from ipml.review.near_duplicates.confirmed import remember_all
from ipml.review.near_duplicates.relistings import (
    explain_match,
    find_relistings,
    find_stored_matches,
    measure_matches,
)
from ipml.review.near_duplicates.title_bands import make_title_bands
from ipml.review.ranking.policy import IntakeRule, MatchKind, Usual, load_policy
from ipml.review.ranking.queue_order import QueueOrder, QueueRanking, choose_ranking
from ipml.review.undo import UndoRequest, undo
from ipml.storage.tables import bands, cases

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = load_policy().model_copy(update={"intake": IntakeRule(sampling_probability=0)})
GOODS = (
    *("Leather wallet brown with coin pocket", "Steel watch automatic blue dial", "Silk scarf floral print large"),
    *("Running shoes mesh grey size 42", "Noise cancelling headphones black"),
)
CYRILLIC, LEET = str.maketrans("aeopc", "\u0430\u0435\u043e\u0440\u0441"), str.maketrans("aeios", "43105")
WAITING = select(cases).where(cases.c.state == "open", cases.c.match_kind.is_not(None))
DISGUISES = (
    *(str.upper, "\u200b".join, lambda title: title.translate(CYRILLIC), lambda title: title.translate(LEET)),
    lambda title: title.translate({letter: letter + 0xFEE0 for letter in range(0x21, 0x7F)}),
    lambda title: title.replace(longest := max(title.split(), key=len), ".".join(longest)),
    lambda title: f"\u2605 <b>{title.replace(' ', '</b> - <i>')}</i> &#33;!!",
)


@pytest.fixture
def desk(engine: Engine) -> Engine:
    """Return an empty queue into which nothing comes by chance."""
    act(engine, choose_ranking, QueueRanking(None, QueueOrder.SCORE, POLICY, Usual()), now=NOON, actor="lea")
    return engine


def offer(number: int, title: str, seller: str = "ann", price: float = 40.0, currency: str = "EUR", **said) -> Listing:
    """Return a listing."""
    return Listing(f"L{number}", seller, title, price=price, currency=currency, observed_at=NOON, **said)


def put(desk: Engine, listing: Listing, score: float = 0.9) -> int | None:
    """Put a listing into the queue for its score, and return its case."""
    enqueue(desk, [ScoredListing(listing, score, None, (), (), None, "m1")], now=NOON)
    return find_case_of(desk, listing)


def find_case_of(desk: Engine, listing: Listing) -> int | None:
    """Return the case of a listing."""
    query = select(func.max(cases.c.case_id)).where(cases.c.listing_id == listing.listing_id)
    return ask(desk, lambda connection: connection.scalar(query))


def confirm(desk: Engine, listing: Listing) -> int:
    """Have a listing found counterfeit, and return the decision."""
    return judge(desk, put(desk, listing), Verdict.COUNTERFEIT, now=NOON).decision_id


def take_back(desk: Engine, decision: int) -> None:
    """Have a lead take a decision back."""
    act(desk, undo, decision, UndoRequest("lea", may_undo_others=True), now=NOON)


def suspect_nobody(some, _explain: bool) -> list[ScoredListing]:
    """Score all 0."""
    return [ScoredListing(one, 0.0, -9.0, (), (), None, "m1") for one in some]


def arrive(desk: Engine, listing: Listing, by_file: bool = False) -> int | None:
    """Have an unsuspicious listing arrive, submitted or in a file, and return its case."""
    if by_file:
        file = suspect_nobody([listing, offer(10_000, "Nothing like it at all, whoever sells")], False)
        enqueue_batch(desk, lambda: file, IntakeSelection(min_score=0.5, explore=0), now=NOON)
    else:
        take_in(desk, [Submission((listing,))], as_model(suspect_nobody), NOON)
    return find_case_of(desk, listing)


@on_both
def test_what_is_like_a_standing_counterfeit_becomes_a_case_at_any_score(desk: Engine):
    """In any disguise, order of words and currency; nothing else does, nor once the verdict was taken back.

    Cases that wait lose their match with the last verdict that bears it, and their place in the queue with it.
    """
    random, numbers, outcomes, matched = Random(20260301), count(1), set(), {}
    standing: dict[str, dict[int, int]] = {title: {} for title in GOODS}
    for _ in range(80):
        title, seller, step = random.choice(GOODS), random.choice("abc"), random.random()
        kind = str(GOODS.index(title))
        if step < 0.15:
            decision = confirm(desk, listing := offer(next(numbers), title, seller, category=kind))
            standing[title][decision] = find_case_of(desk, listing)
        elif step < 0.35 and standing[title]:
            take_back(desk, decision := random.choice(list(standing[title])))
            del standing[title][decision]
        else:
            disguised = random.choice(DISGUISES)(" ".join(random.sample(words := title.split(), len(words))))
            price = random.choice([(40.0, "EUR"), (43.0, "USD")])
            listing = offer(next(numbers), disguised, seller, *price, category=kind)
            case_id = arrive(desk, listing, by_file=random.random() < 0.3)
            assert (case_id is not None) == bool(standing[title]), disguised
            outcomes.add(case_id is not None)
            if case_id is not None:
                case = ask(desk, find_case, case_id)
                assert (case.score, case.relisting_of in standing[title].values()) == (0.0, True)
        waiting = {case.case_id: case for case in ask(desk, read_cases, WAITING)}
        before, matched = matched, ask(desk, find_stored_matches, waiting)
        for number, case in waiting.items():
            bearing = standing[GOODS[int(case.category)]].values()
            assert matched[number].case_id in bearing if number in matched else case.relisting_of not in bearing
            assert number in matched or not (number in before and bearing), "another bears it"
            assert case.score or (case.rank < 0) == (number in matched)
    assert outcomes == {True, False}
    ask(desk, check_sound)


def test_words_added_or_left_out_hide_little(desk: Engine):
    """Three in four of such titles are found where the price is no higher; a dearer one is not taken for a copy."""
    goods = [f"{one} {two} with zip {one[::-1]} strap {two[::-1]}" for one in GOODS for two in ("canvas", "suede")]
    numbers = count(1)
    for title in goods:
        confirm(desk, offer(next(numbers), title))
    changed = [(f"New {title} gift for men", title.upper() + " boxed free fast shipping 2026") for title in goods]
    some = [offer(next(numbers), title, "ben") for titles in changed for title in titles]
    some += [offer(next(numbers), " ".join(title.split()[:7]), "ben") for title in goods]
    found = ask(desk, find_relistings, some, POLICY)
    assert {one.kind for one in found.values()} <= {MatchKind.PART, MatchKind.PRICE}
    assert sum(one.makes_case for one in found.values()) >= 0.75 * len(some)
    dearer = [replace(one, price=60.0) for one in some]
    assert not any(one.makes_case for one in ask(desk, find_relistings, dearer, POLICY).values())


def test_a_catalogue_title_alone_makes_no_case(desk: Engine):
    """Nor do a dearer listing of another seller, other goods, and words that many goods have; a picture does."""
    confirm(desk, replace(offer(1, GOODS[0]), image_hash="f00d"))
    confirm(desk, offer(2, "Bag"))
    others = (GOODS[0], "ben", 60.0), (GOODS[0], "ben", 40.0, "XAU"), ("Leather wallet for cards",), ("Bag", "ben")
    assert [arrive(desk, offer(number, *said)) for number, said in enumerate(others, 3)] == [None] * 4
    assert arrive(desk, replace(offer(7, "For you", "ben", 90.0), image_hash="f00d"))
    assert arrive(desk, offer(8, GOODS[0], "ann", 600.0))  # its own seller


def test_a_kind_of_match_that_people_find_wrong_makes_no_cases(desk: Engine):
    """Sellers count once each: one cannot end a kind of match; and the case says how often it is right."""
    confirm(desk, offer(1, GOODS[0]))
    numbers = count(2)

    def ends_after(*sellers: str) -> int:
        """Return how many listings of some sellers, one after another, were cases and found genuine."""
        for looked_at, seller in enumerate(sellers):
            if (case_id := arrive(desk, offer(next(numbers), GOODS[0], seller))) is None:
                return looked_at
            judge(desk, case_id, Verdict.GENUINE, now=NOON)
        return len(sellers)

    assert ends_after(*["bob"] * 9) == 4
    case = ask(desk, find_case, 2)
    assert "people found 0 of 1 counterfeit" in ask(desk, explain_match, case, POLICY.relistings)
    assert ends_after(*map(str, range(9))) == 2
    assert ask(desk, measure_matches, POLICY.relistings).of_kind(MatchKind.SELLER) == POLICY.relistings.seller
    assert arrive(desk, offer(next(numbers), GOODS[0], "ann"))


def test_a_match_ranks_by_its_precision_and_hides_behind_nobody(desk: Engine):
    """It comes before what is less likely, whatever its score; its own copies wait for it, and the answer says so."""
    put(desk, offer(1, GOODS[0]), 0.1)
    confirm(desk, offer(2, GOODS[0], "ben"))
    put(desk, offer(3, GOODS[1], "cat"), 0.3)
    first, second = (arrive(desk, offer(number, GOODS[0])) for number in (4, 5))
    assert [ask(desk, find_case, number).exemplar for number in (first, second)] == [None, first]
    assert "as if its score were 50 %: so often is such a match right" in ask(desk, tell_place, first, NOON)
    assert act(desk, claim, "ana", now=NOON).case_id == first
    match = ask(desk, find_known, ["L4"], NOON)["L4"].match
    assert (match.case_id, match.kind, match.precision) == (2, MatchKind.PRICE, 0.5)


def test_what_was_overturned_takes_no_room(desk: Engine):
    """However many verdicts on a title were taken back, the next is remembered; so are all, where none was before."""
    for number in range(32):
        take_back(desk, confirm(desk, offer(number, GOODS[0], f"s{number}")))
    confirm(desk, last := offer(33, GOODS[0]))
    for empties in (False, True):
        if empties:
            act(desk, lambda connection: connection.execute(bands.delete()))
            assert ask(desk, find_relistings, [last], POLICY) == {}
            assert remember_all(desk) == 1
        assert ask(desk, find_relistings, [last], POLICY)["L33"].case_id == find_case_of(desk, last)


def test_bands_of_titles_stay_what_they_are():
    """They are kept in databases."""
    numbers = make_title_bands(GOODS[0], "ann", is_kept=True)
    assert (len(numbers), min(numbers), max(numbers)) == (18, 253572550502046232, 8854944759973794741)
    assert set(make_title_bands(GOODS[0], "ann", is_kept=False)) < set(numbers)
    assert {make_title_bands(title, "a", is_kept=True) for title in ("", "!?", "\u231a")} == {()}
