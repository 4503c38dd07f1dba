"""Monitoring: health, readiness and Prometheus metrics of a server.

The command passes the served model in; the web package knows no model. Metrics name routes and versions, never data of
requests. They cover the outbox (waiting, given up, unanswered) and the worker's jobs.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from time import perf_counter
from typing import Any, Protocol

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipml.enforcement.takedown.measures import count_overdue
from ipml.errors import IpmlError, WrongRevision
from ipml.records import EarlierListings, Listing, ScoredListing, Unlike
from ipml.review.pictures.screened import ScreeningState, read_screening
from ipml.settings import Settings
from ipml.storage.database import reading, try_writing
from ipml.storage.jobs import ListedJob, has_leader, list_jobs
from ipml.storage.outbox import ChannelBacklog, count_backlog
from ipml.web.shutdown import SHUTDOWN, Shutdown


class ScoringModel(Protocol):
    """One loaded, immutable model."""

    @property
    def version(self) -> str:
        """Name and version, as every score has them."""

    @property
    def loaded_at(self) -> datetime:
        """When it was loaded."""

    def check(self, listings: Sequence[Mapping[str, Any]]) -> list[Listing]:
        """Return listings as records; raises InvalidListings."""

    def score_records(
        self, records: Sequence[Listing], explain: bool, others: Sequence[EarlierListings] | None = None
    ) -> tuple[list[ScoredListing], tuple[Unlike, ...]]:
        """Score checked listings, in order, and return how all of them differ from the training data.

        `others` are stored earlier listings of their sellers, which count besides those the model remembers.
        """

    def explain_again(self, scored: ScoredListing) -> ScoredListing:
        """Add reasons to a listing that this model scored, by its seller's history then."""


class CurrentModel(Protocol):
    """Source of the model in use."""

    @property
    def n_reloads(self) -> int:
        """Number of times a model replaced another."""

    @property
    def n_failures(self) -> int:
        """Number of times a model could not be loaded."""

    def current(self) -> ScoringModel | None:
        """Return the model in use, or None before the first."""


def show_health(request: Request) -> Response:
    """Report whether the served parts work: database, model, or both; 503 if one fails.

    The database is reported as writable or not, with its migration, the model with its version.
    """
    state = request.app.state
    engine: Engine | None = getattr(state, "engine", None)
    models: CurrentModel | None = getattr(state, "models", None)
    report: dict[str, Any] = {"status": "ok"}
    report |= {} if engine is None else _look_at_database(engine)
    report |= {} if models is None else _look_at_model(models)
    is_well = report["status"] == "ok"
    return JSONResponse(report, HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE)


def _look_at_database(engine: Engine) -> dict[str, Any]:
    try:
        return {"database": "writable", "migration": try_writing(engine)}
    except IpmlError:
        return {"status": "failing", "database": "unusable", "migration": None}


def _look_at_model(models: CurrentModel) -> dict[str, Any]:
    model = models.current()
    return {"model": model.version} if model else {"status": "failing", "model": None}


def show_ready(request: Request) -> Response:
    """Report whether this server accepts requests: 200, or 503 with the reasons.

    It does while the database is readable with fitting tables, a served model is loaded, and no shutdown has begun.
    """
    state = request.app.state
    shutdown: Shutdown | None = request.scope.get(SHUTDOWN)
    if shutdown is not None:
        shutdown.note_asked()
    reasons = list(_find_reasons(getattr(state, "engine", None), getattr(state, "models", None), shutdown))
    if not reasons:
        return JSONResponse({"status": "ready"})
    return JSONResponse({"status": "not ready", "reasons": reasons}, HTTPStatus.SERVICE_UNAVAILABLE)


