"""All figures of a period, from the database and nothing else: a pass over each table, and no list of rows in memory.

A figure is as things stood at `as_of`: what happened later is not in it, so that a report can be made again. What the
database does not tell, such as the orders of authorities, is None, and never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from ipml.cooperation.reports import linked
from ipml.cooperation.reports.complaints import Complaints, count_complaints
from ipml.cooperation.reports.decided import (
    Decided,
    People,
    Sellers,
    count_by,
    count_decided,
    count_people,
    count_queued,
    count_seen,
    count_sellers,
)
from ipml.cooperation.reports.handed_on import HandedOn, count_clues
from ipml.cooperation.reports.noticed import Noticed, count_notices
from ipml.cooperation.reports.period import Period
from ipml.cooperation.reports.precision import Precision, measure_precision
from ipml.cooperation.reports.takedowns import (
    Imposed,
    Takedowns,
    Told,
    count_measures,
    count_penalties,
    count_statements,
    count_strikes,
    measure_takedowns,
    time_by_month,
)
from ipml.enforcement.takedown.measures import Span
from ipml.review.exploration.coverage import read_stretches
from ipml.review.exploration.estimates import Figure, summarise
from ipml.storage.database import reading
from ipml.storage.tables import cases, sifts


@dataclass(frozen=True, slots=True)
class Figures:
    """What happened in a period; each part says what it holds.

    Counter-notices are no internal complaints, and complaints of consumers no notices as in Article 16.
    """

    period: Period
    as_of: datetime
    seen: int | None
    queued: dict[str, int]
    decided: Decided
    precision: tuple[Precision, ...]
    estimates: tuple[Figure, ...]
    sellers: Sellers
    people: People
    brands: list[tuple[str, int, int]]
    categories: list[tuple[str, int, int]]
    measures: tuple[Imposed, ...]
    takedowns: Takedowns
    by_month: dict[str, Span]
    strikes: tuple[int, int]
    penalties: dict[str, int]
    statements: Told
    complaints: Complaints
    internal_complaints: Complaints
    notices: Noticed
    legal_notices: Noticed
    networks: linked.Linked | None
    clues: HandedOn

    @property
    def confirmed(self) -> Precision:
        """The precision of all ways of deciding together."""
        return self.precision[-1]


def measure_figures(
    engine: Engine, period: Period, *, as_of: datetime | None = None, networks: Path | None = None
) -> Figures:
    """Return all figures of a period.

    Parameters
    ----------
    as_of : datetime, default=the clock
        What happened later does not count.
    networks : Path, optional
        Folder that `ipml network find` wrote; nothing is said of networks without.

    Examples
    --------
    >>> from ipml.storage.database import migrate, open_database
    >>> engine = open_database("sqlite://")
    >>> migrate(engine)
    >>> figures = measure_figures(engine, Period.of_year(2026))
    >>> figures.decided.count(), figures.seen, figures.confirmed.rate
    (0, None, None)
    """
    moment = as_of or datetime.now(UTC)
    with reading(engine) as connection:
        return _read(connection, period, moment, networks)


def _read(connection: Connection, period: Period, as_of: datetime, networks: Path | None) -> Figures:
    decided = count_decided(connection, period, as_of)
    return Figures(
        period=period,
        as_of=as_of,
        seen=count_seen(connection, period, as_of),
        queued=count_queued(connection, period, as_of),
        decided=decided,
        precision=measure_precision(connection, period, as_of, decided),
        estimates=_estimate(connection, period, as_of),
        sellers=count_sellers(connection, period, as_of),
        people=count_people(connection, period, as_of),
        brands=count_by(connection, period, as_of, cases.c.brand),
        categories=count_by(connection, period, as_of, cases.c.category),
        measures=count_measures(connection, period, as_of),
        takedowns=measure_takedowns(connection, period, as_of),
        by_month=time_by_month(connection, period, as_of),
        strikes=count_strikes(connection, period, as_of),
        penalties=count_penalties(connection, period, as_of),
        statements=count_statements(connection, period, as_of),
        complaints=count_complaints(connection, period, as_of),
        internal_complaints=count_complaints(connection, period, as_of, "complaint"),
        notices=count_notices(connection, period, as_of),
        legal_notices=count_notices(connection, period, as_of, kind="counterfeit"),
        networks=linked.count_linked(connection, period, as_of, networks),
        clues=count_clues(connection, period, as_of),
    )


def _estimate(connection: Connection, period: Period, as_of: datetime) -> tuple[Figure, ...]:
    """Return prevalence, recall and precision of what was sifted in the period, as `ipml estimate` has them."""
    within = set(connection.scalars(select(sifts.c.sift_id).where(period.holds(sifts.c.sifted_at, as_of))))
    stretches = [one for one in read_stretches(connection, since=period.start, as_of=as_of) if one.sift_id in within]
    return summarise(stretches).figures if stretches else ()
