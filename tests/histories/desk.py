"""The desk as people and programs use it: one function for each thing they do, at a moment."""

from contextlib import suppress
from datetime import UTC, datetime

from sqlalchemy import select
from support.given_notices import WORDS, say
from support.transactions import act, ask

from ipml.cooperation.actions import Cooperation
from ipml.cooperation.notices import intake
from ipml.cooperation.notices.outcomes import run_notice_deadlines
from ipml.cooperation.policy import load_cooperation_policy
from ipml.enforcement import actions
from ipml.enforcement.appeals import filings, resolution
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.errors import IpmlError
from ipml.records import Listing, ScoredListing, Verdict
from ipml.review import group_decisions, undo
from ipml.review.arrivals.marketplace import Submission, take_in
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.claims import claim, release
from ipml.review.corrections import NearDuplicates
from ipml.review.decisions import DecisionRequest
from ipml.review.decisions import decide as decide_case
from ipml.review.group_decisions import BulkRequest
from ipml.review.reversals import ReviewContext
from ipml.settings import DEFAULT_SETTINGS, SecondPersonRule
from ipml.storage.audit_trail.audit import change_rows
from ipml.storage.database import reading
from ipml.storage.tables import decisions, outbox

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
GOODS = [
    ("Leather bag, brown, vintage buckle", 80, "Acme"),
    ("Steel chronograph, sapphire glass", 900, "Nord"),
    ("Running shoes, white mesh, size 42", 80, None),
    ("Silk scarf with printed flowers", 120, "Acme"),
]
SETTINGS = DEFAULT_SETTINGS.model_copy(
    update=dict.fromkeys(("spread_audit_share", "control_share", "repeat_share", "audit_share"), 0.0)
    | {"second_person": (SecondPersonRule(least_price=500, currency="EUR"),)}
)


def make_policy():
    """Return a policy by which some measures end, and some listings expire within a history."""
    usual = load_enforcement_policy().model_dump()
    usual["measures"] |= {"rules": [{"kind": "pause", "days": 14, "grounds": ["wrong_features"]}]}
    usual["retention"] |= {"counterfeit_listings": 600}
    return EnforcementPolicy.model_validate(usual)


POLICY, RULES = make_policy(), load_cooperation_policy()
FOLLOW = Cooperation(POLICY, RULES)
APPEALS = AppealContext(POLICY, FOLLOW)
CONTEXT = ReviewContext(SETTINGS, FOLLOW)


def score_of(listing_id):
    """Return the score of a listing; the model overlooks every fifth."""
    return 0.9 if int(listing_id[1:]) % 5 else 0.2


def score(some, *_):
    """Score listings."""
    return [ScoredListing(one, score_of(one.listing_id), 1.0, (), (), None, "m1") for one in some]


def submit(engine, now, offer):
    """Submit a listing."""
    fields = {"description": offer.text, "brand": offer.brand, "price": float(offer.price), "currency": "EUR"}
    seen = {
        "country": "DE" if int(offer.listing[1:]) % 3 else "CN",
        "listing_sales": offer.sold,
        "url": f"https://shop.test/{offer.listing}",
    }
    listing = Listing(offer.listing, offer.seller, offer.goods, **fields, **seen, observed_at=now)
    take_in(engine, [Submission((listing,))], IntakeModel("m1", score), now)


def decide(engine, now, number, by, verdict, ground, key=None, *, change=decide_case, alike=()):
    """Open a case and decide it; one that stays as it was is given back."""
    taken = act(engine, claim, by, number, settings=SETTINGS, now=now)
    if taken is None:
        return None
    request = DecisionRequest(taken, Verdict(verdict), ground, key=key)
    try:
        return act(engine, change, request, *alike, now=now, context=CONTEXT)
    finally:
        with suppress(IpmlError):
            act(engine, release, taken, now=now)


