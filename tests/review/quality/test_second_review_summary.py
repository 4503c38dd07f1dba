"""Second reviews in brief."""

from datetime import timedelta
from functools import partial

from sqlalchemy import Engine
from support.reviewing import NOON, Make, act, ask

from ipml.records import Verdict
from ipml.review import claims, decisions
from ipml.review.quality.blind_reviews import add_control_case, summarise_second_reviews
from ipml.review.queue import enqueue
from ipml.settings import Settings
from ipml.storage.database import writing

# At these shares every decision is looked at again.
SETTINGS = Settings(audit_share=0.25, audit_hours=0, repeat_share=0.25, control_share=0.25)
claim = partial(claims.claim, settings=SETTINGS)
decide = partial(decisions.decide, settings=SETTINGS)


def test_the_summary_counts_what_was_looked_at_and_what_waits(engine: Engine, make_scored: Make):
    """Ben meets one item of known truth and errs, and says of ana's case what she said; the others wait."""
    enqueue(engine, [make_scored(f"L{number}", 0.9 - number / 100) for number in range(12)], now=NOON)
    for case_id in (1, 2):
        with writing(engine) as connection:
            decide(connection, claim(connection, "ana", case_id, now=NOON), Verdict.GENUINE, now=NOON)
    act(engine, add_control_case, 1, Verdict.COUNTERFEIT, "test purchase", "lea", now=NOON)
    for number in range(6):
        now = NOON + timedelta(minutes=number)
        with writing(engine) as connection:
            decide(connection, claim(connection, "ben", now=now), Verdict.GENUINE, now=now)
    summary = ask(engine, summarise_second_reviews)
    assert (summary.control.share, summary.control.n) == (0, 1)
    assert (summary.audits.share, summary.audits.n) == (1, 1)
    assert summary.repeats is None
    assert summary.waiting["repeat"] == 6
