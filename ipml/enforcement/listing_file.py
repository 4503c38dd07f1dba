"""What is in force on a listing, what runs for it, and what the marketplace will hear of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from ipml.enforcement.deadlines.deadlines import Deadline, make_deadline
from ipml.enforcement.takedown.measures import Measure, find_on_listing, in_force
from ipml.storage.pseudonyms import find_pseudonym
from ipml.storage.tables import deadlines, outbox


@dataclass(frozen=True, slots=True)
class WaitingMessage:
    """A message that was not delivered yet."""

    key: str
    channel: str
    kind: str
    subject: str
    put_at: datetime


@dataclass(frozen=True, slots=True)
class ListingFile:
    """Measures in force on a listing, the terms that run for them, and the messages about any that are on their way."""

    measures: tuple[Measure, ...] = ()
    deadlines: tuple[Deadline, ...] = ()
    messages: tuple[WaitingMessage, ...] = ()


def read_listing_file(connection: Connection, listing_id: str, seller_id: str) -> ListingFile:
    """Return what there is about a seller's listing; nothing where nobody ever did anything about it."""
    pseudonym = find_pseudonym(connection, seller_id)
    every = find_on_listing(connection, listing_id, pseudonym) if pseudonym is not None else []
    if not every:
        return ListingFile()
    subjects = [measure.subject for measure in every]
    running = select(deadlines).where(deadlines.c.subject.in_(subjects)).order_by(deadlines.c.deadline_id)
    columns = outbox.c.key, outbox.c.channel, outbox.c.kind, outbox.c.subject, outbox.c.put_at
    waiting = select(*columns).where(outbox.c.subject.in_(subjects), outbox.c.state == "waiting")
    terms = map(make_deadline, connection.execute(running))
    return ListingFile(
        tuple(in_force(every)),
        tuple(term for term in terms if not term.has_ended),
        tuple(WaitingMessage(*row) for row in connection.execute(waiting.order_by(outbox.c.message_id))),
    )
