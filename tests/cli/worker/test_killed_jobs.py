"""`ipml worker` with all its jobs, killed again and again at random moments; on both databases.

What it does is there once at the end, and what it writes is whole.
"""

import json
import os
import random
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZipFile

import pandas as pd
import pytest
from sqlalchemy import Engine, func, select
from support.databases import on_both
from support.invented import invented_messages
from support.receiver import SECRET, Receiver, listening, wait_until

from ipml.cooperation.networks.store import load_networks
from ipml.storage import outbox
from ipml.storage.audit_trail.anchors import read_anchors
from ipml.storage.database import open_database, reading, writing
from ipml.storage.jobs import JOBS
from ipml.storage.tables import cases, jobs, portfolio_listings, portfolios
from ipml.storage.tables import outbox as messages

pytestmark = pytest.mark.slow

ROUNDS, PATIENCE_SECONDS = 3, 300
MESSAGES, LISTINGS = 40, 60  # that come in each round
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Marketplace:
    """A database with all that gives a worker something to do, and workers on it."""

    def __init__(self, url: str, folder: Path, model: Path, receiver: Receiver, listings: pd.DataFrame) -> None:
        self.engine, self.folder, self.listings = open_database(url), folder, listings
        self.incoming, self.n_keys = folder / "incoming", 0
        self.incoming.mkdir()
        (folder / "webhook.secret").write_text(f"whsec_{b64encode(SECRET).decode()}\n")
        (folder / "webhook.secret").chmod(0o600)
        self.env = os.environ | {
            "IPML_DATABASE": url,
            "IPML_JOBS": json.dumps({job.name: "1s" for job in JOBS}),
            "IPML_MODEL": str(model),
            "IPML_INCOMING": str(self.incoming),
            "IPML_INCOMING_TOP": "10",
            "IPML_EXPLORE": "0",
            "IPML_BACKUPS": str(folder / "backups"),
            "IPML_BACKUPS_KEPT": "5",
            "IPML_ANCHORS": str(folder / "anchors.jsonl"),
            "IPML_LABELS": str(folder / "labels.parquet"),
            "IPML_NETWORK_ATTRIBUTES": str(folder / "attributes.parquet"),
            "IPML_NETWORKS": str(folder / "networks"),
            "IPML_PICTURES": str(folder / "pictures"),
            "IPML_WEBHOOK_URL": receiver.url,
            "IPML_WEBHOOK_SECRET": str(folder / "webhook.secret"),
        }
        sellers = [f"s-{number}" for number in range(40)]
        shared = {"seller_id": sellers, "kind": "payout", "value": [f"v-{at // 2}" for at in range(40)]}
        pd.DataFrame(shared | {"seen_at": pd.Timestamp("2026-03-01", tz="UTC")}).to_parquet(
            folder / "attributes.parquet"
        )

    def bring(self, number: int) -> None:
        """Have messages to deliver, and a file of listings to score."""
        with writing(self.engine) as connection:
            for at in range(self.n_keys, self.n_keys + MESSAGES):
                what = {"channel": "platform", "kind": "measure", "body": {"at": at}, "pseudonym": None, "now": NOW}
                outbox.put(connection, key=f"key-{at:04}", subject=f"measure:{at % 7}", **what)
        self.n_keys += MESSAGES
        part = self.incoming / f"{number:02}.parquet.part"
        self.listings[number * LISTINGS : (number + 1) * LISTINGS].to_parquet(part)
        part.rename(part.with_suffix(""))

    def start(self) -> subprocess.Popen[bytes]:
        """Start a worker."""
        with (self.folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "ipml", "worker"]
            return subprocess.Popen(command, env=self.env, cwd=self.folder, stdout=log, stderr=log)

    def log(self) -> str:
        """Return what the workers said."""
        return (self.folder / "log").read_text()

    def is_done(self) -> bool:
        """Say whether all that came was done."""
        with reading(self.engine) as connection:
            waiting = connection.scalar(select(func.count()).where(messages.c.state == "waiting"))
        return not waiting and not [*self.incoming.glob("*.parquet")]

    def were_all_done(self, since: datetime) -> bool:
        """Say whether each job was done since a moment."""
        with reading(self.engine) as connection:
            done = {row.name: row.done_at for row in connection.execute(select(jobs))}
        return all(done.get(job.name) and done[job.name] > since for job in JOBS if job.name not in OFF)


