"""The API asked by a real client: what it answers, and what it says when it does not."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from ipml.records import Unlike
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.message_kinds import MESSAGE_KINDS, MESSAGES
from ipml.storage.tables import REVISION
from ipml.web.app import make_app
from ipml.web.http_api.api import API_ROUTES, MOST_AT_ONCE, make_api, put_beside
from ipml.web.http_api.bodies import MOST_LISTINGS
from ipml.web.http_api.monitoring import Metrics
from ipml.web.http_api.openapi import ListingScores, ProblemDetails
from ipml.web.http_api.requests import MOST_BYTES, Access, RequestLimit, make_desk

BAG = {"listing_id": "1", "seller_id": "s", "title": "Bag"}
PATH = "/v1/score"


def bags(n: int, **changes: Any) -> dict[str, Any]:
    """Return a request of n listings."""
    return {"listings": [{**BAG, **changes, "listing_id": str(row)} for row in range(n)]}


def fail(answer: httpx.Response, status: int) -> ProblemDetails:
    """Return what an answer says is wrong, after a look that it has the documented shape."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return ProblemDetails.model_validate_json(answer.content)


def test_every_listing_gets_a_score_in_its_order(api: httpx.Client) -> None:
    """As many scores come back as listings went in, in their order, in the documented shape."""
    for n in (0, 1, 7, MOST_LISTINGS):
        for explain in (False, True):
            answer = api.post(PATH, json=bags(n), params={"explain": explain})
            said = ListingScores.model_validate_json(answer.content)
            assert [one.listing_id for one in said.scores] == [str(row) for row in range(n)]
            assert all((one.reasons is not None) == explain for one in said.scores)
            assert said.model_version == "judge/1"
    assert api.post(PATH, json=BAG).content == api.post(PATH, json={"listings": [BAG]}).content


def test_reasons_come_on_request(api: httpx.Client) -> None:
    """With highlights and the usual price; where the model does not judge there are no figures, and the cause."""
    (explained,) = api.post(PATH, json=BAG, params={"explain": "true"}).json()["scores"]
    assert explained["reasons"] == [{"feature": "title", "sentence": "Says “replica”", "weight": 1.5}]
    assert explained["highlights"] == [{"start": 0, "end": 1, "weight": 1.5}]
    assert explained["price_range"]["median"] == 890.0
    assert not {"reasons", "highlights", "price_range"} & api.post(PATH, json=BAG).json()["scores"][0].keys()
    (score,) = ListingScores.model_validate_json(api.post(PATH, json={**BAG, "title": "…"}).content).scores
    assert (score.score, score.score_low, score.log_odds) == (None, None, None)
    assert score.abstained == "the title has no letters"


def test_what_is_unlike_the_training_comes_with_the_scores(judges: Any, api: httpx.Client) -> None:
    """Before the scores it is said, with figures; of listings that are like it the list is empty."""
    assert ListingScores.model_validate(api.post(PATH, json=BAG).json()).unlike_training == []
    judges.judge.unlike = (Unlike("words", 0.54, 0.25, 0.0, 0.39, 500, "54 % of the words …"),)
    said = api.post(PATH, json=BAG).json()
    assert list(said) == ["model_version", "unlike_training", "scores"]
    assert said["unlike_training"] == [asdict(judges.judge.unlike[0])]
    ListingScores.model_validate(said)
    assert 'ipml_answers_unlike_training_total{subject="words"} 1.0' in api.get("/metrics").text


def test_every_field_at_fault_is_named(api: httpx.Client) -> None:
    """All that is wrong with all listings comes back at once, with row, field, what was found and what was expected."""
    bad = {"listings": [BAG, {"listing_id": "2", "title": "x", "price": -3, "colour": "red"}, BAG, "Bag"]}
    assert [problem.row for problem in fail(api.post(PATH, json=bad), 422).problems] == [4]
    bad["listings"].pop()
    said = fail(api.post(PATH, json=bad), 422)
    assert [(one.row, one.field, one.found) for one in said.problems] == [
        *((2, "seller_id", ""), (2, "price", "-3"), (2, "currency", ""), (2, "colour", "red")),
        (3, "listing_id", "1"),
    ]
    assert said.problems[1].expected == "a number from 0 to 1,000,000,000,000"
    assert said.detail == "2 of the listings break the rules; nothing was scored."


