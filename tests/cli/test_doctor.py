"""`ipml doctor` finds what is broken, and what is wrong with settings stops a process at its start."""

import logging
import re
import sqlite3
from contextlib import closing
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from support.databases import copy_postgres, copy_sqlite
from support.postgres import Server
from support.staff import OPERATOR
from support.transactions import act, ask

from ipml.cli.configuration import check_at_start, find_faults, find_unknown
from ipml.cli.doctor import check_access, check_database, check_erased, check_model, without_traceback
from ipml.errors import UnusableSetting
from ipml.settings import Settings, get_settings
from ipml.storage.audit_trail import audit
from ipml.storage.database import has_wal_reset_defect, open_database

SUBJECTS = ("ipml", "numpy", "sqlite", "disk", "engine", "database", "tables", "audit", "rows", "server", "model")
BROKEN = {
    "UPDATE audit SET actor = 'bo' WHERE sequence = 2": "problem  audit: row 2: was changed",
    "DELETE FROM audit WHERE sequence = 2": "problem  audit: row 2: found row 3 in its place",
    "UPDATE alembic_version SET version_num = '9999', compatible_from = NULL": "problem  tables: ",
    "DROP TABLE alembic_version": "found no tables",
    "INSERT INTO sessions VALUES ('t', 7, 0, 0, 0)": "problem  database: sessions: a row refers to none",
    "UPDATE audit SET action = 'decided' WHERE sequence = 2": "rows: audit row 2: does not name its decision",
}


def make_database(folder: Path) -> Path:
    """Make a sound database whose trail has three rows, and return its file."""
    engine = open_database(copy_sqlite(folder))
    act(engine, audit.append_all, "ana", "claimed", ((f"case:{number}", {}) for number in range(3)))
    engine.dispose()
    return folder / "ipml.db"


