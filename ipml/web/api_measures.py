"""The platform says over HTTP what became of a message: that it is done, or why not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, NoReturn

from anyio import to_thread
from fastapi import Path, Request, Response
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from ipml.enforcement.takedown.answers import SAID, Answer, Status, note_answer
from ipml.enforcement.takedown.webhook import read_moment
from ipml.errors import MessageNotFound
from ipml.review.texts import check_text
from ipml.storage.database import writing
from ipml.web.api_answers import make_json_answer, write_json
from ipml.web.json_body import parse_json, read_body

_KEY = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_LONGEST_WHY = 2_000
_EXPECTED = '{"status": "accepted", "done" or "refused", "at": a moment with its time zone, "why": text}'


async def answer_message(
    request: Request,
    key: Annotated[str, Path(description="the header `webhook-id` of the message that is answered")],
) -> Response:
    """Note what became of a message: "accepted", "done" or "refused".

    The same answer again changes nothing. Answers count in the order of the messages, whenever they come; a moment
    that is yet to come counts as now.
    """
    state = request.app.state
    with state.crowd.join():
        status, at, why = find_answer(_parse(await read_body(request)))
        engine: Engine | None = state.engine
        if engine is None or not _KEY.fullmatch(key):
            raise MessageNotFound(key)

        def note() -> Answer:
            with writing(engine) as connection:
                return note_answer(connection, key, status, "platform", datetime.now(UTC), at=at, why=why)

        noted = await to_thread.run_sync(note, limiter=state.writers)
    said = {"key": noted.key, "status": noted.status, "said_at": noted.said_at.isoformat(), "is_new": noted.is_new}
    return make_json_answer(write_json(said))


def find_answer(content: object) -> tuple[Status, datetime | None, str]:
    """Return what a body says; HTTPException 422, or UnstorableValue, where that is nothing we know.

    Examples
    --------
    >>> find_answer({"status": "refused", "why": "no such listing"})
    ('refused', None, 'no such listing')
    """
    if not isinstance(content, Mapping) or set(content) - {"status", "at", "why"}:
        _refuse("something else")
    status, at, why = content.get("status"), content.get("at"), content.get("why")
    if not isinstance(status, str) or status not in SAID:
        _refuse("another status")
    moment = read_moment(at)
    if at is not None and moment is None:
        _refuse("no moment")
    if why is not None and not isinstance(why, str):
        _refuse("no text in why")
    check_text("why", why or "", _LONGEST_WHY)
    return next(known for known in SAID if known == status), moment, why or ""


def _parse(body: bytes) -> Any:
    try:
        return parse_json(body)
    except ValueError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, f"The body is no JSON that can be read: found {error}.") from None


def _refuse(found: str) -> NoReturn:
    raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, f"Found {found}; expected {_EXPECTED}.")
