"""Referrals handed over: the sellers they name, their receipts and their outcomes.

While a referral is open, records of the sellers it found out are under a legal hold of its own, so that an erasure
cannot undo a case. Dropping it ends the holds; any other outcome renews them. Outcomes train a logistic model of how
likely a referral becomes a case, with a normal prior (mean: the policy's weights m, standard deviation s). With signs x
(1 first, for the intercept) and outcome y (1: a case, 0: dropped) the weights w maximise sum of [y log p + (1 - y)
log(1 - p)] - sum of (w - m)^2 / (2 s^2), where p = 1 / (1 + exp(-w . x)). This is concave, so Newton's method finds the
one maximum. An outcome adds at most 1/4 to a curvature that begins at 1 / s^2, so a few hardly move the weights. The
interval of p follows from the inverse curvature (Laplace's approximation).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, insert, select, update

from ipml.cooperation.policy import SIGNS, ReferralRules, SolvabilityRules
from ipml.cooperation.referrals.reported_findings import find_found_out
from ipml.enforcement.privacy.legal_holds import Hold, HoldOrder, find_holds, place_hold, release_within
from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.money import is_currency, say_amount
from ipml.review.arrivals.snapshot import check_text
from ipml.storage.audit_trail import audit
from ipml.storage.pseudonyms import find_pseudonym, find_seller
from ipml.storage.row_numbers import append_rows
from ipml.storage.tables import disclosures, referral_outcomes, referrals

Array = npt.NDArray[np.float64]
_STEPS = 50
_CLOSE = 1e-10


@dataclass(frozen=True, slots=True)
class Known:
    """A referral with a known outcome: its signs when it was built, and whether it became a case."""

    signs: Mapping[str, float]
    is_case: bool


@dataclass(frozen=True, slots=True)
class Solvability:
    """Weights of the intercept and of each of `SIGNS`, in this order, learnt from `n_outcomes` referrals."""

    weights: Array
    covariance: Array
    n_outcomes: int

    def judge(self, signs: Mapping[str, float]) -> float:
        """Return the probability that a referral with these signs becomes a case."""
        return float(_probability(_row(signs) @ self.weights))

    def bound(self, signs: Mapping[str, float]) -> tuple[float, float]:
        """Return the 90 % interval of that probability."""
        row = _row(signs)
        middle, spread = float(row @ self.weights), float(np.sqrt(row @ self.covariance @ row))
        return float(_probability(middle - 1.645 * spread)), float(_probability(middle + 1.645 * spread))

    def explain(self, signs: Mapping[str, float]) -> dict[str, float]:
        """Return each sign's contribution to the log-odds; with the intercept they add up to the log-odds."""
        parts = _row(signs) * self.weights
        return dict(zip(("intercept", *SIGNS), parts.tolist(), strict=True))


def learn_solvability(rules: SolvabilityRules, known: Sequence[Known]) -> Solvability:
    """Return the weights after some outcomes; the docstring of the module has the formula.

    >>> from ipml.cooperation.policy import load_cooperation_policy
    >>> rules, signs = load_cooperation_policy().referrals.solvability, dict.fromkeys(SIGNS, 0.5)
    >>> [f"{learn_solvability(rules, [Known(signs, False)] * n).judge(signs):.2f}" for n in (0, 1, 20)]
    ['0.68', '0.51', '0.11']
    """
    prior = np.array([rules.intercept, *(rules.weights[name] for name in SIGNS)])
    rows = np.array([_row(case.signs) for case in known]).reshape(len(known), len(prior))
    cases = np.array([case.is_case for case in known], dtype=np.float64)
    weights, precision = prior.copy(), np.eye(len(prior)) / rules.spread**2
    for _ in range(_STEPS):
        p = _probability(rows @ weights)
        gradient = rows.T @ (cases - p) - precision @ (weights - prior)
        step = np.linalg.solve(_curvature(rows, p, precision), gradient)
        weights = weights + step
        if np.abs(step).max() < _CLOSE:
            break
    curvature = _curvature(rows, _probability(rows @ weights), precision)
    covariance = np.asarray(np.linalg.inv(curvature), dtype=np.float64)
    return Solvability(weights, covariance, len(known))


