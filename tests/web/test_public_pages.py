"""Pages without a login: a seller's restriction behind a signed link, and notices by a form with limits."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Connection, Engine, func, select
from support.actions import COOPERATING_APPEALS, COOPERATION
from support.browser import check_fit, note_complaints, serve_page
from support.staff import CHEAP
from support.transactions import act, ask, check_sound, count, read_rows
from support.visitors import open_browser, plain

from ipml.cooperation.notifiers.notifier import AppointmentOrder, appoint
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.enforcement.statements.facts import languages
from ipml.enforcement.takedown.delivery import CHANNELS, Tally, deliver_due
from ipml.enforcement.takedown.sinks import FileSink
from ipml.errors import UnusableSetting
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.reversals import ReviewContext
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.storage.tables import appeals, audit, cases, notices, notifiers, outbox, tries
from ipml.web.app import make_app
from ipml.web.public.links import read_public_pages
from ipml.web.public.words import load_page_words

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e"
WHY = "The seam is glued and not sewn, the label is misspelt, and the box smells of solvent."
REPORT = {"kind": "complaint", "listings": "L0001\nhttps://shop.example/i/9", "why": WHY, "name": "Bo Berg"}
REPORT |= {"email": "bo@mail.example", "good_faith": "yes", "order": "17-3381"}
OLD_KEY, NEW_KEY = "an older key of the public pages.", "a newer key of the public pages.."
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Desk(NamedTuple):
    """A marketplace with open pages, a stranger's browser, and the link in the letter to its seller."""

    engine: Engine
    settings: Settings
    stranger: TestClient
    link: str

    def send(self, folder: Path) -> list[dict[str, Any]]:
        """Deliver all messages, and return the data of each."""
        return deliver(self.engine, self.settings, folder)


