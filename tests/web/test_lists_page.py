"""Lists of sellers on the page: leads change them, everybody sees them beside the score."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry, list_entries
from ipml.storage.database import reading, writing

SAID = {"kind": "denied", "seller": "kx_trade88", "why": "sold <fakes> in 2025", "source": "letter & call"}


def test_a_lead_puts_a_seller_on_a_list_and_takes_them_off(lead: TestClient, engine: Engine) -> None:
    """What is added is listed with reason, source and who added it, and gone from the page once removed."""
    added = lead.post("/lists", data={**SAID, "until": "2999-12-31"}, follow_redirects=True)
    assert added.url.path == "/lists"
    assert "kx_trade88" in added.text
    assert "sold &lt;fakes&gt; in 2025" in added.text
    assert "letter &amp; call" in added.text
    assert "Added by lea" in added.text
    with reading(engine) as connection:
        (entry,) = list_entries(connection, now=datetime.now(UTC))
    assert (entry.added_by, entry.origin, entry.until) == ("lea", "person", datetime(3000, 1, 1, tzinfo=UTC))
    assert (
        "No seller is on this list"
        in lead.post(f"/lists/{entry.entry_id}/remove", data={"why": "a mistake"}, follow_redirects=True).text
    )


def test_the_list_and_the_case_show_it_beside_the_score(lead: TestClient, visitor: Callable) -> None:
    """In the list a mark, on the case a line with the reason, for whoever looks; the score is as it was."""
    before = lead.get("/cases/3").text
    lead.post("/lists", data=SAID)
    viewer = visitor("vic")
    assert "seller denied" in viewer.get("/").text
    shown = viewer.get("/cases/3").text
    assert "The seller is <b>denied</b> for all brands" in shown
    assert "sold &lt;fakes&gt; in 2025" in shown
    assert "before the others, as its seller is denied" in shown
    score = 'class="verdict-score"'
    assert cut(before, score) == cut(shown, score)
    assert "denied" not in viewer.get("/cases/1").text


def cut(text: str, mark: str) -> str:
    """Return the line in which a mark stands."""
    (line,) = [line for line in text.splitlines() if mark in line]
    return line


def test_a_case_gives_its_seller_and_brand(lead: TestClient) -> None:
    """From a case a lead comes to the form with its seller and brand filled in."""
    assert "/lists?case=1" in lead.get("/cases/1").text
    form = lead.get("/lists?case=1").text
    assert 'value="harbour-outlet"' in form
    assert 'value="Vellmar"' in form


def test_what_is_wrong_is_said_and_what_was_typed_stays(lead: TestClient, engine: Engine) -> None:
    """A mistake is named, and the form keeps what was written; an entry of the brand file is changed there."""
    for wrong, said in (
        ({"why": " "}, "reason of the list entry: found none"),
        ({"until": "2020-01-01"}, "expected a moment to come"),
        ({"until": "soon"}, "expected a day such as"),
        ({"until": "9999-12-31"}, "expected a day such as"),
        ({"seller": "x" * 201}, "found 201 characters"),
    ):
        text = lead.post("/lists", data=SAID | wrong).text
        assert said in text, wrong
        assert "letter &amp; call" in text
    listed = ListedSeller(ListKind.AUTHORISED, "anna_l", "contract", "brand file", "Vellmar", ("VLM",))
    with writing(engine) as connection:
        entry, _ = add_entry(connection, listed, by="lea", now=datetime.now(UTC), origin="brand file")
    page = lead.get("/lists").text
    assert "from the brand file" in page
    assert "/remove" not in page
    assert "comes from the brand file" in lead.post(f"/lists/{entry.entry_id}/remove", data={"why": "a mistake"}).text
    lead.post("/lists", data=SAID)
    assert "found none" in lead.post(f"/lists/{entry.entry_id + 1}/remove").text


def test_a_long_list_is_searched(lead: TestClient) -> None:
    """By the whole id of a seller, and by brand; the next page is of what was searched for."""
    for number in range(3):
        lead.post("/lists", data={**SAID, "seller": f"seller-{number}", "brand": "Acme" if number else ""})
    found = lead.get("/lists", params={"seller": "seller-1"}).text
    assert ("seller-1" in found, "seller-2" in found) == (True, False)
    assert "seller-0" not in lead.get("/lists", params={"brand": "acme"}).text
    assert "No entry matches" in lead.get("/lists", params={"seller": "seller"}).text


def test_what_has_ended_is_shown_as_such_where_it_is_asked_for(lead: TestClient, engine: Engine) -> None:
    """What was removed with the reason, and what ended by itself; neither can be removed."""
    lead.post("/lists", data=SAID)
    lead.post("/lists/1/remove", data={"why": "a mistake"})
    past = datetime(2026, 1, 1, tzinfo=UTC)
    listed = ListedSeller(ListKind.WATCHED, "old", "a reason", "a letter", None, (), past + timedelta(days=1))
    with writing(engine) as connection:
        add_entry(connection, listed, by="lea", now=past)
    assert "No seller is on a list" in lead.get("/lists").text
    shown = lead.get("/lists", params={"ended": "1"}).text
    assert "<b>removed</b>" in shown
    assert "a mistake" in shown
    assert '<b>ended</b> <time datetime="2026-01-02T00:00:00+00:00"' in shown
    assert "/remove" not in shown
