"""A report as of a moment is the report that was made at that moment, however much has happened since."""

import random
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import Executable, Text, insert, select, update
from support.consequences import COOPERATION
from support.databases import on_both
from support.given_notices import say
from support.notice_desk import NOON, Desk
from support.transactions import act, ask, read_scalars

from ipml.cooperation.notices.intake import match_notices, receive
from ipml.cooperation.notifiers.misuse import lift, suspend, warn
from ipml.cooperation.notifiers.notifier import appoint
from ipml.cooperation.policy import ReportRules
from ipml.cooperation.reports.brand import measure_brand
from ipml.cooperation.reports.figures import measure_figures
from ipml.cooperation.reports.period import Period
from ipml.enforcement.appeals.filings import file_appeal
from ipml.enforcement.appeals.resolution import decide_appeal
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.errors import IpmlError
from ipml.records import Verdict
from ipml.review.arrivals.intake import enqueue_batch
from ipml.review.queue import get_case, undo
from ipml.storage.database import reading, writing
from ipml.storage.tables import appeals, decisions, measures, outbox, penalties, referrals

YEAR, BRAND = Period.of_year(NOON.year), "Acme"


def report(desk: Desk, as_of):
    """Return all figures, of the platform and of the brand, as of a moment."""
    rules = ReportRules()
    with reading(desk.engine) as connection:
        return measure_figures(connection, YEAR, as_of=as_of), measure_brand(
            connection, BRAND, YEAR, rules, as_of=as_of
        )


