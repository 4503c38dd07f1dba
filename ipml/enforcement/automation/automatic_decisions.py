"""Automatic decisions: decides cases under precision guarantees in force, and draws a share of them for people.

Only ranked cases without any need for a person are considered. Decisions are made in the policy's name, in batches,
each in a transaction with all its consequences, so a run may be stopped anywhere and continued. The draw of a case
depends on the case and the seed of the database only: a repeated run draws no case anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, exists, func, insert, select, update

from ipml.enforcement.automation.guarantees import GuaranteeStanding, find_model_version, is_in_force, review_guarantees
from ipml.enforcement.policy import AutomaticRules, EnforcementPolicy
from ipml.records import Decision, Listing, ScoredListing, Verdict
from ipml.review.arrivals.snapshot import decode, decode_listing
from ipml.review.cases import StoredCase, find_cases, is_held, read_cases
from ipml.review.decisions import Origin, record_all
from ipml.review.near_duplicates.clusters import lock_clusters
from ipml.review.quality.blind_reviews import draw_uniform
from ipml.review.quality.second_person import find_second_person_obstacles
from ipml.review.ranking.list_marks import find_marks
from ipml.review.reversals import DecisionActions, ReviewContext, by_people, is_last_verdict
from ipml.review.sampling.exploration import get_seed
from ipml.review.sellers.seller_lists import ListKind
from ipml.settings import SecondPersonRule, Settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import reading, writing
from ipml.storage.short_transactions import change_in_turns
from ipml.storage.tables import automatic_decisions, automatic_draws, cases, decisions, seller_keys, spread_audits


def _select_candidates(
    brands: Collection[str], model_version: str, lowest_score: float, after: int, enqueued: tuple[datetime, datetime]
) -> Select[Any]:
    """Return the query of cases a policy may decide or draw, by number, after a number.

    It excludes cases that wait for another, have a deadline, were decided before, or were drawn for people by
    exploration, from a spread, or by the policy; and cases enqueued outside a period.
    """
    was_decided = exists().where(decisions.c.case_id == cases.c.case_id)
    is_drawn = exists().where(automatic_draws.c.case_id == cases.c.case_id)
    is_spread_audit = exists().where(spread_audits.c.case_id == cases.c.case_id)
    return (
        select(cases)
        .where(cases.c.state == "open", cases.c.lane == "ranked", cases.c.exemplar.is_(None), cases.c.due_at.is_(None))
        .where(cases.c.brand.in_(list(brands)), cases.c.model_version == model_version)
        .where(cases.c.score >= lowest_score, cases.c.case_id > after)
        .where(cases.c.enqueued_at.between(*enqueued))
        .where(~was_decided, ~is_drawn, ~is_spread_audit)
        .order_by(cases.c.case_id)
    )


def _find_exclusion(listing: Listing, rules: AutomaticRules) -> str | None:
    """Return why the rules leave a listing to people, as a phrase, or None.

    >>> rules = AutomaticRules(excluded_categories=("toys",), most_seller_sales=1_000)
    >>> _find_exclusion(Listing("A7", "s1", "Bag", category="bags", seller_sales=5_000), rules)
    'its seller sells much'
    """
    if rules.excluded_categories and (listing.category is None or listing.category in rules.excluded_categories):
        return "its category is for people"
    sales, age = listing.seller_sales, listing.seller_age_days
    if rules.most_seller_sales is not None and (sales is None or sales > rules.most_seller_sales):
        return "its seller sells much"
    if rules.least_seller_age_days is not None and (age is None or age < rules.least_seller_age_days):
        return "its seller is new"
    return None


def _choose_ground(scored: ScoredListing, rules: AutomaticRules) -> str:
    """Return the ground of an automatic decision: of the weightiest reason named in the rules, else the default."""
    for reason in scored.reasons_for_counterfeit:
        for start, ground in rules.ground_by_reason.items():
            if reason.feature.startswith(start):
                return ground
    return rules.ground


def _find_excluded_sellers(connection: Connection, seller_ids: Collection[str], rules: AutomaticRules) -> set[str]:
    if not rules.excluded_sellers:
        return set()
    query = select(seller_keys.c.seller_id).where(seller_keys.c.seller_id.in_(seller_ids))
    return set(connection.scalars(query.where(seller_keys.c.pseudonym.in_(rules.excluded_sellers))))


def _find_acquitted(connection: Connection, listing_ids: Collection[str]) -> set[str]:
    """Return the listings that a person found genuine in another case."""
    query = select(decisions.c.listing_id).where(
        decisions.c.listing_id.in_(listing_ids), decisions.c.verdict == Verdict.GENUINE, is_last_verdict(), by_people()
    )
    return set(connection.scalars(query))


_BATCH_SIZE = 500  # looked at in one query
_BY_POLICY = Origin("policy")


@dataclass(frozen=True, slots=True)
class Acted:
    """Result of a run: listings decided, cases drawn for people, and cases left, by reason."""

    decided: int = 0
    drawn: int = 0
    left: Mapping[str, int] = field(default_factory=dict)


def act(
    engine: Engine,
    policy: EnforcementPolicy,
    settings: Settings,
    now: datetime | None = None,
    *,
    progress: Callable[[int], None] | None = None,
    actions: DecisionActions | None = None,
) -> Acted:
    """Decide the open cases of brands whose guarantee is in force, and draw those that measure its precision.

    Does nothing unless the policy says `is_on`. Guarantees are assessed anew every 500 cases. Verdicts that need a
    second person by the settings are never given. `progress` receives the number of cases read so far. Without
    `actions`, decisions have no effects.
    """
    rules = policy.automatic
    if not rules.is_on or not rules.brands:
        return Acted()
    now = now or datetime.now(UTC)
    with writing(engine) as connection:
        seed = get_seed(connection, now=now)
    actor = f"policy:{policy.digest[:8]}"
    run = _Run(engine, policy, rules, settings.second_person, actor, seed, now, actions)
    last = seen = 0
    while True:
        with writing(engine) as connection:
            standings = review_guarantees(connection, policy, now)
            version = find_model_version(connection)
        rows = run.find_batch(version, last)
        if not rows:
            return Acted(run.decided, run.drawn, dict(run.left))
        run.take(rows, standings)
        last, seen = rows[-1].case_id, seen + len(rows)
        if progress:
            progress(seen)


@dataclass(slots=True)
class _Run:
    engine: Engine
    policy: EnforcementPolicy
    rules: AutomaticRules
    second_person: Sequence[SecondPersonRule]
    actor: str
    seed: str
    now: datetime
    actions: DecisionActions | None
    decided: int = 0
    drawn: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def find_batch(self, version: str, after: int) -> Sequence[StoredCase]:
        """Return the next cases that may be drawn or decided."""
        lowest = min(min(self.rules.for_brand(brand).thresholds) for brand in self.rules.brands)
        query = _select_candidates(self.rules.brands, version, lowest, after, self._span()).limit(_BATCH_SIZE)
        with reading(self.engine) as connection:
            return read_cases(connection, query)

    def take(self, rows: Sequence[StoredCase], standings: Mapping[str, GuaranteeStanding]) -> None:
        """Draw some of the cases for people, and decide others."""
        eligible = [row for row in rows if (row.score or 0) >= min(self.rules.for_brand(row.brand or "").thresholds)]
        drawn = {
            row.case_id for row in eligible if self._uniform_of(row) < standings[row.brand or ""].sampling_probability
        }
        with reading(self.engine) as connection:
            chosen = self._find_free(connection, [row for row in eligible if row.case_id in drawn])
        self._draw(chosen, standings)
        due: dict[int, GuaranteeStanding] = {}
        for row in eligible:
            standing = standings[row.brand or ""]
            if row.case_id in drawn or not standing.is_in_force or (row.score or 0) < standing.threshold:
                continue
            if row.enqueued_at > (standing.vouched_until or datetime.min.replace(tzinfo=UTC)):
                self.left["drawn cases of its time are to be looked at first"] += 1
            else:
                due[row.case_id] = standing

        for made in change_in_turns(self.engine, list(due.items()), self._decide):
            self.decided += made

    def _span(self) -> tuple[datetime, datetime]:
        """Return the period of enqueueing in which cases may be drawn or decided."""
        latest = self.now - timedelta(hours=self.rules.wait_hours)
        return latest - timedelta(days=self.rules.most_age_days), latest

    def _find_reasons_for_review(self, connection: Connection, rows: Sequence[StoredCase]) -> dict[int, str | None]:
        """Return for each case why it must be reviewed regardless of guarantees, as a phrase, or None."""
        left = {ListKind.AUTHORISED, ListKind.WATCHED}
        if self.policy.lists.denied == "people":
            left.add(ListKind.DENIED)
        marks = find_marks(connection, {row.case_id: (row.seller_id, row.brand_read or "") for row in rows}, self.now)
        listed = {
            number: [str(mark.kind) for mark in of_case if mark.kind in left] for number, of_case in marks.items()
        }
        scruples = find_second_person_obstacles(connection, rows, self.actor, Verdict.COUNTERFEIT, self.second_person)
        acquitted = _find_acquitted(connection, {row.listing_id for row in rows})
        excluded = _find_excluded_sellers(connection, {row.seller_id for row in rows}, self.rules)
        return {
            row.case_id: ("somebody is at it" if is_held(row, self.now) else None)
            or _find_exclusion(decode_listing(row.snapshot), self.rules)
            or ("its seller is for people" if row.seller_id in excluded else None)
            or (f"its seller is {listed[row.case_id][0]}" if listed[row.case_id] else None)
            or scruples[row.case_id]
            or ("a person found it genuine before" if row.listing_id in acquitted else None)
            for row in rows
        }

    def _find_free(self, connection: Connection, rows: Sequence[StoredCase]) -> list[StoredCase]:
        obstacles = self._find_reasons_for_review(connection, rows)
        self.left.update(why for why in obstacles.values() if why)
        return [row for row in rows if not obstacles[row.case_id]]

    def _uniform_of(self, row: StoredCase) -> float:
        return draw_uniform("automatic", self.seed, row.listing_key)

    def _draw(self, rows: Sequence[StoredCase], standings: Mapping[str, GuaranteeStanding]) -> None:
        """Store the draws, except of cases changed or claimed meanwhile."""
        if not rows:
            return
        with writing(self.engine) as connection:
            locked = find_cases(connection, [row.case_id for row in rows], lock=True)
            query = select(automatic_draws.c.case_id).where(automatic_draws.c.case_id.in_(locked))
            drawn_before = set(connection.scalars(query))
            values: list[dict[str, Any]] = [
                {
                    "case_id": row.case_id,
                    "brand": row.brand,
                    "model_version": row.model_version,
                    "score": row.score,
                    "sampling_probability": standings[row.brand or ""].sampling_probability,
                    "drawn_at": self.now,
                }
                for row in locked.values()
                if row.state == "open" and not is_held(row, self.now) and row.case_id not in drawn_before
            ]
            if values:
                connection.execute(insert(automatic_draws), values)
                drawn = cases.c.case_id.in_([value["case_id"] for value in values])
                connection.execute(update(cases).where(drawn).values(drawn_at=self.now))
                # Not noted under the cases, because reviewers see their history.
                span = {"first": values[0]["case_id"], "last": values[-1]["case_id"], "drawn": len(values)}
                audit.append(connection, self.actor, "drew", "automatic draws", span, at=self.now)
        self.drawn += len(values)

    def _decide(self, connection: Connection, some: Sequence[tuple[int, GuaranteeStanding]]) -> int:
        """Decide the cases that are unchanged, in the policy's name; return how many."""
        due = dict(some)
        locked = lock_clusters(connection, due)
        rows = [locked[case_id] for case_id in due]
        obstacles = self._find_obstacles(connection, rows, due)
        self.left.update(why for why in obstacles.values() if why)
        free = [row for row in rows if not obstacles[row.case_id]]
        new = [(row, self._make_decision(row, due[row.case_id])) for row in free]
        made = record_all(connection, new, _BY_POLICY, ReviewContext(actions=self.actions))
        basis = [
            {
                "decision_id": decision.decision_id,
                "promise_id": due[decision.case_id].promise_id,
                "brand": due[decision.case_id].brand,
                "decided_at": self.now,
            }
            for decision in made
        ]
        if basis:
            connection.execute(insert(automatic_decisions), basis)
        return len(made)

    def _make_decision(self, row: StoredCase, standing: GuaranteeStanding) -> Decision:
        ground = _choose_ground(decode(row.snapshot), self.rules)
        content = (Verdict.COUNTERFEIT, ground, self._explain(standing), self.actor, self.now)
        return Decision(0, row.case_id, row.listing_id, *content)

    def _find_obstacles(
        self, connection: Connection, rows: Sequence[StoredCase], due: Mapping[int, GuaranteeStanding]
    ) -> dict[int, str | None]:
        """Return for each case why it is left, or None."""
        brands = {standing.brand: standing for standing in due.values()}
        unchanged = {
            number for standing in brands.values() for number in self._find_unchanged(connection, due, standing)
        }
        guaranteed = {
            name for name, standing in brands.items() if is_in_force(connection, name, standing.promise_id or 0)
        }
        room = {name: self.rules.for_brand(name).most_a_day - self._count_today(connection, name) for name in brands}
        others = self._find_reasons_for_review(connection, rows)
        obstacles: dict[int, str | None] = {}
        for case_id, standing in due.items():
            if case_id not in unchanged:
                obstacles[case_id] = "it has changed meanwhile"
            elif standing.brand not in guaranteed:
                obstacles[case_id] = "the guarantee was withdrawn meanwhile"
            elif room[standing.brand] <= 0:
                obstacles[case_id] = "the brand has had its most of a day"
            else:
                obstacles[case_id] = others[case_id]
                room[standing.brand] -= obstacles[case_id] is None
        return obstacles

    def _find_unchanged(
        self, connection: Connection, due: Mapping[int, GuaranteeStanding], standing: GuaranteeStanding
    ) -> list[int]:
        of_brand = ([standing.brand], standing.model_version, standing.threshold)
        again = _select_candidates(*of_brand, 0, self._span()).where(cases.c.case_id.in_(due))
        return [row.case_id for row in connection.execute(again)]

    def _count_today(self, connection: Connection, brand: str) -> int:
        is_today = automatic_decisions.c.decided_at > self.now - timedelta(days=1)
        query = select(func.count()).where(automatic_decisions.c.brand == brand, is_today)
        return connection.scalar(query) or 0

    def _explain(self, standing: GuaranteeStanding) -> str:
        basis = f"guarantee {standing.promise_id}, policy {self.policy.digest}"
        return f"Decided by policy without review ({basis}). {standing.why}"
