"""What is acted on without review, what never is, and what is known afterwards."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from support.acting_market import make_policy
from support.databases import on_both
from support.transactions import act, ask, read_rows

from ipml.enforcement.automation.automatic_decisions import act as act_automatically
from ipml.enforcement.policy import ListEnforcement
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.cases import get_case, history
from ipml.review.claims import claim, count_recent
from ipml.review.exports import export_labels
from ipml.review.quality.assessment import list_judgements
from ipml.review.queue_metrics import measure_hits, measure_paces
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.review.undo import UndoRequest, undo
from ipml.review.worklists.precedents import find_precedents
from ipml.settings import get_settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading
from ipml.storage.pseudonyms import pseudonym_of
from ipml.storage.tables import automatic_decisions, automatic_draws, promises, second_reviews

pytestmark = pytest.mark.slow


def test_what_is_not_drawn_is_acted_on_once_the_guarantee_is_shown(market):
    """With too little reviewed all is for people; then seven in ten go without review; a second run does nothing."""
    market.bring(20)
    assert market.act().decided == 0
    market.review(most=9)
    market.bring(5)
    assert market.act().decided == 0
    assert "must be reviewed" in market.standing().why
    market.review()
    market.bring(40)
    acted = market.act()
    assert acted.decided + acted.drawn == 40
    assert 4 <= acted.drawn <= 20
    assert (market.act().decided, market.last.drawn) == (0, 0)


def test_off_means_off(make_market):
    """A policy that does not say so acts on nothing and draws nothing."""
    market = make_market(is_on=False)
    market.bring(5)
    assert (market.act().decided, market.last.drawn) == (0, 0)


def test_the_decision_says_on_what_it_stands(market):
    """Its record names threshold, reviewed cases, errors, bound, guarantee and policy, and is marked as automatic."""
    market.qualify()
    market.bring(10)
    market.act()
    decision = market.read_decisions()[0]
    assert (decision.origin, decision.reviewer) == ("policy", f"policy:{market.policy.digest[:8]}")
    assert "Of 20 drawn cases scoring 0.9 or more 0 were not found counterfeit" in decision.note
    assert market.policy.digest in decision.note
    with reading(market.engine) as connection:
        stood_on = select(promises).join(automatic_decisions)
        event = connection.execute(stood_on.where(automatic_decisions.c.decision_id == decision.decision_id)).one()
        assert (event.event, event.reviews, event.errors) == ("given", 20, 0)
        assert event.bound >= 0.8
        assert verify(connection).is_intact
        noted = [row for row in history(connection, decision.case_id) if row.action == "decided"]
    assert noted[0].payload["origin"] == "policy"


def test_reviewers_cannot_tell_which_were_drawn(market):
    """Neither the case nor its history shows the draw; after a day a drawn case comes before those of a better rank."""
    market.bring(1, score=0.91)
    market.act()
    case = ask(market.engine, get_case, 1)
    assert (case.state, case.lane, case.due_at) == ("open", "ranked", None)
    assert [row.action for row in ask(market.engine, history, 1)] == ["enqueued"]
    market.bring(1, score=0.99)
    first = act(market.engine, claim, "ana", now=market.now)
    assert first.case_id == 2
    market.now += timedelta(days=1)
    assert act(market.engine, claim, "ben", now=market.now).case_id == 1


def test_what_is_excluded_stays_with_people(make_market):
    """Scores too low, other brands, categories excluded or unknown, sellers large, new or unknown."""
    market = make_market(excluded_categories=["toys"], most_seller_sales=1_000, least_seller_age_days=30)
    usual = {"category": "bags", "seller_sales": 5.0, "seller_age_days": 900.0}
    market.bring(20, **usual)
    market.act()
    market.review()
    market.bring(2, score=0.89, **usual)
    no_use = {"brand": ["Umbra"], "category": ["toys", None], "seller_sales": [1_001.0, None]}
    for name, values in (no_use | {"seller_age_days": [3.0, None]}).items():
        for value in values:
            market.bring(2, **(usual | {name: value}))
    acted = market.act()
    assert (acted.decided, acted.drawn) == (0, 0)
    assert acted.left == {"its category is for people": 4, "its seller sells much": 4, "its seller is new": 4}


@pytest.mark.slow
def test_no_more_is_done_in_a_day_than_the_policy_says(make_market):
    """Of twenty listings three are acted on, three more a day later."""
    market = make_market(most_a_day=3)
    market.qualify()
    market.bring(20)
    assert (market.act().decided, market.act().decided) == (3, 0)
    market.now += timedelta(days=1)
    assert market.act().decided == 3


def test_a_seller_is_excluded_by_pseudonym(make_market):
    """The policy names no seller in the clear."""
    market = make_market()
    market.qualify()
    pseudonym = act(market.engine, pseudonym_of, "s20")
    market.policy = make_policy(excluded_sellers=[pseudonym])
    market.bring(1)
    assert market.act().left == {"its seller is for people": 1}


@pytest.mark.slow
def test_a_waiting_listing_is_acted_on_when_its_time_has_come(make_market):
    """What came in too lately is left, and acted on later, but not after ten days."""
    market = make_market(wait_hours=24)
    market.bring(20)
    market.now += timedelta(hours=24)
    market.act()
    market.review()
    market.bring(10)
    assert (market.act().decided, market.last.drawn) == (0, 0)
    market.now += timedelta(hours=24)
    assert market.act().decided > 0
    market.bring(10)
    market.now += timedelta(days=10)
    assert (market.act().decided, market.last.drawn) == (0, 0)


def test_a_rule_for_two_persons_is_not_gone_around(market, monkeypatch):
    """Where a verdict needs a second person, the policy is none of the two."""
    market.qualify()
    monkeypatch.setenv("IPML_SECOND_PERSON", '[{"verdict": "counterfeit", "least_price": 5, "currency": "EUR"}]')
    get_settings.cache_clear()
    try:
        market.bring(5)
        assert (market.act().decided, sum(market.last.left.values())) == (0, 5)
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()


def test_what_somebody_holds_or_acquitted_is_left_to_people(market):
    """Nothing is decided over the reviewer's head, nor against one who found the listing genuine before."""
    market.qualify()
    market.bring(1)
    act(market.engine, claim, "ana", 21, now=market.now + timedelta(minutes=59))
    assert market.act().left == {"somebody is at it": 1}
    listing = Listing("A7", "s1", "Bag", brand="Acme", price=10.0, currency="EUR")
    for title in ("Bag", "Bag, edited"):
        seen = Listing("A7", "s1", title, brand="Acme", price=10.0, currency="EUR")
        enqueue(market.engine, [ScoredListing(seen, 0.95, None, (), (), None, "m1")], now=market.now)
        if title == listing.title:
            market.decide([22], Verdict.GENUINE)
    assert market.act().left["a person found it genuine before"] == 1