def _find_reasons(engine: Engine | None, models: CurrentModel | None, shutdown: Shutdown | None) -> Iterator[str]:
    """Yield why no request should come; anyone may ask, so no details of the machine are included."""
    if shutdown is not None and shutdown.has_begun:
        yield "the server is shutting down"
    if models is not None and models.current() is None:
        yield "no model could be loaded yet"
    if engine is None:
        return
    try:
        with reading(engine):
            pass
    except WrongRevision as error:
        yield f"database: found {error.found}; expected {error.expected}"
    except (IpmlError, DatabaseError):
        yield "database: cannot be read"


CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From a fiftieth of the 25 ms that one listing may take, to a full request with reasons.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one server, shared by threads."""

    def __init__(self, models: CurrentModel) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "ipml_http_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "ipml_http_request_seconds",
            "Time from a request's first line to the end of its answer.",
            ("route",),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._scored = Counter("ipml_listings_scored", "Listings that got a score.", registry=self._registry)
        self._abstained = Counter(
            "ipml_listings_abstained", "Listings that the model could not judge.", registry=self._registry
        )
        self._unlike = Counter(
            "ipml_answers_unlike_training",
            "Answers to listings unlike those the model was trained on, by what is unlike.",
            ("subject",),
            registry=self._registry,
        )
        self._registry.register(_ModelFacts(models))
        ProcessCollector(registry=self._registry)

    def count_listings(self, scored: Sequence[ScoredListing], unlike: Sequence[Unlike] = ()) -> None:
        """Count the listings of an answer, and their differences from the training data."""
        silent = sum(one.abstained is not None for one in scored)
        self._scored.inc(len(scored) - silent)
        self._abstained.inc(silent)
        for one in unlike:
            self._unlike.labels(one.subject).inc()

    def add(self, facts: Collector) -> None:
        """Add figures that are collected at each reading."""
        self._registry.register(facts)

    def write(self) -> bytes:
        """Return all figures in the format of Prometheus."""
        return generate_latest(self._registry)

    def measure(self, app: ASGIApp) -> ASGIApp:
        """Return the application with its requests counted and timed."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            status, began = 500, perf_counter()

            async def send_on(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, send_on)
            finally:
                self._count(scope, status, perf_counter() - began)

        return measured

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # Free text is no label: each value would add a line of figures.
        route = str(getattr(scope.get("route"), "path", "other"))
        method = scope["method"] if route != "other" else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class _ModelFacts(Collector):
    def __init__(self, models: CurrentModel) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        model = self._models.current()
        info = GaugeMetricFamily("ipml_model_info", "The model in use.", labels=("version",))
        since = GaugeMetricFamily("ipml_model_loaded_timestamp_seconds", "When the model in use was loaded.")
        if model is not None:
            info.add_metric((model.version,), 1)
            since.add_metric((), model.loaded_at.timestamp())
        yield info
        yield since
        for name, says, value in (
            ("ipml_model_reloads", "Times another model took the place of one.", self._models.n_reloads),
            ("ipml_model_reload_failures", "Times a model could not be loaded.", self._models.n_failures),
        ):
            yield CounterMetricFamily(name, says, value=value)


_KEPT_SECONDS = 10.0  # anyone may ask; the database is read this often at most
_log = logging.getLogger(__name__)


