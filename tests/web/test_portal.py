"""The portal of rights holders: reporting, following, answering, rights, authorised sellers, and hostile text."""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from PIL import ImageOps
from sqlalchemy import Engine, select, update
from support.actions import COOPERATING, COOPERATING_APPEALS
from support.brand_world import (
    ADDRESSES,
    BRANDS,
    LISTINGS,
    NOTE,
    PDF,
    REVIEWERS,
    dealer_of,
    fill,
    make_listing,
    sellers_of,
)
from support.browser import check_pages, note_complaints, serve_page
from support.databases import copy_memory, copy_sqlite, open_undurable, save_memory
from support.picture_host import draw_goods, make_picture, serve_pictures, write_picture
from support.staff import CHEAP, PASSWORD
from support.transactions import ask, read_rows
from support.visitors import open_browser

from ipml.enforcement.appeals.resolution import run_appeal_deadlines
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.pictures.addresses import PictureSources
from ipml.review.pictures.collection import fetch_due
from ipml.review.pictures.hashes import HashIndex, group_pictures
from ipml.review.pictures.reference import list_references
from ipml.review.pictures.stored import sweep_files
from ipml.review.sellers.seller_lists import EntryFilter, ListKind, list_entries
from ipml.settings import Settings
from ipml.storage.audit_trail import audit
from ipml.storage.audit_trail.row_digests import check_rows
from ipml.storage.database import writing
from ipml.storage.tables import metadata, notices, outbox, pictures
from ipml.web.accounts.brand_accounts import bind_brand, list_bindings
from ipml.web.accounts.permissions import Action
from ipml.web.app import ROUTES, make_app
from ipml.web.http_api.api import API_ROUTES
from ipml.web.http_api.requests import make_access
from ipml.web.portal.reporting import read_csv

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}\u202e"
WHY = "The seam is glued and not sewn, and we never made a bag in this colour."


@pytest.fixture(scope="module")
def world() -> tuple[bytes, dict[str, str]]:
    """Return a filled database, and the references of notices by brand."""
    engine = copy_memory()
    references = fill(engine)
    return save_memory(engine), references


@pytest.fixture
def engine(world: tuple[bytes, dict[str, str]]) -> Iterator[Engine]:
    """Give the filled database."""
    engine = copy_memory(world[0])
    yield engine
    engine.dispose()


def log_in(engine: Engine, name: str = "vera", settings: Settings | None = None) -> TestClient:
    """Return the browser of somebody; a brand account comes to the portal, whatever page was asked for."""
    client = open_browser(make_app(engine, settings or Settings(), cost=CHEAP))
    answer = client.post("/login", data={"name": name, "password": PASSWORD, "then": "/cases/1"})
    assert answer.status_code == 303
    assert (answer.headers["location"] == "/portal") == (name in ("vera", "otto", "nora", "una"))
    return client


@pytest.fixture
def client(engine: Engine) -> TestClient:
    """Return the browser of a brand account."""
    return log_in(engine)


def bind(engine: Engine, name: str, brand: str) -> None:
    """Bind an account to one more brand, in the name of its own notifier."""
    with writing(engine) as connection:
        bind_brand(connection, name, brand, ADDRESSES[name], by="adam")


def send_report(client: TestClient, form: Mapping[str, str]) -> Any:
    """Check the listings of a report, and send it; return the last answer, which is the first if it cannot be sent."""
    page = client.post("/portal/report", data=form)
    checked = re.search(r'name="checked" value="(\w+)"', page.text)
    return client.post("/portal/report", data={**form, "step": "send", "checked": checked[1]}) if checked else page


