"""A case: what it shows, who holds it, and how it is decided."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select
from support.browser import log_in, serve_page
from support.casework import judge, read_case, read_decisions
from support.databases import on_both
from support.staff import CHEAP
from support.transactions import act
from support.translation_service import serve_translations
from support.visitors import open_browser

from ipml.records import Highlight, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import GROUNDS
from ipml.review.undo import UndoRequest, undo
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.storage.tables import strikes
from ipml.web.app import make_app

GROUND = next(iter(GROUNDS))


def hidden_fields(text: str) -> dict[str, str]:
    """Return the hidden fields of the form that decides."""
    form = re.search(r'<form [^>]*action="/cases/\d+/decide">.*?</form>', text, re.DOTALL)
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[0]))


def read_score_line(text: str) -> str:
    """Return the line of the score as it is read aloud."""
    line = re.search(r'<p class="verdict-score">(.*?)</p>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", line[1]).split())


def test_a_case_tells_its_reasons(ana: TestClient) -> None:
    """Score, model, reasons with their direction, price in words and the seller's history are on the page."""
    text = ana.get("/cases/1").text
    for told in (
        *("model 2026-11-20", "Words of the replica trade in the title", "suggests counterfeit"),
        "80.10 EUR is 9 % of the reference, 890.00 EUR; Vellmar usually costs 400.50 to 1,691.00 EUR",
        *("8 (19 %)", "Other listings of this seller", '<mark class="counterfeit s3">AAA quality</mark>'),
        "−2.9</span>\n    <span>Base rate, where the bars start",
    ):
        assert told in text
    sentence = "98 % probability of counterfeit (90 % interval 81 to 99 %), very likely counterfeit"
    assert read_score_line(text) == sentence


