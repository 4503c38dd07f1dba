"""What a lead changes on the page of a case: a measure lifted or replaced; and the package of its evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from ipml.enforcement.by_hand import Order, change_measure, lift_measure
from ipml.enforcement.evidence.package import export_package
from ipml.enforcement.restrictions import MeasureKind
from ipml.enforcement.takedown.finding import get_measure
from ipml.errors import MeasureNotFound, MeasureNotStanding, OwnListing, SellerErased, UnusableMeasure
from ipml.storage.database import reading
from ipml.web.auth import get_engine, get_policy, get_user
from ipml.web.case_page import CaseNumber, Visit, show
from ipml.web.protection import is_from_elsewhere
from ipml.web.render import render_error

LIFT = "lift"
_CHOICE = f"^({LIFT}|{'|'.join(MeasureKind)})$"
_BLOCK = 65_536

FormNumber = Annotated[int, Form(ge=1, le=2**63 - 1)]


def change(
    request: Request,
    case_id: CaseNumber,
    measure: FormNumber,
    to: Annotated[str, Form(pattern=_CHOICE)],
    why: Annotated[str, Form()] = "",
    countries: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Lift a measure, or put another in its place; `countries` are for one that holds in some only."""
    engine, name, policy = get_engine(request), get_user(request).name, get_policy(request)
    with reading(engine) as connection:
        if get_measure(connection, measure).case_id != case_id:
            raise MeasureNotFound(measure)
    try:
        if to == LIFT:
            lift_measure(engine, measure, name, why, policy)
        else:
            kind = MeasureKind(to)
            territories = _split(countries) if kind is MeasureKind.REMOVE_IN else ()
            change_measure(engine, measure, Order(kind, why, territories), name, policy)
    except (MeasureNotStanding, OwnListing, SellerErased, UnusableMeasure) as error:
        return show(request, case_id, Visit(message=str(error)))
    return RedirectResponse(f"/cases/{case_id}#followed", HTTPStatus.SEE_OTHER)


def download_evidence(request: Request, case_id: CaseNumber) -> Response:
    """Give the evidence of a case as a package; that somebody took it is noted in the audit trail."""
    if is_from_elsewhere(request):  # a link on another site must not take it in a lead's name
        return render_error(request, HTTPStatus.FORBIDDEN, "Open the page of the case, and take the package there.")
    name, settings = f"evidence-case-{case_id}.zip", request.app.state.settings
    with TemporaryDirectory(prefix="ipml-evidence-") as folder:
        place = Path(folder) / name
        by = get_user(request).name
        export_package(get_engine(request), case_id, place, by=by, key_file=settings.anchor_key, is_zipped=True)
        return send_file(place, name)


def send_file(place: Path, name: str) -> Response:
    """Give a package that may be removed at once: it is read on when its name is gone, and nothing stays behind."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Length": str(place.stat().st_size)}
    return StreamingResponse(_read(place.open("rb")), media_type="application/zip", headers=headers)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block


def _split(countries: str) -> tuple[str, ...]:
    return tuple(sorted({code.upper() for code in re.split(r"[\s,;]+", countries) if code}))