def verify(archive: bytes, folder: Path) -> None:
    """Unpack evidence into a folder, and let the package check itself."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        opened.extractall(folder)
    (package,) = folder.glob("evidence-listing-*")
    command = [sys.executable, "verify.py", "."]
    checked = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_listings_are_reported_and_followed(client: TestClient) -> None:
    """By number in lines; sent twice it is one notice, whose page says how each listing stands."""
    form = {"brand": "Vellmar", "why": WHY, "listings": "V-0005\nV-0009\n", "good_faith": "yes"}
    answers = [send_report(client, form) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    page = client.get(answers[0].headers["location"]).text
    assert "V-0005" in page
    assert "Waits for a person to look at it" in page
    assert "We could not find this listing yet</b>. We look again for 30 days" in page
    least = re.search(r"At least (\d+) letters", client.get("/portal/report").text)
    assert least  # the form and what it is answered name the number of the notifier's tier
    assert re.findall(r"at least (\d+)", send_report(client, form | {"why": "Too short"}).text) == [least[1]]
    assert "Found counterfeit last" in client.get("/portal/figures").text
    with zipfile.ZipFile(io.BytesIO(client.get("/portal/figures.zip").content)) as archive:
        assert "brand-report/report.html" in archive.namelist()


def test_a_line_is_understood_and_fits_the_brand_or_nothing_is_sent(client: TestClient) -> None:
    """A line that is neither address nor number is named; a listing of another brand waits for a second word."""
    form, two = {"brand": "Vellmar", "why": WHY, "good_faith": "yes"}, {"listings": "V-0005\nN-0001"}
    sent = {"listings": "V-0005\n\nthe bag I saw"}, two, two | {"other_brand": "yes"}
    answers = [send_report(client, form | said) for said in sent]
    rows = [re.findall(r'class="number">(\d+)</td><td data-label="Field">([^<]*)</td>', one.text) for one in answers]
    assert [one.status_code for one in answers] == [400, 400, 303]
    assert rows == [[("3", "listing")], [("2", "brand")], []]
    assert ['name="other_brand"' in one.text for one in answers] == [False, True, False]
    assert "Nordhale" not in answers[1].text


def test_listings_are_shown_as_found_before_anything_is_sent(engine: Engine, client: TestClient) -> None:
    """With title, earlier notices and what is not found; changed after that, they are shown again."""
    bind(engine, "vera", "Nordhale")
    client.post("/portal/rights", data={"brand": "Nordhale", "number": "EUTM 9", "office": "EUIPO"})
    lines = "V-0005\nV-0000\nN-0005\nV-9999\n\n1 bag\nmailto:a"
    form = {"brand": "", "why": WHY, "good_faith": "yes", "listings": lines}
    page = client.post("/portal/report", data=form)
    assert "3 of 6 found" in page.text
    for shown in ("Vellmar tote bag number 35", "Nordhale diver watch number 35", "Not found yet", "found counterfeit"):
        assert shown in page.text, shown
    assert re.findall(r'class="number">(\d)</td><td data-label="Field">(\w+)', page.text) == [
        *(("6", "listing"), ("7", "listing"), ("4", "brand"))
    ]
    form["listings"] = "V-0005\nN-0005"
    page = client.post("/portal/report", data=form)
    assert "One notice will be sent for each brand" in page.text
    checked = re.findall(r'name="checked" value="(\w+)"', page.text)[0]
    changed = {**form, "step": "send", "checked": checked, "listings": "V-0005\nV-0004\nN-0005"}
    assert "3 of 3 found" in client.post("/portal/report", data=changed).text
    assert len(read_rows(engine, select(metadata.tables["notices"]))) == len(BRANDS)
    assert send_report(client, form).headers["location"] == "/portal/notices?sent=2"
    given = read_rows(engine, select(notices.c.notifier_id, notices.c.brand).order_by(notices.c.notice_id))
    assert [tuple(one) for one in given[-2:]] == [(1, "Vellmar"), (1, "Nordhale")]


def test_the_page_of_a_listing_shows_ones_own_notices(engine: Engine) -> None:
    """With their state; not those of another brand's notifier about the same listing."""
    pages = [log_in(engine).get(f"/portal/listings/{number}").text for number in (1, 6)]
    assert ["Your notices" in one for one in pages] == [True, False]
    assert re.search(r"Reported .*? for <bdi>Vellmar</bdi>: found counterfeit", pages[0])
    bind(engine, "nora", "Vellmar")
    page = log_in(engine, "nora").get("/portal/listings/1").text
    assert "Vellmar tote bag" in page
    assert "Your notices" not in page


def test_faults_of_a_file_are_named_by_row(client: TestClient) -> None:
    """Nothing is sent before all is right; what was typed stays; of what is no CSV file that is said."""
    content = b"url,listing_id\nftp://x,\n,V-0005\n,\n,V-0005\n"
    form = {"brand": "Vellmar", "why": WHY, "good_faith": "yes"}
    answer = client.post("/portal/report", data=form, files={"file": ("a.csv", content, "text/csv")})
    assert answer.status_code == 400
    rows = re.findall(r'class="number">(\d+)</td><td data-label="Field">([^<]*)</td>', answer.text)
    assert rows == [("1", "url"), ("4", "listing")]
    assert "the listing of row 2 again" in answer.text
    lines = {"listings": "x://the listing of listings[7] again"}
    assert client.post("/portal/report", data=form | lines).status_code == 400
    assert WHY in answer.text
    assert all(read_csv(content)[1] for content in (b"", b"\xff\xfe\x00", b"name\nx\n", b'url\n"a'))


