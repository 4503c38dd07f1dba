"""What a monitor counts, in the text format of Prometheus. It names routes and versions, and nothing that was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ipml.records import ScoredListing, Unlike
from ipml.web.served import ModelSource

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# From a hundredth of the 25 ms that one listing may take, to a full request with reasons.
_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Counters of one server. Threads may share it.

    Parameters
    ----------
    models : ModelSource
        Asked at each reading for the model in use.
    """

    def __init__(self, models: ModelSource) -> None:
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
        """Count the listings of an answer, and in what they are unlike those of the training."""
        silent = sum(one.abstained is not None for one in scored)
        self._scored.inc(len(scored) - silent)
        self._abstained.inc(silent)
        for one in unlike:
            self._unlike.labels(one.subject).inc()

    def add(self, facts: Collector) -> None:
        """Show further figures, looked up at each reading."""
        self._registry.register(facts)

    def write(self) -> bytes:
        """Return all figures as a monitor reads them."""
        return generate_latest(self._registry)

    def measure(self, app: ASGIApp) -> ASGIApp:
        """Return an application that does as the given one, with its requests counted and timed."""

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
        # What anybody may write is no label: it would make a new line of figures each time.
        route = str(getattr(scope.get("route"), "path", "other"))
        method = scope["method"] if route != "other" else "other"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)


class _ModelFacts(Collector):
    """What is to be said of the model in use, looked up at each reading."""

    def __init__(self, models: ModelSource) -> None:
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
        yield _counter("ipml_model_reloads", "Times another model took the place of one.", self._models.n_reloads)
        yield _counter("ipml_model_reload_failures", "Times a model could not be loaded.", self._models.n_failures)


def _counter(name: str, says: str, value: Any) -> Metric:
    return CounterMetricFamily(name, says, value=value)