def deliver(engine: Engine, settings: Settings, folder: Path) -> list[dict[str, Any]]:
    """Deliver all messages into a file, and return their data with the type."""
    public, out = read_public_pages(settings), folder / "messages.jsonl"
    out.unlink(missing_ok=True)
    sink = FileSink(out, CHANNELS, complete=public.complete if public else None)
    assert sum(deliver_due(engine, sink), Tally()).total
    lines = out.read_text("utf-8").splitlines() if out.exists() else []
    return [one["data"] | {"type": one["type"]} for one in map(json.loads, lines)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings that open all pages."""
    keys = tmp_path / "link-keys"
    keys.write_text(f"{OLD_KEY.replace(' ', '-')}\n")
    return Settings(
        public_pages="seller, notices", public_url="https://help.shop.example", link_keys=keys, form_limit=1000
    )


@pytest.fixture
def desk(engine: Engine, settings: Settings, scored: Callable, tmp_path: Path) -> Desk:
    """Return the desk after a listing with a hostile title was found counterfeit, and its letter delivered."""
    enqueue(engine, [scored(40, listing_id="L<b>40", title=HOSTILE, seller_id="seller-<i>", seller_language="en")])
    find_counterfeit(engine, settings)
    (letter,) = [one for one in deliver(engine, settings, tmp_path) if "/measure-1." in one.get("page", "")]
    assert letter["text"].rstrip().endswith(letter["page"])
    link = letter["page"].removeprefix("https://help.shop.example")
    return Desk(engine, settings, open_browser(make_app(engine, settings, cost=CHEAP)), link)


def find_counterfeit(engine: Engine, settings: Settings) -> None:
    """Decide the listing with the hostile title counterfeit."""
    with writing(engine) as connection:
        number = connection.scalar(select(func.max(cases.c.case_id)))
        taken = claim(connection, "ana", case_id=number)
        assert taken
        request = DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica")
        decide(connection, request, context=ReviewContext(settings, COOPERATION))


def test_pages_are_closed_unless_opened(engine: Engine, desk: Desk) -> None:
    """By default there is none of these pages, and a letter has no link."""
    closed = open_browser(make_app(engine, Settings(), cost=CHEAP))
    for path in (desk.link, "/public/notices"):
        assert closed.get(path).status_code == closed.post(path, data=REPORT).status_code == 404
    assert count(engine, tries) == count(engine, notices) == 0
    assert "/public/" not in ask(engine, lambda connection: str(connection.execute(select(outbox)).all()))


def test_a_seller_reads_why_and_objects(desk: Desk, tmp_path: Path) -> None:
    """The page says what was done, why, until when; an appeal has the rules of all others, and its state is shown."""
    page = plain(desk.stranger.get(desk.link).text)
    for words in ("The listing was", "a copy or of replica grade", "Article 9 of Regulation", "You can complain here"):
        assert words in page
    text = "I bought it in Lyon, invoice 17."
    sent = desk.stranger.post(desk.link, data={"text": text, "kind": "complaint", "after": "0"})
    assert sent.status_code == 303
    after = plain(desk.stranger.get(sent.headers["location"]).text)
    assert "We have your complaint" in after
    assert "Complaint no. 1" in after
    assert "<form" not in desk.stranger.get(desk.link).text
    (receipt,) = [one for one in desk.send(tmp_path) if one["type"] == "ipml.appeal"]
    decision = AppealDecision("granted", "lea", "The invoice is genuine.")
    act(desk.engine, decide_appeal, 1, decision, COOPERATING_APPEALS)
    for link in (desk.link, receipt["page"].removeprefix("https://help.shop.example")):
        decided = plain(desk.stranger.get(link).text)
        assert "Granted: the decision was wrong" in decided
        assert "The invoice is genuine." in decided
        assert "This restriction has ended" in decided
        assert not re.search(r"\b(lea|ana)\b", decided)


def test_the_same_appeal_twice_is_one(desk: Desk) -> None:
    """Sent again, also at once with another text, there is one appeal; nothing is lost silently."""
    form = {"text": "It is genuine.\r\nHere is the invoice.", "kind": "complaint", "after": "0"}
    answers = [desk.stranger.post(desk.link, data=form) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    other = desk.stranger.post(desk.link, data=form | {"text": "Another text."})
    assert other.status_code == 409
    assert "This was not recorded" in other.text
    assert "Another text." in other.text
    assert count(desk.engine, appeals) == 1
    empty = desk.stranger.post(desk.link, data=form | {"text": " ", "after": "1"})
    assert (empty.status_code, count(desk.engine, appeals)) == (400, 1)


def test_the_page_follows_the_rules_of_the_api(desk: Desk) -> None:
    """An appeal filed elsewhere is shown, and no second one is taken."""
    request = AppealRequest("measure:1", "seller-<i>", "By telephone: the invoice follows.", by="lea")
    act(desk.engine, file_appeal, request, COOPERATING_APPEALS.rules)
    assert "Complaint no. 1" in desk.stranger.get(desk.link).text
    assert desk.stranger.post(desk.link, data={"text": "A second one.", "after": "1"}).status_code == 409
    assert count(desk.engine, appeals) == 1


def test_bad_links_have_one_answer(desk: Desk) -> None:
    """A link that was changed, has expired, is foreign or was never made has one page, and files nothing."""
    public = read_public_pages(desk.settings)
    assert public
    warned = desk.stranger.get(f"/public/decisions/{public.sign('penalty:1', datetime.now(UTC))}")
    assert "This is a warning" in warned.text  # a good one
    token, now = desk.link.rpartition("/")[2], datetime.now(UTC)
    subject, _, rest = token.partition(".")
    payload, _, signature = token.rpartition(".")
    bad = [
        f"{payload}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{subject}1.{rest}",
        f"{subject}.{rest}.x",
        "x",
        "a" * 900,
    ]
    bad += [public.sign("measure:1", now - timedelta(days=366)), public.sign("measure:99", now)]
    bad += [public.sign("appeal:99", now), public.sign("case:1", now), "measure-1", "%00", "é.é.é"]
    pages = {(one.status_code, one.text) for one in (desk.stranger.get(f"/public/decisions/{bad}") for bad in bad)}
    assert len(pages) == 1
    assert next(iter(pages))[0] == 404
    sent = [desk.stranger.post(f"/public/decisions/{one}", data={"text": "I object."}) for one in bad]
    assert {one.status_code for one in sent} == {404}
    assert count(desk.engine, appeals) == 0


def test_keys_are_exchanged(desk: Desk) -> None:
    """Links of an older key hold while it is in the file; the first key of the file signs."""
    keys = desk.settings.link_keys
    assert keys
    keys.write_text(f"{NEW_KEY.replace(' ', '-')}\n{OLD_KEY.replace(' ', '-')}\n")
    both, token = read_public_pages(desk.settings), desk.link.rpartition("/")[2]
    assert both
    assert both.open(token, datetime.now(UTC)) == "measure:1"
    keys.write_text(f"{NEW_KEY.replace(' ', '-')}\n")
    renewed = open_browser(make_app(desk.engine, desk.settings, cost=CHEAP))
    assert renewed.get(desk.link).status_code == 404
    assert renewed.get(f"/public/decisions/{both.sign('measure:1', datetime.now(UTC))}").status_code == 200


@pytest.mark.parametrize(
    "changes",
    [{"public_url": None}, {"public_url": "http://help.example"}, {"link_keys": None}, {"public_pages": "sellers"}],
)
def test_half_a_setting_is_refused(settings: Settings, changes: dict[str, Any]) -> None:
    """Pages without an address, an encrypted one, keys, or under an unknown name are refused at the start."""
    with pytest.raises(UnusableSetting):
        read_public_pages(settings.model_copy(update=changes))


def test_strangers_give_notice_and_follow_it(desk: Desk, tmp_path: Path) -> None:
    """A notice has a receipt, a page by its reference, and sent again it is the same."""
    answers = [desk.stranger.post("/public/notices", data=REPORT) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    assert count(desk.engine, notices) == 1
    page = plain(desk.stranger.get(answers[0].headers["location"]).text)
    assert "We have your report." in page
    assert "https://shop.example/i/9 Not found here yet." in page
    (receipt,) = [one for one in desk.send(tmp_path) if one["type"] == "ipml.notice_receipt"]
    assert receipt["page"] == f"https://help.shop.example/public/notices/{receipt['reference']}"
    assert answers[0].headers["location"].startswith(f"/public/notices/{receipt['reference']}")
    held = desk.stranger.post("/public/notices", data=REPORT | {"kind": "counterfeit", "email": "vera@v.example"})
    assert "Brand: write its name." in held.text
    told = {"kind": "counterfeit", "email": "vera@v.example", "brand": "Vellmar", "rights": "EUTM 018123456"}
    assert desk.stranger.post("/public/notices", data=REPORT | told).status_code == 303


def test_faults_are_named_and_nothing_is_lost(desk: Desk) -> None:
    """All faults are named in the language of the page, what was written stays, and nothing is stored."""
    bad = {"listings": "not one", "why": "bad", "email": "nobody", "name": "Zoë", "good_faith": ""}
    answer = desk.stranger.post("/public/notices?lang=de", data=REPORT | bad)
    faults = load_page_words("de").notice.faults
    assert answer.status_code == 400
    for name in ("listings", "explanation", "email", "good_faith"):
        assert faults[name] in answer.text  # type: ignore[index]
    assert 'value="Zoë"' in answer.text
    assert count(desk.engine, notices) == 0


def test_nobody_writes_in_the_name_of_a_known_reporter(desk: Desk) -> None:
    """An address whose notices have more weight than a stranger's needs its own login or key."""
    first = desk.stranger.post("/public/notices", data=REPORT)
    assert first.status_code == 303
    (notifier,) = read_rows(desk.engine, select(notifiers))
    order = AppointmentOrder("trusted flagger", "lea", "Appointed by the authority.", datetime.now(UTC))
    act(desk.engine, appoint, notifier.notifier_id, order)
    again = desk.stranger.post("/public/notices", data=REPORT | {"listings": "L0002"})
    assert again.status_code == 400
    assert load_page_words("en").notice.faults["account"] in again.text
    assert count(desk.engine, notices) == 1


def test_notices_cannot_be_enumerated(desk: Desk) -> None:
    """An unknown reference, a number and no reference have one answer; references are random."""
    reference = desk.stranger.post("/public/notices", data=REPORT).headers["location"].split("?")[0].rpartition("/")[2]
    assert re.fullmatch("[0-9a-f]{32}", reference)
    tried = [reference[:-1] + ("0" if reference[-1] != "0" else "1"), "0" * 32, "1", reference.upper(), reference[:31]]
    pages = {(one.status_code, one.text) for one in (desk.stranger.get(f"/public/notices/{bad}") for bad in tried)}
    assert len(pages) == 1
    assert next(iter(pages))[0] == 404


def test_a_flood_ends_at_its_limit(engine: Engine, settings: Settings) -> None:
    """From one address, and from all, no more forms than the limits are taken; refused ones leave nothing behind."""
    limited = settings.model_copy(update={"form_limit": 3, "form_limit_all": 5})
    app = make_app(engine, limited, cost=CHEAP)
    for sender, taken in (("192.0.2.1", 3), ("192.0.2.2", 2), ("192.0.2.3", 0)):
        browser = open_browser(app, client=(sender, 50_000))
        forms = [REPORT | {"listings": f"L{sender}-{number}"} for number in range(9)]
        statuses = [browser.post("/public/notices", data=one).status_code for one in forms]
        assert statuses == [303] * taken + [429] * (9 - taken)
    refused = browser.post("/public/notices", data=REPORT)
    assert 0 < int(refused.headers["retry-after"]) <= 900
    assert (count(engine, notices), count(engine, tries)) == (5, 5)
    assert browser.get("/public/notices").status_code == 200
    assert browser.post("/login", data={"name": "ana", "password": "wrong"}).status_code == 401  # not locked out


def test_scripts_of_strangers_are_inert(desk: Desk) -> None:
    """What sellers and notifiers wrote is escaped on every page, under a policy that allows no inline script."""
    desk.stranger.post(desk.link, data={"text": HOSTILE})
    told = REPORT | {"name": HOSTILE, "why": HOSTILE * 3, "order": HOSTILE, "listings": f"https://x.example/{HOSTILE}"}
    faulty = desk.stranger.post("/public/notices", data=told | {"email": HOSTILE})
    location = desk.stranger.post("/public/notices", data=REPORT | {"why": HOSTILE * 3}).headers["location"]
    for answer in (desk.stranger.get(desk.link), faulty, desk.stranger.get(location)):
        assert "<script" not in answer.text
        assert "<img" not in answer.text
        assert "<b>40" not in answer.text
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "same-origin"


def test_every_language_of_letters_has_these_pages(desk: Desk) -> None:
    """By the address or the browser's wish; pages say their language and direction."""
    for language in languages():
        words = load_page_words(language)
        for path in (f"{desk.link}?lang={language}", f"/public/notices?lang={language}", "/public/decisions/x"):
            page = desk.stranger.get(path, headers={"Accept-Language": f"{language}-XX, en;q=0.5"})
            assert f'<html lang="{language}" dir="{words.direction}"' in page.text
            assert page.headers["content-language"] == language
    assert 'lang="en"' in desk.stranger.get(desk.link, headers={"Accept-Language": "xx"}).text


def test_the_audit_trail_names_the_way(desk: Desk) -> None:
    """An appeal filed on the page says so, and all that was written agrees."""
    desk.stranger.post(desk.link, data={"text": "I object."})
    desk.stranger.post("/public/notices", data=REPORT)
    assert '"by":"public page"' in ask(desk.engine, read_payload, "appeal:1")
    ask(desk.engine, check_sound)


def read_payload(connection: Connection, subject: str) -> str:
    """Return the payload of the first event on a subject."""
    return str(connection.scalar(select(audit.c.payload).where(audit.c.subject == subject)))


@pytest.mark.browser
def test_pages_need_no_script_and_fit_a_phone(browser: Any, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without JavaScript a seller objects and a buyer reports; no page is wider than its window, either way."""
    leftwards = load_page_words("en").model_copy(update={"direction": "rtl"})
    with serve_page(desk.engine, desk.settings) as address:
        page = browser.new_context(java_script_enabled=False).new_page()
        complaints = note_complaints(page)
        page.goto(address + desk.link)
        page.fill("#text", "I bought it in Lyon, invoice 17.")
        page.click("button.main")
        assert "We have your complaint" in page.inner_text("[role=status]")
        page.goto(f"{address}/public/notices")
        for field in ("listings", "why", "name", "email"):
            page.fill(f"#{field}", REPORT[field])
        page.check("[name=good_faith]")
        page.click("button.main")
        assert "We have your report." in page.inner_text("[role=status]")
        notice = page.url.removeprefix(address)
        assert complaints == []
        for words in (load_page_words("en"), leftwards):
            monkeypatch.setattr("ipml.web.public.visit.load_page_words", lambda _, words=words: words)
            page = browser.new_context(viewport={"width": 360, "height": 800}).new_page()
            for path in (desk.link, "/public/notices?kind=counterfeit", notice, "/public/notices/x"):
                page.goto(address + path)
                check_fit(page, f"public-{words.direction}-{path.split('/')[2][:9]}")
                assert page.evaluate("document.documentElement.dir") == words.direction
