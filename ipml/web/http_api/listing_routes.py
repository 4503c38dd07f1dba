"""Listings and seller events over HTTP: submitted as they appear, change and vanish, and shown.

Concurrent requests are written together (`ipml.storage.group_commit`). Each is answered once it is on disk; sent again,
it changes nothing and gets the same answer. Too many at once get 429, so that callers slow down.
"""

from __future__ import annotations

from asyncio import wrap_future
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from threading import Lock as ThreadLock
from typing import Annotated, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Path, Request, Response
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from ipml.enforcement.views.case_file import ListingFile, read_listing_file
from ipml.errors import Failed, InvalidListings, NotFound
from ipml.kit.moments import write_moment
from ipml.records import EarlierListings, Listing, Problem, ScoredListing
from ipml.review.arrivals.marketplace import KnownListing, Submission, Withdrawal, find_known, find_reasons, take_in
from ipml.review.arrivals.snapshot import is_storable
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.sellers.seller_history import SellerEvent, find_event, store_events
from ipml.storage.database import Lock, reading, serialise, writing
from ipml.storage.group_commit import GroupCommit
from ipml.web.http_api.bodies import LONGEST_NAME, read_as, read_batch
from ipml.web.http_api.intake_document import SubmittedEvents, SubmittedListings
from ipml.web.http_api.list_routes import describe_mark
from ipml.web.http_api.monitoring import CurrentModel, Metrics, ScoringModel
from ipml.web.http_api.openapi import describe_figures, make_json_answer, write_json
from ipml.web.http_api.requests import RequestLimit, parse_body, read_body

MOST_AT_ONCE = 64  # requests in progress or waiting, each of at most 4 MiB
_MOST_TOGETHER = 100  # listings or events written together; a small request must not wait for many large ones
_GAP_SECONDS = 0.02  # between the starts of two writes; about the time to write twenty listings
_SOON = timedelta(days=1)  # an observation further in the future would hide all others until then
_SMALL_BYTES = 64 << 10
_QUICK_BYTES = 8 << 10  # parsed faster than another thread starts
# Listings are scored again later; without its vector one would silently get another score.
_NO_VECTOR = "none, as vectors are not stored: POST /v1/score scores with them, and so does `ipml score`"


_Checked = TypeVar("_Checked")


_SHOWN: dict[str, Any] = {
    "minLength": 1,
    "maxLength": LONGEST_NAME,
}  # not checked: an impossible id is not found


