"""Which case comes after this one: the queue's, or that of the list the reviewer came from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlencode

from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from ipml.errors import AlreadyDecided, ClaimLost
from ipml.records import Case
from ipml.review import queue
from ipml.review.browsing import browse
from ipml.settings import Settings
from ipml.web.list_query import ListQuery
from ipml.web.users import User

QUEUE = "queue"
"""Stands where else the query of a list stands, for reviewers who take what the queue gives them."""

LONGEST = 2_000


def find_following(
    engine: Engine, user: User, last: Case, state: str, within: str, skipped: Collection[int], settings: Settings
) -> int | None:
    """Return the case to work on after another, or None.

    Parameters
    ----------
    last : Case
        The case that was decided or skipped.
    state : str
        State of the cases that this person works on: a lead who works the escalated ones stays with them.
    within : str
        The query of the list that is worked through, or `QUEUE`.
    skipped : collection of int
        Cases that the reviewer has passed over, and will not be given again at once.
    """
    if state == "open" and within in ("", QUEUE):
        take = queue.claim if within == QUEUE else queue.claim_ahead
        claim = take(engine, user.name, settings=settings)
        if claim is not None and claim.case_id not in (*skipped, last.case_id):
            return claim.case_id
        if claim is None and within == QUEUE:
            return None
        if claim is not None:
            give_back(engine, user, queue.get_case(engine, claim.case_id), claim.token)
    return _find_in_list(engine, user, last, state, "" if within == QUEUE else within)


def address_of(case_id: int | None, within: str = "", **said: object) -> RedirectResponse:
    """Send the browser to a case, or to the list it came from where there is none."""
    query = urlencode({name: value for name, value in {**said, "within": within}.items() if value})
    if case_id is not None:
        return RedirectResponse(f"/cases/{case_id}?{query}", HTTPStatus.SEE_OTHER)
    return RedirectResponse(address_of_list(within), HTTPStatus.SEE_OTHER)


def address_of_list(within: str) -> str:
    """Return the address of the list that a reviewer works through."""
    said = "" if within == QUEUE else ListQuery.read(within).write()
    return f"/?{said}" if said else "/"


def _find_in_list(engine: Engine, user: User, last: Case, state: str, within: str) -> int | None:
    """Return the next case of a list that nobody else holds; after the last one, the first."""
    asked = ListQuery.read(within)
    wanted = replace(asked.filter(), state=state, free_for=user.name)
    for after in (last.case_id, None):
        for case in browse(engine, wanted, asked.order, limit=2, after=after):
            if case.case_id != last.case_id:
                return case.case_id
    return None


def give_back(engine: Engine, user: User, case: Case, token: int) -> None:
    """Release a case that a reviewer leaves undecided, if it is theirs under this token."""
    claim = queue.shown_state(engine, user.name, case.case_id).claim
    if claim is None:
        return
    try:
        queue.release(engine, replace(claim, token=token))
    except (ClaimLost, AlreadyDecided):
        return  # opened again elsewhere, or decided: nothing to give back here
