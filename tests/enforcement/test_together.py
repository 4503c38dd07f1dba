"""Decisions that are made and followed together leave what they would leave one after the other."""

import json
import os
import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from support.databases import empty_tables, on_both
from support.mortal_reviewer import review_until_killed
from support.transactions import check_sound

from ipml.enforcement.actions import Enforcement
from ipml.enforcement.policy import EnforcementPolicy, load_enforcement_policy
from ipml.enforcement.views.overview import find_gaps
from ipml.records import Decision, Listing, Reason, ScoredListing, Verdict
from ipml.review.arrivals.intake import enqueue
from ipml.review.decisions import Origin, record_all
from ipml.review.near_duplicates.clusters import lock_clusters
from ipml.review.reversals import ReviewContext
from ipml.review.undo import UndoRequest, undo
from ipml.storage.database import reading, writing
from ipml.storage.pseudonyms import read_keys
from ipml.storage.tables import decisions, evidence, measures, metadata, outbox, seller_keys, statements, strikes

EXAMPLES = int(os.environ.get("IPML_TEST_EXAMPLES", "6"))
NOON = datetime(2026, 5, 2, 12, tzinfo=UTC)
GROUNDS = ("declared_replica", "wrong_features", "price_and_seller")
ENCRYPTED = ("encrypted", "why", "letter", "body", "why_lifted", "why_ended")


@dataclass(frozen=True)
class Look:
    """A listing, which may be like others, and the verdict on it."""

    listing: int
    seller: int
    title: str
    brand: str | None
    sales: int | None
    score: float
    verdict: Verdict
    ground: str
    is_before: bool


LOOKS = st.builds(
    Look,
    listing=st.integers(1, 20),
    seller=st.integers(1, 3),
    title=st.sampled_from(["Leather bag, brown, mirror quality", "Steel watch", "Running shoes, white, size 42"]),
    brand=st.sampled_from([None, "Acme", "Nord"]),
    sales=st.sampled_from([None, 0, 5]),
    score=st.sampled_from([0.5, 0.7, 0.95]),
    verdict=st.sampled_from([*[Verdict.COUNTERFEIT] * 5, Verdict.GENUINE, Verdict.CANNOT_TELL, Verdict.ESCALATE]),
    ground=st.sampled_from(GROUNDS),
    is_before=st.booleans(),
)
ORIGINS = st.sampled_from([Origin("bulk", "bulk:1"), Origin("policy"), Origin("review"), Origin("spread", "s", 1)])


@pytest.fixture(scope="module")
def policy():
    """Return a policy under which listings get several kinds of measures, and many are told of them."""
    usual = load_enforcement_policy().model_dump()
    usual["measures"] |= {
        "rules": [
            {"kind": "label", "score_below": 0.6},
            {"kind": "remove-in", "territories": ["DE"], "brands": ["Nord"]},
            {"kind": "pause", "days": 9, "grounds": ["wrong_features"]},
        ],
        "tells": {"remove": {"holder": True, "buyers_days": 30}},
    }
    return EnforcementPolicy.model_validate(usual)


@on_both
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to make a failure smaller takes minutes on a database
)
@given(
    looks=st.lists(LOOKS, min_size=2, max_size=9, unique_by=lambda look: look.listing),
    origin=ORIGINS,
    undone=st.booleans(),
    minutes=st.integers(0, 1),
)
def test_together_is_as_one_after_the_other(engine, policy, looks, origin, undone, minutes):
    """For any mixture of sellers, verdicts, brands and earlier strikes every table holds the same words."""
    left, follow = [], Enforcement(policy)
    for decide in (_decide_singly, record_all):
        empty_tables(engine)
        _set_up(engine, looks, undone, follow)
        with writing(engine) as connection:
            wanted = _wanted(connection, looks, minutes)
            made = decide(connection, wanted, replace(origin, key="key"), ReviewContext(actions=follow))
        left.append(([decision.verdict for decision in made], _read_all(engine)))
    assert left[0] == left[1]


def _decide_singly(connection, wanted, origin, context):
    made = []
    for number, one in enumerate(wanted):
        made += record_all(connection, [one], origin if number == 0 else replace(origin, key=None), context)
    return made


def _set_up(engine, looks, undone, follow):
    """Put all cases into the queue, and decide some of them before, the first of which may be taken back."""
    enqueue(engine, [_scored(number, look) for number, look in enumerate(looks)], now=NOON)
    with writing(engine) as connection:
        rows = lock_clusters(connection, range(1, len(looks) + 1))
        before = [
            (rows[number], _decision(rows[number], look, NOON))
            for number, look in enumerate(looks, 1)
            if _is_before(looks, look)
        ]
        made = _decide_singly(connection, before, Origin(), ReviewContext(actions=follow))
    if undone and made:
        with writing(engine) as connection:
            request = UndoRequest("ben", "a mistake", may_undo_others=True)
            undo(connection, made[0].decision_id, request, now=NOON, context=ReviewContext(actions=follow))


def _is_before(looks, look):
    return look.is_before and look is not looks[-1]


def _wanted(connection, looks, minutes):
    rows = lock_clusters(connection, range(1, len(looks) + 1))
    at = NOON + timedelta(days=9)
    left = [(number, look) for number, look in enumerate(looks, 1) if not _is_before(looks, look)]
    return [
        (rows[number], _decision(rows[number], look, at + timedelta(minutes=minutes * number))) for number, look in left
    ]


