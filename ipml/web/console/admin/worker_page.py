"""Worker: its jobs, and the messages to platform, sellers and rights holders.

Each job shows its last run and when the next is due; a lead can start one. Messages given up wait for a lead, who sends
them again or drops them with a reason. Their texts are not shown: many are written to people, and the pages of cases,
appeals and notices show the facts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Form, Query, Request, Response
from pydantic import BaseModel, Field

from ipml.errors import Conflict, NotFound, Overtaken, UnstorableValue
from ipml.review.arrivals.snapshot import check_text
from ipml.storage import jobs, outbox
from ipml.storage.database import writing
from ipml.storage.message_kinds import RECEIVERS
from ipml.web.accounts.login import authorised, get_engine, settings_of
from ipml.web.responses import redirect, render

MOST = 50
LONGEST_WHY = 2_000
_OVERTAKEN = "A later message on the same subject was sent, which may say the contrary. Drop it, or send it anyway."
_STATE = f"^({'|'.join(outbox.MESSAGE_STATES)})$"
_CHANNEL = f"^(|{'|'.join(RECEIVERS)})$"


class DeliveriesQuery(BaseModel):
    """The query of a list of messages, newest first; `after` is the last message of the page before."""

    state: Annotated[str, Field(pattern=_STATE)] = outbox.DEAD
    channel: Annotated[str, Field(pattern=_CHANNEL)] = ""
    after: Annotated[int | None, Field(ge=1, le=10**18)] = None


class DeliveryForm(BaseModel):
    """The form that settles a message that was given up, or retries all failed ones at once."""

    to: Annotated[str, Field(pattern="^(retry|drop|hurry)$")]
    state: Annotated[str, Field(pattern=_STATE)] = outbox.DEAD
    channel: Annotated[str, Field(pattern=_CHANNEL)] = ""
    key: Annotated[str, Field(max_length=255)] = ""
    why: Annotated[str, Field(max_length=10 * LONGEST_WHY)] = ""
    out_of_order: bool = False


def show_deliveries(request: Request, query: Annotated[DeliveriesQuery, Query()]) -> Response:
    """Show the messages in a state, and the numbers waiting and given up on each channel."""
    return _render_deliveries(request, query)


def settle_delivery(request: Request, form: Annotated[DeliveryForm, Form()]) -> Response:
    """Send a message again that was given up, or drop it; or retry all failed ones at once."""
    now, key, why = datetime.now(UTC), form.key, form.why
    query = DeliveriesQuery(state=form.state, channel=form.channel)
    try:
        with authorised(request, writing) as (connection, user):
            if form.to == "hurry":
                outbox.hurry(connection, now)
            elif form.to == "retry":
                outbox.retry_dead(connection, key, user.name, now, out_of_order=form.out_of_order)
            else:
                _check_why(why)
                outbox.drop_dead(connection, key, user.name, why, now)
    except Overtaken:
        return _render_deliveries(request, query, form, _OVERTAKEN)
    except (Conflict, NotFound, UnstorableValue) as error:
        return _render_deliveries(request, query, form, str(error))
    return redirect(f"/deliveries?{urlencode({'state': form.state, 'channel': form.channel})}")


def _check_why(why: str) -> None:
    check_text("why", why, LONGEST_WHY)
    if not why.strip():
        raise UnstorableValue("why", "nothing", "the reason why it need not be delivered")


def _render_deliveries(
    request: Request, query: DeliveriesQuery, form: DeliveryForm | None = None, message: str = ""
) -> Response:
    state, channel, after = query.state, query.channel, query.after
    with authorised(request) as (connection, _):
        at = datetime.now(UTC)
        listed = outbox.browse_messages(connection, state, channel=channel or None, after=after, at_most=MOST + 1)
        backlog = outbox.count_backlog(connection, at)
    asked = {"state": state, "channel": channel}
    more = {"after": listed[MOST - 1].message_id} if len(listed) > MOST else None
    context: dict[str, Any] = {
        "listed": listed[:MOST],
        "backlog": backlog,
        "at": at,
        "state": state,
        "states": outbox.MESSAGE_STATES,
        "channel": channel,
        "receivers": RECEIVERS,
        "previous_link": f"/deliveries?{urlencode(asked)}" if after else None,
        "next_link": f"/deliveries?{urlencode(asked | more)}" if more else None,
        "message": message,
        "chosen": form.key if form else "",
        "why": form.why if form else "",
        "longest_why": LONGEST_WHY,
        "is_overtaken": message == _OVERTAKEN,
    }
    return render(request, "deliveries.html", context)


def show_jobs(request: Request) -> Response:
    """Show the state of each job, whether a worker leads, and why a job is off."""
    return _render_jobs(request)


def start_job(request: Request, name: Annotated[str, Form(max_length=50)]) -> Response:
    """Start a job; the leading worker begins it within seconds."""
    try:
        with authorised(request, writing) as (connection, user):
            jobs.start_job(connection, name, settings_of(request), user.name, datetime.now(UTC))
    except (Conflict, NotFound) as error:
        return _render_jobs(request, str(error))
    return redirect("/jobs")


def _render_jobs(request: Request, message: str = "") -> Response:
    with authorised(request) as (connection, _):
        listed = jobs.list_jobs(connection, settings_of(request))
    context = {
        "listed": listed,
        "failing": [one for one in listed if one.is_failing],
        "is_led": jobs.has_leader(get_engine(request)),
        "at": datetime.now(UTC),
        "message": message,
    }
    return render(request, "jobs.html", context)