def _curvature(rows: Array, p: Array, precision: Array) -> Array:
    curvature: Array = (rows.T * (p * (1 - p))) @ rows + precision
    return curvature


def _row(signs: Mapping[str, float]) -> Array:
    return np.array([1.0, *(signs[name] for name in SIGNS)])


def _probability(log_odds: Array | float) -> Array:
    probability: Array = 1 / (1 + np.exp(-np.asarray(log_odds, dtype=np.float64)))
    return probability


_LONGEST_NAME = 120


@dataclass(frozen=True, slots=True)
class Referral:
    """A referral as it was handed over; `follows` is the number of the previous one to the same recipient."""

    referral_id: int
    reference: str
    network: int
    members_digest: str
    recipient: str
    brand: str | None
    purpose: str
    built_by: str
    built_at: datetime
    content_digest: str
    follows: int | None
    n_members: int
    n_confirmed: int
    value_low: float | None
    value: float | None
    value_high: float | None
    currency: str | None
    solvability: float
    effort: float
    signs: str
    tells_sellers: bool
    received_by: str | None
    received_at: datetime | None

    @property
    def subject(self) -> str:
        """The name in the audit trail: "referral:12"."""
        return f"referral:{self.referral_id}"


@dataclass(frozen=True, slots=True)
class Disclosed:
    """A seller named to a recipient; `tells_sellers` is whether the seller may be informed of it."""

    referral_id: int
    reference: str
    recipient: str
    purpose: str
    name: str
    disclosed_at: datetime
    tells_sellers: bool


def make_reference() -> str:
    """Return a new reference, random so that it cannot be guessed."""
    return f"C-{secrets.token_hex(4)}"


def add_referral(connection: Connection, fields: Mapping[str, Any], named: Mapping[str, tuple[str, bool]]) -> Referral:
    """Add a referral and the sellers that it names, in the caller's transaction.

    `named` has, by pseudonym, the seller's name in the package and whether a listing of theirs was found counterfeit.
    """
    number = connection.scalars(insert(referrals).values(**fields).returning(referrals.c.referral_id)).one()
    rows = [
        {
            "referral_id": number,
            "pseudonym": pseudonym,
            "name": name,
            "is_confirmed": is_confirmed,
            "disclosed_at": fields["built_at"],
        }
        for pseudonym, (name, is_confirmed) in sorted(named.items())
    ]
    if rows:
        connection.execute(insert(disclosures), rows)
    return get_referral(connection, number)


def get_referral(connection: Connection, referral_id: int) -> Referral:
    """Return a referral; raises NotFound."""
    row = connection.execute(select(referrals).where(referrals.c.referral_id == referral_id)).first()
    if row is None:
        raise NotFound("referral", referral_id, "The page Referrals lists them.")
    return Referral(**row._asdict())


def list_referrals(connection: Connection) -> list[Referral]:
    """Return all referrals, newest first."""
    rows = connection.execute(select(referrals).order_by(referrals.c.referral_id.desc()))
    return [Referral(**row._asdict()) for row in rows]


def find_before(
    connection: Connection, recipient: str, brand: str | None, pseudonyms: Collection[str]
) -> tuple[Referral, dict[str, str]] | None:
    """Return the last referral to a recipient that named most of some sellers, and the names it used; or None.

    A network grows, merges and splits, so it is recognised by its members: the referral that named the most of them (of
    equals the latest), if they are at least half of the sellers it named.
    """
    named, best = set(pseudonyms), None
    query = select(referrals).where(referrals.c.recipient == recipient, referrals.c.brand.is_not_distinct_from(brand))
    for row in connection.execute(query.order_by(referrals.c.referral_id)).all():
        names = names_in(connection, row.referral_id)
        common = len(named & names.keys())
        if names and 2 * common >= len(names) and (best is None or common >= best[0]):
            best = common, Referral(**row._asdict()), names
    return None if best is None else (best[1], best[2])


