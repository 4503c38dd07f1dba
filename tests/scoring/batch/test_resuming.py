"""A run that is stopped, wherever that is, goes on where it was; another run does not take its chunks."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ipml.errors import Conflict, InvalidListings, UnwritableFile
from ipml.features.portfolio import SellerPortfolios
from ipml.scoring.batch import file_scoring
from ipml.scoring.batch.file_scoring import BatchOptions, _digest_portfolios, name_work_folder, score_file

pytestmark = pytest.mark.slow


class KilledError(BaseException):
    """What stands for a kill."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Cut files into chunks of five rows."""
    monkeypatch.setattr(file_scoring, "CHUNK_ROWS", 5)


@pytest.fixture
def kill_at(monkeypatch):
    """Return a function that lets a run be killed before it puts its n-th file in its place, or takes a folder away."""

    def kill_at(n: int) -> None:
        done = [0]

        def count(call):
            def counted(*args, **kwargs):
                done[0] += 1
                if done[0] == n:
                    raise KilledError
                return call(*args, **kwargs)

            return counted

        monkeypatch.setattr(Path, "replace", count(replace))
        monkeypatch.setattr(Path, "rename", count(rename))
        monkeypatch.setattr(shutil, "rmtree", count(rmtree))

    replace, rename, rmtree = Path.replace, Path.rename, shutil.rmtree
    return kill_at


def read_all(path: Path) -> dict[str, bytes]:
    """Return the bytes of a file, or of each file in a folder."""
    return {one.name: one.read_bytes() for one in sorted(path.iterdir())} if path.is_dir() else {"": path.read_bytes()}


