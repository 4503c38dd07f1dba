"""Submission: sends statements to the transparency database in batches of up to 100, or checks and exports files.

The database refuses a whole batch if one statement is faulty or known, and names it. Such statements are settled
(known ones as delivered, since an answer may have been lost), and the others sent again at once. Outages are retried
with growing pauses. Answers are untrusted. Files hold one JSON statement per line.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
from sqlalchemy import Connection, Engine, func, or_, select, update

from ipml.enforcement.statements.statements import BATCH_LIMIT, find_faults
from ipml.errors import UnreadableFile, UnusableSetting, first_line
from ipml.storage.audit_trail import audit
from ipml.storage.database import writing
from ipml.storage.tables import outbox, statements

CHANNEL = "transparency"
_ACTOR = "ipml"
_LEASE = timedelta(minutes=10)
_LONGEST_PAUSE_MINUTES = 60
_LONGEST_ERROR = 300
_REFUSED, _TOO_LARGE = 422, 413

Payload = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DatabaseAnswer:
    """The database's answer to a batch; `status` is None without one.

    `refused` holds faults by place in the batch, from 0; `known` the puids that the database already has.
    """

    status: int | None
    refused: Mapping[int, str] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    words: str = ""


Post = Callable[[Sequence[Payload]], DatabaseAnswer]


@dataclass(frozen=True, slots=True)
class StatementOutcome:
    """Outcome of one statement: "delivered", "dead" or "waiting", and the reason."""

    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class StatementBatch:
    """Statements claimed by one sender; `holder` identifies the claim."""

    holder: str
    numbers: tuple[int, ...]
    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """Number of statements delivered, refused for good and left for later, and the last reason."""

    delivered: int = 0
    dead: int = 0
    waiting: int = 0
    words: str = ""


def send_waiting(engine: Engine, post: Post, *, now: datetime, most: int = BATCH_LIMIT) -> Sent:
    """Send all due statements in batches (at most 100) until none is left or the database cannot be reached."""
    counts: Counter[str] = Counter()
    words = ""
    while batch := take_batch(engine, now=now, most=most):
        outcomes = deliver(batch.payloads, post)
        settle_batch(engine, batch, outcomes, now=now)
        counts.update(outcome.state for outcome in outcomes)
        words = next((outcome.why for outcome in outcomes if outcome.why), words)
        if all(outcome.state == "waiting" for outcome in outcomes):
            break
    return Sent(counts["delivered"], counts["dead"], counts["waiting"], words)


def count_waiting(connection: Connection) -> int:
    """Return the number of undelivered statements."""
    query = select(func.count()).where(outbox.c.channel == CHANNEL, outbox.c.state == "waiting")
    return connection.scalar(query) or 0


def take_batch(engine: Engine, *, now: datetime, most: int = BATCH_LIMIT) -> StatementBatch | None:
    """Claim the oldest due statements for ten minutes; None if there are none."""
    is_free = or_(outbox.c.lease_expires_at.is_(None), outbox.c.lease_expires_at <= now)
    due = select(outbox).where(outbox.c.channel == CHANNEL, outbox.c.state == "waiting", outbox.c.next_try_at <= now)
    query = due.where(is_free).order_by(outbox.c.message_id).limit(min(most, BATCH_LIMIT))
    with writing(engine) as connection:
        rows = connection.execute(query.with_for_update(skip_locked=True)).all()
        if not rows:
            return None
        numbers = tuple(row.message_id for row in rows)
        holder = uuid4().hex
        taken = update(outbox).where(outbox.c.message_id.in_(numbers))
        held = {"holder": holder, "lease_expires_at": now + _LEASE, "attempts": outbox.c.attempts + 1}
        connection.execute(taken.values(held))
    return StatementBatch(holder, numbers, tuple(json.loads(row.body) for row in rows))


def settle_batch(engine: Engine, batch: StatementBatch, outcomes: Sequence[StatementOutcome], *, now: datetime) -> None:
    """Store the outcomes of a batch, except for statements whose claim has passed to another sender."""
    settled = list(zip(batch.numbers, outcomes, strict=True))
    delivered = [number for number, outcome in settled if outcome.state == "delivered"]
    with writing(engine) as connection:
        _settle_delivered(connection, batch.holder, delivered, now)
        for number, outcome in settled:
            if outcome.state != "delivered":
                _settle_refused(connection, batch.holder, number, outcome, now)


def deliver(payloads: Sequence[Payload], post: Post) -> list[StatementOutcome]:
    """Send statements, and return their outcomes.

    >>> def post(batch):  # a database that dislikes one of them, and so takes none of the batch
    ...     bad = {place: "no" for place, payload in enumerate(batch) if payload["puid"] == "b"}
    ...     return DatabaseAnswer(422 if bad else 201, bad)
    >>> [outcome.state for outcome in deliver([{"puid": "a"}, {"puid": "b"}, {"puid": "c"}], post)]
    ['delivered', 'dead', 'delivered']
    """
    answer = post(payloads)
    if answer.status is not None and 200 <= answer.status < 300:
        return [StatementOutcome("delivered") for _ in payloads]
    if answer.status not in (_REFUSED, _TOO_LARGE):
        return [StatementOutcome("waiting", _describe(answer)) for _ in payloads]
    settled = {place: outcome for place in range(len(payloads)) if (outcome := _judge(payloads[place], place, answer))}
    if not settled:
        return _halve(payloads, post, answer)
    left = [place for place in range(len(payloads)) if place not in settled]
    if left:
        again = deliver([payloads[place] for place in left], post)
        settled |= dict(zip(left, again, strict=True))
    return [settled[place] for place in range(len(payloads))]


def _judge(payload: Payload, place: int, answer: DatabaseAnswer) -> StatementOutcome | None:
    if payload["puid"] in answer.known:
        return StatementOutcome("delivered")
    if place in answer.refused:
        return StatementOutcome("dead", answer.refused[place][:_LONGEST_ERROR])
    return None


def _halve(payloads: Sequence[Payload], post: Post, answer: DatabaseAnswer) -> list[StatementOutcome]:
    """Find the faulty statements by halving the batch if the answer does not name them."""
    if len(payloads) == 1:
        return [StatementOutcome("dead", _describe(answer))]
    middle = len(payloads) // 2
    return [*deliver(payloads[:middle], post), *deliver(payloads[middle:], post)]


def _settle_delivered(connection: Connection, holder: str, numbers: Sequence[int], now: datetime) -> None:
    mine = outbox.c.message_id.in_(numbers), outbox.c.holder == holder, outbox.c.state == "waiting"
    fields = {"state": "delivered", "settled_at": now, "last_error": None, "holder": None, "lease_expires_at": None}
    audit.change_rows(connection, update(outbox).where(*mine).values(fields), _ACTOR, "delivered", at=now)


def _settle_refused(connection: Connection, holder: str, number: int, outcome: StatementOutcome, now: datetime) -> None:
    """Give a statement up, or let it wait for longer after each attempt."""
    mine = outbox.c.message_id == number, outbox.c.holder == holder, outbox.c.state == "waiting"
    fields: dict[str, Any] = {"state": outcome.state, "holder": None, "lease_expires_at": None}
    change = update(outbox).where(*mine).values(fields | {"last_error": outcome.why or None})
    if outcome.state == "waiting":
        attempts = connection.scalar(select(outbox.c.attempts).where(*mine)) or 1
        pause = timedelta(minutes=min(2 ** min(attempts - 1, 10), _LONGEST_PAUSE_MINUTES))
        connection.execute(change.values(next_try_at=now + pause))
    else:
        audit.change_rows(connection, change.values(settled_at=now), _ACTOR, "given up", at=now)


def _describe(answer: DatabaseAnswer) -> str:
    return f"{answer.status or 'no answer'}: {answer.words}"[:_LONGEST_ERROR].rstrip(": ")


_LONGEST_ANSWER = 2_000_000
_LONGEST_WORDS = 200
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_PLACE = re.compile(r"statements?[._](\d{1,4})(?:\.|$)")


def post_to(url: str, token: str | None, client: httpx.Client) -> Post:
    """Return the function that posts one batch to an address, such as …/api/v1/statements, with a bearer token.

    Raises UnusableSetting if the address is invalid, or would send the token over plain http to another machine.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise UnusableSetting("transparency_url", repr(url), "an address such as https://…/api/v1/statements")
    if parts.scheme == "http" and token and not _is_this_machine(parts.hostname):
        raise UnusableSetting("transparency_url", "http, which shows the token to others", "https")
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}

    def post(payloads: Sequence[Payload]) -> DatabaseAnswer:
        body = json.dumps({"statements": list(payloads)}, allow_nan=False).encode()
        try:
            with client.stream("POST", url, content=body, headers=headers, follow_redirects=False) as response:
                return read_answer(response.status_code, _read(response))
        except httpx.HTTPError as error:
            return DatabaseAnswer(None, words=first_line(error))

    return post


