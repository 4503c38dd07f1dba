"""Serve: `ipml serve` runs the reviewer's page, the scoring API, or both."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ipml.cli.options import Database, take_records
from ipml.cli.terminal import open_patiently, until_told_to_stop
from ipml.cli.worker.commands import worker_beside
from ipml.errors import Failed, UnreadableFile, UnusableSetting

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from starlette.types import ASGIApp

    from ipml.scoring.online_scoring import ServedModel, Watch
    from ipml.settings import Settings
    from ipml.web.http_api.requests import Access
    from ipml.web.server import Network

_IDLE_SECONDS = 75  # longer than load balancers keep a connection, so that they close it
_SWITCH_SECONDS = 0.001  # with Python's 5 ms, a small request would wait several times behind a large one


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """The options of the scoring API."""

    model: Annotated[
        str | None, typer.Option(help="Serve the scoring API as well, with this model folder or registry URI.")
    ] = None
    api_only: Annotated[
        bool, typer.Option("--api-only", help="Serve the API alone, by default with IPML_MODEL; needs no database.")
    ] = False
    open_api: Annotated[
        bool, typer.Option("--open-api", help="Let the API answer anybody who can reach it, without a key.")
    ] = False
    portfolios: Annotated[
        Path | None,
        typer.Option(
            help="With --api-only: what is known of sellers, from `ipml data portfolios` with that model; only read.",
            exists=True,
            dir_okay=False,
        ),
    ] = None

    @property
    def is_served(self) -> bool:
        """Whether the API is served at all."""
        return self.api_only or self.model is not None


@take_records
def serve(
    database: Database = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default this machine only.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = None,
    with_worker: Annotated[
        bool, typer.Option("--with-worker", help="Do all timed jobs as well, in a process beside; see `ipml worker`.")
    ] = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of the pictures that pages show; IPML_PICTURES by default.")
    ] = None,
    *,
    api: ApiOptions,
) -> None:
    """Serve the reviewer's page, the scoring API, or both, until Ctrl-C or SIGTERM.

    The page: the tables of the database are created, or upgraded after a backup (`ipml admin upgrade`), first. A
    database that does not answer is waited for.

    The API, with `--model` or `--api-only`: `POST /v1/score` takes listings, `/openapi.json` documents it, and
    `/metrics`, `/health` and `/health/ready` are for monitoring. Callers send a key of the file IPML_API_KEY; without
    one only this machine is answered. A newer model in the same place is loaded every IPML_MODEL_RELOAD_SECONDS, and,
    by a service, on SIGHUP.

    Submitted listings are stored in the database and used to score their seller's next ones. Without a database,
    `--portfolios` may supply seller portfolios. The file is reloaded when it changes and belongs to one model: while it
    does not fit a newer model, the present model stays in use.

    Example: ipml serve --api-only --model models:/ipml@champion
    """
    from ipml.settings import get_settings

    if api.portfolios and not api.api_only:
        raise UnusableSetting("--portfolios", str(api.portfolios), "--api-only too: else the database knows sellers")
    if with_worker and api.api_only:
        raise UnusableSetting("--with-worker", "--api-only, which has no database", "one of them")
    changed = {"database": database, "host": host, "port": port, "pictures": pictures}
    settings = get_settings().model_copy(update={name: value for name, value in changed.items() if value is not None})
    run_server(settings, api, with_worker=with_worker)


def run_server(settings: Settings, api: ApiOptions, *, with_worker: bool = False) -> None:
    """Serve as `ipml serve` does with these settings, until it is stopped."""
    from ipml.web.server import parse_networks, set_up_log

    set_up_log()
    _check_configuration(settings, api, with_worker=with_worker)
    access = _make_access(settings, settings.host, api.open_api) if api.is_served else None
    engine = None if api.api_only else _open_database(settings)
    listener = listen(settings.host, settings.port)
    _warn_of_listeners(settings, settings.host)
    with ExitStack() as until_end:
        app: ASGIApp
        if access is None:
            app = _make_page(engine, settings)
        else:
            app = _make_api(_start_model(api.model, api.portfolios, settings, until_end), access, engine, settings)
        if with_worker:
            until_end.enter_context(worker_beside(settings.database, api.model))
        name = f"[{settings.host}]" if ":" in settings.host else settings.host
        typer.echo(f"Listening on http://{name}:{listener.getsockname()[1]} (Ctrl-C ends it)")
        _run(app, listener, parse_networks(settings.trusted_proxies), settings.shutdown_seconds)


def _check_configuration(settings: Settings, api: ApiOptions, *, with_worker: bool) -> None:
    from ipml.cli.configuration import Process, check_at_start

    parts: dict[Process, bool] = {"page": not api.api_only, "API": api.is_served, "worker": with_worker}
    check_at_start(settings, [part for part, is_there in parts.items() if is_there], os.environ)


def _warn_of_listeners(settings: Settings, host: str) -> None:
    from ipml.web.server import find_exposure

    for words in find_exposure(settings, host):
        typer.echo(f"Warning: {words}", err=True)


def _make_access(settings: Settings, host: str, open_api: bool) -> Access:
    from ipml.web.http_api.requests import make_access

    access = make_access(settings.api_key, host, is_open=open_api or settings.api_open)
    if access.is_open:
        typer.echo("The API answers anybody who can reach it, without a key.", err=True)
    return access


def _open_database(settings: Settings) -> Engine:
    from ipml.storage.database import reading
    from ipml.web.accounts.users import list_users

    with until_told_to_stop() as stop:
        engine = open_patiently(settings.database, stop)
    if engine is None or stop.is_set():
        raise typer.Exit
    with reading(engine) as connection:
        if not list_users(connection):
            typer.echo("Nobody can log in yet: ipml admin user add NAME --role admin")
    _check_trail(engine, settings)
    return engine


def _check_trail(engine: Engine, settings: Settings) -> None:
    """Warn if the audit trail does not match the anchors; if it does, store a new anchor."""
    from ipml.storage.audit_trail.anchors import check_trail, make_anchor, store_anchor
    from ipml.storage.database import reading

    if settings.anchors is None:
        return
    with reading(engine) as connection:
        now = make_anchor(connection, settings.anchor_key)
        try:
            problems = check_trail(connection, settings.anchors, settings.anchor_key)
        except UnreadableFile as error:
            problems = [str(error)]
    for problem in problems:
        typer.echo(f"Warning: the audit trail is not that of the anchors: {problem}", err=True)
    if not problems:
        store_anchor(settings.anchors, now)


def _start_model(source: str | None, portfolios: Path | None, settings: Settings, until_end: ExitStack) -> ServedModel:
    """Load the model, if it exists yet, and watch it until the end."""
    from ipml.scoring.online_scoring import ServedModel, watching

    logging.getLogger("ipml").setLevel(logging.INFO)  # the log must show the model in use
    served = ServedModel(source or settings.model, settings, portfolios)
    served.refresh()
    _reload_on_hangup(until_end.enter_context(watching(served, settings.model_reload_seconds)), until_end)
    return served


def _reload_on_hangup(watch: Watch, until_end: ExitStack) -> None:
    # In a terminal the signal means a closed window, and ends the command as usual.
    is_service = sys.stdin is None or not sys.stdin.isatty()
    if is_service and hasattr(signal, "SIGHUP"):
        before = signal.signal(signal.SIGHUP, lambda *_: watch.ask())
        until_end.callback(signal.signal, signal.SIGHUP, before)


def _make_page(engine: Engine | None, settings: Settings) -> ASGIApp:
    from ipml.review.near_duplicates.clusters import make_shingles, sign_shingles
    from ipml.web.app import make_app
    from ipml.web.console.networks_page import rank_ahead
    from ipml.web.responses import compile_templates

    assert engine is not None
    # Now, so that neither the first page nor the first decision waits for it.
    compile_templates()
    sign_shingles(make_shingles("bag"))
    app = make_app(engine, settings)
    rank_ahead(app)
    return app


def _make_api(served: ServedModel, access: Access, engine: Engine | None, settings: Settings) -> ASGIApp:
    """Make the API, with the page if there is a database."""
    from ipml.listings.fields import make_json_schema
    from ipml.web.http_api.api import make_api, put_beside
    from ipml.web.http_api.monitoring import JobFacts, Metrics, OutboxFacts
    from ipml.web.http_api.requests import make_desk

    sys.setswitchinterval(_SWITCH_SECONDS)
    metrics = Metrics(served)
    if engine is None:
        return metrics.measure(make_api(served, metrics, access, make_json_schema()))
    desk = make_desk(engine, settings)
    metrics.add(OutboxFacts(engine, desk.enforcement.measures.overdue_hours))
    metrics.add(JobFacts(engine, settings))
    api = make_api(served, metrics, access, make_json_schema(), desk)
    return metrics.measure(put_beside(_make_page(engine, settings), api))


def _run(app: ASGIApp, listener: socket.socket, proxies: Sequence[Network], shutdown_seconds: float) -> None:
    import uvicorn

    from ipml.web.server import BACKLOG, ConnectionLimits
    from ipml.web.shutdown import ENDING_SECONDS, GracefulServer, Shutdown

    shutdown = Shutdown(shutdown_seconds)
    config = uvicorn.Config(
        shutdown.known_to(app),
        http=ConnectionLimits(proxies).make_protocol,  # type: ignore[arg-type]
        ws="none",
        backlog=BACKLOG,
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        timeout_keep_alive=_IDLE_SECONDS,
        timeout_graceful_shutdown=int(ENDING_SECONDS),
        proxy_headers=False,  # the page reads them itself, from trusted proxies only
    )
    gc.freeze()  # collecting a model and all modules would stop answers for 0.3 s, and they stay anyway
    with suppress(KeyboardInterrupt):  # raised anew once the page has closed
        GracefulServer(config, shutdown).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket without delay of small packets.

    Raises Failed if the port is taken, or the address does not belong to this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        found = (error.strerror or str(error)).partition(" (")[0]
        raise Failed(
            f"{host}, port {port}", f"cannot be listened on: {found}", "Choose others by --host and --port."
        ) from error
    # Without this an answer's body waits 40 ms for the client to acknowledge its head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
