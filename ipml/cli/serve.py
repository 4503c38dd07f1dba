"""`ipml serve`: the reviewer's page."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Annotated

import typer

from ipml.cli.options import Database
from ipml.errors import AddressInUse


def serve(
    database: Database = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default this machine only.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = None,
) -> None:
    """Open the reviewer's page, and keep it open until Ctrl-C.

    The tables of the database are made or brought up to date first.

    Example: ipml serve --database sqlite:///ipml.db --port 8765
    """
    import uvicorn

    from ipml.settings import get_settings
    from ipml.storage.database import migrate, open_database
    from ipml.web.app import make_app
    from ipml.web.users import list_users

    settings = get_settings()
    engine = open_database(database or settings.database)
    migrate(engine)
    host = host or settings.host
    listener = _listen(host, settings.port if port is None else port)
    if not list_users(engine):
        typer.echo("Nobody can log in yet: ipml user add NAME --role admin")
    name = f"[{host}]" if ":" in host else host
    typer.echo(f"Listening on http://{name}:{listener.getsockname()[1]} (Ctrl-C ends it)")
    config = uvicorn.Config(make_app(engine, settings), access_log=False, log_level="warning", server_header=False)
    with suppress(KeyboardInterrupt):  # raised anew once the page has closed
        uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        found = (error.strerror or str(error)).partition(" (")[0]
        raise AddressInUse(host, port, found) from error
