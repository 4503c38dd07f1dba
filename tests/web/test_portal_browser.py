"""The brand portal in a real browser: reporting with a file, drafts, rights, sellers; by day and night, on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.brand_world import PDF, fill
from support.browser import check_pages, note_complaints, serve_page
from support.databases import copy_sqlite, open_hasty
from support.staff import PASSWORD

playwright = pytest.importorskip("playwright.sync_api")

pytestmark = pytest.mark.browser

WHY = "The seam is glued and not sewn, and we never made a bag in this colour."
CSV = "url,listing_id\nftp://x,\n,V-0005\n,V-0005\n"


class Desk(NamedTuple):
    """Where the page is served, and the reference of the notice with a counter-notice."""

    address: str
    reference: str


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Serve the marketplace of two brands."""
    engine = open_hasty(copy_sqlite(tmp_path_factory.mktemp("portal")))
    references = fill(engine)
    with serve_page(engine) as address:
        yield Desk(address, references["Vellmar"])


def open_as(browser: playwright.Browser, desk: Desk, name: str = "vera", **options: object) -> playwright.Page:
    """Return a page on which somebody has logged in."""
    page = browser.new_context(timezone_id="America/New_York", **options).new_page()
    page.goto(f"{desk.address}/login")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    page.wait_for_url(lambda address: "/login" not in address)
    page.wait_for_load_state()
    return page


def test_a_file_with_faults_is_put_right_and_sent(browser: playwright.Browser, desk: Desk, tmp_path: Path) -> None:
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
    page.click("text=Send")
    page.wait_for_selector("text=Nothing was sent yet")
    assert "the listing of row 2 again" in page.inner_text("[role=alert]")
    assert page.input_value("#why") == WHY
    assert page.is_checked("[name=good_faith]")
    assert all("400" in one for one in complaints), complaints
    (tmp_path / "list.csv").write_text(CSV.replace("ftp://x,\n", "").replace(",V-0005\n,V-0005", ",V-0003\n,V-0005"))
    page.set_input_files("#file", tmp_path / "list.csv")
    page.click("text=Send")
    page.wait_for_url("**/portal/notices/*")
    assert "V-0005" in page.inner_text("main")
    page.click("text=V-0005")
    page.wait_for_url("**/portal/listings/6")
    page.goto(f"{desk.address}/portal/report")
    assert page.input_value("#why") == page.input_value("#listings") == ""


def test_a_draft_does_not_replace_the_listing_that_is_to_be_reported(browser: playwright.Browser, desk: Desk) -> None:
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


def test_a_registration_and_a_seller_are_added(browser: playwright.Browser, desk: Desk, tmp_path: Path) -> None:
    """A file that is none is refused in words; the seller is on the list once a lead has agreed, and ended at once."""
    page = open_as(browser, desk)
    page.goto(f"{desk.address}/portal/rights")
    (tmp_path / "big.pdf").write_bytes(PDF + bytes(3_000_000))
    page.fill("#number", "DE 302026")
    page.fill("#office", "DPMA")
    page.set_input_files("#file", tmp_path / "big.pdf")
    page.click("button.main")
    assert "at most 2.0 MB" in page.evaluate("document.querySelector('#file').validationMessage")
    for name, content in (("scan.svg", b"<svg><script/></svg>"), ("scan.pdf", PDF + b"two")):
        (tmp_path / name).write_bytes(content)
        page.set_input_files("#file", tmp_path / name)
        page.click("button.main")
        page.wait_for_selector("[role=alert]" if name.endswith("svg") else "td:has-text('DPMA')")
    page.goto(f"{desk.address}/portal/sellers")
    page.fill("#seller", "bags-and-more")
    page.fill("[name=why] >> nth=-1", "since 2024, contract 7")
    page.click("button.main")
    page.wait_for_selector("text=waits for the marketplace >> nth=1")
    lead = open_as(browser, desk, "levante")
    lead.goto(f"{desk.address}/seller-proposals")
    lead.click("tr:has-text('bags-and-more') >> text=Put on the list")
    lead.wait_for_selector("tr:has-text('bags-and-more') >> text=Listed by levante")
    page.reload()
    row = page.locator("li:has-text('bags-and-more')")
    row.locator("input").fill("contract ended")
    row.locator("button").click()
    row.wait_for(state="detached")


def test_a_counter_notice_is_found_and_answered(browser: playwright.Browser, desk: Desk) -> None:
    """A number in the bar on every page leads to it; answered, it is gone; moments are those of the reader's zone."""
    page = open_as(browser, desk)
    page.goto(f"{desk.address}/portal/figures")
    page.click("nav >> text=Notices 1")
    page.wait_for_url("**/portal/notices")
    page.click("text=Counter-notice of")
    page.wait_for_url(f"**/portal/notices/{desk.reference}#*")
    page.fill("#acted", "LG Hamburg 312 O 5/26")
    page.click("text=We have acted: keep it down")
    page.wait_for_selector("text=you have acted: the listing stays down")
    assert page.locator("nav .number").count() == 0


def test_the_pages_can_be_read(browser: playwright.Browser, desk: Desk) -> None:
    """Nothing hangs over, by day and night, magnified and on a phone."""
    names = ("report", "notices", f"notices/{desk.reference}", "listings", "listings/1", "figures", "rights", "sellers")
    pages = {f"portal/{name}": f"portal-{name.replace('/', '-')[:12]}" for name in ("", *names)}
    check_pages(browser, desk.address, "vera", pages)