def test_the_list_of_problems_has_an_end(api: httpx.Client) -> None:
    """A request with a hundred thousand faults gets a short answer."""
    answer = api.post(PATH, json={"listings": [dict.fromkeys(map(str, range(50)), "?")] * MOST_LISTINGS})
    assert len(fail(answer, 422).problems) == 1_000


def test_only_json_of_the_shape_is_read(api: httpx.Client) -> None:
    """No form, nothing packed, neither a listing nor a list of them, no strange flag; what is expected is said."""
    for content in ("[]", "3", "null", '"x"', '{"listings": 3}', '{"listings": [], "explain": true}'):
        answer = api.post(PATH, content=content, headers={"Content-Type": "application/json"})
        assert "listings" in fail(answer, 422).detail
    assert "maybe" in fail(api.post(PATH, json=BAG, params={"explain": "maybe"}), 422).detail
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", "", None):
        headers = {} if kind is None else {"Content-Type": kind}
        fail(api.post(PATH, content=json.dumps(BAG), headers=headers), 415)
    packed = {"Content-Type": "application/json; charset=utf-8", "Content-Encoding": "gzip"}
    fail(api.post(PATH, content=json.dumps(BAG), headers=packed), 415)


def test_too_much_at_once(api: httpx.Client) -> None:
    """One listing or one byte too many is refused with 413, whether its length was declared or came bit by bit."""
    assert "1,000" in fail(api.post(PATH, json=bags(MOST_LISTINGS + 1)), 413).detail
    body = json.dumps(BAG).encode().ljust(MOST_BYTES)
    headers = {"Content-Type": "application/json"}
    for content, status in ((body, 200), (body + b" ", 413)):
        for parts in (content, iter([content[:1000], content[1000:]])):
            assert api.post(PATH, content=parts, headers=headers).status_code == status


def test_without_a_model_nothing_is_scored(judges: Any, api: httpx.Client) -> None:
    """While no model is there requests and health are answered with 503, and as soon as one is, they are not."""
    model, judges.judge = judges.judge, None
    assert fail(api.post(PATH, json=BAG), 503).title == "Service Unavailable"
    assert api.get("/health").status_code == 503
    assert api.get("/health").json() == {"status": "failing", "model": None}
    judges.judge = model
    assert api.post(PATH, json=BAG).status_code == 200
    assert api.get("/health").json() == {"status": "ok", "model": "judge/1"}


