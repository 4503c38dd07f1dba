"""Notices of rights holders and complaints of consumers over HTTP: given, confirmed at once, asked after."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, NoReturn

from anyio import to_thread
from fastapi import Header, Path, Request, Response
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from ipml.cooperation.notices.checking import check_notice
from ipml.cooperation.notices.intake import receive
from ipml.cooperation.notices.receipts import Receipt, describe_receipt, find_receipt
from ipml.cooperation.policy import CooperationPolicy
from ipml.errors import ApiRefused, InvalidNotice, NoticeNotFound
from ipml.records import Listing, Problem, ScoredListing
from ipml.storage.database import reading
from ipml.web.api_answers import make_json_answer, write_json
from ipml.web.json_body import parse_json, read_body
from ipml.web.served import ScoringModel

_REFERENCE = re.compile("[0-9a-f]{32}")
_SHOWN = {"pattern": f"^{_REFERENCE.pattern}$"}  # and not checked: what cannot be a reference is not found


async def give_notice(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(description="identifies the request: sent again with it, it is the same notice")
    ] = None,
) -> Response:
    """Give notice of listings, or complain of one: kept, and confirmed by a receipt with its reference.

    Everything that is wrong with it is named at once, by field, and then nothing of it is kept. Sent again, by the same
    key or with the same content, it is the same notice. A key that is a notifier's own gives notice as nobody else;
    `email` may be left out then.
    """
    state, whose = request.app.state, request.state.grant.notifier
    with state.crowd.join():
        body = await read_body(request)
        engine, policy = _require_database(request)

        def take_in() -> Receipt:
            content = _add_notifier(_add_key(_parse(body), idempotency_key), whose)
            # Only the marketplace's own form says what a listing is like.
            is_own = whose is None and not state.access.is_open
            notice = check_notice(content, policy.notices, takes_listings=is_own)
            if whose is not None and notice.email != whose:
                raise ApiRefused("a notice of another notifier", "one of the notifier whose key this is")
            return receive(engine, notice, policy=policy, score=_make_score(state.models.current()))

        receipt = await to_thread.run_sync(take_in, limiter=state.writers)
    return _answer(receipt, HTTPStatus.CREATED if receipt.is_new else HTTPStatus.OK)


async def show_notice(
    request: Request,
    reference: Annotated[str, Path(description="of the notice, as its receipt names it", json_schema_extra=_SHOWN)],
) -> Response:
    """Show how a notice stands: what was decided on each of its listings so far."""
    state = request.app.state
    with state.crowd.join():
        engine, _ = _require_database(request)
        if not _REFERENCE.fullmatch(reference):
            raise NoticeNotFound(reference)

        def find() -> Receipt:
            with reading(engine) as connection:
                return find_receipt(connection, reference, request.state.grant.notifier)

        return _answer(await to_thread.run_sync(find, limiter=state.writers), HTTPStatus.OK)


def _require_database(request: Request) -> tuple[Engine, CooperationPolicy]:
    """Return where notices are kept, and by which rules; a service that only scores takes none."""
    state = request.app.state
    if state.engine is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return state.engine, state.cooperation


def _parse(body: bytes) -> Any:
    try:
        return parse_json(body)
    except ValueError as error:
        _refuse(f"The body is no JSON that can be read: found {error}.")


def _refuse(says: str) -> NoReturn:
    raise HTTPException(HTTPStatus.BAD_REQUEST, says)


def _add_key(content: Any, key: str | None) -> Any:
    """Put the key of the header to what the body says; InvalidNotice where the body has another."""
    if key is None or not isinstance(content, Mapping):
        return content
    if content.get("key", key) != key:
        raise InvalidNotice([Problem(1, "key", "another than in Idempotency-Key", "the same, or only one of them")])
    return {**content, "key": key}


def _add_notifier(content: Any, whose: str | None) -> Any:
    """Put the address of the notifier whose key was shown to what the body says, where it says none."""
    is_missing = whose is not None and isinstance(content, Mapping) and content.get("email") is None
    return {**content, "email": whose} if is_missing else content


def _make_score(model: ScoringModel | None) -> Callable[[Sequence[Listing]], list[ScoredListing]] | None:
    """Return what scores listings by the model of the moment; None where there is none."""
    return None if model is None else lambda listings: model.score_many(list(map(_as_mapping, listings)), True)


def _as_mapping(listing: Listing) -> dict[str, Any]:
    told = {name: value for name, value in asdict(listing).items() if value is not None}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in told.items()}


def _answer(receipt: Receipt, status: HTTPStatus) -> Response:
    said = describe_receipt(receipt) | ({"is_new": receipt.is_new})
    return make_json_answer(write_json(said), status)
