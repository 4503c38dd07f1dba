"""What must agree between decisions and what followed from them; `ipml doctor` looks at it."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, Select, String, cast, literal, select

from ipml.records import Verdict
from ipml.review.reversals import stands
from ipml.storage.tables import audit, decisions, evidence, measures, penalties, statements, strikes, strikes_taken_back


def find_gaps(connection: Connection) -> Iterator[str]:
    """Give a line for each decision of which something that should have followed is not there, or too much is.

    Decisions without evidence are left out: they were made before ipml kept any, or by a program of one's own.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database, reading
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> with reading(engine) as connection:
    ...     list(find_gaps(connection))
    []
    """
    followed = select(decisions.c.decision_id).join(evidence, evidence.c.decision_id == decisions.c.decision_id)
    against = followed.where(decisions.c.verdict == Verdict.COUNTERFEIT)
    of_it = measures.c.decision_id == decisions.c.decision_id
    struck = strikes.c.decision_id == decisions.c.decision_id
    is_back = select(strikes_taken_back.c.strike_id).where(strikes_taken_back.c.strike_id == strikes.c.strike_id)
    yield from _say(connection, against.where(~select(measures).where(of_it).exists()), "decision {}: has no measure")
    yield from _say(connection, against.where(~select(strikes).where(struck).exists()), "decision {}: has no strike")
    taken_back = against.where(~stands())
    counted = select(strikes).where(struck, ~is_back.exists())
    yield from _say(connection, taken_back.where(counted.exists()), "decision {}: was taken back, its strike counts")
    yield from _unstated(connection)
    subject = literal("strike:") + cast(strikes.c.strike_id, String)
    noted = select(audit.c.sequence).where(audit.c.subject == subject, audit.c.action == "struck")
    unknown = select(strikes.c.strike_id).where(~noted.exists())
    yield from _say(connection, unknown, "strike {}: the audit trail tells nothing of it")


def _unstated(connection: Connection) -> Iterator[str]:
    """Compare restrictions with statements: each has one, as long as its seller was not erased before."""
    for number, noun, imposed in (
        (measures.c.measure_id, "measure", measures.c.replaced_by.is_(None)),
        (penalties.c.penalty_id, "penalty", penalties.c.imposed_at.is_not(None)),
    ):
        subject = literal(f"{noun}:") + cast(number, String)
        stated = select(statements.c.statement_id).where(statements.c.subject == subject)
        yield from _say(connection, select(number).where(imposed, ~stated.exists()), noun + " {}: has no statement")


def _say(connection: Connection, query: Select[tuple[int]], line: str) -> Iterator[str]:
    for number in connection.scalars(query):
        yield line.format(number)
