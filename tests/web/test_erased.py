"""What the pages say of a listing whose seller was erased: that it is, and nothing else."""

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.records import Verdict
from ipml.review import queue
from ipml.storage.database import reading, writing

SELLER = "harbour-outlet"  # of cases 1 and 2
PAGES = ("/", "/?state=decided", f"/?q={SELLER}", "/?q=erased", "/cases/1", "/cases/2", "/cases/3", "/dashboard")
FILES = ("/export.csv", "/export.csv?what=decisions")


def test_every_page_copes_with_an_erased_seller(engine: Engine, visitor: Callable) -> None:
    """One case was decided and one was open; each page answers, and names neither seller nor listing."""
    with writing(engine) as connection:
        claim = queue.claim(connection, "ana", 1)
    assert claim
    with writing(engine) as connection:
        queue.decide(connection, claim, Verdict.COUNTERFEIT, ground="declared_replica", note=f"{SELLER} again")
    lea = visitor("lea")
    erase_sellers(engine, [SELLER], why="request 7", by="lea")
    for page in (*PAGES, *FILES):
        answer = lea.get(page)
        assert answer.status_code == 200, page
        assert "AAA quality" not in answer.text, page
        assert SELLER not in answer.text.replace(page.partition("q=")[2] or "\0", ""), page
    assert "(erased)" in lea.get("/cases/1").text


def test_an_erased_case_can_be_decided_by_nobody(engine: Engine, ana: TestClient) -> None:
    """Who had its page open is told; nothing is lost."""
    page = ana.get("/cases/2").text
    assert 'name="token"' in page
    erase_sellers(engine, [SELLER], why="request 7", by="lea")
    answer = ana.post("/cases/2/decide", data={"verdict": "genuine", "token": "1"})
    assert answer.status_code in (303, 400, 409)
    with reading(engine) as connection:
        assert queue.list_decisions(connection, 2) == []
