"""What a monitor asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine

from ipml.errors import IpmlError
from ipml.storage.database import try_writing
from ipml.web.served import ModelSource


def show_health(request: Request) -> Response:
    """Tell a monitor whether what is served works: the database, the model, or both.

    Of the database it says whether it can be reached and written, and the migration it is at; of the model, its
    version. Whatever fails is answered with 503.
    """
    state = request.app.state
    engine: Engine | None = getattr(state, "engine", None)
    models: ModelSource | None = getattr(state, "models", None)
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


def _look_at_model(models: ModelSource) -> dict[str, Any]:
    model = models.current()
    return {"model": model.version} if model else {"status": "failing", "model": None}
