"""Cases as tests decide them and look at them, each time in a transaction of its own."""

from sqlalchemy import Engine

from ipml.records import Case, Decision, Verdict
from ipml.review.cases import count_cases as count_all_cases
from ipml.review.cases import get_case
from ipml.review.decisions import list_decisions
from support import reviewing
from support.transactions import ask

GROUND = "declared_replica"


def judge(engine, case_id=None, verdict=Verdict.GENUINE, by="ana", **said):
    """Decide a case, the next one where none is named; a counterfeit on one ground unless another is given."""
    ground = {"ground": GROUND} if verdict is Verdict.COUNTERFEIT else {}
    return reviewing.judge(engine, case_id, verdict, by, **(ground | said))


def read_case(engine: Engine, case_id: int) -> Case:
    """Return a case as it stands."""
    return ask(engine, get_case, case_id)


def read_decisions(engine: Engine, case_id: int) -> list[Decision]:
    """Return the decisions on a case that stand."""
    return list(ask(engine, list_decisions, case_id))


def count_cases(engine: Engine) -> dict[str, int]:
    """Return how many cases are in each state."""
    return dict(ask(engine, count_all_cases))