def test_drawn_cases_vouch_for_those_that_came_with_them(make_market):
    """Listings are acted on when the drawn ones of their time have been looked at and were right, and not before."""
    market = make_market(vouching=3)
    market.qualify()
    market.bring(20)
    assert market.act().decided == 0
    assert market.review() >= 3
    assert market.act().decided > 0
    market.bring(20)
    market.act()
    market.review(Verdict.GENUINE, most=1)
    assert market.review() >= 1
    assert market.act().decided == 0


def test_a_decision_given_back_is_not_made_again(market):
    """Once a person has taken the policy's decision back, the case is for people."""
    market.qualify()
    market.bring(10)
    decided = market.act().decided
    undone = market.read_decisions()[0]
    act(market.engine, undo, undone.decision_id, UndoRequest("lead", may_undo_others=True), now=market.now)
    assert (market.act().decided, len(market.read_decisions())) == (0, decided)
    assert ask(market.engine, get_case, undone.case_id).state == "open"


def test_the_policy_teaches_nobody(market):
    """Its decisions are no labels, judgements, precedents, hits of the order or turns, and nobody's pace."""
    market.qualify()
    market.bring(10)
    decided = market.act().decided
    assert decided > 0
    with reading(market.engine) as connection:
        assert len(list(export_labels(connection))) == 20
        assert {pace.reviewer for pace in measure_paces(connection, now=market.now)} == {"ana"}
        assert sum(hits.judged for hits in measure_hits(connection)) == 20
        precedents = find_precedents(connection, get_case(connection, 1), 99)[Verdict.COUNTERFEIT]
    assert {one.decision.reviewer for one in precedents} == {"ana"}
    with reading(market.engine) as connection:
        assert {one.reviewer for one in list_judgements(connection)} == {"ana"}
        assert count_recent(connection, 0.05, market.now)[0] == 20
        names = {name for row in connection.execute(select(second_reviews)) for name in (row.wanted_of, row.not_by)}
        assert not any(str(name).startswith("policy") for name in names)