def read_token(path: Path | None) -> str | None:
    """Return the token in a file; None without a file."""
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:  # its message may contain a token given instead of a file
        found = type(error).__name__
        raise UnusableSetting("transparency_token", found, "a file that holds the token") from error
    if not token or not token.isprintable():
        raise UnusableSetting("transparency_token", "no token", "a file that holds the token on one line")
    return token


def open_client() -> httpx.Client:
    """Return an HTTP client with timeouts that ignores the environment."""
    return httpx.Client(timeout=_TIMEOUT, trust_env=False)


def read_answer(status: int, body: bytes) -> DatabaseAnswer:
    """Parse an answer: faulty and known statements.

    >>> read_answer(422, b'{"errors": {"statement_3": {"puid": ["is missing"]}}}').refused
    {3: 'puid: is missing'}
    >>> read_answer(422, b'{"errors": {"existing_puids": ["abc"]}}').known
    frozenset({'abc'})
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return DatabaseAnswer(status, words=body[:_LONGEST_WORDS].decode("utf-8", "replace"))
    content = content if isinstance(content, dict) else {}
    errors = content.get("errors")
    errors = errors if isinstance(errors, dict) else {}
    existing_puids = errors.get("existing_puids")
    puids = (
        {puid for puid in existing_puids if isinstance(puid, str)} if isinstance(existing_puids, list) else set[str]()
    )
    existing = content.get("existing")
    if isinstance(existing, dict) and isinstance(existing.get("puid"), str):
        puids.add(existing["puid"])
    refused: dict[int, list[str]] = {}
    for name, fault in errors.items():
        if match := _PLACE.match(name):
            refused.setdefault(int(match[1]), []).append(_word(name[match.end() :], fault))
    words = str(content.get("message", ""))[:_LONGEST_WORDS]
    return DatabaseAnswer(
        status, {place: "; ".join(faults) for place, faults in refused.items()}, frozenset(puids), words
    )


def _word(field: str, fault: Any) -> str:
    if isinstance(fault, dict):
        return "; ".join(_word(str(name), words) for name, words in fault.items())[:_LONGEST_WORDS]
    words = " ".join(map(str, fault)) if isinstance(fault, list) else str(fault)
    return (f"{field}: {words}" if field else words)[:_LONGEST_WORDS]


def _read(response: httpx.Response) -> bytes:
    body = b""
    for piece in response.iter_bytes():
        body += piece
        if len(body) > _LONGEST_ANSWER:
            break
    return body[:_LONGEST_ANSWER]


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_LONGEST_LINE = 10_000_000


def check_file(path: Path) -> tuple[int, list[str]]:
    """Return the number of statements in a file, and a line for each fault.

    Raises UnreadableFile if the file does not exist.
    """
    n_statements = 0
    faults: list[str] = []
    lines_of: dict[str, str] = {}
    for where, statement in _read_statements(path, faults):
        n_statements += 1
        faults += [f"{where}, {fault}" for fault in find_faults(statement)]
        puid = statement.get("puid") if isinstance(statement, dict) else None
        if isinstance(puid, str):
            if puid in lines_of:
                faults.append(f"{where}, puid: found that of {lines_of[puid]}, expected one of its own")
            lines_of.setdefault(puid, where)
    return n_statements, faults


def find_payloads(connection: Connection) -> Iterator[str]:
    """Yield the payloads of all statements for the transparency database, in order."""
    query = select(statements.c.payload).where(statements.c.payload.is_not(None)).order_by(statements.c.statement_id)
    yield from connection.execute(query.execution_options(yield_per=1000)).scalars()


def _read_statements(path: Path, faults: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield each statement with its place; unreadable lines are added to `faults`."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise UnreadableFile(path, error.strerror or str(error), "JSON lines") from error
    with file:
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if not line.strip():
                continue
            try:
                content = json.loads(line)
            except (ValueError, RecursionError) as error:
                faults.append(f"line {number}: found no JSON ({error!s:.80}), expected a statement")
                continue
            if not (isinstance(content, dict) and isinstance(content.get("statements"), list)):
                yield f"line {number}", content
                continue
            batch = content["statements"]
            if len(batch) > BATCH_LIMIT:
                faults.append(
                    f"line {number}: found {len(batch)} statements in a batch, expected at most {BATCH_LIMIT}"
                )
            for place, statement in enumerate(batch):
                yield f"line {number}, statement {place + 1}", statement
