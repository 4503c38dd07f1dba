"""What is wrong with settings, ignored or unknown is said; what a process cannot work by stops it at its start."""

import logging
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from support.staff import OPERATOR

from ipml.cli.configuration import check_at_start, find_faults, find_unknown
from ipml.errors import UnusableSetting
from ipml.settings import Settings

NOTHING = Path("no such file")


def faults(environment: dict[str, str] | None = None, **settings: Any) -> dict[str, str]:
    """Return what is said of some settings, by the name of each; `!` begins what is a problem."""
    found = find_faults(Settings(**settings), environment or {}, NOTHING)
    return {fault.setting: f"{'!' * fault.is_problem}{fault.words}" for fault in found}


def test_the_usual_settings_have_no_faults() -> None:
    """Without any given there is nothing to say."""
    assert faults() == {}


def test_an_unknown_variable_is_told_with_the_nearest_name() -> None:
    """Whatever its case; its value is not repeated; what is a setting, or read elsewhere, is known."""
    given = {"IPML_DATABSE": "postgresql://ipml:secret@db/x", "ipml_port": "1", "IPML_CACHE": "x", "OTHER": "y"}
    (fault,) = find_unknown(given, NOTHING)
    assert (fault.setting, fault.found) == ("IPML_DATABSE", "no setting of that name (perhaps IPML_DATABASE)")
    assert not fault.is_problem
    assert "secret" not in repr(fault)


def test_so_is_one_in_the_file(tmp_path: Path) -> None:
    """What the file `.env` sets is looked at, too; other names in it are not ipml's."""
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
WRONG: list[tuple[dict[str, Any], str, str]] = [
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
    for is_problem, rows in ((False, USELESS), (True, WRONG)):
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
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "IPML_PROT",
        "IPML_BACKUPS_KEPT",
        "IPML_WEBHOOK_SECRET",
        "IPML_INCOMING",
    ]


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


def test_the_doctor_compares_the_brand_file_with_the_lists(
    ipml, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