def change(path: Path, statement: str) -> None:
    """Change a database behind ipml's back."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_a_sound_database_has_no_problem(ipml, tmp_path):
    """Each check is one line, and the exit code is 0; the anchor it prints is the one it takes."""
    anchor = str(ask(open_database(f"sqlite:///{make_database(tmp_path)}"), audit.anchor))
    result = ipml("doctor --database sqlite:///ipml.db --anchor", anchor)
    assert result.exit_code == 0
    assert "problem" not in result.out + result.err
    assert all(line.split()[0] in ("ok", "warning") for line in result.out.splitlines())
    assert [subject for subject in SUBJECTS if f" {subject}:" not in result.out] == []
    assert anchor in ipml("doctor").out


def test_what_is_broken_is_a_problem(ipml, tmp_path, subtests):
    """The line says where, and the exit code is 1; what the chain alone cannot find an anchor finds."""
    sound = make_database(tmp_path).read_bytes()
    anchor = str(ask(open_database("sqlite:///ipml.db"), audit.anchor))
    for number, (statement, words) in enumerate(BROKEN.items()):
        with subtests.test(statement=statement):
            Path(f"{number}.db").write_bytes(sound)
            change(Path(f"{number}.db"), statement)
            result = ipml(f"doctor --database sqlite:///{number}.db")
            assert (result.exit_code, words in result.out) == (1, True)
    change(Path("ipml.db"), "DELETE FROM audit WHERE sequence = 3")
    assert ipml("doctor --database sqlite:///ipml.db").exit_code == 0
    assert "row 3: is missing" in ipml("doctor --database sqlite:///ipml.db --anchor", anchor).out


def test_a_server_is_looked_at_too(ipml, postgres: Server):
    """On PostgreSQL the same is said of the rows, and a server that forgets in a crash is a warning."""
    with copy_postgres(postgres) as url:
        result = ipml("doctor --database", url)
    assert result.exit_code == 0
    assert "ok       rows: " in result.out
    assert "warning  server: fsync is off" in result.out


def test_what_is_asked_for_must_be_sound(ipml, tmp_path):
    """Overwritten pages, a misspelt path and what is no model are problems in a line, and no file is made."""
    assert ipml("doctor --database sqlite:///nothing.db").exit_code == 1
    assert list(tmp_path.iterdir()) == []
    database = make_database(tmp_path)
    (tmp_path / "model").mkdir()
    result = ipml("doctor --database sqlite:///ipml.db --model model")
    assert (result.exit_code, "problem  model:" in result.out) == (1, True)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(database.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    database.write_bytes(content)
    result = ipml("doctor --database sqlite:///ipml.db")
    assert (result.exit_code, "problem  database:" in result.out) == (1, True)


def test_the_releases_of_sqlite_with_the_defect_are_known():
    """The race is in 3.7.0 to 3.51.2 but for the two that were mended."""
    sound = [(3, 6, 23), (3, 44, 6), (3, 50, 7), (3, 51, 3), (3, 53, 0)]
    defective = [(3, 7, 0), (3, 44, 5), (3, 45, 0), (3, 50, 6), (3, 51, 2)]
    assert [version for version in (*sound, *defective) if has_wal_reset_defect(version)] == defective


def test_settings_that_let_others_in_are_named(monkeypatch: pytest.MonkeyPatch, subtests: pytest.Subtests):
    """What would keep the page from starting is a problem; what lets others listen is a warning."""
    for name, value, words in (
        ("HOST", "127.0.0.1", "ok       login: by password"),
        ("HOST", "0.0.0.0", "warning  address: on 0.0.0.0 passwords, keys"),
        ("TRUSTED_HEADER", "X-User", "problem  login: IPML_TRUSTED_HEADER"),
        ("OIDC_ISSUER", "http://id.example", "problem  login: IPML_OIDC_ISSUER"),
        ("TRUSTED_PROXIES", "nonsense", "problem  login: IPML_TRUSTED_PROXIES"),
    ):
        with subtests.test(name=name, value=value), monkeypatch.context() as patched:
            patched.setenv(f"IPML_{name}", value)
            get_settings.cache_clear()
            lines = [f"{check.state:<8} {check.subject}: {check.words}" for check in check_access()]
            assert any(line.startswith(words) for line in lines), lines
            assert any(line.startswith("problem") for line in lines) == words.startswith("problem")
    get_settings.cache_clear()


@pytest.mark.slow
def test_no_setting_ends_in_a_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, subtests: pytest.Subtests):
    """Whatever a setting holds, or the file that it names: each step says what it found, and the others are taken."""
    database = f"sqlite:///{make_database(tmp_path)}"
    (tmp_path / "folder").mkdir()
    (tmp_path / "nonsense").write_bytes(b"\x00\xff{[" * 50)
    for kind in ("missing", "folder", "nonsense"):
        for name, field in Settings.model_fields.items():
            if kind != "nonsense" and not re.search("str|Path", str(field.annotation)):
                continue  # a number or a choice: to it one word is as another
            checked = partial(check_database, None if name == "database" else database, None)
            steps = [checked, check_access, check_erased]
            if name in ("model", "model_key", "tracking"):
                steps.append(partial(check_model, None))
            with subtests.test(kind=kind, name=name), monkeypatch.context() as patched:
                patched.setenv(f"IPML_{name.upper()}", str(tmp_path / kind))
                get_settings.cache_clear()
                found = [check for step in steps for check in without_traceback(step)]
                assert found
                assert all("\n" not in check.words for check in found)
    get_settings.cache_clear()


# What is wrong with settings, ignored or unknown is said; what a process cannot work by stops it at its start
NOTHING = Path("no such file")


def faults(environment: dict[str, str] | None = None, **settings: Any) -> dict[str, str]:
    """Return what is said of some settings, by the name of each; `!` begins what is a problem."""
    found = find_faults(Settings(**settings), environment or {}, NOTHING)
    return {fault.setting: f"{'!' * fault.is_problem}{fault.words}" for fault in found}


def test_an_unknown_variable_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    """Whatever its case, in the file `.env` too; its value is not repeated; what is a setting is known."""
    assert faults() == {}
    given = {"IPML_DATABSE": "postgresql://ipml:secret@db/x", "ipml_port": "1", "IPML_CACHE": "x", "OTHER": "y"}
    (fault,) = find_unknown(given, NOTHING)
    assert (fault.setting, fault.found) == ("IPML_DATABSE", "no setting of that name (perhaps IPML_DATABASE)")
    assert not fault.is_problem
    assert "secret" not in repr(fault)
    (tmp_path / ".env").write_text("IPML_WEBHOOK_SECRETS=whsec_x\nPATH=y\nIPML_PORT=3\n")
    assert [fault.setting for fault in find_unknown({}, tmp_path / ".env")] == ["IPML_WEBHOOK_SECRETS"]


USELESS: list[tuple[dict[str, Any], str, str]] = [
    ({"webhook_secret": NOTHING}, "IPML_WEBHOOK_SECRET", "IPML_WEBHOOK_URL or IPML_WEBHOOK_URLS with it"),
    ({"backups_kept": 3}, "IPML_BACKUPS_KEPT", "found no effect; expected IPML_BACKUPS with it"),
    ({"drift_days": 3}, "IPML_DRIFT_DAYS", "IPML_INCOMING with it"),
    ({"oidc_roles": "a=lead"}, "IPML_OIDC_ROLES", "IPML_OIDC_ISSUER with it"),
    ({"jobs": {"backup": "04:00"}}, "IPML_JOBS", "a schedule of backup, which is off; expected IPML_BACKUPS with"),
    ({"audit_share": 0, "audit_hours": 3}, "IPML_AUDIT_HOURS", "IPML_AUDIT_SHARE with it"),
    ({"idle_minutes": 100, "session_hours": 1}, "IPML_IDLE_MINUTES", "no more than IPML_SESSION_HOURS"),
    ({"networks": NOTHING}, "IPML_NETWORKS", "no such folder"),
    ({"data": NOTHING}, "IPML_DATA", "no such folder"),
]
UNUSABLE: list[tuple[dict[str, Any], str, str]] = [
    ({"policy_review": NOTHING}, "IPML_POLICY_REVIEW", "no such file"),
    ({"policy_enforcement": NOTHING}, "IPML_POLICY_ENFORCEMENT", "no such file"),
    ({"policy_cooperation": NOTHING}, "IPML_POLICY_COOPERATION", "no such file"),
    ({"brands": NOTHING}, "IPML_BRANDS", "a brand file in TOML"),
    ({"api_key": NOTHING}, "IPML_API_KEY", "FileNotFoundError"),
    ({"anchor_key": NOTHING}, "IPML_ANCHOR_KEY", "no such file"),
    ({"model_key": NOTHING}, "IPML_MODEL_KEY", "No such file"),
    ({"webhook_url": "shop.example/hook"}, "IPML_WEBHOOK_URL", "an https address"),
    ({"webhook_url": "http://shop.example/hook"}, "IPML_WEBHOOK_URL", "an https address"),
    ({"webhook_url": "https://shop.example/hook"}, "IPML_WEBHOOK_SECRET", "found none"),
    ({"webhook_urls": {"nobody": "https://x.example"}}, "IPML_WEBHOOK_URLS", "'nobody'"),
    ({"transparency_url": "x.example/api"}, "IPML_TRANSPARENCY_URL", "an address such as https://"),
    ({"transparency_url": "https://x.example", "transparency_token": NOTHING}, "IPML_TRANSPARENCY_TOKEN", "file"),
    ({"public_url": "review.example"}, "IPML_PUBLIC_URL", "an address with its scheme"),
    ({"jobs": {"backups": "04:00"}}, "IPML_JOBS", "backups (perhaps backup)"),
    ({"jobs": {"ends": "soon"}}, "IPML_JOBS, ends", "soon"),
    ({"anchors": NOTHING / "anchors"}, "IPML_ANCHORS", "no file that can be written"),
    ({"erased": NOTHING / "erased"}, "IPML_ERASED", "no file that can be written"),
    ({"labels": Path("/")}, "IPML_LABELS", "found a folder"),
    ({"incoming": NOTHING}, "IPML_INCOMING", "no folder that can be written"),
    ({"backups": Path(__file__)}, "IPML_BACKUPS", "no folder that can be written"),
    ({"network_attributes": NOTHING}, "IPML_NETWORK_ATTRIBUTES", "no such file"),
    ({"drift_reference": "no/such"}, "IPML_DRIFT_REFERENCE", "nothing there"),
    ({"anchors": Path("kept.txt"), "erased": Path("./kept.txt")}, "IPML_ERASED", "the file of IPML_ANCHORS"),
    ({"trusted_header": "X-User"}, "IPML_TRUSTED_HEADER", "no trusted proxies"),
    ({"trusted_proxies": "nowhere"}, "IPML_TRUSTED_PROXIES", "addresses or networks"),
]


def test_each_fault_names_its_setting_with_what_was_found_and_expected(subtests: pytest.Subtests) -> None:
    """What has no effect is no problem, as nothing fails by it; what is wrong is one."""
    for is_problem, rows in ((False, USELESS), (True, UNUSABLE)):
        for settings, name, words in rows:
            with subtests.test(settings=settings):
                said = faults(**settings)[name]
                assert words in said
                assert said.startswith("!") == is_problem


def test_a_secret_in_the_place_of_its_file_is_not_repeated() -> None:
    """Whichever setting it was given to."""
    for setting in ("webhook_secret", "api_key", "transparency_token", "anchor_key", "model_key", "oidc_client_secret"):
        beside = {"webhook_url": "https://shop.example", "transparency_url": "https://t.example"}
        said = faults(**beside, **{setting: "whsec_verysecret"})
        assert "verysecret" not in repr(said)


def test_a_process_stops_at_what_it_needs(caplog: pytest.LogCaptureFixture) -> None:
    """And logs the rest, in a line each."""
    settings = Settings(webhook_url="https://shop.example/hook", incoming=NOTHING, backups_kept=2)
    with pytest.raises(UnusableSetting, match=r"IPML_WEBHOOK_SECRET: found none; .*, and 1 more: see `ipml doctor`"):
        check_at_start(settings, ["worker"], {})
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        check_at_start(settings, ["page", "API"], {"IPML_PROT": "80"})
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert said == ["IPML_PROT", "IPML_BACKUPS_KEPT", "IPML_WEBHOOK_SECRET", "IPML_INCOMING"]


def test_serve_and_worker_stop_before_they_do_anything(ipml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line, exit code 2, and no database is made."""
    monkeypatch.setenv("IPML_POLICY_ENFORCEMENT", "nowhere.toml")
    for line in ("serve --port 0", "worker --once", "serve --port 0 --with-worker"):
        assert ipml(line).is_refusal("ipml: IPML_POLICY_ENFORCEMENT: found no such file"), line
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_says_all_of_it(ipml, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what cannot be read as a setting at all."""
    monkeypatch.setenv("IPML_MODLE", "x")
    monkeypatch.setenv("IPML_POLICY_REVIEW", "nowhere.toml")
    said = ipml("doctor").out
    assert "warning  settings: IPML_MODLE: found no setting of that name (perhaps IPML_MODEL)" in said
    assert "problem  settings: IPML_POLICY_REVIEW: found no such file" in said
    monkeypatch.setenv("IPML_PORT", "many")
    assert "problem  settings: settings, from the environment" in ipml("doctor").out
    assert ipml("serve").is_refusal("port = 'many'")


def test_the_doctor_compares_the_brand_file_with_the_lists(ipml, monkeypatch, tmp_path):
    """Until it is loaded, and again after it was changed."""
    path, bundled = tmp_path / "brands.toml", files("ipml.listings").joinpath("brands.toml").read_text(encoding="utf-8")
    seller = '\n[[seller]]\nseller_id = "s1"\nlist = "denied"\nwhy = "sold fakes"\nsource = "a court"\n'
    path.write_text(bundled + seller, encoding="utf-8")
    monkeypatch.setenv("IPML_BRANDS", str(path))
    assert ipml("admin user add --role admin --no-password", OPERATOR).exit_code == 0
    assert "warning  lists: 1 of IPML_BRANDS are not on them" in ipml("doctor").out
    assert ipml("seller lists load").exit_code == 0
    assert "ok       lists:" in ipml("doctor").out
    path.write_text(bundled, encoding="utf-8")
    assert "0 of IPML_BRANDS are not on them, 1 of them no longer in it" in ipml("doctor").out