def names(folder: Path) -> set[str]:
    """Return what is in a folder."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("target", "has_events", "every"), [("scored.csv", True, 3), ("scored.parquet", False, 1), ("scored", False, 1)]
)
def test_a_run_killed_at_any_step_ends_as_if_it_had_not_been(
    shop, make_scorer, kill_at, tmp_path, target, has_events, every
):
    """Killed before its first file, its second, … and repeated: the same bytes come out, and nothing else is left."""
    rejects = tmp_path / "rejects.csv"
    options = {"rejects": rejects, "explain_top": 3, "events": [sell(shop)] if has_events else ()}
    expected = score_file(make_scorer(), shop, tmp_path / target, BatchOptions(**options))
    written, rejected = read_all(tmp_path / target), rejects.read_bytes()
    left = names(tmp_path)
    n, is_killed = 1 - every, True
    while is_killed:
        shutil.rmtree(tmp_path / target) if (tmp_path / target).is_dir() else (tmp_path / target).unlink()
        n, is_killed = n + every, False
        kill_at(n)
        try:
            score_file(make_scorer(), shop, tmp_path / target, BatchOptions(**options))
        except KilledError:
            is_killed = True
            kill_at(0)
            counts = score_file(make_scorer(), shop, tmp_path / target, BatchOptions(**options))
            assert (counts.scored, counts.rejected) == (expected.scored, expected.rejected)
        assert read_all(tmp_path / target) == written
        assert rejects.read_bytes() == rejected
        assert names(tmp_path) == left
    assert n > 20


def sell(shop: Path, amount: int = 3) -> Path:
    """Give all listings of a shop a moment, and return a file of events by which its seller had sold so much then."""
    head, *rows = shop.read_text().splitlines()
    if "observed_at" not in head:
        rows = [f"{row},2026-03-02T00:00:00Z" for row in rows]
        shop.write_text("\n".join([f"{head},observed_at", *rows, ""]))
    path = shop.with_name("sales.csv")
    moment = "2026-03-01T00:00:00Z"
    path.write_text(f"seller_id,kind,occurred_at,known_at,amount\ns,sold,{moment},{moment},{amount}\n")
    return path


def test_chunks_scored_with_other_events_are_refused(shop, make_scorer, tmp_path):
    """Or with none; beginning anew takes the history of the new ones."""
    rejects, target = tmp_path / "rejects.csv", tmp_path / "scored.csv"
    stop_after(4, shop, make_scorer(), tmp_path, events=[sell(shop)])
    sell(shop, amount=4)
    for events in ([tmp_path / "sales.csv"], ()):
        with pytest.raises(Conflict, match=r"another events: .*begin anew with --restart"):
            score_file(make_scorer(), shop, target, BatchOptions(rejects=rejects, events=events))
    score_file(
        make_scorer(), shop, target, BatchOptions(rejects=rejects, events=[tmp_path / "sales.csv"], restart=True)
    )
    assert set(pd.read_csv(target)["seller_sales"]) == {4.0}


def test_bad_events_end_a_run_before_anything_is_scored(shop, make_scorer, tmp_path):
    """They are named, and no folder is left behind."""
    events = sell(shop)
    events.write_text(events.read_text().replace("sold", "sould"))
    scorer, left = make_scorer(), names(tmp_path)
    with pytest.raises(InvalidListings, match=r"sales\.csv: 1 bad row: row 1, kind: found 'sould'"):
        score_file(
            scorer, shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv", events=[events])
        )
    assert (scorer.scored, names(tmp_path)) == (0, left)


def test_what_is_finished_is_not_done_again(shop, make_scorer, tmp_path):
    """Of four chunks done before the stop none is scored anew; their bad rows are an error where they are not to be."""
    stop_after(4, shop, make_scorer(), tmp_path)
    scorer = make_scorer()
    with pytest.raises(InvalidListings, match="1 bad row: row 3, price: found 'much'"):
        score_file(scorer, shop, tmp_path / "scored.csv")
    counts = score_file(scorer, shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv"))
    assert (scorer.scored, counts.kept) == (2, 20)


@pytest.mark.parametrize("damage", ["cut", "changed", "missing", "no record"])
def test_a_chunk_that_is_not_as_its_record_says_is_done_again(shop, make_scorer, tmp_path, damage):
    """A disk may have lost what a machine that went down had written."""
    stop_after(4, shop, make_scorer(), tmp_path)
    chunk = name_work_folder(tmp_path / "scored.csv") / "chunk-00001.parquet"
    content = chunk.read_bytes()
    if damage == "missing":
        chunk.unlink()
    elif damage == "no record":
        chunk.with_suffix(".json").write_text("{")
    else:
        chunk.write_bytes(content[:-9] if damage == "cut" else content.replace(b"EUR", b"USD"))
    scorer = make_scorer()
    score_file(scorer, shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv"))
    resumed = (tmp_path / "scored.csv").read_bytes()
    score_file(make_scorer(), shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv"))
    assert scorer.scored == 2 + 5
    assert (tmp_path / "scored.csv").read_bytes() == resumed


def test_the_rest_of_a_killed_process_is_cleared(shop, make_scorer, tmp_path):
    """A file that was being written has no name of its own yet."""
    stop_after(4, shop, make_scorer(), tmp_path)
    (name_work_folder(tmp_path / "scored.csv") / "partial-123-chunk-00004.parquet").write_bytes(b"PAR1")
    stop_after(1, shop, make_scorer(), tmp_path)
    assert not list(name_work_folder(tmp_path / "scored.csv").glob("partial-*"))


def test_chunks_of_another_run_are_refused(shop, make_scorer, tmp_path, subtests):
    """With what differs and what to do; beginning anew is what one has to ask for."""
    target, rejects = tmp_path / "scored.csv", tmp_path / "rejects.csv"
    for version, explain_top, more, what in (
        ("toy/2", 100, "", "another model: toy/1; expected toy/2"),
        ("toy/1", 7, "", "another number of listings to explain: 100; expected 7"),
        ("toy/1", 100, "\n", "another source: "),
    ):
        with subtests.test(what):
            stop_after(4, shop, make_scorer(), tmp_path, restart=True)
            if more:
                shop.write_text(shop.read_text() + more)
            scorer, options = make_scorer(version), {"explain_top": explain_top, "rejects": rejects}
            with pytest.raises(Conflict, match=f"{what}.*begin anew with --restart"):
                score_file(scorer, shop, target, BatchOptions(**options))
            counts = score_file(scorer, shop, target, BatchOptions(**options, restart=True))
            assert (counts.scored, counts.kept, scorer.scored) == (20, 0, 21)


def test_two_processes_do_not_write_the_same_result(shop, make_scorer, tmp_path):
    """The second is told so, and harms nothing."""

    def meet(step: str, rows: int, total: int | None) -> None:
        if rows:
            with pytest.raises(Conflict, match="found another process at work in it"):
                score_file(make_scorer(), shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv"))

    counts = score_file(
        make_scorer(), shop, tmp_path / "scored.csv", BatchOptions(rejects=tmp_path / "rejects.csv"), on_rows=meet
    )
    assert counts.scored == 20


def test_a_folder_that_is_whole_already_is_left_as_it_is(shop, make_scorer, tmp_path):
    """The same call again scores nothing; a changed file is scored anew, for a folder that is whole is no rest."""
    score_file(make_scorer(), shop, tmp_path / "scored", BatchOptions(rejects=tmp_path / "rejects.csv"))
    again, changed = make_scorer(), make_scorer()
    counts = score_file(again, shop, tmp_path / "scored", BatchOptions(rejects=tmp_path / "rejects.csv"))
    assert (again.scored, counts.scored, counts.rejected, counts.kept) == (0, 20, 3, 23)
    shop.write_text(shop.read_text() + "22,s,Bag,1,EUR\n")
    assert score_file(changed, shop, tmp_path / "scored", BatchOptions(rejects=tmp_path / "rejects.csv")).scored == 21
    assert changed.scored == 22


def test_a_folder_with_files_of_others_is_not_replaced(shop, make_scorer, tmp_path):
    """One of them is named, and nothing is scored."""
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored" / "letter.txt").write_text("Dear")
    with pytest.raises(UnwritableFile, match=r"found a folder with 'letter\.txt' in it; expected nothing there"):
        score_file(make_scorer(), shop, tmp_path / "scored", BatchOptions(rejects=tmp_path / "rejects.csv"))


def stop_after(n_chunks: int, shop: Path, scorer, tmp_path: Path, **options: Any) -> None:
    """Score until so many chunks are done."""

    def stop(step: str, rows: int, total: int | None) -> None:
        if rows >= 5 * n_chunks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_file(
            scorer,
            shop,
            tmp_path / "scored.csv",
            BatchOptions(rejects=tmp_path / "rejects.csv", **options),
            on_rows=stop,
        )


def test_the_order_in_which_sellers_were_met_makes_no_other_run():
    """The same portfolios are the same, however they were built."""
    forth, back = SellerPortfolios(), SellerPortfolios()
    forth.shares_in_time(["a", "b", "c"], np.array([0.9, 0.5, 0.1]), np.array([1, 2, 3]))
    for seller, probability, moment in (("c", 0.1, 3), ("a", 0.9, 1), ("b", 0.5, 2)):
        back.shares_in_time([seller], np.array([probability]), np.array([moment]))
    assert _digest_portfolios(forth) == _digest_portfolios(back)
    back.shares_in_time(["c"], np.array([0.1]), np.array([4]))
    assert _digest_portfolios(forth) != _digest_portfolios(back)