def spread(engine, now, number, by, verdict, ground):
    """Decide a case and its near-duplicates; return the cases that were reached."""
    alike = [one.case_id for one in ask(engine, group_decisions.preview_spread, number, by, now=now).cases]
    spreading = {"change": group_decisions.decide_and_spread, "alike": [alike]}
    made = decide(engine, now, number, by, verdict, ground, **spreading)
    return [one.case_id for one in made.decisions] if made else []


def decide_together(engine, now, numbers, by, verdict, ground):
    """Decide cases in bulk."""
    request = BulkRequest(numbers, by, Verdict(verdict), ground)
    seen = ask(engine, group_decisions.preview_bulk, request, now=now, settings=SETTINGS)
    act(engine, group_decisions.decide_bulk, request, token=seen.digest, now=now, context=CONTEXT)


def take_back(engine, now, number, with_group=False):
    """Take a decision back as a lead, or all that were made with it."""
    said = {"may_undo_others": True, "why": "wrong", "now": now, "context": CONTEXT}
    if not with_group:
        return act(engine, undo.undo, number, "lea", **said)
    with reading(engine) as connection:
        group = connection.scalar(select(decisions.c.group_key).where(decisions.c.decision_id == number))
    return act(engine, undo.undo_group, group, "lea", **said)


def order(engine, now, how, number, kind, until):
    """Impose a measure on a case, or change or lift one, as a lead."""
    lead, wanted = actions.ActingLead("lea", POLICY, now), MeasureOrder(MeasureKind(kind), f"so, {now}", until=until)
    if how == "lift":
        return act(engine, actions.lift_measure, number, f"no, {now}", lead)
    return act(engine, actions.impose_measure if how == "impose" else actions.change_measure, number, wanted, lead)


def penalise(engine, now, how, number):
    """Confirm or lift a penalty, as a lead."""
    change = actions.confirm_penalty if how == "confirm" else actions.lift_penalty
    act(engine, change, number, "so", actions.ActingLead("lea", POLICY, now))


def appeal(engine, now, about, seller, kind="complaint"):
    """Appeal; return how the appeal stands."""
    request = filings.AppealRequest(about, seller, "It is genuine.", kind)
    return act(engine, filings.file_appeal, request, POLICY.appeals, now=now).state.value


def speak(engine, now, who, number):
    """Sue or give up as the rights holder who "acts" or "gives up"; else give an appeal up as the seller."""
    if who == "acts":
        return act(engine, resolution.holder_acted, number, "docket", "lea", now=now)
    if who == "gives up":
        return act(engine, resolution.holder_withdrew, number, "lea", APPEALS, now=now)
    return act(engine, filings.withdraw_appeal, number, who, POLICY.appeals, now=now)


def answer(engine, now, number, by, outcome, kind, alike):
    """Decide an appeal."""
    decision = resolution.AppealDecision(outcome, by, "So.", kind and MeasureKind(kind), NearDuplicates(alike))
    act(engine, resolution.decide_appeal, number, decision, APPEALS, now=now)


def give_notice(engine, now, by, brand, places):
    """Give notice of listings, by id or address."""
    named = [{"url" if place.startswith("https") else "listing_id": place} for place in places]
    why = f"{WORDS} {now} {'again ' * 20}"
    notice = say(listings=named, email=f"{by}@brand.test", brand=brand, explanation=why)
    act(engine, intake.receive, notice, policy=RULES, now=now)


def match(engine, now):
    """Look for what nobody knew when notice was given."""
    intake.match_notices(engine, policy=RULES, now=now)


def run_jobs(engine, now):
    """Run what the worker runs."""
    actions.end_due(engine, POLICY, now=now)
    run_notice_deadlines(engine, policy=RULES, now=now)
    resolution.run_appeal_deadlines(engine, APPEALS, now=now)


def deliver(engine, now):
    """Let messages arrive that may be sent by now."""
    due = outbox.c.state == "waiting", outbox.c.next_try_at <= now
    arrive = outbox.update().where(*due).values(state="delivered", settled_at=now, attempts=1)
    act(engine, change_rows, arrive, "ipml", "delivered", at=now)