def list_disclosures(connection: Connection, referral_id: int) -> Sequence[int]:
    """Return the numbers of the disclosures of a referral, in order."""
    query = select(disclosures.c.disclosure_id).where(disclosures.c.referral_id == referral_id)
    return connection.scalars(query.order_by(disclosures.c.disclosure_id)).all()


def names_in(connection: Connection, referral_id: int) -> dict[str, str]:
    """Return the name that a referral gave each seller, by pseudonym."""
    query = select(disclosures.c.pseudonym, disclosures.c.name).where(disclosures.c.referral_id == referral_id)
    return {row.pseudonym: row.name for row in connection.execute(query)}


def find_disclosures(connection: Connection, pseudonym: str) -> list[Disclosed]:
    """Return a seller's disclosures, newest first (Article 15 of the GDPR); `tells_sellers` limits informing them."""
    query = select(
        referrals.c.referral_id,
        referrals.c.reference,
        referrals.c.recipient,
        referrals.c.purpose,
        disclosures.c.name,
        disclosures.c.disclosed_at,
        referrals.c.tells_sellers,
    ).join(referrals, referrals.c.referral_id == disclosures.c.referral_id)
    query = query.where(disclosures.c.pseudonym == pseudonym).order_by(referrals.c.referral_id.desc())
    return [Disclosed(*row) for row in connection.execute(query)]


def sign_receipt(
    connection: Connection, referral_id: int, received_by: str, *, by: str, now: datetime | None = None
) -> Referral:
    """Record who received a referral for the recipient; raises NotFound, and Conflict if it has a receipt already."""
    check_text("by", received_by, _LONGEST_NAME)
    now = now or datetime.now(UTC)
    referral = get_referral(connection, referral_id)
    if referral.received_by is not None and referral.received_at is not None:
        raise Conflict(
            f"referral {referral_id}",
            f"{referral.received_by} signed for it on {referral.received_at:%Y-%m-%d}",
            "A receipt cannot be changed.",
        )
    query = update(referrals).where(referrals.c.referral_id == referral_id)
    connection.execute(query.values(received_by=received_by, received_at=now))
    audit.append(connection, by, "noted receipt", referral.subject, {"content": referral.content_digest}, at=now)
    return get_referral(connection, referral_id)


def hold_for_referral(
    connection: Connection, reference: str, sellers: Sequence[str], *, until: datetime, by: str, now: datetime
) -> int:
    """Place holds on the records of sellers for a referral until a day; return how many sellers are held."""
    for seller_id in sellers:
        holds = _find_own_holds(connection, reference, find_pseudonym(connection, seller_id) or "", now)
        if not any(hold.until >= until for hold in holds):
            place_hold(connection, seller_id, HoldOrder(_why(reference), until, by), now=now)
    return len(sellers)


def _find_own_holds(connection: Connection, reference: str, pseudonym: str, now: datetime) -> list[Hold]:
    holds = find_holds(connection, pseudonym, now)
    return [hold for hold in holds if hold.case_id is None and hold.why == _why(reference)]


def _why(reference: str) -> str:
    return f"referral {reference}"


_BECAME_A_CASE = ("opened", "arrests", "seized")
_COUNTED = ("arrests", "seized")


@dataclass(frozen=True, slots=True)
class ReferralOutcome:
    """Outcome of a referral: "opened", "arrests" (a number), "seized" (a value) or "dropped" (with a reason)."""

    referral_id: int
    kind: str
    amount: float | None
    currency: str | None
    why: str | None
    noted_by: str
    noted_at: datetime

    def __str__(self) -> str:
        if self.amount is None:
            return self.kind
        return f"{self.kind} {say_amount(self.amount, self.currency) if self.kind == 'seized' else f'{self.amount:,g}'}"


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """A reported outcome of a referral.

    `amount` is the number of arrests or the value seized, `currency` that of the referral by default; `why` is a reason
    of the policy, for "dropped".
    """

    kind: str
    amount: float | None = None
    currency: str | None = None
    why: str | None = None


