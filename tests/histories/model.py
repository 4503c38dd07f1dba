"""An independent model of the desk: what the documented law makes of a history of steps.

It knows nothing of ipml. Cases are named "L3.2" (the second of listing L3), decisions "L3.2/1", measures "L3.2/1/1",
listings in notices "N4.1", appeals "A5".
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace

PENDING, APPEALED = ("open", "escalated"), ("open", "with holder", "holder acted")
BY_APPEAL = ("appeal", "deadline")
OUTCOME_OF = {"counterfeit": "upheld", "genuine": "rejected", "cannot tell": "undecided"}
TOLD_BUYERS, TOLD_HOLDER = {"remove"}, {"remove", "pause"}
KINDS = ["label", "demote", "price-hold", "pause", "remove-in", "remove"]  # the milder first
DEAR, STRIKE_DAYS, UNKNOWN_DAYS, OFFERED_DAYS, PAUSE_GROUND, PAUSE_DAYS = 500, 365, 30, 365, "wrong_features", 14
KEPT_DAYS = {"counterfeit": 600, "genuine": 365, "cannot tell": 365, "undecided": 365}


class Refusal(Exception):
    """The law refuses a step."""


def require(condition, why):
    """Refuse a step unless a condition holds."""
    if not condition:
        raise Refusal(why)


@dataclass(eq=False)
class Offer:
    """Offer of a seller under a listing id."""

    listing: str
    seller: str
    goods: str
    price: int
    brand: str | None
    sold: int | None
    text: str

    @property
    def content(self):
        """Content that identifies a version of a listing."""
        return self.seller, self.goods, self.text


@dataclass(eq=False)
class Case:
    """A version of a listing before people."""

    name: str
    offer: Offer
    since: datetime
    state: str = "open"
    decisions: list["Decision"] = field(default_factory=list)
    halves: list[tuple[str, str]] = field(default_factory=list)
    awaits_second: bool = False
    touched: bool = False
    erased: bool = False
    held: bool = False  # erased, with a measure in force on what somebody sells now

    @property
    def last(self):
        """The last decision that stands."""
        return next((one for one in reversed(self.decisions) if one.fell is None), None)

    @property
    def verdict(self):
        """The last verdict in force; an escalation is not a verdict."""
        return next((one for one in reversed(self.decisions) if one.fell is None and one.verdict != "escalate"), None)


@dataclass(eq=False)
class Decision:
    """A decision, and the measures that it led to."""

    name: str
    case: Case
    verdict: str
    by: str
    at: datetime
    origin: str
    root: "Decision | None" = None
    group: str | None = None
    measures: list["Measure"] = field(default_factory=list)
    fell: datetime | None = None


@dataclass(eq=False)
class Measure:
    """Measure on a listing, with its seller."""

    name: str
    decision: Decision
    kind: str
    until: datetime | None
    at: datetime
    ended: datetime | None = None
    buyers: list[list[object]] = field(default_factory=list)  # finding, and whether it may have arrived

    @property
    def offer(self):
        """The listing as it was decided."""
        return self.decision.case.offer


@dataclass(eq=False)
class Item:
    """A listing that a notice names."""

    name: str
    notice: SimpleNamespace
    place: str
    at: datetime
    state: str = "unknown"
    case: Case | None = None
    decision: Decision | None = None
    repeats: "Item | None" = None

    @property
    def is_gone(self):
        """Whether its listing was erased."""
        return self.case is not None and self.case.erased


class Record(SimpleNamespace):
    """Notice or appeal, with the kinds of messages sent on it, and whether each may have arrived."""

    __eq__, __hash__ = object.__eq__, object.__hash__


class World:
    """All that the law foresees."""

    def __init__(self, now):
        self.now = now
        self.offers, self.cases = {}, defaultdict(list)  # by listing: with when it was submitted; the oldest first
        self.notices, self.appeals, self.listed, self.gone, self.keys = [], [], set(), set(), {}
        self.platform, self.holder, self.letters = defaultdict(list), defaultdict(list), defaultdict(list)

    def all_cases(self, listing=None):
        """Return the cases that were not erased, all or those of a listing."""
        return [one for key in ([listing] if listing else self.cases) for one in self.cases[key] if not one.erased]

    def all_decisions(self):
        """Return all decisions there ever were."""
        return [one for of in self.cases.values() for case in of for one in case.decisions]

    def all_measures(self, listing=None):
        """Return every measure there ever was on all listings or one, the oldest first; of erased versions if held."""
        some = [case for key in ([listing] if listing else self.cases) for case in self.cases[key]]
        alive = [case for case in some if case.held or not case.erased]
        found = [one for case in alive for made in case.decisions for one in made.measures]
        return sorted(found, key=lambda one: one.at)

    def in_force(self, listing):
        """Return the names of the measures that stand on a listing."""
        return tuple(one.name for one in self.all_measures(listing) if one.ended is None)

    def items(self):
        """Return all listings of notices."""
        return [item for notice in self.notices for item in notice.items]

    def waiting(self, case):
        """Return the items that wait for a case."""
        return [item for item in self.items() if item.case is case and item.state == "waiting"]

    def find_newest(self, listing):
        """Return the case of the newest version of a listing: the last that was neither superseded nor erased."""
        return next((case for case in reversed(self.all_cases(listing)) if case.state != "superseded"), None)

    def sells_now(self, listing):
        """Return who sells a listing now."""
        offers = [case.offer for case in self.all_cases(listing)] + [*self.offers.get(listing, ())][:1]
        return offers[-1].seller if offers else None

    def submit(self, offer, score, is_new_case):
        """Take in a listing; `is_new_case` says whether ipml made a case of it, where the law leaves that open."""
        newest = self.find_newest(offer.listing)
        is_pending = newest is not None and newest.state in PENDING
        must = score >= 0.5 or offer.seller in self.listed or is_pending or self._was_found(offer)
        self.offers[offer.listing] = offer, self.now
        if must or is_new_case:
            assert self.enqueue(offer) == is_new_case, f"new case: {is_new_case}"

    def _was_found(self, offer):
        """Say whether the same goods of the seller were found counterfeit, and nothing of theirs genuine."""
        theirs = [case for case in self.all_cases() if case.offer.seller == offer.seller and case.verdict]
        is_bad = all(case.verdict.verdict == "counterfeit" for case in theirs)
        return is_bad and offer.goods in [case.offer.goods for case in theirs]

    def enqueue(self, offer):
        """Make a case of a listing that is new or changed; say whether there is one more."""
        newest = self.find_newest(offer.listing)
        if newest and newest.offer.content == offer.content:
            newest.offer = offer if newest.state == "open" else newest.offer  # what else is known of it
            return False
        decided = [case for case in self.all_cases(offer.listing) if case.state == "decided"]
        is_untouched = newest and newest.state == "open" and not newest.touched
        is_untouched = is_untouched and not any(item.case is newest for item in self.items())
        is_back = is_untouched and decided and decided[-1].offer.content == offer.content  # before anybody looked
        case = Case(f"{offer.listing}.{len(self.cases[offer.listing]) + 1}", offer, self.now)
        if newest and newest.state in PENDING:
            for item in self.waiting(newest):
                item.case = case
            newest.state, newest.awaits_second = "superseded", False
        self.cases[offer.listing] += [] if is_back else [case]
        return not is_back

    def decide(self, case, by, verdict, ground, key=None):
        """Give a verdict on a case; return the decision, None where it takes a second person still."""
        require(case.state in PENDING, "it waits for nobody")
        require(by not in [name for name, _ in case.halves], "a second verdict needs a second person")
        case.touched = True  # as it was opened
        content = (case, by, verdict, ground)
        if key and (before := self.keys.get(key)) and not before[0].erased:
            require(before == content, "the key came before with another content")
            return None
        if key:
            self.keys[key] = content
        others = [one.by for one in case.decisions if one.fell is None and one.by not in (by, "ipml")]
        is_leads = case.state == "escalated" and bool(case.halves or others)
        if not case.halves and not is_leads:
            if verdict == "counterfeit" and case.offer.price >= DEAR:
                case.halves.append((by, verdict))
                case.awaits_second = True
                return None
        elif len(case.halves) <= 1 and verdict != "escalate":
            case.awaits_second = False
            if not is_leads and verdict != case.halves[0][1]:
                case.halves.append((by, verdict))
                return self.record(case, "ipml", "escalate", "") and None
        return self.record(case, by, verdict, ground)

    def record(self, case, by, verdict, ground, origin="review", root=None, group=None):
        """Append a decision with all that follows from it."""
        name = f"{case.name}/{len(case.decisions) + 1}"
        decision = Decision(name, case, verdict, by, self.now, origin, root, group)
        case.decisions.append(decision)
        case.state = "escalated" if verdict == "escalate" else "decided"
        if verdict == "counterfeit":
            is_pause = ground == PAUSE_GROUND
            until = self.now + timedelta(days=PAUSE_DAYS) if is_pause else None
            self._impose(decision, "pause" if is_pause else "remove", until)
        if verdict != "escalate":
            self._settle_by(case, decision)
        return decision

    def spread(self, root, reached, ground):
        """Let a decision reach near-duplicates: open, of the same seller, alike."""
        for case in reached:
            assert (case.state, *case.offer.content[:2]) == ("open", *root.case.offer.content[:2])
            assert root.by not in [name for name, _ in case.halves]
            self.record(case, root.by, root.verdict, ground, "spread", root)

    def undo(self, decision, *, with_group):
        """Take a decision back as a lead does, with those spread from it; or those of its group that can be."""
        if with_group:
            some = [one for one in self.all_decisions() if one.group == decision.group]
        else:
            require(decision.case.last is decision, "it does not stand, or the case was decided anew")
            some = [decision, *(one for one in self.all_decisions() if one.root is decision)]
        some = [one for one in some if one.case.last is one]
        require(some, "none of them stands")
        require(all(one.origin not in BY_APPEAL for one in some), "it follows from an appeal")
        self._reverse(some)

    def _reverse(self, some, *, decides_anew=False):
        successors = {}
        for one in some:
            one.fell = self.now
        for one in some:
            case, last, of_listing = one.case, one.case.last, self.cases[one.case.offer.listing]
            if not case.erased:
                case.state = "open" if last is None else "escalated" if last.verdict == "escalate" else "decided"
                newest = self.find_newest(case.offer.listing)
                if case.state in PENDING and not decides_anew and of_listing.index(newest) > of_listing.index(case):
                    case.state, successors[case.name] = "superseded", newest
        for one in some:
            lifted = [measure for measure in one.measures if measure.ended is None]
            for measure in lifted:
                self._end(measure)
            self._correct_buyers(one)
            for measure in lifted or one.measures[-1:]:  # if all had ended before, it says that the finding fell
                self._write(measure, "lifted")
            self._reopen(one, successors.get(one.case.name))

    def _impose(self, decision, kind, until, instead=None):
        measure = Measure(f"{decision.name}/{len(decision.measures) + 1}", decision, kind, until, self.now)
        before = self.all_measures(measure.offer.listing)
        decision.measures.append(measure)
        if instead is not None:
            instead.ended = self.now
        self._tell_platform(measure, kind in TOLD_HOLDER)
        is_told = any(len(one.buyers) == 1 for one in before if one.offer.seller == measure.offer.seller)
        if kind in TOLD_BUYERS and measure.offer.sold != 0 and not is_told:
            measure.buyers.append(["counterfeit", False])
        self._write(measure, "statement")

    def _end(self, measure):
        measure.ended = self.now
        self._tell_platform(measure, False)
        self._hold([measure.decision.case])

    def _tell_platform(self, measure, tells_holder):
        if measure.offer.seller in self.gone and not measure.decision.case.held:
            return
        listing, holding = measure.offer.listing, self.in_force(measure.offer.listing)
        kind = "measure" if holding else "reinstatement"
        self.platform[listing].append((kind, holding))
        if measure.offer.brand and (tells_holder or self.holder[listing]):
            self.holder[listing].append(kind)

    def _correct_buyers(self, decision):
        """Tell buyers that a finding fell, unless another against the same seller's goods stands."""
        offer = decision.case.offer
        theirs = [one for one in self.all_measures(offer.listing) if one.offer.seller == offer.seller]
        if not decision.measures or offer.seller in self.gone or any(one.decision.fell is None for one in theirs):
            return
        for one in theirs:
            if len(one.buyers) == 1:
                one.buyers = [one.buyers[0], ["not counterfeit", False]] if one.buyers[0][1] else []

    def _write(self, measure, kind):
        """Write to the seller of a measure: how it began, and once how it ended, but for a finding that fell since."""
        letters = self.letters[measure.offer.seller, measure.name]
        is_told = kind == "lifted" and "lifted" in letters and measure.decision.fell != self.now
        if measure.offer.seller not in self.gone and not is_told:
            letters.append(kind)

    def order(self, how, one, kind, until):
        """Impose a measure on a case by hand, put another in the place of one, or lift one: the decision stands."""
        if how == "impose":
            require(one.last and one.last.verdict == "counterfeit", "nothing was found")
            return self._impose(one.last, kind, until)
        require(one.ended is None, "it has ended")
        if how == "change":
            require(not one.decision.case.erased, "its reasons cannot be stated")
            require(one.kind != kind, "the same kind")
            self._impose(one.decision, kind, until, one)
        else:
            self._end(one)
        return self._write(one, "lifted")

    def file(self, subject, seller, state="open"):
        """Let a seller appeal against a measure, or a case whose newest measure it then is."""
        if isinstance(subject, Case):
            decision = subject.last
            is_theirs = subject.offer.seller == seller and not subject.erased and decision
            is_theirs = is_theirs and decision.verdict == "counterfeit"
            standing = [one for one in decision.measures if one.ended is None] if is_theirs else []
            subject = standing[-1] if standing else subject
        else:
            decision = subject.decision
            sellers = {subject.offer.seller, self.sells_now(subject.offer.listing)} - self.gone
            is_theirs = subject.ended is None and seller in sellers
        require(is_theirs, "it does not restrict them")
        same = [one for one in self.appeals if (one.subject, one.decision, one.seller) == (subject, decision, seller)]
        require(all(one.state == "withdrawn" for one in same), "it is pending, or was examined")
        said = {"subject": subject, "decision": decision, "seller": seller, "state": state}
        self.appeals.append(Record(name=f"A{len(self.appeals) + 1}", **said))
        self.letters[seller, self.appeals[-1].name].append("appeal")

    def answer(self, appeal, by, outcome, kind, alike):
        """Decide an appeal: the outcome says what was wrong, and that alone is changed."""
        require(appeal.state in APPEALED, "it is over")
        subject = appeal.subject
        if outcome in ("measure lifted", "partly granted"):
            require(isinstance(subject, Measure) and subject.ended is None, "no measure, or it has ended")
            require(subject.until is None or subject.until > self.now, "its time is over")
            if outcome == "measure lifted":
                self._end(subject)
            else:
                require(KINDS.index(kind) < KINDS.index(subject.kind), "it is no milder")
                require(not subject.decision.case.erased, "its reasons cannot be stated")
                self._impose(subject.decision, kind, subject.until, subject)
            self._write(subject, "lifted")
        elif outcome == "granted":
            self._correct(appeal.decision.case, by, alike)
        self.close(appeal, outcome)

    def act_as_holder(self, appeal):
        """Let the rights holder sue: the measure stays."""
        require(appeal.state == "with holder", "it is with nobody")
        appeal.state = "holder acted"

    def restore(self, appeal, by):
        """Let the rights holder give up, or say nothing in time: nobody judges the listing by that."""
        require(appeal.state in APPEALED[1:], "it is with nobody")
        self._correct(appeal.decision.case, by, "stand", "cannot tell", "deadline")
        self.close(appeal, "restored")

    def close(self, appeal, state):
        """End an appeal, and write to its seller."""
        require(appeal.state in APPEALED, "it is over")
        appeal.state = state
        if appeal.seller not in self.gone:
            self.letters[appeal.seller, appeal.name].append("appeal")

    def _correct(self, case, by, alike, verdict="genuine", origin="appeal"):
        """Decide a case anew in the place of what stands; do to those decided with it as is said."""
        own = case.last
        if own is None or own.verdict != "counterfeit":
            return
        root = own.root or own
        family = [one for one in self.all_decisions() if one is not own and root in (one, one.root)]
        kin = [one for one in family if one.verdict == "counterfeit" and one.case.last is one]
        corrected = [own, *(kin if alike == "corrected" else [])]
        self._reverse(corrected, decides_anew=True)
        if alike == "queue":
            self._reverse(kin)
        for one in corrected:
            self.record(one.case, by, verdict, "", origin)

    def receive(self, notifier, places):
        """Take in a notice of listings, by their ids or addresses."""
        told, fresh = [["notice_receipt", True]], []
        notice = Record(name=f"N{len(self.notices) + 1}", notifier=notifier, items=[], settled=False, told=told)
        theirs = [item for item in self.items() if item.notice.notifier == notifier and not item.is_gone]
        noted = {item.place: item for item in theirs if item.state not in ("repeated", "not found")}
        for position, place in enumerate(places, 1):
            listing = self.locate(place)
            item = Item(f"{notice.name}.{position}", notice, listing or place, self.now)
            earlier, newest = noted.get(item.place), self.find_newest(listing) if listing else None
            is_same = earlier is not None and (earlier.case is None or newest is None or earlier.case is newest)
            if is_same and not self._is_changed(newest):
                item.state, item.repeats, item.case = "repeated", earlier, newest and earlier.case
            else:
                fresh.append(item)
            notice.items.append(item)
        self.notices.append(notice)
        self._join(fresh)
        self._settle_notices([notice])

    def locate(self, place):
        """Return the id of a listing that a notice names, by an id or an address as submitted; None if not known."""
        listing = place.rsplit("/", 1)[-1]
        return listing if listing == place or listing in self.offers else None

    def match(self):
        """Look for listings that nobody knew when notice of them came."""
        for notice in self.notices:
            self._join([item for item in notice.items if item.state == "unknown"])
            self._settle_notices([notice])

    def _join(self, items):
        """Join items to the case of the version on offer, which is opened if there is none."""
        brought = []
        for item in items:
            listing = self.locate(item.place)
            if listing is None:
                continue
            newest, (offered, _) = self.find_newest(listing), self.offers.get(listing, (None, None))
            if offered and (newest is None or self._is_changed(newest)):
                self.enqueue(offered)
                newest = self.find_newest(listing)
            if newest is None:
                continue
            for one in [item, *(other for other in self.items() if other.repeats is item)]:
                one.place, one.case = listing, newest
            verdict, is_again = newest.verdict, any(one.origin == "notice" for one in newest.decisions)
            is_final = verdict and (
                verdict.verdict == "counterfeit" or verdict.origin in ("appeal", "deadline") or is_again
            )
            if newest.state == "decided" and is_final:
                item.state, item.decision = OUTCOME_OF[verdict.verdict], verdict
            else:
                item.state = "waiting"
                brought.append(newest)
        for case in brought:
            case.touched = True
            if case.state == "decided":
                self.record(case, "ipml", "escalate", "", "notice")

    def _is_changed(self, case):
        """Say whether a listing was changed since its newest case was decided."""
        offered, _ = self.offers.get(case.offer.listing, (None, None)) if case else (None, None)
        return offered is not None and case.state == "decided" and case.offer.content != offered.content

    def _settle_by(self, case, decision):
        waiting = self.waiting(case)
        for item in waiting:
            item.state, item.decision = OUTCOME_OF[decision.verdict], decision
        self._settle_notices([item.notice for item in waiting])

    def _settle_notices(self, some):
        for notice in dict.fromkeys(some):
            if not notice.settled and all(item.state not in ("unknown", "waiting") for item in notice.items):
                notice.settled = True
                self._tell_notifier(notice)

    def _tell_notifier(self, notice):
        """Answer a notice: what nobody can have read yet gives way to what is true now."""
        notice.told = [one for one in notice.told if one[1]]
        is_answered = len(notice.told) > 1  # the first is the receipt
        if not all(item.is_gone for item in notice.items) and (notice.settled or is_answered):
            notice.told.append(["notice_correction" if is_answered else "notice_outcome", False])

    def _reopen(self, decision, successor):
        """Let items wait again whose decision fell; nothing waits where a verdict stands."""
        case, holding = decision.case, successor or decision.case
        fallen = [item for item in self.items() if item.decision is decision and item.case is case]
        for item in fallen:
            item.state, item.decision = ("undecided", item.decision) if case.erased else ("waiting", None)
        waiting = self.waiting(case)
        if case.erased or not waiting:
            return
        for item in waiting:
            item.case = holding
        opened = list(dict.fromkeys(item.notice for item in fallen if item.notice.settled))
        for notice in opened:
            notice.settled = False
        if holding.state == "decided" and holding.last is not None:
            self._settle_by(holding, holding.last)
        for notice in opened:
            if not notice.settled:
                self._tell_notifier(notice)

    def deliver(self):
        """Let every message arrive that may be sent by now: to buyers a day after the measure."""
        for notice in self.notices:
            notice.told = [[kind, True] for kind, _ in notice.told]
        for measure in (one for decision in self.all_decisions() for one in decision.measures):
            if measure.buyers and measure.at + timedelta(hours=24) <= self.now:
                measure.buyers[0][1] = True

    def run_jobs(self):
        """End measures whose time is over, and notices of unknown or erased listings."""
        ever = [one for made in self.all_decisions() for one in made.measures]
        over = [one for one in ever if one.ended is None and one.until and one.until <= self.now]
        for measure in sorted(over, key=lambda one: one.at, reverse=True):
            self._end(measure)
            self._write(measure, "lifted")
        before = self.now - timedelta(days=UNKNOWN_DAYS)
        for state, how in (("waiting", "undecided"), ("unknown", "not found")):
            left = [item for item in self.items() if item.state == state]
            ended = [item for item in left if (item.is_gone if state == "waiting" else item.at < before)]
            for item in ended:
                item.state = how
            self._settle_notices([item.notice for item in ended])

    def expire(self):
        """Erase listings that were kept as long as they may be, and for which nothing and nobody waits."""
        waited = {item.case for item in self.items() if item.state == "waiting"}
        waited |= {appeal.decision.case for appeal in self.appeals if appeal.state in APPEALED}
        expired = []
        for case in self.all_cases():
            if case.state == "decided" and case.verdict:
                since, kept = case.verdict.at, case.verdict.verdict
            else:
                came_back = [one.fell for one in case.decisions if one.fell]
                came_back += [one.at for one in case.decisions if one.verdict == "escalate"]
                since, kept = max([case.since, *came_back]), "undecided"
            if since + timedelta(days=KEPT_DAYS[kept]) <= self.now and case not in waited and not case.awaits_second:
                self._forget(case)
                expired.append(case)
        self._hold(expired, [case.offer.listing for case in expired if not self.sells_now(case.offer.listing)])
        before = self.now - timedelta(days=OFFERED_DAYS)
        self.offers = {key: one for key, one in self.offers.items() if one[1] > before}

    def erase(self, seller):
        """Erase a seller, unless an appeal is pending against what was done to their listings."""
        theirs = [case for case in self.all_cases() if case.offer.seller == seller]
        pending = [one for one in self.appeals if one.state in APPEALED]
        require(
            all(one.seller != seller and one.decision.case not in theirs for one in pending), "an appeal is pending"
        )
        sold_by = {key: self.sells_now(key) for key in self.cases}
        for case in theirs:
            self._forget(case)
        everything = [case for of in self.cases.values() for case in of]
        self._hold(everything, [key for key, name in sold_by.items() if name == seller])
        self.gone.add(seller)
        self.offers = {key: one for key, one in self.offers.items() if one[0].seller != seller}

    def _forget(self, case):
        """Erase a version of a listing; notices that have not met it yet end with it."""
        case.erased, case.held, case.state, case.awaits_second = True, True, "decided", False
        for item in self.items():
            if item.case is None and item.place == case.offer.listing:
                item.case, item.state = case, "waiting" if item.state == "unknown" else item.state

    def _hold(self, some, unsold=()):
        """Keep of erased versions those with a measure in force on what somebody sells now."""
        for case in some:
            in_force = any(one.ended is None for made in case.decisions for one in made.measures)
            case.held = case.held and in_force and case.offer.listing not in unsold

    def view(self):
        """Return all that must be found, in strings."""
        ever, made = self.all_decisions(), [one for case in self.all_cases() for one in case.decisions]
        strikes = defaultdict(int)
        for one in ever:
            is_young = one.at + timedelta(days=STRIKE_DAYS) > self.now
            if (
                one.verdict == "counterfeit"
                and one.fell is None
                and is_young
                and one.case.offer.seller not in self.gone
            ):
                strikes[one.case.offer.seller] += 1
        told = [one for decision in ever for one in decision.measures if one.buyers]
        held = [one for decision in made for one in decision.measures]
        return {
            "cases": {case.name: case.state for case in self.all_cases()},
            "decisions": {one.name: f"{one.verdict} by {one.by}, {one.origin}, {bool(one.fell)}" for one in made},
            "measures": {one.name: f"{one.kind} until {one.until}, {bool(one.ended)}" for one in held},
            "in force": {key: some for key in [*self.cases] if (some := self.in_force(key))},
            "strikes": {seller: count for seller, count in strikes.items() if seller not in self.gone},
            "items": {item.name: item.state for item in self.items()},
            "notices": {one.name: f"{one.settled} {' '.join(kind for kind, _ in one.told)}" for one in self.notices},
            "appeals": {one.name: one.state for one in self.appeals},
            "platform": dict(self.platform),
            "holder": {listing: kinds for listing, kinds in self.holder.items() if kinds},
            "buyers": {one.name: [said for said, _ in one.buyers] for one in told},
            "letters": {f"{seller} {name}": kinds for (seller, name), kinds in self.letters.items() if kinds},
        }