def test_a_failure_shows_no_traceback(judges: Any, api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program fails it says so, and nothing of how; the protecting headers are there."""
    monkeypatch.setattr(judges.judge, "check", lambda listings: 1 / 0)
    answer = api.post(PATH, json=BAG)
    assert "Zero" not in fail(answer, 500).detail
    assert answer.headers["cache-control"] == "no-store"


def test_one_request_too_many_is_refused(judges: Any, api: httpx.Client) -> None:
    """One request too many at a time is told to come again, and the others are answered."""
    go_on = threading.Event()
    judges.judge.check = lambda listings: [] if go_on.wait(20) else None
    long = {**BAG, "description": "x" * 20_000}  # scored by a thread
    statuses: list[int] = []

    def send(_: int) -> None:
        statuses.append(httpx.post(f"{api.base_url}{PATH}", json=long, timeout=30).status_code)
        if statuses == [503]:
            go_on.set()

    with ThreadPoolExecutor(MOST_AT_ONCE + 1) as pool:
        list(pool.map(send, range(MOST_AT_ONCE + 1)))
    assert sorted(statuses) == [200] * MOST_AT_ONCE + [503]


def test_the_request_limit_counts_requests_in_progress_only() -> None:
    """Who has been answered, or has failed, makes room; one too many is told when to come again."""
    limit = RequestLimit(most=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), limit.acquire():
            1 / 0  # noqa: B018
    with limit.acquire(), pytest.raises(Exception, match="429") as refused, limit.acquire(429):
        pass
    assert refused.value.headers == {"Retry-After": "1"}


def test_there_is_no_other_door(api: httpx.Client, judges: Any, open_door: Callable) -> None:
    """Other addresses and methods, and a route outside the table, are answered in the one shape."""
    for path in ("/", "/docs", "/redoc", "/v1", "/v1/score/", "/v1/../health/x", "/login"):
        fail(api.get(path), 404)
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        assert api.request(method, PATH).status_code == 405
    assert api.get("/health").headers["content-security-policy"].startswith("default-src 'none'")
    app = make_api(judges, Metrics(judges), Access(), {})
    app.add_api_route("/v1/forgotten", lambda: "secret")
    client = open_door(app)
    fail(client.get("/v1/forgotten"), 403)
    assert client.get("/metrics").status_code == 200


def test_the_document_describes_what_is_there(api: httpx.Client) -> None:
    """The OpenAPI document names every route but its own, every error, and examples that are answered."""
    document = api.get("/openapi.json").json()
    assert set(document["paths"]) == {path for _, path, _, _, _ in API_ROUTES} - {"/openapi.json"}
    operation = document["paths"][PATH]["post"]
    assert set(operation["responses"]) >= {"200", "400", "401", "403", "408", "413", "415", "422", "503"}
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        assert api.post(PATH, json=example["value"]).status_code == 200
    for example in operation["responses"]["200"]["content"]["application/json"]["examples"].values():
        ListingScores.model_validate(example["value"])
    assert document["components"]["schemas"]["Listing"]["required"] == ["listing_id", "seller_id", "title"]


def test_the_document_is_valid(api: httpx.Client) -> None:
    """It is OpenAPI 3.1, by the JSON Schema of that, and names no schema that is not there."""
    definitions = pytest.importorskip("schemathesis.specs.openapi.definitions")
    text = api.get("/openapi.json").text
    document = json.loads(text)
    assert document["openapi"].startswith("3.1.")
    assert list(definitions.OPENAPI_31_VALIDATOR.iter_errors(document)) == []
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= document["components"]["schemas"].keys()
    assert "$defs" not in text


def test_the_document_has_every_message_that_is_sent(api: httpx.Client) -> None:
    """Under `webhooks`, each with when it is sent, and with an example of each channel that its schema takes."""
    validator_for = pytest.importorskip("jsonschema_rs").validator_for
    document = api.get("/openapi.json").json()
    assert document["webhooks"].keys() == MESSAGE_KINDS
    for kind, channel in MESSAGES:
        operation = document["webhooks"][kind]["post"]
        assert MESSAGES[kind, channel].when in operation["description"]
        content = operation["requestBody"]["content"]["application/json"]
        schema = content["schema"] | {"components": document["components"]}
        validator_for(schema, validate_formats=True).validate(content["examples"][channel]["value"])


def test_beside_the_page(engine: Engine, judges: Any, open_door: Callable) -> None:
    """Page and API share an address; health looks after both, and neither's visitors get into the other."""
    metrics = Metrics(judges)
    api = make_api(judges, metrics, Access(), {}, make_desk(engine, DEFAULT_SETTINGS))
    client = open_door(metrics.measure(put_beside(make_app(engine, Settings()), api)))
    assert client.get("/login").text.startswith("<!doctype html>")
    assert client.post(PATH, json=BAG).status_code == 200
    report = {"status": "ok", "database": "writable", "migration": REVISION, "model": "judge/1"}
    assert client.get("/health").json() == report
    assert client.get("/").headers["location"].startswith("/login")
    judges.judge = None
    assert client.get("/health").status_code == 503
    assert client.get("/health").json()["database"] == "writable"
    assert 'route="/login"' in client.get("/metrics").text


def test_models_change_places_between_answers_only(judges: Any, api: httpx.Client) -> None:
    """Where the model changes while an answer is made, it is by the one that it names, and by no other."""
    scores = {"old/1": 0.25, "new/1": 0.75}
    makers = [type(judges.judge)(version, score) for version, score in scores.items()]
    for maker, other in (makers, makers[::-1]):
        check = maker.check

        def change(listings: Any, check: Any = check, other: Any = other) -> list[Any]:
            judges.judge = other
            return check(listings)

        for content in (bags(20), bags(20, description="x" * 2_000)):  # scored in the loop, and by a thread
            judges.judge, maker.check = maker, change
            answer = api.post(PATH, json=content).json()
            assert (answer["model_version"], judges.judge) == (maker.version, other)
            assert {one["score"] for one in answer["scores"]} == {scores[maker.version]}
        maker.check = check