class ListingIntake:
    """Intake of submissions: scored by the model in use (one for all that is written together), and stored."""

    def __init__(self, engine: Engine, models: CurrentModel, metrics: Metrics) -> None:
        self.engine, self._models, self._metrics = engine, models, metrics
        self.request_limit, self.limiter = RequestLimit(MOST_AT_ONCE), CapacityLimiter(MOST_AT_ONCE)
        self._large = ThreadLock()
        self._listings = GroupCommit(self._take_in, _MOST_TOGETHER, _GAP_SECONDS)
        self._events = GroupCommit(self._store_events, _MOST_TOGETHER, _GAP_SECONDS)

    def require_model(self) -> ScoringModel:
        """Return the model in use; raises Failed before the first is loaded."""
        model = self._models.current()
        if model is None:
            found, remedy = "none could be loaded yet", "Try again later; the operator finds more in the log."
            raise Failed("model", found, remedy)
        return model

    @contextmanager
    def reading_turn(self, n_bytes: int) -> Iterator[None]:
        """Parse one large body at a time: parsing may take fifty times its memory."""
        if n_bytes <= _SMALL_BYTES:
            yield
            return
        with self._large:
            yield

    def read_listings(self, content: object) -> Submission:
        """Return the checked listings of a request."""
        return read_submission(content, self.require_model(), datetime.now(UTC))

    def submit_listings(self, submission: Submission) -> Future[Callable[[], bytes]]:
        """Score and store the listings of a request; the answer has their state."""
        return self._listings.submit(submission, max(len(submission.listings), 1))

    def submit_events(self, events: Sequence[SellerEvent]) -> Future[Callable[[], bytes]]:
        """Store the events of a request; the answer has their number."""
        return self._events.submit(events, max(len(events), 1))

    def show_listing(self, listing_id: str) -> bytes:
        """Return all facts about a listing."""
        with reading(self.engine) as connection:
            known = find_known(connection, [listing_id]).get(listing_id) if is_storable(listing_id) else None
            if known is None:
                raise NotFound("listing", listing_id[:80], "Submit it with POST /v1/listings.")
            file = read_listing_file(connection, listing_id)
            shown = find_reasons(connection, known)
        return write_json(_describe(known) | self._explain(known, shown) | _describe_file(file))

    def show_event(self, event_id: str) -> bytes:
        """Return a stored event."""
        with reading(self.engine) as connection:
            event = find_event(connection, event_id) if is_storable(event_id) else None
        if event is None:
            raise NotFound("event", event_id[:80], "Submit it with POST /v1/events.")
        moments = {name: write_moment(getattr(event, name)) for name in ("occurred_at", "known_at")}
        return write_json(asdict(event) | moments)

    def _take_in(self, submissions: Sequence[Submission]) -> list[Callable[[], bytes]]:
        model = self.require_model()

        def score(
            listings: Sequence[Listing], earlier: Sequence[EarlierListings], explain: bool
        ) -> list[ScoredListing]:
            scored, unlike = model.score_records(listings, explain, earlier)
            if not explain:
                self._metrics.count_listings(scored, unlike)
            return scored

        known = take_in(self.engine, submissions, IntakeModel(model.version, score), datetime.now(UTC))
        return [partial(_answer_submission, one, known) for one in submissions]

    def _store_events(self, submissions: Sequence[Sequence[SellerEvent]]) -> list[Callable[[], bytes]]:
        now = datetime.now(UTC)
        with writing(self.engine) as connection:
            serialise(connection, Lock.ENQUEUE)  # blocks erasures of sellers meanwhile
            for events in submissions:
                store_events(connection, events, now)
        return [partial(write_json, {"events": len(events)}) for events in submissions]

    def _explain(self, known: KnownListing, shown: ScoredListing | None) -> dict[str, Any]:
        model = self._models.current()
        if shown is None and model is not None and model.version == known.scored.model_version:
            shown = model.explain_again(known.scored)
        reasons = None if shown is None else list(map(asdict, shown.reasons))
        return {"reasons": reasons, "base_rate": shown and shown.base_rate}


async def submit_listings(request: Request) -> Response:
    """Submit one listing or up to 1,000: new, changed, seen again unchanged, or gone (`withdrawn`).

    Each is scored with its seller's history as known when it was observed and with the seller's earlier listings, and
    queued by the policy. All are stored or none: if one breaks the rules, all faults are listed. The last observation
    of a listing counts, in whatever order it comes; without `observed_at`, the last to arrive. The same request again
    changes nothing and gets the same answer.
    """
    return await _submit(request, ListingIntake.read_listings, ListingIntake.submit_listings)


async def submit_events(request: Request) -> Response:
    """Submit up to 1,000 events of sellers: sales, returns, complaints, ratings, strikes, joining and listing.

    They make up the seller's history: listings are scored with the events known when they were observed. All are stored
    or none; an event submitted before, by its `event_id`, counts once.
    """
    return await _submit(request, lambda _, content: read_events(content), ListingIntake.submit_events)


async def show_listing(
    request: Request, listing_id: Annotated[str, Path(description="the marketplace's", json_schema_extra=_SHOWN)]
) -> Response:
    """Show all facts about a listing: score, reasons, case, verdict, measures in force, deadlines, messages."""
    return await _show(request, lambda intake: intake.show_listing(listing_id))


async def show_event(
    request: Request, event_id: Annotated[str, Path(description="the marketplace's", json_schema_extra=_SHOWN)]
) -> Response:
    """Show a stored event."""
    return await _show(request, lambda intake: intake.show_event(event_id))


