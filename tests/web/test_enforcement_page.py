"""What follows from decisions, on the page: seen before and after, changed by leads, appealed against and decided."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select
from support.consequences import COOPERATION
from support.staff import CHEAP, PASSWORD

from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.evidence.verify import check_package
from ipml.enforcement.penalties.ladder import find_penalties
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.takedown.measures import find_measures
from ipml.records import ScoredListing, Verdict
from ipml.review import queue
from ipml.review.quality.second_person import add_own_seller
from ipml.storage import tables
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.web.accounts.permissions import Role
from ipml.web.accounts.users import add_user

pytestmark = pytest.mark.slow

GROUND = "declared_replica"


@pytest.fixture
def bound(app: FastAPI) -> Engine:
    """Return the database as the page has it: decisions have consequences."""
    engine: Engine = app.state.engine
    return engine


@pytest.fixture
def lea(visitor: Callable[..., TestClient]) -> TestClient:
    """Return a lead's browser."""
    return visitor("lea")


def decide(engine: Engine, case_id: int, by: str = "ana", verdict: Verdict = Verdict.COUNTERFEIT) -> None:
    """Decide a case."""
    with writing(engine) as connection:
        claim = queue.claim(connection, by, case_id)
    assert claim
    with writing(engine) as connection:
        queue.decide(
            connection,
            claim,
            verdict,
            ground=GROUND if verdict is Verdict.COUNTERFEIT else "",
            consequences=COOPERATION,
        )