def note_outcome(
    connection: Connection,
    referral_id: int,
    report: OutcomeReport,
    rules: ReferralRules,
    *,
    by: str,
    now: datetime,
) -> ReferralOutcome:
    """Record an outcome of a referral. There may be several; the last one decides whether it became a case.

    "dropped" ends the legal holds of the referral; other outcomes hold the sellers found out for the days set in the
    profile. Raises NotFound, and UnusableSetting for a wrong reason, amount or currency.
    """
    kind, amount, currency, why = report.kind, report.amount, report.currency, report.why
    if kind == "dropped" and why not in rules.reasons_to_drop:
        raise UnusableSetting("dropped", repr(why), f"one of {', '.join(rules.reasons_to_drop)}")
    if kind in _COUNTED and not (amount is not None and 0 < amount < float("inf")):
        raise UnusableSetting(kind, repr(amount), "a number above 0")
    referral = get_referral(connection, referral_id)
    if kind == "seized" and not is_currency(currency := currency or referral.currency):
        raise UnusableSetting("currency", repr(currency)[:40], "three capital letters such as EUR")
    made = ReferralOutcome(referral_id, kind, amount, currency if kind == "seized" else None, why, by, now)
    (number,) = append_rows(connection, referral_outcomes, [asdict(made)])
    named = find_found_out(connection, referral_id)
    profile = rules.profiles.get(referral.recipient)
    if kind == "dropped":
        held = (_find_own_holds(connection, referral.reference, pseudonym, now) for pseudonym in named)
        if ending := list(chain.from_iterable(held)):
            release_within(connection, ending, by=by, now=now)
    elif profile is not None and profile.hold_days:
        sellers = [seller for pseudonym in named if (seller := find_seller(connection, pseudonym)) is not None]
        until = now + timedelta(days=profile.hold_days)
        hold_for_referral(connection, referral.reference, sellers, until=until, by=by, now=now)
    payload: dict[str, audit.Value] = {"outcome": number, "kind": kind, "amount": amount}
    payload |= {"currency": made.currency, "why": why}
    audit.append(connection, by, "noted outcome", referral.subject, payload, at=now)
    return made


def find_outcomes(connection: Connection, referral_ids: Sequence[int] = ()) -> dict[int, list[ReferralOutcome]]:
    """Return the outcomes of referrals in order, by referral; by default of all."""
    columns = (referral_outcomes.c[name] for name in ReferralOutcome.__slots__)
    query = select(*columns).order_by(referral_outcomes.c.outcome_id)
    if referral_ids:
        query = query.where(referral_outcomes.c.referral_id.in_(referral_ids))
    outcomes: dict[int, list[ReferralOutcome]] = {}
    for row in connection.execute(query):
        outcomes.setdefault(row.referral_id, []).append(ReferralOutcome(*row))
    return outcomes


def read_known(connection: Connection) -> list[Known]:
    """Return the signs of every referral with an outcome, and whether it became a case.

    For successive referrals of one network to one recipient, only the last outcome counts, with the signs of its
    referral.
    """
    story: dict[int, int] = {}  # first of the successive referrals, by referral
    signs: dict[int, str] = {}
    query = select(referrals.c.referral_id, referrals.c.follows, referrals.c.signs)
    for row in connection.execute(query.order_by(referrals.c.referral_id)):
        story[row.referral_id] = story.get(row.follows, row.referral_id)
        signs[row.referral_id] = row.signs
    outcomes = select(referral_outcomes.c.referral_id, referral_outcomes.c.kind)
    last = {
        story[row.referral_id]: Known(json.loads(signs[row.referral_id]), row.kind in _BECAME_A_CASE)
        for row in connection.execute(outcomes.order_by(referral_outcomes.c.outcome_id))
    }
    return [last[number] for number in sorted(last)]


def find_open(connection: Connection, pseudonym: str) -> list[Disclosed]:
    """Return the referrals that named a seller and were not dropped; check them before an erasure."""
    disclosures = find_disclosures(connection, pseudonym)
    became = find_outcomes(connection, [disclosure.referral_id for disclosure in disclosures]) if disclosures else {}
    return [
        disclosure
        for disclosure in disclosures
        if disclosure.referral_id not in became or became[disclosure.referral_id][-1].kind != "dropped"
    ]
