"""`ipml seller` and `ipml seller retention`: what is kept, forgetting, holding, expiring."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.databases import copy_sqlite
from support.planted_seller import MARKERS, NAME, SELLER, find_clear, find_markers, plant
from support.staff import OPERATOR, add_staff
from typer.testing import CliRunner, Result

from ipml.cli import app
from ipml.cli.doctor import check_database
from ipml.enforcement.privacy import erasure
from ipml.errors import Conflict, NotFound, UnusableSetting
from ipml.settings import get_settings
from ipml.storage.database import open_database


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return a database in which a seller has left traces, with a list of the erased in the settings."""
    (tmp_path / "db").mkdir()
    url = copy_sqlite(tmp_path / "db")
    engine = open_database(url)
    plant(engine)
    add_staff(engine)
    engine.dispose()
    monkeypatch.setenv("LOGNAME", OPERATOR)
    monkeypatch.setenv("IPML_ERASED", str(tmp_path / "erased.jsonl"))
    get_settings.cache_clear()
    yield url
    get_settings.cache_clear()


def run(url: str, *arguments: str, say: str | None = None) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, [*arguments, "--database", url], input=say)


def test_what_is_kept_is_shown_and_none_of_it_is_told_in_words(url: str):
    """Counts and days, with the pseudonym; not what was written."""
    shown = run(url, "seller", "show", SELLER).stdout
    assert "1  evidence: the last until 2036-" in shown
    assert "1  notes: the last until 2031-" in shown
    assert NAME not in shown


def test_a_seller_is_erased_once_and_asked_for_before(url: str, tmp_path: Path):
    """Without a yes nothing happens; with it no byte is left, and another time there is nobody."""
    line = ("seller", "erase", SELLER, "--why", "request 7")
    assert run(url, *line, say="n\n").exit_code == 1
    assert list(find_markers((tmp_path / "db").iterdir(), MARKERS))
    result = run(url, *line, say="y\n")
    assert result.exit_code == 0
    assert "5 listings, with 3 decisions on them" in result.stdout
    assert list(find_markers((tmp_path / "db").iterdir(), MARKERS)) == []
    assert list(find_markers([tmp_path / "erased.jsonl"], MARKERS)) == []
    assert isinstance(run(url, *line, "--yes").exception, NotFound)
    assert isinstance(run(url, "seller", "show", SELLER).exception, NotFound)


def test_the_doctor_finds_an_erasure_that_was_interrupted(url: str, monkeypatch: pytest.MonkeyPatch):
    """And says which line finishes it."""
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "sweep_erased", lambda *_, **__: ())
        run(url, "seller", "erase", SELLER, "--why", "request 7", "--yes")
    (found,) = (check for check in check_database(url, None) if check.subject == "erased")
    assert found.words.startswith("1 erased sellers have left traces")
    assert run(url, "seller", "sweep").exit_code == 0
    assert all(check.subject != "erased" for check in check_database(url, None))


def test_without_a_list_a_warning_tells_of_backups(url: str, monkeypatch: pytest.MonkeyPatch):
    """Who erases should know what a restore would do."""
    monkeypatch.delenv("IPML_ERASED")
    get_settings.cache_clear()
    assert "IPML_ERASED" in run(url, "seller", "erase", SELLER, "--why", "request 7", "--yes").stderr


def test_a_hold_is_placed_shown_and_released(url: str):
    """While it is in force erasing is refused."""
    placed = run(url, "seller", "hold", SELLER, "--why", "claim\x1b[2J 12", "--until", "2999-12-31", "--by", "lea")
    assert placed.stdout == "Hold 1 is in force to the end of 2999-12-31 (UTC).\n"
    shown = run(url, "seller", "show", SELLER).stdout
    assert "hold 1: everything, until 2999-12-31, by lea: claim\ufffd[2J 12" in shown
    listed = run(url, "seller", "holds").stdout
    assert listed.startswith(f"seller {SELLER}, hold 1: everything, until 2999-12-31")
    assert listed.endswith("1 hold(s) in force.\n")
    refused = run(url, "seller", "erase", SELLER, "--why", "request 7", "--yes")
    assert isinstance(refused.exception, Conflict)
    assert run(url, "seller", "release", SELLER).stdout == "1 hold(s) ended.\n"
    assert run(url, "seller", "erase", SELLER, "--why", "request 7", "--yes").exit_code == 0