def test_reasons_that_set_a_listing_apart_come_first(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """General reasons and the remainder are folded, however much they weigh, and lead no row of the list."""
    general = (Reason("rest", "Everything else", 3.0), Reason("category", "Reads like footwear", 2.0))
    special = Reason("price.brand", "Price is 9 % of the usual", 0.5)
    enqueue(engine, [replace(scored(0, title="Plain shoe"), reasons=(*general, special))], joins_alike=False)
    shown, folded = ana.get("/cases/8").text.partition("2 weaker or general reasons</summary>")[::2]
    assert special.sentence in shown
    assert [reason.sentence in shown or reason.sentence not in folded for reason in general] == [False, False]
    assert special.sentence in ana.get("/?words=plain+shoe").text
    enqueue(engine, [replace(scored(0, title="Odd scarf", listing_id="odd"), reasons=general)], joins_alike=False)
    row = ana.get("/?words=odd+scarf").text
    assert ("Reads like footwear" in row, "No reason for suspicion" in row) == (True, False)


def test_a_reason_opens_on_confirmed_cases(engine: Engine, ana: TestClient) -> None:
    """The page behind a reason has their titles and verdicts, and says so where there are none."""
    address = "/cases/1/reasons?feature=price__ratio"
    assert f'href="{address}"' in ana.get("/cases/1").text
    assert "No other case is confirmed yet" in ana.get(address).text
    judge(engine, 3, Verdict.COUNTERFEIT)
    page = ana.get(address).text
    assert "One confirmed case shares this reason, of 1 compared: 1 counterfeit, 0 genuine." in page
    assert 'href="/cases/3"' in page
    assert ana.get("/cases/1/reasons?feature=unknown").status_code == 404


SELLER_FIELDS = ("age_days", "sales", "returns", "complaints", "rating", "strikes", "listings")


def test_a_case_shows_what_its_listing_is_like(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Only what is so: a case that is as usual shows nothing of it."""
    unknown = dict.fromkeys([f"seller_{name}" for name in SELLER_FIELDS], None)
    bare = scored(7, seller_id="unseen", price=None, description=None, brand=None, **unknown)
    bare = replace(bare, score=None, reasons=(), highlights=(), price_range=None, abstained="no price is given")
    text = "Best batch.\nNo \u200bbox <b>"
    described = replace(scored(8, description=text, currency="XTS"), description_highlights=(Highlight(0, 10, 1.2),))
    listings: dict[ScoredListing, list[str]] = {
        bare: ["no score", "no price is given", "Nothing is known"],
        described: [
            '<mark class="counterfeit s3">Best batch</mark>.\nNo <span class="invisible">U+200B</span>box &lt;b'
        ],
        replace(scored(9), score=0.77, score_low=None, score_high=None, warning="not read"): ["77 %", ">not read.</p>"],
        replace(scored(10, title="V\u0435llmar <b> b a g"), read_as="vellmar <b> bag"): [
            '<span class="quiet">Read as</span> <bdi>vellmar, bag</bdi>'
        ],
        scored(11, price=400.0, currency="CNY"): ['400.00 CNY <span class="quiet">≈ 51.60 EUR</span>'],
        scored(14, brand=None): ['<bdi>Vellmar</bdi><span class="hidden">, read in the title</span>'],
        scored(15, title="Vellmar bag " * 75): ['<h1 class="long">', "Show the whole title (900 letters)"],
        scored(16, title="V\u0435llmar b\u200bag"): [
            '<bdi class="disguise">\u0435</bdi> Cyrillic small letter ie',
            '<bdi class="disguise">U+200B</bdi> zero width space, which is not seen',
        ],
    }
    usual, in_list = ana.get("/cases/1").text, []
    for case_id, (listing, shown) in enumerate(listings.items(), start=8):
        enqueue(engine, [listing], joins_alike=False)
        page = ana.get(f"/cases/{case_id}").text
        assert [words for words in shown if words not in page] == [], case_id
        assert [words for words in shown if words in usual] == [], case_id
        in_list += shown if case_id in (11, 13) else []
    assert [words for words in in_list if words not in ana.get("/").text] == []
    assert "≈" not in ana.get("/cases/9").text.partition("Why this score")[0]  # a currency without a rate
    assert "≈" not in usual.partition("Why this score")[0]
    assert read_score_line(ana.get("/cases/10").text).startswith("77 % probability of counterfeit, likely counterfeit")


def test_opening_claims(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """Who opens a case holds it; the next one is told who does, and cannot take it; a viewer holds none."""
    assert 'name="choice"' not in visitor("vic").get("/cases/1").text
    assert read_case(engine, 1).reviewer is None
    ana.get("/cases/1")
    assert read_case(engine, 1).reviewer == "ana"
    text = visitor("bo").get("/cases/1").text
    assert "Opened by <b>ana</b> until <time" in text
    assert 'name="choice"' not in text
    assert [ana.get("/cases/1", params={"trail": one}).status_code for one in ("1.", "x", "1..2", "1 2", "٣")] == [
        400
    ] * 5


@on_both
def test_a_verdict_is_recorded(engine: Engine, ana: TestClient) -> None:
    """Each verdict becomes a decision with its ground and note, and the following case opens; nothing else is one."""
    for case_id, choice in enumerate((f"counterfeit/{GROUND}", "genuine", "cannot tell", "escalate"), start=2):
        fields = hidden_fields(ana.get(f"/cases/{case_id}").text)
        for wrong in ("counterfeit", "counterfeit/no_such_ground", "guilty", "", "genuine/x"):
            assert ana.post(f"/cases/{case_id}/decide", data={**fields, "choice": wrong}).status_code == 400
        answer = ana.post(f"/cases/{case_id}/decide", data={**fields, "choice": choice, "note": "seen in hand"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith(f"/cases/{case_id + 1}?")
        (decision,) = read_decisions(engine, case_id)
        verdict, _, ground = choice.partition("/")
        said = (decision.verdict, decision.ground, decision.note, decision.reviewer)
        assert said == (verdict, ground, "seen in hand", "ana")
        assert f"recorded: <b>{verdict}</b>" in ana.get(answer.headers["location"]).text


def test_a_script_gets_the_following_case_with_the_answer(engine: Engine, ana: TestClient) -> None:
    """The same page as at the address that it names, claimed as there; once only, however often a verdict is sent."""
    said = hidden_fields(ana.get("/cases/2").text) | {"choice": "genuine", "within": "queue"}
    answers = [ana.post("/cases/2/decide", data=said, headers={"X-Sent-By": "script"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    address = answers[0].headers["location"]
    assert hidden_fields(answers[0].text)["token"] == hidden_fields(ana.get(address).text)["token"]
    assert answers[0].headers["cache-control"] == "no-store"
    assert len(read_decisions(engine, 2)) == 1
    plain = ana.post("/cases/2/decide", data=said)
    assert (plain.status_code, plain.text) == (303, "")
    assert ana.post("/cases/2/decide", data=said | {"choice": "cannot tell"}).status_code == 409


def test_two_tabs_are_one_person(engine: Engine, ana: TestClient) -> None:
    """Either tab decides; the second verdict is not recorded, and the page says what was."""
    first, second = (hidden_fields(ana.get("/cases/1").text) for _ in range(2))
    assert ana.post("/cases/1/decide", data=first | {"choice": "genuine"}).status_code == 303
    answer = ana.post("/cases/1/decide", data=second | {"choice": "cannot tell"})
    assert answer.status_code == 409
    assert "You decided case 1" in answer.text
    assert "Your verdict now, cannot tell, was not recorded: nothing is decided twice" in answer.text
    assert [one.verdict for one in read_decisions(engine, 1)] == ["genuine"]


def test_where_nothing_is_left_it_is_said_why(engine: Engine, ana: TestClient) -> None:
    """The list says who holds what is open, and until when."""
    with writing(engine) as connection:
        while claim(connection, "bo"):
            pass
    answer = ana.post("/next")
    assert answer.headers["location"] == "/?nothing=1"
    said = ana.get("/?nothing=1").text
    assert "Nothing is left to take. Of 7 open cases, 7 are opened by others, the first until <time" in said


def test_a_stale_claim_is_told(engine: Engine, ana: TestClient) -> None:
    """Who comes too late reads so, keeps the note, and finds a fresh form."""
    fields = hidden_fields(ana.get("/cases/1").text)
    ana.post("/cases/1/leave", data=fields | {"to": "list"})  # a second window gives the case back
    answer = ana.post("/cases/1/decide", data={**fields, "choice": "genuine", "note": "long thought"})
    assert answer.status_code == 409
    assert "It is yours again, and your note is kept" in answer.text
    assert "long thought</textarea>" in answer.text
    assert read_decisions(engine, 1) == []
    again = hidden_fields(answer.text) | {"choice": "genuine"}
    assert ana.post("/cases/1/decide", data=again).status_code == 303


def test_a_decided_case_is_only_shown(engine: Engine, ana: TestClient) -> None:
    """Verdict, by whom, when, on what ground, note and measures, not how long it waits; and it takes no further one.

    What was taken back stays, struck through, with who took it back.
    """
    fields = hidden_fields(ana.get("/cases/1").text)
    ana.post("/cases/1/decide", data={**fields, "choice": f"counterfeit/{GROUND}", "note": "clear"})
    text = ana.get("/cases/1").text
    header = re.search(r"<article.*?</header>", text, re.DOTALL)[0]
    assert re.search(r'<b class="said counterfeit">Counterfeit</b> by ana, <time', header)
    assert GROUNDS[GROUND] in header
    assert "asked of the platform" in header
    assert "waiting" not in text
    assert "clear</q>" in text
    again = {**fields, "key": "another key of mine", "choice": "genuine"}
    assert ana.post("/cases/1/decide", data=again).status_code == 409
    act(engine, undo, 1, UndoRequest("ana"))
    page = ana.get("/cases/1").text
    assert "<s>counterfeit</s> by ana" in page
    assert "taken back by ana" in page


def test_escalated_cases_are_for_leads(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A reviewer passes a case on and cannot take it back; a lead decides it and stays with such cases."""
    for case_id in (1, 3):
        fields = hidden_fields(ana.get(f"/cases/{case_id}").text)
        ana.post(f"/cases/{case_id}/decide", data={**fields, "choice": "escalate"})
    assert "a lead will decide" in ana.get("/cases/1").text
    assert read_case(engine, 1).reviewer is None
    lead = visitor("lea")
    fields = hidden_fields(lead.get("/cases/1").text)
    answer = lead.post("/cases/1/decide", data={**fields, "choice": "genuine"})
    assert answer.headers["location"].startswith("/cases/3?")
    assert read_case(engine, 1).state == "decided"


def test_skipping_gives_the_case_back(engine: Engine, ana: TestClient) -> None:
    """j gives a case back and opens the following one; k returns to it."""
    fields = hidden_fields(ana.get("/cases/1").text)
    answer = ana.post("/cases/1/leave", data={"to": "next", "token": fields["token"]})
    assert answer.headers["location"] == "/cases/2?trail=1"
    assert read_case(engine, 1).reviewer is None
    fields = hidden_fields(ana.get("/cases/2?trail=1").text)
    assert fields["trail"] == "1"
    back = {"to": "previous", "token": fields["token"], "trail": "1"}
    assert ana.post("/cases/2/leave", data=back).headers["location"] == "/cases/1?"
    assert ana.post("/cases/1/leave", data={"to": "previous"}).headers["location"] == "/#case-1"
    with writing(engine) as connection:
        claim(connection, "bo", 2)  # what others hold is passed over
    assert ana.post("/cases/1/leave", data={"to": "next"}).headers["location"] == "/cases/3?trail=1"
    assert ana.post("/cases/7/leave", data={"to": "next"}).headers["location"] == "/cases/1?trail=7"


def test_a_seller_is_shown_when_listed_and_now(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Figures seen at several moments are lines, each listing has its mark, and strikes are those of the database."""
    assert 'class="timeline"' not in ana.get("/cases/1").text
    second_reviews = [
        scored(7 + day, seller_id="newcomer", seller_sales=sales, observed_at=datetime(2026, 5, day, tzinfo=UTC))
        for day, sales in ((1, 4.0), (3, 40.0), (9, 90.0))
    ]
    enqueue(engine, second_reviews)
    first = dict(re.findall(r'name="(token|until|key)" value="([^"]*)"', ana.get("/cases/8").text))
    ana.post("/cases/8/decide", data=first | {"choice": f"counterfeit/{GROUND}"})
    page = ana.get("/cases/9").text
    assert 'aria-label="Sales, from 4 on 2026-05-01 to 90 on 2026-05-09"' in page
    assert read_figures(page)["Sales"] == ("40", "90")
    with engine.connect() as connection:
        n_strikes = connection.scalar(select(func.count()).select_from(strikes))
    assert read_figures(page)["Strikes"] == ("none", f"{n_strikes}") == ("none", "1")
    assert "3 cases, 1 found counterfeit" in page
    assert re.search(r"<span>2026-05-01</span>.*<span>2026-05-09</span></figcaption>", page)
    assert (page.count('class="listed"'), page.count('<circle class="counterfeit"')) == (2, 1)


def read_figures(page: str) -> dict[str, tuple[str, str]]:
    """Return each figure of the seller as the page tells it: when the listing was seen, and now."""
    row = r'<tr><th scope="row">([^<]*)</th><td>([^<]*)</td><td>.*?</td><td>([^<]*)</td></tr>'
    return {noun: (then, now) for noun, then, now in re.findall(row, page)}


def test_what_was_confirmed_lately_stands_beside(engine: Engine, ana: TestClient) -> None:
    """Cases of the same brand that were found counterfeit, with ground and likeness, and beside them genuine ones."""
    judge(engine, 4, Verdict.COUNTERFEIT, ground=GROUND)
    judge(engine, 7)
    page = ana.get("/cases/1").text
    assert page.count("of the words in common") == 2
    assert re.search(r"<h3>Counterfeit</h3>.*href=\"/cases/4\".*<h3>Genuine</h3>.*href=\"/cases/7\"", page, re.DOTALL)
    assert GROUNDS[GROUND] in page
    assert "of the words in common" not in ana.get("/cases/3").text


def test_all_that_a_seller_offers_is_shown(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Eight beside the case with price, score and verdict; all of them on a page of their own, fifty at a time."""
    shown = [scored(7 * number, seller_id="many", title=f"Vellmar bag {number}") for number in range(1, 61)]
    enqueue(engine, shown)
    judge(engine, 9)
    page = ana.get("/cases/8").text
    assert page.count('<td class="said">') == 8
    assert '<span class="verdict-mark genuine">genuine</span>' in page
    first, second = (ana.get(f"/cases/8/listings?page={number}").text for number in (1, 2))
    assert (first.count('<td class="said">'), second.count('<td class="said">')) == (50, 10)
    assert ['rel="next"' in text for text in (first, second)] == [True, False]
    assert "None on this page." in ana.get("/cases/8/listings?page=3").text


def test_a_case_tells_where_it_stands_and_until_when(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Its place in the queue, what its review is worth and its deadline are said; the list shows the deadline."""
    enqueue(engine, [scored(7)], due_at=datetime.now(UTC) + timedelta(hours=5, minutes=1))
    text = ana.get("/cases/8").text
    assert "8th of 8 by score" in text
    assert "of harm" in text
    assert "due in 5 hours" in ana.get("/").text
    assert ana.get("/?due=6").text.count("data-row") == 1


def test_who_works_the_queue_is_given_what_the_queue_gives(engine: Engine, ana: TestClient) -> None:
    """After a verdict comes what the queue has next, but nothing that was skipped; others' cases are passed over."""
    act(engine, claim, "bo", 2)
    ana.get("/cases/5")
    assert ana.post("/next").headers["location"] == "/cases/5?within=queue"  # what was left open is resumed
    fields = hidden_fields(ana.get("/cases/5?within=queue").text)
    assert fields["within"] == "queue"
    answer = ana.post("/cases/5/decide", data={**fields, "choice": "genuine"})
    assert answer.headers["location"] == "/cases/1?within=queue"
    fields = hidden_fields(ana.get("/cases/1?within=queue").text)
    answer = ana.post("/cases/1/leave", data={**fields, "to": "next"})
    assert answer.headers["location"] == "/cases/3?trail=1&within=queue"
    fields = hidden_fields(ana.get("/cases/3?trail=1&within=queue").text)
    answer = ana.post("/cases/3/decide", data={**fields, "choice": "genuine"})
    assert answer.headers["location"] == "/cases/4?trail=1&within=queue"
    assert read_case(engine, 1).reviewer is None


def test_the_same_offer_is_decided_once(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Near-duplicates wait behind one case; those that stay ticked get its verdict."""
    enqueue(engine, [scored(7, listing_id=f"again{number}", seller_id="copier") for number in range(3)])
    text = ana.get("/").text
    assert "+2 near-duplicates" in text
    assert text.count("data-row") == 8
    page = ana.get("/cases/8").text
    assert page.count('name="spread"') == 2
    assert "A near-duplicate of" in ana.get("/cases/9").text
    fields = hidden_fields(ana.get("/cases/8").text)
    ana.post("/cases/8/decide", data={**fields, "choice": "genuine", "spread": ["9", "10"]})
    decided = [read_case(engine, number).state for number in (8, 9, 10)]
    assert decided[0] == "decided"
    assert "decided" in decided[1:]


def test_a_listing_like_a_removed_one_says_so_as_long_as_that_stands(engine, ana, scored):
    """The page and the list name the case; once its verdict is taken back, nothing is said any more."""
    decision, first = judge(engine, 1, Verdict.COUNTERFEIT, "bo"), read_case(engine, 1).scored
    again = replace(first.listing, listing_id="L9999", seller_id="another", observed_at=datetime.now(UTC))
    enqueue(engine, [replace(first, listing=again)])
    assert 'Listed again, <a href="/cases/1">case 1</a>. Another seller' in ana.get("/cases/8").text
    assert "listed again, case 1" in ana.get("/").text
    act(engine, undo, decision.decision_id, UndoRequest("bo"))
    assert "isted again" not in ana.get("/cases/8").text + ana.get("/").text


JSON = {"Accept": "application/json"}
FORM = {"what": "title"}


def test_nothing_is_offered_where_it_is_off(ana: TestClient) -> None:
    """No form, no script; who asks all the same is told nothing."""
    page = ana.get("/cases/1").text
    assert "data-translate" not in page
    assert "data-translate" not in page
    assert ana.post("/cases/1/translation", data=FORM, headers=JSON).json() == {
        "text": "",
        "language": None,
        "message": "",
    }


def test_the_connections_to_the_service_end_with_the_server(engine: Engine) -> None:
    """Whether there is a service or not."""
    for url in ("https://translate.example", None):
        app = make_app(engine, Settings(translate_url=url), cost=CHEAP)
        with TestClient(app):
            pass
        if app.state.translator is not None:
            with pytest.raises(RuntimeError, match="closed"):
                app.state.translator.translate("Sac")


def test_a_title_is_sent_once_and_shown_as_a_machines(engine: Engine, scored: Callable) -> None:
    """It stands beside the title, on every case that has it; markup in it does nothing."""
    enqueue(engine, [scored(7, title="Sac <b>"), scored(8, title="Sac <b>", seller_id="other")])
    with serve_translations() as service:
        client = open_browser(make_app(engine, Settings(translate_url=service.url), cost=CHEAP), "ana")
        assert "data-translate" in client.get("/cases/8").text
        assert client.post("/cases/8/translation", data=FORM, headers=JSON).json()["text"] == "Sac <b>, translated"
        for case_id in (8, 9):
            page = client.get(f"/cases/{case_id}").text
            assert "Machine translation from fr</span> <bdi>Sac &lt;b&gt;, translated</bdi>" in page
            assert "data-translate" not in page
            client.post(f"/cases/{case_id}/translation", data=FORM, headers=JSON)
        assert len(service.asked) == 1


def test_a_failure_is_said_quietly(engine: Engine) -> None:
    """The page is as it was; a form without a script leads back to the case."""
    client = open_browser(make_app(engine, Settings(translate_url="http://127.0.0.1:9"), cost=CHEAP), "ana")
    answer = client.post("/cases/1/translation", data=FORM, headers=JSON)
    assert (answer.status_code, answer.json()["message"]) == (200, "No translation just now. ")
    back = client.post("/cases/1/translation", data=FORM | {"within": "queue"})
    assert (back.status_code, back.headers["location"]) == (303, "/cases/1?within=queue")
    assert client.get("/cases/1").status_code == 200


@pytest.mark.slow
def test_the_translation_comes_when_the_page_is_there(engine: Engine, scored: Callable, browser: Any) -> None:
    """By itself, without another page; nothing is complained of."""
    enqueue(engine, [scored(7, title="Sac en cuir")])
    with serve_translations() as service, serve_page(engine, Settings(translate_url=service.url)) as address:
        page = browser.new_page()
        log_in(page, address)
        page.goto(f"{address}/cases/8")
        page.get_by_text("Leather bag").wait_for()
        assert page.locator(".translation").inner_text() == "Machine translation from fr Leather bag"
        page.close()