def plain(html: str) -> str:
    """Return what can be read of a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def kinds_of(engine: Engine, case_id: int = 1) -> list[tuple[str, bool]]:
    """Return kind of each measure on a case, and whether it stands, the newest first."""
    with reading(engine) as connection:
        return [(one.kind.value, one.stands) for one in find_measures(connection, case_id=case_id)]


def letters(engine: Engine) -> list[str]:
    """Return the kinds of the letters to sellers, in order."""
    query = select(tables.outbox.c.kind).where(tables.outbox.c.channel == "seller")
    with reading(engine) as connection:
        return list(connection.scalars(query.order_by(tables.outbox.c.message_id)))


def test_before_the_verdict_it_is_said_what_it_would_do(ana: TestClient) -> None:
    """Measure, strikes, penalty and letter are there to be read by whoever may decide, and by nobody else."""
    text = plain(ana.get("/cases/1").text)
    for told in (
        "If counterfeit: consequences",
        "Remove, the standard measure",
        "Weight of strikes: 0.00 now, at most 1.50 after.",
        "Automatic penalty: warning.",
        "Notice to seller, draft",
        "„ AAA quality Vellmar tote bag 1:1 mirror",  # in German, as the listing is
    ):
        assert told in text


def test_who_may_not_decide_sees_no_outlook(visitor: Callable[..., TestClient]) -> None:
    """A viewer is not told what a verdict of theirs would do."""
    assert "consequences" not in visitor("vic").get("/cases/1").text


def test_after_the_verdict_all_that_followed_is_shown(bound: Engine, ana: TestClient) -> None:
    """Evidence, measure, letter, public fields, strike and penalty; a reviewer gets no form to change them."""
    decide(bound, 1)
    page = ana.get("/cases/1").text
    text = plain(page)
    for told in (
        "Enforcement actions",
        "Measure 1 Removed by ana",
        "2 days after it was listed",
        "Asked of the platform, no answer yet",
        "Notice to seller queued, not delivered yet",
        "decision_visibility DECISION_VISIBILITY_CONTENT_REMOVED",
        "Weight 1.50",
        "Warning automatically",
    ):
        assert told in text, told
    assert 'action="/cases/1/measure"' not in page
    assert "evidence.zip" not in page


def test_nothing_of_it_is_shown_before(lea: TestClient) -> None:
    """An open case has nothing that followed."""
    assert "Enforcement actions" not in lea.get("/cases/1").text


def test_of_a_genuine_listing_only_the_evidence_is_kept(bound: Engine, lea: TestClient) -> None:
    """No measure, strike or penalty follows."""
    decide(bound, 1, verdict=Verdict.GENUINE)
    text = plain(lea.get("/cases/1").text)
    assert "Download the package" in text
    assert "Measure 1" not in text


def test_a_further_look_shows_nothing_of_the_first(bound: Engine, ana: TestClient) -> None:
    """Whoever takes a blind look at a decided case sees neither what followed nor the strike it gave."""
    decide(bound, 1, by="bo")
    with writing(bound) as connection:
        moment = datetime.now(UTC)
        fields = {
            "case_id": 1,
            "kind": "audit",
            "decision_id": 1,
            "wanted_at": moment,
            "sampling_probability": 1.0,
            "holder": "ana",
        }
        lease = {"token": 9, "lease_expires_at": moment + timedelta(minutes=9)}
        connection.execute(tables.second_reviews.insert().values(**fields, **lease))
    text = plain(ana.get("/cases/1").text)
    assert "Enforcement actions" not in text
    assert "Weight of strikes: 0.00 now, at most 1.50 after." in text
    record = plain(ana.get("/cases/2/seller").text)  # the same seller's
    assert "No strikes in force." in record
    assert "Removed" not in record


def test_a_lead_lifts_a_measure(bound: Engine, lea: TestClient) -> None:
    """With a reason; the seller is told once, the trail notes who did it, and sent again nothing more happens."""
    decide(bound, 1)
    form = {"measure": 1, "to": "lift", "why": "the licence was shown"}
    for _ in range(2):
        assert lea.post("/cases/1/measure", data=form).headers["location"] == "/cases/1#followed"
    assert kinds_of(bound) == [("remove", False)]
    assert letters(bound) == ["statement", "statement", "lifted"]
    with reading(bound) as connection:
        assert [row.actor for row in audit.list_rows(connection, "measure:1") if row.action == "lifted"] == ["lea"]
    assert "the licence was shown" in lea.get("/cases/1").text


def test_a_lead_changes_a_measure(bound: Engine, lea: TestClient) -> None:
    """The other takes its place with a statement of its own; the same form again changes nothing."""
    decide(bound, 1)
    form = {"measure": 1, "to": "remove-in", "countries": "de, FR", "why": "genuine elsewhere"}
    for _ in range(2):
        assert lea.post("/cases/1/measure", data=form).status_code == 303
    assert kinds_of(bound) == [("remove-in", True), ("remove", False)]
    assert letters(bound) == ["statement", "statement", "statement", "lifted"]
    assert "Removed in DE, FR" in plain(lea.get("/cases/1").text)


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"measure": 1, "to": "lift", "why": " "}, "without a reason"),
        ({"measure": 1, "to": "remove-in", "why": "x"}, "countries with remove-in"),
        ({"measure": 1, "to": "remove-in", "countries": "Germany", "why": "x"}, "codes of two letters"),
        ({"measure": 1, "to": "remove", "why": "x"}, "another kind of measure"),
    ],
)
def test_what_does_not_fit_is_refused_on_the_page(bound: Engine, lea: TestClient, form: dict, said: str) -> None:
    """The page says why in a sentence, and the measure stays."""
    decide(bound, 1)
    answer = lea.post("/cases/1/measure", data=form)
    assert answer.status_code == 409
    assert said in answer.text
    assert kinds_of(bound) == [("remove", True)]


def test_a_stale_page_changes_nothing(bound: Engine, lea: TestClient) -> None:
    """A measure that was replaced meanwhile is not lifted, nor one of another case."""
    decide(bound, 1)
    lea.post("/cases/1/measure", data={"measure": 1, "to": "pause", "why": "wait"})
    assert lea.post("/cases/1/measure", data={"measure": 1, "to": "lift", "why": "late"}).status_code == 409
    assert lea.post("/cases/2/measure", data={"measure": 2, "to": "lift", "why": "other"}).status_code == 404
    assert kinds_of(bound) == [("pause", True), ("remove", False)]


def test_nobody_lifts_measures_on_their_own_listings(bound: Engine, lea: TestClient) -> None:
    """A lead who sells as the seller is refused, as with a verdict."""
    decide(bound, 1)
    with writing(bound) as connection:
        add_own_seller(connection, "lea", "harbour-outlet")
    assert lea.post("/cases/1/measure", data={"measure": 1, "to": "lift", "why": "mine"}).status_code == 409
    assert kinds_of(bound) == [("remove", True)]


def test_the_evidence_is_a_package_that_checks(bound: Engine, lea: TestClient, tmp_path) -> None:
    """A lead gets a .zip that the verifier accepts, noted in the trail; a link on another site takes none."""
    decide(bound, 1)
    assert lea.get("/cases/1/evidence.zip", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    answer = lea.get("/cases/1/evidence.zip")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        archive.extractall(tmp_path)
    assert check_package(tmp_path / "evidence-case-1").findings == []
    with reading(bound) as connection:
        exports = [row for row in audit.list_rows(connection, "case:1") if row.action == "exported evidence"]
    assert [row.actor for row in exports] == ["lea"]
    assert lea.get("/cases/2/evidence.zip").status_code == 404


def appeal(engine: Engine, case_id: int = 1, seller: str = "harbour-outlet", text: str = "I have a licence.") -> int:
    """File an appeal on a case, and return its number."""
    with writing(engine) as connection:
        return file_appeal(connection, case_id, seller, text).appeal_id


def test_the_desk_lists_what_waits(bound: Engine, lea: TestClient) -> None:
    """With what it is against, by when it is due, and how many wait; decided ones on demand."""
    decide(bound, 1)
    appeal(bound)
    text = plain(lea.get("/appeals").text)
    for told in ("Appeals 1", "due in", "AAA quality Vellmar", "Removed", "Complaint", "Open"):
        assert told in text, told
    assert "Appeals 1" in plain(lea.get("/").text)
    assert "No granted appeals." in lea.get("/appeals?state=granted").text


def test_appeals_are_taken_away_without_what_sellers_wrote(bound: Engine, lea: TestClient) -> None:
    """As CSV, numbers and moments only."""
    decide(bound, 1)
    appeal(bound)
    lines = lea.get("/appeals.csv").content.decode("utf-8-sig").splitlines()
    assert lines[1].startswith('1,1,1,"measure:1","complaint"')
    assert "licence" not in "".join(lines)
    assert "harbour" not in "".join(lines)


def test_reviewers_have_no_desk(ana: TestClient) -> None:
    """Nor a link to it."""
    assert ana.get("/appeals").status_code == 403
    assert "/appeals" not in ana.get("/").text


def test_an_appeal_tells_all_that_its_decision_needs(bound: Engine, lea: TestClient) -> None:
    """The seller's words, the decision, the listing, the terms, and what each outcome would do."""
    decide(bound, 1)
    text = plain(lea.get(f"/appeals/{appeal(bound)}").text)
    for told in (
        "I have a licence.",
        "Counterfeit by ana",
        "AAA quality",
        "Human decision due",
        "counted from",
        "1 Grant it The measure is lifted",
        "The strike of weight 1.50 is taken back",
        "2 Grant it in part",
        "3 Reject it Everything stays as it is.",
    ):
        assert told in text, told


