"""Text of sellers, and of anybody else, on every page: whatever it is made of, a browser finds nothing alive in it."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pandas as pd
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine
from support import given_notices
from support.actions import COOPERATION
from support.browser import CHEAP
from support.casework import judge
from support.transactions import act, ask
from support.visitors import open_browser

from ipml.cooperation.networks.detection import find_networks
from ipml.cooperation.networks.store import store_networks
from ipml.cooperation.notices.intake import receive
from ipml.enforcement.actions import ActingLead, change_measure
from ipml.enforcement.appeals.filings import AppealRequest, file_appeal
from ipml.enforcement.appeals.remedies import AppealContext
from ipml.enforcement.appeals.resolution import AppealDecision, decide_appeal
from ipml.enforcement.policy import EnforcementPolicy
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.changes import MeasureOrder
from ipml.enforcement.takedown.measures import find_measures
from ipml.kit.hostile_text import is_invisible, show_invisible
from ipml.records import Highlight, Listing, PriceRange, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.worklists.search import Filter, browse_cases
from ipml.settings import Settings
from ipml.storage.database import writing
from ipml.web.app import ROUTES, make_app
from ipml.web.console.listing_text import cut_pieces, find_disguises

# Harmless markers: were one of them alive, the page would hold an element, an attribute or an address named by it.
PAYLOADS = (
    "<script src=/xss-marker></script>",
    '"><img src=/xss-marker onerror=xssmarker()>',
    "' onmouseover='xssmarker()' data-xss-marker='",
    "</textarea></title></style><svg onload=xssmarker()><xss-marker>",
    '<a href="javascript:xssmarker()">xss-marker</a>',
    "javascript:xssmarker()//https://elsewhere.example/xss-marker",
    "<iframe srcdoc='&lt;script&gt;xssmarker()&lt;/script&gt;'></iframe><base href=//xss-marker>",
    "{{ 7 * 7 }}{% include 'xss-marker' %}${7*7}<%= 7*7 %>",
    "<meta http-equiv=refresh content='0;url=//xss-marker'><form action=//xss-marker><button formaction=//xss-marker>",
    "--><!--<x xss-marker>\u2028</bdi></p><style>@import '//xss-marker'</style><details ontoggle=xssmarker()>",
)
ADDRESSES = ("href", "src", "action", "formaction", "srcset", "poster", "data", "xlink:href", "ping", "background")
FORBIDDEN = {
    *("iframe", "object", "embed", "base", "img", "style", "xss-marker", "x", "applet", "video", "audio"),
    "frame",
}
SKIPPED = {"/login/oidc", "/login/oidc/back", "/export.csv", "/suggestions.json", "/views.json"}
MOST_PAGES = 70
OWN_SCRIPT = re.compile(r"/static/[a-z]+\.js\?v=[0-9a-f]+")


class Page(HTMLParser):
    """What a browser would find in a page: each element with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.said.append(data)


def find_live(text: str) -> Iterator[str]:
    """Give whatever in a page is alive and not the page's own."""
    for tag, attributes in Page(text).elements:
        if tag in FORBIDDEN or (tag == "script" and not OWN_SCRIPT.fullmatch(attributes.get("src") or "")):
            yield f"<{tag}>"
        if tag == "meta" and "http-equiv" in attributes:
            yield "<meta http-equiv>"
        for name, value in attributes.items():
            if name.startswith("on") or name in ("style", "srcdoc") or "xss" in name:
                yield f"<{tag} {name}>"
            if name in ADDRESSES and not re.match(r"[#?]|/(?![/\\])", value or "/"):
                yield f"<{tag} {name}={value}>"


def test_the_search_finds_what_is_alive() -> None:
    """Put into a page unescaped, each payload that could be alive there is found; escaped, none is."""
    from html import escape

    alive = [payload for payload in PAYLOADS if list(find_live(f"<p title='{payload}'>{payload}</p>"))]
    assert len(alive) == 9  # all but an address alone
    assert list(find_live(f"<a href='{PAYLOADS[5]}'>x</a>"))
    assert not [
        payload for payload in PAYLOADS if list(find_live(f"<p title='{escape(payload)}'>{escape(payload)}</p>"))
    ]