async def _submit(
    request: Request,
    read: Callable[[ListingIntake, object], _Checked],
    submit: Callable[[ListingIntake, _Checked], Future[Callable[[], bytes]]],
) -> Response:
    """Take in a submission; a small one is parsed here, faster than another thread would start."""
    intake = require_intake(request)
    with intake.request_limit.acquire(HTTPStatus.TOO_MANY_REQUESTS):
        body = await read_body(request)

        def check() -> _Checked:
            with intake.reading_turn(len(body)):
                return read(intake, parse_body(body))

        if len(body) <= _QUICK_BYTES:
            answer = await wrap_future(submit(intake, check()))
            return make_json_answer(answer())
        checked = await to_thread.run_sync(check, limiter=intake.limiter)
        answer = await wrap_future(submit(intake, checked))
        return make_json_answer(await to_thread.run_sync(answer, limiter=intake.limiter))


async def _show(request: Request, answer: Callable[[ListingIntake], bytes]) -> Response:
    intake = require_intake(request)
    with intake.request_limit.acquire(HTTPStatus.TOO_MANY_REQUESTS):
        return make_json_answer(await to_thread.run_sync(lambda: answer(intake), limiter=intake.limiter))


def require_intake(request: Request) -> ListingIntake:
    """Return the intake of listings; a service that only scores has none (404)."""
    intake: ListingIntake | None = request.app.state.intake
    if intake is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return intake


def read_submission(content: object, model: ScoringModel, now: datetime) -> Submission:
    """Return the listings of a request, and its withdrawals.

    Raises InvalidListings, and InvalidRequest with 422, or 413 if there are too many.
    """
    body = read_batch(SubmittedListings, content)
    listings = model.check(body.listings)
    latest = now + _SOON
    early = [
        Problem(row, "observed_at", write_moment(one.observed_at), f"a moment before {write_moment(latest)}")
        for row, one in enumerate(listings, start=1)
        if one.observed_at is not None and one.observed_at > latest
    ]
    vectors = [
        Problem(row, name, f"a list of {len(vector):,} numbers", _NO_VECTOR)
        for row, one in enumerate(listings, start=1)
        for name, vector in (("image_vector", one.image_vector), ("text_vector", one.text_vector))
        if vector is not None
    ]
    early += [
        Problem(row, "withdrawn.observed_at", write_moment(gone.observed_at), f"a moment before {write_moment(latest)}")
        for row, gone in enumerate(body.withdrawn, start=1)
        if gone.observed_at > latest
    ]
    if early or vectors:
        raise InvalidListings(sorted([*early, *vectors], key=lambda problem: problem.row))
    withdrawn = tuple(Withdrawal(gone.listing_id, gone.observed_at) for gone in body.withdrawn)
    return Submission(tuple(listings), withdrawn)


def read_events(content: object) -> list[SellerEvent]:
    """Return the events of a request.

    Raises InvalidListings, and InvalidRequest with 422, or 413 if there are too many.
    """
    return [SellerEvent(**vars(event)) for event in read_as(SubmittedEvents, content).events]


def _answer_submission(submission: Submission, known: Mapping[str, KnownListing]) -> bytes:
    return write_json({"listings": [_describe(known[key]) for key in submission.listing_ids]})


def _describe(known: KnownListing) -> dict[str, Any]:
    scored = known.scored
    return describe_figures(scored) | {
        "model_version": scored.model_version,
        "seller_id": scored.listing.seller_id,
        "observed_at": _write(scored.listing.observed_at),
        "received_at": write_moment(known.received_at),
        "withdrawn_at": _write(known.withdrawn_at),
        "case": known.case_id,
        "state": known.state or "scored",
        "verdict": known.verdict,
        "due_at": _write(known.due_at),
        "lists": list(map(describe_mark, known.lists)),
        "listed_again": None
        if (match := known.match) is None
        else {"case": match.case_id, "by": match.kind.value, "precision": match.precision},
    }


def _describe_file(file: ListingFile) -> dict[str, Any]:
    return {
        "measures": [
            {
                "measure": one.subject,
                "kind": one.kind,
                "territories": list(one.territories),
                "state": one.state,
                "imposed_at": write_moment(one.imposed_at),
                "until": _write(one.until),
            }
            for one in file.measures
        ],
        "deadlines": [
            {"subject": one.subject, "stage": one.stage, "state": one.state, "due_at": _write(one.due_at)}
            for one in file.deadlines
        ],
        "messages": [asdict(one) | {"put_at": write_moment(one.put_at)} for one in file.messages],
    }


def _write(moment: datetime | None) -> str | None:
    return None if moment is None else write_moment(moment)
