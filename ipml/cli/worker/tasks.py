"""Tasks: the work of each job, done once."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from ipml.cli.worker.incoming import find_recent, get_served, remove_old, take_in
from ipml.cli.worker.loop import JobRun, Task
from ipml.errors import Failed

if TYPE_CHECKING:
    from ipml.review.pictures.hashes import HashIndex

_log = logging.getLogger(__name__)

_LEASE = timedelta(minutes=1)  # longest wait of messages that a killed worker was sending


def deliver(run: JobRun) -> str:
    """Deliver all messages that are due."""
    from ipml.cli.desk.outbox import describe_tally, make_sink
    from ipml.enforcement.takedown.delivery import Tally, deliver_due

    sink = make_sink(run.settings)
    try:
        total = sum(deliver_due(run.engine, sink, lease=_LEASE, is_stopped=run.is_stopped), Tally())
    finally:
        sink.close()
    return describe_tally(total) if total.total else ""


def run_deadlines(run: JobRun) -> str:
    """Start and expire the deadlines of notices and appeals; the log names each that failed."""
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.notices.outcomes import run_notice_deadlines
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.appeals.remedies import AppealContext
    from ipml.enforcement.appeals.resolution import run_appeal_deadlines
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy(run.settings.policy_enforcement)
    cooperation = load_cooperation_policy(run.settings.policy_cooperation)
    run_notice_deadlines(run.engine, policy=cooperation)  # first: a deadline starts once the notifier was notified too
    done = run_appeal_deadlines(run.engine, AppealContext(policy, Cooperation(policy, cooperation)))
    for failure in done.failed:
        _log.warning("%s", failure)
    if done.failed:
        raise Failed("deadlines", "; ".join(done.failed[:3]), "The log names all; the next run tries them again.")
    if not any((done.marked, done.unmarked, done.expired)):
        return ""
    return f"{done.expired} deadlines expired, {done.marked} marked, {done.unmarked} marks withdrawn."


def end_measures(run: JobRun) -> str:
    """End expired measures and penalties."""
    from ipml.enforcement.actions import end_due
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy(run.settings.policy_enforcement)
    ended = end_due(run.engine, policy, is_stopped=run.is_stopped)
    is_any = ended.measures or ended.penalties
    return f"{ended.measures:,} measures and {ended.penalties:,} penalties ended." if is_any else ""


def rescore(run: JobRun) -> str:
    """Score listings that came over HTTP again, after news of their seller or with a new model.

    Listings scored by another model are first added to the new model's portfolios, which its scores need.
    """
    from ipml.review.arrivals.marketplace import has_listings, rescore_changed
    from ipml.review.arrivals.stream_intake import IntakeModel
    from ipml.review.sellers.portfolios import rebuild_portfolios
    from ipml.storage.database import reading

    with reading(run.engine) as connection:
        if not has_listings(connection):
            return ""
    model, now = get_served(run.settings).take(), datetime.now(UTC)
    asked = IntakeModel(model.version, lambda some, earlier, explain: model.score_records(some, explain, earlier)[0])
    added = rebuild_portfolios(
        run.engine, model.version, lambda some: model.score_records(some)[0], now, is_stopped=run.is_stopped
    )
    count = rescore_changed(run.engine, asked, now, is_stopped=run.is_stopped)
    said = f"{added:,} listings added to portfolios.", f"{count:,} listings scored again."
    return " ".join(words for number, words in zip((added, count), said, strict=True) if number)


@cache
def _get_hash_index(_: Engine, job: str) -> HashIndex:  # noqa: ARG001
    """Return the picture hashes of a database for the runs of one job, so that jobs do not wait for each other."""
    from ipml.review.pictures.hashes import HashIndex

    return HashIndex()


def _fetch_pictures(run: JobRun) -> str:
    """Fetch the pictures that are due."""
    from ipml.review.pictures.addresses import PictureSources
    from ipml.review.pictures.collection import fetch_due
    from ipml.review.pictures.hashes import group_pictures

    assert run.settings.pictures is not None  # else the job is off
    sources = PictureSources.read(run.settings)
    tally = fetch_due(run.engine, run.settings.pictures, sources, is_stopped=run.is_stopped)
    index, joins_alike = _get_hash_index(run.engine, "pictures"), run.settings.near_duplicates
    group_pictures(run.engine, run.settings.pictures, index, joins_alike=joins_alike, is_stopped=run.is_stopped)
    counts = ((tally.stored, "stored"), (tally.failed, "could not be had"), (tally.later, "to be tried again"))
    said = ", ".join(f"{count:,} {words}" for count, words in counts if count)
    return f"Pictures: {said}." if said else ""


_LOOKED_BACK = timedelta(hours=1)  # before the last screening: a case's pictures may be grouped after its decision


def _screen_pictures(run: JobRun) -> str:
    """Screen due pictures, and score listings with a match again, so that they become cases."""
    from ipml.review.pictures.addresses import PictureSources
    from ipml.review.pictures.screening import screen_due
    from ipml.storage.database import reading
    from ipml.storage.jobs import read_states

    assert run.settings.pictures is not None  # else the job is off
    with reading(run.engine) as connection:
        state = read_states(connection).get("screening")
    since = state.done_at - _LOOKED_BACK if state and state.done_at else None
    sources, index = PictureSources.read(run.settings), _get_hash_index(run.engine, "screening")
    tally = screen_due(run.engine, run.settings.pictures, sources, index, since=since, is_stopped=run.is_stopped)
    return " ".join(filter(None, (tally.words, rescore(run) if tally.matched else "")))


def act_without_review(run: JobRun) -> str:
    """Act on what the policy allows, if it is on."""
    from ipml.cooperation.actions import Cooperation
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.enforcement.automation.automatic_decisions import act
    from ipml.enforcement.policy import load_enforcement_policy

    policy = load_enforcement_policy(run.settings.policy_enforcement)
    if not policy.automatic.is_on:
        return ""
    actions = Cooperation(policy, load_cooperation_policy(run.settings.policy_cooperation))
    acted = act(run.engine, policy, run.settings, actions=actions)
    is_any = acted.decided or acted.drawn
    return f"{acted.decided:,} listings acted on, {acted.drawn:,} drawn for people." if is_any else ""


def send_statements(run: JobRun) -> str:
    """Send pending statements of reasons."""
    from ipml.cli.desk.outbox import describe_sent
    from ipml.cli.desk.outbox import send_statements as send

    sent = send(run.engine, run.settings)
    if sent.dead or sent.waiting:
        raise Failed("statements", describe_sent(sent).rstrip("."), "`ipml enforce statement send` says more.")
    return describe_sent(sent) if sent.delivered else ""


def anchor(run: JobRun) -> str:
    """Add an anchor to the file of anchors."""
    from ipml.cli.desk.evidence import anchor_trail

    made = anchor_trail(run.engine, run.settings.anchors, run.settings.anchor_key)
    return f"{made.count:,} rows anchored."


_BACKUP = re.compile(r"ipml-\d{8}T\d{6}Z\.zip")
_LEFT_BEHIND = re.compile(_BACKUP.pattern + r"\.\d+\.partial")


def back_up(run: JobRun) -> str:
    """Write a backup, and delete surplus old ones and remains of killed runs."""
    from ipml.storage.backup import back_up as write_backup

    folder = run.settings.backups
    assert folder is not None  # else the job is off
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"ipml-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.zip"
    for half in [one for one in folder.iterdir() if _LEFT_BEHIND.fullmatch(one.name)]:
        half.unlink(missing_ok=True)
    manifest = write_backup(run.engine, path)
    backups = sorted(one for one in folder.iterdir() if _BACKUP.fullmatch(one.name))
    for old in [one for one in backups if one != path][: -run.settings.backups_kept + 1 or None]:
        old.unlink(missing_ok=True)
    return f"{manifest.rows:,} rows of {len(manifest.tables)} tables into {path.name}."


def expire(run: JobRun) -> str:
    """Delete expired records, and old files of listings."""
    from ipml.enforcement.policy import load_enforcement_policy
    from ipml.enforcement.privacy.retention import run_retention
    from ipml.review.pictures.stored import sweep_files

    policy = load_enforcement_policy(run.settings.policy_enforcement)
    expired = run_retention(run.engine, policy, is_stopped=run.is_stopped)
    sweep_files(run.engine, run.settings.pictures, is_stopped=run.is_stopped)
    n_files = remove_old(run.settings)
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in expired.counts.items() if count]
    return ", ".join([*counts, *[f"{n_files:,} files of listings"] * bool(n_files)])


def match_notices(run: JobRun) -> str:
    """Match notices with listings that arrived since."""
    from ipml.cooperation.notices.intake import match_notices as match
    from ipml.cooperation.policy import load_cooperation_policy

    found = match(run.engine, policy=load_cooperation_policy(run.settings.policy_cooperation)).found
    return f"{found:,} listings of notices were found." if found else ""


def find_misuse(run: JobRun) -> str:
    """Count the notifiers that a lead should judge."""
    from ipml.cooperation.notifiers.misuse import find_misuse as propose_steps
    from ipml.cooperation.policy import load_cooperation_policy
    from ipml.storage.database import reading

    rules = load_cooperation_policy(run.settings.policy_cooperation).notifiers
    with reading(run.engine) as connection:
        found = propose_steps(connection, rules, datetime.now(UTC))
    return f"{len(found):,} notifiers to be judged by a lead: see the page Reporters." if found else ""


def find_networks(run: JobRun) -> str:
    """Add shared attributes of sellers to the networks."""
    from ipml.cli.desk.cooperate.network import add_to_networks, describe_networks

    assert run.settings.network_attributes is not None  # else the job is off
    networks, newcomers = add_to_networks(run.settings.network_attributes, run.settings.networks or Path("networks"))
    return f"{describe_networks(networks)}; {len(newcomers):,} came into known ones."


def write_labels(run: JobRun) -> str:
    """Write the file of labels."""
    from ipml.cli.model.labels import write_labels as write
    from ipml.storage.database import reading

    assert run.settings.labels is not None  # else the job is off
    with reading(run.engine) as connection:
        return write(connection, run.settings.labels)


def measure_drift(run: JobRun) -> str:
    """Compare the listings of the last days with the reference."""
    import pandas as pd

    from ipml.cli.model.models import compare_with_training
    from ipml.scoring.batch.file_scoring import read_good_chunks

    source, files = run.settings.drift_reference, find_recent(run.settings)
    assert source is not None  # else the job is off
    frames = [frame for file in files for frame, _ in read_good_chunks(file)]
    if not frames:
        return ""
    is_file = source.endswith(".json")
    listings = pd.concat(frames, ignore_index=True)
    report = compare_with_training(source, run.settings.model if is_file else source, listings)
    moved = "".join(f" {check.sentence}" for check in report.checks[:1] if check.alarm != "none")
    return f"{report.n_listings:,} listings, {len(report.checks)} checks: {report.verdict}.{moved}"


TASKS: Mapping[str, Task] = {
    "deliver": deliver,
    "deadlines": run_deadlines,
    "notices": match_notices,
    "ends": end_measures,
    "score": take_in,
    "rescore": rescore,
    "pictures": _fetch_pictures,
    "screening": _screen_pictures,
    "automatic": act_without_review,
    "statements": send_statements,
    "anchor": anchor,
    "backup": back_up,
    "retention": expire,
    "notifiers": find_misuse,
    "networks": find_networks,
    "labels": write_labels,
    "drift": measure_drift,
}