def test_the_scores_of_another_model_start_anew(market):
    """What was shown for one model's scores says nothing of the next one's."""
    market.qualify()
    market.act()
    scored = [
        ScoredListing(Listing(f"N{n}", f"n{n}", "Bag", brand="Acme"), 0.95, None, (), (), None, "m2") for n in range(9)
    ]
    enqueue(market.engine, scored, now=market.now)
    assert (market.act().decided, market.last.drawn, market.standing().count.n) == (0, 9, 0)


class Following:
    """Hears of each decision in turn, and fails at one of them."""

    def __init__(self, fails_at=None):
        self.heard, self.fails_at = [], fails_at

    def apply_decisions(self, batch, made, origin):
        """Hear of decisions that were made together."""
        for case, decision in made:
            self.heard.append((case.case_id, decision.verdict, decision.ground, origin))
            if len(self.heard) == self.fails_at:
                raise KeyboardInterrupt

    def apply_reversal(self, connection, reversal):
        """Do nothing."""


def test_consequences_follow_as_after_a_person(market):
    """Whoever bound the database hears of each decision that it was a policy's."""
    following = Following()
    market.qualify()
    market.bring(5)
    acted = act_automatically(market.engine, market.policy, get_settings(), market.now, actions=following)
    assert len(following.heard) == acted.decided > 0
    assert {one[1:] for one in following.heard} == {(Verdict.COUNTERFEIT, "price_and_seller", "policy")}


@on_both
def test_a_stopped_run_leaves_whole_decisions_and_goes_on(market):
    """Decisions of one transaction stand or fall together; those before stay, and the next run does the rest."""
    market.qualify()
    market.bring(30)
    market.now += timedelta(hours=1)
    options = (market.engine, market.policy, get_settings(), market.now)
    for fails_at, kept in ((1, 0), (11, 10)):  # the first transaction has ten
        with pytest.raises(KeyboardInterrupt):
            act_automatically(*options, actions=Following(fails_at))
        assert len(market.read_decisions()) == kept
        assert len(read_rows(market.engine, select(automatic_decisions))) == kept
    market.act()
    with reading(market.engine) as connection:
        drawn = len(connection.execute(select(automatic_draws)).all()) - 20
        kept = len(connection.execute(select(automatic_decisions)).all())
    assert kept == len(market.read_decisions()) == 30 - drawn


def test_a_seller_on_a_list_is_for_people(market):
    """An authorised seller's listings of the brand, and all of a watched one, until the entry has expired."""
    market.qualify()
    entries = (("authorised", "Acme"), ("authorised", "Umbra"), ("authorised", None), ("watched", None))
    for place, (kind, brand) in enumerate(entries):
        put_on_list(market, kind, brand, place=place)
    put_on_list(market, "watched", None, until=market.now + timedelta(minutes=30), place=len(entries))
    market.bring(len(entries) + 1)
    acted = market.act()
    assert acted.decided + acted.drawn == 2
    assert acted.left == {"its seller is authorised": 2, "its seller is watched": 1}


def test_a_denied_seller_is_for_people_unless_the_policy_says_otherwise(market):
    """By default nothing is done without a person; as promised, as much as for any other, and only once it is."""
    bundled = market.policy
    as_promised = bundled.model_copy(update={"lists": ListEnforcement(denied="as promised")})
    market.policy = as_promised
    put_on_list(market, "denied", None)
    market.bring(1)
    assert market.act().decided == 0
    market.review()
    market.qualify()
    put_on_list(market, "denied", None)
    market.bring(1)
    market.policy = bundled
    assert market.act().left == {"its seller is denied": 1}
    market.policy = as_promised
    acted = market.act()
    assert (acted.decided + acted.drawn, acted.left) == (1, {})


def put_on_list(market, kind, brand, until=None, place=0):
    """Put the seller whose listing comes next, or so many after it, on a list."""
    listed = ListedSeller(ListKind(kind), f"s{market.n_listings + place}", "a reason", "a letter", brand, (), until)
    act(market.engine, add_entry, listed, by="lea", now=market.now)
