"""The dashboard says how the queue stands."""

import re
from collections.abc import Callable
from dataclasses import replace

from fastapi.testclient import TestClient
from sqlalchemy import Engine

from ipml.records import Verdict
from ipml.review import queue
from ipml.review.arrivals.intake import enqueue_batch
from ipml.storage.database import writing
from ipml.web.cache import CachedAnswer


def test_it_says_what_waits_and_what_was_decided(engine: Engine, ana: TestClient) -> None:
    """Seven cases came today; one was decided, one is in hand, and the figures say so."""
    with writing(engine) as connection:
        decided = queue.claim(connection, "bo")
    assert decided
    with writing(engine) as connection:
        queue.decide(connection, decided, Verdict.COUNTERFEIT, ground="test_purchase")
        queue.claim(connection, "bo")
    text = ana.get("/dashboard").text
    tiles = dict(re.findall(r"<dt>([^<]+)</dt><dd>(\S+?)</dd>", text))
    assert tiles["Open"] == "6"
    assert tiles["In review"] == "1"
    assert tiles["Verdicts today"] == "1"
    assert "7 cases came and 1 were decided" in text
    assert "95 to 100 %" in text
    drawn = re.findall(r"<svg class=[^>]*>", text)  # each chart is hidden from a screen reader or has a text
    assert drawn
    assert all("aria-hidden" in tag or "aria-label" in tag for tag in drawn)


def test_nobody_is_measured_by_colleagues(engine: Engine, ana: TestClient, visitor: Callable) -> None:
    """A lead sees how much each reviewer decided; a reviewer sees only their own."""
    for name in ("ana", "bo"):
        with writing(engine) as connection:
            taken = queue.claim(connection, name)
        assert taken
        with writing(engine) as connection:
            queue.decide(connection, taken, Verdict.GENUINE)

    def shown(text: str) -> list[str]:
        return re.findall(r'scope="row"><bdi>(\w+)</bdi>', text)

    assert shown(visitor("lea").get("/dashboard").text) == ["ana", "bo"]
    assert shown(ana.get("/dashboard").text) == ["ana"]
    assert shown(visitor("vic").get("/dashboard").text) == []


def test_an_empty_queue_has_a_page(engine: Engine, ana: TestClient) -> None:
    """Where nothing was judged and nothing waits, that is said."""
    with writing(engine) as connection:
        for case in queue.list_cases(connection):
            taken = queue.claim(connection, "ana", case.case_id)
            assert taken
            queue.decide(connection, taken, Verdict.CANNOT_TELL)
    text = ana.get("/dashboard").text
    assert "No verdicts yet" in text
    assert "<dt>Oldest open</dt><dd>–</dd>" in text


def test_what_is_said_of_all_listings_waits_for_draws(engine: Engine, scored: Callable, ana: TestClient) -> None:
    """Without reviews of what was drawn nothing is estimated; afterwards prevalence stands there, beside the naive."""
    assert "Too few sampled listings have been reviewed" in ana.get("/dashboard").text
    file = [replace(scored(number), score=number / 200) for number in range(7, 200)]
    enqueue_batch(engine, lambda: file, top=20, explore=0.7)
    with writing(engine) as connection:
        while taken := queue.claim(connection, "bo"):
            verdict, ground = (Verdict.GENUINE, "") if taken.case_id % 3 else (Verdict.COUNTERFEIT, "test_purchase")
            queue.decide(connection, taken, verdict, ground=ground)
    ana.app.state.estimates = CachedAnswer(0.0)
    text = ana.get("/dashboard").text
    assert re.search(r'scope="row">Prevalence</th>.*?class="number">[\d.]+ %</td>', text, re.DOTALL)


def test_the_page_tells_from_when_its_figures_are(engine: Engine, ana: TestClient) -> None:
    """Asked again at once it shows the same figures with the moment they are from; later, those of then."""
    before = ana.get("/dashboard").text
    with writing(engine) as connection:
        decided = queue.claim(connection, "bo")
    assert decided
    with writing(engine) as connection:
        queue.decide(connection, decided, Verdict.GENUINE)
    at = re.search(r'<time datetime="([^"]+)" [^>]*data-as="clock">', before)
    assert at
    assert at[0] in ana.get("/dashboard").text
    ana.app.state.stand = CachedAnswer(0.0)
    after = ana.get("/dashboard").text
    assert at[0] not in after
    assert "<dt>Open</dt><dd>6</dd>" in after
