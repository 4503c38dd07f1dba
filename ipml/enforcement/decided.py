"""Decisions with all that must be known of them for what follows: read once for all stages, however many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from ipml.records import Decision, ScoredListing
from ipml.review.consequences import Made
from ipml.review.snapshot import decode
from ipml.storage.keyrings import Keyring, read_keys
from ipml.storage.pseudonyms import pseudonyms_of


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, its case as the row was before, the listing as it was judged, and what its seller is called."""

    case: Row[Any]
    decision: Decision
    scored: ScoredListing
    pseudonym: str


def read_decided(connection: Connection, made: Sequence[Made]) -> tuple[list[Decided], Keyring]:
    """Return decisions with what they are about, and the keys of their sellers; a seller who is new gets one."""
    if not made:
        return [], read_keys(connection, ())
    names = pseudonyms_of(connection, (case.seller_id for case, _ in made), now=made[0][1].decided_at)
    decided = [Decided(case, decision, decode(case.snapshot), names[case.seller_id]) for case, decision in made]
    return decided, read_keys(connection, names.values())
