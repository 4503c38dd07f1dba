"""Several processes at work on one database: each takes random steps on whatever it finds, by a clock of its own."""

from contextlib import suppress
from datetime import timedelta
from random import Random

from sqlalchemy import select
from support.databases import open_undurable
from support.transactions import read_scalars

from histories import desk
from histories.model import Offer
from ipml.errors import IpmlError
from ipml.storage.tables import appeals, cases, decisions, measures, penalties

VERDICTS = [("counterfeit", "declared_replica"), ("counterfeit", "wrong_features"), ("genuine", ""), ("escalate", "")]
OUTCOMES = [("granted", None), ("measure lifted", None), ("partly granted", "label"), ("rejected", None)]
STANDS, WHO, DAY = measures.c.lifted_at.is_(None), ["ann", "ben"], timedelta(days=1)


def live(url, seed, n_steps):
    """Take steps; what others have done meanwhile may refuse them."""
    draw, now, engine, me = Random(seed), desk.START, open_undurable(url), f"p{seed}"

    def pick(column, *conditions):
        return draw.choice(read_scalars(engine, select(column).where(*conditions)))

    def offer():
        number = draw.randint(1, 9)
        seller = "ann" if number % 3 else draw.choice(WHO)
        return Offer(f"L{number}", seller, *draw.choice(desk.GOODS[:2]), None, f"text {draw.randint(1, 3)}")

    def look(change, *more):
        number = pick(cases.c.case_id, cases.c.state.in_(("open", "escalated")))
        change(engine, now, number, me, *draw.choice(VERDICTS[: 2 if change is desk.spread else None]), *more)

    def work():
        for job in (desk.deliver, desk.match, desk.run_jobs):
            job(engine, now)

    alike = ["queue", "corrected", "stand"]
    steps = {
        "submit": lambda: desk.submit(engine, now, offer()),
        "decide": lambda: look(desk.decide, draw.choice([None, f"k{draw.randint(1, 20)}"])),
        "spread": lambda: look(desk.spread),
        "undo": lambda: desk.take_back(engine, now, pick(decisions.c.decision_id)),
        "appeal": lambda: desk.appeal(engine, now, f"measure:{pick(measures.c.measure_id, STANDS)}", draw.choice(WHO)),
        "answer": lambda: desk.answer(
            *(engine, now, pick(appeals.c.appeal_id, appeals.c.state == "open"), f"max of {me} at {now}"),
            *(*draw.choice(OUTCOMES), draw.choice(alike)),
        ),
        "notice": lambda: desk.give_notice(engine, now, me, "Acme", {f"L{draw.randint(1, 12)}" for _ in range(2)}),
        "impose": lambda: desk.order(engine, now, "impose", pick(decisions.c.case_id), "demote", now + 3 * DAY),
        "lift": lambda: desk.order(engine, now, "lift", pick(measures.c.measure_id), "demote", None),
        "penalise": lambda: desk.penalise(engine, now, draw.choice(["confirm", "lift"]), pick(penalties.c.penalty_id)),
        "work": work,
    }
    for _ in range(n_steps):
        now += timedelta(minutes=draw.choice((1, 30, 400)))
        with suppress(IpmlError, IndexError):
            steps[draw.choice([*steps, "submit", "decide", "decide", "decide"])]()
    engine.dispose()
