"""What a monitor reads: true figures, in the text format of Prometheus, and no more lines the more is asked."""

import threading
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}


def read(client: httpx.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return each figure by its name and labels."""
    answer = client.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def find(client: httpx.Client, name: str, **labels: str) -> float:
    """Return one figure; 0 where there is none."""
    return read(client).get((name, frozenset(labels.items())), 0.0)


def test_requests_and_listings_are_counted(judges: Any, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request once, under its route and status; scored and abstained listings, and not refused ones."""
    for content in (BAG, {"listings": [BAG, {**BAG, "listing_id": "2", "title": "!"}]}, {"listings": [BAG, {}]}):
        api.post("/v1/score", json=content)
    monkeypatch.setattr(judges.judge, "check", lambda listings: 1 / 0)
    api.post("/v1/score", json=BAG)
    for status, n in (("200", 2), ("422", 1), ("500", 1)):
        assert find(api, "ipml_http_requests_total", method="POST", route="/v1/score", status=status) == n
    assert find(api, "ipml_http_request_seconds_count", route="/v1/score") == 4
    assert 0 < find(api, "ipml_http_request_seconds_sum", route="/v1/score") < 10
    assert find(api, "ipml_listings_scored_total") == 2
    assert find(api, "ipml_listings_abstained_total") == 1
    assert find(api, "process_start_time_seconds") > 1.7e9
    assert find(api, "process_resident_memory_bytes") > 1e6


def test_what_is_asked_makes_no_new_line(api: httpx.Client) -> None:
    """Paths and methods that anybody may make up are counted together."""
    for number in range(20):
        api.request(f"METHOD{number}", f"/nowhere/{number}?secret={number}")
        if number < 2:  # the reading itself is counted after the first
            before = len(read(api))
    assert len(read(api)) == before
    api.request("BREW", "/v1/score", headers={"Authorization": "Bearer secret"})
    assert "secret" not in api.get("/metrics").text
    assert find(api, "ipml_http_requests_total", method="other", route="other", status="404") == 20


def test_the_model_of_the_moment_is_named(judges: Any, api: httpx.Client) -> None:
    """The version in use is the one line of its kind; without a model there is none."""
    judges.n_reloads, judges.n_failures = 2, 3
    assert find(api, "ipml_model_info", version="judge/1") == 1
    assert find(api, "ipml_model_loaded_timestamp_seconds") == judges.judge.loaded_at.timestamp()
    assert find(api, "ipml_model_reloads_total") == 2
    assert find(api, "ipml_model_reload_failures_total") == 3
    judges.judge = None
    assert "ipml_model_info{" not in api.get("/metrics").text


@pytest.mark.slow
def test_nothing_is_lost_between_threads(api: httpx.Client) -> None:
    """Requests of many clients at once are all counted, in scoring threads as in the loop."""
    long = {**BAG, "description": "x" * 20_000}

    def send() -> None:
        with httpx.Client(base_url=api.base_url) as client:
            for _ in range(25):
                client.post("/v1/score", json=long)

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert find(api, "ipml_listings_scored_total") == 200
    assert find(api, "ipml_http_request_seconds_bucket", route="/v1/score", le="+Inf") == 200
