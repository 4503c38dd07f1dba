"""Strangers' files: any file of up to a megabyte is read or refused in one line, in bounded memory and time."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ipml.errors import UnreadableFile
from ipml.kit.parquet.bounded_file import look_into
from ipml.listings.tables import read_tables
from ipml.model.model_file import save_model
from tests.listings.hostile_files import HOSTILE

MAX_BYTES = 1 << 20  # of a file
MEMORY = 4 << 30  # of addresses, which libraries take plenty of that they never fill
PEAK = 1_500  # MB in use
SECONDS = 20  # of the processor, which other programs on the machine do not change
ASK = f"""
import io, os, resource, sys
from pathlib import Path

paths = list(map(Path, sys.argv[1:]))
SETUP
for path in paths:
    for ask in QUESTIONS:
        child = os.fork()  # the peak of memory is that of one file
        if not child:
            resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY}))
            resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
            print(path.name, ask(path), end=" ", flush=True)
            os._exit(0)
        _, status, used = os.wait4(child, 0)
        print(status, used.ru_maxrss // 1024, round(PAID + used.ru_utime + used.ru_stime, 1), flush=True)
"""
READ = """
from ipml.errors import IpmlError
from ipml.listings.tables import read_tables

def read(path):
    try:
        return str(sum(len(table.frame) + len(table.broken) for table in read_tables(path))) + " rows"
    except IpmlError as error:
        assert "\\n" not in str(error)
        return "refused"

QUESTIONS, PAID = [read], 0
"""
RUN = """
import time
import ipml.cli

def run(*arguments):
    sys.argv = ["ipml", *map(str, arguments)]
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        ipml.cli.main()
    except SystemExit as exit:
        said = sys.stderr.getvalue()
        is_right = said.count("\\n") == 1 if exit.code == 2 else exit.code == 0 and not said.strip()
        return f"{exit.code}" if is_right else f"{exit.code}: {said!r}"
    finally:
        sys.stdout, sys.stderr = out, err

def score(path):
    return run("score", path, "--out", f"{path.name}.scored.parquet", "--restart", "--model", "model")

def train(path):
    experiment = Path(f"{path.name}.toml")
    experiment.write_text(f"name = 'shop'\\ndata.listings = '{path}'\\nevaluation.attacks = 'none'\\n")
    return run("model", "train", experiment)

sound = Path("sound.csv")
sound.write_text("listing_id,seller_id,title\\n1,s,Bag\\n")
assert (score(sound), train(sound)) == ("0", "2")  # one seller, who cannot be split; whatever is loaded is loaded now
QUESTIONS, PAID = [score, train], time.process_time()
"""
LET_THROUGH = {"most_rows_of_nothing", "fairly_wide", "many_groups", "huge_metadata"} | {
    *("deep_json", "long_numbers", "short_rows", "short_csv_rows", "wide_json")
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return all hostile files, none of which is large."""
    folder = tmp_path_factory.mktemp("hostile")
    for name, write in HOSTILE.items():
        write(folder / name)
    paths = sorted(folder.iterdir())
    assert all(path.stat().st_size <= MAX_BYTES for path in paths)
    return paths


@pytest.mark.slow
def test_every_hostile_file_is_answered_within_bounds(files: list[Path], tmp_path: Path) -> None:
    """Each is read or refused in one line, in bounded memory and time; those too large in truth are refused."""
    answers = ask(READ, files, tmp_path)
    assert {name.split(".")[0] for name, said in answers if said != "refused"} == LET_THROUGH


@pytest.mark.slow
def test_every_hostile_file_is_scored_and_learnt_from_within_bounds(files, tmp_path, classifier):
    """`ipml score` and `ipml model train` end well or with one line, in bounded memory and time."""
    save_model(classifier, tmp_path / "model", name="market", data_digest="0", experiment={}, figures={})
    answers = ask(RUN, files, tmp_path)
    assert {name for name, said in answers if said not in ("0", "2")} == set()
    assert {name for name, said in answers if said == "0"} == {"huge_metadata.parquet"}


def ask(questions: str, paths: list[Path], folder: Path) -> list[tuple[str, str]]:
    """Return what is answered to questions about each hostile file, once it is sure that none cost too much."""
    settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ASK.replace("SETUP", questions), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=os.environ | settings, check=False)
    assert done.returncode == 0, done.stderr
    answers = [line.rsplit(maxsplit=3) for line in done.stdout.splitlines()]
    assert [cost for cost in answers if cost[1] != "0" or int(cost[2]) > PEAK or float(cost[3]) > SECONDS] == []
    said = [answer.split(maxsplit=1) for answer, *_ in answers]
    assert {name for name, _ in said} == {path.name for path in paths}
    return [(name, words) for name, words in said]


def test_a_small_file_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """The true sizes of its pages are found before they are decoded, even if its footer lies."""
    for name in ("deep_schema.parquet", "untrue_rows.parquet", "long_text_few_times.parquet", "lists.parquet"):
        HOSTILE[name](tmp_path / name)
        with pytest.raises(UnreadableFile, match=name):
            list(read_tables(tmp_path / name))


@settings(max_examples=25)
@given(
    texts=st.lists(st.one_of(st.none(), st.text(max_size=20), st.text("ab", min_size=300, max_size=900)), min_size=1),
    rows=st.integers(1, 7),
    page=st.sampled_from([64, 1 << 20]),
    version=st.sampled_from(["1.0", "2.0"]),
    encoding=st.sampled_from(["dictionary", "PLAIN", "DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"]),
    group=st.integers(1, 40),
)
def test_what_is_sound_is_read_as_it_was_written(tmp_path_factory, texts, rows, page, version, encoding, group) -> None:
    """However a file is cut into pages and row groups, whatever its encoding, its rows come as they are."""
    path = tmp_path_factory.mktemp("sound") / "shop.parquet"
    table = pa.table({"title": pa.array(texts, pa.string()), "price": pa.array(range(len(texts)), pa.int64())})
    plain = {"use_dictionary": False, "column_encoding": {"title": encoding, "price": "PLAIN"}}
    options = {"use_dictionary": True} if encoding == "dictionary" else plain
    pq.write_table(table, path, data_page_size=page, data_page_version=version, row_group_size=group, **options)
    batches = list(look_into(path).read_batches(rows))
    assert pa.Table.from_batches(batches, schema=table.schema) == table
    assert all(batch.num_rows <= rows for batch in batches)


@given(place=st.integers(0, 10_000), byte=st.integers(1, 255))
@example(place=435, byte=68)  # in the footer, of which pyarrow reads some parts in such a way that the process ends
@example(place=370, byte=24)
@example(place=282, byte=87)  # in the head of a page: a text where a number belongs
def test_a_damaged_file_is_read_or_refused_in_words(tmp_path_factory, place, byte):
    """Whatever byte was changed, what comes is a table or one line."""
    path = tmp_path_factory.mktemp("damaged") / "shop.parquet"
    pq.write_table(pa.table({"title": ["Bag", None, "Belt"] * 9, "price": range(27)}), path)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= byte
    path.write_bytes(content)
    said = ""
    try:
        assert all(len(table.frame) <= 27 for table in read_tables(path))
    except UnreadableFile as error:
        said = str(error)
    assert "\n" not in said