def test_a_lead_grants_an_appeal(bound: Engine, lea: TestClient) -> None:
    """All is put right, the page says what became of it, and the same form again is no mistake."""
    decide(bound, 1)
    number = appeal(bound)
    form = {"outcome": "granted", "why": "the licence is good", "measure": "label"}
    for _ in range(2):
        assert lea.post(f"/appeals/{number}/decide", data=form).status_code == 303
    assert kinds_of(bound) == [("remove", False)]
    with reading(bound) as connection:
        assert [one.verdict for one in queue.list_decisions(connection, 1)] == [Verdict.GENUINE]
    assert "Granted by lea" in plain(lea.get(f"/appeals/{number}").text)
    assert lea.post(f"/appeals/{number}/decide", data=form | {"outcome": "rejected"}).status_code == 409


def test_in_part_a_milder_measure_takes_its_place(bound: Engine, lea: TestClient) -> None:
    """The one that was chosen."""
    decide(bound, 1)
    number = appeal(bound)
    lea.post(f"/appeals/{number}/decide", data={"outcome": "partly granted", "why": "label it", "measure": "label"})
    assert kinds_of(bound) == [("label", True), ("remove", False)]


def test_who_decided_first_is_told_before_and_refused_after(bound: Engine, lea: TestClient) -> None:
    """Their page has no form, and a form sent all the same decides nothing."""
    decide(bound, 1, by="lea")
    number = appeal(bound)
    assert "Not for you: whoever decided in this matter before may not decide again" in lea.get("/appeals").text
    page = lea.get(f"/appeals/{number}").text
    assert "Not for you to decide: whoever decided in this matter before may not decide again" in page
    assert f'action="/appeals/{number}/decide"' not in page
    answer = lea.post(f"/appeals/{number}/decide", data={"outcome": "rejected", "why": "no"})
    assert answer.status_code == 409
    assert kinds_of(bound) == [("remove", True)]


def test_what_was_written_is_not_lost_when_another_has_it(bound: Engine, lea: TestClient, visitor: Callable) -> None:
    """The one who has it decides; the other keeps their words."""
    decide(bound, 1)
    with writing(bound) as connection:
        add_user(connection, "max", PASSWORD, Role.LEAD, CHEAP)
    number = appeal(bound)
    assert visitor("max").post(f"/appeals/{number}/take").status_code == 303
    answer = lea.post(f"/appeals/{number}/decide", data={"outcome": "rejected", "why": "a long reason"})
    assert answer.status_code == 409
    assert "a long reason</textarea>" in answer.text
    assert "Assigned to <b>max</b>" in answer.text


