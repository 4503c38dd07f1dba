"""A queue for tests: models of what comes in, decisions, and the place of a case."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select

from ipml.records import EarlierListings, Listing, ScoredListing, Verdict
from ipml.review.arrivals.stream_intake import IntakeModel
from ipml.review.cases import find_case_with_waiting
from ipml.review.claims import claim
from ipml.review.decisions import DecisionRequest, decide
from ipml.review.ranking.list_marks import find_marks
from ipml.review.ranking.queue_order import explain_place, find_ranking_and_parts
from ipml.review.reversals import ReviewContext
from ipml.settings import DEFAULT_SETTINGS
from ipml.storage.database import writing
from ipml.storage.tables import second_verdicts

Make = Callable[..., ScoredListing]
Score = Callable[[Sequence[Listing], bool], list[ScoredListing]]
NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


def judge(
    engine,
    case_id=None,
    verdict=Verdict.GENUINE,
    by="ana",
    now=None,
    settings=DEFAULT_SETTINGS,
    actions=None,
    **said,
):
    """Claim a case, or the next one, and decide it; counterfeit has a ground."""
    ground = {"ground": "test_purchase"} if verdict is Verdict.COUNTERFEIT else {}
    with writing(engine) as connection:
        taken = claim(connection, by, case_id, settings=settings, now=now)
        assert taken is not None
        request = DecisionRequest(taken, verdict, **(ground | said))
        return decide(connection, request, now=now, context=ReviewContext(settings, actions))


def say_again(engine: Engine, by: str, verdicts: Mapping[int, Verdict], now: datetime, kind: str = "audit") -> None:
    """Keep second verdicts of somebody on cases."""
    row = {"kind": kind, "ground": "", "note": "", "reviewer": by, "decided_at": now, "token": 9}
    rows = [{**row, "case_id": case, "listing_id": f"L{case}", "verdict": said} for case, said in verdicts.items()]
    with writing(engine) as connection:
        connection.execute(insert(second_verdicts), rows)


def list_second_verdicts(connection: Connection, case_id: int) -> Sequence[Any]:
    """Return the rows of the second verdicts in force on a case."""
    query = select(second_verdicts).where(second_verdicts.c.case_id == case_id)
    return connection.execute(query.where(second_verdicts.c.withdrawn_at.is_(None))).all()


def tell_place(connection: Connection, case_id: int, now: datetime) -> tuple[str, ...]:
    """Return the sentences on the place of a case at a moment."""
    row = find_case_with_waiting(connection, case_id)
    marks = find_marks(connection, {case_id: (row.seller_id, row.brand_read or "")}, now)[case_id]
    return explain_place(connection, row, *find_ranking_and_parts(connection, now), marks)


def as_model(score: Score, version: str = "m1") -> IntakeModel:
    """Return a model that scores by a function of listings alone, whatever is stored of their sellers."""

    def judge(listings: Sequence[Listing], _earlier: Sequence[EarlierListings], explain: bool) -> list[ScoredListing]:
        return score(listings, explain)

    return IntakeModel(version, judge)