def test_a_restore_erases_again_by_itself(url: str, tmp_path: Path):
    """An older backup brings nobody back; after another way of restoring the flag does the same."""
    assert run(url, "admin", "backup", "--out", str(tmp_path / "backup.zip")).exit_code == 0
    run(url, "seller", "erase", SELLER, "--why", "request 7", "--yes")
    restored = f"sqlite:///{tmp_path}/restored.db"
    result = run(restored, "admin", "restore", str(tmp_path / "backup.zip"))
    assert "Erased seller" in result.stdout
    assert list(find_clear(open_database(restored), MARKERS)) == []
    assert "Nobody was left to erase" in run(restored, "seller", "erase", "--again").stdout


@pytest.mark.parametrize("arguments", [(), (SELLER,), ("--why", "x"), ("--again", SELLER)])
def test_a_line_that_lacks_something_is_told(url: str, arguments: tuple[str, ...]):
    """Nobody is erased by a slip."""
    assert isinstance(run(url, "seller", "erase", *arguments, "--yes").exception, UnusableSetting)


def test_retention_counts_and_runs(url: str):
    """A dry run first; both give a line for each class."""
    dry = run(url, "seller", "retention", "--dry-run")
    assert dry.exit_code == 0
    assert "0  tries" in dry.stdout
    assert "due" in dry.stdout
    assert "expired" in run(url, "seller", "retention").stdout


LISTS = """
version = "2026-05"
base_currency = "EUR"
[rates]
[[brand]]
name = "Acme"
category = "tools"
reference_price = 100.0
currency = "EUR"
aliases = ["Akme"]
authorised_sellers = ["s-1", "s-2"]
[[seller]]
seller_id = "s-3"
list = "denied"
why = "sold counterfeits"
source = "judgment 4"
[[seller]]
seller_id = "s-4"
list = "watched"
why = "a letter"
source = "Acme"
until = 2020-01-01
"""


def test_a_seller_is_put_on_a_list_and_taken_off(url: str):
    """What was added is shown with reason, source and who put it there, and gone once it is removed."""
    line = ("seller", "lists", "add", "denied", "s-9", "--why", "fakes", "--source", "letter", "--until", "2099-12-31")
    assert run(url, *line).stdout == "Entry 1 is in force: s-9 is denied for all brands.\n"
    assert run(url, *line).stdout == "Entry 1 said so already: s-9 is denied for all brands.\n"
    shown = run(url, "seller", "lists", "show", "s-9", "--kind", "denied").stdout
    assert all(word in shown for word in ("denied", "s-9", "fakes", "letter", OPERATOR, "2100-01-01"))
    assert run(url, "seller", "lists", "remove", "1", "--why", "a mistake").stdout == "Entry 1 is off its list.\n"
    assert run(url, "seller", "lists", "remove", "1", "--why", "a mistake").stdout == "Entry 1 had ended.\n"
    assert "s-9" not in run(url, "seller", "lists", "show").stdout
    assert "s-9" in run(url, "seller", "lists", "show", "--ended").stdout
    assert isinstance(run(url, "seller", "lists", "show", "--kind", "banned").exception, UnusableSetting)


def test_the_brand_file_is_loaded_as_it_stands(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its authorised and listed sellers are on lists, those gone from it are not, and what has expired is told."""
    file = tmp_path / "brands.toml"
    file.write_text(LISTS, encoding="utf-8")
    monkeypatch.setenv("IPML_BRANDS", str(file))
    get_settings.cache_clear()
    loaded = run(url, "seller", "lists", "load").stdout
    assert loaded == "3 entries added, 0 removed, 0 as before.\n1 of the file have expired.\n"
    assert run(url, "seller", "lists", "load").stdout.startswith("0 entries added, 0 removed, 3 as before.")
    file.write_text(LISTS.replace('"s-1", ', ""), encoding="utf-8")
    assert run(url, "seller", "lists", "load", str(file)).stdout.startswith("0 entries added, 1 removed, 2 as before.")
