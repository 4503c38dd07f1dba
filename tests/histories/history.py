"""A history of random steps, taken by ipml and foreseen by the model; after each of them both must show the same."""

import json
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from random import Random

from sqlalchemy import event, insert, null, select
from support.transactions import act, execute, read_scalars

from histories import desk
from histories.laws import check_one_truth, check_queue
from histories.model import APPEALED, Case, Offer, Refusal, World
from ipml.enforcement.penalties.strikes import list_strikes
from ipml.enforcement.privacy.erasure import erase_sellers
from ipml.enforcement.privacy.retention import run_retention
from ipml.enforcement.views.case_file import read_listing_file
from ipml.errors import IpmlError
from ipml.review.sellers.seller_lists import ListedSeller, ListKind, add_entry
from ipml.storage.database import reading
from ipml.storage.outbox import make_messages
from ipml.storage.tables import (
    appeals,
    cases,
    decisions,
    measures,
    notice_items,
    notices,
    outbox,
    penalties,
    reversals,
    seeds,
)

WEIGHTS = {"submit": 8, "decide": 10, "spread": 4, "bulk": 1, "undo": 3, "order": 2, "appeal": 6, "notice": 4}
WEIGHTS |= {"match": 1, "put_on_list": 1, "wait": 3, "deliver": 3, "erase": 1, "penalise": 1}
NAMED = (
    ("case", cases, cases.c.listing_id),
    ("decision", decisions, decisions.c.case_id),
    ("measure", measures, measures.c.decision_id),
    ("notice", notices, null()),
    ("appeal", appeals, null()),
)


