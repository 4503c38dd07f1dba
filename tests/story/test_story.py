"""A marketplace lives with ipml for sixty days, and at the end both agree on everything.

`STORY_SEEDS=3,4,5` runs other stories, `STORY_DAYS` longer ones.
"""

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from support.databases import empty_postgres
from support.postgres import LASTING, own_server

from ipml.model.model_file import save_model
from ipml.records import Listing
from ipml.review.arrivals.snapshot import decode
from ipml.storage.database import open_database, reading
from ipml.storage.tables import (
    audit,
    cases,
    decisions,
    listings,
    measures,
    metadata,
    notice_items,
    notices,
    outbox,
    reversals,
    second_reviews,
)
from story.story import Story

pytestmark = pytest.mark.slow

SEEDS = [int(seed) for seed in os.environ.get("STORY_SEEDS", "1").split(",")]
DAYS = int(os.environ.get("STORY_DAYS", "60"))
_BY_ITSELF = ("enqueued", "rescored", "superseded")
WAYS = [(way, seed) for seed in SEEDS for way in os.environ.get("STORY_WAYS", "sqlite,postgresql").split(",")]


@pytest.fixture(scope="module")
def model(classifier: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the small marketplace's model."""
    folder = tmp_path_factory.mktemp("story") / "model"
    save_model(classifier, folder, name="market", data_digest="0", experiment={}, figures={})
    return folder


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def story(request: pytest.FixtureRequest, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Return a story that was lived through; the worker and the server still run."""
    way, seed = request.param
    folder = tmp_path_factory.mktemp(way)
    with ExitStack() as stack:
        server = None
        if way == "postgresql":
            server = stack.enter_context(own_server(LASTING))
            if server is None:
                pytest.skip("no PostgreSQL to start: install Debian's package postgresql")
        url = stack.enter_context(empty_postgres(server)) if server else f"sqlite:///{folder / 'ipml.db'}"
        told = Story(folder, url, model, seed, n_days=DAYS, postgres=server, is_one_process=way == "one")
        try:
            told.live()
            yield told
            told.end()
        finally:
            told.kill_all()


@pytest.fixture(scope="module")
def files(story: Story) -> dict[str, dict[str, Any]]:
    """Return all that ipml says of each listing that the marketplace has."""
    ids = [str(listing_id) for (listing_id,) in story.ask_shop("SELECT listing_id FROM offers")]
    answers = {listing_id: story.ask_ipml(f"/v1/listings/{listing_id}") for listing_id in ids}
    assert {answer.status_code for answer in answers.values()} == {200}
    return {listing_id: answer.json() for listing_id, answer in answers.items()}


def ask(story: Story, query: Any) -> list[Any]:
    """Ask ipml's database."""
    with reading(story.engine) as connection:
        return list(connection.execute(query).all())


def read_moment(text: str) -> datetime:
    """Return a moment."""
    return datetime.fromisoformat(text)


def test_much_happened(story: Story) -> None:
    """Listings were taken down, appeals were granted and rejected, and notices came: else the story shows nothing."""
    assert story.n_decided > DAYS
    filed = [json.loads(str(body))["appeal"] for (body,) in _find_appeals(story)]
    outcomes = Counter(story.ask_ipml(f"/v1/appeals/{number}").json()["state"] for number in filed)
    assert min(outcomes["granted"], outcomes["rejected"]) > 0
    assert ask(story, select(func.count()).select_from(measures))[0][0] > DAYS / 6
    assert ask(story, select(func.count()).select_from(notice_items))[0][0] > DAYS / 10


def test_both_know_the_same_listings(story: Story, files: dict[str, dict[str, Any]]) -> None:
    """Both have the same seller, version and end of each listing; each has a score."""
    rows = ask(story, select(listings.c.listing_id, listings.c.snapshot))
    known = {row.listing_id: decode(row.snapshot).listing for row in rows}
    query = "SELECT listing_id, seller_id, content, observed_at, is_withdrawn FROM offers"
    ours = {row[0]: row[1:] for row in story.ask_shop(query)}
    assert set(known) == set(ours)
    for listing_id, (seller_id, content, observed_at, is_withdrawn) in ours.items():
        file, listing = files[listing_id], known[str(listing_id)]
        assert file["score"] is not None
        assert (file["seller_id"], listing.seller_id) == (seller_id, seller_id)
        assert {name: getattr(listing, name) for name in json.loads(str(content))} == json.loads(str(content))
        assert bool(is_withdrawn) == (file["withdrawn_at"] is not None)
        assert read_moment(file["withdrawn_at"] or file["observed_at"]) == read_moment(str(observed_at))


def test_both_agree_on_what_is_shown(story: Story, files: dict[str, dict[str, Any]]) -> None:
    """The measures in force are those the marketplace has done, and its page shows what none of them hides."""
    shown = set(re.findall(r'<p id="(\w+)">', httpx.get(story.market_address).text))
    for listing_id, is_withdrawn, done in story.ask_shop("SELECT listing_id, is_withdrawn, measures FROM offers"):
        in_force = files[str(listing_id)]["measures"]
        assert {one["measure"] for one in in_force} == {one["measure"] for one in json.loads(str(done))}
        assert {one["state"] for one in in_force} <= {"done"}
        hides = any(one["kind"] in ("pause", "remove") for one in in_force)
        assert (listing_id in shown) == (not is_withdrawn and not hides), listing_id


def test_nothing_is_reviewed_twice_without_a_reason(story: Story) -> None:
    """A listing comes back only changed, noticed, appealed, more suspicious, or if a change was worked on meanwhile."""
    worked_on = _find_worked_on(story)
    taken_back = ask(story, select(decisions).join(reversals, reversals.c.decision_id == decisions.c.decision_id))
    undone, reopened = {row.decision_id for row in taken_back}, {row.case_id for row in taken_back}
    noted = {row.case_id for row in ask(story, select(notice_items.c.case_id))}
    columns = cases.c.case_id, cases.c.listing_id, cases.c.snapshot, decisions.c.decision_id, decisions.c.verdict
    query = select(*columns).join(decisions, decisions.c.case_id == cases.c.case_id).order_by(decisions.c.decision_id)
    last: dict[str, Any] = {}
    for row in ask(story, query):
        before = last.get(row.listing_id)
        last[row.listing_id] = row
        if before is None or before.verdict == "escalate" or before.decision_id in undone:
            continue
        if row.case_id < before.case_id:  # an appeal about what the listing was before it was changed
            assert row.case_id in reopened, (before, row)
            continue
        was, is_ = decode(before.snapshot), decode(row.snapshot)
        between = [number for number in worked_on[row.listing_id] if before.case_id < number < row.case_id]
        is_changed = bool(between) or _differ(was.listing, is_.listing)
        has_risen = before.verdict != "counterfeit" and (is_.score or 0) - (was.score or 0) > 0.2
        assert is_changed or has_risen or row.case_id in noted, (before, row)


def test_no_request_is_lost(story: Story) -> None:
    """Everything the marketplace has sent was answered; refused was only an appeal against what is no more."""
    odd = story.ask_shop("SELECT path, status, answer FROM outbox WHERE status IS NULL OR status NOT IN (200, 201)")
    assert {(path, status) for path, status, _ in odd} <= {("/v1/appeals", 404), ("/v1/appeals", 409)}, odd


def test_no_message_is_lost_or_doubled(story: Story) -> None:
    """The marketplace has applied each delivered message once; withheld ones were out of date."""
    rows = ask(story, select(outbox).where(outbox.c.channel != "transparency"))
    delivered = [row.key for row in rows if row.state == "delivered"]
    assert Counter(str(key) for (key,) in story.ask_shop("SELECT webhook_id FROM messages")) == Counter(delivered)
    withheld = [row for row in rows if row.state != "delivered"]
    assert {(row.state, row.dropped_by, row.attempts) for row in withheld} <= {("dead", "ipml", 0)}
    assert {row.kind for row in withheld} <= {"buyers", "notice_outcome", "notice_correction"}


def test_every_removal_has_its_statement(story: Story) -> None:
    """For each measure its seller has a letter with the reasons, and one only."""
    letters = Counter(
        story.ask_shop("SELECT about, kind FROM letters WHERE kind = 'statement' AND about LIKE 'measure%'")
    )
    imposed = [f"measure:{row.measure_id}" for row in ask(story, select(measures.c.measure_id))]
    assert letters == Counter((name, "statement") for name in imposed)


def test_every_appeal_is_answered_in_time(story: Story) -> None:
    """Each is decided before the deadline that its receipt named, and the seller has a letter that says so."""
    for (body,) in _find_appeals(story):
        filed = json.loads(str(body))
        now = story.ask_ipml(f"/v1/appeals/{filed['appeal']}").json()
        assert now["state"] in ("granted", "partly granted", "rejected"), now
        assert read_moment(now["decided_at"]) < read_moment(filed["due_at"]), (filed, now)
        letters = "SELECT count(*) FROM letters WHERE about = ? AND kind = 'appeal'"
        assert story.ask_shop(letters, f"appeal:{filed['appeal']}") == [(2,)]


def test_every_notice_of_the_rights_holder_is_answered(story: Story) -> None:
    """People reviewed the listings of each notice, whatever their score, and the holder got the outcome."""
    query = select(notice_items.c.state).join(notices, notices.c.notice_id == notice_items.c.notice_id)
    states = {row.state for row in ask(story, query.where(notices.c.kind == "counterfeit"))}
    assert states <= {"upheld", "rejected", "undecided"}


def test_both_agree_on_penalties(story: Story) -> None:
    """The marketplace knows exactly the penalties in force."""
    penalties = metadata.tables["penalties"]
    told = {number for (number,) in story.ask_shop("SELECT penalty FROM sellers")}
    messages = [json.loads(str(text)) for (text,) in story.ask_shop("SELECT message FROM messages")]
    imposed = [one["data"]["penalty"] for one in messages if one["type"] == "ipml.penalty"]
    over = {one["data"]["penalty"] for one in messages if one["type"] == "ipml.penalty_lifted"}
    assert (len(imposed), told) == (len(set(imposed)), set(imposed) - over)
    in_force = penalties.c.imposed_at.is_not(None), penalties.c.ended_at.is_(None)
    assert told == {row.penalty_id for row in ask(story, select(penalties.c.penalty_id).where(*in_force))}


def test_the_audit_trail_is_whole(story: Story) -> None:
    """`ipml audit verify` finds nothing changed, by the anchors of all nights."""
    done = story.server.run("audit", "verify")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((story.folder / "anchors.jsonl").read_text().splitlines()) >= DAYS - 2


def test_the_doctor_sees_no_problem(story: Story) -> None:
    """`ipml doctor` ends with 0, and knows of the worker."""
    done = story.server.run("doctor")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a worker leads, and no job failed when it ran last" in done.stdout


def test_the_last_backup_restores(story: Story) -> None:
    """The newest backup fills another database with as many rows as it was written with."""
    newest = max((story.folder / "backups").iterdir())
    url = f"sqlite:///{story.folder / 'restored.db'}"
    done = story.server.run("admin", "restore", str(newest), "--new-list", "--database", url)
    assert done.returncode == 0, done.stdout + done.stderr
    restored = open_database(url)
    try:
        with reading(restored) as connection:
            restored_rows = connection.scalar(select(func.count()).select_from(listings))
    finally:
        restored.dispose()
    ((known,),) = story.ask_shop("SELECT count(*) FROM offers")
    assert 0.7 * int(str(known)) < (restored_rows or 0) <= int(str(known))


def _find_worked_on(story: Story) -> dict[str, list[int]]:
    """Return, by listing, the cases that were superseded after people had done something, or chance drawn them."""
    columns = cases.c.case_id, cases.c.listing_id, cases.c.lane, cases.c.drawn_at
    done = {row.subject for row in ask(story, select(audit.c.subject).where(audit.c.action.not_in(_BY_ITSELF)))}
    wanted = {row.case_id for row in ask(story, select(second_reviews.c.case_id))}
    found: dict[str, list[int]] = defaultdict(list)
    for row in ask(story, select(*columns).where(cases.c.state == "superseded")):
        if f"case:{row.case_id}" in done or row.case_id in wanted or row.lane == "explored" or row.drawn_at:
            found[row.listing_id].append(row.case_id)
    return found


def _differ(one: Listing, other: Listing) -> bool:
    """Say whether a listing was offered in other words, or at another price."""
    low, high = sorted((one.price or 1, other.price or 1))
    return (one.title, one.description) != (other.title, other.description) or high > 1.05 * low


def _find_appeals(story: Story) -> list[tuple[object, ...]]:
    """Return what was answered to each appeal that was taken in, each once."""
    return story.ask_shop("SELECT max(answer) FROM outbox WHERE path = '/v1/appeals' AND status = 200 GROUP BY body")
