"""`ipml seller` and `ipml seller retention`: what is kept, forgetting, holding, expiring."""

from io import StringIO

import pytest
from support.databases import copy_sqlite
from support.planted_seller import MARKERS, NAME, SELLER, find_clear, find_markers, plant
from support.staff import OPERATOR, add_staff

from ipml.cli.doctor import check_database
from ipml.enforcement.privacy import erasure
from ipml.settings import get_settings
from ipml.storage.database import open_database

ERASE = f"seller erase {SELLER} --why 'request 7'"


@pytest.fixture
def planted(ipml, tmp_path, monkeypatch):
    """Put a database in which a seller has left traces, and a list of the erased, into the settings."""
    (tmp_path / "db").mkdir()
    url = copy_sqlite(tmp_path / "db")
    engine = open_database(url)
    plant(engine)
    add_staff(engine)
    engine.dispose()
    monkeypatch.setenv("IPML_DATABASE", url)
    monkeypatch.setenv("IPML_ERASED", str(tmp_path / "erased.jsonl"))
    get_settings.cache_clear()
    return url


def test_a_seller_is_shown_erased_once_and_asked_for_before(ipml, planted, tmp_path, monkeypatch):
    """Counts and days, not what was written; without a yes nothing happens, with it no byte is left."""
    shown = ipml("seller show", SELLER).out
    assert "1  evidence: the last until 2036-" in shown
    assert "1  notes: the last until 2031-" in shown
    assert NAME not in shown
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert ipml(ERASE).exit_code == 1
    assert list(find_markers((tmp_path / "db").iterdir(), MARKERS))
    answer = ipml(f"{ERASE} --yes")
    assert answer.exit_code == 0
    assert "5 listings, with 3 decisions on them" in answer.out
    assert list(find_markers([*(tmp_path / "db").iterdir(), tmp_path / "erased.jsonl"], MARKERS)) == []
    assert ipml(f"{ERASE} --yes").is_refusal()
    assert ipml("seller show", SELLER).is_refusal()


def test_the_doctor_finds_an_erasure_that_was_interrupted(ipml, planted, monkeypatch):
    """And says which line finishes it; without a list a warning tells who erases what a restore would do."""
    monkeypatch.delenv("IPML_ERASED")
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "sweep_erased", lambda *_, **__: ())
        assert "IPML_ERASED" in ipml(f"{ERASE} --yes").err
    (found,) = (check for check in check_database(planted, None) if check.subject == "erased")
    assert found.words.startswith("1 erased sellers have left traces")
    assert ipml("seller sweep").exit_code == 0
    assert all(check.subject != "erased" for check in check_database(planted, None))


def test_a_hold_is_placed_shown_and_released(ipml, accepted, planted):
    """While it is in force erasing is refused; nobody is erased by a slip."""
    lines = [f"seller erase --yes {line}" for line in ("", SELLER, "--why x", f"--again {SELLER}")]
    assert accepted(dict.fromkeys([*lines, "seller lists show --kind banned"], "")) == {}
    placed = ipml("seller hold --until 2999-12-31 --by lea --why", "claim\x1b[2J 12", SELLER)
    assert placed.out == "Hold 1 is in force to the end of 2999-12-31 (UTC).\n"
    shown = ipml("seller show", SELLER).out
    assert "hold 1: everything, until 2999-12-31, by lea: claim\ufffd[2J 12" in shown
    listed = ipml("seller holds").out
    assert listed.startswith(f"seller {SELLER}, hold 1: everything, until 2999-12-31")
    assert listed.endswith("1 hold(s) in force.\n")
    assert ipml(f"{ERASE} --yes").is_refusal()
    dry = ipml("seller retention --dry-run")
    assert (dry.exit_code, "0  tries" in dry.out, "due" in dry.out) == (0, True, True)
    assert "expired" in ipml("seller retention").out
    assert ipml("seller release", SELLER).out == "1 hold(s) ended.\n"
    assert ipml(f"{ERASE} --yes").exit_code == 0


def test_a_restore_erases_again_by_itself(ipml, planted, tmp_path):
    """An older backup brings nobody back; after another way of restoring the flag does the same."""
    assert ipml("admin backup --out backup.zip").exit_code == 0
    ipml(f"{ERASE} --yes")
    restored = f"sqlite:///{tmp_path}/restored.db"
    assert "Erased seller" in ipml("admin restore backup.zip --database", restored).out
    assert list(find_clear(open_database(restored), MARKERS)) == []
    assert "Nobody was left to erase" in ipml("seller erase --again --database", restored).out


LISTS = """
version = "2026-05"
base_currency = "EUR"
rates = {}
brand = [{name = "Acme", category = "tools", reference_price = 100.0, currency = "EUR", authorised_sellers = [
  "s-1", "s-2"]}]
seller = [
  {seller_id = "s-3", list = "denied", why = "sold counterfeits", source = "judgment 4"},
  {seller_id = "s-4", list = "watched", why = "a letter", source = "Acme", until = 2020-01-01},
]
"""


def test_a_seller_is_put_on_a_list_and_taken_off(ipml, planted, tmp_path, monkeypatch):
    """By hand, with reason, source and who put it there; or by the brand file, which is loaded as it stands."""
    line = "seller lists add denied s-9 --why fakes --source letter --until 2099-12-31"
    assert ipml(line).out == "Entry 1 is in force: s-9 is denied for all brands.\n"
    assert ipml(line).out == "Entry 1 said so already: s-9 is denied for all brands.\n"
    shown = ipml("seller lists show s-9 --kind denied").out
    assert all(word in shown for word in ("denied", "s-9", "fakes", "letter", OPERATOR, "2100-01-01"))
    assert ipml("seller lists remove 1 --why 'a mistake'").out == "Entry 1 is off its list.\n"
    assert ipml("seller lists remove 1 --why 'a mistake'").out == "Entry 1 had ended.\n"
    assert "s-9" not in ipml("seller lists show").out
    assert "s-9" in ipml("seller lists show --ended").out
    file = tmp_path / "brands.toml"
    file.write_text(LISTS, encoding="utf-8")
    monkeypatch.setenv("IPML_BRANDS", str(file))
    assert ipml("seller lists load").out == "3 entries added, 0 removed, 0 as before.\n1 of the file have expired.\n"
    assert ipml("seller lists load").out.startswith("0 entries added, 0 removed, 3 as before.")
    file.write_text(LISTS.replace('"s-1", ', ""), encoding="utf-8")
    assert ipml("seller lists load", file).out.startswith("0 entries added, 1 removed, 2 as before.")