def _scored(number, look):
    usual = {"price": 80.0, "currency": "EUR", "seller_listings": 40.0, "seller_age_days": 30.0}
    moments = {"observed_at": NOON - timedelta(hours=number + 1), "listed_at": NOON - timedelta(days=3)}
    own = {"title": look.title, "brand": look.brand, "listing_sales": look.sales}
    listing = Listing(f"L{look.listing}", f"s{look.seller}", **own, **usual, **moments)
    return ScoredListing(listing, look.score, 1.0, (Reason("price.brand", "Low", 1.5),), (), None, "m1")


def _decision(row, look, at):
    ground = look.ground if look.verdict is Verdict.COUNTERFEIT else ""
    return Decision(0, row.case_id, row.listing_id, look.verdict, ground, "looked at", "ana", at)


def _read_all(engine):
    """Return what all tables hold, opened, without what is drawn at random and numbers that follow the order."""
    with reading(engine) as connection:
        check_sound(connection)
        keys = connection.execute(select(seller_keys)).all()
        ring = read_keys(connection, [row.pseudonym for row in keys])
        stated = connection.execute(select(statements)).all()
        names = {row.pseudonym: row.seller_id for row in keys}
        names |= {row.puid: f"puid of {row.subject}" for row in stated}
        names |= {f'"transparency:{row.statement_id}"': f'"transparency of {row.subject}"' for row in stated}
        rows = {
            name: [_open(row, ring) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for name, table in metadata.tables.items()
            if name not in ("seller_keys", "strikes_taken_back")
        }
    tell = _make_telling(names)
    return {name: _order(name, [tell(row) for row in of_table], of_table) for name, of_table in rows.items()}


def _open(row, ring):
    fields = row._asdict()
    if pseudonym := fields.get("pseudonym"):
        fields |= {name: ring.decrypt(pseudonym, fields[name]) for name in ENCRYPTED if fields.get(name)}
    return fields


def _make_telling(names):
    def tell(row):
        left_out = ("statement_id", "message_id", "sequence", "hash", "previous", "digest")
        text = json.dumps({name: value for name, value in row.items() if name not in left_out}, default=str)
        for name, known_as in names.items():
            text = text.replace(name, known_as)
        text = re.sub(r"((?:measure|penalty)-\d+-[a-z-]+)-[0-9a-f]{8}(?![0-9a-f])", r"\1", text)
        text = re.sub(r'\\"salt\\":\\"[0-9a-f]+|person-[0-9a-f]{16}|[0-9a-f]{64}', "drawn", text)
        text = re.sub(r'(\\"row\.\w+\\":\\")[^"]+', _name_stamped, text)
        return re.sub(r'\\"statement\\":\d+|"message:\d+"', "numbered", text)

    return tell


def _name_stamped(stamps):
    """Return which rows an entry holds digests of: what is drawn at random is in the digests, too."""
    numbers = re.findall(r"(\d+):", stamps[0].removeprefix(stamps[1]))
    is_numbered = re.search(r"outbox|statements|measure_messages", stamps[1])
    return stamps[1] + ("numbered" if is_numbered else " ".join(numbers)) + "\\"


def _order(name, told, rows):
    """Return rows as they are compared: of each subject of the trail and of each message in order, others sorted."""
    if name not in ("audit", "outbox"):
        return sorted(told)
    groups = defaultdict(list)
    for text, row in zip(told, rows, strict=True):
        is_told = name == "outbox"
        about = f"{row['channel']} {json.loads(text)['subject']}" if is_told else row["subject"].split("message:")[0]
        groups[about].append(text)
    groups[""].sort()  # entries of messages, whose numbers follow the order
    return [text for about in sorted(groups) for text in groups[about]]


KILLS = int(os.environ.get("IPML_TEST_KILLS", "6"))
STEPS = 60  # of a decision, its undoing, the one anew and what follows; the last kills come after all commits


@pytest.mark.slow
@on_both
def test_a_decision_and_all_that_follows_are_one(engine, make_scored):
    """Whatever statement the process dies before, nothing is there in part, and the trail is whole."""
    enqueue(engine, [make_scored(f"L{n}", 0.9, seller_id=f"s{n % 3}", country="DE") for n in range(3 * KILLS)])
    kept = [_die(engine, 1 + attempt * STEPS // KILLS) for attempt in range(KILLS)]
    assert len(set(kept)) > KILLS // 4  # some died before their commit, some after it


def _die(engine, steps):
    """Run a reviewer who dies before so many statements; return how many decisions there are."""
    review_until_killed(engine, steps)
    with reading(engine) as connection:
        assert list(find_gaps(connection)) == []
        made = select(func.count()).select_from(decisions)
        n_made = connection.scalar(made) or 0
        taken_down = connection.scalar(made.where(decisions.c.verdict == Verdict.COUNTERFEIT))
        assert connection.scalar(select(func.count()).select_from(evidence)) == n_made
        for table in (measures, strikes):
            assert connection.scalar(select(func.count()).select_from(table)) == taken_down
        letters = select(func.count()).select_from(outbox).where(outbox.c.kind == "statement")
        stated = connection.scalar(select(func.count()).select_from(statements))
        assert connection.scalar(letters.where(outbox.c.channel == "seller")) == stated
    return n_made
