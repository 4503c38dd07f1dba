"""What follows from decisions, in the same transaction: all of it is kept, or none.

The queue does not know what that is. Whoever opens the database for people who decide binds it to the engine, so that
no way to a decision, alone, in bulk, by spreading or by taking back, can forget it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, Row

from ipml.records import Decision, Reversal

_OPTION = "ipml_consequences"

Made = tuple[Row[Any], Decision]
"""A decision with its case, as the row was before."""


class Consequences(Protocol):
    """What is done when a case is decided, and when a decision is taken back; an exception undoes both."""

    def follow_decisions(self, connection: Connection, made: Sequence[Made], origin: str) -> None:
        """Act on decisions that were just appended together; `origin` says how they came about."""

    def follow_reversal(self, connection: Connection, reversal: Reversal) -> None:
        """Undo what followed from a decision that was just taken back."""


def bind(engine: Engine, consequences: Consequences) -> Engine:
    """Return the same database, in which decisions have consequences.

    Examples
    --------
    >>> from ipml.records import Listing, ScoredListing, Verdict
    >>> from ipml.review.queue import claim, decide, enqueue
    >>> from ipml.storage.database import migrate, open_database
    >>> class Telling:
    ...     def follow_decisions(self, connection, made, origin):
    ...         for case, decision in made:
    ...             print(case.listing_id, decision.verdict, origin)
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> _ = enqueue(engine, [ScoredListing(Listing("A7", "s1", "Bag"), 0.9, 2.2, (), (), None, "2024-05")])
    >>> engine = bind(engine, Telling())
    >>> _ = decide(engine, claim(engine, "ana"), Verdict.GENUINE)
    A7 genuine review
    """
    return engine.execution_options(**{_OPTION: consequences})


def consequences_of(connection: Connection) -> Consequences | None:
    """Return what follows from decisions made on a connection, if anything does."""
    bound: Consequences | None = connection.get_execution_options().get(_OPTION)
    return bound
