"""What ipml itself recorded of a seller counts in the seller's history, from when it was known, and once."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random

from sqlalchemy import Connection, Engine, func, select
from support.actions import COOPERATING, COOPERATION
from support.databases import on_both
from support.given_notices import POLICY, complain
from support.reviewing import as_model, judge
from support.transactions import act, ask

from ipml.cooperation.notices.intake import match_notices, receive
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review.arrivals.marketplace import Submission, find_known, rescore_changed, take_in
from ipml.review.sellers.seller_history import SellerEvent, add_histories, store_events
from ipml.review.sellers.seller_record import RECORDED
from ipml.review.undo import UndoRequest, undo
from ipml.storage.pseudonyms import digest_listing, find_pseudonym
from ipml.storage.tables import cases, notice_items, notices, seller_events, strikes, strikes_taken_back

NOON, LATE = datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
GOODS = ("Silver ring", "Wool hat", "Garden chair", "Phone case")
STEPS = ("offer", "complain", "judge", "submit") * 2 + ("find", "reverse")


def score(some: Sequence[Listing], explain: bool) -> list[ScoredListing]:
    """Let all wait for people but phone cases."""
    return [ScoredListing(one, 0.6 if one.title in GOODS[:3] else 0.1, 0.0, (), (), None, "m1") for one in some]


def recount(connection: Connection, seller: str, moment: datetime) -> list[float]:
    """Count the complaints and strikes of a seller that were known at a moment, row by row."""
    whose = find_pseudonym(connection, seller) or "nobody"
    reversed_at = dict(connection.execute(select(strikes_taken_back.c.strike_id, strikes_taken_back.c.at)).all())
    of_case = select(strikes, cases.c.listing_id).join(cases, cases.c.case_id == strikes.c.case_id)
    struck = [
        digest_listing(row.listing_id)
        for row in connection.execute(of_case.where(strikes.c.pseudonym == whose))
        if row.struck_at <= moment and not reversed_at.get(row.strike_id, LATE) <= moment
    ]
    said = select(notice_items, notices.c.notifier_id).join(notices, notices.c.notice_id == notice_items.c.notice_id)
    said = said.where(notice_items.c.pseudonym == whose, notices.c.kind == "complaint")
    known = [row for row in connection.execute(said) if (row.joined_at or row.noted_at) <= moment]
    complained = [digest for _, digest in {(row.notifier_id, row.listing_digest) for row in known}]
    counted = []
    for kind, on_record in zip(RECORDED, (complained, struck), strict=True):
        query = select(seller_events).where(seller_events.c.seller_id == seller, seller_events.c.kind == kind)
        sent = [row.listing_id for row in connection.execute(query) if row.known_at <= moment]
        apart = [one for one in sent if one is not None and digest_listing(one) not in on_record]
        counted.append(float(len(apart) + max(len(on_record), len(sent) - len(apart))))
    return counted


def read(listing: Listing) -> list[float]:
    """Return the complaints and strikes that a listing has, 0 where nothing is known."""
    return [getattr(listing, name) or 0.0 for name in RECORDED.values()]


def step(engine: Engine, draw: Random, name: str, now: datetime) -> None:
    """Let something happen to one of four listings of two sellers, if it can."""
    place, kind = draw.randrange(4), draw.choice(STEPS)
    listing_id, seller = f"{name}-{place}", f"{name}-{place % 2}"
    known = ask(engine, find_known, [listing_id]).get(listing_id)
    if kind == "offer":
        seen_at = now - timedelta(hours=draw.randrange(4), microseconds=1)
        sent = Submission((Listing(listing_id, seller, GOODS[place], observed_at=seen_at),))
        scored = take_in(engine, [sent], as_model(score), now)[listing_id].scored.listing
        assert scored.observed_at != seen_at or read(scored) == ask(engine, recount, seller, seen_at)
    elif kind == "complain":
        act(engine, receive, complain(listing_id, f"{name}{draw.randrange(4)}", key=str(now)), POLICY, now=now)
    elif kind == "find":
        match_notices(engine, POLICY, now=now)
    elif kind == "judge" and known is not None and known.state == "open":
        judge(engine, known.case_id, Verdict.COUNTERFEIT, now=now, actions=COOPERATION)
    elif kind == "reverse" and known is not None and known.verdict is Verdict.COUNTERFEIT:
        newest = select(func.max(strikes.c.decision_id)).where(strikes.c.case_id == known.case_id)
        decision_id = ask(engine, Connection.scalar, newest)
        request = UndoRequest("cleo", "a mistake", may_undo_others=True)
        act(engine, undo, decision_id, request, now=now, context=COOPERATING)
    elif kind == "submit":
        named = draw.choice((None, listing_id, f"{name}-elsewhere"))
        event = SellerEvent(f"{name} {now}", seller, draw.choice(tuple(RECORDED)), now, now, None, named)
        act(engine, store_events, [event], now)


@on_both
def test_history_is_a_recount_of_what_was_known(engine: Engine) -> None:
    """At any moment, asked then or later; the listings on offer are scored with it again, and then never once more."""
    for seed in range(2):
        draw, now, past = Random(seed), NOON, dict[tuple[str, datetime], Sequence[float]]()
        for _ in range(20):
            now += timedelta(hours=1)
            step(engine, draw, f"s{seed}", now)
            for seller in (f"s{seed}-0", f"s{seed}-1"):
                past[seller, now] = ask(engine, recount, seller, now)
        asked = [Listing("", seller, "", observed_at=moment) for seller, moment in past]
        assert list(map(read, ask(engine, add_histories, asked, now))) == list(past.values())
        rescore_changed(engine, as_model(score), now)
        for known in ask(engine, find_known, [f"s{seed}-{place}" for place in range(4)]).values():
            assert read(known.scored.listing) == past[known.scored.listing.seller_id, now]
        assert rescore_changed(engine, as_model(score), now) == 0
        assert sum(map(sum, past.values())) > 0