class History:
    """Random steps of people at a desk; one seed gives one history."""

    def __init__(self, engine, seed):
        self.engine, self.draw, self.world, self.taken = engine, Random(seed), World(desk.START), []
        self.names, self.numbers, self.counted = {}, {}, Counter()  # of rows, and of those named by the same
        self.has_forgotten = False  # anything: messages, listings, sellers
        self.told, self.last_message, self.dropped = defaultdict(list), 0, set()
        self.n_statements, self.sizes, self.most_statements = 0, [], 0
        event.listen(engine, "before_cursor_execute", self.count)
        event.listen(engine, "begin", lambda _: setattr(self, "n_statements", 0))
        event.listen(engine, "commit", lambda _: self.sizes.append(self.n_statements))
        execute(engine, insert(seeds).values(seed="5eed", drawn_at=desk.START))

    def count(self, connection, cursor, statement, *_):
        """Count a statement; that a database is of this release is asked of every transaction."""
        self.n_statements += "alembic_version" not in statement

    def run(self, n_steps):
        """Take steps, and compare after each."""
        while len(self.taken) < n_steps:
            self.world.now += timedelta(minutes=self.draw.choice((1, 30, 400)))
            with suppress(StopIteration):
                getattr(self, self.draw.choices([*WEIGHTS], WEIGHTS.values())[0])()
                self.compare()

    def take(self, what, foresee, change, *arguments):
        """Take a step: ipml refuses what the law refuses, and nothing else."""
        self.taken.append(f"{self.world.now:%Y-%m-%d %H:%M} {what}")
        refused = seen = unforeseen = None
        try:
            seen = change(self.engine, self.world.now, *arguments)
        except IpmlError as error:
            refused = error
        self.learn()
        try:
            foresee(seen)
        except Refusal as error:
            unforeseen = error
        assert (refused is None) == (unforeseen is None), f"ipml: {refused}; model: {unforeseen}"

    def pick(self, some):
        """Draw one of several; raise StopIteration if there is none."""
        return self.draw.choice(some) if some else next(iter(()))

    def compare(self):
        """Compare what ipml shows with what the model foresees; while nobody was erased, all know the same, too."""
        found, foreseen = self.view(), self.world.view()
        wrong = [
            f"{kind} {name}: {found[kind].get(name)}, not {foreseen[kind].get(name)}"
            for kind in foreseen
            for name in sorted(found[kind].keys() | foreseen[kind].keys())
            if found[kind].get(name) != foreseen[kind].get(name)
        ]
        assert not wrong, "\n".join([*self.taken, "", *wrong])
        if len(self.taken) % 9 == 0:
            check_queue(self.engine)
            if not self.has_forgotten:
                check_one_truth(self.engine)

    def submit(self):
        """A listing comes in: new, edited, changed back, as it was, or of another seller."""
        world, draw = self.world, self.draw
        offers = [offer for offer, _ in world.offers.values()]
        before = draw.choice([*offers, *offers, None])
        seller, text = draw.choice(["ann", "ben", "cem", "dia", f"s{len(world.gone)}"]), f"text {draw.randint(1, 2)}"
        while seller in world.gone:
            seller = draw.choice(["ann", f"s{len(world.gone)}"])
        if before:
            seller = before.seller if draw.random() < 0.85 else seller
            goods, listing = (before.goods, before.price, before.brand, before.sold), before.listing
        else:  # goods of the seller that are offered already, perhaps, or of others
            like = draw.choice([*offers, *[None] * (1 + len(offers))])
            seller = like.seller if like and draw.random() < 0.8 else seller
            goods = (*draw.choice(desk.GOODS), draw.choice([None, None, 0]))
            goods = (like.goods, like.price, like.brand, goods[-1]) if like else goods
            listing = f"L{len(world.cases) + len(world.offers) + 1}"
        offer, name = Offer(listing, seller, *goods, text), f"{listing}.{len(world.cases[listing]) + 1}"
        what = f"submit {listing} of {seller}: {goods[0][:12]}, {text}"
        score = desk.score_of(listing)
        self.take(what, lambda _: world.submit(offer, score, name in self.numbers), desk.submit, offer)

    def look(self, some=None):
        """Return a case that waits, a verdict on it, and its ground."""
        pending = [case for case in self.world.all_cases() if case.state in ("open", "escalated")]
        case = self.pick(pending if some is None else some)
        usual = ["counterfeit"] * 5 + ["genuine", "genuine", "cannot tell"]
        verdict = self.draw.choice(usual if case.state == "escalated" else [*usual, "escalate"])
        return case, verdict, self.draw.choice(["declared_replica", "wrong_features"]) if verdict == usual[0] else ""

    def decide(self):
        """Somebody decides a case, or passes it on; perhaps under a key that came before."""
        (case, *said), by = self.look(), self.draw.choice(["ana", "bea", "cai", "lea"])
        key = self.draw.choice([None, None, f"k{self.draw.randint(1, 3)}"])

        self.sizes.clear()
        what = f"{by}: {case.name} {' '.join(said)} {key or ''}"
        foresee = lambda _: self.world.decide(case, by, *said, key)  # noqa: E731
        self.take(what, foresee, desk.decide, self.numbers[case.name], by, *said, key)
        self.most_statements = max([self.most_statements, *self.sizes])  # of opening a case, and giving it back, too

    def spread(self):
        """Somebody decides a case, and those that wait for it with it."""
        (case, verdict, ground), by = self.look(), self.draw.choice(["ana", "bea"])

        def foresee(reached):
            if root := self.world.decide(case, by, verdict, ground):
                named = [self.names["case", one] for one in reached or ()]
                self.world.spread(root, [one for one in self.world.all_cases() if one.name in named], ground)
            assert root or not reached

        if verdict in ("counterfeit", "genuine"):
            what = f"{by} spreads: {case.name} {verdict} {ground}"
            self.take(what, foresee, desk.spread, self.numbers[case.name], by, verdict, ground)

    def bulk(self):
        """Somebody decides several cases at once."""
        free = [one for one in self.world.all_cases() if one.state == "open" and not one.halves]
        some = self.draw.sample(cheap := [one for one in free if one.offer.price < 500], min(len(cheap), 3))
        _, *said = self.look(some)
        numbers = {self.numbers[case.name]: case for case in some}

        def foresee(_):
            for number in sorted(numbers):
                numbers[number].touched = True
                self.world.record(numbers[number], "bo", *said, "bulk", group=f"bulk at {self.world.now}")

        self.take(f"bulk: {[one.name for one in some]} {said}", foresee, desk.decide_together, [*numbers], "bo", *said)

    def undo(self):
        """A lead takes a decision back, or all that were made with it."""
        alive = [one for one in self.world.all_decisions() if not one.case.erased]
        decision = self.pick([one for one in alive if one.fell is None] or alive)
        with_group = decision.origin == "bulk" and self.draw.random() < 0.5
        foresee = lambda _: self.world.undo(decision, with_group=with_group)  # noqa: E731
        what = f"undo {'the group of ' * with_group}{decision.name}"
        self.take(what, foresee, desk.take_back, self.numbers[decision.name], with_group)

    def order(self):
        """A lead imposes a measure, or changes or lifts one."""
        how, kind = (
            self.draw.choice(["impose", "change", "lift"]),
            self.draw.choice(["label", "demote", "pause", "remove"]),
        )
        until = self.world.now + timedelta(days=20) if self.draw.random() < 0.4 else None
        decided = [case for case in self.world.all_cases() if case.decisions]
        one = self.pick(decided if how == "impose" else self.world.all_measures())
        foresee = lambda _: self.world.order(how, one, kind, until)  # noqa: E731
        self.take(f"{how} {one.name} {kind}", foresee, desk.order, how, self.numbers[one.name], kind, until)

    def penalise(self):
        """A lead confirms or lifts a penalty, if that can be; the model knows nothing of these."""
        how, number = (
            self.draw.choice(["confirm", "lift"]),
            self.pick(read_scalars(self.engine, select(penalties.c.penalty_id))),
        )
        with suppress(IpmlError):
            desk.penalise(self.engine, self.world.now, how, number)

    def appeal(self):
        """A seller appeals, withdraws an appeal, or is answered."""
        pending = [one for one in self.world.appeals if one.state in APPEALED]
        if pending and self.draw.random() < 0.7:
            return self.answer(self.pick(pending))
        young = [one for one in self.world.all_measures() if one.at > self.world.now - timedelta(days=150)]
        one = self.pick([*young, *(measure.decision.case for measure in young)])
        seller = self.draw.choice(["ann", self.world.sells_now(one.offer.listing), one.offer.seller])
        about = f"{'case' if isinstance(one, Case) else 'measure'}:{self.numbers[one.name]}"
        kind = self.draw.choice(["complaint", "counter-notice"])
        is_for_holder = kind == "counter-notice" and not int(one.offer.listing[1:]) % 3  # as in China
        foresee = lambda _: self.world.file(one, seller, APPEALED[is_for_holder])  # noqa: E731
        return self.take(f"{seller} appeals: {about} {one.name}, {kind}", foresee, desk.appeal, about, seller, kind)

    def answer(self, appeal):
        """A seller gives an appeal up, or a person decides it."""
        number, by = self.numbers[appeal.name], f"max {len(self.taken)}"
        if self.draw.random() < 0.2 or (appeal.state == "with holder" and self.draw.random() < 0.5):
            how = self.draw.choice(["acts", "gives up"])
            foresee = lambda _: (  # noqa: E731
                self.world.act_as_holder(appeal) if how == "acts" else self.world.restore(appeal, "lea")
            )
            return self.take(f"holder {how}: {appeal.name}", foresee, desk.speak, how, number)
        if self.draw.random() < 0.1:
            foresee = lambda _: self.world.close(appeal, "withdrawn")  # noqa: E731
            return self.take(f"withdraw {appeal.name}", foresee, desk.speak, appeal.seller, number)
        outcome = self.draw.choice(["granted", "granted", "measure lifted", "partly granted", "rejected"])
        kind = self.draw.choice(["label", "pause"]) if outcome == "partly granted" else None
        said = (by, outcome, kind, self.draw.choice(["queue", "corrected", "stand"]))
        foresee = lambda _: self.world.answer(appeal, *said)  # noqa: E731
        return self.take(f"{appeal.name}: {said}", foresee, desk.answer, number, *said)

    def notice(self):
        """Somebody gives notice of listings: by id or address, known or not."""
        known = [*self.world.offers, *self.world.cases]
        drawn = {self.draw.choice([*known, *known, f"L{self.draw.randint(1, 40)}"]): None for _ in range(2)}
        places = [one if self.draw.random() < 0.5 else f"https://shop.test/{one}" for one in drawn]
        by, brand = self.draw.choice([("acme", "Acme"), ("acme", "Other"), ("nord", "Nord")])
        foresee = lambda _: self.world.receive(by, places)  # noqa: E731
        self.take(f"{by} gives notice of {places}", foresee, desk.give_notice, by, brand, places)

    def match(self):
        """Notices of what nobody knew are joined."""
        self.take("match notices", lambda _: self.world.match(), desk.match)

    def put_on_list(self):
        """A seller is put on the list of those who are denied."""
        seller = self.pick([name for name in ("ben", "cem") if name not in self.world.gone])

        def change(engine, now):
            act(engine, add_entry, ListedSeller(ListKind.DENIED, seller, "known", "a letter"), by="lea", now=now)

        self.take(f"deny {seller}", lambda _: self.world.listed.add(seller), change)

    def wait(self):
        """Time passes, and what is due is done; now and then so much of it that listings expire."""
        days = self.draw.choice([1, 2, 5, 20, 40, 200] if len(self.taken) > 20 else [1, 2, 5])
        self.world.now += timedelta(days=days)

        def foresee(_):
            self.world.run_jobs()
            held, states = [one for one in self.world.appeals if one.state == "with holder"], self.view()["appeals"]
            for one in held:
                if states[one.name] == "restored":  # whose rights holder was silent
                    self.world.restore(one, "ipml deadlines")

        self.take(f"{days} days pass", foresee, desk.run_jobs)
        if days == 200:
            self.has_forgotten = True
            expire = lambda engine, now: run_retention(engine, desk.POLICY, now=now)  # noqa: E731
            self.take("listings expire", lambda _: self.world.expire(), expire)

    def deliver(self):
        """Messages arrive."""
        self.take("deliver", lambda _: self.world.deliver(), desk.deliver)

    def erase(self):
        """Erase a seller, even if another now sells their listings."""
        seller = self.pick(sorted({case.offer.seller for case in self.world.all_cases()} - {"ann"}))
        self.world.now += timedelta(days=2)
        self.has_forgotten = True
        self.deliver()
        forget = lambda engine, now: erase_sellers(engine, [seller], why="request", by="lea", now=now)  # noqa: E731
        self.take(f"erase {seller}", lambda _: self.world.erase(seller), forget)

    def learn(self):
        """Name what is new, in its order: rows are named by what they belong to, so numbers do not matter."""
        with reading(self.engine) as connection:
            for noun, table, of in NAMED:
                (key,) = table.primary_key
                seen = max((number for kind, number in self.names if kind == noun), default=0)
                for number, owner in connection.execute(select(key, of).where(key > seen).order_by(key)):
                    above = {"decision": "case", "measure": "decision"}.get(noun)
                    stem = (
                        noun[0].upper() if owner is None else self.names[above, owner] + "/" if above else f"{owner}."
                    )
                    self.counted[stem] += 1
                    self.names[noun, number] = name = f"{stem}{self.counted[stem]}"
                    self.numbers[name] = number
            query = select(outbox).where(outbox.c.message_id > self.last_message).order_by(outbox.c.message_id)
            for message in make_messages(connection, connection.execute(query).all()):
                self.note(message, json.loads(message.body or "{}"))
                self.last_message = message.message_id

    def note(self, message, body):
        """Record a message in the words of the model."""
        kind, (noun, _, number) = message.kind, message.subject.partition(":")
        name = number.isdecimal() and self.names.get(("measure" if noun == "buyers" else noun, int(number)))
        said, place = kind, None
        if kind == "buyers":
            place, said = ("buyers", name), body["finding"]
        elif message.channel == "seller" and noun != "penalty":
            place = "letters", f"{body['seller_id']} {name}"
        elif kind.startswith("notice_"):
            place = "notices", name
        elif kind in ("measure", "reinstatement"):
            holding = tuple(self.names["measure", int(one["measure"].split(":")[1])] for one in body["in_force"])
            place, said = (
                (message.channel, body["listing_id"]),
                kind if message.channel == "holder" else (kind, holding),
            )
        if place:
            self.told[place].append((message.key, said))

    def view(self):
        """Return what ipml shows, in the words of the model."""
        found = {kind: {} for kind in ("platform", "holder", "buyers", "letters", "notices")}
        with reading(self.engine) as connection:

            def read(noun, query):
                return {self.names[noun, row[0]]: row for row in connection.execute(query)}

            self.dropped |= set(connection.scalars(select(outbox.c.key).where(outbox.c.dropped_at.is_not(None))))
            for (kind, name), said in self.told.items():
                if left := [one for key, one in said if key not in self.dropped]:
                    found[kind][name] = left
            alive = read("case", select(cases.c.case_id, cases.c.state).where(cases.c.erased_at.is_(None)))
            numbers = [row.case_id for row in alive.values()]
            made = (
                select(decisions, reversals.c.reversal_id).outerjoin(reversals).where(decisions.c.case_id.in_(numbers))
            )
            held = read("measure", select(measures).where(measures.c.case_id.in_(numbers)))
            items = connection.execute(select(notice_items))
            settled = read("notice", select(notices.c.notice_id, notices.c.settled_at))
            sellers = {case.offer.seller for of_one in self.world.cases.values() for case in of_one} - self.world.gone
            struck = {
                name: sum(one.counts_at(self.world.now) for one in list_strikes(connection, name)) for name in sellers
            }
            in_force = {key: read_listing_file(connection, key).measures for key in self.world.cases}
            return found | {
                "cases": {name: row.state for name, row in alive.items()},
                "decisions": {
                    key: f"{one.verdict} by {one.reviewer}, {one.origin}, {one.reversal_id is not None}"
                    for key, one in read("decision", made).items()
                },
                "measures": {key: f"{one.kind} until {one.until}, {bool(one.lifted_at)}" for key, one in held.items()},
                "in force": {
                    key: tuple(self.names["measure", one.measure_id] for one in some)
                    for key, some in in_force.items()
                    if some
                },
                "strikes": {name: count for name, count in struck.items() if count},
                "items": {f"{self.names['notice', one.notice_id]}.{one.position}": one.state for one in items},
                "notices": {
                    key: f"{bool(one.settled_at)} {' '.join(found['notices'].get(key, []))}"
                    for key, one in settled.items()
                },
                "appeals": {name: row.state for name, row in read("appeal", select(appeals)).items()},
            }
