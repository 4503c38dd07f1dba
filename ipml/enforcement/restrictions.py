"""What is done to listings and sellers, in the words that messages, statements and letters share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ipml.records import Listing


class MeasureKind(StrEnum):
    """What is done to a listing, the mildest first; each can be lifted again."""

    LABEL = "label"
    DEMOTE = "demote"
    PAUSE = "pause"
    PRICE_HOLD = "price-hold"
    REMOVE_IN = "remove-in"
    REMOVE = "remove"


class PenaltyKind(StrEnum):
    """What is done to a seller, the mildest first; each can be lifted again."""

    WARN = "warn"
    LIMIT = "limit"
    HOLD_PAYOUT = "hold payout"
    SUSPEND = "suspend"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class ReportSource:
    """Who pointed to a listing, as a statement of reasons must tell (Article 17(3)(b) of the Digital Services Act).

    Attributes
    ----------
    source : str
        "own" where nobody gave notice, else "notice", "trusted flagger" or "other notification".
    is_detected : bool
        Whether a model had found the listing before anybody gave notice.
    """

    source: str = "own"
    is_detected: bool = True


OWN = ReportSource()


@dataclass(frozen=True, slots=True)
class Restriction:
    """A measure or a penalty, with what a statement of reasons must tell of it.

    Attributes
    ----------
    subject : str
        Its name in the audit trail and in the outbox: "measure:12" or "penalty:3".
    listing : Listing
        As it was seen when it was decided on; for a penalty the listing of the last strike.
    ground : str
        A key of `ipml.review.decisions.GROUNDS`.
    territories : tuple of str
        Countries in which it holds, ISO 3166; none: everywhere.
    until : datetime or None
        When it ends by itself.
    is_detected : bool
        Whether a model found the listing, before a notice did if there was one.
    is_automatic : bool
        Whether a policy decided and no person.
    source : str
        Who pointed to it: see `ReportSource`.
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
