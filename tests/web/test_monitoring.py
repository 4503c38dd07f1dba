"""What a monitor reads: true figures, no more lines the more is asked, and whether a server takes requests."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from support.databases import invented_messages

from ipml.settings import Settings
from ipml.storage import outbox
from ipml.storage.database import migrate, open_database, writing
from ipml.web.app import make_app
from ipml.web.http_api.api import make_api
from ipml.web.http_api.monitoring import Metrics, OutboxFacts
from ipml.web.http_api.requests import Access
from ipml.web.shutdown import Shutdown

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
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: api.post("/v1/score", json=long), range(200)))
    assert find(api, "ipml_listings_scored_total") == 200
    assert find(api, "ipml_http_request_seconds_bucket", route="/v1/score", le="+Inf") == 200


def read_facts(facts: OutboxFacts) -> str:
    """Return all figures as a monitor reads them."""
    registry = CollectorRegistry()
    registry.register(facts)
    return generate_latest(registry).decode()


@invented_messages
def test_what_waits_is_shown_and_looked_up_every_ten_seconds(engine: Engine, tmp_path) -> None:
    """By channel, with the age of the oldest; a database that cannot be read gives no figures."""
    seconds = [0.0]
    facts = OutboxFacts(engine, 24, clock=lambda: seconds[0])
    assert 'channel="platform"' not in read_facts(facts)
    with writing(engine) as connection:
        an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
        what = {"channel": "platform", "kind": "measure", "body": {}, "pseudonym": None, "now": an_hour_ago}
        outbox.put(connection, key="1", subject="measure:1", **what)
    assert 'channel="platform"' not in read_facts(facts)
    seconds[0] = 11.0
    shown = read_facts(facts)
    assert 'ipml_outbox_waiting{channel="platform"} 1.0' in shown
    assert 'ipml_outbox_dead{channel="platform"} 0.0' in shown
    assert "ipml_measures_overdue 0.0" in shown
    assert float(shown.partition('ipml_outbox_oldest_seconds{channel="platform"} ')[2].split()[0]) >= 3600
    assert read_facts(OutboxFacts(open_database(f"sqlite:///{tmp_path}/empty.db"), 24)) == ""


def ask(app: Any) -> tuple[int, dict[str, Any]]:
    """Ask whether a server is ready."""
    answer = TestClient(app).get("/health/ready")
    return answer.status_code, answer.json()


def test_a_server_is_ready_once_there_is_a_model(engine: Engine, judges: Any) -> None:
    """No key and no login are asked for; without a model the API is not ready."""
    ready = (200, {"status": "ready"})
    assert ask(make_app(engine, Settings())) == ready
    assert ask(make_api(judges, Metrics(judges), Access({}, is_open=False), {}, engine)) == ready
    assert ask(make_api(judges, Metrics(judges), Access(), {})) == ready
    model, judges.judge = judges.judge, None
    app = make_api(judges, Metrics(judges), Access(), {}, engine)
    assert ask(app) == (503, {"status": "not ready", "reasons": ["no model could be loaded yet"]})
    judges.judge = model
    assert ask(app)[0] == 200


def test_with_tables_of_another_release_it_is_not(engine: Engine) -> None:
    """It says which were found; one that lets it go on keeps the older server in service while the newer one starts."""
    app = make_app(engine, Settings())
    for statement, reason in (
        ("UPDATE alembic_version SET version_num = '9999', compatible_from = '0001'", None),
        ("UPDATE alembic_version SET compatible_from = '9999'", "tables of revision 9999; expected tables of"),
        ("UPDATE alembic_version SET version_num = '0000'", "tables of revision 0000; expected tables of"),
        ("DROP TABLE alembic_version", "no tables; expected tables of revision"),
    ):
        with engine.begin() as connection:
            connection.execute(text(statement))
        status, said = ask(app)
        assert status == (503 if reason else 200), statement
        assert reason is None or said["reasons"][0].startswith(f"database: found {reason}")


def test_without_its_database_it_is_not(tmp_path: Any) -> None:
    """Nothing of the machine is told."""
    engine = open_database(f"sqlite:///{tmp_path}/ipml.db")
    migrate(engine)
    app = make_app(engine, Settings())
    engine.dispose()
    for path in tmp_path.iterdir():
        path.unlink()
    (tmp_path / "ipml.db").mkdir()
    assert ask(app) == (503, {"status": "not ready", "reasons": ["database: cannot be read"]})


def test_it_goes_on_for_a_while_where_somebody_watches(engine: Engine) -> None:
    """Who asked in the last minute is told; where nobody did, there is nobody to wait for."""
    now = [0.0]
    shutdown = Shutdown(10, lambda: now[0])
    app = shutdown.known_to(make_app(engine, Settings()))
    assert ask(app) == (200, {"status": "ready"})
    now[0] = 59.0
    assert shutdown.begin() == 10
    assert ask(app) == (503, {"status": "not ready", "reasons": ["the server is shutting down"]})
    assert TestClient(app).get("/health").headers["connection"] == "close"
    now[0] = 120.0
    assert shutdown.begin() == 0
