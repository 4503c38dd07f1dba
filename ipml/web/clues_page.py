"""The desk from which networks are handed over to authorities and rights holders, and what became of them is noted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path as FilePath
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from fastapi import FastAPI, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import State

from ipml.cooperation.clues.contents import ClueRequest
from ipml.cooperation.clues.desk import Candidate, count_confirmed, judge_candidates, list_handed_out
from ipml.cooperation.clues.log import sign_receipt
from ipml.cooperation.clues.outcomes import note_outcome
from ipml.cooperation.clues.package import Built, build_clue
from ipml.cooperation.clues.rules import ClueRules
from ipml.enforcement.privacy.erased_list import read_erased
from ipml.errors import AlreadySigned, ClueTooSmall, NothingNew, UnstorableValue, UnusableSetting
from ipml.storage.anchors import keep_anchor
from ipml.storage.database import reading
from ipml.web.auth import get_engine, get_user
from ipml.web.measure_page import send_file
from ipml.web.network_shelf import NetworkShelf
from ipml.web.networks_page import NetworkNumber
from ipml.web.render import render

MOST_CANDIDATES = 30
_KINDS = "^(opened|arrests|seized|dropped)$"
_TEXT = "^[^\x00]*$"

ClueNumber = Annotated[int, Path(ge=1, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The networks worth handing over as they stood at a moment, and what that rests on."""

    candidates: tuple[Candidate, ...]
    n_networks: int
    n_outcomes: int
    at: datetime


def show_clues(request: Request) -> Response:
    """Show which networks to hand over first, with the parts of their worth, and what became of those that were."""
    return _show(request)


def hand_out(
    request: Request,
    number: NetworkNumber,
    recipient: Annotated[str, Form(max_length=80)],
    brand: Annotated[str, Form(max_length=200, pattern=_TEXT)] = "",
    again: Annotated[bool, Form()] = False,
) -> Response:
    """Build a clue for a recipient and give it as a file; of whom it tells is noted."""
    view = _shelf(request).view(number)
    asked = ClueRequest(number, recipient, brand.strip() or None, is_again=again)
    settings = request.app.state.settings
    with TemporaryDirectory(prefix="ipml-clue-") as folder:
        place = FilePath(folder) / f"clue-{number}.zip"
        try:
            built: Built = build_clue(
                get_engine(request),
                view.networks,
                asked,
                _rules(request),
                place,
                by=get_user(request).name,
                key_file=settings.anchor_key,
                erased=read_erased(settings.erased) if settings.erased and settings.erased.exists() else None,
                is_zipped=True,
            )
        except (ClueTooSmall, NothingNew, UnusableSetting) as error:
            return _show(request, str(error))
        if settings.anchors:
            keep_anchor(settings.anchors, built.anchor)
        return send_file(place, f"clue-{built.clue.reference}.zip")


def note_receipt(
    request: Request,
    clue_id: ClueNumber,
    received_by: Annotated[str, Form(min_length=1, max_length=200, pattern=_TEXT)],
) -> Response:
    """Note who of the recipient signed for a clue."""
    try:
        sign_receipt(get_engine(request), clue_id, received_by, by=get_user(request).name)
    except (AlreadySigned, UnstorableValue) as error:
        return _show(request, str(error))
    return RedirectResponse(f"/clues#clue-{clue_id}", HTTPStatus.SEE_OTHER)


def note(
    request: Request,
    clue_id: ClueNumber,
    kind: Annotated[str, Form(pattern=_KINDS)],
    amount: Annotated[str, Form(max_length=30)] = "",
    currency: Annotated[str, Form(pattern="^([A-Z]{3})?$")] = "",
    why: Annotated[str, Form(max_length=80, pattern=_TEXT)] = "",
) -> Response:
    """Note what became of a clue; the order of networks learns from it."""
    try:
        number = float(amount) if amount.strip() and kind in ("arrests", "seized") else None
        dropped = why if kind == "dropped" else None
        said = {"by": get_user(request).name, "amount": number, "currency": currency or None, "why": dropped}
        note_outcome(get_engine(request), clue_id, kind, _rules(request), **said)  # type: ignore[arg-type]
    except (UnusableSetting, ValueError) as error:
        return _show(request, str(error) if isinstance(error, UnusableSetting) else f"{amount!r} is no number.")
    return RedirectResponse(f"/clues#clue-{clue_id}", HTTPStatus.SEE_OTHER)


def _show(request: Request, message: str = "") -> Response:
    rules, state = _rules(request), request.app.state
    is_there = _shelf(request).is_there
    with reading(get_engine(request)) as connection:
        handed = list_handed_out(connection)
    ranking: Ranking | None = state.candidates.get(lambda: _rank(state)) if is_there else None
    last = {one.clue.network: one for one in reversed(handed)}
    context: dict[str, Any] = {
        "is_there": is_there,
        "ranking": ranking,
        "best": ranking.candidates[0].ranked.worth if ranking and ranking.candidates else None,
        "handed": handed,
        "last": last,
        "profiles": rules.profiles,
        "reasons": rules.reasons_to_drop,
        "message": message,
    }
    return render(request, "clues.html", context, HTTPStatus.CONFLICT if message else HTTPStatus.OK)


def rank_ahead(app: FastAPI) -> None:
    """Begin to rank the networks before anybody asks, where there is a folder of them."""
    if app.state.networks.is_there:
        app.state.candidates.prepare(lambda: _rank(app.state))


def _rank(state: State) -> Ranking:
    """Judge the networks with the most listings that were found counterfeit."""
    shelf: NetworkShelf = state.networks
    now = datetime.now(UTC)
    with reading(state.engine) as connection:
        sums = shelf.add_up(count_confirmed(connection))
        numbers = sorted(sums, key=lambda number: (-sums[number], number))[:MOST_CANDIDATES]
        networks = ((shelf.load(number), number) for number in numbers)
        candidates, n_outcomes = judge_candidates(connection, networks, state.cooperation.clues, now)
    return Ranking(tuple(candidates), len(sums), n_outcomes, now)


def _rules(request: Request) -> ClueRules:
    rules: ClueRules = request.app.state.cooperation.clues
    return rules


def _shelf(request: Request) -> NetworkShelf:
    shelf: NetworkShelf = request.app.state.networks
    return shelf
