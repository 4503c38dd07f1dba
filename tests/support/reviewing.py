"""Acts on a queue, each in a transaction of its own."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, insert

from ipml.records import Decision, ScoredListing, Verdict
from ipml.review.queue import claim, decide
from ipml.settings import DEFAULT_SETTINGS, Settings
from ipml.storage.database import reading, writing
from ipml.storage.tables import second_verdicts

Make = Callable[..., ScoredListing]
NOON = datetime(2024, 5, 2, 12, tzinfo=UTC)


def act(engine: Engine, change: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Change something, and return what comes of it."""
    with writing(engine) as connection:
        return change(connection, *arguments, **options)


def ask(engine: Engine, query: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Read something; a stream is read to its end."""
    with reading(engine) as connection:
        answer = query(connection, *arguments, **options)
        return list(answer) if isinstance(answer, Iterator) else answer


def judge(
    engine: Engine,
    case_id: int | None = None,
    verdict: Verdict = Verdict.GENUINE,
    by: str = "ana",
    now: datetime | None = None,
    settings: Settings = DEFAULT_SETTINGS,
    **said: Any,
) -> Decision:
    """Claim a case, or the next one, and decide it; counterfeit has a ground."""
    ground = {"ground": "test_purchase"} if verdict is Verdict.COUNTERFEIT else {}
    with writing(engine) as connection:
        taken = claim(connection, by, case_id, settings=settings, now=now)
        assert taken is not None
        return decide(connection, taken, verdict, settings=settings, now=now, **(ground | said))


def say_again(engine: Engine, by: str, verdicts: Mapping[int, Verdict], now: datetime, kind: str = "audit") -> None:
    """Keep second verdicts of somebody on cases."""
    row = {"kind": kind, "ground": "", "note": "", "reviewer": by, "decided_at": now, "token": 9}
    rows = [{**row, "case_id": case, "listing_id": f"L{case}", "verdict": said} for case, said in verdicts.items()]
    with writing(engine) as connection:
        connection.execute(insert(second_verdicts), rows)
