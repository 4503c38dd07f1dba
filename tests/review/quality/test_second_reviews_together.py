"""Several reviewers at once: no look is given to two, and none is answered twice."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.reviewing import NOON, Make

from ipml.records import Verdict
from ipml.review import claims
from ipml.review import decisions as verdicts
from ipml.review.queue import enqueue
from ipml.settings import Settings
from ipml.storage.audit_trail.audit import verify
from ipml.storage.database import reading, writing
from ipml.storage.tables import audit, decisions, second_reviews, second_verdicts

SETTINGS = Settings(audit_share=0.25, audit_hours=0, repeat_share=0, control_share=0.25)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(verdicts.decide, settings=SETTINGS)


@on_both
def test_six_at_once_share_cases_and_looks(engine: Engine, make_scored: Make):
    """Each case is decided once, each look answered at most once and not by its decider, and the trail has all."""
    enqueue(engine, [make_scored(f"L{number}") for number in range(40)], now=NOON)

    def work(name: str) -> list[tuple[int, int | None]]:
        done = []
        for number in range(16):
            now = NOON + timedelta(seconds=number)
            with writing(engine) as connection:
                if taken := claim(connection, name, now=now):
                    decide(connection, taken, Verdict.GENUINE, now=now)
                    done.append((taken.case_id, taken.review_id))
        return done

    with ThreadPoolExecutor(6) as pool:
        done = [one for mine in pool.map(work, [f"r{number}" for number in range(6)]) for one in mine]
    decided = Counter(case_id for case_id, review_id in done if review_id is None)
    looked = Counter(review_id for _, review_id in done if review_id is not None)
    assert set(decided.values()) == set(looked.values()) == {1}
    with reading(engine) as connection:
        counts = [connection.scalar(select(func.count()).select_from(table)) for table in (decisions, second_verdicts)]
        noted = [
            connection.scalar(select(func.count()).where(audit.c.action == word))
            for word in ("decided", "reviewed again")
        ]
        own = select(second_verdicts.c.verdict_id).join(
            second_reviews, second_reviews.c.review_id == second_verdicts.c.review_id
        )
        assert connection.execute(own.where(second_reviews.c.not_by == second_verdicts.c.reviewer)).first() is None
        assert verify(connection).is_intact
    assert counts == noted == [len(decided), len(looked)]