class Life:
    """What may happen on a platform, at random: each step takes some hours."""

    def __init__(self, desk: Desk, seed: int) -> None:
        self.desk, self.draw, self.n_cases = desk, random.Random(seed), 0
        self.steps = (
            *(*[self.decide] * 6, *[self.give_notice] * 3, *[self.undo] * 2, *[self.match] * 2),
            *(self.enqueue, self.appeal, self.answer_appeal, self.deliver, self.do_measures, self.hand_on),
            *(self.judge_notifier, self.give_notice_early),
        )

    def enqueue(self) -> None:
        """A file comes in, of which all is shown for its score or drawn."""
        first, self.n_cases = self.n_cases, self.n_cases + 4
        ids = range(first + 1, self.n_cases + 1)
        fields = {"brand": BRAND, "price": 10.0, "currency": "EUR", "country": "DE"}
        file = [
            self.desk.make_scored(f"L{n}", 0.9 - n / 1000, seller_id=f"s{n % 3}", title=f"Bag no. {n}", **fields)
            for n in ids
        ]
        enqueue_batch(self.desk.engine, lambda: file, top=4, explore=0, now=self.desk.now)

    def decide(self) -> None:
        """Somebody decides a case, or passes it on; a lead decides what was passed on."""
        number = self.draw.randint(1, self.n_cases)
        state = ask(self.desk.engine, get_case, number).state
        if state != "decided":
            verdicts = [Verdict.COUNTERFEIT] * 3 + [Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE]
            self.desk.decide(number, self.draw.choice(verdicts), "lea" if state == "escalated" else "ana")

    def undo(self) -> None:
        """A lead takes a decision back."""
        numbers = read_scalars(self.desk.engine, select(decisions.c.decision_id))
        if numbers:
            with writing(self.desk.engine) as connection:
                said = {"may_undo_others": True, "now": self.desk.now, "consequences": COOPERATION}
                undo(connection, self.draw.choice(numbers), "lea", **said)

    def give_notice(self) -> None:
        """Somebody gives notice of some listings, one of them unknown perhaps."""
        known = self.draw.sample(range(1, self.n_cases + 1), self.draw.randint(1, 2))
        self.desk.give_notice([*known, *([None] if self.draw.random() < 0.2 else [])], self.draw.choice("ab"))

    def appeal(self) -> None:
        """A seller complains of a case."""
        number = self.draw.randint(1, self.n_cases)
        act(self.desk.engine, file_appeal, f"case:{number}", f"s{number % 3}", "It is genuine.", now=self.desk.now)

    def answer_appeal(self) -> None:
        """Another person decides on a complaint."""
        numbers = read_scalars(self.desk.engine, select(appeals.c.appeal_id))
        outcome = self.draw.choice(["granted", "rejected"])
        if numbers:
            with writing(self.desk.engine) as connection:
                said = (self.draw.choice(numbers), "max", outcome, "because")
                decide_appeal(connection, *said, now=self.desk.now, consequences=COOPERATION)

    def change(self, *statements: Executable) -> None:
        """Change rows as whatever is told by others does."""
        with writing(self.desk.engine) as connection:
            for one in statements:
                connection.execute(one)

    def deliver(self) -> None:
        """Messages arrive, and a penalty comes into force."""
        waits = update(outbox).where(outbox.c.state == "waiting")
        proposed = update(penalties).where(penalties.c.imposed_at.is_(None))
        self.change(
            waits.values(state="delivered", settled_at=self.desk.now),
            proposed.values(imposed_at=self.desk.now, imposed_by="lea"),
        )

    def do_measures(self) -> None:
        """The platform says that what was asked is done."""
        asked = update(measures).where(measures.c.done_at.is_(None), measures.c.lifted_at.is_(None))
        self.change(asked.values(done_at=self.desk.now))

    def hand_on(self) -> None:
        """A network is handed to an authority, or the authority signs for it."""
        needed = [column for column in referrals.c if not column.nullable and not column.primary_key]
        blanks = {column.name: "" if isinstance(column.type, Text) else 0 for column in needed}
        if self.draw.random() < 0.5:
            built = {"built_at": self.desk.now, "reference": str(self.desk.now)}
            self.change(insert(referrals).values(blanks | built))
        else:
            self.change(update(referrals).where(referrals.c.received_at.is_(None)).values(received_at=self.desk.now))

    def judge_notifier(self) -> None:
        """A lead warns, suspends, lifts or appoints."""
        number = self.desk.add_notifier(self.draw.choice("ab"))
        kind = self.draw.choice(["warn", "suspend", "lift", "appoint"])
        with writing(self.desk.engine) as connection:
            if kind == "appoint":
                appoint(connection, number, "trusted flagger", "lea", "no. 12", self.desk.now)
            else:
                take = {"warn": warn, "suspend": suspend, "lift": lift}[kind]
                take(connection, number, "lea", "because", now=self.desk.now)

    def give_notice_early(self) -> None:
        """Somebody gives notice of a listing that comes in later."""
        desk = self.desk
        desk.add_notifier("a")
        with writing(desk.engine) as connection:
            receive(connection, say(f"L{self.n_cases + self.draw.randint(1, 4)}", email="a@example.com"), now=desk.now)

    def match(self) -> None:
        """Notices of listings that nobody knew are joined to their cases."""
        match_notices(self.desk.engine, now=self.desk.now)

    def erase(self) -> None:
        """A seller is erased, whose brand others sell as well."""
        erase_sellers(self.desk.engine, ["s1"], why="request 7", by="lea", now=self.desk.now)


@pytest.mark.slow
@on_both
def test_a_report_as_of_a_moment_is_the_one_made_then(desk: Desk):
    """Every figure: decisions, reversals, notices, measures, penalties, appeals, statements, deliveries, referrals."""
    life = Life(desk, 1)
    life.enqueue()
    made = []
    for place in range(80):
        desk.pass_time(hours=life.draw.randint(1, 40))
        if place == 50:
            life.deliver()
            life.erase()
        with suppress(IpmlError):  # what cannot be done just now is not done
            life.draw.choice(life.steps)()
        if place % 8 == 7:
            made.append((desk.now, report(desk, desk.now)))
            desk.pass_time()
    assert made[-1][1][0].decided.count() > 5
    for as_of, then in made:
        for was, now in zip(then, report(desk, as_of), strict=True):
            changed = [name for name in was.__slots__ if getattr(was, name) != getattr(now, name)]
            assert {name: (getattr(was, name), getattr(now, name)) for name in changed} == {}
    before = report(desk, NOON - timedelta(days=1))[0]
    assert (before.decided.count(), before.notices.received(), before.measures.count(), before.queued) == (0, 0, 0, {})
