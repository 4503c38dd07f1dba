"""Restrictions: the kinds of measures and penalties, shared by messages, statements and letters."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ipml.records import Listing


class MeasureKind(StrEnum):
    """Kinds of measures on a listing, mildest first; each can be lifted."""

    LABEL = "label"
    DEMOTE = "demote"
    PAUSE = "pause"
    PRICE_HOLD = "price-hold"
    REMOVE_IN = "remove-in"
    REMOVE = "remove"


class PenaltyKind(StrEnum):
    """Kinds of penalties on a seller, mildest first; each can be lifted."""

    WARN = "warn"
    LIMIT = "limit"
    HOLD_PAYOUT = "hold payout"
    SUSPEND = "suspend"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class ReportSource:
    """Reporter of a listing, as a statement of reasons must name it (Article 17(3)(b) of the Digital Services Act).

    `source`: "own" without a notice, else "notice", "trusted flagger" or "other notification". `is_detected`: whether
    a model found the listing before any notice.
    """

    source: str = "own"
    is_detected: bool = True


OWN = ReportSource()


@dataclass(frozen=True, slots=True)
class Restriction:
    """A measure or a penalty, with the facts that a statement of reasons must contain.

    - `subject`: name in the audit trail and in the outbox: "measure:12" or "penalty:3".
    - `listing`: as decided; for a penalty, the listing of the last strike.
    - `ground`: a key of `ipml.review.decisions.GROUNDS`.
    - `territories`: countries in which it holds, ISO 3166; empty: everywhere.
    - `is_automatic`: whether a policy decided instead of a person.
    - `is_detected`, `source`: see `ReportSource`.
    """

    subject: str
    kind: MeasureKind | PenaltyKind
    pseudonym: str
    case_id: int
    decision_id: int
    listing: Listing
    ground: str
    since: datetime
    until: datetime | None = None
    territories: tuple[str, ...] = ()
    is_detected: bool = True
    is_automatic: bool = False
    source: str = "own"
