"""Decisions with all that must be known of them for what follows: read once for all stages, however many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from ipml.enforcement.restrictions import OWN, Source
from ipml.records import Decision, ScoredListing
from ipml.review.consequences import Made
from ipml.review.snapshot import decode
from ipml.storage.keyrings import Keyring, read_keys
from ipml.storage.pseudonyms import pseudonyms_of


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, its case as the row was before, the listing as it was judged, its seller, and who pointed to it."""

    case: Row[Any]
    decision: Decision
    scored: ScoredListing
    pseudonym: str
    source: Source = OWN


def read_decided(
    connection: Connection, made: Sequence[Made], sources: Mapping[int, Source] | None = None
) -> tuple[list[Decided], Keyring]:
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
        Decided(case, decision, decode(case.snapshot), names[case.seller_id], whose.get(case.case_id, OWN))
        for case, decision in made
    ]
    return decided, read_keys(connection, names.values())