def test_a_counter_notice_is_answered(references: dict[str, str], client: TestClient) -> None:
    """With where they have sued; a second answer of that kind finds nothing that waits."""
    reference = references["Vellmar"]
    assert "Waits for your answer" in client.get("/portal").text
    form = {"choice": "acted", "acted": "LG Hamburg 312 O 5/26"}
    assert client.post(f"/portal/notices/{reference}/answer", data=form).status_code == 303
    page = client.get(f"/portal/notices/{reference}").text
    for told in ("you have acted", "Found counterfeit", "The listing itself says that the goods are a replica"):
        assert told in page, told  # state, ground, who or what decided, and measures
    assert "Decided by a person" in page
    assert "Removed" in page
    assert client.post(f"/portal/notices/{reference}/answer", data=form).status_code == 409
    assert "Waits for your answer" not in client.get("/portal").text


def test_an_answer_counts_until_the_term_has_taken_its_course(engine, references, client):
    """The page says by when; once the listing was put back for want of an answer it says that, and takes none."""
    now = datetime.now(UTC)
    address, form = f"/portal/notices/{references['Vellmar']}", {"choice": "acted", "acted": "LG Hamburg 312 O 5/26"}
    assert "Your term begins when" in client.get(address).text
    with writing(engine) as connection:
        delivered = {"state": "delivered", "settled_at": now - timedelta(days=40)}
        connection.execute(update(outbox).where(outbox.c.subject.like("counter-notice:%")).values(delivered))
    run_appeal_deadlines(engine, COOPERATING_APPEALS, now=now - timedelta(days=39))
    page = client.get(address).text
    assert "Answer before" in page
    assert "overdue by" in page
    for days in range(4):
        run_appeal_deadlines(engine, COOPERATING_APPEALS, now=now + timedelta(days=days))
    assert "the listing was reinstated" in client.get(address).text
    refused = client.post(f"{address}/answer", data=form)
    assert refused.status_code == 409
    assert "found no counter-notice against it that waits" in refused.text
    assert "LG Hamburg" not in refused.text