class DatabaseFacts(Collector):
    """Figures of the database, read at most every ten seconds."""

    def __init__(
        self,
        engine: Engine,
        look_up: Callable[[Connection, datetime], Iterable[Metric]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._look_up, self._clock = engine, look_up, clock
        self._found: list[Metric] = []
        self._read_at: float | None = None
        self._lock = Lock()

    def collect(self) -> Iterator[Metric]:
        """Yield the figures; none while the database cannot be read."""
        with self._lock:
            if self._read_at is None or self._clock() - self._read_at > _KEPT_SECONDS:
                self._found, self._read_at = self._read(), self._clock()
            found = self._found
        yield from found

    def _read(self) -> list[Metric]:
        try:
            with reading(self._engine) as connection:
                return list(self._look_up(connection, datetime.now(UTC)))
        except IpmlError as error:
            _log.warning("%s", error)
            return []


class OutboxFacts(DatabaseFacts):
    """Figures of the outbox; a measure without an answer is overdue after `overdue_hours`."""

    def __init__(self, engine: Engine, overdue_hours: float, clock: Callable[[], float] = time.monotonic) -> None:
        def look_up(connection: Connection, now: datetime) -> Iterator[Metric]:
            overdue = count_overdue(connection, now, overdue_hours)
            return _describe(now, count_backlog(connection, now), overdue)

        super().__init__(engine, look_up, clock)


class JobFacts(DatabaseFacts):
    """Figures of the jobs of `ipml worker` that are on, of the cost of screening, and of the leading worker."""

    def __init__(self, engine: Engine, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        def look_up(connection: Connection, now: datetime) -> Iterator[Metric]:
            yield GaugeMetricFamily("ipml_worker_leads", "1 while a worker leads.", int(has_leader(engine)))
            yield from _describe_jobs(list_jobs(connection, settings))
            if settings.pictures is not None:
                yield from _describe_screening(read_screening(connection, now))

        super().__init__(engine, look_up, clock)


def _describe_jobs(listed: Sequence[ListedJob]) -> Iterator[Metric]:
    runs = CounterMetricFamily("ipml_job_runs", "Runs of a job that have ended.", labels=("job",))
    failures = CounterMetricFamily("ipml_job_failures", "Runs that failed or were interrupted.", labels=("job",))
    in_a_row = GaugeMetricFamily("ipml_job_failures_in_a_row", "Failures since it was last done.", labels=("job",))
    seconds = GaugeMetricFamily("ipml_job_seconds", "How long the last run took.", labels=("job",))
    done_at = GaugeMetricFamily("ipml_job_done_timestamp_seconds", "When it was last done.", labels=("job",))
    due_at = GaugeMetricFamily("ipml_job_due_timestamp_seconds", "When it is due next.", labels=("job",))
    for one in listed:
        if one.state is None or one.schedule.is_off:
            continue
        label = (one.job.name,)
        runs.add_metric(label, one.state.runs)
        failures.add_metric(label, one.state.failures)
        in_a_row.add_metric(label, one.state.failures_in_a_row)
        due_at.add_metric(label, one.state.due_at.timestamp())
        if one.state.seconds is not None:
            seconds.add_metric(label, one.state.seconds)
        if one.state.done_at is not None:
            done_at.add_metric(label, one.state.done_at.timestamp())
    yield from (runs, failures, in_a_row, seconds, done_at, due_at)


def _describe_screening(found: ScreeningState) -> Iterator[Metric]:
    for name, about, value in (
        ("waiting", "Screened pictures that are to be fetched.", found.waiting),
        ("requests_today", "Requests for screened pictures in this UTC day.", found.requests),
        ("bytes_today", "Bytes received for screened pictures in this UTC day.", found.n_bytes),
        ("left_out_today", "Screened pictures given up in this UTC day, as the budget was used up.", found.left_out),
    ):
        yield GaugeMetricFamily(f"ipml_screening_{name}", about, value)


def _describe(now: datetime, backlogs: list[ChannelBacklog], overdue: int) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("ipml_outbox_waiting", "Messages not delivered yet.", labels=("channel",))
    dead = GaugeMetricFamily("ipml_outbox_dead", "Messages given up, for people.", labels=("channel",))
    oldest = GaugeMetricFamily("ipml_outbox_oldest_seconds", "Age of the oldest that is due.", labels=("channel",))
    for backlog in backlogs:
        waiting.add_metric((backlog.channel,), backlog.waiting)
        dead.add_metric((backlog.channel,), backlog.dead)
        age = (now - backlog.oldest).total_seconds() if backlog.oldest else 0.0
        oldest.add_metric((backlog.channel,), max(age, 0.0))
    yield from (waiting, dead, oldest)
    yield GaugeMetricFamily("ipml_measures_overdue", "Measures the platform has not answered in time.", overdue)
