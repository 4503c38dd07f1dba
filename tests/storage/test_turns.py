"""Taking turns: one at a time, and nobody waits for ever."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import Engine

from ipml.storage.database import turn, writing

KEEPS_ITS_TURN = """
import sys
from pathlib import Path
from ipml.storage.database import turn
with turn(Path(sys.argv[1]), 20):
    print("mine", flush=True)
    sys.stdin.read()
"""


def test_a_turn_is_ones_own(tmp_path: Path):
    """Of eight who want it at once one at a time has it."""
    inside = threading.Semaphore(1)

    def take(_: int) -> bool:
        with turn(tmp_path / "turn", 20):
            alone = inside.acquire(blocking=False)
            inside.release() if alone else None
        return alone

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(take, range(200))) == [True] * 200


def test_who_waits_in_vain_goes_on_and_leaves_nothing_locked(tmp_path: Path):
    """A turn that does not end keeps nobody for longer than their patience; once it ends the next has theirs."""
    with turn(tmp_path / "turn", 20), ThreadPoolExecutor(1) as pool:
        assert pool.submit(_enters, tmp_path / "turn", 0.05).result()
    with turn(tmp_path / "turn", 20):
        pass


def test_a_turn_ends_with_its_process(tmp_path: Path):
    """Who is killed keeps nobody waiting."""
    command = [sys.executable, "-c", KEEPS_ITS_TURN, str(tmp_path / "turn")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "mine\n"
    with ThreadPoolExecutor(1) as pool:
        next_one = pool.submit(_enters, tmp_path / "turn", 600)
        holder.kill()
        holder.communicate()
        assert next_one.result(timeout=60)


def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path):
    """Where no file can be made there are no turns, and SQLite alone decides."""
    assert _enters(tmp_path / "missing" / "turn", 20)


def test_writing_to_sqlite_takes_a_turn(engine: Engine):
    """The file is beside the database; a server needs none."""
    with writing(engine):
        pass
    if engine.dialect.name == "sqlite":
        assert Path(f"{engine.url.database}-turn").read_bytes() == b""


def _enters(path: Path, patience_seconds: float) -> bool:
    with turn(path, patience_seconds):
        return True
