"""What a monitor asks."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from ipml.errors import IpmlError
from ipml.storage.database import get_revision, writing
from ipml.web.auth import get_engine


def show_health(request: Request) -> Response:
    """Tell a monitor whether the database can be reached and written, and the migration it is at."""
    try:
        with writing(get_engine(request)) as connection:
            report = {"status": "ok", "database": "writable", "migration": get_revision(connection)}
            status = HTTPStatus.OK
    except IpmlError:
        report = {"status": "failing", "database": "unusable", "migration": None}
        status = HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(report, status)