def propose(engine: Engine, scored: Callable[..., ScoredListing]) -> tuple[int, str]:
    """Let a seller's sweep of grave offers lead to a penalty that a lead is asked about; return it and the decider."""
    listings = [
        replace(scored(number, seller_id="grave", listing_id=f"G{number}"), score=0.99) for number in range(7, 21)
    ]
    queue.enqueue(engine, listings)
    with reading(engine) as connection:
        waiting = queue.list_cases(connection, state="open", limit=50)
    for case in waiting:
        if case.scored.listing.seller_id == "grave" and case.exemplar is None:
            decide(engine, case.case_id)
    with reading(engine) as connection:
        proposed = find_penalties(connection, state="proposed")
    return proposed[-1].penalty_id, "ana"


def case_of(engine: Engine, seller: str) -> int:
    """Return a case of a seller."""
    with reading(engine) as connection:
        return queue.seller_cases(connection, seller, 1)[0].case_id


def test_a_lead_confirms_and_lifts_a_penalty(
    bound: Engine, lea: TestClient, scored: Callable[..., ScoredListing]
) -> None:
    """Each with a reason, each told to the seller once, however often the form is sent."""
    number, _ = propose(bound, scored)
    case_id = case_of(bound, "grave")
    before = letters(bound)
    assert "Confirm or dismiss it" in lea.get(f"/cases/{case_id}/seller").text
    for to, kinds in (("confirm", ["statement"]), ("lift", ["statement", "lifted"])):
        for _ in range(2):
            form = {"penalty": number, "to": to, "why": "third sweep"}
            answer = lea.post(f"/cases/{case_id}/penalty", data=form)
            assert answer.headers["location"] == f"/cases/{case_id}/seller#penalty-{number}"
        assert letters(bound)[len(before) :] == kinds
    assert "lifted" in plain(lea.get(f"/cases/{case_id}/seller").text)


def test_who_decided_the_case_does_not_confirm_its_penalty(
    bound: Engine, visitor: Callable[..., TestClient], scored: Callable[..., ScoredListing]
) -> None:
    """Nor is another seller's penalty changed by way of a case that is not theirs."""
    number, _ = propose(bound, scored)
    with writing(bound) as connection:
        add_user(connection, "ann", PASSWORD, Role.LEAD, CHEAP)
        connection.execute(tables.decisions.update().values(reviewer="ann"))
    ann, case_id = visitor("ann"), case_of(bound, "grave")
    assert "Not for you to confirm: ann decided the case" in ann.get(f"/cases/{case_id}/seller").text
    form = {"penalty": number, "to": "confirm", "why": "mine"}
    assert ann.post(f"/cases/{case_id}/penalty", data=form).status_code == 409
    assert ann.post("/cases/1/penalty", data=form).status_code == 404


def test_a_sellers_record(bound: Engine, lea: TestClient, visitor: Callable[..., TestClient]) -> None:
    """Standing, strikes, penalties, measures and appeals are on it; the address names a case, and no seller."""
    decide(bound, 1)
    appeal(bound)
    text = plain(lea.get("/cases/2/seller").text)
    for told in (
        "Seller harbour-outlet",
        "Weight of strikes: 1.50",
        "Warning",
        "Removed",
        "Appeal 1",
        "Linked accounts",
    ):
        assert told in text, told
    viewer = visitor("vic").get("/cases/2/seller").text
    assert "Weight of strikes" in viewer
    assert "Linked accounts" not in viewer
    assert "/appeals/1" not in viewer
    assert "harbour-outlet" not in "".join(re.findall(r'(?:href|action)="([^"]*)"', viewer))


def test_the_pages_of_an_erased_seller(bound: Engine, lea: TestClient) -> None:
    """Case, appeal and record are shown without what told of the seller."""
    decide(bound, 1)
    number = appeal(bound)
    lea.post(f"/appeals/{number}/decide", data={"outcome": "rejected", "why": "no licence was shown"})
    with writing(bound) as connection:
        connection.execute(tables.outbox.update().values(state="delivered", settled_at=datetime.now(UTC)))
    erase_sellers(bound, ["harbour-outlet"], why="request 7", by="lea")
    for address, said in (
        ("/cases/1", "erased with the seller"),
        (f"/appeals/{number}", "Erased with the seller"),
        ("/cases/1/seller", "numbers and moments are all that is left"),
        ("/appeals?state=all", "(erased)"),
    ):
        answer = lea.get(address)
        assert answer.status_code == 200, address
        assert said in answer.text, address
        for gone in ("harbour-outlet", "licence", "AAA quality"):
            assert gone not in answer.text, (address, gone)


def test_the_dashboard_tells_how_enforcement_stands(bound: Engine, lea: TestClient) -> None:
    """What waits to be told, what appeals wait, and whether anybody is wronged more often than others."""
    decide(bound, 1)
    appeal(bound)
    text = plain(lea.get("/dashboard").text)
    for told in (
        "Pending appeals 1",
        "Platform 3",
        "Penalties to confirm 0",
        "Small sellers",
        "Decisions without review",
    ):
        assert told in text, told
