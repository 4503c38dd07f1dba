"""What is done to listings and sellers, in the words that messages, statements and letters share.

Also the decisions it is done for (`DecidedCase`), with all that must be known of them: read once for all stages,
however many decisions there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row

from ipml.records import Decision, Listing, ScoredListing
from ipml.review.reversals import Made
from ipml.review.snapshot import decode
from ipml.storage.pseudonyms import Keyring, pseudonyms_of, read_keys


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


@dataclass(frozen=True, slots=True)
class DecidedCase:
    """A decision, its case as the row was before, the listing as it was judged, its seller, and who pointed to it."""

    case: Row[Any]
    decision: Decision
    scored: ScoredListing
    pseudonym: str
    source: ReportSource = OWN


def read_decided(
    connection: Connection, made: Sequence[Made], sources: Mapping[int, ReportSource] | None = None
) -> tuple[list[DecidedCase], Keyring]:
    """Return decisions with what they are about, and the keys of their sellers; a seller who is new gets one.

    Parameters
    ----------
    sources : mapping of int to Source, optional
        Who pointed to which cases; others were found by the platform itself.
    """
    if not made:
        return [], read_keys(connection, ())
    names = pseudonyms_of(connection, (case.seller_id for case, _ in made), now=made[0][1].decided_at)
    whose = sources or {}
    decided = [
        DecidedCase(case, decision, decode(case.snapshot), names[case.seller_id], whose.get(case.case_id, OWN))
        for case, decision in made
    ]
    return decided, read_keys(connection, names.values())