def test_evidence_can_be_checked_and_names_nobody(tmp_path: Path, client: TestClient) -> None:
    """The package of a listing that was found counterfeit passes its own check; of another there is none."""
    assert client.get("/portal/listings/4/evidence.zip").status_code == 404
    verify(client.get("/portal/listings/1/evidence.zip").content, tmp_path)
    said = json.loads((tmp_path / "evidence-listing-1/data/listing.json").read_text())
    assert said["decision"]["verdict"] == "counterfeit"
    assert "seller" not in json.dumps(said["listing"])
    assert client.get("/portal/listings/1/evidence.zip", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403


def test_pictures_are_of_ones_own_listings(engine: Engine, tmp_path: Path) -> None:
    """Copies that are stored here are on the page, in the list and in the evidence; others' are nowhere."""
    now, settings = datetime.now(UTC), Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    with serve_pictures() as host:
        for brand, path in (("Vellmar", "/good.jpg"), ("Nordhale", "/png")):
            scored = make_listing(brand, 0, now)
            listing = replace(scored.listing, listing_id=f"{brand}-P", title=f"{brand} with a picture")
            enqueue(engine, [replace(scored, listing=replace(listing, image_urls=host.address(path)))])
        fetch_due(engine, settings.pictures, PictureSources.read(settings))
    cases = read_rows(engine, select(pictures.c.case_id, pictures.c.digest).order_by(pictures.c.case_id))
    (own, own_digest), (other, other_digest) = cases
    client, address = log_in(engine, settings=settings), f"/portal/listings/{own}/pictures/{own_digest}"
    assert f'src="{address}/thumbnail"' in client.get("/portal/listings").text
    assert f'href="{address}"' in client.get(f"/portal/listings/{own}").text
    assert "127.0.0.1" not in client.get(f"/portal/listings/{own}").text
    for one in (address, f"{address}/thumbnail"):
        assert client.get(one).headers["content-type"] == "image/webp"
    for number, digest in ((own, other_digest), (other, other_digest), (other, own_digest), (own, "0" * 64)):
        assert client.get(f"/portal/listings/{number}/pictures/{digest}").status_code == 404
        assert client.get(f"/portal/listings/{number}/pictures/{digest}/thumbnail").status_code == 404
    assert client.get(f"/pictures/{own_digest}").status_code == 403
    with writing(engine) as connection:
        taken = claim(connection, "revina", own)
        decide(connection, DecisionRequest(taken, Verdict.COUNTERFEIT, "declared_replica"), context=COOPERATING)
    verify(client.get(f"/portal/listings/{own}/evidence.zip").content, tmp_path)
    folder = tmp_path / f"evidence-listing-{own}"
    (said,) = json.loads((folder / "data/listing.json").read_text())["pictures"]
    assert said["sha256"] == own_digest
    assert (folder / "data" / said["file"]).read_bytes() == client.get(address).content


def test_a_reference_picture_counts_once_a_lead_accepts(engine: Engine, tmp_path: Path) -> None:
    """Until then it is nowhere but in the proposals; a rejected one is deleted, with a reason that the brand reads."""
    settings = Settings(pictures=tmp_path / "pictures")
    client, lead = log_in(engine, settings=settings), log_in(engine, "levante", settings)
    form = {"brand": "Vellmar", "kind": "genuine", "shows": "Autumn tote"}
    files = [("files", (f"{n}.png", write_picture(draw_goods(n), "PNG"), "image/png")) for n in (1, 2)]
    for _ in range(2):
        assert client.post("/portal/pictures", data=form, files=files).status_code == 303
    refused = client.post("/portal/pictures", data=form, files=[*files, ("files", ("a.png", b"<svg/>", "image/png"))])
    assert (refused.status_code, "no picture that can be read" in refused.text) == (400, True)
    assert client.post("/portal/pictures", data=form | {"brand": "Nordhale"}, files=files).status_code == 404
    assert ask(engine, list_references) == []
    assert lead.get("/proposals").text.count('class="proposed"') == 2
    assert client.get("/portal/pictures/1/thumbnail").headers["content-type"] == "image/webp"
    other = log_in(engine, "nora", settings)
    assert [other.get(f"/portal/pictures/{one}").status_code for one in ("1", "1/thumbnail", "9")] == [404, 404, 404]
    assert "Autumn tote" not in other.get("/portal/pictures").text
    sweep_files(engine, settings.pictures)
    assert lead.post("/proposals/pictures/1", data={"choice": "accept"}).status_code == 303
    answers = [
        lead.post("/proposals/pictures/2", data={"choice": "decline", "why": why}) for why in ("", "a copy", "b")
    ]
    assert [one.status_code for one in answers] == [409, 303, 409]
    (reference,) = ask(engine, list_references)
    assert (reference.brand, reference.kind, reference.source) == ("Vellmar", "genuine", "the brand: Autumn tote")
    assert sweep_files(engine, settings.pictures) == 1
    page = client.get("/portal/pictures").text
    assert "In use" in page
    assert "a copy" in page
    assert client.get("/portal/pictures/2").status_code == 404
    assert ask(engine, check_rows).problems == ()


def test_listings_are_found_by_a_picture(engine: Engine, tmp_path: Path) -> None:
    """One's own that show it, or nearly the same; what is no picture is refused, a picture of others finds nothing."""
    now, settings = datetime.now(UTC), Settings(pictures=tmp_path / "pictures", picture_networks="127.0.0.1")
    goods = draw_goods(1)
    with serve_pictures() as host:
        host.files = {"/goods.jpg": write_picture(goods)}
        for brand in BRANDS.values():
            scored = make_listing(brand, 0, now)
            shown = {"listing_id": f"{brand}-P", "title": f"{brand} with a picture"}
            listing = replace(scored.listing, image_urls=host.address("/goods.jpg"), **shown)
            enqueue(engine, [replace(scored, listing=listing)])
        fetch_due(engine, settings.pictures, PictureSources.read(settings))
    group_pictures(engine, settings.pictures, HashIndex())
    client = log_in(engine, settings=settings)

    def find(content: bytes) -> Any:
        return client.post("/portal/listings", files={"file": ("a.webp", content, "image/webp")})

    for picture in (goods, ImageOps.mirror(goods), ImageOps.expand(goods, 30, "red")):
        page = find(write_picture(picture, "WEBP")).text
        assert "1 listing of your brands shows" in page
        assert 'value="Vellmar-P"' in page
        assert "Nordhale" not in page
    assert "No listing matches" in find(write_picture(draw_goods(2), "PNG")).text
    for content in (b"", b"<svg/>", make_picture()):
        assert find(content).status_code == 400


def test_a_template_fills_the_form_and_is_ones_own(engine: Engine, client: TestClient) -> None:
    """It keeps the listings that were typed; others neither see, use nor remove it."""
    form = {"brand": "Vellmar", "name": "Seam", "text": WHY}
    for text in ("An earlier text.", WHY):
        assert client.post("/portal/templates", data=form | {"text": text}).status_code == 303
    assert client.post("/portal/templates", data=form | {"text": " "}).status_code == 400
    assert client.post("/portal/templates", data=form | {"brand": "Nordhale"}).status_code == 404
    used = {"brand": "Vellmar", "listings": "V-0005", "step": "use", "template": "1"}
    page = client.post("/portal/report", data=used).text
    assert WHY in page
    assert "1 of 1 found" in page
    other = log_in(engine, "nora")
    assert WHY not in other.post("/portal/report", data=used | {"brand": "Nordhale"}).text
    assert WHY not in other.get("/portal/templates").text
    assert other.post("/portal/templates/1/remove").status_code == 404
    assert client.post("/portal/templates/1/remove").status_code == 303
    assert "None yet" in client.get("/portal/templates").text


def test_a_registration_is_filed_and_read_again(engine: Engine, client: TestClient) -> None:
    """As it was filed, as a download; what is no certificate, or has ended, is refused."""
    form = {"brand": "Vellmar", "number": "DE 302026", "office": "DPMA", "classes": "18", "until": "2031-05-01"}
    file = ("scan.html", PDF + b"again", "text/html")
    assert client.post("/portal/rights", data=form, files={"file": file}).status_code == 303
    answer = client.get("/portal/rights/3/file")
    assert (answer.content, answer.headers["content-type"]) == (PDF + b"again", "application/pdf")
    assert answer.headers["content-disposition"].startswith("attachment")
    client.post("/portal/rights", data=form, files={"file": file})
    assert client.get("/portal/rights").text.count("DE 302026") == 1
    assert client.post("/portal/rights", data=form, files={"file": ("empty.pdf", b"")}).status_code == 400
    hidden = (b"/JavaScript", b"/J#61vaScript/J#53", b"/Type/ObjStm", b"/Type /Obj#53tm", b"/Encrypt 4 0 R", b"/AA<<>>")
    hidden += (b"/OpenAction<</S/URI>>", b"/OpenAction 4 0 R", b"/S/SubmitForm", b"startxref 99")
    for content in (b"<html>", b"MZ", b"%PDF-1.7<html>", *(PDF + end for end in hidden), PDF + b"x" * 2_000_001):
        assert client.post("/portal/rights", data=form, files={"file": ("a.pdf", content)}).status_code == 400
    assert client.post("/portal/rights", data=form | {"until": "2001-01-01"}).status_code == 400
    lead = log_in(engine, "levante")
    assert lead.get("/documents/3/file").content == PDF + b"again"
    assert "DPMA" in lead.get("/notifiers/1").text


def test_an_authorised_seller_is_listed_once_a_lead_agrees(engine: Engine, client: TestClient) -> None:
    """For the brand alone; until then nothing changes. That one is no longer authorised holds at once."""
    lead, now = log_in(engine, "levante"), datetime.now(UTC)

    def listed() -> set[str | None]:
        found = ask(engine, list_entries, now, EntryFilter(ListKind.AUTHORISED, brand="vellmar"))
        return {one.seller_id for one in found}

    assert client.post("/portal/sellers", data={"brand": "Vellmar", "seller": "s9", "why": "w"}).status_code == 303
    assert listed() == {dealer_of("Vellmar")}
    assert lead.post("/proposals/sellers/3", data={"choice": "decline", "why": " "}).status_code == 409
    assert lead.post("/proposals/sellers/3", data={"choice": "accept"}).status_code == 303
    assert listed() == {dealer_of("Vellmar"), "s9"}
    assert lead.post("/proposals/sellers/3", data={"choice": "accept"}).status_code == 409
    assert lead.post("/proposals/sellers/1", data={"choice": "decline", "why": "no contract seen"}).status_code == 303
    assert "no contract seen" in client.get("/portal/sellers").text
    assert "no contract seen" not in log_in(engine, "nora").get("/portal/sellers").text
    assert client.post("/portal/sellers/1/end", data={"why": "over"}).status_code == 303
    assert listed() == {"s9"}


def test_an_administrator_binds_and_ends(engine: Engine) -> None:
    """A new account is made with its password; what has ended shows nothing from the next request on."""
    admin = log_in(engine, "adam")
    form = {"name": "otto", "brand": "Vellmar", "notifier": "otto@vellmar.example", "password": PASSWORD}
    assert admin.post("/brand-accounts", data=form).status_code == 303
    client = log_in(engine, "otto")
    assert client.get("/portal").status_code == 200
    assert "V-0001" in client.get("/portal/listings").text
    number = next(one.binding_id for one in ask(engine, list_bindings) if one.user_name == "otto")
    assert admin.post(f"/brand-accounts/{number}/end").status_code == 303
    assert client.get("/portal").status_code == 404
    assert admin.post("/brand-accounts", data=form | {"name": "levante", "password": ""}).status_code == 400
    assert ask(engine, audit.verify).is_intact
    assert ask(engine, check_rows).problems == ()


def test_hostile_text_in_every_field_stays_text(engine: Engine, client: TestClient) -> None:
    """Whatever is typed comes back escaped, with invisible letters shown, to brands and to staff."""
    lead, admin = log_in(engine, "levante"), log_in(engine, "adam")
    text = HOSTILE.replace("\u202e", "")
    forms = (
        ("/portal/report", {"brand": "Vellmar", "why": WHY + HOSTILE, "listings": text, "good_faith": "yes"}),
        ("/portal/report", {"brand": HOSTILE, "why": HOSTILE, "listings": HOSTILE, "good_faith": HOSTILE[:8]}),
        ("/portal/rights", {"brand": "Vellmar", "number": HOSTILE, "office": HOSTILE, "classes": HOSTILE}),
        ("/portal/rights", {"brand": "Vellmar", "number": text, "office": text, "classes": text}),
        ("/portal/rights", {"brand": "Vellmar", "number": "\0", "office": "\ud800".encode("utf-8", "replace")}),
        ("/portal/sellers", {"brand": "Vellmar", "seller": HOSTILE, "why": HOSTILE}),
        ("/portal/sellers", {"brand": "Vellmar", "seller": "s", "why": "w", "until": "0000-99"}),
        ("/portal/sellers/1/end", {"why": HOSTILE}),
        ("/portal/templates", {"brand": "Vellmar", "name": text[:80], "text": text}),
        ("/portal/templates", {"brand": "Vellmar", "name": "\0", "text": HOSTILE}),
    )
    pages = [client.post(address, data=form) for address, form in forms]
    said = {"name": HOSTILE[:60], "brand": HOSTILE, "notifier": HOSTILE}
    pages += [admin.post("/brand-accounts", data=said)]
    for address in (
        "",
        "/notices",
        "/rights",
        "/sellers",
        "/templates",
        f"/listings?search={HOSTILE}",
        f"/report?listing={HOSTILE}",
    ):
        pages.append(client.get("/portal" + address))
    pages += [lead.get(one) for one in ("/proposals", "/notifiers/1", "/notices/3", "/lists")]
    for page in pages:
        assert page.status_code < 500, page.request.url
        assert "<script>alert" not in page.text, page.request.url
        assert "<img src=x" not in page.text, page.request.url
        typed = r'value="[^"]*"|<textarea.*?</textarea>'  # what stands in a field stays as it was typed
        assert "\u202e" not in re.sub(typed, "", page.text, flags=re.DOTALL), page.request.url


NUMBERS = range(1, 2 * LISTINGS + 2)
_PERSONAL = ("31 days", "4815162", "4,815,162")  # of the seller's history


@pytest.fixture
def references(world: tuple[bytes, dict[str, str]]) -> dict[str, str]:
    """Return the references of notices by brand."""
    return world[1]


def fill_in(path: str, references: Mapping[str, str]) -> Iterator[str]:
    """Give all addresses of a route: with each number, and with the reference of every notice."""
    if "{reference}" in path:
        yield from (path.replace("{reference}", one) for one in references.values())
    elif "{" in path:
        yield from (re.sub(r"\{\w+\}", str(number), path) for number in NUMBERS)
    else:
        yield path
        yield from (f"{path}?brand={brand}&search=a&name={brand}" for brand in BRANDS.values())


def read_all(answer: object) -> str:
    """Return what an answer says, that of the files in an archive included."""
    content: bytes = answer.content  # type: ignore[attr-defined]
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return "\n".join(archive.read(one).decode("utf-8") for one in archive.namelist())
    return content.decode("utf-8", "replace")


def forbidden_to(name: str) -> list[str]:
    """Return what an account may never see: others' brand, goods and people, every seller but theirs, reviewers."""
    own = BRANDS[name]
    others = [one for one in BRANDS if one != name]
    said = [*REVIEWERS, NOTE, *_PERSONAL, *sellers_of(own), "vic", "adam"]
    for other in others:
        brand = BRANDS[other]
        said += [brand, other, ADDRESSES[other], *sellers_of(brand), dealer_of(brand), f"{brand[:1]}-000"]
    return said


def find_said(text: str, said: list[str]) -> list[str]:
    """Return which words stand in a text, as words."""
    return [one for one in said if re.search(rf"(?<![\w-]){re.escape(one)}", text, re.IGNORECASE)]


@pytest.mark.slow
def test_a_brand_account_sees_its_own_and_nothing_else(references: dict[str, str], engine: Engine) -> None:
    """At every address, number and reference: no other brand, reviewer, note or seller comes back."""
    for name, brand in BRANDS.items():
        client, said, seen = log_in(engine, name), forbidden_to(name), 0
        for method, path, action, _ in ROUTES:
            if path in ("/logout", "/health", "/health/ready"):
                continue
            for address in fill_in(path, references):
                answer = client.request(method, address, data={} if method == "POST" else None)
                text = read_all(answer)
                asked = set(re.findall(r"\w+", address))
                assert find_said(text, [one for one in said if one not in asked]) == [], (name, method, address)
                assert answer.status_code < 500, (name, method, address)
                if action not in (None, Action.USE_PORTAL, Action.SECURE_ACCOUNT):
                    assert answer.status_code in (403, 404), (name, method, address, answer.status_code)
                seen += brand in text
        assert seen > 20, "the walk saw nothing of the own brand either"
    assert read_rows(engine, select(metadata.tables["decisions"]))


@pytest.mark.slow
def test_what_is_anothers_is_not_found(references: dict[str, str], client: TestClient) -> None:
    """What is another's answers as what is nowhere, 404; a search for a seller's id finds as little as for nonsense."""
    reference = references["Nordhale"]
    for address in (
        *("listings/999999", f"listings/{LISTINGS + 1}", f"listings/{LISTINGS + 1}/evidence.zip"),
        *(f"notices/{reference}", "rights/2/file", f"templates?notice={reference}"),
        *(f"{name}?brand=Nordhale" for name in ("figures", "figures.zip", "listings", "notices")),
    ):
        assert client.get(f"/portal/{address}").status_code == 404, address
    forms = {
        f"notices/{reference}/answer": {"choice": "withdraw"},
        "sellers/2/end": {"why": "x"},
        "sellers": {"brand": "Nordhale", "seller": "s", "why": "w"},
        "rights": {"brand": "Nordhale", "number": "1", "office": "o"},
        f"templates?notice={reference}": {"brand": "Nordhale", "name": "n", "text": "t"},
        "report": {"brand": "Nordhale", "why": "w" * 40, "listings": "A", "good_faith": "yes"},
    }
    for address, form in forms.items():
        assert client.post(f"/portal/{address}", data=form).status_code == 404, address
    assert "V-0001" in client.get("/portal/listings?search=tote").text
    for words in (sellers_of("Vellmar")[1], "merchant", "tote merchant"):
        assert "V-000" not in client.get("/portal/listings", params={"search": words}).text, words


@pytest.mark.slow
def test_the_portal_is_for_brand_accounts_alone(engine: Engine) -> None:
    """Staff of any role, and an account that is bound to nothing, find nothing there."""
    for name in ("vic", "revina", "levante", "adam", "una"):
        client = log_in(engine, name)
        for method, path, action, _ in ROUTES:
            if action is Action.USE_PORTAL and method == "GET":
                address = re.sub(r"\{\w+\}", "1", path)
                assert client.get(address).status_code == 404, (name, address)


@pytest.mark.slow
def test_the_key_of_a_rights_holders_program_opens_their_notices_alone(
    engine: Engine, references: dict[str, str], judges, make_server_app: Callable, tmp_path: Path
) -> None:
    """With a notifier's key the API says nothing of other brands, sellers or reviewers."""
    key, brand = "k" * 40, BRANDS["vera"]
    (tmp_path / "keys").write_text(f"{key} notices notifier={ADDRESSES['vera']}\n")
    api = TestClient(make_server_app(judges, make_access(tmp_path / "keys", "0.0.0.0"), engine))
    for method, path, action, *_ in API_ROUTES:
        for address in fill_in(path, references) if action is Action.GIVE_NOTICE else ():
            answer = api.request(method, address, json={}, headers={"Authorization": f"Bearer {key}"})
            asked = set(re.findall(r"\w+", address))
            assert find_said(answer.text, [one for one in forbidden_to("vera") if one not in asked]) == [], address
            is_own = references[brand] in address
            assert answer.status_code == (200 if is_own else 404 if method == "GET" else 422), address


CSV = "url,listing_id\nftp://x,\n,V-0005\n,V-0005\n"


class Desk(NamedTuple):
    """Where the page is served, and the reference of the notice with a counter-notice."""

    address: str
    reference: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Serve the marketplace of two brands."""
    engine = open_undurable(copy_sqlite(tmp_path_factory.mktemp("portal")))
    references = fill(engine)
    with serve_page(engine) as address:
        yield Desk(address, references["Vellmar"])


def open_as(browser: Any, desk: Desk, name: str = "vera", **options: object) -> Any:
    """Return a page on which somebody has logged in."""
    page = browser.new_context(timezone_id="America/New_York", **options).new_page()
    page.goto(f"{desk.address}/login")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    page.wait_for_load_state()
    return page


@pytest.mark.browser
def test_a_file_with_faults_is_put_right_and_sent(browser: Any, desk: Desk, tmp_path: Path) -> None:
    """Faults are named by row; what was typed is there until it is sent, and no longer; files go as they are."""
    page = open_as(browser, desk)
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/portal/report")
    complaints = note_complaints(page)
    (tmp_path / "list.csv").write_text(CSV)
    page.set_input_files("#file", tmp_path / "list.csv")
    page.fill("#why", WHY)
    page.check("[name=good_faith]")
    page.click("text=Check the listings")
    page.wait_for_selector("text=Nothing was sent yet")
    assert "the listing of row 2 again" in page.inner_text("[role=alert]")
    assert page.input_value("#why") == WHY
    assert page.is_checked("[name=good_faith]")
    assert all("400" in one for one in complaints), complaints
    assert page.input_value("#listings") == "ftp://x\nV-0005\nV-0005"
    page.fill("#listings", "V-0003\nV-0005")
    page.click("text=Check the listings")
    page.wait_for_selector("text=2 of 2 found")
    page.click("button:has-text('Send')")
    page.wait_for_url("**/portal/notices/*")
    assert "V-0005" in page.inner_text("main")
    page.click("text=V-0005")
    page.wait_for_url("**/portal/listings/6")
    page.goto(f"{desk.address}/portal/report")
    assert page.input_value("#why") == page.input_value("#listings") == ""


@pytest.mark.browser
def test_a_draft_does_not_replace_the_listing_that_is_to_be_reported(browser: Any, desk: Desk) -> None:
    """What was typed and not sent is there again, but for the listings where others were chosen."""
    page = open_as(browser, desk)
    page.goto(f"{desk.address}/portal/report")
    page.fill("#listings", "V-0001")
    page.fill("#why", WHY)
    page.goto(f"{desk.address}/portal/listings")
    page.check("[aria-label='Choose V-0004']")
    page.click("text=Report the chosen")
    page.wait_for_url("**/portal/report?*")
    assert page.input_value("#listings") == "V-0004"
    assert page.input_value("#why") == WHY


@pytest.mark.browser
def test_a_registration_is_added(browser: Any, desk: Desk, tmp_path: Path) -> None:
    """A file that is too large is told before it is sent, one that is none is refused in words."""
    page = open_as(browser, desk)
    page.goto(f"{desk.address}/portal/rights")
    page.fill("#number", "DE 302026")
    page.fill("#office", "DPMA")
    for name, content in (
        ("big.pdf", PDF + bytes(3_000_000)),
        ("scan.svg", b"<svg><script/></svg>"),
        ("scan.pdf", PDF + b"two"),
    ):
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#file", tmp_path / name)
        page.click("button.main")
        if name == "big.pdf":
            assert "at most 2.0 MB" in page.evaluate("document.querySelector('#file').validationMessage")
        else:
            page.wait_for_selector("[role=alert]" if name.endswith("svg") else "td:has-text('DPMA')")


@pytest.mark.browser
def test_the_pages_can_be_read(browser: Any, desk: Desk) -> None:
    """Nothing hangs over, by day and night, magnified and on a phone."""
    names = ("report", "notices", f"notices/{desk.reference}", "listings", "listings/1", "figures", "rights", "sellers")
    names += ("report?listing=V-0000&listing=V-9999", "templates", "pictures")
    pages = {f"portal/{name}": f"portal-{name.replace('/', '-')[:12]}" for name in ("", *names)}
    check_pages(browser, desk.address, "vera", pages)