OFF = ("statements", "drift")  # they need what this marketplace has not


@pytest.fixture
def marketplace(
    engine: Engine, database_url: str, tmp_path: Path, saved_model: Path, market
) -> Iterator[tuple[Marketplace, Receiver]]:
    """Return a marketplace, and the platform that its messages go to."""
    with listening(Receiver()) as receiver:
        made = Marketplace(database_url, tmp_path, saved_model, receiver, market.listings)
        yield made, receiver
        made.engine.dispose()


@invented_messages
@on_both
@pytest.mark.parametrize("seed", [1])
def test_whenever_a_worker_is_killed_each_thing_is_done_once(
    marketplace: tuple[Marketplace, Receiver], seed: int
) -> None:
    """Messages are delivered, files enqueued, backups, anchors, labels and networks whole."""
    place, receiver = marketplace
    draw = random.Random(seed)
    for number in range(ROUNDS):
        place.bring(number)
        n_leads = place.log().count("This worker leads") if number else 0
        worker = place.start()
        try:
            wait_until(has_said(place, "This worker leads", n_leads + 1), PATIENCE_SECONDS)
            time.sleep(draw.uniform(0, 4))
        finally:
            worker.kill()
            worker.wait()
        read_files(place)  # what is there is whole at any moment
    since = datetime.now(UTC)
    worker = place.start()
    try:
        wait_until(lambda: place.is_done() and place.were_all_done(since), PATIENCE_SECONDS)
    except AssertionError:
        raise AssertionError(place.log()[-5_000:]) from None
    finally:
        worker.terminate()
        try:
            assert worker.wait(PATIENCE_SECONDS) == 0, place.log()[-3_000:]
        finally:
            worker.kill()
    assert sorted(receiver.keys) == [f"key-{at:04}" for at in range(place.n_keys)]
    assert len([*(place.incoming / "done").iterdir()]) == ROUNDS
    with reading(place.engine) as connection:
        ids = list(connection.scalars(select(cases.c.listing_id)))
        weighed = list(connection.execute(select(portfolio_listings.c.listing_id, portfolio_listings.c.suspicion)))
        sums = connection.execute(select(func.sum(portfolios.c.n), func.sum(portfolios.c.suspicion))).one()
    assert ids
    assert len(ids) == len({*ids})
    assert sorted(row.listing_id for row in weighed) == sorted(place.listings["listing_id"][: ROUNDS * LISTINGS])
    counted = [row.suspicion for row in weighed if row.suspicion is not None]
    assert sums == (len(counted), sum(counted))
    assert read_files(place) == {"anchors", "backups", "labels", "networks"}
    assert not [*(place.folder / "backups").glob("*.partial")]


def has_said(place: Marketplace, words: str, times: int) -> Callable[[], bool]:
    """Return what says whether the workers said something so many times."""
    return lambda: place.log().count(words) >= times


def read_files(place: Marketplace) -> set[str]:
    """Read the files that jobs write, and return which there are; what is there is whole."""
    found = set()
    if anchors := read_anchors(place.folder / "anchors.jsonl"):
        assert [one.count for one in anchors] == sorted(one.count for one in anchors)
        found.add("anchors")
    for path in (place.folder / "backups").glob("*.zip"):
        with ZipFile(path) as archive:
            assert archive.testzip() is None
        found.add("backups")
    if (place.folder / "labels.parquet").exists():
        pd.read_parquet(place.folder / "labels.parquet")
        found.add("labels")
    if (place.folder / "networks").exists():
        assert len(load_networks(place.folder / "networks").numbers) == 20
        found.add("networks")
    return found
