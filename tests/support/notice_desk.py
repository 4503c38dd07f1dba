"""Notices as rows, for tests of what becomes of them: who gives notice, of which cases, and when."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, insert, select

from ipml.cooperation.notices.intake import receive
from ipml.records import Decision, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import decrypt, notifier_of, pseudonym_of
from ipml.storage.tables import cases, notice_items, notices
from ipml.storage.tables import outbox as messages
from support.actions import COOPERATING
from support.given_notices import POLICY, say
from support.transactions import act, read_rows

NOON = datetime(2025, 3, 3, 12, tzinfo=UTC)


@dataclass
class Desk:
    """A database in which notice is given and people decide, and a clock that goes on a minute with each."""

    engine: Engine
    make_scored: Callable[..., Any]
    now: datetime = NOON
    _known: dict[str, int] = field(default_factory=dict)

    def pass_time(self, **span: float) -> datetime:
        """Let the clock go on."""
        self.now += timedelta(**span or {"minutes": 1})
        return self.now

    def add_case(self, listing_id: str, score: float = 0.9, seller_id: str = "s1", **fields: Any) -> int:
        """Enqueue a listing, and return the number of its case."""
        listing = {"seller_id": seller_id, "title": f"Bag no. {listing_id}", **fields}
        enqueue(self.engine, [self.make_scored(listing_id, score, **listing)], now=self.pass_time())
        with reading(self.engine) as connection:
            return connection.scalars(select(cases.c.case_id).where(cases.c.listing_id == listing_id)).one()

    def add_notifier(self, name: str = "brand", kind: str = "rights holder") -> int:
        """Return the number of a notifier, who is new the first time."""
        if name not in self._known:
            notifier = act(self.engine, notifier_of, f"{name}@example.com", kind, self.now)
            self._known[name] = notifier.notifier_id
        return self._known[name]

    def give_notice(self, case_ids, by="brand", *, state="waiting", **fields):
        """Let a notifier give notice of listings, None unknown: as every notice is, unless fields say otherwise."""
        if state == "waiting" and not fields:
            return self._send(case_ids, by)
        given = {"reference": secrets.token_hex(8), "notifier_id": self.add_notifier(by), "kind": "counterfeit"}
        given |= {"encrypted": "", "explanation": "", "content_digest": secrets.token_hex(8), "tier": "standard"}
        given |= {"received_at": self.pass_time()}
        with writing(self.engine) as connection:
            query = insert(notices).values(given | fields).returning(notices.c.notice_id)
            notice_id = connection.scalars(query).one()
            sellers = select(cases.c.case_id, cases.c.seller_id).where(cases.c.case_id.in_([*filter(None, case_ids)]))
            whose = {row.case_id: pseudonym_of(connection, row.seller_id) for row in connection.execute(sellers).all()}
            item = {"notice_id": notice_id, "location": "", "noted_at": given["received_at"]}
            for position, case_id in enumerate(case_ids, 1):
                item |= {"position": position, "listing_digest": f"{notice_id}-{position}", "case_id": case_id}
                item |= {"pseudonym": whose.get(case_id), "state": "unknown" if case_id is None else state}
                connection.execute(insert(notice_items), item)
        return notice_id

    def _send(self, case_ids: Sequence[int | None], by: str) -> int:
        self.add_notifier(by)
        known = dict(read_rows(self.engine, select(cases.c.case_id, cases.c.listing_id)))
        named = [known[case_id] if case_id else f"unknown {secrets.token_hex(4)}" for case_id in case_ids]
        return act(self.engine, receive, say(*named, email=f"{by}@example.com"), POLICY, now=self.pass_time()).notice_id

    def decide(self, case_id: int, verdict: Verdict, reviewer: str = "ana") -> Decision:
        """Let a reviewer decide a case."""
        taken = act(self.engine, claim, reviewer, case_id, now=self.pass_time())
        ground = "declared_replica" if verdict is Verdict.COUNTERFEIT else ""
        return act(self.engine, decide, DecisionRequest(taken, verdict, ground), now=self.now, context=COOPERATING)

    def items(self, notice_id: int) -> list[Row[Any]]:
        """Return the items of a notice, in order."""
        query = select(notice_items).where(notice_items.c.notice_id == notice_id).order_by(notice_items.c.position)
        with reading(self.engine) as connection:
            return list(connection.execute(query))

    def states(self, notice_id: int) -> list[str]:
        """Return how the items of a notice stand."""
        return [item.state for item in self.items(notice_id)]

    def told(self, subject: str) -> list[tuple[str, str]]:
        """Return kind and body of the messages to notifiers on a subject, in order: no receipts, none dropped."""
        query = select(messages).where(messages.c.channel == "holder", messages.c.subject == subject)
        query = query.where(messages.c.kind != "notice_receipt", messages.c.dropped_at.is_(None))
        with reading(self.engine) as connection:
            rows = connection.execute(query.order_by(messages.c.message_id)).all()
            return [(row.kind, decrypt(connection, row.pseudonym, row.body)) for row in rows]