def make_hostile(payload: str, number: int) -> ScoredListing:
    """Return a listing with a payload in every field of text, in its reasons, its model and its price range."""
    texts = {
        field.name: f"{payload} {number}"[:200]
        for field in fields(Listing)
        if field.type in ("str", "str | None") and field.name not in ("listing_id", "currency")
    }
    listing = replace(Listing(f"{number} {payload}", "s", "t"), **texts, price=12.5, currency="EUR")
    return ScoredListing(
        listing=listing,
        score=0.9 - number / 100,
        log_odds=2.0,
        reasons=(Reason(payload, payload, 1.5), Reason("other", f"said “{payload}”", -0.5)),
        highlights=(Highlight(0, len(payload) // 2, 1.0), Highlight(len(payload) // 2, len(payload), -1.0)),
        price_range=PriceRange(payload, "EUR", 10.0, 50.0, 90.0),
        model_version=payload,
        abstained=None,
    )


@pytest.fixture
def hostile(engine: Engine) -> list[int]:
    """Put a case for each payload into the queue, half of them decided with a payload as the note."""
    for number, payload in enumerate(PAYLOADS):
        scored = make_hostile(payload, number)
        enqueue(engine, [scored, replace(scored, listing=replace(scored.listing, listing_id=f"other {number}"))])
    numbers = [case.case_id for case in ask(engine, browse_cases, Filter(state=None), limit=100) if case.case_id > 7]
    for number, payload in zip(numbers[::2], PAYLOADS, strict=False):
        verdict = Verdict.ESCALATE if number % 3 else Verdict.GENUINE
        judge(engine, number, verdict, "lea", note=payload, actions=COOPERATION)
    return numbers


@pytest.mark.slow
def test_no_page_comes_to_life(lead: TestClient, hostile: list[int]) -> None:
    """All pages of a lead, with every payload in every text: nothing is alive, and the text is there to be read."""
    seen, said = set[str](), ""
    paths = [path for method, path, *_ in reversed(ROUTES) if method == "GET" and "{" not in path]
    paths.remove("/brands/view")  # without a brand; links lead to it
    paths += [*(f"/?state={state}" for state in ("open", "escalated", "decided")), *(f"/cases/{n}" for n in hostile)]
    while paths:
        path = paths.pop()
        if path.partition("?")[0] in SKIPPED or path in seen:
            continue
        seen.add(path)
        answer = lead.get(path)
        assert answer.status_code in (200, 303, 403, 404), path  # some are for admins, and for brands
        assert list(find_live(answer.text)) == [], path
        page = Page(answer.text)
        said += "".join(page.said)
        links = {attributes.get("href") or "" for tag, attributes in page.elements if tag == "a"}
        paths += [link for link in sorted(links) if link.startswith("/") and len(seen) + len(paths) < MOST_PAGES]
    for payload in PAYLOADS:
        assert payload.split("\u2028")[0] in said


@pytest.mark.slow
def test_nothing_that_follows_comes_to_life(app: FastAPI, lead: TestClient) -> None:
    """Letters, appeals, reasons and refusals with every payload, on the pages of case, appeal and seller."""
    for number, payload in enumerate(PAYLOADS):
        make_consequences(app.state.engine, payload, number, app.state.policy)
        case = f"/cases/{8 + number}"
        said = look(lead, (case, f"{case}/seller", f"/appeals/{number + 1}", "/appeals?state=all"))
        for place in ("note", "appeal", "change", "answer"):
            assert f"{place} {payload}".split("\u2028")[0] in said, (place, payload)


def make_consequences(engine: Engine, payload: str, number: int, policy: EnforcementPolicy) -> None:
    """Decide a hostile listing, let its seller appeal, change its measure, and answer."""
    scored, case_id = make_hostile(payload, number), 8 + number
    enqueue(engine, [replace(scored, listing=replace(scored.listing, title=f"{number} {payload}"))])
    judge(engine, case_id, Verdict.COUNTERFEIT, note=f"note {payload}", actions=COOPERATION)
    with writing(engine) as connection:
        file_appeal(connection, AppealRequest(case_id, scored.listing.seller_id, f"appeal {payload}"), policy.appeals)
        (measure,) = find_measures(connection, case_id=case_id)
        order = MeasureOrder(MeasureKind.LABEL, f"change {payload}")
        change_measure(connection, measure.measure_id, order, ActingLead("bo", policy))
        decision = AppealDecision("rejected", "lea", f"answer {payload}")
        decide_appeal(connection, number + 1, decision, AppealContext(policy))


def look(lead: TestClient, paths: Iterable[str]) -> str:
    """Return what is to be read on pages, after a look that nothing in them is alive."""
    said = ""
    for path in paths:
        answer = lead.get(path)
        assert answer.status_code == 200, path
        assert list(find_live(answer.text)) == [], path
        said += "".join(Page(answer.text).said)
    return said


@pytest.mark.slow
def test_no_network_comes_to_life(engine: Engine, tmp_path: Path) -> None:
    """Sellers and brands named by every payload, in the list, the picture, the table, on members and links."""
    moment = pd.Timestamp("2026-03-01", tz="UTC")
    events = pd.DataFrame({"seller_id": PAYLOADS, "kind": "payout", "value": "x", "seen_at": moment})
    store_networks(find_networks(events), tmp_path / "networks")
    for number, payload in enumerate(PAYLOADS):
        scored = make_hostile(payload, number)
        enqueue(engine, [replace(scored, listing=replace(scored.listing, seller_id=payload, brand=payload))])
    app = make_app(engine, Settings(networks=tmp_path / "networks"), cost=CHEAP)
    lead = open_browser(app, "lea")
    members = [f"/networks/1/members/{place}" for place in range(1, len(PAYLOADS) + 1)]
    said = look(lead, ("/networks", "/networks/1", "/networks/1/ties/1/2", *members))
    for payload in PAYLOADS:
        assert payload.split("\u2028")[0] in said
        assert list(find_live(lead.get("/networks", params={"seller": payload[:200]}).text)) == []


@pytest.mark.slow
def test_nothing_that_others_say_comes_to_life(app: FastAPI, lead: TestClient) -> None:
    """Notices with every payload as words, brand, right and listing, and a step with it as the reasons."""
    engine, said = app.state.engine, ""
    for number, payload in enumerate(PAYLOADS, start=1):
        who, brand = f"m{number}@x.test", payload.replace("\u2028", " ")[:90]
        told = {"email": who, "brand": brand, "rights": f"right {brand}", "explanation": f"words {payload} {'.' * 60}"}
        act(engine, receive, given_notices.say("L0000", f"{number} {brand}", **told), policy=given_notices.POLICY)
        enqueue(engine, [make_hostile(brand, number)])
        lead.post(f"/notifiers/{number}/step", data={"kind": "warn", "why": f"why {payload}"})
        view = f"/brands/view?{urlencode({'name': brand})}"
        said += look(lead, (f"/notices/{number}", f"/notifiers/{number}", view))
        for place in ("words", "right", "why"):
            assert f"{place} {payload}".split("\u2028")[0][:90] in said, (place, payload)
    look(lead, ("/notices?state=all", "/notifiers", "/brands", "/cases/1"))


def say(lead: TestClient, payload: str) -> Iterator[httpx.Response]:
    """Give the answers to a payload in every place of a request."""
    form = {"choice": "genuine", "token": "99", "until": "2030-01-01T00:00:00Z", "key": "k" * 16, "note": payload}
    yield lead.get("/", params={"brand": payload[:200], "seller": payload[:200]})
    yield lead.get("/", params={"state": payload, "after": payload})
    yield lead.get("/cases/1", params={"trail": payload, "recorded": payload})
    yield lead.get(f"/{payload}")
    yield lead.get("/login", params={"then": payload})
    yield lead.get("/login/oidc/back", params={"state": payload, "error": payload})
    yield lead.post("/cases/1/decide", data=form)
    yield lead.post("/cases/1/decide", data={**form, "choice": payload, "trail": payload})
    yield lead.post("/login", data={"name": payload, "password": payload, "then": payload})
    yield lead.get("/", headers={"Referer": payload.encode(), "User-Agent": payload.encode()})


@pytest.mark.slow
def test_what_a_request_says_is_not_alive_in_the_answer(lead: TestClient) -> None:
    """Filters, paths, names, notes and headers come back, if at all, as text."""
    lead.get("/cases/1")
    for payload in PAYLOADS:
        for answer in say(lead, payload):
            assert answer.status_code < 500
            assert list(find_live(answer.text)) == [], answer.url


def test_a_case_shows_text_as_text(engine: Engine, lead: TestClient) -> None:
    """Nothing in it is alive, no address leads anywhere, and what is invisible is shown, on the case and in lists."""
    url = "http://169.254.169.254/latest/meta-data"
    strange = f"\u202e\u2066\u200b{url} https://[::ffff:7f00:1]/ http://2130706433/ //elsewhere.example"
    enqueue(engine, [make_hostile(payload, number) for number, payload in enumerate((strange, *PAYLOADS))])
    numbers = [case.case_id for case in ask(engine, browse_cases, limit=100) if case.case_id > 7]
    said = look(lead, ("/", *(f"/cases/{number}" for number in numbers[:5])))
    assert url in said
    assert not any(is_invisible(letter) for letter in said if letter != "\n")
    for tag, attributes in Page(lead.get("/cases/8").text).elements:
        for name in ADDRESSES:
            assert re.match(r"#|/(?!/)", attributes.get(name) or "/"), (tag, attributes)


TEXTS = st.text(st.characters(), max_size=40)
RANGES = st.lists(
    st.builds(Highlight, st.integers(-2, 40), st.integers(-2, 45), st.floats(-5, 5, allow_subnormal=False)), max_size=5
)


def test_ordinary_text_stays() -> None:
    """Letters of any script, signs and pictures are left alone; of a title without end it is said how much was cut."""
    for text in ("Nike Air Max 90", "Кроссовки", "手提包", "حقيبة يد", "Sac à main — 50 €", "👜"):
        assert show_invisible(text) == text
        assert [piece.text for piece in cut_pieces(text)] == [text]
    pieces = cut_pieces("a" * 1_000_000, [Highlight(0, 1_000_000, 1.0)])
    assert [len(piece.text) for piece in pieces] == [500, len(" … and 999,500 more letters")]


@given(TEXTS, RANGES)
def test_pieces_make_up_the_title(text: str, highlights: list[Highlight]) -> None:
    """Invisible letters counted, none left invisible; pieces with a side have a strength, the strongest 3."""
    pieces = cut_pieces(text, highlights)
    assert not any(is_invisible(letter) for piece in pieces for letter in piece.text)
    seen = "".join(piece.text for piece in pieces if not piece.is_invisible)
    assert seen == "".join(letter for letter in text if not is_invisible(letter))
    repeats = [piece.text.partition(" ×")[2] or "1" for piece in pieces if piece.is_invisible]
    assert sum(map(int, repeats)) == sum(map(is_invisible, text))
    pieces = cut_pieces(text, highlights)
    assert all((piece.strength > 0) == bool(piece.speaks_for) for piece in pieces)
    assert max((piece.strength for piece in pieces), default=0) in (0, 3)


NEEDED = (
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family
    "\u2764\ufe0f\u200d\U0001f525",  # a heart on fire
    "\U0001f469\U0001f3fd\u200d\U0001f4bb",  # with a colour of skin
    "1\ufe0f\u20e3",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",  # the flag of England
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian
    "\u0915\u094d\u200d\u0937",  # Hindi
)


@given(st.lists(st.sampled_from((*NEEDED, "bag", "Nike")), max_size=6).map(" ".join))
def test_what_scripts_and_emoji_need_is_no_disguise(text: str) -> None:
    """Joiners inside emoji, Persian and Hindi, and selectors after emoji are not boxed, and nothing else is marked."""
    assert not any(piece.is_invisible or piece.disguise for piece in cut_pieces(text))
    assert show_invisible(text) == text


@given(st.sampled_from(NEEDED), st.sampled_from("\u200b\u200d\ufe0f\u2060"), st.sampled_from(["Nike", "Gucci"]))
def test_the_same_letters_inside_a_word_are_boxed(emoji: str, letter: str, word: str) -> None:
    """However ordinary the emoji beside it."""
    text = f"{emoji} {word[:2]}{letter}{word[2:]}"
    assert [piece.text for piece in cut_pieces(text) if piece.is_invisible] == [f"U+{ord(letter):04X}"]


SPELT = (
    ("sac L0u15 Vu1tt0n DM8146 35cm", "Louis Vuitton", "L0u15 Vu1tt0n"),
    ("35t\u00e93 L4ud3r, 15 ml", "Est\u00e9e Lauder", "35t\u00e93 L4ud3r"),
    ("new U G G boots 38", "UGG", "U G G"),
    ("Louis Vuitton V1P case", "Louis Vuitton", ""),
    ("7 for all mankind, 2 x 501", "7 For All Mankind", ""),
)


def test_a_brand_that_is_spelt_with_digits_is_marked_without_a_reading() -> None:
    """Though the model read nothing else than is written; words beside it, sizes and numbers of articles are not."""
    for title, brand, marked in SPELT:
        disguises = find_disguises(title, brand=brand)
        found = "".join(letter if place in disguises else " " for place, letter in enumerate(title))
        assert found.split() == marked.split(), title


ALIKE = {"a": "\u0430", "c": "\u0441", "e": "\u0435", "i": "\u0456", "o": "\u043e", "p": "\u0440"}


@given(st.sampled_from(["chanel", "gucci", "prada", "rolex", "nike"]), st.data())
def test_look_alike_letters_are_marked_with_their_names(word: str, data: st.DataObject) -> None:
    """Each letter of another script in a word is marked and named; those of the word itself are not."""
    places = [place for place, letter in enumerate(word) if letter in ALIKE]
    chosen = data.draw(st.sets(st.sampled_from(places), min_size=1, max_size=len(word) // 2))
    disguised = "".join(ALIKE[letter] if place in chosen else letter for place, letter in enumerate(word))
    found = find_disguises(f"new {disguised} bag")
    assert found == {4 + place: unicodedata.name(disguised[place]).capitalize() for place in sorted(chosen)}


HONEST = (
    *("\u043a\u0435\u0434\u044b Nike", "\u0441\u0443\u043c\u043a\u0430 Nike \u0445\u043e\u0440"),
    *("\u0442\u043e\u0440 \u0441\u043e\u0440", "5 \u00b5m", "90x90\u0441\u043c", "T\u30b7\u30e3\u30c4"),
    *("caf\u00e9 90 x 90 cm", "M & S", "A B test"),
)
SPOILT = {"B u r b e r r y": "burberry", "B.u.r.b.e.r.r.y": "burberry", "Br0th3r": "brother"}
SPOILT |= {"\u0410\u0410\u0410": "aaa", "\u0441\u043e\u0440\u0443": "copy", "\u03a1\u039f\u039c\u0395": "pome"}
SPOILT |= {"V*ellmar": "vellmar", "\U0001d4de\U0001d4f6\U0001d4ee\U0001d4f0\U0001d4ea": "omega"}


def test_spaced_styled_and_leet_words_are_marked() -> None:
    """The whole of the word, and nothing beside it; nor words of one script, units and sizes."""
    for text, read_as in SPOILT.items():
        found = find_disguises(f"new {text}, bag", f"new {read_as}, bag")
        assert set(found) == set(range(4, 4 + len(text))), text
    assert [text for text in HONEST if find_disguises(text, read_as=text)] == []
